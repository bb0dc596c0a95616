"""The help desk on an operator's own page in a real browser: the program as operators see it, with a
registry and visitors beside it."""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.cast.browser import NEEDS_CHROMIUM, PHONE, is_accessible, page_of
from tests.cast.desk import CONNECTED, ON_DUTY, TURN
from tests.cast.lines import beginning
from tests.cast.people import Visitor
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage, playing
from tests.support.ports import free_port

HOSTILE: Final = (
    "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)

pytestmark = NEEDS_CHROMIUM


class OperatorsMachine:
    """A registry, and the program that serves the page of its operator bob."""

    def __init__(self, stage: Stage) -> None:
        self.stage: Final = stage
        self.port: Final = free_port()
        self.url: Final = f"http://127.0.0.1:{self.port}/"
        self.address = ""
        """The page's address with its token, as printed."""

    async def open(self) -> None:
        self.registry = await self.stage.registry("--operator", "bob")
        self.program = await self.start()

    async def start(self, home: str = "bob") -> Program:
        words = [
            "web",
            "--as",
            "bob",
            "127.0.0.1",
            str(self.stage.port),
            "--listen",
            str(self.port),
        ]
        environment = {"CHATAPP_CODE": self.stage.codes["bob"]}
        program = await self.stage.run(
            "page", [*CHATAPP, *words], home=home, environment=environment
        )
        self.address = await program.sees(beginning(self.url))
        return program


@pytest_asyncio.fixture(loop_scope="session")
async def machine(tmp_path: Path) -> AsyncIterator[OperatorsMachine]:
    """A registry and an operator's page; no program may write to standard error."""
    async with playing(tmp_path, is_forked=True) as stage:
        machine = OperatorsMachine(stage)
        await machine.open()
        yield machine


class PageWithAsha(NamedTuple):
    """An operator's page, and the visitor who is served there."""

    page: Page
    asha: Visitor


async def says(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


async def test_an_operator_serves_the_line_in_a_browser(
    machine: OperatorsMachine, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 1_280, "height": 800})
    page, troubles = await page_of(context)

    # Without the token there is one clear page; with it the page is there, at its secret path.
    await page.goto(machine.url)
    await expect(page.get_by_role("heading", name="This page is locked")).to_be_visible()
    await is_accessible(page)
    await page.goto(machine.address)
    home = page.url
    assert re.fullmatch(re.escape(machine.url) + r"[0-9a-f]{32}/1/\?with=desk", home)
    await expect(page.get_by_role("button", name="Go on duty", exact=True)).to_be_visible()
    await is_accessible(page)
    other = await context.new_page()
    action = f"{home.partition('?')[0]}desk/on"
    form = f'<form method="post" action="{action}"><button>go</button></form>'
    await other.goto(f"data:text/html,{form}")
    await other.get_by_role("button").click()
    await expect(other.get_by_text("This request comes from another site.")).to_be_visible()
    await other.close()

    # Two visitors come; the first is served, and what they say to each other arrives.
    asha = await machine.stage.joined("Asha", 1)
    await asha.type(".about <b>my account</b>")
    await machine.stage.joined("Ben", 2)
    await expect(page.get_by_text("2 visitors wait at desk")).to_be_visible()
    await page.get_by_role("button", name="Go on duty", exact=True).click()
    await asha.sees(TURN)
    await expect(page.get_by_text("<b>my account</b>")).to_be_visible()
    await says(page, "hello Asha")
    await asha.sees("bob: hello Asha")
    await expect(page.locator(".mine .mark.saved")).to_have_count(1)
    await asha.type(HOSTILE)
    await expect(page.locator(".theirs .text")).to_have_text(HOSTILE)
    await page.get_by_label("Note, for operators only").fill("resets the password")
    await page.get_by_role("button", name="Keep the note").click()
    await expect(page.get_by_text("Note about Asha kept.")).to_be_visible()
    await is_accessible(page)
    await page.set_viewport_size(PHONE)
    await is_accessible(page)

    # A file goes as a line.
    report = FilePayload(name="plan.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7 a plan")
    await page.locator("#picked").set_input_files(report)
    await expect(page.get_by_text("Offer to Asha:")).to_be_visible()
    await is_accessible(page)
    await page.get_by_role("button", name="Offer", exact=True).click()
    await asha.sees("bob: [file plan.pdf, 15 bytes: .get 3]")
    await expect(page.get_by_role("link", name="plan.pdf")).to_be_visible()

    # A second window shows the same; both follow.
    second, more_troubles = await page_of(context)
    await second.goto(home)
    await expect(second.locator("#choose .line")).to_have_count(3)
    await says(second, "from the other window")
    await asha.sees("bob: from the other window")
    await expect(page.locator("#choose .line")).to_have_count(4)
    await second.close()
    assert await page.title() != "owned"
    assert [*troubles, *more_troubles] == []
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page_with_asha(
    machine: OperatorsMachine, browser: Browser
) -> AsyncIterator[PageWithAsha]:
    """The page of an operator who serves Asha, and has a note about her."""
    context = await browser.new_context(viewport={"width": 1_280, "height": 800})
    page, troubles = await page_of(context)
    await page.goto(machine.address)
    asha = await machine.stage.joined("Asha", 1)
    await page.get_by_role("button", name="Go on duty", exact=True).click()
    await asha.sees(TURN)
    await expect(page.get_by_role("heading", name="Asha")).to_be_visible()
    await says(page, "hello Asha")
    await asha.sees("bob: hello Asha")
    await page.get_by_label("Note, for operators only").fill("resets the password")
    await page.get_by_role("button", name="Keep the note").click()
    await expect(page.get_by_text("Note about Asha kept.")).to_be_visible()
    yield PageWithAsha(page, asha)
    assert troubles == []
    await context.close()


async def test_a_line_typed_while_the_registry_is_away_arrives_later(
    machine: OperatorsMachine, page_with_asha: PageWithAsha
) -> None:
    page, asha = page_with_asha
    await machine.registry.kill()
    await expect(page.locator("#notes").get_by_text("server")).to_be_visible()
    await says(page, "still there?")
    await expect(page.locator(".mark.sending")).to_have_count(1)
    machine.registry = await machine.stage.registry("--operator", "bob")
    await asha.sees("bob: still there?")
    await expect(page.locator(".mark.sending")).to_have_count(0)


async def test_a_page_whose_program_was_killed_says_what_to_do_and_the_next_shows_all(
    machine: OperatorsMachine, page_with_asha: PageWithAsha
) -> None:
    page, _ = page_with_asha
    await machine.program.kill()
    await expect(page.get_by_text("Your program does not answer.")).to_be_visible()
    await says(page, "still there?")
    await expect(page.locator(".line.unsent")).to_have_text(re.compile("still there"))
    await page.get_by_label("Your message").fill("half a")
    machine.program = await machine.start()
    await expect(page.get_by_text("open the address that it prints")).to_be_visible()
    await expect(page.get_by_text("Not sent: still there?")).to_be_visible()
    await page.goto(machine.address)
    await expect(page.locator("#banner")).to_be_hidden()
    await expect(page.locator("#choose .line")).to_have_count(1)
    await expect(page.get_by_label("Your message")).to_have_value("half a")
    await expect(page.get_by_label("Note, for operators only")).to_have_value("resets the password")


async def test_lines_typed_while_the_program_hangs_are_said_once_and_in_order_when_it_goes_on(
    machine: OperatorsMachine, page_with_asha: PageWithAsha
) -> None:
    page, asha = page_with_asha
    machine.program.signal(signal.SIGSTOP)
    for text in ("one", "two", "three"):
        await says(page, text)
    await expect(page.locator(".line.unsent .text")).to_have_text(["one", "two", "three"])
    await is_accessible(page)
    machine.program.signal(signal.SIGCONT)
    await asha.sees("bob: three")
    await expect(page.locator(".line.mine .mark.saved")).to_have_count(4)
    await expect(page.locator(".line.unsent")).to_have_count(0)
    lines = asha.shown(beginning("bob: "))
    assert lines == ["bob: hello Asha", "bob: one", "bob: two", "bob: three"]


async def test_the_end_of_a_talk_can_be_undone_and_earlier_sessions_are_shown_by_themselves(
    machine: OperatorsMachine, page_with_asha: PageWithAsha
) -> None:
    page, asha = page_with_asha
    await asha.type("see https://example.org/a?b=1, please")
    await says(page, "and https://example.org/c_(d)!")
    await expect(
        page.get_by_role("link", name="https://example.org/c_(d)", exact=True)
    ).to_be_visible()
    link = page.get_by_role("link", name="https://example.org/a?b=1", exact=True)
    await expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))
    ben = await machine.stage.joined("Ben", 1)
    ends = page.get_by_text("This talk ends in")
    await page.keyboard.press("Alt+n")
    await expect(ends).to_be_visible()
    await is_accessible(page)
    await page.get_by_role("button", name="Undo").click()
    await expect(ends).to_be_hidden()
    await says(page, "one thing more")
    await asha.sees("bob: one thing more")
    await page.get_by_role("button", name="End talk, next").click()
    await ben.sees(TURN)
    await expect(page.get_by_role("heading", name="Ben")).to_be_visible()
    await page.get_by_role("button", name="End talk", exact=True).click()
    await expect(
        page.get_by_text("Ben has said nothing yet: Hold keeps the place.")
    ).to_be_visible()
    await page.get_by_role("button", name="End talk", exact=True).click()  # at once
    await expect(page.get_by_text("The session with Ben has ended.")).to_be_visible()
    again = await machine.stage.registrant("Asha")
    await again.sees(CONNECTED)
    await expect(page.get_by_role("heading", name="Earlier sessions")).to_be_visible()
    await page.locator("#earlier .session summary").click()
    await expect(page.locator("#earlier").get_by_text("one thing more")).to_be_visible()


async def test_a_visitor_is_passed_on_by_lists_that_escape_and_a_click_elsewhere_close(
    machine: OperatorsMachine, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 800, "height": 1_000})
    page, troubles = await page_of(context)
    await page.goto(machine.address)
    await expect(page.get_by_role("button", name="Go on duty", exact=True)).to_be_visible()
    machine.registry.signal(signal.SIGTERM)
    await machine.registry.ends()
    file = machine.stage.folder / "chatapp.toml"
    file.write_text('[desk]\nqueues = ["desk", "exams"]\noperators = ["bob", "eva"]\n')
    machine.registry = await machine.stage.registry("--config", str(file))
    machine.stage.note_code(await machine.registry.sees(beginning("[Operator eva: ")))
    eva = await machine.stage.peer("eva")
    await eva.type(".on")
    await eva.sees(ON_DUTY)
    await expect(page.get_by_text("1 operator on duty")).to_be_visible()  # it is back
    await page.get_by_role("button", name="Go on duty", exact=True).click()
    asha = await machine.stage.registrant("Asha")
    await asha.sees(CONNECTED)
    await eva.gets("Asha")
    await eva.type(".handover bob")
    await expect(page.get_by_role("heading", name="Asha")).to_be_visible()
    menu = page.locator("details.popup[open]")
    summary = page.get_by_text("Pass on", exact=True)
    await summary.click()
    await expect(page.get_by_label("To an operator")).to_have_text(re.compile("eva: free"))
    await expect(page.get_by_label("To a queue")).to_have_text(
        re.compile("exams: 0 wait, 0 on duty")
    )
    await is_accessible(page)
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await summary.click()
    await page.get_by_role("heading", name="The form").click()
    await expect(menu).to_have_count(0)
    await page.keyboard.press("Alt+p")
    await page.get_by_label("To an operator").select_option("eva")
    await page.get_by_role("button", name="Hand over").click()
    await eva.sees(beginning("[Handed-over client, from bob;"))
    assert troubles == []
    await context.close()


class Squatter:
    """Another program on the port of the page, which keeps what browsers send to it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.was_asked: Final = asyncio.Event()

    async def heard(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request with something that is not the page."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            self.was_asked.set()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        writer.close()

    def cookies(self) -> list[str]:
        """The cookies that browsers have shown."""
        return [
            line.removeprefix("Cookie: ")
            for request in self.requests
            for line in request.decode().split("\r\n")
            if line.startswith("Cookie: ")
        ]

    def paths(self) -> list[str]:
        """What browsers have asked for."""
        return [request.decode().split(" ")[1] for request in self.requests]


@contextlib.asynccontextmanager
async def squatting(port: int) -> AsyncIterator[Squatter]:
    """Have somebody else on the port."""
    squatter = Squatter()
    async with await asyncio.start_server(squatter.heard, "127.0.0.1", port, reuse_address=True):
        yield squatter


async def sent_again(port: int, requests: list[bytes]) -> list[bytes]:
    """Send requests as they were received, each on a connection of its own; return the first line
    of each answer."""
    answers = []
    for request in requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answers.append(await reader.readline())
        writer.close()
    return answers


async def test_who_takes_the_port_after_the_program_gets_nothing_that_works(
    machine: OperatorsMachine, browser: Browser
) -> None:
    context = await browser.new_context()
    page, troubles = await page_of(context)
    await page.goto(machine.address)
    used, home = machine.address, page.url
    await expect(page.get_by_role("button", name="Go on duty", exact=True)).to_be_visible()

    # The program ends: the page asks nobody any more. Whoever reloads it hands over what opened it.
    machine.program.signal(signal.SIGTERM)
    await machine.program.ends()
    await expect(page.get_by_text("close this page")).to_be_visible()
    async with squatting(machine.port) as squatter:
        await page.reload()
        await squatter.was_asked.wait()
    assert squatter.paths()[0] == home.removeprefix(machine.url.rstrip("/"))
    assert "Sec-Fetch-Mode: navigate" in squatter.requests[0].decode()
    (cookie,) = squatter.cookies()[:1]

    # In the next run none of it works: not as it was sent, not for the page of this run, not the
    # token.
    machine.program = await machine.start()
    assert await sent_again(machine.port, squatter.requests[:1]) == [b"HTTP/1.1 403 Forbidden\r\n"]
    await page.goto(machine.address)
    now = page.url.removeprefix(machine.url.rstrip("/"))
    request = f"GET {now} HTTP/1.1\r\nHost: 127.0.0.1:{machine.port}\r\nCookie: {cookie}\r\n\r\n"
    assert await sent_again(machine.port, [request.encode()]) == [b"HTTP/1.1 403 Forbidden\r\n"]
    for address in (used, machine.address):
        await page.goto(address)
        await expect(page.get_by_role("heading", name="This page is locked")).to_be_visible()
    assert troubles == []
    await context.close()


async def test_a_page_whose_program_was_killed_tells_nothing_to_who_takes_the_port(
    machine: OperatorsMachine, browser: Browser
) -> None:
    context = await browser.new_context()
    page, troubles = await page_of(context)
    await page.goto(machine.address)
    home = page.url
    await expect(page.get_by_role("button", name="Go on duty", exact=True)).to_be_visible()
    await machine.program.kill()
    async with squatting(machine.port) as squatter:
        await expect(page.get_by_text("close this page")).to_be_visible()
        await page.get_by_role("button", name="Go on duty", exact=True).click()
        await expect(page.get_by_text("close this page")).to_be_visible()
    assert squatter.paths()
    assert all(re.fullmatch(r"/proof\?nonce=[0-9a-f-]{36}", path) for path in squatter.paths())
    assert squatter.cookies() == []
    assert home.split("/")[3] not in str(squatter.requests)
    assert troubles == []
    await context.close()


async def test_a_page_beside_a_program_that_runs_under_the_name(
    machine: OperatorsMachine, browser: Browser
) -> None:
    await machine.program.kill()
    bob = await machine.stage.peer("bob")
    await bob.type(".on")
    await bob.sees(ON_DUTY)
    machine.program = await machine.start()
    context = await browser.new_context()
    page, troubles = await page_of(context)
    await page.goto(machine.address)
    await expect(page.get_by_role("button", name="Go off duty")).to_be_visible()
    asha = await machine.stage.registrant("Asha")
    await asha.sees(CONNECTED)
    await expect(page.get_by_role("heading", name="Asha")).to_be_visible()
    await says(page, "hello from the page")
    await asha.sees("bob: hello from the page")
    await asha.type("hello")
    await bob.sees("Asha: hello")
    await expect(page.locator(".theirs .text")).to_have_text("hello")
    await bob.kill()  # the program of the page runs the peer from now on
    await asha.type("still there?")
    await expect(page.locator(".theirs .text")).to_have_text(["hello", "still there?"])
    await says(page, "yes")
    await asha.sees("bob: yes")
    await expect(page.locator(".mine .text")).to_have_text(["hello from the page", "yes"])
    assert troubles == []
    await context.close()


async def test_what_was_said_is_changed_and_taken_back_at_both_ends(
    machine: OperatorsMachine, page_with_asha: PageWithAsha
) -> None:
    page, asha = page_with_asha
    mine, theirs = page.locator(".line.mine"), page.locator(".line.theirs")

    # The visitor, at a terminal.
    await asha.type("helo", "my pin is 1234")
    await expect(theirs).to_have_count(2)
    await asha.type("/edit 2 hello", "/retract", "/edit 7 nothing")
    await asha.sees('[You changed "helo" to "hello".]')
    await asha.sees('[You took back "my pin is 1234".]')
    await asha.sees("[There is no such message of yours.]")
    await expect(theirs.nth(0).locator(".text")).to_have_text("hello (edited)")
    await expect(theirs.nth(1).locator(".text")).to_have_text("[taken back]")
    await expect(theirs.get_by_role("link", name="Change")).to_have_count(0)

    # The operator, in a browser, by keys alone.
    await mine.get_by_role("link", name="Change").focus()
    await page.keyboard.press("Enter")
    area = page.get_by_label("Change your message")
    await expect(area).to_be_focused()
    await expect(area).to_have_value("hello Asha")
    await is_accessible(page)
    await page.keyboard.press("Escape")
    await expect(area).to_have_count(0)
    await expect(page.get_by_label("Your message")).to_be_focused()
    await mine.get_by_role("link", name="Change").click()
    await area.fill("hello, Asha Rao")
    await page.keyboard.press("Enter")
    await asha.sees('[bob changed "hello Asha" to "hello, Asha Rao".]')
    await expect(mine.locator(".text")).to_have_text("hello, Asha Rao (edited)")
    await expect(mine.locator(".mark.saved")).to_have_count(1)
    await is_accessible(page)

    # Another program of the operator's, and a registry that was killed, show the same.
    await machine.registry.kill()
    await mine.get_by_role("link", name="Change").click()
    await page.get_by_role("button", name="Take back").click()
    await expect(mine.locator(".mark.sending")).to_have_count(1)
    await expect(area).to_have_count(0)
    machine.registry = await machine.stage.registry("--operator", "bob")
    await asha.sees(re.compile(r"\[bob took back a message of \d\d:\d\d\.\]"))
    await expect(mine.locator(".text")).to_have_text("[taken back]")
    await page.reload()
    await expect(theirs.nth(0).locator(".text")).to_have_text("hello (edited)")
    await expect(mine.locator(".text")).to_have_text("[taken back]")
    await page.get_by_role("button", name="End talk", exact=True).click()
