"""The Requester API's shapes, and ours: what boto3 takes and gives as plain dictionaries, and its errors by kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from foundation.money import format_usd
from service.markets.market import (
    Gone,
    HandedIn,
    HitProperties,
    ListedHit,
    MarketError,
    OutOfFunds,
    Refused,
    Throttled,
    Unavailable,
)

STATES = {"Submitted": "submitted", "Approved": "approved", "Rejected": "rejected"}
_THROTTLES = frozenset(
    {"throttling", "throttlingexception", "throttled", "requestlimitexceeded", "toomanyrequestsexception"}
)


def error_of(operation: str, answer: Mapping[str, Any], *, worker: str | None = None) -> MarketError:
    """Return what an error answer means; codes are compared without case, messages never.

    A market's words end in logs, and in events that more people may read than may know `worker`, whom they may name.
    """
    code = str(answer.get("Error", {}).get("Code", "")).lower()
    turk = str(answer.get("TurkErrorCode", "")).lower().removeprefix("aws.mechanicalturk.").removeprefix("aws.")
    message = str(answer.get("Message") or answer.get("Error", {}).get("Message") or "(no message)")
    text = f"{operation}: {message.replace(worker, '(the worker)') if worker else message}"
    if code in _THROTTLES or turk in _THROTTLES:
        return Throttled(text)
    if code == "servicefault" or answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return Unavailable(text)
    if turk in {"hitdoesnotexist", "assignmentdoesnotexist"}:
        return Gone(text, turk)
    if turk == "insufficientfunds":
        return OutOfFunds(text, turk)
    return Refused(text, turk or code)


_GUARDS = {"accept": "Accept", "preview": "PreviewAndAccept", "discover": "DiscoverPreviewAndAccept"}


def hit_type_fields(properties: HitProperties) -> dict[str, Any]:
    """Return the fields of CreateHITType."""
    fields: dict[str, Any] = {
        "Title": properties.title,
        "Description": properties.description,
        "Reward": format_usd(properties.reward_cents),
        "AssignmentDurationInSeconds": properties.assignment_seconds,
        "AutoApprovalDelayInSeconds": properties.auto_approval_seconds,
    }
    if properties.keywords:
        fields["Keywords"] = properties.keywords
    if properties.requirements:
        fields["QualificationRequirements"] = [
            {
                "QualificationTypeId": requirement.qualification,
                "Comparator": requirement.comparator,
                **({"IntegerValues": list(requirement.values)} if requirement.values else {}),
                **({"LocaleValues": [_locale(text) for text in requirement.locales]} if requirement.locales else {}),
                "ActionsGuarded": _GUARDS[requirement.guards],
            }
            for requirement in properties.requirements
        ]
    return fields


def _locale(text: str) -> dict[str, str]:
    country, _, subdivision = text.partition("-")
    return {"Country": country, **({"Subdivision": subdivision} if subdivision else {})}


def hit_of(hit: Mapping[str, Any]) -> ListedHit:
    """Return a HIT as the service knows it."""
    return ListedHit(
        market_hit_id=hit["HITId"],
        annotation=hit.get("RequesterAnnotation", ""),
        max_assignments=hit["MaxAssignments"],
        available=hit.get("NumberOfAssignmentsAvailable", 0),
        pending=hit.get("NumberOfAssignmentsPending", 0),
        expires_at=hit["Expiration"].astimezone(UTC),
    )


def assignment_of(row: Mapping[str, Any]) -> HandedIn:
    """Return an assignment as the service knows it."""
    return HandedIn(
        market_assignment_id=row["AssignmentId"],
        market_worker_id=row["WorkerId"],
        accepted_at=_utc(row.get("AcceptTime")),
        submitted_at=row["SubmitTime"].astimezone(UTC),
        approve_by=_utc(row.get("AutoApprovalTime")),
        state=STATES[row["AssignmentStatus"]],  # type: ignore[arg-type]
        raw=row.get("Answer") or "",
    )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None
