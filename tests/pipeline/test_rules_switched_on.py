"""Rules are tried on a job's history, put in force while it runs, and taken back: everybody is judged by them anew."""

from __future__ import annotations

from tests.api.conftest import Api, create_app, make_key, open_client
from tests.pipeline.test_rescoring import filled, same, score


async def test_who_a_dry_run_names_is_suspended_once_its_rules_are_in_force_and_no_longer_without(house):
    job = await filled(house, 1, trust={"suspend": False, "good_accuracy": 0.8})
    before = await score(house, job)
    assert "suspended" not in {facts[0] for facts in before.values()}
    async with house.service.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT job_id, team_id FROM job WHERE job_no = $1", job)
        secret = await make_key(conn, house.clock, row["team_id"], ("jobs:read", "workers:read", "workers:judge"))
    path = f"/jobs/{row['job_id']}"
    async with open_client(create_app(house.service)) as client:
        api = Api(client, house.service, row["team_id"], secret)
        rules = {"good_accuracy": 0.85, "wrongly_suspended": 0.02}
        foretold = (await api("POST", f"{path}/trust/dry-run", json=rules)).json()
        switched = (await api("PATCH", f"{path}/trust", json={**rules, "suspend": True})).json()
        assert switched["changed"] == ["good_accuracy", "suspend", "wrongly_suspended"]
        assert (await api("GET", path)).json()["spec"]["trust"] == switched["trust"]
        assert {name: switched["trust"][name] for name in foretold["rules"]} == foretold["rules"]
        due = "SELECT finished < wanted FROM due WHERE subject = $1 AND stage = 'score'"
        assert await house.value(due, job), "nobody need ask for it"
        await house.run_stage("score", job)
        house.clock.advance(seconds=60)
        listed = "SELECT worker_id FROM job_worker WHERE job_no = $1 AND trust_state = 'suspended'"
        suspended = {one for (one,) in await house.rows(listed, job)}
        assert suspended == {one["worker"] for one in foretold["suspended"]} != set()
        events = [event["message"] for event in (await api("GET", f"{path}/progress")).json()["events"]]
        told = (
            "rules of trust changed by tests: good_accuracy 0.8 → 0.85, wrongly_suspended 0.01 → 0.02, suspend off → on"
        )
        assert told in events

        again = await api("PATCH", f"{path}/trust", json={"suspend": True})
        assert (again.json()["changed"], await house.value(due, job)) == ([], False)
        back = {"suspend": False, "good_accuracy": 0.8, "wrongly_suspended": 0.01}
        assert (await api("PATCH", f"{path}/trust", json=back)).status_code == 200
        assert same(before, await score(house, job)), "rules leave no trace"

        for body, field in (
            ({"good_accuracy": 0.3}, "good_accuracy"),
            ({"gate": False}, "gate"),
            ({"rest": 1}, "rest"),
        ):
            wrong = await api("PATCH", f"{path}/trust", json=body)
            assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, field)
        await house.value("UPDATE job SET state = 'done', ended_at = now() WHERE job_no = $1 RETURNING 1", job)
        assert (await api("PATCH", f"{path}/trust", json={"suspend": True})).status_code == 409
