"""The lives of HITs and assignments, as a requester sees them with boto3 while workers work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marketplace.refusal import Refused
from marketplace.store import assignments
from tests.marketplace.conftest import hit_properties

TURK = "AWS.MechanicalTurk."


def counts(hit):
    """Return pending, available, completed, and what is submitted and not reviewed."""
    pending, available, completed = (
        hit[f"NumberOfAssignments{name}"] for name in ("Pending", "Available", "Completed")
    )
    return pending, available, completed, hit["MaxAssignments"] - pending - available - completed


async def seen(live, hit_id):
    hit = (await live.call("get_hit", HITId=hit_id))["HIT"]
    return hit["HITStatus"], counts(hit)


async def balance(live):
    answer = await live.call("get_account_balance")
    return answer["AvailableBalance"], answer["OnHoldBalance"]


async def test_a_hit_from_creation_to_disposal(live):
    hit_id = (await live.create_hit(MaxAssignments=2))["HITId"]
    assert await balance(live) == ("99.88", "0.12"), "5 cents and a fee of 1, twice"
    assert await seen(live, hit_id) == ("Assignable", (0, 2, 0, 0))
    first = await live.accept(hit_id)
    second = await live.accept(hit_id)
    assert await seen(live, hit_id) == ("Unassignable", (2, 0, 0, 0))
    async with live.marketplace.pool.acquire() as conn:
        for assignment_id in (first, second):
            await assignments.submit(conn, assignment_id=assignment_id, fields=[("q1", "0")], now=live.clock.now())
    assert await seen(live, hit_id) == ("Reviewable", (0, 0, 0, 2))
    assert [hit["HITId"] for hit in (await live.call("list_reviewable_hits"))["HITs"]] == [hit_id]
    refused = await live.refused("delete_hit", HITId=hit_id)
    assert refused["TurkErrorCode"] == TURK + "InvalidHITState"
    await live.call("approve_assignment", AssignmentId=first, RequesterFeedback="Thanks")
    await live.call("reject_assignment", AssignmentId=second, RequesterFeedback="It is empty")
    assert await seen(live, hit_id) == ("Reviewable", (0, 0, 2, 0))
    assert await balance(live) == ("99.94", "0.00")
    await live.call("delete_hit", HITId=hit_id)
    assert (await seen(live, hit_id))[0] == "Disposed"
    assert (await live.call("list_hits"))["HITs"] == []
    refused = await live.refused("delete_hit", HITId=hit_id)
    assert refused["Message"].startswith("This HIT is currently in the state 'Disposed'.")


async def test_an_assignment_carries_its_times_and_its_answer(live):
    hit_id = (await live.create_hit())["HITId"]
    started = live.clock.now()
    worker_id = await live.worker()
    assignment_id = await live.accept(hit_id, worker_id)
    live.clock.advance(seconds=20)
    async with live.marketplace.pool.acquire() as conn:
        await assignments.submit(
            conn, assignment_id=assignment_id, fields=[("q1", "a < b"), ("note", "")], now=live.clock.now()
        )
    answer = await live.call("get_assignment", AssignmentId=assignment_id)
    assignment = answer["Assignment"]
    assert answer["HIT"]["HITId"] == hit_id
    assert (assignment["WorkerId"], assignment["AssignmentStatus"]) == (worker_id, "Submitted")
    assert assignment["AcceptTime"] == started
    assert assignment["Deadline"] == started + timedelta(seconds=600)
    assert assignment["SubmitTime"] == started + timedelta(seconds=20)
    assert assignment["AutoApprovalTime"] == started + timedelta(seconds=20 + 86_400)
    assert "<FreeText>a &lt; b</FreeText>" in assignment["Answer"]
    assert "ApprovalTime" not in assignment
    assert (await live.call("list_assignments_for_hit", HITId=hit_id))["Assignments"] == [assignment]


async def test_work_is_invisible_until_it_is_submitted(live):
    hit_id = (await live.create_hit())["HITId"]
    assignment_id = await live.accept(hit_id)
    assert (await live.call("list_assignments_for_hit", HITId=hit_id))["NumResults"] == 0
    for operation in ("get_assignment", "approve_assignment"):
        refused = await live.refused(operation, AssignmentId=assignment_id)
        assert refused["TurkErrorCode"] == TURK + "InvalidAssignmentState"


@pytest.mark.parametrize("operation", ["get_assignment", "approve_assignment", "reject_assignment"])
async def test_another_requesters_work_does_not_exist(live, operation):
    hit_id = (await live.create_hit())["HITId"]
    assignment_id = await live.submit(hit_id)
    async with live.marketplace.pool.acquire() as conn:
        await conn.execute("INSERT INTO requester VALUES ('AOTHER', 'Other', 0, $1)", live.clock.now())
        await conn.execute("UPDATE hit SET requester_id = 'AOTHER'")
    feedback = {"RequesterFeedback": "no"} if operation == "reject_assignment" else {}
    refused = await live.refused(operation, AssignmentId=assignment_id, **feedback)
    assert refused["TurkErrorCode"] == TURK + "AssignmentDoesNotExist"
    assert (await live.refused("get_hit", HITId=hit_id))["TurkErrorCode"] == TURK + "HITDoesNotExist"


async def test_a_review_happens_once_and_a_rejection_can_be_overridden_for_thirty_days(live):
    hit_id = (await live.create_hit())["HITId"]
    first, second = await live.submit(hit_id), await live.submit(hit_id)
    for assignment_id in (first, second):
        await live.call("reject_assignment", AssignmentId=assignment_id, RequesterFeedback="no")
    for operation, more in (("approve_assignment", {}), ("reject_assignment", {"RequesterFeedback": "no"})):
        refused = await live.refused(operation, AssignmentId=first, **more)
        assert refused["TurkErrorCode"] == TURK + "InvalidAssignmentState"
    before = await balance(live)
    live.clock.advance(seconds=30 * 86_400 - 1)
    await live.call("approve_assignment", AssignmentId=first, OverrideRejection=True)
    assert await balance(live) != before, "what the rejection had let go is paid"
    assert (await live.refused("approve_assignment", AssignmentId=first, OverrideRejection=True))["TurkErrorCode"]
    live.clock.advance(seconds=1)
    refused = await live.refused("approve_assignment", AssignmentId=second, OverrideRejection=True)
    assert "30 days" in refused["Message"]
    states = {
        assignment["AssignmentId"]: assignment["AssignmentStatus"]
        for assignment in (await live.call("list_assignments_for_hit", HITId=hit_id))["Assignments"]
    }
    assert states == {first: "Approved", second: "Rejected"}


async def test_a_token_works_once_in_24_hours(live):
    hit = await live.create_hit(UniqueRequestToken="token-1")
    before = await balance(live)
    refused = await live.refused("create_hit", **hit_properties(UniqueRequestToken="token-1", Title="Another"))
    assert refused["TurkErrorCode"] == TURK + "HitAlreadyExists"
    assert hit["HITId"] in refused["Message"]
    assert await balance(live) == before
    live.clock.advance(seconds=86_399)
    await live.refused("create_hit", **hit_properties(UniqueRequestToken="token-1"))
    live.clock.advance(seconds=1)
    assert (await live.create_hit(UniqueRequestToken="token-1"))["HITId"] != hit["HITId"]


async def test_tokens_of_hits_and_of_extensions_are_apart(live):
    hit_id = (await live.create_hit(UniqueRequestToken="t"))["HITId"]
    extension = {"HITId": hit_id, "NumberOfAdditionalAssignments": 2, "UniqueRequestToken": "t"}
    made = await live.call("create_additional_assignments_for_hit", **extension)
    refused = await live.refused("create_additional_assignments_for_hit", **extension)
    assert made["ResponseMetadata"]["RequestId"] in refused["Message"]
    assert await seen(live, hit_id) == ("Assignable", (0, 5, 0, 0))


@pytest.mark.parametrize(("start", "more", "allowed"), [(3, 6, True), (3, 7, False), (10, 5, True)])
async def test_a_hit_made_with_fewer_than_ten_never_reaches_ten(live, start, more, allowed):
    hit_id = (await live.create_hit(MaxAssignments=start))["HITId"]
    extension = {"HITId": hit_id, "NumberOfAdditionalAssignments": more}
    if allowed:
        await live.call("create_additional_assignments_for_hit", **extension)
        assert await seen(live, hit_id) == ("Assignable", (0, start + more, 0, 0))
    else:
        refused = await live.refused("create_additional_assignments_for_hit", **extension)
        assert refused["TurkErrorCode"] == TURK + "InvalidMaximumAssignmentsIncrease"


async def test_the_fee_is_higher_from_ten_assignments_on(live):
    await live.create_hit(MaxAssignments=10, Reward="1.00")
    assert await balance(live) == ("86.00", "14.00")


async def test_one_who_takes_no_fees_holds_the_reward_alone(live_without_fees):
    await live_without_fees.create_hit(MaxAssignments=10, Reward="1.00")
    assert await balance(live_without_fees) == ("90.00", "10.00")
    await live_without_fees.create_hit(Reward="0.00")
    assert await balance(live_without_fees) == ("90.00", "10.00")


async def test_what_cannot_be_paid_is_not_created_extended_or_renewed(live):
    hit = await live.create_hit(Reward="10.00", MaxAssignments=8, LifetimeInSeconds=30)
    for operation, params in (
        ("create_hit", hit_properties(Reward="1.00", MaxAssignments=4, UniqueRequestToken="t")),
        ("create_additional_assignments_for_hit", {"HITId": hit["HITId"], "NumberOfAdditionalAssignments": 1}),
    ):
        refused = await live.refused(operation, **params)
        assert refused["TurkErrorCode"] == TURK + "InsufficientFunds"
    assert await balance(live) == ("4.00", "96.00")
    await live.create_hit(Reward="1.00", UniqueRequestToken="t", MaxAssignments=1)  # the refused token was not used up
    live.clock.advance(seconds=30)
    await live.marketplace.sweep()
    assert await balance(live) == ("98.80", "1.20"), "the lapsed HIT let its money go"
    await live.create_hit(Reward="1.00", MaxAssignments=9)
    later = live.clock.now() + timedelta(hours=1)
    refused = await live.refused("update_expiration_for_hit", HITId=hit["HITId"], ExpireAt=later)
    assert refused["TurkErrorCode"] == TURK + "InsufficientFunds"


async def test_a_hit_expires_is_renewed_and_takes_late_work_in(live):
    hit_id = (await live.create_hit(MaxAssignments=2))["HITId"]
    assignment_id = await live.accept(hit_id)
    past = live.clock.now() - timedelta(days=1)
    for _ in range(2):
        await live.call("update_expiration_for_hit", HITId=hit_id, ExpireAt=past)
    assert await seen(live, hit_id) == ("Unassignable", (1, 1, 0, 0))
    assert await balance(live) == ("99.94", "0.06"), "only the place in hand is still held for"
    with pytest.raises(Refused, match="expired"):
        await live.accept(hit_id)
    async with live.marketplace.pool.acquire() as conn:
        await assignments.submit(conn, assignment_id=assignment_id, fields=[], now=live.clock.now())
    assert await seen(live, hit_id) == ("Reviewable", (0, 1, 0, 1))
    await live.call("update_expiration_for_hit", HITId=hit_id, ExpireAt=live.clock.now() + timedelta(hours=1))
    assert await seen(live, hit_id) == ("Assignable", (0, 1, 0, 1))
    assert await balance(live) == ("99.88", "0.12")
    await live.accept(hit_id)


async def test_a_place_given_up_after_the_end_lets_its_money_go(live):
    hit_id = (await live.create_hit(MaxAssignments=2))["HITId"]
    workers = [await live.worker(), await live.worker()]
    given_back, left = [await live.accept(hit_id, worker_id) for worker_id in workers]
    await live.call("update_expiration_for_hit", HITId=hit_id, ExpireAt=live.clock.now())
    async with live.marketplace.pool.acquire() as conn:
        await assignments.give_back(conn, worker_id=workers[0], assignment_id=given_back, now=live.clock.now())
    assert await balance(live) == ("99.94", "0.06")
    live.clock.advance(seconds=600)
    with pytest.raises(Refused, match="time for this assignment is over"):
        async with live.marketplace.pool.acquire() as conn:
            await assignments.submit(conn, assignment_id=left, fields=[], now=live.clock.now())
    await live.marketplace.sweep()
    assert await balance(live) == ("100.00", "0.00")
    assert await seen(live, hit_id) == ("Reviewable", (0, 2, 0, 0))


async def test_the_sweep_does_what_is_due_by_the_clock_and_no_sooner(live):
    hit_id = (await live.create_hit(LifetimeInSeconds=3600, AutoApprovalDelayInSeconds=1000))["HITId"]
    submitted = await live.submit(hit_id)
    await live.accept(hit_id)

    async def after(seconds):
        live.clock.advance(seconds=seconds)
        await live.marketplace.sweep()
        return await seen(live, hit_id)

    assert await after(599) == ("Assignable", (1, 1, 0, 1))
    assert await after(1) == ("Assignable", (0, 2, 0, 1)), "abandoned: the place is offered again"
    assert await after(399) == ("Assignable", (0, 2, 0, 1))
    assert await after(1) == ("Assignable", (0, 2, 1, 0)), "approved by itself"
    assignment = (await live.call("get_assignment", AssignmentId=submitted))["Assignment"]
    assert assignment["ApprovalTime"] == live.clock.now() == assignment["AutoApprovalTime"]
    assert await after(2600) == ("Reviewable", (0, 2, 1, 0))
    assert await balance(live) == ("99.94", "0.00")
    assert await after(120 * 86_400 - 1) == ("Reviewable", (0, 2, 1, 0))
    assert await after(1) == ("Disposed", (0, 2, 1, 0))


async def test_a_worker_does_a_hit_once_but_may_come_back_to_one_returned_or_abandoned(live):
    hit_id = (await live.create_hit())["HITId"]
    worker_id = await live.worker()
    first = await live.accept(hit_id, worker_id)
    with pytest.raises(Refused, match="already accepted"):
        await live.accept(hit_id, worker_id)
    async with live.marketplace.pool.acquire() as conn:
        await assignments.give_back(conn, worker_id=worker_id, assignment_id=first, now=live.clock.now())
    second = await live.accept(hit_id, worker_id)
    live.clock.advance(seconds=600)
    await live.marketplace.sweep()
    third = await live.submit(hit_id, worker_id)
    assert len({first, second, third}) == 3
    with pytest.raises(Refused, match="already accepted"):
        await live.accept(hit_id, worker_id)
    assert await seen(live, hit_id) == ("Assignable", (0, 2, 0, 1))


async def test_a_hit_can_be_marked_as_being_reviewed(live):
    hit_id = (await live.create_hit(MaxAssignments=1))["HITId"]
    refused = await live.refused("update_hit_review_status", HITId=hit_id)
    assert refused["TurkErrorCode"] == TURK + "InvalidHITState"
    await live.submit(hit_id)
    await live.call("update_hit_review_status", HITId=hit_id)
    assert (await seen(live, hit_id))[0] == "Reviewing"
    assert (await live.call("list_reviewable_hits"))["HITs"] == []
    assert (await live.call("list_reviewable_hits", Status="Reviewing"))["NumResults"] == 1
    await live.call("update_hit_review_status", HITId=hit_id, Revert=True)
    assert (await seen(live, hit_id))[0] == "Reviewable"


async def test_a_bonus_is_paid_once_a_token_with_its_fee(live):
    hit_id = (await live.create_hit(MaxAssignments=1))["HITId"]
    worker_id = await live.worker()
    assignment_id = await live.submit(hit_id, worker_id)
    bonus = {
        "WorkerId": worker_id,
        "AssignmentId": assignment_id,
        "BonusAmount": "2.00",
        "Reason": "Well done",
        "UniqueRequestToken": "b",
    }
    before = await balance(live)
    made = await live.call("send_bonus", **bonus)
    refused = await live.refused("send_bonus", **bonus)
    assert made["ResponseMetadata"]["RequestId"] in refused["Message"]
    assert (before, await balance(live)) == (("99.94", "0.06"), ("97.54", "0.06"))
    for given in ({"HITId": hit_id}, {"AssignmentId": assignment_id}):
        [paid] = (await live.call("list_bonus_payments", **given))["BonusPayments"]
        assert (paid["BonusAmount"], paid["WorkerId"], paid["GrantTime"]) == ("2.00", worker_id, live.clock.now())
    other = await live.refused("send_bonus", **(bonus | {"WorkerId": "AOTHER", "UniqueRequestToken": "c"}))
    assert "is not of worker" in other["Message"]
    rich = await live.refused("send_bonus", **(bonus | {"BonusAmount": "100", "UniqueRequestToken": "d"}))
    assert rich["TurkErrorCode"] == TURK + "InsufficientFunds"
