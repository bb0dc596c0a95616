"""Carries the messages of the bus between the main event loop and the broker's thread. Nothing
waits in the main loop; what is too much is lost, which the sessions of the bus notice.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from chatapp.registry.cluster.jetstream import JetStream
from chatapp.wire.errors import quoted

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_log = logging.getLogger(__name__)

WAITING_MAX: Final = 32 * 1024 * 1024
"""Bytes of messages of one subject that wait in each direction. Each subject has its own share, so
a node that sends or is sent too much does not cost the other ones their messages."""

WAITING_IN_ALL: Final = 8 * WAITING_MAX
"""Bytes of messages of all subjects that wait in each direction: anybody with a node's credentials
can make up subjects."""

OVERHEAD: Final = 512
"""Bytes that a message which waits counts beside its own: others may send empty ones."""

SUBJECTS_MAX: Final = 1_000
"""Subjects of which messages wait in each direction. A cluster has one or two for each node."""

SUBJECT_OVERHEAD: Final = 1_024
"""Bytes that a subject of which messages wait counts beside its name, a character of which takes up
to four."""

TURN_FOR: Final = 0.005
"""Seconds for which messages are handed over before others get the event loop."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that the last messages have to go out."""

_ANY: Final = ">"
"""Stands for all subjects, as with NATS."""


class _Waiting:
    """Messages that wait for the other thread, in order within each subject; the subjects take
    turns. One thread adds and the other takes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._messages: dict[str, deque[bytes]] = {}
        """By subject."""
        self._sizes: dict[str, int] = {}
        """Bytes that wait, by subject."""
        self._turns: deque[str] = deque()
        """The same subjects in the order of their turns."""
        self._in_all = 0
        self._losing: set[str] = set()
        """Subjects whose messages were lost since the last time that none waited; `_ANY` for all
        together."""

    def add(self, subject: str, data: bytes) -> bool:
        """Add a message. Return whether the other thread has to be woken."""
        with self._lock:
            size = self._sizes.get(subject, 0)
            cost = len(data) + OVERHEAD + (0 if size else SUBJECT_OVERHEAD + 4 * len(subject))
            is_full = size + cost > WAITING_MAX
            has_room = self._in_all + cost <= WAITING_IN_ALL and (
                size or len(self._sizes) < SUBJECTS_MAX
            )
            if has_room and not is_full:
                is_first = not self._turns
                if not size:
                    self._turns.append(subject)
                    self._messages[subject] = deque()
                self._messages[subject].append(data)
                self._sizes[subject] = size + cost
                self._in_all += cost
                return is_first
            named = subject if size and is_full else _ANY
            is_first = named not in self._losing
            self._losing.add(named)
        if is_first:
            _log.warning(
                "the bus of the cluster is too slow: messages for %s are lost", quoted(named)
            )
        return False

    def take(self) -> tuple[str, bytes] | None:
        """Take the oldest message of the subject whose turn it is."""
        with self._lock:
            if not self._turns:
                return None
            subject = self._turns.popleft()
            data = self._messages[subject].popleft()
            cost = len(data) + OVERHEAD
            if self._messages[subject]:
                self._turns.append(subject)
                self._sizes[subject] -= cost
            else:
                del self._messages[subject]
                cost = self._sizes.pop(subject)
                self._losing.discard(subject)
            self._in_all -= cost
            if not self._turns:
                self._losing.discard(_ANY)
            return subject, data


class Messenger:
    """Follows some subjects of the bus, and sends to others. It belongs to the main event loop, in
    which it is made."""

    def __init__(
        self,
        broker: JetStream,
        subjects: Iterable[str],
        receive: Callable[[bytes], None],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`receive`: gets each message that has come, in the main event loop."""
        self._broker = broker
        self._base = broker.bus
        self._subjects = tuple(subjects)
        self._receive = receive
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._out = _Waiting()
        self._in = _Waiting()
        self._sending: asyncio.Task[None] | None = None
        self._is_failing = False
        self._is_closed = False

    async def open(self) -> None:
        """Begin to follow. Raises ClusterUnavailable."""
        await self._broker.start(self._follow())

    async def close(self) -> None:
        """Send what waits, and follow nothing more."""
        self._is_closed = True
        await self._broker.start(self._unfollow())

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send messages soon, each to its subject."""
        wakes = [self._out.add(subject, data) for subject, data in messages]
        if any(wakes) and not self._is_closed:
            self._broker.call_soon(self._begin_sending)

    def _take_in(self) -> None:
        """Hand over what has come. A flood is handed over in slices, so that others get the event
        loop in between."""
        until = self._now() + TURN_FOR
        while not self._is_closed and (found := self._in.take()) is not None:
            self._receive(found[1])
            if self._now() >= until:
                self._loop.call_soon(self._take_in)
                return

    # --- in the broker's thread

    async def _follow(self) -> None:
        for subject in self._subjects:
            await self._broker.follow_soon(self._base + subject, self._came)

    async def _unfollow(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                while self._sending is not None:
                    await self._sending
                for subject in self._subjects:
                    await self._broker.unfollow_soon(self._base + subject, self._came)

    async def _came(self, message: "Msg") -> None:
        if self._in.add(message.subject.removeprefix(self._base), message.data):
            with suppress(RuntimeError):  # the program ends
                self._loop.call_soon_threadsafe(self._take_in)

    def _begin_sending(self) -> None:
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while (found := self._out.take()) is not None:
                await self._send_one(*found)
        finally:
            self._sending = None

    async def _send_one(self, subject: str, data: bytes) -> None:
        try:
            await self._broker.send_soon(self._base + subject, data)
        except Exception as error:  # noqa: BLE001 - a fault of ours or of the library: those behind it still go out
            if not self._is_failing:
                _log.error("a message between nodes could not be sent: %s", quoted(repr(error)))
            self._is_failing = True
        else:
            self._is_failing = False
