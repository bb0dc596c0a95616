"""The web desk: a visitor who sends forms as a browser without JavaScript does, and an operator's
page."""

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from email.message import Message
from html import unescape
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlencode

from examples.theatre import HOST, Actor, Play, Stage, StepFailed

LIBRARIES: Final = ("starlette", "uvicorn")
"""The libraries of `ChatApp web`."""

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
