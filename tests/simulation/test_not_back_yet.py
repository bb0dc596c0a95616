"""A restarted registry, and people who have not come back to it yet: they are tried directly first,
and nobody waits for them twice."""

from collections.abc import Callable

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from tests.support.machine import POLICY
from tests.support.people import Person
from tests.support.registry import SimulatedRegistry
from tests.support.world import World

AT_ONCE = 0.4
"""Seconds that a letter takes to be saved here, and less than any try."""


@pytest.fixture
def world() -> World:
    """Alice and bob, who know each other."""
    world = World(1, people=2)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def restart(world: World, *, meanwhile: Callable[[], None] = lambda: None) -> tuple[Person, Person]:
    """Kill and start the registry: alice registers again, and bob cannot reach it."""
    alice, bob = world.people
    world.machine.crash()
    assert isinstance(world.registry, SimulatedRegistry)
    world.registry.forget_table()
    meanwhile()
    world.network.cut(bob.address.host, world.machine.address.host)
    world.network.run_for(5.0)
    world.registry.start()
    assert world.network.run_until(lambda: alice.core.reach is RegistryReach.UP, within=10.0)
    # The rows come when the link has its grant.
    assert world.network.run_until(
        lambda: [person.online for person in alice.core.people()] == [True, False], within=1.0
    )
    return alice, bob


def fates(world: World, person: Person, text: str, *, within: float) -> list[MessageState | type]:
    """Return what is reported for a message within a span."""
    before = len(person.screen.events)
    person.send("bob", text)
    world.network.run_for(within)
    fates: list[MessageState | type] = []
    for event in person.screen.events[before:]:
        if isinstance(event, events.MessageChanged) and not event.was_saved:
            fates.append(event.state)
        elif isinstance(event, events.Unacknowledged):
            fates.append(events.Unacknowledged)
    return fates


def test_people_who_were_online_get_direct_messages(world: World) -> None:
    alice, bob = restart(world)
    assert fates(world, alice, "are you there?", within=AT_ONCE) == [MessageState.DELIVERED]
    assert bob.screen.texts() == ["are you there?"]


def test_messages_kept_for_them_go_directly_too(world: World) -> None:
    alice, bob = world.people
    hosts = alice.address.host, bob.address.host
    restart(world, meanwhile=lambda: world.network.cut(*hosts))
    alice.send("bob", "one")
    world.network.run_for(1.0)
    world.network._cut.discard(frozenset(hosts))
    world.network.run_for(2.0)
    assert bob.screen.texts() == ["one"]
    assert alice.screen.count(events.MessageState.SAVED) == 0


def test_people_who_died_meanwhile_are_waited_for_once(world: World) -> None:
    alice, bob = world.people
    restart(world, meanwhile=bob.crash)
    assert fates(world, alice, "one", within=POLICY.give_up_after - 0.1) == []
    world.network.run_for(0.1 + AT_ONCE)
    assert alice.screen.count(events.MessageState.SAVED) == 1
    assert fates(world, alice, "two", within=AT_ONCE) == [events.Unacknowledged, MessageState.SAVED]


def test_people_who_left_before_are_not_waited_for(world: World) -> None:
    alice, bob = world.people
    bob.quit()
    world.network.run_for(1.0)
    restart(world)
    assert fates(world, alice, "one", within=AT_ONCE) == [events.Unacknowledged, MessageState.SAVED]


def test_a_start_with_the_previous_table_behaves_the_same(world: World) -> None:
    alice, _ = world.people

    def again() -> None:
        alice.crash()
        alice.start()

    restart(world, meanwhile=again)
    assert fates(world, alice, "are you there?", within=AT_ONCE) == [MessageState.DELIVERED]


def test_people_whom_the_registry_has_lost_are_answered_directly(world: World) -> None:
    alice, bob = world.people
    world.network.cut(bob.address.host, world.machine.address.host)
    assert world.network.run_until(lambda: not alice.core.people()[1].online, within=60.0)
    assert fates(world, alice, "one", within=AT_ONCE) == [events.Unacknowledged, MessageState.SAVED]
    bob.send("alice", "I cannot reach the server")
    world.network.run_for(1.0)
    assert fates(world, alice, "I read you", within=AT_ONCE) == [MessageState.DELIVERED]
    assert bob.screen.texts() == ["one", "I read you"]


def test_people_who_left_on_purpose_get_mail_whatever_still_arrives(world: World) -> None:
    alice, bob = world.people
    bob.send("alice", "bye")
    world.network.run_until(lambda: alice.screen.texts() == ["bye"], within=1.0)
    late = next(
        one
        for one in reversed(world.network.recorded)
        if one[1] == bob.address and one[2] == alice.address
    )
    bob.leave()
    world.network.run_for(1.0)
    world.network.forge(*late)
    world.network.run_for(0.1)
    assert fates(world, alice, "one", within=AT_ONCE) == [events.Unacknowledged, MessageState.SAVED]
