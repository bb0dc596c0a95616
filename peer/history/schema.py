"""The tables of `history.db`.

What belongs to a registry (its people, which of them are blocked, positions in the logs of its
groups, lines said to its groups) is stored under the registry's identity key. `servers` has the
registry to which each server leads, as the user types it, and `named_servers` the other servers
that the registry itself has named.

A message is one row of `lines`, whose id is the running number that the user sees. It is found by
its stream and number through one index, and both are small integers: keys are stored once, in
`streams`. So a message costs two insertions, each at the end of a B-tree, and its id costs nothing.
`is_late`: it came as mail or from a log. `is_overtaken`: a later line of its stream was shown
before it. `dropped_numbers` has the numbers of dropped lines that may come a second time, and
`missing_numbers` those below a sender's floor that had not come when the floor was stored, as
ranges [start, end). `on_disk`: our delivered messages below this number survive a power cut at
their recipient. `mark`: the stream was seen up to this number, as `MarkMoved` says. `line_keys` has
the keys by which other programs of the user asked for our last lines. A conversation is the streams
of two people, or those of a group at its registry; `read` is the id up to which the user has read
it. `muted` has those that do not ring until a Unix time, or 0 for good. `conversation_lines` has the
lines of each, as an index that is filled later. `relations` has what a line is to another one,
`kind` those that only change it, `originals` what it was before its first edit: its own text is
always the newest. `is_waiting`: that other line has not come yet. `is_over`: it counts no more.
`search_index` merges eight segments at a time, not four: a line costs a fifth less, and a search a
twentieth more. `progress` says up to which line the indexes go, and up to where the journal's
records are here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from chatapp.peer.core.records import DEAD

VERSION: Final = 17
"""The version of the format, in `PRAGMA user_version`."""

OURS: Final = 1
THEIRS: Final = 0
"""Values of `streams.ours`: who speaks in the stream."""

EVERYWHERE: Final = 0
"""The registry of a stream between two people: it is the same stream whichever registry they
use."""

_TABLES: Final = """
CREATE TABLE registries (
    id INTEGER PRIMARY KEY, identity BLOB UNIQUE, is_verified INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0, table_at REAL NOT NULL DEFAULT 0);
CREATE TABLE servers (server TEXT NOT NULL PRIMARY KEY, registry INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE named_servers (
    registry INTEGER NOT NULL, place INTEGER NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
    PRIMARY KEY (registry, place)) WITHOUT ROWID;
CREATE TABLE people (
    registry INTEGER NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (registry, identity)
    ) WITHOUT ROWID;
CREATE TABLE log_positions (
    registry INTEGER NOT NULL, name TEXT NOT NULL, cursor INTEGER, newest INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (registry, name)) WITHOUT ROWID;
CREATE TABLE former_names (
    registry INTEGER NOT NULL, name_key TEXT NOT NULL, identity BLOB NOT NULL, PRIMARY KEY (registry, name_key)
    ) WITHOUT ROWID;
CREATE TABLE blocked (
    registry INTEGER NOT NULL, name_key TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (registry, name_key)
    ) WITHOUT ROWID;
CREATE TABLE verified (
    registry INTEGER NOT NULL, identity BLOB NOT NULL, PRIMARY KEY (registry, identity)) WITHOUT ROWID;
CREATE TABLE replaced_people (
    registry INTEGER NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (registry, identity)
    ) WITHOUT ROWID;
CREATE TABLE rooms (
    registry INTEGER NOT NULL, name TEXT NOT NULL, kept BLOB NOT NULL, PRIMARY KEY (registry, name)
) WITHOUT ROWID;
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, registry INTEGER NOT NULL, key BLOB NOT NULL, read INTEGER NOT NULL DEFAULT 0,
    UNIQUE (key, registry));
CREATE TABLE conversation_lines (
    conversation INTEGER NOT NULL, line INTEGER NOT NULL, PRIMARY KEY (conversation, line)) WITHOUT ROWID;
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, registry INTEGER NOT NULL, key BLOB NOT NULL, ours INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0, on_disk INTEGER NOT NULL DEFAULT 0,
    mark INTEGER NOT NULL DEFAULT 0,
    UNIQUE (key, ours, registry));
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    state INTEGER, is_late INTEGER, is_overtaken INTEGER, text TEXT NOT NULL, trace BLOB, kind INTEGER);
CREATE TABLE relations (
    line INTEGER PRIMARY KEY, kind INTEGER NOT NULL, by INTEGER NOT NULL, stream INTEGER, number INTEGER,
    raw BLOB, is_waiting INTEGER, is_over INTEGER NOT NULL DEFAULT 0);
CREATE INDEX relations_by_target ON relations (stream, number, is_over, by);
CREATE INDEX relations_waiting ON relations (line) WHERE is_waiting = 1;
CREATE TABLE originals (line INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE UNIQUE INDEX lines_by_number ON lines (stream, number);
CREATE INDEX lines_overtaken ON lines (stream) WHERE is_overtaken = 1;
CREATE TABLE dropped_numbers (
    stream INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, PRIMARY KEY (stream, start)) WITHOUT ROWID;
CREATE TABLE missing_numbers (
    stream INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, PRIMARY KEY (stream, start)) WITHOUT ROWID;
CREATE TABLE names (
    identity BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL, doubt INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE line_keys (line INTEGER PRIMARY KEY, key INTEGER NOT NULL);
CREATE TABLE drafts (
    registry INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, is_claimed INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (registry, kind, name, is_claimed)) WITHOUT ROWID;
CREATE TABLE ignored (identity BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE muted (
    registry INTEGER NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (registry, key)) WITHOUT ROWID;
CREATE TABLE openings (identity BLOB NOT NULL PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE progress (
    indexed INTEGER NOT NULL, generation INTEGER NOT NULL, "offset" INTEGER NOT NULL, lines INTEGER NOT NULL);
INSERT INTO progress VALUES (0, 0, 0, 0);
CREATE VIRTUAL TABLE search_index USING fts5 (text, content='', columnsize=0,
    tokenize='unicode61 remove_diacritics 2');
INSERT INTO search_index (search_index, rank) VALUES ('automerge', 8);
"""


NUMBERS_OF_DEAD: Final = (
    f"({', '.join(str(number) for number in sorted(state.number for state in DEAD))})"
)
NEWEST_LINE: Final = "SELECT coalesce(max(id), 0) FROM lines"


class AnotherFormat(sqlite3.DatabaseError):
    """The file was written by another version of ChatApp."""


def check(db: sqlite3.Connection) -> bool:
    """Return whether the file has our tables; False: it is empty. Raises AnotherFormat, and other
    sqlite3.Error."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return True
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        return False
    raise AnotherFormat(
        f"another version of ChatApp wrote it (format {version}; this version needs {VERSION})"
    )


def prepare(db: sqlite3.Connection) -> None:
    """Create the tables in an empty file, all of them or none. Raises as `check`."""
    if check(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _TABLES.split(";\n"):  # `executescript` would commit the transaction
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def add_stream(
    db: sqlite3.Connection, key: bytes, ours: int, registry: int, *, conversation: bytes
) -> None:
    """Add a stream, and the conversation with this key, unless they are there."""
    db.execute(
        "INSERT OR IGNORE INTO conversations (key, registry) VALUES (?, ?)",
        (conversation, registry),
    )
    db.execute(
        "INSERT OR IGNORE INTO streams (key, ours, registry, conversation) VALUES (?, ?, ?, "
        "(SELECT id FROM conversations WHERE key = ? AND registry = ?))",
        (key, ours, registry, conversation, registry),
    )


class Damaged(sqlite3.DatabaseError):
    """The file holds values that no ChatApp writes."""


@contextmanager
def damage_named() -> Iterator[None]:
    """Turn the errors of reading invalid values into Damaged, which is an sqlite3.Error as all
    others of a history."""
    try:
        yield
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Damaged(f"it holds what no ChatApp wrote ({error})") from None
