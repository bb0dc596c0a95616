"""Kept files on the disk, each a file of its own: whole under its name, or not there. Everything here may take
its time, and runs in a thread.

A file begins with its head, behind the head's length; then come the hashes of its sealed chunks, then the
chunks.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.kept.shelf import KeptHead
from chatapp.wire.codec import AEAD_TAG_SIZE
from chatapp.wire.files import HASH_SIZE, PAGE_SIZE, chunk_count, page_span
from chatapp.wire.folders import make_private, sync_folder
from chatapp.wire.limits import CHUNK_SIZE

SPARED: Final = 256 * 1024 * 1024
"""Bytes that are left free on the disk: mail and lines come first."""

_SUFFIX: Final = ".kept"
_PART: Final = ".part"
_NOT_OURS: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
"""Errors of what is no file: a link, a folder, a socket."""
_LENGTH_SIZE: Final = 4
_HEAD_MAX: Final = 64 * 1024
_SEALED: Final = CHUNK_SIZE + AEAD_TAG_SIZE
_MODE: Final = 0o600
_decode: Final = msgspec.msgpack.Decoder(KeptHead).decode


class Wrong(Exception):
    """A page or chunk is not the one with the hash that was named."""


class Damaged(Exception):
    """A file is not what was written."""


class KeptFolder:
    """The folder of the kept files. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def load(self) -> list[KeptHead]:
        """Return the files that are whole, and remove all else."""
        make_private(self._folder)
        found: list[KeptHead] = []
        for path in self._folder.iterdir():
            head = self._head_in(path)
            if head is None:
                self._remove(path)
            else:
                found.append(head)
        return found

    def _head_in(self, path: Path) -> KeptHead | None:
        """Return the head of a whole file; None for anything else."""
        try:
            with contextlib.closing(KeptFile(path)) as file:
                return file.head if path == self._path(file.head.id) else None
        except Damaged:
            return None
        except OSError as error:
            if error.errno in _NOT_OURS:
                return None
            raise

    def receive(self, head: KeptHead) -> "PartFile":
        """Begin to write a file."""
        path = self._path(head.id)
        return PartFile(path.with_suffix(_PART), path, head)

    def open(self, file: bytes) -> "KeptFile":
        """Open a file. Raises Damaged."""
        return KeptFile(self._path(file))

    def remove(self, file: bytes) -> None:
        """Remove a file."""
        self._path(file).unlink(missing_ok=True)

    def _path(self, file: bytes) -> Path:
        return self._folder / f"{file.hex()}{_SUFFIX}"

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class PartFile:
    """A file as it comes."""

    def __init__(self, path: Path, final: Path, head: KeptHead) -> None:
        self._path: Final = path
        self._final: Final = final
        self._head: Final = head
        encoded = msgspec.msgpack.encode(head)
        path.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, _MODE)
        self._hashes: Final = _LENGTH_SIZE + len(encoded)
        self._write(len(encoded).to_bytes(_LENGTH_SIZE, "big") + encoded, 0)

    def take_page(self, page: int, hashes: bytes) -> None:
        """Write a page of hashes. Raises Wrong, OSError."""
        if hashlib.sha256(hashes).digest() != self._head.pages[page]:
            raise Wrong
        self._require_space()
        self._write(hashes, self._hashes + page * PAGE_SIZE)

    def take_chunk(self, index: int, sealed: bytes) -> None:
        """Write a chunk whose page is here. Raises Wrong, OSError."""
        digest = os.pread(self._file, HASH_SIZE, self._hashes + index * HASH_SIZE)
        if hashlib.sha256(sealed).digest() != digest:
            raise Wrong
        self._require_space()
        self._write(sealed, _chunk_at(self._hashes, self._head.size, index))

    def finish(self) -> None:
        """Give the whole file its name, on the disk. Raises OSError."""
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        self._path.rename(self._final)
        sync_folder(self._final.parent)

    def abandon(self) -> None:
        """Remove what has come."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _require_space(self) -> None:
        if shutil.disk_usage(self._path.parent).free < SPARED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path.parent))

    def _write(self, data: bytes, at: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._file, rest, at)
            rest, at = rest[written:], at + written


class KeptFile:
    """A whole file, to be read."""

    def __init__(self, path: Path) -> None:
        """Raises Damaged, OSError."""
        self._file: Final = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self.head, self._hashes = self._read_head()
        except BaseException:
            os.close(self._file)
            raise

    def _read_head(self) -> tuple[KeptHead, int]:
        """Return the head, and where the hashes begin. Raises Damaged, OSError."""
        length = int.from_bytes(os.pread(self._file, _LENGTH_SIZE, 0), "big")
        if not 0 < length <= _HEAD_MAX:
            raise Damaged
        try:
            head = _decode(os.pread(self._file, length, _LENGTH_SIZE))
        except (msgspec.MsgspecError, ValueError):
            raise Damaged from None
        begin = _LENGTH_SIZE + length
        chunks = head.size + chunk_count(head.size) * AEAD_TAG_SIZE
        if os.fstat(self._file).st_size != _chunk_at(begin, head.size, 0) + chunks:
            raise Damaged
        return head, begin

    def page(self, page: int) -> bytes:
        """Return a page of hashes. Raises Damaged, OSError."""
        count = len(page_span(self.head.size, page))
        hashes = os.pread(self._file, count * HASH_SIZE, self._hashes + page * PAGE_SIZE)
        if not count or hashlib.sha256(hashes).digest() != self.head.pages[page]:
            raise Damaged
        return hashes

    def chunk(self, index: int) -> bytes:
        """Return a sealed chunk. Raises Damaged, OSError."""
        digest = os.pread(self._file, HASH_SIZE, self._hashes + index * HASH_SIZE)
        size = sealed_size(self.head.size, index)
        sealed = os.pread(self._file, size, _chunk_at(self._hashes, self.head.size, index))
        if hashlib.sha256(sealed).digest() != digest:
            raise Damaged
        return sealed

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


def sealed_size(size: int, index: int) -> int:
    """Return the bytes of a sealed chunk of a file of `size` bytes."""
    return min(CHUNK_SIZE, size - index * CHUNK_SIZE) + AEAD_TAG_SIZE


def _chunk_at(hashes: int, size: int, index: int) -> int:
    return hashes + chunk_count(size) * HASH_SIZE + index * _SEALED
