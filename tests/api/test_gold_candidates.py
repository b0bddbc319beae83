"""Candidates for gold over HTTP: offered by the policy, accepted into a bank or refused by a person, and kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import SPEC, Api, golds
from tests.api.facts import Facts
from tests.api.test_gold_banks import make

LABELS = SPEC["task"]["labels"]

# The label of each item's consensus, how sure it is, and the five answers to it.
SURE = {
    "item-0": (0, 0.99, [0, 0, 0, 0, 0]),
    "item-1": (0, 0.99, [0, 0, 0, 0, 2]),
    "item-2": (1, 0.985, [1, 1, 1, 1, 1]),
    "item-3": (0, 0.97, [0, 0, 0, 0, 1]),
    "item-4": (1, 0.999, [1, 1, 1]),
}


async def answered(api: Api, **changes: Any) -> str:
    """Make a job of five items and a gold item, with the answers and the consensus of SURE."""
    job_id = await api.job_with_items(5, **changes)
    await api.upload(job_id, golds(1), "gold")
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        hit = await facts.hit(range(6))
        workers = [await facts.worker(f"C{number}") for number in range(5)]
        for place, worker in enumerate(workers):
            given = [(number, one[2][place]) for number, one in enumerate(SURE.values()) if place < len(one[2])]
            await facts.answers(hit, worker, [*given, (5, 0)])
        run_no, _ = await facts.run()
        for number, (label, confidence, answers) in enumerate(SURE.values()):
            rest = (1 - confidence) / 2
            told = [confidence if place == label else rest for place in range(3)]
            await facts.consensus(run_no, number, told, len(answers))
        await facts.consensus(run_no, 5, [1.0, 0.0, 0.0], 5)
    return job_id


async def offered(api: Api, job_id: str) -> list[str]:
    told = (await api("GET", f"/jobs/{job_id}/gold/candidates")).json()
    return [one["external_id"] for one in told["candidates"]]


def acceptance(bank: str, *names: str, label: str = "cat", reason: str = "I looked") -> dict[str, Any]:
    accepted = [{"label": label, "reason": reason}]
    return {"bank": bank, "candidates": [{"external_id": name, "accepted": accepted} for name in names]}


async def test_what_the_consensus_is_sure_of_waits_with_its_evidence_label_values_in_turn(api: Api) -> None:
    job_id = await answered(api)
    told = (await api("GET", f"/jobs/{job_id}/gold/candidates")).json()
    assert [one["external_id"] for one in told["candidates"]] == ["item-1", "item-2", "item-0"], "dissent goes first"
    assert told["waiting"] == {"cat": 2, "dog": 1, "other": 0}
    first = told["candidates"][0]
    evidence = first["evidence"]
    assert first["payload"] == {"text": "text 1"}
    assert (evidence["label"], evidence["answers"]) == ("cat", {"cat": 4, "dog": 0, "other": 1})
    assert (evidence["confidence"], evidence["margin"]) == (pytest.approx(0.99), pytest.approx(0.985))
    assert evidence["run_id"].startswith("run_")
    one = (await api("GET", f"/jobs/{job_id}/gold/candidates", params={"limit": 1})).json()
    assert [row["external_id"] for row in one["candidates"]] == ["item-1"]
    assert (await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["item-0"]})).status_code == 200
    assert await offered(api, job_id) == ["item-1", "item-2"], "what is withdrawn is nobody's gold"


async def test_an_accepted_candidate_is_gold_of_the_bank_and_an_item_of_its_job(api: Api) -> None:
    job_id, bank = await answered(api), await make(api, [])
    path = f"/jobs/{job_id}/gold/candidates"
    body = acceptance(bank, "item-1", label="other", reason="a fox")
    for changed in (1, 0):
        done = await api("POST", f"{path}/accept", json=body)
        assert (done.status_code, done.json()["changed"]) == (200, changed), done.text
    (verdict,) = done.json()["candidates"]
    assert (verdict["verdict"], verdict["bank"], verdict["version"]) == ("accepted", bank, 1)
    assert verdict["accepted"] == [{"label": "other", "reason": "a fox"}], "a person may know better"
    assert (verdict["evidence"]["label"], verdict["revision"]) == ("cat", 1)
    (item,) = (await api("GET", f"/gold-banks/{bank}/items")).json()["data"]
    assert (item["external_id"], item["payload"], item["accepted"]) == (
        "item-1",
        {"text": "text 1"},
        verdict["accepted"],
    )
    assert item["cause"] == f"accepted as a candidate of {job_id}"
    assert (await api("GET", f"/gold-banks/{bank}")).json()["version"] == 1
    assert await offered(api, job_id) == ["item-0", "item-2"]
    gold = (await api("GET", f"/jobs/{job_id}/gold")).json()["data"]
    assert [one["external_id"] for one in gold] == ["gold-0"], "in its job it is judged by nobody's answers"
    labels = (await api("GET", f"/jobs/{job_id}/labels")).json()["data"]
    assert "item-1" in [one["external_id"] for one in labels]
    # Another job takes it from the bank, and says from which version of it.
    other = await api.job(bundle={"items": 1, "gold": 1})
    assert (await api("POST", f"/jobs/{other}/gold/from-bank", json={"bank": bank, "count": 1})).json()["copied"] == 1
    (copied,) = (await api("GET", f"/jobs/{other}/gold")).json()["data"]
    assert copied["copied_from"] == {"bank": bank, "version": 1}
    assert gold[0]["copied_from"] is None
    back = await api("POST", f"/jobs/{job_id}/gold/from-bank", json={"bank": bank, "count": 1})
    assert back.json()["copied"] == 0, "never into the job that it came from"


async def test_a_refused_candidate_is_kept_and_not_offered_again_and_may_be_accepted_later(api: Api) -> None:
    job_id, bank = await answered(api), await make(api, [])
    path = f"/jobs/{job_id}/gold/candidates"
    body = {"candidates": [{"external_id": "item-0", "reason": "two pets in it"}]}
    for changed in (1, 0):
        done = await api("POST", f"{path}/refuse", json=body)
        assert (done.status_code, done.json()["changed"]) == (200, changed), done.text
    assert await offered(api, job_id) == ["item-1", "item-2"]
    assert (await api("POST", f"{path}/accept", json=acceptance(bank, "item-0"))).json()["changed"] == 1
    again = await api("POST", f"{path}/refuse", json=body)
    assert (again.status_code, again.json()["type"]) == (409, "/v1/docs#problem-no-candidate")
    page = (await api("GET", f"{path}/verdicts", params={"limit": 1})).json()
    rest = (await api("GET", f"{path}/verdicts", params={"cursor": page["next"]})).json()
    said = [(one["revision"], one["verdict"], one["reason"], one["bank"]) for one in page["data"] + rest["data"]]
    assert said == [(1, "refused", "two pets in it", None), (2, "accepted", "", bank)]
    events = [one["message"] for one in (await api("GET", f"/jobs/{job_id}/progress")).json()["events"]]
    assert any("1 candidates for gold refused by tests: two pets in it" in one for one in events), events


async def test_what_cannot_be_accepted_is_told_by_item_and_nothing_is_half_done(api: Api) -> None:
    job_id, bank = await answered(api), await make(api, [])
    path = f"/jobs/{job_id}/gold/candidates"

    async def refused(body: dict[str, Any], what: str = "accept") -> tuple[int, str, str]:
        answer = await api("POST", f"{path}/{what}", json=body)
        assert answer.status_code >= 400, answer.text
        problem = answer.json()
        first = problem.get("errors", [{}])[0]
        return (
            answer.status_code,
            problem["type"].partition("problem-")[2],
            first.get("external_id") or first.get("field"),
        )

    assert await refused(acceptance(bank, "item-0", "item-3")) == (409, "no-candidate", "item-3")
    assert await refused(acceptance(bank, "item-4")) == (409, "no-candidate", "item-4"), "three answers are too few"
    assert await refused(acceptance(bank, "item-0", "gold-0")) == (422, "unknown-items", "gold-0")
    assert await refused(acceptance(bank, "item-0", "nowhere")) == (422, "unknown-items", "nowhere")
    twice = acceptance(bank, "item-0", "item-0")
    assert await refused(twice) == (422, "invalid-content", "candidates[1].external_id")
    cow = acceptance(bank, "item-0", label="cow")
    assert await refused(cow) == (422, "invalid-content", "candidates[0].accepted[0].label")
    assert await refused({"bank": bank, "candidates": []}) == (422, "invalid-content", "candidates")
    assert (await refused(acceptance("nowhere", "item-0")))[:2] == (404, "not-found")
    nothing = {"candidates": [{"external_id": "item-0", "reason": " "}]}
    assert await refused(nothing, "refuse") == (422, "invalid-content", "candidates[0].reason")
    three = {"candidates": [{"external_id": "item-3", "reason": "hard"}]}
    assert (await refused(three, "refuse"))[1] == "no-candidate"
    other_task = await make(api, [], labels=["cat", "dog"])
    assert (await refused(acceptance(other_task, "item-0")))[:2] == (409, "bank-differs")
    other_field = await make(api, [], template=[{"field": "title"}])
    assert await refused(acceptance(other_field, "item-0")) == (409, "bank-differs", "item-0")
    there = await make(api, [{"external_id": "item-0", "payload": {"text": "another"}, "accepted": "cat"}])
    assert await refused(acceptance(there, "item-0")) == (409, "items-differ", "item-0")
    retired = [{"external_id": "item-0", "cause": "leaked", "state": "retired"}]
    same = {
        "external_id": "item-0",
        "payload": {"text": "text 0"},
        "accepted": [{"label": "cat", "reason": "I looked"}],
    }
    past = await make(api, [same])
    assert (await api("POST", f"/gold-banks/{past}/corrections", json={"corrections": retired})).status_code == 200
    assert await refused(acceptance(past, "item-0")) == (409, "items-differ", "item-0")
    async with api.service.pool.acquire() as conn:
        kept = await conn.fetchval(
            "SELECT count(*) FROM gold_candidate JOIN job USING (job_no) WHERE job_id = $1", job_id
        )
    assert kept == 0
    assert (await api("GET", f"/gold-banks/{bank}")).json()["version"] == 0
    # What the bank has in the same words already is taken as it is.
    equal = await make(api, [same])
    assert (await api("POST", f"{path}/accept", json=acceptance(equal, "item-0"))).json()["changed"] == 1
    elsewhere = await refused(acceptance(bank, "item-0"))
    assert elsewhere == (409, "no-candidate", "item-0"), "it is gold of one bank"


async def test_label_values_of_a_bank_in_another_order_are_told_by_name(api: Api) -> None:
    job_id, bank = await answered(api), await make(api, [], labels=LABELS[::-1])
    body = acceptance(bank, "item-2", label="dog")
    for changed in (1, 0):
        done = (await api("POST", f"/jobs/{job_id}/gold/candidates/accept", json=body)).json()
        assert (done["changed"], done["candidates"][0]["accepted"][0]["label"]) == (changed, "dog")
    (item,) = (await api("GET", f"/gold-banks/{bank}/items")).json()["data"]
    assert item["accepted"][0]["label"] == "dog"


async def test_candidates_are_seen_and_decided_with_the_scopes_of_gold(api: Api) -> None:
    job_id, bank = await answered(api), await make(api, [])
    path = f"/jobs/{job_id}/gold/candidates"
    reader = await api.as_key("jobs:read")
    assert (await reader("GET", path)).status_code == 200
    assert (await reader("POST", f"{path}/accept", json=acceptance(bank, "item-0"))).status_code == 403
    assert (await (await api.as_key("labels:read"))("GET", path)).status_code == 403
    stranger = await api.as_key("jobs:read", "jobs:write", team="passers-by")
    assert (await stranger("GET", path)).status_code == 404
    assert (await stranger("POST", f"{path}/accept", json=acceptance(bank, "item-0"))).status_code == 404
    draft = await api.job()
    empty = (await api("GET", f"/jobs/{draft}/gold/candidates")).json()
    assert (empty["candidates"], empty["waiting"]) == ([], dict.fromkeys(LABELS, 0))
