"""The events of a peer, handed to every reader: each has a queue of its own."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from peer.core.events import Event
from peer.waiters import Waiters
from wire.limits import EVENTS_WAITING_MAX, TEXTS_WAITING_MAX

UNREAD_MAX: Final = 1_000
"""Events that are kept for a program that has read none yet: one that only sends must not gather them without end."""

SHOWN_TOGETHER: Final = 256
"""Events that a loop is done with before that is noted, while more of them wait."""


class EventQueue:
    """Events that one reader has not taken yet."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.size = 0
        """The length of their texts."""

    def __len__(self) -> int:
        return len(self.events)

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that nothing more must come."""
        return len(self.events) >= EVENTS_WAITING_MAX or self.size >= TEXTS_WAITING_MAX


class EventFeed:
    """One opening of a peer. The first loop reads the main queue, whose reader decides what has been shown; any other
    loop gets the same events in a queue of its own, from its beginning on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, has_room: Callable[[], None]) -> None:
        """`has_room` is called when a reader has caught up with a feed that was full."""
        self._waiters = Waiters(loop)
        self._has_room = has_room
        self._others: list[EventQueue] = []
        self._has_main_loop = False
        self.main: Final = EventQueue()
        self.is_read = False
        """Whether somebody has begun to read."""
        self.is_closed = False

    def put(self, events: Sequence[Event]) -> None:
        """These have happened; readers go on."""
        size = 0
        for event in events:
            size += len(getattr(event, "text", ""))
        queues = [self.main, *self._others] if self.is_read or len(self.main) < UNREAD_MAX else self._others
        for queue in queues:
            queue.events.extend(events)
            queue.size += size
        self._waiters.wake()

    def close(self) -> None:
        """Nothing more happens: readers get what is left, and end."""
        self.is_closed = True
        self._waiters.wake()

    @property
    def is_full(self) -> bool:
        """Whether a reader is so far behind that nothing more must come."""
        if self.is_read and self.main.is_full:
            return True
        return bool(self._others) and any(queue.is_full for queue in self._others)

    async def next_batch(self) -> list[Event]:
        """All of the main queue; waits for something; empty when closed."""
        self.is_read = True
        await self._wait_for(self.main)
        return self.take()

    def take(self) -> list[Event]:
        """All of the main queue, without waiting."""
        was_full = self.is_full
        batch = list(self.main.events)
        self.main.events.clear()
        self.main.size = 0
        self._caught_up(was_full=was_full)
        return batch

    async def read(self, shown: Callable[[list[Event]], None]) -> AsyncGenerator[Event, None]:
        """Each event, until the feed is closed. The first loop calls `shown` with the events beyond which it was asked;
        when it has ended, the next loop that begins takes its place."""
        is_main = not self._has_main_loop
        if is_main:
            queue, self._has_main_loop, self.is_read = self.main, True, True
        else:
            queue = EventQueue()
            self._others.append(queue)
        done: list[Event] = []
        try:
            while await self._wait_for(queue):
                was_full = self.is_full
                event = queue.events.popleft()
                queue.size -= len(getattr(event, "text", ""))
                self._caught_up(was_full=was_full)
                yield event
                done.append(event)
                if is_main and (not queue or len(done) >= SHOWN_TOGETHER):
                    shown(done)
                    done = []
        finally:
            if is_main:
                shown(done)
                self._has_main_loop = False
            else:
                was_full = self.is_full
                self._others = [other for other in self._others if other is not queue]
                self._caught_up(was_full=was_full)

    def _caught_up(self, *, was_full: bool) -> None:
        if was_full and not self.is_full and not self.is_closed:
            self._has_room()

    async def _wait_for(self, queue: EventQueue) -> bool:
        """Wait for an event in this queue; false when it is empty and none will come."""
        while not queue and not self.is_closed:
            await self._waiters.wait()
        return bool(queue)
