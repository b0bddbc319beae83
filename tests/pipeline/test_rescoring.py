"""Scoring is a fold over stored facts: gold errors leave no trace, nor does the order of arrival; a word stands."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from foundation.ids import new_id
from service.store import answer_arrays, briefs, dues, pace, trust
from service.store.trust import Verdict
from tests.gold.facts import history

N_ITEMS, N_GOLD = 120, 30
# Good workers, clickers, and one who turns after half of their work.
CROWD = [0.95, 0.9, 0.88, 0.85, 0.9, 1 / 3, 1 / 3, lambda place: 0.95 if place < 30 else 1 / 3]


async def filled(house, seed, *, order=None, **spec):
    """Store a job whose answers came in this order (of rows of `history`); returns its number."""
    answers, accepted, _ = history(CROWD, seed=seed)
    items = [f"item {number}" for number in range(N_ITEMS)]
    gold = [(f"gold {number}", np.flatnonzero(row).tolist()) for number, row in enumerate(accepted[N_ITEMS:])]
    job = await house.job(items=items, gold=gold, launch=False, **spec)
    now = house.clock.now()
    order = range(answers.item.size) if order is None else order
    numbers = {}
    for row in order:
        numbers.setdefault(int(answers.worker[row]), len(numbers))
    async with house.service.pool.acquire() as conn, conn.transaction():
        market_no = await pace.know_market(conn, "house", None, now)
        await conn.execute(
            "UPDATE job SET state = 'running', launched_at = $2, next_worker_no = $3 WHERE job_no = $1",
            job,
            now,
            len(numbers),
        )
        await conn.executemany(
            """INSERT INTO hit (job_no, hit_no, state, guidelines_no, wanted, slots, unit_cents, created_at)
               VALUES ($1, $2, 'planned', 1, 1, 90, 6, $3)""",
            [(job, number, now) for number in range(N_ITEMS + N_GOLD)],
        )
        for who, number in numbers.items():
            worker_id = new_id("worker", house.clock)
            await conn.execute("INSERT INTO worker VALUES ($1, $2, $3, $4)", worker_id, market_no, f"A{job}W{who}", now)
            await conn.execute("INSERT INTO job_worker VALUES ($1, $2, $3, $4)", job, number, worker_id, now)
        for row in order:
            item, at = int(answers.item[row]), now + timedelta(microseconds=int(answers.submitted[row]))
            number = numbers[int(answers.worker[row])]
            assignment_no = await conn.fetchval(
                """INSERT INTO assignment (job_no, hit_no, worker_no, market_assignment_id, state, submitted_at,
                   collected_at, raw) VALUES ($1, $2, $3, $4, 'submitted', $5, $5, '') RETURNING assignment_no""",
                job,
                item,
                number,
                f"A{row:06d}",
                at,
            )
            values = (job, assignment_no, 1, item, number, int(answers.label[row]), at)
            await conn.execute("INSERT INTO answer VALUES ($1, $2, $3, $4, $5, $6, $7)", *values)
    return job


async def score(house, job):
    """Score the job; returns what is stored of each worker, by their place in the crowd."""
    async with house.service.pool.acquire() as conn:
        await dues.want(conn, "score", job, house.clock.now())
    await house.run_stage("score", job)
    house.clock.advance(seconds=60)
    rows = await house.rows(
        """SELECT market_worker_id, trust_state, void_assignment, void_slot, gold_right, gold_total, trust
           FROM job_worker JOIN worker USING (worker_id) WHERE job_no = $1 ORDER BY market_worker_id""",
        job,
    )
    return {name.partition("W")[2]: rest for name, *rest in rows}


def same(first, second):
    """Tell whether two standings are the same, their numbers to the last figure that matters."""
    assert first.keys() == second.keys()
    for who, (*facts, numbers) in first.items():
        *others, expected = second[who]
        assert facts == others, who
        assert numbers["policy"] == expected["policy"]
        for name in ("chance_bad", "log_ratio", "gold_log_ratio"):
            assert numbers[name] == pytest.approx(expected[name], abs=2e-3), (who, name)
    return True


async def set_gold(house, job, accepted):
    """Have gold accept these labels, by its place in the bank."""
    async with house.service.pool.acquire() as conn:
        await conn.executemany(
            "UPDATE gold SET accepted = $3, accepted_labels = $4 WHERE job_no = $1 AND item_no = $2",
            [(job, N_ITEMS + number, [{"label": one} for one in labels], labels) for number, labels in accepted],
        )


async def forget(house, job):
    async with house.service.pool.acquire() as conn:
        await conn.execute("DELETE FROM trust_history WHERE job_no = $1", job)
        await conn.execute(
            """UPDATE job_worker SET trust_state = 'probation', trust_reason = '', trust = '{}', trust_revision = 0,
               void_from = NULL, void_assignment = NULL, void_slot = NULL WHERE job_no = $1""",
            job,
        )


@pytest.mark.parametrize("seed", range(3))
async def test_correcting_gold_equals_never_having_had_the_error(house, seed):
    rng = np.random.default_rng(seed)
    job = await filled(house, seed)
    never = await score(house, job)
    assert [never[str(who)][0] for who in (5, 6, 7)] == ["suspended"] * 3
    assert "suspended" not in [never[str(who)][0] for who in range(5)]
    await forget(house, job)
    wrong = rng.choice(N_GOLD, 22, replace=False).tolist()
    await set_gold(house, job, [(number, [(number + 1) % 3]) for number in wrong])
    erred = await score(house, job)
    assert "suspended" in [erred[str(who)][0] for who in range(5)], "good workers pay for wrong gold"
    doubts = await house.value("SELECT count(*) FROM job_event WHERE job_no = $1 AND kind = 'doubt'", job)
    assert doubts == 1, "most are suspended, and the gold is named as the likelier cause"
    await set_gold(house, job, [(number, [number % 3]) for number in wrong])
    assert same(never, await score(house, job))
    lifted = await house.rows(
        "SELECT state, reason FROM trust_history WHERE job_no = $1 AND worker_no = 0 ORDER BY revision", job
    )
    assert lifted[-1][0] == never["0"][0]
    assert all(reason for _, reason in lifted)


async def test_scores_do_not_depend_on_the_order_of_arrival(house):
    size = history(CROWD, seed=1)[0].item.size
    straight = await score(house, await filled(house, 1))
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(size).tolist()
        assert same(straight, await score(house, await filled(house, 1, order=order)))


async def test_what_a_turncoat_gave_before_they_turned_counts_and_nothing_of_a_clicker(house):
    job = await filled(house, 1)
    found = await score(house, job)
    async with house.service.pool.acquire() as conn:
        assert [one.state for one in await trust.believed(conn, job)][5:] == ["suspended"] * 3
    counted = dict(
        await house.rows(
            """SELECT split_part(market_worker_id, 'W', 2), count(c.item_no) FROM job_worker w
               JOIN worker USING (worker_id) LEFT JOIN counting_answer c USING (job_no, worker_no)
               WHERE w.job_no = $1 GROUP BY 1""",
            job,
        )
    )
    assert [counted[str(who)] for who in range(5)] == [60] * 5
    assert counted["5"] == counted["6"] == 0
    assert 20 <= counted["7"] <= 40
    for who, (*_, numbers) in found.items():
        assert numbers["without_weight"] == 60 - counted[who]


async def test_a_persons_word_stands_above_the_policy_until_it_is_taken_back(house):
    job = await filled(house, 1)
    now = house.clock.now()
    async with house.service.pool.acquire() as conn, conn.transaction():
        await briefs.lock(conn, job)
        words = [Verdict(5, "trusted", "I know them", by="person"), Verdict(0, "suspended", "left us", by="person")]
        await trust.change(conn, job, words, now)
    found = await score(house, job)
    assert (found["5"][0], found["0"][0]) == ("trusted", "suspended")
    assert found["5"][-1]["policy"]["state"] == "suspended", "what the policy says is told beside"
    assert (found["5"][-1]["without_weight"], found["0"][-1]["without_weight"]) == (0, 60), "and agreement goes by it"
    kept = await house.rows("SELECT worker_no, count(*) FROM counting_answer WHERE job_no = $1 GROUP BY 1", job)
    assert dict(kept).get(5) == 60
    assert 0 not in dict(kept)
    async with house.service.pool.acquire() as conn, conn.transaction():
        await trust.change(
            conn, job, [Verdict(5, "probation", "left to the policy"), Verdict(0, "probation", "too")], now
        )
    found = await score(house, job)
    assert found["5"][0] == "suspended"
    assert found["0"][0] in ("trusted", "probation")
    plain = await score(house, await filled(house, 1))
    assert same(plain, found)


async def test_labels_leave_out_what_has_no_weight_and_nothing_else(house):
    job = await filled(house, 1)
    await score(house, job)
    async with house.service.pool.acquire() as conn:
        item, worker, label = await answer_arrays.load(conn, job)
        facts = await answer_arrays.load_facts(conn, job)
        before = {one.worker_no: one for one in await trust.standings(conn, job)}
    assert facts.item.size == 480
    suspended = [number for number, one in before.items() if one.state == "suspended"]
    left_out = set(zip(facts.item, facts.worker, facts.label, strict=True)) - set(zip(item, worker, label, strict=True))
    assert {int(number) for _, number, _ in left_out} == set(suspended)
    async with house.service.pool.acquire() as conn:
        await dues.want(conn, "infer", job, house.clock.now())
    await house.run_stage("infer", job)
    assert await house.value("SELECT n_answers FROM run WHERE job_no = $1", job) == item.size


async def test_earlier_jobs_lean_on_whom_to_watch(house):
    first = await filled(house, 1)
    await score(house, first)
    async with house.service.pool.acquire() as conn:
        await conn.execute("UPDATE job SET state = 'done', ended_at = $2 WHERE job_no = $1", first, house.clock.now())
    house.clock.advance(seconds=86_400 * 90)
    second = await filled(house, 2)
    async with house.service.pool.acquire() as conn:  # of the same team, with the same clicker
        await conn.execute(
            "UPDATE job SET team_id = (SELECT team_id FROM job WHERE job_no = $1) WHERE job_no = $2", first, second
        )
        await conn.execute(
            """UPDATE job_worker w SET worker_id = o.worker_id FROM job_worker o JOIN worker k USING (worker_id)
               WHERE w.job_no = $2 AND w.worker_no = 5 AND o.job_no = $1 AND k.market_worker_id = $3""",
            first,
            second,
            f"A{first}W5",
        )
    found = await score(house, second)
    leanings = {who: numbers["earlier_log_odds"] for who, (*_, numbers) in found.items()}
    assert leanings.pop("5") > 1, "half as much after 90 days"
    assert set(leanings.values()) == {0}

    async def by_label(job, worker_no):
        trust = await house.value("SELECT trust FROM job_worker WHERE job_no = $1 AND worker_no = $2", job, worker_no)
        return {one["label"]: one for one in trust["labels"]}

    before = await by_label(
        first,
        await house.value(
            """SELECT o.worker_no FROM job_worker o JOIN job_worker w USING (worker_id)
           WHERE o.job_no = $1 AND w.job_no = $2 AND w.worker_no = 5""",
            first,
            second,
        ),
    )
    now, of_another = await by_label(second, 5), await by_label(second, 0)
    assert {one["earlier"] for one in of_another.values()} == {0}
    assert sum(one["gold"]["total"] for one in before.values()) == 15
    for label, one in before.items():
        assert now[label]["earlier"] == pytest.approx(one["gold"]["total"] / 2, abs=1e-3), "half as much after 90 days"
    # A clicker's gold was right one time in three: what it left pulls each label value towards that.
    async with house.service.pool.acquire() as conn:
        await conn.execute(
            """UPDATE job SET spec = jsonb_set(spec, '{trust,earlier}', 'false') WHERE job_no = $1""", second
        )
    await score(house, second)
    alone = await by_label(second, 5)
    for label, one in before.items():
        gold, own = one["gold"], alone[label]["weight"]
        right = alone[label]["mean"] * (own + 2) + gold["right"] / 2
        assert now[label]["mean"] == pytest.approx(right / (own + 2 + gold["total"] / 2), abs=1e-3)
