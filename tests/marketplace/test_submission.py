"""Submissions: out of a frame without a cookie, authorised by the assignment's id alone."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree as ET

import httpx
import pytest

from marketplace.answers import NAMESPACE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def post(live, **how):
    async with httpx.AsyncClient() as http:
        return await http.post(f"{live.url}/mturk/externalSubmit", **how)


async def answers(live, assignment_id):
    xml = (await live.call("get_assignment", AssignmentId=assignment_id))["Assignment"]["Answer"]
    names = {"q": NAMESPACE}
    return {
        answer.findtext("q:QuestionIdentifier", namespaces=names): answer.findtext("q:FreeText", namespaces=names)
        for answer in ET.fromstring(xml.encode()).findall("q:Answer", names)
    }


@pytest.fixture
async def accepted(live):
    hit_id = (await live.create_hit())["HITId"]
    return await live.accept(hit_id)


@pytest.mark.parametrize("multipart", [False, True])
async def test_a_form_comes_in_and_the_parent_page_is_told(live, accepted, multipart):
    fields = {"assignmentId": accepted, "q1": "2", "note": 'é & <b>"'}
    how = {"files": {name: (None, value) for name, value in fields.items()}} if multipart else {"data": fields}
    answer = await post(live, **how)
    assert answer.status_code == 200
    assert f'postMessage({{type: "assay:submitted", assignmentId: "{accepted}"}}' in answer.text
    assert f'<a href="{live.url}/worker" target="_top">' in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert await answers(live, accepted) == {"q1": "2", "note": 'é & <b>"'}


async def test_two_inputs_of_one_name_become_one_answer(live, accepted):
    body = f"assignmentId={accepted}&box=1&other=x&box=2&empty="
    assert (await post(live, content=body, headers=FORM)).status_code == 200
    assert await answers(live, accepted) == {"box": "1|2", "other": "x", "empty": ""}


async def test_what_xml_cannot_hold_is_replaced_and_the_rest_kept(live, accepted):
    body = f"assignmentId={accepted}&q1=a%00b%0Bc%EF%BF%BFd%FFe%0D%0Af"
    assert (await post(live, content=body, headers=FORM)).status_code == 200
    assert await answers(live, accepted) == {"q1": "a\ufffdb\ufffdc\ufffdd\ufffde\r\nf"}


async def test_a_file_is_taken_for_its_name(live, accepted):
    await post(live, data={"assignmentId": accepted}, files={"proof": ("cat.png", b"\x89PNG")})
    assert await answers(live, accepted) == {"proof": "cat.png"}


async def test_an_assignment_is_submitted_once_however_many_try(live, accepted):
    sent = await asyncio.gather(*(post(live, data={"assignmentId": accepted, "q1": str(n)}) for n in range(5)))
    assert sorted(answer.status_code for answer in sent) == [200, 409, 409, 409, 409]
    [won] = [number for number, answer in enumerate(sent) if answer.status_code == 200]
    assert await answers(live, accepted) == {"q1": str(won)}
    assert "postMessage" not in sent[won - 1].text


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        ("q1=1", FORM, 400, "no field named assignmentId"),
        ("assignmentId=", FORM, 404, "no assignment that exists"),
        ("assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE", FORM, 400, "This is a preview"),
        ("assignmentId=3ABC", FORM, 404, "Assignment 3ABC does not exist"),
        ("assignmentId=3%00C", FORM, 404, "no assignment that exists"),
        ("assignmentId=3ABC&assignmentId=3DEF", FORM, 404, "no assignment that exists"),
        ("assignmentId=%3Cscript%3E", FORM, 404, "no assignment that exists"),
        ("é", FORM, 400, "could not be read"),
        ("&".join(["a=1"] * 1001), FORM, 400, "could not be read"),
        ("{}", {"Content-Type": "application/json"}, 400, "url-encoded or multipart"),
        ("x", {"Content-Type": "multipart/form-data; boundary=b"}, 400, ""),
        ("x", {"Content-Type": "multipart/form-data"}, 400, ""),
        ("x", {}, 400, "url-encoded or multipart"),
        ("x" * (1024 * 1024 + 1), FORM, 413, "longer than 1024 KiB"),
    ],
)
async def test_a_form_that_cannot_be_taken_is_told_as_a_page(shared, body, headers, status, said):
    answer = await post(shared, content=body.encode(), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert said in answer.text
    assert "<script" not in answer.text


async def test_work_that_is_late_is_told_so(live, accepted):
    live.clock.advance(seconds=600)
    answer = await post(live, data={"assignmentId": accepted})
    assert (answer.status_code, "time for this assignment is over" in answer.text) == (409, True)


async def test_the_page_lets_nothing_in_from_elsewhere(live, accepted):
    policy = (await post(live, data={"assignmentId": accepted})).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'none'" in policy


@pytest.mark.parametrize(("kind", "submitted"), [("drop", True), ("drop_before", False), ("fault", False)])
async def test_a_submission_can_be_lost_on_command(live, accepted, kind, submitted):
    await live.misbehave({"operation": "externalSubmit", "kind": kind, "count": 1})
    if kind == "fault":
        assert (await post(live, data={"assignmentId": accepted})).status_code == 500
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(live, data={"assignmentId": accepted})
    again = await post(live, data={"assignmentId": accepted})
    assert again.status_code == (409 if submitted else 200)
