"""Disk errors at any step: the store recovers later, and never confirms what is not on disk."""

import errno
import itertools
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from chatapp.registry.store.entries import Entry
from chatapp.registry.store.files import RETRY_SPAN, FileStore
from chatapp.wire.errors import StoreBroken, StoreError, StoreFull, StoreReadOnly
from chatapp.wire.storage import SyncFailed
from tests.registry.store.playbook import (
    ALICE,
    BOB,
    CAROL,
    Model,
    bound,
    cut,
    key,
    line,
    opened,
    stored,
    taken,
    view,
)
from tests.wire.storage.disks import FailingDisk, WatchedDisk, bad_sync
from tests.wire.storage.power import PowerDisk

BEFORE: list[Entry] = [
    bound("al"),
    key(1),
    line(1),
    line(2),
    stored(1),
    stored(2),
    stored(3, CAROL),
    stored(4, ALICE),
]
AFTER: list[Entry] = [
    taken(1),
    taken(3, recipient=CAROL),
    stored(5),
    stored(6, ALICE),
    line(3),
    cut(1),
    bound("bo"),
]
LAST: list[Entry] = [stored(7, CAROL), taken(2, 5), line(4), key(2), taken(4, recipient=ALICE)]


def fail_once(disk: FailingDisk, step: int, number: int) -> None:
    """Let the step of that number, counted from now, fail, and no other."""
    target = len(disk.steps) + 1 + step
    disk.wrong = lambda what: (
        number if len(disk.steps) == target and not what.startswith("sync") else None
    )


@pytest.mark.parametrize("more", [[], LAST])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_a_checkpoint_that_fails_at_any_step_is_made_up_for_later(
    tmp_path: Path, number: int, more: list[Entry]
) -> None:
    expected = StoreFull if number == errno.ENOSPC else StoreBroken
    failures = 0
    for step in itertools.count():
        disk = FailingDisk()
        store, _ = opened(tmp_path / str(step), disk)
        store.append(BEFORE)
        store.checkpoint()
        store.append(AFTER)
        start = len(disk.steps)
        fail_once(disk, step, number)
        try:
            store.checkpoint()
        except StoreError as wrong:
            assert type(wrong) is expected
            failures += 1
        if len(disk.steps) <= start + step:
            break
        disk.wrong = lambda what: None
        go_on(tmp_path / str(step), store, disk, more, disk.steps[start + step])
    assert failures > 5


def go_on(
    folder: Path, store: FileStore, disk: FailingDisk, more: list[Entry], failed: str
) -> None:
    """Check that new entries count and old entries are there, at every later moment."""
    # also while a new file has no name yet
    for owner, box in Model().say([*BEFORE, *AFTER]).mail.items():
        assert store.read_letters(owner, list(box)) == [entry.letter for entry in box.values()]
    store.append(more)
    model = Model().say([*BEFORE, *AFTER, *more]).view()
    store.checkpoint()
    assert store.read_letters(ALICE, [6]) == [stored(6).letter]
    assert len(disk._open) == 5  # three folders, the lock, one journal
    if "remove" not in failed:  # a removal is tried again at the next start only
        assert {path.stem for path in folder.glob("mail/*.mail")} == {
            owner.hex() for owner in model["mail"]
        }
    disk.kill()
    store, loaded = opened(folder, WatchedDisk())
    assert loaded.damage == []
    assert view(store, loaded) == model
    store.close()
    store, loaded = opened(folder, WatchedDisk())
    assert view(store, loaded) == model
    store.close()
    assert len(list(folder.glob("journal-*"))) == 1


def test_a_sync_that_fails_at_any_step_of_a_checkpoint_ends_all_promises(tmp_path: Path) -> None:
    for step in itertools.count():
        folder = tmp_path / str(step)
        disk = FailingDisk()
        store, _ = opened(folder, disk)
        store.append(BEFORE)
        store.checkpoint()
        store.append(AFTER)
        start = len(disk.steps)
        disk.wrong = lambda what, at=start + 1 + step, disk=disk: (  # type: ignore[misc]
            errno.EIO if what.startswith("sync") and len(disk.steps) >= at else None
        )
        try:
            store.checkpoint()
        except StoreReadOnly:
            with pytest.raises(StoreReadOnly):
                store.append(LAST)
            assert store.read_letters(ALICE, [6]) == [stored(6).letter]
        else:
            break
        disk.wrong = lambda what: None
        store.close()
        store, loaded = opened(folder, WatchedDisk())
        assert view(store, loaded) == Model().say([*BEFORE, *AFTER]).view()
        store.close()
    assert step > 10


def test_half_a_write_that_cannot_be_taken_back_ends_all_promises(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([stored(1)])
    disk.wrong = lambda what: errno.EIO if what in {"write", "cut"} else None
    with pytest.raises(StoreReadOnly, match="taken back"):
        store.append([stored(2)])
    disk.wrong = lambda what: None
    with pytest.raises(StoreReadOnly):
        store.checkpoint()
    with pytest.raises(StoreReadOnly):
        store.append([stored(3)])
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [1]
    store.close()


def test_a_write_that_fails_for_another_reason(tmp_path: Path) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    disk.wrong = lambda what: errno.EIO if what == "write" else None
    with pytest.raises(StoreBroken) as caught:
        store.append([stored(1)])
    assert caught.value.where.startswith("journal-")
    disk.wrong = lambda what: None
    store.append([stored(2)])
    store.close()


def test_a_start_whose_sync_fails_can_be_read_and_says_so(tmp_path: Path) -> None:
    disk = WatchedDisk()
    store, _ = opened(tmp_path, disk)
    store.append(BEFORE)
    disk.kill()
    failing = FailingDisk()
    failing.wrong = bad_sync
    store, loaded = opened(tmp_path, failing)
    assert "did not confirm" in loaded.damage[-1]
    assert view(store, loaded) == Model().say(BEFORE).view()
    with pytest.raises(StoreReadOnly):
        store.append(LAST)
    store.close()


def test_an_orderly_stop_on_a_full_disk_leaves_the_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append(BEFORE)
    disk.wrong = lambda what: errno.ENOSPC if what in {"write", "create"} else None
    store.close()
    assert "the journal stays" in caplog.text
    store, loaded = opened(tmp_path, WatchedDisk())
    assert view(store, loaded) == Model().say(BEFORE).view()
    store.close()


def test_after_a_failed_sync_the_store_recovers_when_the_disk_does(tmp_path: Path) -> None:
    """Check that refused entries never appear later, that confirmed ones are there, and that new
    ones count."""
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append(BEFORE)
    store.sync()
    store.append(AFTER)
    disk.wrong = bad_sync
    with pytest.raises(StoreReadOnly):
        store.sync()
    with pytest.raises(StoreError):
        store.recover()
    with pytest.raises(StoreReadOnly):
        store.append(LAST)
    disk.wrong = lambda what: None
    store.recover()
    kept = Model().say(BEFORE)
    for owner, box in kept.mail.items():
        assert store.read_letters(owner, list(box)) == [entry.letter for entry in box.values()]
    store.append(LAST)
    store.sync()
    assert len(disk._open) == 5  # three folders, the lock, one journal
    disk.kill()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.damage == []
    assert view(store, loaded) == kept.say(LAST).view()
    store.close()


def test_a_recovery_that_fails_at_any_step_is_made_up_for_later(tmp_path: Path) -> None:
    for step in itertools.count():
        folder, disk = tmp_path / str(step), FailingDisk()
        store, _ = opened(folder, disk)
        store.append(BEFORE)
        store.sync()
        store.append(AFTER)
        disk.wrong = bad_sync
        with pytest.raises(StoreReadOnly):
            store.sync()
        start = len(disk.steps)
        disk.wrong = lambda what, at=start + 1 + step, disk=disk: (  # type: ignore[misc]
            errno.EIO if len(disk.steps) == at else None
        )
        with suppress(StoreError):
            store.recover()
        if len(disk.steps) <= start + step:
            break
        disk.wrong = lambda what: None
        store.recover()
        store.append(LAST)
        store.sync()
        disk.kill()
        store, loaded = opened(folder, WatchedDisk())
        assert view(store, loaded) == Model().say([*BEFORE, *LAST]).view(), disk.steps[start + step]
        store.close()
    assert step > 10


def test_a_recovery_is_due_when_the_store_is_read_only_and_not_at_once_again(
    tmp_path: Path,
) -> None:
    now, disk = 100.0, FailingDisk()
    store = FileStore(tmp_path / "store", now=lambda: now, disk=disk)
    store.load()
    assert not store.recovery_due(now)
    store.append(BEFORE)
    disk.wrong = bad_sync
    with pytest.raises(StoreReadOnly):
        store.sync()
    assert store.recovery_due(now)
    with pytest.raises(StoreError):
        store.recover()
    assert not store.recovery_due(now)
    now += RETRY_SPAN
    assert store.recovery_due(now)
    store.close()


def test_the_power_fails_after_a_recovery(tmp_path: Path) -> None:
    """What was confirmed later is on the disk, and with it everything from before the failed
    sync."""
    for seed in range(20):
        disk = PowerDisk(10**9)
        folder = tmp_path / f"{seed}"
        store, _ = opened(folder, disk)
        store.append(BEFORE)
        store.sync()
        store.append(AFTER)
        store._give_up(SyncFailed(errno.EIO, "Input/output error"))
        store.recover()
        store.append(LAST)
        store.sync()
        left = tmp_path / f"{seed}-left"
        left.mkdir(mode=0o700)
        disk.survivors(left, Random(seed), seed / 20)
        disk.kill()
        store, loaded = opened(left, WatchedDisk())
        assert view(store, loaded) == Model().say([*BEFORE, *LAST]).view()
        store.close()
