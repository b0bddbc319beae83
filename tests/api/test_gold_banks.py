"""Gold banks over HTTP: imported, corrected, versioned, and copied into jobs balanced over label values."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from foundation.ids import new_id
from service.api.auth import SCOPES
from tests.api.conftest import SPEC, Api, golds
from tests.api.facts import Facts

LABELS = SPEC["task"]["labels"]


def lines(count: int, start: int = 0, label: Any = None) -> list[dict[str, Any]]:
    """Return gold lines; label values in blocks, as files tend to have them."""
    return [
        {
            "external_id": f"g-{n}",
            "payload": {"text": f"gold {n}"},
            "accepted": [{"label": label or LABELS[3 * (n - start) // count], "reason": "known"}],
        }
        for n in range(start, start + count)
    ]


async def make(api: Api, gold: list[dict[str, Any]], **task: Any) -> str:
    name = new_id("bank", api.service.clock)
    made = await api("POST", "/gold-banks", json={"name": name, "task": SPEC["task"] | task})
    assert made.status_code == 201, made.text
    if gold:
        done = await api("POST", f"/gold-banks/{name}/items", json=gold)
        assert done.json() == {"added": len(gold), "unchanged": 0, "version": 1}, done.text
    return name


async def test_gold_goes_in_once_and_every_change_is_a_version_with_who_and_why(api: Api) -> None:
    name = await make(api, lines(3))
    again = await api("POST", "/gold-banks", json={"name": name, "task": SPEC["task"]})
    other = await api("POST", "/gold-banks", json={"name": name, "task": SPEC["task"] | {"question": "Another?"}})
    assert (again.status_code, other.status_code) == (200, 409)
    more = (await api("POST", f"/gold-banks/{name}/items", json=lines(3) + lines(1, 9, "cat"))).json()
    assert more == {"added": 1, "unchanged": 3, "version": 2}
    differing = await api("POST", f"/gold-banks/{name}/items", json=lines(1, 1, "other"))
    assert (differing.status_code, differing.json()["errors"][0]["external_id"]) == (409, "g-1")

    change = {"external_id": "g-1", "cause": "a guest wrote in", "accepted": [{"label": "cat", "reason": "whiskers"}]}
    retire = {"external_id": "g-2", "cause": "it leaked", "state": "retired"}
    for changed in (2, 0):
        done = await api("POST", f"/gold-banks/{name}/corrections", json={"corrections": [change, retire]})
        assert (done.status_code, done.json()["changed"]) == (200, changed), done.text
    shown = (await api("GET", f"/gold-banks/{name}")).json()
    assert (shown["version"], shown["asked"], shown["others"]) == (3, 3, 1)
    kept = (await api("GET", f"/gold-banks/{name}/versions", params={"external_id": "g-1"})).json()["data"]
    assert [(one["version"], one["cause"], one["accepted"][0]["label"]) for one in kept] == [
        (1, "", "dog"),
        (2, "a guest wrote in", "cat"),
    ]
    listed = (await api("GET", f"/gold-banks/{name}/items", params={"limit": 2})).json()
    rest = (await api("GET", f"/gold-banks/{name}/items", params={"cursor": listed["next"]})).json()
    assert [one["external_id"] for one in listed["data"] + rest["data"]] == ["g-0", "g-1", "g-2", "g-9"]
    assert listed["data"][0]["payload"] == {"text": "gold 0"}
    assert name in [one["name"] for one in (await api("GET", "/gold-banks")).json()["data"]]


async def test_a_spec_takes_gold_from_a_bank_at_launch_balanced_and_says_which_version(api: Api) -> None:
    name = await make(api, lines(30))
    retire = {"corrections": [{"external_id": f"g-{n}", "cause": "old", "state": "retired"} for n in range(4)]}
    assert (await api("POST", f"/gold-banks/{name}/corrections", json=retire)).status_code == 200
    job_id = await api.job_with_items(18, bundle={"items": 2, "gold": 1}, gold={"bank": name})
    launched = await api("POST", f"/jobs/{job_id}/launch")
    assert launched.status_code == 200, launched.text
    gold = (await api("GET", f"/jobs/{job_id}/gold")).json()["data"]
    assert Counter(one["accepted"][0]["label"] for one in gold) == {"cat": 3, "dog": 3, "other": 3}
    assert all(one["accepted"][0]["reason"] == "known" for one in gold)
    assert not {f"g-{n}" for n in range(4)} & {one["external_id"] for one in gold}, "what is retired stays away"
    async with api.service.pool.acquire() as conn:
        origin = await conn.fetch(
            """SELECT b.name, i.external_id = t.external_id AS same, g.bank_version FROM gold g JOIN job USING (job_no)
               JOIN gold_bank b USING (bank_no) JOIN gold_bank_item i USING (bank_no, bank_item)
               JOIN item t ON t.job_no = g.job_no AND t.item_no = g.item_no WHERE job_id = $1""",
            job_id,
        )
    assert {tuple(row) for row in origin} == {(name, True, 1)}
    assert len(origin) == 9
    events = (await api("GET", f"/jobs/{job_id}/progress")).json()["events"]
    assert any(f"9 gold items copied from the bank {name}, version 2" in event["message"] for event in events)


async def test_where_a_banks_gold_is_is_listed_item_by_item_and_a_job_keeps_its_own(api: Api) -> None:
    name = await make(api, lines(3))
    jobs = [await api.job_with_items(1) for _ in range(2)]
    for job_id, count in zip(jobs, (3, 3), strict=True):
        await api("POST", f"/jobs/{job_id}/gold/from-bank", json={"bank": name, "count": count})
    out = {"corrections": [{"external_id": "g-1", "cause": "leaked", "state": "retired"}]}
    for where in (f"/gold-banks/{name}", f"/jobs/{jobs[1]}/gold"):
        assert (await api("POST", f"{where}/corrections", json=out)).status_code == 200
    path, seen, cursor = f"/gold-banks/{name}/copies", [], None
    while True:
        page = (await api("GET", path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [(one["external_id"], one["job_id"], one["state"], one["version"]) for one in page["data"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [
        (f"g-{n}", job_id, *(("retired", 2) if (n, job_id) == (1, jobs[1]) else ("asked", 1)))
        for n in range(3)
        for job_id in jobs
    ]
    [only, _] = (await api("GET", path, params={"external_id": "g-1"})).json()["data"]
    assert only == {
        "external_id": "g-1",
        "job_id": jobs[0],
        "name": "Pets",
        "job_state": "draft",
        "state": "asked",
        "version": 1,
        "bank_version": 1,
    }
    assert (await api("GET", path, params={"external_id": "\0"})).json()["data"] == []
    stranger = await api.as_key("jobs:read", team=new_id("team", api.service.clock))
    assert (await stranger("GET", path)).status_code == 404


async def test_an_estimate_counts_what_the_bank_will_give_at_launch(api: Api) -> None:
    name = await make(api, lines(6))
    spec = SPEC | {"bundle": {"items": 2, "gold": 1}, "gold": {"bank": name}}

    async def estimate(job_id: str) -> tuple[int, int, int, bool]:
        told = (await api("GET", f"/jobs/{job_id}/estimate")).json()
        short = any("more gold items are needed" in note for note in told["notes"])
        return told["gold_needed"], told["gold_there"], told["gold_from_bank"], short

    enough, short = await api.job_with_items(12, **spec), await api.job_with_items(20, **spec)
    assert await estimate(enough) == (6, 0, 6, False)
    assert await estimate(short) == (10, 0, 6, True)
    assert (await api("POST", f"/jobs/{short}/launch")).json()["figures"] == {"needed": 10, "there": 6, "missing": 4}
    assert (await api.upload(short, golds(4), "gold")).status_code == 200
    assert await estimate(short) == (10, 4, 6, False)
    assert (await api("POST", f"/jobs/{enough}/launch")).status_code == 200
    assert await estimate(enough) == (6, 6, 0, False), "of a launched job, what is there"
    told = (await api("POST", "/jobs/check", json=spec, params={"items": 20})).json()["estimate"]
    assert (told["gold_needed"], told["gold_from_bank"]) == (10, 6)
    for bank, why in (("nowhere", "no such gold bank"), (await make(api, [], labels=["yes", "no"]), "yes, no")):
        notes = (await api("POST", "/jobs/check", json=spec | {"gold": {"bank": bank}})).json()["estimate"]["notes"]
        assert "Launching will be refused" in notes[-1]
        assert why in notes[-1]
    stranger = await api.as_key("jobs:read", team=new_id("team", api.service.clock))
    notes = (await stranger("POST", "/jobs/check", json=spec)).json()["estimate"]["notes"]
    assert "no such gold bank" in notes[-1], "another team's is none"


async def test_gold_of_which_every_answer_is_right_stays_in_its_bank_and_keeps_no_job_from_its_launch(api: Api) -> None:
    name = await make(api, lines(2))
    async with api.service.pool.acquire() as conn:  # as banks could hold it before it was refused
        await conn.execute(
            """UPDATE gold_bank_item i SET accepted = '[{"label": 0}, {"label": 1}, {"label": 2}]' FROM gold_bank b
               WHERE b.bank_no = i.bank_no AND b.name = $1 AND i.external_id = 'g-0'""",
            name,
        )
    job_id = await api.job_with_items(1, bundle={"items": 1, "gold": 1}, gold={"bank": name, "count": 2})
    assert (await api("POST", f"/jobs/{job_id}/launch")).status_code == 200
    gold = (await api("GET", f"/jobs/{job_id}/gold")).json()["data"]
    assert [one["external_id"] for one in gold] == ["g-1"]


async def test_gold_is_copied_on_demand_the_least_met_first_and_none_beyond_its_exposures(api: Api) -> None:
    name = await make(api, lines(4, label="cat"))
    first = await api.job_with_items(1, bundle={"items": 1, "gold": 1})
    copy = {"bank": name, "count": 3}
    done = (await api("POST", f"/jobs/{first}/gold/from-bank", json=copy)).json()
    assert done == {"copied": 3, "bank": name, "version": 1, "gold_missing": 0}
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, first)
        hit = await facts.hit([1, 2, 3])
        for number in range(50):  # one is met by 50 workers, one by one worker, one by nobody
            given = [(1, 0), (2, 0)] if number == 0 else [(1, 0)]
            await facts.answers(hit, await facts.worker(f"E{number}"), given)
        met = [
            await conn.fetchval("SELECT external_id FROM item WHERE job_no = $1 AND item_no = $2", facts.job_no, number)
            for number in (1, 2)
        ]
    second = await api.job_with_items(1)
    assert (await api("POST", f"/jobs/{second}/gold/from-bank", json={"bank": name, "count": 2})).json()["copied"] == 2
    there = {one["external_id"] for one in (await api("GET", f"/jobs/{second}/gold")).json()["data"]}
    assert not there & set(met)
    assert (await api("POST", f"/jobs/{second}/gold/from-bank", json={"bank": name, "count": 9})).json()["copied"] == 1
    there = {one["external_id"] for one in (await api("GET", f"/jobs/{second}/gold")).json()["data"]}
    assert met[0] not in there, "50 workers know it"


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"name": "a b", "task": SPEC["task"]}, 422, "name"),
        ({"name": "job_1", "task": SPEC["task"]}, 422, "name"),  # which `assay gold` would take for a job
        ({"name": "ok"}, 422, "task"),
        ({"name": "ok", "task": SPEC["task"] | {"labels": ["cat", "cat"]}}, 422, "task.labels[1]"),
        ({"name": "ok", "task": SPEC["task"] | {"labels": ["cat"]}}, 422, "task.labels"),
        ({"name": "ok", "task": SPEC["task"], "team": "x"}, 422, "team"),
    ],
)
async def test_a_bank_that_cannot_be_is_refused_by_field(api: Api, body, status, where) -> None:
    refused = await api("POST", "/gold-banks", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, where), refused.text
    assert where != "name" or "name: expected a name" in refused.json()["detail"]


async def test_what_does_not_fit_is_refused_whole_by_line_or_item(api: Api) -> None:
    name = await make(api, [])
    bad = [lines(1)[0], {"external_id": "g-1", "payload": {}, "accepted": "cow"}, lines(1)[0]]
    refused = await api("POST", f"/gold-banks/{name}/items", json=bad)
    told = {(one["line"], one.get("field")) for one in refused.json()["errors"]}
    assert (refused.status_code, told) == (422, {(2, "payload.text"), (2, "accepted"), (3, "external_id")})
    assert (await api("GET", f"/gold-banks/{name}")).json()["version"] == 0

    await api("POST", f"/gold-banks/{name}/items", json=lines(3))
    two = await api.job_with_items(1, task=SPEC["task"] | {"labels": ["cat", "dog"]})
    other_field = await api.job(task=SPEC["task"] | {"template": [{"field": "title"}]})
    for job_id in (two, other_field):
        answer = await api("POST", f"/jobs/{job_id}/gold/from-bank", json={"bank": name, "count": 1})
        assert (answer.status_code, answer.json()["type"]) == (409, "/v1/docs#problem-bank-differs"), answer.text
        assert (await api("GET", f"/jobs/{job_id}/gold")).json()["data"] == []
    missing = await api.job_with_items(1, bundle={"items": 1, "gold": 1}, gold={"bank": "nowhere"})
    assert (await api("POST", f"/jobs/{missing}/launch")).status_code == 404
    few = await api.job_with_items(9, bundle={"items": 1, "gold": 1}, gold={"bank": name})
    short = await api("POST", f"/jobs/{few}/launch")
    assert (short.status_code, short.json()["figures"]["missing"]) == (409, 6)
    assert (await api("GET", f"/jobs/{few}/gold")).json()["data"] == [], "a launch that is refused copies nothing"
    reordered = await api.job_with_items(1, task=SPEC["task"] | {"labels": LABELS[::-1]})
    assert (await api("POST", f"/jobs/{reordered}/gold/from-bank", json={"bank": name, "count": 3})).status_code == 200
    gold = (await api("GET", f"/jobs/{reordered}/gold")).json()["data"]
    assert {(one["external_id"], one["accepted"][0]["label"]) for one in gold} == {
        ("g-0", "cat"),
        ("g-1", "dog"),
        ("g-2", "other"),
    }, "label values are matched by name"


async def test_another_teams_bank_is_not_there_and_its_name_is_free(api: Api) -> None:
    name = await make(api, lines(3))
    stranger = await api.as_key(*SCOPES, team="strangers")
    assert (await stranger("GET", f"/gold-banks/{name}")).status_code == 404
    job_id = await stranger.job_with_items(1)
    answer = await stranger("POST", f"/jobs/{job_id}/gold/from-bank", json={"bank": name, "count": 1})
    assert answer.status_code == 404
    assert (await stranger("POST", "/gold-banks", json={"name": name, "task": SPEC["task"]})).status_code == 201
    assert (await stranger("GET", f"/gold-banks/{name}/items")).json()["data"] == []
