"""What a worker did, and what came of it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from litestar import get

from marketplace.site.rendering import render
from marketplace.store import browsing

if TYPE_CHECKING:
    from litestar import Request, Response

    from marketplace.site.given import Given
    from marketplace.site.site import Site
    from marketplace.store.sessions import Session

PAGE = 50
_PLACE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)Z~([A-Z0-9]{1,64})", re.ASCII)


@get("/earnings")
async def earnings(request: Request[Any, Any, Any], site: Given[Site], visitor: Given[Session]) -> Response[str]:
    """List the worker's assignments, latest first, with their pay."""
    before = _place(request.query_params.get("before", ""))
    async with site.pool.acquire() as connection:
        sums = await browsing.earnings(connection, worker_id=visitor.worker_id)
        rows = await browsing.earned(connection, worker_id=visitor.worker_id, before=before, limit=PAGE + 1)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return render(
        "earnings.html",
        visitor=visitor,
        sums=sums,
        rows=rows[:PAGE],
        following=last and f"{last.accepted_at:%Y-%m-%dT%H:%M:%S.%f}Z~{last.assignment_id}",
        latest=before is None,
    )


def _place(text: str) -> tuple[datetime, str] | None:
    """Read where a page begins; anything that is not a place begins at the latest."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + "+00:00"), match[2]
    except ValueError:
        return None


ROUTES = [earnings]
