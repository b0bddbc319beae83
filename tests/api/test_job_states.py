"""A job's states: the table itself, and the API held to it by whatever anybody asks in whatever order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, get_args

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from foundation.clock import ManualClock, SystemClock
from foundation.postgres.pool import create_pool
from service.lifecycle import TRANSITIONS, Action, NotPossibleError, State, after, possible
from tests.api.conftest import Api, create_app, golds, items, open_api, open_client, open_service

T = TypeVar("T")

ACTIONS = get_args(Action)
UNIT = 6  # cents: a reward of 5 and a fee of 1
MOST, BUNDLE, GOLD = 3, 2, 1
ENDED = {"cancelling", "cancelled", "done"}


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_possible_is_what_the_table_says(state: State, action: Action) -> None:
    if action in possible(state):
        assert after(state, action) == TRANSITIONS[state, action]
    else:
        with pytest.raises(NotPossibleError, match=f"The job is {state}, so it cannot {action}"):
            after(state, action)


def test_nothing_leads_out_of_the_end() -> None:
    assert not any(origin in ENDED for origin, _ in TRANSITIONS)
    assert "done" not in TRANSITIONS.values(), "the pipeline alone knows when a job is done"


class JobModel(RuleBasedStateMachine):
    """A job, and what this says of it. Nothing is sliced here, so its worst case is that of all its open items."""

    run: Any  # runs a coroutine where the API lives
    api: Api

    def __init__(self) -> None:
        super().__init__()
        self.state = "draft"
        self.budget = 200
        self.items: dict[int, bool] = {}  # number: open
        self.golds: dict[int, bool] = {}
        self.job_id = self.run(
            self.api.job(
                budget="2.00", bundle={"items": BUNDLE, "gold": GOLD}, redundancy={"minimum": 1, "maximum": MOST}
            )
        )

    def hits(self, more: int = 0) -> int:
        return -(-(sum(self.items.values()) + more) // BUNDLE)

    def covered(self, more: int = 0, budget: int | None = None, *, gold: bool = True) -> bool:
        enough_gold = sum(self.golds.values()) >= self.hits(more) * GOLD
        return (enough_gold or not gold) and self.hits(more) * MOST * UNIT <= (
            self.budget if budget is None else budget
        )

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer: httpx.Response = self.run(self.api(method, f"/jobs/{self.job_id}{path}", **request))
        assert answer.status_code in (200, 409, 422), answer.text
        return answer

    @rule(start=st.integers(0, 12), count=st.integers(1, 6))
    def add_items(self, start: int, count: int) -> None:
        fresh = [n for n in range(start, start + count) if n not in self.items]
        fits = self.state not in ENDED and (self.state == "draft" or not fresh or self.covered(len(fresh)))
        answer = self.run(self.api.upload(self.job_id, items(count, start)))
        assert answer.status_code == (200 if fits else 409), answer.text
        if fits:
            assert answer.json()["added"] == len(fresh)
            self.items |= dict.fromkeys(fresh, True)

    @rule(count=st.integers(1, 8))
    def add_gold(self, count: int) -> None:
        answer = self.run(self.api.upload(self.job_id, golds(count), "gold"))
        assert answer.status_code == (409 if self.state in ENDED else 200), answer.text
        if self.state not in ENDED:
            self.golds |= {n: True for n in range(count) if n not in self.golds}

    @rule(number=st.integers(0, 18), gold=st.booleans())
    def withdraw(self, number: int, gold: bool) -> None:
        there = self.golds if gold else self.items
        answer = self.ask("POST", "/items/withdraw", json={"external_ids": [f"{'gold' if gold else 'item'}-{number}"]})
        expected = 409 if self.state in ENDED else (200 if number in there else 422)
        assert answer.status_code == expected, answer.text
        if expected == 200:
            assert answer.json()["withdrawn"] == there[number]
            there[number] = False

    @rule(action=st.sampled_from(ACTIONS))
    def act(self, action: Action) -> None:
        answer = self.ask("POST", f"/{action}")
        becomes = TRANSITIONS.get((self.state, action))  # type: ignore[call-overload]
        if action == "launch" and not (any(self.items.values()) and self.covered()):
            becomes = None
        assert (answer.status_code == 200) == (becomes is not None), answer.text
        self.state = becomes or self.state

    @rule(cents=st.integers(5, 300))
    def change_budget(self, cents: int) -> None:
        answer = self.ask("PATCH", "", json={"budget": f"{cents // 100}.{cents % 100:02d}"})
        fits = self.state == "draft" or (self.state not in ENDED and self.covered(budget=cents, gold=False))
        assert (answer.status_code == 200) == fits, answer.text
        if fits:
            self.budget = cents

    @invariant()
    def is_as_it_says(self) -> None:
        job = self.ask("GET", "").json()
        assert (job["state"], job["budget"]["limit_cents"]) == (self.state, self.budget)
        assert (job["pause_reason"] is not None) == (self.state == "paused")
        assert set(job["possible"]) == {action for origin, action in TRANSITIONS if origin == self.state}
        estimate = self.ask("GET", "/estimate").json()
        assert estimate["items"] == sum(self.items.values())
        assert estimate["worst_case_cents"] == self.hits() * MOST * UNIT


def test_the_api_holds_to_the_table_whatever_is_asked(service_dsn: str) -> None:
    """The machine is not a coroutine, so the API has a loop of its own here."""
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(service_dsn, min_size=1, max_size=4, schema="assay"))
        clock: Any = ManualClock(SystemClock().now())
        service = open_service(pool, clock)
        client = open_client(create_app(service))
        api = runner.run(open_api(client, service))

        def run(coroutine: Coroutine[Any, Any, T]) -> T:
            return runner.run(coroutine)

        machine = type("Job", (JobModel,), {"run": staticmethod(run), "api": api})
        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))
        runner.run(client.aclose())
        runner.run(pool.close())
