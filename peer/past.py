"""This file is about one's own past as programs and faces ask for it: the newest lines, a search, the trail of a message.

    for line in peer.past.latest(20): ...

It knows lines and trails as values; how they lie on the disk stands in `peer.store`.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from peer.core.events import SOMEBODY
from peer.core.standing import FINAL, Standing
from peer.core.trail import Raw, Step, readable, unpacked
from peer.store.lines import Lines, StoredLine


class Kind(enum.Enum):
    """To whom a line was said."""

    DIRECT = "to one person"
    CHANNEL = "to everybody"
    ROOM = "to those in a room"


class PastLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of one's own history, said by us (`outgoing`) or to us."""

    id: str
    """A running number of this history: short, and given once."""
    at: float
    """When it was written, Unix seconds by its author's clock."""
    kind: Kind
    sender: str
    is_claimed: bool
    """Whether `sender` is only what the author of a letter says: no table has ever shown their key."""
    to: str | None
    """Of a direct line."""
    room: str | None
    text: str
    outgoing: bool
    standing: Standing | None
    """How far our own line got; None for others'. A line of the channel or a room that the registry has is DELIVERED."""


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one line. One said to us has no steps: only its author knows them."""

    line: PastLine
    steps: tuple[Step, ...]


StepsUnderWay = Callable[[bytes, int], tuple[Raw, ...]]
"""The steps so far of our message `number` in a stream, while it is not final; none when it is not under way."""


class Past:
    """The history of one person. Every method raises sqlite3.Error when the file cannot be read."""

    def __init__(
        self, lines: Lines, me: Callable[[], str], under_way: StepsUnderWay, flush: Callable[[], object]
    ) -> None:
        """`flush`: puts on disk what still waits, so that what is asked for is there."""
        self._lines: Final = lines
        self._me = me
        self._under_way = under_way
        self._flush = flush

    def latest(self, count: int) -> list[PastLine]:
        """The newest `count` lines, oldest first; none of people who are ignored."""
        self._flush()
        return [shown(line, self._me()) for line in self._lines.latest(count)]

    def search(self, words: str, limit: int = 50) -> list[PastLine]:
        """The newest `limit` lines that have all the words (of the last one, its beginning), oldest first. Case and
        diacritics do not matter, nor does any sign in `words`; with no word in it nothing is found."""
        self._flush()
        return [shown(line, self._me()) for line in self._lines.search(words, limit)]

    def why(self, which: str) -> Trail | None:
        """The trail of a line: `which` is its id, or "last" for our newest one. None: there is none."""
        self._flush()
        line = self._lines.last_own() if which == "last" else self._lines.by_id(which)
        if line is None:
            return None
        steps = unpacked(line.trail, line.at_ms)
        if line.outgoing and line.standing not in FINAL:
            steps = self._under_way(line.stream, line.number) or steps
        return Trail(line=shown(line, self._me()), steps=readable(steps, line.at_ms))


def shown(line: StoredLine, me: str) -> PastLine:
    """A stored line as people read it."""
    kind = Kind.ROOM if line.room else Kind.CHANNEL if line.room is not None else Kind.DIRECT
    other = line.name or SOMEBODY
    return PastLine(
        id=str(line.id),
        at=line.at_ms / 1_000,
        kind=kind,
        sender=me if line.outgoing else other,
        is_claimed=line.is_claimed and not line.outgoing,
        to=(other if line.outgoing else me) if kind is Kind.DIRECT else None,
        room=line.room or None,
        text=line.text,
        outgoing=line.outgoing,
        standing=line.standing if line.outgoing else None,
    )
