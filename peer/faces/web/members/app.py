"""A person's page as a web application: who may open it, its routes, and the streams of news."""

import asyncio
import contextlib
import json
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router

from chatapp.peer.api.conversations import NOBODY
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.entrance import Access, Entrance, locked_stream
from chatapp.peer.faces.web.forms import fields_of, query_asked, wants_json
from chatapp.peer.faces.web.guard import Guard, Refusal, RequestRefused, client_of
from chatapp.peer.faces.web.limits import (
    PICTURE_MAX,
    STREAM_SIGN_OF_LIFE,
)
from chatapp.peer.faces.web.members.actions import ACTIONS, Busy, Unclear, number_in
from chatapp.peer.faces.web.members.pages import TITLE, Page, Sent, conversation_of, query_of
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.multipart import sent_file
from chatapp.peer.faces.web.operators.app import DeskPages
from chatapp.peer.faces.web.operators.desk import OperatorDesk
from chatapp.peer.faces.web.page import ASSETS
from chatapp.peer.faces.web.pictures import HEAD, picture_in
from chatapp.peer.faces.web.streams import SIGN_OF_LIFE, StreamResponse, server_event
from chatapp.peer.words import members as words
from chatapp.wire.errors import ChatAppError

FRAME_STAYS: Final = 10.0
"""Seconds until a page without script has surely asked for its log again."""

SANDBOXED: Final = "default-src 'none'; sandbox"
"""The content security policy of a stranger's file: whatever it is, it can do nothing."""

_DIGITS_MAX: Final = 9


class Door(Protocol):
    """Who may see which windows."""

    @property
    def proof_key(self) -> bytes:
        """By which a page tells the program that it came from; empty if it need not."""

    @property
    def account(self) -> str:
        """The address of the page with which one signs out, from the page of a window; empty if
        there is none."""

    async def windows_for(self, request: Request) -> OpenWindows | Response:
        """Return the windows of whoever asks, or the answer if there are none."""


class OwnDoor:
    """The door of a page for one person alone."""

    account: Final = ""

    def __init__(self, windows: OpenWindows, access: Access, entrance: Entrance) -> None:
        self._windows: Final = windows
        self._entrance: Final = entrance
        self.proof_key: Final = access.proof_key

    async def windows_for(self, request: Request) -> OpenWindows | Response:
        """As in `Door`."""
        return self._windows if self._entrance.admits(request) else self._entrance.locked()


class MemberApp:
    """The page of one person."""

    def __init__(
        self,
        windows: OpenWindows,
        access: Access,
        *,
        entered: Callable[[], None],
        start: str = "",
        hosts: Sequence[str] = (),
        budget: WebBudget | None = None,
    ) -> None:
        """`entered`, `start`: as in `Entrance`. `hosts`, `budget`: as in `Guard`."""
        entrance = Entrance(access, title=TITLE, entered=entered, start=start)
        budget = budget or WebBudget()
        pages = MemberPages(OwnDoor(windows, access, entrance), budget)
        assets = Route("/assets/{name}", ASSETS.serve)
        routes = [*entrance.routes, assets, *pages.routes]
        self.asgi: Final = Guard(Router(routes), hosts=hosts, budget=budget, uploads="/upload")
        """The application, behind its guard."""


class MemberPages:
    """The pages of windows, for whoever the door lets in."""

    def __init__(self, door: Door, budget: WebBudget) -> None:
        self._door: Final = door
        self._turns: Final = budget.turns
        self._openings: Final = budget.openings
        self._desk: Final = DeskPages(self._desk_of)
        self.routes: Final[list[BaseRoute]] = [
            Route("/{page}/assets/{name}", ASSETS.serve),
            Route("/{page}/{window:int}/assets/{name}", ASSETS.serve),
            Route("/{page}/", self._open),
            Route("/{page}/{window:int}/", self._home),
            Route("/{page}/{window:int}/log", self._frame),
            Route("/{page}/{window:int}/events", self._events),
            Route("/{page}/{window:int}/do/{verb}", self._do, methods=["POST"]),
            Route("/{page}/{window:int}/file/{id}", self._download),
            Route("/{page}/{window:int}/picture/{id}", self._picture),
            Route("/{page}/{window:int}/upload", self._upload, methods=["POST"]),
            Route("/{page}/{window:int}/desk/assets/{name}", ASSETS.serve),
            *self._desk.routes,
        ]
        """What is served below the first part of an address."""

    # --- pages

    async def _open(self, request: Request) -> Response:
        async with self._openings.turn(client_of(request.scope)):
            windows = await self._door.windows_for(request)
            if isinstance(windows, Response):
                return windows
            try:
                window = await windows.open()
            except (ChatAppError, OSError) as error:
                return PlainTextResponse(f"{error}\n", 503)
        return RedirectResponse(f"{window.number}/{query_asked(request)}", 303)

    async def _window_of(self, request: Request) -> Window | Response:
        """Return the window that a request names, or the answer if there is none. A form is not led
        to another window: what it says would be lost."""
        windows = await self._door.windows_for(request)
        if isinstance(windows, Response):
            return windows
        window = windows.known(request.path_params["window"])
        if (window is None or window.is_over) and request.method == "POST":
            return PlainTextResponse(words.GONE, 410)
        if window is None or window.is_over:
            return RedirectResponse(f"../{query_asked(request)}", 303)
        return window

    async def _desk_of(self, request: Request) -> OperatorDesk | Response:
        """Return the help desk that a window shows, or the answer if it shows none."""
        window = await self._window_of(request)
        if isinstance(window, Response):
            return window
        return window.desk or PlainTextResponse(words.NO_DESK, 409)

    def _page(self, window: Window) -> Page:
        return Page(window, now=asyncio.get_running_loop().time(), wall=time.time())

    async def _home(self, request: Request) -> Response:
        window = await self._window_of(request)
        if isinstance(window, Response):
            return window
        wanted = conversation_of(request.query_params.get("with", ""))
        if wanted is not None and wanted != window.view.open_pane.conversation:
            window.runner.choose(wanted)
        await window.sees_desk()
        async with self._turns.turn(client_of(request.scope)):
            door = self._door
            return self._page(window).home(proof_key=door.proof_key, account=door.account)

    async def _frame(self, request: Request) -> Response:
        window = await self._window_of(request)
        if isinstance(window, Response):
            return window
        window.seen_all(until=asyncio.get_running_loop().time() + FRAME_STAYS)
        async with self._turns.turn(client_of(request.scope)):
            return self._page(window).frame(window.version)

    # --- what the user does

    async def _do(self, request: Request) -> Response:
        window = await self._window_of(request)
        if isinstance(window, Response):
            return window
        fields = await fields_of(request)
        action = ACTIONS.get(request.path_params["verb"])
        try:
            if action is None:
                raise Unclear("This page cannot do that.")
            if (waits := action(window, fields)) is not None:
                await waits
        except NotOpen:
            return PlainTextResponse("The program that this page belongs to has ended.", 410)
        except Busy as error:
            return PlainTextResponse(str(error), 503)
        except ChatAppError as error:
            return PlainTextResponse(str(error), 422)
        if wants_json(request):
            return Response(status_code=204)
        return RedirectResponse(f"../{query_of(window.view.open_pane.conversation)}", 303)

    # --- files

    async def _upload(self, request: Request) -> Response:
        """Take a file that the browser gives, and offer it in a conversation."""
        window = await self._window_of(request)
        if isinstance(window, Response):
            window.headers["connection"] = "close"  # what is sent is not read
            return window
        what = conversation_of(request.query_params.get("with", ""))
        if (
            what is None
            or what == NOBODY
            or what.is_claimed
            or not (what.is_person or what.is_room)
        ):
            raise RequestRefused(Refusal(422, words.NO_RECIPIENT))
        name, length, content = await sent_file(request)
        path = await window.uploads.take(name, length, content)
        await window.offer_file(what, path)
        if wants_json(request):
            return Response(status_code=204)
        return RedirectResponse(f"./{query_of(what)}", 303)

    async def _download(self, request: Request) -> Response:
        """Give the browser a file that is here, to be stored and never to be shown."""
        file = await self._file_of(request)
        if isinstance(file, Response):
            return file
        path, found = file
        return FileResponse(
            path,
            filename=path.name,
            media_type="application/octet-stream",
            stat_result=found,
            headers={"content-security-policy": SANDBOXED},
        )

    async def _picture(self, request: Request) -> Response:
        """Show a file that is here, if it is a picture and a small one."""
        file = await self._file_of(request)
        if isinstance(file, Response):
            return file
        path, found = file
        head = await asyncio.to_thread(_head_of, path) if found.st_size <= PICTURE_MAX else b""
        picture = picture_in(head)
        if picture is None:
            return PlainTextResponse(words.NO_PICTURE, 415)
        return FileResponse(
            path,
            media_type=picture.media_type,
            stat_result=found,
            headers={"content-security-policy": SANDBOXED},
        )

    async def _file_of(self, request: Request) -> tuple[Path, os.stat_result] | Response:
        window = await self._window_of(request)
        if isinstance(window, Response):
            return window
        try:
            path = window.file_here(number_in(request.path_params, "id"))
        except Unclear:
            path = None
        found = None if path is None else await asyncio.to_thread(_status_of, path)
        if path is None or found is None:
            return PlainTextResponse(words.NO_SUCH_FILE, 404)
        return path, found

    # --- the stream of news

    async def _events(self, request: Request) -> Response:
        window = await self._window_of(request)
        if isinstance(window, RedirectResponse):
            return StreamResponse(_gone())
        if isinstance(window, Response):
            return locked_stream()
        asked = request.headers.get("last-event-id") or request.query_params.get("since", "")
        is_number = asked.isascii() and asked.isdecimal() and len(asked) <= _DIGITS_MAX
        since = int(asked) if is_number else 0
        return StreamResponse(self._news(window, since, client_of(request.scope)))

    async def _news(self, window: Window, since: int, network: str) -> AsyncGenerator[bytes, None]:
        """Yield what has changed since a version, and a goodbye when the program ends. Each piece is
        made when the one before it was taken."""
        loop = asyncio.get_running_loop()
        stream = window.streams.enter()
        sent = Sent()
        is_first, told_at = True, loop.time()
        try:
            while window.streams.is_served(stream) and not window.is_over:
                if loop.time() >= told_at + STREAM_SIGN_OF_LIFE:
                    told_at = loop.time()
                    yield SIGN_OF_LIFE
                if window.version == since and not is_first:
                    within = told_at + STREAM_SIGN_OF_LIFE - loop.time()
                    _ = await window.streams.news(within=within)
                    continue
                is_first = False
                async with self._turns.turn(network):
                    version = window.version
                    told = self._page(window).news(since=since, sent=sent)
                since = version
                if told is not None:
                    told_at = loop.time()
                    yield server_event(json.dumps(told), number=str(version))
            last_word = window.last_word
            if last_word is None:
                last_word = "closed" if window.is_over else ""
            if last_word:
                yield server_event(json.dumps({last_word: True}), number="")
        finally:
            window.streams.exit(stream)
            window.seen_at = loop.time()


async def _gone() -> AsyncGenerator[bytes, None]:
    yield server_event(json.dumps({"gone": True}), number="")


def _status_of(path: Path) -> os.stat_result | None:
    """Return what the disk says of a file; None if it is none any more."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found if stat.S_ISREG(found.st_mode) else None
    return None


def _head_of(path: Path) -> bytes:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(HEAD)
    return b""
