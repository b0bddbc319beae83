"""What workers made of gold."""

from __future__ import annotations

from collections.abc import Sequence

from service.store.dues import Connection

_SAVE = """
UPDATE job_worker w SET gold_right = s.gold_right, gold_total = s.gold_total
FROM unnest($2::int4[], $3::int4[], $4::int4[]) AS s (worker_no, gold_right, gold_total)
WHERE w.job_no = $1 AND w.worker_no = s.worker_no
  AND (w.gold_right, w.gold_total) IS DISTINCT FROM (s.gold_right, s.gold_total)
"""


async def save(
    conn: Connection, job_no: int, worker_nos: Sequence[int], right: Sequence[int], total: Sequence[int]
) -> None:
    """Save each worker's right and all gold answers."""
    await conn.execute(_SAVE, job_no, list(worker_nos), list(right), list(total))
