"""Machines of people that lose power while they talk: what their disks did not hold yet is given
again by its authors.

A disk forgets what was not synced, or the end of it. In the end every direct message is with its
recipient, in its author's order; only what was shown in the last second before a power cut may be
shown once more.
"""

import os
import random
from typing import Final

import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.transport import SYNC_TOLD_WITHIN
from chatapp.peer.node.storage import SYNC_SPAN
from tests.simulation import closing
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

SEEDS: Final = int(os.environ.get("CHATAPP_SEEDS", "120")) // 6
BATCH: Final = 10
CALM_WITHIN: Final = 180.0


def known(seed: int, people: int = 2) -> World:
    """Return a world of people who know each other."""
    world = World(seed, people=people)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def lose_power(world: World, person: Person) -> None:
    world.tables.put_back(person.name)
    world.lines.lost_power(person)
    person.lose_power()


def come_to_rest(world: World) -> None:
    world.heal()
    assert world.network.run_until(world.is_calm, within=CALM_WITHIN)
    world.network.run_for(40.0)
    world.letters.check_all_arrived()


def unsynced(author: Person, reader: Person) -> list[tuple[int, int]]:
    """Which messages the author knows as delivered, and not as on the disk of their reader."""
    (contact,) = [
        one for one in author.core.roster.contacts if one.identity == reader.identity.public
    ]
    assert contact.conversation is not None
    return contact.conversation.outgoing.unsynced.spans


def texts_of(reader: Person, author: Person) -> list[str]:
    """The texts that the reader's history has of an author, in their order."""
    query = "SELECT text FROM lines JOIN streams ON streams.id = stream WHERE NOT ours AND key = ? ORDER BY number"
    return [text for (text,) in reader.history._db.execute(query, (author.identity.public,))]


def burst(
    world: World, author: Person, reader: Person, *, count: int = 20, span: float = 0.02
) -> list[str]:
    texts = [f"{world.next_number()} from {author.name}" for _ in range(count)]
    for text in texts:
        author.send(reader.called, text)
        world.network.run_for(span)
    return texts


@pytest.mark.parametrize("is_served", [True, False], ids=["with the registry", "without it"])
@pytest.mark.parametrize("is_idle", [True, False], ids=["idle", "talking on"])
def test_what_a_power_cut_costs_its_author_gives_again(*, is_idle: bool, is_served: bool) -> None:
    world = known(1)
    alice, bob = world.people
    if not is_served:
        world.machine.crash()
        away = RegistryReach.LOST
        assert world.network.run_until(
            lambda: {alice.core.reach, bob.core.reach} == {away}, within=60.0
        )
    said = burst(world, alice, bob)
    world.network.run_for(SYNC_SPAN + 0.2)
    said += burst(world, alice, bob)
    assert alice.count_standing(MessageState.DELIVERED) == len(said)
    lose_power(world, bob)
    assert texts_of_disk(bob, alice) < said, "nothing was lost"
    world.network.run_for(3.0)
    bob.start()
    before = alice.screen.count(MessageState.DELIVERED)
    if not is_idle:
        said += burst(world, alice, bob)
    world.network.run_for(60.0)
    assert texts_of(bob, alice) == said
    assert alice.screen.count(MessageState.DELIVERED) - before == (0 if is_idle else 20), (
        "told once"
    )
    come_to_rest(world)


def texts_of_disk(reader: Person, author: Person) -> list[str]:
    reader.storage.restart()
    return texts_of(reader, author)


def test_an_author_that_was_killed_gives_again_what_its_reader_lost() -> None:
    """Both lose power at once: the author's disk has what it said a second ago."""
    world = known(2)
    alice, bob = world.people
    bob.storage.is_slow = True
    said = burst(world, alice, bob)
    world.network.run_for(0.1)
    alice.crash()
    lose_power(world, bob)
    alice.start()
    world.network.run_for(5.0)
    bob.storage.is_slow = False
    bob.start()
    come_to_rest(world)
    assert texts_of(bob, alice) == said


def test_nothing_is_kept_for_a_recipient_whose_disk_has_it() -> None:
    """What is sent next says so, else a datagram, and nobody is woken up after that."""
    world = known(3)
    alice, bob = world.people
    burst(world, alice, bob)
    world.network.run_for(SYNC_SPAN + SYNC_TOLD_WITHIN + 1.0)
    assert unsynced(alice, bob) == []
    alice.crash()
    assert alice.history.load().streams[bob.identity.public].unsynced_from is None


def test_a_reader_that_is_talking_meanwhile_says_what_its_disk_has() -> None:
    """Something of its own is always under way when a sync ends."""
    world = known(5)
    alice, bob = world.people
    world.network.weather = Weather(delay_least=0.1, delay_most=0.1)
    alice.send("bob", "hi")
    burst(world, bob, alice, count=15)
    assert unsynced(alice, bob) != []
    burst(world, bob, alice, count=50)
    assert unsynced(alice, bob) == []


def test_letters_stay_with_the_registry_until_they_are_on_the_disk() -> None:
    world = known(4)
    alice, bob = world.people
    bob.crash()
    world.network.run_for(40.0)
    said = [f"letter {number}" for number in range(20)]
    for text in said:
        alice.send("bob", text)
    world.network.run_for(5.0)
    assert alice.count_standing(MessageState.SAVED) == len(said)
    bob.storage.is_slow = True
    bob.start()
    assert world.network.run_until(lambda: len(bob.screen.lines) == len(said), within=5.0)
    alice.crash()  # she cannot help
    lose_power(world, bob)
    bob.storage.is_slow = False
    bob.start()
    world.network.run_for(5.0)
    assert texts_of(bob, alice) == said


def play(seed: int) -> None:
    """People talk in bad weather; machines lose power, programs are killed, the registry comes and
    goes."""
    chance = random.Random(seed)
    world = known(seed, people=chance.randint(2, 3))
    world.network.weather = Weather(
        loss=chance.choice((0.0, 0.1, 0.3)),
        doubled=chance.choice((0.0, 0.5)),
        delay_least=0.001,
        delay_most=chance.choice((0.005, 0.1, 0.8)),
    )
    for _ in range(chance.randint(10, 60)):
        one, other = chance.sample(world.people, 2)
        dice = chance.random()
        if dice < 0.7 and one.is_running and not one.core.is_offline:
            for _ in range(chance.randint(1, 8)):
                one.send(other.called, f"{world.next_number()} from {one.name} to {other.name}")
        elif dice < 0.85 and one.is_running:
            lose_power(world, one)
        elif dice < 0.9 and one.is_running:
            one.crash()
        elif dice < 0.93:
            world.registry.dies_or_starts(chance)
        elif not one.is_running:
            one.start()
        world.network.run_for(chance.choice((0.01, 0.1, 0.3, 1.0, 5.0, 20.0)))
    come_to_rest(world)
    closing.check_straight(world)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_power_cut_costs_a_message_while_its_authors_disk_lives(first: int) -> None:
    for seed in range(first, first + BATCH):
        try:
            play(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
