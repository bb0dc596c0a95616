"""This file is about files of an earlier shape: opened once, they are of the present one, and nothing is lost."""

import sqlite3
from pathlib import Path

import pytest

from peer.core.standing import Standing
from peer.core.stored import StoredGroup, StoredIncoming, StoredOutgoing
from peer.history import History
from peer.store import schema
from tests.peer.core.cast import Someone
from wire.codec import encode

ALICE, BOB, CAROL = Someone("alice"), Someone("Bob"), Someone("carol")
CHANNEL = b"#"

OLD = """
CREATE TABLE outgoing (
    stream BLOB NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,
    standing INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE incoming (
    stream BLOB NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,
    late INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE streams (
    stream BLOB NOT NULL PRIMARY KEY, floor INTEGER NOT NULL DEFAULT 0, shown INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
CREATE TABLE servers (
    server TEXT NOT NULL PRIMARY KEY, identity BLOB, version INTEGER NOT NULL DEFAULT 0,
    table_at REAL NOT NULL DEFAULT 0, cursor INTEGER) WITHOUT ROWID;
CREATE TABLE people (
    server TEXT NOT NULL, identity BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (server, identity)
    ) WITHOUT ROWID;
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as the first ChatApp left it."""
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.executescript(OLD)
    db.executemany(
        "INSERT INTO outgoing VALUES (?, ?, ?, ?, ?)",
        [
            (BOB.id, 7, 1_000, "delivered", Standing.DELIVERED),
            (BOB.id, 9, 2_000, "saved", Standing.SAVED),
            (BOB.id, 12, 6_000, "kept", Standing.KEPT),
            (CHANNEL, 3, 3_000, "to all", Standing.DELIVERED),
            (ALICE.id, 5, 4_000, "note", Standing.DELIVERED),
        ],
    )
    db.executemany(
        "INSERT INTO incoming VALUES (?, ?, ?, ?, ?)",
        [
            (BOB.id, 9, 2_500, "shown", 0),
            (BOB.id, 10, 5_000, "not shown", 1),
            (CHANNEL + CAROL.id, 4, 3_500, "a line", 0),
            (ALICE.id, 5, 4_000, "note", 0),
        ],
    )
    db.executemany("INSERT INTO streams VALUES (?, ?, ?)", [(BOB.id, 9, 9), (CHANNEL + CAROL.id, 0, 4)])
    db.execute("INSERT INTO servers VALUES ('here', ?, 8, 1.5, 77)", (CAROL.id,))
    db.execute("INSERT INTO people VALUES ('here', ?, ?)", (BOB.id, encode(BOB.row(8))))
    db.execute("INSERT INTO people VALUES ('here', ?, x'c1')", (CAROL.id,))
    db.commit()
    db.close()
    return path


def test_nothing_is_lost(old: Path) -> None:
    for _ in range(2):  # and the second time there is nothing to do
        history = History(old, server="here")
        loaded = history.load()
        assert (loaded.registry, loaded.table_at) == (CAROL.id, 1.5)
        assert loaded.groups == {"channel": StoredGroup(77)}
        assert loaded.rows == (BOB.row(8),)
        with_bob = loaded.streams[BOB.id]
        assert with_bob.outgoing == (
            StoredOutgoing(9, 2_000, "saved", Standing.SAVED),
            StoredOutgoing(12, 6_000, "kept", Standing.KEPT),
        )
        assert (with_bob.last_sent, with_bob.voids, with_bob.seen) == (12, ((10, 12),), (9, 10))
        assert with_bob.unshown == (StoredIncoming(10, 5_000, "not shown"),)
        assert loaded.streams[CHANNEL].last_sent == 3
        assert loaded.streams[CHANNEL + CAROL.id].seen == (4,)
        assert loaded.streams[ALICE.id].last_sent == 5
        history.close()


def test_lines_stand_in_the_order_of_their_times_and_a_note_to_oneself_once(old: Path) -> None:
    history = History(old, server="here")
    lines = history.lines.latest(20)
    assert [(line.text, line.outgoing, line.room, line.name) for line in lines] == [
        ("delivered", True, None, "Bob"),
        ("saved", True, None, "Bob"),
        ("shown", False, None, "Bob"),
        ("to all", True, "", None),
        ("a line", False, "", None),  # whose row was no good
        ("note", True, None, None),
        ("not shown", False, None, "Bob"),
        ("kept", True, None, "Bob"),
    ]
    assert [line.text for line in history.lines.search("not", 9)] == ["note", "not shown"]
    history.close()


def test_what_goes_wrong_on_the_way_leaves_the_file_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_FROM_1", schema._FROM_1 + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError):
        History(old, server="here")
    monkeypatch.undo()
    history = History(old, server="here")
    assert len(history.lines.latest(20)) == 8
    history.close()


def test_a_file_of_a_later_chatapp_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(schema.TooNew, match="newer ChatApp"):
        History(path, server="here")
