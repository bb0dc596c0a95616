"""A mailbox's file: appended to, rewritten, removed when empty."""

import errno
from pathlib import Path

import pytest

from tests.registry.store.playbook import MAIL, files, opened, stored, taken
from tests.wire.storage.disks import FailingDisk, WatchedDisk


def test_an_empty_mailbox_that_could_not_be_removed_goes_later(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1)])
    store.checkpoint()
    store.append([taken(1)])
    disk.wrong = lambda what: errno.EACCES if what == "remove" else None
    store.checkpoint()
    store.close()
    assert MAIL in files(tmp_path)
    disk.kill()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.letters == {}
    store.close()
    assert MAIL not in files(tmp_path)


def test_letters_that_were_taken_leave_the_disk(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1, size=500), stored(2, size=600)])
    store.checkpoint()
    store.append([taken(1)])
    store.checkpoint()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert stored(1, size=500).letter not in left
    assert stored(2, size=600).letter in left
    store.close()


def test_a_mailbox_that_only_grows_is_appended_to(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    inodes = set()
    for serial in range(1, 5):
        store.append([stored(serial)])
        store.checkpoint()
        inodes.add((tmp_path / MAIL).stat().st_ino)
    store.close()
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(9)])
    store.close()
    inodes.add((tmp_path / MAIL).stat().st_ino)
    assert len(inodes) == 1


@pytest.mark.parametrize("cause", ["taking", "damage"])
def test_a_rewritten_mailbox_is_appended_to_again(tmp_path: Path, cause: str) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), stored(2)])
    store.checkpoint()
    if cause == "damage":
        store.close()
        (tmp_path / MAIL).write_bytes((tmp_path / MAIL).read_bytes() + b"damage")
        store, _ = opened(tmp_path, WatchedDisk())
    store.append([taken(1)] if cause == "taking" else [stored(3)])
    store.checkpoint()
    anew = (tmp_path / MAIL).stat().st_ino
    store.append([stored(4)])
    store.checkpoint()
    assert (tmp_path / MAIL).stat().st_ino == anew
    store.close()
