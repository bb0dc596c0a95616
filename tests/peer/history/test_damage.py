"""Histories that lost lines: noticed at the start, told once, and what is damaged is kept."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import HistoryMissing, LinesLost
from chatapp.peer.core.records import (
    CursorMoved,
    IncomingAdded,
    NumberUsed,
    OutgoingAdded,
    Record,
    RegistryPinned,
)
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import Beginning
from chatapp.peer.history.opening import open_history
from chatapp.peer.history.schema import Damaged
from chatapp.peer.node.storage import CommitQueue
from chatapp.wire.codec import encode
from chatapp.wire.storage import HEADER_SIZE, frame, scan
from tests.peer.core.cast import Someone
from tests.peer.history.test_history import records

BOB: Final = Someone("bob")
LINES: Final = 9
FILED: Final = 4
"""Lines of these that are in the database when the program is killed."""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """As `kill -9` leaves one a moment after a sync: a database with its log, and a journal with
    more, copied from under an open one."""
    return killed(tmp_path / "a", LINES, filed=FILED)


def killed(folder: Path, count: int, *, filed: int, first: int = 1, server: str = "here") -> Path:
    """Say some lines and die. Return the history in a folder of the dead, from which it may be
    opened."""
    living, dead = folder, folder.with_name(f"{folder.name}-dead")
    living.mkdir(exist_ok=True)
    dead.mkdir()
    db, journal, _ = open_history(living / "history.db", server=server, is_new=True)
    queue = CommitQueue(db, journal)
    for number in range(first, first + count):
        queue.keep(
            [OutgoingAdded(BOB.id, number, 0, f"line {number}"), CursorMoved(number)], now=0.0
        )
        if number == filed:
            queue.file_all(now=0.0)
    assert queue.sync(now=0.0)
    for path in living.iterdir():
        (dead / path.name).write_bytes(path.read_bytes())
    journal.close()
    db.close()
    return dead / "history.db"


def log_of(history: Path) -> Path:
    return Path(f"{history}-wal")


def journal_of(history: Path) -> Path:
    (found,) = history.parent.glob("journal-*[0-9]")
    return found


def opened(
    history: Path, *, is_new: bool = False
) -> tuple[list[str], HistoryMissing | LinesLost | None]:
    """Return the lines that are there, and what is reported. The program ends in order."""
    db, journal, damage = open_history(history, server="here", is_new=is_new)
    try:
        return [line.text for line in db.lines.latest(100)], damage
    finally:
        CommitQueue(db, journal).close(now=0.0)
        db.close()


def texts(*numbers: int) -> list[str]:
    return [f"line {number}" for number in numbers]


ALL: Final = texts(*range(1, LINES + 1))


def kept(history: Path) -> list[str]:
    return sorted(path.name for path in history.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("has_index", [True, False], ids=["killed", "the machine was started anew"])
def test_nothing_is_told_of_what_a_kill_leaves(history: Path, *, has_index: bool) -> None:
    if not has_index:
        Path(f"{history}-shm").unlink()
    assert opened(history) == (ALL, None)
    assert opened(history) == (
        ALL,
        None,
    )  # closed in order: there is neither a log nor a journal any more
    assert sorted(os.listdir(history.parent)) == ["history.db", "journal.lines"]


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_told_of_a_first_start(tmp_path: Path, *, is_there: bool) -> None:
    history = tmp_path / "history.db"
    if is_there:
        history.touch()
    assert opened(history, is_new=True) == ([], None)


def test_what_was_never_stored_is_not_missed(history: Path) -> None:
    """A kill may leave the beginning of a turn behind what was stored."""
    journal = journal_of(history)
    whole = journal.read_bytes()
    payloads, _ = scan(whole)
    for size in range(1, HEADER_SIZE + len(payloads[-1])):
        copy = history.parent.with_name(f"torn-{size}")
        copy.mkdir()
        for path in history.parent.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        (copy / journal.name).write_bytes(whole + whole[-HEADER_SIZE - len(payloads[-1]) :][:size])
        assert opened(copy / history.name) == (ALL, None)


DAMAGES: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "cut": lambda whole, at: whole[:at],
    "of zeros from somewhere on": lambda whole, at: whole[:at].ljust(len(whole), b"\0"),
    "with one bit flipped": lambda whole, at: (
        whole[:at] + bytes((whole[at] ^ 16,)) + whole[at + 1 :]
    ),
}


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_journal_is_told_once_and_kept(history: Path, how: str, turns: int) -> None:
    """In one of its last turns."""
    journal = journal_of(history)
    whole = journal.read_bytes()
    end = len(whole) - (turns - 1) * (HEADER_SIZE + len(scan(whole)[0][-1]))
    damaged = DAMAGES[how](whole, end - 1)
    journal.write_bytes(damaged)
    name = f"{journal.name}.damaged-1"
    there = ALL[: LINES - turns]
    assert opened(history) == (there, LinesLost(path=str(history), count=turns, kept_as=name))
    assert (history.parent / name).read_bytes() == damaged
    assert opened(history) == (there, None)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("at", [0, 5, 60, -1])
def test_damage_of_what_is_filed_costs_nothing(tmp_path: Path, how: str, at: int) -> None:
    """Only what the database does not have is read from the journal."""
    history = killed(tmp_path / "a", LINES, filed=LINES)
    journal = journal_of(history)
    whole = journal.read_bytes()
    journal.write_bytes(DAMAGES[how](whole, at % len(whole)))
    assert opened(history) == (ALL, None)


@pytest.mark.parametrize("filed", [FILED, 0])
def test_a_journal_that_is_gone_is_told(tmp_path: Path, filed: int) -> None:
    history = killed(tmp_path / "a", LINES, filed=filed)
    journal_of(history).unlink()
    left = texts(*range(1, filed + 1))
    assert opened(history) == (
        left,
        LinesLost(path=str(history), count=LINES - filed, kept_as=None),
    )
    assert opened(history) == (left, None)


@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
def test_a_damaged_log_of_the_database_costs_nothing(history: Path, how: str) -> None:
    """SQLite goes back to an earlier commit, and the journal has what followed."""
    log = log_of(history)
    whole = log.read_bytes()
    Path(f"{history}-shm").unlink()
    if how == "gone":
        log.unlink()
    else:
        log.write_bytes(DAMAGES[how](whole, len(whole) * 2 // 3))
    assert opened(history) == (ALL, None)


def test_a_history_from_an_earlier_copy_reports_what_it_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    copy = killed(folder, LINES, filed=FILED).read_bytes()
    assert opened(folder / "history.db")[0] == ALL
    (folder / "history.db").write_bytes(copy)
    lost = LinesLost(path=str(folder / "history.db"), count=LINES, kept_as=None)
    assert opened(folder / "history.db") == ([], lost)


@pytest.mark.parametrize("is_there", [True, False])
def test_without_the_database_the_journal_has_the_newest_lines(
    history: Path, *, is_there: bool
) -> None:
    history.unlink()
    if is_there:
        history.touch()
    journal = journal_of(history)
    later = journal.with_name(journal.name[:-1] + "2")
    journal.rename(later)  # as if an earlier generation was filed and removed
    assert opened(history) == (ALL, HistoryMissing(path=str(history), found=LINES))
    history.unlink()
    assert opened(history) == ([], HistoryMissing(path=str(history), found=0))
    assert opened(history) == ([], None)


def test_a_database_that_never_reached_the_disk_is_made_again_from_the_whole_journal(
    history: Path,
) -> None:
    """As a power cut in the first seconds of a person leaves it."""
    history.write_bytes(b"")
    log_of(history).unlink()
    assert opened(history) == (ALL, None)


def test_lines_that_were_not_on_the_disk_are_not_missed(tmp_path: Path) -> None:
    """Of these nobody was told that they are on it: their senders give them again. What was on it
    and is gone is told with the right number."""
    folder = tmp_path / "a"
    folder.mkdir()
    db, journal, _ = open_history(folder / "history.db", server="here", is_new=True)
    queue = CommitQueue(db, journal)
    sizes = []
    for number in range(1, LINES + 1):
        queue.keep([OutgoingAdded(BOB.id, number, 0, f"line {number}")], now=0.0)
        if number == FILED:
            assert queue.sync(now=0.0)
        sizes.append(journal_of(folder / "history.db").stat().st_size)
    journal.close()
    db.close()
    whole = journal_of(folder / "history.db").read_bytes()
    for left in range(1, LINES + 1):
        copy = tmp_path / str(left)
        copy.mkdir()
        (copy / "journal.lines").write_bytes((folder / "journal.lines").read_bytes())
        (copy / journal_of(folder / "history.db").name).write_bytes(whole[: sizes[left - 1]])
        lost = LinesLost(path=str(copy / "history.db"), count=FILED - left, kept_as=None)
        assert opened(copy / "history.db") == (
            texts(*range(1, left + 1)),
            lost if left < FILED else None,
        )


@pytest.mark.parametrize("content", [b"", b"7", b"x" * 20, b"0" * 20, None])
def test_a_count_of_lines_that_says_nothing_misses_nothing(
    history: Path, content: bytes | None
) -> None:
    count = history.parent / "journal.lines"
    if content is None:
        count.unlink()
    else:
        count.write_bytes(content)
    journal_of(history).unlink()
    assert opened(history) == (texts(*range(1, FILED + 1)), None)


def test_several_kills_in_a_row_lose_nothing(tmp_path: Path) -> None:
    history = killed(tmp_path / "a", 3, filed=2)
    for life in range(1, 4):
        history = killed(history.parent, 3, filed=3 * life + 1, first=3 * life + 1)
    assert opened(history) == (texts(*range(1, 13)), None)


def test_a_first_journal_between_others_that_is_gone_is_told(tmp_path: Path) -> None:
    """A later one says how many lines there were before it."""
    history = killed(tmp_path / "a", 3, filed=0)
    db, journal, _ = open_history(history, server="here", is_new=False)
    journal.append([OutgoingAdded(BOB.id, 4, 0, "line 4")])
    journal.close()
    db.apply([])
    db._db.execute("DELETE FROM lines")
    db._db.execute("UPDATE progress SET generation = 0, lines = 0")
    db.close()
    assert opened(history) == (["line 4"], LinesLost(path=str(history), count=3, kept_as=None))


def test_records_are_filed_for_the_server_from_which_they_were_seen(tmp_path: Path) -> None:
    registry, folder = b"r" * 32, tmp_path / "a"
    folder.mkdir()
    db, journal, _ = open_history(folder / "history.db", server="there", is_new=True)
    journal.append([RegistryPinned(registry), CursorMoved(7), NumberUsed(BOB.id, 4)])
    journal.close()
    db.close()
    db, journal, _ = open_history(folder / "history.db", server="here", is_new=False)
    loaded = db.load()
    assert (loaded.registry, loaded.groups, loaded.streams[BOB.id].last_sent) == (None, {}, 4)
    db.see_from("there")
    assert db.load().registry == registry
    journal.close()
    db.close()


def test_the_newest_line_is_never_dropped(tmp_path: Path) -> None:
    """Else its id would be given again."""
    db = History(tmp_path / "history.db", server="here")
    db.apply([IncomingAdded(BOB.id, number, 0, "x", late=False, behind=False) for number in (1, 2)])
    db._db.execute("UPDATE streams SET shown = 9")
    while db.maintenance.drop_oldest(lines_kept=0):
        pass
    assert [line.number for line in db.lines.all()] == [2]
    db.close()


def test_a_history_that_does_not_open_leaves_its_journal(history: Path) -> None:
    history.write_bytes(b"no history" * 1_000)
    Path(f"{history}-shm").unlink()
    log_of(history).write_bytes(b"no log")
    whole = journal_of(history).read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        open_history(history, server="here", is_new=False)
    assert kept(history) == []
    assert journal_of(history).read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"journal", b"\0" * 100])
def test_a_journal_that_is_none_stops_no_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal-000000000003").write_bytes(content)
    assert opened(tmp_path / "history.db", is_new=True) == ([], None)
    assert not list(tmp_path.glob("journal-*"))


@given(st.binary(max_size=200), st.lists(st.lists(records, max_size=4), max_size=4), st.booleans())
def test_whatever_a_journal_holds_the_start_is_told_or_goes_on(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, turns: list[list[Record]], is_begun: bool
) -> None:
    """Any bytes, and sound frames of records that contradict each other."""
    folder = tmp_path_factory.mktemp("any")
    beginning = [frame(encode(Beginning(0, "here")))] if is_begun else []
    content = b"".join([*beginning, *(frame(encode(turn)) for turn in turns), junk])
    (folder / "journal-000000000001").write_bytes(content)
    for _ in range(2):
        opened(folder / "history.db", is_new=True)
    assert not list(folder.glob("journal-*[0-9]"))


def test_a_record_that_contradicts_the_history_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours, which must not keep what follows from being filed."""
    history = killed(tmp_path / "a", 2, filed=0)
    db, journal, _ = open_history(history, server="here", is_new=False)
    journal.append(
        [OutgoingAdded(BOB.id, 2, 0, "a number given twice"), OutgoingAdded(BOB.id, 3, 0, "line 3")]
    )
    journal.close()
    db.close()
    assert opened(history) == (texts(1, 2, 3), None)
    assert "takes not every record" in caplog.text


def test_a_number_that_no_database_holds_is_one_error(tmp_path: Path) -> None:
    turn = [OutgoingAdded(BOB.id, 2**63, 0, "")]
    (tmp_path / "journal-000000000001").write_bytes(
        frame(encode(Beginning(0, "here"))) + frame(encode(turn))
    )
    with pytest.raises(Damaged):
        open_history(tmp_path / "history.db", server="here", is_new=True)


def test_another_program_that_locks_the_database_is_not_waited_for(tmp_path: Path) -> None:
    db, journal, _ = open_history(tmp_path / "history.db", server="here", is_new=True)
    assert db._db.execute("PRAGMA busy_timeout").fetchone()[0] < 50
    journal.close()
    db.close()
