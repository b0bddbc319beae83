"""Whatever the market does and wherever the process dies, nothing is lost and nothing is paid twice."""

from __future__ import annotations

import random

import msgspec
import pytest

from service.markets.market import NotYet, OutOfFunds, Refused, Throttled, Unavailable
from service.pipeline.decide import decide
from service.pipeline.engine import Engine
from service.store import decisions, dues
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
            pass  # the engine proper lets the stage rest
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
        return [msgspec.structs.replace(e, token=f"T{next(count)}", in_doubt_since=None) for e in batch]

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
    """A job whose worst case does not fit is paused before anything is posted, and goes on once it does."""
    job = await house.job(items=["a", "b"], budget="0.35", redundancy={"minimum": 1, "maximum": 3})
    await house.engine.drain()
    assert house.market.hits == {}
    assert await house.state(job) == "paused"
    assert "0.36 dollars" in await house.value("SELECT pause_reason FROM job")
    await house.rows("UPDATE job SET budget_cents = 36 RETURNING 1")
    await house.set_state(job, "running")
    names = iter(range(100))
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work(f"AW{next(names)}", "abc".index))
    await books_agree(house, job)


async def test_a_job_that_pauses_itself_takes_its_hits_from_view(house):
    job = await house.job(items=["a", "b"], redundancy={"minimum": 1, "maximum": 2, "target_confidence": 1.0})
    await house.step()
    first, second = house.market.hits.values()
    house.market.submit(first, house.market.accept(first, "AW1"), answers_xml([0]))

    def fault(operation, moment):
        if operation == "extend":
            raise OutOfFunds("no money", "insufficientfunds")

    house.market.fault = fault
    for _ in range(4):
        await house.step()
    assert await house.state(job) == "paused"
    assert house.market.accept(second, "AW2") is None
    assert await house.rows("SELECT state FROM hit ORDER BY hit_no") == [("open",), ("shut",)]


@pytest.mark.parametrize("kind", ["create", "extend", "renew", "expire", "approve", "delete"])
@pytest.mark.parametrize("trouble", ["refused", "lost", "unsent"])
async def test_a_job_can_be_cancelled_whatever_is_on_its_way(house, kind, trouble):  # noqa: C901 - one story
    """Cancel while an effect of each kind is parked, in doubt, or still to be sent."""
    job = await house.job(
        items=["a", "b"], redundancy={"minimum": 1, "maximum": 3, "target_confidence": 1.0}, times={"lifetime": 60}
    )
    met = []

    def fault(operation, moment):
        if operation != kind:
            return
        if trouble == "refused" and moment == "before" and len(met) < 3:
            met.append(moment)
            raise Refused("no", "invalid")
        if trouble == "lost" and moment == "after" and len(met) < 3:
            met.append(moment)
            raise Unavailable("lost")
        if trouble == "unsent" and moment == "before" and not met:
            met.append(moment)
            raise Throttled("slow down")

    house.market.fault = fault
    names = iter(range(1000))
    for step in range(30):  # answers come for one item, the other's HIT expires and is renewed
        await house.step()
        if met:
            break
        if kind in ("expire", "delete") and step == 6:
            await house.set_state(job, "cancelling")
        for hit in list(house.market.hits.values())[:1]:
            assignment = house.market.accept(hit, f"AW{next(names)}")
            if assignment is not None and kind != "renew":
                house.market.submit(hit, assignment, answers_xml([0]))
            elif assignment is not None:
                house.market.give_back(hit, assignment)
    assert met, f"{kind} was never tried"
    await house.set_state(job, "cancelling")
    await house.until(house.is_state(job, "cancelled"), steps=120)
    paid = len(house.market.approvals)
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job") == [(0, 6 * paid)]
    assert await house.value("SELECT count(*) FROM answer") == paid
    assert all(hit.deleted for hit in house.market.hits.values())
    assert await house.value("SELECT count(*) FROM effect WHERE state NOT IN ('done', 'dropped')") == 0


async def test_a_hit_type_that_the_market_lost_is_made_again(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 1})
    gone = [True]

    def fault(operation, moment):
        if operation == "create" and moment == "before" and gone:
            gone.pop()
            raise Refused("no such type", "hittypedoesnotexist")

    house.market.fault = fault
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))


async def test_a_planned_hit_whose_items_are_withdrawn_is_never_posted(house):
    job = await house.job(items=["a", "b"], redundancy={"minimum": 1, "maximum": 1})
    await house.run_stage("slice", job)
    async with house.service.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "UPDATE item SET state = 'settled', settled_by = 'withdrawn', settled_at = now() WHERE item_no = 0"
        )
        await dues.want(conn, "decide", job, house.clock.now())
    await house.run_stage("decide", job)
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    assert len(house.market.hits) == 1


async def test_text_that_no_database_takes_is_kept_all_the_same(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 2})
    await house.step()
    [hit] = house.market.hits.values()
    house.market.submit(hit, house.market.accept(hit, "AW1"), "half a pair \ud800, and NUL \x00")
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW2", "abc".index))
    [(raw, problem, state)] = await house.rows("SELECT raw, problem, state FROM assignment WHERE problem IS NOT NULL")
    assert (raw, state) == ("half a pair ?, and NUL \ufffd", "approved")
    assert problem.startswith("not XML that can be read")


async def close_early(house, monkeypatch):
    """Post a HIT of a job with two, and have it expired while the market, behind the times, lists nobody at work on it.

    Returns the job, the HIT, and an assignment of it that a worker has accepted; its deletion is on its way.
    """
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 2}, times={"lifetime": 60})
    await house.step()
    [hit] = house.market.hits.values()
    late = house.market.accept(hit, "AW1")
    listed = house.market._listed

    def stale(hit):
        now = listed(hit)
        return msgspec.structs.replace(now, available=now.available + now.pending, pending=0)

    monkeypatch.setattr(house.market, "_listed", stale)
    await house.set_state(job, "cancelling")

    async def deletion():
        return await house.value("SELECT count(*) FROM effect WHERE kind = 'delete'") == 1

    await house.until(deletion)
    return job, hit, late


async def test_a_hit_is_not_closed_before_its_last_approval_is_known(house, monkeypatch):
    """What closing gives back is what nobody is paid for: an approval that may have happened must be counted first."""
    job, hit, late = await close_early(house, monkeypatch)
    house.market.submit(hit, late, answers_xml([0]))
    troubles = {("approve", "after"): [Unavailable("lost")], ("approve", "before"): [None, *[Throttled("slow")] * 3]}

    def fault(operation, moment):
        error = troubles[operation, moment].pop(0) if troubles.get((operation, moment)) else None
        if error is not None:
            raise error

    house.market.fault = fault
    await house.until(house.is_state(job, "cancelled"))
    assert not troubles["approve", "before"]
    await books_agree(house, job)


@pytest.mark.parametrize("budget", ["0.12", "1.00"])
async def test_what_comes_in_of_a_hit_that_was_closed_meanwhile_is_paid(house, monkeypatch, budget):
    """Somebody else reviews an assignment, so that its HIT can be deleted while it is being fetched."""
    job, hit, late = await close_early(house, monkeypatch)
    await house.rows("UPDATE job SET budget_cents = $1 RETURNING 1", int(float(budget) * 100))
    house.market.submit(hit, late, answers_xml([0]))
    await house.market.approve(late)
    fetch = house.market.handed_in

    async def closed_meanwhile(market_hit_id):
        found = await fetch(market_hit_id)
        if not hit.deleted:
            await house.run_stage("settle", job)
        assert hit.deleted
        return found

    monkeypatch.setattr(house.market, "handed_in", closed_meanwhile)
    await house.run_stage("collect", await house.value("SELECT market_no FROM market"))
    await house.until(house.is_state(job, "cancelled"))
    await house.step()
    assert await house.rows("SELECT state, collected, reviewed FROM hit") == [("closed", 1, 1)]
    await books_agree(house, job)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_hit_that_we_delete_is_not_taken_for_lost(house, monkeypatch, lost):
    """A sweep that misses it before its deletion is saved leaves it to settle; what it held is released once.

    What was handed in of a HIT can be listed after its deletion, too, and is nothing new then.
    """
    monkeypatch.setattr(house.market, "_hit", house.market.hits.__getitem__)
    job = await house.job(items=["a", "b"], redundancy={"minimum": 1, "maximum": 3, "target_confidence": 0.5})
    delete, met = house.market.delete_hit, []

    async def swept_meanwhile(market_hit_id):
        await delete(market_hit_id)
        if not met:
            met.append(market_hit_id)
            wanted = "SELECT sum(wanted) FROM due WHERE stage IN ('infer', 'score')"
            before = await house.value(wanted)
            await house.run_now("collect")
            assert await house.value(wanted) == before, "nothing new came of it"
            await house.run_now("decide")
            if lost:
                raise Unavailable("lost")

    monkeypatch.setattr(house.market, "delete_hit", swept_meanwhile)
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    assert met
    await books_agree(house, job)
    assert await house.value("SELECT count(*) FROM job_event WHERE kind = 'gone'") == 0


async def test_what_is_decided_of_a_hit_that_is_lost_meanwhile_is_decided_again(house, monkeypatch):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 3, "target_confidence": 1.0})
    await house.step()
    [hit] = house.market.hits.values()
    load, met = decisions.load, []

    async def lost_meanwhile(conn, job_no, now):
        loaded = await load(conn, job_no, now)
        if decide(*loaded).widen and not met:
            met.append(job_no)
            hit.deleted = True
            await house.run_now("collect")
        return loaded

    monkeypatch.setattr(decisions, "load", lost_meanwhile)
    names = iter(range(100))
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work(f"AW{next(names)}", "abc".index))
    assert met
    assert await house.rows("SELECT kind, state FROM effect WHERE hit_no = 0 AND kind = 'extend'") == []
    assert await house.value("SELECT count(*) FROM effect WHERE state NOT IN ('done', 'dropped')") == 0


async def test_a_hit_that_is_closed_has_nothing_pending(house, monkeypatch):
    """What is handed in after the listing is fetched with the rest; the listing's word that it is pending is over."""
    job = await house.job(items=["a"], redundancy={"minimum": 2, "maximum": 2})
    await house.step()
    [hit] = house.market.hits.values()
    fetch, last = house.market.handed_in, house.market.accept(hit, "AW2")
    house.market.work("AW1", "abc".index)

    async def handed_in_meanwhile(market_hit_id):
        if hit.assignments[last][1] == "accepted":
            house.market.submit(hit, last, answers_xml([0]))
        return await fetch(market_hit_id)

    monkeypatch.setattr(house.market, "handed_in", handed_in_meanwhile)
    await house.step()
    assert await house.value("SELECT collected FROM hit") == 2
    await house.rows("UPDATE due SET due_at = due_at + interval '1 day' WHERE stage = 'collect' RETURNING 1")
    await house.until(house.is_state(job, "done"), steps=20)
    assert await house.rows("SELECT state, collected, pending FROM hit") == [("closed", 2, 0)]
