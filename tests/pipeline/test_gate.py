"""A suspended worker: kept out, without weight, replaced, let in again; what was done stays paid."""

from __future__ import annotations

from service.store import briefs, dues, trust
from service.store.trust import Verdict


async def judge(house, job_no, state, *names, by="person"):
    """Have the job believe this of workers, by their names on the market."""
    now = house.clock.now()
    async with house.service.pool.acquire() as conn, conn.transaction():
        await briefs.lock(conn, job_no)
        rows = await conn.fetch(
            """SELECT worker_no FROM job_worker JOIN worker USING (worker_id)
               WHERE job_no = $1 AND market_worker_id = ANY($2::text[])""",
            job_no,
            list(names),
        )
        await trust.change(conn, job_no, [Verdict(row[0], state, f"said {state}", by=by) for row in rows], now)
        for stage in ("decide", "infer"):
            await dues.want(conn, stage, job_no, now)


def gate_of(house):
    [gate] = house.market.qualifications.values()
    return gate


async def test_a_suspended_worker_is_kept_out_without_weight_and_replaced_and_stays_paid(house):
    redundancy = {"minimum": 2, "maximum": 2, "target_confidence": 1.0}
    job = await house.job(items=["one"], bundle={"items": 1, "gold": 0}, redundancy=redundancy)
    await house.step()
    assert house.market.work("ABAD", lambda _: 0) == 1
    await house.step()
    await house.step()
    await judge(house, job, "suspended", "ABAD")
    await house.step()
    assert (gate_of(house), "ABAD") in house.market.qualified
    reserved = await house.value("SELECT slots FROM hit WHERE job_no = $1", job)
    assert house.market.work("AGOOD", lambda _: 1) == 1
    for _ in range(4):
        await house.step()
    assert await house.value("SELECT slots FROM hit WHERE job_no = $1", job) == reserved + 1, "one slot in its place"
    assert await house.value("SELECT state FROM job WHERE job_no = $1", job) == "running"
    assert house.market.work("AFAIR", lambda _: 1) == 1
    await house.until(house.is_state(job, "done"))
    label, counted = await _consensus(house, job)
    assert (label, counted) == (1, 2), "the suspended worker's answer has no weight"
    assert await house.value("SELECT count(*) FROM answer WHERE job_no = $1", job) == 3, "and is still there"
    assert await house.value("SELECT spent_cents FROM job WHERE job_no = $1", job) == 3 * 6
    assert len(house.market.approvals) == 3


async def _consensus(house, job):
    [row] = await house.rows("SELECT label, n_answers FROM consensus WHERE job_no = $1", job)
    return row


async def test_a_worker_who_is_believed_again_is_let_in_and_counts_again(house):
    redundancy = {"minimum": 3, "maximum": 3, "target_confidence": 1.0}
    job = await house.job(items=["one", "two"], bundle={"items": 1, "gold": 0}, redundancy=redundancy)
    await house.step()
    assert house.market.work("AONE", lambda _: 1, limit=1) == 1
    await house.step()
    await house.step()
    await judge(house, job, "suspended", "AONE")
    await house.step()
    assert house.market.work("AONE", lambda _: 1) == 0, "the gate holds"
    assert await house.value("SELECT n_answers FROM consensus WHERE job_no = $1", job) == 0
    await judge(house, job, "trusted", "AONE")
    await house.step()
    await house.step()
    assert house.market.qualified == set()
    assert await house.value("SELECT n_answers FROM consensus WHERE job_no = $1", job) == 1
    assert house.market.work("AONE", lambda _: 1) == 1
    for name in ("ATWO", "ATHREE"):
        house.market.work(name, lambda _: 1)
    await house.until(house.is_state(job, "done"))
    assert await house.value("SELECT sum(replaced) FROM hit WHERE job_no = $1", job) == 0
    async with house.service.pool.acquire() as conn:
        history = await trust.history(conn, job, 0)
    assert [change.state for change in history] == ["trusted", "suspended"]


async def test_a_job_ends_though_the_budget_holds_no_replacement(house):
    redundancy = {"minimum": 2, "maximum": 2, "target_confidence": 1.0}
    job = await house.job(items=["one"], bundle={"items": 1, "gold": 0}, redundancy=redundancy, budget="0.12")
    await house.step()
    house.market.work("ABAD", lambda _: 0)
    await house.step()
    await judge(house, job, "suspended", "ABAD")
    await house.step()
    house.market.work("AGOOD", lambda _: 1)
    await house.until(house.is_state(job, "done"))
    assert await _consensus(house, job) == (1, 1)
    assert await house.value("SELECT spent_cents FROM job WHERE job_no = $1", job) == 12


async def test_a_rejection_is_replaced_once(house):
    redundancy = {"minimum": 2, "maximum": 2, "target_confidence": 1.0}
    job = await house.job(items=["one"], bundle={"items": 1, "gold": 0}, redundancy=redundancy)
    await house.step()
    [hit] = house.market.hits.values()
    assert house.market.work("AONE", lambda _: 0) == 1
    for assignment in hit.assignments.values():
        assignment[1] = "rejected"
    assert house.market.work("ATWO", lambda _: 1) == 1
    for _ in range(4):
        await house.step()
    assert house.market.work("ATHREE", lambda _: 1) == 1, "the rejected answer's place is open again"
    assert house.market.work("AFOUR", lambda _: 1) == 0, "once"
    await house.until(house.is_state(job, "done"))


async def test_a_job_without_a_gate_asks_the_market_for_none(house):
    job = await house.job(items=["one"], bundle={"items": 1, "gold": 0}, trust={"gate": False})
    await house.step()
    assert house.market.qualifications == {}
    house.market.work("ABAD", lambda _: 0)
    await house.step()
    await judge(house, job, "suspended", "ABAD")
    for name in ("AONE", "ATWO", "ATHREE", "AFOUR", "AFIVE"):
        await house.step()
        house.market.work(name, lambda _: 1)
    await house.until(house.is_state(job, "done"))
    assert house.market.qualified == set()


async def test_a_settled_label_that_rests_on_nothing_says_so_when_the_job_closes(house):
    redundancy = {"minimum": 1, "maximum": 1, "target_confidence": 1.0}
    job = await house.job(items=["one", "two"], bundle={"items": 1, "gold": 0}, redundancy=redundancy)
    await house.step()
    assert house.market.work("ABAD", lambda _: 0, limit=1) == 1
    await house.step()
    await house.step()
    [[settled]] = await house.rows("SELECT item_no FROM item WHERE state = 'settled'")
    await judge(house, job, "suspended", "ABAD")
    await house.step()
    house.market.work("AGOOD", lambda _: 1)
    await house.until(house.is_state(job, "done"))
    rows = await house.rows("SELECT item_no = $1, label, confidence > 0, n_answers FROM consensus ORDER BY 1", settled)
    assert rows == [(False, 1, True, 1), (True, 0, False, 0)], "nobody is asked again, and nothing is claimed"
    [[message]] = await house.rows("SELECT message FROM job_event WHERE kind = 'bare'")
    assert message.startswith("settled items without an answer that weighs: 1,")


async def test_nothing_is_settled_by_a_consensus_that_counted_other_answers(house):
    """One answer loses its weight as another comes in: as many count as before, and it is not the same."""
    redundancy = {"minimum": 2, "maximum": 4, "target_confidence": 0.7}
    job = await house.job(items=["one"], bundle={"items": 1, "gold": 0}, redundancy=redundancy)
    await house.step()
    for name, label in (("AONE", 0), ("ATWO", 1)):
        assert house.market.work(name, lambda _, label=label: label) == 1
    await house.step()
    await house.step()
    await judge(house, job, "suspended", "ATWO")
    assert house.market.work("ATHREE", lambda _: 2) == 1
    market_no = await house.value("SELECT market_no FROM market")
    await house.run_stage("collect", market_no)
    await house.value("UPDATE consensus SET confidence = 0.9 RETURNING 1")  # as the suspended answer had it
    counted = "SELECT count(*) = (SELECT n_answers FROM consensus) FROM counting_answer"
    assert await house.value(counted), "as many answers"
    await house.run_stage("decide", job)
    assert await house.value("SELECT state FROM item") == "open"
    await house.value("UPDATE job SET weighed_at = NULL RETURNING 1")
    async with house.service.pool.acquire() as conn:
        await dues.want(conn, "decide", job, house.clock.now())
    await house.run_stage("decide", job)
    assert await house.value("SELECT state FROM item") == "settled", "but for when the weights changed"
