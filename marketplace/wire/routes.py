"""The routes of the Requester API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.exceptions import NotFoundException
from litestar.response.base import ASGIResponse

from marketplace.misbehaviour import Rule
from marketplace.refusal import Refused
from marketplace.tampering import KINDS as TAMPERING
from marketplace.tampering import Tampering
from marketplace.wire.endpoint import LONGEST_REQUEST, MEDIA_TYPE, Endpoint, new_request_id, requested_operation
from marketplace.wire.faults import Answer, Fault, fault_answer, refusal_answer, service_fault_answer
from marketplace.wire.model import service_model
from marketplace.wire.signature import SignedRequest

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler
    from litestar.types import Receive, Scope, Send

    from marketplace.misbehaviour import Misbehaviour

AnyRequest = Request[Any, Any, Any]


class LostResponse(Response[bytes]):
    """A response that the client never gets whole: the connection closes in the middle of it.

    It is sent in chunks and not ended. With a Content-Length and a short body, botocore would take what it got for
    the whole (it tells urllib3 not to enforce the length) and report success.
    """

    def __init__(self) -> None:
        super().__init__(content=b"", media_type=MEDIA_TYPE)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """Return what begins and does not end."""
        return _Unended(media_type=MEDIA_TYPE)


class _Unended(ASGIResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as the base has it
        headers = [(b"content-type", MEDIA_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def create_wire_handlers(endpoint: Endpoint, misbehaviour: Misbehaviour | None) -> list[HTTPRouteHandler]:
    """Make the handlers; without a `misbehaviour` there is no way to ask for any."""
    tampering = Tampering()

    @post("/", status_code=200, request_max_body_size=LONGEST_REQUEST, include_in_schema=False)
    async def call(request: AnyRequest) -> Response[bytes]:
        signed = await _signed_request(request)
        request_id = new_request_id()
        if misbehaviour is None:
            return _response(await endpoint.answer(signed, request_id), request_id)
        rule = misbehaviour.choose(requested_operation(signed), endpoint.clock.now())
        if rule is not None and rule.kind in TAMPERING:
            answer = await endpoint.answer(signed, request_id)
            body = tampering.alter(rule, request=signed.body, answer=answer.body)
            return _response(Answer(answer.status, body), request_id)
        return await _misbehave(endpoint, rule, signed, request_id)

    @get("/_misbehave", include_in_schema=False)
    async def misbehaving() -> Response[bytes]:
        return _rules(misbehaviour)

    @post("/_misbehave", status_code=200, include_in_schema=False)
    async def misbehave(request: AnyRequest) -> Response[bytes]:
        return _set_rules(misbehaviour, await request.body())

    @delete("/_misbehave", status_code=200, include_in_schema=False)
    async def behave() -> Response[bytes]:
        return _set_rules(misbehaviour, b"[]")

    return [call] if misbehaviour is None else [call, misbehaving, misbehave, behave]


async def _signed_request(request: AnyRequest) -> SignedRequest:
    headers: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return SignedRequest(
        method=request.method,
        path=request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or request.scope["path"],
        query=request.scope["query_string"].decode("latin-1"),
        headers=headers,
        body=await request.body(),
    )


def _response(answer: Answer, request_id: str) -> Response[bytes]:
    return Response(
        content=answer.body,
        status_code=answer.status,
        media_type=MEDIA_TYPE,
        headers={"x-amzn-RequestId": request_id},
    )


async def _misbehave(endpoint: Endpoint, rule: Rule | None, signed: SignedRequest, request_id: str) -> Response[bytes]:
    kind = rule.kind if rule else None
    if rule is not None and kind == "delay":
        await asyncio.sleep(rule.delay_ms / 1000)
    instead = None if rule is None else _instead(rule)
    answer = instead or await endpoint.answer(signed, request_id)
    if kind == "fault_after":
        answer = service_fault_answer()
    return LostResponse() if kind in ("drop", "drop_before") else _response(answer, request_id)


def _instead(rule: Rule) -> Answer | None:
    """Answer without doing anything, where the rule says so."""
    match rule.kind:
        case "throttle":
            return fault_answer(Fault("ThrottlingException", "Rate exceeded"))
        case "fault" | "drop_before":
            return service_fault_answer()
        case "refuse":
            return refusal_answer(Refused(rule.code, "The marketplace was told to refuse this."))
        case _:
            return None


def _rules(misbehaviour: Misbehaviour | None) -> Response[bytes]:
    if misbehaviour is None:
        raise NotFoundException
    return Response(content=msgspec.json.encode(misbehaviour.rules), media_type="application/json")


def _set_rules(misbehaviour: Misbehaviour | None, body: bytes) -> Response[bytes]:
    if misbehaviour is None:
        raise NotFoundException
    try:
        rules = msgspec.json.decode(body, type=list[Rule])
        known = {*service_model().operation_names, "externalSubmit", "*"}
        unknown = [rule.operation for rule in rules if rule.operation not in known]
        if unknown:
            raise msgspec.ValidationError(f"{unknown[0]!r} is not an operation")
    except msgspec.MsgspecError as error:
        return Response(content=f"{error}\n".encode(), status_code=400, media_type="text/plain")
    misbehaviour.set_rules(rules)
    return _rules(misbehaviour)
