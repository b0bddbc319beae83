"""Qualification types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.operations.lists import DEFAULT_PAGE, hit_page
from marketplace.refusal import INVALID_PARAMETER, Refused
from marketplace.store import hits, qualification_types
from marketplace.wire.page_tokens import make_token, read_token

if TYPE_CHECKING:
    from marketplace.operations.call import Call
    from marketplace.store.qualification_types import QualificationType

_TESTS: Final = ("Test", "AnswerKey", "TestDurationInSeconds")
_LONGEST_DELAY: Final = 2**31 - 1
INTEGER: Final = 2**31 - 1


async def create_qualification_type(call: Call) -> dict[str, Any]:
    """Make a type of one's own."""
    call.refuse_unsupported(*_TESTS)
    made = await qualification_types.create(
        call.conn,
        requester_id=call.requester_id,
        name=call.text("Name", shortest=1, longest=200),
        keywords=call.text("Keywords", longest=1000),
        description=call.text("Description", shortest=1, longest=2000),
        active=call.params["QualificationTypeStatus"] == "Active",
        retry_delay_seconds=_retry_delay(call),
        auto_granted_value=_granted_value(call) if call.params.get("AutoGranted", False) else None,
        now=call.now,
    )
    return {"QualificationType": _view(made)}


async def get_qualification_type(call: Call) -> dict[str, Any]:
    """Look up a type, of whomever."""
    type_id = call.params["QualificationTypeId"]
    return {"QualificationType": _view(await qualification_types.find(call.conn, qualification_type_id=type_id))}


async def update_qualification_type(call: Call) -> dict[str, Any]:
    """Change a type; its name and keywords stay, and retries cannot be disabled again."""
    call.refuse_unsupported(*_TESTS)
    status = call.params.get("QualificationTypeStatus")
    changed = await qualification_types.update(
        call.conn,
        requester_id=call.requester_id,
        qualification_type_id=call.params["QualificationTypeId"],
        description=call.text("Description", shortest=1, longest=2000) if "Description" in call.params else None,
        active=None if status is None else status == "Active",
        retry_delay_seconds=_retry_delay(call),
        auto_granted=call.params.get("AutoGranted"),
        auto_granted_value=_granted_value(call) if "AutoGrantedValue" in call.params else None,
    )
    return {"QualificationType": _view(changed)}


async def delete_qualification_type(call: Call) -> dict[str, Any]:
    """Take a type out of use."""
    await qualification_types.delete(
        call.conn,
        requester_id=call.requester_id,
        qualification_type_id=call.params["QualificationTypeId"],
        now=call.now,
    )
    return {}


async def list_qualification_types(call: Call) -> dict[str, Any]:
    """Search the types, in the order in which they were made."""
    query = call.text("Query", longest=200)
    requestable, owned = call.params["MustBeRequestable"], call.params.get("MustBeOwnedByCaller", False)
    owner = call.requester_id if owned else None
    listing = ("ListQualificationTypes", owner, requestable, query)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await qualification_types.list_found(
        call.conn,
        query=query,
        requestable=requestable,
        requester_id=owner,
        after=read_token(listing, call.params.get("NextToken"), int) or 0,
        limit=limit,
    )
    return {
        "NumResults": len(found),
        "NextToken": make_token(listing, found[-1].type_no) if len(found) == limit else None,
        "QualificationTypes": [_view(each) for each in found],
    }


async def list_hits_for_qualification_type(call: Call) -> dict[str, Any]:
    """List one's HITs that ask for a type, newest first."""
    type_id = call.params["QualificationTypeId"]
    await qualification_types.find(call.conn, qualification_type_id=type_id)
    listing = ("ListHITsForQualificationType", call.requester_id, type_id)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await hits.list_newest_first(
        call.conn,
        requester_id=call.requester_id,
        qualification_type_id=type_id,
        below=read_token(listing, call.params.get("NextToken"), int),
        limit=limit,
    )
    return hit_page(call, listing, found, limit)


def _retry_delay(call: Call) -> int | None:
    if "RetryDelayInSeconds" not in call.params:
        return None
    return call.number("RetryDelayInSeconds", low=0, high=_LONGEST_DELAY)


def _granted_value(call: Call) -> int:
    if call.params.get("AutoGranted") is False and "AutoGrantedValue" in call.params:
        raise Refused(INVALID_PARAMETER, "AutoGrantedValue is for types with AutoGranted true.")
    return call.number("AutoGrantedValue", low=-INTEGER, high=INTEGER, default=1)


def _view(shown: QualificationType) -> dict[str, Any]:
    return {
        "QualificationTypeId": shown.qualification_type_id,
        "CreationTime": shown.created_at,
        "Name": shown.name,
        "Description": shown.description,
        "Keywords": shown.keywords,
        "QualificationTypeStatus": "Active" if shown.active else "Inactive",
        "RetryDelayInSeconds": shown.retry_delay_seconds,
        "IsRequestable": shown.active and shown.requester_id is not None,
        "AutoGranted": shown.auto_granted,
        "AutoGrantedValue": shown.auto_granted_value,
    }
