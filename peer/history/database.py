"""A node's memory on disk: messages, streams, the last table, in one SQLite file.

WAL with synchronous=NORMAL: what is committed survives `kill -9` (design: the peer's bar), at some 10 us a commit. It
stores records and hands out those who read them (`peer.history`).
"""

import sqlite3
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from chatapp.peer.core.records import (
    FINAL,
    CursorMoved,
    FloorRaised,
    FormerName,
    IgnoreChanged,
    IncomingAdded,
    LineAccepted,
    Loaded,
    MessageState,
    NameBlocked,
    NameCleared,
    Named,
    NumberUsed,
    OpeningTaken,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Overtaken,
    PersonVerified,
    Record,
    RegistryPinned,
    RegistryVerified,
    RoomKept,
    RowsSaved,
    Shown,
    ShownBehind,
    parties_of,
)
from chatapp.peer.core.trace import Stored
from chatapp.peer.history import loading, schema
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.registries import Registries
from chatapp.peer.history.schema import damage_named
from chatapp.peer.history.search import INDEXED_AT_ONCE
from chatapp.wire.codec import encode

LINES_KEPT: Final = 1_000_000
"""Lines that stay; at 100 bytes of text they and their index are some 300 MiB."""

BYTES_KEPT: Final = 1024 * 1024 * 1024
"""Bytes of the file's pages in use beyond which older lines go though there are fewer: lines may have 64 KiB each."""

DROPPED_AT_ONCE: Final = 50
"""Lines that one step drops: some milliseconds, also where they lie apart all over the file."""

COUNTED_AT_ONCE: Final = 1_000
"""Lines that one step counts: some milliseconds, also where each has 64 KiB."""

LINE_COST: Final = 200
"""Bytes that a line takes besides its text, in the tables and in the index."""

INDEXED_AT_THE_END: Final = 20_000
"""Lines taken into the index before the program ends: a tenth of a second. The rest waits for the next time."""

_FINAL: Final = ",".join(str(int(state)) for state in sorted(FINAL))
_SETTLE: Final = f"""
UPDATE streams SET settled = coalesce(
    (SELECT min(number) FROM lines WHERE stream = streams.id AND number >= settled AND standing NOT IN ({_FINAL})),
    (SELECT max(number) + 1 FROM lines WHERE stream = streams.id AND number >= settled), settled) WHERE ours"""
_UNNEEDED: Final = 'DELETE FROM gone WHERE "end" <= (SELECT floor FROM streams WHERE id = stream)'
_DROPPABLE: Final = f"""
SELECT lines.id, stream, number, NOT ours AND number >= floor, length(text) FROM lines JOIN streams ON streams.id = stream
    WHERE stream = ? AND number > ? AND CASE WHEN ours THEN standing IN ({_FINAL})
        ELSE number <= shown AND coalesce(behind, 0) = 0 END
    ORDER BY number LIMIT ?"""
"""What is not settled or not shown stays however old it is. Of what may come a second time (its number is not below its
sender's floor) the number stays."""

_STRANGERS: Final = "everybody to whom the user has never written"


class _Old(NamedTuple):
    """A line that may be dropped."""

    id: int
    stream: int
    number: int
    may_come_again: int
    size: int


class _Space:
    """How much space everybody's lines take. Counting is done a little at a time, and only when a limit is passed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._costs: dict[int, int] = {}
        """Bytes of each stream."""
        self._parties: dict[int, tuple[bytes, bool, Hashable]] = {}
        """Of each stream: its key, whether it is ours, and its group if it is one's."""
        self._until = 0
        self.lines = 0
        """Lines that were counted and not dropped since."""

    def count(self, newest: int) -> bool:
        """Count some of the lines that came since; false when all are counted."""
        if self._until >= newest:
            return False
        until = min(self._until + COUNTED_AT_ONCE, newest)
        for stream, lines, size in self._db.execute(
            "SELECT stream, count(*), sum(length(text)) FROM lines WHERE id > ? AND id <= ? GROUP BY stream",
            (self._until, until),
        ):
            self.lines += lines
            self._costs[stream] = self._costs.get(stream, 0) + lines * LINE_COST + size
        self._until = until
        return True

    def dropped(self, line: _Old) -> None:
        """A line takes no space any more."""
        self.lines -= 1
        self._costs[line.stream] = self._costs.get(line.stream, 0) - LINE_COST - line.size

    def speakers(self) -> Iterator[list[int]]:
        """The streams of each conversation of two, and each stream of a group: the largest conversation first, and in a
        group the largest stream first."""
        for stream in self._costs.keys() - self._parties.keys():
            key, ours, registry = self._db.execute(
                "SELECT key, ours, registry FROM streams WHERE id = ?", (stream,)
            ).fetchone()
            room = parties_of(key, is_ours=bool(ours)).room
            self._parties[stream] = key, bool(ours), None if room is None else (registry, room)
        answered = {key for key, is_ours, group in self._parties.values() if is_ours and group is None}
        costs: dict[Hashable, int] = {}
        streams: dict[Hashable, list[int]] = {}
        for stream, cost in self._costs.items():
            key, _, group = self._parties[stream]
            conversation = (key if key in answered else _STRANGERS) if group is None else group
            costs[conversation] = costs.get(conversation, 0) + cost
            streams.setdefault(conversation, []).append(stream)
        for conversation in sorted(costs, key=costs.__getitem__, reverse=True):
            if conversation in answered:
                yield streams[conversation]
                continue
            for stream in sorted(streams[conversation], key=self._costs.__getitem__, reverse=True):
                yield [stream]


class Maintenance:
    """The housekeeping of one history. Every method raises sqlite3.Error; what was done before stays done."""

    def __init__(self, db: sqlite3.Connection, lines: MessageQueries) -> None:
        self._db = db
        self._lines = lines
        self._space = _Space(db)
        self._looked_at: dict[int, int] = {}
        """The number up to which a stream has been looked at for dropping: what stayed is not looked at again."""
        self._emptied: dict[int, int] = {}
        """Streams of which nothing could be dropped, and the newest line at that time."""
        self._settled_at = -1

    def step(self) -> bool:
        """A little of what there is to do; true when there is more."""
        if self._lines.words.catch_up(INDEXED_AT_ONCE):
            return True
        self._note_settled()
        return self.drop_oldest()

    def finish(self) -> None:
        """Before the file is closed."""
        self._lines.words.catch_up(INDEXED_AT_THE_END)
        self._note_settled()

    def _note_settled(self) -> None:
        """So that the next start looks through the newest messages only."""
        newest = self.newest()
        if newest != self._settled_at:
            self._db.execute(_SETTLE)
            self._db.execute(_UNNEEDED)
            self._settled_at = newest

    def newest(self) -> int:
        """The id of the newest line; 0 for none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()[0])

    def drop_oldest(
        self, *, lines_kept: int = LINES_KEPT, bytes_kept: int = BYTES_KEPT, most: int = DROPPED_AT_ONCE
    ) -> bool:
        """Drop some lines beyond the limits; true when there may be more. Their numbers are never given again, and never
        taken again."""
        newest = self.newest()
        is_full = self._bytes_in_use() > bytes_kept
        if newest <= lines_kept and not is_full:
            return False
        if self._space.count(newest):
            return True
        if self._space.lines <= lines_kept and not is_full:
            return False
        excess = most if is_full else min(self._space.lines - lines_kept, most)
        for streams in self._space.speakers():
            if any(self._emptied.get(stream) != newest for stream in streams):
                self._drop_of(streams, excess, newest)
                return True
        return False

    def _drop_of(self, streams: list[int], most: int, newest: int) -> None:
        """Drop the oldest lines of these streams."""
        found: list[_Old] = []
        for stream in streams:
            looked_at = self._looked_at.get(stream, -1)
            found += map(_Old._make, self._db.execute(_DROPPABLE, (stream, looked_at, most)))
        old = sorted(found)[:most]
        self._drop(old)
        for line in old:
            self._space.dropped(line)
            self._looked_at[line.stream] = line.number
        if not old:
            self._emptied.update(dict.fromkeys(streams, newest))

    def _bytes_in_use(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _drop(self, old: list[_Old]) -> None:
        if not old:
            return
        execute, ids = self._db.execute, [line.id for line in old]
        each = [(id_,) for id_ in ids]
        execute("BEGIN IMMEDIATE")
        try:
            self._lines.words.forget(ids)
            self._db.executemany(
                "UPDATE streams SET last = max(last, lines.number) FROM lines "
                "WHERE lines.id = ? AND streams.id = lines.stream AND ours",
                each,
            )
            for line in old:
                if line.may_come_again:
                    self._keep_number(line.stream, line.number)
            self._db.executemany("DELETE FROM lines WHERE id = ?", each)
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise

    def _keep_number(self, stream: int, number: int) -> None:
        """A line was here: a sender who never raises the floor cannot keep all lines in the file in this way."""
        longer = self._db.execute(
            'UPDATE gone SET "end" = ?2 + 1 WHERE stream = ?1 AND "end" = ?2', (stream, number)
        )
        if not longer.rowcount:
            self._db.execute("INSERT OR REPLACE INTO gone VALUES (?1, ?2, ?2 + 1)", (stream, number))


_ADD_OURS: Final = (
    "INSERT INTO lines (stream, number, at_ms, text, standing) "
    f"VALUES (?, ?, ?, ?, {int(MessageState.UNSETTLED)})"
)
_ADD_THEIRS: Final = (
    "INSERT OR IGNORE INTO lines (stream, number, at_ms, text, late, behind) VALUES (?, ?, ?, ?, ?, ?)"
)
_CHANGE: Final = (
    "UPDATE lines SET standing = ?, trail = coalesce(?, trail) WHERE stream = ? AND number BETWEEN ? AND ?"
)
_MOVE: Final = "UPDATE lines SET stream = ?, number = ? WHERE stream = ? AND number = ?"
_SHOWN: Final = "UPDATE streams SET shown = max(shown, ?) WHERE id = ?"
_FLOOR: Final = "UPDATE streams SET floor = max(floor, ?) WHERE id = ?"
_USED: Final = "UPDATE streams SET last = max(last, ?) WHERE id = ?"
_NAMED: Final = (
    "INSERT INTO names VALUES (?1, ?2, ?3) "
    "ON CONFLICT DO UPDATE SET name = ?2, is_claimed = ?3 WHERE is_claimed >= ?3"
)
_BEHIND: Final = "UPDATE lines SET behind = ? WHERE stream = ? AND number = ?"


class History:
    """`history.db` of one person, as seen from one server."""

    def __init__(self, path: Path | str, *, server: str) -> None:
        """`server`: as the user types it (`wire.address.server_name`). Raises sqlite3.Error; the file is then as it was."""
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with damage_named():
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                schema.prepare(self._db)
                self.registries: Final = Registries(self._db, server)
        except BaseException:
            self._db.close()
            raise
        self._ours: Final = _StreamIds(self._db, self.registries, schema.OURS)
        self._theirs: Final = _StreamIds(self._db, self.registries, schema.THEIRS)
        self.lines: Final = MessageQueries(self._db)
        self.tidy: Final = Maintenance(self._db, self.lines)

    def apply(self, records: Sequence[Record]) -> None:
        """One transaction. Raises sqlite3.Error; then nothing of it is stored."""
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            for kind, same in groupby(records, type):
                self._apply_run(kind, list(same))
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            self._forget_streams()  # some of their ids may have been given in what was rolled back
            self.registries.look_again()
            raise

    def load(self) -> Loaded:
        """Everything that the core starts with. Raises sqlite3.Error."""
        return loading.load(self._db, self.registries.current)

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        self._db.close()

    def _forget_streams(self) -> None:
        self._ours.clear()
        self._theirs.clear()

    def _apply_run(self, kind: type[Record], run: list[Record]) -> None:
        """Records of one kind, in order: the frequent kinds as one statement for all of them."""
        ours, theirs, many = self._ours, self._theirs, self._db.executemany
        # A class pattern on each record would cost more than what is done with it: the kind is asked once a run.
        if kind is OutgoingAdded:
            many(_ADD_OURS, [(ours[r.stream], r.number, r.at_ms, r.text) for r in run])  # type: ignore[union-attr]
        elif kind is OutgoingChanged:
            many(_CHANGE, self._spans(run))
        elif kind is IncomingAdded:
            many(
                _ADD_THEIRS,
                [(theirs[r.stream], r.number, r.at_ms, r.text, r.late, r.behind) for r in run],  # type: ignore[union-attr]
            )
        elif kind is Shown:
            many(_SHOWN, [(r.number, theirs[r.stream]) for r in run])  # type: ignore[union-attr]
        elif kind is FloorRaised:
            many(_FLOOR, [(r.floor, theirs[r.stream]) for r in run])  # type: ignore[union-attr]
        elif kind is NumberUsed:
            many(_USED, [(r.number, ours[r.stream]) for r in run])  # type: ignore[union-attr]
        elif kind is OpeningTaken:
            many("INSERT OR REPLACE INTO openings VALUES (?, ?)", [(r.identity, r.number) for r in run])  # type: ignore[union-attr]
        else:
            for record in run:
                self._apply_rare(record)

    def _spans(self, changes: list[Record]) -> list[tuple[MessageState, Stored, int, int, int]]:
        """An acknowledgement settles many numbers in a row in one way: then they are one change."""
        spans: list[tuple[MessageState, Stored, int, int, int]] = []
        for change in changes:
            assert isinstance(change, OutgoingChanged)
            stream, number = self._ours[change.stream], change.number
            how = (change.state, change.trace, stream)
            if spans and spans[-1][:3] == how and spans[-1][4] == number - 1:
                spans[-1] = (*how, spans[-1][3], number)
            else:
                spans.append((*how, number, number))
        return spans

    def _apply_rare(self, record: Record) -> None:
        execute, here = self._db.execute, self.registries.current
        match record:
            case OutgoingMoved(stream, number, to_stream, to_number):
                execute(_MOVE, (self._ours[to_stream], to_number, self._ours[stream], number))
            case Overtaken(stream, number):
                execute(_BEHIND, (1, self._theirs[stream], number))
            case ShownBehind(stream, number):
                execute(_BEHIND, (0, self._theirs[stream], number))
            case CursorMoved(position, group):
                self._set_place("cursor", group, position)
            case LineAccepted(position, group):
                self._set_place("newest", group, position)
            case RoomKept():
                execute("INSERT OR REPLACE INTO room VALUES (?, ?)", (here, encode(record)))
            case RegistryPinned(identity, is_verified):
                self.registries.pin(identity, is_verified=is_verified)
                self._forget_streams()  # a group's are others at another registry
            case RegistryVerified():
                self.registries.verify()
            case RowsSaved():
                self._save_rows(record)
            case Named(identity, name, is_claimed):
                execute(_NAMED, (identity, name, is_claimed))
            case FormerName(identity, name_key):
                execute("DELETE FROM formers WHERE registry = ? AND identity = ?", (here, identity))
                execute("INSERT OR REPLACE INTO formers VALUES (?, ?, ?)", (here, name_key, identity))
            case NameBlocked(name_key, row):
                execute("INSERT OR REPLACE INTO blocked VALUES (?, ?, ?)", (here, name_key, encode(row)))
            case NameCleared():
                self._clear_name(record)
            case PersonVerified(identity):
                execute("INSERT OR IGNORE INTO verified VALUES (?, ?)", (here, identity))
            case IgnoreChanged(identity, is_ignored):
                statement = "INSERT OR IGNORE INTO ignored VALUES (?)"
                execute(statement if is_ignored else "DELETE FROM ignored WHERE identity = ?", (identity,))
            case _:
                raise TypeError(f"{type(record).__name__} has no statement")

    def _clear_name(self, cleared: NameCleared) -> None:
        execute, here = self._db.execute, self.registries.current
        execute("DELETE FROM blocked WHERE registry = ? AND name_key = ?", (here, cleared.name_key))
        whose = "WHERE registry = ? AND identity = ?"
        execute(f"INSERT OR REPLACE INTO dropped SELECT * FROM people {whose}", (here, cleared.dropped))
        for table in ("people", "formers", "verified"):
            execute(f"DELETE FROM {table} {whose}", (here, cleared.dropped))

    def _set_place(self, column: str, group: str, position: int) -> None:
        self._db.execute(
            f"INSERT INTO places (registry, name, {column}) VALUES (?, ?, ?) "
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
            f"{_NAMED} AND (name != ?2 OR is_claimed)",
            [(row.card.identity, row.card.name, False) for row in saved.rows],
        )
        self._db.execute(
            "UPDATE registries SET version = ?, table_at = ? WHERE id = ?", (saved.version, saved.at, here)
        )


class _StreamIds(dict[bytes, int]):
    """The ids of streams by their keys, looked up and given as they are needed."""

    def __init__(self, db: sqlite3.Connection, registries: Registries, ours: int) -> None:
        super().__init__()
        self._db = db
        self._registries = registries
        self._side = ours

    def __missing__(self, key: bytes) -> int:
        is_direct = parties_of(key, is_ours=self._side == schema.OURS).room is None
        which = (key, self._side, schema.EVERYWHERE if is_direct else self._registries.current)
        self._db.execute("INSERT OR IGNORE INTO streams (key, ours, registry) VALUES (?, ?, ?)", which)
        (id_,) = self._db.execute(
            "SELECT id FROM streams WHERE key = ? AND ours = ? AND registry = ?", which
        ).fetchone()
        self[key] = int(id_)
        return int(id_)
