"""Histories that lost lines: noticed at the start, told once, and what is damaged is kept."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from chatapp.peer.core.events import HistoryMissing, LinesLost
from chatapp.peer.core.records import CursorMoved, IncomingAdded, OutgoingAdded
from chatapp.peer.history.damage import open_history
from chatapp.peer.history.database import History, Watermark
from tests.peer.core.cast import Someone

BOB: Final = Someone("bob")
LINES: Final = 9


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return a history as `kill -9` leaves it: a log of some commits, and its index, copied from an open database."""
    return killed(tmp_path, LINES)


def killed(folder: Path, count: int) -> Path:
    living, dead = folder / "living", folder / "dead"
    for each in (living, dead):
        each.mkdir()
    db = History(living / "history.db", server="here")
    for number in range(1, count + 1):
        db.apply([OutgoingAdded(BOB.id, number, 0, f"line {number}")])
        db.apply([CursorMoved(number)])
    copy(living, dead)
    db.close()
    return dead / "history.db"


def copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())


def log_of(history: Path) -> Path:
    return Path(f"{history}-wal")


def opened(history: Path, *, is_new: bool = False) -> tuple[int, HistoryMissing | LinesLost | None]:
    """Return how many lines there are, and what is reported."""
    db, damage = open_history(history, server="here", is_new=is_new)
    try:
        return len(db.lines.latest(100)), damage
    finally:
        db.close()


def kept(history: Path) -> list[str]:
    return sorted(path.name for path in history.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("has_index", [True, False], ids=["killed", "the machine was started anew"])
def test_nothing_is_told_of_what_a_kill_leaves(history: Path, *, has_index: bool) -> None:
    if not has_index:
        Path(f"{history}-shm").unlink()
    assert opened(history) == (LINES, None)
    assert opened(history) == (LINES, None)  # closed in order: there is no log any more
    assert kept(history) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_told_of_a_first_start(tmp_path: Path, *, is_there: bool) -> None:
    history = tmp_path / "history.db"
    if is_there:
        history.touch()
    assert opened(history, is_new=True) == (0, None)


@pytest.mark.parametrize("size", [1, 24, 24 + 4_096, 2 * (24 + 4_096)])
def test_what_was_never_committed_is_not_missed(history: Path, size: int) -> None:
    """A kill may leave whole and half frames of a transaction behind what was committed."""
    log = log_of(history).read_bytes()
    log_of(history).write_bytes(log + log[-size:])
    assert opened(history) == (LINES, None)


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "cut in half": lambda log: log[: len(log) // 2],
    "of zeros": lambda log: bytes(len(log)),
    "with zeros for its second half": lambda log: log[: len(log) // 2].ljust(len(log), b"\0"),
    "with one bit flipped": lambda log: flipped(log, len(log) // 2),
    "with one bit of the header flipped": lambda log: flipped(log, 9),
    "cut within its header": lambda log: log[:20],
    "of one byte": lambda log: log[:1],
}


def flipped(log: bytes, at: int) -> bytes:
    return log[:at] + bytes((log[at] ^ 16,)) + log[at + 1 :]


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_log_is_told_once_and_kept(history: Path, how: str, *, has_index: bool) -> None:
    if not has_index:
        Path(f"{history}-shm").unlink()
    log = log_of(history)
    damaged = DAMAGES[how](log.read_bytes())
    log.write_bytes(damaged)
    there, damage = opened(history)
    assert there < LINES
    assert damage == LinesLost(path=str(history), count=LINES - there, kept_as=f"{log.name}.damaged-1")
    assert Path(f"{log}.damaged-1").read_bytes() == damaged
    assert opened(history) == (there, None)


def test_a_log_that_is_gone_is_told(tmp_path: Path) -> None:
    history = folded(tmp_path)
    log_of(history).unlink()
    assert opened(history) == (LINES, LinesLost(path=str(history), count=3, kept_as=None))


def folded(folder: Path) -> Path:
    """Return a history that was closed, then got three more lines and was killed."""
    history = killed(folder, LINES)
    opened(history)
    later = folder / "later"
    later.mkdir()
    db = History(history, server="here")
    for number in range(LINES + 1, LINES + 4):
        db.apply([IncomingAdded(BOB.id, number, 0, f"line {number}", late=False, behind=False)])
    copy(history.parent, later)
    db.close()
    return later / history.name


def test_a_log_whose_lines_the_database_has_as_well_is_not_missed(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    db = History(history, server="here")
    db.apply([OutgoingAdded(BOB.id, 1, 0, "line")])
    assert db.lines._db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
    dead = tmp_path / "dead"
    dead.mkdir()
    (dead / "history.db").write_bytes(history.read_bytes())
    (dead / "history.newest").write_bytes((tmp_path / "history.newest").read_bytes())
    db.close()
    assert opened(dead / "history.db") == (1, None)


@pytest.mark.parametrize("is_there", [True, False])
def test_without_the_database_the_log_is_kept_before_sqlite_throws_it_away(
    history: Path, *, is_there: bool
) -> None:
    log = log_of(history).read_bytes()
    history.unlink()
    if is_there:
        history.touch()
    told = HistoryMissing(path=str(history), kept_as=f"{log_of(history).name}.damaged-1")
    assert opened(history) == (0, told)
    assert Path(f"{log_of(history)}.damaged-1").read_bytes() == log
    history.unlink()
    assert opened(history) == (0, HistoryMissing(path=str(history), kept_as=None))
    assert opened(history) == (0, None)


def test_each_damaged_log_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        history = tmp_path / "history.db"
        log_of(history).write_bytes(f"damage {number}".encode())
        history.unlink(missing_ok=True)
        _, damage = opened(history)
        assert isinstance(damage, HistoryMissing)
        assert damage.kept_as == f"history.db-wal.damaged-{number}"
    assert len(kept(history)) == 3


@pytest.mark.parametrize("content", [b"", b"7", b"x" * 20, b"0" * 20])
def test_a_watermark_that_says_nothing_misses_nothing(history: Path, content: bytes) -> None:
    history.with_suffix(".newest").write_bytes(content)
    log_of(history).unlink()
    history.write_bytes(b"")
    db = History(history, server="here")
    assert db.lost_lines == 0
    db.close()


def test_a_watermark_outlives_its_program(tmp_path: Path) -> None:
    mark = Watermark(tmp_path / "history.db")
    assert mark.read() == 0
    for newest in (1, 10**12):
        mark.write(newest)
        assert mark.read() == newest
    mark.close()
    again = Watermark(tmp_path / "history.db")
    assert again.read() == 10**12
    again.close()


def test_the_newest_line_is_never_dropped(tmp_path: Path) -> None:
    """Otherwise the history would seem to have lost the line, and its id would be used again."""
    db = History(tmp_path / "history.db", server="here")
    db.apply([IncomingAdded(BOB.id, number, 0, "x", late=False, behind=False) for number in (1, 2)])
    db._db.execute("UPDATE streams SET shown = 9")
    while db.maintenance.drop_oldest(lines_kept=0):
        pass
    assert [line.number for line in db.lines.all()] == [2]
    assert db.lost_lines == 0
    db.close()


def test_an_empty_log_is_not_kept(history: Path) -> None:
    history.unlink()
    log_of(history).write_bytes(b"")
    assert opened(history) == (0, HistoryMissing(path=str(history), kept_as=None))


def test_a_history_that_does_not_open_leaves_no_copy_of_its_log(history: Path) -> None:
    history.write_bytes(b"no history" * 1_000)
    Path(f"{history}-shm").unlink()
    log_of(history).write_bytes(b"no log")
    with pytest.raises(sqlite3.DatabaseError):
        open_history(history, server="here", is_new=False)
    assert kept(history) == []
