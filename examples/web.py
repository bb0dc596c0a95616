"""Visitors of the web desk: one who sends forms as a browser without JavaScript does, and a real browser for pictures."""

import asyncio
import contextlib
import importlib.util
import re
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from examples.theatre import HOST, Actor, Play, Stage, StepFailed

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

IS_INSTALLED: Final = all(
    importlib.util.find_spec(one) for one in ("starlette", "uvicorn", "python_multipart")
)
"""Whether the libraries of `ChatApp web` are there."""

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser for pictures; None if there is none."""

FORM: Final = {"name": "Meera Iyer", "number": "9876543212", "issue": "5"}
LOADS_AGAIN_AFTER: Final = 0.2
WITHIN: Final = 30.0
"""Seconds in which a page must show something."""


async def web_desk(stage: Stage, *, port: int | None = None, is_known: bool = False) -> tuple[Actor, int]:
    """Start the web desk, and return it and its port when it is ready. `port`: None for a free one. `is_known`: whether it
    has met the registry before."""
    server, free = stage.next_ports()
    port = port or free
    desk = await stage.program("web", "web", HOST, str(server), "--listen", str(port))
    await desk.sees(f"[The web desk is at http://{HOST}:{port}/]")
    if not is_known:
        await desk.sees(re.compile(r"\[First contact with this server.*"))
    return desk, port


class WebVisitor:
    """A visitor whose browser has no JavaScript."""

    def __init__(self, play: Play, name: str, port: int) -> None:
        self._play: Final = play
        self._name: Final = name
        self._port: Final = port
        self._cookie = ""

    async def posts(self, form: str, fields: Mapping[str, str]) -> None:
        """Send a form."""
        self._play.tell(self._name, "sent", f"{form}: {', '.join(fields.values())}")
        await asyncio.to_thread(self._ask, "POST", f"/{form}", urlencode(fields))

    async def sees(self, text: str) -> None:
        """Load the page until it shows this text. Raises StepFailed."""
        until = time.monotonic() + WITHIN
        while text not in (page := await asyncio.to_thread(self._ask, "GET", "/", "")):
            if time.monotonic() > until:
                raise StepFailed(f"{self._name} should have seen\n    {text}\nand saw\n    {page}")
            await asyncio.sleep(LOADS_AGAIN_AFTER)
        self._play.tell(self._name, "saw", text)
        self._play.checks += 1

    def _ask(self, method: str, path: str, body: str) -> str:
        """Send one request, and return the text of the page that answers it."""
        headers = {
            "Origin": f"http://{HOST}:{self._port}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        with contextlib.closing(HTTPConnection(HOST, self._port, timeout=WITHIN)) as connection:
            connection.request(method, path, body or None, {**headers, "Cookie": self._cookie})
            answer = connection.getresponse()
            self._cookie = (answer.getheader("Set-Cookie") or self._cookie).partition(";")[0]
            return unescape(re.sub(r"<[^>]*>", " ", answer.read().decode()))


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    """Start Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def fill_in(page: "Page", name: str, number: str, issue: int) -> None:
    """Fill in the form."""
    await page.fill("#name", name)
    await page.fill("#number", number)
    await page.check(f"input[value='{issue}']")
    await page.click("button.primary")


async def picture(stage: Stage, target: Path) -> None:
    """Paint three pages of a phone side by side: the form, the line in the dark, and a conversation."""
    from PIL import Image

    registry = await stage.registry("--operator", "bob")
    code_line = re.compile(r"\[Operator bob: start once with --code (.*)\]")
    await registry.sees(code_line)
    code = next(found[1] for line in registry.seen if (found := code_line.fullmatch(line)))
    bob = await stage.person("bob", CHATAPP_CODE=code)
    await bob.sees("[Welcome, You are registered.]")
    _, port = await web_desk(stage)
    shots: list[Path] = []
    async with browser() as chromium:

        async def page_of(*, is_dark: bool = False) -> "Page":
            context = await chromium.new_context(
                viewport={"width": 390, "height": 720},
                device_scale_factor=2,
                color_scheme="dark" if is_dark else "light",
            )
            page = await context.new_page()
            await page.goto(f"http://{HOST}:{port}/")
            return page

        async def shoot(page: "Page") -> None:
            await page.evaluate("scrollTo(0, 0)")
            shots.append(stage.folder / f"{len(shots)}.png")
            await page.screenshot(path=shots[-1])

        form, line, talk = await page_of(), await page_of(is_dark=True), await page_of()
        await form.check("input[value='3']")
        await fill_in(talk, "Asha Rao", "9876543210", 3)
        await talk.wait_for_selector(".place")
        await fill_in(line, "Ben Okafor", "9876543211", 5)
        await line.wait_for_selector(".place")
        await bob.types(".on")
        await talk.wait_for_selector("#text")
        await line.get_by_text("You are next.").wait_for()
        await bob.types("Hello Asha, I am Bob. What is it about?")
        await talk.locator(".theirs").wait_for()
        for count, (said, answer) in enumerate(
            (
                ("Hello! My marks in physics went down this term.", "Thank you for writing. Since when?"),
                ("Since October: I missed two weeks.", "Let us look at what you missed, then."),
            ),
            2,
        ):
            await talk.fill("#text", said)
            await talk.keyboard.press("Enter")
            await talk.locator(".mark.saved").nth(count - 2).wait_for()
            await bob.types(answer)
            await talk.locator(".theirs").nth(count - 1).wait_for()
        for page in (form, line, talk):
            await shoot(page)
    images = [Image.open(shot) for shot in shots]
    gap = 48
    sheet = Image.new(
        "RGB", (sum(one.width for one in images) + 4 * gap, images[0].height + 2 * gap), "#8f9b97"
    )
    left = gap
    for one in images:
        sheet.paste(one, (left, gap))
        left += one.width + gap
    sheet.resize((sheet.width // 2, sheet.height // 2)).save(target, optimize=True)
