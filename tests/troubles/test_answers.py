"""Strange answers over the wire: kept to the letter, flagged where a person can find it, and nothing else stops."""

from __future__ import annotations

import pytest

from service.api.auth import SCOPES
from tests.api.conftest import Api, create_app, make_key, open_client
from tests.troubles.conftest import answers_to
from tests.troubles.test_market import SINGLE

XML = '<QuestionFormAnswers xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd">{}</QuestionFormAnswers>'
FIELD = "<Answer><QuestionIdentifier>{}</QuestionIdentifier><FreeText>{}</FreeText></Answer>"
BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))

STRANGE = {
    "nothing": ("", "not XML"),
    "bad XML": ("<QuestionFormAnswers><Answer>", "not XML that can be read: ParseError"),
    "another document": ("<html><body>0</body></html>", "expected QuestionFormAnswers, got 'html'"),
    "a DTD": (f"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/a.dtd'>{XML.format(FIELD.format('q1', '0'))}", "DTDForbidden"),
    "an entity bomb": (
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{BOMB}]>{XML.format(FIELD.format("q1", "&l11;"))}',
        "DTDForbidden",
    ),
    "somebody's file": (
        f"<!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>{XML.format(FIELD.format('q1', '&f;'))}",
        "DTDForbidden",
    ),
    "a megabyte": (XML.format(FIELD.format("q1", "x" * 1_000_000)), "and 1000000 is the most that is read"),
    "a deep nest": (XML.format("<a>" * 100_000 + "</a>" * 100_000), "q1 is missing"),
    "an unknown label": (XML.format(FIELD.format("q1", "3")), "q1: '3' is none of the job's label values"),
    "a label in words": (XML.format(FIELD.format("q1", "٣")), "is none of the job's label values"),
    "a slot that is not there": (XML.format(FIELD.format("q2", "0")), "q1 is missing"),
    "a control character": (XML.format(FIELD.format("q1", "&#1;")), "not XML that can be read: ParseError"),
}


async def api_of(town, job):
    """Return the API as the job's team calls it, and the job's path."""
    job_id, team_id = (await town.rows("SELECT job_id, team_id FROM job WHERE job_no = $1", job))[0]
    async with town.service.pool.acquire() as conn:
        key = await make_key(conn, town.clock, team_id, tuple(SCOPES))
    return Api(open_client(create_app(town.service)), town.service, team_id, key), f"/jobs/{job_id}"


async def flagged(town, job):
    """Return the assignments that the API says have a problem, each whole."""
    api, path = await api_of(town, job)
    listed = (await api("GET", f"{path}/assignments?problem=true")).json()["data"]
    return [(await api("GET", f"{path}/assignments/{one['assignment']}")).json() for one in listed]


async def test_whatever_the_market_lists_as_an_answer(town):
    job = await town.job(items=[f"a {kind}" for kind in STRANGE], **SINGLE)
    await town.until(lambda: all_posted(town))
    worker = await town.worker(0)
    for (raw, _), (hit_id, question) in zip(STRANGE.values(), await town.open_hits(), strict=True):
        await town.misbehave({"operation": "ListAssignmentsForHIT", "kind": "answer", "count": 1, "text": raw})
        await town.hand_in(await town.live.accept(hit_id, worker), answers_to(question))
        await town.step()
        assert await town.applied() == [1]
    found = await flagged(town, job)
    assert [one["raw"] for one in found] == [raw for raw, _ in STRANGE.values()], "to the letter"
    for one, (kind, (raw, problem)) in zip(found, STRANGE.items(), strict=True):
        assert problem in one["problem"], kind
        assert (one["answers"], one["raw_characters"], one["state"]) == (0, len(raw), "approved"), "and it is paid"
    assert len(await town.events(job, "strange")) == len(STRANGE)
    await town.misbehave()
    await town.done(job, work=lambda: town.work(3))
    assert await town.value("SELECT count(*) FROM consensus WHERE label = 0 AND n_answers = 1") == len(STRANGE), (
        "a second worker was asked in the place of each"
    )
    api, path = await api_of(town, job)
    told = (await api("GET", f"{path}/progress")).json()
    assert told["assignments"]["unreadable"] == len(STRANGE)


async def all_posted(town):
    return await town.value("SELECT count(*) FROM hit WHERE state = 'open'") == len(STRANGE)


async def test_what_forms_can_bring_costs_no_more_than_its_own_slot(town):
    job = await town.job(
        items=["a 1", "a 2", "a 3"],
        bundle={"items": 3},
        redundancy={"minimum": 4, "maximum": 4, "target_confidence": 0.5},
    )
    await town.step()
    forms = [
        {"q1": "7", "q2": "0", "q3": "0"},
        {"q2": "0", "q3": "0"},
        {"q1": "<!DOCTYPE a>]]>&\x00\x01", "q2": "0", "q3": "0", "workerId": await town.worker(9), "q4": "0", "": "x"},
        {"q1": "x" * 1_000_000, "q2": "0", "q3": "0"},
    ]
    for number, form in enumerate(forms):
        _, assignment, _ = await town.take(number)
        assert (await town.hand_in(assignment, form)).status_code == 200
        assert (await town.hand_in(assignment, form)).status_code == 409, "an assignment is handed in once"
    await town.done(job)
    assert sorted(one["answers"] for one in await flagged(town, job)) == [0, 2, 2, 2]
    assert await town.rows("SELECT count(*) FROM answer GROUP BY item_no ORDER BY item_no") == [(3,), (3,)]
    stored = await town.rows("SELECT market_worker_id FROM worker JOIN job_worker USING (worker_id) ORDER BY worker_no")
    assert sorted(stored) == sorted([(name,) for name in town.workers[:4]]), "the form's own word on its worker is none"


@pytest.mark.parametrize("kind", ["second_worker", "wrong_worker"])
async def test_one_piece_of_work_under_two_workers_is_counted_and_paid_once(town, kind):
    job = await town.job(
        items=["a 1"], bundle={"items": 1}, redundancy={"minimum": 2, "maximum": 3, "target_confidence": 0.6}
    )
    await town.step()
    await town.misbehave({"operation": "ListAssignmentsForHIT", "kind": kind, "count": 1, "text": "A0OTHER"})
    _, assignment, fields = await town.take(0)
    await town.hand_in(assignment, fields)
    await town.until(lambda: collected(town))
    await town.done(job)
    rows = await town.rows(
        """SELECT market_worker_id, state, (SELECT count(*) FROM money m WHERE m.assignment_no = a.assignment_no),
           (SELECT count(*) FROM answer n WHERE n.assignment_no = a.assignment_no) FROM assignment a
           JOIN job_worker USING (job_no, worker_no) JOIN worker USING (worker_id)
           WHERE market_assignment_id = $1 ORDER BY state""",
        assignment,
    )
    worker = await town.worker(0)
    keeper, stray = (worker, "A0OTHER") if kind == "second_worker" else ("A0OTHER", worker)
    assert rows == [(keeper, "approved", 1, 1), (stray, "stray", 0, 0)], "asked, the market says whose work it is"
    assert {one["state"] for one in await flagged(town, job)} == {"approved", "stray"}, "both are flagged"
    assert any("under a second worker" in told for told in await town.events(job, "strange"))
    assert await town.rows("SELECT collected, reviewed FROM hit") == [(2, 2)]


async def collected(town):
    return bool(await town.value("SELECT count(*) FROM assignment"))


async def test_work_that_comes_after_the_expiry_counts_and_is_said_to_be_late(town):
    job = await town.job(items=["a 1", "a 2"], **SINGLE)
    await town.step()
    held = [await town.take(number) for number in range(2)]
    await town.set_state(job, "cancelling")
    await town.step(60)
    assert await town.state(job) == "cancelling", "it waits for what was accepted"
    for _, assignment, fields in held:
        await town.hand_in(assignment, fields)
    await town.until(town.is_state(job, "cancelled"))
    await town.agree()
    assert await town.rows("SELECT state FROM assignment") == [("approved",)] * 2
    assert await town.value("SELECT count(*) FROM answer") == 2
    [told] = await town.events(job, "late")
    assert told == "2 assignments were handed in after their HIT had expired; they count and are paid"
