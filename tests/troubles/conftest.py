"""A service and a marketplace that talk over HTTP by boto3, both on real databases, and workers who hand in forms."""

from __future__ import annotations

from pathlib import Path

import botocore.auth
import httpx
import pytest

from foundation.settings import MarketSettings, Settings
from marketplace.store import ledger
from service.app import Service
from service.markets.mturk import MTurkMarket
from service.store import dues
from tests.books import books, report
from tests.marketplace.conftest import live_marketplace
from tests.pipeline.conftest import House
from tests.pipeline.plain_market import slot_texts

LABELS = "abc"


class Town(House):
    """A house of the service, the marketplace that it posts to, and the workers who live off it."""

    def __init__(self, service, live, dsns):
        super().__init__(service, service.markets["house"], live.clock)
        self.live, self.dsns = live, dsns
        self.http = httpx.AsyncClient()
        self.workers = []

    async def step(self, seconds=6):
        """Run what is due as the engine does, failures and all, then let time pass and the marketplace sweep."""
        while True:
            async with self.service.pool.acquire() as conn:
                ready = await dues.ready(conn, self.clock.now())
            if not ready:
                break
            for due in ready:
                await self.engine._run_stage(due.stage, due.subject)
        self.clock.advance(seconds=seconds)
        await self.live.marketplace.sweep()

    async def until(self, condition, *, steps=100, work=None, seconds=6):
        """Step, letting workers work in between, until the condition holds."""
        for _ in range(steps):
            await self.step(seconds)
            if await condition():
                return
            if work is not None:
                await work()
        raise AssertionError(f"not reached in {steps} steps; {await self.story()}")

    async def done(self, job, *, work=None, steps=100):
        """Run a job to its end, and compare the books."""
        await self.until(self.is_state(job, "done"), work=work or self.work, steps=steps)
        await self.agree()

    async def agree(self):
        """Compare the books of service and marketplace."""
        found = await books(*self.dsns)
        assert not found, report(found)

    async def misbehave(self, *rules):
        await self.live.misbehave(*rules)

    async def applied(self):
        """How often each rule was applied."""
        return [rule["applied"] for rule in (await self.http.get(f"{self.live.url}/mturk/_misbehave")).json()]

    # What workers do.

    async def worker(self, number=0):
        while len(self.workers) <= number:
            self.workers.append(await self.live.worker())
        return self.workers[number]

    async def open_hits(self):
        """Return the marketplace's HITs that can be accepted."""
        query = "SELECT hit_id, question FROM hit WHERE open AND expires_at > $1 ORDER BY hit_no"
        async with self.live.marketplace.pool.acquire() as conn:
            return [(row["hit_id"], row["question"]) for row in await conn.fetch(query, self.clock.now())]

    async def work(self, n_workers=4, *, limit=None):
        """Let each worker do every HIT they can, with the right answers; returns how many were done."""
        from marketplace.refusal import Refused

        done = 0
        for number in range(n_workers):
            worker = await self.worker(number)
            for hit_id, question in await self.open_hits():
                if limit is not None and done >= limit:
                    return done
                try:
                    assignment = await self.live.accept(hit_id, worker)
                except Refused:
                    continue  # done it before, or full by now
                await self.hand_in(assignment, answers_to(question))
                done += 1
        return done

    async def hand_in(self, assignment, fields):
        """Post the form of a question as a worker's browser does; returns the response."""
        return await self.http.post(
            f"{self.live.url}/mturk/externalSubmit", data={"assignmentId": assignment, **fields}, timeout=30
        )

    async def take(self, number=0):
        """Have a worker accept the first HIT that is open; returns its id, the assignment's and the right answers."""
        hit_id, question = (await self.open_hits())[0]
        return hit_id, await self.live.accept(hit_id, await self.worker(number)), answers_to(question)

    async def is_held(self, worker, expected):
        """Tell whether a worker has a qualification on the market, or has none, as expected."""
        query = "SELECT count(*) FROM qualification WHERE worker_id = $1 AND state = 'granted'"
        async with self.live.marketplace.pool.acquire() as conn:
            return bool(await conn.fetchval(query, worker)) == expected

    # What a person can see of it.

    async def events(self, job, kind=None):
        return [
            message
            for event_kind, message in await self.rows(
                "SELECT kind, message FROM job_event WHERE job_no = $1 ORDER BY event_no", job
            )
            if kind in (None, event_kind)
        ]

    async def story(self):
        """Tell where things are, for a failure."""
        effects = await self.rows("SELECT kind, hit_no, state, last_error FROM effect WHERE state IN ('due', 'parked')")
        hits = await self.rows("SELECT hit_no, state, wanted, slots, collected, reviewed, pending FROM hit")
        jobs = await self.rows("SELECT job_no, state, pause_reason FROM job")
        events = await self.rows("SELECT kind, message FROM job_event")
        return f"jobs {jobs}, HITs {hits}, effects {effects}, events {events}"

    async def deposit(self, cents):
        async with self.live.marketplace.pool.acquire() as conn:
            await ledger.deposit(conn, requester_id=self.live.requester_id, cents=cents, now=self.clock.now())

    async def withdraw(self, cents):
        async with self.live.marketplace.pool.acquire() as conn:
            await conn.execute(
                "INSERT INTO ledger (requester_id, entry, amount_cents, made_at) VALUES ($1, 'withdrawal', $2, $3)",
                self.live.requester_id,
                cents,
                self.clock.now(),
            )


def answers_to(question):
    """Return the form that answers a question rightly: each slot's text begins with its label."""
    return {f"q{slot}": str(LABELS.index(text[0])) for slot, text in enumerate(slot_texts(question), start=1)}


@pytest.fixture
def initial_rate(request):
    """Calls a second that the market starts with; None: as many as one likes."""
    return getattr(request, "param", None)


@pytest.fixture
async def town(service_dsn, marketplace_dsn, clock, tmp_path, monkeypatch, initial_rate):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", clock.now)
    async with live_marketplace(marketplace_dsn, tmp_path, clock, misbehave=True) as live:
        market = MTurkMarket(
            "house",
            endpoint=f"{live.url}/mturk",
            access_key=live.access_key,
            secret_key=live.secret,
            region="us-east-1",
            fees="mturk",
            connections=8,
            clock=clock,
        )
        settings = Settings(data=Path("unused"), markets={"house": MarketSettings(initial_rate=initial_rate)})
        service = await Service.open(settings, service_dsn, clock, {"house": market})
        town = Town(service, live, (service_dsn, marketplace_dsn))
        yield town
        await town.http.aclose()
        await service.close()
