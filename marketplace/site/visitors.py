"""Who is asking, and whether a form really comes from one of our pages."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from litestar.datastructures import Cookie

from marketplace.site.refusals import VISITOR, Refusal, SignInNeeded
from marketplace.store import sessions

if TYPE_CHECKING:
    from litestar import Request

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.store.sessions import Session

SESSION = "assay_worker"
VISIT = "assay_visit"
MOST_FIELDS = 20

_PAGE = re.compile(r"/worker(/[A-Za-z0-9_-]+)*")
_VISIT = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True, slots=True)
class Fields:
    """A form as posted; a field that is missing reads as empty."""

    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


async def provide_visitor(request: Request[Any, Any, Any], site: Given[Site]) -> Session:
    """Find out who is signed in.

    Raises
    ------
    SignInNeeded
        Where nobody is, or no longer, or the worker has been disabled.
    """
    visitor = await find_visitor(request, site)
    if visitor is None:
        raise SignInNeeded(request.url.path if request.method == "GET" else None)
    request.state[VISITOR] = visitor  # for the page of a refusal, which no handler makes
    return visitor


async def find_visitor(request: Request[Any, Any, Any], site: Site) -> Session | None:
    """Find out whether somebody is signed in."""
    token = request.cookies.get(SESSION)
    if not token:
        return None
    async with site.pool.acquire() as connection:
        return await sessions.find_session(connection, token=token, now=site.clock.now())


async def provide_fields(request: Request[Any, Any, Any], site: Given[Site], visitor: Given[Session]) -> Fields:
    """Read the form of somebody signed in.

    Raises
    ------
    Refusal
        Where it does not carry the token of this very session, or comes from another place.
    """
    return await _read(request, site, visitor.csrf)


async def provide_guest_fields(request: Request[Any, Any, Any], site: Given[Site]) -> Fields:
    """Read the form of somebody not signed in, whose token is tied to a cookie instead of a session."""
    return await _read(request, site, visit_of(request) or "")


def visit_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the token of a browser that is not signed in."""
    visit = request.cookies.get(VISIT, "")
    return visit if _VISIT.fullmatch(visit) else None


def new_visit() -> str:
    """Draw a token for a browser that is not signed in."""
    return secrets.token_urlsafe(24)


def cookie(site: Site, key: str, value: str, *, seconds: int | None = None) -> Cookie:
    """Make a cookie that scripts cannot read, and that other sites' forms do not carry."""
    return Cookie(
        key=key,
        value=value,
        path="/worker",
        httponly=True,
        samesite="lax",
        secure=site.secure,
        max_age=seconds,
    )


def page_of_ours(path: str) -> str:
    """Return the path, if it is one of the site's pages; else the list of HITs."""
    return path if _PAGE.fullmatch(path) else "/worker"


async def _read(request: Request[Any, Any, Any], site: Site, token: str) -> Fields:
    _refuse_foreign(request, site)
    content_type, _ = request.content_type
    if content_type not in {"application/x-www-form-urlencoded", ""}:
        raise Refusal(415, "That could not be read", "Send the form as a browser does.")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = Fields(dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)))
    except ValueError:
        raise Refusal(400, "That could not be read", "Go back, reload the page and try again.") from None
    # Text may hold what ASCII does not, which compare_digest takes only as bytes.
    if not token or not hmac.compare_digest(fields["csrf"].encode("utf-8", "replace"), token.encode()):
        raise Refusal(403, "This form is out of date", "Go back, reload the page and try again.", reason="csrf")
    return fields


def _refuse_foreign(request: Request[Any, Any, Any], site: Site) -> None:
    """Refuse a form that a page of another origin sent; a sandboxed frame's origin is ``null``."""
    origin = request.headers.get("origin")
    if origin is None or origin == site.origin:
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if not host or host != request.headers.get("host"):
        raise Refusal(403, "This form came from another site", "Use the forms of this site.", reason="csrf")
