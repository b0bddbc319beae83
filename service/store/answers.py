"""Answers, as workers gave them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

# The page comes first, so that what is joined to it is looked up row by row and no table is read from its start.
# Superseded: the same worker answered the item again, later by the market's submit time, then by assignment id.
_PAGE = """
SELECT a.assignment_no, a.slot, i.external_id, i.is_gold, w.worker_id, a.label, a.submitted_at, s.state,
    EXISTS (
        SELECT FROM answer b JOIN assignment t ON t.job_no = b.job_no AND t.assignment_no = b.assignment_no
        WHERE b.job_no = a.job_no AND b.item_no = a.item_no AND b.worker_no = a.worker_no AND t.state <> 'rejected'
          AND (b.submitted_at, t.market_assignment_id) > (a.submitted_at, s.market_assignment_id)
    ),
    s.state <> 'rejected' AND (w.void_from IS NULL
        OR (a.submitted_at, s.market_assignment_id, a.slot) < (w.void_from, w.void_assignment, w.void_slot))
FROM (
    SELECT * FROM answer b WHERE b.job_no = $1 AND (b.assignment_no, b.slot) > ($2, $3)
      AND ($4 OR (SELECT NOT j.is_gold FROM item j WHERE j.job_no = b.job_no AND j.item_no = b.item_no))
    ORDER BY b.assignment_no, b.slot LIMIT $5
) a
JOIN assignment s ON s.job_no = a.job_no AND s.assignment_no = a.assignment_no
JOIN item i ON i.job_no = a.job_no AND i.item_no = a.item_no
JOIN job_worker w ON w.job_no = a.job_no AND w.worker_no = a.worker_no
ORDER BY a.assignment_no, a.slot
"""


class AnswerRow(Struct, frozen=True):
    """One worker's answer to one item.

    superseded: a later answer of the same worker counts instead; weighs: neither its assignment was rejected nor its
    worker suspended from it on.
    """

    assignment_no: int
    slot: int
    external_id: str
    is_gold: bool
    worker_id: str
    label: int
    submitted_at: datetime
    assignment_state: str
    superseded: bool
    weighs: bool


async def page(conn: Connection, job_no: int, *, after: tuple[int, int], gold: bool, limit: int) -> list[AnswerRow]:
    """Return a job's answers in the order in which they were collected."""
    return [AnswerRow(*row) for row in await conn.fetch(_PAGE, job_no, *after, gold, limit)]
