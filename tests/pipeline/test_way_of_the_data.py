"""A job goes from items to labels."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from aggregation import LabelTable, aggregate
from service.store import dues
from tests.pipeline.plain_market import answers_xml

FEE = 1  # cents on a reward of five


async def test_one_item_becomes_one_label(house):
    job = await house.job(items=["b"], redundancy={"minimum": 1, "maximum": 1}, consensus={"method": "dawid_skene"})
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))
    assert await house.rows("SELECT label, n_answers, revision FROM consensus") == [(1, 1, 2)]
    assert await house.rows("SELECT settled_by FROM item") == [("maximum",)]
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job") == [(0, 5 + FEE)]
    assert await house.rows("SELECT kind, cents FROM money ORDER BY entry_no") == [
        ("reserve", 6),
        ("spend", 6),
        ("release", 0),
    ]
    assert len(house.market.approvals) == 1
    assert all(hit.deleted for hit in house.market.hits.values())


async def test_an_item_is_asked_about_again_until_the_target_or_the_maximum(house):
    """Agreement settles at the minimum; a split goes on to the maximum."""
    job = await house.job(
        items=["a", "b", "c", "split"], redundancy={"minimum": 2, "maximum": 5, "target_confidence": 0.9}
    )
    workers = iter(range(100))

    def work():
        number = next(workers)
        house.market.work(f"AW{number}", lambda text: number % 3 if text == "split" else "abc".index(text))

    await house.until(house.is_state(job, "done"), work=work)
    settled = dict(await house.rows("SELECT payload->>'text', settled_by FROM item"))
    assert settled["split"] == "maximum"
    assert settled["a"] == "target"
    answers = dict(await house.rows("SELECT item_no, count(*) FROM answer GROUP BY item_no"))
    assert answers[3] == 5
    assert answers[0] < 5
    assert await house.value("SELECT spent_cents FROM job") == 6 * sum(answers.values())


@pytest.mark.every_postgres
async def test_gold_is_mixed_in_once_each_scored_and_left_out_of_the_consensus(house):
    items, gold = list("abcabcabc"), [("a", [0]), ("b", [1]), ("c", [2])]
    redundancy, watched = {"minimum": 2, "maximum": 2}, {"suspend": False}
    job = await house.job(items=items, gold=gold, bundle={"items": 3, "gold": 1}, redundancy=redundancy, trust=watched)
    right, wrong = "abc".index, lambda text: ("abc".index(text) + 1) % 3

    def work():
        house.market.work("AGOOD", right)
        house.market.work("ABAD", wrong)

    await house.until(house.is_state(job, "done"), work=work)
    assert len(house.market.hits) == 3
    known = await house.rows("SELECT label, confidence FROM consensus JOIN gold USING (job_no, item_no) ORDER BY 1")
    assert known == [(0, 1.0), (1, 1.0), (2, 1.0)], "gold keeps to what is known of it"
    scores = await house.rows(
        "SELECT market_worker_id, gold_right, gold_total FROM job_worker JOIN worker USING (worker_id) ORDER BY 1"
    )
    assert scores == [("ABAD", 0, 3), ("AGOOD", 3, 3)]
    # Gold tells the two apart where agreement cannot.
    labels = await house.rows(
        "SELECT label FROM consensus JOIN item USING (job_no, item_no) WHERE NOT is_gold ORDER BY item_no"
    )
    assert [label for (label,) in labels] == [0, 1, 2] * 3


@pytest.mark.every_postgres
@pytest.mark.parametrize(("method", "interim"), [("auto", "dawid_skene"), ("dawid_skene", "dawid_skene")])
async def test_labels_are_what_aggregate_implies_of_the_answers(house, method, interim):
    rng = np.random.default_rng(5)
    truth = rng.integers(3, size=40)
    items = [f"{number} {'abc'[label]}" for number, label in enumerate(truth)]
    job = await house.job(items=items, redundancy={"minimum": 3, "maximum": 5}, consensus={"method": method})
    workers = iter(range(1000))

    def work():
        skill = 0.5 + 0.5 * rng.random()
        house.market.work(
            f"AW{next(workers)}",
            lambda text: "abc".index(text[-1]) if rng.random() < skill else int(rng.integers(3)),
            limit=int(rng.integers(1, 30)),
        )

    await house.until(house.is_state(job, "done"), work=work)
    rows = np.array(await house.rows("SELECT item_no, worker_no, label FROM answer"))
    expected = aggregate(LabelTable.from_arrays(*rows.T, 3, n_items=len(items)), method)
    stored = await house.rows("SELECT label, probabilities FROM consensus ORDER BY item_no")
    assert [label for label, _ in stored] == expected.labels.tolist()
    np.testing.assert_allclose([p for _, p in stored], expected.posterior, atol=1e-9)
    *before, last = await house.rows(
        "SELECT kind, method, params, objective, n_iter, converged FROM run ORDER BY run_no"
    )
    assert last[:3] == ("closing", method, msgspec.to_builtins(expected.params)), "what was chosen and why is stored"
    assert last[3] == pytest.approx(expected.objective[-1]), "the bound that was reached is stored"
    assert last[4:] == (expected.n_iter, expected.converged)
    assert {(kind, name) for kind, name, *_ in before} == {("interim", interim)}
    assert all(bound is not None for *_, bound, _, _ in before)
    assert before[-1][2]["warm"], "interim runs go on where the one before ended"


async def test_pause_takes_hits_from_view_and_still_takes_and_pays_what_comes_in(house):
    job = await house.job(items=["a", "b", "c"], redundancy={"minimum": 2, "maximum": 2})
    await house.step()
    hit = next(iter(house.market.hits.values()))
    assignment = house.market.accept(hit, "AW1")
    await house.set_state(job, "paused", "lunch")
    await house.step()
    await house.step()
    assert house.market.work("AW2", "abc".index) == 0, "nothing can be accepted of a paused job"
    house.market.submit(hit, assignment, answers_xml([0]))
    await house.step()
    await house.step()
    assert house.market.approvals == [assignment]
    await house.set_state(job, "running")
    names = iter(range(100))
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work(f"AX{next(names)}", "abc".index))
    assert await house.value("SELECT count(*) FROM answer") == 6
    assert len(house.market.hits) == 3, "resuming renews HITs, it does not make new ones"


@pytest.mark.every_postgres
async def test_cancel_waits_for_accepted_work_and_releases_the_rest(house):
    job = await house.job(items=["a", "b", "c"], redundancy={"minimum": 2, "maximum": 3})
    await house.step()
    hits = list(house.market.hits.values())
    assignment = house.market.accept(hits[1], "AW1")
    await house.set_state(job, "cancelling")
    for _ in range(5):
        await house.step()
    assert await house.state(job) == "cancelling", "a worker is still at it"
    house.market.submit(hits[1], assignment, answers_xml([1]))
    await house.until(house.is_state(job, "cancelled"))
    assert house.market.approvals == [assignment]
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job") == [(0, 6)]


async def test_cancel_before_anything_is_posted_posts_nothing(house):
    job = await house.job(items=["a", "b"], launch=False)
    await house.set_state(job, "running")
    await house.run_stage("slice", job)  # alone, so that the HITs are planned and not yet posted
    await house.set_state(job, "cancelling")
    await house.until(house.is_state(job, "cancelled"))
    assert house.market.hits == {}
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job") == [(0, 0)]


async def test_a_hit_that_expires_unfilled_is_renewed(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 1}, times={"lifetime": 60})
    for _ in range(30):
        await house.step()
    assert len(house.market.hits) == 1
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW1", "abc".index))


async def test_what_cannot_be_read_is_kept_flagged_and_stops_nothing(house):
    job = await house.job(items=["a", "b"], bundle={"items": 2}, redundancy={"minimum": 1, "maximum": 3})
    await house.step()
    hit = next(iter(house.market.hits.values()))
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><QuestionFormAnswers>&a;</QuestionFormAnswers>'
    for worker, raw in (("AW1", bomb), ("AW2", answers_xml([7, 1]))):
        house.market.submit(hit, house.market.accept(hit, worker), raw)
        for _ in range(6):
            await house.step()
    await house.until(house.is_state(job, "done"), work=lambda: house.market.work("AW3", "abc".index))
    problems = await house.rows("SELECT raw, problem FROM assignment ORDER BY assignment_no")
    assert problems[0][0] == bomb
    assert "not XML" in problems[0][1]
    assert problems[1][1] == "q1: '7' is none of the job's label values"
    assert problems[2][1] is None
    assert len(house.market.approvals) == 3, "unreadable work is paid: only a person may reject it"


@pytest.mark.parametrize("maximum", [10, 12])
async def test_a_hit_that_may_need_ten_is_made_with_ten(house, maximum):
    job = await house.job(
        items=["a"],
        redundancy={"minimum": 2, "maximum": maximum, "target_confidence": 1.0},
        allow_ten_or_more=True,
    )
    names = iter(range(100))
    await house.until(
        house.is_state(job, "done"), work=lambda: house.market.work(f"AW{next(names)}", lambda _: next(names) % 3)
    )
    assert await house.value("SELECT count(*) FROM answer") == maximum
    assert await house.value("SELECT unit_cents FROM hit") == 5 + 2


async def test_gold_that_is_withdrawn_says_nothing_any_more(house):
    """A wrong gold item costs nobody anything once it is withdrawn, also of answers that came before."""
    job = await house.job(items=list("abc"), gold=[("a", [1])], bundle={"items": 3, "gold": 1})
    await house.step()
    house.market.work("AW1", "abc".index)
    await house.step()
    await house.step()
    assert await house.rows("SELECT gold_right, gold_total FROM job_worker") == [(0, 1)]
    async with house.service.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "UPDATE item SET state = 'settled', settled_by = 'withdrawn', settled_at = now() WHERE is_gold"
        )
        for stage in ("infer", "score"):
            await dues.want(conn, stage, job, house.clock.now())
    await house.step()
    await house.step()
    assert await house.rows("SELECT gold_right, gold_total FROM job_worker") == [(0, 0)]
    assert await house.value("SELECT label FROM consensus JOIN item USING (job_no, item_no) WHERE is_gold") == 0


async def test_what_somebody_rejected_on_the_market_carries_no_weight_and_is_not_paid(house):
    job = await house.job(items=["a"], redundancy={"minimum": 1, "maximum": 2, "target_confidence": 1.0})
    await house.step()
    hit = next(iter(house.market.hits.values()))
    assignment = house.market.accept(hit, "AW1")
    house.market.submit(hit, assignment, answers_xml([2]))

    def fault(operation, moment):
        if (operation, moment) == ("approve", "before"):
            hit.assignments[assignment][1] = "rejected"
            house.market.fault = lambda *_: None

    def work():
        for name in ("AW2", "AW3"):
            house.market.work(name, "abc".index)

    house.market.fault = fault
    await house.until(house.is_state(job, "done"), work=work)
    states = await house.rows("SELECT state FROM assignment ORDER BY assignment_no")
    assert states == [("rejected",), ("approved",), ("approved",)], "somebody else answers in its place"
    assert await house.rows("SELECT label, n_answers FROM consensus") == [(0, 2)]
    assert await house.rows("SELECT reserved_cents, spent_cents FROM job") == [(0, 12)]
