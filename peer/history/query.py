"""Read a history: the newest lines, those that match a search, one by its id, all of them.

`MessageQueries` reads the tables; `HistoryView` is what the SDK offers.
"""

import enum
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from chatapp.peer.core.events import SOMEBODY, MessageState
from chatapp.peer.core.records import FINAL, KEY_SIZE, parties_of
from chatapp.peer.core.trace import Raw, Stored, TraceStep, readable, unpacked
from chatapp.peer.history.schema import damage_named
from chatapp.peer.history.search import SearchIndex, query
from chatapp.wire.messages.direct import LAST_NUMBER

_LINE: Final = (
    "SELECT lines.id, key, ours, number, at_ms, state, text, trace "
    "FROM lines JOIN streams ON streams.id = stream"
)
_NAME: Final = "SELECT name, is_claimed FROM names WHERE identity = ?"
IS_HEARD: Final = f"(ours OR NOT EXISTS (SELECT 1 FROM ignored WHERE identity = substr(key, -{KEY_SIZE})))"
_IS_SHOWN: Final = "(ours OR number <= shown AND coalesce(is_overtaken, 0) = 0)"


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A row of `_LINE`."""

    id: int
    key: bytes
    ours: int
    number: int
    at_ms: int
    state: MessageState | None
    text: str
    trace: Stored


class _Name(msgspec.Struct, array_like=True, gc=False):
    """A row of `_NAME`."""

    name: str
    is_claimed: int


class StoredLine(NamedTuple):
    """One line as it is stored."""

    id: int
    stream: bytes
    outgoing: bool
    number: int
    at_ms: int
    state: MessageState | None
    """None for others' lines."""
    text: str
    trace: Stored
    room: str | None
    """As in `StreamParties`: None for direct messages, empty for the channel."""
    person: bytes | None
    name: str | None
    """The name of `person`; None if it was never known."""
    is_claimed: bool
    """Whether nobody but `person` has ever confirmed this name."""


class MessageQueries:
    """Queries for the lines of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.index: Final = SearchIndex(db)

    def latest(self, count: int) -> list[StoredLine]:
        """Return the newest `count` lines of people who are not ignored, oldest first."""
        return self._newest(f"{_LINE} WHERE {IS_HEARD} ORDER BY lines.id DESC LIMIT ?", (max(count, 0),))

    def latest_shown(self, count: int) -> list[StoredLine]:
        """As `latest`, without the lines that were not shown yet."""
        chosen = f"{_LINE} WHERE {IS_HEARD} AND {_IS_SHOWN} ORDER BY lines.id DESC LIMIT ?"
        return self._newest(chosen, (max(count, 0),))

    def search(self, words: str, limit: int) -> list[StoredLine]:
        """Return the newest `limit` lines that match, oldest first."""
        wanted = query(words)
        if wanted is None:
            return []
        self.index.catch_up()
        return self._newest(
            f"{_LINE} WHERE lines.id IN (SELECT rowid FROM search_index WHERE search_index MATCH ?) AND {IS_HEARD} "
            "ORDER BY lines.id DESC LIMIT ?",
            (wanted, max(limit, 0)),
        )

    def by_id(self, id_: int) -> StoredLine | None:
        """Return the line with this id."""
        return self._one(f"{_LINE} WHERE lines.id = ?", (id_,)) if 0 < id_ <= LAST_NUMBER else None

    def with_ids(self, ids: list[int]) -> list[StoredLine]:
        """Return the lines with these ids, in order."""
        marks = ",".join("?" * len(ids))
        return self._newest(f"{_LINE} WHERE lines.id IN ({marks}) ORDER BY lines.id DESC", tuple(ids))

    def last_own(self) -> StoredLine | None:
        """Return our own newest line."""
        return self._one(f"{_LINE} WHERE ours ORDER BY lines.id DESC LIMIT 1", ())

    def all(self) -> Iterator[StoredLine]:
        """Yield every line, oldest first, reading as the caller goes on."""
        with damage_named():
            rows = self._db.execute("SELECT identity, name, is_claimed FROM names")
            names = {identity: msgspec.convert(found, _Name) for identity, *found in rows}
            for row in self._db.execute(f"{_LINE} ORDER BY lines.id"):
                yield self._line(row, names)

    def _newest(self, statement: str, values: tuple[object, ...]) -> list[StoredLine]:
        names: dict[bytes, _Name] = {}
        with damage_named():
            rows = self._db.execute(statement, values).fetchall()
            return [self._line(row, names) for row in reversed(rows)]

    def _one(self, statement: str, values: tuple[object, ...]) -> StoredLine | None:
        with damage_named():
            row = self._db.execute(statement, values).fetchone()
            return None if row is None else self._line(row, {})

    def _line(self, found: tuple[Any, ...], names: dict[bytes, _Name]) -> StoredLine:
        """Raises msgspec.ValidationError, ValueError."""
        row = msgspec.convert(found, _Row)
        is_ours, state = bool(row.ours), row.state
        if is_ours and state is None:
            raise ValueError(f"line {row.id} has no state")
        room, person = parties_of(row.key, is_ours=is_ours)
        if person is not None and person not in names:
            found = self._db.execute(_NAME, (person,)).fetchone()
            if found is not None:
                names[person] = msgspec.convert(found, _Name)
        known = names.get(person) if person is not None else None
        return StoredLine(
            row.id,
            row.key,
            is_ours,
            row.number,
            row.at_ms,
            state,
            row.text,
            row.trace,
            room,
            person,
            None if known is None else known.name,
            known is not None and bool(known.is_claimed),
        )


class LineKind(enum.Enum):
    """To whom a line was said."""

    DIRECT = enum.auto()
    CHANNEL = enum.auto()
    ROOM = enum.auto()


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of our history, said by us (`outgoing`) or to us."""

    id: int
    """A running number of this history, never given twice: the id of the line's receipt, and of every event about it."""
    at: float
    """When the line was written, in Unix seconds by its author's clock."""
    kind: LineKind
    sender: str
    is_claimed: bool
    """Whether only the author of the message says that `sender` is their name: no table has ever shown their key."""
    to: str | None
    """The recipient of a direct line."""
    room: str | None
    text: str
    outgoing: bool
    state: MessageState | None
    """How far our own line got; None for others'. A line of the channel or a room that the registry has is DELIVERED."""


class DeliveryTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one line was delivered. A line said to us has no steps: only its author knows them."""

    line: HistoryLine
    steps: tuple[TraceStep, ...]


StepsUnderWay = Callable[[bytes, int], tuple[Raw, ...]]
"""Returns the steps so far of our message with this number in this stream; none when it is not under way."""


class HistoryView:
    """The history of one person, to be read. Every method raises sqlite3.Error when the file cannot be read."""

    def __init__(
        self,
        lines: MessageQueries,
        me: Callable[[], str],
        under_way: StepsUnderWay,
        flush: Callable[[], object],
    ) -> None:
        """`flush` commits what still waits, so that queries find it."""
        self._lines: Final = lines
        self._me = me
        self._under_way = under_way
        self._flush = flush

    def latest(self, count: int) -> list[HistoryLine]:
        """Return the newest `count` lines of people who are not ignored, oldest first."""
        self._flush()
        return [shown(line, self._me()) for line in self._lines.latest(count)]

    def latest_shown(self, count: int) -> list[HistoryLine]:
        """As `latest`, without the lines that the user has not seen yet: events give those again."""
        self._flush()
        return [shown(line, self._me()) for line in self._lines.latest_shown(count)]

    def search(self, words: str, limit: int = 50) -> list[HistoryLine]:
        """Return the newest `limit` lines that have all the words, oldest first. The last word may be the beginning of one.
        Case, diacritics and punctuation do not matter. Without a word, nothing is found."""
        self._flush()
        return [shown(line, self._me()) for line in self._lines.search(words, limit)]

    def why(self, id_: int | None) -> DeliveryTrace | None:
        """Return how the line with this id was delivered; None: our own newest line. None if there is no such line."""
        self._flush()
        line = self._lines.last_own() if id_ is None else self._lines.by_id(id_)
        if line is None:
            return None
        steps = unpacked(line.trace, line.at_ms)
        if line.outgoing and line.state not in FINAL:
            steps = self._under_way(line.stream, line.number) or steps
        return DeliveryTrace(line=shown(line, self._me()), steps=readable(steps, line.at_ms))


def shown(line: StoredLine, me: str) -> HistoryLine:
    """Return a stored line as people read it."""
    kind = LineKind.ROOM if line.room else LineKind.CHANNEL if line.room is not None else LineKind.DIRECT
    other = line.name or SOMEBODY
    return HistoryLine(
        id=line.id,
        at=line.at_ms / 1_000,
        kind=kind,
        sender=me if line.outgoing else other,
        is_claimed=line.is_claimed and not line.outgoing,
        to=(other if line.outgoing else me) if kind is LineKind.DIRECT else None,
        room=line.room or None,
        text=line.text,
        outgoing=line.outgoing,
        state=line.state if line.outgoing else None,
    )
