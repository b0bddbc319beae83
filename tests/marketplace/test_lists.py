"""Lists, page by page, as boto3's paginators walk them."""

from __future__ import annotations

import asyncio

import pytest

from marketplace.refusal import Refused
from marketplace.wire.page_tokens import make_token, read_token
from tests.marketplace.conftest import hit_properties


async def walk(live, operation, **params):
    """Return the pages that boto3's own paginator finds."""
    paginator = live.client().get_paginator(operation)
    return await asyncio.to_thread(lambda: list(paginator.paginate(**params)))


async def test_hits_are_listed_newest_first_and_ten_to_a_page(live):
    made = [(await live.create_hit(Title=f"Number {number}"))["HITId"] for number in range(12)]
    first = await live.call("list_hits")
    assert first["NumResults"] == 10
    rest = await live.call("list_hits", NextToken=first["NextToken"])
    assert [hit["HITId"] for hit in first["HITs"] + rest["HITs"]] == made[::-1]
    assert "NextToken" not in rest


async def test_a_count_that_is_a_multiple_of_the_page_ends_in_an_empty_page(live):
    for _ in range(4):
        await live.create_hit()
    pages = await walk(live, "list_hits", MaxResults=2)
    assert [page["NumResults"] for page in pages] == [2, 2, 0]


async def test_a_hit_made_between_two_pages_moves_nothing(live):
    old = [(await live.create_hit())["HITId"] for _ in range(3)]
    first = await live.call("list_hits", MaxResults=2)
    await live.create_hit()
    rest = await live.call("list_hits", MaxResults=2, NextToken=first["NextToken"])
    assert [hit["HITId"] for hit in first["HITs"] + rest["HITs"]] == old[::-1]


async def test_assignments_are_listed_in_the_order_of_their_submission(live):
    hit_id = (await live.create_hit(MaxAssignments=9))["HITId"]
    submitted = []
    for _ in range(7):
        submitted.append(await live.submit(hit_id))
        live.clock.advance(seconds=1)
    for assignment_id in submitted[:3]:
        await live.call("approve_assignment", AssignmentId=assignment_id)
    await live.call("reject_assignment", AssignmentId=submitted[3], RequesterFeedback="no")

    async def listed(**params):
        pages = await walk(live, "list_assignments_for_hit", HITId=hit_id, MaxResults=2, **params)
        return [assignment["AssignmentId"] for page in pages for assignment in page["Assignments"]]

    assert await listed() == submitted
    assert await listed(AssignmentStatuses=["Approved"]) == submitted[:3]
    assert await listed(AssignmentStatuses=["Rejected", "Submitted"]) == submitted[3:]


async def test_assignments_submitted_at_the_same_moment_are_each_listed_once(live):
    hit_id = (await live.create_hit(MaxAssignments=9))["HITId"]
    submitted = {await live.submit(hit_id) for _ in range(7)}
    pages = await walk(live, "list_assignments_for_hit", HITId=hit_id, MaxResults=3)
    listed = [assignment["AssignmentId"] for page in pages for assignment in page["Assignments"]]
    assert (len(listed), set(listed)) == (7, submitted)


async def test_reviewable_hits_are_those_on_which_nothing_is_open(live):
    full = (await live.create_hit(MaxAssignments=1, Title="full"))["HITId"]
    await live.submit(full)
    over = (await live.create_hit(LifetimeInSeconds=30, Title="over"))["HITId"]
    held = (await live.create_hit(LifetimeInSeconds=30, Title="held"))["HITId"]
    await live.accept(held)
    opened = (await live.create_hit(Title="open"))["HITId"]
    live.clock.advance(seconds=30)
    found = (await live.call("list_reviewable_hits"))["HITs"]
    assert [hit["HITId"] for hit in found] == [over, full], "by the clock, whether or not a sweep has come by"
    assert {hit["HITStatus"] for hit in found} == {"Reviewable"}
    [of_type] = (await live.call("list_reviewable_hits", HITTypeId=found[0]["HITTypeId"]))["HITs"]
    assert of_type["HITId"] == over
    assert opened not in [hit["HITId"] for hit in found]


async def test_a_token_is_good_for_its_own_list_alone(live):
    for _ in range(2):
        await live.create_hit(MaxAssignments=1)
    token = (await live.call("list_hits", MaxResults=1))["NextToken"]
    for operation, params in (
        ("list_reviewable_hits", {"NextToken": token}),
        ("list_hits", {"NextToken": token[:-2]}),
        ("list_hits", {"NextToken": "é"}),
        ("list_hits", {"NextToken": "AAAA"}),
    ):
        refused = await live.refused(operation, **params)
        assert refused["Message"] == "NextToken is not one that was returned for this list."


async def test_the_assignments_of_a_hit_that_is_not_there_are_refused(live):
    refused = await live.refused("list_assignments_for_hit", HITId="NONE")
    assert refused["TurkErrorCode"] == "AWS.MechanicalTurk.HITDoesNotExist"


def test_the_longest_cursor_makes_a_token_that_the_contract_allows():
    listing = ("ListAssignmentsForHIT", "A" * 64, "H" * 64, "submitted")
    token = make_token(listing, ("2026-01-05T12:00:00.123456Z", "A" * 64))
    assert len(token) <= 255
    with pytest.raises(Refused):
        read_token((*listing, "approved"), token, tuple[str, str])


async def test_a_hundred_hits_come_in_one_page_and_no_more(live_without_fees):
    live = live_without_fees
    client = live.client()
    await asyncio.gather(*(live.call("create_hit", client, **hit_properties(Reward="0.01")) for _ in range(101)))
    pages = await walk(live, "list_hits", MaxResults=100)
    assert [page["NumResults"] for page in pages] == [100, 1]
    assert len({hit["HITId"] for page in pages for hit in page["HITs"]}) == 101
