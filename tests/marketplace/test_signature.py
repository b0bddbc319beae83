"""Signatures: what was signed, with which secret and when, all have to be right."""

from __future__ import annotations

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from marketplace.store import requesters

TARGET = "MTurkRequesterServiceV20170117.GetAccountBalance"


def signed(shared, *, path="/mturk", body=b"{}", headers=None, region="us-east-1", service="mturk-requester"):
    """Sign a request as botocore does."""
    request = AWSRequest(
        "POST",
        shared.url + path,
        data=body,
        headers={"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1"} | (headers or {}),
    )
    SigV4Auth(Credentials(shared.access_key, shared.secret), service, region).add_auth(request)
    return dict(request.headers.items())


async def send(shared, headers, *, path="/mturk", body=b"{}"):
    async with httpx.AsyncClient() as http:
        return await http.post(shared.url + path, content=body, headers=headers)


async def test_the_body_and_the_headers_of_a_refusal_are_as_botocore_reads_them(shared):
    refused = await shared.refused("get_account_balance", shared.client(secret="not the secret"))
    assert refused["Error"]["Code"] == "InvalidSignatureException"
    assert refused["Error"]["Message"].startswith("The request signature we calculated does not match")
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused["ResponseMetadata"]["RequestId"]


async def test_an_unknown_key_is_refused(shared):
    refused = await shared.refused("get_account_balance", shared.client(access_key="AK" + "X" * 18))
    assert refused["Error"] == {
        "Code": "UnrecognizedClientException",
        "Message": "The security token included in the request is invalid.",
    }


async def test_a_revoked_key_is_refused_once_it_is_forgotten(live):
    await live.call("get_account_balance")
    async with live.marketplace.pool.acquire() as conn:
        assert await requesters.revoke_key(conn, live.access_key, now=live.clock.now())
    live.clock.advance(seconds=5)
    refused = await live.refused("get_account_balance")
    assert refused["Error"]["Code"] == "UnrecognizedClientException"


@pytest.mark.parametrize(("seconds", "status"), [(899, 200), (900, 400)])
async def test_a_clock_may_be_behind_by_less_than_fifteen_minutes(shared, seconds, status):
    headers = signed(shared)
    shared.clock.advance(seconds=seconds)
    answer = await send(shared, headers)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["__type"] == "InvalidSignatureException"
        said = f"Signature expired: {headers['X-Amz-Date']} is now earlier than"
        assert answer.json()["message"].startswith(said)


async def test_a_clock_may_not_be_ahead_by_fifteen_minutes(shared, monkeypatch):
    ahead = type(shared.clock)(shared.clock.now())
    ahead.advance(seconds=900)
    monkeypatch.setattr("botocore.auth.get_current_datetime", ahead.now)
    answer = await send(shared, signed(shared))
    assert answer.json()["message"].startswith("Signature not yet current")


@pytest.mark.parametrize("path", ["/mturk", "/mturk/"])
async def test_a_trailing_slash_is_neither_here_nor_there(shared, path):
    assert (await send(shared, signed(shared, path=path), path=path)).status_code == 200
    refused = await shared.refused("get_hit", shared.client(endpoint=shared.url + path), HITId="NONE")
    assert refused["TurkErrorCode"] == "AWS.MechanicalTurk.HITDoesNotExist"


async def test_every_byte_of_the_body_counts(shared):
    headers = signed(shared, body=b'{"a":1}')
    for at in range(7):
        altered = bytearray(b'{"a":1}')
        altered[at] ^= 1
        answer = await send(shared, headers, body=bytes(altered))
        assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Target", "MTurkRequesterServiceV20170117.GetAccountBalancf"),
        ("X-Amz-Date", "20260105T120001Z"),
        ("Content-Type", "application/x-amz-json-1.0"),
        ("Host", "elsewhere.example"),
        ("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
    ],
)
async def test_every_signed_header_counts(shared, name, value):
    answer = await send(shared, signed(shared) | {name: value})
    assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidSignatureException")


async def test_query_and_path_are_signed_too(shared):
    headers = signed(shared, path="/mturk?a=1&b=2")
    assert (await send(shared, headers, path="/mturk?a=1&b=2")).status_code == 200
    assert (await send(shared, headers, path="/mturk?a=1&b=3")).status_code == 400
    assert (await send(shared, headers, path="/mturk/?a=1&b=2")).status_code == 400


async def test_the_target_and_the_date_have_to_be_signed(shared):
    headers = signed(shared)
    signature = headers["Authorization"]
    for left_out in ("x-amz-target", "x-amz-date", "host"):
        fewer = signature.replace(f"{left_out};", "").replace(f";{left_out}", "")
        answer = await send(shared, headers | {"Authorization": fewer})
        assert "SignedHeaders must" in answer.json()["message"]


async def test_another_service_or_another_day_is_another_scope(shared):
    answer = await send(shared, signed(shared, service="s3"))
    assert answer.json()["message"] == "Credential should be scoped to correct service: 'mturk-requester'."
    headers = signed(shared)
    headers["Authorization"] = headers["Authorization"].replace("/20260105/", "/20260104/")
    assert "does not match the date" in (await send(shared, headers)).json()["message"]


async def test_any_region_may_be_signed_for(shared):
    assert (await send(shared, signed(shared, region="eu-west-1"))).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("", "MissingAuthenticationTokenException"),
        ("Bearer abc", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260105/us-east-1/mturk-requester/aws4_request",
            "IncompleteSignatureException",
        ),
        ("AWS4-HMAC-SHA256 " + "A" * 10_000, "IncompleteSignatureException"),
    ],
)
async def test_a_request_that_is_not_signed_is_refused(shared, authorization, kind):
    headers = signed(shared)
    del headers["Authorization"]
    answer = await send(shared, headers | ({} if authorization is None else {"Authorization": authorization}))
    assert (answer.status_code, answer.json()["__type"]) == (400, kind)
