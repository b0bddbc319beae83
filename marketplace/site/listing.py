"""Finding work: the groups of HITs, and the HITs of a group."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from litestar import get
from litestar.response import Redirect

from marketplace.site.refusals import missing_group
from marketplace.site.rendering import render
from marketplace.store import browsing, qualifications

if TYPE_CHECKING:
    from litestar import Request, Response
    from litestar.params import FromPath

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.store.sessions import Session

PAGE = 100
ID = re.compile(r"[A-Z0-9]{1,64}")
_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)


@get("/")
async def groups(site: Given[Site], visitor: Given[Session]) -> Response[str]:
    """List what there is to do, and what the worker has in hand."""
    now = site.clock.now()
    async with site.pool.acquire() as connection:
        gate = await qualifications.gate_of(connection, worker_id=visitor.worker_id)
        offered = await browsing.groups(connection, worker_id=visitor.worker_id, gate=gate, now=now)
        in_hand = await browsing.in_hand(connection, worker_id=visitor.worker_id, now=now)
    return render("groups.html", visitor=visitor, groups=offered, in_hand=in_hand, now=now)


@get("/groups/{hit_type:str}")
async def group(
    request: Request[Any, Any, Any],
    site: Given[Site],
    visitor: Given[Session],
    hit_type: FromPath[str],
) -> Response[str]:
    """List the HITs of a group, a page at a time."""
    if not ID.fullmatch(hit_type):
        raise missing_group()
    position = request.query_params.get("after", "")
    after = int(position) if _POSITION.fullmatch(position) else 0
    async with site.pool.acquire() as connection:
        found = await browsing.group(connection, hit_type_id=hit_type)
        gate = await qualifications.gate_of(connection, worker_id=visitor.worker_id)
        if found is None or hit_type in gate.unseen:
            raise missing_group()
        hits = await browsing.hits_of_group(
            connection,
            worker_id=visitor.worker_id,
            hit_type_id=hit_type,
            after=after,
            limit=PAGE + 1,
            now=site.clock.now(),
        )
    following = hits[PAGE - 1].hit_no if len(hits) > PAGE else None
    return render(
        "group.html",
        visitor=visitor,
        group=found,
        barred=hit_type in gate.barred,
        hits=hits[:PAGE],
        after=after,
        following=following,
    )


@get("/groups/{hit_type:str}/next")
async def next_hit(site: Given[Site], visitor: Given[Session], hit_type: FromPath[str]) -> Redirect:
    """Go to the first HIT of the group that this worker can do, or to the group where there is none."""
    if not ID.fullmatch(hit_type):
        raise missing_group()
    async with site.pool.acquire() as connection:
        hits = await browsing.hits_of_group(
            connection,
            worker_id=visitor.worker_id,
            hit_type_id=hit_type,
            after=0,
            limit=1,
            now=site.clock.now(),
        )
        gate = await qualifications.gate_of(connection, worker_id=visitor.worker_id)
    if hit_type in gate.barred:
        return Redirect(f"/worker/groups/{hit_type}", status_code=303)
    target = f"/worker/hits/{hits[0].hit_id}" if hits else f"/worker/groups/{hit_type}"
    return Redirect(target, status_code=303)


ROUTES = [groups, group, next_hit]
