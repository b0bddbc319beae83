"""Joining, signing in and out: who gets in, and who does not."""

from __future__ import annotations

from datetime import timedelta

import httpx
from litestar import Litestar
from litestar.testing import AsyncTestClient

from foundation.settings import MarketplaceSettings
from marketplace.app import Marketplace
from marketplace.site.attempts import MOST_KEYS, Attempts
from marketplace.site.visitors import new_visit
from marketplace.store import workers
from tests.marketplace.site.conftest import PASSWORD, field_of, heading


async def test_an_invitation_shows_the_workers_id_and_signs_in(people):
    ann = await people.invite("Ann & <i>Co</i>")
    page = await ann.get(f"/worker/join/{ann.token}")
    assert ann.worker_id in page.text
    assert "Ann &amp; &lt;i&gt;Co&lt;/i&gt;" in page.text
    await ann.join()
    home = await ann.get("/worker")
    assert (home.status_code, heading(home)) == (200, "HITs")


async def test_a_password_that_will_not_do_is_said_to(people):
    ann = await people.invite()
    token = field_of((await ann.get(f"/worker/join/{ann.token}")).text, "csrf")
    for password, again, complaint in [
        ("short", "short", "too short"),
        ("x" * 201, "x" * 201, "too long"),
        ("long enough, really", "but not the same", "not the same"),
        ("", "", "too short"),
    ]:
        refused = await ann.post(f"/worker/join/{ann.token}", token, password=password, again=again)
        assert refused.status_code == 422
        assert complaint in refused.text
    await ann.join()


async def test_an_invitation_works_once_and_then_leads_to_signing_in(people, ann):
    thief = await people.invite()
    token = field_of((await thief.get(f"/worker/join/{thief.token}")).text, "csrf")
    again = await thief.post(f"/worker/join/{ann.token}", token, password="another password", again="another password")
    assert again.status_code == 410
    await ann.post("/worker/sign-out")
    used = await ann.get(f"/worker/join/{ann.token}")
    assert (used.status_code, field_of(used.text, "worker")) == (410, ann.worker_id)
    assert (await ann.sign_in()).headers["location"] == "/worker", "the password is the first one"


async def test_a_new_invitation_sets_a_new_password_and_ends_what_the_old_one_opened(live, people, ann):
    async with live.marketplace.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO invitation VALUES ($1, $2, $3, $4)",
            workers.hash_token("again"),
            ann.worker_id,
            live.clock.now(),
            live.clock.now() + timedelta(days=1),
        )
    back = await people.invite()
    token = field_of((await back.get("/worker/join/again")).text, "csrf")
    joined = await back.post("/worker/join/again", token, password="another password", again="another password")
    assert joined.status_code == 303
    assert ann.worker_id in (await back.get("/worker")).text
    assert (await ann.get("/worker")).status_code == 303
    assert (await ann.sign_in()).status_code == 422


async def test_an_invitation_runs_out(live, people):
    ann = await people.invite()
    live.clock.advance(seconds=workers.INVITATION_LIFE.total_seconds() + 1)
    assert (await ann.get(f"/worker/join/{ann.token}")).status_code == 410


async def test_a_worker_signs_out_and_in_and_lands_where_it_wanted_to(ann):
    await ann.post("/worker/sign-out")
    away = await ann.get("/worker/earnings")
    assert (away.status_code, away.headers["location"]) == (303, "/worker/sign-in?next=/worker/earnings")
    page = await ann.get(away.headers["location"])
    signed_in = await ann.sign_in(next=field_of(page.text, "next"))
    assert signed_in.headers["location"] == "/worker/earnings"
    assert (await ann.get("/worker/sign-in")).status_code == 303, "who is signed in needs no form"


async def test_signing_in_leads_nowhere_else(ann):
    for target in [
        "//evil.example.org",
        "https://evil.example.org",
        "/workers",
        "/worker/../v1",
        "javascript:0",
        "\x00",
    ]:
        await ann.post("/worker/sign-out")
        assert (await ann.sign_in(next=target)).headers["location"] == "/worker", target


async def test_a_copied_cookie_is_worth_nothing_after_signing_out(ann):
    copied = dict(ann.http.cookies)
    async with httpx.AsyncClient(base_url=ann.live.url, cookies=copied) as mallory:
        assert (await mallory.get("/worker")).status_code == 200
        await ann.post("/worker/sign-out")
        assert (await mallory.get("/worker")).status_code == 303


async def test_a_session_that_the_browser_brought_along_is_not_taken_on(people, ann):
    """Session fixation: whoever planted the cookie must not share what is opened with it."""
    mallory = await (await people.invite("Mallory")).join()
    planted = mallory.http.cookies["assay_worker"]
    visit = new_visit()
    fields = {"csrf": visit, "worker": ann.worker_id, "password": PASSWORD}
    cookies = {"assay_visit": visit, "assay_worker": planted}
    async with httpx.AsyncClient(base_url=ann.live.url, cookies=cookies) as victim:
        signed_in = await victim.post("/worker/sign-in", data=fields)
    assert signed_in.status_code == 303
    assert "assay_worker=" in signed_in.headers["set-cookie"]
    assert planted not in signed_in.headers["set-cookie"]
    assert (await mallory.get("/worker")).status_code == 303, "the planted session is closed"


async def test_a_session_ends(live, ann):
    live.clock.advance(seconds=timedelta(days=14).total_seconds() + 1)
    assert (await ann.get("/worker")).status_code == 303


async def test_a_disabled_worker_is_signed_out_and_stays_out(live, ann):
    async with live.marketplace.pool.acquire() as conn:
        await workers.set_state(conn, ann.worker_id, "disabled")
    assert (await ann.get("/worker")).headers["location"].startswith("/worker/sign-in")
    refused = await ann.sign_in()
    assert (refused.status_code, heading(refused)) == (403, "This account is disabled")


async def test_wrong_passwords_are_slowed_down_for_that_worker_alone(live, ann, bob):
    for person in (ann, bob):
        await person.post("/worker/sign-out")
    for _ in range(5):
        assert (await ann.sign_in("not the password")).status_code == 422
    waiting = await ann.sign_in()
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "900"), "even the right one has to wait"
    assert (await bob.sign_in()).status_code == 303
    live.clock.advance(seconds=901)
    assert (await ann.sign_in()).status_code == 303


async def test_who_does_not_exist_looks_like_who_has_another_password(people, ann):
    await ann.post("/worker/sign-out")
    wrong = await ann.sign_in("not the password")
    ann.worker_id = "A0NOBODY0"
    missing = await ann.sign_in("not the password")
    assert (wrong.status_code, missing.status_code) == (422, 422)
    assert "The worker ID or the password is wrong." in wrong.text
    assert "The worker ID or the password is wrong." in missing.text


async def test_a_worker_id_that_is_none_is_simply_wrong(ann):
    await ann.post("/worker/sign-out")
    for worker in ["", "x", "A" * 100, "A1'; DROP TABLE worker", "\x00", "🦆"]:
        ann.worker_id = worker
        assert (await ann.sign_in()).status_code == 422, worker


async def test_an_invited_worker_without_a_password_cannot_sign_in(people):
    ann = await people.invite()
    assert (await ann.sign_in("")).status_code == 422


async def test_over_https_cookies_are_kept_from_anything_less(live, tmp_path, marketplace_pool):
    marketplace = Marketplace(
        pool=marketplace_pool,
        settings=MarketplaceSettings(),
        public_url="https://work.example.org",
        key=live.marketplace.key,
        clock=live.clock,
    )
    async with AsyncTestClient(Litestar([marketplace.site_router()], openapi_config=None)) as client:
        cookie = (await client.get("/worker/sign-in")).headers["set-cookie"].lower()
    assert all(word in cookie for word in ("secure", "httponly", "samesite=lax", "path=/worker"))


def test_failures_are_forgotten_after_a_while_and_never_fill_the_memory(clock):
    attempts = Attempts()
    for number in range(MOST_KEYS):
        attempts.fail(f"A{number}", f"10.0.{number % 256}.{number // 256}", clock.now())
    assert len(attempts._failures) == MOST_KEYS
    for _ in range(30):
        attempts.fail("ANN", f"10.9.9.{_}", clock.now())
    assert attempts.wait("ANN", "10.8.8.8", clock.now()) == timedelta(minutes=15), "guessed at from many addresses"
    clock.advance(seconds=900)
    assert attempts.wait("ANN", "10.8.8.8", clock.now()) is None


def test_one_address_cannot_try_everybody(clock):
    attempts = Attempts()
    for number in range(100):
        attempts.fail(f"A{number}", "10.0.0.1", clock.now())
    assert attempts.wait("A1000", "10.0.0.1", clock.now()) is not None
    assert attempts.wait("A1000", "10.0.0.2", clock.now()) is None
