"""Whatever happens in whatever order, HITs, assignments and money agree with a simple model, to the cent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from foundation.clock import ManualClock
from foundation.money import FEE_SCHEDULES
from foundation.postgres.pool import connect
from marketplace.refusal import Refused
from marketplace.store import (
    assignments,
    bonuses,
    hit_types,
    hits,
    ledger,
    lifetimes,
    requesters,
    reviews,
    workers,
)
from marketplace.store.hit_types import Properties
from tests.marketplace.audit import audit

FEES = FEE_SCHEDULES["mturk"]
DURATION, AUTO_APPROVAL = 600, 7200
_PAID = """SELECT coalesce(sum(amount_cents), 0)::bigint FROM ledger
            WHERE requester_id = $1 AND entry IN ('reward', 'fee', 'bonus', 'bonus_fee')"""
_WAITING = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
START = datetime.fromisoformat("2026-01-05T12:00:00Z")


async def new_hit(conn, requester_id, now, *, reward=5, places=3, lifetime=3600, token=None):
    properties = Properties("Title", "Description", "", reward, DURATION, AUTO_APPROVAL, ())
    hit_type = await hit_types.register(conn, requester_id=requester_id, properties=properties, now=now)
    return await hits.create(
        conn,
        requester_id=requester_id,
        hit_type=hit_type,
        question="<q/>",
        annotation=None,
        fee_cents=FEES.assignment_fee(reward, places),
        max_assignments=places,
        lifetime_seconds=lifetime,
        token=token,
        now=now,
    )


async def new_requester(conn, name, cents):
    requester, _ = await requesters.ensure(conn, name=name, now=START)
    await ledger.deposit(conn, requester_id=requester.requester_id, cents=cents, now=START)
    return requester.requester_id


@dataclass
class Work:
    """What the model knows of an assignment."""

    hit: Job
    worker: str
    deadline: datetime
    state: str = "accepted"
    submitted_at: datetime | None = None
    rejected_at: datetime | None = None


@dataclass
class Job:
    """What the model knows of a HIT."""

    reward: int
    fee: int
    places: int
    expires_at: datetime
    small: bool
    lapsed: bool = False
    disposed: bool = False
    work: list[Work] = field(default_factory=list)

    def count(self, *states: str) -> int:
        return sum(work.state in states for work in self.work)

    @property
    def unused(self) -> int:
        return self.places - self.count("accepted", "submitted", "approved", "rejected")

    @property
    def held(self) -> int:
        waiting = self.count("accepted", "submitted") + (0 if self.lapsed else self.unused)
        return (self.reward + self.fee) * waiting

    def status(self, now: datetime) -> str:
        if self.disposed:
            return "Disposed"
        if self.unused and not self.lapsed and self.expires_at > now:
            return "Assignable"
        return "Unassignable" if self.count("accepted") else "Reviewable"


class Books(RuleBasedStateMachine):
    """One requester, three workers, and everything that they and the clock may do."""

    dsn: str
    hits = Bundle("hits")
    work = Bundle("work")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(START)
        self.jobs: dict[str, Job] = {}
        self.works: dict[str, Work] = {}
        self.available = 0
        self.paid = 0

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def attempt(self, expected: bool, coroutine: Any) -> Any:
        """Run what the model says succeeds, or is refused."""
        if expected:
            return self.run(coroutine)
        with pytest.raises(Refused):
            self.run(coroutine)
        return None

    def take(self, cents: int) -> bool:
        """Take money from the model's account, if it is there."""
        if cents > self.available:
            return False
        self.available -= cents
        return True

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @initialize(cents=st.integers(1, 500))
    def open_account(self, cents: int) -> None:
        async def begin() -> tuple[Any, str, list[str]]:
            conn = await connect(self.dsn, schema="marketplace")
            mark = await conn.fetchval("SELECT count(*) FROM requester")
            requester_id = await new_requester(conn, f"Requester {mark}", cents)
            people = [person for person, _ in await workers.invite(conn, names=["a", "b", "c"], now=START)]
            return conn, requester_id, people

        self.conn, self.requester_id, self.people = self.run(begin())
        self.available = cents

    @rule(
        target=hits,
        reward=st.integers(0, 20),
        places=st.sampled_from([1, 2, 3, 9, 10]),
        life=st.sampled_from([60, 3600]),
    )
    def create(self, reward: int, places: int, life: int) -> Any:
        fee = FEES.assignment_fee(reward, places)
        enough = self.take((reward + fee) * places)
        made = self.attempt(
            enough, new_hit(self.conn, self.requester_id, self.now, reward=reward, places=places, lifetime=life)
        )
        if made is None:
            return multiple()
        self.jobs[made.hit_id] = Job(reward, fee, places, self.now + timedelta(seconds=life), places < 10)
        return made.hit_id

    @rule(target=work, hit_id=hits, person=st.integers(0, 2))
    def accept(self, hit_id: str, person: int) -> Any:
        job, worker = self.jobs[hit_id], self.people[person]
        mine = any(work.worker == worker and work.state not in ("returned", "abandoned") for work in job.work)
        expected = job.status(self.now) == "Assignable" and not mine
        made = self.attempt(expected, assignments.accept(self.conn, worker_id=worker, hit_id=hit_id, now=self.now))
        if made is None:
            return multiple()
        self.works[made.assignment_id] = Work(job, worker, self.now + timedelta(seconds=DURATION))
        job.work.append(self.works[made.assignment_id])
        return made.assignment_id

    @rule(assignment_id=work)
    def submit(self, assignment_id: str) -> None:
        work = self.works[assignment_id]
        expected = work.state == "accepted" and work.deadline > self.now
        if self.attempt(expected, assignments.submit(self.conn, assignment_id=assignment_id, fields=[], now=self.now)):
            work.state, work.submitted_at = "submitted", self.now

    @rule(assignment_id=work)
    def give_back(self, assignment_id: str) -> None:
        work = self.works[assignment_id]
        if self.attempt(
            work.state == "accepted",
            assignments.give_back(self.conn, worker_id=work.worker, assignment_id=assignment_id, now=self.now),
        ):
            self.end(work, "returned")

    def end(self, work: Work, state: str) -> None:
        work.state = state
        if work.hit.lapsed:
            self.available += work.hit.reward + work.hit.fee

    @rule(assignment_id=work, override=st.booleans())
    def approve(self, assignment_id: str, override: bool) -> None:
        work = self.works[assignment_id]
        cost = work.hit.reward + work.hit.fee
        expected = work.state == "submitted"
        if override and work.state == "rejected":
            assert work.rejected_at is not None
            expected = work.rejected_at > self.now - timedelta(days=30) and self.take(cost)
        before = work.state
        call = reviews.approve(
            self.conn,
            requester_id=self.requester_id,
            assignment_id=assignment_id,
            feedback=None,
            override=override,
            now=self.now,
        )
        self.attempt(expected, call)
        if expected:
            assert before in ("submitted", "rejected")
            work.state = "approved"
            self.paid += cost

    @rule(assignment_id=work)
    def reject(self, assignment_id: str) -> None:
        work = self.works[assignment_id]
        expected = work.state == "submitted"
        call = reviews.reject(
            self.conn, requester_id=self.requester_id, assignment_id=assignment_id, feedback="no", now=self.now
        )
        self.attempt(expected, call)
        if expected:
            work.state, work.rejected_at = "rejected", self.now
            self.available += work.hit.reward + work.hit.fee

    @rule(hit_id=hits, more=st.sampled_from([1, 2, 8]))
    def extend(self, hit_id: str, more: int) -> None:
        job = self.jobs[hit_id]
        cost = 0 if job.lapsed else (job.reward + job.fee) * more
        allowed = not job.disposed and not (job.small and job.places + more >= 10)
        expected = allowed and self.take(cost)
        call = lifetimes.extend(
            self.conn,
            requester_id=self.requester_id,
            hit_id=hit_id,
            additional=more,
            token=None,
            request_id="r",
            now=self.now,
        )
        self.attempt(expected, call)
        if expected:
            job.places += more

    @rule(hit_id=hits, seconds=st.sampled_from([-60, 0, 60, 3600]))
    def set_expiration(self, hit_id: str, seconds: int) -> None:
        job = self.jobs[hit_id]
        expires_at, unit = self.now + timedelta(seconds=seconds), job.reward + job.fee
        lapsed = seconds <= 0
        expected = not job.disposed and (not (job.lapsed and not lapsed) or self.take(unit * job.unused))
        call = lifetimes.set_expiration(
            self.conn, requester_id=self.requester_id, hit_id=hit_id, expires_at=expires_at, now=self.now
        )
        self.attempt(expected, call)
        if expected:
            self.lapse(job, lapsed=lapsed)
            job.expires_at = expires_at

    def lapse(self, job: Job, *, lapsed: bool = True) -> None:
        if lapsed and not job.lapsed:
            self.available += (job.reward + job.fee) * job.unused
        job.lapsed = lapsed

    @rule(hit_id=hits)
    def dispose(self, hit_id: str) -> None:
        job = self.jobs[hit_id]
        expected = job.status(self.now) == "Reviewable" and not job.count("submitted")
        call = lifetimes.dispose(self.conn, requester_id=self.requester_id, hit_id=hit_id, now=self.now)
        self.attempt(expected, call)
        if expected:
            self.lapse(job)
            job.disposed = True

    @rule(assignment_id=work, cents=st.integers(1, 30))
    def send_bonus(self, assignment_id: str, cents: int) -> None:
        fee = FEES.bonus_fee(cents)
        expected = self.take(cents + fee)
        call = bonuses.send(
            self.conn,
            requester_id=self.requester_id,
            worker_id=self.works[assignment_id].worker,
            assignment_id=assignment_id,
            amount_cents=cents,
            fee_cents=fee,
            reason="r",
            token=None,
            request_id="r",
            now=self.now,
        )
        self.attempt(expected, call)
        if expected:
            self.paid += cents + fee

    @rule(cents=st.integers(-300, 300).filter(bool))
    def move_money(self, cents: int) -> None:
        expected = self.available + cents >= 0
        self.attempt(expected, ledger.deposit(self.conn, requester_id=self.requester_id, cents=cents, now=self.now))
        if expected:
            self.available += cents

    @rule(seconds=st.sampled_from([1, 60, DURATION, 3600, AUTO_APPROVAL, 31 * 86_400, 121 * 86_400]))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        for duty in (assignments.abandon_late, lifetimes.lapse, reviews.approve_due, lifetimes.dispose_old):
            while self.run(duty(self.conn, now=self.now, limit=2)):
                pass
        for work in self.in_state("accepted"):
            if work.deadline <= self.now:
                self.end(work, "abandoned")
        for job in self.jobs.values():
            if job.expires_at <= self.now:
                self.lapse(job)
        for work in self.in_state("submitted"):
            if work.submitted_at + timedelta(seconds=AUTO_APPROVAL) <= self.now:
                work.state = "approved"
                self.paid += work.hit.reward + work.hit.fee
        for job in self.jobs.values():
            old = job.expires_at <= self.now - timedelta(days=120)
            job.disposed |= job.lapsed and old and not job.count("accepted", "submitted")

    def in_state(self, state: str) -> list[Work]:
        return [work for work in self.works.values() if work.state == state]

    @invariant()
    def money_agrees(self) -> None:
        has = self.run(ledger.balance(self.conn, requester_id=self.requester_id))
        held = sum(job.held for job in self.jobs.values())
        assert (has.available_cents, has.held_cents) == (self.available, held)
        paid = self.run(self.conn.fetchval(_PAID, self.requester_id))
        assert paid == self.paid

    @invariant()
    def every_hit_agrees(self) -> None:
        for hit_id, job in self.jobs.items():
            hit = self.run(hits.find(self.conn, requester_id=self.requester_id, hit_id=hit_id))
            counts = job.count("accepted"), job.count("submitted"), job.count("approved"), job.count("rejected")
            assert (hit.pending, hit.submitted, hit.approved, hit.rejected) == counts
            assert (hit.unused, hit.held_cents) == (job.unused, job.held)
            assert hit.status(self.now) == job.status(self.now)
            assert hit.unused >= 0

    def teardown(self) -> None:
        if hasattr(self, "conn"):
            assert self.run(audit(self.conn)) == {}
            self.run(self.conn.close())
        self.loop.close()


@pytest.mark.every_postgres
def test_the_books_agree_with_a_model_of_them(marketplace_dsn: str) -> None:
    Books.dsn = marketplace_dsn
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


async def hammer(pool, *calls):
    """Make calls all at once, each on a connection of its own; returns what each returned or refused."""

    async def one(call):
        async with pool.acquire() as conn:
            try:
                return await call(conn)
            except Refused as refused:
                return refused

    return await asyncio.gather(*(one(call) for call in calls))


@pytest.mark.every_postgres
async def test_a_hit_is_never_accepted_more_often_than_it_has_places(marketplace_pool):
    async with marketplace_pool.acquire() as conn:
        requester_id = await new_requester(conn, "r", 1000)
        hit = await new_hit(conn, requester_id, START, places=4)
        people = [person for person, _ in await workers.invite(conn, names=[""] * 20, now=START)]
    outcomes = await hammer(
        marketplace_pool,
        *(
            lambda conn, person=person: assignments.accept(conn, worker_id=person, hit_id=hit.hit_id, now=START)
            for person in people * 2
        ),
    )
    accepted = [outcome for outcome in outcomes if not isinstance(outcome, Refused)]
    assert len({work.worker_id for work in accepted}) == len(accepted) == 4
    async with marketplace_pool.acquire() as conn:
        assert await audit(conn) == {}


@pytest.mark.every_postgres
async def test_money_is_never_held_twice_by_hits_made_at_once(marketplace_pool):
    async with marketplace_pool.acquire() as conn:
        requester_id = await new_requester(conn, "r", 100)
    outcomes = await hammer(marketplace_pool, *(lambda conn: new_hit(conn, requester_id, START) for _ in range(20)))
    assert sum(not isinstance(outcome, Refused) for outcome in outcomes) == 100 // 18
    async with marketplace_pool.acquire() as conn:
        assert await audit(conn) == {}
        assert (await ledger.balance(conn, requester_id=requester_id)).available_cents == 100 % 18


@pytest.mark.every_postgres
async def test_one_token_makes_one_hit_however_many_ask_at_once(marketplace_pool):
    async with marketplace_pool.acquire() as conn:
        requester_id = await new_requester(conn, "r", 1000)
    outcomes = await hammer(
        marketplace_pool, *(lambda conn: new_hit(conn, requester_id, START, token="t") for _ in range(10))
    )
    [made] = [outcome for outcome in outcomes if not isinstance(outcome, Refused)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert all(made.hit_id in refusal.message for refusal in refused)
    assert len(refused) == 9


async def test_everything_at_once_leaves_the_books_right(marketplace_pool):
    """Accept, submit, return, review, extend, expire and sweep the same few HITs, all at the same time."""
    async with marketplace_pool.acquire() as conn:
        requester_id = await new_requester(conn, "r", 100_000)
        made = [await new_hit(conn, requester_id, START, places=9) for _ in range(3)]
        people = [person for person, _ in await workers.invite(conn, names=[""] * 12, now=START)]
    later = START + timedelta(seconds=AUTO_APPROVAL + 60)

    async def work(conn, person, hit, turn):
        held = await assignments.accept(conn, worker_id=person, hit_id=hit.hit_id, now=START)
        if turn % 4 == 0:
            return await assignments.give_back(conn, worker_id=person, assignment_id=held.assignment_id, now=START)
        if turn % 4 == 1:
            return held
        done = await assignments.submit(conn, assignment_id=held.assignment_id, fields=[("q", "1")], now=START)
        review = {"requester_id": requester_id, "assignment_id": done.assignment_id, "now": START}
        if turn % 4 == 2:
            return await reviews.approve(conn, feedback=None, override=False, **review)
        return await reviews.reject(conn, feedback="no", **review)

    async def own(conn, hit, turn):
        given = {"requester_id": requester_id, "hit_id": hit.hit_id, "now": START}
        if turn % 2:
            return await lifetimes.extend(conn, additional=1, token=None, request_id="r", **given)
        return await lifetimes.set_expiration(conn, expires_at=START + timedelta(minutes=turn - 5), **given)

    calls = [
        lambda conn, person=person, hit=hit, turn=turn: work(conn, person, hit, turn)
        for turn, person in enumerate(people * 4)
        for hit in made
    ]
    calls += [lambda conn, hit=hit, turn=turn: own(conn, hit, turn) for turn in range(12) for hit in made]
    for duty in (assignments.abandon_late, reviews.approve_due, lifetimes.lapse):
        calls += [lambda conn, duty=duty: duty(conn, now=later, limit=5)] * 6
    await hammer(marketplace_pool, *calls)
    async with marketplace_pool.acquire() as conn:
        assert await audit(conn) == {}
        assert await conn.fetchval("SELECT count(*) FROM assignment") > 20


@pytest.mark.parametrize("duty", [assignments.abandon_late, reviews.approve_due])
async def test_a_sweep_that_waits_for_one_hit_holds_no_later_one(marketplace_pool, duty):
    """HITs are locked in one order, so that sweeps of several processes cannot wait for each other in a circle."""
    async with marketplace_pool.acquire() as conn, marketplace_pool.acquire() as sweeper:
        requester_id = await new_requester(conn, "r", 1000)
        [(person, _)] = await workers.invite(conn, names=[""], now=START)
        made = sorted([(await new_hit(conn, requester_id, START, places=1)).hit_id for _ in range(20)])
        for hit_id in made:
            held = await assignments.accept(conn, worker_id=person, hit_id=hit_id, now=START)
            if duty is reviews.approve_due:
                await assignments.submit(conn, assignment_id=held.assignment_id, fields=[], now=START)
        async with conn.transaction():
            await conn.execute("SELECT FROM hit WHERE hit_id = $1 FOR UPDATE", made[0])
            sweep = asyncio.create_task(duty(sweeper, now=START + timedelta(days=1)))
            async with asyncio.timeout(30):
                while not await conn.fetchval(_WAITING, sweeper.get_server_pid()):
                    pass  # the question itself lets the sweep go on
            await conn.execute("SELECT FROM hit FOR UPDATE NOWAIT")
        assert await sweep == 20
        assert await audit(conn) == {}


async def test_the_ledger_cannot_be_rewritten(marketplace_pool):
    async with marketplace_pool.acquire() as conn:
        await new_requester(conn, "r", 1000)
        for sql in ("UPDATE ledger SET amount_cents = 1", "DELETE FROM ledger", "TRUNCATE ledger"):
            with pytest.raises(Exception, match="append-only"):
                await conn.execute(sql)
