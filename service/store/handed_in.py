"""Assignments as the API shows them: as they came, and what is wrong with them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

# $5 cuts raw short: what a worker hands in may have a megabyte.
_SELECT = """
SELECT a.assignment_no, a.hit_no, a.market_assignment_id, w.worker_id, a.state, a.submitted_at, a.collected_at,
    (SELECT count(*) FROM answer n WHERE n.job_no = a.job_no AND n.assignment_no = a.assignment_no),
    a.problem, length(a.raw), left(a.raw, $5)
FROM (
    SELECT * FROM assignment WHERE job_no = $1 AND assignment_no > $2 AND ($3 OR problem IS NOT NULL)
    ORDER BY assignment_no LIMIT $4
) a
JOIN job_worker w ON w.job_no = a.job_no AND w.worker_no = a.worker_no
ORDER BY a.assignment_no
"""
WHOLE = 2**31 - 1
"""More characters than any text in Postgres has."""


class AssignmentRow(Struct, frozen=True):
    """What one worker handed in for one HIT; raw may be cut short, raw_length is the whole's."""

    assignment_no: int
    hit_no: int
    market_assignment_id: str
    worker_id: str
    state: str
    submitted_at: datetime
    collected_at: datetime
    answers: int
    problem: str | None
    raw_length: int
    raw: str


async def page(
    conn: Connection, job_no: int, *, after: int, every: bool, limit: int, longest: int
) -> list[AssignmentRow]:
    """Return a job's assignments in the order in which they were collected: every one, or those with a problem."""
    return [AssignmentRow(*row) for row in await conn.fetch(_SELECT, job_no, after, every, limit, longest)]


async def find(conn: Connection, job_no: int, assignment_no: int) -> AssignmentRow | None:
    """Return one assignment, with all that was handed in."""
    rows = await page(conn, job_no, after=assignment_no - 1, every=True, limit=1, longest=WHOLE)
    return rows[0] if rows and rows[0].assignment_no == assignment_no else None
