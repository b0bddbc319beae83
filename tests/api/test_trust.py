"""What is believed of a worker, over HTTP: read with its reasons, said by a person, taken back."""

from __future__ import annotations

import pytest

from tests.api.conftest import SPEC, Api
from tests.api.facts import Facts, watched_job


@pytest.fixture
async def worked(api: Api):
    """A running job with one worker; returns (job id, worker id, facts)."""
    job_id = await api.job_with_items(1)
    async with api.service.pool.acquire() as conn:
        await conn.execute("UPDATE job SET state = 'running', launched_at = now() WHERE job_id = $1", job_id)
        facts = await Facts.of(api, conn, job_id)
        number = await facts.worker("AW1")
        worker_id = await conn.fetchval(
            "SELECT worker_id FROM job_worker WHERE job_no = $1 AND worker_no = $2", facts.job_no, number
        )
        yield job_id, worker_id, facts


async def due(api: Api) -> set[str]:
    async with api.service.pool.acquire() as conn:
        return {row[0] for row in await conn.fetch("SELECT stage FROM due WHERE finished < wanted")}


async def test_a_person_suspends_and_gives_back_and_each_step_is_kept_with_its_reason(api: Api, worked) -> None:
    job_id, worker_id, _ = worked
    path = f"/jobs/{job_id}/workers/{worker_id}/trust"
    before = (await api("GET", path)).json()
    assert (before["state"], before["by"], before["history"]) == ("probation", "policy", [])

    word = {"state": "suspended", "reason": "answers in two seconds"}
    said = (await api("PUT", path, json=word)).json()
    assert (said["state"], said["by"], said["reason"]) == ("suspended", "person", "answers in two seconds")
    assert {"decide", "infer", "score"} <= await due(api)
    assert (await api("PUT", path, json=word)).json() == said, "said twice is said once"

    released = (await api("DELETE", path)).json()
    assert (released["state"], released["by"]) == ("probation", "policy")
    assert [change["state"] for change in released["history"]] == ["probation", "suspended"]
    assert (await api("DELETE", path)).json() == released
    events = (await api("GET", f"/jobs/{job_id}/progress")).json()["events"]
    assert any("answers in two seconds" in event["message"] for event in events)


async def test_what_cannot_be_said_is_refused_and_changes_nothing(api: Api, worked) -> None:
    job_id, worker_id, facts = worked
    path = f"/jobs/{job_id}/workers/{worker_id}/trust"
    for body in ({"state": "suspended"}, {"state": "banned", "reason": "x"}, {"state": "suspended", "reason": "\0"}):
        assert (await api("PUT", path, json=body)).status_code == 422, body
    for blank in ("", "  "):
        refused = (await api("PUT", path, json={"state": "suspended", "reason": blank})).json()["detail"]
        assert "reason: expected text of 1 to 2000 characters, not all of them spaces" in refused
    word = {"state": "suspended", "reason": "why"}
    nobody = await api("PUT", f"/jobs/{job_id}/workers/worker_{'0' * 26}/trust", json=word)
    assert (nobody.status_code, nobody.json()["detail"]) == (404, "There is no such worker in this job.")
    stranger = await api.as_key("workers:read", "workers:judge", team="others")
    assert (await stranger("PUT", path, json=word)).status_code == 404
    async with api.service.pool.acquire() as conn:
        await conn.execute("UPDATE job SET state = 'done', ended_at = now() WHERE job_no = $1", facts.job_no)
    assert (await api("PUT", path, json=word)).status_code == 409
    assert (await api("GET", path)).json()["history"] == []


async def test_a_dry_run_says_who_by_which_answer_and_changes_nothing(api: Api) -> None:
    async with api.service.pool.acquire() as conn:
        job_id, facts, workers = await watched_job(api, conn)
        path = f"/jobs/{job_id}/trust/dry-run"
        told = (await api("POST", path, json={})).json()
        assert {one["worker"] for one in told["suspended"]} == set(workers[6:])
        assert (told["judged"], told["answers"], told["rules"]["good_accuracy"]) == (8, 480, 0.85)
        assert [one["at"] for one in told["suspended"]] == sorted(one["at"] for one in told["suspended"])
        for one in told["suspended"]:
            assert one["answers_before"] + one["answers_after"] == 60
            assert one["gold_right"] < one["gold_total"] <= 20
            assert one["state"] == "probation", "nothing is changed"
            of = await conn.fetchval(
                "SELECT worker_id FROM assignment JOIN job_worker USING (job_no, worker_no) "
                "WHERE job_no = $1 AND assignment_no = $2",
                facts.job_no,
                one["assignment"],
            )
            assert (of, 1 <= one["slot"] <= 6) == (one["worker"], True)
        assert told["answers_not_come"] == sum(one["answers_after"] for one in told["suspended"])
        error = {one["accuracy"]: one["suspended"] for one in told["error"]}
        assert error[0.85] <= 0.01 < error[0.7] < error[0.5]
        assert await conn.fetchval("SELECT count(*) FROM trust_history WHERE job_no = $1", facts.job_no) == 0
        patient = (await api("POST", path, json={"wrongly_suspended": 1e-20, "corroboration": 1e6})).json()
        assert (patient["suspended"], patient["rules"]["missed"]) == ([], 0.05)
        most = (await api("POST", path, json={"wrongly_suspended": 1e-30, "on_gold": 1e-30})).json()
        assert most["suspended"] == [], "one in 1e60"


async def test_rules_that_cannot_be_are_refused_in_a_dry_run_and_in_a_spec(api: Api) -> None:
    job_id = await api.job_with_items(1)
    for rules, where in (
        ({"good_accuracy": 0.3}, "good_accuracy"),
        ({"good_accuracy": 2}, "good_accuracy"),
        ({"wrongly_suspended": 0}, "wrongly_suspended"),
        ({"on_gold": 5e-324}, "on_gold"),  # more than 0, and its reciprocal is no number
        ({"horizon": 0.5}, "horizon"),
        ({"accuracy": 0.9}, "accuracy"),
        ({"missed": "x"}, "missed"),
    ):
        tried = await api("POST", f"/jobs/{job_id}/trust/dry-run", json=rules)
        assert (tried.status_code, tried.json()["errors"][0]["field"]) == (422, where), rules
        made = await api("POST", "/jobs/check", json=SPEC | {"trust": rules})
        assert (made.status_code, made.json()["errors"][0]["field"]) == (422, f"trust.{where}"), rules
    idle = await api("POST", "/jobs/check", json=SPEC | {"trust": {"rest": 0.9, "gate": False}})
    assert (idle.status_code, idle.json()["errors"][0]["field"]) == (422, "trust.rest")
    empty = (await api("POST", f"/jobs/{job_id}/trust/dry-run", json={})).json()
    assert (empty["judged"], empty["suspended"]) == (0, [])
    stranger = await api.as_key("workers:read", team="others")
    assert (await stranger("POST", f"/jobs/{job_id}/trust/dry-run", json={})).status_code == 404


async def test_answers_say_whether_they_weigh(api: Api) -> None:
    async with api.service.pool.acquire() as conn:
        job_id, _, workers = await watched_job(api, conn)
    word = {"state": "suspended", "reason": "why"}
    assert (await api("PUT", f"/jobs/{job_id}/workers/{workers[0]}/trust", json=word)).status_code == 200
    rows = (await api("GET", f"/jobs/{job_id}/answers", params={"limit": 1000})).json()["data"]
    assert {row["worker"] for row in rows if not row["weighs"]} == {workers[0]}
    assert sum(row["weighs"] for row in rows) == 7 * 40
