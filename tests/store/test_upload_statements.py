"""The statements of an upload on every Postgres that Assay supports: staged, compared, numbered, stored."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import asyncpg
import pytest

from foundation.clock import ManualClock
from foundation.ids import new_id
from service.spec_reading import check_spec
from service.store import gold, items, jobs, pace, teams
from service.upload.reading import read_upload

pytestmark = pytest.mark.every_postgres

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SPEC = {
    "name": "Lines",
    "task": {"type": "choice", "question": "?", "labels": ["a", "b", "c"], "template": [{"field": "text"}]},
    "reward": "0",
    "budget": "0",
}
AWKWARD = [
    r"back\slash \. \N",
    "quote \" and ' and ,",
    "line\nbreak\r\n\\.\n",
    "tab\tand \u2028 and \U0001f431",
    " spaces around ",
    "\\u0041 stays as it is written",
]


async def new_job(conn: asyncpg.Connection) -> int:
    clock = ManualClock(NOW)
    return await jobs.insert(
        conn,
        job_id=new_id("job", clock),
        team_id=await teams.ensure(conn, new_id("team", clock), "storers", NOW),
        market_no=await pace.know_market(conn, "house", None, NOW),
        name="lines",
        spec=SPEC,
        n_labels=3,
        budget_cents=0,
        at=NOW,
    )


def rows(lines: list[dict[str, object]], *, is_gold: bool = False) -> io.BytesIO:
    import msgspec

    source, out = io.BytesIO(msgspec.json.Encoder().encode_lines(lines)), io.BytesIO()
    reading = read_upload(source, "ndjson", check_spec(SPEC), gold=is_gold, rows=out)
    assert reading.bad_total == 0, reading.bad
    out.seek(0)
    return out


async def upload(
    conn: asyncpg.Connection, job_no: int, lines: list[dict[str, object]], *, is_gold: bool = False
) -> int:
    async with conn.transaction():
        await items.stage(conn, rows(lines, is_gold=is_gold))
        assert await items.differing(conn, job_no, gold=is_gold, limit=10) == []
        added = await items.add_staged(conn, job_no, gold=is_gold, at=NOW)
        if is_gold:
            await gold.add_staged(conn, job_no, at=NOW, by="a test")
        return added


async def test_whatever_a_payload_says_is_stored_as_it_is(service_pool: asyncpg.Pool) -> None:
    async with service_pool.acquire() as conn:
        job_no = await new_job(conn)
        lines = [
            {"external_id": f"{n} {text.split()[0]}", "payload": {"text": text, "n": [1.5, None]}}
            for n, text in enumerate(AWKWARD)
        ]
        assert await upload(conn, job_no, lines) == len(AWKWARD)
        stored = await items.page(conn, job_no, after=-1, gold=None, state=None, limit=100)
        assert [(one.external_id, one.payload) for one in stored] == [
            (one["external_id"], one["payload"]) for one in lines
        ]
        assert await upload(conn, job_no, lines) == 0, "and is the same when it comes again"


async def test_numbers_are_dense_and_never_used_twice(service_pool: asyncpg.Pool) -> None:
    async with service_pool.acquire() as conn:
        job_no = await new_job(conn)
        first = [{"external_id": f"{n}", "payload": {"text": "x"}} for n in range(5)]
        more = [{"external_id": f"{n}", "payload": {"text": "x"}} for n in range(3, 9)]
        assert (await upload(conn, job_no, first), await upload(conn, job_no, more)) == (5, 4)
        stored = await items.page(conn, job_no, after=-1, gold=None, state=None, limit=100)
        assert [(one.item_no, one.external_id) for one in stored] == [(n, f"{n}") for n in range(9)]
        assert await conn.fetchval("SELECT next_item_no FROM job WHERE job_no = $1", job_no) == 9


async def test_repeated_lines_name_the_first(service_pool: asyncpg.Pool) -> None:
    async with service_pool.acquire() as conn, conn.transaction():
        await items.stage(conn, rows([{"external_id": one, "payload": {"text": "x"}} for one in "abacaa"]))
        found = await items.repeated(conn, 2)
        assert [(one.line_no, one.first_line, one.total) for one in found] == [(3, 1, 3), (5, 1, 3)]


async def test_gold_keeps_its_labels_in_order_and_its_reasons(service_pool: asyncpg.Pool) -> None:
    async with service_pool.acquire() as conn:
        job_no = await new_job(conn)
        accepted = [{"label": "b", "reason": "because"}, "a"]
        await upload(conn, job_no, [{"external_id": "g", "payload": {"text": "x"}, "accepted": accepted}], is_gold=True)
        assert await conn.fetchval("SELECT accepted_labels FROM gold") == [0, 1]
        (one,) = await items.page(conn, job_no, after=-1, gold=True, state=None, limit=10)
        assert one.accepted == [{"label": 1, "reason": "because"}, {"label": 0, "reason": None}]
        assert await gold.unused(conn, job_no) == 1
