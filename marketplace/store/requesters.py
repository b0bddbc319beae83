"""Requesters, and the keys with which they sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.identifiers import new_access_key, new_person_id, new_secret

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from marketplace.installation import InstallationKey


@dataclass(frozen=True, slots=True)
class Requester:
    """Who posts work and pays for it."""

    requester_id: str
    name: str
    available_cents: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RequesterKey:
    """A key without its secret."""

    access_key: str
    requester_id: str
    requester_name: str
    created_at: datetime
    revoked_at: datetime | None


_COLUMNS = "requester_id, name, available_cents, created_at"


async def ensure(conn: asyncpg.Connection, *, name: str, now: datetime) -> tuple[Requester, bool]:
    """Return the requester of this name, made if there is none, and whether it was made."""
    made = await conn.fetchrow(
        f"""INSERT INTO requester (requester_id, name, created_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608 - constants
        new_person_id(),
        name,
        now,
    )
    if made is not None:
        return Requester(**made), True
    found = await find(conn, name)
    assert found is not None
    return found, False


async def find(conn: asyncpg.Connection, name_or_id: str) -> Requester | None:
    """Look a requester up by its name or its id."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM requester WHERE name = $1 OR requester_id = $1",  # noqa: S608 - constants
        name_or_id,
    )
    return None if row is None else Requester(**row)


async def list_all(conn: asyncpg.Connection) -> list[Requester]:
    """List all requesters in the order in which they were made."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM requester ORDER BY created_at, requester_id")  # noqa: S608
    return [Requester(**row) for row in rows]


async def create_key(
    conn: asyncpg.Connection, *, requester_id: str, key: InstallationKey, now: datetime
) -> tuple[str, str]:
    """Make a requester key; returns its two halves, of which the secret is shown this once."""
    access_key, secret = new_access_key(), new_secret()
    await conn.execute(
        "INSERT INTO requester_key (access_key, requester_id, secret_encrypted, created_at) VALUES ($1, $2, $3, $4)",
        access_key,
        requester_id,
        key.encrypt(secret),
        now,
    )
    return access_key, secret


async def list_keys(conn: asyncpg.Connection) -> list[RequesterKey]:
    """List the keys of all requesters, those revoked among them."""
    rows = await conn.fetch(
        """SELECT access_key, requester_id, name AS requester_name, requester_key.created_at, revoked_at
             FROM requester_key JOIN requester USING (requester_id) ORDER BY requester_key.created_at, access_key"""
    )
    return [RequesterKey(**row) for row in rows]


async def newest_key(conn: asyncpg.Connection, *, requester_id: str) -> tuple[str, bytes] | None:
    """Return a requester's newest key that is good, with its secret as it is kept."""
    row = await conn.fetchrow(
        """SELECT access_key, secret_encrypted FROM requester_key
            WHERE requester_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, access_key LIMIT 1""",
        requester_id,
    )
    return None if row is None else (row["access_key"], row["secret_encrypted"])


async def find_key(conn: asyncpg.Connection, access_key: str) -> tuple[str, bytes] | None:
    """Return whose a good key is, and its secret as it is kept."""
    row = await conn.fetchrow(
        "SELECT requester_id, secret_encrypted FROM requester_key WHERE access_key = $1 AND revoked_at IS NULL",
        access_key,
    )
    return None if row is None else (row["requester_id"], row["secret_encrypted"])


async def revoke_key(conn: asyncpg.Connection, access_key: str, *, now: datetime) -> bool:
    """Revoke a key; false where there is none that is good."""
    done = await conn.execute(
        "UPDATE requester_key SET revoked_at = $2 WHERE access_key = $1 AND revoked_at IS NULL", access_key, now
    )
    return bool(done == "UPDATE 1")
