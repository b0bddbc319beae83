"""What the service relies on, shown of every market: the mturk adapter at a live marketplace, and the one in memory."""

from __future__ import annotations

from datetime import timedelta

import botocore.auth
import msgspec
import pytest

import marketplace.refusal
from service.markets.answer_xml import read_answer_xml
from service.markets.market import (
    HitProperties,
    HitRequest,
    NotYet,
    OutOfFunds,
    Refused,
    RejectedElsewhere,
    Unavailable,
    Unreadable,
)
from service.markets.mturk import MTurkMarket
from service.spec import Requirement
from tests.marketplace.conftest import HTML_QUESTION, live_marketplace
from tests.pipeline.plain_market import PlainMarket, answers_xml

PROPERTIES = HitProperties("Which?", "Say which", "which, what", 5, 600, 86_400)


class InMemory:
    """Workers of the market in memory."""

    def __init__(self, clock):
        self.market = PlainMarket(clock)
        self.names = iter(range(100))

    async def accept(self, hit_id, worker):
        return self.market.accept(self.market.hits[hit_id], worker)

    tries = accept

    async def submit(self, hit_id, assignment_id):
        self.market.submit(self.market.hits[hit_id], assignment_id, answers_xml([1]))

    async def worker(self):
        return f"AW{next(self.names)}"

    async def time_passes(self):
        """Let the market see to its duties."""

    async def reject(self, hit_id, assignment_id):
        self.market.hits[hit_id].assignments[assignment_id][1] = "rejected"


class Wire:
    """Workers of a live marketplace."""

    def __init__(self, live, market):
        self.live, self.market = live, market

    async def accept(self, hit_id, worker):
        return await self.live.accept(hit_id, worker)

    async def tries(self, hit_id, worker):
        """Accept, or return None where the market refuses."""
        try:
            return await self.live.accept(hit_id, worker)
        except marketplace.refusal.Refused:
            return None

    async def submit(self, hit_id, assignment_id):
        from marketplace.store import assignments

        async with self.live.marketplace.pool.acquire() as conn:
            await assignments.submit(conn, assignment_id=assignment_id, fields=[("q1", "1")], now=self.live.clock.now())

    async def worker(self):
        return await self.live.worker()

    async def time_passes(self):
        await self.live.marketplace.sweep()

    async def reject(self, hit_id, assignment_id):
        await self.live.call("reject_assignment", AssignmentId=assignment_id, RequesterFeedback="no")


@pytest.fixture(params=["mturk", "memory"])
async def people(request, clock, marketplace_dsn, tmp_path, monkeypatch):
    if request.param == "memory":
        yield InMemory(clock)
        return
    monkeypatch.setattr(botocore.auth, "get_current_datetime", clock.now)
    async with live_marketplace(marketplace_dsn, tmp_path, clock, misbehave=True) as live:
        market = MTurkMarket(
            "house",
            endpoint=f"{live.url}/mturk",
            access_key=live.access_key,
            secret_key=live.secret,
            region="us-east-1",
            fees="mturk",
            connections=4,
            clock=clock,
        )
        yield Wire(live, market)
        await market.close()


async def create(market, *, token="T1", annotation="job_1/0", most=2, lifetime=3600, doubt=None):
    hit_type = await market.hit_type(PROPERTIES)
    request = HitRequest(hit_type, HTML_QUESTION, lifetime, most, annotation, token)
    return await market.create_hit(request, in_doubt_since=doubt)


async def listed(market):
    return {hit.market_hit_id: hit async for page in market.list_hits() for hit in page}


async def test_the_same_properties_are_one_hit_type(people):
    assert await people.market.hit_type(PROPERTIES) == await people.market.hit_type(PROPERTIES)


async def test_a_created_hit_is_listed_with_what_is_open(people, clock):
    hit = await create(people.market, most=3)
    assert (hit.annotation, hit.max_assignments, hit.available, hit.pending, hit.handed_in) == ("job_1/0", 3, 3, 0, 0)
    assert hit.expires_at == clock.now() + timedelta(hours=1)
    first, second = [await people.accept(hit.market_hit_id, await people.worker()) for _ in range(2)]
    await people.submit(hit.market_hit_id, first)
    now = (await listed(people.market))[hit.market_hit_id]
    assert (now.available, now.pending, now.handed_in) == (1, 1, 1)
    await people.submit(hit.market_hit_id, second)
    assert (await listed(people.market))[hit.market_hit_id].handed_in == 2


async def test_the_same_token_makes_one_hit(people):
    first, second = await create(people.market), await create(people.market)
    assert first.market_hit_id == second.market_hit_id
    assert len(await listed(people.market)) == 1


async def test_lists_are_paged_to_the_end(people):
    made = [await create(people.market, token=f"T{n}", annotation=f"job_1/{n}") for n in range(7)]
    assert set(await listed(people.market)) == {hit.market_hit_id for hit in made}


async def test_handed_in_work_comes_back_whole(people, clock):
    hit = await create(people.market)
    worker = await people.worker()
    assignment = await people.accept(hit.market_hit_id, worker)
    assert await people.market.handed_in(hit.market_hit_id) == []
    await people.submit(hit.market_hit_id, assignment)
    [one] = await people.market.handed_in(hit.market_hit_id)
    assert (one.market_assignment_id, one.market_worker_id, one.state) == (assignment, worker, "submitted")
    assert one.submitted_at == clock.now()
    assert people.market.read_answers(one.raw) == {"q1": "1"}


async def test_approving_twice_is_approving_once(people):
    hit = await create(people.market)
    assignment = await people.accept(hit.market_hit_id, await people.worker())
    await people.submit(hit.market_hit_id, assignment)
    await people.market.approve(assignment)
    await people.market.approve(assignment)
    [one] = await people.market.handed_in(hit.market_hit_id)
    assert one.state == "approved"


async def test_what_somebody_else_rejected_is_told_from_what_is_refused(people):
    hit = await create(people.market)
    assignment = await people.accept(hit.market_hit_id, await people.worker())
    await people.submit(hit.market_hit_id, assignment)
    await people.reject(hit.market_hit_id, assignment)
    with pytest.raises(RejectedElsewhere):
        await people.market.approve(assignment)


async def test_extending_to_a_number_twice_is_extending_once(people):
    hit = await create(people.market, most=2)
    for _ in range(2):
        await people.market.extend_hit(hit.market_hit_id, to=4, token="E1")
    assert (await listed(people.market))[hit.market_hit_id].max_assignments == 4


async def test_below_ten_never_reaches_ten(people):
    hit = await create(people.market, most=9)
    with pytest.raises(Refused):
        await people.market.extend_hit(hit.market_hit_id, to=10, token="E1")


async def test_expire_takes_from_view_and_renew_brings_back(people, clock):
    hit = await create(people.market)
    for _ in range(2):
        await people.market.expire_hit(hit.market_hit_id)
    assert (await listed(people.market))[hit.market_hit_id].expires_at <= clock.now()
    await people.time_passes()
    until = clock.now() + timedelta(hours=2)
    await people.market.renew_hit(hit.market_hit_id, until)
    assert (await listed(people.market))[hit.market_hit_id].expires_at == until
    assert await people.accept(hit.market_hit_id, await people.worker()) is not None


async def test_work_accepted_before_the_hit_expired_may_come_after(people):
    hit = await create(people.market)
    assignment = await people.accept(hit.market_hit_id, await people.worker())
    await people.market.expire_hit(hit.market_hit_id)
    assert (await listed(people.market))[hit.market_hit_id].pending == 1
    await people.submit(hit.market_hit_id, assignment)
    assert len(await people.market.handed_in(hit.market_hit_id)) == 1


async def test_a_hit_is_deleted_once_all_is_reviewed_and_deleting_again_is_no_failure(people):
    hit = await create(people.market, most=1)
    with pytest.raises(NotYet):
        await people.market.delete_hit(hit.market_hit_id)
    assignment = await people.accept(hit.market_hit_id, await people.worker())
    await people.submit(hit.market_hit_id, assignment)
    with pytest.raises(NotYet):
        await people.market.delete_hit(hit.market_hit_id)
    await people.market.approve(assignment)
    for _ in range(2):
        await people.market.delete_hit(hit.market_hit_id)
    assert await listed(people.market) == {}


# What only the wire can show.


@pytest.fixture
async def wire(people):
    return people


only_mturk = pytest.mark.parametrize("people", ["mturk"], indirect=True)


@only_mturk
async def test_a_response_lost_after_the_commit_leaves_one_hit(wire):
    await wire.market.hit_type(PROPERTIES)
    await wire.live.misbehave({"operation": "CreateHITWithHITType", "kind": "drop", "count": 1})
    with pytest.raises(Unavailable):
        await create(wire.market)
    hit = await create(wire.market)
    assert list(await listed(wire.market)) == [hit.market_hit_id]


@only_mturk
async def test_a_creation_older_than_its_token_is_looked_up_before_it_is_sent_again(wire, clock):
    hit = await create(wire.market, lifetime=864_000)
    doubt = clock.now()
    clock.advance(seconds=26 * 3600)
    again = await create(wire.market, lifetime=864_000, doubt=doubt)
    assert again.market_hit_id == hit.market_hit_id
    assert len(await listed(wire.market)) == 1


@only_mturk
async def test_no_money_is_told_from_other_refusals(wire):
    with pytest.raises(OutOfFunds):
        await create(wire.market, most=100_000)


@only_mturk
async def test_requirements_reach_the_market(wire):
    def asking(qualification):
        requirements = (
            Requirement(qualification, "GreaterThanOrEqualTo", values=(95,)),
            Requirement("00000000000000000071", "In", locales=("US-CA", "DE"), guards="preview"),
        )
        return msgspec.structs.replace(PROPERTIES, requirements=requirements)

    hit_type = await wire.market.hit_type(asking("000000000000000000L0"))
    hit = await wire.market.create_hit(
        HitRequest(hit_type, HTML_QUESTION, 3600, 3, "job_1/0", "T1"), in_doubt_since=None
    )
    shown = (await wire.live.call("get_hit", HITId=hit.market_hit_id))["HIT"]["QualificationRequirements"]
    assert [asked["ActionsGuarded"] for asked in shown] == ["Accept", "PreviewAndAccept"]
    assert shown[1]["LocaleValues"] == [{"Country": "US", "Subdivision": "CA"}, {"Country": "DE"}]
    with pytest.raises(Refused, match="N0SUCH"):
        await wire.market.hit_type(asking("N0SUCH"))


async def test_a_market_that_is_not_there_is_unavailable(clock):
    market = MTurkMarket(
        "house",
        endpoint="http://127.0.0.1:9/mturk",
        access_key="AKIDEXAMPLE",
        secret_key="secret",
        region="us-east-1",
        fees="none",
        connections=1,
        clock=clock,
    )
    with pytest.raises(Unavailable):
        await market.hit_type(PROPERTIES)
    await market.close()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "not xml",
        "<QuestionFormAnswers>",
        "<Other/>",
        '<!DOCTYPE a [<!ENTITY x "y">]><QuestionFormAnswers>&x;</QuestionFormAnswers>',
        "<QuestionFormAnswers>\x00</QuestionFormAnswers>",
        f"<QuestionFormAnswers>{'x' * 1_000_001}</QuestionFormAnswers>",
    ],
)
def test_what_is_no_answer_is_unreadable(raw):
    with pytest.raises(Unreadable):
        read_answer_xml(raw)


def test_answers_are_read_from_text_whatever_encoding_they_declare():
    assert read_answer_xml(answers_xml(["3", "ü"])) == {"q1": "3", "q2": "ü"}


async def test_a_qualification_of_a_name_is_one_however_often_it_is_asked_for(people):
    first = await people.market.qualification("Gate of job_1", "Kept for one job.")
    assert await people.market.qualification("Gate of job_1", "Kept for one job.") == first
    assert await people.market.qualification("Gate of job_10", "Kept for one job.") != first


async def test_who_was_given_a_qualification_is_kept_from_hits_that_exclude_it_until_it_is_taken(people):
    gate = await people.market.qualification("Gate of job_1", "Kept for one job.")
    excluding = Requirement(gate, "DoesNotExist", guards="discover")
    hit_type = await people.market.hit_type(msgspec.structs.replace(PROPERTIES, requirements=(excluding,)))
    request = HitRequest(hit_type, HTML_QUESTION, 3600, 3, "job_1/0", "T1")
    hit = await people.market.create_hit(request, in_doubt_since=None)
    good, bad = await people.worker(), await people.worker()
    for _ in range(2):
        await people.market.give_qualification(gate, bad)
    assert await people.tries(hit.market_hit_id, bad) is None
    assert await people.tries(hit.market_hit_id, good) is not None
    for _ in range(2):
        await people.market.take_qualification(gate, bad)
    assert await people.tries(hit.market_hit_id, bad) is not None


async def test_a_worker_whom_the_market_does_not_know_is_nobody_to_keep_out(people):
    gate = await people.market.qualification("Gate of job_1", "Kept for one job.")
    await people.market.give_qualification(gate, "AGONE")
    await people.market.take_qualification(gate, "AGONE")


@only_mturk
async def test_what_the_market_says_of_a_worker_does_not_name_them(wire, monkeypatch):
    """Its words are shown to people who may not know the market's ids of workers."""
    monkeypatch.setattr("service.markets.mturk._NOT_HELD", frozenset())
    gate, worker = await wire.market.qualification("Gate of job_1", "Kept for one job."), await wire.worker()
    with pytest.raises(Refused, match=r"Worker \(the worker\) does not have a Qualification") as refused:
        await wire.market.take_qualification(gate, worker)
    assert worker not in str(refused.value)
