"""Files on a disk: nothing is written over, nothing half-written has its name."""

import hashlib
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from chatapp.peer.api.conversations import person
from chatapp.peer.api.errors import FileRefusal, FileRefused
from chatapp.peer.core.files.book import KnownFile
from chatapp.peer.core.files.links import Chunk
from chatapp.peer.node.files import disk
from chatapp.peer.node.files.disk import Changed, PartFile, SharedFile, prepare, target_of
from chatapp.wire.files import HASH_SIZE, file_id
from chatapp.wire.limits import CHUNK_SIZE

KEY = bytes(range(32))
CONTENT = os.urandom(2 * CHUNK_SIZE + 100)
_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture(name="ours")
def _ours(tmp_path: Path) -> Path:
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(name="shared")
def _shared(ours: Path, tmp_path: Path) -> SharedFile:
    return share(ours, tmp_path)


def share(ours: Path, folder: Path) -> SharedFile:
    ready = prepare(ours, KEY)
    hashes = folder / "hashes"
    hashes.write_bytes(ready.hashes)
    file = KnownFile(
        number=1,
        id=1,
        conversation=person("bob"),
        sender="alice",
        identity=b"",
        name=ready.name,
        size=ready.offer.size,
        path=str(ours),
        key=KEY,
        pages=ready.offer.pages,
        modified=ready.modified,
    )
    return SharedFile(file, hashes)


def part_of(target: Path, ours: Path) -> PartFile:
    return PartFile(target, prepare(ours, KEY).offer, file_id(KEY))


def fetch(part: PartFile, shared: SharedFile, *places: int) -> None:
    hashes = shared.page(0)
    for place in places:
        digest = hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE]
        assert part.keep(shared.chunk(place), digest)


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_a_file_comes_as_it_is(tmp_path: Path, size: int) -> None:
    ours = tmp_path / "ours"
    ours.write_bytes(CONTENT[:size])
    shared, target = share(ours, tmp_path), tmp_path / "new" / "plan.pdf"
    part = part_of(target, ours)
    fetch(part, shared, *range(-(-size // CHUNK_SIZE)))
    assert part.finish() == target
    part.close()
    assert target.read_bytes() == CONTENT[:size]
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(target.parent.iterdir()) == [target]


def test_no_file_is_written_over(tmp_path: Path, ours: Path, shared: SharedFile) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("plan.pdf", "plan (2).pdf"):
        (folder / name).write_text("mine")
    part = part_of(folder / "plan.pdf", ours)
    fetch(part, shared, 0, 1, 2)
    assert part.finish() == folder / "plan (3).pdf"
    assert (folder / "plan.pdf").read_text() == (folder / "plan (2).pdf").read_text() == "mine"


def test_where_files_have_one_name_none_is_written_over_either(
    tmp_path: Path, ours: Path, shared: SharedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", cannot)
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "plan.pdf").write_text("mine")
    part = part_of(folder / "plan.pdf", ours)
    fetch(part, shared, 0, 1, 2)
    assert part.finish() == folder / "plan (2).pdf"
    assert (folder / "plan (2).pdf").read_bytes() == CONTENT
    assert (folder / "plan.pdf").read_text() == "mine"


def test_what_an_earlier_run_wrote_is_found_if_it_is_whole(
    tmp_path: Path, ours: Path, shared: SharedFile
) -> None:
    target = tmp_path / "new" / "plan.pdf"
    first = part_of(target, ours)
    fetch(first, shared, 0, 1)
    first.close()
    with first.path.open("r+b") as file:
        file.seek(CHUNK_SIZE + 5)
        file.write(b"!")
    again = part_of(target, ours)
    assert again.here(range(3), shared.page(0)) == [0]
    fetch(again, shared, 1, 2)
    assert again.finish().read_bytes() == CONTENT


def test_a_wrong_chunk_is_not_written(tmp_path: Path, ours: Path, shared: SharedFile) -> None:
    part = part_of(tmp_path / "new" / "plan.pdf", ours)
    digest, right = shared.page(0)[:HASH_SIZE], shared.chunk(0)
    wrong = bytes(right.sealed[:-1]) + bytes((right.sealed[-1] ^ 1,))
    assert not part.keep(Chunk(0, wrong), digest)
    assert not part.keep(Chunk(0, wrong), hashlib.sha256(wrong).digest())
    assert not part.keep(Chunk(1, right.sealed), digest)
    assert part.path.stat().st_size == 0


@pytest.mark.parametrize("how", ["symlink", "second name", "folder"])
def test_what_somebody_put_in_the_way_is_not_written_to(
    tmp_path: Path, ours: Path, how: str
) -> None:
    target, theirs = tmp_path / "new" / "plan.pdf", tmp_path / "theirs"
    target.parent.mkdir()
    theirs.write_text("theirs")
    path = disk.part_path(target, file_id(KEY))
    if how == "symlink":
        path.symlink_to(theirs)
    elif how == "second name":
        path.hardlink_to(theirs)
    else:
        path.mkdir()
    with pytest.raises(OSError, match="plan"):
        part_of(target, ours)
    assert theirs.read_text() == "theirs"


def test_a_full_disk_is_noticed_before_and_while(
    tmp_path: Path, ours: Path, shared: SharedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [disk.SPARED + len(CONTENT) - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(0, 0, free[0]))
    monkeypatch.setattr(disk, "SYNCED_EACH", 1)
    with pytest.raises(OSError, match="No space"):
        part_of(tmp_path / "new" / "plan.pdf", ours)
    free[0] += 1
    part = part_of(tmp_path / "new" / "plan.pdf", ours)
    free[0] = disk.SPARED - 1
    with pytest.raises(OSError, match="No space"):
        fetch(part, shared, 0)


@pytest.mark.parametrize("how", ["longer", "touched"])
def test_a_changed_file_is_not_given(ours: Path, shared: SharedFile, how: str) -> None:
    if how == "longer":
        with ours.open("ab") as file:
            file.write(b"more")
    else:
        os.utime(ours, ns=(1, 1))
    with pytest.raises(Changed):
        shared.chunk(0)


def test_there_is_no_chunk_behind_the_end(shared: SharedFile) -> None:
    with pytest.raises(Changed):
        shared.chunk(3)
    assert shared.page(1) == b""


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nothing", FileRefusal.NOT_READABLE),
        ("folder", FileRefusal.NO_FILE),
        ("pipe", FileRefusal.NO_FILE),
    ],
)
def test_what_is_no_file_is_not_offered(tmp_path: Path, what: str, reason: FileRefusal) -> None:
    path = tmp_path / "it"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    with pytest.raises(FileRefused) as refused:
        prepare(path, KEY)
    assert refused.value.reason is reason


def test_the_user_may_choose_a_folder_or_a_free_name(tmp_path: Path) -> None:
    downloads, taken = tmp_path / "downloads", tmp_path / "taken"
    taken.touch()
    assert target_of("", downloads, "plan.pdf") == downloads / "plan.pdf"
    assert target_of(str(tmp_path), downloads, "plan.pdf") == tmp_path / "plan.pdf"
    assert target_of(str(tmp_path / "new"), downloads, "plan.pdf") == tmp_path / "new"
    for wanted, reason in (
        (taken, FileRefusal.EXISTS),
        (tmp_path / "no" / "new", FileRefusal.NO_FOLDER),
    ):
        with pytest.raises(FileRefused) as refused:
            target_of(str(wanted), downloads, "plan.pdf")
        assert refused.value.reason is reason
