"""This file is about what things cost in counts: datagrams, bytes, seals, signatures, commits. A change that makes one of
them dearer fails here, on any machine; how long they take stands in `bench/`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from peer.core import events as happened
from peer.history import History
from registry.core import RegistryCore
from tests.support.network import Weather
from tests.support.world import World
from wire.address import Address
from wire.identity import Identity
from wire.sealing import GroupKey, LinkCipher, Session

TEXT = "x" * 100
MESSAGES = 640


class Counter:
    """Counts calls of methods, and what they were given."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.calls: dict[str, int] = {}

    def watch(self, owner: type, name: str) -> None:
        """Count calls of `owner.name` from now on."""
        kept: Callable[..., Any] = getattr(owner, name)
        key = f"{owner.__name__}.{name}"
        self.calls[key] = 0

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[key] += 1
            return kept(*args, **kwargs)

        self._patch.setattr(owner, name, counted)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def calm_world(people: int) -> World:
    """Everybody registered, all tables complete."""
    world = World(7, people=people, weather=Weather(delay_least=0.002, delay_most=0.002))  # nothing overtakes
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    world.network.run_for(2.0)
    return world


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
    def burst(self, counter: Counter) -> tuple[World, list[int]]:
        """640 messages of 100 characters said in one turn, until all are delivered."""
        world = calm_world(2)
        alice, bob = world.people
        counter.watch(Session, "seal")
        counter.watch(History, "apply")
        sizes = count_datagrams(world, (alice.address, bob.address))
        for _ in range(MESSAGES):
            alice.core.send("bob", TEXT, now=world.network.now)
        alice.pump()
        assert world.network.run_until(
            lambda: alice.screen.count(happened.Delivered) == MESSAGES, within=10.0
        )
        return world, sizes

    def test_a_datagram_carries_many_messages_and_an_ack_answers_many(self, counter: Counter) -> None:
        _, sizes = self.burst(counter)
        assert len(sizes) <= MESSAGES / 4

    def test_a_message_costs_few_bytes_more_than_its_text(self, counter: Counter) -> None:
        _, sizes = self.burst(counter)
        assert sum(sizes) <= MESSAGES * (len(TEXT) + 40)

    def test_a_datagram_is_sealed_once(self, counter: Counter) -> None:
        _, sizes = self.burst(counter)
        assert counter.calls["Session.seal"] <= len(sizes) + 2  # pings to the registry

    def test_a_commit_is_shared_by_all_that_one_turn_brought(self, counter: Counter) -> None:
        self.burst(counter)
        assert counter.calls["History.apply"] <= MESSAGES / 2


class TestTable:
    def test_a_change_is_signed_once_for_everybody(self, counter: Counter) -> None:
        world = calm_world(4)
        counter.watch(Identity, "sign")
        counter.watch(GroupKey, "seal")
        world.people[0].leave()
        world.network.run_for(0.2)
        # One batch; the announcement of its version follows 0.25 s after the change.
        assert counter.calls["Identity.sign"] == 1
        assert counter.calls["GroupKey.seal"] == 1

    def test_a_broadcast_is_one_object_for_all(self) -> None:
        world = calm_world(4)
        core: RegistryCore = world.house.core
        batches: list[tuple[bytes, list[Address]]] = []
        drain = core.broadcasts_to_send

        def drained() -> list[tuple[bytes, list[Address]]]:
            found = drain()
            batches.extend(found)
            return found

        core.broadcasts_to_send = drained  # type: ignore[method-assign]
        world.people[0].leave()
        world.network.run_for(0.2)
        assert [len(addresses) for _, addresses in batches] == [3]


class TestChannel:
    def test_a_line_is_sealed_once_by_its_sender_and_never_opened_by_the_registry(
        self, counter: Counter
    ) -> None:
        world = calm_world(4)
        counter.watch(GroupKey, "seal")
        counter.watch(GroupKey, "open")
        counter.watch(LinkCipher, "seal")
        world.people[0].send_all(TEXT)
        world.network.run_for(0.2)
        assert counter.calls["GroupKey.seal"] == 1
        assert counter.calls["GroupKey.open"] == 3  # its readers
        assert counter.calls["LinkCipher.seal"] == 1  # the answer to the sender
