"""A history with foreign content is reported as damaged, by one kind of error at every start."""

import sqlite3
from pathlib import Path

import pytest

from chatapp.peer.history.database import History
from chatapp.peer.history.schema import Damaged
from fuzz.files import HistoryFile
from fuzz.seeds import write_history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_history(tmp_path / "history.db")
    return tmp_path / "history.db"


def spoil(path: Path, statement: str, *values: object) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(statement, values)
    db.close()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE streams SET floor = ?", "seven"),
        ("UPDATE streams SET shown = ?", b"\1"),
        ("UPDATE streams SET shown = ?", -1),
        ("UPDATE lines SET number = ? WHERE id = 2", "four"),
        ("UPDATE lines SET text = ?", b"\xff"),
        ("UPDATE lines SET state = ? WHERE id = 2", 99),
        ("UPDATE registries SET version = ?", "new"),
        ("UPDATE registries SET identity = ?", b"short"),
        ("UPDATE log_positions SET cursor = ?", 0.5),
        ("INSERT INTO rooms VALUES (1, '#lab', ?)", b"\xa1\xff"),
        ("INSERT INTO ignored VALUES (?)", "bob"),
    ],
)
def test_a_start_names_what_no_program_of_ours_wrote(
    path: Path, statement: str, value: object
) -> None:
    spoil(path, statement, value)
    history = History(path, server="registry")
    with pytest.raises(Damaged, match="no ChatApp wrote"):
        history.load()
    history.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lines SET number = 'no. ' || id",
        "UPDATE lines SET state = 99",
        "UPDATE lines SET state = NULL",
    ],
)
def test_reading_lines_does_so_too(path: Path, statement: str) -> None:
    spoil(path, statement)
    history = History(path, server="registry")
    history.lines.index.catch_up()
    for read in (
        lambda: history.lines.latest(10),
        history.lines.last_own,
        lambda: history.lines.by_id(1),
        lambda: list(history.lines.all()),
        lambda: history.lines.page((1,), limit=10),
        lambda: history.lines.search("hi", 10),
    ):
        with pytest.raises(Damaged):
            read()
    history.close()


def test_reading_the_names_of_people_does_so_too(path: Path) -> None:
    spoil(path, "INSERT INTO names VALUES (?, x'ff', 0)", b"b" * 32)
    history = History(path, server="registry")
    with pytest.raises(Damaged):
        history.lines.latest(10)
    with pytest.raises(Damaged):
        list(history.lines.all())
    history.close()


def test_an_index_mark_that_is_not_a_number_is_reported_too(path: Path) -> None:
    spoil(path, "UPDATE progress SET indexed = ?", b"")
    history = History(path, server="registry")
    with pytest.raises(Damaged):
        history.lines.index.catch_up()
    history.close()


@pytest.mark.parametrize("registry", [99, "somewhere", b"\1"])
def test_so_is_a_server_that_leads_to_no_registry(path: Path, registry: object) -> None:
    spoil(path, "UPDATE servers SET registry = ?", registry)
    with pytest.raises(Damaged):
        History(path, server="registry")


def test_an_error_of_sqlite_whose_words_are_no_text_is_one_of_sqlite(path: Path) -> None:
    schema = path.read_bytes().index(b"CREATE TABLE streams")
    content = bytearray(path.read_bytes())
    content[schema + 14] = 0xFF
    path.write_bytes(content)
    with pytest.raises(sqlite3.Error):
        History(path, server="registry").load()


def test_a_whole_history_is_read(path: Path) -> None:
    HistoryFile()(b"\0")
    history = History(path, server="registry")
    assert [line.text for line in history.lines.latest(2)] == ["hello again", "to all"]
    assert set(history.load().streams) == {b"b" * 32, b"#"}
    history.close()
