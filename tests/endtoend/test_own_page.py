"""A person's own page in a real browser: alice in Chromium, bob at a terminal."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, ViewportSize, expect

from chatapp.peer.faces.web.limits import WINDOWS_MAX
from tests.cast.browser import NEEDS_CHROMIUM, PHONE, is_accessible, page_of
from tests.cast.people import Person
from tests.cast.stage import Stage

HOSTILE: Final = (
    "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)
ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32}")
SMALLEST: Final[ViewportSize] = {"width": 320, "height": 568}

pytestmark = NEEDS_CHROMIUM


class Talk(NamedTuple):
    """Alice's page, her terminal, and bob."""

    page: Page
    troubles: list[str]
    alice: Person
    bob: Person

    async def says(self, text: str) -> None:
        await self.page.get_by_label("Your message").fill(text)
        await self.page.keyboard.press("Enter")

    async def opens(self, name: str) -> None:
        await self.page.locator("#list").get_by_text(name, exact=True).click()
        await expect(self.page.locator("#head h2")).to_have_text(name)

    def line(self, text: str) -> Locator:
        return self.page.locator(".entry", has=self.page.get_by_text(text, exact=True))

    async def chooses(self, text: str) -> None:
        await self.line(text).get_by_role("button").click()
        await expect(self.page.get_by_label("The chosen message")).to_be_visible()


async def entered(context: BrowserContext, alice: Person) -> tuple[Page, list[str]]:
    page, troubles = await page_of(context)
    await page.goto(await alice.sees(ADDRESS))
    await expect(page.get_by_label("Your message")).to_be_attached()
    return page, troubles


@pytest_asyncio.fixture(loop_scope="session")
async def talk(stage: Stage, browser: Browser) -> AsyncIterator[Talk]:
    """Alice has just opened her page; she and bob know each other."""
    await stage.registry()
    bob = await stage.come("bob")
    alice = await stage.come("alice", "--web")
    await alice.knows("bob")
    context = await browser.new_context(viewport={"width": 1_280, "height": 800})
    page, troubles = await entered(context, alice)
    yield Talk(page, troubles, alice, bob)
    await context.close()


async def test_alice_in_a_browser_talks_to_bob_at_a_terminal(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await expect(page.get_by_text("Welcome, alice.")).to_be_visible()
    await is_accessible(page)

    # Bob writes. The list and the title count it; it is read when she opens the conversation.
    await bob.type("send alice the probe is up", f"send alice {HOSTILE}")
    await expect(page).to_have_title("(2) ChatApp alice")
    await talk.opens("bob")
    await expect(page.locator("#new")).to_be_visible()
    await expect(page.locator(".theirs .text").nth(1)).to_have_text(HOSTILE)
    await expect(page).to_have_title("bob · ChatApp alice")
    await is_accessible(page)

    # She answers, and sees that it has come; what she does in the page stands in her terminal.
    await page.get_by_label("Your message").press_sequentially("what does it ")
    await talk.says("what does it say?")
    await bob.sees("alice: what does it say?")
    await talk.alice.sees("alice to bob: what does it say?")
    await expect(talk.line("what does it say?").locator(".mark")).to_have_text("✓received")

    # A reply, an emoji, another text, and a line that is taken back: both ways.
    await talk.chooses("the probe is up")
    await is_accessible(page)
    await page.get_by_role("button", name="Reply").click()
    await talk.says("good")
    await bob.sees('alice (to "the probe is up"): good')
    await bob.type("/react 👍")
    await expect(page.get_by_text('(to "the probe is up") good [👍 1]')).to_be_visible()
    await talk.chooses("what does it say?")
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_label("Your message")).to_have_value("what does it say?")
    await talk.says("what does it say now?")
    await bob.sees('[alice changed "what does it say?" to "what does it say now?".]')
    await talk.chooses("the probe is up")
    await page.get_by_role("button", name="🎉").click()
    await bob.sees('[alice: 🎉 to "the probe is up".]')
    await talk.chooses("what does it say now? (edited)")
    await page.get_by_role("button", name="Take back").click()
    await bob.sees(re.compile(r"\[alice took back a message of \d\d:\d\d\.\]"))
    await bob.type("/edit the probe is down")
    await expect(page.get_by_text("the probe is down (edited)")).to_be_visible()

    # How a message was delivered, a search with a jump, a safety number, the doctor, the help.
    await talk.chooses("the probe is up [🎉 1]")
    await page.get_by_role("button", name="How it was delivered").click()
    panel = page.get_by_label("Beside the conversation")
    await expect(panel.get_by_role("heading", level=2)).to_have_text(
        "How this message was delivered"
    )
    await is_accessible(page)
    await page.keyboard.press("Alt+s")
    await panel.get_by_label("Words that the message contains").fill("good")
    await page.keyboard.press("Enter")
    await expect(panel.get_by_text("1 message found.")).to_be_visible()
    await is_accessible(page)
    await panel.get_by_role("button", name=re.compile("good")).click()
    await expect(page.locator(".line.chosen")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Verify").click()
    await expect(panel.locator(".digits > span")).to_have_count(12)
    await expect(panel.get_by_role("heading", level=3)).to_have_text(["Your half", "bob's half"])
    shown = await panel.locator(".digits [aria-hidden]").all_inner_texts()
    await bob.type("/verify alice")
    digits = await bob.sees(re.compile(r"\[(\d{5} ){11}\d{5}\]"))
    halves = (shown[:6], shown[6:])
    assert digits in [f"[{' '.join(one + other)}]" for one, other in (halves, halves[::-1])]
    await is_accessible(page)
    await panel.get_by_role("button", name="They match").click()
    await expect(panel.get_by_text("You have verified this key.")).to_be_visible()
    await page.get_by_role("button", name="Doctor").click()
    await expect(panel.locator(".findings .fine").first).to_be_visible()
    await is_accessible(page)
    await page.get_by_role("button", name="Help").click()
    await is_accessible(page)
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()

    # A room; everybody, after a question.
    await bob.type("join lab")
    await bob.sees("[You are in lab, alone so far.]")
    await page.keyboard.press("Alt+k")
    await panel.get_by_role("button", name=re.compile("lab")).click()
    await expect(page.locator("#head h2")).to_have_text("# lab")
    await talk.says("hello, lab")
    await bob.sees("alice (in lab): hello, lab")
    await bob.type("alice, the bus leaves")
    await expect(page.locator(".theirs.calls")).to_have_text(re.compile("the bus leaves"))
    await page.get_by_role("button", name="Leave").click()
    await bob.sees("alice left lab.")
    await expect(page.get_by_role("button", name="Enter")).to_be_visible()
    await talk.opens("everybody")
    await talk.says("good morning")
    await is_accessible(page)
    await page.get_by_role("button", name="Yes").click()
    await bob.sees("[Channel_Message alice: good morning]")

    assert await page.title() != "owned"
    assert talk.troubles == []


async def test_who_types_faster_than_the_network_is_understood(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await bob.type("send alice the probe is up")
    await talk.opens("bob")
    begun, held = asyncio.Event(), list[Route]()

    async def hold(route: Route) -> None:
        held.append(route)
        begun.set()

    await talk.chooses("the probe is up")
    await page.route("**/do/about", hold)
    await page.get_by_role("button", name="Reply").click()
    await talk.says("good")
    await bob.sees('alice (to "the probe is up"): good')
    await begun.wait()
    await held[0].continue_()
    await page.unroute("**/do/about")

    # What was typed before another text is begun comes back after it, and when it is given up.
    said = '(to "the probe is up") good'
    for end in ("Cancel", "Send"):
        await talk.chooses(said)
        await page.get_by_label("Your message").fill("half a line")
        await page.get_by_role("button", name="Edit").click()
        await expect(page.get_by_label("Your message")).to_have_value("good")
        await page.get_by_label("Your message").fill("better")
        await page.get_by_role("button", name=end).click()
        await expect(page.get_by_label("Your message")).to_have_value("half a line")
    await bob.sees('[alice changed "good" to "better".]')
    await talk.chooses('(to "the probe is up") better (edited)')
    await page.get_by_role("button", name="Reply").click()
    await expect(page.get_by_label("Your message")).to_have_value("half a line")
    assert talk.troubles == []


async def test_on_a_phone_one_thing_is_shown_at_a_time(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await page.set_viewport_size(PHONE)
    await expect(page.locator("#talk")).to_be_hidden()
    await is_accessible(page)
    await bob.type("send alice " + "long" * 80)
    await page.locator("#list").get_by_text("bob").click()
    await expect(page.locator("#side")).to_be_hidden()
    await talk.says("on my phone")
    await bob.sees("alice: on my phone")
    for size in (PHONE, SMALLEST):
        await page.set_viewport_size(size)
        await talk.chooses("on my phone")
        await is_accessible(page)
        await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Verify").click()
    await expect(page.locator(".digits > span")).to_have_count(12)
    await is_accessible(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="Conversations").click()
    await expect(page.locator("#talk")).to_be_hidden()
    await is_accessible(page)
    assert talk.troubles == []


async def test_the_keyboard_does_all(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await bob.type("send alice one", "send alice two")
    await expect(page).to_have_title("(2) ChatApp alice")
    await page.keyboard.press("Alt+a")
    await expect(page.get_by_label("Your message")).to_be_focused()
    await expect(page).to_have_title("bob · ChatApp alice")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Reply")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Your message")).to_be_focused()
    await page.keyboard.type("first of all")
    await page.keyboard.press("Enter")
    await bob.sees('alice (to "one"): first of all')

    # What is begun behind @ or / can be completed.
    await page.keyboard.type("hello @bo")
    await expect(page.get_by_role("button", name="@bob")).to_be_visible()
    await is_accessible(page)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Your message")).to_have_value("hello @bob ")
    await expect(page.get_by_label("Your message")).to_be_focused()
    await expect(page.get_by_role("button", name="@bob")).to_be_hidden()
    await page.get_by_label("Your message").fill("/verif")
    await expect(page.get_by_role("button", name="/verify")).to_be_visible()


async def test_reload_second_window_back_and_the_end_of_the_program(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await talk.opens("bob")
    await talk.says("hello")
    await talk.opens("everybody")
    await page.get_by_label("Your message").press_sequentially("not yet")
    await talk.opens("bob")
    await page.go_back()
    await expect(page.locator("#head h2")).to_have_text("everybody")
    await expect(page.get_by_label("Your message")).to_have_value("not yet")
    await page.go_back()
    await expect(page.locator("#head h2")).to_have_text("bob")
    await expect(talk.line("hello")).to_have_count(1)
    await page.reload()
    await expect(talk.line("hello")).to_have_count(1)
    second, troubles = await page_of(page.context)
    await second.goto(re.sub(r"\d+/\?.*", "", page.url))
    await second.locator("#list").get_by_text("bob").click()
    await second.get_by_label("Your message").fill("from the second")
    await second.keyboard.press("Enter")
    await expect(talk.line("from the second")).to_have_count(1)
    await bob.type("send alice to both")
    for window in (page, second):
        await expect(window.get_by_text("to both", exact=True)).to_have_count(1)
    await second.close()

    # A window that was closed meanwhile is followed by another one, which sends what waits.
    await page.evaluate("feed.stream.close(); feed.isLive = false")
    await talk.says("in the meantime")
    for _ in range(WINDOWS_MAX):
        opened = await page.context.new_page()
        await opened.goto(re.sub(r"\d+/\?.*", "", page.url))
        await opened.close()
    await page.evaluate("feed.connect()")
    await bob.sees("alice: in the meantime")
    await expect(talk.line("in the meantime")).to_have_count(1)

    # The terminal is killed with all that it serves. What is typed then stays in sight.
    talk.alice.signal(signal.SIGSTOP)
    await talk.says("too late")
    talk.alice.signal(signal.SIGKILL)
    await expect(page.get_by_role("alert")).to_have_text(re.compile("does not answer"))
    await expect(page.locator(".unsent")).to_have_text(re.compile("too late"))
    assert [*talk.troubles, *troubles] == []
    assert bob.shown("alice: too late") == []


async def test_a_page_outlives_the_program_that_runs_the_node(
    stage: Stage, browser: Browser
) -> None:
    await stage.registry()
    bob = await stage.come("bob")
    first = await stage.come("alice")
    await first.knows("bob")
    alice = await stage.peer("alice", "--web")
    context = await browser.new_context()
    page, troubles = await entered(context, alice)
    await page.locator("#list").get_by_text("bob").click()
    await first.kill()
    await page.get_by_label("Your message").fill("still here")
    await page.keyboard.press("Enter")
    await bob.sees("alice: still here")
    await bob.type("send alice good")
    await expect(page.get_by_text("good", exact=True)).to_have_count(1)
    await expect(page.get_by_text("still here", exact=True)).to_have_count(1)

    # The end of the terminal is the end of the page, which says so.
    await alice.quits("/quit")
    await expect(page.get_by_role("alert")).to_have_text(re.compile("Your program has ended."))
    assert troubles == []
    await context.close()


async def test_after_a_night_of_sleep_the_page_has_what_was_said(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await page.clock.install()
    await page.reload()
    await talk.opens("bob")
    # The connection is gone, and nothing tells so.
    await page.evaluate("feed.stream.onmessage = feed.stream.onerror = null")
    await bob.type("send alice good morning")
    await talk.alice.sees("bob: good morning")
    await page.clock.fast_forward("08:00:00")
    await page.clock.fast_forward(5_000)
    await expect(talk.line("good morning")).to_have_count(1)
    assert talk.troubles == []


async def test_a_message_to_a_page_in_the_background_is_a_notice_of_the_system(talk: Talk) -> None:
    page, bob = talk.page, talk.bob
    await page.context.grant_permissions(["notifications"])
    await page.reload()
    await page.evaluate(
        """() => {
          window.notices = [];
          window.Notification = class { constructor(text) { notices.push(text); } close() {} };
          window.Notification.permission = "granted";
          Object.defineProperty(document, "hidden", { get: () => true });
        }"""
    )
    await bob.type("send alice are you there?")
    await expect(page).to_have_title("(1) ChatApp alice")
    assert await page.evaluate("notices") == ["bob: are you there?"]
    assert talk.troubles == []


async def test_without_script_the_page_is_readable_and_sends(
    stage: Stage, browser: Browser
) -> None:
    await stage.registry()
    bob = await stage.come("bob")
    alice = await stage.come("alice", "--web")
    await alice.knows("bob")
    context = await browser.new_context(java_script_enabled=False, viewport=PHONE)
    page, _ = await entered(context, alice)
    await bob.type("send alice the probe is up")
    await alice.sees("bob: the probe is up")
    await page.reload()
    await page.locator("#list").get_by_text("bob").click()
    log = page.frame_locator("iframe")
    await expect(log.get_by_text("the probe is up")).to_be_visible()
    await page.get_by_label("Your message").fill("very good")
    await page.get_by_role("button", name="Send").click()
    await bob.sees("alice: very good")
    await expect(log.get_by_text("very good")).to_be_visible()
    await log.get_by_role("button", name=re.compile("Choose bob")).click()
    await page.get_by_role("button", name="Reply").click()
    await page.get_by_label("Your message").fill("indeed")
    await page.get_by_role("button", name="Send").click()
    await bob.sees('alice (to "the probe is up"): indeed')
    await context.close()
