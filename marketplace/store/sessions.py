"""Signed-in browsers: the cookie holds a token, the database its hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.store.workers import hash_token

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    import asyncpg


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and the token that this browser's forms have to carry."""

    worker_id: str
    name: str
    csrf: str


async def open_session(conn: asyncpg.Connection, *, worker_id: str, life: timedelta, now: datetime) -> tuple[str, str]:
    """Sign a worker in; returns the tokens for the cookie and for the forms."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    await conn.execute(
        """INSERT INTO session (token_hash, worker_id, csrf, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5)""",
        hash_token(token),
        worker_id,
        csrf,
        now,
        now + life,
    )
    return token, csrf


async def find_session(conn: asyncpg.Connection, *, token: str, now: datetime) -> Session | None:
    """Find who is signed in with this cookie; None where it is over or the worker is disabled."""
    row = await conn.fetchrow(
        """SELECT worker_id, name, csrf FROM session JOIN worker USING (worker_id)
            WHERE token_hash = $1 AND expires_at > $2 AND state = 'active'""",
        hash_token(token),
        now,
    )
    return None if row is None else Session(**row)


async def close_session(conn: asyncpg.Connection, *, token: str) -> None:
    """Sign a browser out."""
    await conn.execute("DELETE FROM session WHERE token_hash = $1", hash_token(token))


async def close_all(conn: asyncpg.Connection, *, worker_id: str) -> None:
    """Sign a worker out everywhere."""
    await conn.execute("DELETE FROM session WHERE worker_id = $1", worker_id)


async def forget_expired(conn: asyncpg.Connection, *, now: datetime) -> None:
    """Delete the sessions that are over."""
    await conn.execute("DELETE FROM session WHERE expires_at <= $1", now)
