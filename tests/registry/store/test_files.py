"""The folder of the file store: who may use it, what stands in it when, and what does not belong there."""

import errno
import os
import stat
from pathlib import Path

import pytest

from registry.store.errors import StoreFull, StoreInUse, StoreUnusable
from registry.store.files import CHECKPOINT_BYTES, FileStore
from tests.registry.store.disks import FailingDisk, WatchedDisk
from tests.registry.store.playbook import (
    BOB,
    CAROL,
    cut,
    gone,
    key,
    line,
    opened,
    stored,
    taken,
)

MAIL = f"mail/{BOB.hex()}.mail"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


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
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "store").rglob("*")}
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
    assert files(tmp_path) == ["journal-000000000001", "lock"]
    store.append([stored(1)])
    store.checkpoint()
    assert files(tmp_path) == ["journal-000000000002", "lock", MAIL, "names"]
    store.append([taken(1)])
    store.close()
    assert files(tmp_path) == ["lock", "names"]


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
    assert files(tmp_path) == ["lock", "names"]


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
def test_a_mailbox_written_anew_is_appended_to_again(tmp_path: Path, cause: str) -> None:
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


def test_a_group_is_written_anew_when_most_of_it_is_dead(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    sizes = []
    for position in range(1, 60):
        store.append([line(position, size=5000), cut(position - 3)])
        store.checkpoint()
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "groups").iterdir()))
    assert max(sizes) < 100_000
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["tea"].lines] == [57, 58, 59]
    store.close()


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
        store.append([stored(serial, person), stored(100 + serial, person), line(serial), cut(serial - 1)])
        store.append([taken(serial - 5, recipient=person)])
        store.read_letters(person, [serial])
        store.checkpoint()
        assert len(disk._open) == 5  # three folders, the lock, one journal
    store.close()
    assert not disk._open


def test_many_lines_at_once(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    positions = range(1, 2501)
    store.append([line(position, size=position % 30) for position in positions])
    store.checkpoint()
    assert store.read_lines("tea", positions) == [line(n, size=n % 30).frame for n in positions]
    store.close()


def test_a_group_that_is_gone_leaves_the_disk(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([key(1, "#a"), line(1, "#a", size=500)])
    store.checkpoint()
    assert len(list((tmp_path / "groups").iterdir())) == 1
    store.append([gone("#a")])
    store.checkpoint()
    assert list((tmp_path / "groups").iterdir()) == []
    store.append([key(2, "#a"), line(7, "#a", epoch=2)])
    store.checkpoint()
    store.append([gone("#a"), key(3, "#a"), line(9, "#a", epoch=3, size=20)])
    store.close()
    (file,) = (tmp_path / "groups").iterdir()
    assert line(1, "#a", size=500).frame not in file.read_bytes()
    _, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["#a"].lines] == [9]
    assert list(loaded.groups["#a"].keys) == [3]


def test_the_hollow_file_of_a_group_that_could_not_be_removed_goes_at_the_next_start(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([key(1, "#a"), line(1, "#a")])
    store.checkpoint()
    store.append([gone("#a")])
    disk.wrong = lambda what: errno.EACCES if what == "remove" else None
    store.checkpoint()
    disk.kill()
    assert len(list((tmp_path / "groups").iterdir())) == 1
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.groups == {}
    assert loaded.damage == []
    assert list((tmp_path / "groups").iterdir()) == []
    store.close()


def test_a_group_that_goes_while_its_file_is_written_does_not_come_back(tmp_path: Path) -> None:
    """The checkpoint that is under way puts down what it saw at its beginning."""
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([key(1, "#a"), line(1, "#a", size=70_000), line(2, "#a"), cut(1, "#a")])
    store.checkpoint()
    store.append([line(3, "#a"), cut(2, "#a")])
    said: list[None] = []

    def meanwhile(what: str) -> int | None:
        if what == "rename" and not said:
            said.append(None)
            store.append([gone("#a"), key(5, "#a"), line(8, "#a", epoch=5)])
        return None

    disk.wrong = meanwhile
    store.checkpoint()
    assert said
    disk.wrong = lambda what: None
    store.checkpoint()
    assert store.read_lines("#a", [8]) == [line(8, "#a", epoch=5).frame]
    store.close()
    _, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["#a"].lines] == [8]
    assert list(loaded.groups["#a"].keys) == [5]
