"""Uploads: whole or not at all, the same again changes nothing, everything bad is named by its line."""

from __future__ import annotations

import asyncio
from bisect import bisect
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar

from service.spec import read_spec
from service.upload.reading import MOST_NAMED
from service.workpage.choice import LARGEST_QUESTION, question_xml
from service.workpage.room import Room
from tests.api.conftest import Api, golds, items

CSV = {"Content-Type": "text/csv"}
NUMBERS = "SELECT item_no FROM item JOIN job USING (job_no) WHERE job_id = $1 ORDER BY 1"
ACCEPTED = "SELECT accepted_labels FROM gold JOIN job USING (job_no) WHERE job_id = $1 ORDER BY item_no"
NDJSON = {"Content-Type": "application/x-ndjson"}


async def stored(api: Api, job_id: str, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await api("GET", f"/jobs/{job_id}/items", params={"limit": 1000, **params})).json()[
        "data"
    ]
    return rows


async def test_three_forms_say_the_same(api: Api) -> None:
    lines = [
        {"external_id": "a", "payload": {"text": 'says "hi", twice'}, "priority": 3, "minimum": 3},
        {"external_id": "b", "payload": {"text": "two\nlines"}, "batch": "first"},
    ]
    table = 'external_id,text,priority,minimum,batch\r\na,"says ""hi"", twice",3,3,\r\nb,"two\nlines",,,first\r\n'
    found = []
    for request in (
        {"json": lines},
        {"content": "\ufeff".encode() + table.encode(), "headers": CSV},
        {
            "content": b'{"external_id":"a","payload":{"text":"says \\"hi\\", twice"},"priority":3,"minimum":3}\n\n'
            b'{"external_id":"b","payload":{"text":"two\\nlines"},"batch":"first"}',
            "headers": NDJSON,
        },
    ):
        job_id = await api.job()
        done = await api("POST", f"/jobs/{job_id}/items", **request)
        assert done.json()["added"] == 2, done.text
        found.append(await stored(api, job_id))
    assert found[0] == found[1] == found[2]
    assert (found[0][0]["minimum"], found[0][0]["maximum"], found[0][0]["target_confidence"]) == (3, 3, 0.95)


async def test_the_same_again_changes_nothing(api: Api) -> None:
    job_id = await api.job()
    await api.upload(job_id, items(5))
    await api.upload(job_id, golds(2, ["cat", {"label": "dog", "reason": "both are there"}]), "gold")
    before = await stored(api, job_id)
    again = await api.upload(job_id, items(7))
    assert again.json() == {"added": 2, "unchanged": 5, "items": 7, "gold": 2}
    regold = await api.upload(job_id, golds(2, ["cat", {"label": "dog", "reason": "both are there"}]), "gold")
    assert regold.json()["added"] == 0
    after = await stored(api, job_id)
    assert after[:7] == before
    assert after[5]["accepted"] == [{"label": "cat", "reason": None}, {"label": "dog", "reason": "both are there"}]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"payload": {"text": "other"}}, "payload"),
        ({"minimum": 1}, "minimum"),
        ({"maximum": 9}, "maximum"),
        ({"target_confidence": 0.5}, "target_confidence"),
        ({"priority": 1}, "priority"),
        ({"batch": "x"}, "batch"),
    ],
)
async def test_other_content_is_refused_by_name_and_nothing_stored(api: Api, change: dict[str, Any], what: str) -> None:
    job_id = await api.job()
    await api.upload(job_id, items(3))
    refused = await api.upload(job_id, [items(1, 9)[0], items(1)[0] | change])
    assert refused.status_code == 409
    assert refused.json()["errors"] == [
        {"message": f"is there with another {what}", "line": 2, "external_id": "item-0"}
    ]
    assert len(await stored(api, job_id)) == 3


async def test_gold_and_items_share_their_names(api: Api) -> None:
    job_id = await api.job()
    await api.upload(job_id, items(1))
    await api.upload(job_id, golds(1), "gold")
    as_gold = await api.upload(job_id, [items(1)[0] | {"accepted": "cat"}], "gold")
    assert as_gold.json()["errors"][0]["message"] == "is there as an item"
    line = golds(1)[0]
    other = await api.upload(job_id, [line | {"accepted": "dog"}], "gold")
    assert other.json()["errors"][0]["message"] == "is there with another accepted"
    del line["accepted"]
    assert (await api.upload(job_id, [line])).json()["errors"][0]["message"] == "is there as a gold item"


BAD = b"""\
{"external_id":"ok","payload":{"text":"x"}}
{"external_id":"a"}
nonsense
{"external_id":"b","payload":{"text":"\\u0000"}}
{"external_id":"c","payload":{"text":"x"},"minimum":9}
{"external_id":"d","payload":{"text":"x"},"maximum":10}
{"external_id":"e","payload":{"text":["x"]}}
{"external_id":"ok","payload":{"text":"y"}}
{"external_id":"f\\n","payload":{"text":"x"}}
{"external_id":"g","payload":{"text":"x"},"colour":"red"}
{"external_id":"h","payload":{"other":"x"}}
{"external_id":"i","payload":{"text":""}}
"""


async def test_every_bad_line_is_named_and_nothing_stored(api: Api) -> None:
    job_id = await api.job()
    refused = await api("POST", f"/jobs/{job_id}/items", content=BAD + b'{"external_id":"\xff"}', headers=NDJSON)
    assert refused.status_code == 422
    told = [(error["line"], error.get("field"), error["message"]) for error in refused.json()["errors"]]
    assert told == [
        (2, "payload", "is missing; expected an object with the fields that the job's template shows"),
        (3, None, "is not valid JSON: JSON is malformed: invalid character (byte 4)"),
        (4, "payload.text", "holds a NUL character, which cannot be stored"),
        (5, "minimum", "expected at most the maximum, 3, got 9"),
        (6, "maximum", "expected at most 9, as the spec does not allow_ten_or_more, got 10"),
        (7, "payload.text", "expected text or a number to show, got a list"),
        (8, "external_id", "stands on line 1 already"),
        (9, "external_id", "expected no line breaks and no control characters"),
        (
            10,
            "colour",
            "is not known here; known are batch, external_id, maximum, minimum, payload, priority, target_confidence",
        ),
        (11, "payload.text", "is missing; the job's template shows it"),
        (12, "payload", "expected something to show: every field of the job's template is empty"),
        (13, None, "expected UTF-8; byte 17 is not"),
    ]
    assert refused.json()["detail"] == "12 lines are not valid; nothing was stored."
    assert await stored(api, job_id) == []


async def test_so_many_bad_lines_are_named_and_the_rest_counted(api: Api) -> None:
    job_id = await api.job()
    refused = (await api("POST", f"/jobs/{job_id}/items", content=b"x\n" * 5000, headers=NDJSON)).json()
    assert (len(refused["errors"]), refused["errors_total"]) == (MOST_NAMED, 5000)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected at least one item"),
        (b"external_id,text\n", "expected at least one item"),
        (b"id,text\na,b\n", "is missing: the header has id, text"),
        (b"external_id,text,text\na,b,c\n", "stands in the header twice"),
        (b"external_id,text,\na,b,c\n", "column 3 of the header has no name"),
        (b"external_id,text\na\n", "expected 2 columns, as in the header, got 1"),
        (b'external_id,text\na,"b\n', "is not valid CSV: unexpected end of data"),
        (b'external_id,text\na,"b"c\n', "is not valid CSV: ',' expected after '\"'"),
        (b"external_id,text\na,\xff\n", "expected UTF-8"),
        (b"external_id,text,minimum\na,b,two\n", "expected a whole number from 1 to 100, got the text 'two'"),
        (b"external_id,text,target_confidence\na,b,nan\n", "expected a finite number"),
        (b"external_id,text\na," + b"x" * 200_000, "is not valid CSV: field larger than field limit (131072)"),
        (b"\xff\xfee\x00x\x00", "expected UTF-8"),
    ],
)
async def test_what_is_wrong_with_csv_is_said(api: Api, content: bytes, expected: str) -> None:
    job_id = await api.job()
    refused = await api("POST", f"/jobs/{job_id}/items", content=content, headers=CSV)
    assert refused.status_code == 422, refused.text
    assert any(expected in error["message"] for error in refused.json()["errors"]), refused.text


async def test_gold_in_csv_has_label_values_and_a_reason(api: Api) -> None:
    job_id = await api.job()
    table = b"external_id,text,accepted,reason\na,b,cat|dog,look closely\nc,d,other,\n"
    table += b"e,f,cat|dog,a tail | it barks\ng,h,cat,a|b\n"
    assert (await api("POST", f"/jobs/{job_id}/gold", content=table, headers=CSV)).json()["gold"] == 4
    both = [{"label": "cat", "reason": "look closely"}, {"label": "dog", "reason": "look closely"}]
    rows = await stored(api, job_id)
    each = [{"label": "cat", "reason": "a tail"}, {"label": "dog", "reason": "it barks"}]
    one = [{"label": "cat", "reason": "a|b"}]
    assert [row["accepted"] for row in rows] == [both, [{"label": "other", "reason": None}], each, one]
    async with api.service.pool.acquire() as conn:
        assert [row[0] for row in await conn.fetch(ACCEPTED, job_id)] == [[0, 1], [2], [0, 1], [0]]


@pytest.mark.parametrize(
    "accepted", [[], "bird", ["cat", "cat"], ["cat", "dog", "other"], 3, [{"label": "cat", "reason": 3}], [[]], None]
)
async def test_gold_needs_label_values_of_the_job(api: Api, accepted: object) -> None:
    job_id = await api.job()
    refused = await api.upload(job_id, golds(1, accepted), "gold")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].startswith("accepted")


@pytest.mark.parametrize(
    ("show", "value", "fits"),
    [
        ("image", "https://example.org/x.png", True),
        ("image", "data:image/png;base64,iVBORw0KGgo=", True),
        ("image", "data:image/svg+xml;base64,PHN2Zz4=", False),
        ("image", "javascript:alert(1)", False),
        ("image", "//example.org/x", False),
        ("image", "http://", False),
        ("image", "https://exa mple.org/", False),
        ("image", "https://[", False),
        ("image", 3, False),
        ("link", "http://example.org", True),
        ("link", "data:image/png;base64,iVBORw0KGgo=", False),
        ("link", "ftp://example.org", False),
        ("text", 3.5, True),
        ("text", True, False),
        ("text", None, False),
    ],
)
async def test_what_a_template_shows_must_be_showable(api: Api, show: str, value: object, fits: bool) -> None:
    task = {"type": "choice", "question": "?", "labels": ["a", "b"], "template": [{"field": "x", "show": show}]}
    job_id = await api.job(task=task)
    answer = await api.upload(job_id, [{"external_id": "a", "payload": {"x": value}}])
    assert answer.status_code == (200 if fits else 422), answer.text


@pytest.mark.parametrize("character", ["x", '"', "\U0001f431"])
async def test_what_makes_a_page_too_large_for_the_market_is_refused_by_its_line(api: Api, character: str) -> None:
    job_id = await api.job(bundle={"items": 5, "gold": 1})
    spec = read_spec((await api("GET", f"/jobs/{job_id}")).json()["spec"])
    room = Room(spec)
    largest = bisect(range(20_000), 0, key=lambda n: room.excess({"text": character * n})) - 1
    fits, too_large = ({"external_id": f"{n}", "payload": {"text": character * n}} for n in (largest, largest + 1))
    assert (await api.upload(job_id, [fits])).status_code == 200
    refused = await api.upload(job_id, [fits, too_large])
    assert "a HIT of 6 has room for" in refused.json()["errors"][0]["message"]
    question = question_xml(spec, [fits["payload"]] * 6)
    assert LARGEST_QUESTION - 100 < len(question.encode()) <= LARGEST_QUESTION, "six of the largest just fit"


async def test_items_may_come_to_a_running_job_that_can_pay_for_them(api: Api) -> None:
    job_id = await api.job_with_items(1, budget="0.40")
    await api("POST", f"/jobs/{job_id}/launch")
    assert (await api.upload(job_id, items(2))).status_code == 200, "two items cost 36 cents at the most"
    refused = await api.upload(job_id, items(3))
    assert (refused.status_code, refused.json()["figures"]["needed_cents"]) == (409, 54)
    assert len(await stored(api, job_id)) == 2


async def test_items_may_come_to_a_running_job_that_has_gold_for_them(api: Api) -> None:
    job_id = await api.job_with_items(1, bundle={"items": 1, "gold": 1})
    await api.upload(job_id, golds(1), "gold")
    await api("POST", f"/jobs/{job_id}/launch")
    refused = await api.upload(job_id, items(3))
    assert refused.json()["figures"] == {"needed": 3, "there": 1, "missing": 2}
    await api.upload(job_id, golds(3), "gold")
    assert (await api.upload(job_id, items(3))).status_code == 200


async def test_an_upload_that_breaks_off_stores_nothing_and_is_no_failure_of_ours(
    api: Api, app: Litestar, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await api.job()
    sent: list[dict[str, Any]] = []
    received = iter(
        [
            {"type": "http.request", "body": b'{"external_id":"a","payload":{"text":"x"}}\n', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api.key}".encode()), (b"content-type", b"application/x-ndjson")]
    path = f"/v1/jobs/{job_id}/items"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "root_path": ""}
    await app({**scope, "server": ("assay", 80), "scheme": "http", "http_version": "1.1"}, receive, send)
    assert sent[0]["status"] == 400
    assert "failed" not in caplog.text
    assert await stored(api, job_id) == []


async def test_uploads_at_once_store_each_item_once(api: Api) -> None:
    job_id = await api.job()
    answers = await asyncio.gather(*(api.upload(job_id, items(50, start)) for start in (0, 25, 50, 0)))
    assert sum(answer.json()["added"] for answer in answers) == 100
    async with api.service.pool.acquire() as conn:
        numbers = [row[0] for row in await conn.fetch(NUMBERS, job_id)]
    assert numbers == list(range(100)), "numbers are dense, whoever comes when"


async def test_an_array_is_for_a_few(api: Api) -> None:
    job_id = await api.job()
    large = [{"external_id": f"{n}", "payload": {"text": "x" * 1000}} for n in range(6000)]
    refused = await api("POST", f"/jobs/{job_id}/items", json=large)
    assert "send NDJSON" in refused.json()["errors"][0]["message"]
    assert (await api("POST", f"/jobs/{job_id}/items", json={"external_id": "a"})).status_code == 422


async def test_items_are_withdrawn_all_or_none(api: Api) -> None:
    job_id = await api.job_with_items(3)
    unknown = await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["item-0", "x", "y"]})
    assert (unknown.status_code, [e["external_id"] for e in unknown.json()["errors"]]) == (422, ["x", "y"])
    assert len(await stored(api, job_id, state="open")) == 3
    done = await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["item-0", "item-0", "item-1"]})
    assert done.json() == {"withdrawn": 2, "settled_before": 0}
    again = await api("POST", f"/jobs/{job_id}/items/withdraw", json={"external_ids": ["item-0"]})
    assert again.json() == {"withdrawn": 0, "settled_before": 1}
    assert [row["settled_by"] for row in await stored(api, job_id)] == ["withdrawn", "withdrawn", None]
    assert (await api.upload(job_id, items(3))).json()["unchanged"] == 3, "the same again does not bring it back"


async def test_items_are_paged_in_the_order_they_came_whatever_comes_meanwhile(api: Api) -> None:
    job_id = await api.job_with_items(5)
    first = (await api("GET", f"/jobs/{job_id}/items", params={"limit": 3})).json()
    await api.upload(job_id, items(2, 5))
    rest = (await api("GET", f"/jobs/{job_id}/items", params={"limit": 10, "cursor": first["next"]})).json()
    assert [row["external_id"] for row in first["data"] + rest["data"]] == [f"item-{n}" for n in range(7)]
    assert rest["next"] is None
    await api.upload(job_id, golds(1), "gold")
    assert [row["external_id"] for row in await stored(api, job_id, gold="true")] == ["gold-0"]


async def test_names_that_look_like_paths_are_names(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x", "%2e%2e%2fx", "~root", "a/../b", "file:///etc/x"]
    lines = [{"external_id": name, "payload": {"text": name}, "batch": name} for name in names]
    job_id = await api.job(name="../../evil")
    assert (await api.upload(job_id, lines)).json()["added"] == len(names)
    assert [item["external_id"] for item in await stored(api, job_id)] == names
    for path in ("labels?format=csv", "labels?format=ndjson", "answers?format=csv"):
        exported = await api("GET", f"/jobs/{job_id}/{path}")
        assert exported.status_code == 200
        assert ".." not in exported.headers.get("content-disposition", "")
    assert not any(tmp_path.iterdir()), "nothing was written anywhere"  # noqa: ASYNC240 - an empty folder
