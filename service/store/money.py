"""Money: promised before it is owed, each step a row, the sums checked by the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from service.store.dues import Connection

_RESERVE = """
WITH entry AS (
    INSERT INTO money (job_no, at, kind, cents, hit_no)
    SELECT $1, $2, 'reserve', e.cents, e.hit_no FROM unnest($3::int4[], $4::bigint[]) AS e (hit_no, cents)
    RETURNING cents
)
UPDATE job SET reserved_cents = reserved_cents + (SELECT coalesce(sum(cents), 0) FROM entry) WHERE job_no = $1
"""
_SPEND = """
WITH entry AS (
    INSERT INTO money (job_no, at, kind, cents, hit_no, assignment_no)
    SELECT $1, $2, 'spend', h.unit_cents, a.hit_no, a.assignment_no
    FROM assignment a JOIN hit h USING (job_no, hit_no)
    WHERE a.job_no = $1 AND a.assignment_no = ANY($3::bigint[])
    ON CONFLICT (job_no, assignment_no) WHERE kind = 'spend' DO NOTHING
    RETURNING cents
), total AS (SELECT coalesce(sum(cents), 0) AS cents FROM entry)
UPDATE job SET reserved_cents = reserved_cents - (SELECT cents FROM total),
               spent_cents = spent_cents + (SELECT cents FROM total)
WHERE job_no = $1
"""
_RELEASE = """
WITH entry AS (
    INSERT INTO money (job_no, at, kind, cents, hit_no)
    SELECT $1, $2, 'release', h.unit_cents * (h.slots - count(a.assignment_no)), h.hit_no
    FROM hit h LEFT JOIN assignment a ON a.job_no = h.job_no AND a.hit_no = h.hit_no AND a.state = 'approved'
    WHERE h.job_no = $1 AND h.hit_no = ANY($3::int4[])
    GROUP BY h.hit_no, h.unit_cents, h.slots
    RETURNING cents
)
UPDATE job SET reserved_cents = reserved_cents - (SELECT coalesce(sum(cents), 0) FROM entry) WHERE job_no = $1
"""
_FREE = "SELECT budget_cents - reserved_cents - spent_cents FROM job WHERE job_no = $1"
_BUDGET = "SELECT budget_cents FROM job WHERE job_no = $1"


async def budget(conn: Connection, job_no: int) -> int:
    """Return the cents that a job may cost."""
    cents: int = await conn.fetchval(_BUDGET, job_no)
    return cents


async def free(conn: Connection, job_no: int) -> int:
    """Return the cents of a job's budget that are neither promised nor spent."""
    cents: int = await conn.fetchval(_FREE, job_no)
    return cents


async def reserve(conn: Connection, job_no: int, cents_by_hit: Sequence[tuple[int, int]], now: datetime) -> None:
    """Promise the worst case of HITs; raises asyncpg.CheckViolationError where the budget does not hold it."""
    hits, cents = [hit for hit, _ in cents_by_hit], [cents for _, cents in cents_by_hit]
    await conn.execute(_RESERVE, job_no, now, hits, cents)


async def spend(conn: Connection, job_no: int, assignment_nos: Sequence[int], now: datetime) -> None:
    """Move what was promised for assignments to what was spent, once each."""
    await conn.execute(_SPEND, job_no, now, list(assignment_nos))


async def release(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> None:
    """Give back what was promised for slots of HITs that were closed just now and nobody was paid for."""
    await conn.execute(_RELEASE, job_no, now, list(hit_nos))
