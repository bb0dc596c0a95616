"""The tables of a history: created completely or not at all; files of other versions are left
alone."""

import sqlite3
from pathlib import Path

import pytest

from chatapp.peer.history import schema
from chatapp.peer.history.database import History


@pytest.mark.parametrize("version", [3, 99])
def test_a_file_of_another_version_is_named_and_left_as_it_is(tmp_path: Path, version: int) -> None:
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with pytest.raises(
        schema.AnotherFormat, match=f"another version of ChatApp wrote it .format {version};"
    ):
        History(path, server="here")
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    assert db.execute("SELECT * FROM sqlite_master").fetchall() == []
    db.close()


def test_a_file_without_a_version_in_which_something_stands_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE outgoing (text TEXT)")
    db.close()
    with pytest.raises(schema.AnotherFormat, match="format 0"):
        History(path, server="here")


def test_what_goes_wrong_while_tables_are_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.db"
    monkeypatch.setattr(schema, "_TABLES", schema._TABLES + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError):
        History(path, server="here")
    monkeypatch.undo()
    history = History(path, server="here")
    assert history.lines.latest(9) == []
    history.close()
