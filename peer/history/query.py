"""Read a history: pages of it, the lines that match a search, one by its id, all of it; and its
conversations: which there are, how far each is read, and which rows of the tables belong to one.

`MessageQueries` reads the tables; `shown` makes a line as people read it. `peer.sdk.past` is what
the SDK offers.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from chatapp.peer.api.conversations import (
    EVERYBODY,
    Conversation,
    ConversationKind,
    addresses,
    person,
    room,
)
from chatapp.peer.api.events import (
    EMOJIS_SHOWN,
    NAMES_SHOWN,
    SOMEBODY,
    AuthorDoubt,
    MessageState,
    Reaction,
    Said,
    Target,
)
from chatapp.peer.api.trace import Stored
from chatapp.peer.core.records import (
    CHANGES,
    CHANNEL_MARK,
    KEY_SIZE,
    Related,
    RelationKind,
    parties_of,
)
from chatapp.peer.core.relations import Folded, answered, offered_file
from chatapp.peer.history import schema
from chatapp.peer.history.relations import LineToFold, Relations
from chatapp.peer.history.schema import damage_named
from chatapp.peer.history.search import Indexes, query
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.direct import LAST_NUMBER
from chatapp.wire.names import name_key

UNREAD_MAX: Final = 1_000
"""Unread lines of one conversation that are counted; it stands for more as well."""

_ROWS: Final = """
SELECT conversations.id, key, conversations.registry, read, name, coalesce(doubt, 0),
    (SELECT coalesce(max(line), 0) FROM conversation_lines WHERE conversation = conversations.id)
    FROM conversations LEFT JOIN names ON names.identity = key AND conversations.registry = ?
    WHERE conversations.registry IN (?, ?)"""
_UNREAD_LINES: Final = f"""
    FROM conversation_lines JOIN lines ON lines.id = line JOIN streams ON streams.id = stream
    WHERE conversation_lines.conversation = ? AND line > ? AND NOT ours
        AND NOT EXISTS (SELECT 1 FROM ignored WHERE identity = substr(streams.key, -{KEY_SIZE}))
    LIMIT {UNREAD_MAX}"""
_UNREAD: Final = f"SELECT count(*) FROM (SELECT 1 {_UNREAD_LINES})"
_UNREAD_TEXTS: Final = (
    f"SELECT text FROM (SELECT lines.text {_UNREAD_LINES}) WHERE instr(text, '@')"
)

_NEWEST_READ: Final = """
SELECT number FROM streams JOIN lines ON lines.stream = streams.id
    WHERE streams.conversation = ? AND NOT ours AND kind IS NULL AND lines.id <= ?
    ORDER BY number DESC LIMIT 1"""


class _Row(msgspec.Struct, array_like=True, gc=False):
    """A row of `_ROWS`."""

    id: int
    key: bytes
    registry: int
    read: int
    name: str | None
    doubt: int
    newest: int


class StoredConversation(NamedTuple):
    """One row of `conversations`. Several rows are one conversation if a person has had several
    keys."""

    id: int
    key: bytes
    is_group: bool
    what: Conversation
    read: int
    newest: int
    """The id of its newest line; 0 if none is indexed."""


class ConversationQueries:
    """Queries for the conversations of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @damage_named()
    def all(self, registry: int) -> list[StoredConversation]:
        """Return the conversations with people, and those of the groups of this registry (its row
        in `registries`)."""
        everywhere = schema.EVERYWHERE
        found = self._db.execute(_ROWS, (everywhere, everywhere, registry)).fetchall()
        return [_stored(msgspec.convert(row, _Row)) for row in found]

    def rows_of(self, conversation: Conversation, registry: int) -> list[StoredConversation]:
        """Return the rows of one conversation; none if nothing was ever said in it."""
        rows = self.all(registry)
        exact = [row for row in rows if row.what == conversation]
        if exact or not conversation.name:
            return exact
        wanted = identity_of(conversation)
        return [row for row in rows if identity_of(row.what) == wanted]

    @damage_named()
    def newest_read(self, row: StoredConversation, id_: int) -> int:
        """Return the number of the newest line that the person of this conversation has said, up to
        the line with this id; 0 for none."""
        found = self._db.execute(_NEWEST_READ, (row.id, _id_in_reach(id_))).fetchone()
        return 0 if found is None else int(found[0])

    @damage_named()
    def unread(self, row: StoredConversation) -> int:
        """Return how many lines of others are newer than what the user has read, `UNREAD_MAX` at
        most."""
        if row.newest <= row.read:
            return 0
        return int(self._db.execute(_UNREAD, (row.id, row.read)).fetchone()[0])

    @damage_named()
    def addresses(self, row: StoredConversation, name: str) -> bool:
        """Return whether one of those lines has `@` and this name in it."""
        if row.newest <= row.read:
            return False
        found = self._db.execute(_UNREAD_TEXTS, (row.id, row.read))  # one text at a time in memory
        return any(addresses(str(text), name) for (text,) in found)


def identity_of(conversation: Conversation) -> tuple[ConversationKind, str, bool]:
    """Return what two values of the same conversation have in common, in whatever case the name is
    written."""
    try:
        name = name_key(conversation.name)
    except NameRefused:
        name = conversation.name
    return conversation.kind, name, conversation.is_claimed


def _stored(row: _Row) -> StoredConversation:
    is_group = row.registry != schema.EVERYWHERE
    if not is_group:
        what = person(row.name or SOMEBODY, is_claimed=row.doubt != 0)
    elif row.key == CHANNEL_MARK:
        what = EVERYBODY
    else:
        what = room(parties_of(row.key, is_ours=True).room or "")
    return StoredConversation(row.id, row.key, is_group, what, row.read, row.newest)


_COLUMNS: Final = "SELECT lines.id, streams.key, ours, number, at_ms, state, lines.text, trace, stream, number <= mark FROM"
_LINE: Final = f"{_COLUMNS} lines JOIN streams ON streams.id = stream"
_OF_TALKS: Final = (
    f"{_COLUMNS} conversation_lines CROSS JOIN lines ON lines.id = line "
    "CROSS JOIN streams ON streams.id = stream"
)
_FOUND: Final = (
    f"{_COLUMNS} search_index CROSS JOIN lines ON lines.id = search_index.rowid "
    "CROSS JOIN streams ON streams.id = stream"
)
_NAME: Final = "SELECT name, nullif(doubt, 0) FROM names WHERE identity = ?"
IS_HEARD: Final = f"(ours OR NOT EXISTS (SELECT 1 FROM ignored WHERE identity = substr(streams.key, -{KEY_SIZE})))"
_IS_BY: Final = f"NOT ours AND substr(streams.key, -{KEY_SIZE}) = ?"
_READ_AT_ONCE: Final = 500
"""Lines that an export reads at once."""
_IS_SHOWN: Final = "(ours OR number <= shown AND coalesce(is_overtaken, 0) = 0)"


class _LineRow(msgspec.Struct, array_like=True, gc=False):
    """A row of `_LINE`."""

    id: int
    key: bytes
    ours: int
    number: int
    at_ms: int
    state: int | None
    text: str
    trace: Stored
    by: int
    is_seen: int


class _Name(msgspec.Struct, array_like=True, gc=False):
    """A row of `_NAME`."""

    name: str
    doubt: int | None


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
    doubt: AuthorDoubt | None
    """Why `person` may not be who they say, if nobody else has ever confirmed this name."""
    by: int = 0
    """The row of its stream."""
    is_seen: bool = False
    """Whether its recipient has said that they have seen it."""
    related: Related | None = None
    """What it is to another line."""
    folded: Folded | None = None
    """What it has become, if it was changed."""
    quote: str = ""
    """The beginning of the line that it answers."""
    reactions: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    """The emoji that were put to it, and the names of those who did; None: ours."""

    @property
    def is_change(self) -> bool:
        """Whether it only changes another line."""
        return self.related is not None and self.related.kind in CHANGES

    @property
    def is_unknown(self) -> bool:
        """Whether it is something that this version cannot show."""
        return self.related is not None and self.related.kind is RelationKind.UNKNOWN


class MessageQueries:
    """Queries for the lines of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.index: Final = Indexes(db)
        self.conversations: Final = ConversationQueries(db)
        self.relations: Final = Relations(db)

    def by_key(self, key: int) -> StoredLine | None:
        """Return the line of ours that another program asked for by this key; None if there is
        none."""
        with damage_named():
            found = self._db.execute("SELECT line FROM line_keys WHERE key = ?", (key,)).fetchone()
        return None if found is None else self.by_id(found[0])

    def latest(self, count: int) -> list[StoredLine]:
        """Return the newest `count` lines of people who are not ignored, oldest first."""
        return self.page((), limit=count)

    def page(
        self,
        among: Sequence[int],
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        only_shown: bool = False,
    ) -> list[StoredLine]:
        """Return lines of people who are not ignored, oldest first: the newest ones with ids below
        `before`, or with `after`, the oldest ones with ids above it. `among`: the conversations, by
        their ids, whose lines are found as far as they are indexed; all lines if there is none.
        `only_shown`: without those that were not shown yet."""
        if len(among) > 1:  # one person with several keys: rare
            pages = [
                self.page((one,), limit=limit, before=before, after=after, only_shown=only_shown)
                for one in among
            ]
            lines = sorted(line for page in pages for line in page)  # by id
            return (
                lines[: max(limit, 0)]
                if after is not None
                else lines[max(len(lines) - max(limit, 0), 0) :]
            )
        tables, id_ = (_OF_TALKS, "line") if among else (_LINE, "lines.id")
        order, compared, bound = ("DESC", "<", before) if after is None else ("ASC", ">", after)
        where = "conversation_lines.conversation = ? AND " if among else "kind IS NULL AND "
        if only_shown:
            where += f"{_IS_SHOWN} AND "
        values = (*among, _id_in_reach(bound), max(limit, 0))
        found = self._lines(
            f"{tables} WHERE {where}{id_} {compared} ? AND {IS_HEARD} ORDER BY {id_} {order} LIMIT ?",
            values,
        )
        return found if after is not None else found[::-1]

    def search(
        self,
        words: str,
        limit: int,
        *,
        among: Sequence[int] | None = None,
        before: int | None = None,
    ) -> list[StoredLine]:
        """Return the newest `limit` lines that match and are indexed, oldest first. `among`: only
        in these conversations; `before`: only with ids below this one."""
        wanted = query(words)
        if wanted is None:
            return []
        where = ""
        if among is not None:
            where = f" AND streams.conversation IN ({','.join('?' * len(among))})"
        values = (wanted, _id_in_reach(before), *(among or ()), max(limit, 0))
        return self._lines(
            f"{_FOUND} WHERE search_index MATCH ? AND search_index.rowid < ?{where} AND {IS_HEARD} "
            "ORDER BY search_index.rowid DESC LIMIT ?",
            values,
        )[::-1]

    def by_id(self, id_: int) -> StoredLine | None:
        """Return the line with this id."""
        return self._one(f"{_LINE} WHERE lines.id = ?", (id_,)) if 0 < id_ <= LAST_NUMBER else None

    def find(self, among: Sequence[int], target: Target) -> StoredLine | None:
        """Return the line of these conversations that an event names."""
        marks = ",".join("?" * len(among))
        who, values = ("ours", ()) if not target.identity else (_IS_BY, (target.identity,))
        return self._one(
            f"{_LINE} WHERE number = ? AND {who} AND streams.conversation IN ({marks}) AND kind IS NULL",
            (target.number, *values, *among),
        )

    def versions(self, line: StoredLine) -> list[tuple[int, int, str]]:
        """Return all that an edited line has said, the first version first: the number of the
        message, its time in milliseconds, and the text. Empty for a line that was not edited, or
        was taken back."""
        original = self.relations.original(line.id)
        if line.folded is None or not line.folded.versions or original is None:
            return []
        edits = [(edit.number, edit.at_ms, edit.text) for edit in line.folded.versions]
        return [(line.number, line.at_ms, original), *edits]

    def with_ids(self, ids: list[int]) -> list[StoredLine]:
        """Return the lines with these ids, in order."""
        marks = ",".join("?" * len(ids))
        return self._lines(f"{_LINE} WHERE lines.id IN ({marks}) ORDER BY lines.id", tuple(ids))

    def last_own(self) -> StoredLine | None:
        """Return our own newest line."""
        return self._one(f"{_LINE} WHERE ours AND kind IS NULL ORDER BY lines.id DESC LIMIT 1", ())

    def all(self) -> Iterator[StoredLine]:
        """Yield every line, oldest first, reading as the caller goes on."""
        with damage_named():
            rows = self._db.execute("SELECT identity, name, nullif(doubt, 0) FROM names")
            names = {identity: msgspec.convert(found, _Name) for identity, *found in rows}
            found = self._db.execute(f"{_LINE} WHERE kind IS NULL ORDER BY lines.id")
            while rows_read := found.fetchmany(_READ_AT_ONCE):
                yield from self._with_changes([self._line(row, names) for row in rows_read], names)

    def _lines(self, statement: str, values: tuple[object, ...]) -> list[StoredLine]:
        names: dict[bytes, _Name] = {}
        with damage_named():
            rows = self._db.execute(statement, values).fetchall()
            return self._with_changes([self._line(row, names) for row in rows], names)

    def _with_changes(self, lines: list[StoredLine], names: dict[bytes, _Name]) -> list[StoredLine]:
        """Return lines with what they are to others, and others to them."""
        related = self.relations.of([line.id for line in lines])
        folded = self.relations.folded(
            [LineToFold(line.id, line.by, line.at_ms, line.text) for line in lines]
        )
        if not (related or folded):  # mostly
            return lines
        quotes = self.relations.quotes([*related])
        by = {
            stream
            for change in folded.values()
            for _, streams in change.reactions
            for stream in streams
        }
        who = {
            stream: None if is_ours else self._name_of(key[-KEY_SIZE:], names)
            for stream, (key, is_ours) in self.relations.names([*by]).items()
        }
        return [
            line._replace(
                related=related.get(line.id),
                quote=quotes.get(line.id, ""),
                folded=(change := folded.get(line.id)),
                reactions=()
                if change is None
                else tuple(
                    (emoji, tuple(who[stream] for stream in streams))
                    for emoji, streams in change.reactions
                ),
            )
            for line in lines
        ]

    def _name_of(self, person: bytes, names: dict[bytes, _Name]) -> str:
        known = self._known_name(person, names)
        return SOMEBODY if known is None else known.name

    def _known_name(self, person: bytes, names: dict[bytes, _Name]) -> _Name | None:
        if person not in names:
            found = self._db.execute(_NAME, (person,)).fetchone()
            if found is not None:
                names[person] = msgspec.convert(found, _Name)
        return names.get(person)

    def _one(self, statement: str, values: tuple[object, ...]) -> StoredLine | None:
        with damage_named():
            row = self._db.execute(statement, values).fetchone()
            names: dict[bytes, _Name] = {}
            return None if row is None else self._with_changes([self._line(row, names)], names)[0]

    def _line(self, found: tuple[Any, ...], names: dict[bytes, _Name]) -> StoredLine:
        """Raises msgspec.ValidationError, ValueError."""
        row = msgspec.convert(found, _LineRow)
        is_ours = bool(row.ours)
        state = None if row.state is None else MessageState.numbered(row.state)
        if is_ours and state is None:
            raise ValueError(f"line {row.id} has no state")
        room, person = parties_of(row.key, is_ours=is_ours)
        known = None if person is None else self._known_name(person, names)
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
            None if known is None or known.doubt is None else AuthorDoubt.numbered(known.doubt),
            row.by,
            is_ours and row.is_seen == 1,
        )


def _id_in_reach(id_: int | None) -> int:
    """Return an id that SQLite can compare with; None means one above all."""
    return LAST_NUMBER if id_ is None else max(-1, min(id_, LAST_NUMBER))


def shown(line: StoredLine, me: str) -> Said:
    """Return a stored line as people read it."""
    other = line.name or SOMEBODY
    doubt = line.doubt if not line.outgoing and line.room is None else None
    conversation = room(line.room) if line.room else EVERYBODY
    if line.room is None:
        conversation = person(other, is_claimed=doubt is not None)
    return Said(
        conversation=conversation,
        id=line.id,
        sender=me if line.outgoing else other,
        identity=b"" if line.outgoing or line.person is None else line.person,
        number=line.number,
        text="" if line.is_unknown else line.text,
        at=line.at_ms / 1_000,
        doubt=doubt,
        is_ours=line.outgoing,
        state=line.state if line.outgoing else None,
        is_seen=line.is_seen,
        reply_to=answered(line.related),
        quote=line.quote,
        is_unknown=line.is_unknown,
        file=offered_file(line.related),
        is_edited=line.folded is not None and bool(line.folded.versions),
        is_retracted=line.folded is not None and line.folded.is_retracted,
        reactions=tuple(_reaction(emoji, who, me) for emoji, who in line.reactions[:EMOJIS_SHOWN]),
    )


def _reaction(emoji: str, who: Sequence[str | None], me: str) -> Reaction:
    names = tuple(me if name is None else name for name in who[:NAMES_SHOWN])
    return Reaction(emoji=emoji, count=len(who), names=names, is_ours=None in who)
