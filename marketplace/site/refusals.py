"""Every way in which the site says no, as a page that a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from marketplace.refusal import (
    ASSIGNMENT_ALREADY_EXISTS,
    ASSIGNMENT_DOES_NOT_EXIST,
    HIT_DOES_NOT_EXIST,
    INVALID_ASSIGNMENT_STATE,
    NO_HITS_AVAILABLE,
    PERMISSION_DENIED,
    Refused,
)
from marketplace.site.rendering import render

if TYPE_CHECKING:
    from typing import Any

    from litestar import Request, Response
    from litestar.types import ExceptionHandlersMap


VISITOR = "worker_site_visitor"
"""Where a request keeps who is signed in, once that is known."""


class Refusal(Exception):
    """The site says no.

    Parameters
    ----------
    status_code
        The HTTP status; by this name the server's log knows that nothing is broken.
    headline
        What is the matter, in a few words.
    advice
        What to do now.
    reason
        A word for programs: ``full``, ``done``, ``gone``, ``signed-out`` ...
    wait
        Seconds after which to try again, where that would help.
    """

    def __init__(
        self, status_code: int, headline: str, advice: str, *, reason: str = "", wait: int | None = None
    ) -> None:
        super().__init__(headline)
        self.status_code = status_code
        self.headline = headline
        self.advice = advice
        self.reason = reason
        self.wait = wait


class SignInNeeded(Exception):
    """Nobody is signed in; ``target`` is where to go afterwards."""

    status_code = 303

    def __init__(self, target: str | None = None) -> None:
        super().__init__("sign in first")
        self.target = target


_BY_CODE = {
    ASSIGNMENT_ALREADY_EXISTS: (409, "done", "You have done this HIT"),
    ASSIGNMENT_DOES_NOT_EXIST: (404, "gone", "There is no such assignment"),
    HIT_DOES_NOT_EXIST: (404, "gone", "There is no such HIT"),
    INVALID_ASSIGNMENT_STATE: (409, "over", "This assignment is closed"),
    NO_HITS_AVAILABLE: (409, "full", "This HIT is not available now"),
    PERMISSION_DENIED: (403, "denied", "You cannot accept this HIT"),
}


def missing_hit() -> Refusal:
    """Say that there is no such HIT."""
    return Refusal(404, "There is no such HIT", "It may have been taken down. Choose another.", reason="gone")


def unqualified() -> Refusal:
    """Say that a HIT is for others."""
    advice = "It asks for a qualification that you do not have. Choose another HIT."
    return Refusal(403, "This HIT is not open to you", advice, reason="denied")


def missing_group() -> Refusal:
    """Say that there is no such group."""
    return Refusal(404, "There is no such group", "Choose one from the list of HITs.", reason="gone")


def show_refusal(request: Request[Any, Any, Any], refusal: Refusal) -> Response[str]:
    """Show a refusal of the site, to whoever is known to be signed in."""
    headers = {} if refusal.wait is None else {"Retry-After": str(refusal.wait)}
    visitor = request.state.get(VISITOR)
    return render(
        "refusal.html", status=refusal.status_code, headers=headers, visitor=visitor, refusal=refusal, here=""
    )


def refusal_of(refused: Refused) -> Refusal:
    """Say for people what the marketplace's store refused."""
    status_code, reason, headline = _BY_CODE.get(refused.code, (409, "", "That did not work"))
    return Refusal(status_code, headline, refused.message, reason=reason)


def ask_to_sign_in(request: Request[Any, Any, Any], needed: SignInNeeded) -> Response[Any]:
    """Send the browser to the sign-in page."""
    del request
    target = f"?next={quote(needed.target, safe='/')}" if needed.target else ""
    return Redirect(f"/worker/sign-in{target}", status_code=303)


def show_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    """Show what the framework refused: a form too long, a path that cannot be read."""
    if error.status_code == 413:
        return show_refusal(request, Refusal(413, "That was too much", "Go back and send less."))
    if error.status_code in {404, 405}:
        return show_refusal(request, Refusal(error.status_code, "There is no such page", "Go to the list of HITs."))
    return show_refusal(
        request, Refusal(error.status_code, "That could not be read", "Go back, reload the page and try again.")
    )


def show_trouble(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """Own up to a fault of ours; the database being away is the one that passes by itself."""
    away = isinstance(error, (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError))
    # The application logs what went wrong, by the route alone.
    if away:
        advice = "Nothing is lost. Wait a moment and reload the page."
        return show_refusal(request, Refusal(503, "The marketplace is catching its breath", advice, wait=5))
    return show_refusal(request, Refusal(500, "Something went wrong here", "It was noted. Go back and try again."))


HANDLERS: ExceptionHandlersMap = {
    Refusal: show_refusal,
    SignInNeeded: ask_to_sign_in,
    HTTPException: show_http_error,
    Exception: show_trouble,
}
