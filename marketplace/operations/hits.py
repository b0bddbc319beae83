"""HITs: created, looked up, extended, expired, renewed, reviewed, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from marketplace.operations import hit_types
from marketplace.operations.views import hit_view
from marketplace.question import parse_question
from marketplace.refusal import HIT_TYPE_DOES_NOT_EXIST, INVALID_PARAMETER, Refused
from marketplace.requirements import asks_for_masters
from marketplace.store import hit_types as stored_types
from marketplace.store import hits, lifetimes

if TYPE_CHECKING:
    from marketplace.operations.call import Call
    from marketplace.store.hit_types import HitType

MOST_ASSIGNMENTS: Final = 1_000_000_000
_UNSERVED: Final = ("HITLayoutId", "HITLayoutParameters", "AssignmentReviewPolicy", "HITReviewPolicy")


async def create_hit(call: Call) -> dict[str, Any]:
    """Create a HIT of the type that its properties make."""
    return await _create(call, await hit_types.register(call))


async def create_hit_with_hit_type(call: Call) -> dict[str, Any]:
    """Create a HIT of a type made before."""
    hit_type_id = call.params["HITTypeId"]
    hit_type = await stored_types.find(call.conn, requester_id=call.requester_id, hit_type_id=hit_type_id)
    if hit_type is None:
        raise Refused(HIT_TYPE_DOES_NOT_EXIST, f"HITType {hit_type_id} does not exist.")
    return await _create(call, hit_type)


async def _create(call: Call, hit_type: HitType) -> dict[str, Any]:
    call.refuse_unsupported(*_UNSERVED)
    question = call.params.get("Question")
    if question is None:
        raise Refused(INVALID_PARAMETER, "Question is required.")
    parse_question(question, plain_origins=call.plain_origins)
    annotation = call.text("RequesterAnnotation", longest=255)
    if not annotation.isascii():
        raise Refused(INVALID_PARAMETER, "RequesterAnnotation must be ASCII.")
    max_assignments = call.number("MaxAssignments", low=1, high=MOST_ASSIGNMENTS, default=1)
    hit = await hits.create(
        call.conn,
        requester_id=call.requester_id,
        hit_type=hit_type,
        question=question,
        annotation=annotation or None,
        fee_cents=call.fees.assignment_fee(
            hit_type.properties.reward_cents,
            max_assignments,
            masters=asks_for_masters(hit_type.properties.qualification_requirements),
        ),
        max_assignments=max_assignments,
        lifetime_seconds=call.number("LifetimeInSeconds", low=30, high=hit_types.YEAR_SECONDS),
        token=call.params.get("UniqueRequestToken"),
        now=call.now,
    )
    return {"HIT": hit_view(hit, call.now)}


async def get_hit(call: Call) -> dict[str, Any]:
    """Look up a HIT."""
    hit = await hits.find(call.conn, requester_id=call.requester_id, hit_id=call.params["HITId"])
    return {"HIT": hit_view(hit, call.now)}


async def create_additional_assignments(call: Call) -> dict[str, Any]:
    """Extend a HIT."""
    await lifetimes.extend(
        call.conn,
        requester_id=call.requester_id,
        hit_id=call.params["HITId"],
        additional=call.number("NumberOfAdditionalAssignments", low=1, high=MOST_ASSIGNMENTS),
        token=call.params.get("UniqueRequestToken"),
        request_id=call.request_id,
        now=call.now,
    )
    return {}


async def update_expiration(call: Call) -> dict[str, Any]:
    """Expire a HIT or renew it."""
    expires_at = call.params["ExpireAt"]
    if expires_at > call.now + timedelta(seconds=hit_types.YEAR_SECONDS):
        raise Refused(INVALID_PARAMETER, "ExpireAt must be at most 365 days from now.")
    await lifetimes.set_expiration(
        call.conn,
        requester_id=call.requester_id,
        hit_id=call.params["HITId"],
        expires_at=expires_at,
        now=call.now,
    )
    return {}


async def update_review_status(call: Call) -> dict[str, Any]:
    """Mark a HIT as being reviewed, or take that back."""
    await lifetimes.set_reviewing(
        call.conn,
        requester_id=call.requester_id,
        hit_id=call.params["HITId"],
        revert=call.params.get("Revert", False),
        now=call.now,
    )
    return {}


async def delete_hit(call: Call) -> dict[str, Any]:
    """Dispose of a HIT that is over and reviewed."""
    await lifetimes.dispose(call.conn, requester_id=call.requester_id, hit_id=call.params["HITId"], now=call.now)
    return {}
