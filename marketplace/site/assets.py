"""The site's own style sheet and script, and the pages that do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import Response, get

from marketplace.site.refusals import Refusal
from marketplace.site.rendering import STATIC, static_file

if TYPE_CHECKING:
    from litestar.params import FromPath


def _asset(name: str) -> Response[bytes]:
    # The address carries a hash of the content, so it never changes.
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(static_file(name), media_type=STATIC[name], headers=headers)


@get("/site.css", sync_to_thread=False)
def style() -> Response[bytes]:
    """Serve the style sheet."""
    return _asset("site.css")


@get("/site.js", sync_to_thread=False)
def script() -> Response[bytes]:
    """Serve the script."""
    return _asset("site.js")


@get("/{rest:path}", sync_to_thread=False)
def nothing(rest: FromPath[str]) -> Response[bytes]:
    """Say that there is no such page."""
    del rest
    raise Refusal(404, "There is no such page", "Go to the list of HITs.", reason="gone")


ROUTES = [style, script, nothing]
