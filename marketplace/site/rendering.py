"""Pages from templates, with the headers that keep them to themselves."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.enums import MediaType

from foundation.money import format_usd

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # invitations are secrets that stand in an address
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

STATIC = {
    "site.css": "text/css; charset=utf-8",
    "site.js": "text/javascript; charset=utf-8",
}


def content_policy(*, frame: str = "") -> str:
    """Write a page's Content-Security-Policy: all of its own, and at most one frame."""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        f"base-uri 'none'; frame-ancestors 'none'; frame-src {frame or chr(39) + 'none' + chr(39)}"
    )


def render(
    template: str,
    *,
    status: int = 200,
    frame: str = "",
    headers: Mapping[str, str] | None = None,
    **shown: Any,
) -> Response[str]:
    """Answer with a page; ``frame`` is the source that its frame may show."""
    shown.setdefault("visitor", None)
    return Response(
        _templates.get_template(template).render(**shown),
        status_code=status,
        media_type=MediaType.HTML,
        headers={**HEADERS, "Content-Security-Policy": content_policy(frame=frame), **(headers or {})},
    )


def static_file(name: str) -> bytes:
    """Read one of the site's own files."""
    return (files("marketplace.site") / "static" / name).read_bytes()


def duration(seconds: float) -> str:
    """Write a duration as a person would say it, in its largest unit or two."""
    left = max(0, int(seconds))
    parts = []
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' * (count != 1)}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 seconds"


def moment(time: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return f"{time.astimezone(UTC):%d %b %Y, %H:%M} UTC"


_templates = Environment(
    loader=PackageLoader("marketplace.site"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_templates.filters |= {"usd": format_usd, "duration": duration, "moment": moment}
_templates.globals["version"] = {name: hashlib.sha256(static_file(name)).hexdigest()[:12] for name in STATIC}
