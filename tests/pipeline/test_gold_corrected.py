"""Gold corrected over HTTP equals gold that was right from the beginning: in scores, in trust, in labels."""

from __future__ import annotations

import numpy as np
import pytest

from service.store import briefs, dues, trust
from service.store.trust import Verdict
from tests.api.conftest import Api, create_app, make_key, open_client
from tests.pipeline.test_rescoring import N_GOLD, N_ITEMS, filled, same, score, set_gold
from tests.pipeline.test_trust_policy import Crowd, batch, states

LABELS = ["a", "b", "c"]


async def infer(house, job):
    async with house.service.pool.acquire() as conn:
        await dues.want(conn, "infer", job, house.clock.now())
    await house.run_stage("infer", job)
    house.clock.advance(seconds=60)


async def end(house, job):
    """Settle everything and close every HIT, so that the next run is the closing one."""
    async with house.service.pool.acquire() as conn:
        await conn.execute(
            "UPDATE item SET state = 'settled', settled_by = 'maximum', settled_at = now() "
            "WHERE job_no = $1 AND NOT is_gold",
            job,
        )
        await conn.execute("UPDATE hit SET state = 'closed', closed_at = now() WHERE job_no = $1", job)


async def labels(house, job):
    """Return the labels that answers speak for: one of whose answers none weighs any more keeps its last, at 0."""
    return await house.rows(
        """SELECT item_no, label, probabilities, confidence, n_answers FROM consensus
           WHERE job_no = $1 AND n_answers > 0 ORDER BY 1""",
        job,
    )


async def as_made(house, job, wrong, **said):
    """Correct gold, by its place in the bank: to what it was made as, if nothing else is said."""
    made = {
        number: said or {"accepted": [{"label": LABELS[number % 3], "reason": "as it was made"}]} for number in wrong
    }
    await correct(house, job, {f"x{N_ITEMS + number}": one for number, one in made.items()})


async def correct(house, job, said):
    """Correct gold, by its external_id, as a program would."""
    async with house.service.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT job_id, team_id FROM job WHERE job_no = $1", job)
        secret = await make_key(conn, house.clock, row["team_id"], ("jobs:read", "jobs:write"))
    corrections = [{"external_id": name, "cause": "wrong key", **one} for name, one in said.items()]
    async with open_client(create_app(house.service)) as client:
        api = Api(client, house.service, row["team_id"], secret)
        told = await api("POST", f"/jobs/{row['job_id']}/gold/corrections", json={"corrections": corrections})
    assert told.json()["changed"] == len(said), told.text
    house.clock.advance(seconds=60)


@pytest.fixture
def wrong():
    return np.random.default_rng(0).choice(N_GOLD, 22, replace=False).tolist()


async def test_correcting_over_http_equals_never_having_had_the_error(house, wrong):
    never = await filled(house, 0)
    erred = await filled(house, 0)
    await set_gold(house, erred, [(number, [(number + 1) % 3]) for number in wrong])
    right, before = await score(house, never), await score(house, erred)
    assert "suspended" in [before[str(who)][0] for who in range(5)], "good workers pay for wrong gold"
    await infer(house, erred)
    await as_made(house, erred, wrong)
    due = await house.rows("SELECT stage FROM due WHERE subject = $1 AND finished < wanted ORDER BY 1", erred)
    assert {"decide", "infer", "score"} <= {stage for (stage,) in due}
    await house.run_stage("score", erred)
    house.clock.advance(seconds=60)
    assert same(right, await score(house, erred))
    for job in (never, erred):
        await end(house, job)
        await infer(house, job)
    assert await labels(house, never) == await labels(house, erred)
    assert await house.value("SELECT kind FROM run WHERE job_no = $1 ORDER BY run_no DESC LIMIT 1", erred) == "closing"


STANDING = """
SELECT market_worker_id, trust_state, void_from IS NULL FROM job_worker JOIN worker USING (worker_id)
WHERE job_no = $1 ORDER BY worker_no
"""


async def standing(house, job):
    """Return each worker's state, and whether all of their answers weigh, by their place in the crowd."""
    return {name.partition("W")[2]: rest for name, *rest in await house.rows(STANDING, job)}


async def done(house, job):
    await score(house, job)
    await end(house, job)
    await infer(house, job)
    await house.value("UPDATE job SET state = 'done', ended_at = now() WHERE job_no = $1 RETURNING 1", job)


async def owed(house, job):
    """Return all that a job asked of its market, and its money."""
    return [
        await house.rows(f"SELECT * FROM {table} WHERE job_no = $1 ORDER BY 1, 2", job)
        for table in ("hit", "hit_slot", "effect", "money", "assignment")
    ]


@pytest.mark.parametrize("n_wrong", [14, 22])
async def test_correcting_a_job_that_is_done_equals_never_having_had_the_error(house, wrong, n_wrong):
    """In scores, states and labels: suspensions are lifted, who was wrongly kept goes, and nothing is asked or paid."""
    wrong = wrong[:n_wrong]
    never, erred = await filled(house, 0), await filled(house, 0)
    await set_gold(house, erred, [(number, [(number + 1) % 3]) for number in wrong])
    for job in (never, erred):
        await done(house, job)
    delivered, before, asked = await labels(house, erred), await standing(house, erred), await owed(house, erred)
    right = await standing(house, never)
    assert delivered != await labels(house, never), "wrong gold had its part in the labels"
    gone = {who for who, (state, _) in before.items() if state == "suspended"}
    assert gone & set("01234"), "good workers pay for it"
    assert len(gone) == 8 or delivered, "with most of the gold wrong, nobody is left"
    assert {state for who, (state, _) in right.items() if int(who) < 5} == {"trusted"}
    await as_made(house, erred, wrong)
    await house.engine.drain()
    assert await standing(house, erred) == right
    assert await labels(house, erred) == await labels(house, never)
    gold = "SELECT gold_right, gold_total FROM job_worker WHERE job_no = $1 ORDER BY worker_no"
    assert await house.rows(gold, erred) == await house.rows(gold, never)
    assert await owed(house, erred) == asked
    assert await house.state(erred) == "done"
    revised = await house.value("SELECT count(*) FROM consensus WHERE job_no = $1 AND revision > 1", erred)
    assert revised > 0 or not delivered, "whoever reads labels sees which changed"
    runs = await house.rows("SELECT kind FROM run WHERE job_no = $1", erred)
    assert [kind for (kind,) in runs] == ["closing"] * (1 + bool(delivered)), (
        "labels were inferred once, by everybody's new standing"
    )
    [state, by, reason] = (
        await house.rows(
            """SELECT h.state, h.by, h.reason FROM trust_history h JOIN job_worker USING (job_no, worker_no)
               JOIN worker USING (worker_id) WHERE job_no = $1 AND market_worker_id LIKE '%W' || $2
               ORDER BY revision""",
            erred,
            min(gone & set("01234")),
        )
    )[-1]
    assert (state, by) == ("trusted", "policy")
    assert "gold answers right" in reason
    told = await house.rows("SELECT message FROM job_event WHERE job_no = $1 AND kind = 'trust'", erred)
    assert any("no longer suspended" in message for (message,) in told)


async def test_a_whole_life_with_wrong_gold_is_put_right_when_it_is_over(house):
    """Through a market: who was gated for the gold's error weighs again, and the market is asked and owes nothing."""
    items, gold = batch(60, 30)
    erred = [(text, [(labels[0] + (number % 2)) % 3]) for number, (text, labels) in enumerate(gold)]
    job = await house.job(
        items=items,
        gold=erred,
        bundle={"items": 2, "gold": 1},
        redundancy={"minimum": 3, "maximum": 5, "target_confidence": 0.9},
        seed=3,
    )
    crowd = Crowd(house, {f"AGOOD{number}": 0.97 for number in range(14)} | {"ACLICK": 1 / 3})
    await house.until(house.is_state(job, "done"), work=crowd.work)
    before, asked, qualified = await states(house, job), await owed(house, job), set(house.market.qualified)
    weighed = "SELECT n_answers FROM run WHERE job_no = $1 ORDER BY run_no DESC"
    counted = await house.value(weighed, job)
    gone = {name for name, (state, _) in before.items() if state == "suspended"}
    assert gone & {name for name in before if name.startswith("AGOOD")}
    keys = {f"x{len(items) + number}": labels[0] for number, (_, labels) in enumerate(gold) if number % 2}
    await correct(
        house, job, {name: {"accepted": [{"label": LABELS[key], "reason": "looked"}]} for name, key in keys.items()}
    )
    await house.step()
    await house.step(600)
    await house.step()
    after = {name: state for name, (state, _) in (await states(house, job)).items()}
    assert {name for name, state in after.items() if state == "suspended"} == {"ACLICK"}
    assert await owed(house, job) == asked
    assert (house.market.qualified, await house.state(job)) == (qualified, "done")
    counting = await house.value("SELECT count(*) FROM counting_answer WHERE job_no = $1", job)
    assert await house.value(weighed, job) == counting > counted


async def test_what_comes_late_to_a_job_that_is_done_changes_no_state_before_and_after_a_correction(house, wrong):
    job = await filled(house, 0)
    await done(house, job)
    stood, by_right_gold = await standing(house, job), await labels(house, job)
    for corrections in ([], wrong[:1]):
        if corrections:  # gold that says the same as before but for its reason
            await as_made(house, job, corrections)
            await house.engine.drain()
        assert await house.rows("SELECT corrections, judged FROM job WHERE job_no = $1", job) == [
            (len(corrections), len(corrections))
        ]
        # What no correction says, and would have everybody suspended: it stands for whatever comes late.
        await set_gold(house, job, [(number, [(number + 1) % 3]) for number in range(N_GOLD)])
        await score(house, job)
        await house.engine.drain()
        assert await standing(house, job) == stood
        await set_gold(house, job, [(number, [number % 3]) for number in range(N_GOLD)])
    assert [one[:2] for one in await labels(house, job)] == [one[:2] for one in by_right_gold]


async def test_excluding_in_a_job_that_is_done_forgives_but_a_persons_word_stands(house, wrong):
    job = await filled(house, 0)
    await set_gold(house, job, [(number, [(number + 1) % 3]) for number in wrong])
    async with house.service.pool.acquire() as conn, conn.transaction():
        await briefs.lock(conn, job)
        await trust.change(conn, job, [Verdict(0, "suspended", "left us", by="person")], house.clock.now())
    await done(house, job)
    assert {state for state, _ in (await standing(house, job)).values()} >= {"suspended"}
    await as_made(house, job, wrong, state="excluded")
    await house.engine.drain()
    assert (await standing(house, job))["0"] == ["suspended", False], "whoever said so has not taken it back"
    assert {(await standing(house, job))[str(who)][0] for who in range(1, 5)} <= {"trusted", "probation"}
