"""HITs and assignments as the wire shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from foundation.money import format_usd

if TYPE_CHECKING:
    from datetime import datetime

    from marketplace.store.assignments import Assignment
    from marketplace.store.hits import Hit

WIRE_STATES: Final = {"submitted": "Submitted", "approved": "Approved", "rejected": "Rejected"}
"""What a requester sees of an assignment's states; the others are the worker's affair."""

STORED_STATES: Final = {wire: stored for stored, wire in WIRE_STATES.items()}


def hit_view(hit: Hit, now: datetime) -> dict[str, Any]:
    """Show a HIT. Submitted and unreviewed = maximum - available - pending - completed, as on Mechanical Turk."""
    return {
        "HITId": hit.hit_id,
        "HITTypeId": hit.hit_type_id,
        "HITGroupId": hit.hit_type_id,
        "CreationTime": hit.created_at,
        "Title": hit.title,
        "Description": hit.description,
        "Question": hit.question,
        "Keywords": hit.keywords,
        "HITStatus": hit.status(now),
        "MaxAssignments": hit.max_assignments,
        "Reward": format_usd(hit.reward_cents),
        "AutoApprovalDelayInSeconds": hit.auto_approval_delay_seconds,
        "Expiration": hit.expires_at,
        "AssignmentDurationInSeconds": hit.assignment_duration_seconds,
        "RequesterAnnotation": hit.annotation,
        "QualificationRequirements": hit.qualification_requirements,
        "HITReviewStatus": "NotReviewed",
        "NumberOfAssignmentsPending": hit.pending,
        "NumberOfAssignmentsAvailable": hit.unused,
        "NumberOfAssignmentsCompleted": hit.approved + hit.rejected,
    }


def assignment_view(assignment: Assignment) -> dict[str, Any]:
    """Show an assignment that was submitted."""
    return {
        "AssignmentId": assignment.assignment_id,
        "WorkerId": assignment.worker_id,
        "HITId": assignment.hit_id,
        "AssignmentStatus": WIRE_STATES[assignment.state],
        "AutoApprovalTime": assignment.auto_approve_at,
        "AcceptTime": assignment.accepted_at,
        "SubmitTime": assignment.submitted_at,
        "ApprovalTime": assignment.approved_at,
        "RejectionTime": assignment.rejected_at,
        "Deadline": assignment.deadline,
        "Answer": assignment.answer,
        "RequesterFeedback": assignment.feedback,
    }
