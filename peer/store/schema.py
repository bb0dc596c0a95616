"""This file is about the tables of `history.db`, and how a file of an earlier shape becomes one of the present.

Theory: a message is one row, `lines`, whose id is the running number that its owner sees. It is found by its stream and
number through one index, and both are small integers: keys stand once, in `streams`. So a message costs two insertions at
the right-hand end of a tree, and its id costs nothing. It knows tables; it must not know what their rows mean to a node.
"""

import sqlite3
from typing import Final

from wire.codec import decode_row
from wire.errors import DecodeError

VERSION: Final = 3
"""As `PRAGMA user_version` tells it. 1 was never written down: such a file says 0, as an empty one does. 3 has more tables
than 2 had, and nothing else is another."""

OURS: Final = 1
THEIRS: Final = 0
"""Of streams: who speaks in it."""

_TABLES: Final = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, ours INTEGER NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0, UNIQUE (key, ours));
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    standing INTEGER, late INTEGER, behind INTEGER, text TEXT NOT NULL, trail BLOB);
CREATE UNIQUE INDEX lines_by_number ON lines (stream, number);
CREATE INDEX lines_behind ON lines (stream) WHERE behind = 1;
CREATE TABLE names (identity BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blocked (
    server TEXT NOT NULL, name_key TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (server, name_key)) WITHOUT ROWID;
CREATE TABLE ignored (identity BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE marks (indexed INTEGER NOT NULL);
INSERT INTO marks VALUES (0);
CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize='unicode61 remove_diacritics 2');
"""

_TABLES_OF_REGISTRIES: Final = """
CREATE TABLE IF NOT EXISTS servers (
    server TEXT NOT NULL PRIMARY KEY, identity BLOB, version INTEGER NOT NULL DEFAULT 0,
    table_at REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    server TEXT NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (server, identity)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    server TEXT NOT NULL, name TEXT NOT NULL, cursor INTEGER, newest INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (server, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS formers (
    server TEXT NOT NULL, name_key TEXT NOT NULL, identity BLOB NOT NULL, PRIMARY KEY (server, name_key)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped (
    server TEXT NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (server, identity)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS room (server TEXT NOT NULL PRIMARY KEY, kept BLOB NOT NULL) WITHOUT ROWID;
"""

_FROM_1: Final = """
INSERT INTO streams (key, ours) SELECT DISTINCT stream, 1 FROM outgoing;
INSERT INTO streams (key, ours, floor, shown) SELECT stream, 0, floor, shown FROM old_streams;
INSERT OR IGNORE INTO streams (key, ours) SELECT DISTINCT stream, 0 FROM incoming;
INSERT INTO lines (stream, number, at_ms, standing, late, text)
    SELECT streams.id, number, at_ms, standing, late, text FROM (
        SELECT stream, number, at_ms, standing, NULL AS late, text, 1 AS ours FROM outgoing
        UNION ALL SELECT stream, number, at_ms, NULL, late, text, 0 FROM incoming
            WHERE NOT EXISTS (SELECT 1 FROM outgoing AS note WHERE note.stream = incoming.stream
                AND note.number = incoming.number AND note.at_ms = incoming.at_ms AND note.text = incoming.text)
        ) AS old JOIN streams ON streams.key = old.stream AND streams.ours = old.ours
    ORDER BY at_ms, number;
INSERT OR IGNORE INTO places (server, name, cursor)
    SELECT server, 'channel', cursor FROM servers WHERE cursor IS NOT NULL;
DROP TABLE outgoing;
DROP TABLE incoming;
DROP TABLE old_streams;
"""
"""A note to oneself was stored as said and as heard, under one number; it is one line now. `servers` of such a file keeps
its column `cursor`, which nobody reads any more."""


class TooNew(sqlite3.DatabaseError):
    """The file was written by a later ChatApp."""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an earlier ChatApp to the present shape: all of it or nothing."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise TooNew(f"it was written by a newer ChatApp (format {version}, this one knows {VERSION})")
    db.execute("BEGIN IMMEDIATE")
    try:
        is_old = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'outgoing'").fetchone() is not None
        if is_old:
            db.execute("ALTER TABLE streams RENAME TO old_streams")
        _run(db, _TABLES_OF_REGISTRIES + ("" if version else _TABLES))
        if is_old:
            _run(db, _FROM_1)
            _keep_names(db)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _run(db: sqlite3.Connection, script: str) -> None:
    """Statement by statement: `executescript` would commit what was begun."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


def _keep_names(db: sqlite3.Connection) -> None:
    for identity, blob in db.execute("SELECT identity, row FROM people").fetchall():
        try:
            name = decode_row(blob).card.name
        except DecodeError:
            continue
        db.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (identity, name))
