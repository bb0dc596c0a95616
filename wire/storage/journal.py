"""The journal: one append-only file for each generation. All durability rests on it.

One process writes a generation, and the next never continues it. After a failed sync the kernel
calls lost pages clean, so what a later process reads back need not be on the disk, and nothing
durable may follow it. So a torn tail stays where it is until a checkpoint removes the file, and
replaying ends before it. Callers order the calls.
"""

import contextlib
import re
import struct
from zlib import crc32

from chatapp.wire.errors import StoreReadOnly, store_error
from chatapp.wire.storage.disk import Disk, write_whole

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
