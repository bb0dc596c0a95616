"""Pages in Debian's Chromium, for end-to-end tests. The fixture `browser` is one browser for all of
them."""

import shutil
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, ConsoleMessage, Page, ViewportSize, expect

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
VIOLATIONS: Final = """async options => {
    const found = await axe.run({resultTypes: ["violations"], ...options});
    return found.violations.map(one => [one.id, one.nodes.map(node => node.html)]);
}"""
"""Names each rule that the page violates, and the elements that do."""

WITHIN: Final = 60_000.0
"""Milliseconds after which a wait fails. Nothing takes so long, however loaded the machine is."""

expect.set_options(timeout=WITHIN)

NEEDS_CHROMIUM: Final = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium (Debian, Ubuntu: apt-get install chromium)"
)


async def page_of(context: BrowserContext) -> tuple[Page, list[str]]:
    """Open a page; return it with the list of what goes wrong in it."""
    page = await context.new_page()
    page.set_default_timeout(WITHIN)
    troubles: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            troubles.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    return page, troubles


async def is_accessible(page: Page) -> None:
    """Let axe-core look for violations, and in the dark for those that colours make; see that
    nothing is wider than the window."""
    await page.emulate_media(color_scheme="light")
    await page.evaluate(Axe().axe_script)
    assert await page.evaluate(VIOLATIONS, {}) == []
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(VIOLATIONS, {"runOnly": ["color-contrast"]}) == []
    wide = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0
