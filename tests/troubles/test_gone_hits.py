"""A HIT that somebody else deletes on the market: what came of it is kept and paid, and its items are asked again."""

from __future__ import annotations

import pytest

ONE_HIT = {"bundle": {"items": 2, "gold": 1}, "redundancy": {"minimum": 2, "maximum": 3, "target_confidence": 0.6}}


async def delete(town, hit_id):
    """Do what another program with the same account does: expire, approve what is there, delete."""
    await town.live.call("update_expiration_for_hit", HITId=hit_id, ExpireAt=0)
    for one in (await town.live.call("list_assignments_for_hit", HITId=hit_id))["Assignments"]:
        if one["AssignmentStatus"] == "Submitted":
            await town.live.call("approve_assignment", AssignmentId=one["AssignmentId"])
    await town.live.call("delete_hit", HITId=hit_id)


async def delete_all(town):
    for hit_id, _ in await town.open_hits():
        await delete(town, hit_id)


@pytest.fixture
async def job(town):
    """A job of one HIT that is on the market, and gold for no other."""
    job = await town.job(items=["a 1", "b 2"], gold=[("c g", [2])], **ONE_HIT)
    await town.step()
    return job


async def test_its_items_are_asked_again_and_what_came_of_it_counts(town, job):
    _, assignment, fields = await town.take(9)
    await town.hand_in(assignment, fields)  # and not collected when the HIT is deleted
    await delete_all(town)
    await town.done(job)
    assert await town.rows("SELECT hit_no, state, wanted, slots, collected FROM hit ORDER BY hit_no") == [
        (0, "closed", 2, 3, 1),
        (1, "closed", 1, 2, 1),
    ], "of two answers at least and three at most, one was there"
    assert await town.rows("SELECT label, n_answers FROM consensus ORDER BY item_no") == [(0, 2), (1, 2), (2, 2)]
    [told] = await town.events(job, "gone")
    assert "deleted there by somebody else" in told
    assert "2 items that are not settled are asked again" in told


async def test_a_worker_who_meets_a_gold_item_again_is_judged_by_their_last_answer_alone(town, job):
    _, first, fields = await town.take(0)
    await town.hand_in(first, dict.fromkeys(fields, "0"))
    await delete_all(town)
    await town.until(lambda: is_open(town))
    assert await town.rows("SELECT gold_right, gold_total FROM job_worker") == [(0, 1)]
    _, second, fields = await town.take(0)
    await town.hand_in(second, fields)
    await town.step()
    await town.step()
    assert await town.value("SELECT count(*) FROM answer JOIN gold USING (job_no, item_no)") == 2, "both are kept"
    assert await town.rows("SELECT gold_right, gold_total FROM job_worker") == [(1, 1)], "and the last counts"
    await town.done(job, work=lambda: town.work(5))
    assert await town.rows("SELECT DISTINCT n_answers >= 2 FROM consensus") == [(True,)], "of different workers"


async def test_one_that_is_only_left_out_of_a_listing_is_not_gone(town, job):
    await town.misbehave({"operation": "ListHITs", "kind": "omit", "count": 3})
    await town.done(job)
    assert await town.value("SELECT count(*) FROM hit") == 1
    assert await town.events(job, "gone") == []


async def test_cancel_does_not_wait_for_it(town, job):
    await town.work(1)
    await delete_all(town)
    await town.set_state(job, "cancelling")
    await town.until(town.is_state(job, "cancelled"), steps=10)
    assert await town.value("SELECT count(*) FROM hit") == 1
    await town.agree()


@pytest.mark.parametrize("effect", ["extend", "expire", "renew"])
async def test_an_effect_that_meets_it_is_dropped(town, job, effect):
    if effect == "extend":  # all that is wanted is in, and they disagree
        for number, label in enumerate("01"):
            _, assignment, fields = await town.take(number)
            await town.hand_in(assignment, dict.fromkeys(fields, label))
        await town.step()
        [(hit_id,)] = await town.rows("SELECT market_hit_id FROM hit")
    else:
        [(hit_id, _)] = await town.open_hits()
        if effect == "renew":
            await town.set_state(job, "paused", "a break")
            await town.step()
    await delete(town, hit_id)
    # No listing tells of it before the effect has met it.
    await town.value("UPDATE due SET due_at = due_at + interval '1 minute' WHERE stage = 'collect' RETURNING 1")
    await town.set_state(job, *(("paused", "a break") if effect == "expire" else ("running",)))
    await town.step(0)
    assert (effect, "due") in await town.rows("SELECT kind, state FROM effect") or await town.events(job, "gone")
    await town.until(lambda: gone(town, job))
    await town.set_state(job, "running")
    await town.done(job)
    assert await town.value("SELECT count(*) FROM effect WHERE state = 'dropped'") >= (effect != "expire")


async def gone(town, job):
    return bool(await town.events(job, "gone"))


async def test_a_paused_job_asks_again_once_it_is_resumed(town, job):
    await town.set_state(job, "paused", "a break")
    await town.step()
    [(hit_id,)] = await town.rows("SELECT market_hit_id FROM hit")
    await town.live.call("delete_hit", HITId=hit_id)
    await town.until(lambda: gone(town, job))
    await town.step()
    assert await town.rows("SELECT state FROM hit") == [("closed",)]
    assert await town.rows("SELECT reserved_cents FROM job") == [(0,)], "what was reserved for it is free again"
    await town.set_state(job, "running")
    await town.done(job)


async def test_who_deletes_again_and_again_is_not_fought(town, job):
    for _ in range(3):
        await town.until(lambda: is_open(town))
        await delete_all(town)
    await town.until(town.is_state(job, "paused"))
    assert "lost 3 times: find out who deletes them, then resume" in (await town.events(job, "gone"))[-1]
    await town.step(60)
    assert await town.open_hits() == []
    await town.set_state(job, "running")
    await town.done(job)


async def is_open(town):
    return bool(await town.open_hits())
