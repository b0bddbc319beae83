"""Migrations: applied once, in order, whoever starts; refused where code and database disagree."""

from __future__ import annotations

import asyncio
import sys
import textwrap

import asyncpg
import pytest
from asyncpg.types import ServerVersion

from foundation.postgres.migrations import MigrationError, migrate, migration_state, read_migrations
from foundation.postgres.pool import DatabaseError, check_version

FIRST = "CREATE TABLE thing (id int PRIMARY KEY);"
SECOND = "SELECT pg_sleep(0.05); ALTER TABLE thing ADD name text; INSERT INTO thing VALUES (1, 'one');"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_thing.sql").write_text(FIRST)
    (tmp_path / "0002_name.sql").write_text(SECOND)
    return tmp_path


async def _fetch(dsn, query):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.every_postgres
async def test_files_are_applied_in_order_and_once(empty_dsn, folder):
    await migrate(empty_dsn, "service", folder=folder)
    await migrate(empty_dsn, "service", folder=folder)

    assert await _fetch(empty_dsn, "SELECT array_agg(version ORDER BY version) FROM assay.schema_migration") == [1, 2]
    assert await _fetch(empty_dsn, "SELECT count(*) FROM assay.thing") == 1


@pytest.mark.every_postgres
async def test_many_processes_that_start_together_apply_it_once(empty_dsn, folder):
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from foundation.postgres.migrations import migrate
        asyncio.run(migrate(sys.argv[1], "marketplace", folder=Path(sys.argv[2])))
    """)
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_dsn, str(folder), stderr=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    ended = [(await process.communicate())[1].decode() or process.returncode for process in started]

    assert ended == [0, 0, 0, 0]
    assert await _fetch(empty_dsn, "SELECT count(*) FROM marketplace.schema_migration") == 2
    assert await _fetch(empty_dsn, "SELECT count(*) FROM marketplace.thing") == 1


async def test_the_two_sets_share_a_database_without_seeing_each_other(empty_dsn, folder):
    await migrate(empty_dsn, "service", folder=folder)
    await migrate(empty_dsn, "marketplace", folder=folder)

    assert await _fetch(empty_dsn, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'thing'") == 2


async def test_a_failing_file_is_undone_whole_and_named(empty_dsn, folder):
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (id int); SELECT * FROM nowhere;")

    with pytest.raises(MigrationError, match=r"0003_bad\.sql failed and was undone: .*nowhere"):
        await migrate(empty_dsn, "service", folder=folder)

    assert await _fetch(empty_dsn, "SELECT max(version) FROM assay.schema_migration") == 2
    assert await _fetch(empty_dsn, "SELECT to_regclass('assay.half')") is None


async def test_a_file_changed_after_it_was_applied_is_refused(empty_dsn, folder):
    await migrate(empty_dsn, "service", folder=folder)
    (folder / "0001_thing.sql").write_text(FIRST + " -- changed")

    with pytest.raises(MigrationError, match=r"0001_thing\.sql was changed after it was applied"):
        await migrate(empty_dsn, "service", folder=folder)


async def test_a_database_ahead_of_the_code_is_refused(empty_dsn, folder):
    await migrate(empty_dsn, "service", folder=folder)
    (folder / "0002_name.sql").unlink()

    with pytest.raises(MigrationError, match=r"ahead of this version of Assay: migration 2 \(name\)"):
        await migrate(empty_dsn, "service", folder=folder)


async def test_gaps_and_odd_names_are_refused(tmp_path):
    (tmp_path / "0002_late.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="without gap or repeat, found 2"):
        read_migrations("service", tmp_path)
    (tmp_path / "first.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"first\.sql: expected a name such as"):
        read_migrations("service", tmp_path)


async def test_state_tells_an_unmigrated_database_from_a_migrated_one(empty_dsn, service_pool):
    connection = await asyncpg.connect(empty_dsn)
    try:
        assert (await migration_state(connection, "service")).applied == 0
    finally:
        await connection.close()
    state = await migration_state(service_pool, "service")
    assert state.ready
    assert state.applied == len(read_migrations("service"))


@pytest.mark.every_postgres
async def test_a_connection_speaks_json_and_utc(service_pool):
    value = {"text": "naïve ☃", "numbers": [1, 2.5, None]}
    assert await service_pool.fetchval("SELECT $1::jsonb", value) == value
    assert await service_pool.fetchval("SELECT $1::json", value) == value
    assert await service_pool.fetchval("SHOW timezone") == "UTC"
    assert await service_pool.fetchval("SHOW search_path") == "assay"


@pytest.mark.parametrize(("major", "refused"), [(14, True), (15, False), (18, False)])
def test_a_server_older_than_15_is_refused(major, refused):
    class Connection:  # there is no server that old here
        def get_server_version(self):
            return ServerVersion(major, 3, 0, "final", 0)

    if not refused:
        check_version(Connection())
        return
    with pytest.raises(DatabaseError, match="the database is Postgres 14; Assay needs Postgres 15 or newer"):
        check_version(Connection())
