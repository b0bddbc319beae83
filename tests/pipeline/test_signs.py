"""Signs of automation are listed over a whole job, with what they are worth, and suspend nobody."""

from __future__ import annotations

from tests.api.conftest import Api, create_app, make_key, open_client
from tests.pipeline.test_rescoring import filled, score


async def test_whoever_answers_faster_than_anybody_reads_is_listed_with_the_base_rate(house):
    job = await filled(house, 1, trust={"suspend": False})
    swift, slow = "a.worker_no IN (2, 4)", "a.worker_no NOT IN (2, 4)"
    for who, seconds in ((swift, 0.5), (slow, 20)):
        await house.rows(
            "UPDATE assignment a SET accepted_at = submitted_at - make_interval(secs => $2) "
            f"WHERE job_no = $1 AND {who} RETURNING 1",
            job,
            float(seconds),
        )
    # One whole stretch of a worker's answers is of one label value.
    await house.rows("UPDATE answer SET label = 1 WHERE job_no = $1 AND worker_no = 4 RETURNING 1", job)
    async with house.service.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT job_id, team_id FROM job WHERE job_no = $1", job)
        secret = await make_key(conn, house.clock, row["team_id"], ("workers:read",))
        names = dict(await house.rows("SELECT worker_no, worker_id FROM job_worker WHERE job_no = $1", job))
    path = f"/jobs/{row['job_id']}/trust/signs"
    async with open_client(create_app(house.service)) as client:
        api = Api(client, house.service, row["team_id"], secret)
        assert (await api("GET", path)).json() == {"base_rate": 0.02, "total": 0, "workers": []}, "not scored yet"
        await score(house, job)
        told = (await api("GET", path)).json()
        signs = {one["worker"]: {sign["kind"] for sign in one["signs"]} for one in told["workers"]}
        assert [one["worker"] for one in told["workers"][:2]] == [names[4], names[2]], "the strongest, then the most"
        assert (signs[names[4]] >= {"speed", "identical_run"}, "speed" in signs[names[2]]) == (True, True)
        assert sum("speed" in kinds for kinds in signs.values()) == 2
        [run] = [one["reason"] for one in told["workers"][0]["signs"] if one["kind"] == "identical_run"]
        assert "answers in a row were label value b;" in run
        assert "With one worker in 50 automating" in run
        assert "suspended" not in {one["state"] for one in told["workers"]}
        few = (await api("GET", path, params={"limit": 1})).json()
        assert (few["total"], few["workers"]) == (told["total"], told["workers"][:1])
        assert (await api("GET", path, params={"limit": 0})).status_code == 400
