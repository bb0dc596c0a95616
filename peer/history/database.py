"""The history as it is read: messages, streams, the last table, in one SQLite file.

It is filled from the journal, some time after the core has acknowledged what it stores: see
`peer.node.storage`.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import Stored
from chatapp.peer.core.records import (
    DEAD,
    CursorMoved,
    DraftChanged,
    FloorRaised,
    FormerName,
    IgnoreChanged,
    IncomingAdded,
    LineAccepted,
    LineKeyed,
    Loaded,
    MarkMoved,
    MuteChanged,
    NameBlocked,
    NameCleared,
    Named,
    NumberUsed,
    OpeningTaken,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingDelivered,
    OutgoingMoved,
    OutgoingOnDisk,
    OutgoingReworded,
    Overtaken,
    PersonVerified,
    ReadUpTo,
    Record,
    RegistryPinned,
    RegistryVerified,
    Related,
    RoomKept,
    RowsSaved,
    ServersNamed,
    Shown,
    ShownBehind,
    StoredOutgoing,
    conversation_of,
)
from chatapp.peer.history import loading, schema
from chatapp.peer.history.journal import Batch, Position
from chatapp.peer.history.maintenance import Maintenance
from chatapp.peer.history.query import MessageQueries, StoredLine
from chatapp.peer.history.registries import Registries
from chatapp.peer.history.relations import Relations
from chatapp.peer.history.schema import damage_named
from chatapp.peer.history.unshown import unshown_ids
from chatapp.wire.codec import encode

_log = logging.getLogger("chatapp.peer")

# Python's sqlite3 takes an exact `int` or `str` as it is. For any other value (None, a bool, an
# enum member) it looks for an adapter first, which costs as much as a fifth of the row. So columns
# that stay NULL are not bound.
_ROWS_AT_ONCE: Final = (100, 10)
"""Rows that one INSERT takes: a line costs a third less than with a statement of its own."""


def _adding(columns: str, then: str = "") -> dict[int, str]:
    """Return the statements that insert lines, by how many: those of `_ROWS_AT_ONCE`, and one."""
    row = f"({', '.join('?' * len(columns.split(', ')))})"
    return {
        rows: f"INSERT INTO lines ({columns}) VALUES {', '.join([row] * rows)}{then}"
        for rows in (*_ROWS_AT_ONCE, 1)
    }


_ADD_OURS: Final = _adding("stream, number, at_ms, text, state, trace, id")
_ADD_THEIRS: Final = _adding(
    "stream, number, at_ms, text, is_late, is_overtaken, id",
    " ON CONFLICT (stream, number) DO NOTHING",
)
_CHANGE: Final = "UPDATE lines SET state = ?, trace = coalesce(?, trace) WHERE stream = ? AND number BETWEEN ? AND ?"
_MOVE_TALK: Final = """
UPDATE conversation_lines SET conversation = (SELECT conversation FROM streams WHERE id = :to_stream)
    WHERE conversation = (SELECT conversation FROM streams WHERE id = :from_stream)
        AND line = (SELECT id FROM lines WHERE stream = :to_stream AND number = :to_number)"""
_READ: Final = "UPDATE conversations SET read = max(read, ?) WHERE key = ? AND registry = ?"
_MOVE: Final = "UPDATE lines SET stream = ?, number = ? WHERE stream = ? AND number = ?"
_SHOWN: Final = "UPDATE streams SET shown = max(shown, ?) WHERE id = ?"
_FLOOR: Final = "UPDATE streams SET floor = max(floor, ?) WHERE id = ?"
_USED: Final = "UPDATE streams SET last = max(last, ?) WHERE id = ?"
_ON_DISK: Final = "UPDATE streams SET on_disk = max(on_disk, ?) WHERE id = ?"
_MARKED: Final = "UPDATE streams SET mark = max(mark, ?) WHERE id = ?"
_NO_DRAFT: Final = (
    "DELETE FROM drafts WHERE registry = ? AND kind = ? AND name = ? AND is_claimed = ?"
)
_NAMED: Final = (
    "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
    "SET name = excluded.name, doubt = excluded.doubt WHERE (doubt OR NOT excluded.doubt)"
)
_HOLE: Final = "INSERT INTO missing_numbers VALUES (?, ?, ?)"
_OPENED: Final = "INSERT OR REPLACE INTO openings VALUES (?, ?)"
_FILED: Final = 'UPDATE progress SET generation = ?, "offset" = ?, lines = ?'
_OVERTAKEN: Final = "UPDATE lines SET is_overtaken = ? WHERE stream = ? AND number = ?"


_PATIENCE_MS: Final = 20

KEYS_KEPT: Final = 10_000
"""Lines of the history, the newest ones, whose keys are kept: a program asks for a line again
within seconds, or never."""


class History:
    """`history.db` of one person, as seen from one server."""

    def __init__(self, path: Path | str, *, server: str) -> None:
        """`server`: as the user types it (`wire.address.server_name`). Raises sqlite3.Error,
        OSError; the file is then as it was."""
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with damage_named():
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                schema.prepare(self._db)
                self.registries: Final = Registries(self._db, server)
                self.filed = self._position()
                """The position in the journal up to which its records are stored here."""
        except BaseException:
            self._db.close()
            raise
        self._ours: Final = _StreamIds(self._db, self.registries, schema.OURS)
        self._theirs: Final = _StreamIds(self._db, self.registries, schema.THEIRS)
        self.lines: Final = MessageQueries(self._db)
        self._relations: Final = self.lines.relations
        self._relations.look_again()
        self.maintenance: Final = Maintenance(self._db, self.lines)

    @damage_named()
    def file(self, batch: Batch) -> None:
        """Store the journal's next records, and that they are here, in one transaction. Raises
        sqlite3.Error; then nothing has changed."""
        self.see_from(batch.server)
        try:
            self.apply(batch.records, until=batch.until)
        except sqlite3.IntegrityError as error:
            # A fault of ours. What contradicts the history is left out, else nothing after it would
            # ever be filed.
            _log.error("history.db takes not every record: %s", error)
            self.apply(batch.records, until=batch.until, leaves_out=True)

    @property
    def is_blank(self) -> bool:
        """Whether no message was ever stored and no registry ever let us in. Raises
        sqlite3.Error."""
        return self.maintenance.newest() == 0 and not self.registries.has_met_any

    def apply(
        self, records: Sequence[Record], *, until: Position | None = None, leaves_out: bool = False
    ) -> None:
        """Store records in one transaction. Raises sqlite3.Error; then none of them is stored.
        `leaves_out`: go on without a record that contradicts what is here."""
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            if leaves_out:
                for record in records:
                    with contextlib.suppress(sqlite3.IntegrityError):
                        self._apply([record])
            else:
                self._apply(records)
            if until is not None:
                execute(_FILED, until)
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            # some may have been created in the transaction that was rolled back
            self._forget_streams()
            self.registries.look_again()
            self._relations.look_again()
            raise
        if until is not None:
            self.filed = until

    def give_up_early(self) -> None:
        """Wait only a moment from now on while another program has the database locked: nothing
        depends on it at once."""
        self._db.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")

    def sync(self) -> bool:
        """Wait until everything stored so far is on the disk. False while another program's reading
        prevents it. Raises sqlite3.Error."""
        _, logged, merged = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(logged == merged)

    def see_from(self, server: str) -> None:
        """See the history from this server from now on. Raises sqlite3.Error."""
        if server != self.registries.server:
            self.registries.see_from(server)
            self._forget_streams()

    def load(self) -> Loaded:
        """Return everything that the core starts with. Raises sqlite3.Error."""
        return loading.load(self._db, self.registries.current)

    def delivered(self, stream: bytes, first: int, end: int) -> tuple[list[StoredOutgoing], bool]:
        """Return our delivered messages to somebody with numbers in [first, end), as many as may be
        given again at a time, and whether these are all. Raises sqlite3.Error."""
        with damage_named():
            return loading.delivered(self._db, self._ours[stream], first, end)

    def unshown(self, *, after: int, count: int) -> list[StoredLine]:
        """Return the first `count` lines to us after the one with the id `after` that were not
        shown. Raises sqlite3.Error."""
        with damage_named():
            ids = unshown_ids(self._db, self.registries.current, after=after, count=count)
        return self.lines.with_ids(ids)

    def close(self) -> None:
        """Merge the write-ahead log into the database, and close."""
        self._db.close()

    def _position(self) -> Position:
        found = self._db.execute('SELECT generation, "offset", lines FROM progress').fetchone()
        return msgspec.convert(found, Position)

    def _forget_streams(self) -> None:
        self._ours.clear()
        self._theirs.clear()

    def _apply(self, records: Sequence[Record]) -> None:
        pending = _Pending(
            self._db,
            self._ours,
            self._theirs,
            relations=self._relations,
            set_place=self._set_place,
            apply_rare=self._apply_rare,
        )
        pending.take(records)
        pending.write()

    def _apply_rare(self, record: Record) -> None:
        execute, here = self._db.execute, self.registries.current
        match record:
            case OutgoingReworded(stream, number, text):
                self._relations.reworded(self._ours[stream], number, text)
            case OutgoingMoved(stream, number, to_stream, to_number):
                to_id, from_id = self._ours[to_stream], self._ours[stream]
                execute(_MOVE, (to_id, to_number, from_id, number))
                self._relations.moved(from_id, number, to_stream=to_id, to_number=to_number)
                if to_stream != stream:
                    execute(
                        _MOVE_TALK,
                        {"to_stream": to_id, "to_number": to_number, "from_stream": from_id},
                    )
            case Overtaken(stream, number) | ShownBehind(stream, number):
                is_overtaken = int(isinstance(record, Overtaken))
                execute(_OVERTAKEN, (is_overtaken, self._theirs[stream], number))
            case ReadUpTo(key, is_group, id_):
                registry = here if is_group else schema.EVERYWHERE
                # What is still to come is not read, and an id that no line has may be more than
                # SQLite takes.
                execute(_READ, (min(id_, self.maintenance.newest()), key, registry))
            case RoomKept():
                self._keep_room(record)
            case RowsSaved():
                self._save_rows(record)
            case DraftChanged(where, text):
                self._keep_draft(where, text)
            case Named(identity, name, doubt):
                execute(_NAMED, (identity, name, 0 if doubt is None else doubt.number))
            case FormerName(identity, name_key):
                execute(
                    "DELETE FROM former_names WHERE registry = ? AND identity = ?", (here, identity)
                )
                execute(
                    "INSERT OR REPLACE INTO former_names VALUES (?, ?, ?)",
                    (here, name_key, identity),
                )
            case NameBlocked(name_key, row):
                execute(
                    "INSERT OR REPLACE INTO blocked VALUES (?, ?, ?)", (here, name_key, encode(row))
                )
            case NameCleared():
                self._clear_name(record)
            case PersonVerified() | IgnoreChanged() | MuteChanged():
                self._apply_decision(record)
            case RegistryPinned() | RegistryVerified() | ServersNamed():
                self._apply_registry(record)
            case LineKeyed(id_, key):
                execute("INSERT OR REPLACE INTO line_keys VALUES (?, ?)", (id_, key))
                execute("DELETE FROM line_keys WHERE line < ?", (id_ - KEYS_KEPT,))
            case _:
                raise TypeError(f"{type(record).__name__} has no statement")

    def _apply_decision(self, record: PersonVerified | IgnoreChanged | MuteChanged) -> None:
        """Keep what the user has decided about others."""
        execute, here = self._db.execute, self.registries.current
        match record:
            case PersonVerified(identity):
                execute("INSERT OR IGNORE INTO verified VALUES (?, ?)", (here, identity))
            case IgnoreChanged(identity, is_ignored):
                statement = "INSERT OR IGNORE INTO ignored VALUES (?)"
                execute(
                    statement if is_ignored else "DELETE FROM ignored WHERE identity = ?",
                    (identity,),
                )
            case MuteChanged(key, is_group, until):
                where = here if is_group else schema.EVERYWHERE, key
                execute("DELETE FROM muted WHERE registry = ? AND key = ?", where)
                if until is not None:
                    execute("INSERT INTO muted VALUES (?, ?, ?)", (*where, until))

    def _apply_registry(self, record: RegistryPinned | RegistryVerified | ServersNamed) -> None:
        match record:
            case RegistryPinned(identity, is_verified):
                self.registries.pin(identity, is_verified=is_verified)
                self._forget_streams()  # at another registry, a group has other streams
            case RegistryVerified():
                self.registries.verify()
            case ServersNamed(servers):
                self.registries.take_servers(servers)

    def _keep_room(self, kept: RoomKept) -> None:
        key = self.registries.current, kept.group
        if kept.members is None and not kept.owes_leave:
            self._db.execute("DELETE FROM rooms WHERE registry = ? AND name = ?", key)
        else:
            self._db.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?)", (*key, encode(kept)))

    def _keep_draft(self, where: Conversation, text: str) -> None:
        key = self.registries.current, where.kind.value, where.name, int(where.is_claimed)
        if text:
            self._db.execute("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?, ?)", (*key, text))
        else:
            self._db.execute(_NO_DRAFT, key)

    def _clear_name(self, cleared: NameCleared) -> None:
        execute, here = self._db.execute, self.registries.current
        execute("DELETE FROM blocked WHERE registry = ? AND name_key = ?", (here, cleared.name_key))
        whose = "WHERE registry = ? AND identity = ?"
        execute(
            f"INSERT OR REPLACE INTO replaced_people SELECT * FROM people {whose}",
            (here, cleared.replaced),
        )
        for table in ("people", "former_names", "verified"):
            execute(f"DELETE FROM {table} {whose}", (here, cleared.replaced))

    def _set_place(self, column: str, group: str, position: int) -> None:
        self._db.execute(
            f"INSERT INTO log_positions (registry, name, {column}) VALUES (?, ?, ?) "
            f"ON CONFLICT (registry, name) DO UPDATE SET {column} = excluded.{column}",
            (self.registries.current, group, position),
        )

    def _save_rows(self, saved: RowsSaved) -> None:
        here = self.registries.current
        self._db.executemany(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?)",
            [(here, row.card.identity, encode(row)) for row in saved.rows],
        )
        self._db.executemany(
            f"{_NAMED} AND (doubt OR name != excluded.name)",
            [(row.card.identity, row.card.name, 0) for row in saved.rows],
        )
        self._db.execute(
            "UPDATE registries SET version = ?, table_at = ? WHERE id = ?",
            (saved.version, saved.at, here),
        )


class _Pending:
    """Records of the frequent kinds, merged: a line that was added and then changed is one row, and
    of numbers that only rise the last one is written."""

    def __init__(
        self,
        db: sqlite3.Connection,
        ours: "_StreamIds",
        theirs: "_StreamIds",
        *,
        relations: Relations,
        set_place: Callable[[str, str, int], None],
        apply_rare: Callable[[Record], None],
    ) -> None:
        """`apply_rare` stores a record of another kind, after all that was taken before it."""
        self._apply_rare = apply_rare
        self._db = db
        self._ours = ours
        self._theirs = theirs
        self._relations = relations
        self._set_place = set_place
        self._related: list[tuple[int, int, Related]] = []
        """Lines that are something to others, by stream and number."""
        self._lines: list[Sequence[object]] = []
        """Values for `_ADD_OURS` (lists, which later changes fill in) and `_ADD_THEIRS` (tuples),
        in the order in which the lines were added."""
        self._added: dict[tuple[int, int], list[object]] = {}
        """Values for `_ADD_OURS`, by stream and number."""
        self._changes: dict[tuple[int, int], tuple[int, Stored]] = {}
        """Changes of our lines that were added earlier, by stream and number."""
        self._dead: list[tuple[int, int]] = []
        """Lines of ours that will never arrive, by stream and number."""
        self._shown: dict[int, int] = {}
        self._floors: dict[int, int] = {}
        self._holes: dict[int, tuple[tuple[int, int], ...]] = {}
        self._used: dict[int, int] = {}
        self._on_disk: dict[int, int] = {}
        self._marked: dict[int, int] = {}
        self._opened: dict[bytes, int] = {}
        self._places: dict[tuple[str, str], int] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Take records, and store those of other kinds in between. Nearly all are one of the first
        here, for which no function is called."""
        lines, added, changes = self._lines, self._added, self._changes
        ours, theirs, unsettled = self._ours, self._theirs, MessageState.UNSETTLED.number
        for record in records:
            if type(record) is IncomingAdded:
                late, behind = (1 if record.late else 0), (1 if record.behind else 0)
                said = (record.at_ms, record.text, late, behind, record.id)
                lines.append((theirs[record.stream], record.number, *said))
                if record.related is not None:
                    related = (theirs[record.stream], record.number, record.related)
                    self._related.append(related)
            elif type(record) is OutgoingAdded:
                key = (ours[record.stream], record.number)
                if key in changes or key in added:
                    self.write()
                row: list[object] = [*key, record.at_ms, record.text, unsettled, None, record.id]
                added[key] = row
                lines.append(row)
                if record.related is not None:
                    self._related.append((*key, record.related))
            elif type(record) is OutgoingChanged:
                key, trace = (ours[record.stream], record.number), record.trace
                if record.state in DEAD:
                    self._dead.append(key)
                if key in added:
                    row = added[key]
                    row[4] = record.state.number
                    if trace is not None:
                        row[5] = trace
                else:
                    if trace is None and key in changes:
                        trace = changes[key][1]
                    changes[key] = (record.state.number, trace)
            elif type(record) is OutgoingDelivered:
                self._take_delivered(record)
            else:
                self._take_rarer(record)

    def _take_delivered(self, record: OutgoingDelivered) -> None:
        added, changes, at_ms = self._added, self._changes, record.at_ms
        stream, state = self._ours[record.stream], MessageState.DELIVERED.number
        for number in range(record.first, record.first + record.count):
            row = added.get((stream, number))
            if row is None:
                changes[stream, number] = (state, at_ms)
            else:
                row[4], row[5] = state, at_ms

    def _take_rarer(self, record: Record) -> None:
        match record:  # without a pattern for the fields, which would cost more than storing them
            case Shown():
                _raise(self._shown, self._theirs[record.stream], record.number)
            case FloorRaised():
                stream = self._theirs[record.stream]
                _raise(self._floors, stream, record.floor)
                self._holes[stream] = record.holes
            case OutgoingOnDisk():
                _raise(self._on_disk, self._ours[record.stream], record.number)
            case MarkMoved():
                streams = self._ours if record.is_ours else self._theirs
                _raise(self._marked, streams[record.stream], record.number)
            case NumberUsed():
                _raise(self._used, self._ours[record.stream], record.number)
            case CursorMoved():
                self._places["cursor", record.group] = record.position
            case LineAccepted():
                self._places["newest", record.group] = record.position
            case OpeningTaken():
                self._opened[record.identity] = record.number
            case _:
                self.write()
                self._apply_rare(record)

    def write(self) -> None:
        """Write what was taken, with few statements."""
        many = self._db.executemany
        for kind, lines in groupby(self._lines, type):
            self._add_lines(list(lines), _ADD_OURS if kind is list else _ADD_THEIRS)
        if self._lines:
            self._relate()
        if self._changes:
            many(_CHANGE, self._spans())
        for dead in self._dead:
            self._relations.given_up(*dead)
        if self._relations.hides_any and (self._changes or self._added):
            self._relations.settled()
        rising = (
            (_SHOWN, self._shown),
            (_FLOOR, self._floors),
            (_USED, self._used),
            (_ON_DISK, self._on_disk),
            (_MARKED, self._marked),
        )
        for statement, numbers in rising:
            if numbers:
                many(statement, [(number, stream) for stream, number in numbers.items()])
                numbers.clear()
        if self._holes:
            many(
                "DELETE FROM missing_numbers WHERE stream = ?",
                [(stream,) for stream in self._holes],
            )
            many(
                _HOLE, [(stream, *hole) for stream, holes in self._holes.items() for hole in holes]
            )
            self._holes.clear()
        if self._opened:
            many(_OPENED, self._opened.items())
            self._opened.clear()
        for (column, group), position in self._places.items():
            self._set_place(column, group, position)
        for taken in (self._lines, self._added, self._changes, self._dead, self._places):
            taken.clear()

    def _add_lines(self, lines: list[Sequence[object]], statements: dict[int, str]) -> None:
        added = 0
        for rows in _ROWS_AT_ONCE:
            while len(lines) - added >= rows:
                batch = lines[added : added + rows]
                self._db.execute(statements[rows], list(chain.from_iterable(batch)))
                added += rows
        self._db.executemany(statements[1], lines[added:])

    def _relate(self) -> None:
        """Note what the lines that were added are to others, and others to them."""
        for by, number, related in self._related:
            streams = self._ours if related.is_ours else self._theirs
            stream = streams[related.stream] if related.stream else None
            self._relations.add(by, number, related, stream=stream)
        self._related.clear()
        self._relations.lines_added()

    def _spans(self) -> list[tuple[int, Stored, int, int, int]]:
        """Join changes of consecutive numbers into one: an acknowledgement settles many messages in
        the same way."""
        spans: list[tuple[int, Stored, int, int, int]] = []
        for (stream, number), change in self._changes.items():
            how = (*change, stream)
            if spans and spans[-1][:3] == how and spans[-1][4] == number - 1:
                spans[-1] = (*how, spans[-1][3], number)
            else:
                spans.append((*how, number, number))
        return spans


def _raise(numbers: dict[int, int], stream: int, number: int) -> None:
    numbers[stream] = max(number, numbers.get(stream, number))


class _StreamIds(dict[bytes, int]):
    """The ids of streams by their keys, looked up or created when they are first needed."""

    def __init__(self, db: sqlite3.Connection, registries: Registries, ours: int) -> None:
        super().__init__()
        self._db = db
        self._registries = registries
        self._side = ours

    def __missing__(self, key: bytes) -> int:
        talk, is_group = conversation_of(key, is_ours=self._side == schema.OURS)
        which = (key, self._side, self._registries.current if is_group else schema.EVERYWHERE)
        schema.add_stream(self._db, *which, conversation=talk)
        (id_,) = self._db.execute(
            "SELECT id FROM streams WHERE key = ? AND ours = ? AND registry = ?", which
        ).fetchone()
        self[key] = int(id_)
        return int(id_)
