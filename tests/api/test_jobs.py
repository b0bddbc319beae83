"""Jobs: checked, created once, listed, launched only with what they need, their budget changed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from service.store import pace
from tests.api.conftest import SPEC, Api, golds, items

YAML = b"""
name: Pets
reward: 0.05
budget: 100
task:
  type: choice
  question: What?
  labels: [yes, no]
  template: [{field: text}]
"""


async def due(conn: asyncpg.Connection, job_id: str) -> list[str]:
    rows = await conn.fetch(
        "SELECT stage FROM due JOIN job ON job_no = subject WHERE job_id = $1 AND finished < wanted ORDER BY 1", job_id
    )
    return [row["stage"] for row in rows]


async def test_a_job_goes_from_spec_to_launch(api: Api) -> None:
    made = await api("POST", "/jobs", json=SPEC)
    job_id = made.json()["job_id"]
    assert made.headers["location"] == f"/v1/jobs/{job_id}"
    assert made.json()["state"] == "draft"
    assert made.json()["possible"] == ["launch", "cancel"]
    assert (await api.upload(job_id, items(3))).json() == {"added": 3, "unchanged": 0, "items": 3, "gold": 0}
    launched = await api("POST", f"/jobs/{job_id}/launch")
    assert (launched.json()["state"], launched.json()["launched_at"]) == ("running", "2026-01-05T12:00:00Z")
    async with api.service.pool.acquire() as conn:
        assert await due(conn, job_id) == ["slice"], "launching asks for slice, in the same transaction"
    events = (await api("GET", f"/jobs/{job_id}/events")).json()["data"]
    assert [event["kind"] for event in events] == ["launched", "created"]


async def test_launching_wakes_the_pipeline(api: Api) -> None:
    job_id = await api.job_with_items()
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with api.service.pool.acquire() as conn:

        def hear(*_: object) -> None:
            heard.put_nowait("woken")

        await conn.add_listener("assay_due", hear)
        await api("POST", f"/jobs/{job_id}/launch")
        assert await asyncio.wait_for(heard.get(), 10) == "woken"
        await conn.remove_listener("assay_due", hear)


async def test_yaml_and_json_make_the_same_job(api: Api) -> None:
    made = await api("POST", "/jobs", content=YAML, headers={"Content-Type": "application/yaml; charset=utf-8"})
    assert made.status_code == 201, made.text
    assert made.json()["spec"]["task"]["labels"] == ["yes", "no"]


async def test_checking_creates_nothing(api: Api) -> None:
    told = (await api("POST", "/jobs/check", params={"items": 10}, json=SPEC)).json()
    assert told["estimate"]["worst_case_cents"] == 10 * 3 * 6
    assert told["spec"]["redundancy"]["target_confidence"] == 0.95, "what is left out is filled in"
    assert (await api("GET", "/jobs")).json()["data"] == []


async def test_a_bad_spec_is_refused_with_every_field(api: Api) -> None:
    refused = await api("POST", "/jobs", json=SPEC | {"reward": 1, "market": 2})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["reward", "market"]
    unknown = await api("POST", "/jobs", json=SPEC | {"market": "moon"})
    assert unknown.json()["errors"] == [{"message": "expected one of house, got the text 'moon'", "field": "market"}]


async def test_the_same_key_and_body_make_one_job(api: Api) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = await api("POST", "/jobs", json=SPEC, headers=headers)
    again = await api("POST", "/jobs", json=SPEC, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await api("POST", "/jobs", json=SPEC | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/v1/docs#problem-key-reused")
    elsewhere = await (await api.as_key("jobs:write", team="others"))("POST", "/jobs", json=SPEC, headers=headers)
    assert elsewhere.status_code == 201, "another team's keys are its own"


async def test_requests_at_once_with_one_key_make_one_job(api: Api) -> None:
    headers = {"Idempotency-Key": "order-2"}
    answers = await asyncio.gather(*(api("POST", "/jobs", json=SPEC, headers=headers) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["job_id"] for answer in answers}) == 1


async def test_a_key_is_known_for_thirty_days_and_old_ones_are_let_go(api: Api) -> None:
    old, known = {"Idempotency-Key": "order-3"}, {"Idempotency-Key": "order-4"}
    first = await api("POST", "/jobs", json=SPEC, headers=old)
    kept = await api("POST", "/jobs", json=SPEC, headers=known)
    now = api.service.clock.now()
    async with api.service.pool.acquire() as conn:
        age = "UPDATE idempotency SET created_at = $3 WHERE team_id = $1 AND key = $2"
        await conn.execute(age, api.team_id, "order-4", now - timedelta(days=30) + timedelta(microseconds=1))
        await conn.execute(age, api.team_id, "order-3", now - timedelta(days=30))
        await conn.execute(
            """INSERT INTO idempotency SELECT $1, 'old-' || n, decode(repeat('00', 32), 'hex'), 'job', $2
            FROM generate_series(1, 150) AS n""",
            api.team_id,
            now - timedelta(days=31),
        )
        assert (await api("POST", "/jobs", json=SPEC, headers=known)).json() == kept.json()
        again = await api("POST", "/jobs", json=SPEC | {"name": "Other"}, headers=old)
        assert (again.status_code, again.json()["job_id"] == first.json()["job_id"]) == (201, False), "as if it was new"
        assert (await api("POST", "/jobs", json=SPEC | {"name": "Other"}, headers=old)).json() == again.json()
        left = "SELECT count(*) FROM idempotency WHERE team_id = $1"
        assert await conn.fetchval(left, api.team_id) == 52, "a hundred go at a time"
        await api("POST", "/jobs", json=SPEC, headers={"Idempotency-Key": "order-5"})
        assert await conn.fetchval(left, api.team_id) == 3


async def test_launch_names_the_gold_that_is_needed(api: Api) -> None:
    job_id = await api.job_with_items(5, bundle={"items": 2, "gold": 2})
    await api.upload(job_id, golds(4), "gold")
    refused = await api("POST", f"/jobs/{job_id}/launch")
    assert refused.status_code == 409
    assert refused.json()["figures"] == {"needed": 6, "there": 4, "missing": 2}
    assert "upload 2 more" in refused.json()["detail"]
    await api.upload(job_id, golds(6), "gold")
    assert (await api("POST", f"/jobs/{job_id}/launch")).status_code == 200


async def test_launch_refuses_what_the_budget_does_not_cover_to_the_cent(api: Api) -> None:
    job_id = await api.job_with_items(10, budget="1.79")
    refused = await api("POST", f"/jobs/{job_id}/launch")
    assert refused.json()["figures"]["needed_cents"] == 180
    assert (await api("PATCH", f"/jobs/{job_id}", json={"budget": "1.80"})).status_code == 200
    assert (await api("POST", f"/jobs/{job_id}/launch")).status_code == 200


async def test_a_job_without_items_is_not_launched(api: Api) -> None:
    job_id = await api.job()
    assert "upload some" in (await api("POST", f"/jobs/{job_id}/launch")).json()["detail"]
    await api.upload(job_id, items(1))
    await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["item-0"]})
    assert (await api("POST", f"/jobs/{job_id}/launch")).status_code == 409, "withdrawn items do not count"


async def test_a_job_whose_market_is_gone_says_so(api: Api) -> None:
    job_id = await api.job_with_items()
    async with api.service.pool.acquire() as conn:
        market_no = await pace.know_market(conn, "closed-down", None, api.service.clock.now())
        await conn.execute("UPDATE job SET market_no = $2 WHERE job_id = $1", job_id, market_no)
    for method, path in (("GET", "/estimate"), ("POST", "/launch")):
        refused = await api(method, f"/jobs/{job_id}{path}")
        assert (refused.status_code, "'closed-down', is not configured" in refused.text) == (409, True)
    assert (await api("GET", f"/jobs/{job_id}")).status_code == 200


async def test_a_budget_can_be_changed_while_it_still_covers_the_worst_case(api: Api) -> None:
    job_id = await api.job_with_items(10)
    await api("POST", f"/jobs/{job_id}/launch")
    assert (await api("PATCH", f"/jobs/{job_id}", json={"budget": "1.79"})).status_code == 409
    changed = await api("PATCH", f"/jobs/{job_id}", json={"budget": "1.80"})
    assert changed.json()["budget"]["limit_cents"] == 180
    assert changed.json()["spec"]["budget"] == "1.80"


@pytest.mark.parametrize("body", [{"budget": "x"}, {"budget": 3}, {}, {"budget": "1.00", "name": "y"}, [], 3])
async def test_a_change_of_anything_else_is_refused(api: Api, body: object) -> None:
    job_id = await api.job()
    assert (await api("PATCH", f"/jobs/{job_id}", json=body)).status_code == 422


async def test_two_launches_at_once_launch_once(api: Api) -> None:
    job_id = await api.job_with_items()
    answers = await asyncio.gather(*(api("POST", f"/jobs/{job_id}/launch") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4


async def test_a_job_is_paused_resumed_and_cancelled(api: Api) -> None:
    job_id = await api.job_with_items()
    await api("POST", f"/jobs/{job_id}/launch")
    paused = await api("POST", f"/jobs/{job_id}/pause")
    assert (paused.json()["state"], paused.json()["pause_reason"]) == ("paused", "asked for by tests")
    assert "it can resume or cancel" in (await api("POST", f"/jobs/{job_id}/pause")).json()["detail"]
    assert (await api("POST", f"/jobs/{job_id}/resume")).json()["pause_reason"] is None
    cancelled = await api("POST", f"/jobs/{job_id}/cancel")
    assert (cancelled.json()["state"], cancelled.json()["possible"]) == ("cancelling", [])
    async with api.service.pool.acquire() as conn:
        assert await due(conn, job_id) == ["decide", "slice"]


async def test_a_draft_is_cancelled_at_once(api: Api) -> None:
    job_id = await api.job()
    assert (await api("POST", f"/jobs/{job_id}/cancel")).json()["state"] == "cancelled"
    assert (await api.upload(job_id, items(1))).status_code == 409


async def test_jobs_are_paged_the_newest_first_whatever_comes_meanwhile(api: Api) -> None:
    made = [await api.job(name=f"job {n}") for n in range(5)]
    first = (await api("GET", "/jobs", params={"limit": 2})).json()
    await api.job(name="later")
    second = (await api("GET", "/jobs", params={"limit": 2, "cursor": first["next"]})).json()
    third = (await api("GET", "/jobs", params={"limit": 2, "cursor": second["next"]})).json()
    seen = [job["job_id"] for page in (first, second, third) for job in page["data"]]
    assert seen == made[::-1], "no job twice, none left out"
    assert third["next"] is None


async def test_jobs_are_found_by_state(api: Api) -> None:
    draft, cancelled = await api.job(), await api.job()
    await api("POST", f"/jobs/{cancelled}/cancel")
    found = (await api("GET", "/jobs", params={"state": "draft"})).json()["data"]
    assert [job["job_id"] for job in found] == [draft]
