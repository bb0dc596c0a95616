"""This file is about a whole world: one registry, several people, one network; and the promise as checks.

Invariants are those of docs/reliability.md: I1 nothing is shown twice, I2 what is delivered is stored, I3 what is saved is
in the mailbox or was taken, I5 tables only go forward and end equal, I9 each sender's messages are shown in order.
"""

from peer.core import events as happened
from peer.core.ladder import Reach
from peer.core.records import Standing
from tests.support.house import House
from tests.support.network import Network, Weather
from tests.support.people import POLICY, WALL_OFFSET, Person

NAMES = ("alice", "bob", "carol", "dave", "erin")


class World:
    """Everybody and everything, from one seed."""

    def __init__(self, seed: int, *, people: int, weather: Weather | None = None) -> None:
        self.network = Network(seed, weather)
        self.house = House(self.network, "9.9.9.9")
        self.people = [
            Person(self.network, NAMES[index], self.house.address, f"1.1.1.{index + 1}")
            for index in range(people)
        ]
        for person in self.people:
            person.connect = self.house.connect
        self.network.after_each = self.check
        self._checked = dict.fromkeys(NAMES, 0)
        self._events_checked = dict.fromkeys(NAMES, 0)
        self._shown: dict[tuple[str, type, str, bytes], dict[int, tuple[float, float]]] = {}
        """By stream and number: when a line was shown, and when it was written."""
        self._versions = dict.fromkeys(NAMES, 0)

    def start(self) -> None:
        """Everybody begins."""
        self.house.start()
        for person in self.people:
            person.start()

    def person(self, name: str) -> Person:
        """Somebody by name."""
        return next(person for person in self.people if name in person.names)

    # --- the promise

    def check(self) -> None:
        """After every step."""
        for person in self.people:
            self._check_lines(person)
            self._check_events(person)
            if person.is_running:
                version = person.core.table_version
                assert version >= self._versions[person.name], f"I5: the table of {person.name} went back"
                self._versions[person.name] = version

    def _check_lines(self, person: Person) -> None:
        lines = person.screen.lines
        for line in lines[self._checked[person.name] :]:
            stream = (person.name, type(line), room_of(line), line.identity)
            shown = self._shown.setdefault(stream, {})
            assert line.number not in shown, f"I1: {person.name} was shown {line.text!r} twice"
            shown[line.number] = (self.network.now, line.at)
            later = [number for number in shown if number > line.number]
            if later:
                # Only behind a message that waited for it as long as messages wait (clause 6.7).
                at_last, written_at = shown[min(later)]
                assert at_last + WALL_OFFSET - written_at >= POLICY.hold_span, (
                    f"I9: {person.name} was shown {line.text!r} after {min(later)}"
                )
        self._checked[person.name] = len(lines)

    def _check_events(self, person: Person) -> None:
        events = person.screen.events
        for event in events[self._events_checked[person.name] :]:
            match event:
                case happened.Delivered(to=to, number=number):
                    assert self._is_stored(person, self.person(to), number), f"I2: {number} is not with {to}"
                case happened.Saved(to=to, number=number):
                    assert self.house.holds(
                        person.identity.public, self.person(to).identity.public, number
                    ) or (self._is_stored(person, self.person(to), number)), (
                        f"I3: {number} is not in the mailbox of {to}"
                    )
                case _:
                    pass
        self._events_checked[person.name] = len(events)

    @staticmethod
    def _is_stored(sender: Person, reader: Person, number: int) -> bool:
        return reader.holds(sender.identity.public, number)

    # --- the end

    def heal(self) -> None:
        """Good weather, everybody there."""
        self.network.heal()
        self.network.weather = Weather()
        if not self.house.is_running:
            self.house.start()
        for person in self.people:
            if not person.is_running:
                person.start()
            elif person.core.is_offline:
                person.come_back()

    def is_calm(self) -> bool:
        """Whether all that was said has arrived, and everybody has the same table."""
        versions = {person.core.table_version for person in self.people}
        return (
            len(versions) == 1
            and all(person.core.reach is Reach.UP and person.core.is_settled for person in self.people)
            and not any(person.count_standing(Standing.UNSETTLED, Standing.KEPT) for person in self.people)
        )


def room_of(line: happened.Line) -> str:
    """The room of a line; empty for others."""
    return line.room if isinstance(line, happened.RoomReceived) else ""
