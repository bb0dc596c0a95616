"""News on a page while a button is pressed: what is pressed stays until the click has come."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page

import chatapp.peer.faces.web
from tests.cast.browser import NEEDS_CHROMIUM, page_of

STREAM: Final = Path(chatapp.peer.faces.web.__file__).parent / "assets" / "stream.js"
PRESSED_MAX: Final = 2_000
"""Milliseconds, as the page has them."""
BODY: Final = '<main id="main"><div id="part"></div></main>'
WITH: Final = """
const find = (id) => document.getElementById(id);
const told = {}, clicked = [], NOT_DONE = "";
const warn = () => {}, unwarn = () => {};
document.addEventListener("click", (event) => clicked.push(event.target.textContent));
"""
"""What the other scripts of a page give to the stream, and a list of the clicks."""
FEED: Final = 'const feed = new Feed({ news: (piece) => put("part", piece.part) })'

pytestmark = NEEDS_CHROMIUM


class Pressing(NamedTuple):
    """A page with one part, whose clock stands still."""

    page: Page
    troubles: list[str]

    async def hear(self, *names: str) -> None:
        """Let news come: the part has buttons with these names from now on."""
        part = "".join(f"<button>{name}</button>" for name in names)
        await self.page.evaluate("piece => feed.hear(piece)", {"part": part})

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def buttons(self) -> list[str]:
        return await self.page.locator("#part button").all_inner_texts()

    async def clicked(self) -> list[str]:
        return await self.page.evaluate("clicked")  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="session")
async def pressing(browser: Browser) -> AsyncIterator[Pressing]:
    context = await browser.new_context()
    page, troubles = await page_of(context)
    await page.clock.install(time=0)
    await page.clock.pause_at(1_000)
    await page.set_content(BODY)
    await page.add_script_tag(content=WITH)
    await page.add_script_tag(path=STREAM)
    await page.add_script_tag(content=FEED)
    made = Pressing(page, troubles)
    await made.hear("first")
    yield made
    assert troubles == []
    await context.close()


async def test_a_click_on_what_would_be_replaced_is_not_lost(pressing: Pressing) -> None:
    page = pressing.page
    await pressing.button("first").hover()
    await page.mouse.down()
    await pressing.hear("second", "third")
    await pressing.hear("fourth", "fifth")
    assert await pressing.buttons() == ["first"]
    await page.mouse.up()
    await page.clock.run_for(1)  # the news follows the click
    assert await pressing.clicked() == ["first"]
    assert await pressing.buttons() == ["fourth", "fifth"]


async def test_a_button_that_is_held_delays_news_for_two_seconds(pressing: Pressing) -> None:
    page = pressing.page
    await pressing.button("first").hover()
    await page.mouse.down()
    await pressing.hear("second", "third")
    await page.clock.run_for(PRESSED_MAX - 1)
    assert await pressing.buttons() == ["first"]
    await page.clock.run_for(1)
    assert await pressing.buttons() == ["second", "third"]
    await pressing.hear("fourth", "fifth")
    assert await pressing.buttons() == ["fourth", "fifth"]
    await page.mouse.up()


async def test_an_earlier_press_does_not_end_a_later_one(pressing: Pressing) -> None:
    """Two fingers come down, and both go up; the next press has its own two seconds."""
    page = pressing.page
    down, up = ("pointerdown", "pointerup")
    for kind in (down, down, up, up):
        await page.dispatch_event("#part", kind)
    await page.clock.run_for(PRESSED_MAX - 10)
    await pressing.button("first").hover()
    await page.mouse.down()
    await page.clock.run_for(20)
    await pressing.hear("second", "third")
    assert await pressing.buttons() == ["first"]
    await page.mouse.up()
    await page.clock.run_for(1)
    assert await pressing.clicked() == ["first"]
    assert await pressing.buttons() == ["second", "third"]
