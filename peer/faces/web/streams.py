"""Server-sent events: a stream of news to one window of a browser.

Nothing is queued for a slow reader: each piece is made when the one before it has been taken, from
what has changed since.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatapp.peer.faces.web.guard import cut
from chatapp.peer.faces.web.limits import SEND_WITHIN
from chatapp.peer.node.feed import Waiters

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
]
SIGN_OF_LIFE: Final = b":\n\n"
"""A comment, which browsers ignore."""


def server_event(data: str, *, number: str) -> bytes:
    """Return one event. `data` is one line; `number` is what the browser names when it opens the
    stream again."""
    return f"id: {number}\ndata: {data}\n\n".encode()


class Windows(Waiters):
    """The windows of browsers that wait for news of one thing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, most: int | None = None) -> None:
        """`most`: how many get news at once; the oldest of more is sent away. None for all."""
        super().__init__(loop)
        self._most: Final = most
        self._open: list[object] = []

    def __len__(self) -> int:
        return len(self._open)

    def enter(self) -> object:
        """Note a window that looks; return what `exit` and `is_served` take."""
        window = object()
        self._open.append(window)
        if self._most is not None and len(self._open) > self._most:
            del self._open[0]
        self.wake()
        return window

    def exit(self, window: object) -> None:
        """Note that a window is closed."""
        if window in self._open:
            self._open.remove(window)

    def is_served(self, window: object) -> bool:
        """Whether this window still gets news."""
        return window in self._open

    def clear(self) -> None:
        """Let all windows go."""
        self._open.clear()
        self.wake()

    async def news(self, *, within: float) -> bool:
        """Wait for news, so many seconds; False if there are none in time."""
        try:
            async with asyncio.timeout(within):
                await self.wait()
        except TimeoutError:
            return False
        return True


class EventStream:
    """The answer to a request for events (an ASGI application)."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], *, within: float = SEND_WITHIN) -> None:
        """`pieces` ends the stream when it ends. `within`: seconds in which a piece must be
        taken."""
        self._pieces: Final = pieces
        self._within: Final = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces until they end, the browser is gone, or it reads too slowly."""
        sending = asyncio.ensure_future(self._send(scope, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            await self._pieces.aclose()
        if sending.done() and not sending.cancelled() and (error := sending.exception()):
            raise error

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        try:
            async for piece in self._pieces:
                async with asyncio.timeout(self._within):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            async with asyncio.timeout(self._within):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            cut(scope)


class StreamResponse(Response):
    """A stream of events as the answer of a route."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        """`pieces`: as in `EventStream`."""
        self._stream: Final = EventStream(pieces)
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self._stream(scope, receive, send)


async def _gone(receive: Receive) -> None:
    """Wait until the browser has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
