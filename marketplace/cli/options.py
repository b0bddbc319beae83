"""What every command needs: the settings, and the database that they name."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from foundation.clock import SystemClock
from foundation.postgres.embedded import EmbeddedPostgres
from foundation.postgres.migrations import migrate
from foundation.postgres.pool import create_pool
from foundation.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from datetime import datetime

    import asyncpg

    from foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """The settings as they were asked for on the command line."""

    config: Path | None
    named: dict[str, Any]

    def settings(self, **closer: Any) -> Settings:
        """Gather the settings; an option of the command itself is closer than one before its name.

        Raises
        ------
        SettingsError
            One line that says which is wrong.
        """
        given = {name: value for name, value in closer.items() if value is not None}
        return load_settings(given.pop("config", self.config), **(self.named | given))


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works: a database, the settings and the time."""

    pool: asyncpg.Pool
    settings: Settings
    now: datetime


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which marketplace is meant."""
    command = click.option("--data", type=click.Path(path_type=Path), help="The data folder.")(command)
    return click.option("--config", type=click.Path(path_type=Path), help="The settings file; otherwise ./assay.toml.")(
        command
    )


def at_desk(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """Turn a coroutine that takes a `Desk` into a command with the options of settings."""

    @functools.wraps(command)
    def run(*, config: Path | None, data: Path | None, **rest: Any) -> None:
        options = click.get_current_context().find_object(Options) or Options(None, {})
        settings = options.settings(config=config, data=data)

        async def work() -> None:
            async with open_database(settings) as dsn:
                pool = await create_pool(dsn, min_size=1, max_size=2, schema="marketplace")
                async with pool:
                    await command(Desk(pool, settings, SystemClock().now()), **rest)

        asyncio.run(work())

    return setting_options(run)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[str]:
    """Hand out the DSN of the migrated database: DATABASE_URL's, or the embedded one, started if it is not running.

    Raises
    ------
    DatabaseError, MigrationError
        One line that says what to do.
    """
    if settings.database_url:
        await migrate(settings.database_url, "marketplace")
        yield settings.database_url
        return
    postgres = EmbeddedPostgres(settings.data)
    dsn = await asyncio.to_thread(postgres.start)
    try:
        await migrate(dsn, "marketplace")
        yield dsn
    finally:
        await asyncio.to_thread(postgres.stop)


def as_json(value: object) -> str:
    """Write something for a script to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Set rows in columns for a person to read."""
    widths = [max(len(line[column]) for line in [headings, *rows]) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [headings, *rows]
    )
