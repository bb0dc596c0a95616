"""The web desk in a real browser: the program as its users see it, with a registry and an operator
beside it."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, Route, expect

from tests.cast.browser import NEEDS_CHROMIUM, PHONE, is_accessible, page_of
from tests.cast.lines import beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage, playing
from tests.support.ports import free_port

HOSTILE: Final = (
    "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)

NOBODY_LOOKS: Final = """() => {
    window.noticed = [];
    window.Notification = class { constructor(text) { noticed.push(text); } };
    Notification.permission = "granted";
    Object.defineProperty(document, "hidden", { get: () => true });
}"""
"""The window is in the background, and notices that the page gives are noted."""

pytestmark = NEEDS_CHROMIUM


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator["Desk"]:
    """A registry with an operator, and a web desk; no program may write to standard error."""
    async with playing(tmp_path, is_forked=True) as stage:
        desk = Desk(stage)
        await desk.open()
        yield desk


class Desk:
    """The programs of one test."""

    def __init__(self, stage: Stage) -> None:
        self.stage: Final = stage
        self.port: Final = free_port()
        self.url: Final = f"http://127.0.0.1:{self.port}/"

    async def open(self) -> None:
        self.registry = await self.stage.registry("--operator", "bob")
        self.gateway = await self.start_gateway()
        await self.gateway.sees(beginning("[The server does not list this gateway"))

    async def start_gateway(self) -> Program:
        words = ["web", "127.0.0.1", str(self.stage.port), "--listen", str(self.port)]
        gateway = await self.stage.run("gateway", [*CHATAPP, *words], home="gateway")
        await gateway.sees(f"[The web desk is at {self.url}]")
        return gateway


async def fill_in(page: Page, *, name: str, number: str = "98765 43210") -> None:
    await page.get_by_label("Full name").fill(name)
    await page.get_by_label("Mobile number").fill(number)
    await page.get_by_label("Other").check()
    await page.get_by_role("button", name="Join the queue").click()


async def test_a_visit_from_the_form_to_the_end(
    desk: Desk, browser: Browser, tmp_path: Path
) -> None:
    context = await browser.new_context(
        viewport=PHONE, accept_downloads=True, permissions=["notifications"]
    )
    page, troubles = await page_of(context)

    # The form: mistakes are told at their fields, and the first of them has the focus.
    await page.goto(desk.url)
    await is_accessible(page)
    await page.get_by_role("button", name="Join the queue").click()
    await expect(page.get_by_label("Full name")).to_be_focused()
    await expect(page.get_by_text("Please choose what it is about.")).to_be_visible()
    await fill_in(page, name="Brien, O'Hara", number="12")
    await expect(page.get_by_text('please write "Brien O\'Hara"')).to_be_visible()
    await expect(page.get_by_label("Mobile number")).to_have_value("12")
    await is_accessible(page)

    # The line.
    await fill_in(page, name="Asha Rao")
    await expect(page.get_by_text("You are next.")).to_be_visible()
    await expect(page).to_have_title("(1) Help desk")
    await is_accessible(page)
    await page.get_by_label("Is there anything we should know?").fill("My marks went down")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. The operator reads this")).to_be_visible()
    await page.get_by_label("Is there anything we should know?").fill("My marks went down, and")
    await page.get_by_role("button", name="Alert me when it is my turn").click()
    await expect(page.get_by_text("You will hear a sound")).to_be_visible()
    await page.evaluate(NOBODY_LOOKS)

    # The turn, and the talk.
    bob = await desk.stage.operator()
    await bob.sees("Says: My marks went down")
    await expect(page.get_by_role("heading", name="You are talking with bob")).to_be_visible()
    await expect(page.get_by_label("Your message")).to_be_focused()
    await expect(page.get_by_label("Your message")).to_have_value(
        "My marks went down, and"
    )  # was not saved
    assert await page.evaluate("noticed") == ["It is your turn"]
    await bob.type(HOSTILE)
    await expect(page.locator(".theirs .text")).to_have_text(HOSTILE)
    assert await page.evaluate("noticed") == ["It is your turn", "New message from bob"]
    await expect(page).to_have_title(re.compile(r"\(1\) Your conversation"))
    await page.get_by_label("Your message").fill("Hello!")
    await page.keyboard.press("Enter")
    await bob.sees("Asha Rao: Hello!")
    await expect(page.locator(".mine .mark.saved")).to_have_count(1)
    await expect(page.get_by_label("Your message")).to_have_value("")
    await is_accessible(page)

    # Reload; the gateway is killed, and says all again when it is back; a line typed meanwhile is
    # not lost.
    await page.reload()
    await expect(page.locator(".line")).to_have_count(2)
    await desk.gateway.kill()
    await expect(page.get_by_text("The connection is lost.")).to_be_visible()
    await page.get_by_label("Your message").fill("Are you there?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Your message")).to_have_value("")
    await expect(page.locator(".line.unsent .text")).to_have_text("Are you there?")
    await is_accessible(page)
    desk.gateway = await desk.start_gateway()
    await expect(page.get_by_role("alert")).to_be_hidden()
    await bob.sees("Asha Rao: Are you there?")
    await expect(page.locator(".mine .mark.saved")).to_have_count(2)
    await expect(page.locator(".line.unsent")).to_have_count(0)
    assert len(bob.shown("Asha Rao: Are you there?".__eq__)) == 1

    # The registry is killed; the page says so, and the talk goes on when it is back.
    await desk.registry.kill()
    await expect(page.get_by_text("The help desk does not answer just now.")).to_be_visible()
    desk.registry = await desk.stage.registry("--operator", "bob")
    await expect(page.get_by_text("The help desk does not answer just now.")).to_be_hidden()
    await page.get_by_label("Your message").fill("Still here")
    await page.get_by_role("button", name="Send").click()
    await bob.sees("Asha Rao: Still here")

    # The end.
    await bob.type(".end")
    await expect(page.get_by_role("heading", name="Thank you for your visit")).to_be_visible()
    await is_accessible(page)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save the conversation").click()
    saved = tmp_path / "conversation.txt"
    await (await download.value).save_as(saved)
    text = saved.read_bytes().decode()
    assert "You: Still here" in text
    assert f"bob: {HOSTILE}" in text
    await page.get_by_text("good", exact=True).click()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Your rating has arrived.")).to_be_visible()
    await page.get_by_role("button", name="Start a new request").click()
    await expect(page.get_by_label("Full name")).to_be_visible()
    assert troubles == []
    assert "owned" not in await page.title()
    await context.close()


async def test_what_is_typed_while_the_web_desk_is_away_outlives_a_reload_or_is_named(
    desk: Desk, browser: Browser
) -> None:
    bob = await desk.stage.operator()
    context = await browser.new_context(viewport=PHONE)
    page, troubles = await page_of(context)
    await page.goto(desk.url)
    await fill_in(page, name="Asha")
    await bob.sees("Name: Asha")
    await bob.type("hello")
    await expect(page.locator(".theirs .text")).to_have_text("hello")
    unsent = page.locator(".line.unsent .text")

    async def types_while_it_is_away(text: str) -> None:
        await desk.gateway.kill()
        await page.get_by_label("Your message").fill(text)
        await page.keyboard.press("Enter")
        await expect(unsent).to_have_text(text)

    await types_while_it_is_away("still there?")
    await page.get_by_label("Your message").fill("half a")
    with contextlib.suppress(Error):  # nobody answers
        await page.reload()
    desk.gateway = await desk.start_gateway()
    await page.goto(desk.url)
    await bob.sees("Asha: still there?")
    await expect(page.locator(".mine .mark.saved")).to_have_count(1)
    await expect(unsent).to_have_count(0)
    assert bob.shown(beginning("Asha: ")) == ["Asha: still there?"]
    await expect(page.get_by_label("Your message")).to_have_value("half a")

    await types_while_it_is_away("too late")
    await bob.type("we close now", ".end")
    await bob.sees("[Session with Asha ended.]")
    async with learns_from_a_line_that_it_is_over(page):
        desk.gateway = await desk.start_gateway()
    await expect(page.get_by_role("alert")).to_have_text("Not sent: too late")
    await expect(page.locator(".theirs .text")).to_have_text(["hello", "we close now"])
    await is_accessible(page)
    assert troubles == []
    await context.close()


@contextlib.asynccontextmanager
async def learns_from_a_line_that_it_is_over(page: Page) -> AsyncIterator[None]:
    """The stream of news opens, and brings nothing before a line was refused as one too late."""
    is_refused = False

    async def opened(route: Route) -> None:
        if is_refused:
            await route.continue_()
        else:
            await route.fulfill(content_type="text/event-stream", body="retry: 100\n\n")

    await page.route("**/events?*", opened)
    async with page.expect_response(lambda answer: answer.status == 410):
        yield
    is_refused = True


@contextlib.asynccontextmanager
async def without_javascript(browser: Browser) -> AsyncIterator[tuple[BrowserContext, Page]]:
    context = await browser.new_context(java_script_enabled=False, viewport=PHONE)
    page, _ = await page_of(context)
    yield context, page
    await context.close()


async def test_without_javascript_the_turn_comes_by_itself(desk: Desk, browser: Browser) -> None:
    async with without_javascript(browser) as (_, page):
        await page.goto(desk.url)
        await fill_in(page, name="Asha")
        await expect(page.get_by_text("You are next.")).to_be_visible()
        await expect(page.get_by_role("button", name="Alert me when it is my turn")).to_be_hidden()
        await page.get_by_role("link", name="Is there anything we should know?").click()
        await page.get_by_label("Is there anything we should know?").fill("A book")
        await page.get_by_role("button", name="Save").click()
        bob = await desk.stage.operator()
        await bob.sees("Says: A book")
        await page.get_by_label("Your message").fill("Hello!")  # the page has loaded itself again
        await page.get_by_role("button", name="Send").click()
        await bob.sees("Asha: Hello!")
        log = page.frame_locator("iframe[title=Conversation]")
        await expect(log.get_by_text("Hello!", exact=True)).to_be_visible()
        assert "Hello!" not in await page.get_by_label("Your message").input_value()


async def test_without_javascript_the_frame_loads_itself_time_after_time(
    desk: Desk, browser: Browser
) -> None:
    bob = await desk.stage.operator()
    async with without_javascript(browser) as (_, page):
        await page.goto(desk.url)
        await fill_in(page, name="Asha")
        log = page.frame_locator("iframe[title=Conversation]")
        await bob.sees("Name: Asha")
        for text in ("Which book?", "And which page?"):
            await bob.type(text)
            await expect(log.get_by_text(text)).to_be_visible()

        # The end: the frame leads the whole window to the last page.
        await bob.type(".end")
        await log.get_by_role("link", name="Go on").click()
        await expect(page.get_by_role("heading", name="Thank you for your visit")).to_be_visible()
        await expect(page.locator("iframe")).to_have_count(0)


async def test_without_javascript_a_visitor_leaves_and_no_other_site_can_do_it(
    desk: Desk, browser: Browser
) -> None:
    bob = await desk.stage.operator()
    async with without_javascript(browser) as (context, page):
        await page.goto(desk.url)
        await fill_in(page, name="Asha")
        await expect(page.get_by_label("Your message")).to_be_visible()
        other, _ = await page_of(context)
        form = f'<form method="post" action="{desk.url}leave"><button>Win!</button></form>'
        await other.goto(f"data:text/html,{form}")
        await other.get_by_role("button").click()
        await expect(other.get_by_text("This request comes from another site.")).to_be_visible()

        await page.get_by_text("Leave", exact=True).click()
        await expect(page.get_by_text("End the conversation?")).to_be_visible()
        await page.get_by_role("button", name="Yes, leave").click()
        await expect(page.get_by_text("You have left the help desk.")).to_be_visible()
        await bob.sees(re.compile(r"\[Asha has left\.\]"))
        await page.get_by_role("button", name="Start a new request").click()
        await expect(page.get_by_label("Full name")).to_be_visible()


async def test_a_visitor_and_an_operator_change_what_they_said(
    desk: Desk, browser: Browser
) -> None:
    bob = await desk.stage.operator()
    context = await browser.new_context(viewport=PHONE)
    page, troubles = await page_of(context)
    await page.goto(desk.url)
    await fill_in(page, name="Asha")
    await bob.sees("Name: Asha")
    mine, theirs = page.locator(".line.mine"), page.locator(".line.theirs")
    text = page.get_by_label("Your message", exact=True)
    await expect(text).to_be_visible()
    await page.wait_for_load_state()  # before its script runs, Enter begins a line
    for words in ("helo", "my pin is 1234"):
        await text.fill(words)
        await page.keyboard.press("Enter")
    await bob.sees("Asha: my pin is 1234")
    await expect(mine.locator(".mark.saved")).to_have_count(2)

    await mine.nth(0).get_by_role("link", name="Change").focus()
    await page.keyboard.press("Enter")
    area = page.get_by_label("Change your message")
    await expect(area).to_have_value("helo")
    await is_accessible(page)
    await area.fill("hello")
    await page.get_by_role("button", name="Save").click()
    await bob.sees('[Asha changed "helo" to "hello".]')
    await expect(mine.nth(0).locator(".text")).to_have_text("hello (edited)")
    await expect(text).to_be_focused()
    await mine.nth(1).get_by_role("link", name="Change").click()
    await page.get_by_role("button", name="Take back").click()
    await bob.sees(re.compile(r"\[Asha took back a message of \d\d:\d\d\.\]"))
    await expect(mine.nth(1).locator(".text")).to_have_text("[taken back]")

    await bob.type("how ca I help?", "/edit how can I help?")
    await bob.sees('[You changed "how ca I help?" to "how can I help?".]')
    await expect(theirs.locator(".text")).to_have_text("how can I help? (edited)")
    await expect(theirs.get_by_role("link")).to_have_count(0)
    await is_accessible(page)

    # The gateway is killed, and shows the same when it is back.
    await desk.gateway.kill()
    desk.gateway = await desk.start_gateway()
    await page.goto(desk.url)
    await expect(mine.nth(0).locator(".text")).to_have_text("hello (edited)")
    await expect(mine.nth(1).locator(".text")).to_have_text("[taken back]")
    await expect(theirs.locator(".text")).to_have_text("how can I help? (edited)")
    await bob.type("/retract")
    await expect(theirs.locator(".text")).to_have_text("[taken back]")
    await bob.type("/retract", ".end")
    await bob.sees("[There is no such message.]")
    await expect(page.get_by_role("heading", name="Thank you for your visit")).to_be_visible()
    await expect(page.get_by_role("link", name="Change")).to_have_count(0)
    await bob.type(".past 1")
    await bob.sees(re.compile(r"\d\d:\d\d:\d\d Asha: hello \(edited\)"))
    assert troubles == []
    await context.close()


async def test_without_javascript_a_line_is_changed_on_a_page_of_its_own(
    desk: Desk, browser: Browser
) -> None:
    bob = await desk.stage.operator()
    async with without_javascript(browser) as (_, page):
        await page.goto(desk.url)
        await fill_in(page, name="Asha")
        log = page.frame_locator("iframe[title=Conversation]")
        await bob.sees("Name: Asha")
        await page.get_by_label("Your message").fill("helo")
        await page.get_by_role("button", name="Send").click()
        await bob.sees("Asha: helo")
        await log.get_by_role("link", name="Change").click()
        area = page.get_by_label("Change your message")
        await expect(area).to_have_value("helo")
        await area.fill("hello")
        await page.get_by_role("button", name="Save").click()
        await bob.sees('[Asha changed "helo" to "hello".]')
        await expect(log.get_by_text("hello (edited)")).to_be_visible()
        await log.get_by_role("link", name="Change").click()
        await page.get_by_role("button", name="Take back").click()
        await expect(log.get_by_text("[taken back]")).to_be_visible()
