"""The API's own description, for programs and for people; neither asks for a key, or for anything from elsewhere."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from service.api.openapi import document
from service.api.reference import page
from service.api.routes import about


@get(
    "/openapi.json",
    operation_id="getOpenapi",
    summary="The OpenAPI document",
    include_in_schema=False,
    sync_to_thread=True,
    **about(None),
)
def get_openapi() -> Response[dict[str, Any]]:
    """Give this description in OpenAPI 3.1."""
    return Response(document(), media_type="application/json")


@get(
    "/docs",
    operation_id="getDocs",
    summary="The reference",
    include_in_schema=False,
    sync_to_thread=True,
    **about(None),
)
def get_docs() -> Response[bytes]:
    """Give the reference as a page of its own, with nothing loaded from elsewhere."""
    return Response(
        page().encode(),
        media_type="text/html",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"},
    )


HANDLERS = [get_openapi, get_docs]
