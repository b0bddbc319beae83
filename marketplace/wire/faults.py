"""Errors as they go over the wire.

What an operation refuses is a RequestError with its TurkErrorCode, as the service model declares. What is refused
before an operation is reached (signature, throttling, unknown operation) has the names that AWS uses for all its
JSON services; botocore reads them from ``__type``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from marketplace.refusal import Refused


class Fault(Exception):
    """An answer other than success that is not a refusal of the operation's own."""

    def __init__(self, kind: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: the HTTP status and the body."""

    status: int
    body: bytes


def refusal_answer(refused: Refused) -> Answer:
    """Answer a refusal: 400."""
    return _answer(400, {"__type": "RequestError", "Message": refused.message, "TurkErrorCode": refused.code})


def fault_answer(fault: Fault) -> Answer:
    """Answer a fault with its own status."""
    return _answer(fault.status, {"__type": fault.kind, "message": fault.message})


def service_fault_answer() -> Answer:
    """Answer a failure of ours, without telling what it was: 500."""
    body = {
        "__type": "ServiceFault",
        "Message": "The marketplace could not process the request. Try again.",
        "TurkErrorCode": "AWS.ServiceUnavailable",
    }
    return _answer(500, body)


def _answer(status: int, body: dict[str, str]) -> Answer:
    return Answer(status, msgspec.json.encode(body))
