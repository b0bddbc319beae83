"""One worker's browser: cookies of its own, and the steps that a person takes at the worker site.

A request whose connection drops, or which meets a server in trouble, is sent again. That is safe for each of
them: accepting an accepted HIT leads to the same assignment, and the marketplace takes an assignment once.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from simulation.pages import Form, Group, Page, WorkPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Sleep = Callable[[float], Awaitable[None]]

ATTEMPTS = 6
TROUBLE = {429, 500, 502, 503, 504}
_OUT_OF_DATE = "csrf"  # what the site says of a form whose page should be loaded again
"""Statuses that a person answers with the reload button."""


class Refused(Exception):
    """The site said no, with a page that says why.

    Attributes
    ----------
    status
        The HTTP status.
    reason
        The word that the page gives for it: ``full``, ``done``, ``gone`` …; empty where it gives none.
    """

    def __init__(self, status: int, reason: str, headline: str) -> None:
        super().__init__(f"{status}: {headline}")
        self.status = status
        self.reason = reason


class TurnedAway(Refused):
    """The site does not let the worker in (any more)."""


class Unreachable(Exception):
    """The site did not answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A HIT before it is accepted."""

    accept: str
    frame: str


@dataclass(frozen=True, slots=True)
class Task:
    """An accepted HIT: the page in its frame, and the form that gives it back."""

    frame: str
    give_back: Form


class Browser:
    """A worker's browser, which signs in by its invitation link.

    The password is made from the link, so that the same crowd can come back after a restart.
    """

    def __init__(
        self, base: str, invitation: str, connector: aiohttp.BaseConnector, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._home = base.rstrip("/") + "/worker"
        self._invitation = invitation
        self._password = "crowd-" + hashlib.sha256(urlsplit(invitation).path.encode()).hexdigest()[:20]
        self._sleep = sleep
        self._csrf = ""
        self._signing_in = asyncio.Lock()
        self._http = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # sites under development live at an IP address
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
        )

    async def close(self) -> None:
        """Close the browser; its session at the site stays."""
        await self._http.close()

    async def sign_in(self) -> None:
        """Take up the invitation, or sign in with the password chosen when it was taken up."""
        page = await self._enter()
        if _refusal(page).reason == _OUT_OF_DATE:  # a response that was cut off had taken the form's cookie with it
            page = await self._enter()
        signed_in = page.form("form#sign-out")
        if signed_in is None:
            refusal = _refusal(page)
            raise TurnedAway(refusal.status, refusal.reason, page.headline())
        self._csrf = signed_in.fields["csrf"]

    async def _enter(self) -> Page:
        """Open the invitation, and send the form that it shows."""
        page = await self._send("GET", self._invitation)
        choices = {"password": self._password, "again": self._password}
        if form := page.form("form#join"):
            return await self._send("POST", form.action, form.fields | choices)
        if form := page.form("form#sign-in"):
            return await self._send("POST", form.action, form.fields | {"password": self._password})
        return page

    async def groups(self) -> list[Group]:
        """List the groups that have HITs for this worker."""
        return (await self._visit("GET", self._home)).groups()

    async def hits(self, group: str) -> AsyncIterator[list[str]]:
        """List the links of a group's HITs, a page at a time."""
        links = [group]
        while links:
            page = await self._visit("GET", links[0])
            yield page.links("a.hit")
            links = page.links("a[rel=next]")

    async def preview(self, hit: str) -> Preview:
        """Look at a HIT without accepting it."""
        page = await self._visit("GET", hit)
        form, frame = page.form("form#accept"), page.frame()
        if form is None or frame is None:
            raise _refusal(page)
        return Preview(form.action, frame)

    async def accept(self, action: str) -> Task:
        """Accept a HIT by the address of its preview's form."""
        return _task(await self._visit("POST", action))

    async def held(self) -> list[Task]:
        """Open again the HITs that are accepted and not finished, the latest first."""
        page = await self._visit("GET", f"{self._home}/earnings")
        return [_task(await self._visit("GET", link)) for link in page.links("a.held")]

    async def read(self, frame: str) -> WorkPage:
        """Read the page inside a frame."""
        page = await self._visit("GET", frame)
        work = page.work()
        if work is None:
            raise _refusal(page)
        return work

    async def submit(self, work: WorkPage, answers: Mapping[str, str]) -> None:
        """Send the page's form, filled in."""
        page = await self._send("POST", work.form.action, work.form.fields | dict(answers))
        # A response that was lost on its way leaves one to read that the work is there already.
        if page.status >= 400 and not (page.status == 409 and "submitted before" in page.html):
            raise _refusal(page)

    async def give_back(self, task: Task) -> None:
        """Return an accepted HIT."""
        await self._visit("POST", task.give_back.action)

    async def _visit(self, method: str, url: str) -> Page:
        """Open a page of the site as the signed-in worker, signing in (again) where that is needed."""
        if not self._csrf:
            await self._sign_in_once(self._csrf)
        for last in (False, True):
            csrf = self._csrf
            page = await self._send(method, url, {"csrf": csrf} if method == "POST" else None)
            if not urlsplit(page.url).path.endswith("/worker/sign-in"):
                break
            if last:
                raise _refusal(page)
            await self._sign_in_once(csrf)
        if page.status >= 400:
            raise _refusal(page)
        return page

    async def _sign_in_once(self, stale: str) -> None:
        """Sign in, unless another visit by this browser did so meanwhile."""
        async with self._signing_in:
            if self._csrf == stale:
                await self.sign_in()

    async def _send(self, method: str, url: str, fields: Mapping[str, str] | None = None) -> Page:
        trouble = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._sleep(0.2 * 2**attempt)
            try:
                async with self._http.request(method, url, data=fields) as response:
                    page = Page(str(response.url), response.status, await response.text())
            except (aiohttp.ClientError, TimeoutError) as error:
                trouble = str(error) or type(error).__name__
                continue
            if page.status not in TROUBLE:
                return page
            trouble = f"status {page.status}"
        raise Unreachable(f"{method} {urlsplit(url).path.split('/')[1]}: {trouble}, {ATTEMPTS} times")


def _task(page: Page) -> Task:
    frame, form = page.frame(), page.form("form#return")
    if frame is None or form is None:
        raise _refusal(page)
    return Task(frame, form)


def _refusal(page: Page) -> Refused:
    main = page.tree().css_first("main[data-refusal]")
    reason = "" if main is None else main.attributes.get("data-refusal") or ""
    return Refused(page.status, reason, page.headline())
