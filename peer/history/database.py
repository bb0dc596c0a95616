"""Store what a core wants kept: messages, streams, the last table, in one SQLite file.

With WAL and synchronous=NORMAL, what is committed survives `kill -9`, at some 10 us for each commit. No commit
waits for the disk, so a power cut may cost the last ones.
"""

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from chatapp.peer.core.events import MessageState
from chatapp.peer.core.records import (
    CursorMoved,
    FloorRaised,
    FormerName,
    IgnoreChanged,
    IncomingAdded,
    LineAccepted,
    Loaded,
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
    can_wait,
    parties_of,
)
from chatapp.peer.core.trace import Stored
from chatapp.peer.history import loading, schema
from chatapp.peer.history.maintenance import Maintenance
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.registries import Registries
from chatapp.peer.history.schema import damage_named
from chatapp.wire.codec import encode
from chatapp.wire.limits import RECORDS_WAITING_MAX, TEXTS_WAITING_MAX

_ADD_OURS: Final = (
    "INSERT INTO lines (stream, number, at_ms, text, state) "
    f"VALUES (?, ?, ?, ?, {int(MessageState.UNSETTLED)})"
)
_ADD_THEIRS: Final = (
    "INSERT OR IGNORE INTO lines (stream, number, at_ms, text, late, behind) VALUES (?, ?, ?, ?, ?, ?)"
)
_CHANGE: Final = (
    "UPDATE lines SET state = ?, trace = coalesce(?, trace) WHERE stream = ? AND number BETWEEN ? AND ?"
)
_MOVE: Final = "UPDATE lines SET stream = ?, number = ? WHERE stream = ? AND number = ?"
_SHOWN: Final = "UPDATE streams SET shown = max(shown, ?) WHERE id = ?"
_FLOOR: Final = "UPDATE streams SET floor = max(floor, ?) WHERE id = ?"
_HOLE: Final = "INSERT INTO holes VALUES (?, ?, ?)"
_USED: Final = "UPDATE streams SET last = max(last, ?) WHERE id = ?"
_NAMED: Final = (
    "INSERT INTO names VALUES (?1, ?2, ?3) "
    "ON CONFLICT DO UPDATE SET name = ?2, is_claimed = ?3 WHERE is_claimed >= ?3"
)
_WATERMARK_SIZE: Final = 20
"""Digits of an id."""

_BEHIND: Final = "UPDATE lines SET behind = ? WHERE stream = ? AND number = ?"


_ADDS_LINES: Final = frozenset({OutgoingAdded, IncomingAdded})


class Watermark:
    """The id of the newest line that was committed, in a file beside the history.

    It is written after each commit that adds lines. A history whose newest line has a lower id has lost lines. After a power
    cut the file may be older than the history, which then seems complete; it never makes a complete history seem damaged."""

    def __init__(self, history: Path) -> None:
        """Raises OSError."""
        path = history.with_suffix(".newest")
        self._file: Final = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> int:
        """Return the id; 0 if the file does not hold one."""
        digits = os.pread(self._file, _WATERMARK_SIZE, 0)
        return int(digits) if len(digits) == _WATERMARK_SIZE and digits.isdigit() else 0

    def write(self, newest: int) -> None:
        """Note the id, in one call, so that a crash leaves this id or the earlier one."""
        with contextlib.suppress(OSError):  # with an earlier id, less is noticed
            os.pwrite(self._file, b"%0*d" % (_WATERMARK_SIZE, newest), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class History:
    """`history.db` of one person, as seen from one server."""

    def __init__(self, path: Path | str, *, server: str) -> None:
        """`server`: as the user types it (`wire.address.server_name`). Raises sqlite3.Error, OSError; the file is then as it
        was."""
        self._watermark: Final = Watermark(path) if isinstance(path, Path) else None
        """None for a history in memory."""
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with damage_named():
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                schema.prepare(self._db)
                self.registries: Final = Registries(self._db, server)
        except BaseException:
            self._db.close()
            if self._watermark is not None:
                self._watermark.close()
            raise
        self._ours: Final = _StreamIds(self._db, self.registries, schema.OURS)
        self._theirs: Final = _StreamIds(self._db, self.registries, schema.THEIRS)
        self.lines: Final = MessageQueries(self._db)
        self.maintenance: Final = Maintenance(self._db, self.lines)

    @property
    def lost_lines(self) -> int:
        """How many committed lines are missing at the end of the history."""
        noted = 0 if self._watermark is None else self._watermark.read()
        return max(0, noted - self._newest())

    @property
    def is_blank(self) -> bool:
        """Whether no message was ever stored and no registry ever let us in. Raises sqlite3.Error."""
        return self._newest() == 0 and not self.registries.has_met_any

    def accept_losses(self) -> None:
        """Go on with what is there: `lost_lines` is 0 from now on."""
        if self._watermark is not None:
            self._watermark.write(self._newest())

    def apply(self, records: Sequence[Record]) -> None:
        """Store records in one transaction. Raises sqlite3.Error; then none of them is stored."""
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            for kind, same in groupby(records, type):
                self._apply_run(kind, list(same))
            execute("COMMIT")
            if self._watermark is not None and any(type(record) in _ADDS_LINES for record in records):
                self._watermark.write(self._newest())
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            self._forget_streams()  # some may have been created in the transaction that was rolled back
            self.registries.look_again()
            raise

    def load(self) -> Loaded:
        """Return everything that the core starts with. Raises sqlite3.Error."""
        return loading.load(self._db, self.registries.current)

    def close(self) -> None:
        """Merge the write-ahead log into the database, and close."""
        self._db.close()
        if self._watermark is not None:
            self._watermark.close()

    def _newest(self) -> int:
        return int(self._db.execute(schema.NEWEST_LINE).fetchone()[0])

    def _forget_streams(self) -> None:
        self._ours.clear()
        self._theirs.clear()

    def _apply_run(self, kind: type[Record], run: list[Record]) -> None:
        """Store records of one kind, in order; for the frequent kinds, with one statement for all of them."""
        ours, theirs, many = self._ours, self._theirs, self._db.executemany
        # A class pattern for each record would cost more than storing it, so the kind is looked at once for each run.
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
            found = {theirs[r.stream]: r.holes for r in run}  # type: ignore[union-attr]
            many("DELETE FROM holes WHERE stream = ?", [(stream,) for stream in found])
            many(_HOLE, [(stream, *hole) for stream, holes in found.items() for hole in holes])
        elif kind is NumberUsed:
            many(_USED, [(r.number, ours[r.stream]) for r in run])  # type: ignore[union-attr]
        elif kind is OpeningTaken:
            many("INSERT OR REPLACE INTO openings VALUES (?, ?)", [(r.identity, r.number) for r in run])  # type: ignore[union-attr]
        else:
            for record in run:
                self._apply_rare(record)

    def _spans(self, changes: list[Record]) -> list[tuple[MessageState, Stored, int, int, int]]:
        """Join changes of consecutive numbers into one: an acknowledgement settles many messages in the same way."""
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
                self._forget_streams()  # at another registry, a group has other streams
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
        execute(f"INSERT OR REPLACE INTO dropped SELECT * FROM people {whose}", (here, cleared.replaced))
        for table in ("people", "formers", "verified"):
            execute(f"DELETE FROM {table} {whose}", (here, cleared.replaced))

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
    """The ids of streams by their keys, looked up or created when they are first needed."""

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


BATCH_SPAN: Final = 0.02
"""Seconds for which records that no acknowledgement depends on wait for a commit that is made anyway."""

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between attempts to write to a disk that failed; nothing is acknowledged meanwhile."""


class CommitQueue:
    """Commits records in batches: immediately if an acknowledgement depends on one of them, else after a short wait."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: list[Record] = []
        self._texts_waiting = 0
        """The total length of their texts."""
        self._waiting_since = 0.0
        self._is_urgent = False
        self._again_at = 0.0
        self.trouble: str | None = None
        """What SQLite says when storing begins to fail. Whoever reports it sets it to None."""

    def keep(self, records: Sequence[Record], *, now: float, is_last: bool = False) -> bool:
        """Add records and commit if it is time; True when nothing that an acknowledgement depends on is left unstored.
        `is_last`: no other commit will come."""
        if records:
            if not self._waiting:
                self._waiting_since = now
            self._waiting += records
            for record in records:
                self._texts_waiting += len(getattr(record, "text", ""))
            self._is_urgent = self._is_urgent or not all(map(can_wait, records))
        if not self._waiting:
            return True
        if now < self._again_at and not is_last:
            return False
        if not self._is_urgent and not is_last and now < self._waiting_since + BATCH_SPAN:
            return True
        return self._commit(now)

    def use(self, history: History) -> None:
        """Commit to this history from now on: the same file, opened again at another place."""
        self._history = history

    @property
    def is_full(self) -> bool:
        """Whether so much waits for a failing disk that no more must be added."""
        return len(self._waiting) >= RECORDS_WAITING_MAX or self._texts_waiting >= TEXTS_WAITING_MAX

    def next_timer(self) -> float | None:
        """When to call `keep` again even if there is nothing to add."""
        if not self._waiting:
            return None
        return max(self._again_at, self._waiting_since + BATCH_SPAN)

    def _commit(self, now: float) -> bool:
        try:
            self._history.apply(self._waiting)
        except sqlite3.Error as error:
            if not self._again_at:
                self.trouble = str(error)
            self._again_at = now + STORE_AGAIN_AFTER
            return False
        self._again_at = 0.0
        self._is_urgent = False
        self._waiting.clear()
        self._texts_waiting = 0
        return True
