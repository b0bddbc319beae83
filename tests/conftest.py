"""Databases for tests: one real Postgres a run, a fresh database a test, copied from a migrated template."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from foundation.clock import ManualClock
from foundation.postgres.embedded import EmbeddedPostgres
from foundation.postgres.migrations import migrate, read_migrations
from foundation.postgres.pool import create_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

OLDEST = 15


def system_binaries() -> Path | None:
    """Return the programs of the oldest Postgres that the system has and Assay supports."""
    folders = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    versions = {int(folder.parent.name): folder for folder in folders if folder.parent.name.isdigit()}
    supported = sorted(version for version in versions if version >= OLDEST)
    return versions[supported[0]] if supported else None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_postgres: run on the embedded Postgres and on the system's own")
    if not hasattr(config, "workerinput"):
        # Short, as sockets live in it. Every worker of a run shares it, and so one server of each version.
        os.environ["ASSAY_TEST_FOLDER"] = tempfile.mkdtemp(prefix="assay-", dir="/tmp")
        Path(os.environ["ASSAY_TEST_FOLDER"]).chmod(0o711)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop("ASSAY_TEST_FOLDER"), ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres_kind" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_postgres") is not None
        kinds = ["embedded"]
        if every:
            kinds.append(
                "system"
                if system_binaries()
                else pytest.param("system", marks=pytest.mark.skip(reason="no Postgres >= 15 in /usr/lib/postgresql"))
            )
        metafunc.parametrize("postgres_kind", kinds, scope="session")


class Servers:
    """The servers of this run, started when first asked for; its workers share them through their folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[EmbeddedPostgres, str]] = {}

    def dsn(self, kind: str) -> str:
        if kind not in self._running:
            binaries = None if kind == "embedded" else system_binaries()
            server = EmbeddedPostgres(self._folder / kind, binaries=binaries, durable=False)
            self._running[kind] = server, server.start()
        return self._running[kind][1]

    def stop(self) -> None:
        for server, _dsn in self._running.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers(Path(os.environ["ASSAY_TEST_FOLDER"]))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def postgres_dsn(servers: Servers, postgres_kind: str) -> str:
    """The server that this test runs on: its maintenance database."""
    return servers.dsn(postgres_kind)


def in_database(dsn: str, database: str) -> str:
    """Return the same server's DSN for another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def ensure_template(dsn: str, name: str) -> str:
    """Make the migrated template of a set once, whichever worker comes first, and return its name."""
    content = "".join(migration.checksum for migration in read_migrations(name))
    template = f"template_{name}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", template)
        if not await connection.fetchval("SELECT datistemplate FROM pg_database WHERE datname = $1", template):
            await connection.execute(f'DROP DATABASE IF EXISTS "{template}"')
            await connection.execute(f'CREATE DATABASE "{template}"')
            await migrate(in_database(dsn, template), name)
            await connection.execute(f'ALTER DATABASE "{template}" IS_TEMPLATE true')
    finally:
        await connection.close()
    return template


async def fresh_database(dsn: str, template: str) -> AsyncIterator[str]:
    """Copy a template, hand out the copy's DSN, and drop it afterwards."""
    database = f"test_{os.urandom(6).hex()}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        try:
            yield in_database(dsn, database)
        finally:
            await connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
async def empty_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """A fresh database with nothing in it."""
    async for dsn in fresh_database(postgres_dsn, "template1"):
        yield dsn


@pytest.fixture
async def service_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """A fresh database with the service's schema."""
    async for dsn in fresh_database(postgres_dsn, await ensure_template(postgres_dsn, "service")):
        yield dsn


@pytest.fixture
async def marketplace_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """A fresh database with the marketplace's schema."""
    async for dsn in fresh_database(postgres_dsn, await ensure_template(postgres_dsn, "marketplace")):
        yield dsn


@pytest.fixture
async def service_pool(service_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with await create_pool(service_dsn, min_size=1, max_size=8, schema="assay") as pool:
        yield pool


@pytest.fixture
async def marketplace_pool(marketplace_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with await create_pool(marketplace_dsn, min_size=1, max_size=8, schema="marketplace") as pool:
        yield pool


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
