"""Workers, and what is known of each in a job."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

_PAGE = """
SELECT p.worker_no, p.worker_id, w.market_worker_id, m.name, p.first_seen_at, coalesce(n.answers, 0),
    coalesce(n.assignments, 0), p.gold_right, p.gold_total, p.confusion, r.run_id
FROM (SELECT * FROM job_worker WHERE job_no = $1 AND worker_no > $2 ORDER BY worker_no LIMIT $3) p
JOIN worker w USING (worker_id) JOIN market m USING (market_no)
LEFT JOIN run r ON r.job_no = p.job_no AND r.run_no = p.confusion_run
LEFT JOIN (
    SELECT worker_no, count(*) AS answers, count(DISTINCT assignment_no) AS assignments
    FROM answer WHERE job_no = $1 GROUP BY worker_no
) n USING (worker_no)
ORDER BY p.worker_no
"""


class WorkerRow(Struct, frozen=True):
    """A worker in a job. confusion: flat, rows true and columns answered; None before the first run."""

    worker_no: int
    worker_id: str
    market_worker_id: str
    market: str
    first_seen_at: datetime
    answers: int
    assignments: int
    gold_right: int
    gold_total: int
    confusion: list[float] | None
    run_id: str | None


async def page(conn: Connection, job_no: int, *, after: int, limit: int) -> list[WorkerRow]:
    """Return a job's workers in the order in which they were first seen."""
    return [WorkerRow(*row) for row in await conn.fetch(_PAGE, job_no, after, limit)]
