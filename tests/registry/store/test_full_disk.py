"""A disk that stays full: memory stays bounded, nothing kept is lost, and the store resumes when
there is room."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatapp.registry.store.entries import Entry
from chatapp.registry.store.files import FileStore
from chatapp.wire.errors import StoreFull
from tests.registry.store.playbook import BOB, Model, cut, key, line, opened, stored, taken, view
from tests.wire.storage.disks import FailingDisk, WatchedDisk


def test_a_disk_that_stays_full_piles_up_no_journals_and_no_open_files(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1000), stored(1001)])
    store.checkpoint()
    store.append([taken(1000)])  # so that the mailbox has to be written anew, and renamed
    open_before = len(disk._open)
    for serial in range(1, 30):
        disk.wrong = lambda what: None
        store.append([stored(serial)])
        disk.wrong = lambda what: errno.ENOSPC if what == "rename" else None
        with pytest.raises(StoreFull):
            store.checkpoint()
        assert store.read_letters(BOB, [1001, serial]) == [
            stored(1001).letter,
            stored(serial).letter,
        ]
    assert len(list(tmp_path.glob("journal-*"))) <= 2
    assert len(disk._open) <= open_before + 2  # a journal, and a mailbox that has not got its name
    disk.wrong = lambda what: None
    store.close()
    assert not disk._open
    assert len(list(tmp_path.glob("journal-*"))) == 1
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [*range(1, 30), 1001]
    store.close()


def test_a_mailbox_that_never_got_its_name_is_let_go_of_in_the_end(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1), stored(2)])
    store.checkpoint()
    store.append([taken(1)])
    disk.wrong = lambda what: errno.ENOSPC if what == "rename" else None
    store.close()
    assert not disk._open
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [2]
    store.close()


def test_keys_that_a_cut_took_stay_away_after_a_checkpoint_in_two_parts(tmp_path: Path) -> None:
    """The present journal was checkpointed but not removed, and is replayed: its cut must remove
    its keys again."""
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    said: list[Entry] = [stored(1)]
    store.append(said)
    disk.wrong = lambda what: errno.ENOSPC if what == "rename" else None
    with pytest.raises(StoreFull):
        store.checkpoint()
    disk.wrong = lambda what: None
    more: list[Entry] = [
        key(1),
        line(1),
        key(2),
        key(3),
        cut(1),
        key(4),
        line(2, epoch=4),
        stored(2),
        taken(1),
    ]
    store.append(more)
    store.checkpoint()
    disk.kill()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert view(store, loaded) == Model().say(said + more).view()
    store.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A real limit of the kernel's, as near to a full disk as a test gets without being root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_real_limit_of_size(tmp_path: Path) -> None:
    store = FileStore(tmp_path, now=lambda: 0.0)
    store.load()
    store.append([stored(1)])
    with largest_file(4096):
        with pytest.raises(StoreFull):
            store.append([stored(2, size=5000)])
        store.append([stored(3)])
        store.sync()
        assert store.read_letters(BOB, [1, 3]) == [stored(1).letter, stored(3).letter]
    assert store.checkpoint_due(0.0)
    store.append([stored(4, size=5000)])
    store.close()
    store = FileStore(tmp_path)
    assert [head.serial for head in store.load().letters[BOB]] == [1, 3, 4]
    store.close()
