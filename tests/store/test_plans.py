"""The hot queries go by their keys, however large the tables: a page never reads what it does not show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from foundation.clock import ManualClock
from foundation.ids import new_id
from service.store import answers, decisions, items, jobs, keys, labels, pace, progress, teams
from service.store.plans import BY_HASH

pytestmark = pytest.mark.every_postgres

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MANY = 20_000
FILL = (
    """INSERT INTO item (job_no, item_no, external_id, payload, minimum, maximum, target, created_at)
       SELECT {job_no}, n, n::text, '{{}}', 1, 1, 1, {now} FROM generate_series(0, {many} - 1) n""",
    """INSERT INTO run VALUES ({job_no}, 0, 'run_{ident}', 'interim', 'm', '{{}}', 1, 1, 1, 1, true, 0, NULL,
       {now}, {now})""",
    """INSERT INTO consensus SELECT {job_no}, n, 0, 0, '{{1, 0}}', 1, 1, '{{1}}'
       FROM generate_series(0, {many} - 1) n""",
    """INSERT INTO worker VALUES ('worker_{ident}', 1, 'A{job_no}', {now})""",
    """INSERT INTO job_worker VALUES ({job_no}, 0, 'worker_{ident}', {now})""",
    """INSERT INTO hit (job_no, hit_no, state, guidelines_no, wanted, slots, unit_cents, created_at)
       VALUES ({job_no}, 0, 'planned', 1, 1, 1, 1, {now})""",
    """INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, submitted_at, collected_at, raw)
       SELECT {job_no}, 0, 0, n::text, 'submitted', {now}, {now}, '' FROM generate_series(0, {many} - 1) n""",
    """INSERT INTO answer SELECT {job_no}, assignment_no, 1, market_assignment_id::int, 0, 0, {now} FROM assignment
       WHERE job_no = {job_no}""",
    """INSERT INTO job_event (job_no, at, kind, message) SELECT {job_no}, {now}, 'x', 'x'
       FROM generate_series(1, {many})""",
)


@pytest.fixture(scope="module")
async def full(postgres_dsn: str) -> AsyncIterator[tuple[asyncpg.Pool, int]]:
    """A database with two jobs of many items, all answered and with a consensus."""
    from foundation.postgres.pool import create_pool
    from tests.conftest import ensure_template, fresh_database

    async for dsn in fresh_database(postgres_dsn, await ensure_template(postgres_dsn, "service")):
        async with await create_pool(dsn, schema="assay") as pool:
            async with pool.acquire() as conn:
                numbers = [await fill(conn) for _ in range(2)]
                await conn.execute("ANALYZE")
            yield pool, numbers[0]


async def fill(conn: asyncpg.Connection, many: int = MANY) -> int:
    clock = ManualClock(NOW)
    team = await teams.ensure(conn, new_id("team", clock), "planners", NOW)
    job_no = await jobs.insert(
        conn,
        job_id=new_id("job", clock),
        team_id=team,
        market_no=await pace.know_market(conn, "house", None, NOW),
        name="many",
        spec={},
        n_labels=2,
        budget_cents=0,
        at=NOW,
    )
    ident = f"{job_no:026d}"
    for statement in FILL:
        await conn.execute(statement.format(job_no=job_no, ident=ident, now=f"'{NOW.isoformat()}'", many=many))
    return int(job_no)


async def scans(conn: asyncpg.Connection, query: str, *args: Any) -> list[dict[str, Any]]:
    """Return the nodes of a query's plan as it ran, with the rows that each read."""
    (plan,) = ((await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args))[0]["Plan"],)
    found, waiting = [], [plan]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.get("Plans", [])
    return found


@pytest.mark.parametrize(
    ("query", "args"),
    [
        (labels._PAGE, (MANY // 2, False, None, 101)),
        (items._PAGE, (MANY // 2, None, None, 101)),
        (answers._PAGE, (MANY // 2, 0, False, 101)),
        (progress._EVENTS, (2**62, 10)),
    ],
    ids=["labels", "items", "answers", "events"],
)
async def test_a_page_reads_little_more_than_it_shows(
    full: tuple[asyncpg.Pool, int], query: str, args: tuple[Any, ...]
) -> None:
    pool, job_no = full
    async with pool.acquire() as conn:
        for node in await scans(conn, query, job_no, *args):
            read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            large = node.get("Relation Name") in {"item", "consensus", "answer", "assignment", "job_event"}
            assert not (large and node["Node Type"] == "Seq Scan"), node
            assert read <= 1000, f"{node['Node Type']} on {node.get('Relation Name')} read {read} rows"


async def test_deciding_reads_each_row_a_few_times_where_nothing_is_known_of_the_tables(
    service_pool: asyncpg.Pool,
) -> None:
    many = 1000
    # What is not committed has no statistics, whenever they are gathered.
    async with service_pool.acquire() as conn, conn.transaction():
        job_no = await fill(conn, many)
        await conn.execute(
            "INSERT INTO hit_slot (job_no, hit_no, slot, item_no) SELECT $1, 0, n + 1, n FROM generate_series(0, $2) n",
            job_no,
            many - 1,
        )
        await conn.execute(BY_HASH)
        for query in (decisions._ITEMS, decisions._COUNTED):
            assert len(await conn.fetch(query, job_no)) == many
            for node in await scans(conn, query, job_no):
                read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                read += node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]
                assert read <= 5 * many, f"{node['Node Type']} went through {read} rows for {many} items"


async def test_a_key_is_found_by_its_hash(full: tuple[asyncpg.Pool, int]) -> None:
    pool, _ = full
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")  # the table is small; the index must be usable
        nodes = await scans(conn, keys._FIND, b"x" * 32)
        assert any(node.get("Index Name") == "api_key_key_hash_key" for node in nodes)
