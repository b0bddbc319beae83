"""A gold bank and two jobs that copy from it, held to a plain model whatever is imported, corrected and copied."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from foundation.clock import ManualClock, SystemClock
from foundation.ids import new_id
from foundation.postgres.pool import create_pool
from tests.api.conftest import SPEC, Api, create_app, open_api, open_client, open_service

T = TypeVar("T")

LABELS = SPEC["task"]["labels"]
NUMBERS = st.integers(0, 5)
SAID = st.one_of(
    st.sampled_from(["retired", "excluded"]), st.frozensets(st.sampled_from(LABELS), min_size=1, max_size=2)
)


@dataclass(frozen=True)
class Held:
    """A gold item as it should be; copied: the version of the bank's that it was copied from."""

    accepts: dict[str, str]
    state: str = "asked"
    version: int = 1
    copied: int | None = None

    def after(self, said: str | frozenset[str], why: str) -> Held:
        if not isinstance(said, str):
            now = replace(self, accepts=dict.fromkeys(said, why), state="asked")
        else:
            now = self if self.state == "excluded" else replace(self, state=said)
        return now if now == self else replace(now, version=self.version + 1)

    @classmethod
    def of(cls, row: dict[str, Any]) -> Held:
        copied = row.get("copied_from")
        accepts = {one["label"]: one["reason"] for one in row["accepted"]}
        return cls(accepts, row["state"], row["version"], copied and copied["version"])


class Bank(RuleBasedStateMachine):
    """What a bank and two jobs hold, by name of the gold."""

    run: Any  # runs a coroutine where the API lives
    api: Api

    def __init__(self) -> None:
        super().__init__()
        self.name = new_id("bank", self.api.service.clock)
        made = self.run(self.api("POST", "/gold-banks", json={"name": self.name, "task": SPEC["task"]}))
        assert made.status_code == 201, made.text
        self.version = 0
        self.bank: dict[str, Held] = {}
        self.jobs: dict[str, dict[str, Held]] = {self.run(self.api.job()): {} for _ in range(2)}

    def ask(self, method: str, path: str, body: Any, expected: int) -> Any:
        answer = self.run(self.api(method, path, json=body))
        assert answer.status_code == expected, answer.text
        return answer.json()

    @initialize()
    def fill(self) -> None:
        self.import_(set(range(5)), other=False)

    @rule(numbers=st.sets(NUMBERS, min_size=1, max_size=6), other=st.booleans())
    def import_more(self, numbers: set[int], other: bool) -> None:
        self.import_(numbers, other=other)

    def import_(self, numbers: set[int], *, other: bool) -> None:
        """Import gold; `other`: the first accepts another label value than it did at first."""
        lines = {f"g{n}": Held({LABELS[(n + (other and n == min(numbers))) % 3]: "known"}) for n in sorted(numbers)}
        sent = [
            {
                "external_id": name,
                "payload": {"text": name},
                "accepted": [{"label": label, "reason": why} for label, why in one.accepts.items()],
            }
            for name, one in lines.items()
        ]
        differ = any(name in self.bank and self.bank[name].accepts != one.accepts for name, one in lines.items())
        told = self.ask("POST", f"/gold-banks/{self.name}/items", sent, 409 if differ else 200)
        if not differ:
            fresh = {name: one for name, one in lines.items() if name not in self.bank}
            assert told["added"] == len(fresh)
            self.bank |= fresh
            self.version += bool(fresh)

    @rule(number=NUMBERS, said=SAID, why=st.sampled_from("xy"))
    def correct_the_bank(self, number: int, said: str | frozenset[str], why: str) -> None:
        changed = self.correct(f"/gold-banks/{self.name}/corrections", self.bank, number, said, why)
        self.version += changed

    @rule(number=NUMBERS, said=SAID, why=st.sampled_from("xy"), place=st.integers(0, 1))
    def correct_a_job(self, number: int, said: str | frozenset[str], why: str, place: int) -> None:
        job_id = list(self.jobs)[place]
        self.correct(f"/jobs/{job_id}/gold/corrections", self.jobs[job_id], number, said, why)

    def correct(self, path: str, there: dict[str, Held], number: int, said: str | frozenset[str], why: str) -> int:
        name = [*there, "nowhere"][number % (len(there) + 1)]
        one: dict[str, Any] = {"external_id": name, "cause": "looked at"}
        if isinstance(said, str):
            one["state"] = said
        else:
            one["accepted"] = [{"label": label, "reason": why} for label in sorted(said)]
        told = self.ask("POST", path, {"corrections": [one]}, 200 if name in there else 422)
        if name not in there:
            return 0
        before, there[name] = there[name], there[name].after(said, why)
        assert told["changed"] == (there[name] != before)
        return int(there[name] != before)

    @rule(count=st.integers(1, 5), place=st.integers(0, 1))
    def copy(self, count: int, place: int) -> None:
        job_id = list(self.jobs)[place]
        gold = self.jobs[job_id]
        offered = {name: one for name, one in self.bank.items() if one.state == "asked" and name not in gold}
        told = self.ask("POST", f"/jobs/{job_id}/gold/from-bank", {"bank": self.name, "count": count}, 200)
        assert (told["copied"], told["version"]) == (min(count, len(offered)), self.version)
        fresh = [row["external_id"] for row in self.listed(f"/jobs/{job_id}/gold") if row["external_id"] not in gold]
        assert set(fresh) <= offered.keys()
        gold |= {name: replace(offered[name], version=1, copied=offered[name].version) for name in fresh}
        if all(len(one.accepts) == 1 for one in offered.values()):  # label values take turns while they last
            there, taken = (Counter(min(offered[name].accepts) for name in names) for names in (offered, fresh))
            least = min((taken[label] for label in there if taken[label] < there[label]), default=count)
            assert max(taken.values(), default=0) <= least + 1

    def listed(self, path: str) -> list[dict[str, Any]]:
        answer = self.run(self.api("GET", path, params={"limit": 1000}))
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    @invariant()
    def is_as_it_says(self) -> None:
        bank = self.run(self.api("GET", f"/gold-banks/{self.name}")).json()
        asked = sum(one.state == "asked" for one in self.bank.values())
        assert (bank["version"], bank["asked"], bank["others"]) == (self.version, asked, len(self.bank) - asked)
        for path, versions, held in (
            (f"/gold-banks/{self.name}/items", f"/gold-banks/{self.name}/versions", self.bank),
            *((f"/jobs/{job_id}/gold", f"/jobs/{job_id}/gold/versions", gold) for job_id, gold in self.jobs.items()),
        ):
            assert {row["external_id"]: Held.of(row) for row in self.listed(path)} == held
            kept = self.listed(versions)
            assert Counter(row["external_id"] for row in kept) == {name: one.version for name, one in held.items()}
            last = {row["external_id"]: replace(Held.of(row), copied=held[row["external_id"]].copied) for row in kept}
            assert last == held, "what is in force is the last of its versions"


def test_a_bank_and_its_jobs_hold_what_the_model_says(service_dsn: str) -> None:
    """The machine is not a coroutine, so the API has a loop of its own here."""
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(service_dsn, min_size=1, max_size=4, schema="assay"))
        clock: Any = ManualClock(SystemClock().now())
        client = open_client(create_app(service := open_service(pool, clock)))
        api = runner.run(open_api(client, service))

        def run(coroutine: Coroutine[Any, Any, T]) -> T:
            return runner.run(coroutine)

        machine = type("OneBank", (Bank,), {"run": staticmethod(run), "api": api})
        run_state_machine_as_test(machine, settings=settings(max_examples=10, stateful_step_count=16, deadline=None))
        runner.run(client.aclose())
        runner.run(pool.close())
