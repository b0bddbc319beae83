"""What one requester can see or touch of another's, over the table of operations: nothing."""

from __future__ import annotations

from botocore import xform_name

from marketplace.operations import OPERATIONS
from marketplace.store import ledger, requesters
from marketplace.wire.model import service_model
from tests.marketplace.conftest import HTML_QUESTION

GIVEN = {
    "NumberOfAdditionalAssignments": 1,
    "BonusAmount": "0.01",
    "Reason": "well done",
    "RequesterFeedback": "unreadable",
    "ExpireAt": 1767614400,
    "Question": HTML_QUESTION,
    "LifetimeInSeconds": 60,
}


async def test_every_operation_that_names_another_requesters_things_refuses_and_lists_none_of_them(live):
    """Generated from the table: a new operation that takes an id of somebody else's has to be refused here."""
    kind = (
        await live.call("create_qualification_type", Name="theirs", Description="d", QualificationTypeStatus="Active")
    )["QualificationType"]["QualificationTypeId"]
    hit_id = (await live.create_hit())["HITId"]
    worker = await live.worker()
    values = GIVEN | {
        "HITId": hit_id,
        "AssignmentId": await live.submit(hit_id, worker, q1="x"),
        "QualificationTypeId": kind,
        "WorkerId": worker,
    }
    async with live.marketplace.pool.acquire() as conn:
        other, _ = await requesters.ensure(conn, name="Others", now=live.clock.now())
        access_key, secret = await requesters.create_key(
            conn, requester_id=other.requester_id, key=live.marketplace.key, now=live.clock.now()
        )
        await ledger.deposit(conn, requester_id=other.requester_id, cents=1000, now=live.clock.now())
    client = live.client(access_key=access_key, secret=secret)
    ids = {"HITId", "AssignmentId", "QualificationTypeId"}
    may_see = {"GetQualificationType"}  # as on Mechanical Turk, anybody's requirement may name any type
    named = []
    for operation in OPERATIONS:
        shape = service_model().operation_model(operation).input_shape
        if not ids & shape.members.keys() or operation in may_see:
            continue
        named.append(operation)
        wanted = set(shape.required_members) | (ids & shape.members.keys()) - {"AssignmentId"}
        if operation in ("SendBonus", "ListBonusPayments"):
            wanted |= {"AssignmentId"} if operation == "SendBonus" else set()
        params = {name: values[name] for name in wanted}
        if operation == "ListHITsForQualificationType":  # any type may be named; one's own HITs alone are listed
            assert (await live.call(xform_name(operation), client, **params))["NumResults"] == 0
            continue
        refused = await live.refused(xform_name(operation), client, **params)
        assert refused["Error"]["Code"] == "RequestError", (operation, refused)
    assert len(named) >= 15, named
    for operation in ("list_hits", "list_reviewable_hits"):
        assert (await live.call(operation, client))["NumResults"] == 0
    assert (await live.call("get_hit", HITId=hit_id))["HIT"]["HITStatus"] == "Assignable", "and nothing was done"
