"""A requester's HTML that tries to get out of its frame: what a real browser lets it do."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.test_worker_in_chromium import join

ATTACK = """<!doctype html><form id="f"><input name="q1"></form><p id="log"></p><script>
const found = [];
function attempt(name, act) { try { found.push(name + ":" + act()); } catch (error) { found.push(name + ":refused"); } }
attempt("cookie", () => document.cookie || "none");
attempt("parent", () => parent.document.body.innerHTML.length);
attempt("storage", () => localStorage.length);
if (top !== window) { attempt("top", () => { top.location = "/worker/earnings"; return "sent"; }); }
(async () => {
  for (const path of ["/worker/earnings", "/worker", "/v1/jobs", "/console"]) {
    try {
      const answer = await fetch(location.origin === "null" ? ORIGIN + path : path, {credentials: "include"});
      found.push(path + ":" + (await answer.text()).length);
    } catch (error) { found.push(path + ":refused"); }
  }
  const form = document.createElement("form");
  form.method = "post"; form.action = ORIGIN + "/worker/sign-out"; form.target = "hidden";
  const inner = document.createElement("iframe"); inner.name = "hidden";
  document.body.append(inner, form); form.submit();
  await fetch(ORIGIN + "/worker/assignments/" + new URLSearchParams(location.search).get("assignmentId") + "/return",
    {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({csrf: "x"})}).catch(() => 0);
  document.getElementById("log").textContent = found.join(" ") + " end";
})();
</script>"""

QUESTION = (
    '<HTMLQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2011-11-11/'
    'HTMLQuestion.xsd"><HTMLContent><![CDATA[{}]]></HTMLContent><FrameHeight>300</FrameHeight></HTMLQuestion>'
)
END = re.compile(" end$")


async def attacked(live, requester, page):
    """Accept a HIT whose HTML attacks; returns the assignment's address."""
    html = ATTACK.replace("ORIGIN", f'"{live.url}"')
    hit = await live.create_hit(Question=QUESTION.format(html))
    [(_, link)] = await requester.invite(1)
    await join(page, link)
    await page.goto(f"{live.url}/worker/hits/{hit['HITId']}")
    await page.get_by_role("button", name="Accept").click()
    await page.wait_for_url("**/worker/assignments/*")
    return page.url


async def cookie_sent(live, request):
    """Return where a request went and the cookie that it carried."""
    headers = await request.all_headers()
    return request.url.removeprefix(live.url), headers.get("cookie", "")


async def test_a_frame_reaches_neither_the_site_nor_the_session(live, requester, page):
    work = await attacked(live, requester, page)
    requests = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright sets attributes on it
    await page.goto(work)
    log = page.frame_locator("#question").locator("#log")
    await expect(log).to_have_text(END)
    found = dict(entry.rsplit(":", 1) for entry in (await log.text_content()).split()[:-1])
    assert set(found.values()) == {"refused"}, found
    assert page.url == work, "the frame did not move the page around it"
    cookies = dict([await cookie_sent(live, request) for request in requests])
    assert "assay_worker" in cookies[work.removeprefix(live.url)], "the page around it is signed in"
    assert {"/worker/earnings", "/worker", "/worker/sign-out"} <= set(cookies), "the frame's requests were made"
    assert not any("assay_worker" in cookies[path] for path in ("/worker/earnings", "/worker", "/worker/sign-out"))
    await page.goto(f"{live.url}/worker")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.goto(work)
    await expect(page.get_by_role("button", name="Return this HIT")).to_be_visible()


async def test_the_same_holds_where_the_frames_address_is_opened_by_itself(live, requester, page):
    work = await attacked(live, requester, page)
    await page.goto(work)
    address = await page.locator("#question").get_attribute("src")
    await page.goto(live.url + address)
    await expect(page.locator("#log")).to_have_text(END)
    found = dict(entry.rsplit(":", 1) for entry in (await page.locator("#log").text_content()).split()[:-1])
    found.pop("parent")  # here it is its own parent
    assert set(found.values()) == {"refused"}, found


async def test_a_frame_that_only_says_that_it_submitted_submits_nothing(live, requester, page):
    html = '<script>parent.postMessage({type: "assay:submitted", assignmentId: "X"}, "*")</script>'
    hit = await live.create_hit(Question=QUESTION.format(html))
    [(_, link)] = await requester.invite(1)
    await join(page, link)
    await page.goto(f"{live.url}/worker/hits/{hit['HITId']}")
    await page.get_by_role("button", name="Accept").click()
    await page.wait_for_url(f"**/worker/groups/{hit['HITTypeId']}")
    assert (await live.call("get_hit", HITId=hit["HITId"]))["HIT"]["NumberOfAssignmentsPending"] == 1
