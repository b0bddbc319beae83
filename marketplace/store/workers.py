"""Workers: who they are, and the invitations by which they join."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from marketplace.identifiers import new_person_id

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

INVITATION_LIFE = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Worker:
    """A person at the worker site; one who has not joined yet has no password."""

    worker_id: str
    name: str
    email: str | None
    password_hash: str | None
    state: str
    invited_at: datetime
    joined_at: datetime | None


_COLUMNS = "worker_id, name, email, password_hash, state, invited_at, joined_at"


def hash_token(token: str) -> bytes:
    """Hash a token of an invitation or a session: 32 bytes; a random token needs no salt."""
    return hashlib.sha256(token.encode()).digest()


async def invite(
    conn: asyncpg.Connection, *, names: list[str], now: datetime, email: str | None = None
) -> list[tuple[str, str]]:
    """Make and invite a worker for each name, which may be empty; returns (worker id, token) pairs."""
    made = [(new_person_id(), secrets.token_urlsafe(24), name) for name in names]
    async with conn.transaction():
        await conn.execute(
            """INSERT INTO worker (worker_id, name, email, invited_at)
               SELECT worker_id, name, $3, $4
                 FROM unnest($1::text[], $2::text[]) AS made (worker_id, name)""",
            [worker_id for worker_id, _, _ in made],
            [name for _, _, name in made],
            email,
            now,
        )
        await conn.execute(
            """INSERT INTO invitation (token_hash, worker_id, created_at, expires_at)
               SELECT token_hash, worker_id, $3, $4
                 FROM unnest($1::bytea[], $2::text[]) AS made (token_hash, worker_id)""",
            [hash_token(token) for _, token, _ in made],
            [worker_id for worker_id, _, _ in made],
            now,
            now + INVITATION_LIFE,
        )
    return [(worker_id, token) for worker_id, token, _ in made]


async def invited(conn: asyncpg.Connection, *, token: str, now: datetime) -> Worker | None:
    """Find whom an invitation is for, if it is still good: unused, in time, and of an active worker."""
    row = await conn.fetchrow(
        f"""SELECT {_COLUMNS} FROM worker JOIN invitation USING (worker_id)
             WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 AND state = 'active'""",  # noqa: S608
        hash_token(token),
        now,
    )
    return None if row is None else Worker(**row)


async def holder(conn: asyncpg.Connection, *, token: str) -> str | None:
    """Find the id of the worker that an invitation was made for, good or not."""
    worker_id: str | None = await conn.fetchval(
        "SELECT worker_id FROM invitation WHERE token_hash = $1", hash_token(token)
    )
    return worker_id


async def join(conn: asyncpg.Connection, *, token: str, password_hash: str, now: datetime) -> Worker | None:
    """Use an invitation up and set the password; None where it is not good (any more)."""
    row = await conn.fetchrow(
        f"""WITH used AS (
                UPDATE invitation SET used_at = $3
                 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $3
                   AND EXISTS (SELECT FROM worker WHERE worker_id = invitation.worker_id AND state = 'active')
                RETURNING worker_id)
            UPDATE worker SET password_hash = $2, joined_at = coalesce(joined_at, $3)
              FROM used WHERE worker.worker_id = used.worker_id
            RETURNING {", ".join("worker." + name for name in _COLUMNS.split(", "))}""",  # noqa: S608 - constants
        hash_token(token),
        password_hash,
        now,
    )
    return None if row is None else Worker(**row)


async def find(conn: asyncpg.Connection, worker_id: str) -> Worker | None:
    """Look a worker up."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM worker WHERE worker_id = $1", worker_id)  # noqa: S608
    return None if row is None else Worker(**row)


async def list_all(conn: asyncpg.Connection) -> list[Worker]:
    """List all workers in the order in which they were invited."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM worker ORDER BY invited_at, worker_id")  # noqa: S608
    return [Worker(**row) for row in rows]


async def set_state(conn: asyncpg.Connection, worker_id: str, state: str) -> bool:
    """Disable or enable a worker; a disabled one is signed out everywhere. False where there is none."""
    async with conn.transaction():
        done = await conn.execute("UPDATE worker SET state = $2 WHERE worker_id = $1", worker_id, state)
        if state == "disabled":
            await conn.execute("DELETE FROM session WHERE worker_id = $1", worker_id)
    return bool(done == "UPDATE 1")
