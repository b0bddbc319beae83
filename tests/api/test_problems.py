"""Whatever comes in, what goes out is an answer or a problem (RFC 9457), and never a 500."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from service.api.openapi import routes
from service.api.paging import write_cursor
from service.api.problems import KINDS, Problem
from tests.api.conftest import SPEC, Api

JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int) -> Problem:
    """Return the problem that an answer is, having checked that it is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = msgspec.json.decode(answer.content, type=Problem)
    assert told.status == status
    assert (status, told.title) == KINDS[told.type.removeprefix("/v1/docs#problem-")]
    assert told.detail
    return told


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/jobs/x/y/z",
        "/jobs/%00",
        "/jobs/job_%00",
        "/jobs/\u00e9",
        "/jobs/job_" + "0" * 5000,
        "/jobs/..%2f..",
    ],
)
async def test_what_is_not_there_is_a_404(api: Api, path: str) -> None:
    problem(await api("GET", path), 404)


async def test_a_method_that_a_path_does_not_have_is_a_405_that_names_those_it_has(api: Api) -> None:
    refused = await api("PUT", "/jobs")
    problem(refused, 405)
    assert {"GET", "HEAD", "POST"} <= set(refused.headers["allow"].split(", "))


async def test_options_tells_all_methods_of_a_path(api: Api) -> None:
    answer = await api.client.options("/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ("limit=0", "limit", "expected a whole number from 1 to 1000"),
        ("limit=1001", "limit", "expected a whole number from 1 to 1000"),
        ("limit=" + "9" * 5000, "limit", "expected a whole number from 1 to 1000"),
        ("limit=x", "limit", "expected a whole number from 1 to 1000"),
        ("limit=", "limit", "expected a whole number from 1 to 1000"),
        ("state=gone", "state", "expected one of cancelled, cancelling, done, draft, paused, running"),
        ("state=null", "state", "expected a value; to filter by nothing, leave it out"),
        ("stat=done", "stat", "is not a parameter of this path"),
        ("standing=done", "standing", "is not a parameter of this path"),
        ("service=x", "service", "is not a parameter of this path"),
        ("state=done&state=draft", "state", "is given more than once"),
        ("cursor=x", "cursor", "expected `next` of an earlier page of this list"),
        ("cursor=%00", "cursor", "expected `next` of an earlier page of this list"),
        ("cursor=" + "A" * 201, "cursor", "expected text of 0 to 200 characters"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(api: Api, query: str, field: str, expected: str) -> None:
    told = problem(await api("GET", f"/jobs?{query}"), 400)
    assert [(error.field, error.message) for error in told.errors] == [(field, expected)]


@pytest.mark.parametrize(
    "cursor",
    [
        write_cursor("items", 1),
        write_cursor("jobs"),
        write_cursor("jobs", 1, 2),
        write_cursor("jobs", "1"),
        write_cursor("jobs", 2**63),
        write_cursor("jobs", -(2**70)),
        write_cursor("keys", "\x00"),
    ],
)
async def test_a_cursor_of_another_list_is_refused(api: Api, cursor: str) -> None:
    problem(await api("GET", "/jobs", params={"cursor": cursor}), 400)
    problem(await api("GET", "/keys", params={"cursor": cursor}), 400)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'"\\ud800"', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[" * 100_000, "application/yaml", 400),
        (b"1e999", "application/json", 400),
        (b"9" * 5000, "application/json", 400),
        (b'{"name": "\\u0000"}', "application/json", 422),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"x" * 300_000, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{}", "application/json; charset=utf-16", 415),
        (b"{}", "multipart/form-data", 415),
        (b"{}", "application/json\x00", 415),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem(api: Api, content: bytes, kind: str, status: int) -> None:
    for path in ("/jobs", "/jobs/check"):
        problem(await api("POST", path, content=content, headers={"Content-Type": kind}), status)


async def test_a_body_in_another_encoding_is_refused(api: Api) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    assert "Content-Encoding" in problem(await api("POST", "/jobs", content=b"x", headers=headers), 415).detail


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "\u00e9", "\x7f"])
async def test_an_idempotency_key_is_printable_and_short(api: Api, key: str) -> None:
    problem(await api("POST", "/jobs", json=SPEC, headers={"Idempotency-Key": key.encode()}), 400)


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["\x00", "'", '"', "%", "\\", "NaN", "1e400", "-1", "0", "null", "\ud7ff"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_request_makes_the_api_fail(api: Api, app: Litestar, data: st.DataObject) -> None:
    """Any route, with anything for its id, parameters and body, answers what its description says it may."""
    method, path, handler = data.draw(st.sampled_from(list(routes(app))))
    here = path.removeprefix("/v1").replace("{job_id}", "job").replace("{key_id}", "key")
    names = st.sampled_from(["cursor", "limit", "state", "gold", "format", "items"])
    query: dict[str, Any] = data.draw(st.dictionaries(names, TEXTS, max_size=2))
    kinds = [*handler.opt["reads"], "application/x-ndjson", "text/csv", "application/yaml", "text/plain"]
    headers = {"Content-Type": data.draw(st.sampled_from(kinds))}
    content = data.draw(VALUES.map(msgspec.json.encode) | st.binary(max_size=60))
    answer = await api(method, here, params=query, content=content, headers=headers)
    if answer.is_error:
        problem(answer, answer.status_code)
        assert answer.status_code in handler.responses, f"{method} {path} answers {answer.status_code}"
    assert answer.status_code < 500
