"""The worker report over HTTP: the same in every format, sorted, filtered and paged, and never an id too many."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from pyarrow import parquet
from selectolax.lexbor import LexborHTMLParser

from service.api.auth import SCOPES
from service.store import worker_facts
from tests.api.conftest import SPEC, Api, golds, items
from tests.api.facts import Facts, watched_job


@pytest.fixture
async def watched(api: Api) -> AsyncIterator[tuple[str, Facts, list[str]]]:
    """A job that six good workers and two clickers worked on, paid, with a consensus of the good ones' answers."""
    async with api.service.pool.acquire() as conn:
        job_id, facts, workers = await watched_job(api, conn)
        run_no, _ = await facts.run()
        for item_no in range(40):
            right = item_no % 3
            await facts.consensus(run_no, item_no, [0.9 if label == right else 0.05 for label in range(3)])
        await facts.time(12)
        await conn.execute("UPDATE job SET reserved_cents = 1000 WHERE job_no = $1", facts.job_no)
        await conn.execute(
            """INSERT INTO money (job_no, at, kind, cents, hit_no, assignment_no)
            SELECT job_no, submitted_at, 'spend', 6, hit_no, assignment_no FROM assignment WHERE job_no = $1""",
            facts.job_no,
        )
        yield job_id, facts, workers


async def rows(api: Api, job_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api("GET", f"/jobs/{job_id}/workers", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_figures_are_those_of_the_facts(api: Api, watched: tuple[str, Facts, list[str]]) -> None:
    job_id, _, workers = watched
    told = await rows(api, job_id)
    assert [one["worker"] for one in told] == workers
    first, clicker = told[0], told[6]
    assert (first["answers"], first["assignments"], first["pay_cents"], first["cost_cents"]) == (60, 10, 50, 60)
    assert (first["gold"]["right"], first["gold"]["total"]) == (20, 20)
    assert [one["label"] for one in first["gold_by_label"]] == ["cat"]
    # Ten assignments of twelve seconds and six answers each.
    assert (first["active_seconds"], first["seconds_per_answer"]) == (120, 2)
    assert first["pay_per_hour_cents"] == pytest.approx(50 / 120 * 3600)
    assert (first["judged"], first["expected_right"]) == (40, pytest.approx(36))
    assert first["cost_per_right_cents"] == pytest.approx(60 / 36)
    assert clicker["cost_per_right_cents"] > 2 * first["cost_per_right_cents"]
    # Of seven others, five gave the same; a clicker gave it one time in three.
    assert first["agreement"]["answers"] == 60
    assert 5 / 7 < first["agreement"]["share"] < 1
    assert first["quality"] > 0.7 > 0.3 > clicker["quality"]
    assert first["confusion"]["counted"]
    assert [len(row) for row in first["confusion"]["rows"]] == [3, 3, 3]


async def test_every_format_says_the_same(api: Api, watched: tuple[str, Facts, list[str]]) -> None:
    job_id, facts, _ = watched
    for step in range(10, 40):  # the first worker turns: what they are wrong about from here on is other gold
        hit = await facts.hit([])
        await facts.answers(hit, 0, [(40 + (step + n) % 20, 1) for n in range(4)], later=60 * step)
    await facts.time(12)
    changes = {change["series"]: change for change in (await rows(api, job_id))[0]["drift"]}
    slower = changes["seconds for an answer"]  # ten assignments of two seconds an answer, then of three
    assert (slower["before"], slower["after"]) == (pytest.approx(2), pytest.approx(3))
    assert "seconds for an answer (geometric mean) went from 2 to 3 (" in slower["reason"]
    path, params = f"/jobs/{job_id}/workers", {"sort": "quality"}
    told = await rows(api, job_id, **params)
    lines = (await api("GET", path, params=params, headers={"Accept": "application/x-ndjson"})).text.splitlines()
    assert [json.loads(line) for line in lines] == told
    text = await api("GET", path, params={**params, "format": "csv"})
    assert text.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(text.text)))
    whole = parquet.read_table(
        io.BytesIO((await api("GET", path, params={**params, "format": "parquet"})).content)
    ).to_pylist()
    assert len(table) == len(whole) == len(told) == 8
    for one, cells, row in zip(told, table, whole, strict=True):
        assert list(cells) == list(row)
        for name in ("worker", "market", "state", "answers", "pay_cents", "quality", "spammer_score", "judged"):
            assert (cells[name], row[name]) == (str(one[name]), one[name]), name
        for name in ("expected_cost", "pay_per_hour_cents", "cost_per_right_cents", "seconds_per_answer"):
            assert (float(cells[name]), row[name]) == (one[name], one[name]), name
        assert (float(cells["gold_low"]), row["gold_low"]) == (one["gold"]["low"],) * 2
        assert (float(cells["agreement"]), row["agreement"]) == (one["agreement"]["share"],) * 2
        assert json.loads(cells["confusion"]) == row["confusion"] == one["confusion"]["rows"]
        assert json.loads(cells["drift"]) == row["drift"] == [change["reason"] for change in one["drift"]]
        assert (float(cells["gold_right:cat"]), row["gold_right:cat"]) == (one["gold_by_label"][0]["right"],) * 2
        for figure in ("mean", "low", "high"):
            name = f"gold_{figure}:cat"
            assert (float(cells[name]), row[name]) == (one["gold_by_label"][0][figure],) * 2
        assert (cells["gold_right:dog"], row["gold_high:dog"]) == ("", None)
        assert json.loads(cells["drift_changes"]) == one["drift"]
        whole_changes = [change | {"at": datetime.fromisoformat(change["at"])} for change in one["drift"]]
        assert row["drift_changes"] == whole_changes
        assert datetime.fromisoformat(cells["first_seen_at"]) == row["first_seen_at"]
        assert row["first_seen_at"] == datetime.fromisoformat(one["first_seen_at"])
        assert cells["market_worker_id"] == row["market_worker_id"] == one["market_worker_id"]


async def test_pages_and_filters_are_of_one_computation_until_something_changes(
    api: Api, watched: tuple[str, Facts, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, facts, workers = watched
    loads, load = [], worker_facts.load

    async def counted(*args: Any, **kwargs: Any) -> Any:
        loads.append(args)
        return await load(*args, **kwargs)

    monkeypatch.setattr(worker_facts, "load", counted)
    path = f"/jobs/{job_id}/workers"
    without = await api.as_key("workers:read")
    asked = ("", "?limit=2&sort=pay", "?state=watched", "?format=csv", "?format=html", f"/{workers[0]}")
    for one in (*asked, *asked):
        assert "AW0-" not in (await without("GET", f"{path}{one}")).text
    shown = [(await api("GET", f"{path}{one}")).text for one in asked]
    assert ["AW0-" in one for one in shown] == [True, True, False, True, True, True], "the same, to others"
    assert len(loads) == 1
    word = {"state": "watched", "reason": "in a hurry"}
    assert (await api("PUT", f"{path}/{workers[3]}/trust", json=word)).status_code == 200
    assert [one["worker"] for one in await rows(api, job_id, state="watched")] == [workers[3]]
    await facts.answers(await facts.hit([]), 0, [(0, 1)], later=10_000)
    assert (await rows(api, job_id))[0]["answers"] == 61
    edit = {"external_id": "gold-0", "accepted": [{"label": "dog", "reason": "it barks"}], "cause": "it was wrong"}
    assert (await api("POST", f"/jobs/{job_id}/gold/corrections", json={"corrections": [edit]})).status_code == 200
    assert (await rows(api, job_id))[0]["gold"]["right"] == 19
    assert len(loads) == 4


@pytest.mark.parametrize(("sort", "order"), [("quality", None), ("pay_per_hour", "asc"), ("first_seen", None)])
async def test_pages_are_the_sorted_list(
    api: Api, watched: tuple[str, Facts, list[str]], sort: str, order: str | None
) -> None:
    job_id, facts, _ = watched
    await facts.worker("IDLE")
    params = {"sort": sort, "limit": 2} | ({"order": order} if order else {})
    seen, cursor, pages = [], None, 0
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = (await api("GET", f"/jobs/{job_id}/workers", params=params | more)).json()
        seen += page["data"]
        pages += 1
        if (cursor := page["next"]) is None:
            break
    assert (pages, len({one["worker"] for one in seen})) == (5, 9)
    assert seen[-1]["answers"] == 0, "what is not known comes last"
    name = {"pay_per_hour": "pay_per_hour_cents", "first_seen": "worker"}.get(sort, sort)
    figures = [one[name] for one in seen[:-1]]
    assert figures == sorted(figures, reverse=sort == "quality")
    other = (await api("GET", f"/jobs/{job_id}/workers", params=params)).json()["next"]
    refused = await api("GET", f"/jobs/{job_id}/workers", params={"sort": "answers", "cursor": other})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "cursor")


async def test_filters_let_through_what_they_name(api: Api, watched: tuple[str, Facts, list[str]]) -> None:
    job_id, facts, workers = watched
    await facts.worker("IDLE")
    word = {"state": "suspended", "reason": "why"}
    assert (await api("PUT", f"/jobs/{job_id}/workers/{workers[3]}/trust", json=word)).status_code == 200
    assert [one["worker"] for one in await rows(api, job_id, state="suspended")] == [workers[3]]
    assert len(await rows(api, job_id, least_answers=1)) == 8
    drifting = await rows(api, job_id, drifting=True)
    assert all(one["drift"] for one in drifting)
    assert len(drifting) + len(await rows(api, job_id, drifting=False)) == 9
    for params in ({"sort": "beauty"}, {"state": "banned"}, {"least_answers": -1}, {"format": "xls"}):
        assert (await api("GET", f"/jobs/{job_id}/workers", params=params)).status_code == 400, params


async def test_a_worker_alone_has_what_the_list_has_and_how_it_came_about(
    api: Api, watched: tuple[str, Facts, list[str]]
) -> None:
    job_id, facts, workers = watched
    # From here on the first worker is wrong on gold, in half the time.
    for step in range(10, 18):
        hit = await facts.hit([])
        number = await facts.answers(hit, 0, [(40 + 2 * (step - 10), 1), (41 + 2 * (step - 10), 1)], later=60 * step)
        assert number
    await api("PUT", f"/jobs/{job_id}/workers/{workers[0]}/trust", json={"state": "watched", "reason": "in a hurry"})
    (listed,) = [one for one in await rows(api, job_id) if one["worker"] == workers[0]]
    alone = (await api("GET", f"/jobs/{job_id}/workers/{workers[0]}")).json()
    assert {name: alone[name] for name in listed} == listed
    assert (alone["reason"], [one["state"] for one in alone["history"]]) == ("in a hurry", ["watched"])
    assert sum(part["answers"] for part in alone["over_time"]) == 60, (
        "the last answer to an item is the one that counts"
    )
    assert sum(part["gold_total"] for part in alone["over_time"]) == alone["gold"]["total"] == 20
    nobody = await api("GET", f"/jobs/{job_id}/workers/worker_{'0' * 26}")
    assert (nobody.status_code, nobody.json()["detail"]) == (404, "There is no such worker in this job.")
    stranger = await api.as_key("workers:read", team="others")
    assert (await stranger("GET", f"/jobs/{job_id}/workers/{workers[0]}")).status_code == 404


async def test_the_markets_ids_are_in_no_format_without_their_scope(
    api: Api, watched: tuple[str, Facts, list[str]]
) -> None:
    job_id, _, workers = watched
    one = f"/{workers[0]}?format=html"
    without = await api.as_key(*(scope for scope in SCOPES if scope != "workers:identify"))
    for query in ("", "?format=ndjson", "?format=csv", "?format=parquet", "?format=html", f"/{workers[0]}", one):
        shown = await api("GET", f"/jobs/{job_id}/workers{query}")
        hidden = await without("GET", f"/jobs/{job_id}/workers{query}")
        assert (shown.status_code, hidden.status_code) == (200, 200), query
        if query.endswith("parquet"):
            names = [set(parquet.read_table(io.BytesIO(one.content)).column_names) for one in (shown, hidden)]
            assert names[0] - names[1] == {"market_worker_id"}
        else:
            assert ("AW0-" in shown.text, "AW0-" in hidden.text) == (True, False), query
            if query.endswith("html"):
                continue
            assert ("market_worker_id" in shown.text, "market_worker_id" in hidden.text) == (True, False), query


async def test_an_id_that_is_a_formula_is_none_in_a_spreadsheet(
    api: Api, watched: tuple[str, Facts, list[str]]
) -> None:
    job_id, facts, workers = watched
    await facts.worker("=HYPERLINK")
    text = (await api("GET", f"/jobs/{job_id}/workers", params={"format": "csv"})).text
    told = {row["worker"]: row["market_worker_id"] for row in csv.DictReader(io.StringIO(text))}
    (new,) = told.keys() - set(workers)
    assert told[new].startswith("'=HYPERLINK-")
    assert (await rows(api, job_id))[-1]["market_worker_id"].startswith("=HYPERLINK-"), "elsewhere it is as it is"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/xml, text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0.1, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/*", "application/json"),
        ("image/png", "application/json"),
        ("text/csv;q=inf", "application/json"),
        (";;q=,,/", "application/json"),
    ],
)
async def test_the_accept_header_is_read_whole(
    api: Api, watched: tuple[str, Facts, list[str]], accept: str, kind: str
) -> None:
    answer = await api("GET", f"/jobs/{watched[0]}/workers", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


async def test_the_pages_stand_alone_and_escape_what_requesters_wrote(api: Api) -> None:
    evil = "<script>alert(1)</script>"
    task = SPEC["task"] | {"labels": [evil, "dog", "other"]}
    job_id = await api.job(name=evil, task=task)
    await api.upload(job_id, items(12))
    await api.upload(job_id, golds(3, evil), "gold")
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        number = await facts.worker("AW0")
        await facts.answers(await facts.hit(range(15)), number, [(item_no, 0) for item_no in range(15)])
        await facts.confuse(number, (await facts.run())[0], [0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0, 0, 1])
        worker = await conn.fetchval("SELECT worker_id FROM job_worker WHERE job_no = $1", facts.job_no)
    for path in (f"/jobs/{job_id}/workers", f"/jobs/{job_id}/workers/{worker}"):
        answer = await api("GET", path, headers={"Accept": "text/html"})
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        page = LexborHTMLParser(answer.text)
        for tag in ("script", "link", "img", "iframe", "object", "a"):
            assert page.css_first(tag) is None, tag
        assert evil in page.css_first("h1").text()
        assert worker in page.css_first("main").text()
        assert len(page.css("svg")) >= 1
        assert "nan" not in answer.text
