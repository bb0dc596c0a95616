"""This file is about damaged histories: noticed before SQLite forgets what it cannot read, told, and kept."""

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from peer.store.damage import lines_about

LINES: Final = 9


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """As `kill -9` leaves one: a log of some commits, and its index, copied from under an open database."""
    return killed(tmp_path, LINES)


def killed(folder: Path, count: int, *, page: int = 512) -> Path:
    living, dead = folder / "living", folder / "dead"
    for each in (living, dead):
        each.mkdir()
    db = sqlite3.connect(living / "history.db", isolation_level=None)
    db.execute(f"PRAGMA page_size={page}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE lines (text)")
    for number in range(count):
        db.execute("INSERT INTO lines VALUES (?)", (str(number),))
    for path in living.iterdir():
        (dead / path.name).write_bytes(path.read_bytes())
    db.close()
    return dead / "history.db"


def log_of(history: Path) -> Path:
    return Path(f"{history}-wal")


def index_of(history: Path) -> Path:
    return Path(f"{history}-shm")


def lines_read(history: Path) -> int:
    """What SQLite makes of it."""
    db = sqlite3.connect(history)
    try:
        (count,) = db.execute("SELECT count(*) FROM lines").fetchone()
        return int(count)
    except sqlite3.Error:
        return 0
    finally:
        db.close()


def test_nothing_is_told_of_what_a_kill_leaves(history: Path) -> None:
    assert lines_about(history, is_new=False) == []
    index_of(history).unlink()  # the machine was started anew
    assert lines_about(history, is_new=False) == []
    assert lines_read(history) == LINES
    assert lines_about(history, is_new=False) == []  # closed in order: there is no log any more


def test_nothing_is_told_of_a_first_start(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    assert lines_about(history, is_new=True) == []
    history.touch()
    assert lines_about(history, is_new=True) == []


def test_a_frame_that_the_kill_cut_is_no_damage(history: Path) -> None:
    log = log_of(history).read_bytes()
    frame = log[-(24 + 512) :]
    log_of(history).write_bytes(log + frame[:24] + bytes(512))  # its head was written, and not its page
    assert lines_about(history, is_new=False) == []
    log_of(history).write_bytes(log + frame[:100])
    assert lines_about(history, is_new=False) == []


def test_what_an_earlier_log_left_behind_is_no_damage(history: Path) -> None:
    frame = struct.pack(">6I", 2, 2, 1, 2, 3, 4) + bytes(512)  # other salts
    with log_of(history).open("ab") as log:
        log.write(3 * frame)
    assert lines_about(history, is_new=False) == []


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "cut in half": lambda log: log[: len(log) // 2],
    "without its end": lambda log: log[:-9],
    "of zeros": lambda log: bytes(len(log)),
    "with zeros for its second half": lambda log: log[: len(log) // 2].ljust(len(log), b"\0"),
    "with one bit flipped": lambda log: flipped(log, len(log) // 2),
    "with one bit of the header flipped": lambda log: flipped(log, 9),
    "cut within its header": lambda log: log[:20],
}


def flipped(log: bytes, at: int) -> bytes:
    return log[:at] + bytes((log[at] ^ 16,)) + log[at + 1 :]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_log_is_told_and_kept(history: Path, how: str) -> None:
    log = log_of(history)
    damaged = DAMAGES[how](log.read_bytes())
    log.write_bytes(damaged)
    (line,) = lines_about(history, is_new=False)
    assert line.startswith(f"{log} is damaged: ")
    assert line.endswith("kept as history.db-wal.damaged-1")
    assert Path(f"{log}.damaged-1").read_bytes() == damaged
    assert lines_read(history) < LINES


@pytest.mark.parametrize("how", ["cut within its header", "with one bit of the header flipped"])
@pytest.mark.parametrize("has_index", [True, False])
def test_of_a_log_without_a_good_header_nothing_is_whole(history: Path, how: str, *, has_index: bool) -> None:
    (committed,) = struct.unpack_from("=16xI", index_of(history).read_bytes())
    assert committed > LINES
    if not has_index:
        index_of(history).unlink()
    log = log_of(history)
    log.write_bytes(DAMAGES[how](log.read_bytes()))
    (line,) = lines_about(history, is_new=False)
    assert f"is damaged: 0 of its {committed if has_index else 1} parts are whole" in line


def test_a_log_that_has_nothing_but_its_header_is_whole_without_an_index(history: Path) -> None:
    index_of(history).unlink()
    log = log_of(history)
    log.write_bytes(log.read_bytes()[:32])
    assert lines_about(history, is_new=False) == []


def test_a_bit_in_the_midst_is_found_without_the_index(history: Path) -> None:
    index_of(history).unlink()
    log = log_of(history)
    log.write_bytes(flipped(log.read_bytes(), len(log.read_bytes()) // 2))
    assert len(lines_about(history, is_new=False)) == 1


def test_what_the_database_has_as_well_is_not_lost_with_the_log(tmp_path: Path) -> None:
    history = killed(tmp_path, LINES)
    index = bytearray(index_of(history).read_bytes())
    index[96:100] = index[16:20]  # all frames have been copied
    index_of(history).write_bytes(index)
    log_of(history).unlink()
    assert lines_about(history, is_new=False) == []


def test_a_log_that_is_gone_is_told(history: Path) -> None:
    log_of(history).unlink()
    (line,) = lines_about(history, is_new=False)
    assert line.startswith(f"{log_of(history)} is missing")


@pytest.mark.parametrize("is_there", [True, False])
def test_without_the_database_the_log_is_kept_before_sqlite_throws_it_away(
    history: Path, *, is_there: bool
) -> None:
    log = log_of(history).read_bytes()
    history.unlink()
    if is_there:
        history.touch()
    (line,) = lines_about(history, is_new=False)
    assert line.startswith(f"{history} is missing: it begins anew")
    assert Path(f"{log_of(history)}.damaged-1").read_bytes() == log
    log_of(history).unlink()
    assert lines_about(history, is_new=False) == [f"{history} is missing: it begins anew"]
