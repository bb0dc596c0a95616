"""Rooms: only members see a line, members are told of each other's coming and going in order, and
in the end every member who stayed has every line that the registry accepted."""

from typing import TYPE_CHECKING, Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import room as in_room
from tests.support.people import Person
from tests.support.promise.presence import ON_THE_WAY

if TYPE_CHECKING:
    from tests.support.world import World

FOR_EVER: Final = float("inf")
ANSWERED_WITHIN: Final = 8.0
"""Seconds within which a request to enter a room is answered."""


class RoomsPromise:
    """Checks rooms: who was in which room when, and what was sent there."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._spans: dict[tuple[str, str], list[list[float]]] = {}
        """For each person and room: the times between which they were in it, according to their own
        program (or requests)."""
        self._members: dict[tuple[str, str], float] = {}
        """Since when somebody who quit and never left is a member of a room. The registry keeps
        their place, so they are shown what they missed when they enter it again."""
        self._said: list[tuple[Person, str, int, float]] = []
        """Who sent what to which room, by its id, and when."""
        self._by_text: dict[str, tuple[Person, str, float]] = {}
        self._by_id: dict[tuple[bytes, int], tuple[Person, str, float]] = {}
        """The same by author and id."""
        self._accepted: dict[tuple[bytes, str, int], float] = {}
        """By sender, room and number: when the sender was told that the registry has the line."""
        self._topic_asked: dict[tuple[str, str], float] = {}
        """By room and text: when somebody asked to set a topic."""
        self._topic_known: dict[tuple[str, str], float] = {}
        """When the first person was told that it is set."""
        self._here: dict[tuple[str, str], set[str]] = {}
        """For each person and room: the members that they were told of."""
        self._lines_seen: dict[str, int] = {}
        self._events_seen: dict[str, int] = {}

    # --- what people do

    def begin(self, person: Person, room: str) -> None:
        """A person asks to enter a room: from now on they may be in it."""
        self._spans.setdefault((person.name, room), []).append([self._world.network.now, FOR_EVER])

    def end(self, person: Person, room: str) -> None:
        """A person is not in this room, as they see it."""
        now = self._world.network.now
        for span in self._spans.get((person.name, room), []):
            span[1] = min(span[1], now)

    def leave(self, person: Person, room: str) -> None:
        """A person asks to be a member of this room no longer."""
        self.end(person, room)
        self._members.pop((person.name, room), None)

    def quit(self, person: Person, room: str) -> None:
        """A person ends the program: it starts outside this room, of which they stay a member."""
        spans = self._spans.get((person.name, room))
        if spans and spans[-1][1] == FOR_EVER:
            self._members.setdefault((person.name, room), spans[-1][0])
        self.end(person, room)

    def _entered(self, person: Person, room: str) -> None:
        """Somebody is in a room: also one for whose answer nobody waited any longer, as a request
        that lost its link is made again on the next one. The registry has let them in before they
        are told, and lines may come first."""
        spans, now = self._spans.get((person.name, room)), self._world.network.now
        if spans and spans[-1][1] != FOR_EVER:
            spans.append([max(spans[-1][1], now - ON_THE_WAY), FOR_EVER])

    def note_line(self, person: Person, room: str, text: str, id_: int) -> None:
        """Record a line sent to a room, or a change of one."""
        now = self._world.network.now
        self._by_text[text] = self._by_id[person.identity.public, id_] = (person, room, now)
        self._said.append((person, room, id_, now))

    def note_topic(self, room: str, text: str) -> None:
        """Somebody asks to set the topic of a room."""
        self._topic_asked[room, text] = self._world.network.now

    @property
    def names(self) -> set[str]:
        """All rooms that anybody asked to enter."""
        return {room for _, room in self._spans}

    # --- after every step

    def look(self) -> None:
        """After every step."""
        for person in self._world.people:
            lines, batch = person.screen.lines, person.screen.events
            for event in batch[self._events_seen.get(person.name, 0) :]:
                self._heed(person, event)
            for line in lines[self._lines_seen.get(person.name, 0) :]:
                if line.conversation.is_room:
                    self._check_member(person, line)
            self._lines_seen[person.name], self._events_seen[person.name] = len(lines), len(batch)

    def _check_member(self, person: Person, line: events.LineEvent) -> None:
        (author,) = (one for one in self._world.people if one.identity.public == line.identity)
        key = author.key_of(line, person)
        said = (
            self._by_id.get((line.identity, key))
            if isinstance(key, int)
            else self._by_text.get(line.text)
        )
        if said is None:
            return  # of a test that keeps no account of who is where
        speaker, room, at = said
        assert line.identity == speaker.identity.public, (
            f"{person.name} was shown {line.text!r} of {speaker.name} as {line.sender}'s"
        )
        shown_in = line.conversation.name
        assert shown_in == room, f"{line.text!r} was said in {room}, and shown in {shown_in}"
        taken = self._accepted.get((line.identity, room, line.number), self._world.network.now)
        spans = self._spans.get((person.name, room), [])
        was_in = any(start <= taken and at <= end for start, end in spans)
        assert was_in or self._members.get((person.name, room), FOR_EVER) <= taken, (
            f"{person.name} was shown {line.text!r} and was not in {room} then"
        )

    def _heed(self, person: Person, event: events.Event) -> None:
        match event:
            case events.MessageChanged(
                conversation=what, id=id_, state=events.MessageState.SAVED
            ) if what.is_room:
                number = person.number_of(id_)
                self._accepted[(person.identity.public, what.name, number)] = (
                    self._world.network.now
                )
            case events.EnteredRoom(room=room, members=members):
                self._here[person.name, room] = set(members)
                self._entered(person, room)
            case events.MemberJoined(room=room, name=name):
                here = self._here.setdefault((person.name, room), set())
                assert name not in here, f"{person.name} was told that {name} joined {room} twice"
                here.add(name)
            case events.MemberLeft(room=room, name=name):
                here = self._here.setdefault((person.name, room), set())
                assert name in here, (
                    f"{person.name} was told that {name} left {room}, and they were not there"
                )
                here.discard(name)
            case events.TopicKnown(room=room, text=text):
                self._topic_known.setdefault((room, text), self._world.network.now)
            case events.Renamed(old=old, new=new):
                for (name, _), here in self._here.items():
                    if name == person.name and old in here:
                        here.discard(old)
                        here.add(new)
            case _:
                pass

    # --- at the end

    def check_complete(self) -> None:
        """Every line is shown to everybody who has been in the room since before it was sent."""
        for speaker, room, id_, at in self._said:
            if not speaker.has_got_through(id_):
                continue  # they left before the registry had it: it may be lost
            line = (speaker.identity.public, speaker.number_of(id_))
            for person in self._world.people:
                if person is not speaker and self.stayed(person, room, at):
                    shown = [
                        (one.identity, one.number)
                        for one in person.screen.lines
                        if one.conversation == in_room(room)
                    ]
                    assert shown.count(line) == 1, f"{person.name} misses {line} of {room}"

    def stayed(self, person: Person, room: str, at: float) -> bool:
        """Whether a person is in the room and has been since before."""
        spans = self._spans.get((person.name, room))
        if room not in person.rooms or spans is None:  # a test may keep no account of who is where
            return False
        start, end = spans[-1]
        return start < at - ANSWERED_WITHIN and end == FOR_EVER

    def check_members(self, room: str) -> list[Person]:
        """Everybody in a room sees exactly its members."""
        inside = [person for person in self._world.people if room in person.rooms]
        names = {person.core.me.name for person in inside}
        for person in inside:
            seen = person.members(room)
            assert seen == names, f"{person.name} sees {seen} in {room}, there are {names}"
        if inside:
            self._check_topic(room, inside)
        return inside

    def _check_topic(self, room: str, inside: list[Person]) -> None:
        """Everybody in a room has the registry's topic. It is the last one that was set."""
        kept = self._world.registry.topic_of(room)
        for person in inside:
            topic = person.topic(room)
            assert topic == kept, f"{person.name} has {topic!r} for {room}, it is {kept!r}"
        assert not kept or (room, kept) in self._topic_asked, f"nobody set {kept!r} in {room}"
        known = self._topic_known.get((room, kept), FOR_EVER)
        for (other, text), asked in self._topic_asked.items():
            if other == room and (room, text) in self._topic_known:
                assert text == kept or known >= asked, f"{text!r} was set in {room} after {kept!r}"
                assert kept or not any(self.stayed(person, room, asked) for person in inside), (
                    f"the topic {text!r} of {room} is gone"
                )
