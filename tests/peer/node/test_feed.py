"""Events for several readers: who gets which, who decides what was shown, and whose pace counts."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import NamedTuple

import pytest

from chatapp.peer.api.errors import AlreadyRead, FellBehind
from chatapp.peer.node.feed import SHOWN_TOGETHER, UNREAD_MAX, EventFeed
from tests.peer.village import WITHIN


class Event(NamedTuple):
    """An event, as far as a feed uses it."""

    text: str


def event(number: int) -> Event:
    return Event(str(number))


class Desk:
    """A feed with its readers."""

    def __init__(self) -> None:
        self.shown: list[list[Event]] = []
        self.rooms = 0
        self.feed: EventFeed[Event] = EventFeed(asyncio.get_running_loop(), has_room=self._has_room)

    def _has_room(self) -> None:
        self.rooms += 1

    def read(self) -> AsyncGenerator[Event, None]:
        return self.feed.read(lambda batch: self.shown.append(list(batch)) if batch else None)

    @property
    def shown_so_far(self) -> list[Event]:
        return [one for batch in self.shown for one in batch]


async def next_of(loop: AsyncGenerator[Event, None], count: int = 1) -> list[Event]:
    async with asyncio.timeout(WITHIN):
        return [await anext(loop) for _ in range(count)]


async def rest_of(loop: AsyncGenerator[Event, None]) -> list[Event]:
    async with asyncio.timeout(WITHIN):
        return [one async for one in loop]


async def waiting(loop: AsyncGenerator[Event, None]) -> asyncio.Task[list[Event]]:
    """Return a reader that has begun, and waits."""
    task = asyncio.create_task(next_of(loop))
    await asyncio.sleep(0)
    return task


async def test_the_reader_gets_all_and_a_subscriber_gets_all_from_its_beginning_on() -> None:
    desk = Desk()
    desk.feed.put([event(0)])
    reader, subscriber = desk.read(), desk.feed.subscribe()
    assert await next_of(reader) == [event(0)]
    coming = asyncio.create_task(anext(subscriber))
    desk.feed.put([event(1), event(2)])
    assert await coming == event(1)
    desk.feed.put([event(3)])
    late = desk.feed.subscribe()
    desk.feed.close()
    assert await rest_of(reader) == [event(1), event(2), event(3)]
    async with asyncio.timeout(WITHIN):
        assert [one async for one in subscriber] == [event(2), event(3)]
        assert [one async for one in late] == [one async for one in desk.feed.subscribe()] == []


async def test_there_is_one_reader_at_a_time() -> None:
    desk = Desk()
    reader = desk.read()
    coming = await waiting(reader)
    with pytest.raises(AlreadyRead):
        await anext(desk.read())
    desk.feed.put([event(0)])
    assert await coming == [event(0)]


async def test_only_the_reader_decides_what_was_shown_and_not_of_what_it_holds() -> None:
    desk = Desk()
    reader, subscriber = desk.read(), desk.feed.subscribe()
    desk.feed.put([event(0)])
    await next_of(reader)
    desk.feed.put([event(1), event(2)])
    assert await subscriber.next_batch() == [event(0), event(1), event(2)]
    assert desk.shown == []
    await next_of(reader)
    subscriber.close()
    assert desk.shown == []
    await reader.aclose()
    assert desk.shown == [[event(0)]]


async def test_a_subscriber_that_is_too_slow_is_closed_and_told_what_it_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 3)
    desk = Desk()
    slow, quick = desk.feed.subscribe(), desk.feed.subscribe()
    for number in range(5):
        desk.feed.put([event(number)])
        assert await anext(quick) == event(number)
    for _ in range(2):
        with pytest.raises(FellBehind) as behind:
            await anext(slow)
        assert behind.value.lost == 3
    with pytest.raises(FellBehind, match="3 events waited"):
        await slow.next_batch()
    assert not desk.feed.is_full, "nobody waits for a subscriber"


async def test_long_texts_close_a_slow_subscriber_before_many_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.TEXTS_WAITING_MAX", 2_000)
    desk = Desk()
    slow, quick = desk.feed.subscribe(), desk.feed.subscribe()
    for _ in range(2):
        desk.feed.put([Event("x" * 1_000)])
        await anext(quick)
    with pytest.raises(FellBehind):
        await anext(slow)


async def test_a_closed_subscription_ends_for_whoever_waits() -> None:
    desk = Desk()
    with desk.feed.subscribe() as subscriber:
        coming = asyncio.create_task(subscriber.next_batch())
        await asyncio.sleep(0)
    async with asyncio.timeout(WITHIN):
        assert await coming == []
    desk.feed.put([event(0)])
    async with asyncio.timeout(WITHIN):
        assert [one async for one in subscriber] == []


async def test_what_a_waiting_loop_is_done_with_is_shown_at_once() -> None:
    desk = Desk()
    first = desk.read()
    desk.feed.put([event(0)])
    await next_of(first)
    coming = await waiting(first)
    assert desk.shown == [[event(0)]]
    desk.feed.put([event(1)])
    await coming


async def test_a_loop_that_never_waits_says_now_and_then_what_was_shown() -> None:
    desk = Desk()
    first = desk.read()
    desk.feed.put([event(number) for number in range(2 * SHOWN_TOGETHER + 2)])
    await next_of(first, 2 * SHOWN_TOGETHER + 1)
    assert [len(batch) for batch in desk.shown] == [SHOWN_TOGETHER, SHOWN_TOGETHER]


async def test_the_next_loop_after_the_first_has_ended_goes_on_where_it_left() -> None:
    desk = Desk()
    first = desk.read()
    desk.feed.put([event(0), event(1), event(2)])
    await next_of(first)
    await first.aclose()
    heir = desk.read()
    assert await next_of(heir, 2) == [event(1), event(2)]
    await heir.aclose()
    assert desk.shown_so_far == [event(1)]


async def test_the_reader_sets_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 3)
    desk = Desk()
    reader = desk.read()
    desk.feed.put([event(0)])
    await next_of(reader)
    fullness = []
    for number in range(1, 5):
        desk.feed.put([event(number)])
        fullness.append(desk.feed.is_full)
    assert fullness == [False, False, True, True]
    await next_of(reader)
    assert (desk.feed.is_full, desk.rooms) == (True, 0)
    await next_of(reader)
    assert (desk.feed.is_full, desk.rooms) == (False, 1)


async def test_a_reader_of_batches_that_catches_up_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 2)
    desk = Desk()
    desk.feed.put([event(0)])
    assert await desk.feed.next_batch() == [event(0)]
    fullness = []
    for number in range(2):
        desk.feed.put([event(number)])
        fullness.append(desk.feed.is_full)
    assert desk.feed.take() == [event(0), event(1)]
    fullness.append(desk.feed.is_full)
    assert (fullness, desk.rooms) == ([False, True, False], 1)


async def test_long_texts_fill_a_feed_before_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.TEXTS_WAITING_MAX", 3_000)
    desk = Desk()
    reader = desk.read()
    coming = await waiting(reader)
    desk.feed.put([Event("x" * 1_000) for _ in range(4)])
    await coming
    assert desk.feed.is_full, "three texts wait"
    await next_of(reader)
    assert (desk.feed.is_full, desk.rooms) == (False, 1)


async def test_who_has_not_begun_to_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 2)
    desk = Desk()
    desk.feed.put([event(0), event(1)])
    assert not desk.feed.is_full


async def test_a_program_that_reads_nothing_gathers_no_more_than_a_bound() -> None:
    desk = Desk()
    for number in range(2 * UNREAD_MAX):
        desk.feed.put([event(number)])
    kept = desk.feed.take()
    assert len(kept) == UNREAD_MAX
    assert all(int(one.text) + 1 == int(two.text) for one, two in pairwise(kept))
    desk.feed.put([event(0)])
    assert desk.feed.take() == [event(0)]


async def test_all_readers_end_when_the_peer_is_closed() -> None:
    desk = Desk()
    wait = await waiting(desk.read())
    coming = asyncio.create_task(anext(desk.feed.subscribe()))
    await asyncio.sleep(0)
    desk.feed.close()
    for one in (wait, coming):
        with pytest.raises(StopAsyncIteration):
            await one
    assert await desk.feed.next_batch() == []
    assert await rest_of(desk.read()) == []
