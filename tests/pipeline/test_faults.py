"""Whatever the market does and wherever the process dies, nothing is lost and nothing is paid twice."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from service.markets.market import NotYet, OutOfFunds, Refused, Throttled, Unavailable
from service.pipeline.engine import Engine
from service.store import dues
from tests.pipeline.plain_market import answers_xml


class Killed(BaseException):
    """The process is gone; nothing catches it."""


class Trouble:
    """Raises what a market, a network or a kill would, at random but repeatably, until it is told to stop."""

    def __init__(self, seed, rate):
        self.random, self.rate, self.on, self.kinds = random.Random(seed), rate, True, set()

    def __call__(self, operation, moment):
        if not self.on or self.random.random() >= self.rate:
            return
        errors = [Killed, Unavailable] if moment == "after" else [Killed, Unavailable, Throttled]
        if moment == "before" and operation == "approve":
            errors.append(NotYet)
        error = self.random.choice(errors)
        self.kinds.add((operation, moment, error.__name__))
        raise error(f"{operation} {moment}")

    def in_transaction(self, original):
        async def step(*args, **kwargs):
            self("save", "after")
            return await original(*args, **kwargs)

        return step


async def books_agree(house, job):
    """What we stored is what the market did, to the cent."""
    market = house.market
    handed_in = {
        (id_, one[0]): one[1]
        for hit in market.hits.values()
        for id_, one in hit.assignments.items()
        if one[1] != "returned"
    }
    stored = await house.rows(
        """SELECT market_assignment_id, market_worker_id, state FROM assignment
           JOIN job_worker USING (job_no, worker_no) JOIN worker USING (worker_id)"""
    )
    assert {(id_, worker): state for id_, worker, state in stored} == handed_in, "no assignment lost, none made up"
    assert len(stored) == len(handed_in)
    assert sorted(market.approvals) == sorted(id_ for id_, _ in handed_in), "each paid once"
    annotations = [hit.annotation for hit in market.hits.values()]
    assert len(annotations) == len(set(annotations)), "no HIT twice"
    spent = 6 * len(market.approvals)
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job WHERE job_no = $1", job) == [(0, spent)]
    by_kind = dict(await house.rows("SELECT kind, sum(cents)::int FROM money GROUP BY kind"))
    assert by_kind["reserve"] == by_kind["spend"] + by_kind["release"]
    assert by_kind["spend"] == spent
    assert await house.value("SELECT count(*) FROM effect WHERE state NOT IN ('done', 'dropped')") == 0


@pytest.mark.parametrize("seed", range(12))
async def test_kills_and_lost_responses_anywhere(house, monkeypatch, seed):
    trouble = Trouble(seed, rate=0.25)
    house.market.fault = trouble
    monkeypatch.setattr(dues, "finish", trouble.in_transaction(dues.finish))
    monkeypatch.setattr(dues, "want", trouble.in_transaction(dues.want))
    trouble.on = False
    job = await house.job(
        items=[f"{label} {number}" for number, label in enumerate("abcabcab")],
        gold=[("a g", [0]), ("b g", [1]), ("c g", [2]), ("a g", [0])],
        bundle={"items": 2, "gold": 1},
        redundancy={"minimum": 2, "maximum": 4, "target_confidence": 0.99},
    )
    trouble.on = True
    rng, workers, deaths = random.Random(seed), iter(range(10_000)), 0
    for step in range(600):
        trouble.on = step < 300
        try:
            await house.engine.drain()
        except Killed:
            deaths += 1
            house.engine = Engine(house.service)
        except (Unavailable, Throttled):
            pass  # the engine proper postpones the stage
        if await house.state(job) == "done":
            break
        if rng.random() < 0.3:
            house.market.work(
                f"AW{next(workers)}", lambda text: "abc".index(text[0]) if rng.random() < 0.7 else 1, limit=2
            )
        house.clock.advance(seconds=7)
    assert await house.state(job) == "done"
    assert deaths > 0
    await books_agree(house, job)


async def test_a_broken_outbox_is_caught(house, monkeypatch):
    """The checks above see it when a lost response makes a second HIT: here, where tokens are made up anew."""
    from service.store import effects

    original, count = effects.due, iter(range(1000))

    async def forgetful(*args, **kwargs):
        batch = await original(*args, **kwargs)
        return [
            effects.Effect(
                e.effect_no, e.kind, e.hit_no, e.assignment_no, f"T{next(count)}", e.detail, e.attempts, None
            )
            for e in batch
        ]

    monkeypatch.setattr(effects, "due", forgetful)
    lost = iter([True])

    def fault(operation, moment):
        if (operation, moment) == ("create", "after") and next(lost, False):
            raise Unavailable("lost")

    house.market.fault = fault
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 1})
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    with pytest.raises(AssertionError):
        await books_agree(house, job)


@pytest.mark.parametrize(
    "error", [Refused("too long", "parameteroutofrange"), OutOfFunds("no money", "insufficientfunds")]
)
async def test_what_can_never_succeed_is_parked_until_somebody_resumes(house, error):
    refusing = [True]

    def fault(operation, moment):
        if operation == "create" and moment == "before" and refusing[0]:
            raise error

    house.market.fault = fault
    job = await house.job(items=["a", "b"], redundancy={"minimum": 1, "maximum": 1})
    for _ in range(3):
        await house.step()
    assert await house.state(job) == "paused"
    assert str(error) in await house.value("SELECT pause_reason FROM job")
    assert await house.value("SELECT count(*) FROM effect WHERE state = 'parked'") == 2
    calls = house.market.calls
    for _ in range(5):
        await house.step()
    assert house.market.calls == calls, "a parked effect is not tried again by itself"
    refusing[0] = False
    await house.set_state(job, "running")
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    await books_agree(house, job)


async def test_hours_of_silence_are_waited_out(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 1}, times={"lifetime": 86_400})
    await house.step()
    silent = [True]

    def fault(operation, moment):
        if silent[0] and moment == "before":
            raise Unavailable("no route to host")

    hit = next(iter(house.market.hits.values()))
    house.market.submit(hit, house.market.accept(hit, "AW1"), answers_xml([2]))
    house.market.fault = fault
    for _ in range(20):
        with pytest.raises(Unavailable):
            await house.engine.drain()
        house.clock.advance(seconds=600)
    silent[0] = False
    await house.until(house.is_state(job, "done"))
    await books_agree(house, job)


async def test_the_budget_is_a_wall(house):
    """A job whose worst case does not fit is stopped by the database before anything is posted."""
    import asyncpg

    await house.job(items=["a", "b"], budget="0.35", redundancy={"minimum": 1, "maximum": 3})
    with pytest.raises(asyncpg.CheckViolationError, match="budget_is_never_exceeded"):
        await house.engine.drain()
    assert house.market.hits == {}


async def test_throttling_halves_the_pace_and_success_raises_it(house):
    throttle = [True]

    def fault(operation, moment):
        if throttle[0] and operation == "create" and moment == "before":
            throttle[0] = False
            raise Throttled("slow down")

    house.market.fault = fault
    job = await house.job(items=["a", "b"], redundancy={"minimum": 1, "maximum": 1})
    await house.engine.drain()
    assert await house.value("SELECT rate FROM market") is not None
    first = await house.value("SELECT rate FROM market")
    house.clock.advance(seconds=30)
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    assert await house.value("SELECT rate FROM market") > first


async def test_two_engines_share_the_work_and_never_the_same_stage(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 1})
    now = house.clock.now()
    async with house.service.pool.acquire() as one, house.service.pool.acquire() as other:
        assert await dues.claim(one, "slice", job, now) is not None
        assert await dues.claim(other, "slice", job, now) is None
        await dues.release(one, "slice", job)
        assert await dues.claim(other, "slice", job, now + timedelta(seconds=1)) is not None
        await dues.release(other, "slice", job)
