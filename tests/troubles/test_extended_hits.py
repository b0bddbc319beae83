"""A HIT that somebody else extends: what comes of it counts and is paid, within the budget or with a word."""

from __future__ import annotations

import pytest

from tests.troubles.conftest import answers_to

ONE_HIT = {"bundle": {"items": 2}, "redundancy": {"minimum": 2, "maximum": 2, "target_confidence": 0.6}}
UNIT = 6  # cents of an assignment, fee included


async def extend(town, hit_id, by):
    """Do what another program with the same account does."""
    await town.live.call("create_additional_assignments_for_hit", HITId=hit_id, NumberOfAdditionalAssignments=by)


async def start(town, budget):
    """Have a job of one HIT on the market, for which twelve cents are reserved."""
    job = await town.job(items=["a 1", "b 2"], budget=budget, **ONE_HIT)
    await town.step()
    [(hit_id, _)] = await town.open_hits()
    return job, hit_id


async def money(town):
    return (await town.rows("SELECT budget_cents, reserved_cents, spent_cents FROM job"))[0]


async def test_what_comes_of_it_counts_and_is_paid_from_the_budget(town):
    job, hit_id = await start(town, "1.00")
    await extend(town, hit_id, 4)
    await town.work(5)
    await town.done(job, work=no_work)
    assert await town.rows("SELECT state, collected, slots FROM hit") == [("closed", 5, 5)]
    assert await money(town) == (100, 0, 5 * UNIT)
    assert await town.rows("SELECT label, n_answers FROM consensus ORDER BY item_no") == [(0, 5), (1, 5)]
    said, promised = await town.events(job, "extended")
    assert f"{hit_id} to 6 assignments in place of 2" in said
    assert "another client of the market account" in said
    assert "0.18 US dollars of the budget are promised" in promised


async def test_places_that_nobody_needs_are_taken_from_the_workers_view(town):
    job, hit_id = await start(town, "1.00")
    await extend(town, hit_id, 4)
    await town.work(2)  # all that was wanted; four places are left
    await town.until(lambda: is_shut(town), steps=5)
    await town.done(job, work=no_work, steps=10)
    assert await money(town) == (100, 0, 2 * UNIT)


async def test_the_places_of_others_serve_before_more_are_asked_for(town):
    job = await town.job(
        items=["a 1"], bundle={"items": 1}, redundancy={"minimum": 1, "maximum": 4, "target_confidence": 0.999}
    )
    await town.step()
    [(hit_id, _)] = await town.open_hits()
    await extend(town, hit_id, 1)
    await town.done(job)
    [(wanted, collected)] = await town.rows("SELECT wanted, collected FROM hit")
    assert wanted == collected <= 4, "asked for one by one, and others' places are among them"
    assert await town.value("SELECT count(*) FROM effect WHERE kind = 'extend'") < collected - 1


async def test_beyond_the_budget_the_job_is_paused_and_goes_on_once_it_is_raised(town):
    job, hit_id = await start(town, "0.18")  # holds one more
    await extend(town, hit_id, 4)
    await town.work(5)
    await town.until(town.is_state(job, "paused"), steps=10)
    for _ in range(3):
        await town.step()
    assert await money(town) == (18, 0, 18), "three are paid, and no more"
    assert await town.rows("SELECT collected, reviewed FROM hit") == [(5, 3)]
    assert await town.value("SELECT count(*) FROM answer") == 10, "all are kept, and count"
    told = (await town.events(job, "extended"))[-1]
    assert told.startswith("paused: another client of the market account has extended")
    assert "2 assignments more have come in than the budget holds" in told
    assert "raise the budget by 0.12 US dollars or more, and resume; or cancel" in told
    n_told = len(await town.events(job, "extended"))

    await town.set_state(job, "running")  # without a change it is paused again, once
    await town.until(town.is_state(job, "paused"), steps=5)
    assert len(await town.events(job, "extended")) == n_told + 1
    assert await money(town) == (18, 0, 18)

    await town.value("UPDATE job SET budget_cents = 30 RETURNING 1")
    await town.set_state(job, "running")
    await town.done(job, work=no_work)
    assert await money(town) == (30, 0, 30)


async def test_cancel_ends_it_and_pays_what_is_owed_with_a_word(town):
    job, hit_id = await start(town, "0.12")
    await extend(town, hit_id, 4)
    await town.work(5)
    await town.until(town.is_state(job, "paused"), steps=10)
    await town.set_state(job, "cancelling")
    await town.until(town.is_state(job, "cancelled"), steps=10)
    assert await money(town) == (30, 0, 30)
    assert "is raised from 0.12 to 0.30 US dollars" in (await town.events(job, "extended"))[-2]
    assert await town.value("SELECT spec->>'budget' FROM job") == "0.30"
    await town.agree()


@pytest.mark.parametrize("deleted", [False, True])
async def test_other_hits_keep_what_was_reserved_for_them(town, deleted):
    job = await town.job(items=["a 1", "b 2", "c 3", "a 4"], budget="0.24", **ONE_HIT)
    await town.step()
    (hit_id, question), _ = await town.open_hits()
    await extend(town, hit_id, 1)
    for number in range(3):
        await town.hand_in(await town.live.accept(hit_id, await town.worker(number)), answers_to(question))
    if deleted:
        for one in (await town.live.call("list_assignments_for_hit", HITId=hit_id))["Assignments"]:
            await town.live.call("approve_assignment", AssignmentId=one["AssignmentId"])
        await town.live.call("delete_hit", HITId=hit_id)
    await town.until(town.is_state(job, "paused"), steps=10)
    assert await town.value("SELECT sum(slots * unit_cents) FROM hit") == 24, "the surplus takes nothing from the other"
    await town.value("UPDATE job SET budget_cents = 30 RETURNING 1")
    await town.set_state(job, "running")
    await town.done(job)
    assert await money(town) == (30, 0, 30)


async def is_shut(town):
    return not await town.open_hits()


async def no_work():
    """Let nobody work."""
