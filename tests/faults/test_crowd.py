"""A crowd whose table changes a hundred times a second: everybody's is the same a second after the
last change (I5).

In virtual time, on real cores: 60 people in `make test`, 1,000 with `CHATAPP_FAULTS=1`, where the
figure is printed.
"""

import random
from typing import Final

from chatapp.peer.core.context import RegistryReach
from tests.faults.conftest import Note
from tests.faults.size import dose
from tests.support.network import Network, Weather
from tests.support.people import Person
from tests.support.registry import SimulatedRegistry

PEOPLE: Final = dose(60, 1_000)
CHANGES: Final = dose(100, 300)
SPAN: Final = 0.01
"""Seconds between two changes: a hundred a second."""
BAR: Final = 1.0
LOOKS: Final = 0.02
"""Seconds between two looks at all tables."""


class Crowd:
    """Many people and one registry, on a network where datagrams overtake each other and some come
    twice."""

    def __init__(self, seed: int) -> None:
        self.network = Network(seed, Weather(doubled=0.1, delay_least=0.001, delay_most=0.02))
        self.chance = random.Random(seed)
        self.registry = SimulatedRegistry(self.network, "9.9.9.9")
        self.people = [
            Person(
                self.network, f"p{at:04}", self.registry.address, f"10.0.{at // 250}.{at % 250 + 1}"
            )
            for at in range(PEOPLE)
        ]

    def come_in(self) -> None:
        """Let everybody register within a few seconds."""
        self.registry.start()
        for at, person in enumerate(self.people):
            person.connect = self.registry.connect
            self.network.after(at * SPAN / 2, person.start)
        self.network.run_for(PEOPLE * SPAN / 2)
        assert self.time_until_equal(within=10.0) is not None

    def change(self) -> None:
        """Let somebody leave, return, be killed, or start again."""
        person = self.chance.choice(self.people)
        if not person.is_running:
            person.start()
        elif person.core.is_offline:
            person.come_back()
        elif self.chance.random() < 0.5:
            person.leave()
        else:
            person.crash()

    def time_until_equal(self, *, within: float) -> float | None:
        """Return the seconds from the registry's last change until all online have its table; None
        for longer."""
        end = self.network.now + within
        changed_at, version = self.network.now, 0
        while self.network.now <= end:
            directory = self.registry.engine.hub.directory
            if directory.version != version:
                changed_at, version = self.network.now, directory.version
            if self.is_equal():
                return self.network.now - changed_at
            self.network.run_for(LOOKS)
        return None

    def is_equal(self) -> bool:
        """Whether everybody who is online holds the registry's table: its version, and who is
        online by it."""
        there = [
            person for person in self.people if person.is_running and not person.core.is_offline
        ]
        if not all(person.core.reach is RegistryReach.UP for person in there):
            return False
        directory = self.registry.engine.hub.directory
        if {person.core.table_version for person in there} != {directory.version}:
            return False
        names = sorted(person.card.name for person in directory if person.online)
        return all(
            [one.name for one in person.core.people() if one.online] == names for person in there
        )


def test_all_tables_are_equal_a_second_after_the_last_of_a_hundred_changes_a_second(
    figure: Note,
) -> None:
    crowd = Crowd(1)
    crowd.come_in()
    for _ in range(CHANGES):
        crowd.change()
        crowd.network.run_for(SPAN)
    took = crowd.time_until_equal(within=10.0)
    assert took is not None, "I5: tables are not equal ten seconds after the last change"
    figure(
        f"{PEOPLE:,} people, {CHANGES} changes, 100 a second",
        f"all tables equal {took:.2f} s after the last change",
        f"{BAR:.0f} s",
    )
    assert took <= BAR
