"""What messages between peers cost in counts: datagrams, bytes, seals, statements, writes, turns,
calls. A change that makes one of them dearer fails here, on any machine; how long they take stands
in `bench/`.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatapp.peer.api import events
from chatapp.peer.core.context import Alarms
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import RecordJournal
from chatapp.peer.node.driver import LONE_TURNS, Driver
from chatapp.peer.sdk.client import Peer
from chatapp.registry.program.app import Registry
from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import DatagramEndpoint
from chatapp.wire.sessions.session import Session
from tests.guard.counting import TEXT, Counter, calm_world, count_calls
from tests.support.ports import free_port
from tests.support.world import World

MESSAGES = 640
ONE_BY_ONE = 50
CALLS_A_DATAGRAM_OF_A_RUN = 5.1
CALLS_A_MESSAGE = 69
"""At both ends together, with coming in: a tenth above what it takes, as is the next."""


def count_datagrams(world: World, between: tuple[Address, Address]) -> list[int]:
    """The sizes of datagrams between two addresses from now on; the list grows."""
    sizes: list[int] = []
    send = world.network.send

    def counted(data: bytes, source: Address, target: Address) -> None:
        if source in between and target in between:
            sizes.append(len(data))
        send(data, source, target)

    world.network.send = counted  # type: ignore[method-assign]
    return sizes


class TestDirectMessages:
    def burst(self, counter: Counter | None) -> tuple[World, list[int]]:
        """640 messages of 100 characters said in one turn, until all are delivered. A session
        begins with it."""
        world = calm_world(2)
        world.network.after_each = lambda: None  # the checks of the promise would be counted too
        alice, bob = world.people
        if counter is not None:
            counter.watch(RecordJournal, "append")
        sizes = count_datagrams(world, (alice.address, bob.address))
        for _ in range(MESSAGES):
            alice.core.direct.send("bob", TEXT, now=world.network.now)
        alice.turn()
        assert world.network.run_until(
            lambda: alice.screen.count(events.MessageState.DELIVERED) == MESSAGES, within=10.0
        )
        return world, sizes

    def test_a_datagram_carries_many_messages_and_an_ack_answers_many(
        self, counter: Counter
    ) -> None:
        _, sizes = self.burst(counter)
        assert len(sizes) <= MESSAGES / 3.75

    def test_a_message_costs_few_bytes_more_than_its_text(self, counter: Counter) -> None:
        _, sizes = self.burst(counter)
        assert sum(sizes) <= MESSAGES * (len(TEXT) + 42)

    def test_a_datagram_is_sealed_once(
        self, monkeypatch: pytest.MonkeyPatch, counter: Counter
    ) -> None:
        sealed: list[bytes] = []
        seal_all = Session.seal_all

        def noted(session: Session, payloads: Sequence[bytes]) -> list[bytes]:
            sealed.extend(payloads)
            return seal_all(session, payloads)

        monkeypatch.setattr(Session, "seal_all", noted)
        _, sizes = self.burst(counter)
        assert len(sealed) <= len(sizes) + 2  # pings to the registry

    def test_a_write_is_shared_by_all_that_one_turn_brought(self, counter: Counter) -> None:
        self.burst(counter)
        assert counter.calls["RecordJournal.append"] <= MESSAGES / 2

    def test_a_message_costs_few_calls_of_our_own_functions(self) -> None:
        calls = count_calls(lambda: self.burst(None))
        assert calls <= MESSAGES * CALLS_A_MESSAGE

    def test_a_datagram_of_a_run_costs_few_calls_of_our_own_functions(self) -> None:
        """As where one wake-up brings many: long texts, cut into parts."""
        world = calm_world(2)
        world.network.after_each = lambda: None
        alice, bob = world.people
        alice.core.direct.send("bob", TEXT, now=world.network.now)
        alice.turn()
        world.network.run_for(1.0)  # the session has begun
        for _ in range(2):
            alice.core.direct.send("bob", "x" * 30_000, now=world.network.now)
        batch = [
            (data, alice.address) for data, _ in alice.core.datagrams_to_send(now=world.network.now)
        ]
        calls = count_calls(lambda: bob.core.receive_datagrams(batch, now=world.network.now))
        assert len(batch) > 50
        assert calls <= len(batch) * CALLS_A_DATAGRAM_OF_A_RUN

    def test_a_message_is_one_row_at_each_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its acknowledgement was stored meanwhile, and what a turn shares is a statement for
        many."""
        statements: list[str] = []
        opened = History.__init__

        def traced(history: History, path: Path | str, *, server: str) -> None:
            opened(history, path, server=server)
            history._db.set_trace_callback(statements.append)

        monkeypatch.setattr(History, "__init__", traced)
        world, _ = self.burst(None)
        statements.clear()
        for person in world.people:
            assert len(person.history.lines.latest(MESSAGES)) == MESSAGES
        assert sum(statement.startswith("INSERT") for statement in statements) <= 2 * MESSAGES + 8
        assert len(statements) <= 2.2 * MESSAGES

    def test_a_row_has_nothing_that_needs_an_adapter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Looking for one takes Python's sqlite3 as long as a fifth of the row, for each value that
        is no int or str."""
        world, _ = self.burst(None)
        adapted: list[object] = []

        def noted(value: object) -> object:
            adapted.append(value)
            return value

        adapters: Any = sqlite3.adapters
        for kind in (bool, bytes, type(None), events.MessageState):
            monkeypatch.setitem(adapters, (kind, sqlite3.PrepareProtocol), noted)
        for person in world.people:
            assert len(person.history.lines.latest(MESSAGES)) == MESSAGES
        assert len(adapted) < MESSAGES / 10


class TestDriver:
    """The real driver, on loopback: what one message at a time costs in turns and writes."""

    async def test_one_at_a_time_takes_two_writes_and_few_turns_at_each_end(
        self, tmp_path: Path, counter: Counter
    ) -> None:
        server = ("127.0.0.1", free_port())
        engine = Registry(server[1], tmp_path, say=lambda line: None)
        await engine.start()
        for owner, name in (
            (RecordJournal, "append"),
            (History, "file"),
            (Driver, "_take_turn"),
            (Driver, "_timer_rang"),
            (Alarms, "next_timer"),
            (DatagramEndpoint, "send_all"),
        ):
            counter.watch(owner, name)
        async with (
            Peer("alice", server, home=tmp_path) as alice,
            Peer("bob", server, home=tmp_path) as bob,
        ):
            watching = asyncio.create_task(show_everything(bob))
            await (await alice.send("bob", TEXT)).settled()
            before = dict(counter.calls)
            for _ in range(ONE_BY_ONE):
                await (await alice.send("bob", TEXT)).settled()
            calls = {key: count - before[key] for key, count in counter.calls.items()}
            watching.cancel()
        await engine.stop()
        rings = calls["Driver._timer_rang"]
        # A ring looks for deadlines once, and again after it did what was due, and so do the first
        # turns after it.
        assert calls["Alarms.next_timer"] <= (2 + LONE_TURNS) * (rings + 1)
        # A probe where the machine was slow.
        assert ONE_BY_ONE <= calls["DatagramEndpoint.send_all"] <= 2 * ONE_BY_ONE + 2 * rings
        assert calls["RecordJournal.append"] <= 4 * ONE_BY_ONE + 2 * rings
        assert calls["History.file"] <= rings
        assert calls["Driver._take_turn"] <= 3 * ONE_BY_ONE + 2 * rings


async def show_everything(peer: Peer) -> None:
    """As a face does."""
    while batch := await peer.next_events():
        peer.events_shown(batch)
