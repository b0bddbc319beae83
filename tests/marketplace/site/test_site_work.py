"""Finding a HIT, doing it, giving it back, being paid: as pages over HTTP."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from selectolax.lexbor import LexborHTMLParser

from tests.marketplace.site.conftest import heading


def links(response, selector):
    return [node.attributes["href"] for node in LexborHTMLParser(response.text).css(selector)]


def frame_of(response):
    return LexborHTMLParser(response.text).css_first("iframe").attributes


async def test_a_hit_is_found_done_and_paid(live, ann):
    hit = await live.create_hit(Title="Ducks & geese <b>")
    home = await ann.get("/worker")
    assert "Ducks &amp; geese &lt;b&gt;" in home.text
    [group] = links(home, "a.group")
    [link] = links(await ann.get(group), "a.hit")
    assert link == f"/worker/hits/{hit['HITId']}"
    preview = await ann.get(link)
    assert "assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE" in frame_of(preview)["src"]

    assignment = await ann.accept(hit["HITId"])
    work = await ann.get(f"/worker/assignments/{assignment}")
    source = frame_of(work)["src"]
    told = parse_qs(urlsplit(source).query)
    assert told == {
        "assignmentId": [assignment],
        "hitId": [hit["HITId"]],
        "workerId": [ann.worker_id],
        "turkSubmitTo": [live.url],
    }
    assert (await ann.get(source)).text == '<!doctype html><form><input name="q1"></form>'
    assert "Ducks &amp; geese" in (await ann.get("/worker")).text, "what is in hand is shown first"

    sent = await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": assignment, "q1": "duck"})
    assert sent.status_code == 200
    assert f'"{assignment}"' in sent.text, "the page around the frame is told"
    [submitted] = (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["Assignments"]
    assert (submitted["WorkerId"], "duck" in submitted["Answer"]) == (ann.worker_id, True)
    over = await ann.get(f"/worker/assignments/{assignment}")
    assert (over.status_code, heading(over)) == (410, "This assignment is submitted")

    await live.call("approve_assignment", AssignmentId=assignment, RequesterFeedback="Thanks <3")
    earned = await ann.get("/worker/earnings")
    assert "Thanks &lt;3" in earned.text
    assert "approved" in earned.text
    assert "$0.05" in earned.text
    assert not links(await ann.get("/worker"), "a.group"), "a HIT is done once"


async def test_accepting_twice_leads_to_the_same_assignment(live, ann):
    hit = await live.create_hit()
    assert await ann.accept(hit["HITId"]) == await ann.accept(hit["HITId"])


async def test_a_returned_hit_is_free_again(live, ann, bob):
    hit = await live.create_hit(MaxAssignments=1)
    assignment = await ann.accept(hit["HITId"])
    full = await bob.post(f"/worker/hits/{hit['HITId']}/accept")
    assert (full.status_code, 'data-refusal="full"' in full.text) == (409, True)
    returned = await ann.post(f"/worker/assignments/{assignment}/return")
    assert returned.headers["location"] == "/worker"
    again = await ann.post(f"/worker/assignments/{assignment}/return")
    assert again.status_code == 409
    await bob.accept(hit["HITId"])


async def test_a_hit_done_before_is_said_to_be_done(live, ann):
    hit = await live.create_hit()
    assignment = await ann.accept(hit["HITId"])
    await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": assignment})
    again = await ann.post(f"/worker/hits/{hit['HITId']}/accept")
    assert (again.status_code, 'data-refusal="done"' in again.text) == (409, True)
    assert "You have done this HIT" in (await ann.get(f"/worker/hits/{hit['HITId']}")).text


async def test_the_next_hit_of_a_group_is_one_not_done(live, ann):
    first, second = [await live.create_hit() for _ in range(2)]
    group = f"/worker/groups/{first['HITTypeId']}"
    assert (await ann.get(f"{group}/next")).headers["location"] == f"/worker/hits/{first['HITId']}"
    await ann.accept(first["HITId"])
    assert (await ann.get(f"{group}/next")).headers["location"] == f"/worker/hits/{second['HITId']}"
    await ann.accept(second["HITId"])
    assert (await ann.get(f"{group}/next")).headers["location"] == group
    assert "You have done all there is" in (await ann.get(group)).text


async def test_groups_are_paged_and_every_hit_is_on_one_page(live, ann, monkeypatch):
    monkeypatch.setattr("marketplace.site.listing.PAGE", 3)
    made = [(await live.create_hit())["HITId"] for _ in range(6)]
    [page] = links(await ann.get("/worker"), "a.group")
    seen, pages = [], 0
    while page:
        response = await ann.get(page)
        seen += [link.rpartition("/")[2] for link in links(response, "a.hit")]
        page, pages = next(iter(links(response, "a[rel=next]")), None), pages + 1
    assert (seen, pages) == (made, 2), "a count that is a multiple of the page has no empty page"


async def test_earnings_are_paged(live, ann, monkeypatch):
    monkeypatch.setattr("marketplace.site.earnings.PAGE", 2)
    for number in range(5):
        hit = await live.create_hit(Title=f"HIT number {number}")
        await ann.accept(hit["HITId"])
        live.clock.advance(seconds=1)
    page, seen = "/worker/earnings", []
    while page:
        response = await ann.get(page)
        seen += [node.text() for node in LexborHTMLParser(response.text).css("tbody td:first-child a")]
        page = next(iter(links(response, "a[rel=next]")), None)
    assert seen == [f"HIT number {number}" for number in (4, 3, 2, 1, 0)]


async def test_work_is_over_when_its_time_is(live, ann):
    hit = await live.create_hit(AssignmentDurationInSeconds=60)
    assignment = await ann.accept(hit["HITId"])
    live.clock.advance(seconds=61)
    over = await ann.get(f"/worker/assignments/{assignment}")
    assert (over.status_code, heading(over)) == (410, "This assignment is over")
    late = await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": assignment})
    assert late.status_code == 409
    await live.marketplace.sweep()
    assert await ann.accept(hit["HITId"]) != assignment, "the place is free again"


async def test_a_hit_that_expired_cannot_be_accepted_and_accepted_work_can_be_sent(live, ann, bob):
    hit = await live.create_hit(LifetimeInSeconds=60)
    assignment = await ann.accept(hit["HITId"])
    live.clock.advance(seconds=61)
    assert (await bob.post(f"/worker/hits/{hit['HITId']}/accept")).status_code == 409
    assert "taken or over" in (await bob.get(f"/worker/hits/{hit['HITId']}")).text
    sent = await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": assignment})
    assert sent.status_code == 200


async def test_an_external_question_is_framed_from_its_own_address(live, ann):
    url = "https://tasks.example.org/work?job=7#top"
    namespace = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd"
    question = (
        f'<ExternalQuestion xmlns="{namespace}"><ExternalURL>{url}</ExternalURL>'
        "<FrameHeight>450</FrameHeight></ExternalQuestion>"
    )
    hit = await live.create_hit(Question=question)
    assignment = await ann.accept(hit["HITId"])
    work = await ann.get(f"/worker/assignments/{assignment}")
    frame = frame_of(work)
    parts = urlsplit(frame["src"])
    assert (parts.netloc, parts.path, parts.fragment) == ("tasks.example.org", "/work", "top")
    assert parse_qs(parts.query)["job"] == ["7"]
    assert parse_qs(parts.query)["assignmentId"] == [assignment]
    assert frame["height"] == "450"
    assert "frame-src https://tasks.example.org" in work.headers["content-security-policy"]
    assert (await ann.get(f"/worker/frames/{hit['HITId']}")).status_code == 404, "there is no HTML of ours to show"


async def test_what_does_not_exist_is_a_page_that_says_so(ann):
    for path in [
        "/worker/hits/NOSUCHHIT",
        "/worker/hits/%00",
        "/worker/groups/NOSUCH",
        "/worker/groups/%F0%9F%A6%86/next",
        "/worker/assignments/NOSUCH",
        "/worker/frames/NOSUCH",
        "/worker/join/nosuchtoken",
        "/worker/join/%00",
        "/worker/nothing/here",
    ]:
        response = await ann.get(path)
        assert response.status_code == 404, path
        assert heading(response).startswith("There is no such"), path


async def test_no_path_leads_out_of_the_site(ann):
    response = await ann.get("/worker/hits/..%2f..%2f..%2fetc%2fpasswd")
    assert response.status_code == 404


async def test_an_address_that_makes_no_sense_is_read_leniently(live, ann):
    hit = await live.create_hit()
    for path in [
        "/worker/groups/{type}?after=-1",
        "/worker/groups/{type}?after=99999999999999999999999",
        "/worker/groups/{type}?after=%00",
        "/worker/earnings?before=nonsense",
        "/worker/earnings?before=9999-99-99T99:99:99Z~A",
        "/worker/earnings?before=0001-01-01T00:00:00Z~A",
        "/worker/sign-in?next=//evil.example.org",
    ]:
        response = await ann.follow(path.format(type=hit["HITTypeId"]))
        assert response.status_code == 200, path
