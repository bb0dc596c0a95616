"""What has become of each line: in the end all who have it read the same, with the same edits, taken
back or not, with the same emojis of the same people.

Checked in the histories.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from chatapp.peer.core.records import DEAD, KEY_SIZE, group_mark, parties_of
from chatapp.peer.history.query import StoredLine
from chatapp.peer.history.schema import NUMBERS_OF_DEAD
from chatapp.wire.messages.rooms import CHANNEL
from tests.support.people import Person, stream_of

if TYPE_CHECKING:
    from tests.support.world import World


_NOT_GOT_THROUGH: Final = f"""
SELECT lines.id, key, ours, relations.number FROM lines JOIN relations ON relations.line = lines.id
    JOIN streams ON streams.id = relations.stream WHERE lines.state IN {NUMBERS_OF_DEAD}"""


class LineId(NamedTuple):
    """A line, the same in all histories."""

    talk: str | frozenset[bytes]
    """The room, empty for the channel; the keys of the two who talk."""
    author: bytes
    number: int


class View(NamedTuple):
    """What a person reads of a line."""

    text: str
    is_edited: bool
    is_retracted: bool
    reactions: tuple[tuple[str, frozenset[bytes]], ...]
    """In worlds several people react in one microsecond, and nothing says who of them is first."""


class ViewsPromise:
    """Compares histories."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._cancelled: list[tuple[Person, int]] = []

    def note_cancelled(self, author: Person, id_: int) -> None:
        """Record a line, by its id, that its author gave up before anybody could have it."""
        self._cancelled.append((author, id_))

    def check_equal(self) -> None:
        """At the end."""
        people = self._world.people
        for author, id_ in self._cancelled:
            for person in people:
                shown = (
                    one for one in person.screen.lines if one.identity == author.identity.public
                )
                ids = [
                    author.id_of(stream_of(one.conversation, person), one.number) for one in shown
                ]
                assert id_ not in ids, f"{person.name} was shown what {author.name} gave up"
        views = {person.name: dict(_views(person)) for person in people}
        left = {line for person in people for line in self._changed_and_left(person)}
        for one, other in combinations(people, 2):
            ours, theirs = views[one.name], views[other.name]
            for line in (ours.keys() & theirs.keys()) - left:
                if self._has_all(one, line) and self._has_all(other, line):
                    assert ours[line] == theirs[line], (
                        f"{one.name} reads {ours[line]}, {other.name} {theirs[line]}"
                    )

    def _changed_and_left(self, person: Person) -> Iterator[LineId]:
        """The lines of rooms of which only some members may have a change: who made it left before
        the registry had it."""
        for id_, stream, is_ours, number in person.history._db.execute(_NOT_GOT_THROUGH):
            room, author = parties_of(stream, is_ours=is_ours)
            if room and not self._world.rooms.stayed(person, room, person.begun_at[id_]):
                yield LineId(room, author or person.identity.public, number)

    def _has_all(self, person: Person, line: LineId) -> bool:
        """Whether this person has all that was said about a line."""
        if isinstance(line.talk, frozenset):
            return True
        (author,) = (one for one in self._world.people if one.identity.public == line.author)
        id_ = author.id_of(group_mark(f"#{line.talk}" if line.talk else CHANNEL), line.number)
        assert id_ is not None
        at = author.begun_at[id_]
        if line.talk:
            return self._world.rooms.stayed(person, line.talk, at)
        return person.came_at is not None and person.came_at < at


def _views(person: Person) -> Iterator[tuple[LineId, View]]:
    me, history = person.identity.public, person.history
    for line in history.lines.all():
        if line.state in DEAD:
            continue
        author = me if line.person is None or line.outgoing else line.person
        talk = frozenset((me, line.stream)) if line.room is None else line.room
        yield LineId(talk, author, line.number), _view(line, person)


def _view(line: StoredLine, person: Person) -> View:
    if line.folded is None:
        return View(line.text, is_edited=False, is_retracted=False, reactions=())
    folded = line.folded
    streams = [stream for _, those in folded.reactions for stream in those]
    keys = person.history.lines.relations.names(streams)
    return View(
        line.text,
        is_edited=bool(folded.versions),
        is_retracted=folded.is_retracted,
        reactions=tuple(
            (
                emoji,
                frozenset(
                    person.identity.public if keys[stream][1] else keys[stream][0][-KEY_SIZE:]
                    for stream in those
                ),
            )
            for emoji, those in folded.reactions
        ),
    )
