"""Kept files on the disk: whole or not there, and nothing else beside them."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from chatapp.registry.kept import disk
from chatapp.registry.kept.disk import Damaged, KeptFolder, Wrong
from chatapp.registry.kept.shelf import KeptHead
from chatapp.wire.files import ChunkSeal, chunk_count
from chatapp.wire.limits import CHUNK_SIZE

CONTENT = os.urandom(2 * CHUNK_SIZE + 7)
SEAL = ChunkSeal(bytes(32))
CHUNKS = [
    SEAL.seal(index, CONTENT[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
    for index in range(chunk_count(len(CONTENT)))
]
HASHES = b"".join(hashlib.sha256(chunk).digest() for chunk in CHUNKS)
HEAD = KeptHead(bytes(32), "lab", len(CONTENT), (hashlib.sha256(HASHES).digest(),), 1_000)


def filled(folder: KeptFolder) -> None:
    """Give a file whole."""
    part = folder.receive(HEAD)
    part.take_page(0, HASHES)
    for index, chunk in reversed(list(enumerate(CHUNKS))):
        part.take_chunk(index, chunk)
    part.finish()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> KeptFolder:
    folder = KeptFolder(tmp_path / "kept")
    assert folder.load() == []
    return folder


def test_a_file_is_found_again_and_read(folder: KeptFolder, tmp_path: Path) -> None:
    filled(folder)
    assert KeptFolder(tmp_path / "kept").load() == [HEAD]
    file = folder.open(HEAD.id)
    assert file.page(0) == HASHES
    assert [file.chunk(index) for index in range(3)] == CHUNKS
    file.close()
    (path,) = (tmp_path / "kept").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder.remove(HEAD.id)
    folder.remove(HEAD.id)
    assert not path.exists()


def test_what_does_not_hash_is_not_taken(folder: KeptFolder) -> None:
    part = folder.receive(HEAD)
    with pytest.raises(Wrong):
        part.take_page(0, HASHES[::-1])
    part.take_page(0, HASHES)
    with pytest.raises(Wrong):
        part.take_chunk(0, CHUNKS[1])
    part.abandon()
    part.abandon()
    assert folder.load() == []


def test_strays_are_cleared_at_a_start(folder: KeptFolder, tmp_path: Path) -> None:
    part = folder.receive(HEAD)
    part.take_page(0, HASHES)
    home, outside = tmp_path / "kept", tmp_path / "outside"
    outside.write_text("mine")
    (home / "notes.txt").write_text("x")
    (home / f"{HEAD.id.hex()}.kept").write_bytes(b"\0\0\0\1\xc0")
    (home / f"{bytes(16).hex()}.kept").mkdir()
    (home / "link.kept").symlink_to(outside)
    assert folder.load() == [] and list(home.iterdir()) == []
    assert outside.read_text() == "mine"


def test_a_file_under_the_name_of_another_is_a_stray(folder: KeptFolder, tmp_path: Path) -> None:
    filled(folder)
    (path,) = (tmp_path / "kept").iterdir()
    path.rename(path.with_name(f"{bytes(16).hex()}.kept"))
    assert folder.load() == []


@pytest.mark.parametrize("change", ["cut", "longer"])
def test_a_file_of_another_length_is_a_stray(
    folder: KeptFolder, tmp_path: Path, change: str
) -> None:
    filled(folder)
    (path,) = (tmp_path / "kept").iterdir()
    os.truncate(path, path.stat().st_size + (1 if change == "longer" else -1))
    with pytest.raises(Damaged):
        folder.open(HEAD.id)
    assert folder.load() == []


def test_changed_bytes_are_not_given(folder: KeptFolder, tmp_path: Path) -> None:
    filled(folder)
    (path,) = (tmp_path / "kept").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    content[200] ^= 1
    path.write_bytes(content)
    file = folder.open(HEAD.id)
    with pytest.raises(Damaged):
        file.chunk(2)
    file.close()


def test_some_of_the_disk_stays_free(folder: KeptFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARED", 1 << 62)
    part = folder.receive(HEAD)
    with pytest.raises(OSError, match="No space left"):
        part.take_page(0, HASHES)
    part.abandon()
    assert folder.load() == []
