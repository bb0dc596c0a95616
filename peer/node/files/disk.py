"""Files on our disk: read for others, and written as they come. Everything here may take its time, and
runs in a thread."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from chatapp.peer.api.errors import FileRefusal, FileRefused
from chatapp.peer.core.files.book import KnownFile
from chatapp.peer.core.files.fetching import Fetch
from chatapp.peer.core.files.links import Chunk
from chatapp.wire.files import (
    HASH_SIZE,
    PAGE_SIZE,
    ChunkSeal,
    chunk_count,
    clean_name,
    packed,
    page_bits,
    page_count,
)
from chatapp.wire.limits import CHUNK_SIZE, FILE_MAX, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer

SPARED: Final = 16 * 1024 * 1024
"""Bytes that are left free on a disk: a full one stops more than a file."""

SYNCED_EACH: Final = 64
"""Chunks, 16 MiB, after which a file is put on the disk, and its space is looked at."""

_NAMES_TRIED: Final = 1_000
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class Changed(Exception):
    """A file is not the one that was offered."""


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | getattr(os, "O_BINARY", 0), _FILE_MODE)


def open_file(path: Path) -> int:
    """Make a file for its owner alone. Raises FileExistsError if there is one, OSError."""
    return _open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)


# --- ours


class PreparedFile(NamedTuple):
    """A file of ours, ready to be offered."""

    path: Path
    name: str
    modified: int
    offer: FileOffer
    hashes: bytes
    """Of its sealed chunks."""


def prepare(path: Path, key: bytes) -> PreparedFile:
    """Read a file and return what its offer says. Raises FileRefused."""
    try:
        with opened(path) as (descriptor, found):
            if found.st_size > FILE_MAX:
                raise FileRefused(FileRefusal.TOO_LARGE, str(path))
            hashes = _hashes_of(descriptor, found.st_size, ChunkSeal(key))
            if _stamp(os.fstat(descriptor)) != _stamp(found):
                raise FileRefused(FileRefusal.NOT_READABLE, str(path), "it changes")
    except OSError as error:
        raise FileRefused(
            FileRefusal.NOT_READABLE, str(path), error.strerror or str(error)
        ) from None
    size = found.st_size
    offer = FileOffer(size, key, _digests(hashes, size))
    return PreparedFile(path, clean_name(path.name), found.st_mtime_ns, offer, hashes)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open a file to read it. Raises FileRefused for what is none, such as a pipe that never
    ends."""
    descriptor = _open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileRefused(FileRefusal.NO_FILE, str(path))
        yield descriptor, found
    finally:
        os.close(descriptor)


def _stamp(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


def _hashes_of(descriptor: int, size: int, seal: ChunkSeal) -> bytes:
    hashes = bytearray()
    for index in range(chunk_count(size)):
        chunk = os.pread(descriptor, CHUNK_SIZE, index * CHUNK_SIZE)
        hashes += hashlib.sha256(seal.seal(index, chunk)).digest()
    return bytes(hashes)


def _digests(hashes: bytes, size: int) -> tuple[bytes, ...]:
    """Return the hashes of the pages of a file."""
    pages = range(page_count(size))
    return tuple(hashlib.sha256(_page_of(hashes, page)).digest() for page in pages)


def _page_of(hashes: bytes, page: int) -> bytes:
    return hashes[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]


class Shared(Protocol):
    """What somebody fetches of us. Raises OSError if it is gone, Changed if it is not what was
    offered."""

    def page(self, page: int) -> bytes: ...
    def chunk(self, index: int) -> Chunk: ...
    def have(self, page: int) -> bytes: ...
    def close(self) -> None: ...


class SharedFile:
    """A whole file (`Shared`)."""

    def __init__(self, file: KnownFile, hashes: Path) -> None:
        self._seal: Final = ChunkSeal(file.key)
        self._stamp: Final = (file.size, file.modified)
        self._hashes: Final = hashes
        self._size: Final = file.size
        self._file: Final = _open(Path(file.path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))

    def page(self, page: int) -> bytes:
        """Return a page of hashes."""
        with self._hashes.open("rb") as hashes:
            hashes.seek(page * PAGE_SIZE)
            return hashes.read(PAGE_SIZE)

    def chunk(self, index: int) -> Chunk:
        """Return a sealed chunk."""
        if _stamp(os.fstat(self._file)) != self._stamp or index >= chunk_count(self._size):
            raise Changed
        data = os.pread(self._file, CHUNK_SIZE, index * CHUNK_SIZE)
        return Chunk(index, self._seal.seal(index, data))

    def have(self, page: int) -> bytes:
        """Return which chunks of a page are here, as bits: all."""
        return packed(page_bits(self._size, page))

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


class SharedPart:
    """A file of somebody else that comes to us, as far as it is here (`Shared`)."""

    def __init__(self, path: Path, fetch: Fetch) -> None:
        self._fetch: Final = fetch
        self._seal: Final = ChunkSeal(fetch.offer.key)
        self._file: Final = _open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))

    def page(self, page: int) -> bytes:
        """Return a page of hashes."""
        hashes = self._fetch.hashes(page)
        if hashes is None:
            raise Changed
        return hashes

    def chunk(self, index: int) -> Chunk:
        """Return a sealed chunk."""
        if not self._fetch.has(index):
            raise Changed
        size = min(CHUNK_SIZE, self._fetch.offer.size - index * CHUNK_SIZE)
        return Chunk(index, self._seal.seal(index, os.pread(self._file, size, index * CHUNK_SIZE)))

    def have(self, page: int) -> bytes:
        """Return which chunks of a page are here, as bits."""
        return self._fetch.have(page)

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


# --- theirs


def target_of(wanted: str, downloads: Path, name: str) -> Path:
    """Return what a file is to be called: `wanted`, or its own name in a folder. Raises FileRefused
    if the user wants a name that is taken, or one in no folder."""
    if not wanted:
        return downloads / name
    path = Path(wanted)
    if path.is_dir():
        return path / name
    if path.exists():
        raise FileRefused(FileRefusal.EXISTS, wanted)
    if path.parent != downloads and not path.parent.is_dir():  # that one is made
        raise FileRefused(FileRefusal.NO_FOLDER, str(path.parent))
    return path


class PartFile:
    """A file as it comes: under a name of its own, until it is whole. Raises OSError."""

    def __init__(self, target: Path, offer: FileOffer, content: bytes) -> None:
        """`content`: as in `content_id`."""
        self._target: Final = target
        self._size: Final = offer.size
        self._seal: Final = ChunkSeal(offer.key)
        self._unsynced = 0
        self._is_left = False
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self.path: Final = part_path(target, content)
        self._require_space(offer.size - self._length())
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file: Final = _open(self.path, flags)
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
            os.close(self._file)  # somebody else has put it there
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self.path))

    def _length(self) -> int:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return 0
        return min(found.st_size, found.st_blocks * 512)

    def _require_space(self, needed: int) -> None:
        if shutil.disk_usage(self.path.parent).free < max(needed, 0) + SPARED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path.parent))

    def here(self, chunks: range, hashes: bytes) -> list[int]:
        """Return which of the chunks of a page are here already, of an earlier run."""
        length = os.fstat(self._file).st_size
        found: list[int] = []
        for index in chunks:
            if index * CHUNK_SIZE >= length:
                break
            chunk = os.pread(self._file, self._size_of(index), index * CHUNK_SIZE)
            start = index % PAGE_CHUNKS * HASH_SIZE
            digest = hashes[start : start + HASH_SIZE]
            if hashlib.sha256(self._seal.seal(index, chunk)).digest() == digest:
                found.append(index)
        return found

    def keep(self, chunk: Chunk, digest: bytes) -> bool:
        """Write a chunk. Return False if it is not the one with this hash."""
        opened = self._seal.open(chunk.place, chunk.sealed, digest)
        if opened is None or len(opened) != self._size_of(chunk.place):
            return False
        data, at = memoryview(opened), chunk.place * CHUNK_SIZE
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written
        self._unsynced += 1
        if self._unsynced >= SYNCED_EACH:
            self._unsynced = 0
            os.fsync(self._file)
            self._require_space(0)
        return True

    def _size_of(self, index: int) -> int:
        return min(CHUNK_SIZE, self._size - index * CHUNK_SIZE)

    def finish(self) -> Path:
        """Give the whole file its name, or the next one that is free, and return it."""
        os.ftruncate(self._file, self._size)
        os.fsync(self._file)
        if self._is_left:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR), str(self.path))
        for path in free_names(self._target):
            try:
                os.link(self.path, path, follow_symlinks=False)
            except FileExistsError:
                continue
            except OSError:  # this file system knows no second names: take the name first
                try:
                    os.close(open_file(path))
                except FileExistsError:
                    continue
                self.path.replace(path)
            else:
                self.path.unlink()
            return path
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._target))

    def leave(self) -> None:
        """Have `finish` give it no name any more."""
        self._is_left = True

    def close(self) -> None:
        """Close it; what is here stays."""
        with contextlib.suppress(OSError):
            os.close(self._file)


class FoundFile(NamedTuple):
    """A file of somebody else that is here, whole, under its name."""

    path: Path
    hashes: bytes
    """Of its sealed chunks."""


def find_finished(target: Path, offer: FileOffer, content: bytes) -> FoundFile | None:
    """Return the file if an earlier run gave it its name and ended before that was noted. What is
    under such a name counts by its hashes alone."""
    for path in free_names(target):
        try:
            if path.lstat().st_size != offer.size:
                continue
            with opened(path) as (descriptor, _):
                hashes = _hashes_of(descriptor, offer.size, ChunkSeal(offer.key))
        except FileNotFoundError:
            return None
        except (FileRefused, OSError):
            continue
        if _digests(hashes, offer.size) == offer.pages:
            part_path(target, content).unlink(missing_ok=True)
            return FoundFile(path, hashes)
    return None


def part_path(target: Path, content: bytes) -> Path:
    """Return where a file is until it is whole. `content`: as in `content_id`."""
    return target.with_name(f"{target.name}.{content[:8].hex()}.part")


def free_names(target: Path) -> Iterator[Path]:
    """Yield a path, then others like it."""
    yield target
    for number in range(2, _NAMES_TRIED):
        yield target.with_name(f"{target.stem} ({number}){target.suffix}")
