"""This file is about a node's memory on disk: messages, streams, the last table, in one SQLite file.

WAL with synchronous=NORMAL: what is committed survives `kill -9` (design: the peer's bar), at some 10 us a commit.
It stores and loads records; it must not know why they are stored.
"""

import sqlite3
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import msgspec

from peer.core.records import (
    DEAD,
    FINAL,
    CursorMoved,
    FloorRaised,
    IncomingAdded,
    LineAccepted,
    Loaded,
    NumberUsed,
    OutgoingAdded,
    OutgoingChanged,
    Record,
    RegistryPinned,
    RoomKept,
    RowsSaved,
    Shown,
    Standing,
    StoredGroup,
    StoredIncoming,
    StoredOutgoing,
    StoredStream,
)
from wire.codec import decode_row, encode
from wire.errors import DecodeError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outgoing (
    stream BLOB NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,
    standing INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incoming (
    stream BLOB NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,
    late INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (
    stream BLOB NOT NULL PRIMARY KEY, floor INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS servers (
    server TEXT NOT NULL PRIMARY KEY, identity BLOB, version INTEGER NOT NULL DEFAULT 0,
    table_at REAL NOT NULL DEFAULT 0, cursor INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    server TEXT NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (server, identity)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (
    stream BLOB NOT NULL PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    server TEXT NOT NULL, name TEXT NOT NULL, cursor INTEGER, newest INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (server, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS room (
    server TEXT NOT NULL PRIMARY KEY, kept BLOB NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO places (server, name, cursor)
    SELECT server, 'channel', cursor FROM servers WHERE cursor IS NOT NULL;
"""
"""The last statement takes over what files of an earlier version say; `servers.cursor` is written no more."""


_STATEMENTS: Final[dict[type[Record], str]] = {
    IncomingAdded: "INSERT OR IGNORE INTO incoming VALUES (?, ?, ?, ?, ?)",
    OutgoingAdded: f"INSERT INTO outgoing VALUES (?, ?, ?, ?, {int(Standing.UNSETTLED)})",
    OutgoingChanged: "UPDATE outgoing SET standing = ?3 WHERE stream = ?1 AND number = ?2",
    Shown: "INSERT INTO streams (stream, shown) VALUES (?, ?) "
    "ON CONFLICT (stream) DO UPDATE SET shown = max(shown, excluded.shown)",
    FloorRaised: "INSERT INTO streams (stream, floor) VALUES (?, ?) "
    "ON CONFLICT (stream) DO UPDATE SET floor = max(floor, excluded.floor)",
    NumberUsed: "INSERT INTO numbers VALUES (?, ?) "
    "ON CONFLICT (stream) DO UPDATE SET last = max(last, excluded.last)",
}
"""What stores a record, its fields in their order."""

_decode_room: Final = msgspec.msgpack.Decoder(RoomKept).decode


class History:
    """`history.db` of one person, as seen from one registry's address."""

    def __init__(self, path: Path | str, *, server: str) -> None:
        self._server = server
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO servers (server) VALUES (?)", (server,))

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
            raise

    def load(self) -> Loaded:
        """Everything that the core starts with."""
        identity, version, table_at = self._db.execute(
            "SELECT identity, version, table_at FROM servers WHERE server = ?", (self._server,)
        ).fetchone()
        rows = []
        for (blob,) in self._db.execute("SELECT row FROM people WHERE server = ?", (self._server,)):
            try:
                rows.append(decode_row(blob))
            except DecodeError:
                version = 0  # the registry sends the table again; a bad row here must not stop the start
        return Loaded(
            registry=identity,
            rows=tuple(rows),
            version=version,
            table_at=table_at,
            groups=self._groups(),
            room=self._room(),
            streams=self._streams(),
        )

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        self._db.close()

    def _apply_run(self, kind: type[Record], run: list[Record]) -> None:
        """Records of one kind, in order: the frequent kinds as one statement for all of them."""
        statement = _STATEMENTS.get(kind)
        if statement is not None:
            self._db.executemany(statement, map(msgspec.structs.astuple, run))
            return
        for record in run:
            match record:
                case CursorMoved(position, group):
                    self._set_place("cursor", group, position)
                case LineAccepted(position, group):
                    self._set_place("newest", group, position)
                case RoomKept():
                    self._db.execute(
                        "INSERT OR REPLACE INTO room VALUES (?, ?)", (self._server, encode(record))
                    )
                case RegistryPinned(identity):
                    self._set_server("identity", identity)
                case RowsSaved():
                    self._save_rows(record)
                case _:
                    raise TypeError(f"{kind.__name__} has no statement")

    def _set_server(self, column: str, value: int | bytes) -> None:
        self._db.execute(f"UPDATE servers SET {column} = ? WHERE server = ?", (value, self._server))

    def _set_place(self, column: str, group: str, position: int) -> None:
        self._db.execute(
            f"INSERT INTO places (server, name, {column}) VALUES (?, ?, ?) "
            f"ON CONFLICT (server, name) DO UPDATE SET {column} = excluded.{column}",
            (self._server, group, position),
        )

    def _groups(self) -> dict[str, StoredGroup]:
        rows = self._db.execute("SELECT name, cursor, newest FROM places WHERE server = ?", (self._server,))
        return {name: StoredGroup(cursor, newest) for name, cursor, newest in rows}

    def _room(self) -> RoomKept:
        row = self._db.execute("SELECT kept FROM room WHERE server = ?", (self._server,)).fetchone()
        return _decode_room(row[0]) if row is not None else RoomKept(None)

    def _save_rows(self, saved: RowsSaved) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO people VALUES (?, ?, ?)",
            [(self._server, row.card.identity, encode(row)) for row in saved.rows],
        )
        self._db.execute(
            "UPDATE servers SET version = ?, table_at = ? WHERE server = ?",
            (saved.version, saved.at, self._server),
        )

    def _streams(self) -> dict[bytes, StoredStream]:
        streams: dict[bytes, StoredStream] = {}
        query = self._db.execute

        def change(stream: bytes, **fields: object) -> None:
            streams[stream] = msgspec.structs.replace(streams.get(stream, StoredStream()), **fields)

        for stream, floor, shown in query("SELECT stream, floor, shown FROM streams"):
            change(stream, floor=floor, shown=shown)
        for stream, last in query("SELECT stream, max(number) FROM outgoing GROUP BY stream"):
            change(stream, last_sent=last)
        for stream, last in query("SELECT stream, last FROM numbers"):
            change(stream, last_sent=max(last, streams.get(stream, StoredStream()).last_sent))
        for stream in [stream for (stream,) in query("SELECT DISTINCT stream FROM incoming")]:
            known = streams.get(stream, StoredStream())
            change(stream, seen=self._seen(stream, known.floor), unshown=self._unshown(stream, known.shown))
        final = ",".join(str(int(standing)) for standing in FINAL)
        waiting: dict[bytes, list[StoredOutgoing]] = {}
        for stream, number, at_ms, text, standing in query(
            f"SELECT stream, number, at_ms, text, standing FROM outgoing "
            f"WHERE standing NOT IN ({final}) ORDER BY number"
        ):
            waiting.setdefault(stream, []).append(StoredOutgoing(number, at_ms, text, Standing(standing)))
        for stream, messages in waiting.items():
            change(stream, outgoing=tuple(messages), voids=self._voids(stream, messages[0].number))
        return streams

    def _voids(self, stream: bytes, floor: int) -> tuple[tuple[int, int], ...]:
        """Between our unsettled messages: what is no number of a message that arrived or may arrive."""
        dead = ",".join(str(int(standing)) for standing in DEAD)
        alive = self._db.execute(
            f"SELECT number FROM outgoing WHERE stream = ? AND number >= ? AND standing NOT IN ({dead}) "
            "ORDER BY number",
            (stream, floor),
        )
        numbers = [number for (number,) in alive]
        return tuple((low + 1, high) for low, high in pairwise(numbers) if low + 1 < high)

    def _seen(self, stream: bytes, floor: int) -> tuple[int, ...]:
        rows = self._db.execute(
            "SELECT number FROM incoming WHERE stream = ? AND number >= ?", (stream, floor)
        )
        return tuple(number for (number,) in rows)

    def _unshown(self, stream: bytes, shown: int) -> tuple[StoredIncoming, ...]:
        rows = self._db.execute(
            "SELECT number, at_ms, text FROM incoming WHERE stream = ? AND number > ? ORDER BY number",
            (stream, shown),
        )
        return tuple(StoredIncoming(*row) for row in rows)
