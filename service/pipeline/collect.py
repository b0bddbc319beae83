"""Collect: bring in what workers handed in, raw first. Its subject is a market, as a listing covers all of its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from foundation.ids import new_id
from service.markets import Market
from service.markets.market import Gone, HandedIn, ListedHit, MarketError, Throttled
from service.metrics import ANSWERS, ASSIGNMENTS
from service.pipeline import surplus
from service.pipeline.alarm import alarm
from service.pipeline.reading import key_of, read, strays
from service.pipeline.silence import noticed
from service.pipeline.stage import Stage
from service.spec import read_spec
from service.store import assignments, briefs, dues, effects, events, hits, pace
from service.store.assignments import Read
from service.store.briefs import Brief
from service.store.effects import Wanted
from service.store.hits import LiveHit

CHUNK = 200  # HITs whose news is saved in one transaction
_PARTIAL_EVERY = timedelta(seconds=5)  # a HIT that is not complete is asked after less often
# A sweep is followed by a rest of so many times as long as its listing took, which is what it costs to hear that there
# is nothing new: a long one after a sweep that brought nothing, as while HITs are being posted faster than anybody can
# answer them. To fetch and save what is new takes long where there is much, and then more has come in meanwhile.
_PATIENCE, _PATIENCE_WITHOUT_NEWS = 3.0, 9.0
_LOST_OFTEN = 3  # HITs of one item that were deleted by others, after which a person has to say how to go on


async def run(stage: Stage) -> None:
    """Sweep the market's listing, and fetch the assignments of every HIT that has news."""
    market_no = stage.due.subject
    market = stage.service.markets[await pace.market_name(stage.conn, market_no)]
    started = stage.clock.now()
    live = {hit.market_hit_id: hit for hit in await hits.live(stage.conn, market_no)}
    rest = stage.service.settings.pipeline.collect_every
    if live:
        try:
            async with noticed(stage, market, market_no):
                rest = max(rest, await Sweep(stage, market, market_no, started).run(live))
        except Throttled:
            await pace.throttled(
                stage.conn, market_no, float(stage.service.settings.pipeline.effects_in_flight), started
            )
            raise
    now = stage.clock.now()
    again = now + timedelta(seconds=rest)
    async with stage.conn.transaction():
        await dues.finish(stage.conn, stage.due, now=now, then={"collect": again} if live else None)
        await dues.rest(stage.conn, stage.due, again)  # whatever was posted meanwhile


Fetched: TypeAlias = tuple[LiveHit, ListedHit | None, Sequence[HandedIn]]
"""A HIT, what the listing says of it (None: it is gone), and what was handed in."""


class Sweep:
    """One pass over a market's listing."""

    def __init__(self, stage: Stage, market: Market, market_no: int, started: datetime) -> None:
        self.stage, self.market, self.market_no, self.started = stage, market, market_no, started
        self._briefs: dict[int, Brief] = {}

    async def run(self, live: Mapping[str, LiveHit]) -> float:
        """List the market's HITs, and fetch and save what is new of those that are ours; returns seconds to rest."""
        listing: dict[str, ListedHit] = {}
        async for page in self.market.list_hits():
            listing |= {hit.market_hit_id: hit for hit in page if hit.market_hit_id in live}
        listed_in = (self.stage.clock.now() - self.started).total_seconds()
        gone = []
        for hit in self._some([hit for key, hit in live.items() if key not in listing]):
            # A listing is no snapshot and may leave one out: only the market's word on this very HIT counts.
            found = await self.market.find_hit(hit.market_hit_id)
            if found is None:
                gone.append(hit)
            else:
                listing[hit.market_hit_id] = found
        await self.save_extended([(live[key], hit) for key, hit in listing.items()])
        news = [(live[key], hit) for key, hit in listing.items() if self.has_news(live[key], hit)]
        for first in range(0, len(news), CHUNK):
            await self.fetch(news[first : first + CHUNK])
        quiet = [(live[key], hit) for key, hit in listing.items() if self.is_quiet(live[key], hit)]
        await self.save_quiet(quiet)
        await self.save_gone(gone)
        return (_PATIENCE if news else _PATIENCE_WITHOUT_NEWS) * listed_in

    def _some(self, missing: Sequence[LiveHit]) -> Sequence[LiveHit]:
        """Return as many as are asked after in one sweep, others at the next."""
        start = int(self.started.timestamp()) % len(missing) if len(missing) > CHUNK else 0
        return [*missing[start:], *missing[:start]][:CHUNK]

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

        async def fetch_one(hit: LiveHit) -> Sequence[HandedIn] | MarketError:
            async with in_flight:
                try:
                    return await self.market.handed_in(hit.market_hit_id)
                except MarketError as error:
                    return error

        found = await asyncio.gather(*(fetch_one(hit) for hit, _ in news))
        by_job: dict[int, list[Fetched]] = {}
        for (hit, listed), one in zip(news, found, strict=True):
            if not isinstance(one, MarketError):
                by_job.setdefault(hit.job_no, []).append((hit, listed, one))
        for job_no, fetched in by_job.items():
            await self._save(await self._brief(job_no), fetched)
        # What failed fails the sweep, once the rest is saved. One deleted since it was listed is missing next time.
        for one in found:
            if isinstance(one, MarketError) and not isinstance(one, Gone):
                raise one

    async def save_gone(self, gone: Sequence[LiveHit]) -> None:
        """Save that HITs are gone, after what was handed in of them and can still be had.

        Their jobs ask their open items again, unless these have been lost so often that somebody seems to want it.
        """
        by_job: dict[int, list[LiveHit]] = {}
        for hit in gone:
            by_job.setdefault(hit.job_no, []).append(hit)
        for job_no, lost in by_job.items():
            brief = await self._brief(job_no)
            for hit in lost:
                try:
                    found = await self.market.handed_in(hit.market_hit_id)
                except Gone:
                    continue
                await self._save(brief, [(hit, None, found)])
            async with self.stage.conn.transaction():
                await self._lose(job_no, lost)

    async def _lose(self, job_no: int, lost: Sequence[LiveHit]) -> None:
        conn, now = self.stage.conn, self.stage.clock.now()
        await briefs.lock(conn, job_no)
        hit_nos = await hits.gone(conn, job_no, [hit.hit_no for hit in lost], now)
        if not hit_nos:
            return
        lost = [hit for hit in lost if hit.hit_no in hit_nos]
        await effects.drop_of_gone(conn, job_no, hit_nos, now)
        open_items = await hits.lost(conn, job_no, hit_nos)
        items = sum(count for count, _ in open_items.values())
        message = (
            f"{len(lost)} HITs are no longer on the market, deleted there by somebody else: "
            f"{', '.join(hit.market_hit_id for hit in lost[:5])}{' and others' if len(lost) > 5 else ''}; "
            f"what came of them is kept and paid, and {items} items that are not settled"
        )
        often = max((times for _, times in open_items.values()), default=0)
        if often >= _LOST_OFTEN:
            message += f" have now been lost {often} times: find out who deletes them, then resume to ask them again"
            await alarm(self.stage, job_no, "gone", message)
        else:
            await events.record(conn, job_no, now, "gone", f"{message} are asked again in new HITs")
        await dues.want(conn, "decide", job_no, now)
        # What was collected of them last may not have been inferred from yet, and closing waits for that.
        await dues.want(conn, "infer", job_no, now)

    async def save_extended(self, listed: Sequence[tuple[LiveHit, ListedHit]]) -> None:
        """Save which HITs others have extended."""
        by_job: dict[int, list[tuple[int, int]]] = {}
        for hit, there in listed:
            if there.max_assignments > max(hit.wanted, hit.offered):
                by_job.setdefault(hit.job_no, []).append((hit.hit_no, there.max_assignments))
        for job_no, rows in by_job.items():
            async with self.stage.conn.transaction():
                await briefs.lock(self.stage.conn, job_no)
                await surplus.notice(self.stage, job_no, rows)

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

    async def _save(self, brief: Brief, fetched: Sequence[Fetched]) -> None:
        conn, job_no, now = self.stage.conn, brief.job_no, self.stage.clock.now()
        n_labels = len(read_spec(brief.spec).task.labels)
        hit_nos = [hit.hit_no for hit, _, _ in fetched]
        known = await assignments.known(conn, job_no, hit_nos)
        slots = await assignments.slots(conn, job_no, hit_nos)
        doubted = await strays(self.market, [one for _, _, found in fetched for one in found], known)
        reads = [
            read(hit.hit_no, one, slots[hit.hit_no], n_labels, self.market, stray=doubted.get(key_of(one)))
            for hit, _, found in fetched
            for one in found
            if key_of(one) not in known
        ]
        debounce = timedelta(seconds=self.stage.service.settings.pipeline.infer_debounce)
        async with conn.transaction():
            state = await briefs.lock(conn, job_no)
            if reads:
                names = {name: new_id("worker", self.stage.clock) for name in {one.market_worker_id for one in reads}}
                kept = await assignments.keep(conn, job_no, self.market_no, reads, names, now)
                approvals = [
                    Wanted("approve", one.hit_no, one.assignment_no, {"market_assignment_id": one.market_assignment_id})
                    for one in kept
                    if one.state == "submitted"
                ]
                await effects.write(conn, job_no, brief.job_id, approvals, now)
                await surplus.take_in(self.stage, job_no, state)
                await _flag(self.stage, job_no, reads, now)
                await assignments.doubt(
                    conn, job_no, [one.market_assignment_id for one in kept if one.state == "stray"]
                )
                expiry = {hit.hit_no: hit.expires_at for hit, _, _ in fetched}
                late = sum(one.submitted_at > expiry[one.hit_no] for one in reads)
                if late:
                    message = f"{late} assignments were handed in after their HIT had expired; they count and are paid"
                    await events.record(conn, job_no, now, "late", message)
            # Only what was listed before the fetch is known to be complete by it, and only where it has no gap.
            rows = [
                (hit.job_no, hit.hit_no, listed.pending, listed.expires_at)
                for hit, listed, found in fetched
                if listed and len({one.market_assignment_id for one in found}) >= listed.handed_in
            ]
            await hits.listed(conn, rows, self.started)
            # What we deleted while it was listed looks gone, and brings nothing: it is no cause to infer again.
            soon = now + debounce
            news = {"infer": soon, "score": now, "settle": now} if reads else {}
            await dues.want_all(conn, job_no, {"decide": soon, **news})
        ASSIGNMENTS.labels(readable="yes").inc(sum(one.problem is None for one in reads))
        ASSIGNMENTS.labels(readable="no").inc(sum(one.problem is not None for one in reads))
        ANSWERS.inc(sum(len(one.answers) for one in reads))


async def _flag(stage: Stage, job_no: int, reads: Sequence[Read], now: datetime) -> None:
    """Say which assignments came in strange, with what is wrong with the first."""
    strange = [one for one in reads if one.problem is not None]
    if strange:
        message = (
            f"{len(strange)} assignments came in with something that cannot be used; they are kept as they came, and "
            f"listed with what is wrong under assignments?problem=true. The first: {(strange[0].problem or '')[:300]}"
        )
        await events.record(stage.conn, job_no, now, "strange", message)
