"""Damage on the disk: any file cut at every byte, any bit flipped. Whole records before it come back, nothing is hidden."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.store.entries import AtRest, Entry, GroupKeyMade, GroupLine, MailStored, decode
from registry.store.records import scan
from tests.registry.store.disks import WatchedDisk
from tests.registry.store.playbook import BOB, MAIL, Model, View, bound, opened, stored, view


def small(position: int) -> GroupLine:
    return GroupLine("t", position, b"", 1, 0, b"x")


ENTRIES: dict[str, list[Entry]] = {
    "journal": [GroupKeyMade("t", 1, b"k"), small(1), bound("al", b"", b""), small(2)],
    "mail": [MailStored(BOB, number, b"", "", 0, 0, b"x") for number in (1, 2)],
    "groups": [GroupKeyMade("t", 1, b"k"), small(1), small(2)],
    "names": [bound("al", b"", b"c"), bound("bo", b"", b"d")],
}


def reopened(folder: Path) -> tuple[View, list[str]]:
    disk = WatchedDisk()
    store, loaded = opened(folder, disk)
    seen = view(store, loaded)
    disk.kill()
    return seen, loaded.damage


def prepared(folder: Path, kind: str) -> Path:
    """A folder with the entries of that kind at rest in their one file (or in the journal), and that file."""
    disk = WatchedDisk()
    store, _ = opened(folder, disk)
    store.append(ENTRIES[kind])
    if kind != "journal":
        store.checkpoint()
    disk.kill()
    for name in folder.glob("journal-*"):
        if not name.stat().st_size:
            name.unlink()
    found = [path for path in folder.rglob("*") if path.name.startswith(("journal", "names")) or path.suffix]
    return next(path for path in sorted(found) if kind in str(path.relative_to(folder)))


def damages(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Damaged copies, each with the length up to which it is sound."""
    for end in range(len(data)):
        yield data[:end], end
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged), bit // 8


@pytest.mark.parametrize("kind", list(ENTRIES))
def test_damage_at_every_bit(tmp_path: Path, kind: str) -> None:
    file = prepared(tmp_path / "store", kind)
    root = tmp_path / "store"
    data = file.read_bytes()
    names = (root / "names").read_bytes() if (root / "names").exists() else b""
    for damaged, sound_until in damages(data):
        for path in root.rglob("*damaged*"):
            path.unlink()
        for path in root.glob("journal-*"):
            path.unlink()
        if names:
            (root / "names").write_bytes(names)
        file.unlink(missing_ok=True)
        file.write_bytes(damaged)
        seen, lines = reopened(root)
        _, whole = scan(data[:sound_until])
        check(kind, seen, whole, data)
        is_torn = len(scan(damaged)[0]) == 0 or scan(damaged)[1] < len(damaged)
        has_end = kind == "journal" or any(
            isinstance(decode(payload), AtRest) for payload in scan(damaged)[0]
        )
        assert len(lines) == (not has_end or (is_torn and bool(damaged))), lines
        if lines:
            assert [path.read_bytes() for path in root.rglob("*.damaged-1")] == [damaged]


def check(kind: str, seen: View, whole: int, data: bytes) -> None:
    """What came back is what the whole records say."""
    said = [decode(payload) for payload in scan(data[:whole])[0]]
    expected = (
        Model().say(entry for entry in said if entry is not None and not isinstance(entry, AtRest)).view()
    )
    del expected["highest_serial"], seen["highest_serial"]  # AtRest may have said more about it
    assert seen == expected


def test_damaged_mail_is_kept_reported_once_and_written_anew(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([stored(1), stored(2), stored(3)])
    store.close()
    file = tmp_path / MAIL
    before = bytearray(file.read_bytes())
    before[len(before) // 2] ^= 1
    file.write_bytes(before)

    for _ in range(2):  # found twice, kept once
        assert len(reopened(tmp_path)[1]) == 1
    assert [path.name for path in (tmp_path / "mail").glob("*damaged*")] == [f"{file.name}.damaged-1"]
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


@pytest.mark.parametrize("was_killed", [False, True])
def test_names_that_are_missing_beside_mail_are_told(tmp_path: Path, *, was_killed: bool) -> None:
    """All names free again is no small thing to find out later, whether there is a journal too or not."""
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([bound("al", b"", b"c"), stored(1)])
    store.close()
    if was_killed:
        disk = WatchedDisk()
        store, _ = opened(tmp_path, disk)
        store.append([stored(2)])
        store.sync()
        disk.kill()
    (tmp_path / "names").unlink()
    (said,) = reopened(tmp_path)[1]
    assert said.startswith("names: missing")
