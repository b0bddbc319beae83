"""The Requester API against botocore's model of it: inputs made from the shapes, right ones, wrong ones and near ones.

Whatever is sent, the answer is one that botocore can read: an output of the operation's shape, or an error of a name
that the service has. Nothing that a requester can send makes the marketplace fail.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from botocore.model import ListShape, Shape, StringShape, StructureShape
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.serving.application import create_application
from foundation.settings import MarketplaceSettings
from marketplace.app import Marketplace
from marketplace.operations import OPERATIONS
from marketplace.store import ledger, qualification_requests, requesters
from marketplace.wire.model import service_model
from tests.marketplace.conftest import HTML_QUESTION, Live, hit_properties
from tests.marketplace.test_signature import TARGET, signed

Do = Callable[[str, Any], Awaitable[dict[str, Any]]]

EXAMPLES = 80
NOT_AN_OPERATIONS = {"SerializationException"}  # what AWS's JSON services say of a body before an operation sees it

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NUMBERS = st.sampled_from((0, 1, -1, 2, 9, 10, 30, 60, 100, 3600, 2**31 - 1, 2**31, 2**63, -(2**63), 1.5, 1e308))
MONEY = st.sampled_from(
    ("0.05", "0", "0.00", "1", "-0.01", "1e2", "0.001", "NaN", "9" * 30, "¼", "0.0\uff15", "", " 1")
)
TIMES = st.sampled_from((0, 1, -1, 1767614400, 1767700800.5, 253370764800, 1e20, "2026-01-05T12:00:00Z"))
XML = st.sampled_from(
    (
        HTML_QUESTION,
        HTML_QUESTION.replace("0</", "-1</"),
        "<a/>",
        "<",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        HTML_QUESTION.replace("q1", "x" * 70_000),
        "<a>" * 2000,
    )
)
STRINGS = st.sampled_from(("\x00", "x" * 5000, "3ABC", "A1", "é", "\ufffe", "'; --", "\ud800"))
KINDS = {"integer": NUMBERS, "long": NUMBERS, "boolean": st.booleans(), "timestamp": TIMES}


RIGHT = hit_properties() | {
    "NumberOfAdditionalAssignments": 1,
    "BonusAmount": "0.01",
    "Reason": "well done",
    "RequesterFeedback": "unreadable",
    "MaxResults": 10,
    "ExpireAt": 1767614400,
    "IntegerValue": 1,
    "MustBeRequestable": False,
}


class Known:
    """What means something to this marketplace, by the name of the member that may hold it."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {name: [value] for name, value in RIGHT.items()}

    def but(self, **values: list[Any]) -> Known:
        other = Known()
        other.values = self.values | values
        return other

    def right(self, shape: Shape, name: str) -> st.SearchStrategy[Any]:
        if isinstance(shape, StructureShape):
            return inputs(self, shape)
        return st.sampled_from(self.values[name]) if name in self.values else self.near(shape, name)

    def near(self, shape: Shape, name: str) -> st.SearchStrategy[Any]:
        """Return values of a shape's type, at its limits and beyond."""
        if isinstance(shape, StructureShape):
            return inputs(self, shape)
        if isinstance(shape, ListShape):
            return st.lists(self.right(shape.member, name.removesuffix("s")), max_size=3)
        if not isinstance(shape, StringShape):
            return KINDS[shape.type_name]
        if shape.enum:
            return st.sampled_from(list(shape.enum)) | st.text(max_size=5)
        if name == "Question":
            return XML
        if shape.name in ("CurrencyAmount", "NumericValue"):
            return MONEY
        known = st.sampled_from(self.values[name]) if name in self.values else st.nothing()
        return st.text(max_size=30) | STRINGS | known


@st.composite
def inputs(draw: st.DrawFn, known: Known, shape: StructureShape) -> Any:
    """Make an input that is right, and then put something else in place of none, one or two of its members."""
    if draw(st.integers(0, 39)) == 0:
        return draw(ANYTHING)
    usual = sorted({*shape.required_members, *(RIGHT.keys() & shape.members.keys())})
    sent = {name: draw(known.right(shape.members[name], name)) for name in usual}
    names = sorted(shape.members) or ["Unknown"]
    for name in draw(st.lists(st.sampled_from(names), max_size=2)):
        kind = draw(st.sampled_from(("near", "near", "near", "near", "anything", "missing")))
        if kind == "missing":
            sent.pop(name, None)
        else:
            near = kind == "near" and name in shape.members
            sent[name] = draw(known.near(shape.members[name], name) if near else ANYTHING)
    return sent


async def enter(marketplace: Marketplace, clock: Any) -> Live:
    """Return a requester with money."""
    async with marketplace.pool.acquire() as conn:
        requester, _ = await requesters.ensure(conn, name="Ducks Inc.", now=clock.now())
        access_key, secret = await requesters.create_key(
            conn, requester_id=requester.requester_id, key=marketplace.key, now=clock.now()
        )
        await ledger.deposit(conn, requester_id=requester.requester_id, cents=10_000_000, now=clock.now())
    return Live(marketplace, marketplace.public_url, clock, requester.requester_id, access_key, secret)


async def plant(live: Live, do: Do) -> Known:
    """Make work at every stage and qualifications of every kind; returns what they are called."""
    known, people = Known(), [await live.worker() for _ in range(4)]
    hits = [(await do("CreateHIT", hit_properties()))["HIT"] for _ in range(3)]
    given_in = [await live.submit(hits[0]["HITId"], worker, q1="1") for worker in people[:3]]
    begun = await live.accept(hits[1]["HITId"], people[3])
    await do("UpdateExpirationForHIT", {"HITId": hits[2]["HITId"], "ExpireAt": 0})  # it can be deleted
    types = []
    for number in range(4):
        named = {"Name": f"Reader {number}", "Description": "reads", "QualificationTypeStatus": "Active"}
        types.append((await do("CreateQualificationType", named))["QualificationType"]["QualificationTypeId"])
        for worker in people[:2]:
            held = {"QualificationTypeId": types[-1], "WorkerId": worker, "IntegerValue": 1}
            await do("AssociateQualificationWithWorker", held)
        async with live.marketplace.pool.acquire() as conn:
            for worker in people[2:]:
                await qualification_requests.ask(
                    conn, qualification_type_id=types[-1], worker_id=worker, now=live.clock.now()
                )
    pending = (await do("ListQualificationRequests", {}))["QualificationRequests"]
    known.values |= {
        "WorkerId": people,
        "HITId": [hit["HITId"] for hit in hits],
        "HITTypeId": [hit["HITTypeId"] for hit in hits],
        "AssignmentId": [*given_in, begun],
        "QualificationTypeId": types,
        "QualificationRequestId": [one["QualificationRequestId"] for one in pending],
        "UniqueRequestToken": ["token-1", "token-2", "token-3"],
        "NextToken": [(await do("ListHITs", {"MaxResults": 1}))["NextToken"]],
    }
    return known


def ask_for(operation: str, known: Known, send: Callable[[str, Any], httpx.Response]) -> Counter[str]:
    """Send an operation all sorts of inputs, and count what was said."""
    model = service_model().operation_model(operation)
    if operation == "RejectQualificationRequest":
        known = known.but(QualificationRequestId=known.values["QualificationRequestId"][:3])  # and leave some to accept
    seen: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES if operation in OPERATIONS else 3,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(sent=inputs(known, model.input_shape))
    def ask(sent: Any) -> None:
        seen[said(send(operation, sent), model.output_shape)] += 1

    ask()
    return seen


def _late(operation: str) -> tuple[int, str]:
    """Sort operations: a rejection can be overridden and not made later, and what is deleted is of no more use."""
    order = {"Reject": 0, "Disassociate": 2, "Delete": 3}
    return next((rank for start, rank in order.items() if operation.startswith(start)), 1), operation


@pytest.mark.usefixtures("signing_time")
def test_whatever_is_sent_is_answered_as_the_model_says(marketplace_dsn, tmp_path, clock):
    """The generated tests are no coroutines, so the marketplace has a loop of its own here."""
    url = "http://127.0.0.1:8800"
    with asyncio.Runner() as runner:
        marketplace = runner.run(Marketplace.open(marketplace_dsn, MarketplaceSettings(), url, tmp_path, clock))
        app = create_application([marketplace.router()], checks={})
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=url)
        live = runner.run(enter(marketplace, clock))

        async def send(operation: str, sent: Any) -> httpx.Response:
            body = json.dumps(sent).encode()
            target = {"X-Amz-Target": TARGET.replace("GetAccountBalance", operation)}
            return await http.post("/mturk", content=body, headers=signed(live, body=body, headers=target))

        async def do(operation: str, sent: Any) -> dict[str, Any]:
            answer = await send(operation, sent)
            assert answer.status_code == 200, answer.text
            told: dict[str, Any] = answer.json()
            return told

        known = runner.run(plant(live, do))
        names = sorted(service_model().operation_names, key=_late)
        outcomes = {name: ask_for(name, known, lambda *sent: runner.run(send(*sent))) for name in names}
        runner.run(http.aclose())
        runner.run(marketplace.close())
    unreached = [operation for operation in OPERATIONS if not outcomes[operation]["ok"]]
    assert unreached == [], "every operation that is served did what it was asked at least once"


def said(answer: httpx.Response, output: Shape) -> str:
    """Return what an answer says, once it is known to be one that the model has."""
    told = answer.json()
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    if answer.status_code == 200:
        response = {"body": answer.content, "headers": answer.headers, "status_code": 200}
        assert told.keys() <= create_parser("json").parse(response, output).keys()
        return "ok"
    assert answer.status_code == 400, answer.text
    if told["__type"] in NOT_AN_OPERATIONS:
        return str(told["__type"])
    assert told["__type"] == "RequestError", told
    assert told["TurkErrorCode"].startswith("AWS.MechanicalTurk."), told
    assert told["Message"], told
    return str(told["TurkErrorCode"])
