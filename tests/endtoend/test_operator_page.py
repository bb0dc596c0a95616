"""The operator's page in a real browser: the program as operators see it, with a registry and visitors beside it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.endtoend.chromium import NEEDS_CHROMIUM, PHONE, WITHIN, is_accessible, page_of
from tests.endtoend.desk import CONNECTED, ON_DUTY, TURN, joined, visitor
from tests.endtoend.lines import beginning
from tests.support.ports import free_port
from tests.support.program import Program
from tests.support.stage import CHATAPP, Stage

HOSTILE: Final = "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

pytestmark = [NEEDS_CHROMIUM, pytest.mark.asyncio(loop_scope="session")]


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
        words = ["web", "--as", "bob", "127.0.0.1", str(self.stage.port), "--listen", str(self.port)]
        environment = {"CHATAPP_CODE": self.stage.codes["bob"]}
        program = await self.stage.run("page", [*CHATAPP, *words], home=home, environment=environment)
        self.address = await program.sees(beginning(self.url))
        return program


@pytest_asyncio.fixture(loop_scope="session")
async def machine(tmp_path: Path) -> AsyncIterator[OperatorsMachine]:
    """A registry and an operator's page; no program may write to standard error."""
    machine = OperatorsMachine(Stage(tmp_path))
    try:
        await machine.open()
        yield machine
        assert machine.stage.complaints() == []
    finally:
        await machine.stage.close()
        print(*machine.stage.programs, sep="\n")


async def says(page: Page, text: str) -> None:
    await page.get_by_label("Your answer").fill(text)
    await page.keyboard.press("Enter")


async def test_an_operator_serves_the_line_in_a_browser(machine: OperatorsMachine, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 1_280, "height": 800})
    page, troubles = await page_of(context)

    # Without the token there is one clear page; with it the page is there, at its secret path.
    await page.goto(machine.url)
    await expect(page.get_by_role("heading", name="This page is locked")).to_be_visible()
    await is_accessible(page)
    await page.goto(machine.address)
    home = page.url
    assert re.fullmatch(re.escape(machine.url) + r"[0-9a-f]{32}/", home)
    await expect(page.get_by_role("button", name="Go on duty", exact=True)).to_be_visible(timeout=WITHIN)
    await is_accessible(page)
    other = await context.new_page()
    form = f'<form method="post" action="{home}do/on"><button>go</button></form>'
    await other.goto(f"data:text/html,{form}")
    await other.get_by_role("button").click()
    await expect(other.get_by_text("This request comes from another site.")).to_be_visible(timeout=WITHIN)
    await other.close()

    # Two visitors come; the first is served, and what they say to each other arrives.
    asha = await joined(machine.stage, "Asha", 1)
    await asha.type(".about <b>my account</b>")
    ben = await joined(machine.stage, "Ben", 2)
    await expect(page.get_by_text("2 visitors wait at desk")).to_be_visible(timeout=WITHIN)
    await page.get_by_role("button", name="Go on duty", exact=True).click()
    await asha.sees(TURN)
    await expect(page.get_by_text("<b>my account</b>")).to_be_visible(timeout=WITHIN)
    await says(page, "hello Asha")
    await asha.sees("bob: hello Asha")
    await expect(page.locator(".mine .mark.saved")).to_have_count(1, timeout=WITHIN)
    await asha.type(HOSTILE)
    await expect(page.locator(".theirs .text")).to_have_text(HOSTILE, timeout=WITHIN)
    await page.get_by_label("Note, for operators only").fill("resets the password")
    await page.get_by_role("button", name="Keep the note").click()
    await expect(page.get_by_text("Note about Asha kept.")).to_be_visible(timeout=WITHIN)
    await is_accessible(page)
    await page.set_viewport_size(PHONE)
    await is_accessible(page)

    # A second window shows the same; both follow.
    second, more_troubles = await page_of(context)
    await second.goto(home)
    await expect(second.locator(".line")).to_have_count(2, timeout=WITHIN)
    await says(second, "from the other window")
    await asha.sees("bob: from the other window")
    await expect(page.locator(".line")).to_have_count(3, timeout=WITHIN)
    await second.close()

    # The registry is killed: the page says so, and a line that is typed meanwhile arrives later.
    await machine.registry.kill()
    await expect(page.get_by_text("The server does not answer.")).to_be_visible(timeout=WITHIN)
    await says(page, "still there?")
    await expect(page.locator(".mark.sending")).to_have_count(1)
    machine.registry = await machine.stage.registry("--operator", "bob")
    await asha.sees("bob: still there?")
    await expect(page.locator(".mark.sending")).to_have_count(0, timeout=WITHIN)

    # The program is killed: started again, the open page goes on with the whole talk.
    await machine.program.kill()
    await expect(page.get_by_text("The program on this machine does not answer.")).to_be_visible(
        timeout=WITHIN
    )
    machine.program = await machine.start()
    await expect(page.locator("#banner")).to_be_hidden(timeout=WITHIN)
    await expect(page.locator(".line")).to_have_count(4, timeout=WITHIN)
    await expect(page.get_by_label("Note, for operators only")).to_have_value("resets the password")

    # The next visitor, who says nothing: Next asks once.
    await page.get_by_role("button", name="Next", exact=True).click()
    await ben.sees(TURN)
    await expect(page.get_by_role("heading", name="Ben")).to_be_visible(timeout=WITHIN)
    await page.get_by_role("button", name="Next", exact=True).click()
    await expect(page.get_by_text("Ben has said nothing yet.")).to_be_visible(timeout=WITHIN)
    await page.get_by_role("button", name="End", exact=True).click()
    await expect(page.get_by_text("The session with Ben has ended.")).to_be_visible(timeout=WITHIN)
    await page.get_by_text("Past sessions").click()
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.locator(".session summary", has_text="Asha").click()
    await expect(page.get_by_text("still there?")).to_be_visible()
    assert await page.title() != "owned"
    assert [*troubles, *more_troubles] == []
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
    await expect(page.get_by_role("button", name="Go off duty")).to_be_visible(timeout=WITHIN)
    asha = await visitor(machine.stage, "Asha")
    await asha.sees(CONNECTED)
    await expect(page.get_by_role("heading", name="Asha")).to_be_visible(timeout=WITHIN)
    await says(page, "hello from the page")
    await asha.sees("bob: hello from the page")
    await asha.type("hello")
    await bob.sees("Asha: hello")
    await expect(page.locator(".theirs .text")).to_have_text("hello", timeout=WITHIN)
    await bob.kill()
    await expect(page.get_by_text("The program that this page belongs to has ended.")).to_be_visible(
        timeout=WITHIN
    )
    assert troubles == []
    await context.close()
