"""The market on its bad days, over real HTTP: whatever it does, the job ends and the books agree."""

from __future__ import annotations

import re

import pytest

from tests.crash.points import OPERATIONS
from tests.pipeline.test_gate import judge

SINGLE = {"bundle": {"items": 1}, "redundancy": {"minimum": 1, "maximum": 2, "target_confidence": 0.5}}
PAIRS = {"bundle": {"items": 2}, "redundancy": {"minimum": 2, "maximum": 3, "target_confidence": 0.6}}


@pytest.mark.parametrize("initial_rate", [40.0], indirect=True)
async def test_throttling_halves_the_pace_and_loses_nothing(town):
    job = await town.job(items=[f"a {n}" for n in range(12)], **SINGLE)
    await town.step(1)  # the bucket fills
    await town.misbehave({"operation": "CreateHITWithHITType", "kind": "throttle", "count": 5})
    await town.step(0)
    assert await town.value("SELECT rate FROM market") == 20
    assert await town.value("SELECT count(*) FROM effect WHERE state = 'done'") == 7
    await town.misbehave(
        {"operation": "ListHITs", "kind": "throttle", "count": 1},
        {"operation": "ApproveAssignment", "kind": "throttle", "count": 3},
        {"operation": "ListAssignmentsForHIT", "kind": "throttle", "probability": 0.4, "seed": 1},
    )
    await town.done(job)
    assert all(await town.applied())
    assert await town.value("SELECT count(*) FROM hit") == 12


async def disagree(town):
    """Let two workers disagree on every HIT, so that it is extended, and a third decide."""
    for number in range(3):
        for hit_id, question in await town.open_hits():
            from marketplace.refusal import Refused
            from tests.troubles.conftest import answers_to

            try:
                assignment = await town.live.accept(hit_id, await town.worker(number))
            except Refused:
                continue
            fields = answers_to(question)
            await town.hand_in(assignment, dict.fromkeys(fields, "1") if number == 1 else fields)


async def life(town):
    """Lead a job through every call that the service makes: extended, paused, resumed, paid and done."""
    job = await town.job(items=["a 1", "a 2"], **PAIRS)
    await town.until(lambda: posted(town))
    await town.set_state(job, "paused", "a break")
    await town.until(lambda: is_hit(town, "shut"))
    await town.set_state(job, "running")
    await town.done(job, work=lambda: disagree(town))
    assert await town.rows("SELECT wanted, collected FROM hit") == [(3, 3)]


async def posted(town):
    return await is_hit(town, "open")


async def is_hit(town, state):
    return await town.value("SELECT state FROM hit") == state


WITH_TOKEN = ("CreateHITWithHITType", "CreateAdditionalAssignmentsForHIT")
OF_THE_GATE = {
    "CreateQualificationType": (),
    "ListQualificationTypes": ({"operation": "CreateQualificationType", "kind": "fault_after", "count": 1},),
    "AssociateQualificationWithWorker": (),
    "DisassociateQualificationFromWorker": (),
    "GetAssignment": ({"operation": "ApproveAssignment", "kind": "refuse", "count": 2},),
}
"""Each with what else has to go wrong before the service makes the call at all."""
WITHOUT_TOKEN = (
    "CreateHITType",
    "UpdateExpirationForHIT",
    "ApproveAssignment",
    "DeleteHIT",
    "GetHIT",
    "ListHITs",
    "ListAssignmentsForHIT",
)


def test_every_operation_that_the_service_asks_for_loses_a_response_here():
    assert {*WITH_TOKEN, *OF_THE_GATE, *WITHOUT_TOKEN} == set(OPERATIONS) - {"accept", "externalSubmit"}


@pytest.mark.parametrize("operation", WITH_TOKEN)
async def test_a_response_lost_after_the_commit_of_a_call_with_a_token(town, operation):
    await town.misbehave(
        {"operation": operation, "kind": "drop", "count": 1},
        {"operation": operation, "kind": "fault_after", "count": 1},
    )
    await life(town)
    assert sum(await town.applied()) >= 1


@pytest.mark.parametrize("operation", WITHOUT_TOKEN)
async def test_a_response_lost_after_the_commit_of_a_call_without_a_token(town, operation):
    await town.misbehave({"operation": operation, "kind": "drop", "count": 2})
    await life(town)
    assert await town.applied() == [2]


@pytest.mark.parametrize("operation", OF_THE_GATE)
async def test_a_response_lost_after_the_commit_of_a_call_that_keeps_workers_out_or_asks_whose_work_it_is(
    town, operation
):
    await town.misbehave(*OF_THE_GATE[operation], {"operation": operation, "kind": "drop", "count": 2})
    job = await town.job(items=["a 1", "a 2"], **PAIRS)
    await town.until(lambda: posted(town))
    _, assignment, fields = await town.take()
    await town.hand_in(assignment, fields)
    await town.until(lambda: town.value("SELECT count(*) FROM assignment WHERE state = 'approved'"))
    worker = await town.worker(0)
    for state, is_held in (("suspended", True), ("trusted", False)):
        await judge(town, job, state, worker)
        await town.until(lambda is_held=is_held: town.is_held(worker, is_held))
    await town.done(job)
    assert await town.applied() == [*(rule["count"] for rule in OF_THE_GATE[operation]), 2]
    made = await town.live.call("list_qualification_types", MustBeRequestable=False, MustBeOwnedByCaller=True)
    assert len(made["QualificationTypes"]) == 1, "one gate, made once"


async def test_a_hit_that_exists_already_is_ours_by_its_annotation_alone(town):
    job = await town.job(items=["a 1", "a 2"], **SINGLE)
    await town.run_stage("slice", job)
    [mine, others] = await town.rows(
        "SELECT token, job_id || '/' || hit_no FROM effect JOIN job USING (job_no) ORDER BY hit_no"
    )
    made = await town.live.create_hit(UniqueRequestToken=mine[0], RequesterAnnotation=mine[1], MaxAssignments=1)
    foreign = await town.live.create_hit(UniqueRequestToken=others[0], RequesterAnnotation="somebody's")
    await town.step()
    assert await town.rows("SELECT market_hit_id FROM hit ORDER BY hit_no") == [(made["HITId"],), (None,)]
    [told] = await town.events(job, "refused")
    assert told.startswith("paused: the market refused to create HIT 1: mend what it names, then resume, or cancel")
    assert f"{foreign['HITId']} has been made under this request's token and is annotated \"somebody's\"" in told
    await town.set_state(job, "cancelling")
    await town.until(town.is_state(job, "cancelled"))
    await town.agree()
    left = (await town.live.call("list_hits"))["HITs"]
    assert [(hit["HITId"], hit["HITStatus"]) for hit in left] == [(foreign["HITId"], "Assignable")], "left alone"


async def test_an_approval_refused_just_after_the_submit_is_sent_later(town):
    job = await town.job(items=["a 1", "a 2"], **SINGLE)
    await town.misbehave({"operation": "ApproveAssignment", "kind": "refuse", "count": 9})
    await town.done(job)
    assert await town.applied() == [9]
    assert await town.value("SELECT max(attempts) FROM effect WHERE kind = 'approve'") > 3
    assert await town.events(job, "refused") == []


async def test_a_market_account_without_money_pauses_the_job_until_there_is_some(town):
    await town.withdraw(10_000 - 13)  # two HITs of six cents, and one cent
    job = await town.job(items=["a 1", "a 2", "a 3", "a 4"], **SINGLE)
    await town.until(town.is_state(job, "paused"))
    told = await town.events(job, "funds")
    assert told[0].startswith("paused: the market account has not the money to create HIT ")
    assert "deposit some, then resume" in told[0]
    assert await town.value("SELECT count(*) FROM effect WHERE state = 'parked'") == 2
    assert await town.value("SELECT pause_reason FROM job") in told[0]
    await town.work()
    await town.step(60)
    assert await town.state(job) == "paused", "nobody but a person resumes it"
    await town.deposit(100)
    await town.set_state(job, "running")
    await town.done(job)
    assert await town.value("SELECT count(*) FROM hit") == 4


async def test_a_question_that_is_refused_pauses_the_job_until_it_is_mended(town):
    job = await town.job(items=["a 1", "a " + "x" * 70_000], **SINGLE)
    await town.until(town.is_state(job, "paused"))
    [told] = await town.events(job, "refused")
    assert re.match(r"paused: the market refused to create HIT \d: mend what it names, then resume, or cancel: ", told)
    await town.set_state(job, "running")
    await town.until(town.is_state(job, "paused"))
    assert len(await town.events(job, "refused")) == 2, "as long as nothing is mended, it is refused again"
    await town.value(
        "UPDATE item SET state = 'settled', settled_by = 'withdrawn', settled_at = now() WHERE item_no = 1 RETURNING 1"
    )
    await town.set_state(job, "running")
    await town.done(job)


async def test_a_market_silent_for_hours_is_asked_again_and_a_person_hears_of_it(town):
    """Silent before the first call, then with answers waiting, then with payments due: three hours each."""
    job = await town.job(items=["a 1", "a 2"], **SINGLE)
    silence = {"operation": "*", "kind": "drop_before", "seconds": 3 * 3600}
    for stage in ("publish", "collect", "settle"):
        if stage == "settle":  # the market falls silent between the fetch and the approval
            await town.run_stage("collect", 1)
        told = len(await town.events(job))
        await town.misbehave(silence)
        for _ in range(3 * 60):
            await town.step(60)
        [applied] = await town.applied()
        assert 60 < applied < 1000, "asked again and again, and not without rest"
        new = (await town.events(job))[told:]
        assert len(new) == 1, "once, not at each attempt"
        assert new[0].startswith("the market house has not answered since 2026-01-05 1")
        await town.step(60)
        assert "the market house answers again, after silence since" in (await town.events(job))[-1]
        if stage == "publish":
            await town.until(lambda: posted(town))
            await town.work()
        assert await town.state(job) != "paused"
    await town.done(job)


async def test_lists_with_duplicates_and_gaps(town):
    job = await town.job(items=[f"a {n}" for n in range(6)], gold=[("b g", [1])] * 3, bundle={"items": 2, "gold": 1})
    await town.misbehave(
        {"operation": "ListHITs", "kind": "repeat", "probability": 0.7, "seed": 1},
        {"operation": "ListHITs", "kind": "omit"},
        {"operation": "ListAssignmentsForHIT", "kind": "repeat", "probability": 0.5, "seed": 3},
        {"operation": "ListAssignmentsForHIT", "kind": "omit", "count": 4},
    )
    await town.done(job, work=lambda: town.work(limit=2))
    assert all(await town.applied())


async def test_a_gap_hides_no_work_from_a_job_that_is_cancelled(town):
    """Reviewed by another, the work does not keep its HIT from being deleted: only its count does."""
    job = await town.job(items=["a 1"], **PAIRS)
    await town.step()
    _, assignment, fields = await town.take()
    await town.hand_in(assignment, fields)
    await town.live.call("approve_assignment", AssignmentId=assignment)
    await town.set_state(job, "cancelling")
    await town.misbehave({"operation": "ListAssignmentsForHIT", "kind": "omit", "count": 6})
    await town.until(town.is_state(job, "cancelled"))
    assert await town.applied() == [6]
    await town.agree()


@pytest.mark.parametrize("count", [100, 200])
async def test_as_many_hits_as_fill_the_page(town, count):
    job = await town.job(items=[f"a {n}" for n in range(count)], **SINGLE)
    await town.misbehave({"operation": "GetHIT", "kind": "delay", "delay_ms": 0})
    await town.until(lambda: all_posted(town, count))
    await town.done(job, work=lambda: town.work(1))
    assert await town.applied() == [0], "the listing told of every one, and none was looked up by its id"
    assert await town.value("SELECT count(*) FROM answer") == count


async def all_posted(town, count):
    return await town.value("SELECT count(*) FROM hit WHERE state = 'open'") == count


async def test_as_many_assignments_as_fill_the_page(town):
    redundancy = {"minimum": 100, "maximum": 100}
    job = await town.job(items=["a 1"], bundle={"items": 1}, redundancy=redundancy, allow_ten_or_more=True)
    await town.done(job, work=lambda: town.work(100))
    assert await town.rows("SELECT collected FROM hit") == [(100,)]
    hit = await town.live.create_hit(MaxAssignments=200)
    submitted = {await town.live.submit(hit["HITId"], q1="1") for _ in range(200)}
    found = await town.market.handed_in(hit["HITId"])
    assert sorted(one.market_assignment_id for one in found) == sorted(submitted)
