"""Gold corrected over HTTP equals gold that was right from the beginning: in scores, in trust, in labels."""

from __future__ import annotations

import numpy as np
import pytest

from service.store import dues
from tests.api.conftest import Api, create_app, make_key, open_client
from tests.pipeline.test_rescoring import N_GOLD, N_ITEMS, filled, same, score, set_gold

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
    return await house.rows(
        "SELECT item_no, label, probabilities, confidence, n_answers FROM consensus WHERE job_no = $1 ORDER BY 1", job
    )


async def correct(house, job, wrong):
    """Correct gold, by its place in the bank, as a program would."""
    async with house.service.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT job_id, team_id FROM job WHERE job_no = $1", job)
        secret = await make_key(conn, house.clock, row["team_id"], ("jobs:read", "jobs:write"))
    corrections = [
        {
            "external_id": f"x{N_ITEMS + number}",
            "cause": "wrong key",
            "accepted": [{"label": LABELS[number % 3], "reason": "as it was made"}],
        }
        for number in wrong
    ]
    async with open_client(create_app(house.service)) as client:
        api = Api(client, house.service, row["team_id"], secret)
        told = await api("POST", f"/jobs/{row['job_id']}/gold/corrections", json={"corrections": corrections})
    assert told.json()["changed"] == len(wrong), told.text
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
    await correct(house, erred, wrong)
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


async def test_labels_and_scores_of_a_job_that_is_done_follow_a_correction_and_suspensions_stand(house, wrong):
    never = await filled(house, 0, trust={"suspend": False})
    erred = await filled(house, 0, trust={"suspend": False})
    await set_gold(house, erred, [(number, [(number + 1) % 3]) for number in wrong])
    for job in (never, erred):
        await score(house, job)
        await end(house, job)
        await infer(house, job)
        await house.value("UPDATE job SET state = 'done', ended_at = now() WHERE job_no = $1 RETURNING 1", job)
    delivered = await labels(house, erred)
    states = await house.rows("SELECT trust_state FROM job_worker WHERE job_no = $1 ORDER BY worker_no", erred)
    assert delivered != await labels(house, never), "wrong gold had its part in the labels"
    await correct(house, erred, wrong)
    await house.engine.drain()
    assert await labels(house, erred) == await labels(house, never)
    gold = "SELECT gold_right, gold_total FROM job_worker WHERE job_no = $1 ORDER BY worker_no"
    assert await house.rows(gold, erred) == await house.rows(gold, never)
    assert states == await house.rows("SELECT trust_state FROM job_worker WHERE job_no = $1 ORDER BY worker_no", erred)
    assert await house.state(erred) == "done"
    revised = await house.value("SELECT count(*) FROM consensus WHERE job_no = $1 AND revision > 1", erred)
    assert revised > 0, "whoever reads labels sees which changed"
