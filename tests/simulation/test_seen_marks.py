"""Seen marks in virtual time: through loss and restarts nobody is told of more than was
read, and in the end everybody knows all of it."""

import pytest

from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

STEPS = 60
QUERY = "SELECT mark FROM streams WHERE ours AND key = ?"


class Readers:
    """Two people who have asked for marks, and how far each has read the other."""

    def __init__(self, seed: int) -> None:
        weather = Weather(loss=0.2, doubled=0.2, delay_most=0.3, corrupted=0.05)
        self.world = World(seed, people=2, weather=weather)
        self.people = self.world.people
        for person in self.people:
            person.gives_marks = True
        self.read = {person.identity.public: 0 for person in self.people}
        """By reader: the highest number of the other's that they have read."""
        self.world.start()

    def reads(self, reader: Person) -> None:
        """Have somebody read all that they were shown."""
        ours = reader.identity.public
        shown = [line for line in reader.screen.lines if line.identity != ours]
        if reader.is_running and shown:
            (author,) = {line.identity for line in shown}
            number = max(line.number for line in shown)
            self.read[ours] = max(self.read[ours], number)
            reader.core.direct.user_saw({author: number}, now=self.world.network.now)
            reader.turn()

    def marked(self, author: Person, reader: Person) -> int:
        """Return how far somebody's disk says that the other one has read."""
        found = author.history._db.execute(QUERY, (reader.identity.public,)).fetchone()
        return 0 if found is None else int(found[0])

    def step(self, kind: str, person: Person, other: Person) -> None:
        match kind:
            case "read":
                self.reads(person)
            case "restart" if person.is_running:
                person.crash()
                person.start()
            case "cut":
                self.world.network.cut(person.address.host, other.address.host)
            case "heal":
                self.world.network.heal()
            case _ if person.is_running:
                person.send(other.called, f"text {self.world.next_number()}")


@pytest.mark.parametrize("seed", range(12))
def test_nobody_is_told_of_more_than_was_read(seed: int) -> None:
    readers = Readers(seed)
    world, (alice, bob) = readers.world, readers.people
    network, draw = world.network, world.network.random
    assert network.run_until(lambda: len(alice.core.people()) == 2, within=60.0)
    kinds = ["say", "read"] * 6 + ["restart", "restart", "cut", "heal"]
    for _ in range(STEPS):
        person, other = draw.sample([alice, bob], 2)
        readers.step(draw.choice(kinds), person, other)
        network.run_for(draw.choice([0.01, 0.5, 3.0]))
        for author, reader in ((alice, bob), (bob, alice)):
            assert readers.marked(author, reader) <= readers.read[reader.identity.public]
    world.heal()
    for person, other in ((alice, bob), (bob, alice)):
        person.send(other.called, f"text {world.next_number()}")
    assert network.run_until(world.is_calm, within=120.0)
    for reader in (alice, bob):
        readers.reads(reader)
    network.run_for(30.0)
    for author, reader in ((alice, bob), (bob, alice)):
        assert readers.marked(author, reader) == readers.read[reader.identity.public]
