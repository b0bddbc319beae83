"""The pace of calls to a market: a token bucket that all processes share.

It starts as the market is configured, or uncapped; throttling halves it, calls that succeed raise it slowly.
"""

from __future__ import annotations

from datetime import datetime

from service.store.dues import Connection

_KNOW = """
INSERT INTO market (name, rate, paced_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING market_no
"""
_NAME = "SELECT name FROM market WHERE market_no = $1"
# The bucket holds two seconds' worth.
_TAKE = """
WITH filled AS (
    SELECT market_no, rate,
           least(2 * rate + 1, tokens + rate * greatest(0, extract(epoch FROM $2::timestamptz - paced_at))) AS tokens
    FROM market WHERE market_no = $1 FOR UPDATE
), taken AS (SELECT market_no, tokens, least($3, floor(tokens)) AS n FROM filled WHERE rate IS NOT NULL)
UPDATE market SET tokens = t.tokens - t.n, paced_at = $2 FROM taken t WHERE market.market_no = t.market_no
RETURNING t.n::int4
"""
_CAPPED = "SELECT rate FROM market WHERE market_no = $1"
_THROTTLED = """
UPDATE market SET rate = greatest(0.5, coalesce(rate, $2) / 2), tokens = 0, paced_at = $3 WHERE market_no = $1
"""
_SUCCEEDED = """
UPDATE market SET rate = CASE WHEN $3::float8 IS NULL THEN rate + 0.05 * $2 ELSE least($3, rate + 0.05 * $2) END
WHERE market_no = $1 AND rate IS NOT NULL
"""


async def know_market(conn: Connection, name: str, rate: float | None, now: datetime) -> int:
    """Return a market's number; a new one enters with its initial rate in calls a second (None: uncapped)."""
    number: int = await conn.fetchval(_KNOW, name, rate, now)
    return number


async def market_name(conn: Connection, market_no: int) -> str:
    """Return a market's name."""
    name: str = await conn.fetchval(_NAME, market_no)
    return name


async def take(conn: Connection, market_no: int, calls: int, now: datetime) -> tuple[int, float]:
    """Take leave for up to `calls` calls; returns for how many, and the seconds until the next."""
    rate: float | None = await conn.fetchval(_CAPPED, market_no)
    if rate is None:
        return calls, 0.0
    granted: int | None = await conn.fetchval(_TAKE, market_no, now, calls)
    return (calls, 0.0) if granted is None else (granted, 1.0 / rate)


async def throttled(conn: Connection, market_no: int, rate_seen: float, now: datetime) -> None:
    """Halve the pace; where there was none, half of the calls a second that were being made."""
    await conn.execute(_THROTTLED, market_no, rate_seen, now)


async def succeeded(conn: Connection, market_no: int, calls: int, ceiling: float | None) -> None:
    """Raise the pace a little for calls that went well, up to the market's ceiling."""
    await conn.execute(_SUCCEEDED, market_no, calls, ceiling)
