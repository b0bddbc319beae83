"""HITs and their slots, from plan to close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from service.store.dues import Connection

_UNSLICED = """
SELECT i.item_no, greatest(1, i.minimum - coalesce(b.n, 0)), greatest(1, i.maximum - coalesce(b.n, 0)),
    i.priority, i.batch
FROM item i LEFT JOIN answered_before b USING (job_no, item_no)
WHERE i.job_no = $1 AND i.is_gold = $2 AND i.state = 'open'
  AND NOT EXISTS (SELECT FROM gold g WHERE g.job_no = i.job_no AND g.item_no = i.item_no AND g.state = 'retired')
  AND NOT EXISTS (SELECT FROM hit_slot s WHERE s.job_no = i.job_no AND s.item_no = i.item_no AND NOT s.gone)
ORDER BY i.priority DESC, i.maximum, i.minimum, i.batch NULLS FIRST, i.item_no
LIMIT $3
"""
_TAKE_NUMBERS = """
UPDATE job SET next_hit_no = next_hit_no + $2 WHERE job_no = $1 RETURNING next_hit_no - $2
"""
_PLAN = """
INSERT INTO hit (job_no, hit_no, state, guidelines_no, wanted, slots, unit_cents, created_at)
SELECT $1, h.hit_no, 'planned', $2, h.wanted, h.slots, h.unit_cents, $3
FROM unnest($4::int4[], $5::int2[], $6::int2[], $7::int4[]) AS h (hit_no, wanted, slots, unit_cents)
"""
_FILL = """
INSERT INTO hit_slot (job_no, hit_no, slot, item_no)
SELECT $1, s.hit_no, s.slot, s.item_no FROM unnest($2::int4[], $3::int2[], $4::int4[]) AS s (hit_no, slot, item_no)
"""
_CONTENTS = """
SELECT s.hit_no, array_agg(i.payload ORDER BY s.slot) AS payloads FROM hit_slot s JOIN item i USING (job_no, item_no)
WHERE s.job_no = $1 AND s.hit_no = ANY($2::int4[]) GROUP BY s.hit_no
"""
_TO_POST = "SELECT hit_no, market_hit_id, wanted FROM hit WHERE job_no = $1 AND hit_no = ANY($2::int4[])"
_POSTED = """
UPDATE hit SET state = 'open', market_hit_id = p.id, posted_at = $2, expires_at = p.expires_at
FROM unnest($3::int4[], $4::text[], $5::timestamptz[]) AS p (hit_no, id, expires_at)
WHERE hit.job_no = $1 AND hit.hit_no = p.hit_no AND hit.state = 'planned'
"""
_SHUT = """
UPDATE hit SET state = 'shut', expires_at = least(expires_at, $3), listed_at = NULL
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) AND state = 'open'
"""
_REOPENED = """
UPDATE hit SET state = 'open', expires_at = $3, listed_at = NULL
WHERE job_no = $1 AND hit_no = $2 AND state IN ('open', 'shut')
"""
_WIDEN = """
UPDATE hit SET wanted = w.wanted FROM unnest($2::int4[], $3::int2[]) AS w (hit_no, wanted)
WHERE hit.job_no = $1 AND hit.hit_no = w.hit_no
"""
_REPLACE = """
UPDATE hit SET slots = slots + r.more, replaced = replaced + r.more
FROM unnest($2::int4[], $3::int2[]) AS r (hit_no, more) WHERE hit.job_no = $1 AND hit.hit_no = r.hit_no
"""
# What is reserved for more than came is given back: what should come after all is surplus. What was pending when it was
# last listed has come or was given back since, or the market would not have let it be deleted.
_CLOSED = """
UPDATE hit SET state = 'closed', closed_at = $3, funded = collected, pending = 0
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) AND state <> 'closed' RETURNING hit_no
"""
# What is missing may be what we have deleted ourselves, and not saved yet.
_GONE = """
UPDATE hit SET state = 'gone', pending = 0, listed_at = $3, expires_at = least(expires_at, $3)
WHERE job_no = $1 AND hit_no = ANY($2::int4[]) AND state IN ('open', 'shut')
  AND NOT EXISTS (SELECT FROM effect e WHERE e.job_no = hit.job_no AND e.hit_no = hit.hit_no AND e.kind = 'delete'
                  AND e.state = 'due' AND e.first_sent_at IS NOT NULL)
RETURNING hit_no
"""
# How many HITs, this one included, each HIT's unluckiest open item has stood in that are gone; and how many are open.
_LOST = """
SELECT s.hit_no, count(*) AS items,
    1 + max((SELECT count(*) FROM hit_slot g WHERE g.job_no = s.job_no AND g.item_no = s.item_no AND g.gone)) AS times
FROM hit_slot s JOIN item i USING (job_no, item_no)
WHERE s.job_no = $1 AND s.hit_no = ANY($2::int4[]) AND i.state = 'open' AND NOT i.is_gold GROUP BY s.hit_no
"""
_LET_GO = """
UPDATE hit_slot s SET gone = true FROM item i
WHERE s.job_no = $1 AND s.hit_no = ANY($2::int4[])
  AND i.job_no = s.job_no AND i.item_no = s.item_no AND i.state = 'open'
"""
_LIVE = """
SELECT h.job_no, h.hit_no, h.market_hit_id, h.collected, h.wanted, h.pending, h.state, h.expires_at, h.listed_at,
    h.offered
FROM hit h JOIN job j USING (job_no)
WHERE j.market_no = $1 AND h.state IN ('open', 'shut')
"""
# $1 is when the listing began: what it says of a HIT that was shut since then is older than what we know.
_LISTED = """
UPDATE hit SET pending = l.pending, listed_at = $1, expires_at = l.expires_at
FROM unnest($2::bigint[], $3::int4[], $4::int2[], $5::timestamptz[]) AS l (job_no, hit_no, pending, expires_at)
WHERE hit.job_no = l.job_no AND hit.hit_no = l.hit_no AND hit.state IN ('open', 'shut')
  AND NOT (hit.state = 'shut' AND hit.expires_at > $1)
"""
_MOVED = """
SELECT hit.hit_no FROM hit JOIN unnest($2::int4[], $3::text[]) AS s (hit_no, state) ON hit.hit_no = s.hit_no
WHERE hit.job_no = $1 AND hit.state <> s.state
"""
_NEXT_NUMBER = "SELECT next_hit_no FROM job WHERE job_no = $1"


class Unsliced(Struct, frozen=True):
    """An item that stands in no HIT yet."""

    item_no: int
    minimum: int
    maximum: int
    priority: int = 0
    batch: str | None = None


class PlannedHit(Struct, frozen=True):
    """A HIT to be: its items by slot, how many assignments it starts with, and how many are paid for at most."""

    item_nos: tuple[int, ...]
    wanted: int
    slots: int
    unit_cents: int


class LiveHit(Struct, frozen=True):
    """A HIT on a market, as we last knew it."""

    job_no: int
    hit_no: int
    market_hit_id: str
    collected: int
    wanted: int
    pending: int
    state: str
    expires_at: datetime
    listed_at: datetime | None
    offered: int = 0


async def unsliced(conn: Connection, job_no: int, *, gold: bool, limit: int) -> list[Unsliced]:
    """Return open items that stand in no HIT, the most urgent first and like redundancy together.

    Of an item whose earlier HIT is gone, only the answers that it did not bring are wanted.
    """
    return [Unsliced(*row) for row in await conn.fetch(_UNSLICED, job_no, gold, limit)]


async def next_number(conn: Connection, job_no: int) -> int:
    """Return the number that the job's next HIT will have."""
    number: int = await conn.fetchval(_NEXT_NUMBER, job_no)
    return number


async def plan(
    conn: Connection, job_no: int, planned: Sequence[PlannedHit], *, guidelines_no: int, now: datetime
) -> range:
    """Store planned HITs; returns their numbers."""
    first: int = await conn.fetchval(_TAKE_NUMBERS, job_no, len(planned))
    numbers = range(first, first + len(planned))
    await conn.execute(
        _PLAN,
        job_no,
        guidelines_no,
        now,
        list(numbers),
        [hit.wanted for hit in planned],
        [hit.slots for hit in planned],
        [hit.unit_cents for hit in planned],
    )
    slots = [
        (hit_no, slot, item_no)
        for hit_no, hit in zip(numbers, planned, strict=True)
        for slot, item_no in enumerate(hit.item_nos, start=1)
    ]
    await conn.execute(_FILL, job_no, *map(list, zip(*slots, strict=True)))
    return numbers


async def contents(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the payloads of HITs in the order of their slots."""
    return {row["hit_no"]: row["payloads"] for row in await conn.fetch(_CONTENTS, job_no, list(hit_nos))}


async def to_post(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> dict[int, tuple[str | None, int]]:
    """Return each HIT's id on the market, where it has one, and the assignments wanted."""
    rows = await conn.fetch(_TO_POST, job_no, list(hit_nos))
    return {row["hit_no"]: (row["market_hit_id"], row["wanted"]) for row in rows}


async def posted(conn: Connection, job_no: int, rows: Sequence[tuple[int, str, datetime]], now: datetime) -> None:
    """Save that HITs are on the market: (hit_no, market_hit_id, expires_at)."""
    if rows:
        await conn.execute(_POSTED, job_no, now, *map(list, zip(*rows, strict=True)))


async def shut(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> None:
    """Save that HITs are expired; what is pending on them is unknown until they are listed again."""
    await conn.execute(_SHUT, job_no, list(hit_nos), now)


async def reopened(conn: Connection, job_no: int, hit_no: int, until: datetime) -> None:
    """Save that a HIT is offered again."""
    await conn.execute(_REOPENED, job_no, hit_no, until)


async def widen(conn: Connection, job_no: int, rows: Sequence[tuple[int, int]]) -> None:
    """Want more assignments of HITs: (hit_no, wanted)."""
    if rows:
        await conn.execute(_WIDEN, job_no, *map(list, zip(*rows, strict=True)))


async def replace(conn: Connection, job_no: int, rows: Sequence[tuple[int, int]]) -> None:
    """Give HITs slots in place of assignments that carry no weight: (hit_no, how many)."""
    if rows:
        await conn.execute(_REPLACE, job_no, *map(list, zip(*rows, strict=True)))


async def close(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> list[int]:
    """Save that nothing can come of HITs any more; returns those that were not closed, and release what they hold."""
    return [row["hit_no"] for row in await conn.fetch(_CLOSED, job_no, list(hit_nos), now)]


async def gone(conn: Connection, job_no: int, hit_nos: Sequence[int], now: datetime) -> list[int]:
    """Save that HITs were deleted by somebody else, and that nothing can come of them; returns those that were."""
    return [row["hit_no"] for row in await conn.fetch(_GONE, job_no, list(hit_nos), now)]


async def lost(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return of HITs that are gone: how many open items they hold, and the most HITs that one of these lost so."""
    return {row["hit_no"]: (row["items"], row["times"]) for row in await conn.fetch(_LOST, job_no, list(hit_nos))}


async def let_go(conn: Connection, job_no: int, hit_nos: Sequence[int]) -> None:
    """Let the open items of HITs that are gone, gold among them, stand in others."""
    await conn.execute(_LET_GO, job_no, list(hit_nos))


async def moved(conn: Connection, job_no: int, states: Mapping[int, str]) -> set[int]:
    """Return which HITs are no longer in the state that they were seen in."""
    if not states:
        return set()
    rows = await conn.fetch(_MOVED, job_no, list(states), list(states.values()))
    return {row["hit_no"] for row in rows}


async def live(conn: Connection, market_no: int) -> list[LiveHit]:
    """Return the HITs that are on a market."""
    return [LiveHit(*row) for row in await conn.fetch(_LIVE, market_no)]


async def listed(conn: Connection, rows: Sequence[tuple[int, int, int, datetime]], now: datetime) -> None:
    """Save what the market lists, with nothing left to collect: (job_no, hit_no, pending, expires_at)."""
    if rows:
        await conn.execute(_LISTED, now, *map(list, zip(*rows, strict=True)))
