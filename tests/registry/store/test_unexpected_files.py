"""Starts and checkpoints in a folder with unexpected or missing files."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from chatapp.registry.store.entries import CheckpointMark, encode
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import RecordLost, StoreUnusable
from chatapp.wire.errors import StoreFull
from chatapp.wire.storage import frame
from tests.registry.store.playbook import (
    BOB,
    CAROL,
    MAIL,
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
from tests.wire.storage.disks import FailingDisk, WatchedDisk


def test_links_and_strangers_files_are_left_alone(tmp_path: Path) -> None:
    unfinished = ["names.new", f"{MAIL}.new", "groups/" + "b" * 64 + ".log.new"]
    secret = tmp_path / "secret"
    secret.write_bytes(frame(encode(stored(9))))
    root = tmp_path / "store"
    (root / "mail").mkdir(parents=True)
    (root / "groups").mkdir()
    (root / MAIL).symlink_to(secret)
    os.mkfifo(root / "mail" / f"{CAROL.hex()}.mail")
    (root / "groups" / ("a" * 64 + ".log")).mkdir()
    strangers = [
        "mail/readme.txt",
        "mail/AA.mail",
        "groups/x.log",
        "journal-1",
        "names.bak",
        "mine.new",
    ]
    for name in strangers + unfinished:
        (root / name).write_bytes(b"mine")
    store, loaded = opened(root, WatchedDisk())
    assert not any((root / name).exists() for name in unfinished)
    assert view(store, loaded) == Model().view()
    told = [line for line in loaded.damage if "stray: it is no file of a registry" in line]
    assert [line.partition(":")[0] for line in told] == [
        "mail/AA.mail",
        "mail/readme.txt",
        "groups/x.log",
    ]
    assert len(loaded.damage) == 3 + len(told)
    store.append([stored(1), stored(2, CAROL), line(1)])
    store.close()
    assert secret.read_bytes() == frame(encode(stored(9)))
    assert all((root / name).read_bytes() == b"mine" for name in strangers)
    store, loaded = opened(root, WatchedDisk())
    assert loaded.damage == told
    assert view(store, loaded) == Model().say([stored(1), stored(2, CAROL), line(1)]).view()
    store.close()


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mail").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        FileStore(tmp_path / "store", disk=WatchedDisk())


class ForbiddenDisk(WatchedDisk):
    """One file belongs to somebody else."""

    def open_to_read(self, folder: int, name: str) -> int:
        if name == "names":
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().open_to_read(folder, name)


def test_a_file_that_may_not_be_read_stops_the_start(tmp_path: Path) -> None:
    """The file may be sound: without it, other people could take the names in it."""
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([bound("al")])
    store.close()
    with pytest.raises(StoreUnusable, match="names: Permission denied"):
        opened(tmp_path, ForbiddenDisk())


def test_a_start_with_no_room_for_a_journal(tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.wrong = lambda what: errno.ENOSPC if what == "create" else None
    store = FileStore(tmp_path, disk=disk)
    with pytest.raises(StoreFull):
        store.load()
    store.close()


def test_a_damaged_file_that_cannot_be_kept_is_reported_all_the_same(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1)])
    store.close()
    with (tmp_path / MAIL).open("ab") as file:
        file.write(b"damage")
    disk = FailingDisk()
    disk.wrong = lambda what: errno.EPERM if what == "link" else None
    store, loaded = opened(tmp_path, disk)
    assert "could not be kept (Operation not permitted)" in loaded.damage[0]
    assert len(loaded.letters[BOB]) == 1
    store.close()


def test_a_mailbox_that_somebody_removed(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1)])
    store.checkpoint()
    (tmp_path / MAIL).unlink()
    with pytest.raises(RecordLost):
        store.read_letters(BOB, [1])
    store.append([stored(2)])
    store.checkpoint()
    assert store.read_letters(BOB, [2]) == [stored(2).letter]
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [2]
    store.close()


def test_entries_of_a_later_version_are_counted_and_kept_aside(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), bound("al")])
    store.close()
    later = frame(msgspec.msgpack.encode([99, "new"]))
    astray = frame(encode(stored(5, CAROL)))  # in another's mailbox
    for name in (MAIL, "names", "journal-000000000007"):
        with (tmp_path / name).open("ab") as file:
            file.write(later + astray + frame(encode(CheckpointMark(3, 4))))
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.skipped == 2 + 2 + 2
    assert len(loaded.damage) == 3
    assert loaded.names == [bound("al")]
    assert {owner: len(heads) for owner, heads in loaded.letters.items()} == {BOB: 1, CAROL: 1}
    store.close()
    assert (tmp_path / "journal-000000000007.damaged-1").read_bytes().startswith(later)


def test_a_mailbox_changed_from_outside_is_rewritten(tmp_path: Path) -> None:
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
