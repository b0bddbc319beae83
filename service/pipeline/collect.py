"""Collect: bring in what workers handed in, raw first. Its subject is a market, as a listing covers all of its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from foundation.ids import new_id
from service.markets import Market
from service.markets.market import HandedIn, ListedHit, Unreadable
from service.metrics import ANSWERS, ASSIGNMENTS
from service.pipeline.stage import Stage
from service.spec import read_spec
from service.store import assignments, briefs, dues, effects, hits, pace
from service.store.assignments import Read
from service.store.briefs import Brief
from service.store.effects import Wanted
from service.store.hits import LiveHit

_CHUNK = 100  # HITs whose news is saved in one transaction
_PARTIAL_EVERY = timedelta(seconds=5)  # a HIT that is not complete is asked after less often
_PATIENCE = 3.0  # a sweep is followed by a rest of so many times its length


async def run(stage: Stage) -> None:
    """Sweep the market's listing, and fetch the assignments of every HIT that has news."""
    market_no = stage.due.subject
    market = stage.service.markets[await pace.market_name(stage.conn, market_no)]
    started = stage.clock.now()
    live = {hit.market_hit_id: hit for hit in await hits.live(stage.conn, market_no)}
    if live:
        listing: dict[str, ListedHit] = {}
        async for page in market.list_hits():
            listing |= {hit.market_hit_id: hit for hit in page if hit.market_hit_id in live}
        sweep = Sweep(stage, market, market_no, started)
        news = [(live[key], hit) for key, hit in listing.items() if sweep.has_news(live[key], hit)]
        for first in range(0, len(news), _CHUNK):
            await sweep.fetch(news[first : first + _CHUNK])
        quiet = [(live[key], hit) for key, hit in listing.items() if sweep.is_quiet(live[key], hit)]
        await sweep.save_quiet(quiet)
    now = stage.clock.now()
    rest = max(stage.service.settings.pipeline.collect_every, _PATIENCE * (now - started).total_seconds())
    async with stage.conn.transaction():
        again = {"collect": now + timedelta(seconds=rest)} if live else None
        await dues.finish(stage.conn, stage.due, now=now, then=again)


class Sweep:
    """One pass over a market's listing."""

    def __init__(self, stage: Stage, market: Market, market_no: int, started: datetime) -> None:
        self.stage, self.market, self.market_no, self.started = stage, market, market_no, started
        self._briefs: dict[int, Brief] = {}

    def has_news(self, hit: LiveHit, listed: ListedHit) -> bool:
        """Tell whether assignments were handed in that we do not hold, and it is time to fetch them."""
        if listed.handed_in <= hit.collected:
            return False
        complete = listed.available == 0 and listed.pending == 0
        return complete or hit.listed_at is None or self.started - hit.listed_at >= _PARTIAL_EVERY

    def is_quiet(self, hit: LiveHit, listed: ListedHit) -> bool:
        """Tell whether the listing says something new of a HIT of which we hold all that was handed in."""
        if listed.handed_in > hit.collected:
            return False
        changed = hit.pending != listed.pending or (hit.state == "shut" and hit.listed_at is None)
        return changed or (hit.state == "open" and listed.expires_at <= self.started)

    async def fetch(self, news: Sequence[tuple[LiveHit, ListedHit]]) -> None:
        """Fetch the assignments of HITs from the market, and save them job by job."""
        in_flight = asyncio.Semaphore(self.stage.service.settings.pipeline.effects_in_flight)

        async def fetch_one(hit: LiveHit) -> Sequence[HandedIn]:
            async with in_flight:
                return await self.market.handed_in(hit.market_hit_id)

        found = await asyncio.gather(*(fetch_one(hit) for hit, _ in news))
        by_job: dict[int, list[tuple[LiveHit, ListedHit, Sequence[HandedIn]]]] = {}
        for (hit, listed), one in zip(news, found, strict=True):
            by_job.setdefault(hit.job_no, []).append((hit, listed, one))
        for job_no, fetched in by_job.items():
            await self._save(await self._brief(job_no), fetched)

    async def save_quiet(self, quiet: Sequence[tuple[LiveHit, ListedHit]]) -> None:
        """Save what is pending on HITs without news; their jobs may now close or renew them."""
        if not quiet:
            return
        now = self.stage.clock.now()
        job_nos = sorted({hit.job_no for hit, _ in quiet})
        async with self.stage.conn.transaction():
            for job_no in job_nos:
                await briefs.lock(self.stage.conn, job_no)
            await hits.listed(
                self.stage.conn,
                [(hit.job_no, hit.hit_no, listed.pending, listed.expires_at) for hit, listed in quiet],
                self.started,
            )
            for job_no in job_nos:
                await dues.want(self.stage.conn, "decide", job_no, now)

    async def _brief(self, job_no: int) -> Brief:
        if job_no not in self._briefs:
            self._briefs[job_no] = await briefs.load(self.stage.conn, job_no)
        return self._briefs[job_no]

    async def _save(self, brief: Brief, fetched: Sequence[tuple[LiveHit, ListedHit, Sequence[HandedIn]]]) -> None:
        conn, job_no, now = self.stage.conn, brief.job_no, self.stage.clock.now()
        n_labels = len(read_spec(brief.spec).task.labels)
        hit_nos = [hit.hit_no for hit, _, _ in fetched]
        known = await assignments.known(conn, job_no, hit_nos)
        slots = await assignments.slots(conn, job_no, hit_nos)
        reads = [
            read(hit.hit_no, one, slots[hit.hit_no], n_labels, self.market)
            for hit, _, found in fetched
            for one in found
            if (one.market_assignment_id, one.market_worker_id) not in known
        ]
        debounce = timedelta(seconds=self.stage.service.settings.pipeline.infer_debounce)
        async with conn.transaction():
            await briefs.lock(conn, job_no)
            if reads:
                names = {one.market_worker_id: new_id("worker", self.stage.clock) for one in reads}
                kept = await assignments.keep(conn, job_no, self.market_no, reads, names, now)
                approvals = [
                    Wanted("approve", one.hit_no, one.assignment_no, {"market_assignment_id": one.market_assignment_id})
                    for one in kept
                    if one.state != "rejected"
                ]
                await effects.write(conn, job_no, brief.job_id, approvals, now)
            # Only what was listed before the fetch is known to be complete by it.
            rows = [(hit.job_no, hit.hit_no, listed.pending, listed.expires_at) for hit, listed, _ in fetched]
            await hits.listed(conn, rows, self.started)
            for stage, at in (("decide", now + debounce), ("infer", now + debounce), ("score", now), ("settle", now)):
                await dues.want(conn, stage, job_no, at)
        ASSIGNMENTS.labels(readable="yes").inc(sum(one.problem is None for one in reads))
        ASSIGNMENTS.labels(readable="no").inc(sum(one.problem is not None for one in reads))
        ANSWERS.inc(sum(len(one.answers) for one in reads))


def read(hit_no: int, one: HandedIn, item_nos: Sequence[int], n_labels: int, market: Market) -> Read:
    """Read one assignment: the answers that can be read, and what is wrong with the rest."""
    answers: list[tuple[int, int, int]] = []
    problems: list[str] = []
    try:
        fields = market.read_answers(one.raw)
    except Unreadable as error:
        fields = {}
        problems.append(str(error))
    else:
        for slot, item_no in enumerate(item_nos, start=1):
            text = fields.get(f"q{slot}", "").strip()
            if text.isascii() and text.isdecimal() and len(text) <= 4 and int(text) < n_labels:
                answers.append((slot, item_no, int(text)))
            else:
                problems.append(
                    f"q{slot}: {text[:40]!r} is none of the job's label values" if text else f"q{slot} is missing"
                )
    return Read(
        hit_no=hit_no,
        market_assignment_id=one.market_assignment_id,
        market_worker_id=one.market_worker_id,
        state="rejected" if one.state == "rejected" else "submitted",
        accepted_at=one.accepted_at,
        submitted_at=one.submitted_at,
        approve_by=one.approve_by,
        raw=one.raw,
        problem="; ".join(problems)[:2000] or None,
        answers=tuple(answers),
    )
