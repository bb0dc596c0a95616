"""The journal and the database together, against plain lists: whatever fails or dies, what was
stored is there, once.

A disk dies or fails at any of its steps; the database dies between any two of its transactions, and
may be locked. What is compared is everything that a core would start with and every line that a
reader would see.
"""

import contextlib
import errno
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import IncomingAdded, Loaded, OutgoingAdded, OutgoingChanged, Record
from chatapp.peer.history import journal as journal_module
from chatapp.peer.history.database import History
from chatapp.peer.history.opening import open_history
from chatapp.peer.history.query import StoredLine
from chatapp.peer.node.storage import CommitQueue
from chatapp.wire.errors import StoreError
from tests.peer.history.test_history import records
from tests.support.histories import in_memory
from tests.wire.storage.disks import Died, DyingDisk, FailingDisk, WatchedDisk
from tests.wire.storage.power import PowerDisk

BOB = b"b" * 32
TURNS: list[list[Record]] = [
    [
        OutgoingAdded(BOB, number, 0, f"line {number}"),
        OutgoingChanged(BOB, number - 1, MessageState.DELIVERED),
    ]
    for number in range(1, 8)
]


class Life:
    """A program that stores turns, over a disk."""

    def __init__(self, folder: Path, disk: WatchedDisk | None = None) -> None:
        self.folder = folder
        self.disk = disk or WatchedDisk()
        self.stored: list[Sequence[Record]] = []
        """Turns of which the core was told that they are stored."""
        self.tried: Sequence[Record] = ()
        """A turn that was being stored when the program died."""
        self.synced = 0
        """How many records are on the disk for certain."""
        self.history: History | None = None
        self.damage: object = None

    def start(self) -> None:
        self.history, journal, self.damage = open_history(
            self.folder / "history.db", server="here", is_new=True, disk=self.disk
        )
        self.history._db.execute("PRAGMA busy_timeout = 1")
        self.queue = CommitQueue(self.history, journal)

    def store(self, turn: Sequence[Record]) -> bool:
        """Store a turn. What is refused stays in the queue."""
        self.tried = [*self.tried, *turn]
        is_stored = self.queue.keep(turn, now=0.0, is_last=True)
        if is_stored:
            self.stored.append(self.tried)
            self.tried = ()
        return is_stored

    def file(self) -> None:
        self.queue._file(0.0)

    def sync(self) -> None:
        assert self.queue.sync(now=0.0)
        self.synced = sum(map(len, self.stored))

    def end(self) -> None:
        assert self.history is not None
        self.queue.close(now=0.0)
        self.history.close()

    def die(self) -> None:
        """As after kill -9: files are as they are, and locks are gone."""
        self.disk.kill()
        if self.history is not None:
            dead = self.folder.with_name("dead")
            shutil.copytree(self.folder, dead)
            self.history.close()  # would write to the files
            shutil.rmtree(self.folder)
            dead.rename(self.folder)


def seen(history: History) -> tuple[Loaded, list[StoredLine]]:
    return history.load(), list(history.lines.all())


def expected(turns: Sequence[Sequence[Record]]) -> tuple[Loaded, list[StoredLine]]:
    plain = in_memory()
    for turn in turns:
        for record in turn:
            plain.apply([record])  # one by one: nothing is merged
    found = seen(plain)
    plain.close()
    return found


def check(life: Life) -> Life:
    """Start after a death: all stored turns are there, and of the one being stored all or nothing.
    Return the new life."""
    after = Life(life.folder)
    after.start()
    assert after.damage is None
    assert after.history is not None
    found = seen(after.history)
    if found != expected(life.stored):
        assert found == expected([*life.stored, life.tried])
        after.stored.append(life.tried)
    after.stored[:0] = life.stored
    return after


def play(life: Life) -> None:
    """Some turns, filed now and then, over several generations, and an end in order."""
    life.start()
    for number, turn in enumerate(TURNS):
        life.store(turn)
        if number % 3 == 1:
            life.file()
        if number % 3 == 2:
            life.sync()
    life.end()


@pytest.fixture(autouse=True)
def small_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "GENERATION_MAX", 200)
    monkeypatch.setattr(journal_module, "READ_AT_ONCE", 100)


@pytest.fixture(autouse=True)
def nothing_is_filed_twice(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A line that is filed again contradicts the history, and would be left out."""
    yield
    assert "takes not every record" not in caplog.text


def test_a_program_killed_at_any_step_of_the_disk_loses_nothing(tmp_path: Path) -> None:
    steps = Life(tmp_path / "whole")
    play(steps)
    count = len(steps.disk.steps)
    assert count > 25
    for last in range(count):
        life = Life(tmp_path / str(last), DyingDisk(last))
        with pytest.raises(Died):
            play(life)
        life.die()
        after = check(life)
        after.store(
            TURNS[-1][:1] if not any(TURNS[-1] == turn for turn in after.stored) else TURNS[-1][1:]
        )
        after.end()
        again = check(after)
        assert again.stored == after.stored
        again.end()


def test_a_program_killed_between_any_two_transactions_loses_nothing(tmp_path: Path) -> None:
    """The database has a turn entirely or not at all, and knows which it has."""
    for last in range(12):
        life = Life(tmp_path / str(last))
        life.start()
        for turn in TURNS:
            life.store(turn)
        for _ in range(last):
            life.file()
        life.die()
        again = check(life)
        again.die()
        check(again).end()


def test_a_power_cut_at_any_step_leaves_a_beginning(tmp_path: Path) -> None:
    """No write of a peer waits for the disk, so the newest turns may be gone, but nothing that was
    synced."""
    chance = random.Random(1)
    for last in range(2, 40, 3):
        folder = tmp_path / str(last)
        disk = PowerDisk(last)
        life = Life(folder / "before", disk)
        (folder / "before").mkdir(parents=True)
        with contextlib.suppress(Died):
            play(life)
        life.die()
        # The database is on the disk up to some commit, whatever became of the journal.
        (folder / "after").mkdir()
        disk.survivors(folder / "after", chance, chance.choice((0.0, 0.5, 1.0)))
        for path in (folder / "before").glob("history.db*"):
            shutil.copy(path, folder / "after")
        after = Life(folder / "after")
        after.start()
        assert after.history is not None
        whole = [record for turn in [*life.stored, life.tried] for record in turn]
        found = seen(after.history)
        assert any(
            found == expected([whole[:count]]) for count in range(life.synced, len(whole) + 1)
        )
        assert after.damage is None
        after.end()


@pytest.mark.parametrize(
    "step", ["write", "create", "cut", "overwrite", "open_to_overwrite", "remove"]
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_time_loses_nothing(tmp_path: Path, step: str, error: int) -> None:
    for after in range(len(TURNS)):
        disk = FailingDisk()
        life = Life(tmp_path / str(after), disk)
        life.start()
        for number, turn in enumerate(TURNS):
            failing = (
                {step, "write"}
                if step == "cut" and number == after
                else {step}
                if number == after
                else set()
            )
            disk.wrong = lambda what, bad=failing: error if what in bad else None  # type: ignore[misc]
            life.store(turn)
            life.file()
        life.die()
        check(life).end()


actions = st.one_of(
    st.lists(records, min_size=1, max_size=6),
    st.sampled_from(["file", "file all", "kill", "end", "full", "locked", "reader"]),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.lists(actions, max_size=20))
def test_whatever_happens_the_past_is_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[Record] | str]
) -> None:
    """Reads, kills, ends, full disks and locked databases, against the records applied one by
    one."""
    folder = tmp_path_factory.mktemp("life")
    given_out: set[tuple[type[Record], bytes, int]] = set()
    life = Life(folder / "peer", FailingDisk())
    life.start()
    for step in steps:
        if isinstance(step, str):
            life = _happen(step, life)
            continue
        turn: list[Record] = []
        for record in step:
            if isinstance(record, OutgoingAdded | IncomingAdded):
                line = (type(record), record.stream, record.number)
                if line in given_out:
                    continue  # a number is given once, and taken once
                given_out.add(line)
            turn.append(record)
        life.store(turn)
    life.die()
    check(life).end()
    shutil.rmtree(folder)


def _happen(what: str, life: Life) -> Life:
    assert life.history is not None
    assert isinstance(life.disk, FailingDisk)
    match what:
        case "file":
            life.file()
        case "file all":
            if life.queue.file_all(now=0.0):
                assert seen(life.history) == expected(life.stored)
        case "full":
            is_full = life.disk.wrong("write") is None
            life.disk.wrong = lambda what: errno.ENOSPC if is_full and what == "write" else None
        case "locked" | "reader":
            other = sqlite3.connect(life.folder / "history.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE" if what == "locked" else "BEGIN")
            other.execute("SELECT count(*) FROM lines").fetchone()
            life.file()
            other.close()
        case _:
            end: Callable[[], None] = life.die if what == "kill" else life.end
            end()
            if what == "end":
                life.disk.kill()
            after = check(life)
            after.disk.kill()
            assert after.history is not None
            after.history.close()
            again = Life(life.folder, FailingDisk())
            again.start()
            again.stored = after.stored
            return again
    return life


def test_a_refusal_says_the_true_reason(tmp_path: Path) -> None:
    disk = FailingDisk()
    life = Life(tmp_path / "peer", disk)
    life.start()
    disk.wrong = lambda what: errno.EDQUOT if what == "write" else None
    with pytest.raises(StoreError, match=r"journal-000000000001: Disk quota exceeded"):
        life.queue._journal.append(TURNS[0])
    life.die()
