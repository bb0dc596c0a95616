"""A web desk with members, without a server: its accounts in a village, and browsers."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest_asyncio
from starlette.routing import Router
from starlette.types import Message

from chatapp.peer.faces.web.accounts.account import Account
from chatapp.peer.faces.web.accounts.accounts import Accounts
from chatapp.peer.faces.web.accounts.app import AccountPages
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.guard import Guard
from chatapp.peer.faces.web.members.pages import Page
from chatapp.peer.faces.web.members.window import Window
from chatapp.wire.address import Address
from tests.peer.faces.web.asking import HOST, Answer, ask, scope_of
from tests.peer.faces.windows import until
from tests.peer.village import Village, village  # noqa: F401

PASSPHRASE: Final = "four words are easy"
ORIGIN: Final = f"https://{HOST}"
_WINDOW: Final = re.compile(r"/[0-9a-f]{16}/\d+/")


class Browser:
    """A browser without JavaScript: it keeps its cookie."""

    def __init__(self, desk: "Desk", *, address: str = "192.0.2.7") -> None:
        self.desk = desk
        self.address: Final = address
        self.cookie = ""
        self.place = ""
        """Where it was led last."""

    async def ask(self, path: str, **how: Any) -> Answer:
        headers = {"cookie": self.cookie} if self.cookie else {}
        asked = {"scheme": "https", "origin": ORIGIN, "client": self.address, **how}
        asked["headers"] = headers | how.get("headers", {})
        answer = await ask(self.desk.asgi, path, **asked)
        for cookie in answer.cookies:
            self.cookie = cookie.partition(";")[0].removesuffix('=""')
        return answer

    async def post(self, form: str, **fields: str) -> Answer:
        answer = await self.ask(f"/members/{form}", fields=fields)
        self.place = answer.headers.get("location", "")
        return answer

    async def make(self, name: str, passphrase: str = PASSPHRASE, **fields: str) -> Answer:
        sent = {"name": name, "passphrase": passphrase, "again": passphrase, **fields}
        return await self.post("new", **sent)

    async def sign_in(self, name: str, passphrase: str = PASSPHRASE, **fields: str) -> Answer:
        return await self.post("in", name=name, passphrase=passphrase, **fields)

    async def open(self) -> str:
        """Open a window; return its address."""
        answer = await self.ask(self.place)
        window = self.place + answer.headers["location"]
        assert _WINDOW.fullmatch(window), window
        return window

    async def say(self, window: str, text: str, to: str) -> Answer:
        return await self.ask(f"{window}do/say", fields={"text": text, "with": to})

    async def take(self, path: str, told: list[bytes], **fields: str) -> None:
        """Take an answer piece by piece until it ends: a stream, or with `fields` what a form is
        answered with."""
        method = "POST" if fields else "GET"
        headers = {"host": HOST, "cookie": self.cookie, "origin": ORIGIN}
        headers["content-type"] = "application/x-www-form-urlencoded"
        body = [urlencode(fields).encode()]

        async def receive() -> Message:
            if not body:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": body.pop(), "more_body": False}

        async def send(message: Message) -> None:
            told.append(message.get("body", b""))

        scope = scope_of(path, method=method, headers=headers, client=self.address, scheme="https")
        await self.desk.asgi(scope, receive, send)

    async def until(self, window: str, text: str) -> None:
        """Open a window's address, and wait until it shows this text."""
        assert (await self.ask(window)).status == 200
        number = int(window.split("/")[2])
        found = self.desk.window(number)

        def page() -> str:
            shown = Page(found, now=asyncio.get_running_loop().time(), wall=time.time())
            return shown.home(proof_key=b"").body.decode()  # type: ignore[union-attr]

        await until(lambda: text in page())


class Desk:
    """The accounts of one gateway, which may start again."""

    def __init__(self, folder: Path, village: Village, *, most: int = 5) -> None:  # noqa: F811
        self.folder: Final = folder
        self.village: Final = village
        self._most: Final = most
        self.start()

    def start(self) -> None:
        server = Address("127.0.0.1", self.village.port)
        self.accounts = Accounts(self.folder, [server], registry_key=None, most=self._most)
        self.budget = WebBudget()
        routes = AccountPages(self.accounts, self.budget).routes
        self.asgi = Guard(Router(routes), hosts=[HOST], budget=self.budget, uploads="/upload")
        self.accounts.open()

    async def start_again(self) -> None:
        await self.accounts.close()
        self.start()

    def account(self, name: str) -> Account:
        return self.accounts._by_key[f"n-{name}"]

    def window(self, number: int) -> Window:
        """Return an open window."""
        everybody = self.accounts._by_key.values()
        (found,) = (
            windows._open[number]
            for account in everybody
            for windows in account._windows.values()
            if number in windows._open
        )
        return found

    def files(self) -> dict[str, bytes]:
        """Return all files, by their paths."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@pytest_asyncio.fixture
async def desk(tmp_path: Path, village: Village) -> AsyncIterator[Desk]:  # noqa: F811
    made = Desk(tmp_path / "gateway", village)
    yield made
    await made.accounts.close()
