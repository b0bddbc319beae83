"""The policy at work: who clicks at random is suspended and kept out, and labels get better for less."""

from __future__ import annotations

import numpy as np
from msgspec import structs

from service.pipeline.decide import decide
from service.store import trust
from service.store.decisions import JobState

N_LABELS = 3


class Crowd:
    """Workers of given accuracies, at the market's HITs: each answers by the text of the item, which is its truth."""

    def __init__(self, house, accuracies, seed=0):
        self.house, self.accuracies = house, accuracies
        self.rng = np.random.default_rng(seed)

    def work(self, limit=1):
        for name in self.rng.permutation(list(self.accuracies)).tolist():
            most = limit if self.accuracies[name] > 0.5 else 2 * limit
            self.house.market.work(name, lambda text, name=name: self.answer(name, text), limit=most)

    def answer(self, name, text):
        truth = int(text.split()[0])
        right = self.rng.random() < self.accuracies[name]
        return truth if right else (truth + int(self.rng.integers(1, N_LABELS))) % N_LABELS


async def states(house, job):
    rows = await house.rows(
        """SELECT market_worker_id, trust_state, barred FROM job_worker JOIN worker USING (worker_id)
           WHERE job_no = $1""",
        job,
    )
    return {name: (state, barred) for name, state, barred in rows}


async def right(house, job):
    rows = await house.rows(
        """SELECT i.payload ->> 'text', c.label FROM consensus c JOIN item i USING (job_no, item_no)
           WHERE job_no = $1 AND NOT i.is_gold""",
        job,
    )
    return np.mean([int(text.split()[0]) == label for text, label in rows])


CROWD = {f"AGOOD{number}": 0.92 for number in range(8)} | {f"ACLICK{number}": 1 / 3 for number in range(5)}


def batch(n_items, n_gold, seed=1):
    truth = np.random.default_rng(seed).integers(N_LABELS, size=n_items)
    items = [f"{label} item {number}" for number, label in enumerate(truth)]
    return items, [(f"{number % N_LABELS} gold {number}", [number % N_LABELS]) for number in range(n_gold)]


async def run(house, *, suspend):
    items, gold = batch(120, 40)
    job = await house.job(
        items=items,
        gold=gold,
        bundle={"items": 3, "gold": 1},
        redundancy={"minimum": 3, "maximum": 6, "target_confidence": 0.95},
        trust={"suspend": suspend},
        seed=3,
    )
    crowd = Crowd(house, CROWD)
    await house.until(house.is_state(job, "done"), work=crowd.work)
    return job


async def test_clickers_are_suspended_and_gated_and_labels_get_better_for_less(house):
    job = await run(house, suspend=True)
    found = await states(house, job)
    for name, (state, barred) in found.items():
        assert (state, barred) == (("suspended", True) if name.startswith("ACLICK") else ("trusted", False)), name
    assert {holder for _, holder in house.market.qualified} == {name for name in CROWD if name.startswith("ACLICK")}
    [[events]] = await house.rows("SELECT count(*) FROM job_event WHERE job_no = $1 AND kind = 'trust'", job)
    assert events
    async with house.service.pool.acquire() as conn:
        for standing in await trust.standings(conn, job):
            [last, *_] = await trust.history(conn, job, standing.worker_no)
            assert (last.state, last.by) == (standing.state, "policy")
            assert " gold answers right" in last.reason
            assert last.evidence["gold"]["total"] > 0
            assert 0 < last.evidence["accuracy"]["low"] < last.evidence["accuracy"]["high"] < 1
    paid = await house.value("SELECT count(*) FROM assignment WHERE job_no = $1 AND state = 'approved'", job)
    assert paid == await house.value("SELECT count(*) FROM assignment WHERE job_no = $1", job), (
        "finished work stays paid"
    )

    ungated = await run(house, suspend=False)
    assert "suspended" not in {state for state, _ in (await states(house, ungated)).values()}
    assert await right(house, job) > await right(house, ungated) + 0.02
    spent = "SELECT spent_cents FROM job WHERE job_no = $1"
    assert await house.value(spent, job) < await house.value(spent, ungated)


async def test_who_tells_little_rests_while_others_work_and_is_called_back(house):
    items, gold = batch(90, 30)
    job = await house.job(
        items=items,
        gold=gold,
        bundle={"items": 3, "gold": 1},
        redundancy={"minimum": 3, "maximum": 6, "target_confidence": 0.95},
        trust={"rest": 0.8, "rest_patience": 600, "corroboration": 1e6},
        seed=3,
    )
    good = {f"AGOOD{number}": 0.95 for number in range(5)}
    crowd = Crowd(house, good | {"AWEAK0": 0.65, "AWEAK1": 0.65})

    async def resting():
        rows = await house.rows(
            """SELECT market_worker_id, barred FROM job_worker JOIN worker USING (worker_id)
               WHERE job_no = $1 AND resting""",
            job,
        )
        return dict(rows) == {"AWEAK0": True, "AWEAK1": True}

    await house.until(resting, work=crowd.work, steps=60)
    before = await house.value("SELECT count(*) FROM counting_answer WHERE job_no = $1", job)
    assert before == await house.value("SELECT count(*) FROM answer WHERE job_no = $1", job), "what they gave counts"
    assert house.market.work("AWEAK0", lambda _: 0) == 0, "they get nothing new"
    assert (await states(house, job))["AWEAK0"][0] != "suspended"
    await house.step(seconds=700)  # nobody else comes
    await house.step()
    await house.step()
    assert await house.value("SELECT count(*) FROM job_worker WHERE resting OR barred") == 0
    assert house.market.qualified == set(), "called back"
    assert house.market.work("AWEAK0", lambda _: 0, limit=1) == 1
    await house.until(house.is_state(job, "done"), work=crowd.work)


def test_labels_are_closed_after_the_last_scoring_and_the_job_after_the_last_run():
    over = JobState("job", "running", open_items=0, open_effects=0, closing_run=None, has_answers=True)
    told = [
        decide(structs.replace(over, **state), [], [])
        for state in (
            {"scored": False},
            {"scored": True},
            {"scored": True, "closing_run": True, "inferred": False},
            {"scored": False, "closing_run": True},
            {"scored": True, "closing_run": True},
        )
    ]
    assert [(one.score, one.infer, one.deliver) for one in told] == [
        (True, False, False),
        (False, True, False),
        (False, True, False),
        (True, False, False),
        (False, False, True),
    ]
