"""Gold that leaked, gold with a wrong key and a biased crowd, found over HTTP from stored facts alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from foundation.ids import new_id
from tests.api.conftest import Api, golds, items
from tests.api.facts import Facts

N_GOLD, N_WORKERS = 12, 60
LABELS = ["cat", "dog", "other"]


async def worked(
    api: Api, answer: Callable[[int, int, np.random.Generator], tuple[int, float]], n_workers: int = N_WORKERS
) -> str:
    """Store a job on whose gold every worker worked, a HIT for each, in the order of the workers.

    answer gives the label that a worker gives to gold, by their places, and the seconds it took.
    """
    rng = np.random.default_rng(7)
    job_id = await api.job()
    lines = [line | {"accepted": LABELS[number % 3]} for number, line in enumerate(golds(N_GOLD))]
    assert (await api.upload(job_id, lines, "gold")).status_code == 200
    assert (await api.upload(job_id, items(1))).status_code == 200
    async with api.service.pool.acquire() as conn, conn.transaction():
        facts = await Facts.of(api, conn, job_id)
        workers = [await facts.worker(f"W{number}") for number in range(n_workers)]
        answers, assignments = [], []
        for item_no in range(N_GOLD):
            hit = await facts.hit([item_no])
            for place, worker in enumerate(workers):
                label, seconds = answer(item_no, place, rng)
                at = facts.now + timedelta(seconds=1000 * place + 10 * item_no)
                number = len(assignments)
                assignments.append(
                    (facts.job_no, hit, worker, new_id("m", api.service.clock), at - timedelta(seconds=seconds), at)
                )
                answers.append((number, item_no, worker, label, at))
        numbers = [
            await conn.fetchval(
                """INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, accepted_at,
                   submitted_at, collected_at, raw) VALUES ($1, $2, $3, $4, 'submitted', $5, $6, $6, '')
                   RETURNING assignment_no""",
                *row,
            )
            for row in assignments
        ]
        await conn.copy_records_to_table(
            "answer",
            columns=("job_no", "assignment_no", "slot", "item_no", "worker_no", "label", "submitted_at"),
            records=[(facts.job_no, numbers[n], 1, item_no, w, label, at) for n, item_no, w, label, at in answers],
        )
    return job_id


def honest(item_no: int, rng: np.random.Generator) -> tuple[int, float]:
    """Return what a worker who is 85% right gives, and how long they take."""
    right = item_no % 3
    return (right if rng.random() < 0.85 else (right + int(rng.integers(1, 3))) % 3), float(rng.lognormal(3.0, 0.3))


async def flags(api: Api, job_id: str):
    answer = await api("GET", f"/jobs/{job_id}/gold/flags")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_leaked_gold_is_found_and_sound_gold_is_not_accused(api: Api) -> None:
    """The answer to one of twelve got about: from the 25th worker on it is right, and given in a third of the time."""

    def answer(item_no: int, place: int, rng: np.random.Generator) -> tuple[int, float]:
        label, seconds = honest(item_no, rng)
        return (item_no % 3, seconds / 3) if item_no == 5 and place >= 25 else (label, seconds)

    told = await flags(api, await worked(api, answer))
    assert [(one["external_id"], one["kind"]) for one in told["gold"]] == [("gold-5", "leaked")]
    leak = told["gold"][0]
    assert leak["p_value"] <= leak["adjusted"] < 1e-6
    assert (sum(leak["answers"].values()), leak["accepted"]) == (N_WORKERS, ["other"])
    assert "Retire it" in leak["advice"]
    assert (told["tested"], told["bias"]) == (N_GOLD, [])


async def test_gold_with_a_wrong_key_is_found_until_it_is_corrected(api: Api) -> None:
    def answer(item_no: int, place: int, rng: np.random.Generator) -> tuple[int, float]:
        label, seconds = honest(item_no, rng)
        return ((item_no + 1) % 3 if item_no == 4 else label), seconds

    job_id = await worked(api, answer, 15)
    found = {one["kind"]: one for one in (await flags(api, job_id))["gold"] if one["external_id"] == "gold-4"}
    assert {"missed", "contradicted", "same_wrong_answer"} <= found.keys()
    assert found["missed"]["accepted"] == ["dog"]
    assert "other" in found["same_wrong_answer"]["reason"], "label values are told by name"
    assert found["missed"]["answers"]["other"] == 15
    fix = {"external_id": "gold-4", "cause": "flagged", "accepted": [{"label": "other", "reason": "looked at it"}]}
    assert (await api("POST", f"/jobs/{job_id}/gold/corrections", json={"corrections": [fix]})).status_code == 200
    assert (await flags(api, job_id))["gold"] == []


async def test_a_bias_that_agreement_cannot_see_raises_an_alarm_that_says_what_to_do(api: Api) -> None:
    def answer(item_no: int, place: int, rng: np.random.Generator) -> tuple[int, float]:
        label, seconds = honest(item_no, rng)
        return (1 if item_no % 3 == 2 and rng.random() < 0.9 else label), seconds

    job_id = await worked(api, answer)
    async with api.service.pool.acquire() as conn:  # four golds of a label value are too few to test
        await conn.execute(
            """UPDATE gold SET accepted = '[{"label": 2}]', accepted_labels = '{2}' FROM job
               WHERE gold.job_no = job.job_no AND job_id = $1 AND item_no = ANY('{1,4}')""",
            job_id,
        )
    (alarm,) = (await flags(api, job_id))["bias"]
    assert (alarm["label"], alarm["adjusted"] <= 0.05, alarm["overclaimed"] > 0.5) == ("other", True, True)
    assert "dog" in alarm["reason"]
    assert "guidelines" in alarm["reason"]


async def test_a_suspended_workers_answers_accuse_nothing_and_a_job_without_answers_has_no_flags(api: Api) -> None:
    def answer(item_no: int, place: int, rng: np.random.Generator) -> tuple[int, float]:
        label, seconds = honest(item_no, rng)
        return ((item_no + 1) % 3 if place < 40 and item_no == 4 else label), seconds

    job_id = await worked(api, answer)
    assert "gold-4" in {one["external_id"] for one in (await flags(api, job_id))["gold"]}
    async with api.service.pool.acquire() as conn:
        await conn.execute(
            """UPDATE job_worker SET trust_state = 'suspended', void_from = '-infinity', void_assignment = '',
               void_slot = 0 FROM job WHERE job.job_no = job_worker.job_no AND job_id = $1 AND worker_no < 40""",
            job_id,
        )
    assert (await flags(api, job_id))["gold"] == []
    empty = await api.job_with_items(1)
    assert await flags(api, empty) == {"tested": 0, "gold": [], "bias": []}
