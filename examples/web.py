"""The web desk: a visitor who sends forms as a browser without JavaScript does, an operator's page,
and a real browser for pictures."""

import asyncio
import contextlib
import re
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from email.message import Message
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from examples.theatre import HOST, Actor, Play, Stage, StepFailed

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

LIBRARIES: Final = ("starlette", "uvicorn")
"""The libraries of `ChatApp web`."""

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser for pictures; None if there is none."""

FORM: Final = {"name": "Meera Iyer", "number": "9876543212", "issue": "5"}
LOADS_AGAIN_AFTER: Final = 0.2
WITHIN: Final = 30.0
"""Seconds in which a page must show something."""


async def web_desk(
    stage: Stage, *options: str, port: int | None = None, is_known: bool = False
) -> tuple[Actor, int]:
    """Start the web desk, and return it and its port when it is ready. `port`: None for a free one.
    `is_known`: whether it has met the registry before."""
    server, free = stage.next_ports()
    port = port or free
    desk = await stage.program("web", "web", HOST, str(server), "--listen", str(port), *options)
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
        self._shown = "/"
        """Where what others say can be read."""
        self._location = ""

    async def posts(self, form: str, fields: Mapping[str, str]) -> None:
        """Send a form."""
        self._play.tell(self._name, "sent", f"{form}: {', '.join(fields.values())}")
        await asyncio.to_thread(self._ask, "POST", f"/{form}", urlencode(fields))

    async def sees(self, text: str) -> None:
        """Load the page until it shows this text. Raises StepFailed."""
        until = time.monotonic() + WITHIN
        while text not in (page := await asyncio.to_thread(self._ask, "GET", self._shown, "")):
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
            self._location = answer.getheader("Location") or ""
            return unescape(re.sub(r"<[^>]*>", " ", answer.read().decode()))


class WebMember(WebVisitor):
    """A person who signs in at the web desk, in a browser without JavaScript."""

    async def joins(self, passphrase: str) -> None:
        """Make an account, and open a window."""
        self._play.tell(self._name, "sent", "a name and a passphrase")
        fields = {"name": self._name, "passphrase": passphrase, "again": passphrase}
        await asyncio.to_thread(self._ask, "POST", "/members/new", urlencode(fields))
        page = self._location
        await asyncio.to_thread(self._ask, "GET", page, "")
        self._shown = f"{page}{self._location.partition('?')[0]}log"

    async def does(self, verb: str, **fields: str) -> None:
        """Send a form of the window. `with_`: the conversation."""
        window = self._shown.removeprefix("/").removesuffix("log")
        named = {name.rstrip("_"): value for name, value in fields.items()}
        await self.posts(f"{window}do/{verb}", named)


_ADDRESS: Final = re.compile(r"http://\S+:(\d+)/\?token=(\w+)")


async def operator_page(stage: Stage, operator: str) -> tuple[Actor, re.Match[str]]:
    """Start the page of an operator. Return it, and its address with port and token."""
    server, port = stage.next_ports()
    page = await stage.start(
        operator, "web", "--as", operator, HOST, str(server), "--listen", f"{HOST}:{port}"
    )
    await page.sees(_ADDRESS)
    return page, next(found for line in page.seen if (found := _ADDRESS.fullmatch(line)))


class WebOperator:
    """An operator's page, as its script uses it."""

    def __init__(self, play: Play, name: str, address: re.Match[str]) -> None:
        """`address`: as `operator_page` returns it."""
        self._play: Final = play
        self._name: Final = name
        self._port: Final = int(address[1])
        self._token: Final = address[2]
        self._cookie = ""
        self._page = ""

    async def opens(self) -> None:
        """Exchange the token for the cookie and the address of the page."""
        headers = await asyncio.to_thread(self._ask, "GET", f"/?token={self._token}", "")
        self._cookie = headers["Set-Cookie"].partition(";")[0]
        page = headers["Location"].partition("?")[0]
        window = (await asyncio.to_thread(self._ask, "GET", page, ""))["Location"]
        self._page = f"{page}{window.partition('/')[0]}"
        await self.does("do/open", with_="desk")
        self._play.tell(self._name, "opened", f"http://{HOST}:{self._port}{self._page}/")

    async def does(self, form: str, **fields: str) -> None:
        """Send a form."""
        self._play.tell(self._name, "sent", f"{form}: {', '.join(fields.values())}")
        named = {name.rstrip("_"): value for name, value in fields.items()}
        _ = await asyncio.to_thread(self._ask, "POST", f"{self._page}/{form}", urlencode(named))

    async def sees(self, *texts: str) -> str:
        """Take news until they have all these texts, and return them. Raises StepFailed."""
        shown = await asyncio.to_thread(self._news, texts)
        missing = [text for text in texts if text not in shown]
        if missing:
            raise StepFailed(
                f"{self._name} should have seen\n    {missing[0]}\nand saw\n    {shown}"
            )
        for text in texts:
            self._play.tell(self._name, "saw", text)
            self._play.checks += 1
        return shown

    def _news(self, texts: Sequence[str]) -> str:
        shown, until = "", time.monotonic() + WITHIN
        with contextlib.closing(HTTPConnection(HOST, self._port, timeout=WITHIN)) as connection:
            connection.request("GET", f"{self._page}/events", headers={"Cookie": self._cookie})
            answer = connection.getresponse()
            with contextlib.suppress(TimeoutError):
                while time.monotonic() < until and not all(text in shown for text in texts):
                    shown += answer.readline().decode()
        return shown

    def _ask(self, method: str, path: str, body: str) -> Message:
        """Send one request, and return the headers of the answer."""
        headers = {
            "Origin": f"http://{HOST}:{self._port}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self._cookie,
        }
        with contextlib.closing(HTTPConnection(HOST, self._port, timeout=WITHIN)) as connection:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise StepFailed(f"{self._name}: {path} was answered by {answer.read().decode()}")
            return answer.headers


def visit_in(news: str) -> str:
    """Return the number of the visit that is served, from the news of an operator's page."""
    found = re.findall(r'"visit": (\d+)', news)
    return str(found[-1])


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


async def operator(stage: Stage) -> Actor:
    """Start a registry, and its operator bob."""
    code = await stage.registry_with("bob")
    bob = await stage.person("bob", CHATAPP_CODE=code)
    await bob.sees("[Welcome, You are registered.]")
    return bob


async def picture(stage: Stage, target: Path) -> None:
    """Paint three pages of a phone side by side: the form, the line in the dark, and a
    conversation."""
    from PIL import Image

    bob = await operator(stage)
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
                (
                    "Hello! My marks in physics went down this term.",
                    "Thank you for writing. Since when?",
                ),
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


async def operator_picture(stage: Stage, target: Path) -> None:
    """Paint the page of an operator who serves one visitor while others wait."""
    bob = await operator(stage)
    await bob.types(".on")
    asha = await typed_visitor(stage, "Asha Rao", "9876543210", "3")
    await asha.sees("[You are connected.]")
    for name, number, issue in (
        ("Ben Okafor", "9876543211", "5"),
        ("Meera Iyer", "9876543212", "1"),
        ("Tomás Gil", "9876543213", "6"),
    ):
        visitor = await typed_visitor(stage, name, number, issue)
        await visitor.sees(re.compile(r"\[Waiting room, position \d\.\]"))
    await asha.types("Hello! My marks in physics went down this term.")
    await bob.sees("Asha Rao: Hello! My marks in physics went down this term.")
    _, address = await operator_page(stage, "bob")
    async with browser() as chromium:
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 720}, device_scale_factor=1
        )
        page = await context.new_page()
        await page.goto(address[0])
        await page.locator(".theirs").wait_for()
        await page.locator(".waiting li").nth(2).wait_for()
        for said, answer in (
            ("Thank you for writing. Since when?", "Since October: I missed two weeks."),
            ("Let us look at what you missed, then.", "That would help me a lot."),
        ):
            await page.fill("#text", said)
            await page.keyboard.press("Enter")
            await asha.sees(f"bob: {said}")
            await asha.types(answer)
            await page.get_by_text(answer).wait_for()
        await page.fill(
            "#note", "Missed two weeks in October; ask the physics teacher for the sheets."
        )
        await page.get_by_text("Keep the note").click()
        await page.get_by_text("Note about Asha Rao kept.").wait_for()
        await page.get_by_text("Dismiss").click()
        await page.get_by_text("Dismiss").wait_for(state="detached")
        await page.locator(".mark.saved").nth(1).wait_for()
        await page.screenshot(path=target)


async def typed_visitor(stage: Stage, name: str, number: str, issue: str) -> Actor:
    """Start a visitor at a terminal who has filled in the form."""
    visitor = await stage.visitor(name)
    for question, answer in (
        ("[Your full name:]", name),
        ("[Your mobile number:]", number),
        ("[What is it about? Type its number:]", issue),
    ):
        await visitor.sees(question)
        await visitor.types(answer)
    return visitor
