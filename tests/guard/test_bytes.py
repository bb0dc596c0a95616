"""What talking costs in bytes of IP packets, with their headers: on a radio link each of them is paid
for. What silence costs in turns, too."""

from typing import Final

import pytest

from tests.guard.counting import Counter, calm_world
from tests.support.network import Pipe
from tests.support.people import Person
from tests.support.world import World

UDP_HEADERS: Final = 20 + 8
TCP_HEADERS: Final = 20 + 32
"""With the time stamps that every system sends."""
HANDSHAKE: Final = 60 + 60 + 52
DELAYED_ACK: Final = 0.04
"""Seconds for which a system holds an acknowledgement back, so that it rides with data."""
SEGMENT: Final = 1_220

IDLE_HOUR: Final = 30_000
IDLE_TURNS: Final = 460
"""In an hour, a tenth above what it takes: each follows something that woke the program up. What a
face adds stands in `bench/` (I1)."""
SLOW_IDLE_HOUR: Final = 4_000
COMING_IN: Final = 2_600
HI: Final = 180
LINE_TO_ONE: Final = 250
"""On the link of a reader."""
LINE_IN_ALL: Final = 490
"""With what goes between its author and the registry. 260 of it are the headers of five packets."""


class Meter:
    """Counts the bytes of a world's packets from now on."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.udp = self.tcp = 0
        self.links: dict[Pipe, int] = {}
        """The data and headers of each link, without acknowledgements that are still owed."""
        self._network = network = world.network
        self._owed: dict[tuple[Pipe, int], float] = {}
        send, write, made = network.send, Pipe.write, Pipe.__init__

        def sent(data: bytes, source: object, target: object) -> None:
            self.udp += UDP_HEADERS + len(data)
            send(data, source, target)  # type: ignore[arg-type]

        def opened(pipe: Pipe, *args: object) -> None:
            self.tcp += HANDSHAKE
            made(pipe, *args)  # type: ignore[arg-type]

        def written(pipe: Pipe, end: int, data: bytes) -> None:
            if data:
                self._count(pipe, end, len(data))
            write(pipe, end, data)

        patch.setattr(network, "send", sent)
        patch.setattr(Pipe, "__init__", opened)
        patch.setattr(Pipe, "write", written)

    def _count(self, pipe: Pipe, end: int, size: int) -> None:
        now = self._network.now
        segments = -(-size // SEGMENT)
        taken = size + TCP_HEADERS * (segments + (segments - 1) // 2)
        owed_since = self._owed.pop((pipe, end), None)
        if owed_since is not None and now - owed_since > DELAYED_ACK:
            taken += TCP_HEADERS
        self.tcp += taken
        self.links[pipe] = self.links.get(pipe, 0) + taken
        self._owed.setdefault((pipe, 1 - end), now)

    @property
    def total(self) -> int:
        """All bytes up to now, with the acknowledgements that are still owed."""
        return self.udp + self.tcp + TCP_HEADERS * len(self._owed)


@pytest.fixture
def world() -> World:
    """Two people who know each other, on a network without losses."""
    world = calm_world(2)
    world.network.after_each = lambda: None
    return world


def test_coming_in_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1, people=1)
    meter = Meter(world, monkeypatch)
    world.start()
    world.network.run_for(5.0)
    assert 0 < meter.total <= COMING_IN


def test_an_idle_hour(world: World, monkeypatch: pytest.MonkeyPatch, counter: Counter) -> None:
    world.network.run_for(300.0)
    meter = Meter(world, monkeypatch)
    counter.watch(Person, "turn")
    world.network.run_for(3_600.0)
    assert 0 < meter.total <= IDLE_HOUR * len(world.people)
    assert 0 < counter.calls["Person.turn"] <= IDLE_TURNS * len(world.people)


def test_an_idle_hour_on_a_slow_link(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured to be slow: nobody says so."""
    world.network.weather.delay_least = world.network.weather.delay_most = 0.3
    world.network.run_for(300.0)
    meter = Meter(world, monkeypatch)
    world.network.run_for(3_600.0)
    assert 0 < meter.total <= SLOW_IDLE_HOUR * len(world.people)
    for one in world.people:
        assert all(person.online and person.is_slow for person in one.core.people())
    world.network.weather.delay_least = world.network.weather.delay_most = 0.01
    world.network.run_for(1_000.0)
    assert not any(person.is_slow for person in world.people[0].core.people())


def test_a_short_message_and_its_acknowledgement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = world.people
    alice.send("bob", "good morning")
    world.network.run_for(30.0)
    meter = Meter(world, monkeypatch)
    alice.send("bob", "hi")
    world.network.run_for(2.0)
    assert 0 < meter.total <= HI


def test_a_line_of_a_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = world.people
    for person in world.people:
        person.enter("lab")
        world.network.run_for(2.0)
    alice.say("good morning")
    world.network.run_for(20.0)
    meter = Meter(world, monkeypatch)
    alice.say("hello there")
    world.network.run_for(3.0)
    assert bob.screen.texts()[-1] == "hello there"
    assert len(meter.links) == 2
    assert min(meter.links.values()) + TCP_HEADERS <= LINE_TO_ONE
    assert meter.total <= LINE_IN_ALL
