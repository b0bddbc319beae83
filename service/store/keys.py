"""API keys: stored as hashes, shown once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from service.store.dues import Connection

_INSERT = """
INSERT INTO api_key (key_id, team_id, name, key_hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_FIND = "SELECT key_id, team_id, name, scopes FROM api_key WHERE key_hash = $1 AND revoked_at IS NULL"
_PAGE = """
SELECT key_id, name, scopes, created_at, revoked_at FROM api_key
WHERE team_id = $1 AND key_id > $2 ORDER BY key_id LIMIT $3
"""
_GET = "SELECT key_id, name, scopes, created_at, revoked_at FROM api_key WHERE team_id = $1 AND key_id = $2"
_REVOKE = """
UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE team_id = $1 AND key_id = $2 RETURNING key_id
"""
_ANY = "SELECT EXISTS (SELECT FROM api_key WHERE revoked_at IS NULL)"


class Caller(Struct, frozen=True):
    """Whoever holds a key that is not revoked."""

    key_id: str
    team_id: str
    name: str
    scopes: tuple[str, ...]


class Key(Struct, frozen=True):
    """A key as its team sees it: never the secret itself."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


async def insert(
    conn: Connection, *, key_id: str, team_id: str, name: str, key_hash: bytes, scopes: Sequence[str], at: datetime
) -> Key:
    """Store a key by its hash."""
    await conn.execute(_INSERT, key_id, team_id, name, key_hash, list(scopes), at)
    return Key(key_id, name, list(scopes), at, None)


async def find(conn: Connection, key_hash: bytes) -> Caller | None:
    """Return who holds the key with this hash, or None where there is none or it is revoked."""
    row = await conn.fetchrow(_FIND, key_hash)
    return Caller(row["key_id"], row["team_id"], row["name"], tuple(row["scopes"])) if row else None


async def page(conn: Connection, team_id: str, *, after: str, limit: int) -> list[Key]:
    """Return a team's keys, the oldest first."""
    return [Key(*row) for row in await conn.fetch(_PAGE, team_id, after, limit)]


async def get(conn: Connection, team_id: str, key_id: str) -> Key | None:
    """Return a team's key."""
    row = await conn.fetchrow(_GET, team_id, key_id)
    return Key(*row) if row else None


async def revoke(conn: Connection, team_id: str, key_id: str, at: datetime) -> bool:
    """Make a key useless from now on; False where the team has no such key."""
    return await conn.fetchval(_REVOKE, team_id, key_id, at) is not None


async def exist(conn: Connection) -> bool:
    """Tell whether there is any key that works."""
    return bool(await conn.fetchval(_ANY))
