"""UDP works and TCP does not: the lines that people read, and what happens to their messages."""

import pytest

from chatapp.peer.api import events
from tests.support.people import Person
from tests.support.screen import is_now
from tests.support.world import World

SETTLED_WITHIN = 12.0
"""Seconds until a message on a link that carries nothing any more has taken another way."""


def troubles(person: Person) -> list[events.LinkTrouble]:
    return [
        event.trouble for event in person.screen.events if isinstance(event, events.LinkTroubled)
    ]


@pytest.fixture
def world() -> World:
    """Alice, bob and carol."""
    return World(1, people=3)


def test_tcp_blocked_from_the_start_is_told_within_five_seconds_to_everybody(world: World) -> None:
    world.network.blocks_tcp = True
    world.start()
    world.network.run_for(5.0)
    alice, bob, _ = world.people
    for person in world.people:
        assert troubles(person) == [events.LinkTrouble.BLOCKED]
    alice.send("bob", "nobody has told me who you are")
    world.network.run_for(5.0)
    assert any(is_now(event, events.MessageState.KEPT) for event in alice.screen.events)
    assert bob.screen.texts() == []
    world.network.blocks_tcp = False
    assert world.network.run_until(world.is_calm, within=40.0)
    assert bob.screen.texts() == ["nobody has told me who you are"]
    for person in world.people:
        assert troubles(person)[1:] == [events.LinkTrouble.OVER]


def test_direct_chat_goes_on_while_tcp_is_blocked(world: World) -> None:
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    alice, bob, _ = world.people
    world.network.blocks_tcp = True
    world.network.largest_segment = 0
    world.network.run_for(90.0)
    alice.send("bob", "can you hear me?")
    world.network.run_for(1.0)
    assert bob.screen.texts() == ["can you hear me?"]
    assert events.LinkTrouble.BLOCKED in troubles(alice)


def test_a_message_on_a_link_that_carries_nothing_takes_another_way(world: World) -> None:
    """Bob is away, so there is no way but the link; the network loses all that is long for a
    while."""
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    alice, bob, carol = world.people
    bob.leave()
    world.network.run_for(5.0)
    world.network.largest_segment = 300
    alice.send("bob", "long " * 100)
    world.network.run_for(1.0)
    world.network.largest_segment = None
    world.network.run_for(SETTLED_WITHIN - 1.0)
    assert any(is_now(event, events.MessageState.SAVED) for event in alice.screen.events)
    assert troubles(alice) == [events.LinkTrouble.STALLED]
    assert troubles(carol) == []
    bob.come_back()
    assert world.network.run_until(world.is_calm, within=10.0)
    assert bob.screen.texts() == ["long " * 100]


def test_a_visitor_of_the_desk_is_told_too(world: World) -> None:
    world.network.blocks_tcp = True
    world.start()
    visitor = world.visitor()
    assert visitor is not None
    world.network.run_for(5.0)
    assert [event for _, event in visitor.told if isinstance(event, events.LinkTroubled)] == [
        events.LinkTroubled(port=5_000, trouble=events.LinkTrouble.BLOCKED)
    ]
