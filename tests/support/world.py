"""This file is about a whole world: one registry, several people, one network; and the promise as checks.

Invariants are those of docs/reliability.md: I1 nothing is shown twice, I2 what is delivered is stored, I3 what is saved is
in the mailbox or was taken, I4 a name belongs to one key, I5 tables only go forward and end equal, I7 no more bytes go to
an address that has proved nothing than came from it, I8 what strangers can grow stays under its cap, I9 each sender's
messages are shown in order.
"""

from peer.core import events as happened
from peer.core.reach import Reach
from peer.core.standing import Standing
from tests.support.house import House
from tests.support.machine import POLICY, WALL_OFFSET
from tests.support.network import Network, Weather
from tests.support.people import Person
from wire.limits import MAILBOX_LETTERS_MAX

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
        self._holders: dict[str, bytes] = {}
        self.accepted: dict[tuple[str, int], float] = {}
        """The channel's lines of which their sender was told that they are kept, and when."""

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
            if person.bound_at is None and self.house.knows(person.identity.public):
                person.bound_at = self.network.now
            self._check_lines(person)
            self._check_events(person)
            if person.is_running:
                version = person.core.table_version
                assert version >= self._versions[person.name], f"I5: the table of {person.name} went back"
                self._versions[person.name] = version

    def check_now_and_then(self) -> None:
        """What costs too much to look at after every step."""
        for person in self.people:
            if not person.is_running:
                continue
            for contact in person.core._contacts:
                holder = self._holders.setdefault(contact.name, contact.identity)
                assert holder == contact.identity, f"I4: {contact.name} belongs to two keys"
        if self.house.is_running:
            core = self.house.core
            boxes = core._service._mail._boxes._boxes
            assert all(len(box) <= MAILBOX_LETTERS_MAX for box in boxes.values()), "I8: a mailbox"
            assert len(core._sessions) <= 10 * len(self.people) + 200, "I8: sessions"

    def _check_lines(self, person: Person) -> None:
        lines = person.screen.lines
        for line in lines[self._checked[person.name] :]:
            stream = (person.name, type(line), room_of(line), line.identity)
            shown = self._shown.setdefault(stream, {})
            assert line.number not in shown, f"I1: {person.name} was shown {line.text!r} twice"
            newest = max(shown, default=0)
            shown[line.number] = (self.network.now, self._said_at(line))
            if line.number < newest:
                # Only behind a message that waited for it as long as messages wait (clause 6.7).
                later = min(number for number in shown if number > line.number)
                at_last, said_at = shown[later]
                assert at_last - said_at >= POLICY.hold_span, (
                    f"I9: {person.name} was shown {line.text!r} after {later}"
                )
        self._checked[person.name] = len(lines)

    def _said_at(self, line: happened.Line) -> float:
        """When it was said, by the network's clock: a sender's own may be set to anything."""
        (sender,) = (one for one in self.people if one.identity.public == line.identity)
        return sender.said_at.get(line.text, line.at - WALL_OFFSET)

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
                case happened.ChannelAccepted(number=number):
                    self.accepted.setdefault((person.name, number), self.network.now)
                case _:
                    pass
        self._events_checked[person.name] = len(events)

    @staticmethod
    def _is_stored(sender: Person, reader: Person, number: int) -> bool:
        return reader.holds(sender.identity.public, number)

    def newcomer(self) -> Person | None:
        """One more, who was never here; None when there is nobody left to come."""
        if len(self.people) == len(NAMES):
            return None
        index = len(self.people)
        person = Person(self.network, NAMES[index], self.house.address, f"1.1.1.{index + 1}")
        person.connect = self.house.connect
        self.people.append(person)
        person.start()
        return person

    # --- the end

    def check_channel(self) -> None:
        """Each line that was kept was shown to all who were there before it was said, and to nobody who came after."""
        for (speaker, number), accepted_at in self.accepted.items():
            said_at = self.person(speaker).said_to_all[number]
            for person in self.people:
                if person.name == speaker or person.came_at is None or person.bound_at is None:
                    continue
                stream = (person.name, happened.ChannelReceived, "", self.person(speaker).identity.public)
                is_shown = number in self._shown.get(stream, {})
                if person.came_at < said_at:
                    assert is_shown, f"a line of {speaker} to all was kept and never shown to {person.name}"
                elif person.bound_at > accepted_at:
                    assert not is_shown, f"{person.name} was shown what {speaker} said before they came"

    def heal(self) -> None:
        """Good weather, everybody there."""
        self.network.heal()
        self.network.weather = Weather()
        if not self.house.is_running:
            self.house.start()
        for person in self.people:
            person.wake_up()
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
