"""A bank's gold is judged over all jobs that copied it, each of which shows an item to too few workers to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest

from foundation.ids import new_id
from tests.api.conftest import SPEC, Api
from tests.api.facts import Facts
from tests.api.test_gold_banks import make
from tests.api.test_gold_flags import flags as flags_of_job

LABELS = SPEC["task"]["labels"]
N_GOLD, N_JOBS, IN_JOB = 15, 14, 9  # gold items, jobs, workers of a job
LEAKED = 5
Said = Callable[[int, int, np.random.Generator], tuple[int, float]]

_WORK = """
INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, accepted_at, submitted_at, collected_at,
    raw)
SELECT $1, hit_no, worker_no, id, 'submitted', began, ended, ended, ''
FROM unnest($2::int4[], $3::int4[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    AS w (hit_no, worker_no, id, began, ended)
"""
_ANSWERS = """
INSERT INTO answer (job_no, assignment_no, slot, item_no, worker_no, label, submitted_at)
SELECT $1, a.assignment_no, 1, g.item_no, a.worker_no, g.label, a.submitted_at
FROM unnest($2::text[], $3::int4[], $4::int2[]) AS g (id, item_no, label)
JOIN assignment a ON a.job_no = $1 AND a.market_assignment_id = g.id
"""


def gold() -> list[dict[str, Any]]:
    return [
        {
            "external_id": f"g-{n}",
            "payload": {"text": f"gold {n}"},
            "accepted": [{"label": LABELS[n % 3], "reason": "known"}],
        }
        for n in range(N_GOLD)
    ]


def honest(item: int, rng: np.random.Generator) -> tuple[int, float]:
    """Return what a worker who is 75% right gives, and the time beside their usual."""
    right = item % 3
    return (right if rng.random() < 0.75 else (right + int(rng.integers(1, 3))) % 3), float(rng.lognormal(0, 0.2))


def sound(item: int, _met: int, rng: np.random.Generator) -> tuple[int, float]:
    return honest(item, rng)


def leaking(item: int, met: int, rng: np.random.Generator) -> tuple[int, float]:
    """Answer as `sound` does, but that of one item everybody knows the answer once 20 have met it."""
    label, beside = honest(item, rng)
    return (item % 3, beside / 3) if item == LEAKED and met >= 20 else (label, beside)


async def worked(api: Api, answer: Said, *, n_jobs: int = N_JOBS) -> tuple[str, list[str]]:
    """Have jobs copy a bank and workers answer its gold, three of them each item in a job; returns bank and jobs.

    Crowds get quicker and better from job to job, as crowds do. Every second job numbers label values its own way.
    """
    rng = np.random.default_rng(0)
    bank, met, people = await make(api, gold()), np.zeros(N_GOLD, dtype=int), {}
    jobs = []
    for number in range(n_jobs):
        labels = LABELS if number % 2 else LABELS[::-1]
        jobs.append(job_id := await api.job_with_items(1, task=SPEC["task"] | {"labels": labels}))
        copied = await api("POST", f"/jobs/{job_id}/gold/from-bank", json={"bank": bank, "count": N_GOLD})
        assert copied.json()["copied"] == N_GOLD, copied.text
        async with api.service.pool.acquire() as conn, conn.transaction():
            await _work(api, conn, job_id, labels, number, met, people, answer, rng)
    return bank, jobs


async def _work(
    api: Api,
    conn: asyncpg.Connection,
    job_id: str,
    labels: list[str],
    number: int,
    met: np.ndarray,
    people: dict[int, str],
    answer: Said,
    rng: np.random.Generator,
) -> None:
    facts = await Facts.of(api, conn, job_id)
    names = dict(await conn.fetch("SELECT external_id, item_no FROM item WHERE job_no = $1 AND is_gold", facts.job_no))
    hits = [await facts.hit([names[f"g-{item}"]]) for item in range(N_GOLD)]
    late = number / (2 * N_JOBS)
    work, given = [], []
    for place in range(IN_JOB):
        person = (number * IN_JOB + place) % 63  # who comes back after seven jobs meets other items
        worker = await facts.worker(f"P{person}")
        if person in people:
            await conn.execute(
                "UPDATE job_worker SET worker_id = $3 WHERE job_no = $1 AND worker_no = $2",
                facts.job_no,
                worker,
                people[person],
            )
        else:
            people[person] = await conn.fetchval(
                "SELECT worker_id FROM job_worker WHERE job_no = $1 AND worker_no = $2", facts.job_no, worker
            )
        for step in range(5):
            item = (place + number // 7 + 3 * step) % N_GOLD
            label, beside = answer(item, int(met[item]), rng)
            label = item % 3 if rng.random() < late else label
            met[item] += 1
            ended = facts.now + timedelta(days=number, minutes=10 * place, seconds=60 * step)
            began = ended - timedelta(seconds=40 * beside * (1 - late))
            work.append((hits[item], worker, name := new_id("m", api.service.clock), began, ended))
            given.append((name, names[f"g-{item}"], labels.index(LABELS[label])))
    await conn.execute(_WORK, facts.job_no, *map(list, zip(*work, strict=True)))
    await conn.execute(_ANSWERS, facts.job_no, *map(list, zip(*given, strict=True)))


async def flags(api: Api, bank: str) -> Any:
    answer = await api("GET", f"/gold-banks/{bank}/flags")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_gold_that_leaked_from_job_to_job_is_found_and_its_sound_neighbours_are_not_accused(api: Api) -> None:
    bank, jobs = await worked(api, leaking)
    told = await flags(api, bank)
    assert [(one["external_id"], one["kind"]) for one in told["gold"]] == [(f"g-{LEAKED}", "leaked")]
    assert (told["tested"], told["jobs"], told["answers"], told["bias"]) == (N_GOLD, N_JOBS, 3 * N_GOLD * N_JOBS, [])
    alone = [(await flags_of_job(api, job_id))["gold"] for job_id in jobs]
    assert "leaked" not in {one["kind"] for found in alone for one in found}, "no job alone could tell"
    [leak] = told["gold"]
    assert [one["job_id"] for one in leak["jobs"]] == jobs
    assert all((one["answers"], one["state"], one["job_state"]) == (3, "asked", "draft") for one in leak["jobs"])
    assert sum(one["right"] for one in leak["jobs"]) == leak["answers"][LABELS[LEAKED % 3]]
    assert (len(leak["exposures"]), leak["state"], leak["version"]) == (42, "asked", 1)
    assert [one["at"] for one in leak["exposures"]] == sorted(one["at"] for one in leak["exposures"])
    pace = [one["pace"] for one in leak["exposures"]]
    assert np.median(pace[21:]) < np.median(pace[:21]) / 2
    assert "Retire it in the bank" in leak["advice"]
    # It is flagged until it is gone, and what a job says of its copy is that job's alone.
    out = {"external_id": f"g-{LEAKED}", "cause": "it leaked", "state": "retired"}
    for where in (f"/gold-banks/{bank}/corrections", f"/jobs/{jobs[3]}/gold/corrections"):
        assert (await api("POST", where, json={"corrections": [out]})).status_code == 200
    [leak] = (await flags(api, bank))["gold"]
    assert (leak["state"], Counter(one["state"] for one in leak["jobs"])) == ("retired", {"asked": 13, "retired": 1})
    gone = {"corrections": [out | {"state": "excluded"}]}
    assert (await api("POST", f"/gold-banks/{bank}/corrections", json=gone)).status_code == 200
    told = await flags(api, bank)
    assert (told["gold"], told["tested"]) == ([], N_GOLD - 1)


async def test_a_healthy_bank_whose_crowds_get_better_and_quicker_is_not_accused(api: Api) -> None:
    bank, _ = await worked(api, sound)
    told = await flags(api, bank)
    assert (told["gold"], told["bias"], told["tested"]) == ([], [], N_GOLD)


async def test_a_wrong_key_and_a_shared_bias_are_found_from_three_answers_a_job(api: Api) -> None:
    """Of one item everybody gives what the bank calls wrong; dogs are taken for something else by nearly everybody."""

    def mistaken(item: int, _met: int, rng: np.random.Generator) -> tuple[int, float]:
        label, beside = honest(item, rng)
        return (1 if item == 0 else 2 if item % 3 == 1 and rng.random() < 0.8 else label), beside

    bank, _ = await worked(api, mistaken, n_jobs=4)
    told = await flags(api, bank)
    kinds = {one["kind"] for one in told["gold"] if one["external_id"] == "g-0"}
    assert {"missed", "contradicted"} <= kinds
    assert {(one["job_state"], one["answers"]) for one in told["gold"][0]["jobs"]} == {("draft", 3)}
    assert [one["label"] for one in told["bias"]] == ["dog"]
    right = {"external_id": "g-0", "cause": "flagged", "accepted": [{"label": "dog", "reason": "looked at it"}]}
    assert (await api("POST", f"/gold-banks/{bank}/corrections", json={"corrections": [right]})).status_code == 200
    assert "g-0" not in {one["external_id"] for one in (await flags(api, bank))["gold"]}, "tested by what is in force"


@pytest.mark.parametrize("twice", [False, True])
async def test_what_a_worker_meets_again_and_what_a_suspended_one_gave_are_left_out(api: Api, twice: bool) -> None:
    bank, jobs = await worked(api, leaking, n_jobs=2)
    async with api.service.pool.acquire() as conn:
        if twice:  # the second job's workers are those of the first, in the same places
            await conn.execute(
                """UPDATE job_worker w SET worker_id = o.worker_id FROM job_worker o, job j, job i
                   WHERE j.job_id = $2 AND i.job_id = $1 AND w.job_no = j.job_no AND o.job_no = i.job_no
                     AND w.worker_no = o.worker_no""",
                *jobs,
            )
        else:
            await conn.execute(
                """UPDATE job_worker w SET trust_state = 'suspended', void_from = '-infinity', void_assignment = '',
                   void_slot = 0 FROM job j WHERE j.job_no = w.job_no AND j.job_id = $1""",
                jobs[0],
            )
    told = await flags(api, bank)
    assert (told["answers"], told["jobs"]) == (3 * N_GOLD, 1)


async def test_another_team_sees_no_bank_and_workers_are_told_by_scope(api: Api) -> None:
    bank, _ = await worked(api, lambda item, _met, rng: ((item + (item == LEAKED)) % 3, 1.0), n_jobs=2)
    stranger = await api.as_key("jobs:read", "workers:read", team=new_id("team", api.service.clock))
    assert (await stranger("GET", f"/gold-banks/{bank}/flags")).status_code == 404
    assert (await (await api.as_key("jobs:write"))("GET", f"/gold-banks/{bank}/flags")).status_code == 403
    seen = {}
    for scopes in (("jobs:read",), ("jobs:read", "workers:read"), ("jobs:read", "workers:read", "workers:identify")):
        told = await flags(await api.as_key(*scopes), bank)
        [first, *_] = told["gold"][0]["exposures"]
        seen[len(scopes)] = (first["worker"] is not None, first["market_worker_id"] is not None)
    assert seen == {1: (False, False), 2: (True, False), 3: (True, True)}
    unknown = [await api("GET", f"/gold-banks/{name}/flags") for name in ("nowhere", "%00", "a%20b")]
    assert [one.status_code for one in unknown] == [404] * 3
    empty = await make(api, [])
    assert await flags(api, empty) == {
        "bank": empty,
        "version": 0,
        "tested": 0,
        "jobs": 0,
        "answers": 0,
        "gold": [],
        "bias": [],
    }
