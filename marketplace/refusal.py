"""What the marketplace says when it will not do as asked."""

from __future__ import annotations

from typing import Final

ASSIGNMENT_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.AssignmentDoesNotExist"
ASSIGNMENT_ALREADY_EXISTS: Final = "AWS.MechanicalTurk.AssignmentAlreadyExists"
HIT_ALREADY_EXISTS: Final = "AWS.MechanicalTurk.HitAlreadyExists"
HIT_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.HITDoesNotExist"
HIT_TYPE_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.HITTypeDoesNotExist"
INSUFFICIENT_FUNDS: Final = "AWS.MechanicalTurk.InsufficientFunds"
INVALID_ASSIGNMENT_STATE: Final = "AWS.MechanicalTurk.InvalidAssignmentState"
INVALID_HIT_STATE: Final = "AWS.MechanicalTurk.InvalidHITState"
INVALID_INCREASE: Final = "AWS.MechanicalTurk.InvalidMaximumAssignmentsIncrease"
INVALID_PARAMETER: Final = "AWS.MechanicalTurk.InvalidParameterValue"
INVALID_QUALIFICATION_STATE: Final = "AWS.MechanicalTurk.InvalidQualificationState"
NO_HITS_AVAILABLE: Final = "AWS.MechanicalTurk.NoHITsAvailableForIterator"
PERMISSION_DENIED: Final = "AWS.MechanicalTurk.PermissionDeniedException"
QUALIFICATION_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.QualificationDoesNotExist"
QUALIFICATION_REQUEST_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.QualificationRequestDoesNotExist"
QUALIFICATION_TYPE_ALREADY_EXISTS: Final = "AWS.MechanicalTurk.QualificationTypeAlreadyExists"
QUALIFICATION_TYPE_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.QualificationTypeDoesNotExist"
REQUEST_ALREADY_MADE: Final = "AWS.MechanicalTurk.RequestAlreadyExists"
WORKER_DOES_NOT_EXIST: Final = "AWS.MechanicalTurk.WorkerDoesNotExist"
XML_PARSE_ERROR: Final = "AWS.MechanicalTurk.XMLParseError"


class Refused(Exception):
    """The marketplace will not do as asked.

    Parameters
    ----------
    code : str
        A TurkErrorCode: for programs.
    message : str
        One line for people, which tells what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
