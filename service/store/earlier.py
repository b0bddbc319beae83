"""What a team's earlier jobs left of a job's workers."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from service.store.dues import Connection

# Jobs that were over when this one was launched: what they say of a worker changes no more. Of the same kind are those
# that ask the same question with the same label values.
_LOAD = """
SELECT n.worker_no, extract(epoch FROM j.launched_at - e.ended_at)::float8 / 86400, k.alike,
    o.gold_right, o.gold_total, coalesce((o.trust ->> 'log_ratio')::float8, 0),
    CASE WHEN k.alike THEN coalesce(o.trust -> 'labels', '[]') ELSE '[]' END
FROM job j
JOIN job_worker n ON n.job_no = j.job_no
JOIN job_worker o ON o.worker_id = n.worker_id AND o.job_no <> n.job_no
JOIN job e ON e.job_no = o.job_no AND e.team_id = j.team_id AND e.ended_at <= j.launched_at
CROSS JOIN LATERAL (
    SELECT e.spec -> 'task' -> 'question' = j.spec -> 'task' -> 'question'
        AND e.spec -> 'task' -> 'labels' = j.spec -> 'task' -> 'labels' AS alike
) AS k
WHERE j.job_no = $1 ORDER BY n.worker_no, e.job_no
"""


class EarlierJob(Struct, frozen=True):
    """What one earlier job says of a worker.

    days: how long it was over when this job was launched; alike: it asked the same question with the same label values;
    log_ratio: bad over good, by gold and agreement; labels: what the job's evidence has of each label value, if alike.
    """

    worker_no: int
    days: float
    alike: bool
    gold_right: int
    gold_total: int
    log_ratio: float
    labels: list[dict[str, Any]] = []


async def load(conn: Connection, job_no: int) -> list[EarlierJob]:
    """Return what earlier jobs of the same team say of a job's workers, worker by worker."""
    return [EarlierJob(*row) for row in await conn.fetch(_LOAD, job_no)]
