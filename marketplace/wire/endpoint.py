"""A request of the Requester API from its bytes to its answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from foundation.telemetry import REGISTRY
from marketplace.operations import OPERATIONS
from marketplace.operations.call import Call
from marketplace.refusal import INVALID_PARAMETER, Refused
from marketplace.wire.faults import Answer, Fault, fault_answer, refusal_answer, service_fault_answer
from marketplace.wire.model import operation_model, service_model
from marketplace.wire.serialisation import serialise
from marketplace.wire.signature import SignedRequest, read_claim, verify
from marketplace.wire.validation import validate

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

    from foundation.clock import Clock
    from foundation.money import FeeSchedule
    from marketplace.wire.keyring import Keyring

MEDIA_TYPE: Final = "application/x-amz-json-1.1"
LONGEST_REQUEST: Final = 1024 * 1024

_log = structlog.get_logger(__name__)
_requests = Counter(
    "assay_marketplace_requests_total", "Calls of the Requester API.", ["operation", "outcome"], registry=REGISTRY
)


def new_request_id() -> str:
    """Make the id that a response carries in x-amzn-RequestId."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Answers signed requests.

    Attributes
    ----------
    pool, keyring, clock
        Where rows, keys and the time come from.
    fees
        What the marketplace takes.
    plain_origins
        Origins that an ExternalQuestion may use without TLS.
    """

    pool: asyncpg.Pool
    keyring: Keyring
    clock: Clock
    fees: FeeSchedule
    plain_origins: Collection[str]

    async def authenticate(self, request: SignedRequest) -> str:
        """Return the id of the requester that signed.

        Raises
        ------
        Fault
            Where nobody that is known here has signed just this, now.
        """
        claim = read_claim(request, self.clock.now())
        signer = await self.keyring.signer(claim.access_key)
        verify(request, claim, signer.secret)
        return signer.requester_id

    async def answer(self, request: SignedRequest, request_id: str) -> Answer:
        """Answer a request; whatever goes wrong has an answer too."""
        operation = requested_operation(request)
        try:
            requester_id = await self.authenticate(request)
            answer = Answer(200, await self._perform(operation, requester_id, request.body, request_id))
        except Refused as refused:
            _count(operation, refused.code)
            return refusal_answer(refused)
        except Fault as fault:
            _count(operation, fault.kind)
            return fault_answer(fault)
        except Exception:  # noqa: BLE001 - logged, and told without saying what it was
            _count(operation, "ServiceFault")
            _log.exception("the marketplace failed", operation=operation, request_id=request_id)
            return service_fault_answer()
        _count(operation, "ok")
        return answer

    async def _perform(self, operation: str, requester_id: str, body: bytes, request_id: str) -> bytes:
        model = operation_model(operation)
        if model is None or model.input_shape is None:
            raise Fault("UnknownOperationException", f"{operation or 'The request'} is not an operation.")
        perform = OPERATIONS.get(operation)
        if perform is None:
            raise Refused(INVALID_PARAMETER, f"{operation} is not served by this marketplace.")
        params = validate(model.input_shape, _parse(body))
        async with self.pool.acquire() as conn:
            call = Call(
                conn=conn,
                requester_id=requester_id,
                params=params,
                request_id=request_id,
                now=self.clock.now(),
                fees=self.fees,
                plain_origins=self.plain_origins,
            )
            output = await perform(call)
        return msgspec.json.encode(serialise(model.output_shape, output))


def requested_operation(request: SignedRequest) -> str:
    """Return the name of the operation that is asked for, or what is there instead."""
    prefix, _, operation = request.headers.get("x-amz-target", "").partition(".")
    return operation if prefix == service_model().metadata["targetPrefix"] else ""


def _count(operation: str, outcome: str) -> None:
    known = operation if operation_model(operation) is not None else "unknown"
    _requests.labels(known, outcome.removeprefix("AWS.MechanicalTurk.")).inc()


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Fault("SerializationException", "The request's body is not valid JSON.") from None
