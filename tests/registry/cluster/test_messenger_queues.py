"""The queues between the event loop and the connection: bounded for each subject, emptied in
slices, and never stuck."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from fnmatch import fnmatch
from typing import Any, cast

import msgspec
import pytest

from chatapp.registry.cluster import messenger as messenger_module
from chatapp.registry.cluster.jetstream import JetStream
from chatapp.registry.cluster.messenger import OVERHEAD, SUBJECT_OVERHEAD, TURN_FOR, Messenger


class Message(msgspec.Struct):
    """A message as the client library has it."""

    subject: str
    data: bytes


class Broker:
    """A connection in the same event loop, which notes what is sent."""

    bus = "chatapp.c.bus."

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.fails_on: set[bytes] = set()
        self._followers: dict[str, Callable[[Any], Awaitable[None]]] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.ensure_future(work)

    def call_soon(self, work: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_soon(work)

    async def follow_soon(self, subject: str, came: Callable[[Any], Awaitable[None]]) -> None:
        self._followers[subject] = came

    async def unfollow_soon(self, subject: str, came: Callable[[Any], Awaitable[None]]) -> None:
        del self._followers[subject]

    async def send_soon(self, subject: str, data: bytes) -> None:
        if data in self.fails_on:
            raise RuntimeError("a fault of the library")
        self.sent.append((subject.removeprefix(self.bus), data))

    async def deliver(self, subject: str, data: bytes) -> None:
        (came,) = (
            came for what, came in self._followers.items() if fnmatch(self.bus + subject, what)
        )
        await came(Message(self.bus + subject, data))


class World:
    """One messenger, and what it has handed over."""

    def __init__(self) -> None:
        self.now = 0.0
        self.costs = 0.0
        """Seconds that each message takes."""
        self.came: list[bytes] = []
        self.broker = Broker()
        self.messenger = Messenger(
            cast("JetStream", self.broker),
            ("engine.*", "news"),
            self._receive,
            now=lambda: self.now,
        )

    def _receive(self, data: bytes) -> None:
        self.came.append(data)
        self.now += self.costs


def room_for(count: int, size: int, subject: str) -> int:
    """Return what so many messages of this size count on a subject."""
    return SUBJECT_OVERHEAD + 4 * len(subject) + count * (size + OVERHEAD)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.messenger.open()
    return made


async def test_a_subject_with_too_much_loses_messages_and_others_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(messenger_module, "WAITING_MAX", room_for(2, 50, "edge.1"))
    slow, other = "edge.1", "edge.2"
    sent = [
        (slow, b"a" * 60),
        (slow, b"b" * 60),
        (other, b"c" * 60),
        (slow, b"d" * 60),
        (slow, b"e" * 20),
    ]
    world.messenger.send(sent)
    await world.messenger.close()
    assert world.broker.sent == [sent[0], sent[2], sent[4]]
    assert caplog.messages == ["the bus of the cluster is too slow: messages for edge.1 are lost"]


async def test_an_edge_that_floods_the_engine_costs_others_no_message_and_no_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger_module, "WAITING_MAX", room_for(3, 1, "engine.1"))
    for number in range(5):
        await world.broker.deliver("engine.1", b"%d" % number)
    await world.broker.deliver("engine.2", b"a")
    await world.broker.deliver("engine.2", b"b")
    await turns(1)
    assert world.came == [b"0", b"a", b"1", b"b", b"2"]


async def test_all_subjects_together_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger_module, "WAITING_IN_ALL", 3 * room_for(1, 1, "engine.0"))
    for number in range(5):
        await world.broker.deliver(f"engine.{number}", b"%d" % number)
    await turns(1)
    assert world.came == [b"0", b"1", b"2"]
    await world.broker.deliver("engine.5", b"5")
    await turns(1)
    assert world.came[3:] == [b"5"]


async def test_subjects_that_are_made_up_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger_module, "SUBJECTS_MAX", 3)
    for number in range(5):
        await world.broker.deliver(f"engine.{number}", b"%d" % number)
    await world.broker.deliver("engine.1", b"more")
    await turns(1)
    assert world.came == [b"0", b"1", b"2", b"more"]
    await world.broker.deliver("engine.5", b"5")
    await turns(1)
    assert world.came[4:] == [b"5"]


@pytest.mark.parametrize("length", [1, 4_000])
async def test_what_waits_takes_no_more_memory_than_it_counts(
    length: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty messages on subjects that somebody makes up cost the most beside themselves."""
    monkeypatch.setattr(messenger_module, "WAITING_IN_ALL", 400_000)
    tracemalloc.start()
    try:
        for number in range(1_000):
            await world.broker.deliver(f"engine.{number}.{length * 'x'}", b"")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 400_000


async def test_a_fault_costs_one_message_and_is_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.broker.fails_on = {b"1", b"2"}
    world.messenger.send([("news", b"%d" % number) for number in range(4)])
    await world.messenger.close()
    assert [data for _, data in world.broker.sent] == [b"0", b"3"]
    assert caplog.messages == [
        "a message between nodes could not be sent: RuntimeError('a fault of the library')"
    ]


async def test_a_flood_is_handed_over_in_slices(world: World) -> None:
    """Others get the event loop in between, and nothing is lost or overtaken."""
    world.costs = TURN_FOR / 2
    for number in range(5):
        await world.broker.deliver("engine.1", b"%d" % number)
    asyncio.get_running_loop().call_soon(world.came.append, b"other")
    await turns(4)
    assert world.came == [b"0", b"1", b"other", b"2", b"3", b"4"]


async def test_a_closed_messenger_hands_nothing_over(world: World) -> None:
    world.costs = TURN_FOR
    for number in range(3):
        await world.broker.deliver("engine.1", b"%d" % number)
    await turns(1)
    await world.messenger.close()
    await turns(3)
    assert world.came == [b"0"]
