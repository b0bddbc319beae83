"""Lists, page by page.

A page that is full names a next one, even where nothing is left for it, as the real service does: a count that is a
multiple of the page ends in an empty page.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from marketplace.operations.views import STORED_STATES, assignment_view, hit_view
from marketplace.store import hits, reviews
from marketplace.wire.page_tokens import make_token, read_token

if TYPE_CHECKING:
    from marketplace.operations.call import Call
    from marketplace.store.hits import Hit

DEFAULT_PAGE: Final = 10


async def list_hits(call: Call) -> dict[str, Any]:
    """List all HITs but for those disposed of, newest first."""
    listing = ("ListHITs", call.requester_id)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    below = read_token(listing, call.params.get("NextToken"), int)
    found = await hits.list_newest_first(call.conn, requester_id=call.requester_id, below=below, limit=limit)
    return hit_page(call, listing, found, limit)


async def list_reviewable_hits(call: Call) -> dict[str, Any]:
    """List the HITs on which nothing is open any more, newest first."""
    hit_type_id, status = call.params.get("HITTypeId"), call.params.get("Status", "Reviewable")
    listing = ("ListReviewableHITs", call.requester_id, hit_type_id, status)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await hits.list_reviewable(
        call.conn,
        requester_id=call.requester_id,
        hit_type_id=hit_type_id,
        reviewing=status == "Reviewing",
        below=read_token(listing, call.params.get("NextToken"), int),
        limit=limit,
        now=call.now,
    )
    return hit_page(call, listing, found, limit)


def hit_page(call: Call, listing: tuple[Any, ...], found: list[Hit], limit: int) -> dict[str, Any]:
    """Show a page of HITs of a list."""
    return {
        "NumResults": len(found),
        "NextToken": make_token(listing, found[-1].hit_no) if len(found) == limit else None,
        "HITs": [hit_view(hit, call.now) for hit in found],
    }


async def list_assignments_for_hit(call: Call) -> dict[str, Any]:
    """List a HIT's assignments that were submitted, in that order."""
    hit_id = call.params["HITId"]
    await hits.find(call.conn, requester_id=call.requester_id, hit_id=hit_id)
    states = sorted({STORED_STATES[status] for status in call.params.get("AssignmentStatuses") or STORED_STATES})
    listing = ("ListAssignmentsForHIT", call.requester_id, hit_id, *states)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await reviews.list_of_hit(
        call.conn,
        hit_id=hit_id,
        states=states,
        after=read_token(listing, call.params.get("NextToken"), tuple[datetime, str]),
        limit=limit,
    )
    full = len(found) == limit
    return {
        "NumResults": len(found),
        "NextToken": make_token(listing, (found[-1].submitted_at, found[-1].assignment_id)) if full else None,
        "Assignments": [assignment_view(assignment) for assignment in found],
    }
