"""Rows a second into answers, by collect's own save and by bare `unnest`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.path import jobs
from benchmarks.path.crowd import Crowd
from benchmarks.path.works import Works
from foundation.clock import SystemClock
from foundation.settings import MarketSettings, Settings
from service.app import Service
from service.markets import open_market
from service.markets.market import HandedIn, ListedHit
from service.pipeline.collect import CHUNK, Sweep
from service.pipeline.stage import Stage
from service.store import hits
from service.store.dues import Due

_OF_JOB = """
SELECT a.job_no, assignment_no, slot, item_no, worker_no, label, submitted_at
FROM assay.answer a JOIN assay.job USING (job_no) WHERE job_id = $1 ORDER BY assignment_no, slot
"""
_BARE = """
INSERT INTO assay.answer (job_no, assignment_no, slot, item_no, worker_no, label, submitted_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int2[], $4::int4[], $5::int4[], $6::int2[], $7::timestamptz[])
"""


class Recorded:
    """What a market gave earlier, given again at once: the market's own time is not what is measured here."""

    name, fees = "house", "mturk"

    def __init__(self, market: Any, handed_in: Mapping[str, Sequence[HandedIn]]) -> None:
        self._handed_in = handed_in
        self.read_answers = market.read_answers

    async def handed_in(self, market_hit_id: str) -> Sequence[HandedIn]:
        """Return what was handed in for a HIT."""
        return self._handed_in[market_hit_id]


async def run(works: Works, job_id: str, *, bundle: int) -> dict[str, Any]:
    """Let a crowd answer a posted job, then save what the market gives, and the same rows by `unnest`."""
    async with Crowd(works.dsn, works.market, slots=bundle, labels=len(jobs.LABELS)) as crowd:
        while await crowd.work_through():
            pass
    clock = SystemClock()
    place = MarketSettings(endpoint=works.market, **{name: works.keys[name] for name in ("access_key", "secret_key")})
    market = open_market("house", place, clock)
    settings = Settings(data=Path("unused"), markets={"house": place})
    service = await Service.open(settings, works.dsn, clock, {"house": market})
    try:
        ours = await _save(service, market, job_id)
        rows = await _rows(service, job_id)
        bare = await _bare(service, rows, at_once=max(1, len(rows) * CHUNK // ours["hits"]))
    finally:
        await service.close()
    return {
        "rows": len(rows),
        "assignments": ours["assignments"],
        "assay_per_second": round(len(rows) / ours["seconds"]),
        "unnest_per_second": round(len(rows) / bare),
        "ratio": round(bare / ours["seconds"], 3),
    }


async def _save(service: Service, market: Any, job_id: str) -> dict[str, Any]:
    """Save all that the market gives of a job as collect does; returns how long that took."""
    async with service.pool.acquire() as conn:
        job_no = await conn.fetchval("SELECT job_no FROM job WHERE job_id = $1", job_id)
        live = {hit.market_hit_id: hit for hit in await hits.live(conn, await _market_no(conn)) if hit.job_no == job_no}
        listing: dict[str, ListedHit] = {}
        async for page in market.list_hits():
            listing |= {hit.market_hit_id: hit for hit in page if hit.market_hit_id in live}
        handed_in = {key: await market.handed_in(key) for key in live}
        recorded: Any = Recorded(market, handed_in)
        stage = Stage(service, conn, Due("collect", await _market_no(conn), 1))
        sweep = Sweep(stage, recorded, await _market_no(conn), service.clock.now())
        news = [(hit, listing[key]) for key, hit in live.items()]
        started = time.perf_counter()
        for first in range(0, len(news), CHUNK):
            await sweep.fetch(news[first : first + CHUNK])
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "hits": len(live), "assignments": sum(map(len, handed_in.values()))}


async def _market_no(conn: Any) -> int:
    number: int = await conn.fetchval("SELECT market_no FROM market WHERE name = 'house'")
    return number


async def _rows(service: Service, job_id: str) -> list[tuple[Any, ...]]:
    async with service.pool.acquire() as conn:
        return [tuple(row) for row in await conn.fetch(_OF_JOB, job_id)]


async def _bare(service: Service, rows: Sequence[tuple[Any, ...]], *, at_once: int) -> float:
    """Take the rows out of the table, and time how long it takes to put them back."""
    async with service.pool.acquire() as conn:
        await conn.execute("DELETE FROM answer WHERE job_no = $1", rows[0][0])
        await conn.execute("VACUUM answer")
        return await _insert(conn, rows, at_once)


async def _insert(conn: asyncpg.Connection | Any, rows: Sequence[tuple[Any, ...]], at_once: int) -> float:
    started = time.perf_counter()
    for first in range(0, len(rows), at_once):
        await conn.execute(_BARE, *map(list, zip(*rows[first : first + at_once], strict=True)))
    return time.perf_counter() - started
