"""What comes out: labels, answers, workers and progress, exact, without gold unless asked for, page by page."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from service.api import exports
from service.api.auth import SCOPES
from tests.api.conftest import Api, golds, items
from tests.api.facts import Facts

AWKWARD = [0.1 + 0.2 - 0.2, math.nextafter(0.25, 1), 1 - (0.1 + 0.2 - 0.2) - math.nextafter(0.25, 1)]
TINY = [5e-324, 1.0, 2.2250738585072014e-308]


@pytest.fixture
async def job(api: Api) -> AsyncIterator[tuple[str, Facts]]:
    """A job of four items and a gold item (item_no 4), of which two have a label."""
    job_id = await api.job_with_items(4)
    await api.upload(job_id, golds(1), "gold")
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        yield job_id, facts


async def ndjson(api: Api, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api("GET", path, params={"format": "ndjson", **params})
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [msgspec.json.decode(line) for line in answer.text.splitlines()]


async def test_labels_come_out_as_the_doubles_that_went_in(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    run_no, run_id = await facts.run()
    await facts.consensus(run_no, 0, AWKWARD)
    await facts.consensus(run_no, 1, TINY, n_answers=7)
    await facts.settle(1, "target")
    rows = await ndjson(api, f"/jobs/{job_id}/labels")
    assert [row["external_id"] for row in rows] == [f"item-{n}" for n in range(4)], "gold is left out"
    assert list(rows[0]["probabilities"].values()) == AWKWARD
    assert rows[1] == {
        "external_id": "item-1",
        "label": "dog",
        "probabilities": {"cat": TINY[0], "dog": TINY[1], "other": TINY[2]},
        "confidence": 1.0,
        "answers": 7,
        "run": run_id,
        "state": "settled",
        "settled_by": "target",
        "settled_at": "2026-01-05T12:00:00Z",
        "revision": 1,
        "batch": None,
        "gold": False,
    }
    assert (rows[2]["label"], rows[2]["probabilities"], rows[2]["answers"]) == (None, None, 0)
    page = (await api("GET", f"/jobs/{job_id}/labels")).json()
    assert page == {"data": rows, "next": None}


async def test_csv_says_what_ndjson_says(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    run_no, run_id = await facts.run()
    await facts.consensus(run_no, 0, AWKWARD)
    answer = await api("GET", f"/jobs/{job_id}/labels", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [float(table[0][f"p:{label}"]) for label in ("cat", "dog", "other")] == AWKWARD
    assert (table[0]["label"], table[0]["run"], float(table[0]["confidence"])) == ("other", run_id, max(AWKWARD))
    assert (table[3]["label"], table[3]["p:cat"], table[3]["gold"]) == ("", "", "false")


async def test_gold_comes_when_it_is_asked_for(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    run_no, _ = await facts.run()
    await facts.consensus(run_no, 4, [1.0, 0.0, 0.0])
    rows = await ndjson(api, f"/jobs/{job_id}/labels", gold="true")
    assert [(row["external_id"], row["gold"]) for row in rows][-1] == ("gold-0", True)


async def test_labels_are_found_by_state(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    await facts.settle(2, "withdrawn")
    assert [row["external_id"] for row in await ndjson(api, f"/jobs/{job_id}/labels", state="settled")] == ["item-2"]


async def test_a_long_list_streams_whole(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_AT_ONCE", 7)
    for count in (20, 21):  # with a last page that is full, and one that is not
        job_id = await api.job_with_items(count)
        expected = [f"item-{n}" for n in range(count)]
        assert [row["external_id"] for row in await ndjson(api, f"/jobs/{job_id}/labels")] == expected
        table = (await api("GET", f"/jobs/{job_id}/labels", params={"format": "csv"})).text
        assert [row["external_id"] for row in csv.DictReader(io.StringIO(table))] == expected


async def test_pages_stay_where_they_are_while_items_come(api: Api) -> None:
    job_id = await api.job_with_items(5)
    first = (await api("GET", f"/jobs/{job_id}/labels", params={"limit": 2})).json()
    await api.upload(job_id, items(3, 5))
    seen, cursor = [row["external_id"] for row in first["data"]], first["next"]
    while cursor:
        page = (await api("GET", f"/jobs/{job_id}/labels", params={"limit": 2, "cursor": cursor})).json()
        seen, cursor = seen + [row["external_id"] for row in page["data"]], page["next"]
    assert seen == [f"item-{n}" for n in range(8)]


async def test_a_later_answer_of_the_same_worker_supersedes_the_earlier(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    hit_no = await facts.hit([0, 4])
    first, second = await facts.worker("A1"), await facts.worker("A2")
    await facts.answers(hit_no, first, [(0, 0), (4, 0)], later=10)
    await facts.answers(hit_no, first, [(0, 1), (4, 0)], later=20, state="submitted")
    await facts.answers(hit_no, second, [(0, 2), (4, 2)])
    await facts.answers(hit_no, second, [(0, 0), (4, 0)], later=5, state="rejected")
    rows = (await api("GET", f"/jobs/{job_id}/answers")).json()["data"]
    assert [(row["label"], row["assignment_state"], row["superseded"]) for row in rows] == [
        ("cat", "approved", True),
        ("dog", "submitted", False),
        ("other", "approved", False),
        ("cat", "rejected", False),
    ], "a rejected answer supersedes nothing"
    assert datetime.fromisoformat(rows[0]["submitted_at"]) == datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(
        seconds=10
    )
    assert len({row["worker"] for row in rows}) == 2
    assert all(row["worker"].startswith("worker_") for row in rows)
    with_gold = await ndjson(api, f"/jobs/{job_id}/answers", gold="true")
    assert [row["external_id"] for row in with_gold] == ["item-0", "gold-0"] * 4


async def test_answers_are_paged_by_assignment_and_slot(api: Api) -> None:
    job_id = await api.job_with_items(3)
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        hit_no = await facts.hit([0, 1, 2])
        for number in range(3):
            await facts.answers(hit_no, await facts.worker(f"A{number}"), [(0, 0), (1, 1), (2, 2)])
    seen, cursor = [], None
    while True:
        page = (
            await api("GET", f"/jobs/{job_id}/answers", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [(row["assignment"], row["external_id"]) for row in page["data"]]
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 9
    assert seen == sorted(seen)


async def test_workers_are_shown_with_what_gold_says_of_them(api: Api) -> None:
    job_id = await api.job_with_items(2)
    await api.upload(job_id, golds(10), "gold")
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        hit_no = await facts.hit(range(12))
        good, new = await facts.worker("MARKET1"), await facts.worker("MARKET2")
        await facts.answers(hit_no, good, [(0, 0), (1, 1), *((item_no, 0) for item_no in range(2, 11)), (11, 2)])
        run_no, run_id = await facts.run()
        await facts.confuse(good, run_no, [0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0, 0, 1])
    reader = await api.as_key("workers:read")
    answer = await reader("GET", f"/jobs/{job_id}/workers")
    first, second = answer.json()["data"]
    assert (first["answers"], first["assignments"], second["answers"]) == (12, 1, 0)
    assert first["confusion"] == {
        "labels": ["cat", "dog", "other"],
        "rows": [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.0, 0.0, 1.0]],
        "run": run_id,
        "counted": False,
    }
    gold = first["gold"]
    assert (gold["right"], gold["total"]) == (9, 10)
    assert gold["mean"] == pytest.approx(10 / 12), "a Beta(1, 1) prior"
    assert gold["low"] == pytest.approx(0.6356, abs=1e-4)
    assert gold["high"] == pytest.approx(0.9667, abs=1e-4)
    assert second["confusion"] is None
    assert (second["gold"]["low"], second["gold"]["high"]) == (pytest.approx(0.05), pytest.approx(0.95))
    assert "MARKET" not in answer.text, "the market's ids are personal data"
    assert new == good + 1


async def test_the_markets_ids_of_workers_need_a_scope_of_their_own(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    await facts.worker("MARKET1")
    rows = (await api("GET", f"/jobs/{job_id}/workers")).json()["data"]
    assert rows[0]["market_worker_id"].startswith("MARKET1-")
    without = await api.as_key(*(scope for scope in SCOPES if scope != "workers:identify"))
    paths = ("", "/progress", "/labels", "/answers", "/workers", "/items", "/events", "/answers?format=csv")
    for path in paths:
        assert "MARKET1" not in (await without("GET", f"/jobs/{job_id}{path}")).text


async def test_progress_counts_what_there_is(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    hit_no = await facts.hit([0, 1, 4])
    await facts.answers(hit_no, await facts.worker("A1"), [(0, 0), (1, 1), (4, 0)])
    await facts.answers(hit_no, await facts.worker("A2"), [(0, 0)], state="submitted")
    run_no, _ = await facts.run()
    for item_no in (0, 1, 4):
        await facts.consensus(run_no, item_no, [0.5, 0.25, 0.25])
    await facts.settle(0, "target")
    await facts.settle(3, "withdrawn")
    told = (await api("GET", f"/jobs/{job_id}/progress")).json()
    assert told["items"] == {
        "total": 4,
        "open": 2,
        "settled": 2,
        "settled_by_target": 1,
        "settled_by_maximum": 0,
        "settled_by_person": 0,
        "withdrawn": 1,
        "labelled": 2,
        "in_no_hit": 1,
    }
    assert told["hits"] == {"total": 1, "planned": 1, "open": 0, "shut": 0, "gone": 0, "closed": 0}
    assert told["assignments"] == {"pending": 0, "submitted": 1, "approved": 1, "rejected": 0, "unreadable": 0}
    assert (told["gold"], told["answers"], told["workers"], told["on_the_way"], told["parked"]) == (1, 4, 2, 0, 0)
    assert [event["message"] for event in told["events"]] == ["created by tests"]


async def test_events_are_paged_the_latest_first(api: Api) -> None:
    job_id = await api.job_with_items()
    for action in ("launch", "pause", "resume", "cancel"):
        await api("POST", f"/jobs/{job_id}/{action}")
    first = (await api("GET", f"/jobs/{job_id}/events", params={"limit": 3})).json()
    rest = (await api("GET", f"/jobs/{job_id}/events", params={"limit": 3, "cursor": first["next"]})).json()
    assert [event["kind"] for event in first["data"] + rest["data"]] == [
        "cancelled",
        "resumed",
        "paused",
        "launched",
        "created",
    ]
    assert rest["next"] is None


async def test_runs_say_by_what_and_whether_they_arrived(api: Api, job: tuple[str, Facts]) -> None:
    job_id, facts = job
    _, first = await facts.run()
    _, second = await facts.run()
    shown = (await api("GET", f"/jobs/{job_id}/runs")).json()["data"]
    assert [run["run_id"] for run in shown] == [second, first], "the latest comes first"
    run = (await api("GET", f"/jobs/{job_id}/runs/{first}")).json()
    assert run == shown[1]
    assert (run["method"], run["kind"], run["bound"], run["converged"]) == ("dawid_skene", "interim", 0.0, True)
    page = (await api("GET", f"/jobs/{job_id}/runs", params={"limit": 1})).json()
    rest = (await api("GET", f"/jobs/{job_id}/runs", params={"cursor": page["next"]})).json()["data"]
    assert [run["run_id"] for run in rest] == [first]
    assert (await api("GET", f"/jobs/{job_id}/runs/run_nothing")).status_code == 404
