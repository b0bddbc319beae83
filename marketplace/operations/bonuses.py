"""Bonuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from foundation.money import format_usd
from marketplace.operations.hit_types import read_amount
from marketplace.operations.lists import DEFAULT_PAGE
from marketplace.operations.views import WIRE_STATES
from marketplace.refusal import INVALID_ASSIGNMENT_STATE, INVALID_PARAMETER, Refused
from marketplace.store import bonuses, hits, reviews
from marketplace.wire.page_tokens import make_token, read_token

if TYPE_CHECKING:
    from marketplace.operations.call import Call

BONUS_LIFE: Final = timedelta(days=183)
"""A bonus is for work of the last six months."""

HIGHEST_BONUS_CENTS: Final = 1_000_000


async def send_bonus(call: Call) -> dict[str, Any]:
    """Pay a worker a bonus for an assignment."""
    params = call.params
    amount = read_amount(params["BonusAmount"], "BonusAmount", highest=HIGHEST_BONUS_CENTS)
    if amount < 1:
        raise Refused(INVALID_PARAMETER, "BonusAmount must be at least 0.01 US dollars.")
    assignment = await reviews.find(call.conn, requester_id=call.requester_id, assignment_id=params["AssignmentId"])
    if assignment.worker_id != params["WorkerId"]:
        raise Refused(
            INVALID_PARAMETER, f"Assignment {assignment.assignment_id} is not of worker {params['WorkerId']}."
        )
    if assignment.state not in WIRE_STATES or assignment.submitted_at is None:
        raise Refused(INVALID_ASSIGNMENT_STATE, "A bonus can be paid for an assignment that was submitted.")
    if assignment.submitted_at < call.now - BONUS_LIFE:
        raise Refused(INVALID_ASSIGNMENT_STATE, "A bonus can be paid for work of the last six months.")
    await bonuses.send(
        call.conn,
        requester_id=call.requester_id,
        worker_id=assignment.worker_id,
        assignment_id=assignment.assignment_id,
        amount_cents=amount,
        fee_cents=call.fees.bonus_fee(amount),
        reason=call.text("Reason", shortest=1, longest=4096),
        token=params.get("UniqueRequestToken"),
        request_id=call.request_id,
        now=call.now,
    )
    return {}


async def list_bonus_payments(call: Call) -> dict[str, Any]:
    """List the bonuses paid for a HIT or for an assignment."""
    hit_id, assignment_id = call.params.get("HITId"), call.params.get("AssignmentId")
    if (hit_id is None) == (assignment_id is None):
        raise Refused(INVALID_PARAMETER, "Give either HITId or AssignmentId.")
    if hit_id is not None:
        await hits.find(call.conn, requester_id=call.requester_id, hit_id=hit_id)
    else:
        await reviews.find(call.conn, requester_id=call.requester_id, assignment_id=str(assignment_id))
    listing = ("ListBonusPayments", call.requester_id, hit_id, assignment_id)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    paid = await bonuses.list_paid(
        call.conn,
        requester_id=call.requester_id,
        hit_id=hit_id,
        assignment_id=assignment_id,
        after=read_token(listing, call.params.get("NextToken"), int) or 0,
        limit=limit,
    )
    return {
        "NumResults": len(paid),
        "NextToken": make_token(listing, paid[-1].bonus_no) if len(paid) == limit else None,
        "BonusPayments": [
            {
                "WorkerId": bonus.worker_id,
                "BonusAmount": format_usd(bonus.amount_cents),
                "AssignmentId": bonus.assignment_id,
                "Reason": bonus.reason,
                "GrantTime": bonus.granted_at,
            }
            for bonus in paid
        ],
    }
