"""Forged forms, foreign origins, others' assignments, and the headers that shut pages in."""

from __future__ import annotations

import httpx

from marketplace.site import create_site_router
from marketplace.site.site import Site
from tests.marketplace.site.conftest import field_of

ROUTES = sorted(
    {
        (method, route.path)
        for route in create_site_router(Site(pool=None, clock=None, base_url="http://x")).routes
        for method in route.methods - {"OPTIONS", "HEAD"}
    }
)
"""Every route of the site, from its own table, so that a new one cannot be forgotten here."""
OPEN = {"/worker/site.css", "/worker/site.js", "/worker/sign-in", "/worker/join/{token:str}", "/worker/{rest:path}"}
"""The routes that need nobody to be signed in."""


def fill(path: str, hit_id: str = "H", assignment_id: str = "A", hit_type: str = "T") -> str:
    values = {"hit_id": hit_id, "assignment_id": assignment_id, "hit_type": hit_type, "token": "t", "rest": "nowhere"}
    for name, value in values.items():
        path = path.replace(f"{{{name}:str}}", value).replace(f"{{{name}:path}}", value)
    return path


def test_the_table_of_routes_is_read():
    assert ("POST", "/worker/hits/{hit_id:str}/accept") in ROUTES
    assert len(ROUTES) >= 17


async def test_whoever_is_not_signed_in_is_sent_to_sign_in(live):
    async with httpx.AsyncClient(base_url=live.url) as stranger:
        stranger.cookies.set("assay_worker", "made up")
        for method, path in [route for route in ROUTES if route[1] not in OPEN]:
            response = await stranger.request(method, fill(path))
            assert response.status_code == 303, path
            assert response.headers["location"].startswith("/worker/sign-in"), path


FORMS = [path for method, path in ROUTES if method == "POST"]


async def test_a_form_without_its_token_is_refused(ann, bob):
    another = await bob.csrf()
    for path in FORMS:
        for token in ("", "made up", "\x00", "🦆", another):
            response = await ann.http.post(fill(path), data={"csrf": token})
            assert (response.status_code, "out of date" in response.text) == (403, True), (path, token)


async def test_a_form_from_elsewhere_is_refused_even_with_the_token(ann):
    token = await ann.csrf()
    for path in FORMS:
        for origin in ("https://evil.example.org", "null", "http://127.0.0.1.evil.example.org", "http://["):
            response = await ann.http.post(fill(path), data={"csrf": token}, headers={"origin": origin})
            assert (response.status_code, "another site" in response.text) == (403, True), (path, origin)


async def test_a_form_of_our_own_origin_is_taken(live, ann):
    hit = await live.create_hit()
    accepted = await ann.http.post(
        f"/worker/hits/{hit['HITId']}/accept", data={"csrf": await ann.csrf()}, headers={"origin": live.url}
    )
    assert accepted.status_code == 303


async def test_a_body_that_is_no_form_of_ours_is_refused_readably(ann):
    form = "application/x-www-form-urlencoded"
    for content, kind, status in [
        (b"csrf=%ff%fe", form, 403),
        (b"a=1&" * 100, form, 400),
        (b"x" * 100_000, form, 413),
        (b'{"csrf": 1}', "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
        (b"", form, 403),
        (b"", b"nonsense; charset=\xff", 415),
    ]:
        # A server that refuses a body unread closes the connection: the next request is not to be sent on it.
        headers = {"content-type": kind, "connection": "close"}
        response = await ann.http.post("/worker/hits/H/accept", content=content, headers=headers)
        assert (response.status_code, "<h1>" in response.text) == (status, True), content


async def test_signing_somebody_in_by_a_forged_form_is_refused(people, ann):
    """Login CSRF: a stranger's form must not sign a person in as somebody else."""
    victim = await people.invite()
    token = field_of((await ann.http.get("/worker/join/" + victim.token)).text, "csrf")
    fields = {"csrf": token, "worker": ann.worker_id, "password": "four plain words together"}
    assert (await victim.http.post("/worker/sign-in", data=fields)).status_code == 403


async def test_nobody_sees_or_returns_the_work_of_another(live, ann, bob):
    hit = await live.create_hit()
    assignment = await ann.accept(hit["HITId"])
    assert (await bob.get(f"/worker/assignments/{assignment}")).status_code == 404
    assert (await bob.post(f"/worker/assignments/{assignment}/return")).status_code == 404
    assert (await ann.get(f"/worker/assignments/{assignment}")).status_code == 200


async def test_a_forged_submission_is_refused(live, ann):
    hit = await live.create_hit()
    await ann.accept(hit["HITId"])
    for made_up in ("", "MADEUP", "ASSIGNMENT_ID_NOT_AVAILABLE", "\x00", "' OR 1=1 --"):
        sent = await ann.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": made_up, "q1": "x"})
        assert 400 <= sent.status_code < 500, made_up
        assert "postMessage" not in sent.text
    assert (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["NumResults"] == 0


async def test_a_submission_works_once(live, ann):
    hit = await live.create_hit()
    fields = {"assignmentId": await ann.accept(hit["HITId"]), "q1": "first"}
    assert (await ann.http.post(f"{live.url}/mturk/externalSubmit", data=fields)).status_code == 200
    again = await ann.http.post(f"{live.url}/mturk/externalSubmit", data=fields | {"q1": "second"})
    assert again.status_code == 409
    assert "submitted before" in again.text, "the crowd's browser knows a lost response by these words"
    [kept] = (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["Assignments"]
    assert "first" in kept["Answer"]


async def test_an_assignment_that_was_given_back_or_whose_worker_is_disabled_takes_no_forged_work(live, ann, bob):
    hit = await live.create_hit()
    returned, held = await ann.accept(hit["HITId"]), await bob.accept(hit["HITId"])
    await ann.post(f"/worker/assignments/{returned}/return")
    forged = {"workerId": bob.worker_id, "hitId": hit["HITId"], "q1": "x"}
    for id_ in (returned, returned.lower(), f"{held}A", held[:-1]):
        sent = await bob.http.post(f"{live.url}/mturk/externalSubmit", data={"assignmentId": id_, **forged})
        assert 400 <= sent.status_code < 500, id_
    both = await bob.http.post(
        f"{live.url}/mturk/externalSubmit",
        content=f"assignmentId={held}&assignmentId={returned}&q1=x",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert 400 <= both.status_code < 500, "of two ids none is taken"
    assert (await live.call("list_assignments_for_hit", HITId=hit["HITId"]))["NumResults"] == 0


async def test_no_path_leads_out_of_the_sites_own_files(live, ann):
    for path in (
        "../refusals.py",
        "..%2frefusals.py",
        "%2e%2e/refusals.py",
        "..%5crefusals.py",
        "%00",
        "/etc/passwd",
        "....//x",
    ):
        for base in ("/worker/", "/worker/static/", "/mturk/", "/"):
            answer = await ann.http.request("GET", httpx.URL(f"{live.url}{base}{path}"), follow_redirects=False)
            assert answer.status_code in (303, 400, 404, 405), f"{base}{path}: {answer.status_code}"
            assert "root:" not in answer.text
            assert "from __future__" not in answer.text


async def test_the_frame_is_sandboxed_by_attribute_and_by_header(live, ann):
    hit = await live.create_hit()
    assignment = await ann.accept(hit["HITId"])
    work = await ann.get(f"/worker/assignments/{assignment}")
    assert 'sandbox="allow-scripts allow-forms' in work.text
    frame = await ann.get(f"/worker/frames/{hit['HITId']}")
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-forms")
    assert "frame-ancestors 'self'" in policy
    for text in (work.text, policy):
        assert "allow-same-origin" not in text
        assert "allow-top-navigation" not in text
    assert frame.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in frame.headers


async def test_a_frames_address_cannot_send_answers_elsewhere(live, ann):
    hit = await live.create_hit()
    for told in (
        {"turkSubmitTo": "https://evil.example.org"},
        {"turkSubmitTo": "javascript:alert(1)//"},
        {"workerId": "ASOMEBODYELSE"},
        {"assignmentId": '"><script>'},
    ):
        response = await ann.get(f"/worker/frames/{hit['HITId']}", params=told)
        assert (response.status_code, "<form>" in response.text) == (400, False), told


async def test_every_page_keeps_to_itself(live, ann):
    hit = await live.create_hit()
    assignment = await ann.accept(hit["HITId"])
    for path in [path for method, path in ROUTES if method == "GET" and "frames" not in path]:
        response = await ann.get(fill(path, hit["HITId"], assignment, hit["HITTypeId"]))
        if response.status_code == 303:
            continue  # a redirect shows nothing
        assert response.headers["x-content-type-options"] == "nosniff", path
        if path.endswith((".css", ".js")):
            continue
        policy = response.headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert part in policy, path
        assert "unsafe" not in policy, path
        assert response.headers["cache-control"] == "no-store", path
        assert response.headers["referrer-policy"] == "same-origin", path
        assert " style=" not in response.text, f"{path}: the policy forbids it"
        assert "<script>" not in response.text, path


async def test_titles_and_descriptions_cannot_write_html(live, ann):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    hit = await live.create_hit(Title=evil, Description=evil)
    assignment = await ann.accept(hit["HITId"])
    for path in (
        "/worker",
        f"/worker/groups/{hit['HITTypeId']}",
        f"/worker/assignments/{assignment}",
        "/worker/earnings",
    ):
        text = (await ann.get(path)).text
        assert "<script>alert" not in text
        assert "<img" not in text


async def test_the_database_being_away_is_a_page_that_says_so(live, ann):
    await live.marketplace.pool.close()
    response = await ann.get("/worker")
    assert response.status_code == 503
    assert "catching its breath" in response.text
    assert response.headers["retry-after"] == "5"
