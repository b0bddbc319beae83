"""The whole API held to its own description: schemathesis makes requests of it, and checks every answer against it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
import httpx
import schemathesis
from schemathesis.engine import events, from_schema

from foundation.clock import ManualClock
from foundation.ids import new_id
from foundation.postgres.pool import create_pool
from service.api.auth import SCOPES
from service.api.openapi import document
from service.store import teams
from tests.api.conftest import SPEC, Api, golds, items, make_key, open_service
from tests.api.facts import Facts
from tests.processes.conftest import Process, free_port

SEED = 20260106
EXAMPLES = 20  # of each operation, beside those that cover its schema
MANY = 200  # of those whose bodies have many ways to be wrong, and few to be right
JOB = "/v1/jobs/{job_id}"
WORK = f"{JOB}/assignments/{{assignment}}"
RUN = f"{JOB}/runs/{{run_id}}"
WORKER = f"{JOB}/workers/{{worker_id}}"
TRUST = f"{WORKER}/trust"
BANK = "/v1/gold-banks/{bank}"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
FROM = {"launch": "draft", "pause": "running", "resume": "paused", "cancel": "running"}
EACH = 3


class Seeded:
    """Jobs in every state, with all that the pipeline would have stored of them, and keys."""

    def __init__(self, api: Api, conn: asyncpg.Connection) -> None:
        self.api, self.conn = api, conn
        self.values: dict[str, list[Any]] = {}

    async def plant(self) -> None:
        states = ("draft", "running", "paused") * EACH + ("cancelling", "cancelled", "done")
        self.values["job"] = [await self.job(state) for state in states]
        for action, state in FROM.items():  # jobs that this action alone changes
            self.values[action] = [await self.job(state) for _ in range(EACH)]
        self.values["known"] = [await self.job("running")]
        async with self.conn.transaction():
            facts = await Facts.of(self.api, self.conn, self.values["known"][0])
            workers = [await facts.worker(f"S{number}") for number in range(6)]
        await self._candidates(facts, workers)
        workers = await self.api("GET", f"/jobs/{self.values['known'][0]}/workers")
        answers = await self.api("GET", f"/jobs/{self.values['known'][0]}/answers")
        self.values["assignment"] = sorted({answer["assignment"] for answer in answers.json()["data"]})
        runs = await self.api("GET", f"/jobs/{self.values['known'][0]}/runs")
        self.values["run"] = [run["run_id"] for run in runs.json()["data"]]
        self.values["worker"] = [worker["worker"] for worker in workers.json()["data"]]
        bank = await self.api("POST", "/gold-banks", json={"name": "a-bank", "task": SPEC["task"]})
        assert bank.status_code == 201, bank.text
        filled = await self.api("POST", "/gold-banks/a-bank/items", json=golds(60))
        assert filled.status_code == 200, filled.text
        self.values["bank"] = ["a-bank"]
        made = [await self.api("POST", "/keys", json={"name": "spare", "scopes": ["jobs:read"]}) for _ in range(EACH)]
        self.values["key"] = [answer.json()["key_id"] for answer in made]

    async def _candidates(self, facts: Facts, workers: list[int]) -> None:
        """Have two more items of the known job be candidates for gold: item-10 and item-11."""
        assert (await self.api.upload(self.values["known"][0], items(2, start=10))).status_code == 200
        numbers = [64, 65]
        hit_no = await facts.hit(numbers)
        for worker in workers:
            await facts.answers(hit_no, worker, [(number, 0) for number in numbers])
        run_no, _ = await facts.run()
        for number in numbers:
            await facts.consensus(run_no, number, [0.99, 0.005, 0.005], n_answers=6)

    async def job(self, state: str) -> str:
        job_id = await self.api.job(bundle={"items": 2, "gold": 1}, budget="1000.00")
        assert (await self.api.upload(job_id, items(4))).status_code == 200
        assert (await self.api.upload(job_id, golds(60), "gold")).status_code == 200
        if state == "draft":
            return job_id
        assert (await self.api("POST", f"/jobs/{job_id}/launch")).status_code == 200
        facts = await Facts.of(self.api, self.conn, job_id)
        hit_no = await facts.hit([0, 4, 1])
        workers = [await facts.worker(f"W{n}", right=n, total=2) for n in range(2)]
        await facts.answers(hit_no, workers[0], [(0, 1), (4, 0), (1, 2)])
        await facts.answers(hit_no, workers[1], [(0, 1), (4, 1)], state="submitted")
        run_no, _ = await facts.run()
        await facts.consensus(run_no, 0, [0.05, 0.9, 0.05])
        await facts.consensus(run_no, 1, [0.3, 0.3, 0.4], n_answers=1)
        await facts.settle(0, "target")
        await facts.confuse(workers[0], run_no, [0.8, 0.1, 0.1] * 3)
        await self.conn.execute(
            """UPDATE job SET state = $2, pause_reason = CASE $2 WHEN 'paused' THEN 'asked for' END,
            ended_at = CASE WHEN $2 IN ('cancelled', 'done') THEN $3::timestamptz END WHERE job_no = $1""",
            facts.job_no,
            state,
            facts.now,
        )
        return job_id


def config(seeded: Seeded, key: str) -> schemathesis.Config:
    """Return what schemathesis is told: a seed, real ids more often than made-up ones, and what it may not ask."""

    def real(name: str) -> dict[str, Any]:
        return {"dictionary": name, "probability": 0.9}

    return schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "headers": {"Authorization": f"Bearer {key}"},
            "generation": {"deterministic": True, "database": "none", "max-examples": EXAMPLES},
            "phases": {
                # What is learnt from answers would lead actions to jobs that are kept for others.
                "coverage": {"extra-data-sources": {"responses": False}},
                "fuzzing": {"extra-data-sources": {"responses": False}},
                "stateful": {"max-steps": 6, "generation": {"max-examples": EXAMPLES}},
            },
            "dictionaries": {name: {"values": values} for name, values in seeded.values.items()},
            "parameters": {"path.job_id": real("job"), "path.key_id": real("key"), "path.bank": real("bank")},
            "operations": [
                *({"include-name": f"POST {JOB}/{one}", "parameters": {"path.job_id": real(one)}} for one in FROM),
                *(
                    {
                        "include-name": f"POST {JOB}/{one}",
                        "generation": {"max-examples": MANY},
                        "parameters": {"path.job_id": real("known")},
                    }
                    for one in ("items", "gold")
                ),
                *(
                    {"include-name": f"POST {JOB}/gold/candidates/{one}", "parameters": {"path.job_id": real("known")}}
                    for one in ("accept", "refuse")
                ),
                *(
                    {"include-name": f"POST {BANK}/{one}", "generation": {"max-examples": MANY}}
                    for one in ("items", "corrections")
                ),
                {
                    "include-path": WORK,
                    "parameters": {"path.job_id": real("known"), "path.assignment": real("assignment")},
                },
                {"include-path": RUN, "parameters": {"path.job_id": real("known"), "path.run_id": real("run")}},
                *(
                    {
                        "include-path": path,
                        "parameters": {"path.job_id": real("known"), "path.worker_id": real("worker")},
                    }
                    for path in (WORKER, TRUST)
                ),
            ],
            # A schema cannot say every rule: that a payload has what the job's template shows, that a budget suffices.
            "checks": {"positive_data_acceptance": {"enabled": False}},
        }
    )


def with_what_the_job_has(_context: schemathesis.HookContext, body: Any) -> Any:
    """Let generated items and withdrawals be of the seeded jobs; what is wrong with their shape stays wrong."""
    if isinstance(body, list):
        return [_with_known_names(number, line) for number, line in enumerate(body)]
    if isinstance(body, dict) and isinstance(body.get("external_ids"), list):
        return body | {"external_ids": ["item-3" if _is_name(one) else one for one in body["external_ids"]]}
    if isinstance(body, dict) and isinstance(body.get("candidates"), list) and body["candidates"]:
        body = body | {"candidates": [_of_known_candidate(body["candidates"][0]), *body["candidates"][1:]]}
    if isinstance(body, dict) and _is_name(body.get("bank")) and re.fullmatch(NAME, body["bank"]):
        return body | {"bank": "a-bank"}
    if isinstance(body, dict) and isinstance(body.get("corrections"), list):
        return body | {"corrections": [_of_known_gold(number, one) for number, one in enumerate(body["corrections"])]}
    return body


def _of_known_gold(number: int, one: Any) -> Any:
    """Let a correction be of gold that is there, whatever its version; what is wrong with its shape stays wrong."""
    if not isinstance(one, dict) or not _is_name(one.get("external_id")):
        return one
    known: dict[str, Any] = {"external_id": f"gold-{number % 60}"}
    version = one.get("version")
    if type(version) is int and version >= 1:
        known["version"] = None
    accepted = one.get("accepted")
    sound = isinstance(accepted, list) and 0 < len(accepted) <= 100 and all(map(_is_accepted, accepted))
    if sound and one.get("state") in ("retired", "excluded"):
        known["accepted"] = None  # one of the two is to be said
    elif sound and one.get("state") is None:
        known["accepted"] = [{"label": "cat", "reason": accepted[0]["reason"]}]
    return one | known


def _of_known_candidate(one: Any) -> Any:
    """Let what is said of a candidate be of one that is there; what is wrong with its shape stays wrong."""
    if not isinstance(one, dict) or not _is_name(one.get("external_id")):
        return one
    accepted = one.get("accepted")
    if "accepted" not in one:
        return one | {"external_id": "item-11"}
    sound = isinstance(accepted, list) and 0 < len(accepted) <= 100 and all(map(_is_accepted, accepted))
    return one | {"external_id": "item-10"} | ({"accepted": [{"label": "cat", "reason": "r"}]} if sound else {})


def _is_accepted(entry: Any) -> bool:
    """Tell whether an entry has the shape of an accepted label value with its reason."""
    if not isinstance(entry, dict) or entry.keys() != {"label", "reason"} or not isinstance(entry["label"], str):
        return False
    return _is_name(entry["reason"]) and bool(entry["reason"].strip())


def _with_known_names(number: int, line: Any) -> Any:
    if not isinstance(line, dict) or not isinstance(line.get("payload"), dict):
        return line
    known = {"payload": line["payload"] | {"text": "a text"}}
    if _is_name(line.get("external_id")):
        known["external_id"] = f"made-{number}-{crc32(repr(line).encode()):x}"  # other content under another name
    if _is_name(line.get("batch")):
        known["batch"] = "a batch"
    accepted = line.get("accepted")
    if isinstance(accepted, str) or (isinstance(accepted, list) and accepted and all(map(_is_label, accepted))):
        known["accepted"] = "cat"
    counts = {"minimum": 1, "maximum": 5}
    known |= {name: n for name, n in counts.items() if type(line.get(name)) is int and 1 <= line[name] <= 100}
    return line | known


def _is_label(entry: object) -> bool:
    return isinstance(entry, str) or _is_accepted(entry)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255


@dataclass
class Run:
    """What came of a run: how often each operation answered what, and what was wrong."""

    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)

    def note(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.NonFatalError):
            self.wrong.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            self.wrong.append(str(event.exception))
        elif isinstance(event, events.ScenarioFinished):
            made = event.recorder
            for case_id, case in made.cases.items():
                interaction = made.interactions.get(case_id)
                if interaction is not None and interaction.response is not None:
                    method = interaction.request.method
                    self.answers[f"{method} {case.value.path}"][interaction.response.status_code] += 1
            for checks in made.checks.values():
                self.wrong += [
                    f"{made.label}, {check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.failure_info is not None
                ]


def explore(url: str, told: schemathesis.Config) -> Run:
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json", config=told)
    schema.hook("map_body")(with_what_the_job_has)
    run = Run()
    for event in from_schema(schema).execute():
        run.note(event)
    return run


async def test_every_answer_is_as_described_whatever_is_asked(
    empty_dsn: str, folder: Path, start: Callable[..., Process]
) -> None:
    """No 5xx; status, media type and shape of every answer are documented; nothing is answered without a key."""
    port = free_port()
    serve = start("serve", "--port", str(port), DATABASE_URL=empty_dsn, ASSAY_DATA=str(folder))
    serve.wait_until_ready(port)
    url = f"http://127.0.0.1:{port}"
    async with (
        await create_pool(empty_dsn, min_size=1, max_size=2, schema="assay") as pool,
        httpx.AsyncClient(base_url=url) as client,
        pool.acquire() as conn,
    ):
        clock = ManualClock(datetime.now(UTC) - timedelta(hours=1))
        team = await teams.ensure(conn, new_id("team", clock), "contract", clock.now())
        key = await make_key(conn, clock, team, tuple(SCOPES))
        seeded = Seeded(Api(client, open_service(pool, clock), team, key), conn)
        await seeded.plant()

    run = await asyncio.to_thread(explore, url, config(seeded, key))
    assert run.wrong == []
    every = {f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in item}
    reached = {label for label, answers in run.answers.items() if any(status < 300 for status in answers)}
    missing = {label: dict(run.answers[label]) for label in every - reached}
    assert missing == {}, "each operation did what it was asked at least once"
    assert sum(answers.total() for answers in run.answers.values()) > 1500
    assert serve.stop() == 0
    assert "a request failed" not in serve.output
