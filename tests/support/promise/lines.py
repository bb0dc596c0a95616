"""Shown lines: each once (I1), each sender's in order (I9), and the channel's for everybody.

Checked on the screens.
"""

from typing import TYPE_CHECKING

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY
from tests.support.machine import POLICY, WALL_OFFSET
from tests.support.people import Person
from tests.support.screen import is_now

if TYPE_CHECKING:
    from tests.support.world import World

Stream = tuple[str, object]
POWER_CUT_COSTS = 1.0
"""Seconds before a power cut of which a person's disk may know nothing."""


class LinesPromise:
    """Checks what everybody was shown, and when."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._checked: dict[str, int] = {}
        self._events_checked: dict[str, int] = {}
        self._shown: dict[Stream, dict[int, tuple[float, float]]] = {}
        """For each stream and number: when a line was shown, and when it was written."""
        self._accepted: dict[tuple[str, int], tuple[float, float]] = {}
        """Channel lines that were confirmed to their sender: when they were said, and when
        confirmed."""
        self._put_back: dict[bytes, float] = {}
        """When a person's disk was last replaced by that of an earlier day."""

    def put_back(self, author: Person) -> None:
        """What this person says from now on may be shown before what the lost state of the disk has
        left with the registry: nobody knows of that until it is fetched."""
        self._put_back[author.identity.public] = self._world.network.now

    def lost_power(self, person: Person) -> None:
        """This person's disk lost what it did not hold for a second, so that may be shown once
        more."""
        durable = self._world.network.now - POWER_CUT_COSTS
        for stream, shown in self._shown.items():
            if stream[0] == person.name:
                for number in [number for number, (at, _) in shown.items() if at > durable]:
                    del shown[number]

    def look(self) -> None:
        """After every step."""
        for person in self._world.people:
            lines, batch = person.screen.lines, person.screen.events
            for line in lines[self._checked.get(person.name, 0) :]:
                self._check(person, line)
            for event in batch[self._events_checked.get(person.name, 0) :]:
                if is_now(event, events.MessageState.SAVED) and event.conversation == EVERYBODY:
                    key = (person.name, person.number_of(event.id))
                    self._accepted.setdefault(
                        key, (person.begun_at[event.id], self._world.network.now)
                    )
            self._checked[person.name], self._events_checked[person.name] = len(lines), len(batch)

    def _check(self, person: Person, line: events.LineEvent) -> None:
        stream = (person.name, line.stream)
        shown = self._shown.setdefault(stream, {})
        assert line.number not in shown, f"I1: {person.name} was shown {line.text!r} twice"
        newest = max(shown, default=0)
        line_said_at = self._said_at(person, line)
        shown[line.number] = (self._world.network.now, line_said_at)
        if line.number < newest:
            # Only behind a message that waited for it as long as messages wait (clause 6.7).
            later = min(number for number in shown if number > line.number)
            at_last, said_at = shown[later]
            is_of_lost_state = line_said_at < self._put_back.get(line.identity, 0.0) <= said_at
            assert is_of_lost_state or at_last - said_at >= POLICY.hold_span, (
                f"I9: {person.name} was shown {line.text!r} after {later}"
            )

    def _said_at(self, reader: Person, line: events.LineEvent) -> float:
        """Return when a line was sent, by the network's clock: a sender's own clock may be
        wrong."""
        (sender,) = (
            person for person in self._world.people if person.identity.public == line.identity
        )
        key = sender.key_of(line, reader)
        if isinstance(key, int):
            return sender.begun_at[key]
        return sender.said_at.get(line.text, line.at - WALL_OFFSET)

    def check_channel(self) -> None:
        """At the end: each confirmed line was shown to everybody who was there before it was sent,
        and to nobody who came later."""
        for (speaker, number), (said_at, accepted_at) in self._accepted.items():
            author = self._world.person(speaker)
            for person in self._world.people:
                if person.name == speaker or person.came_at is None or person.bound_at is None:
                    continue
                stream = (person.name, (EVERYBODY, author.identity.public))
                is_shown = number in self._shown.get(stream, {})
                if person.came_at < said_at:
                    assert is_shown, (
                        f"a line of {speaker} to all was kept and never shown to {person.name}"
                    )
                elif person.bound_at > accepted_at:
                    assert not is_shown, (
                        f"{person.name} was shown what {speaker} said before they came"
                    )
