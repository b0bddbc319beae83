"""Qualifications: given to workers, looked up, revoked; and what workers asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.operations.lists import DEFAULT_PAGE
from marketplace.operations.qualification_types import INTEGER
from marketplace.store import qualification_requests, qualification_types, qualifications
from marketplace.wire.page_tokens import make_token, read_token

if TYPE_CHECKING:
    from marketplace.operations.call import Call
    from marketplace.store.qualifications import Qualification


async def associate_qualification_with_worker(call: Call) -> dict[str, Any]:
    """Give a worker a qualification of a type of one's own, in place of one given before."""
    await qualifications.grant(
        call.conn,
        qualification_type_id=await _owned(call),
        worker_id=call.params["WorkerId"],
        value=call.number("IntegerValue", low=-INTEGER, high=INTEGER, default=1),
        now=call.now,
    )
    return {}


async def disassociate_qualification_from_worker(call: Call) -> dict[str, Any]:
    """Revoke a qualification."""
    await qualifications.revoke(
        call.conn,
        qualification_type_id=await _owned(call),
        worker_id=call.params["WorkerId"],
        reason=call.text("Reason", longest=4096) or None,
        now=call.now,
    )
    return {}


async def get_qualification_score(call: Call) -> dict[str, Any]:
    """Look up a worker's qualification of a type of one's own."""
    found = await qualifications.find(
        call.conn, qualification_type_id=await _owned(call), worker_id=call.params["WorkerId"]
    )
    return {"Qualification": _view(found)}


async def list_workers_with_qualification_type(call: Call) -> dict[str, Any]:
    """List who holds, or held, a type of one's own."""
    type_id, status = await _owned(call), call.params.get("Status")
    listing = ("ListWorkersWithQualificationType", call.requester_id, type_id, status)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await qualifications.list_holders(
        call.conn,
        qualification_type_id=type_id,
        state=None if status is None else status.lower(),
        after=read_token(listing, call.params.get("NextToken"), str) or "",
        limit=limit,
    )
    return {
        "NumResults": len(found),
        "NextToken": make_token(listing, found[-1].worker_id) if len(found) == limit else None,
        "Qualifications": [_view(each) for each in found],
    }


async def list_qualification_requests(call: Call) -> dict[str, Any]:
    """List what workers asked for and nobody has decided."""
    type_id = call.params.get("QualificationTypeId")
    if type_id is not None:
        await _owned(call)
    listing = ("ListQualificationRequests", call.requester_id, type_id)
    limit = call.params.get("MaxResults", DEFAULT_PAGE)
    found = await qualification_requests.list_pending(
        call.conn,
        requester_id=call.requester_id,
        qualification_type_id=type_id,
        after=read_token(listing, call.params.get("NextToken"), int) or 0,
        limit=limit,
    )
    return {
        "NumResults": len(found),
        "NextToken": make_token(listing, found[-1].request_no) if len(found) == limit else None,
        "QualificationRequests": [
            {
                "QualificationRequestId": each.qualification_request_id,
                "QualificationTypeId": each.qualification_type_id,
                "WorkerId": each.worker_id,
                "SubmitTime": each.submitted_at,
            }
            for each in found
        ],
    }


async def accept_qualification_request(call: Call) -> dict[str, Any]:
    """Grant what a worker asked for."""
    await qualification_requests.accept(
        call.conn,
        requester_id=call.requester_id,
        request_id=call.params["QualificationRequestId"],
        value=call.number("IntegerValue", low=-INTEGER, high=INTEGER) if "IntegerValue" in call.params else None,
        now=call.now,
    )
    return {}


async def reject_qualification_request(call: Call) -> dict[str, Any]:
    """Turn down what a worker asked for."""
    await qualification_requests.reject(
        call.conn,
        requester_id=call.requester_id,
        request_id=call.params["QualificationRequestId"],
        reason=call.text("Reason", longest=4096) or None,
        now=call.now,
    )
    return {}


async def _owned(call: Call) -> str:
    type_id: str = call.params["QualificationTypeId"]
    await qualification_types.find(call.conn, qualification_type_id=type_id, owner=call.requester_id)
    return type_id


def _view(shown: Qualification) -> dict[str, Any]:
    return {
        "QualificationTypeId": shown.qualification_type_id,
        "WorkerId": shown.worker_id,
        "GrantTime": shown.granted_at,
        "IntegerValue": shown.value,
        "Status": shown.state.capitalize(),
    }
