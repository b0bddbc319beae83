"""The API's description: the committed document is the application's, and its page needs nothing from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import msgspec
from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser

from service.api.openapi import FILE, document, encoded, routes
from service.api.problems import KINDS
from tests.api.conftest import Api

ROOT = Path(__file__).parents[2]


def test_the_committed_document_is_the_applications() -> None:
    assert (ROOT / FILE).read_bytes() == encoded(), "run: python -m service.api.openapi"


def test_every_operation_is_described() -> None:
    ids = Counter()
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            ids[operation["operationId"]] += 1
            assert operation["summary"], f"{method} {path}"
            assert operation["description"], f"{method} {path}"
            assert re.fullmatch(r"[a-z]+[A-Za-z]*", operation["operationId"])
            for status, response in operation["responses"].items():
                assert response["description"], f"{method} {path} {status}"
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
    assert set(ids.values()) == {1}


def test_every_route_names_its_operation_itself(app: Litestar) -> None:
    assert all(isinstance(handler.operation_id, str) for _, _, handler in routes(app))


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = msgspec.json.encode(document()).decode()
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= document()["components"]["schemas"].keys()
    assert names, "schemas are named"


async def test_the_document_is_served_to_everybody(api: Api) -> None:
    answer = await api.client.get("/v1/openapi.json")
    assert answer.json() == msgspec.json.decode(encoded())


async def test_the_reference_needs_nothing_from_elsewhere(api: Api) -> None:
    answer = await api.client.get("/v1/docs")
    page = LexborHTMLParser(answer.text)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for tag in ("script", "link", "img", "iframe", "object"):
        assert page.css_first(tag) is None
    targets = {link.attributes["href"] for link in page.css("a")}
    assert all(target.startswith(("#", "/v1/")) for target in targets)
    anchors = {node.attributes["id"] for node in page.css("[id]")}
    assert {target[1:] for target in targets if target.startswith("#")} <= anchors, "every link leads somewhere"
    assert {f"problem-{kind}" for kind in KINDS} <= anchors, "a problem's type leads to its kind"
    for item in document()["paths"].values():
        for operation in item.values():
            assert operation["operationId"] in anchors
