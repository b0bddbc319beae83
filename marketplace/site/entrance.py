"""Joining by invitation, signing in and signing out."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from litestar import get, post
from litestar.response import Redirect

from marketplace.site import passwords
from marketplace.site.refusals import Refusal
from marketplace.site.rendering import duration, render
from marketplace.site.visitors import SESSION, VISIT, cookie, find_visitor, new_visit, page_of_ours, visit_of
from marketplace.store import sessions, workers

if TYPE_CHECKING:
    from litestar import Request, Response
    from litestar.params import FromPath

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.site.visitors import Fields
    from marketplace.store.sessions import Session

_WORKER_ID = re.compile(r"A[A-Z0-9]{1,63}")
_WRONG = "The worker ID or the password is wrong."


@get("/join/{token:str}")
async def invitation(request: Request[Any, Any, Any], site: Given[Site], token: FromPath[str]) -> Response[str]:
    """Show an invitation: the worker's id, and a password to choose."""
    async with site.pool.acquire() as connection:
        worker = await workers.invited(connection, token=token, now=site.clock.now())
    if worker is None:
        return await _used_invitation(request, site, token)
    return _with_visit(request, site, "join.html", worker=worker, token=token, complaint=None)


@post("/join/{token:str}")
async def join(
    request: Request[Any, Any, Any],
    site: Given[Site],
    token: FromPath[str],
    guest_fields: Given[Fields],
) -> Response[Any]:
    """Take up an invitation and sign in."""
    async with site.pool.acquire() as connection:
        worker = await workers.invited(connection, token=token, now=site.clock.now())
    if worker is None:
        return await _used_invitation(request, site, token)
    complaint = passwords.complaint(guest_fields["password"], guest_fields["again"])
    if complaint:
        return _with_visit(request, site, "join.html", status=422, worker=worker, token=token, complaint=complaint)
    hashed = await passwords.hash_password(guest_fields["password"])
    async with site.pool.acquire() as connection:
        joined = await workers.join(connection, token=token, password_hash=hashed, now=site.clock.now())
        if joined is not None:  # whoever knew an earlier password is out
            await sessions.close_all(connection, worker_id=joined.worker_id)
    if joined is None:
        return await _used_invitation(request, site, token)
    return await _sign_in(request, site, joined.worker_id, "/worker")


@get("/sign-in")
async def sign_in_page(request: Request[Any, Any, Any], site: Given[Site]) -> Response[Any]:
    """Show the sign-in form."""
    target = page_of_ours(request.query_params.get("next", ""))
    if await find_visitor(request, site):
        return Redirect(target, status_code=303)
    return _sign_in_form(request, site, target=target)


@post("/sign-in")
async def sign_in(request: Request[Any, Any, Any], site: Given[Site], guest_fields: Given[Fields]) -> Response[Any]:
    """Sign in with worker id and password."""
    worker_id, now = guest_fields["worker"].strip().upper(), site.clock.now()
    target, address = page_of_ours(guest_fields["next"]), request.client.host if request.client else ""
    if not _WORKER_ID.fullmatch(worker_id):
        return _sign_in_form(request, site, status=422, target=target, complaint=_WRONG)
    if wait := site.attempts.wait(worker_id, address, now):
        seconds = math.ceil(wait.total_seconds())
        advice = f"Wait {duration(seconds)}, then try again, or ask for a new invitation."
        raise Refusal(429, "Too many wrong passwords", advice, reason="wait", wait=seconds)
    # Counted before it is known, so that many guesses at once do not slip through together.
    site.attempts.fail(worker_id, address, now)
    async with site.pool.acquire() as connection:
        worker = await workers.find(connection, worker_id)
    right = await passwords.is_password(guest_fields["password"], worker.password_hash if worker else None)
    if worker is None or not right:
        return _sign_in_form(request, site, status=422, target=target, complaint=_WRONG, worker_id=worker_id)
    site.attempts.succeed(worker_id, address)
    if worker.state != "active":
        raise Refusal(403, "This account is disabled", "Ask whoever invited you.", reason="denied")
    return await _sign_in(request, site, worker_id, target)


@post("/sign-out")
async def sign_out(
    request: Request[Any, Any, Any],
    site: Given[Site],
    visitor: Given[Session],
    fields: Given[Fields],
) -> Response[Any]:
    """Sign this browser out."""
    del visitor, fields
    async with site.pool.acquire() as connection:
        await sessions.close_session(connection, token=request.cookies[SESSION])
    response: Response[Any] = Redirect("/worker/sign-in", status_code=303)
    response.delete_cookie(SESSION, path="/worker")
    return response


async def _sign_in(request: Request[Any, Any, Any], site: Site, worker_id: str, target: str) -> Response[Any]:
    """Open a session of its own for this sign-in; whatever the browser brought along is closed, never taken on."""
    async with site.pool.acquire() as connection:
        if brought := request.cookies.get(SESSION):
            await sessions.close_session(connection, token=brought)
        token, _ = await sessions.open_session(
            connection, worker_id=worker_id, life=site.session_life, now=site.clock.now()
        )
    response: Response[Any] = Redirect(target, status_code=303)
    response.set_cookie(cookie(site, SESSION, token, seconds=int(site.session_life.total_seconds())))
    response.delete_cookie(VISIT, path="/worker")
    return response


async def _used_invitation(request: Request[Any, Any, Any], site: Site, token: str) -> Response[str]:
    """Let whom the invitation was for sign in; one that nobody was given leads nowhere."""
    async with site.pool.acquire() as connection:
        worker_id = await workers.holder(connection, token=token)
    if worker_id is None:
        advice = "Check that the whole link was copied, or ask for a new one."
        raise Refusal(404, "There is no such invitation", advice, reason="gone")
    note = "This invitation is used up or out of date. Sign in with the password that you chose, or ask for a new one."
    return _sign_in_form(request, site, status=410, target="/worker", worker_id=worker_id, note=note)


def _sign_in_form(
    request: Request[Any, Any, Any],
    site: Site,
    *,
    target: str,
    status: int = 200,
    worker_id: str = "",
    complaint: str | None = None,
    note: str | None = None,
) -> Response[str]:
    return _with_visit(
        request,
        site,
        "sign_in.html",
        status=status,
        target=target,
        worker_id=worker_id,
        complaint=complaint,
        note=note,
    )


def _with_visit(
    request: Request[Any, Any, Any], site: Site, template: str, *, status: int = 200, **shown: Any
) -> Response[str]:
    """Show a form to somebody not signed in, and leave the cookie that its token is compared with."""
    visit = visit_of(request) or new_visit()
    response = render(template, status=status, csrf=visit, **shown)
    response.set_cookie(cookie(site, VISIT, visit))
    return response


ROUTES = [invitation, join, sign_in_page, sign_in, sign_out]
