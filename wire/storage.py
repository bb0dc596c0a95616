"""The journal: one append-only file for each generation. All durability rests on it.

One process writes a generation, and the next never continues it. After a failed sync the kernel
calls lost pages clean, so what a later process reads back need not be on the disk, and nothing
durable may follow it. So a torn tail stays where it is until a checkpoint removes the file, and
replaying ends before it. Callers order the calls.

`Disk` has the calls to the operating system of everything that is stored in journals: they reach the
disk in no other way. It is a seam: tests put a disk in its place that fails, fills up or loses power
at any of these steps. POSIX only. Everything is opened relative to its folder with O_NOFOLLOW, so a
link that somebody left there is never followed.
"""

import contextlib
import fcntl
import os
import re
import struct
import sys
from pathlib import Path
from zlib import crc32

from chatapp.wire.errors import StoreReadOnly, store_error

DAMAGED = ".damaged-"
"""What comes between the name and the number of a damaged file that was set aside."""

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class SyncFailed(OSError):
    """The disk did not confirm. A second sync proves nothing: Linux reports a lost page once, then
    calls it clean."""


class Disk:
    """One method for each step. All raise OSError; `sync` and `sync_folder` raise SyncFailed."""

    def open_root(self, path: Path) -> int:
        """Open a store's own folder, making its last part if it is missing. An existing one keeps
        its mode."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=_FOLDER_MODE)
        except FileExistsError:
            return _open_folder(path)
        above = _open_folder(path.parent)
        try:
            self.sync_folder(above)
        finally:
            os.close(above)
        return _open_folder(path)

    def open_folder(self, within: int, name: str) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, _FOLDER_MODE, dir_fd=within)
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=within)

    def names(self, folder: int) -> list[str]:
        return sorted(os.listdir(folder))

    def create(self, folder: int, name: str) -> int:
        """Create a file to append to and read. Raises FileExistsError if there is one."""
        return os.open(
            name,
            os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FLAGS,
            _FILE_MODE,
            dir_fd=folder,
        )

    def open_to_append(self, folder: int, name: str) -> int:
        return os.open(name, os.O_RDWR | os.O_APPEND | _FLAGS, dir_fd=folder)

    def open_to_read(self, folder: int, name: str) -> int:
        # O_NONBLOCK: a named pipe must not hold up the start.
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=folder)

    def open_to_overwrite(self, folder: int, name: str) -> int:
        """Open a file that holds one short value, creating it if it is missing."""
        return os.open(name, os.O_WRONLY | os.O_CREAT | _FLAGS, _FILE_MODE, dir_fd=folder)

    def close(self, file: int) -> None:
        os.close(file)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def links(self, file: int) -> int:
        return os.fstat(file).st_nlink

    def read(self, file: int, length: int, offset: int) -> bytes:
        return os.pread(file, length, offset)

    def write(self, file: int, data: bytes | memoryview) -> int:
        return os.write(file, data)

    def overwrite(self, file: int, data: bytes) -> None:
        """Replace the value in a file by another one of the same length. A crash leaves the one or
        the other."""
        os.pwrite(file, data, 0)

    def cut(self, file: int, length: int) -> None:
        os.ftruncate(file, length)

    def sync(self, file: int) -> None:
        try:
            self._fdatasync(file)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def sync_folder(self, folder: int) -> None:
        """Make the names in a folder durable: of files created, renamed and removed."""
        try:
            os.fsync(folder)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def rename(self, folder: int, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def link(self, folder: int, old: str, new: str) -> None:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)

    def remove(self, folder: int, name: str) -> None:
        os.unlink(name, dir_fd=folder)

    def lock(self, folder: int, name: str) -> int | None:
        """Take a lock that ends with this process. Return None if another process has it."""
        file = os.open(name, os.O_RDWR | os.O_CREAT | _FLAGS, _FILE_MODE, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def _fdatasync(self, file: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(file)


def _open_folder(path: Path) -> int:
    # The administrator may have put a link here; below it no link is followed.
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def write_whole(disk: Disk, file: int, data: bytes) -> None:
    """Write all data: in one call, unless the system takes less."""
    written = disk.write(file, data)
    while written < len(data):
        written += disk.write(file, memoryview(data)[written:])


def read_file(disk: Disk, folder: int, name: str) -> bytes:
    """Return a file's content."""
    file = disk.open_to_read(folder, name)
    try:
        return disk.read(file, disk.size(file), 0)
    finally:
        disk.close(file)


def set_aside(disk: Disk, folder: int, name: str, *, keep: bool) -> str:
    """Give a damaged file a name that nothing here ever touches, and return that name.

    With `keep` it keeps its first name too, until a sound file takes its place. That makes no copy,
    so it works on a full disk. A file that has such a name already gets no second one.
    """
    taken = set(disk.names(folder))
    number = next(n for n in range(1, len(taken) + 2) if f"{name}{DAMAGED}{n}" not in taken)
    if keep and number > 1 and _has_two_names(disk, folder, name):
        return f"{name}{DAMAGED}{number - 1}"
    aside = f"{name}{DAMAGED}{number}"
    if keep:
        disk.link(folder, name, aside)
    else:
        disk.rename(folder, name, aside)
    return aside


def _has_two_names(disk: Disk, folder: int, name: str) -> bool:
    file = disk.open_to_read(folder, name)
    try:
        return disk.links(file) > 1
    finally:
        disk.close(file)


_NAME = re.compile(r"journal-(\d{12,18})\Z")


def journal_name(generation: int) -> str:
    """Return the name of a generation's file."""
    return f"journal-{generation:012d}"


def generation_in(name: str) -> int | None:
    """Return the generation in a file's name, None for another kind of file."""
    found = _NAME.match(name)
    return int(found[1]) if found else None


class Journal:
    """One generation. `length` counts whole records only; up to `synced` they are on the disk;
    entries begin at `start`."""

    def __init__(
        self, disk: Disk, folder: int, file: int, *, generation: int, length: int = 0
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._file = file
        self._closed = False
        self._failed = ""
        self._is_ours = False
        self.generation = generation
        self.name = journal_name(generation)
        self.length = length
        self.start = 0
        self.synced = 0

    @classmethod
    def begin(cls, disk: Disk, folder: int, generation: int, first: bytes = b"") -> "Journal":
        """Begin a generation whose `first` record is on the disk. The caller syncs the folder
        before relying on it."""
        journal = cls(
            disk, folder, disk.create(folder, journal_name(generation)), generation=generation
        )
        try:
            write_whole(disk, journal._file, first)
            disk.sync(journal._file)
        except OSError:
            journal.retire()
            raise
        journal.length = journal.start = journal.synced = len(first)
        journal._is_ours = True
        return journal

    @classmethod
    def reopen(
        cls, disk: Disk, folder: int, generation: int, *, start: int, length: int
    ) -> "Journal":
        """Open an earlier process's generation to read `length` bytes of whole records. It is never
        appended to."""
        file = disk.open_to_read(folder, journal_name(generation))
        journal = cls(disk, folder, file, generation=generation, length=length)
        journal.start = start
        return journal

    def append(self, records: bytes) -> int:
        """Append whole records and return the offset of the first. All of them count, or none.

        Raises StoreFull (a later append may fit), StoreBroken, or StoreReadOnly if a torn end could
        not be cut off or a sync has failed.
        """
        if self._failed:
            raise StoreReadOnly(self.name, self._failed)
        offset = self.length
        try:
            write_whole(self._disk, self._file, records)
        except OSError as error:
            self._cut_back()
            raise store_error(self.name, error) from error
        self.length += len(records)
        return offset

    @property
    def is_unconfirmed(self) -> bool:
        """Whether a sync has failed: what this file holds need not be on the disk, and no later
        sync can tell."""
        return bool(self._failed)

    def sync(self, upto: int) -> None:
        """Sync the first `upto` bytes; a thread may do so during appends. SyncFailed ends all
        appending: a second sync would wrongly succeed."""
        if upto <= self.synced:
            return
        try:
            self._disk.sync(self._file)
        except OSError as error:
            self._failed = f"the disk did not confirm a write ({error.strerror})"
            raise
        self.synced = upto

    def discard_unsynced(self) -> None:
        """Cut off what this process wrote and no sync has covered: callers were told that it is not
        stored."""
        if self._is_ours:
            self._disk.cut(self._file, self.synced)

    def read(self, length: int, offset: int) -> bytes:
        return self._disk.read(self._file, length, offset)

    def retire(self) -> None:
        """Remove the file: its records have come to rest. One that cannot be removed is removed at
        the next start."""
        self.close()
        with contextlib.suppress(OSError):
            self._disk.remove(self._folder, self.name)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._disk.close(self._file)

    def _cut_back(self) -> None:
        try:
            self._disk.cut(self._file, self.length)
        except OSError as error:
            self._failed = f"half a write could not be taken back ({error.strerror})"
            raise StoreReadOnly(self.name, self._failed) from error


_HEADER = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
HEADER_SIZE = _HEADER.size

LARGEST_PAYLOAD = 1 << 20
"""Bytes of a payload, unless its owner allows more: a mailbox holds 256 KiB and a frame 64 KiB."""

LARGEST_CLAIM = 1 << 26
"""Bytes of any payload: a longer claim is damage."""


def frame(payload: bytes, *, largest: int = LARGEST_PAYLOAD) -> bytes:
    """Return a payload as one whole record. Raises ValueError for an empty or oversized payload."""
    length = len(payload)
    if not 0 < length <= largest:
        raise ValueError(f"a record holds 1 to {largest} bytes, not {length}")
    return _HEADER.pack(length, crc32(payload, crc32(_LENGTH.pack(length)))) + payload


def unframe(record: bytes) -> bytes | None:
    """Return the payload, if `record` is exactly one whole record."""
    payload = _payload_at(record, 0)
    return payload if payload is not None and HEADER_SIZE + len(payload) == len(record) else None


def scan(data: bytes) -> tuple[list[bytes], int]:
    """Return the payloads of the whole records that `data` begins with, and their total length.

    Any bytes may come in. The scan ends at the first torn or damaged record: where the next would
    begin is unknown.
    """
    payloads: list[bytes] = []
    whole = 0
    while (payload := _payload_at(data, whole)) is not None:
        payloads.append(payload)
        whole += HEADER_SIZE + len(payload)
    return payloads, whole


def _payload_at(data: bytes, start: int) -> bytes | None:
    begin = start + HEADER_SIZE
    if begin > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, start)
    end = begin + length
    if not 0 < length <= LARGEST_CLAIM or end > len(data):
        return None
    payload = data[begin:end]
    return payload if crc32(payload, crc32(_LENGTH.pack(length))) == checksum else None
