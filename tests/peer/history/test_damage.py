"""Damaged histories: detected before SQLite drops what it cannot read, reported, and kept."""

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from chatapp.peer.history.damage import lines_about

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


FRAME: Final = 24 + 512


@pytest.mark.parametrize("at", [8, 100], ids=["its salts", "its page"])
@pytest.mark.parametrize("behind", [0, 1, 2])
def test_a_damaged_frame_is_told_without_the_index_unless_it_may_be_half_written(
    history: Path, at: int, behind: int
) -> None:
    index_of(history).unlink()
    log = log_of(history)
    log.write_bytes(flipped(log.read_bytes(), len(log.read_bytes()) - (1 + behind) * FRAME + at))
    assert len(lines_about(history, is_new=False)) == (1 if behind else 0)


@pytest.mark.parametrize("missing", [1, FRAME - 1])
def test_a_last_frame_without_its_end_is_none(history: Path, missing: int) -> None:
    index_of(history).unlink()
    log = log_of(history)
    log.write_bytes(log.read_bytes()[:-missing])
    assert lines_about(history, is_new=False) == []


def summed(data: bytes, sums: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """The checksum of the file format, section 4.3, in the other order of bytes."""
    one, two = sums
    for left, right in struct.iter_unpack(">2I", data):
        one = (one + left + two) % 2**32
        two = (two + right + one) % 2**32
    return one, two


def test_a_log_of_a_machine_with_the_other_order_of_bytes_is_read(history: Path) -> None:
    index_of(history).unlink()
    log = log_of(history)
    (*_, page, _, _, _, _, _) = struct.unpack_from(">8I", was := log.read_bytes())
    assert page == 512
    header = struct.pack(">I", 0x377F0683) + was[4:24]
    sums = summed(header)
    written = header + struct.pack(">2I", *sums)
    for at in range(32, len(was), FRAME):
        sums = summed(was[at : at + 8] + was[at + 24 : at + FRAME], sums)
        written += was[at : at + 16] + struct.pack(">2I", *sums) + was[at + 24 : at + FRAME]
    log.write_bytes(written)
    assert lines_about(history, is_new=False) == []
    assert lines_read(history) == LINES
    log.write_bytes(flipped(written, len(written) // 2))
    assert len(lines_about(history, is_new=False)) == 1


@pytest.mark.parametrize("size", [0, 1])
def test_an_empty_log_is_none_and_one_of_a_byte_is_damaged(history: Path, size: int) -> None:
    log_of(history).write_bytes(bytes(size))
    (line,) = lines_about(history, is_new=False)
    assert line.startswith(f"{log_of(history)} is {'damaged' if size else 'missing'}")


def indexed(history: Path, *, committed: int, copied: int) -> None:
    """The index says so, in both of its copies."""
    content = bytearray(index_of(history).read_bytes())
    for at in (16, 64):
        content[at : at + 4] = struct.pack("=I", committed)
    content[96:100] = struct.pack("=I", copied)
    index_of(history).write_bytes(content)


@pytest.mark.parametrize(("committed", "copied", "is_lost"), [(1, 1, False), (9, 9, False), (9, 8, True)])
def test_of_a_damaged_log_only_what_the_database_has_not_is_lost(
    history: Path, committed: int, copied: int, *, is_lost: bool
) -> None:
    log_of(history).write_bytes(b"no log")
    indexed(history, committed=committed, copied=copied)
    assert bool(lines_about(history, is_new=False)) == is_lost


@pytest.mark.parametrize("size", [0, 50, 99])
def test_an_index_that_is_cut_says_nothing(history: Path, size: int) -> None:
    index_of(history).write_bytes(index_of(history).read_bytes()[:size])
    log_of(history).unlink()
    assert lines_about(history, is_new=False) == []


def test_an_index_counts_when_all_that_is_read_of_it_is_there_and_both_its_copies_are_alike(
    history: Path,
) -> None:
    content = index_of(history).read_bytes()
    log_of(history).unlink()
    index_of(history).write_bytes(content[:100])
    assert len(lines_about(history, is_new=False)) == 1
    index_of(history).write_bytes(flipped(content, 60))
    assert lines_about(history, is_new=False) == []


def test_an_index_of_another_log_says_nothing(history: Path) -> None:
    content = bytearray(index_of(history).read_bytes())
    for at in (32, 80):
        content[at] ^= 1
    index_of(history).write_bytes(content)
    log_of(history).write_bytes(log_of(history).read_bytes()[:32])
    assert lines_about(history, is_new=False) == []


def test_each_damaged_log_is_kept_under_a_name_of_its_own(history: Path) -> None:
    for number in (1, 2, 3):
        log_of(history).write_bytes(f"damage {number}".encode())
        (line,) = lines_about(history, is_new=False)
        assert line.endswith(f"kept as history.db-wal.damaged-{number}")
        assert Path(f"{log_of(history)}.damaged-{number}").read_bytes() == f"damage {number}".encode()
