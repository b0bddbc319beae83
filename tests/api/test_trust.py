"""What is believed of a worker, over HTTP: read with its reasons, said by a person, taken back."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api
from tests.api.facts import Facts


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
    for body in ({"state": "suspended"}, {"state": "banned", "reason": "x"}, {"state": "suspended", "reason": ""}):
        assert (await api("PUT", path, json=body)).status_code == 422, body
    word = {"state": "suspended", "reason": "why"}
    nobody = await api("PUT", f"/jobs/{job_id}/workers/worker_{'0' * 26}/trust", json=word)
    assert (nobody.status_code, nobody.json()["detail"]) == (404, "There is no such worker in this job.")
    stranger = await api.as_key("workers:read", "workers:judge", team="others")
    assert (await stranger("PUT", path, json=word)).status_code == 404
    async with api.service.pool.acquire() as conn:
        await conn.execute("UPDATE job SET state = 'done', ended_at = now() WHERE job_no = $1", facts.job_no)
    assert (await api("PUT", path, json=word)).status_code == 409
    assert (await api("GET", path)).json()["history"] == []
