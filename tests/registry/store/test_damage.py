"""Damage on disk: any file cut at any byte, any bit flipped. Whole records before the damage come
back, and nothing is hidden; without a file that held names, the registry does not start."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.registry.store.entries import (
    CheckpointMark,
    Entry,
    GroupKeyMade,
    GroupLineKept,
    MailStored,
    decode,
)
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import StoreLacking
from chatapp.wire.storage import scan
from tests.registry.store.playbook import (
    BOB,
    MAIL,
    Model,
    View,
    bound,
    empty,
    opened,
    remove,
    stored,
    view,
)
from tests.wire.storage.disks import WatchedDisk


def small(position: int) -> GroupLineKept:
    return GroupLineKept("t", position, b"", 1, 0, b"x")


ENTRIES: dict[str, list[Entry]] = {
    "journal": [GroupKeyMade("t", 1, b"k"), small(1), bound("al", b"", b""), small(2)],
    "mail": [MailStored(BOB, number, b"", "", 0, 0, b"x") for number in (1, 2)],
    "groups": [GroupKeyMade("t", 1, b"k"), small(1), small(2)],
    "names": [bound("al", b"", b"c"), bound("bo", b"", b"d")],
}


def reopened(folder: Path) -> tuple[View, list[str]]:
    disk = WatchedDisk()
    try:
        store, loaded = opened(folder, disk)
        return view(store, loaded), loaded.damage
    finally:
        disk.kill()


def prepared(folder: Path, kind: str) -> Path:
    """Return a folder with the entries of that kind in their one file (or in the journal), and that
    file."""
    disk = WatchedDisk()
    store, _ = opened(folder, disk)
    store.append(ENTRIES[kind])
    if kind != "journal":
        store.checkpoint()
    disk.kill()
    found = [
        path
        for path in folder.rglob("*")
        if path.name.startswith(("journal-", "names")) or path.suffix
    ]
    return next(path for path in sorted(found) if kind in str(path.relative_to(folder)))


def damages(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield damaged copies, each with the length up to which it is sound."""
    for end in range(len(data)):
        yield data[:end], end
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged), bit // 8


@pytest.mark.parametrize("kind", list(ENTRIES))
def test_damage_at_every_bit(tmp_path: Path, kind: str) -> None:
    file = prepared(tmp_path / "store", kind)
    root, before = tmp_path / "store", tmp_path / "before"
    shutil.copytree(root, before)
    data = file.read_bytes()
    for damaged, sound_until in damages(data):
        shutil.rmtree(root)
        shutil.copytree(before, root)
        file.write_bytes(damaged)
        _, whole = scan(data[:sound_until])
        if not whole and kind in ("journal", "names"):
            check_refused(root, file, damaged)
            continue
        seen, lines = reopened(root)
        check(kind, seen, whole, data)
        is_torn = len(scan(damaged)[0]) == 0 or scan(damaged)[1] < len(damaged)
        is_whole = kind == "journal" or damaged == data
        assert len(lines) == (not is_whole or (is_torn and bool(damaged))), lines
        if lines:
            assert [path.read_bytes() for path in root.rglob("*.damaged-1")] == [damaged]


def check_refused(root: Path, file: Path, damaged: bytes) -> None:
    """A file without its first record says nothing, and going on without it would be a serious
    loss."""
    with pytest.raises(
        StoreLacking, match=f"^{file}: (empty|damaged in its first record); .* touch {file}.lost; "
    ):
        reopened(root)
    kept = [*root.rglob("*.damaged-1"), file]
    assert kept[0].read_bytes() == damaged


def check(kind: str, seen: View, whole: int, data: bytes) -> None:
    """Check that what came back is what the whole records say."""
    said = [decode(payload) for payload in scan(data[:whole])[0]]
    expected = (
        Model()
        .say(entry for entry in said if entry is not None and not isinstance(entry, CheckpointMark))
        .view()
    )
    del expected["highest_serial"], seen["highest_serial"]  # AtRest may have said more about it
    assert seen == expected


def test_damaged_mail_is_kept_reported_once_and_rewritten(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), stored(2), stored(3)])
    store.close()
    file = tmp_path / MAIL
    before = bytearray(file.read_bytes())
    before[len(before) // 2] ^= 1
    file.write_bytes(before)

    for _ in range(2):  # found twice, kept once
        assert len(reopened(tmp_path)[1]) == 1
    assert [path.name for path in (tmp_path / "mail").glob("*damaged*")] == [
        f"{file.name}.damaged-1"
    ]
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.serial for head in loaded.letters[BOB]] == [1]
    assert store.checkpoint_due(0.0)
    [said] = loaded.damage
    assert "1 records are whole" in said
    assert said.endswith(f"kept as {file.name}.damaged-1")
    store.append([stored(4)])
    store.close()
    assert Path(f"{file}.damaged-1").read_bytes() == before

    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.damage == []
    assert store.read_letters(BOB, [1, 4]) == [stored(1).letter, stored(4).letter]
    store.close()


# --- what must be there


def lived_in(folder: Path, *, ended: str) -> None:
    """Of two runs the second was killed, or both stopped: what the second kept is in a journal or
    in the files."""
    store, _ = opened(folder, WatchedDisk())
    store.append([bound("al", b"", b"c"), stored(1)])
    store.close()
    disk = WatchedDisk()
    store, _ = opened(folder, disk)
    store.append([bound("bo", b"", b"d"), stored(2)])
    store.sync()
    if ended == "stopped":
        store.close()
    disk.kill()


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


HARMS = {"removed": remove, "emptied": empty, "zeroed": zero}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("which", ["journal-*", "names", "journals"])
@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_a_start_without_a_file_that_must_be_there_is_refused(
    tmp_path: Path, harm: str, which: str, ended: str
) -> None:
    """Otherwise it would start without a warning, with saved letters gone and all names free."""
    lived_in(tmp_path, ended=ended)
    (file,) = tmp_path.glob(which)
    HARMS[harm](file)
    for _ in range(2):
        with pytest.raises(StoreLacking) as caught:
            reopened(tmp_path)
        assert str(caught.value).startswith(f"{file}: ")
        assert f"touch {file}.lost" in str(caught.value)
        assert f"move {tmp_path} away" in str(caught.value)


@pytest.mark.parametrize("which", ["journal-*", "names", "journals"])
def test_the_owner_of_the_registry_may_go_on_without_it(tmp_path: Path, which: str) -> None:
    lived_in(tmp_path, ended="killed")
    (file,) = tmp_path.glob(which)
    file.unlink()
    Path(f"{file}.lost").touch()
    seen, lines = reopened(tmp_path)
    assert (
        f"{file.name}: missing; the registry goes on without it, as {file.name}.lost says" in lines
    )
    names = {name.name_key for name in seen["names"]}
    assert names == {"journal-*": {"al"}, "names": {"bo"}, "journals": {"al", "bo"}}[which]
    assert reopened(tmp_path) == (seen, []), "the next start lacks nothing, and is told nothing"
    assert not list(tmp_path.glob("*.lost"))


def test_all_is_gone_where_a_registry_has_been(tmp_path: Path) -> None:
    """The registry's key, which is stored beside the store, exists."""
    with pytest.raises(StoreLacking, match="/names: missing"):
        FileStore(tmp_path, has_past=True, disk=WatchedDisk()).load()


def test_a_journal_that_nobody_listed_is_read_all_the_same(tmp_path: Path) -> None:
    """The file was restored from a copy by hand."""
    lived_in(tmp_path, ended="killed")
    (file,) = tmp_path.glob("journal-*")
    file.rename(tmp_path / "journal-000000000077")
    (tmp_path / f"{file.name}.lost").touch()
    seen, _ = reopened(tmp_path)
    assert {name.name_key for name in seen["names"]} == {"al", "bo"}
