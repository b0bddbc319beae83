"""Gold of a job, corrected, retired and excluded over HTTP: every version kept, everybody woken, nothing half done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store import answer_arrays, gold, hits
from tests.api.conftest import Api, golds

CAT = {"label": "cat", "reason": "whiskers"}
DOG = {"label": "dog", "reason": "it barks"}


async def job_with_gold(api: Api, state: str = "running") -> tuple[str, int]:
    job_id = await api.job_with_items(2)
    assert (await api.upload(job_id, golds(3), "gold")).status_code == 200
    async with api.service.pool.acquire() as conn:
        ended = "now()" if state == "done" else "NULL"
        job_no = await conn.fetchval(
            f"UPDATE job SET state = $2, launched_at = now(), ended_at = {ended} WHERE job_id = $1 RETURNING job_no",
            job_id,
            state,
        )
    return job_id, job_no


async def correct(api: Api, job_id: str, *corrections: dict[str, Any]):
    return await api("POST", f"/jobs/{job_id}/gold/corrections", json={"corrections": corrections})


async def due(api: Api, job_no: int) -> set[str]:
    async with api.service.pool.acquire() as conn:
        rows = await conn.fetch("SELECT stage FROM due WHERE subject = $1 AND stage <> 'collect'", job_no)
        return {row[0] for row in rows}


async def test_a_correction_is_in_force_kept_and_wakes_everything_that_rests_on_gold(api: Api) -> None:
    job_id, job_no = await job_with_gold(api)
    change = {"external_id": "gold-1", "cause": "a guest wrote in", "accepted": [CAT, DOG], "version": 1}
    told = (await correct(api, job_id, change)).json()
    assert (told["changed"], told["gold"][0]["accepted"], told["gold"][0]["version"]) == (1, [CAT, DOG], 2)
    assert await due(api, job_no) == {"decide", "infer", "score"}
    async with api.service.pool.acquire() as conn:
        mask = await answer_arrays.gold_mask(conn, job_no, 5, 3)
    assert mask[2:].tolist() == [[True, False, False], [True, True, False], [True, False, False]]
    again = (await correct(api, job_id, change | {"version": 2})).json()
    assert (again["changed"], again["unchanged"]) == (0, 1), "said twice is said once"
    kept = (await api("GET", f"/jobs/{job_id}/gold/versions", params={"external_id": "gold-1"})).json()["data"]
    assert [(one["version"], one["cause"]) for one in kept] == [(1, ""), (2, "a guest wrote in")]
    assert kept[0]["accepted"] == [{"label": "cat", "reason": None}]
    first = (await api("GET", f"/jobs/{job_id}/gold/versions", params={"limit": 3})).json()
    rest = (await api("GET", f"/jobs/{job_id}/gold/versions", params={"cursor": first["next"]})).json()
    pages = [(one["external_id"], one["version"]) for one in first["data"] + rest["data"]]
    assert pages == [("gold-0", 1), ("gold-1", 1), ("gold-1", 2), ("gold-2", 1)]
    events = (await api("GET", f"/jobs/{job_id}/progress")).json()["events"]
    assert any("1 corrected" in event["message"] and "a guest wrote in" in event["message"] for event in events)


async def test_retired_gold_is_asked_no_more_and_counts_and_excluded_gold_counts_for_nobody(api: Api) -> None:
    job_id, job_no = await job_with_gold(api)
    retired = {"external_id": "gold-0", "cause": "it leaked", "state": "retired"}
    excluded = {"external_id": "gold-1", "cause": "nobody can tell", "state": "excluded"}
    assert (await correct(api, job_id, retired, excluded)).json()["changed"] == 2
    async with api.service.pool.acquire() as conn:
        counts = (await answer_arrays.gold_mask(conn, job_no, 5, 3)).any(axis=1).tolist()
        offered = await hits.unsliced(conn, job_no, gold=True, limit=10)
        assert counts == [False, False, True, False, True]
        assert [one.item_no for one in offered] == [4]
        assert await gold.unused(conn, job_no) == 1
    listed = (await api("GET", f"/jobs/{job_id}/items", params={"gold": True})).json()["data"]
    assert [one["settled_by"] for one in listed] == [None, "withdrawn", None]
    only = (await api("GET", f"/jobs/{job_id}/gold", params={"state": "retired"})).json()["data"]
    assert [one["external_id"] for one in only] == ["gold-0"]
    back = {"external_id": "gold-1", "cause": "one can", "accepted": [DOG]}
    assert (await correct(api, job_id, back)).json()["gold"][0]["state"] == "asked"
    async with api.service.pool.acquire() as conn:
        assert (await answer_arrays.gold_mask(conn, job_no, 5, 3))[3].tolist() == [False, True, False]
    assert (await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["gold-2"]})).status_code == 200
    last = (await api("GET", f"/jobs/{job_id}/gold/versions", params={"external_id": "gold-2"})).json()["data"][-1]
    assert (last["version"], last["state"], last["cause"]) == (2, "excluded", "its item was withdrawn")


@pytest.mark.parametrize("state", ["draft", "done"])
async def test_gold_is_corrected_in_any_state(api: Api, state: str) -> None:
    job_id, job_no = await job_with_gold(api, state)
    assert (
        await correct(api, job_id, {"external_id": "gold-0", "cause": "found in an audit", "accepted": [DOG]})
    ).status_code == 200
    assert await due(api, job_no) == ({"score"} if state == "done" else set()), "labels wait for that"


GOOD = {"external_id": "gold-0", "cause": "why", "accepted": [DOG]}


@pytest.mark.parametrize(
    ("bad", "status", "where"),
    [
        ({"external_id": "item-0"}, 422, None),
        ({"external_id": "gold-9"}, 422, None),
        ({"version": 2}, 409, None),
        ({"version": 0}, 422, "corrections[1].version"),
        ({"cause": " "}, 422, "corrections[1].cause"),
        ({"cause": "\0"}, 422, "corrections[1].cause"),
        ({"state": "retired"}, 422, "corrections[1]"),
        ({"accepted": None}, 422, "corrections[1]"),
        ({"accepted": []}, 422, "corrections[1].accepted"),
        ({"accepted": [DOG, DOG]}, 422, "corrections[1].accepted"),
        ({"accepted": [{"label": "dog"}]}, 422, "corrections[1].accepted[0].reason"),
        ({"accepted": [{"label": "cow", "reason": "moo"}]}, 422, "corrections[1].accepted[0].label"),
        ({"accepted": [CAT, DOG, {"label": "other", "reason": "all"}]}, 422, "corrections[1].accepted"),
        ({"external_id": "gold-1"}, 422, "corrections[1].external_id"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_nothing_is_changed(api: Api, bad, status, where) -> None:
    job_id, job_no = await job_with_gold(api)
    first = GOOD | {"external_id": "gold-1"}
    refused = await correct(api, job_id, first, GOOD | bad)
    assert refused.status_code == status, refused.text
    if where is not None:
        assert refused.json()["errors"][0]["field"] == where
    if where == "corrections[1].accepted[0].label":
        assert "expected one of cat, dog, other, got the text 'cow'" in refused.json()["detail"]
    assert all(one["version"] == 1 for one in (await api("GET", f"/jobs/{job_id}/gold")).json()["data"])
    assert await due(api, job_no) == set()


async def test_gold_of_others_is_not_there(api: Api) -> None:
    job_id, _ = await job_with_gold(api)
    stranger = await api.as_key("jobs:read", "jobs:write", team="others")
    assert (await correct(stranger, job_id, GOOD)).status_code == 404
    reader = await api.as_key("jobs:read")
    assert (await correct(reader, job_id, GOOD)).status_code == 403


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("state"), st.sampled_from(["retired", "excluded"])),
        st.tuples(st.just("accepted"), st.sets(st.sampled_from(["cat", "dog", "other"]), min_size=1, max_size=2)),
    ),
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_is_said_of_gold_what_is_in_force_is_the_last_of_its_versions(api: Api, steps) -> None:
    """Against a model of three rules: accepting puts in force, retiring stops asking, excluding stops all."""
    job_id, job_no = await job_with_gold(api)
    accepts, state, version = {"cat"}, "asked", 1
    reasons: dict[str, Any] = {"cat": None}
    for number, (kind, value) in enumerate(steps):
        before = (accepts, state, reasons)
        change: dict[str, Any] = {"external_id": "gold-0", "cause": f"step {number}", kind: value}
        if kind == "accepted":
            change["accepted"] = [{"label": one, "reason": "r"} for one in sorted(value)]
            accepts, state, reasons = value, "asked", dict.fromkeys(value, "r")
        elif state != "excluded":
            state = value
        version += before != (accepts, state, reasons)
        told = (await correct(api, job_id, change)).json()["gold"][0]
        assert (told["state"], told["version"]) == (state, version)
    rows = (await api("GET", f"/jobs/{job_id}/gold/versions", params={"external_id": "gold-0"})).json()["data"]
    assert [one["version"] for one in rows] == list(range(1, version + 1))
    in_force = (await api("GET", f"/jobs/{job_id}/gold")).json()["data"][0]
    assert {**rows[-1], "copied_from": None} == in_force
    async with api.service.pool.acquire() as conn:
        mask = (await answer_arrays.gold_mask(conn, job_no, 5, 3))[2].nonzero()[0].tolist()
        offered = [one.item_no for one in await hits.unsliced(conn, job_no, gold=True, limit=10)]
    labels = ["cat", "dog", "other"]
    assert [labels[one] for one in mask] == (sorted(accepts) if state != "excluded" else [])
    assert (2 in offered) == (state == "asked")
