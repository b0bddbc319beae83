"""Verify AWS signature version 4.

Method: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
Every mistake has the type and the wording by which AWS tells it, so that clients and people recognise it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from marketplace.wire.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE: Final = "mturk-requester"
TOLERANCE: Final = timedelta(minutes=15)
_ALWAYS_SIGNED: Final = frozenset({"host", "x-amz-date", "x-amz-target"})
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<signed>[a-z0-9;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})\Z"
)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_STAMPED: Final = re.compile(r"\d{8}T\d{6}Z\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What was signed; `headers` has lower-case names and, for repeated headers, values joined by commas."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Who says to have signed, when and how; nothing of it is proven yet."""

    access_key: str
    date: str
    region: str
    signed: tuple[str, ...]
    signature: str
    stamp: str


def read_claim(request: SignedRequest, now: datetime) -> Claim:
    """Read the Authorization header, and refuse what needs no secret to be refused.

    Raises
    ------
    Fault
        Where nothing is signed, the header is malformed, too little is signed, or the clocks are too far apart.
    """
    header = request.headers.get("authorization")
    if not header:
        raise Fault("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.match(header)
    if match is None:
        raise Fault(
            "IncompleteSignatureException",
            "Authorization header must hold AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature.",
        )
    if match["service"] != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    signed = tuple(match["signed"].split(";"))
    unsigned = sorted(name for name in _ALWAYS_SIGNED if name not in signed)
    if unsigned or list(signed) != sorted(set(signed)):
        raise _invalid(f"SignedHeaders must be sorted and include {', '.join(sorted(_ALWAYS_SIGNED))}.")
    stamp = request.headers.get("x-amz-date", "")
    _check_time(stamp, match["date"], now)
    return Claim(match["key"], match["date"], match["region"], signed, match["signature"], stamp)


def verify(request: SignedRequest, claim: Claim, secret: str) -> None:
    """Compute the signature with the secret and compare, in constant time.

    Raises
    ------
    Fault
        Where it is not the same.
    """
    body_hash = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("x-amz-content-sha256", body_hash) != body_hash:
        raise _mismatch()
    canonical = "\n".join(
        (
            request.method,
            quote(request.path or "/", safe="/-_.~"),
            "&".join(sorted(request.query.split("&"))) if request.query else "",
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in claim.signed),
            "",
            ";".join(claim.signed),
            body_hash,
        )
    )
    scope = f"{claim.date}/{claim.region}/{SERVICE}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{claim.stamp}\n{scope}\n{hashed}"
    expected = hmac.new(_signing_key(secret, claim.date, claim.region), to_sign.encode(), hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest(), claim.signature):
        raise _mismatch()


@lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _check_time(stamp: str, date: str, now: datetime) -> None:
    try:
        signed_at = datetime.fromisoformat(stamp if _STAMPED.match(stamp) else "")
    except ValueError:
        raise _invalid("X-Amz-Date must be a time such as 20260105T120000Z.") from None
    if not stamp.startswith(date):
        raise _invalid("Date in Credential scope does not match the date of X-Amz-Date.")
    if now - signed_at >= TOLERANCE:
        raise _invalid(
            f"Signature expired: {stamp} is now earlier than {now - TOLERANCE:{_STAMP}} ({now:{_STAMP}} - 15 min.)"
        )
    if signed_at - now >= TOLERANCE:
        raise _invalid(
            f"Signature not yet current: {stamp} is still later than {now + TOLERANCE:{_STAMP}} "
            f"({now:{_STAMP}} + 15 min.)"
        )


def unknown_key() -> Fault:
    """Refuse an access key that is not known, or was revoked."""
    return Fault("UnrecognizedClientException", "The security token included in the request is invalid.")


def _invalid(message: str) -> Fault:
    return Fault("InvalidSignatureException", message)


def _mismatch() -> Fault:
    return _invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details."
    )
