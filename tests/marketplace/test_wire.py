"""Requests and responses against botocore's model of the service, over HTTP and by boto3."""

from __future__ import annotations

import httpx
import pytest
from botocore.parsers import create_parser

from marketplace.operations import OPERATIONS
from marketplace.wire.model import service_model
from tests.marketplace.conftest import HTML_QUESTION, hit_properties
from tests.marketplace.test_signature import TARGET, signed

INVALID = "AWS.MechanicalTurk.InvalidParameterValue"


async def raw(shared, operation, body):
    """Send a body that boto3 itself would not let out."""
    target = {"X-Amz-Target": TARGET.replace("GetAccountBalance", operation)}
    async with httpx.AsyncClient() as http:
        return await http.post(f"{shared.url}/mturk", content=body, headers=signed(shared, body=body, headers=target))


async def test_a_hit_is_created_and_read_back(shared):
    hit = await shared.create_hit(RequesterAnnotation="row 1")
    answer = await shared.call("get_hit", HITId=hit["HITId"])
    assert answer["HIT"] == hit
    assert {name: hit[name] for name in hit_properties() if name in hit} == {
        name: value for name, value in hit_properties().items() if name != "LifetimeInSeconds"
    }
    assert (hit["HITStatus"], hit["RequesterAnnotation"]) == ("Assignable", "row 1")
    assert (hit["Expiration"] - hit["CreationTime"]).total_seconds() == 3600
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


async def test_times_go_out_as_seconds_with_a_fraction(shared):
    shared.clock.advance(seconds=0.25)
    hit = await shared.create_hit()
    answer = await raw(shared, "GetHIT", b'{"HITId":"%s"}' % hit["HITId"].encode())
    assert answer.json()["HIT"]["CreationTime"] == shared.clock.now().timestamp()
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


async def test_every_response_parses_by_the_output_shape_without_a_member_that_is_not_in_it(shared):
    hit = await shared.create_hit()
    await shared.submit(hit["HITId"], q1="1")
    body = b'{"HITId":"%s"}' % hit["HITId"].encode()
    for operation in ("GetHIT", "ListAssignmentsForHIT", "ListBonusPayments"):
        answer = await raw(shared, operation, body)
        shape = service_model().operation_model(operation).output_shape
        parsed = create_parser("json").parse(
            {"body": answer.content, "headers": answer.headers, "status_code": answer.status_code}, shape
        )
        assert set(answer.json()) <= set(parsed), "a member that the shape does not have is dropped by the parser"
        assert answer.json(), operation


@pytest.mark.parametrize("operation", sorted(set(service_model().operation_names) - set(OPERATIONS)))
async def test_an_operation_that_is_not_served_says_so(shared, operation):
    answer = await raw(shared, operation, b"{}")
    assert answer.status_code == 400
    assert answer.json() == {
        "__type": "RequestError",
        "Message": f"{operation} is not served by this marketplace.",
        "TurkErrorCode": INVALID,
    }


async def test_all_39_operations_are_known_and_no_other_is(shared):
    assert len(service_model().operation_names) == 39
    assert set(OPERATIONS) <= set(service_model().operation_names)
    answer = await raw(shared, "MakeTea", b"{}")
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{", "SerializationException"), (b"", "SerializationException"), (b"\xff", "SerializationException"),
     (b"[]", "RequestError"), (b"null", "RequestError"), (b'{"HITId":"\\ud800"}', "SerializationException")],
)  # fmt: skip
async def test_a_body_that_is_no_request_is_refused(shared, body, kind):
    answer = await raw(shared, "GetHIT", body)
    assert (answer.status_code, answer.json()["__type"]) == (400, kind)


async def test_a_body_that_is_too_long_is_refused(shared):
    answer = await raw(shared, "GetHIT", b" " * (1024 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Reward": "0.055"}, "Reward must be a string that matches"),
        ({"Reward": "5\n"}, "Reward must be a string that matches"),
        ({"Reward": "-1"}, "Reward must be a string that matches"),
        ({"Reward": "10000.01"}, "Reward must be at most 10000 US dollars"),
        ({"Reward": "99999999999999"}, "Reward: expected US dollars"),
        ({"Title": ""}, "Title must have 1 to 128 characters, and has 0."),
        ({"Title": "x" * 129}, "Title must have 1 to 128 characters, and has 129."),
        ({"Title": "a\0b"}, "Title contains a null character."),
        ({"Description": "x" * 2001}, "Description must have 1 to 2000 characters"),
        ({"Keywords": "x" * 1001}, "Keywords must have 0 to 1000 characters"),
        ({"RequesterAnnotation": "x" * 256}, "RequesterAnnotation must have 0 to 255 characters"),
        ({"RequesterAnnotation": "é"}, "RequesterAnnotation must be ASCII."),
        ({"AssignmentDurationInSeconds": 29}, "AssignmentDurationInSeconds must be between 30 and 31536000"),
        ({"AssignmentDurationInSeconds": 2**63 - 1}, "AssignmentDurationInSeconds must be between"),
        ({"LifetimeInSeconds": 31_536_001}, "LifetimeInSeconds must be between 30 and 31536000"),
        ({"AutoApprovalDelayInSeconds": 2_592_001}, "AutoApprovalDelayInSeconds must be between 0 and 2592000"),
        ({"MaxAssignments": 0}, "MaxAssignments must be between 1 and 1000000000"),
        ({"MaxAssignments": 2**31}, "MaxAssignments must be an integer"),
        ({"UniqueRequestToken": "x" * 65}, "UniqueRequestToken: its length must be at least 1 and at most 64"),
        ({"Question": None}, "Question is required."),
        ({"Question": HTML_QUESTION.replace("form", "x" * 65_535)}, "Question is longer than 65535 bytes."),
        ({"Question": HTML_QUESTION.replace("form", "é" * 16_400)}, "Question is longer than 65535 bytes."),
        ({"HITLayoutId": "LAYOUT"}, "HITLayoutId is not served by this marketplace."),
        ({"HITReviewPolicy": {"PolicyName": "P"}}, "HITReviewPolicy is not served by this marketplace."),
        (
            {"QualificationRequirements": [{"QualificationTypeId": "Q", "Comparator": "Similar"}]},
            "QualificationRequirements[0].Comparator must be one of LessThan",
        ),
        (
            {"QualificationRequirements": [{"QualificationTypeId": "Q", "Comparator": "Exists"}]},
            "QualificationType Q does not exist.",
        ),
    ],
)
async def test_what_boto3_lets_through_is_checked_here(shared, change, said):
    before = (await shared.call("get_account_balance"))["AvailableBalance"]
    refused = await shared.refused("create_hit", **hit_properties(**change))
    assert refused["Error"]["Code"] == "RequestError"
    assert refused["Message"].startswith(said)
    assert (await shared.call("get_account_balance"))["AvailableBalance"] == before, "nothing was done"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "HITId is required."),
        (b'{"HITId":null}', "HITId is required."),
        (b'{"HITId":1}', "HITId must be a string, got 1."),
        (b'{"HITId":"abc"}', "HITId must be a string that matches ^[A-Z0-9]+$, got 'abc'."),
        (b'{"HITId":"' + b"A" * 65 + b'"}', "HITId: its length must be at least 1 and at most 64, and is 65."),
        (b'{"HITId":"A","Hat":1}', "Hat is not a parameter of this operation."),
        (b'{"HITId":"A","MaxResults":101}', "MaxResults: it must be at least 1 and at most 100, and is 101."),
        (b'{"HITId":"A","MaxResults":true}', "MaxResults must be an integer, got True."),
        (b'{"HITId":"A","MaxResults":1.5}', "MaxResults must be an integer, got 1.5."),
        (b'{"HITId":"A","AssignmentStatuses":"Approved"}', "AssignmentStatuses must be a list, got 'Approved'."),
        (b'{"HITId":"A","AssignmentStatuses":["Paid"]}', "AssignmentStatuses[0] must be one of Submitted, Approved"),
    ],
)
async def test_what_boto3_would_not_send_is_checked_too(shared, body, said):
    answer = await raw(shared, "ListAssignmentsForHIT", body)
    assert (answer.status_code, answer.json()["TurkErrorCode"]) == (400, INVALID)
    assert answer.json()["Message"].startswith(said)


@pytest.mark.parametrize("when", [b'"tomorrow"', b"true", b"-1", b"1e300", b"[]"])
async def test_a_time_is_a_number_of_seconds(shared, when):
    answer = await raw(shared, "UpdateExpirationForHIT", b'{"HITId":"A","ExpireAt":%s}' % when)
    assert answer.json()["Message"].startswith("ExpireAt must be a time in seconds since 1970")


async def test_the_same_properties_are_the_same_type_and_others_are_another(shared):
    properties = hit_properties(MaxAssignments=None, LifetimeInSeconds=None, Question=None)
    first = (await shared.call("create_hit_type", **properties))["HITTypeId"]
    assert (await shared.call("create_hit_type", **properties))["HITTypeId"] == first
    hit = await shared.create_hit()
    assert (hit["HITTypeId"], hit["HITGroupId"]) == (first, first), "CreateHIT finds the type that was made"
    for change in ({"Reward": "0.06"}, {"Title": "Other"}, {"Keywords": ""}, {"AutoApprovalDelayInSeconds": 1}):
        other = (await shared.call("create_hit_type", **(properties | change)))["HITTypeId"]
        assert other != first
    same_reward = await shared.call("create_hit_type", **(properties | {"Reward": "00.05"}))
    assert same_reward["HITTypeId"] == first, "an amount is the same however it is written"


async def test_a_hit_of_a_type_takes_its_properties(shared):
    properties = hit_properties(MaxAssignments=None, LifetimeInSeconds=None, Question=None)
    type_id = (await shared.call("create_hit_type", **properties))["HITTypeId"]
    given = {"LifetimeInSeconds": 60, "Question": HTML_QUESTION}
    hit = (await shared.call("create_hit_with_hit_type", HITTypeId=type_id, **given))["HIT"]
    assert (hit["Title"], hit["Reward"], hit["MaxAssignments"]) == ("Is it a duck?", "0.05", 1)
    refused = await shared.refused("create_hit_with_hit_type", HITTypeId="NONE", **given)
    assert refused["TurkErrorCode"] == "AWS.MechanicalTurk.HITTypeDoesNotExist"
