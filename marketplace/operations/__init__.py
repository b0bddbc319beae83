"""What each operation of the Requester API does, once its request is known to be signed and well-formed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.operations import account, assignments, bonuses, hit_types, hits, lists

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from marketplace.operations.call import Call

__all__ = ["OPERATIONS"]

OPERATIONS: Final[dict[str, Callable[[Call], Awaitable[dict[str, Any]]]]] = {
    "ApproveAssignment": assignments.approve_assignment,
    "CreateAdditionalAssignmentsForHIT": hits.create_additional_assignments,
    "CreateHIT": hits.create_hit,
    "CreateHITType": hit_types.create_hit_type,
    "CreateHITWithHITType": hits.create_hit_with_hit_type,
    "DeleteHIT": hits.delete_hit,
    "GetAccountBalance": account.get_account_balance,
    "GetAssignment": assignments.get_assignment,
    "GetHIT": hits.get_hit,
    "ListAssignmentsForHIT": lists.list_assignments_for_hit,
    "ListBonusPayments": bonuses.list_bonus_payments,
    "ListHITs": lists.list_hits,
    "ListReviewableHITs": lists.list_reviewable_hits,
    "RejectAssignment": assignments.reject_assignment,
    "SendBonus": bonuses.send_bonus,
    "UpdateExpirationForHIT": hits.update_expiration,
    "UpdateHITReviewStatus": hits.update_review_status,
}
"""The operations that are served; the service model has 39."""
