"""Garbage in every form and address of the worker site: a page that says what is wrong, never a failure of ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import quote, unquote_to_bytes

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.serving.application import create_application
from foundation.settings import MarketplaceSettings
from marketplace.app import Marketplace
from marketplace.store import workers
from tests.marketplace.site.conftest import PASSWORD, field_of
from tests.marketplace.site.test_site_strangers import ROUTES

EXAMPLES = 60
FIELDS = ("csrf", "worker", "password", "again", "next", "name", "assignmentId", "hitId", "q1", "Ünïcode", "")
GARBAGE = (
    st.text(max_size=40)
    | st.sampled_from(
        (
            "\x00",
            "\ud800",
            "\r\nSet-Cookie: a=b",
            "../../etc/passwd",
            "'; DROP TABLE worker; --",
            "//evil.example.org",
            "javascript:alert(1)",
            "%s%n{{7*7}}",
            "x" * 3000,
            "٣",
            "￿",
        )
    )
    | st.binary(max_size=12)
)
FORM = st.lists(st.tuples(st.sampled_from(FIELDS), GARBAGE), max_size=6)
KINDS = ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "text/plain", "")


def written(value: str | bytes) -> str:
    return quote(value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.parametrize("signed_in", [False, True])
def test_whatever_is_sent_to_the_site_is_answered_with_a_page(marketplace_dsn, tmp_path, clock, signed_in):
    """The generated tests are no coroutines, so the marketplace has a loop of its own here."""
    url = "http://127.0.0.1:8800"
    seen: Counter[int] = Counter()
    routes = [*ROUTES, ("POST", "/mturk/externalSubmit")]
    with asyncio.Runner() as runner:
        marketplace = runner.run(Marketplace.open(marketplace_dsn, MarketplaceSettings(), url, tmp_path, clock))
        app = create_application([marketplace.router()], checks={})
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=url)
        token = runner.run(enter(marketplace, http, clock) if signed_in else visit(http))

        @settings(
            max_examples=EXAMPLES * len(routes),
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            route=st.sampled_from(routes),
            place=GARBAGE.filter(bool),
            form=FORM,
            right=st.booleans(),
            kind=st.sampled_from((KINDS[0],) * 5 + KINDS),
        )
        def ask(route, place, form, right, kind):
            method, path = route
            path = "/".join(written(place) if part.startswith("{") else part for part in path.split("/"))
            body = "&".join(f"{written(name)}={written(value)}" for name, value in form)
            headers = {"content-type": kind} if kind else {}
            content = f"csrf={token}&{body}" if right else body
            if method == "GET":
                path, content, headers = f"{path}?{body}", "", {}
            elif "sign-out" in path:
                content = body  # without its token, or all that follows would be signed out
            answer = runner.run(http.request(method, path, content=content, headers=headers))
            seen[answer.status_code] += 1
            assert answer.status_code < 500, answer.text
            if answer.status_code == 404 and b"/" in unquote_to_bytes(written(place)):
                return  # an address that no route has
            if answer.status_code >= 400 and method == "POST":
                assert "<h1>" in answer.text, "a person can read what is wrong"
            if answer.status_code in (302, 303):
                assert answer.headers["location"].startswith("/worker"), "nobody is sent elsewhere"

        ask()
        assert runner.run(http.get("/worker")).status_code == (200 if signed_in else 303)
        runner.run(http.aclose())
        runner.run(marketplace.close())
    assert {200, 303, 404, 415, 422 if not signed_in else 403} <= seen.keys(), "each kind of answer was met"


async def visit(http: httpx.AsyncClient) -> str:
    return field_of((await http.get("/worker/sign-in")).text, "csrf")


async def enter(marketplace, http: httpx.AsyncClient, clock) -> str:
    """Accept an invitation; returns the token of the session's forms."""
    async with marketplace.pool.acquire() as conn:
        [(_worker_id, token)] = await workers.invite(conn, names=[""], now=clock.now())
    form = field_of((await http.get(f"/worker/join/{token}")).text, "csrf")
    joined = await http.post(f"/worker/join/{token}", data={"csrf": form, "password": PASSWORD, "again": PASSWORD})
    assert joined.status_code == 303
    return field_of((await http.get("/worker")).text, "csrf")
