"""Presence by interest in worlds: whatever is cut, everybody knows soon of those whom they watch,
and nothing is lost when the registry begins or ends to tell everybody of everybody."""

import random
from typing import Final

import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.wire.messages.table import ONLINE
from tests.support.people import Person
from tests.support.world import World

KNOWN_WITHIN: Final = 10.0
CROSSINGS: Final = 50
LIMIT: Final = 4


def is_right(world: World, person: Person) -> bool:
    """Whether a person knows of those of whom they are told what the registry does."""
    contacts, directory = person.core.roster.contacts, world.registry.engine.hub.directory
    return all(
        (row := directory.person(one.identity)) is None
        or (one.row.presence in ONLINE) is row.online
        for one in contacts
        if contacts.is_followed(one)
    )


def is_up(person: Person) -> bool:
    return person.core.reach is RegistryReach.UP


@pytest.mark.parametrize("seed", range(4))
def test_whatever_links_are_cut_everybody_soon_knows_of_those_whom_they_watch(seed: int) -> None:
    world, chance = World(seed, people=5), random.Random(seed)
    world.registry.broadcast_up_to = 3
    world.start()
    assert world.network.run_until(lambda: all(map(is_up, world.people)), within=10.0)
    for one in world.people:
        one.send(chance.choice([other for other in world.people if other is not one]).name, "hi")
    world.network.run_for(5.0)
    for _ in range(20):
        for person in world.people:
            if chance.random() < 0.3:
                person.break_link()
        leaver = chance.choice(world.people)
        leaver.leave()
        world.network.run_for(chance.choice((0.0, 0.5, 3.0)))
        leaver.come_back()
        assert world.network.run_until(
            lambda: all(is_up(one) and is_right(world, one) for one in world.people),
            within=KNOWN_WITHIN,
        )


def test_no_presence_is_lost_when_the_limit_is_crossed_again_and_again() -> None:
    world = World(1, people=5)
    world.registry.broadcast_up_to = LIMIT
    world.start()
    assert world.network.run_until(lambda: all(map(is_up, world.people)), within=10.0)
    alice, bob, *others = world.people
    alice.send("bob", "hi")
    world.network.run_for(5.0)
    scopes = set()

    def knows() -> bool:
        bobs = alice.core.roster.contacts.by_name("bob")
        is_bob_right = bobs is not None and bobs.is_online is not bob.core.is_offline
        count = sum(not one.core.is_offline for one in world.people)
        is_crossed = alice.core.roster.interest.is_on is (count > LIMIT)
        return is_bob_right and is_crossed and is_up(alice) and is_right(world, alice)

    for crossing in range(CROSSINGS):
        for other in others[:2]:
            (other.leave if crossing % 2 == 0 else other.come_back)()
        (bob.leave if crossing % 4 == 0 else bob.come_back)()
        assert world.network.run_until(knows, within=KNOWN_WITHIN), crossing
        scopes.add((crossing % 2, alice.core.roster.interest.is_on))
    assert scopes == {(0, False), (1, True)}


def test_who_was_found_for_a_message_is_watched_from_then_on() -> None:
    world = World(1, people=2)
    world.registry.broadcast_up_to = 0
    world.start()
    assert world.network.run_until(lambda: all(map(is_up, world.people)), within=10.0)
    alice, bob = world.people
    bob.leave()
    world.network.run_for(1.0)
    world.machine.kill()
    world.network.run_for(60.0)
    alice.send("bob", "hi")
    world.registry.start()
    world.network.run_for(30.0)
    assert alice.sent()[-1][-1] is MessageState.SAVED
    assert [one.name for one in alice.core.roster.contacts.people()] == ["alice", "bob"]


def test_whoever_is_asked_for_by_name_is_watched_from_then_on() -> None:
    world = World(1, people=2)
    world.registry.broadcast_up_to = 0
    world.start()
    assert world.network.run_until(lambda: all(map(is_up, world.people)), within=10.0)
    alice, _ = world.people
    alice.core.direct.look_up("bob", now=world.network.now)
    alice.turn()
    world.network.run_for(2.0)
    assert [one.name for one in alice.core.roster.contacts.people()] == ["alice", "bob"]


def test_a_count_of_before_does_not_outlive_the_link() -> None:
    world = World(1, people=5)
    world.registry.broadcast_up_to = 3
    world.start()
    alice, _, *others = world.people
    counted = alice.core.roster.interest
    assert world.network.run_until(lambda: counted.online == len(world.people), within=10.0)
    for leaver in (alice, *others[:2]):
        leaver.leave()
    world.network.run_for(5.0)
    alice.come_back()
    assert world.network.run_until(lambda: is_up(alice), within=KNOWN_WITHIN)
    world.network.run_for(5.0)
    assert (counted.is_on, counted.online) == (False, 0)
