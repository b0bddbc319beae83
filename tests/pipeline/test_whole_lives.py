"""Whole lives of jobs, in whatever order things happen: what requesters ask, workers do, the market says and stages do.

The API, the pipeline's stages, the store and Postgres are the real ones; the market is the plain one. After every step
the books are compared, ours with each other and with the market's; at the end every job can be brought to an end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from foundation.settings import Settings
from service.app import Service
from service.lifecycle import TRANSITIONS
from service.markets.market import MarketError, OutOfFunds, Refused, Unavailable
from service.pipeline.engine import STAGES, Engine
from service.pipeline.slice import CLIFF, plan
from service.pipeline.stage import Stage
from service.store import dues
from service.store.hits import Unsliced
from tests.api.conftest import Api, create_app, golds, items, open_api, open_client
from tests.pipeline.plain_market import PlainMarket, answers_xml, slot_texts

T = TypeVar("T")

UNIT = 6  # cents: a reward of 5 and a fee of 1
LABELS = ("cat", "dog", "other")
OPERATIONS = ("hit_type", "create", "extend", "expire", "renew", "delete", "list", "handed_in", "approve")
# Not Throttled: the pace waits in real time. What is refused is not done.
FAULTS = [(operation, moment, Unavailable) for operation in OPERATIONS for moment in ("before", "after")]
FAULTS += [(operation, "before", kind) for operation in ("create", "extend") for kind in (OutOfFunds, Refused)] * 5
WORKERS = [f"AW{n}" for n in range(6)]
CROWD = {"workers": st.lists(st.sampled_from(WORKERS), min_size=2, max_size=4, unique=True), "agree": st.booleans()}
GARBAGE = ("", "<a/>", "not XML", answers_xml([99] * 9), answers_xml([]))

_BOOKS = """
SELECT j.state, j.budget_cents, j.reserved_cents, j.spent_cents,
    coalesce(sum(m.cents) FILTER (WHERE m.kind = 'reserve'), 0)::int8 AS promised,
    coalesce(sum(m.cents) FILTER (WHERE m.kind = 'spend'), 0)::int8 AS spent,
    coalesce(sum(m.cents) FILTER (WHERE m.kind = 'release'), 0)::int8 AS released,
    (SELECT count(*) FROM assignment a WHERE a.job_no = j.job_no AND a.state = 'approved') AS approved
FROM job j LEFT JOIN money m USING (job_no) WHERE j.job_id = $1 GROUP BY j.job_no
"""
_SLOTS = """
SELECT h.hit_no, h.slots, h.wanted, h.replaced, h.state, h.market_hit_id,
    count(*) FILTER (WHERE NOT i.is_gold) AS items, count(*) FILTER (WHERE i.is_gold) AS gold,
    array_agg(i.payload->>'text' ORDER BY s.slot) AS texts,
    array_remove(array_agg(CASE WHEN NOT s.gone THEN i.external_id END), NULL) AS standing
FROM job j JOIN hit h USING (job_no) JOIN hit_slot s USING (job_no, hit_no) JOIN item i USING (job_no, item_no)
WHERE j.job_id = $1 GROUP BY h.job_no, h.hit_no
"""
_TWICE = """
SELECT a.worker_no, a.item_no, i.is_gold FROM answer a JOIN item i USING (job_no, item_no)
JOIN job j USING (job_no) WHERE j.job_id = $1 GROUP BY 1, 2, 3 HAVING count(DISTINCT a.assignment_no) > 1
"""
_PENDING = "SELECT count(*) FROM effect JOIN job USING (job_no) WHERE job_id = $1 AND effect.state IN ('due', 'parked')"
_HAPPENED = """
SELECT e.kind FROM effect e JOIN job USING (job_no) WHERE job_id = $1 AND e.state = 'done'
UNION ALL SELECT v.kind FROM job_event v JOIN job USING (job_no) WHERE job_id = $1
"""
_OPEN = "SELECT count(*) FROM hit JOIN job USING (job_no) WHERE job_id = $1 AND hit.state <> 'closed'"


class JobLife(RuleBasedStateMachine):
    """One job from its draft to its end."""

    run: Any  # runs a coroutine where the service lives
    api: Api
    engine: Engine
    market: PlainMarket

    @initialize(
        bundle=st.integers(1, 3),
        gold=st.integers(0, 2),
        minimum=st.integers(1, 2),
        more=st.sampled_from((1, 2, 0)),
        budget=st.sampled_from((60, 300, 900, 900)),
        count=st.integers(1, 6),
        launched=st.sampled_from((True, True, True, False)),
    )
    def begin(self, bundle: int, gold: int, minimum: int, more: int, budget: int, count: int, launched: bool) -> None:
        self.run(self._empty())
        self.bundle, self.gold = bundle, gold
        self.minimum, self.maximum = minimum, minimum + more
        self.accepted: list[tuple[Any, str]] = []
        self.faults: list[tuple[str, str, type[Exception]]] = []
        self.lost = False
        self.job_id = self.run(
            self.api.job(
                reward="0.05",
                budget=f"{budget // 100}.{budget % 100:02d}",
                bundle={"items": bundle, "gold": gold},
                redundancy={"minimum": self.minimum, "maximum": self.maximum, "target_confidence": 0.8},
            )
        )
        self.add_items(0, count)
        if launched:
            self.add_gold(gold * count)
            self.act("launch")

    async def _empty(self) -> None:
        """Begin with nothing: whatever an example that failed left is gone."""
        async with self.service.pool.acquire() as conn:
            await conn.execute("TRUNCATE job, worker, hit_type, due CASCADE")
        self.market.__init__(self.market.clock, self._fault)  # type: ignore[misc]

    def _fault(self, operation: str, moment: str) -> None:
        for planned in self.faults:
            if planned[:2] == (operation, moment):
                self.faults.remove(planned)
                raise planned[2]("as planned")

    @property
    def service(self) -> Service:
        return self.engine.service

    async def _rows(self, query: str) -> list[Any]:
        async with self.service.pool.acquire() as conn:
            return list(await conn.fetch(query, self.job_id))

    def books(self) -> Any:
        return self.run(self._rows(_BOOKS))[0]

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer: httpx.Response = self.run(self.api(method, f"/jobs/{self.job_id}{path}", **request))
        assert answer.status_code in (200, 409, 422), answer.text
        if answer.status_code != 200:
            assert len(answer.json()["detail"]) > 20, "a refusal says what to do"
            met[answer.json()["type"].partition("#problem-")[2]] += 1
        elif method == "POST":
            met[path] += 1
        return answer

    # What requesters do.

    @rule(start=st.integers(0, 8), count=st.integers(1, 5))
    def add_items(self, start: int, count: int) -> None:
        self.run(self.api.upload(self.job_id, items(count, start)))

    @rule(count=st.integers(1, 16))
    def add_gold(self, count: int) -> None:
        self.run(self.api.upload(self.job_id, golds(count), "gold"))

    @rule(number=st.integers(0, 12), gold=st.booleans())
    def withdraw(self, number: int, gold: bool) -> None:
        self.ask("POST", "/items/withdraw", json={"external_ids": [f"{'gold' if gold else 'item'}-{number}"]})

    @rule(action=st.sampled_from(("launch", "launch", "launch", "pause", "resume", "resume")))
    def act(self, action: Any) -> None:
        before = self.books()["state"]
        answer = self.ask("POST", f"/{action}")
        after = self.books()["state"]
        if answer.status_code == 200:
            assert after == TRANSITIONS[before, action]
        else:
            assert after == before
            assert action == "launch" or (before, action) not in TRANSITIONS
        if answer.status_code == 409 and answer.json()["type"].endswith("more-gold-needed"):
            told = self.ask("GET", "/estimate").json()
            assert answer.json()["figures"]["needed"] == told["hits"] * self.gold > told["gold_there"]

    @precondition(lambda self: self.books()["state"] in ("running", "paused"))
    @rule(sure=st.integers(0, 9))
    def cancel(self, sure: int) -> None:
        if sure == 0:  # or no job would live long
            assert self.ask("POST", "/cancel").status_code == 200

    @rule(cents=st.integers(30, 900))
    def change_budget(self, cents: int) -> None:
        self.ask("PATCH", "", json={"budget": f"{cents // 100}.{cents % 100:02d}"})

    # What stages do: one that is due, or all that are; and time.

    @rule(which=st.integers(0, 7))
    def stage(self, which: int) -> None:
        self.run(self._run_one(which))

    async def _run_one(self, which: int) -> None:
        async with self.service.pool.acquire() as conn:
            ready = await dues.ready(conn, self.service.clock.now())
        if ready:
            await self._run(ready[which % len(ready)])

    async def _run(self, due: dues.Due) -> None:
        """Run a stage as the engine does, but for its patience with errors of ours: there are to be none."""
        async with self.service.pool.acquire() as conn:
            claimed = await dues.claim(conn, due.stage, due.subject, self.service.clock.now())
            if claimed is None:
                return
            try:
                await STAGES[due.stage](Stage(self.service, conn, claimed))
            except MarketError as error:
                await self.engine._failed(conn, claimed, error)
            finally:
                await dues.release(conn, due.stage, due.subject)

    @rule(seconds=st.sampled_from((0.3, 1, 6, 6, 20)))
    def everything_due(self, seconds: float) -> None:
        self.run(self._everything_due())
        self.market.clock.advance(seconds=seconds)

    async def _everything_due(self) -> None:
        for _ in range(60):
            async with self.service.pool.acquire() as conn:
                ready = await dues.ready(conn, self.service.clock.now())
            if not ready:
                return
            for due in ready:
                await self._run(due)
        raise AssertionError(f"work without end: {ready}")

    def hours(self, workers: list[str], agree: bool) -> None:
        """Let things go their way: HITs are posted, workers do them, all alike or not, and it is collected."""
        self.everything_due(6)
        for number, worker in enumerate(workers):
            self.market.work(worker, lambda _, label=0 if agree else number % 3: label, limit=4)
            self.everything_due(6)

    # Rules are drawn alike, and each life does without some: what carries a life on stands here more than once.
    an_hour = rule(**CROWD)(hours)
    another_hour = rule(**CROWD)(hours)
    one_more_hour = rule(**CROWD)(hours)

    @rule(worker=st.sampled_from(WORKERS), raw=st.sampled_from(GARBAGE), back=st.booleans())
    def a_break(self, worker: str, raw: str, back: bool) -> None:
        """Pause while somebody works, who hands in when the HIT is out of view; `back`: and go on."""
        self.accept(worker)
        self.act("pause")
        self.everything_due(6)
        if self.accepted:
            self.hand_in_or_give_back(raw)
        self.everything_due(6)
        if back:
            self.act("resume")
            self.everything_due(6)

    @rule(hours=st.sampled_from((1, 24, 24 * 8)))
    def time_passes(self, hours: int) -> None:
        self.market.clock.advance(seconds=hours * 3600)

    # What the market and workers do.

    @rule(fault=st.sampled_from(FAULTS))
    def a_call_will_fail(self, fault: tuple[str, str, type[Exception]]) -> None:
        self.faults.append(fault)

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 4), label=st.integers(0, 2))
    def work(self, worker: str, most: int, label: int) -> None:
        self.market.work(worker, lambda _: label, limit=most)

    @rule(worker=st.sampled_from(WORKERS))
    def accept(self, worker: str) -> None:
        for hit in self.market.hits.values():
            if (assignment := self.market.accept(hit, worker)) is not None:
                self.accepted.append((hit, assignment))
                return

    @rule(which=st.integers(0, 20))
    def somebody_rejects(self, which: int) -> None:
        """Reject work on the market's own pages, behind our back."""
        work = [one for hit in self.market.hits.values() for one in hit.assignments.values() if one[1] == "submitted"]
        if work:
            work[which % len(work)][1] = "rejected"

    @rule(which=st.integers(0, 20), sure=st.integers(0, 4))
    def somebody_deletes(self, which: int, sure: int) -> None:
        """Delete a HIT on the market, behind our back; markets delete none that somebody works on."""
        free = [hit for hit in self.market.hits.values() if not hit.deleted and not hit.count("accepted", "submitted")]
        if free and sure == 0:
            free[which % len(free)].deleted = True
            self.lost = True

    @precondition(lambda self: getattr(self, "accepted", None))
    @rule(raw=st.sampled_from(GARBAGE) | st.none())
    def hand_in_or_give_back(self, raw: str | None) -> None:
        hit, assignment = self.accepted.pop()
        if raw is None:
            self.market.give_back(hit, assignment)
        else:
            self.market.submit(hit, assignment, raw)

    # What is true after every step.

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "job_id"):
            return
        books = self.books()
        assert 0 <= books["reserved_cents"] <= books["budget_cents"] - books["spent_cents"]
        assert books["reserved_cents"] == books["promised"] - books["spent"] - books["released"]
        assert books["spent_cents"] == books["spent"] == UNIT * books["approved"]
        assert len(self.market.approvals) == len(set(self.market.approvals)), "nothing is paid twice"
        owed = UNIT * sum(
            hit.count("approved") if hit.deleted else hit.most - hit.count("rejected")
            for hit in self.market.hits.values()
        )
        assert owed <= books["spent_cents"] + books["reserved_cents"], "what the market may come to ask for is promised"

    @invariant()
    def every_item_stands_where_it_should(self) -> None:
        if not hasattr(self, "job_id"):
            return
        seen: Counter[str] = Counter()
        for hit in self.run(self._rows(_SLOTS)):
            assert 1 <= hit["items"] <= self.bundle
            assert hit["gold"] == self.gold
            assert hit["wanted"] <= hit["slots"] <= self.maximum + hit["replaced"], "what was rejected is asked again"
            seen.update(hit["standing"])
            if hit["market_hit_id"] is not None:
                assert slot_texts(self.market.hits[hit["market_hit_id"]].question) == hit["texts"]
        assert all(count == 1 for count in seen.values()), "an item or gold item stands in one HIT"
        posted = Counter(hit.annotation for hit in self.market.hits.values())
        assert all(count == 1 for count in posted.values()), "a HIT is posted once"
        if not self.lost:  # an item whose HIT was lost is asked about again, and a worker may meet it again
            assert self.run(self._rows(_TWICE)) == [], "nobody is asked the same twice"

    def teardown(self) -> None:
        """Bring the job to an end, as its owner would: let it go on where that is possible, else cancel it."""
        if not hasattr(self, "job_id"):
            return
        self.faults.clear()
        for hit, assignment in self.accepted:
            self.market.give_back(hit, assignment)
        if self.books()["state"] == "draft":
            assert self.ask("POST", "/cancel").status_code == 200
        met.update(kind for (kind,) in self.run(self._rows(_HAPPENED)))  # before we help
        names = iter(range(10_000))
        patience = 3
        for _ in range(150):
            state = self.books()["state"]
            if state in ("done", "cancelled"):
                break
            if state == "paused":  # by its owner or by an alarm, which resuming may not be the remedy for
                patience -= 1
                assert self.ask("POST", "/resume" if patience > 0 else "/cancel").status_code == 200
            self.run(self._everything_due())
            self.market.clock.advance(seconds=130)
            for _ in range(self.maximum):
                name = f"AX{next(names)}"
                self.market.work(name, lambda _: 1)
        books = self.books()
        note(f"ended {books['state']}")
        met[books["state"]] += 1
        assert books["state"] in ("done", "cancelled"), "every job can be brought to an end"
        assert books["reserved_cents"] == 0, "what was not spent is released"
        assert books["spent_cents"] == UNIT * len(self.market.approvals), "we paid what the market paid"
        assert self.run(self._rows(_PENDING))[0][0] == 0, "no effect is pending"
        assert self.run(self._rows(_OPEN))[0][0] == 0, "no HIT is open"
        assert all(hit.deleted for hit in self.market.hits.values())
        assert not any(hit.count("accepted", "submitted") for hit in self.market.hits.values()), "all work is paid"
        self.the_books_agree()
        self.every_item_stands_where_it_should()


met: Counter[str] = Counter()
"""What lives met: problems by their kind, what was asked for, effects that happened, events, and their ends."""
TO_MEET = {
    *("/launch", "/pause", "/resume", "/cancel", "/items/withdraw", "not-possible-now"),
    *("create", "extend", "expire", "renew", "delete", "approve"),
    *("gone", "strange", "late"),
    *("done", "cancelled"),
}
ALARMS = {"funds", "refused"}


def test_whatever_happens_the_books_agree_and_the_job_ends(service_dsn, clock):
    """The machine is no coroutine, so the service has a loop of its own here."""
    met.clear()
    with asyncio.Runner() as runner:
        market = PlainMarket(clock)
        service = runner.run(Service.open(Settings(data=Path("unused")), service_dsn, clock, {"house": market}))
        client = open_client(create_app(service))
        api = runner.run(open_api(client, service))

        def run(coroutine: Coroutine[Any, Any, T]) -> T:
            return runner.run(coroutine)

        given = {"run": staticmethod(run), "api": api, "engine": Engine(service), "market": market}
        machine = type("Job", (JobLife,), given)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],  # a life takes long enough; a failing one is short enough to read
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(client.aclose())
        runner.run(service.close())
    assert not TO_MEET - met.keys(), f"lives are to meet these as well; they met {met}"
    assert ALARMS & met.keys(), f"some life is to be paused by an alarm; they met {met}"


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    redundancies=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=40),
    n_gold=st.integers(0, 30),
    size=st.integers(1, 5),
    each=st.integers(0, 3),
    seed=st.integers(0, 2**31),
)
def test_slicing_puts_every_item_into_one_hit_with_gold_of_its_own(redundancies, n_gold, size, each, seed):
    items_ = [Unsliced(number, low, low + more) for number, (low, more) in enumerate(redundancies)]
    gold = list(range(1000, 1000 + n_gold))
    accepted = np.eye(3, dtype=bool)[np.arange(n_gold) % 3].reshape(n_gold, 3)
    spec = a_spec(size, each)
    planned = plan(spec, items_, gold, accepted, fees="mturk", seed=seed)
    bundles = -(-len(items_) // size)
    assert len(planned) == (min(bundles, n_gold // each) if each else bundles), "as many as there is gold for"
    placed = [number for hit in planned for number in hit.item_nos]
    assert len(placed) == len(set(placed)), "nothing stands twice, gold neither"
    for at, hit in enumerate(planned):
        within = [items_[number] for number in hit.item_nos if number < 1000]
        in_turn = items_[at * size : (at + 1) * size]
        like = [sorted((item.maximum, item.minimum) for item in some) for some in (within, in_turn)]
        assert like[0] == like[1], "items take each other's place among their like alone"
        assert sum(number >= 1000 for number in hit.item_nos) == each
        assert hit.slots == max(item.maximum for item in within)
        least = max(item.minimum for item in within)
        assert hit.wanted == (max(least, CLIFF) if hit.slots >= CLIFF else least)
        assert hit.unit_cents == 5 + (2 if hit.wanted >= CLIFF else 1)
    assert planned == plan(spec, items_, gold, accepted, fees="mturk", seed=seed), "the same again from the same"


def a_spec(size: int, gold: int) -> Any:
    from service.spec import read_spec

    return read_spec(
        {
            "name": "job",
            "task": {"type": "choice", "question": "?", "labels": list(LABELS), "template": [{"field": "text"}]},
            "reward": "0.05",
            "budget": "100.00",
            "bundle": {"items": size, "gold": gold},
            "allow_ten_or_more": True,
        }
    )
