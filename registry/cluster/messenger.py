"""Carries the messages of the bus between the main event loop and the engine's thread. Nothing waits in the main loop; what
is too much is lost, which the sessions of the bus notice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from chatapp.registry.cluster.jetstream import JetStream

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_log = logging.getLogger(__name__)

WAITING_MAX: Final = 64 * 1024 * 1024
"""Bytes of messages that wait in each direction."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that the last messages have to go out."""


class _Waiting:
    """Messages that wait for the other thread. One thread adds and the other takes."""

    def __init__(self) -> None:
        self._messages: deque[tuple[str, bytes]] = deque()
        self._added = 0
        self._taken = 0
        self._lost = 0

    def add(self, subject: str, data: bytes) -> bool:
        """Add a message. Return whether the other thread has to be woken."""
        if self._added - self._taken + len(data) > WAITING_MAX:
            self._lost += 1
            if self._lost == 1:
                _log.warning("the bus of the cluster is too slow: messages between nodes are lost")
            return False
        self._added += len(data)
        self._messages.append((subject, data))
        return len(self._messages) == 1

    def take(self) -> tuple[str, bytes] | None:
        """Take the oldest message."""
        if not self._messages:
            return None
        found = self._messages.popleft()
        self._taken += len(found[1])
        return found


class Messenger:
    """Follows some subjects of the bus, and sends to others. It belongs to the main event loop, in which it is made."""

    def __init__(
        self, engine: JetStream, subjects: Iterable[str], receive: Callable[[Sequence[bytes]], None]
    ) -> None:
        """`receive`: gets the messages that have come, in the main event loop."""
        self._engine = engine
        self._base = engine.bus
        self._subjects = tuple(subjects)
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._out = _Waiting()
        self._in = _Waiting()
        self._sending: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Begin to follow. Raises ClusterUnavailable."""
        await self._engine.start(self._follow())

    async def close(self) -> None:
        """Send what waits, and follow nothing more."""
        self._is_closed = True
        await self._engine.start(self._unfollow())

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send messages soon, each to its subject."""
        wakes = [self._out.add(subject, data) for subject, data in messages]
        if any(wakes) and not self._is_closed:
            self._engine.call_soon(self._begin_sending)

    def _take_in(self) -> None:
        messages = []
        while (found := self._in.take()) is not None:
            messages.append(found[1])
        if messages and not self._is_closed:
            self._receive(messages)

    # --- in the engine's thread

    async def _follow(self) -> None:
        for subject in self._subjects:
            await self._engine.follow_soon(self._base + subject, self._came)

    async def _unfollow(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                while self._sending is not None:
                    await self._sending
                for subject in self._subjects:
                    await self._engine.unfollow_soon(self._base + subject, self._came)

    async def _came(self, message: "Msg") -> None:
        if self._in.add(message.subject, message.data):
            with suppress(RuntimeError):  # the program ends
                self._loop.call_soon_threadsafe(self._take_in)

    def _begin_sending(self) -> None:
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while (found := self._out.take()) is not None:
                await self._engine.send_soon(self._base + found[0], found[1])
        finally:
            self._sending = None
