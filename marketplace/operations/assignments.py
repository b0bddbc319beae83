"""Assignments: looked up, approved, rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.operations.views import WIRE_STATES, assignment_view, hit_view
from marketplace.refusal import INVALID_ASSIGNMENT_STATE, Refused
from marketplace.store import hits, reviews

if TYPE_CHECKING:
    from marketplace.operations.call import Call


async def get_assignment(call: Call) -> dict[str, Any]:
    """Look up an assignment that was submitted, with its HIT."""
    assignment_id = call.params["AssignmentId"]
    assignment = await reviews.find(call.conn, requester_id=call.requester_id, assignment_id=assignment_id)
    if assignment.state not in WIRE_STATES:
        raise Refused(
            INVALID_ASSIGNMENT_STATE,
            f"This operation can be called with a status of: {', '.join(WIRE_STATES.values())}",
        )
    hit = await hits.find(call.conn, requester_id=call.requester_id, hit_id=assignment.hit_id)
    return {"Assignment": assignment_view(assignment), "HIT": hit_view(hit, call.now)}


async def approve_assignment(call: Call) -> dict[str, Any]:
    """Approve submitted work, which pays for it."""
    await reviews.approve(
        call.conn,
        requester_id=call.requester_id,
        assignment_id=call.params["AssignmentId"],
        feedback=call.text("RequesterFeedback", longest=1024) or None,
        override=call.params.get("OverrideRejection", False),
        now=call.now,
    )
    return {}


async def reject_assignment(call: Call) -> dict[str, Any]:
    """Reject submitted work, with a reason."""
    await reviews.reject(
        call.conn,
        requester_id=call.requester_id,
        assignment_id=call.params["AssignmentId"],
        feedback=call.text("RequesterFeedback", shortest=1, longest=1024),
        now=call.now,
    )
    return {}
