"""The folder of the file store: who may use it, what stands in it when, and what does not belong there."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from registry.store.entries import AtRest, encode
from registry.store.errors import RecordLost, StoreFull, StoreInUse, StoreUnusable
from registry.store.files import CHECKPOINT_BYTES, FileStore
from registry.store.records import frame
from tests.registry.store.disks import FailingDisk, WatchedDisk
from tests.registry.store.playbook import (
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
    disk.wrong = lambda what: 13 if what == "remove" else None
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
    disk.wrong = lambda what: 28 if what == "write" else None
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
    disk.wrong = lambda what: 28 if what == "write" else None
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
    store, _ = opened(tmp_path, WatchedDisk())
    before = None
    for serial in range(1, 30):
        store.append([stored(serial), line(serial), cut(serial - 2)])
        store.read_letters(BOB, [serial])
        store.checkpoint()
        now = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        assert before in (None, now)
        before = now
    store.close()


def test_links_and_strangers_files_are_left_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(frame(encode(stored(9))))
    root = tmp_path / "store"
    (root / "mail").mkdir(parents=True)
    (root / "groups").mkdir()
    (root / MAIL).symlink_to(secret)
    os.mkfifo(root / "mail" / f"{CAROL.hex()}.mail")
    (root / "groups" / ("a" * 64 + ".log")).mkdir()
    strangers = ["mail/readme.txt", "mail/AA.mail", "groups/x.log", "journal-1", "names.bak"]
    for name in strangers:
        (root / name).write_bytes(b"mine")
    store, loaded = opened(root, WatchedDisk())
    assert view(store, loaded) == Model().view()
    assert len(loaded.damage) == 3
    store.append([stored(1), stored(2, CAROL), line(1)])
    store.close()
    assert secret.read_bytes() == frame(encode(stored(9)))
    assert all((root / name).read_bytes() == b"mine" for name in strangers)
    store, loaded = opened(root, WatchedDisk())
    assert loaded.damage == []
    assert view(store, loaded) == Model().say([stored(1), stored(2, CAROL), line(1)]).view()
    store.close()


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mail").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        FileStore(tmp_path / "store", disk=WatchedDisk())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "names").touch(mode=0)
    with pytest.raises(StoreUnusable, match="names"):
        opened(tmp_path, WatchedDisk())


def test_entries_of_a_later_version_are_counted_and_kept_aside(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), bound("al")])
    store.close()
    later = frame(msgspec.msgpack.encode([99, "new"]))
    astray = frame(encode(stored(5, CAROL)))  # in another's mailbox
    for name in (MAIL, "names", "journal-000000000007"):
        with (tmp_path / name).open("ab") as file:
            file.write(later + astray + frame(encode(AtRest(3, 4))))
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.skipped == 2 + 2 + 2
    assert len(loaded.damage) == 3
    assert loaded.names == [bound("al")]
    assert {owner: len(heads) for owner, heads in loaded.letters.items()} == {BOB: 1, CAROL: 1}
    store.close()
    assert (tmp_path / "journal-000000000007.damaged-1").read_bytes().startswith(later)


def test_a_mailbox_changed_by_another_hand_is_written_anew(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1)])
    store.checkpoint()
    with (tmp_path / MAIL).open("ab") as file:
        file.write(b"a few bytes")
    store.append([stored(2)])
    store.checkpoint()
    assert store.read_letters(BOB, [1, 2]) == [stored(1).letter, stored(2).letter]
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.damage == []
    assert len(loaded.letters[BOB]) == 2
    store.close()


@pytest.mark.parametrize("at_rest", [False, True])
def test_a_record_that_rots_is_named_and_the_others_stay(tmp_path: Path, at_rest: bool) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), stored(2), stored(3)])
    if at_rest:
        store.checkpoint()
    file = tmp_path / (MAIL if at_rest else "journal-000000000001")
    rotten = bytearray(file.read_bytes())
    rotten[150] ^= 1
    file.write_bytes(rotten)
    with pytest.raises(RecordLost) as caught:
        store.read_letters(BOB, [1, 2, 3])
    assert caught.value.keys == [2]
    store.append([taken(1), stored(4)])
    store.checkpoint()
    with pytest.raises(RecordLost):
        store.read_letters(BOB, [2])
    store.close()
    assert Path(f"{file}.damaged-1").read_bytes().startswith(rotten)
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [3, 4]
    assert store.read_letters(BOB, [3, 4]) == [stored(3).letter, stored(4).letter]
    store.close()


def test_keys_are_told_by_their_epochs(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([key(1), key(2), line(1, epoch=2), cut(0)])
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert list(loaded.groups["tea"].keys) == [1, 2]
    store.close()
