"""Connections: a pool set to one schema, with UTC times and JSON by msgspec."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec

from foundation.errors import PlainError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MINIMUM_VERSION = 15


class DatabaseError(PlainError):
    """The database cannot be used as asked; the message is one line that says what to do."""


def _encode_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def prepare_connection(connection: asyncpg.Connection) -> None:
    """Give a connection its codecs: json and jsonb columns are Python values on both sides."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=_encode_json,
            decoder=msgspec.json.decode,
            format="text",
        )


async def _leave_session(_connection: asyncpg.Connection) -> None:
    """Take the place of asyncpg's own reset statement; an open transaction is rolled back all the same."""


def _settings(schema: str) -> dict[str, str]:
    return {"search_path": schema, "timezone": "UTC", "application_name": f"assay {schema}"}


async def create_pool(
    dsn: str, *, min_size: int = 1, max_size: int = 10, schema: str, stateless: bool = False
) -> asyncpg.Pool:
    """Open a pool whose connections see one schema.

    Where no caller leaves anything in the session (locks, settings, cursors), `stateless` spares the statement that
    clears it whenever a connection goes back: half of the round trips of short requests.

    Raises
    ------
    DatabaseError
        Where the server cannot be reached, refuses us, or is older than version 15.
    """
    async with _reaching(dsn):
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            init=prepare_connection,
            server_settings=_settings(schema),
            reset=_leave_session if stateless else None,
        )
    try:
        async with pool.acquire() as connection:
            check_version(connection)
    except BaseException:
        await pool.close()
        raise
    return pool


async def connect(dsn: str, *, schema: str) -> asyncpg.Connection:
    """Open one connection, set up as those of the pool are.

    Raises
    ------
    DatabaseError
        Where the server cannot be reached, refuses us, or is older than version 15.
    """
    async with _reaching(dsn):
        connection = await asyncpg.connect(dsn, server_settings=_settings(schema))
    try:
        check_version(connection)
        await prepare_connection(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


def check_version(connection: asyncpg.Connection) -> None:
    """Refuse a server older than version 15.

    Raises
    ------
    DatabaseError
        Names the version found.
    """
    version = connection.get_server_version()
    if version.major < MINIMUM_VERSION:
        msg = f"the database is Postgres {version.major}; Assay needs Postgres {MINIMUM_VERSION} or newer"
        raise DatabaseError(msg)


@asynccontextmanager
async def _reaching(dsn: str) -> AsyncIterator[None]:
    """Turn the many ways in which a connection fails into one line, without the password."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        msg = f"cannot reach the database at {describe(dsn)}: {reason}"
        raise DatabaseError(msg) from error


def describe(dsn: str) -> str:
    """Name the server and database of a DSN without its user and password."""
    try:
        parts = urlsplit(dsn)
        host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the address given"
    return f"{host}{port}{parts.path}"
