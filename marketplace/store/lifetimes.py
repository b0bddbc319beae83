"""What becomes of a HIT after its creation: extended, expired, renewed, reviewed, disposed of.

What a requester asks for takes the HIT's row first, so that what is decided on is what is changed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from marketplace.refusal import INVALID_HIT_STATE, INVALID_INCREASE, REQUEST_ALREADY_MADE, Refused
from marketplace.store import tokens
from marketplace.store.hits import TEN, Hit, find
from marketplace.store.ledger import refuse_funds

if TYPE_CHECKING:
    from datetime import datetime

DISPOSAL_AGE = timedelta(days=120)
"""A HIT that has been over for so long is disposed of by itself."""


_EXTEND = f"""
WITH {tokens.CLAIM.format(effect="extension", requester="$3", value="$5", made="$6", now="$4")}, grown AS (
    UPDATE hit SET max_assignments = max_assignments + $2, reviewing = false
     WHERE hit_id = $1 AND {tokens.GRANTED.format(value="$5")}
    RETURNING hit_id, requester_id, lapsed, (reward_cents + fee_cents)::bigint * $2 AS cents
), held AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, made_at)
    SELECT requester_id, 'hold', cents, hit_id, $4 FROM grown WHERE NOT lapsed AND cents > 0
)
SELECT count(*) FROM grown
"""  # noqa: S608 - constants

_SET_EXPIRY = """
WITH changed AS (
    UPDATE hit SET expires_at = $2, lapsed = $3, reviewing = reviewing AND $3,
                   disposed_at = CASE WHEN $5 THEN $4::timestamptz END
     WHERE hit_id = $1
    RETURNING hit_id, requester_id, (reward_cents + fee_cents)::bigint * unused AS cents
)
INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, made_at)
SELECT requester_id, CASE WHEN $3 THEN 'release' ELSE 'hold' END, cents, hit_id, $4
  FROM changed WHERE cents > 0 AND $6 <> $3
"""

_LAPSE = """
WITH over AS (
    SELECT hit_id FROM hit WHERE NOT lapsed AND expires_at <= $1
     ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), changed AS (
    UPDATE hit SET lapsed = true FROM over WHERE hit.hit_id = over.hit_id
    RETURNING hit.hit_id, requester_id, (reward_cents + fee_cents)::bigint * unused AS cents
), freed AS (
    INSERT INTO ledger (requester_id, entry, amount_cents, hit_id, made_at)
    SELECT requester_id, 'release', cents, hit_id, $1 FROM changed WHERE cents > 0
)
SELECT count(*) FROM changed
"""

_DISPOSE_OLD = """
WITH old AS (
    SELECT hit_id FROM hit
     WHERE lapsed AND disposed_at IS NULL AND expires_at <= $2 AND pending = 0 AND submitted = 0
     ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED
), gone AS (UPDATE hit SET disposed_at = $1 FROM old WHERE hit.hit_id = old.hit_id RETURNING 1)
SELECT count(*) FROM gone
"""


async def extend(
    conn: asyncpg.Connection,
    *,
    requester_id: str,
    hit_id: str,
    additional: int,
    token: str | None,
    request_id: str,
    now: datetime,
) -> None:
    """Add places to a HIT, and hold the money for them.

    Raises
    ------
    Refused
        Where the HIT is disposed of, would cross from below ten assignments to ten or more, the token was used
        within 24 hours, or the money does not reach.
    """
    try:
        async with conn.transaction():
            hit = await find(conn, requester_id=requester_id, hit_id=hit_id, lock=True)
            made = await tokens.made_by(conn, requester_id=requester_id, effect="extension", token=token, now=now)
            if made is not None:
                raise _already_extended(made)
            _refuse_unless(hit, now, "Assignable", "Unassignable", "Reviewable", "Reviewing")
            if hit.started_small and hit.max_assignments + additional >= TEN:
                raise Refused(
                    INVALID_INCREASE,
                    f"A HIT created with fewer than {TEN} assignments can never have {TEN} or more; this one has "
                    f"{hit.max_assignments}.",
                )
            if not await conn.fetchval(_EXTEND, hit_id, additional, requester_id, now, token, request_id):
                made = await tokens.made_by(conn, requester_id=requester_id, effect="extension", token=token)
                raise _already_extended(made)
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None


async def set_expiration(
    conn: asyncpg.Connection, *, requester_id: str, hit_id: str, expires_at: datetime, now: datetime
) -> None:
    """End a HIT's lifetime, or renew it; the money for unused places is let go or held again.

    Raises
    ------
    Refused
        Where the HIT is disposed of, or the money does not reach.
    """
    try:
        async with conn.transaction():
            hit = await find(conn, requester_id=requester_id, hit_id=hit_id, lock=True)
            _refuse_unless(hit, now, "Assignable", "Unassignable", "Reviewable", "Reviewing")
            # A time in the past means now, however long past: the 120 days until disposal count from when it ended.
            ends = max(expires_at, min(hit.expires_at, now))
            await conn.execute(_SET_EXPIRY, hit_id, ends, ends <= now, now, False, hit.lapsed)
    except asyncpg.CheckViolationError as error:
        raise refuse_funds(error) from None


async def dispose(conn: asyncpg.Connection, *, requester_id: str, hit_id: str, now: datetime) -> None:
    """Dispose of a HIT that is over and reviewed.

    Raises
    ------
    Refused
        Where workers may still accept or submit, or work waits for its review.
    """
    async with conn.transaction():
        hit = await find(conn, requester_id=requester_id, hit_id=hit_id, lock=True)
        _refuse_unless(hit, now, "Reviewing", "Reviewable")
        if hit.submitted:
            raise Refused(
                INVALID_HIT_STATE,
                f"HIT {hit_id} has {hit.submitted} submitted assignments: approve or reject them first.",
            )
        await conn.execute(_SET_EXPIRY, hit_id, hit.expires_at, True, now, True, hit.lapsed)


async def set_reviewing(
    conn: asyncpg.Connection, *, requester_id: str, hit_id: str, revert: bool, now: datetime
) -> None:
    """Mark a reviewable HIT as being reviewed, or take the mark back.

    Raises
    ------
    Refused
        Where the HIT is not in the state that this starts from.
    """
    async with conn.transaction():
        hit = await find(conn, requester_id=requester_id, hit_id=hit_id, lock=True)
        _refuse_unless(hit, now, "Reviewing" if revert else "Reviewable")
        await conn.execute("UPDATE hit SET reviewing = $2 WHERE hit_id = $1", hit_id, not revert)


async def lapse(conn: asyncpg.Connection, *, now: datetime, limit: int = 500) -> int:
    """Let HITs lapse whose lifetime is over, at most `limit` of them, and let their money go; returns how many."""
    count: int = await conn.fetchval(_LAPSE, now, limit)
    return count


async def dispose_old(conn: asyncpg.Connection, *, now: datetime, limit: int = 500) -> int:
    """Dispose of HITs that have been over for 120 days, at most `limit` of them; returns how many."""
    count: int = await conn.fetchval(_DISPOSE_OLD, now, now - DISPOSAL_AGE, limit)
    return count


def _refuse_unless(hit: Hit, now: datetime, *allowed: str) -> None:
    status = hit.status(now)
    if status not in allowed:
        raise Refused(
            INVALID_HIT_STATE,
            f"This HIT is currently in the state '{status}'. "
            f"This operation can be called with a status of: {', '.join(allowed)}",
        )


def _already_extended(made: str | None) -> Refused:
    return Refused(REQUEST_ALREADY_MADE, f"The request with this UniqueRequestToken was already made: {made}")
