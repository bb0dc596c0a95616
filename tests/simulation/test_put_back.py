"""A person's folder is restored from a backup while the clock is behind: later messages are shown,
each once."""

from pathlib import Path

import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from tests.support.people import Person
from tests.support.world import World

BEHIND = 3_600.0
LINES = 5
ALONE = 40.0
"""Seconds in which everybody finds out that the registry is away, and what was kept is tried
again."""


@pytest.fixture
def world() -> World:
    """Alice, bob and carol, who know each other and are in one room."""
    world = World(1, people=3)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    for person in world.people:
        person.core.rooms.enter("tea", now=world.network.now)
        person.turn()
        world.network.run_for(1.0)
    return world


def say(world: World, author: Person, what: str) -> set[str]:
    """Send messages to bob, to everybody and to the room, and let them arrive."""
    said = set()
    for number in range(LINES):
        texts = [f"{what} {number} {where}" for where in ("to bob", "to all", "to the room")]
        author.send("bob", texts[0])
        author.send_all(texts[1])
        author.say(texts[2])
        said.update(texts)
        world.network.run_for(1.0)
    return said


class Backup:
    """A copy of alice's folder as it is now."""

    def __init__(self, alice: Person, folder: Path) -> None:
        self._alice, self._file, self._counter = alice, folder / "history.db", alice._counter
        alice.history._db.execute("VACUUM INTO ?", (str(self._file),))

    def put_back(self, world: World, *, behind: float = BEHIND) -> None:
        """End her program, and start it with the backup and a clock that was set back."""
        alice = self._alice
        alice.crash()
        world.tables.put_back(alice.name)
        world.lines.put_back(alice)
        alice.storage.put_back(self._file)
        alice._counter = self._counter
        alice.set_clock(-behind)
        world.network.run_for(5.0)
        alice.start()


def in_the_room(world: World, author: Person) -> None:
    author.core.rooms.enter("tea", now=world.network.now)
    author.turn()
    world.network.run_for(1.0)


def all_are_alone(world: World) -> bool:
    return all(person.core.reach is RegistryReach.LOST for person in world.people)


def is_received(author: Person, text: str) -> bool:
    streams = {stream for stream, _, _ in author.sent()}
    return any(author.state_of(stream, text) is MessageState.DELIVERED for stream in streams)


def assert_shown_once(reader: Person, said: set[str]) -> None:
    texts = reader.screen.texts()
    assert set(texts) >= said
    assert len(texts) == len(set(texts)), "shown twice"


def to_everybody(said: set[str]) -> set[str]:
    return {text for text in said if not text.endswith("to bob")}


@pytest.mark.parametrize("is_kept", [False, True], ids=["all settled", "one unsettled"])
def test_messages_that_the_lost_state_left_with_the_registry_are_shown(
    world: World, tmp_path: Path, *, is_kept: bool
) -> None:
    """Letters, and lines in the logs. Bob hears alice's later floor, or her gap, before he fetches
    them. `is_kept`: whether a letter of the backup is unsettled still, so that her floor stays
    below them."""
    alice, bob, carol = world.people
    shown = say(world, alice, "before")
    if is_kept:
        bob.crash()
        world.network.run_for(ALONE)
        shown |= say(world, alice, "saved")
    backup = Backup(alice, tmp_path)
    bob.crash()
    world.network.run_for(ALONE)
    shown |= say(world, alice, "lost")
    letters = {text for text in shown if text.startswith("lost") and text.endswith("to bob")}
    assert {alice.state_of(bob.identity.public, text) for text in letters} == {MessageState.SAVED}
    world.machine.crash()
    assert world.network.run_until(
        lambda: {alice.core.reach, carol.core.reach} == {RegistryReach.LOST}, within=ALONE
    )
    bob.start()
    backup.put_back(world)
    world.network.run_for(ALONE)
    shown |= (said := say(world, alice, "after"))
    world.network.run_for(ALONE)
    assert all(is_received(alice, text) for text in said if text.endswith("to bob"))
    world.registry.start()
    assert world.network.run_until(world.is_calm, within=60.0)
    world.network.run_for(ALONE)
    assert_shown_once(bob, shown)
    assert_shown_once(carol, to_everybody(shown))


def test_a_member_who_answers_later_knows_the_numbers_of_the_lost_state(
    world: World, tmp_path: Path
) -> None:
    """Bob answers first. He was away when alice used the numbers that are lost, and his clock is
    slow as well."""
    alice, bob, carol = world.people
    shown = say(world, alice, "before")
    backup = Backup(alice, tmp_path)
    bob.crash()
    world.network.run_for(ALONE)
    shown |= say(world, alice, "lost")
    world.machine.crash()
    assert world.network.run_until(lambda: alice.core.reach is RegistryReach.LOST, within=ALONE)
    carol.crash()
    bob.set_clock(-BEHIND)
    bob.start()
    backup.put_back(world)
    world.network.run_for(ALONE)
    shown |= say(world, alice, "after")
    world.network.run_for(ALONE)
    carol.start()
    world.network.run_for(ALONE)
    assert_shown_once(carol, to_everybody(shown))
    world.registry.start()
    assert world.network.run_until(world.is_calm, within=60.0)
    world.network.run_for(ALONE)
    assert_shown_once(bob, shown)
    assert_shown_once(carol, to_everybody(shown))


def test_numbers_are_not_given_twice(world: World, tmp_path: Path) -> None:
    alice, bob, carol = world.people
    shown = say(world, alice, "before")
    backup = Backup(alice, tmp_path)
    shown |= say(world, alice, "lost")
    assert world.network.run_until(world.is_calm, within=10.0)
    backup.put_back(world)
    assert world.network.run_until(world.is_calm, within=10.0)
    in_the_room(world, alice)
    shown |= say(world, alice, "after")
    assert world.network.run_until(world.is_calm, within=10.0)
    assert_shown_once(bob, shown)
    assert_shown_once(carol, to_everybody(shown))
    at = {line.text: line.at for line in bob.screen.lines}
    assert at["after 0 to bob"] < at["lost 0 to bob"], "alice's own clock is behind"


def starts_anew(world: World, author: Person) -> None:
    """Start again with a newer card, whose counter is above that in the backup."""
    author.crash()
    world.network.run_for(1.0)
    author.start()
    world.network.run_for(3.0)
    in_the_room(world, author)


@pytest.mark.parametrize("is_newer", [False, True], ids=["one life", "two lives"])
@pytest.mark.parametrize("is_told", [False, True], ids=["never", "before"])
def test_nothing_is_lost_while_the_registry_is_away(
    world: World, tmp_path: Path, *, is_told: bool, is_newer: bool
) -> None:
    """The readers tell alice which numbers they know. `is_told`: whether the registry was there
    until her folder was put back. `is_newer`: whether they know openings of hers, too, which are
    above those that she makes now."""
    alice, bob, carol = world.people
    shown = say(world, alice, "before")
    backup = Backup(alice, tmp_path)
    if not is_told:
        world.machine.crash()
    if is_newer:
        starts_anew(world, alice)
    shown |= say(world, alice, "lost")
    if is_told:
        world.machine.crash()
    assert world.network.run_until(lambda: all_are_alone(world), within=ALONE)
    world.network.run_for(ALONE)
    backup.put_back(world)
    shown |= (said := say(world, alice, "after"))
    world.network.run_for(ALONE)
    assert_shown_once(bob, shown)
    assert_shown_once(carol, to_everybody(shown))
    assert all(is_received(alice, text) for text in said if text.endswith("to bob"))


@pytest.mark.parametrize("is_bob_there", [True, False], ids=["bob is there", "bob is away"])
def test_nothing_is_lost_when_the_registry_comes_back(
    world: World, tmp_path: Path, *, is_bob_there: bool
) -> None:
    """It is away at first: what nobody has taken by then gets numbers above its clock, letters
    too."""
    alice, bob, carol = world.people
    shown = say(world, alice, "before")
    backup = Backup(alice, tmp_path)
    shown |= say(world, alice, "lost")
    assert world.network.run_until(world.is_calm, within=10.0)
    world.machine.crash()
    assert world.network.run_until(lambda: all_are_alone(world), within=ALONE)
    if not is_bob_there:
        bob.crash()
    backup.put_back(world)
    shown |= (said := say(world, alice, "after"))
    world.network.run_for(ALONE)
    world.registry.start()
    world.network.run_for(ALONE)
    saved = {
        text for text in said if alice.state_of(bob.identity.public, text) is MessageState.SAVED
    }
    assert len(saved) == (0 if is_bob_there else LINES)
    if not is_bob_there:
        bob.start()
    assert world.network.run_until(world.is_calm, within=30.0)
    assert_shown_once(bob, shown)
    assert_shown_once(carol, to_everybody(shown))
    assert all(is_received(alice, text) for text in said - saved)
