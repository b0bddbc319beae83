"""What each operation of the Requester API does, once its request is known to be signed and well-formed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.operations import (
    account,
    assignments,
    bonuses,
    hit_types,
    hits,
    lists,
    qualification_types,
    qualifications,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from marketplace.operations.call import Call

__all__ = ["OPERATIONS"]

OPERATIONS: Final[dict[str, Callable[[Call], Awaitable[dict[str, Any]]]]] = {
    "AcceptQualificationRequest": qualifications.accept_qualification_request,
    "ApproveAssignment": assignments.approve_assignment,
    "AssociateQualificationWithWorker": qualifications.associate_qualification_with_worker,
    "CreateAdditionalAssignmentsForHIT": hits.create_additional_assignments,
    "CreateHIT": hits.create_hit,
    "CreateHITType": hit_types.create_hit_type,
    "CreateHITWithHITType": hits.create_hit_with_hit_type,
    "CreateQualificationType": qualification_types.create_qualification_type,
    "DeleteHIT": hits.delete_hit,
    "DeleteQualificationType": qualification_types.delete_qualification_type,
    "DisassociateQualificationFromWorker": qualifications.disassociate_qualification_from_worker,
    "GetAccountBalance": account.get_account_balance,
    "GetAssignment": assignments.get_assignment,
    "GetHIT": hits.get_hit,
    "GetQualificationScore": qualifications.get_qualification_score,
    "GetQualificationType": qualification_types.get_qualification_type,
    "ListAssignmentsForHIT": lists.list_assignments_for_hit,
    "ListBonusPayments": bonuses.list_bonus_payments,
    "ListHITs": lists.list_hits,
    "ListHITsForQualificationType": qualification_types.list_hits_for_qualification_type,
    "ListQualificationRequests": qualifications.list_qualification_requests,
    "ListQualificationTypes": qualification_types.list_qualification_types,
    "ListReviewableHITs": lists.list_reviewable_hits,
    "ListWorkersWithQualificationType": qualifications.list_workers_with_qualification_type,
    "RejectAssignment": assignments.reject_assignment,
    "RejectQualificationRequest": qualifications.reject_qualification_request,
    "SendBonus": bonuses.send_bonus,
    "UpdateExpirationForHIT": hits.update_expiration,
    "UpdateHITReviewStatus": hits.update_review_status,
    "UpdateQualificationType": qualification_types.update_qualification_type,
}
"""The operations that are served; the service model has 39."""
