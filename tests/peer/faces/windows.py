"""Every face on a real peer or visitor, behind one interface: what is typed, and what is seen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Message

from chatapp.peer.api.form import Form
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.faces.line.shell import LineFace
from chatapp.peer.faces.line.visitor import VisitorFace
from chatapp.peer.faces.web.entrance import Access
from chatapp.peer.faces.web.members.app import MemberApp
from chatapp.peer.faces.web.members.pages import key_of
from chatapp.peer.faces.web.members.window import Window as OwnWindow
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.visitors.app import VisitorApp
from chatapp.peer.faces.web.visitors.gateway import Gateway
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.view.view import Start
from chatapp.peer.words.catalog import catalog_of
from chatapp.peer.words.formatting import MARKS, MessageLine, OwnLine, SettledLine
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.wire.address import Address
from tests.peer.faces.full.playing import Played
from tests.peer.faces.line.acting import Paper
from tests.peer.faces.web.asking import HOST, ask, scope_of
from tests.peer.faces.web.town import Browser, Window
from tests.peer.village import WITHIN

LOOKS_EVERY: Final = 0.02


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds."""
    async with asyncio.timeout(WITHIN):
        while not holds():  # noqa: ASYNC110 - nothing tells that it does
            await asyncio.sleep(LOOKS_EVERY)


class Seen:
    """One window of a face."""

    async def text(self) -> str:
        """Return all that can be seen."""
        raise NotImplementedError

    async def type(self, line: str) -> None:
        """Type a line and press Enter; at a page: say it."""
        raise NotImplementedError

    async def begin(self, line: str) -> None:
        """Type a line without Enter."""
        raise NotImplementedError

    async def type_elsewhere(self, line: str) -> None:
        """Say a line in another window."""
        raise NotImplementedError

    async def look_for_news(self) -> None:
        """Go where something is new, if the face shows one conversation at a time."""

    async def shows(self, *texts: str) -> None:
        """Wait until it shows all these texts."""
        shown = ""
        try:
            async with asyncio.timeout(WITHIN):
                while not all(text in shown for text in texts):
                    await asyncio.sleep(LOOKS_EVERY)
                    shown = await self.text()
        except TimeoutError:
            raise AssertionError(f"{texts} never stood there:\n{shown}") from None


class Sheet(Paper):
    """A terminal on which marks stand behind their lines."""

    def show(self, lines: Iterable[str]) -> None:
        for line in lines:
            mark = line.mark if isinstance(line, SettledLine | OwnLine | MessageLine) else None
            self.lines.append(f"{line}  {MARKS[mark][1]}" if mark is not None else line)


class _Line(Seen):
    def __init__(self, peer: Peer, *, is_screen: bool) -> None:
        self._sheet: Final = Sheet()
        completions = CompletionIndex() if is_screen else None
        self.face: Final = LineFace(
            peer.node, self._sheet, stay=True, completions=completions, is_screen=is_screen,
            start=Start(is_over=True),
        )  # fmt: skip

    async def text(self) -> str:
        return "\n".join([*self._sheet.lines, f"> {self._sheet.prompt}"])

    async def type(self, line: str) -> None:
        self._sheet.type(line, at=asyncio.get_running_loop().time())

    async def begin(self, line: str) -> None:
        self._sheet.draft(line)


@asynccontextmanager
async def line(peer: Peer, *, is_screen: bool = True) -> AsyncIterator[Seen]:
    """The line face; if not `is_screen`, in a pipe."""
    window = _Line(peer, is_screen=is_screen)
    running = asyncio.ensure_future(window.face.run())
    yield window
    window.face.stop(0)
    await running


def pipe(peer: Peer) -> AbstractAsyncContextManager[Seen]:
    """The line face in a pipe."""
    return line(peer, is_screen=False)


class _Full(Seen):
    def __init__(self, screen: Played) -> None:
        self._screen: Final = screen

    async def text(self) -> str:
        await self._screen.pilot.pause()
        return self._screen.text

    async def type(self, line: str) -> None:
        await self._screen.type(line)

    async def begin(self, line: str) -> None:
        self._screen.app.composer.put(line)

    async def look_for_news(self) -> None:
        await self._screen.until(lambda: any(row.unread for row in self._screen.view.rows()))
        await self._screen.press("alt+a")


@asynccontextmanager
async def full(peer: Peer) -> AsyncIterator[Seen]:
    """The full screen."""
    async with Played(peer, has_started=True).on_screen(100, 30) as screen:
        yield _Full(screen)


@asynccontextmanager
async def attached(peer: Peer) -> AsyncIterator[Seen]:
    """The line face of another program of a person whose peer is offered."""
    async with another(peer) as other, line(other) as window:
        yield window


def another(peer: Peer) -> Peer:
    """Return the peer as another program of the same person has it."""
    return Peer.attach(peer.name, home=Path(peer.folder).parents[1])


class _PageWithStream(Seen):
    """A page as its script shows it: all news, the newest last."""

    def __init__(self, app: ASGIApp, access: Access, path: str) -> None:
        self._asgi, self._page = app, path
        self._cookie = {"cookie": f"{access.cookie_name}={access.cookie}", "host": HOST}
        self._shown = ""
        self._is_closed = asyncio.Event()
        scope = scope_of(f"{self._page}/events", headers=self._cookie)
        self._stream = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._is_closed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self._shown += message.get("body", b"").decode()

    async def text(self) -> str:
        return self._shown

    async def post(self, verb: str, fields: dict[str, str]) -> None:
        """Send a form."""
        path = f"{self._page}/do/{verb}"
        answer = await ask(self._asgi, path, headers=self._cookie, fields=fields)
        assert answer.status == 303, answer.text

    async def close(self) -> None:
        """Close the window."""
        self._is_closed.set()
        await self._stream


class _OwnPage(_PageWithStream):
    def __init__(self, app: MemberApp, window: OwnWindow, access: Access) -> None:
        super().__init__(app.asgi, access, f"/{access.page}/{window.number}")
        self._window = window

    async def type(self, line: str) -> None:
        here = key_of(self._window.view.open_pane.conversation)
        fields = {"text": line, "with": here}
        if self._window.is_at_desk:
            await until(lambda: self._visit != 0)
        await self.post("say", fields | {"visit": str(self._visit)})

    @property
    def _visit(self) -> int:
        desk = self._window.desk
        return 0 if desk is None else desk.view.visit

    async def look_for_news(self) -> None:
        await until(lambda: any(row.unread for row in self._window.view.rows()))
        await self.post("move", {"news": "1"})


@asynccontextmanager
async def own_page(peer: Peer) -> AsyncIterator[Seen]:
    """The page of a person, with its script."""
    access = Access()
    windows = OpenWindows(lambda: peer.name, Path(peer.folder).parents[1])
    app = MemberApp(windows, access, hosts=[HOST], entered=lambda: None)
    page = _OwnPage(app, await windows.open(), access)
    yield page
    await page.close()
    await windows.close()


class _VisitorPage(Seen):
    def __init__(self, app: VisitorApp) -> None:
        self.app: Final = app
        self.browser: Final = Browser(self)  # type: ignore[arg-type]

    async def text(self) -> str:
        return await self.browser.get()

    async def type(self, line: str) -> None:
        await self.browser.post("/say", {"text": line})

    async def type_elsewhere(self, line: str) -> None:
        other = _VisitorPage(self.app)
        other.browser.cookie = self.browser.cookie
        await other.type(line)


class _ScriptedPage(_VisitorPage):
    """The page as its script changes it."""

    window: Window

    async def type(self, line: str) -> None:
        page = self.browser.page
        await super().type(line)
        self.browser.page = page  # what comes of it is news

    async def text(self) -> str:
        return self.browser.page + "".join(map(str, self.window.news))


@asynccontextmanager
async def _gateway(server: Address, home: Path) -> AsyncIterator[VisitorApp]:
    gateway = Gateway(
        [server], registry_key=None, queue="", home=home, language="en", tell=lambda _: None
    )
    gateway.open()
    yield VisitorApp(gateway, title="", hosts=[HOST])
    await gateway.close()


class _VisitorPrompt(Seen):
    def __init__(self, visitor: Visitor) -> None:
        self._sheet: Final = Sheet()
        texts = VisitorTexts(catalog_of("en"))
        self.face: Final = VisitorFace(visitor, self._sheet, texts, stay=True, is_screen=False)

    async def text(self) -> str:
        return "\n".join(self._sheet.lines)

    async def type(self, line: str) -> None:
        self._sheet.type(line)


@asynccontextmanager
async def visitor_prompt(server: Address, home: Path) -> AsyncIterator[Seen]:
    """The prompt of a visitor who has joined the line."""
    visitor = Visitor(server, home=home)
    visitor.open()
    await visitor.stage_known()
    visitor.join(Form(name="Asha Rao", number="+919876543210", issue=3))
    window = _VisitorPrompt(visitor)
    running = asyncio.ensure_future(window.face.run())
    yield window
    window.face.stop(0)
    await running
    await visitor.close(within=1.0)


@asynccontextmanager
async def visitor_page(server: Address, home: Path) -> AsyncIterator[Seen]:
    """The page of a visitor who has joined the line, without script."""
    async with _gateway(server, home) as app:
        page = _VisitorPage(app)
        await page.browser.join(name="Asha Rao")
        yield page


@asynccontextmanager
async def scripted_page(server: Address, home: Path) -> AsyncIterator[Seen]:
    """The same with its script, which takes news."""
    async with _gateway(server, home) as app:
        page = _ScriptedPage(app)
        await page.browser.join(name="Asha Rao")
        since = page.browser.page.partition('data-live="')[2].partition('"')[0]
        page.window = Window(app.asgi, page.browser.cookie, since, address="192.0.2.7")
        yield page
        await page.window.close()
