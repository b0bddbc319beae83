"""Surplus: assignments that nothing is reserved for, beyond a HIT's slots or after it was closed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from service.store.dues import Connection

# Only what was committed before it was asked of the market is ours, so that any more is somebody else's.
_OFFERED = """
UPDATE hit SET offered = l.offered FROM unnest($2::int4[], $3::int2[]) AS l (hit_no, offered)
WHERE hit.job_no = $1 AND hit.hit_no = l.hit_no AND l.offered > greatest(hit.wanted, hit.offered)
  AND hit.state IN ('open', 'shut')
RETURNING hit.hit_no, hit.market_hit_id, hit.wanted, hit.offered
"""
_OF_JOB = """
SELECT hit_no, market_hit_id, collected - coalesce(funded, slots), unit_cents FROM hit
WHERE job_no = $1 AND collected > coalesce(funded, slots) ORDER BY hit_no
"""
_TAKE_IN = """
UPDATE hit SET slots = slots + t.more, funded = funded + t.more
FROM unnest($2::int4[], $3::int2[]) AS t (hit_no, more)
WHERE hit.job_no = $1 AND hit.hit_no = t.hit_no
"""
# Of a HIT's assignments, those that came in last are the surplus.
_HOLD = """
UPDATE effect e SET state = 'parked', last_error = $2
FROM hit h
WHERE e.job_no = $1 AND e.kind = 'approve' AND e.state = 'due'
  AND h.job_no = $1 AND h.hit_no = e.hit_no AND h.collected > coalesce(h.funded, h.slots)
  AND (SELECT count(*) FROM assignment b WHERE b.job_no = $1 AND b.hit_no = e.hit_no AND b.state <> 'stray'
       AND b.assignment_no <= e.assignment_no) > coalesce(h.funded, h.slots)
"""


class Extended(Struct, frozen=True):
    """A HIT that others have extended: what we wanted, and what is offered."""

    hit_no: int
    market_hit_id: str
    wanted: int
    offered: int


class Surplus(Struct, frozen=True):
    """How many assignments of a HIT nothing is reserved for, and what each costs."""

    hit_no: int
    market_hit_id: str
    assignments: int
    unit_cents: int


async def offered(conn: Connection, job_no: int, rows: Sequence[tuple[int, int]]) -> list[Extended]:
    """Save what is offered of HITs beyond what we wanted, (hit_no, MaxAssignments); returns where that is news."""
    found = await conn.fetch(_OFFERED, job_no, *map(list, zip(*rows, strict=True)))
    return [Extended(*row) for row in found]


async def of_job(conn: Connection, job_no: int) -> list[Surplus]:
    """Return the HITs of a job that brought in more than is reserved for."""
    return [Surplus(*row) for row in await conn.fetch(_OF_JOB, job_no)]


async def take_in(conn: Connection, job_no: int, rows: Sequence[tuple[int, int]]) -> None:
    """Give HITs slots for surplus that is reserved for by now: (hit_no, how many)."""
    if rows:
        await conn.execute(_TAKE_IN, job_no, *map(list, zip(*rows, strict=True)))


async def hold(conn: Connection, job_no: int, why: str) -> None:
    """Park the approvals of surplus that nothing is reserved for."""
    await conn.execute(_HOLD, job_no, why)
