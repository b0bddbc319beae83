"""Qualifications through boto3 and through the worker site: made, asked for, given, revoked, and asked of workers."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import FEE_SCHEDULES
from marketplace.refusal import Refused
from marketplace.requirements import LOCALE, MASTERS, NUMBER_APPROVED, PERCENT_APPROVED, Held, may, read_requirements
from marketplace.store import qualifications
from tests.marketplace.site.conftest import People, heading

OWN = "0WNTYPE"


async def make_type(live, **given_params):
    usual = {"Name": "Knows ducks", "Description": "Tells them from geese", "QualificationTypeStatus": "Active"}
    made = await live.call("create_qualification_type", **(usual | given_params))
    return made["QualificationType"]["QualificationTypeId"]


def asks(type_id, comparator="Exists", **values):
    return [{"QualificationTypeId": type_id, "Comparator": comparator, **values}]


async def grant(live, type_id, worker_id, **params):
    await live.call("associate_qualification_with_worker", QualificationTypeId=type_id, WorkerId=worker_id, **params)


@pytest.fixture
async def ann(live):
    people = People(live)
    yield await (await people.invite("Ann")).join()
    await people.close()


async def test_a_type_is_made_found_changed_and_deleted(live):
    type_id = await make_type(live, Keywords="duck, goose", RetryDelayInSeconds=60)
    shown = (await live.call("get_qualification_type", QualificationTypeId=type_id))["QualificationType"]
    assert (shown["Name"], shown["QualificationTypeStatus"]) == ("Knows ducks", "Active")
    assert (shown["IsRequestable"], shown["AutoGranted"], shown["RetryDelayInSeconds"]) == (True, False, 60)
    again = await live.refused(
        "create_qualification_type", Name="knows DUCKS", Description="x", QualificationTypeStatus="Active"
    )
    assert again["TurkErrorCode"] == "AWS.MechanicalTurk.QualificationTypeAlreadyExists"

    changed = await live.call(
        "update_qualification_type",
        QualificationTypeId=type_id,
        QualificationTypeStatus="Inactive",
        AutoGranted=True,
        AutoGrantedValue=7,
    )
    assert changed["QualificationType"]["AutoGrantedValue"] == 7
    assert changed["QualificationType"]["IsRequestable"] is False
    inactive = await live.refused("create_hit", **_properties(asks(type_id)))
    assert "inactive" in inactive["Error"]["Message"]

    await live.call("delete_qualification_type", QualificationTypeId=type_id)
    gone = await live.refused("get_qualification_type", QualificationTypeId=type_id)
    assert gone["TurkErrorCode"] == "AWS.MechanicalTurk.QualificationTypeDoesNotExist"
    assert await make_type(live) != type_id, "the name is free again"


async def test_types_are_searched_page_by_page(live):
    made = [await make_type(live, Name=f"Duck {number}") for number in range(4)]
    await make_type(live, Name="Geese", QualificationTypeStatus="Inactive", Description="not these")
    found = []
    for page in await asyncio.to_thread(
        lambda: list(
            live.client()
            .get_paginator("list_qualification_types")
            .paginate(Query="DUCK", MustBeRequestable=True, MustBeOwnedByCaller=True, MaxResults=2)
        )
    ):
        found += [each["QualificationTypeId"] for each in page["QualificationTypes"]]
    assert found == made
    everything = await live.call("list_qualification_types", MustBeRequestable=False, MaxResults=100)
    ids = {each["QualificationTypeId"] for each in everything["QualificationTypes"]}
    assert {LOCALE, MASTERS, PERCENT_APPROVED, NUMBER_APPROVED} <= ids


async def test_a_qualification_is_given_read_replaced_and_revoked(live):
    type_id, worker_id = await make_type(live), await live.worker()
    where = {"QualificationTypeId": type_id, "WorkerId": worker_id}
    assert (await live.refused("get_qualification_score", **where))["TurkErrorCode"].endswith(
        "QualificationDoesNotExist"
    )
    await grant(live, type_id, worker_id, IntegerValue=80, SendNotification=False)
    await grant(live, type_id, worker_id, IntegerValue=90)
    held = (await live.call("get_qualification_score", **where))["Qualification"]
    assert (held["IntegerValue"], held["Status"]) == (90, "Granted")

    await live.call("disassociate_qualification_from_worker", **where, Reason="too many geese")
    assert (await live.call("get_qualification_score", **where))["Qualification"]["Status"] == "Revoked"
    twice = await live.refused("disassociate_qualification_from_worker", **where)
    assert twice["TurkErrorCode"].endswith("QualificationDoesNotExist")
    nobody = await live.refused("associate_qualification_with_worker", QualificationTypeId=type_id, WorkerId="ANOBODY")
    assert nobody["TurkErrorCode"] == "AWS.MechanicalTurk.WorkerDoesNotExist"


async def test_holders_are_listed_by_state_over_full_pages(live):
    type_id = await make_type(live)
    workers = sorted([await live.worker() for _ in range(4)])
    for worker_id in workers:
        await grant(live, type_id, worker_id)
    await live.call("disassociate_qualification_from_worker", QualificationTypeId=type_id, WorkerId=workers[0])
    pages = await asyncio.to_thread(
        lambda: list(
            live.client()
            .get_paginator("list_workers_with_qualification_type")
            .paginate(QualificationTypeId=type_id, MaxResults=2)
        )
    )
    assert [page["NumResults"] for page in pages] == [2, 2, 0]
    assert [each["WorkerId"] for page in pages for each in page["Qualifications"]] == workers
    granted = await live.call("list_workers_with_qualification_type", QualificationTypeId=type_id, Status="Granted")
    assert [each["WorkerId"] for each in granted["Qualifications"]] == workers[1:]


async def test_the_systems_types_and_other_requesters_types_cannot_be_given(live):
    worker_id = await live.worker()
    refused = await live.refused("associate_qualification_with_worker", QualificationTypeId=MASTERS, WorkerId=worker_id)
    assert refused["TurkErrorCode"] == "AWS.MechanicalTurk.QualificationTypeDoesNotExist"


async def test_a_worker_asks_and_the_requester_decides(live, ann):
    type_id = await make_type(live, RetryDelayInSeconds=3600)
    page = await ann.get("/worker/qualifications")
    assert "Knows ducks" in page.text
    asked = await ann.post(f"/worker/qualifications/{type_id}/ask")
    assert asked.headers["location"] == "/worker/qualifications"
    assert heading(await ann.post(f"/worker/qualifications/{type_id}/ask")) == "That did not work"

    [request] = (await live.call("list_qualification_requests"))["QualificationRequests"]
    assert (request["WorkerId"], request["QualificationTypeId"]) == (ann.worker_id, type_id)
    await live.call(
        "reject_qualification_request", QualificationRequestId=request["QualificationRequestId"], Reason="not yet"
    )
    assert (await live.call("list_qualification_requests"))["QualificationRequests"] == []
    soon = await ann.post(f"/worker/qualifications/{type_id}/ask")
    assert "again from" in soon.text, "the delay holds"

    live.clock.advance(seconds=3600)
    await ann.post(f"/worker/qualifications/{type_id}/ask")
    [request] = (await live.call("list_qualification_requests", QualificationTypeId=type_id))["QualificationRequests"]
    accept = {"QualificationRequestId": request["QualificationRequestId"], "IntegerValue": 5}
    await live.call("accept_qualification_request", **accept)
    twice = await live.refused("accept_qualification_request", **accept)
    assert twice["TurkErrorCode"].endswith("QualificationRequestDoesNotExist")
    held = await live.call("get_qualification_score", QualificationTypeId=type_id, WorkerId=ann.worker_id)
    assert held["Qualification"]["IntegerValue"] == 5
    assert "value 5" in (await ann.get("/worker/qualifications")).text


async def test_a_type_granted_automatically_needs_nobodys_word_and_is_asked_for_once(live, ann):
    type_id = await make_type(live, AutoGranted=True, AutoGrantedValue=3)
    await ann.post(f"/worker/qualifications/{type_id}/ask")
    held = await live.call("get_qualification_score", QualificationTypeId=type_id, WorkerId=ann.worker_id)
    assert held["Qualification"]["IntegerValue"] == 3
    assert "asked for once" in (await ann.post(f"/worker/qualifications/{type_id}/ask")).text


def _properties(requirements, **params):
    from tests.marketplace.conftest import hit_properties

    return hit_properties(QualificationRequirements=requirements, **params)


@pytest.mark.parametrize(
    ("guards", "seen", "previewed"),
    [("Accept", True, True), ("PreviewAndAccept", True, False), ("DiscoverPreviewAndAccept", False, False)],
)
async def test_who_is_not_qualified_is_kept_out_as_far_as_the_requirement_says(live, ann, guards, seen, previewed):
    type_id = await make_type(live)
    hit = await live.create_hit(QualificationRequirements=asks(type_id, ActionsGuarded=guards))
    paths = [f"/worker/hits/{hit['HITId']}", f"/worker/frames/{hit['HITId']}"]
    assert ("Is it a duck?" in (await ann.get("/worker")).text) == seen
    assert (await ann.get(f"/worker/groups/{hit['HITTypeId']}")).status_code == (200 if seen else 404)
    assert [(await ann.get(path)).status_code == 200 for path in paths] == [previewed, previewed]
    refused = await ann.post(f"/worker/hits/{hit['HITId']}/accept")
    assert (refused.status_code, heading(refused)) == (403, "You cannot accept this HIT")
    assert (await live.call("get_hit", HITId=hit["HITId"]))["HIT"]["NumberOfAssignmentsAvailable"] == 3

    await grant(live, type_id, ann.worker_id)
    assert "Is it a duck?" in (await ann.get("/worker")).text
    assert [(await ann.get(path)).status_code for path in paths] == [200, 200]
    await ann.accept(hit["HITId"])


async def test_work_in_hand_can_be_finished_by_who_lost_the_qualification(live, ann):
    type_id = await make_type(live)
    where = {"QualificationTypeId": type_id, "WorkerId": ann.worker_id}
    first, second = [
        (
            await live.create_hit(
                QualificationRequirements=asks(type_id, "DoesNotExist", ActionsGuarded="DiscoverPreviewAndAccept")
            )
        )
        for _ in range(2)
    ]
    assignment = await ann.accept(first["HITId"])
    await grant(live, type_id, ann.worker_id, SendNotification=False)
    assert (await ann.get(f"/worker/assignments/{assignment}")).status_code == 200
    frame = await ann.get(f"/worker/frames/{first['HITId']}?assignmentId={assignment}")
    assert frame.status_code == 200
    sent = await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": assignment, "q1": "duck"})
    assert sent.status_code == 200
    assert (await ann.post(f"/worker/hits/{second['HITId']}/accept")).status_code == 403
    await live.call("disassociate_qualification_from_worker", **where)
    await ann.accept(second["HITId"])


async def test_hits_that_ask_for_a_type_are_listed_and_say_so(live):
    type_id = await make_type(live)
    plain = await live.create_hit()
    asking = await live.create_hit(QualificationRequirements=asks(type_id, "GreaterThan", IntegerValues=[50]))
    assert plain["HITTypeId"] != asking["HITTypeId"]
    listed = (await live.call("list_hits_for_qualification_type", QualificationTypeId=type_id))["HITs"]
    assert [hit["HITId"] for hit in listed] == [asking["HITId"]]
    [requirement] = listed[0]["QualificationRequirements"]
    assert (requirement["IntegerValues"], requirement["ActionsGuarded"]) == ([50], "Accept")


async def test_approvals_are_counted_from_the_books(live):
    worker_id = await live.worker()
    for number in range(3):
        hit = await live.create_hit()
        assignment = await live.submit(hit["HITId"], worker_id)
        if number:
            await live.call("approve_assignment", AssignmentId=assignment)
        else:
            await live.call("reject_assignment", AssignmentId=assignment, RequesterFeedback="no")
    async with live.marketplace.pool.acquire() as conn:
        held = await qualifications.held_by(conn, worker_id=worker_id, type_ids=[PERCENT_APPROVED, NUMBER_APPROVED])
    assert held == {NUMBER_APPROVED: Held(2), PERCENT_APPROVED: Held(100)}, "a rate needs a hundred submissions"
    few = await live.create_hit(QualificationRequirements=asks(NUMBER_APPROVED, "GreaterThan", IntegerValues=[2]))
    with pytest.raises(Refused, match="qualifications"):
        await live.accept(few["HITId"], worker_id)
    enough = await live.create_hit(
        QualificationRequirements=asks(NUMBER_APPROVED, "GreaterThanOrEqualTo", IntegerValues=[2])
    )
    await live.accept(enough["HITId"], worker_id)


async def test_masters_cost_five_percent_more(live):
    before = (await live.call("get_account_balance"))["OnHoldBalance"]
    await live.create_hit(Reward="1.00", MaxAssignments=1, QualificationRequirements=asks(MASTERS))
    after = (await live.call("get_account_balance"))["OnHoldBalance"]
    assert round(float(after) - float(before), 2) == 1.25
    assert FEE_SCHEDULES["mturk"].assignment_fee(100, 10, masters=True) == 45


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ({"Comparator": "Exists", "IntegerValues": [1]}, "takes no values"),
        ({"Comparator": "EqualTo"}, "takes one value in IntegerValues"),
        ({"Comparator": "In", "IntegerValues": list(range(16))}, "1 to 15 values"),
        ({"Comparator": "EqualTo", "LocaleValues": [{"Country": "US"}]}, "LocaleValues are for"),
        ({"Comparator": "Exists", "RequiredToPreview": True, "ActionsGuarded": "Accept"}, "not both"),
        ({"QualificationTypeId": LOCALE, "Comparator": "LessThan", "LocaleValues": [{"Country": "US"}]}, "EqualTo"),
        ({"QualificationTypeId": "N0SUCH", "Comparator": "Exists"}, "does not exist"),
    ],
)
async def test_a_requirement_that_nobody_could_meet_is_refused(shared, requirement, said):
    type_id = (await shared.call("list_qualification_types", MustBeRequestable=False, Query="approval rate"))[
        "QualificationTypes"
    ][0]["QualificationTypeId"]
    refused = await shared.refused("create_hit", **_properties([{"QualificationTypeId": type_id, **requirement}]))
    assert said in refused["Error"]["Message"]


HELD = st.one_of(st.none(), st.builds(Held, value=st.one_of(st.none(), st.integers(-5, 5))))
OPPOSITES = [
    ("LessThan", "GreaterThanOrEqualTo"),
    ("LessThanOrEqualTo", "GreaterThan"),
    ("EqualTo", "NotEqualTo"),
    ("In", "NotIn"),
]


@given(held=HELD, value=st.integers(-5, 5), pair=st.sampled_from(OPPOSITES))
def test_of_two_opposite_comparators_just_one_is_met_by_who_has_a_value(held, value, pair):
    met = []
    for comparator in pair:
        requirements = read_requirements(asks(OWN, comparator, IntegerValues=[value]))
        met.append(may(requirements, {} if held is None else {OWN: held}, "accept"))
    assert sum(met) == (held is not None and held.value is not None)


@given(
    place=st.sampled_from([("US", None), ("US", "CA"), ("DE", "BE")]),
    asked=st.sampled_from([("US", None), ("US", "CA"), ("DE", None)]),
)
def test_a_place_lies_in_its_country_and_in_no_part_that_is_not_known(place, asked):
    locale = {"Country": asked[0], **({"Subdivision": asked[1]} if asked[1] else {})}
    held = {LOCALE: Held(country=place[0], subdivision=place[1])}
    within = place[0] == asked[0] and asked[1] in (None, place[1])
    for comparator, wanted in (("EqualTo", within), ("In", within), ("NotIn", not within)):
        requirements = read_requirements(asks(LOCALE, comparator, LocaleValues=[locale]))
        assert may(requirements, held, "accept") == wanted


def test_each_guard_holds_the_one_before():
    for guards, kept in (
        ("Accept", {"accept"}),
        ("PreviewAndAccept", {"accept", "preview"}),
        ("DiscoverPreviewAndAccept", {"accept", "preview", "discover"}),
    ):
        requirements = read_requirements(asks(OWN, ActionsGuarded=guards))
        assert {action for action in ("accept", "preview", "discover") if not may(requirements, {}, action)} == kept
