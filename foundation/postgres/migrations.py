"""Bring a schema to what the code expects, by numbered files of plain SQL.

A file ``migrations/<set>/NNNN_name.sql`` is applied once, whole, in a transaction of its own, and noted with
its checksum in the schema's `schema_migration` table. An advisory lock is held meanwhile, so that however many
processes start together, one applies and the others find it done.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import asyncpg

from foundation.errors import PlainError
from foundation.postgres.pool import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

SCHEMAS: Final = {"service": "assay", "marketplace": "marketplace"}
"""The set of migrations, and the schema that it makes."""

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")


class MigrationError(PlainError):
    """The schema cannot be brought to what the code expects; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, its SQL and the SHA-256 of that."""

    version: int
    name: str
    sql: str
    checksum: str


@dataclass(frozen=True, slots=True)
class MigrationState:
    """How far a schema is, and how far the code is; 0 where there is nothing."""

    applied: int
    head: int

    @property
    def ready(self) -> bool:
        """Whether the schema is what the code expects."""
        return self.applied == self.head


def read_migrations(name: str, folder: Traversable | None = None) -> list[Migration]:
    """Read a set's files in order, from the package unless a folder is given.

    Raises
    ------
    MigrationError
        Where a file is misnamed, or the numbers do not run 1, 2, 3 …
    """
    folder = folder or resources.files("migrations") / name
    found = []
    for entry in sorted(folder.iterdir() if folder.is_dir() else (), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE_NAME.match(entry.name)
        if match is None:
            msg = f"migrations/{name}/{entry.name}: expected a name such as 0001_what_it_does.sql"
            raise MigrationError(msg)
        sql = entry.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), match[2], sql, hashlib.sha256(sql.encode()).hexdigest()))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        numbers = ", ".join(str(migration.version) for migration in found)
        msg = f"migrations/{name}: expected files numbered 1, 2, 3 without gap or repeat, found {numbers}"
        raise MigrationError(msg)
    return found


async def migrate(dsn: str, name: str, *, folder: Traversable | None = None) -> MigrationState:
    """Apply what is missing; safe to call from any number of processes at once.

    Parameters
    ----------
    dsn : str
        The database.
    name : str
        ``"service"`` or ``"marketplace"``.
    folder : Traversable, optional
        Where the files are, if not in the package.

    Raises
    ------
    MigrationError
        Where the schema is ahead of the code, an applied file was changed since, or a file fails.
    DatabaseError
        Where the database cannot be reached or is too old.
    """
    migrations = read_migrations(name, folder)
    schema = SCHEMAS[name]
    connection = await connect(dsn, schema=schema)
    try:
        # The session's lock, which ends with the connection: each file is a transaction of its own.
        await connection.execute("SELECT pg_advisory_lock(hashtextextended('assay migrations ' || $1, 0))", schema)
        applied = await _prepare(connection, schema)
        _check(name, applied, migrations)
        for migration in migrations[len(applied) :]:
            await _apply(connection, name, migration)
    finally:
        await connection.close()
    return MigrationState(applied=len(migrations), head=len(migrations))


async def migration_state(connection: asyncpg.Connection | asyncpg.Pool, name: str) -> MigrationState:
    """Tell how far a schema is, without changing it; for readiness."""
    table = f"{SCHEMAS[name]}.schema_migration"
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        applied = 0
    else:
        applied = await connection.fetchval(f"SELECT coalesce(max(version), 0) FROM {table}")  # noqa: S608 - SCHEMAS
    return MigrationState(applied=applied, head=len(read_migrations(name)))


async def _prepare(connection: asyncpg.Connection, schema: str) -> Sequence[asyncpg.Record]:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migration (
            version    integer     PRIMARY KEY CHECK (version > 0),
            name       text        NOT NULL,
            checksum   text        NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "SELECT version, name, checksum FROM schema_migration ORDER BY version"
    )
    return rows


def _check(name: str, applied: Sequence[asyncpg.Record], migrations: list[Migration]) -> None:
    if len(applied) > len(migrations):
        ahead = applied[-1]
        msg = (
            f"the database is ahead of this version of Assay: migration {ahead['version']} ({ahead['name']}) "
            f"of {name!r} is not known here; start the version that applied it, or a newer one"
        )
        raise MigrationError(msg)
    for row, migration in zip(applied, migrations, strict=False):
        if row["version"] != migration.version or row["checksum"] != migration.checksum:
            msg = (
                f"migrations/{name}/{migration.version:04d}_{migration.name}.sql was changed after it was applied "
                "to this database; an applied migration is never edited: add a new one"
            )
            raise MigrationError(msg)


async def _apply(connection: asyncpg.Connection, name: str, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = " ".join(str(error).split())
        msg = f"migrations/{name}/{migration.version:04d}_{migration.name}.sql failed and was undone: {reason}"
        raise MigrationError(msg) from error
