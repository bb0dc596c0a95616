"""A person's folder is restored from a backup while the clock is set back: later messages are still shown."""

from pathlib import Path

import pytest

from chatapp.peer.history.database import History
from tests.support.people import Person
from tests.support.world import World

BEHIND = 3_600.0
LINES = 5


@pytest.fixture
def world() -> World:
    """Alice and bob, who know each other and are in one room."""
    world = World(1, people=2)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    for person in world.people:
        person.core.rooms.enter("tea", now=world.network.now)
        person.pump()
        world.network.run_for(1.0)
    return world


def say(world: World, author: Person, what: str) -> set[str]:
    """Some messages to bob, to everybody and to the room, and time for them to arrive."""
    said = set()
    for number in range(LINES):
        texts = [f"{what} {number} {where}" for where in ("to bob", "to all", "to the room")]
        author.send("bob", texts[0])
        author.send_all(texts[1])
        author.say(texts[2])
        said.update(texts)
        world.network.run_for(1.0)
    assert world.network.run_until(world.is_calm, within=10.0)
    return said


def test_numbers_are_not_given_twice(world: World, tmp_path: Path) -> None:
    alice, bob = world.people
    shown = say(world, alice, "before")
    counter, backup = alice._counter, tmp_path / "history.db"
    alice.history._db.execute("VACUUM INTO ?", (str(backup),))
    shown |= say(world, alice, "lost")
    alice.crash()
    alice.history = History(backup, server="registry")
    alice._counter = counter
    alice.set_clock(-BEHIND)
    world.network.run_for(5.0)
    alice.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    alice.core.rooms.enter("tea", now=world.network.now)
    alice.pump()
    world.network.run_for(1.0)
    shown |= say(world, alice, "after")
    texts = bob.screen.texts()
    assert set(texts) >= shown
    assert len(texts) == len(set(texts)), "shown twice"
    at = {line.text: line.at for line in bob.screen.lines}
    assert at["after 0 to bob"] < at["lost 0 to bob"], "alice's own clock is behind"
