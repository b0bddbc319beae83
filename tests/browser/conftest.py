"""Debian's Chromium, driven by Playwright, at a live marketplace.

Where Chromium is not found the tests are skipped, and say so; with ASSAY_REQUIRE_BROWSER=1 they fail instead.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import async_playwright

from tests.marketplace.conftest import live, signing_time
from tests.simulation.conftest import requester

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

__all__ = ["live", "requester", "signing_time"]


def find_chromium() -> str | None:
    """Return the path of the system's Chromium."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = find_chromium()
    if path is None:
        message = "no Chromium found: apt-get install chromium"
        if os.environ.get("ASSAY_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    async with async_playwright() as playwright:
        # No sandbox of its own: it needs user namespaces, which root in a container has not.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page in a fresh profile; a script of ours that fails, fails the test."""
    context = await chromium.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(10_000)
    opened = await context.new_page()
    errors: list[Any] = []
    opened.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - Playwright sets attributes on it
    yield opened
    await context.close()
    assert not errors
