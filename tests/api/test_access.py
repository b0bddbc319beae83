"""Who may do what: every route of the table, with every scope, so that a new route cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from service.api.auth import SCOPES
from service.api.openapi import document, routes
from service.api.routes import query_parameters
from tests.api.conftest import SPEC, Api, golds, items
from tests.api.facts import Facts

OPEN = {("GET", "/v1/openapi.json"), ("GET", "/v1/docs")}
PLACES = {
    "job_id": "job_01m7y0h4r6efatbz2xjg4wcwpc",
    "key_id": "key_01m7y0h4r6efatbz2xjg4wcwpc",
    "worker_id": "worker_01m7y0h4r6efatbz2xjg4wcwpc",
    "run_id": "run_01m7y0h4r6efatbz2xjg4wcwpc",
    "assignment": 1,
    "bank": "no-such-bank",
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


BODIES = {
    "changeJob": {"budget": "1.00"},
    "withdrawItems": {"external_ids": ["item-0"]},
    "setTrust": {"state": "suspended", "reason": "why"},
    "dryRunTrust": {},
    "changeTrustRules": {"suspend": False},
    "correctBank": {"corrections": [{"external_id": "gold-0", "cause": "why", "state": "retired"}]},
    "importGold": golds(1),
    "copyGold": {"bank": "nowhere"},
    "createGoldBank": {"name": "another", "task": SPEC["task"]},
    "acceptGoldCandidates": {
        "bank": "nowhere",
        "candidates": [{"external_id": "item-0", "accepted": [{"label": "cat", "reason": "why"}]}],
    },
    "refuseGoldCandidates": {"candidates": [{"external_id": "item-0", "reason": "why"}]},
    "correctGold": {"corrections": [{"external_id": "gold-0", "cause": "why", "state": "retired"}]},
}


async def lived(api: Api) -> dict[str, str | int]:
    """Make a job with all that a path can name; returns what stands in its paths. Its gold is gold-0, item_no 3."""
    job_id = await api.job_with_items(3)
    await api.upload(job_id, golds(1), "gold")
    async with api.service.pool.acquire() as conn:
        facts = await Facts.of(api, conn, job_id)
        worker_no = await facts.worker("A1", right=1, total=1)
        hit_no = await facts.hit([0, 3])
        assignment = await facts.answers(hit_no, worker_no, [(0, 0), (3, 0)])
        await facts.answers(hit_no, await facts.worker("A2"), [(0, 1), (3, 1)])
        run_no, run_id = await facts.run()
        await facts.consensus(run_no, 3, [1.0, 0.0, 0.0])
        await facts.confuse(worker_no, run_no, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
        worker_id = await conn.fetchval("SELECT worker_id FROM job_worker WHERE job_no = $1", facts.job_no)
    made = (await api("POST", "/keys", json={"name": "ours", "scopes": ["jobs:read"]})).json()
    bank = f"bank-{run_id}"
    assert (await api("POST", "/gold-banks", json={"name": bank, "task": SPEC["task"]})).status_code == 201
    assert (await api("POST", f"/gold-banks/{bank}/items", json=golds(1))).status_code == 200
    return {
        "bank": bank,
        "job_id": job_id,
        "key_id": made["key_id"],
        "worker_id": worker_id,
        "run_id": run_id,
        "assignment": assignment,
    }


async def ask(api: Api, method: str, path: str, operation: str, places: dict[str, str | int]) -> httpx.Response:
    body = BODIES.get(operation, items(1) if method == "POST" else None)
    return await api(method, path.removeprefix("/v1").format(**places), json=body)


def test_every_kind_of_id_in_a_path_is_tried(app: Litestar) -> None:
    named = {name for _, path, _ in routes(app) for _, name, _, _ in Formatter().parse(path) if name}
    assert named == PLACES.keys()


async def test_what_another_team_has_is_as_if_it_were_not_there(api: Api, app: Litestar) -> None:
    """Everything that a path names, theirs throughout; then one thing of theirs under our own job."""
    theirs = await lived(api)
    stranger = await api.as_key(*SCOPES, team="strangers to everything")
    ours = await lived(stranger)
    tried = 0
    for method, path, handler in routes(app):
        names = [name for _, name, _, _ in Formatter().parse(path) if name]
        operation = str(handler.operation_id)
        mixes = [theirs] if names else []
        mixes += [ours | {name: theirs[name]} for name in names[1:]]
        for places in mixes:
            answer = await ask(stranger, method, path, operation, places)
            made_up = {name: PLACES[name] for name in names if places[name] == theirs[name]}
            nowhere = await ask(stranger, method, path, operation, places | made_up | {"assignment": 2**40})
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
            assert answer.json() == nowhere.json(), "nothing tells what others have from what is not there"
            tried += 1
    assert tried > 20
    for method, path, handler in routes(app):  # and what a GET names is there, for those whose it is
        if method == "GET":
            assert (await ask(api, method, path, str(handler.operation_id), theirs)).status_code == 200, path
    assert (await api("GET", f"/jobs/{theirs['job_id']}")).json()["state"] == "draft"
    assert not (await api("GET", f"/jobs/{theirs['job_id']}/workers/{theirs['worker_id']}/trust")).json()["kept_out"]
    assert theirs["key_id"] in [
        key["key_id"] for key in (await api("GET", "/keys")).json()["data"] if not key["revoked_at"]
    ]
    listed = [job["job_id"] for job in (await stranger("GET", "/jobs")).json()["data"]]
    assert listed == [ours["job_id"]]


async def test_a_key_that_may_not_see_gold_cannot_tell_it_from_items(api: Api, app: Litestar) -> None:
    """Whatever it asks for, in every form: gold's ids, payloads and answers are nowhere."""
    places = await lived(api)
    blind = await api.as_key(*(scope for scope in SCOPES if not scope.startswith("jobs:")))
    asked = 0
    for method, path, handler in routes(app):
        if method != "GET" or handler.opt["scope"] is None:
            continue
        here = path.removeprefix("/v1").format(**places)
        asked_for = document()["paths"][path]["get"].get("parameters", [])
        forms = [form for one in asked_for if one["name"] == "format" for form in one["schema"]["enum"]]
        for params in ({}, *({"format": form} for form in forms)):
            answer = await blind("GET", here, params=params)
            assert answer.status_code == (403 if handler.opt["scope"] == "jobs:read" else 200), path
            assert "gold-0" not in answer.text, path
            assert "gold 0" not in answer.text, path
            asked += 1
        if "gold" in query_parameters(handler):
            refused = await blind("GET", here, params={"gold": "true"})
            assert refused.status_code == 403, path
            seen = await api("GET", here, params={"gold": "true"})
            assert "gold-0" in seen.text, f"{path}: a key that may see gold does"
    assert asked > 10


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
