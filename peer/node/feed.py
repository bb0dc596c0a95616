"""The events of a node on their way to the programs that read them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Generic, Self, TypeVar

from chatapp.peer.api.errors import AlreadyRead, FellBehind
from chatapp.wire.limits import EVENTS_WAITING_MAX, TEXTS_WAITING_MAX

Event = TypeVar("Event")

UNREAD_MAX: Final = 1_000
"""Events that are kept until the first reader begins. A program that only sends never reads: its
events must not pile up."""

SHOWN_TOGETHER: Final = 256
"""While more events wait, a loop reports those that it has finished with in batches of this
size."""


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

    def take(self) -> list[Event]:
        """Return all events, and forget them."""
        events = list(self.events)
        self.events.clear()
        self.size = 0
        return events

    @property
    def is_full(self) -> bool:
        """Whether as many events wait as may wait at most."""
        return len(self.events) >= EVENTS_WAITING_MAX or self.size >= TEXTS_WAITING_MAX


class _Texts(dict[type, bool]):
    """Whether events of a class have a text, looked up once a class."""

    def __missing__(self, kind: type) -> bool:
        self[kind] = hasattr(kind, "text")
        return self[kind]


_has_text: Final = _Texts()


def _size_of(events: Sequence[object]) -> int:
    """Return the total length of the texts of events."""
    return sum(map(len, [event.text for event in events if _has_text[type(event)]]))  # type: ignore[attr-defined, arg-type]


class Subscription(Generic[Event]):
    """Every event from the moment of the subscription on, for a program that looks on: it decides
    nothing about what counts as shown, and nobody waits for it.

        with peer.subscribe() as events:
            async for event in events: ...

    Once `EVENTS_WAITING_MAX` events wait for it, or `TEXTS_WAITING_MAX` characters of their texts,
    it is closed, and whoever reads it gets FellBehind. It ends when the peer is closed."""

    def __init__(self, feed: "EventFeed[Event]") -> None:
        self._feed: Final = feed
        self._queue: EventQueue[Event] = EventQueue()
        self._lost = 0
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event, waiting for it. Raises FellBehind."""
        await self._feed.wait_for(self._queue, while_=lambda: not self._is_over)
        self._check()
        if not self._queue:
            raise StopAsyncIteration
        event = self._queue.events.popleft()
        self._queue.size -= len(getattr(event, "text", ""))
        return event

    async def next_batch(self) -> list[Event]:
        """Return all events that wait, waiting for one; empty once the peer or the subscription is
        closed. Raises FellBehind."""
        await self._feed.wait_for(self._queue, while_=lambda: not self._is_over)
        self._check()
        return self._queue.take()

    def close(self) -> None:
        """Get no more events; a second call does nothing."""
        self._is_over = True
        self._feed.drop(self)

    def put(self, events: Sequence[Event], size: int) -> None:
        """Take events, with texts of `size` characters in all, unless too many wait already."""
        self._queue.events.extend(events)
        self._queue.size += size
        if self._queue.is_full:
            self._lost = len(self._queue)
            self._queue.take()
            self.close()

    def _check(self) -> None:
        if self._lost:
            raise FellBehind(self._lost)


class EventFeed(Generic[Event]):
    """The events of a node from its opening to its closing: for one reader, who decides what has
    been shown and whose pace counts, and for any number of subscribers, who look on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, has_room: Callable[[], None]) -> None:
        self._waiters = Waiters(loop)
        self.has_room = has_room
        """Called when the reader has caught up; a feed may outlive the node that feeds it."""
        self._subscriptions: list[Subscription[Event]] = []
        self._has_loop = False
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self.main: Final[EventQueue[Event]] = EventQueue()
        """The reader's events."""
        self.is_read = False
        """Whether anybody has begun to read."""
        self.is_closed = False

    def put(self, events: Sequence[Event]) -> None:
        """Give events to the reader and to all subscribers, and wake them."""
        size = _size_of(events)
        if self.is_read or len(self.main) < UNREAD_MAX:
            self.main.events.extend(events)
            self.main.size += size
        if self._subscriptions:
            for subscription in tuple(self._subscriptions):
                subscription.put(events, size)
        for listener in self._listeners:
            listener(events)
        self._waiters.wake()

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they are put. Return the function that ends that."""
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [one for one in self._listeners if one is not listener]

        return end

    def subscribe(self) -> Subscription[Event]:
        """Return a subscription to all events from now on."""
        subscription = Subscription(self)
        if not self.is_closed:
            self._subscriptions.append(subscription)
        return subscription

    def drop(self, subscription: Subscription[Event]) -> None:
        """Give a subscription no more events, and wake whoever waits for one."""
        self._subscriptions = [other for other in self._subscriptions if other is not subscription]
        self._waiters.wake()

    def close(self) -> None:
        """Accept no more events: readers get what is left, then end."""
        self.is_closed = True
        self._subscriptions.clear()
        self._waiters.wake()

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that it must be waited for."""
        main = self.main  # asked in every turn: one call
        return self.is_read and (
            len(main.events) >= EVENTS_WAITING_MAX or main.size >= TEXTS_WAITING_MAX
        )

    async def next_batch(self) -> list[Event]:
        """Take everything from the main queue, waiting until there is something; empty once the
        feed is closed."""
        self.is_read = True
        await self.wait_for(self.main)
        return self.take()

    def take(self) -> list[Event]:
        """Take everything from the main queue without waiting."""
        was_full = self.is_full
        batch = self.main.take()
        if was_full:
            self._caught_up(was_full=True)
        return batch

    async def read(self, shown: Callable[[list[Event]], None]) -> AsyncGenerator[Event, None]:
        """Yield each event until the feed is closed, and call `shown` with those that the loop has
        finished with: those after which it asked for another one. Raises AlreadyRead while another
        loop runs; the next loop after it goes on where it left."""
        if self._has_loop:
            raise AlreadyRead
        self._has_loop = self.is_read = True
        queue = self.main
        done: list[Event] = []
        try:
            await self.wait_for(queue)
            while queue:
                was_full = self.is_full
                event = queue.events.popleft()
                queue.size -= _size_of((event,))
                self._caught_up(was_full=was_full)
                yield event
                # The reader has come back for more, so it has finished with `event`. One `shown`
                # for each would cost one commit for each.
                done.append(event)
                if not queue or len(done) >= SHOWN_TOGETHER:
                    shown(done)
                    done = []
                    await self.wait_for(queue)
        finally:
            shown(done)
            self._has_loop = False

    def _caught_up(self, *, was_full: bool) -> None:
        if was_full and not self.is_full and not self.is_closed:
            self.has_room()

    async def wait_for(
        self, queue: EventQueue[Event], *, while_: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait for an event in this queue, or for the end of the feed, or until `while_` does not
        hold any more."""
        while not queue and not self.is_closed and while_():
            await self._waiters.wait()
