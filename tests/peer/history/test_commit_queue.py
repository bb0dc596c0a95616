"""When records reach the journal: promised ones at once, others batched; when they are filed; and
disks that fail."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import (
    CAN_WAIT,
    CursorMoved,
    FloorRaised,
    IncomingAdded,
    OpeningTaken,
    OutgoingAdded,
    OutgoingChanged,
    Record,
    Shown,
)
from chatapp.peer.history import journal
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import RecordJournal
from chatapp.peer.node import storage
from chatapp.peer.node.storage import (
    BATCH_SPAN,
    LAGGING_SYNC_SPAN,
    STORE_AGAIN_AFTER,
    SYNC_SPAN,
    UNFILED_SPAN,
    CommitQueue,
)
from chatapp.wire.storage import scan
from tests.wire.storage.disks import FailingDisk, bad_sync, no_room

KEY = b"b" * 32
PROMISED = IncomingAdded(KEY, 5, 0, "hi", False)
PATIENT = CursorMoved(7)


class Rig:
    """A queue over a journal on a disk that may fail, and a database that may be locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = FailingDisk()
        self.journal = RecordJournal(folder, server="here", disk=self.disk)
        self.path = folder / "history.db"
        self.history = History(self.path, server="here")
        self.history._db.execute("PRAGMA busy_timeout = 1")
        self.queue = CommitQueue(self.history, self.journal)
        self.other = sqlite3.connect(self.path, isolation_level=None)

    def fill_up(self) -> None:
        self.disk.wrong = no_room

    def make_room(self) -> None:
        self.disk.wrong = lambda what: None

    def stored(self) -> list[list[Record]]:
        """The frames' records so far."""
        payloads = [
            scan(path.read_bytes())[0][1:] for path in sorted(self.folder.glob("journal-*"))
        ]
        return [
            msgspec.msgpack.decode(turn, type=list[Record]) for turns in payloads for turn in turns
        ]

    def texts(self) -> list[str]:
        """What is filed."""
        return [line.text for line in self.history.lines.all()]

    def close(self) -> None:
        self.other.close()
        self.queue.close(now=99.0)
        self.history.close()
        self.disk.kill()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_what_a_promise_rests_on_is_written_at_once(rig: Rig) -> None:
    assert rig.queue.keep([PROMISED], now=1.0)
    assert rig.stored() == [[PROMISED]]
    assert rig.disk.steps.count("write") == 2  # and the beginning of the journal


def test_the_rest_waits_for_company_and_not_for_ever(rig: Rig) -> None:
    assert rig.queue.keep([PATIENT], now=1.0)
    assert rig.stored() == []
    assert rig.queue.next_timer() == 1.0 + BATCH_SPAN
    assert rig.queue.keep([PROMISED], now=1.01)
    assert rig.stored() == [[PATIENT, PROMISED]]  # in their order
    assert rig.queue.keep([PATIENT], now=2.0)
    assert rig.queue.keep([], now=2.0 + BATCH_SPAN)
    assert rig.stored()[1:] == [[PATIENT]]


def test_nothing_waits_at_the_end(rig: Rig) -> None:
    rig.queue.keep([PATIENT], now=1.0)
    assert rig.queue.keep([], now=1.0, is_last=True)
    assert rig.stored() == [[PATIENT]]


def test_a_full_disk_is_told_of_once_and_tried_again_now_and_then(rig: Rig) -> None:
    rig.fill_up()
    assert not rig.queue.keep([PROMISED], now=1.0)
    assert rig.queue.trouble is not None
    assert rig.queue.trouble.endswith("No space left on device")
    rig.queue.trouble = None
    again = 1.0 + STORE_AGAIN_AFTER
    assert rig.queue.next_timer() == again
    tries = rig.disk.steps.count("write")
    assert not rig.queue.keep([PATIENT], now=again - 0.01)
    assert rig.disk.steps.count("write") == tries
    assert not rig.queue.keep([], now=again)
    assert rig.queue.trouble is None
    rig.make_room()
    assert rig.queue.keep([], now=again + STORE_AGAIN_AFTER)
    assert rig.stored() == [[PROMISED, PATIENT]]
    rig.fill_up()
    assert not rig.queue.keep([PROMISED], now=9.0)
    assert "No space" in str(rig.queue.trouble)
    rig.make_room()


def test_long_texts_fill_a_queue_before_many_records_do(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "TEXTS_WAITING_MAX", 3_000)
    rig.fill_up()
    fullness = []
    for number in range(3):
        rig.queue.keep([IncomingAdded(KEY, number, 0, "x" * 1_000, False)], now=1.0)
        fullness.append(rig.queue.is_full)
    rig.make_room()
    rig.queue.keep([], now=1.0 + STORE_AGAIN_AFTER)
    assert [*fullness, rig.queue.is_full] == [False, False, True, False]


def test_the_last_try_is_made_even_on_a_disk_that_was_full(rig: Rig) -> None:
    rig.fill_up()
    rig.queue.keep([PROMISED], now=1.0)
    assert not rig.queue.keep([], now=1.1, is_last=True)
    rig.make_room()
    assert rig.queue.keep([], now=1.2, is_last=True)


@pytest.mark.parametrize("step", ["write", "create", "cut"])
def test_what_was_refused_is_stored_once_it_is_taken(rig: Rig, step: str) -> None:
    """Half a frame is cut off; where that fails, another generation is begun behind it."""
    assert rig.queue.keep([OutgoingAdded(KEY, 1, 0, "one")], now=1.0)
    if step == "create":
        rig.journal.end()
    failing = ("write", step)
    rig.disk.wrong = lambda what: errno.EIO if what in failing else None
    assert not rig.queue.keep([OutgoingAdded(KEY, 2, 0, "two")], now=2.0)
    rig.make_room()
    assert rig.queue.keep([OutgoingAdded(KEY, 3, 0, "three")], now=4.0)
    assert rig.queue.file_all(now=4.0)
    assert rig.texts() == ["one", "two", "three"]
    assert rig.history.filed.lines == rig.journal.lines == 3


def test_records_too_many_for_one_frame_take_several(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LARGEST_CLAIM", 400)
    assert rig.queue.keep(
        [OutgoingAdded(KEY, number, 0, "x" * 50) for number in range(1, 30)], now=1.0
    )
    assert rig.queue.file_all(now=1.0)
    assert len(rig.texts()) == 29


def test_records_are_filed_together_some_seconds_after_the_first_of_them(rig: Rig) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    assert rig.queue.sync(now=1.0)
    rig.queue.keep([Shown(KEY, 5)], now=3.0)
    assert rig.queue.sync(now=3.0)
    assert rig.queue.next_timer() == 1.0 + UNFILED_SPAN
    rig.queue.file_if_due(now=0.9 + UNFILED_SPAN)
    assert rig.texts() == []
    rig.queue.file_if_due(now=1.0 + UNFILED_SPAN)
    assert rig.texts() == ["hi"]
    assert rig.queue.next_timer() is None


def test_much_is_filed_under_load_a_part_at_a_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "UNFILED_MAX", 250)
    monkeypatch.setattr(journal, "READ_AT_ONCE", 170)  # a frame
    for number in range(1, 5):
        rig.queue.keep([OutgoingAdded(KEY, number, 0, "x" * 100)], now=1.0)
        rig.queue.file_if_due(now=1.0)
        assert len(rig.texts()) == max(0, number - 1)
    assert rig.queue.next_timer() == 1.0 + SYNC_SPAN


def test_records_that_have_waited_for_long_are_filed_under_load(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SYNC_SPAN", 60.0)
    for step in range(8):
        now = 1.0 + step * UNFILED_SPAN / 8  # never idle
        rig.queue.keep([OutgoingAdded(KEY, step + 1, 0, "x")], now=now)
        assert rig.queue.next_timer() == 1.0 + UNFILED_SPAN
        rig.queue.file_if_due(now=now)
        assert rig.texts() == []
    rig.queue.keep([OutgoingAdded(KEY, 9, 0, "x")], now=1.0 + UNFILED_SPAN)
    rig.queue.file_if_due(now=1.0 + UNFILED_SPAN)
    assert len(rig.texts()) == 9
    rig.queue.keep([OutgoingAdded(KEY, 10, 0, "x")], now=1.5 + UNFILED_SPAN)
    rig.queue.file_if_due(now=1.5 + UNFILED_SPAN)
    assert len(rig.texts()) == 9  # the span begins again


def test_a_database_that_cannot_be_written_is_told_of_once_and_lacks_nothing_later(
    rig: Rig,
) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    assert rig.queue.sync(now=1.0)
    rig.other.execute("BEGIN IMMEDIATE")
    due = 2.0 + UNFILED_SPAN
    rig.queue.file_if_due(now=due)
    assert rig.queue.filing_trouble == "database is locked"
    rig.queue.filing_trouble = None
    assert rig.queue.next_timer() == due + STORE_AGAIN_AFTER
    assert not rig.queue.file_all(now=due + 0.5)
    assert rig.queue.filing_trouble is None
    assert rig.queue.keep([Shown(KEY, 5)], now=due + 0.5)  # and promises go on
    rig.other.execute("ROLLBACK")
    rig.queue.file_if_due(now=due + 0.6)
    assert rig.texts() == []
    rig.queue.file_if_due(now=due + 0.5 + STORE_AGAIN_AFTER)
    assert rig.texts() == ["hi"]
    assert rig.history.load().streams[KEY].shown == 5


def test_a_generation_goes_when_it_is_filed_and_the_database_on_the_disk(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "GENERATION_MAX", 1)
    for number in range(1, 4):
        rig.queue.keep([OutgoingAdded(KEY, number, 0, str(number))], now=1.0)
    assert len(journals_in(rig.folder)) == 3
    rig.other.execute("BEGIN")
    rig.other.execute(
        "SELECT count(*) FROM lines"
    ).fetchone()  # a reader: the log cannot be merged entirely
    assert rig.queue.file_all(now=2.0)
    assert len(journals_in(rig.folder)) == 3
    rig.other.execute("ROLLBACK")
    rig.queue.keep([PROMISED], now=3.0)
    assert rig.queue.file_all(now=3.0)
    assert len(journals_in(rig.folder)) == 1
    assert rig.texts() == ["1", "2", "3", "hi"]


def test_the_end_leaves_no_journal(rig: Rig) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    rig.queue.close(now=1.0)
    assert journals_in(rig.folder) == []
    assert rig.texts() == ["hi"]
    rig.journal = RecordJournal(rig.folder, server="here", disk=rig.disk)
    rig.queue.use(rig.history, rig.journal)


def test_what_was_told_is_synced_within_a_second_and_only_once(rig: Rig) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    for step in range(1, 10):
        rig.queue.keep([Shown(KEY, 5)], now=1.0 + step * 0.05)  # later records do not put it off
    assert rig.queue.begin_sync(now=1.0 + SYNC_SPAN - 0.01) is None
    pending = rig.queue.begin_sync(now=1.0 + SYNC_SPAN)
    assert pending is not None
    assert rig.queue.begin_sync(now=9.0) is None, "one at a time"
    pending.run()
    assert rig.queue.end_sync(None, now=2.0)
    assert rig.disk.steps.count("sync") == rig.disk.steps.count("sync_folder") == 1
    rig.queue.file_all(now=2.0)
    assert rig.queue.next_timer() is None, "nothing is new, and nobody is woken up"
    assert rig.queue.begin_sync(now=99.0) is None
    rig.queue.keep([PROMISED], now=100.0)
    assert rig.queue.sync(now=100.1)
    assert rig.disk.steps.count("sync") == 2
    assert rig.disk.steps.count("sync_folder") == 1, "the name of the file is on the disk"


def test_what_is_written_during_a_sync_waits_for_the_next(rig: Rig) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    pending = rig.queue.begin_sync(now=2.0)
    assert pending is not None
    rig.queue.keep([PROMISED], now=2.1)
    pending.run()
    assert rig.queue.end_sync(None, now=2.2)
    rig.queue.file_all(now=2.2)
    assert rig.queue.next_timer() == 2.1 + SYNC_SPAN


def test_what_nobody_was_told_of_is_synced_late_or_never_alone(rig: Rig) -> None:
    rig.queue.keep([PATIENT], now=1.0, is_last=True)
    rig.queue.file_all(now=1.0)
    assert rig.queue.next_timer() is None
    rig.queue.keep([OpeningTaken(KEY, 1)], now=2.0)
    rig.queue.file_all(now=2.0)
    assert rig.queue.next_timer() == 2.0 + LAGGING_SYNC_SPAN
    rig.queue.keep([PROMISED], now=3.0)
    rig.queue.file_all(now=3.0)
    assert rig.queue.next_timer() == 3.0 + SYNC_SPAN


def test_all_generations_are_synced(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "GENERATION_MAX", 1)
    for number in range(3):
        rig.queue.keep([IncomingAdded(KEY, number, 0, "x", False)], now=1.0)
    assert rig.queue.sync(now=1.0)
    assert rig.disk.steps.count("sync") == 3


def test_after_a_failed_sync_the_database_takes_what_the_disk_did_not_confirm(rig: Rig) -> None:
    rig.queue.keep([PROMISED], now=1.0)
    rig.disk.wrong = bad_sync
    assert not rig.queue.sync(now=2.0)
    assert "Input/output error" in str(rig.queue.trouble)
    rig.disk.wrong = lambda what: None
    rig.other.execute("BEGIN")
    rig.other.execute(
        "SELECT count(*) FROM lines"
    ).fetchone()  # a reader: the database is not on the disk
    assert not rig.queue.sync(now=3.0)
    rig.other.execute("ROLLBACK")
    rig.queue.keep([Shown(KEY, 5)], now=4.0)  # in another generation
    assert rig.queue.begin_sync(now=4.0) is not None
    assert len(journals_in(rig.folder)) == 1
    assert rig.texts() == ["hi"]
    assert rig.queue.end_sync(None, now=4.1)


def journals_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("journal-*")]


def test_only_what_costs_no_more_than_a_recognised_repeat_can_wait() -> None:
    patient: list[Record] = [CursorMoved(1), FloorRaised(KEY, 1)]
    hasty: list[Record] = [
        IncomingAdded(KEY, 1, 0, "", False),
        OutgoingAdded(KEY, 1, 0, ""),
        Shown(KEY, 1),
        *(OutgoingChanged(KEY, 1, standing) for standing in MessageState),
    ]
    assert CAN_WAIT.issuperset(map(type, patient))
    assert CAN_WAIT.isdisjoint(map(type, hasty))
