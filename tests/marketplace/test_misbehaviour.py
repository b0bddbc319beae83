"""Misbehaviour as boto3 meets it: what a client sees, and what was done behind it."""

from __future__ import annotations

import time

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.marketplace.conftest import hit_properties


async def test_a_response_lost_after_the_commit_is_retried_into_already_exists(live):
    await live.misbehave({"operation": "CreateHIT", "kind": "drop", "count": 1})
    refused = await live.refused("create_hit", live.client(attempts=5), **hit_properties(UniqueRequestToken="row-1"))
    assert refused["TurkErrorCode"] == "AWS.MechanicalTurk.HitAlreadyExists"
    [hit] = (await live.call("list_hits"))["HITs"]
    assert hit["HITId"] in refused["Message"], "the message tells which HIT the lost call had made"


async def test_a_response_lost_without_a_token_makes_two_hits_and_reports_success(live):
    await live.misbehave({"operation": "CreateHIT", "kind": "drop", "count": 1})
    await live.call("create_hit", live.client(attempts=5), **hit_properties())
    assert (await live.call("list_hits"))["NumResults"] == 2


@pytest.mark.parametrize(("kind", "made"), [("drop", 1), ("drop_before", 0)])
async def test_a_lost_connection_is_seen_as_one(live, kind, made):
    await live.misbehave({"operation": "CreateHIT", "kind": kind})
    with pytest.raises(ConnectionClosedError):
        await live.call("create_hit", **hit_properties())
    assert (await live.call("list_hits"))["NumResults"] == made


@pytest.mark.parametrize(("mode", "attempts", "tries"), [("legacy", 5, 5), ("standard", 6, 6)])
async def test_throttling_is_what_boto3_retries(live, mode, attempts, tries, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    await live.misbehave({"operation": "GetAccountBalance", "kind": "throttle"})
    refused = await live.refused("get_account_balance", live.client(attempts=attempts, mode=mode))
    assert (refused["Error"]["Code"], refused["ResponseMetadata"]["RetryAttempts"]) == (
        "ThrottlingException",
        tries - 1,
    )
    async with httpx.AsyncClient() as http:
        [rule] = (await http.get(f"{live.url}/mturk/_misbehave")).json()
    assert rule["applied"] == tries


@pytest.mark.parametrize(("kind", "made"), [("fault", 0), ("fault_after", 1)])
async def test_a_service_fault_is_500_whether_or_not_it_was_done(live, kind, made):
    await live.misbehave({"operation": "CreateHIT", "kind": kind})
    refused = await live.refused("create_hit", **hit_properties())
    assert (refused["Error"]["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceFault", 500)
    assert (await live.call("list_hits"))["NumResults"] == made


async def test_an_approval_can_be_refused_just_after_the_submit(live):
    hit = await live.create_hit()
    assignment_id = await live.submit(hit["HITId"])
    await live.misbehave({"operation": "ApproveAssignment", "kind": "refuse", "count": 2})
    codes = []
    for _ in range(3):
        try:
            await live.call("approve_assignment", AssignmentId=assignment_id)
        except ClientError as error:
            codes.append(error.response["TurkErrorCode"])
    assert codes == ["AWS.MechanicalTurk.InvalidAssignmentState"] * 2


async def test_a_delay_comes_before_the_answer(live):
    await live.misbehave({"operation": "*", "kind": "delay", "delay_ms": 30, "skip": 1, "count": 1})
    started = time.monotonic()
    await live.call("get_account_balance")
    await live.call("get_account_balance")
    assert time.monotonic() - started >= 0.03


async def test_chance_is_seeded_and_can_be_repeated(live):
    async def outcomes() -> list[bool]:
        await live.misbehave({"operation": "GetAccountBalance", "kind": "throttle", "probability": 0.5, "seed": 7})
        seen = []
        for _ in range(12):
            try:
                await live.call("get_account_balance")
                seen.append(True)
            except ClientError:
                seen.append(False)
        return seen

    first = await outcomes()
    assert len(set(first)) == 2
    assert await outcomes() == first


async def test_misbehaviour_is_only_to_be_had_where_the_settings_allow_it(live_without_fees):
    async with httpx.AsyncClient() as http:
        for method in ("GET", "POST", "DELETE"):
            answer = await http.request(method, f"{live_without_fees.url}/mturk/_misbehave", json=[])
            assert answer.status_code in (404, 405)


@pytest.mark.parametrize(
    "rules", [{"operation": "*"}, [{"operation": "Nope", "kind": "drop"}], [{"operation": "*", "kind": "explode"}]]
)
async def test_a_rule_that_means_nothing_is_refused_with_a_line(live, rules):
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{live.url}/mturk/_misbehave", json=rules)
    assert answer.status_code == 400
    assert answer.text.count("\n") == 1


async def test_a_rule_may_last_for_a_time_by_the_marketplaces_clock(live):
    await live.misbehave({"operation": "*", "kind": "fault", "seconds": 3600})
    for _ in range(2):
        await live.refused("get_account_balance")
        live.clock.advance(seconds=1799)
    live.clock.advance(seconds=2)
    await live.call("get_account_balance")


async def listed(live, size):
    """Return the ids that a listing gives, page by page."""
    pages, token = [], {}
    while True:
        answer = await live.call("list_hits", MaxResults=size, **token)
        pages.append([hit["HITId"] for hit in answer["HITs"]])
        if "NextToken" not in answer:
            return pages
        token = {"NextToken": answer["NextToken"]}


async def test_lists_repeat_entries_and_leave_them_out(live):
    for _ in range(4):
        await live.create_hit()
    [[a, b], [c, d], []] = await listed(live, 2)
    await live.misbehave({"operation": "ListHITs", "kind": "repeat"})
    assert await listed(live, 2) == [[a, a, b], [b, c, d], []]
    await live.misbehave({"operation": "ListHITs", "kind": "omit", "skip": 1, "count": 1})
    assert await listed(live, 2) == [[a, b], [d], []]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("second_worker", "AOTHER", lambda w, a: [(w, a), ("AOTHER", a)]),
        ("wrong_worker", "AOTHER", lambda _w, a: [("AOTHER", a)]),
        ("answer", "<!DOCTYPE", lambda w, _a: [(w, "<!DOCTYPE")]),
    ],
)
async def test_listed_assignments_say_what_was_never_handed_in(live, kind, text, expected):
    hit = await live.create_hit()
    worker = await live.worker()
    await live.submit(hit["HITId"], worker, q1="1")
    given = (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["Assignments"][0]["Answer"]
    await live.misbehave({"operation": "ListAssignmentsForHIT", "kind": kind, "text": text})
    found = (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["Assignments"]
    assert [(one["WorkerId"], one["Answer"]) for one in found] == expected(worker, given)
