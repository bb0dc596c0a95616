"""The journal by itself: whole batches or nothing, however much of them the disk accepts."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.wire.errors import StoreFull, StoreReadOnly
from chatapp.wire.storage import (
    Disk,
    Journal,
    SyncFailed,
    generation_in,
    journal_name,
    read_file,
)
from tests.wire.storage.disks import FailingDisk, WatchedDisk, bad_sync, no_room


class MiserlyDisk(WatchedDisk):
    """A disk that writes seven bytes at a time."""

    def write(self, file: int, data: bytes | memoryview) -> int:
        return super().write(file, data[:7])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_a_disk_that_takes_a_little_at_a_time(folder: int) -> None:
    disk = MiserlyDisk()
    journal = Journal.begin(disk, folder, 3)
    assert journal.append(b"a" * 20) == 0
    assert journal.append(b"b" * 30) == 20
    assert journal.read(30, 20) == b"b" * 30
    assert read_file(disk, folder, "journal-000000000003") == b"a" * 20 + b"b" * 30
    journal.close()


def test_a_batch_that_does_not_fit_leaves_nothing(folder: int) -> None:
    disk = FailingDisk()
    journal = Journal.begin(disk, folder, 1)
    journal.append(b"one")
    disk.wrong = no_room
    with pytest.raises(StoreFull, match="journal-000000000001: No space left on device"):
        journal.append(b"two two")
    assert read_file(disk, folder, journal.name) == b"one"
    disk.wrong = lambda what: None
    assert journal.append(b"three") == 3
    assert read_file(disk, folder, journal.name) == b"onethree"
    journal.close()


def test_after_a_failed_sync_no_later_one_can_say_yes(folder: int) -> None:
    disk = FailingDisk()
    journal = Journal.begin(disk, folder, 1)
    journal.append(b"one")
    journal.sync(3)
    journal.append(b"two")
    disk.wrong = bad_sync
    with pytest.raises(SyncFailed):
        journal.sync(6)
    disk.wrong = lambda what: None
    with pytest.raises(StoreReadOnly, match="did not confirm"):
        journal.append(b"three")
    assert journal.synced == 3
    journal.close()


def test_a_generation_is_used_once(folder: int) -> None:
    journal = Journal.begin(WatchedDisk(), folder, 1)
    with pytest.raises(FileExistsError):
        Journal.begin(WatchedDisk(), folder, 1)
    journal.retire()
    journal.retire()
    assert os.listdir(folder) == []


def test_names_of_generations() -> None:
    assert [generation_in(journal_name(number)) for number in (1, 10**12, 10**17)] == [
        1,
        10**12,
        10**17,
    ]
    for stranger in (
        "journal",
        "journal-1",
        "journal-000000000001.damaged-1",
        "journal-000000000001\n",
        "names",
    ):
        assert generation_in(stranger) is None


def test_the_disk_itself_says_which_error_was_a_sync() -> None:
    reading, writing = os.pipe()  # cannot be synced
    for sync in (Disk().sync, Disk().sync_folder):
        with pytest.raises(SyncFailed) as caught:
            sync(writing)
        assert caught.value.errno == errno.EINVAL
    os.close(reading)
    os.close(writing)
