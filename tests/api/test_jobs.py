"""Jobs: checked, created once, listed, taken through their states."""

from tests.api.conftest import SPEC, Api, golds, items


async def test_a_job_goes_from_spec_to_launch(api: Api) -> None:
    made = await api("POST", "/jobs", json=SPEC)
    assert made.status_code == 201, made.text
    job_id = made.json()["job_id"]
    assert made.headers["location"] == f"/v1/jobs/{job_id}"
    up = await api.upload(job_id, items(3))
    assert up.json() == {"added": 3, "unchanged": 0, "items": 3, "gold": 0}, up.text
    launched = await api("POST", f"/jobs/{job_id}/launch")
    assert launched.json()["state"] == "running", launched.text
