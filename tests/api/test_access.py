"""Who may do what: every route of the table, with every scope, so that a new route cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from service.api.auth import SCOPES
from service.api.openapi import routes
from tests.api.conftest import SPEC, Api, items

OPEN = {("GET", "/v1/openapi.json"), ("GET", "/v1/docs")}
PLACES = {
    "job_id": "job_01m7y0h4r6efatbz2xjg4wcwpc",
    "key_id": "key_01m7y0h4r6efatbz2xjg4wcwpc",
    "worker_id": "worker_01m7y0h4r6efatbz2xjg4wcwpc",
    "run_id": "run_01m7y0h4r6efatbz2xjg4wcwpc",
    "assignment": 1,
}


def table(app: Litestar) -> Iterator[tuple[str, str, str | None]]:
    for method, path, handler in routes(app):
        yield method, path.format(**PLACES), handler.opt["scope"]


def test_every_route_names_its_scope(app: Litestar) -> None:
    every = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1")
        for method in route.methods
        if method != "OPTIONS"
    }
    named = {(method, path): handler.opt["scope"] for method, path, handler in routes(app)}
    assert named.keys() == every, "a route without opt['scope'] answers nobody, and is missing here"
    assert {route for route, scope in named.items() if scope is None} == OPEN
    assert {scope for scope in named.values() if scope} | {"workers:identify"} == set(SCOPES)


async def test_each_route_opens_to_its_scope_alone(api: Api, app: Litestar) -> None:
    for scope in SCOPES:
        only = await api.as_key(scope)
        others = await api.as_key(*(one for one in SCOPES if one != scope))
        for method, path, needed in table(app):
            if needed is None:
                continue
            with_it = (await only(method, path.removeprefix("/v1"))).status_code
            without = (await others(method, path.removeprefix("/v1"))).status_code
            assert (with_it == 403) == (needed != scope), f"{method} {path} with {scope} alone"
            assert (without == 403) == (needed == scope), f"{method} {path} with all but {scope}"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer assay_",
        f"Bearer assay_{'k' * 43}",
        f"Basic assay_{'k' * 43}",
        f"assay_{'k' * 43}",
        "Bearer " + "x" * 10_000,
        "Bearer assay_" + "\u00e9" * 43,
    ],
)
async def test_nobody_comes_in_without_a_key_that_works(api: Api, app: Litestar, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    for method, path, scope in table(app):
        answer = await api.client.request(method, path, headers=headers)
        assert answer.status_code == (200 if scope is None else 401), f"{method} {path}"
        if scope is not None:
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_key_is_useless_at_once(api: Api) -> None:
    made = (await api("POST", "/keys", json={"name": "short", "scopes": ["jobs:read"]})).json()
    short = Api(api.client, api.service, api.team_id, made["key"])
    assert (await short("GET", "/jobs")).status_code == 200
    assert (await api("DELETE", f"/keys/{made['key_id']}")).status_code == 204
    assert (await short("GET", "/jobs")).status_code == 401


async def test_another_teams_job_is_as_if_it_were_not_there(api: Api, app: Litestar) -> None:
    job_id = await api.job_with_items()
    stranger = await api.as_key(*SCOPES, team="strangers")
    bodies = {
        "changeJob": {"budget": "1.00"},
        "withdrawItems": {"external_ids": ["item-0"]},
        "setTrust": {"state": "suspended", "reason": "why"},
    }
    for method, path, handler in routes(app):
        if "{job_id}" not in path:
            continue
        here = path.removeprefix("/v1").format(**PLACES | {"job_id": job_id})
        body = bodies.get(str(handler.operation_id), items(1) if method == "POST" else None)
        answer = await stranger(method, here, json=body)
        nowhere = await stranger(method, path.removeprefix("/v1").format(**PLACES), json=body)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        assert answer.json() == nowhere.json(), "nothing tells a job of others from one that is not there"
    assert (await api("GET", f"/jobs/{job_id}")).json()["state"] == "draft"
    assert (await stranger("GET", "/jobs")).json()["data"] == []


async def test_a_key_gives_no_more_than_it_has(api: Api) -> None:
    narrow = await api.as_key("keys:write", "jobs:read")
    refused = await narrow("POST", "/keys", json={"name": "more", "scopes": ["jobs:read", "jobs:write"]})
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "A key gives no scopes that it does not have: jobs:write.",
    )
    assert (await narrow("POST", "/keys", json={"name": "same", "scopes": ["jobs:read"]})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["jobs:read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["all"]},
        {"name": "x\x00", "scopes": ["jobs:read"]},
        {"name": "x"},
        {"scopes": ["jobs:read"]},
        [],
    ],
)
async def test_a_key_is_made_only_as_it_should_be(api: Api, body: object) -> None:
    assert (await api("POST", "/keys", json=body)).status_code == 422


async def test_a_key_is_shown_once_and_never_stored(api: Api) -> None:
    made = (await api("POST", "/keys", json={"name": "once", "scopes": ["jobs:read"]})).json()
    listed = await api("GET", "/keys")
    assert made["key"] not in listed.text
    assert [key["name"] for key in listed.json()["data"]] == ["tests", "once"]
    async with api.service.pool.acquire() as conn:
        rows = await conn.fetch("SELECT api_key::text FROM api_key")
    assert not any(made["key"] in row[0] for row in rows)


async def test_another_teams_key_cannot_be_revoked(api: Api) -> None:
    made = (await api("POST", "/keys", json={"name": "ours", "scopes": ["jobs:read"]})).json()
    stranger = await api.as_key("keys:write", team="strangers")
    assert (await stranger("DELETE", f"/keys/{made['key_id']}")).status_code == 404
    assert (await Api(api.client, api.service, api.team_id, made["key"])("GET", "/jobs")).status_code == 200


async def test_keys_are_paged(api: Api) -> None:
    for number in range(3):
        await api("POST", "/keys", json={"name": f"key {number}", "scopes": ["jobs:read"]})
    first = (await api("GET", "/keys", params={"limit": 3})).json()
    rest = (await api("GET", "/keys", params={"limit": 3, "cursor": first["next"]})).json()
    assert [key["name"] for key in first["data"] + rest["data"]] == ["tests", "key 0", "key 1", "key 2"]


async def test_a_spec_of_another_team_is_not_found_by_its_idempotency_key(api: Api) -> None:
    headers = {"Idempotency-Key": "shared"}
    ours = await api("POST", "/jobs", json=SPEC, headers=headers)
    stranger = await api.as_key("jobs:write", team="strangers")
    theirs = await stranger("POST", "/jobs", json=SPEC, headers=headers)
    assert theirs.status_code == 201
    assert theirs.json()["job_id"] != ours.json()["job_id"]
