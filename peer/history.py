"""This file is about a node's memory on disk: messages, streams, the last table, in one SQLite file.

WAL with synchronous=NORMAL: what is committed survives `kill -9` (design: the peer's bar), at some 10 us a commit.
It stores records and hands out those who read them (`peer.store`); it must not know why they are stored.
"""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from peer.core.records import (
    CursorMoved,
    FloorRaised,
    IgnoreChanged,
    IncomingAdded,
    LineAccepted,
    NameBlocked,
    NameCleared,
    Named,
    NumberUsed,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Overtaken,
    Record,
    RegistryPinned,
    RoomKept,
    RowsSaved,
    Shown,
    ShownBehind,
)
from peer.core.standing import Standing
from peer.core.stored import Loaded
from peer.core.trail import Stored
from peer.store import loading, schema
from peer.store.lines import Lines
from peer.store.tidy import Tidy
from wire.codec import encode

_ADD_OURS: Final = (
    "INSERT INTO lines (stream, number, at_ms, text, standing) "
    f"VALUES (?, ?, ?, ?, {int(Standing.UNSETTLED)})"
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
_BEHIND: Final = "UPDATE lines SET behind = ? WHERE stream = ? AND number = ?"


class History:
    """`history.db` of one person, as seen from one registry's address."""

    def __init__(self, path: Path | str, *, server: str) -> None:
        """Raises sqlite3.Error; the file is then as it was."""
        self._server = server
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            schema.prepare(self._db)
            self._db.execute("INSERT OR IGNORE INTO servers (server) VALUES (?)", (server,))
        except BaseException:
            self._db.close()
            raise
        self._ours: Final = _StreamIds(self._db, schema.OURS)
        self._theirs: Final = _StreamIds(self._db, schema.THEIRS)
        self.lines: Final = Lines(self._db)
        self.tidy: Final = Tidy(self._db, self.lines)

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
            self._ours.clear()  # some of these may have been given in what was rolled back
            self._theirs.clear()
            raise

    def load(self) -> Loaded:
        """Everything that the core starts with."""
        return loading.load(self._db, self._server)

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        self._db.close()

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
        else:
            for record in run:
                self._apply_rare(record)

    def _spans(self, changes: list[Record]) -> list[tuple[Standing, Stored, int, int, int]]:
        """An acknowledgement settles many numbers in a row in one way: then they are one change."""
        spans: list[tuple[Standing, Stored, int, int, int]] = []
        for change in changes:
            assert isinstance(change, OutgoingChanged)
            stream, number = self._ours[change.stream], change.number
            how = (change.standing, change.trail, stream)
            if spans and spans[-1][:3] == how and spans[-1][4] == number - 1:
                spans[-1] = (*how, spans[-1][3], number)
            else:
                spans.append((*how, number, number))
        return spans

    def _apply_rare(self, record: Record) -> None:
        execute = self._db.execute
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
                execute("INSERT OR REPLACE INTO room VALUES (?, ?)", (self._server, encode(record)))
            case RegistryPinned(identity):
                self._set_server("identity", identity)
            case RowsSaved():
                self._save_rows(record)
            case Named(identity, name):
                execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (identity, name))
            case NameBlocked(name_key, row):
                execute(
                    "INSERT OR REPLACE INTO blocked VALUES (?, ?, ?)", (self._server, name_key, encode(row))
                )
            case NameCleared(name_key, dropped):
                execute("DELETE FROM blocked WHERE server = ? AND name_key = ?", (self._server, name_key))
                execute("DELETE FROM people WHERE server = ? AND identity = ?", (self._server, dropped))
            case IgnoreChanged(identity, is_ignored):
                statement = "INSERT OR IGNORE INTO ignored VALUES (?)"
                execute(statement if is_ignored else "DELETE FROM ignored WHERE identity = ?", (identity,))
            case _:
                raise TypeError(f"{type(record).__name__} has no statement")

    def _set_server(self, column: str, value: int | bytes) -> None:
        self._db.execute(f"UPDATE servers SET {column} = ? WHERE server = ?", (value, self._server))

    def _set_place(self, column: str, group: str, position: int) -> None:
        self._db.execute(
            f"INSERT INTO places (server, name, {column}) VALUES (?, ?, ?) "
            f"ON CONFLICT (server, name) DO UPDATE SET {column} = excluded.{column}",
            (self._server, group, position),
        )

    def _save_rows(self, saved: RowsSaved) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?)",
            [(self._server, row.card.identity, encode(row)) for row in saved.rows],
        )
        self._db.executemany(
            "INSERT INTO names VALUES (?1, ?2) ON CONFLICT DO UPDATE SET name = ?2 WHERE name != ?2",
            [(row.card.identity, row.card.name) for row in saved.rows],
        )
        self._db.execute(
            "UPDATE servers SET version = ?, table_at = ? WHERE server = ?",
            (saved.version, saved.at, self._server),
        )


class _StreamIds(dict[bytes, int]):
    """The ids of streams by their keys, looked up and given as they are needed."""

    def __init__(self, db: sqlite3.Connection, ours: int) -> None:
        super().__init__()
        self._db = db
        self._side = ours

    def __missing__(self, key: bytes) -> int:
        self._db.execute("INSERT OR IGNORE INTO streams (key, ours) VALUES (?, ?)", (key, self._side))
        (id_,) = self._db.execute(
            "SELECT id FROM streams WHERE key = ? AND ours = ?", (key, self._side)
        ).fetchone()
        self[key] = int(id_)
        return int(id_)
