"""A web desk with members in a real browser: three of them, somebody at a terminal, and a visitor."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, FilePayload, Page, Route, expect

from chatapp.peer.words import accounts as words
from tests.cast.browser import NEEDS_CHROMIUM, PHONE, is_accessible, page_of
from tests.cast.lines import beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage, playing
from tests.support.ports import free_port

PASSPHRASE: Final = "four words are easy"

pytestmark = NEEDS_CHROMIUM


class Desk:
    """A registry, and a web desk with members."""

    def __init__(self, stage: Stage) -> None:
        self.stage: Final = stage
        self.port: Final = free_port()
        self.url: Final = f"http://127.0.0.1:{self.port}/"

    async def open(self) -> None:
        self.registry = await self.stage.registry("--operator", "dave")
        self.gateway = await self.start_gateway()

    async def start_gateway(self) -> Program:
        words = ["web", "127.0.0.1", str(self.stage.port), "--listen", str(self.port)]
        command = [*CHATAPP, *words, "--members", "5"]
        gateway = await self.stage.run("gateway", command, home="gateway")
        await gateway.sees(beginning("[Members can sign in:"))
        return gateway


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with playing(tmp_path) as stage:
        desk = Desk(stage)
        await desk.open()
        yield desk


class Member:
    """Somebody with a browser."""

    def __init__(self, name: str, context: BrowserContext, page: Page, troubles: list[str]) -> None:
        self.name: Final = name
        self.context: Final = context
        self.page: Final = page
        self.troubles: Final = troubles

    @classmethod
    async def come(
        cls, name: str, browser: Browser, desk: Desk, *, phone: bool = False, code: str = ""
    ) -> "Member":
        """Open a browser, and make an account. `code`: a join code."""
        size = PHONE if phone else {"width": 1_280, "height": 800}
        context = await browser.new_context(viewport=size)
        page, troubles = await page_of(context)
        await page.goto(f"{desk.url}members/")
        await expect(page.get_by_text(words.WHO_READS)).to_be_visible()
        await page.get_by_text("New here?").click()
        form = page.locator("form[action$=new]")
        await form.get_by_label("Name, by which").fill(name)
        await form.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
        await form.get_by_label("The same passphrase again").fill(PASSPHRASE)
        await form.get_by_label("Join code").fill(code)
        await is_accessible(page)
        await form.get_by_role("button", name="Make an account").click()
        member = cls(name, context, page, troubles)
        await member.is_in()
        return member

    async def is_in(self) -> None:
        await expect(self.page).to_have_title(re.compile(f"ChatApp {self.name}$"))

    async def opens(self, name: str) -> None:
        listed = self.page.locator("#list").get_by_text(name, exact=True)
        await listed.click()
        await expect(self.page.locator("#head h2")).to_have_text(name)

    async def says(self, text: str) -> None:
        await self.page.get_by_label("Your message").fill(text)
        await self.page.keyboard.press("Enter")

    async def reads(self, text: str) -> None:
        line = self.page.locator(".entry", has=self.page.get_by_text(text, exact=True))
        await expect(line).to_have_count(1)


async def test_members_a_terminal_and_a_visitor_over_the_end_of_each_program(
    desk: Desk, browser: Browser, tmp_path: Path
) -> None:
    stage = desk.stage
    dave = await stage.operator("dave")

    # Three people who have nothing but a browser make accounts, and know each other and dave.
    alice = await Member.come("alice", browser, desk)
    bob = await Member.come("bob", browser, desk)
    carol = await Member.come("carol", browser, desk, phone=True)
    await dave.knows("alice", "bob", "carol")
    await expect(carol.page.locator("#list").get_by_text("dave", exact=True)).to_be_visible()
    await is_accessible(alice.page)
    await is_accessible(carol.page)

    # The page can be installed.
    browser_itself = await alice.context.new_cdp_session(alice.page)
    manifest = await browser_itself.send("Page.getAppManifest")
    assert (manifest["errors"], "/members/assets/" in manifest["url"]) == ([], False)
    found = await browser_itself.send("Page.getInstallabilityErrors")
    assert [one["errorId"] for one in found["installabilityErrors"]] == ["in-incognito"]

    # They talk: to each other, and to the terminal.
    await alice.opens("bob")
    await alice.says("is the lab open?")
    await bob.opens("alice")
    await bob.reads("is the lab open?")
    await bob.says("since nine")
    await alice.reads("since nine")
    await carol.opens("dave")
    await carol.says("hello from a phone")
    await dave.sees("carol: hello from a phone")
    await dave.type("send carol hello from a terminal")
    await carol.reads("hello from a terminal")

    # A visitor comes to the same web desk, and is served by dave.
    context = await browser.new_context(viewport=PHONE)
    visitor, visitor_troubles = await page_of(context)
    await visitor.goto(desk.url)
    await expect(visitor.get_by_role("link", name="Sign in")).to_be_visible()
    await visitor.get_by_label("Full name").fill("Asha Rao")
    await visitor.get_by_label("Mobile number").fill("98765 43210")
    await visitor.get_by_label("Other").check()
    await visitor.get_by_role("button", name="Join the queue").click()
    await dave.gets("Asha Rao")
    await dave.type("how can I help?")
    await expect(visitor.get_by_text("how can I help?")).to_be_visible()

    # The web desk is killed. What is typed meanwhile is sent once when it is back, and nobody signs
    # in again: neither do the pages need to be loaded.
    desk.gateway.signal(signal.SIGKILL)
    await desk.gateway.ends()
    await expect(alice.page.locator("#banner")).to_be_visible()
    await alice.says("typed while it was away")
    desk.gateway = await desk.start_gateway()
    await bob.reads("typed while it was away")
    await alice.reads("typed while it was away")
    await alice.reads("since nine")
    await expect(visitor.get_by_text("how can I help?")).to_be_visible()
    await dave.type("are you still there?")
    await expect(visitor.get_by_text("are you still there?")).to_be_visible()

    # It is killed when a line is stored, and before the page hears that; and when it has read
    # nothing of one. The page asks again by the same key: nothing is lost, and nothing comes twice.
    async def is_killed(route: Route) -> None:
        await route.fetch()
        desk.gateway.signal(signal.SIGKILL)
        await desk.gateway.ends()
        await route.abort()

    await alice.page.route("**/do/say", is_killed, times=1)
    await alice.says("stored, and not answered")
    await expect(alice.page.locator("#banner")).to_be_visible()
    desk.gateway = await desk.start_gateway()
    await expect(alice.page.locator("#banner")).to_be_hidden()
    desk.gateway.signal(signal.SIGSTOP)
    await alice.says("never read")
    desk.gateway.signal(signal.SIGKILL)
    await desk.gateway.ends()
    await expect(alice.page.locator("#banner")).to_be_visible()
    desk.gateway = await desk.start_gateway()
    await expect(alice.page.locator("#banner")).to_be_hidden()
    await alice.says("and then")
    for text in ("and then", "never read", "stored, and not answered"):
        await bob.reads(text)
        await alice.reads(text)
    await expect(alice.page.locator(".unsent")).to_have_count(0)
    assert await alice.page.evaluate("sessionStorage.length") == 0

    # The registry is killed: they talk on, and it takes them in again.
    desk.registry.signal(signal.SIGKILL)
    await desk.registry.ends()
    await bob.says("without a registry")
    await alice.reads("without a registry")
    desk.registry = await stage.registry("--operator", "dave")
    await dave.type("/send carol back again")
    await carol.reads("back again")

    # Alice signs out. Her folder is sealed, and the browser has nothing of her: bob signs in there.
    await alice.page.get_by_role("link", name="Account").click()
    await expect(alice.page.get_by_role("heading", name="Your account")).to_be_visible()
    await is_accessible(alice.page)
    await alice.page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(alice.page.get_by_text(words.SIGNED_OUT)).to_be_visible()
    assert await alice.context.cookies() == []
    assert await alice.page.evaluate("sessionStorage.length + localStorage.length") == 0
    (account,) = (tmp_path / "gateway").rglob("n-alice")
    assert sorted(path.name for path in account.iterdir()) == ["account", "sealed"]
    for _ in range(2):
        await alice.page.go_back()
        await expect(alice.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(alice.page.get_by_text("since nine")).to_have_count(0)
    await bob.says("see you tomorrow")
    await alice.page.get_by_label("Name", exact=True).first.fill("alice")
    await alice.page.locator("#passphrase").fill("not the one")
    await alice.page.get_by_role("button", name="Sign in").click()
    await expect(alice.page.get_by_role("alert")).to_have_text(words.WRONG)
    await alice.page.locator("#passphrase").fill(PASSPHRASE)
    await alice.page.get_by_role("button", name="Sign in").click()
    await alice.is_in()
    await alice.opens("bob")
    await alice.reads("since nine")
    await alice.reads("see you tomorrow")

    for member in (alice, bob, carol):
        assert member.troubles == []
        await member.context.close()
    assert visitor_troubles == []
    await context.close()


async def test_an_operator_among_the_members_serves_with_and_without_script(
    desk: Desk, browser: Browser
) -> None:
    dave = await Member.come("dave", browser, desk, code=desk.stage.codes["dave"])
    page = dave.page
    await page.get_by_role("link", name="Help desk").click()
    await page.get_by_role("button", name="Go on duty", exact=True).click()
    asha = await desk.stage.registrant("Asha")
    await expect(page.get_by_role("heading", name="Asha")).to_be_visible()

    # What the visitor says while another conversation is open is counted.
    await dave.opens("everybody")
    await asha.type("which book?")
    await expect(page).to_have_title(re.compile(r"^\(1\)"))
    await page.locator("#list").get_by_text("the help desk").click()
    await expect(page).to_have_title("Asha · ChatApp dave")
    await dave.says("the blue one")
    await asha.sees("dave: the blue one")
    assert dave.troubles == []

    # The same without script: a line, another text for it, a note, a file, the end.
    context = await browser.new_context(java_script_enabled=False, viewport=PHONE)
    await context.add_cookies(await dave.context.cookies())  # type: ignore[arg-type]
    plain, _ = await page_of(context)
    await plain.goto(f"{desk.url}members/")
    await plain.locator("#list").get_by_text("the help desk").click()
    await plain.get_by_label("Your message").fill("the blu")
    await plain.get_by_role("button", name="Send", exact=True).click()
    await asha.sees("dave: the blu")
    await plain.frame_locator("iframe").get_by_role("link", name="Change").last.click()
    await plain.get_by_label("Change your message").fill("the blue")
    await plain.get_by_role("button", name="Save").click()
    await asha.sees('[dave changed "the blu" to "the blue".]')
    await plain.get_by_label("Note, for operators only").fill("lent a book")
    await plain.get_by_role("button", name="Keep the note").click()
    await expect(plain.get_by_text("Note about Asha kept.")).to_be_visible()
    plan = FilePayload(name="plan.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7 a plan")
    await plain.set_input_files("#file-given", plan)
    await plain.get_by_role("button", name="Offer").click()
    await asha.sees(beginning("dave: [file plan.pdf, "))
    for _ in range(2):
        await plain.get_by_role("button", name="End talk", exact=True).click()
    await asha.sees(beginning("[The operator has ended the session."))
    await expect(page.get_by_role("heading", name="No visitor")).to_be_visible()
    for member in (dave.context, context):
        await member.close()
