"""HIT types that a market is known to have."""

from __future__ import annotations

from datetime import datetime

from service.store.dues import Connection

_FIND = "SELECT market_hit_type_id FROM hit_type WHERE market_no = $1 AND properties_hash = $2"
_KEEP = """
INSERT INTO hit_type (market_no, properties_hash, market_hit_type_id, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (market_no, properties_hash) DO NOTHING
"""
_FORGET = "DELETE FROM hit_type WHERE market_no = $1 AND properties_hash = $2"


async def find(conn: Connection, market_no: int, properties_hash: bytes) -> str | None:
    """Return the market's id of the HIT type with these properties, if it is known."""
    found: str | None = await conn.fetchval(_FIND, market_no, properties_hash)
    return found


async def keep(conn: Connection, market_no: int, properties_hash: bytes, hit_type_id: str, now: datetime) -> None:
    """Remember a HIT type's id."""
    await conn.execute(_KEEP, market_no, properties_hash, hit_type_id, now)


async def forget(conn: Connection, market_no: int, properties_hash: bytes) -> None:
    """Forget a HIT type that the market does not know."""
    await conn.execute(_FORGET, market_no, properties_hash)
