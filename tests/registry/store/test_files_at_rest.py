"""Files that somebody else removed, emptied, cut or changed: a start names each, and so does a
check of the files."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp.registry.store.backup import inspect
from chatapp.registry.store.entries import CheckpointMark, Entry, FileAtRest, encode
from chatapp.registry.store.inventory import LISTED_AT_ONCE, Inventory, list_of
from chatapp.registry.store.keystore import KEY_FILE, PUBLIC_FILE, KeyUnusable
from chatapp.registry.store.protocol import Loaded, StoreLacking
from chatapp.registry.store.storage import FolderStorage
from chatapp.wire.storage import LARGEST_PAYLOAD, Disk, frame
from tests.registry.store.playbook import (
    BOB,
    CAROL,
    MAIL,
    bound,
    empty,
    files,
    key,
    line,
    remove,
    said,
    stored,
    visiting,
)
from tests.wire.storage.disks import WatchedDisk

CURES = ("a backup", "from a copy", "next start makes it", "makes it anew at its next start")
FIRST: list[Entry] = [
    bound("al"),
    bound("bo", BOB),
    key(1),
    line(1),
    stored(1),
    stored(2, CAROL),
    visiting(1),
    said(1),
]
LATER: list[Entry] = [stored(3), line(2), bound("ca", CAROL), said(2)]


def storage(folder: Path, disk: Disk) -> FolderStorage:
    return FolderStorage(folder, rng=random.Random(1), now=lambda: 0.0, disk=disk)


def started(folder: Path) -> Loaded:
    """Start as a registry does, and be killed."""
    disk = WatchedDisk()
    try:
        kept = storage(folder, disk)
        kept.open()
        return kept.load().loaded
    finally:
        disk.kill()


def lived_in(folder: Path, *, ended: str) -> None:
    """Leave what two runs of a registry leave, of which the second one was stopped or killed."""
    for entries, ending in ((FIRST, "stopped"), (LATER, ended)):
        disk = WatchedDisk()
        kept = storage(folder, disk)
        store = kept.open()
        kept.load()
        store.append(entries)
        store.sync()
        if ending == "stopped":
            store.close()
        disk.kill()


def halve(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


HARMS: dict[str, Callable[[Path], None]] = {
    "removed": remove,
    "emptied": empty,
    "halved": halve,
    "flipped": flip,
}


def told_at_a_start(folder: Path) -> list[str]:
    """Return the lines of a start, or the one line of a refusal, each without the folder's name."""
    try:
        lines = started(folder).damage
    except (KeyUnusable, StoreLacking) as refused:
        lines = [str(refused)]
    return [line.removeprefix(f"{folder}/") for line in lines]


@pytest.mark.parametrize("ended", ["killed", "stopped"])
@pytest.mark.parametrize("harm", HARMS)
def test_each_file_that_is_missing_or_changed_is_named(
    tmp_path: Path, harm: str, ended: str
) -> None:
    lived_in(tmp_path / "whole", ended=ended)
    assert started(tmp_path / "whole").damage == []
    assert inspect(tmp_path / "whole", lengths={}).damage == []
    names = [name for name in files(tmp_path / "whole") if name != "lock"]
    kinds = {name.partition("/")[0].partition("-")[0] for name in names}
    assert kinds == {
        "desk",
        "groups",
        KEY_FILE,
        PUBLIC_FILE,
        "journal",
        "journals",
        "mail",
        "names",
    }
    for name in names:
        folder = tmp_path / "harmed"
        shutil.copytree(tmp_path / "whole", folder)
        HARMS[harm](folder / name)
        found = [
            line for line in inspect(folder, lengths={}).damage if line.startswith(f"{name}: ")
        ]
        if name == PUBLIC_FILE and harm == "flipped":
            found = [line for line in inspect(folder, lengths={}).damage if PUBLIC_FILE in line]
        assert len(found) == 1, (name, found)
        assert any(cure in found[0] for cure in CURES), found
        told = [
            line
            for line in told_at_a_start(folder)
            if line.startswith(f"{name}: ") or PUBLIC_FILE in line
        ]
        assert len(told) == (name != PUBLIC_FILE or harm != "removed"), (name, told)
        assert all("backup" in line or "from a copy" in line for line in told), told
        shutil.rmtree(folder)


@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_what_is_missing_is_told_once_and_can_be_put_back(tmp_path: Path, ended: str) -> None:
    lived_in(tmp_path / "store", ended="stopped")
    box = tmp_path / "store" / MAIL
    size, content = box.stat().st_size, box.read_bytes()
    box.unlink()
    disk = WatchedDisk()
    kept = storage(tmp_path / "store", disk)
    store = kept.open()
    [told] = kept.load().loaded.damage
    assert told.startswith(f"{MAIL}: missing ({size:,} bytes); ")
    store.checkpoint()
    if ended == "stopped":
        store.close()
    disk.kill()
    assert started(tmp_path / "store").damage == []
    box.write_bytes(content)
    [line] = inspect(tmp_path / "store", lengths={}).damage
    assert line.startswith(f"{MAIL}: stray: ")
    again = started(tmp_path / "store")
    assert [head.serial for head in again.letters[BOB]] == [1, 3]


def test_a_former_copy_of_a_file_is_told_and_counts(tmp_path: Path) -> None:
    """It is whole, and ends as files at rest do; only the list knows that it was longer."""
    folder, disk = tmp_path / "store", WatchedDisk()
    kept = storage(folder, disk)
    store = kept.open()
    kept.load()
    store.append([stored(1)])
    store.checkpoint()
    former = (folder / MAIL).read_bytes()
    store.append([stored(2)])
    store.close()
    size = (folder / MAIL).stat().st_size
    (folder / MAIL).write_bytes(former)
    [line] = inspect(folder, lengths={}).damage
    assert line.startswith(f"{MAIL}: changed: it has {len(former):,} bytes instead of {size:,}; ")
    loaded = started(folder)
    assert loaded.damage[0].startswith(line)
    assert [head.serial for head in loaded.letters[BOB]] == [1]


def test_a_file_of_another_time_hides_nothing_that_a_journal_has(tmp_path: Path) -> None:
    """Its mark is above all journals: they are not the ones that it is complete up to."""
    lived_in(tmp_path, ended="killed")
    (tmp_path / MAIL).write_bytes(frame(encode(stored(9))) + frame(encode(CheckpointMark(99, 9))))
    loaded = started(tmp_path)
    assert [line.partition(";")[0] for line in loaded.damage if MAIL in line] != []
    assert [head.serial for head in loaded.letters[BOB]] == [3, 9]


def test_strangers_files_are_named_and_left_alone(tmp_path: Path) -> None:
    lived_in(tmp_path, ended="stopped")
    (tmp_path / "mail" / "readme.txt").write_text("mine")
    [line] = inspect(tmp_path, lengths={}).damage
    assert (
        line == "mail/readme.txt: stray: it is no file of a registry, and is passed over; remove it"
    )
    assert started(tmp_path).damage == [line]
    assert (tmp_path / "mail" / "readme.txt").read_text() == "mine"


@pytest.mark.parametrize("count", [0, 1, LISTED_AT_ONCE, LISTED_AT_ONCE + 1])
def test_a_list_of_any_length_comes_back_whole(count: int) -> None:
    listed = [FileAtRest(f"mail/{number:064x}.mail", 2**40, 2**60) for number in range(count)]
    payloads = [encode(CheckpointMark(7, 0)), *map(encode, list_of(listed))]
    assert max(map(len, payloads)) < LARGEST_PAYLOAD
    inventory = Inventory()
    assert [record for _, record in inventory.take_names(payloads)] == [CheckpointMark(7, 0)]
    assert len(inventory.missing()) == count
    assert inventory.names_end() is None
    cut = Inventory()
    cut.take_names(payloads[:-1])
    assert "its end is missing" in (cut.names_end() or "")
