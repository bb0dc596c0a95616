"""The events of a node on their way to the programs that read them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Generic, TypeVar

from chatapp.wire.limits import EVENTS_WAITING_MAX, TEXTS_WAITING_MAX

Event = TypeVar("Event")

UNREAD_MAX: Final = 1_000
"""Events that are kept until the first reader begins. A program that only sends never reads: its events must not pile up."""

SHOWN_TOGETHER: Final = 256
"""While more events wait, a loop reports those that it has finished with in batches of this size."""


class Waiters:
    """Coroutines that wait for the next call of `wake`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait for the next `wake`."""
        future = self._loop.create_future()
        self._futures.append(future)
        await future

    def wake(self) -> None:
        """Resume every coroutine that is waiting now."""
        if self._futures:
            futures, self._futures = self._futures, []
            for future in futures:
                if not future.done():  # a waiter may have been cancelled
                    future.set_result(None)


class EventQueue(Generic[Event]):
    """Events that one reader has not taken yet."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.size = 0
        """The total length of their texts."""

    def __len__(self) -> int:
        return len(self.events)

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that it must be waited for."""
        return len(self.events) >= EVENTS_WAITING_MAX or self.size >= TEXTS_WAITING_MAX


class EventFeed(Generic[Event]):
    """The events of a node from its opening to its closing, for any number of readers.

    The first loop reads the main queue and decides what has been shown. Every other loop has a queue of its own, which
    receives the same events from the moment that the loop begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, has_room: Callable[[], None]) -> None:
        """`has_room` is called when a reader has caught up with a feed that was full."""
        self._waiters = Waiters(loop)
        self._has_room = has_room
        self._others: list[EventQueue[Event]] = []
        self._has_main_loop = False
        self.main: Final[EventQueue[Event]] = EventQueue()
        self.is_read = False
        """Whether anybody has begun to read."""
        self.is_closed = False

    def put(self, events: Sequence[Event]) -> None:
        """Add events to every queue and wake the readers."""
        size = 0
        for event in events:
            size += len(getattr(event, "text", ""))
        queues = [self.main, *self._others] if self.is_read or len(self.main) < UNREAD_MAX else self._others
        for queue in queues:
            queue.events.extend(events)
            queue.size += size
        self._waiters.wake()

    def close(self) -> None:
        """Accept no more events: readers get what is left, then end."""
        self.is_closed = True
        self._waiters.wake()

    @property
    def is_full(self) -> bool:
        """Whether some reader is so far behind that it must be waited for."""
        if self.is_read and self.main.is_full:
            return True
        return bool(self._others) and any(queue.is_full for queue in self._others)

    async def next_batch(self) -> list[Event]:
        """Take everything from the main queue, waiting until there is something; empty once the feed is closed."""
        self.is_read = True
        await self._wait_for(self.main)
        return self.take()

    def take(self) -> list[Event]:
        """Take everything from the main queue without waiting."""
        was_full = self.is_full
        batch = list(self.main.events)
        self.main.events.clear()
        self.main.size = 0
        self._caught_up(was_full=was_full)
        return batch

    async def read(self, shown: Callable[[list[Event]], None]) -> AsyncGenerator[Event, None]:
        """Yield each event until the feed is closed.

        The first loop calls `shown` with the events that it has finished with: those after which it asked for another
        one. When it ends, the next loop to begin takes its place."""
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
                # The reader has come back for more, so it has finished with `event`. One `shown` for each would cost
                # one commit for each.
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

    async def _wait_for(self, queue: EventQueue[Event]) -> bool:
        """Wait for an event in this queue; False when it is empty and the feed is closed."""
        while not queue and not self.is_closed:
            await self._waiters.wait()
        return bool(queue)
