"""The database that a process works on: our own, or the one that DATABASE_URL names."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from foundation.errors import PlainError
from foundation.postgres.embedded import EmbeddedPostgres
from foundation.postgres.migrations import migrate, migration_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

    from foundation.settings import Settings


def embedded(settings: Settings) -> EmbeddedPostgres | None:
    """Return the server that the settings imply: none of our own where there is a `database_url`."""
    return None if settings.database_url else EmbeddedPostgres(settings.data)


@contextlib.asynccontextmanager
async def database(settings: Settings, server: EmbeddedPostgres | None, *sets: str) -> AsyncIterator[str]:
    """Start or attach to the database, migrate these sets, and give its DSN.

    Raises
    ------
    DatabaseError, MigrationError
        One line that says what to do.
    """
    dsn = await asyncio.to_thread(server.start) if server else require_database_url(settings, "up")
    try:
        for name in sets:
            await migrate(dsn, name)
        yield dsn
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


def require_database_url(settings: Settings, command: str) -> str:
    """Return the DATABASE_URL of a process that shares its database with others.

    Raises
    ------
    PlainError
        Where it is not set.
    """
    if settings.database_url is None:
        msg = f"'assay {command}' needs DATABASE_URL; 'assay up' runs everything, with a Postgres of its own"
        raise PlainError(msg)
    return settings.database_url


def schema_check(pool: asyncpg.Pool, name: str) -> Callable[[], Awaitable[str | None]]:
    """Make the readiness check of one schema: reachable, and as far as the code."""

    async def check() -> str | None:
        state = await migration_state(pool, name)
        return None if state.ready else f"at migration {state.applied}, {state.head} is expected"

    return check
