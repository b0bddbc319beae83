"""The API's description in OpenAPI 3.1: paths from the routes, schemas from the structs.

``python -m service.api.openapi`` writes it to openapi/openapi.json, which a test compares with the application.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.routes import HTTPRoute

from service.api.auth import SCOPES
from service.api.bodies import JSON
from service.api.problems import MEDIA_TYPE, Problem
from service.app import Service

FILE: Final = Path("openapi/openapi.json")

_ABOUT: Final = """\
Jobs go in, labels that can be trusted come out. Create a job from its spec, upload items and gold, launch it, and \
read labels as they settle.

Every error is a problem (RFC 9457) whose `type` names its kind. Lists are paged by cursor: pass `next` of a page as \
`cursor` to get the one after. Money is in US cents, times are in UTC."""

_TAGS: Final = {
    "jobs": "Jobs, and what they are asked to do",
    "items": "Items and gold",
    "results": "Labels, answers and workers",
    "keys": "API keys",
    "description": "The API's own description",
}


def routes(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Yield (method, path, handler) of every route of an application that is part of the API."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1"):
            for method, (handler, _) in route.route_handler_map.items():
                if "scope" in handler.opt:
                    yield method, route.path_format, handler


@cache
def document() -> dict[str, Any]:
    """Return the description of the API."""
    from service.api.app import create_router  # noqa: PLC0415 - the router serves this document

    config = OpenAPIConfig(title="Assay", version=version("assay"), description=_ABOUT, use_handler_docstrings=True)
    app = Litestar([create_router(cast("Service", None))], openapi_config=config)
    told = app.openapi_schema.to_schema()
    handlers = [one for one in routes(app) if one[2].resolve_include_in_schema()]
    schemas, components = msgspec.json.schema_components(
        list(_types(handler for _, _, handler in handlers)), ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(repr, _types(handler for _, _, handler in handlers)), schemas, strict=True))
    for method, path, handler in handlers:
        _complete(told["paths"][path][method.lower()], handler, by_type)
    return {
        "openapi": told["openapi"],
        "info": told["info"] | {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": told["paths"],
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, `assay_…`. Scopes: "
                    + "; ".join(f"`{scope}` to {text}" for scope, text in SCOPES.items()),
                }
            },
        },
    }


def _types(handlers: Iterable[HTTPRouteHandler]) -> Iterator[Any]:
    yield Problem
    for handler in handlers:
        yield from handler.opt["reads"].values()
        yield from _answers(handler).values()


def _answers(handler: HTTPRouteHandler) -> dict[str, Any]:
    """Return the bodies that a route answers, by media type."""
    returned = handler.parsed_fn_signature.return_type.annotation
    return handler.opt["answers"] or ({} if returned is type(None) else {JSON: returned})


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler, schemas: dict[str, Any]) -> None:
    """Say of an operation what the framework does not know, and more exactly what it does."""

    def content(kinds: dict[str, Any]) -> dict[str, Any]:
        return {kind: {"schema": schemas[repr(shape)]} for kind, shape in kinds.items()}

    scope = handler.opt["scope"]
    operation["security"] = [{"key": [scope]}] if scope else []
    operation.pop("deprecated", None)
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _parameter(parameter["schema"])
        for name in ("deprecated", "allowEmptyValue", "allowReserved"):
            parameter.pop(name, None)
    if handler.opt["reads"]:
        operation["requestBody"] = {"required": True, "content": content(handler.opt["reads"])}
    own = str(handler.status_code)
    success = operation["responses"][own]
    success.pop("headers", None)
    success["description"] = handler.response_description or "Done"
    if answers := _answers(handler):
        success["content"] = content(answers)
    for status, description in handler.opt["also"].items():
        operation["responses"][str(status)] = success | {"description": description}
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for status, response in operation["responses"].items():
        if MEDIA_TYPE in response.get("content", {}):
            response["content"][MEDIA_TYPE] = {"schema": schemas[repr(Problem)]}
        if status == "401":
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema without null, which no parameter can say, and with whole numbers as such."""
    told = {name: value for name, value in schema.items() if name not in {"oneOf", "description"}}
    for one in schema.get("oneOf", ()):
        if one.get("type") != "null":
            told |= one
    if isinstance(told.get("type"), list):
        (told["type"],) = [kind for kind in told["type"] if kind != "null"]
    if "enum" in told:
        told["enum"] = [value for value in told["enum"] if value is not None]
    for bound in ("minimum", "maximum"):
        if told.get("type") == "integer" and bound in told:
            told[bound] = int(told[bound])
    return told


def encoded() -> bytes:
    """Return the document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


if __name__ == "__main__":
    FILE.write_bytes(encoded())
    sys.stdout.write(f"{FILE}\n")
