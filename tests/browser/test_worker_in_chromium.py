"""A person with a real browser: joins, works through a HIT, submits it, and the answer arrives."""

from __future__ import annotations

from playwright.async_api import expect

PASSWORD = "four plain words together"


async def join(page, link):
    await page.goto(link)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("The same password again").fill(PASSWORD)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_role("heading", name="HITs", exact=True)).to_be_visible()


async def test_a_worker_signs_in_works_through_a_hit_and_the_answer_arrives(live, requester, page):
    first = await requester.post("a duck on the water", "a goose on the grass")
    second = await requester.post("a swan")
    [(worker_id, link)] = await requester.invite(1)
    await join(page, link)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Worker ID").fill(worker_id.lower())
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()

    await page.get_by_role("link", name="Is it a duck?").click()
    await page.get_by_role("link", name=first).click()
    preview = page.frame_locator("#question")
    await expect(preview.get_by_text("a duck on the water")).to_be_visible()
    await expect(preview.get_by_role("button")).to_be_disabled()
    await page.get_by_role("button", name="Accept").click()

    work = page.frame_locator("#question")
    slots = work.locator("fieldset")
    await slots.nth(0).get_by_label("yes").check()
    await slots.nth(1).get_by_label("no").check()
    await work.get_by_role("button", name="Submit").click()
    await page.wait_for_url(f"**/worker/hits/{second}")  # moved on to the next HIT of the group

    assert await requester.answers() == {
        ("a duck on the water", worker_id): "yes",
        ("a goose on the grass", worker_id): "no",
    }
    await page.get_by_role("link", name="Earnings").click()
    await expect(page.get_by_text("submitted", exact=True)).to_be_visible()


async def test_one_who_asked_to_accepts_the_next_hit_by_itself_and_can_return_it(live, requester, page):
    first = await requester.post("a duck")
    second = await requester.post("a swan")
    [(_, link)] = await requester.invite(1)
    await join(page, link)
    await page.goto(f"{live.url}/worker/hits/{first}")
    await page.get_by_role("button", name="Accept").click()
    await page.get_by_label("Accept the next HIT automatically").check()
    await page.frame_locator("#question").get_by_label("yes").check()
    await page.frame_locator("#question").get_by_role("button", name="Submit").click()
    await expect(page.frame_locator("#question").get_by_text("a swan")).to_be_visible()
    await page.get_by_role("button", name="Return this HIT").click()
    await expect(page.get_by_role("heading", name="HITs", exact=True)).to_be_visible()
    hits = {hit: (await live.call("get_hit", HITId=hit))["HIT"] for hit in (first, second)}
    assert hits[first]["NumberOfAssignmentsAvailable"] == 0
    assert hits[second]["NumberOfAssignmentsPending"] == 0, "returned"


async def test_the_pages_work_at_320_pixels(live, requester, page):
    hit = await requester.post("a duck with a rather long name that has to break somewhere")
    [(_, link)] = await requester.invite(1)
    await page.set_viewport_size({"width": 320, "height": 640})
    await join(page, link)
    group = await page.get_by_role("link", name="Is it a duck?").get_attribute("href")
    await page.goto(f"{live.url}/worker/hits/{hit}")
    await page.get_by_role("button", name="Accept").click()
    await page.wait_for_url("**/worker/assignments/*")
    pages = ["/worker", group, f"/worker/hits/{hit}", "/worker/earnings", "/worker/sign-in", "/worker/nothing"]
    for path in [page.url, *(live.url + path for path in pages)]:
        await page.goto(path)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, f"{path} is {width} px wide"


async def test_a_keyboard_is_enough(live, requester, page):
    await requester.post("a duck")
    [(_, link)] = await requester.invite(1)
    await join(page, link)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.className") == "group":
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Start with the first")).to_be_visible()
