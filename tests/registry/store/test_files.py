"""The folder of the file store: who may use it, its contents, when a checkpoint is made."""

import errno
import os
import stat
from pathlib import Path

import pytest

from chatapp.registry.store.files import CHECKPOINT_BYTES, FileStore
from chatapp.registry.store.protocol import StoreInUse, StoreUnusable
from chatapp.wire.errors import StoreFull
from tests.registry.store.playbook import BOB, CAROL, MAIL, cut, files, line, opened, stored, taken
from tests.wire.storage.disks import FailingDisk, WatchedDisk


def test_a_folder_has_one_registry(tmp_path: Path) -> None:
    first = FileStore(tmp_path)
    with pytest.raises(StoreInUse, match=str(tmp_path)):
        FileStore(tmp_path)
    first.close()
    FileStore(tmp_path).close()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="file"):
        FileStore(tmp_path / "file")
    with pytest.raises(StoreUnusable):
        FileStore(tmp_path / "file" / "below")


def test_nobody_else_may_look(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store, _ = opened(tmp_path / "new" / "store", WatchedDisk())
        store.append([stored(1), line(1)])
        store.checkpoint()
        store.append([stored(2)])
    finally:
        os.umask(before)
    found = {
        path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "store").rglob("*")
    }
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert stat.S_IMODE((tmp_path / "new" / "store").stat().st_mode) == 0o700
    store.close()


def test_the_store_must_be_loaded_first(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(RuntimeError, match="load comes before"):
        store.append([stored(1)])
    store.close()


def test_one_write_an_append_and_one_sync_for_all(tmp_path: Path) -> None:
    disk = WatchedDisk()
    store, _ = opened(tmp_path, disk)
    disk.steps.clear()
    for serial in range(10):
        store.append([stored(2 * serial), stored(2 * serial + 1, CAROL), line(serial)])
    store.sync()
    assert disk.steps == ["write"] * 10 + ["sync"]
    store.close()


def test_what_stands_in_the_folder(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    assert files(tmp_path) == ["journal-000000000001", "journals", "lock", "names"]
    store.append([stored(1)])
    store.checkpoint()
    assert files(tmp_path) == ["journal-000000000002", "journals", "lock", MAIL, "names"]
    store.append([taken(1)])
    store.close()
    assert files(tmp_path) == ["journal-000000000003", "journals", "lock", "names"]
    opened(tmp_path, WatchedDisk())[0].close()
    assert files(tmp_path) == ["journal-000000000004", "journals", "lock", "names"]


def test_when_a_checkpoint_is_due(tmp_path: Path) -> None:
    now = 100.0
    store = FileStore(tmp_path, disk=WatchedDisk(), now=lambda: now)
    store.load()
    assert not store.checkpoint_due(1000.0)  # there is nothing to bring to rest
    store.append([stored(1)])
    assert not store.checkpoint_due(159.0)
    assert store.checkpoint_due(160.0)
    now = 170.0
    store.checkpoint()
    assert not store.checkpoint_due(1000.0)
    store.append([line(n, size=1_000_000) for n in range(CHECKPOINT_BYTES // 1_000_000 + 1)])
    assert store.checkpoint_due(171.0)
    store.close()


def test_a_failed_checkpoint_is_due_again_after_a_while(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1)])
    now = 60.0
    store._now = lambda: now
    assert store.checkpoint_due(now)
    disk.wrong = lambda what: errno.ENOSPC if what == "write" else None
    with pytest.raises(StoreFull):
        store.checkpoint()
    assert not store.checkpoint_due(64.0)
    assert store.checkpoint_due(65.0)
    disk.wrong = lambda what: None
    store.checkpoint()
    assert not store.checkpoint_due(1000.0)
    store.close()


def test_a_full_disk_asks_for_a_checkpoint(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1), taken(1)])
    disk.wrong = lambda what: errno.ENOSPC if what == "write" else None
    with pytest.raises(StoreFull):
        store.append([stored(2)])
    assert store.checkpoint_due(0.0)
    disk.wrong = lambda what: None
    store.checkpoint()
    assert not store.checkpoint_due(0.0)
    store.close()


def test_runs_that_are_cut_short_pile_up_no_journals(tmp_path: Path) -> None:
    for serial in range(1, 12):
        disk = WatchedDisk()
        store, _ = opened(tmp_path, disk)
        store.append([stored(serial)])
        if store.checkpoint_due(0.0):
            store.checkpoint()
        disk.kill()
    assert len(list(tmp_path.glob("journal-*"))) < 9
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == list(range(1, 12))
    store.close()


def test_open_files_do_not_pile_up(tmp_path: Path) -> None:
    disk = WatchedDisk()
    store, _ = opened(tmp_path, disk)
    for serial in range(1, 30):
        person = bytes([serial % 5]) * 32
        store.append(
            [stored(serial, person), stored(100 + serial, person), line(serial), cut(serial - 1)]
        )
        store.append([taken(serial - 5, recipient=person)])
        store.read_letters(person, [serial])
        store.checkpoint()
        assert len(disk._open) == 5  # three folders, the lock, one journal
    store.close()
    assert not disk._open
