"""Who may do what: API keys with scopes, checked before anything else of a request is looked at.

A key is 32 random bytes after ``assay_``; the database has its SHA-256. A key that long needs no salt or slow hash: it
cannot be guessed, whatever is known of its hash. Everything is looked up by the team of the key, so what belongs to
another team is as if it were not there.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeAlias

from litestar.connection import ASGIConnection, Request
from litestar.handlers.base import BaseRouteHandler

from service.api.problems import Error, Refusal
from service.api.routes import query_parameters
from service.app import Service
from service.store import keys
from service.store.keys import Caller

Scope: TypeAlias = Literal[
    "jobs:read", "jobs:write", "labels:read", "workers:read", "workers:judge", "workers:identify", "keys:write"
]

SCOPES: Final[dict[Scope, str]] = {
    "jobs:read": "see jobs, their items, gold, progress and estimates",
    "jobs:write": "create, launch, pause, resume and cancel jobs, add and withdraw items and gold",
    "labels:read": "read labels and answers",
    "workers:read": "read workers' reliability, by Assay's own ids",
    "workers:judge": "suspend and reinstate workers",
    "workers:identify": "see the market's ids of workers, which are personal data",
    "keys:write": "list, make and revoke API keys, with no more scopes than one's own",
}

_PREFIX: Final = "assay_"
_KEY = re.compile(r"assay_[A-Za-z0-9_-]{43}\Z")
_CALLER: Final = "assay.caller"
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="assay"'}


def new_key() -> str:
    """Make a secret to be shown once."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def authenticate(service: Service, authorization: str | None) -> Caller:
    """Return who calls.

    Raises
    ------
    Refusal
        401, where there is no key, or none that works.
    """
    if authorization is None:
        raise Refusal("unauthenticated", "Send an API key as Authorization: Bearer assay_…", headers=_CHALLENGE)
    scheme, _, key = authorization.strip().partition(" ")
    key = key.strip()
    caller = None
    if scheme.lower() == "bearer" and _KEY.match(key):
        async with service.pool.acquire() as conn:
            caller = await keys.find(conn, hash_key(key))
    if caller is None:
        raise Refusal("unauthenticated", "The API key is not known here, or was revoked.", headers=_CHALLENGE)
    return caller


def guard(service: Service) -> Callable[..., Awaitable[None]]:
    """Return what lets a request pass to its handler when its key has the scope that the handler names."""

    async def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if "scope" not in handler.opt and connection.scope.get("method") == "OPTIONS":
            return  # the framework's own answer to OPTIONS: the methods of a path, which the description tells anyway
        scope = handler.opt["scope"]  # a route that names none fails closed
        if scope is not None:
            caller = await authenticate(service, connection.headers.get("authorization"))
            if scope not in caller.scopes:
                raise Refusal("forbidden", f"This needs the scope {scope}; the key has {', '.join(caller.scopes)}.")
            connection.scope[_CALLER] = caller  # type: ignore[typeddict-unknown-key]
            _check_parameters(connection, handler)

    return check


def _check_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a filter that is misspelt, doubled or null, instead of answering as though it had not been given."""
    known, seen = query_parameters(handler), set[str]()
    for name, value in connection.query_params.multi_items():
        message = None
        if name not in known:
            message = "is not a parameter of this path"
        elif name in seen:
            message = "is given more than once"
        elif value.lower() == "null":
            message = "expected a value; to filter by nothing, leave it out"
        if message:
            error = Error(message, field=name[:100])
            raise Refusal("malformed-request", "A query parameter is not valid.", errors=[error])
        seen.add(name)


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Return who the guard let pass."""
    caller: Caller = request.scope[_CALLER]  # type: ignore[typeddict-item]
    return caller
