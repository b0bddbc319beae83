"""What a worker is qualified for, and asking for more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import get, post
from litestar.response import Redirect

from marketplace.refusal import Refused
from marketplace.site.listing import ID
from marketplace.site.refusals import Refusal, refusal_of
from marketplace.site.rendering import render
from marketplace.store import qualification_requests

if TYPE_CHECKING:
    from litestar import Response
    from litestar.params import FromPath

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.site.visitors import Fields
    from marketplace.store.sessions import Session


@get("/qualifications")
async def qualifications(site: Given[Site], visitor: Given[Session]) -> Response[str]:
    """List what the worker holds, and what there is to ask for."""
    async with site.pool.acquire() as connection:
        standings = await qualification_requests.standings(connection, worker_id=visitor.worker_id)
    return render(
        "qualifications.html",
        visitor=visitor,
        held=[each for each in standings if each.state is not None],
        others=[each for each in standings if each.state is None],
    )


@post("/qualifications/{type_id:str}/ask")
async def ask(
    site: Given[Site],
    visitor: Given[Session],
    fields: Given[Fields],
    type_id: FromPath[str],
) -> Redirect:
    """Ask for a qualification."""
    del fields
    if not ID.fullmatch(type_id):
        raise Refusal(404, "There is no such qualification", "Choose one from the list.", reason="gone")
    async with site.pool.acquire() as connection:
        try:
            await qualification_requests.ask(
                connection, qualification_type_id=type_id, worker_id=visitor.worker_id, now=site.clock.now()
            )
        except Refused as refused:
            raise refusal_of(refused) from None
    return Redirect("/worker/qualifications", status_code=303)


ROUTES = [qualifications, ask]
