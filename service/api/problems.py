"""What the API answers where it cannot do what was asked: problem details (RFC 9457), for every error there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, get_args

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.responses import create_exception_response
from litestar.params import ParameterKwarg
from msgspec import Meta, Struct, inspect

from service.plain_words import describe
from service.shape import Wrong

MEDIA_TYPE: Final = "application/problem+json"
_DOCS: Final = "/v1/docs#problem-"

KINDS: Final[dict[str, tuple[int, str]]] = {
    "malformed-request": (400, "The request is malformed"),
    "unauthenticated": (401, "The request has no API key that works"),
    "forbidden": (403, "The API key lacks a scope"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This path does not have this method"),
    "not-possible-now": (409, "The job's state does not allow it"),
    "items-differ": (409, "Items with these external ids are there, with other content"),
    "more-gold-needed": (409, "There is too little gold"),
    "budget-too-small": (409, "The budget does not cover the worst case"),
    "bank-differs": (409, "The gold bank is for jobs of another kind"),
    "no-candidate": (409, "The item is no candidate for gold; nothing was changed"),
    "gold-changed": (409, "The gold was changed meanwhile; nothing was changed"),
    "body-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body is of a type that is not read here"),
    "invalid-content": (422, "The content is not valid"),
    "invalid-lines": (422, "Lines of the upload are not valid; nothing was stored"),
    "unknown-items": (422, "There are no such items; nothing was changed"),
    "key-reused": (422, "The Idempotency-Key was used for another request"),
    "server-error": (500, "Something went wrong here"),
}
"""Every kind of problem: its status and its title."""

log = structlog.get_logger(__name__)


class Error(Struct, frozen=True, omit_defaults=True):
    """One of several things that are wrong: where, and what was expected there."""

    message: str
    field: Annotated[str, Meta(description="path of a field, such as task.labels[2]")] | None = None
    line: Annotated[int, Meta(description="line of an upload, from 1")] | None = None
    external_id: str | None = None


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[Error], Meta(description="what is wrong, as far as it is named one by one")] = []
    errors_total: Annotated[int, Meta(description="how many things are wrong, where not all are named")] | None = None
    figures: Annotated[dict[str, int], Meta(description="numbers that the detail speaks of")] = {}


class Refusal(Exception):
    """What was asked is not done; the answer is a problem of one of KINDS."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Error] = (),
        errors_total: int | None = None,
        figures: Mapping[str, int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        status, title = KINDS[kind]
        self.status_code = status
        total = errors_total if errors_total is not None and errors_total > len(errors) else None
        self.problem = Problem(_DOCS + kind, title, status, detail, list(errors), total, dict(figures or {}))
        self.headers = dict(headers or {})


def named(wrong: Sequence[Wrong]) -> list[Error]:
    """Return what is wrong with fields as a problem names it."""
    return [Error(one.message, field=one.field or None) for one in wrong]


def not_found(what: str) -> Refusal:
    """Return the refusal for what is not there, or is another team's."""
    return Refusal("not-found", f"There is no such {what}.")


def _answer(refusal: Refusal) -> Response[Problem]:
    return Response(refusal.problem, status_code=refusal.problem.status, media_type=MEDIA_TYPE, headers=refusal.headers)


def _refused(_request: Request[Any, Any, Any], error: Refusal) -> Response[Problem]:
    return _answer(error)


def _by_status(status: int) -> str:
    return next((kind for kind, (code, _) in KINDS.items() if code == status), "malformed-request")


def _framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what the framework refuses: paths, methods, parameters, sizes."""
    if error.status_code >= 500:
        return _unexpected(request, error)
    kind = _by_status(error.status_code)
    status, title = KINDS[kind]
    errors: list[Error] = []
    detail = {
        404: "There is nothing at this path.",
        405: "This path does not have this method; the Allow header names those that it has.",
        413: "The body is larger than this path takes.",
    }.get(error.status_code, title + ".")
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        errors = [_parameter_error(request, one) for one in extra if isinstance(one, dict)]
        detail = "A parameter is not valid." if errors else str(error.detail)
    elif status == 400 and error.detail:
        detail = str(error.detail)
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() != "content-type"}
    return _answer(Refusal(kind, detail, errors=errors, headers=headers))


def _parameter_error(request: Request[Any, Any, Any], told: Mapping[str, Any]) -> Error:
    """Return what is wrong with a parameter by the name that the caller knows, in plain words."""
    name = str(told.get("key"))
    field = request.route_handler.parsed_fn_signature.parameters.get(name)
    if field is None or not isinstance(field.kwarg_definition, ParameterKwarg):
        return Error(str(told.get("message")), field=name)
    one = field.kwarg_definition
    names = ("ge", "le", "min_length", "max_length", "pattern")
    bounds: dict[str, Any] = {bound: getattr(one, bound) for bound in names if getattr(one, bound) is not None}
    given = [kind for kind in get_args(field.annotation) if kind is not type(None)] if field.is_optional else []
    kind = inspect.type_info(Annotated[given[0] if given else field.annotation, Meta(**bounds)])
    return Error(f"expected {describe(kind)}", field=one.name or name)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.error("a request failed", method=request.method, path=request.url.path, exc_info=error)
    return _answer(Refusal("server-error", "The request failed here, through no fault of yours; the log says why."))


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    Refusal: _refused,
    HTTPException: _framework,
    Exception: _unexpected,
}
"""Exception handlers of the API's router."""


def outside_routes(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer for an application what no route of it answers: problems under /v1, the framework's own way elsewhere."""
    path = request.scope["path"]
    if path == "/v1" or path.startswith("/v1/"):
        return _framework(request, error)
    return create_exception_response(request, error)


APP_HANDLERS: Final[dict[int | type[Exception], Any]] = {404: outside_routes, 405: outside_routes}
"""Exception handlers that the application needs beside, as a path or method that is not there has no router."""
