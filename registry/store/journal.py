"""The journal: one append-only file for each generation. All durability rests on it.

One process writes a generation, and the next never continues it. After a failed sync the kernel calls lost pages clean,
so what a later process reads back need not be on the disk, and nothing durable may follow it. So a torn tail stays where
it is until a checkpoint removes the file, and replaying ends before it. Callers order the calls.
"""

import contextlib
import re
import struct
from collections.abc import Mapping, Sequence
from zlib import crc32

from chatapp.registry.store.disk import Disk, write_whole
from chatapp.registry.store.entries import (
    CheckpointMark,
    Entry,
    JournalBegan,
    JournalsListed,
    Owner,
    decode,
    encode,
)
from chatapp.registry.store.protocol import StoreReadOnly, from_os_error
from chatapp.registry.store.segments import AT_REST, JOURNALS, NEW_SUFFIX, FileLayout, Place

_NAME = re.compile(r"journal-(\d{12,18})\Z")


def journal_name(generation: int) -> str:
    """Return the name of a generation's file."""
    return f"journal-{generation:012d}"


def generation_in(name: str) -> int | None:
    """Return the generation in a file's name, None for another kind of file."""
    found = _NAME.match(name)
    return int(found[1]) if found else None


class Journal:
    """One generation. `length` counts whole records only; up to `synced` they are on the disk; entries begin at `start`."""

    def __init__(self, disk: Disk, folder: int, file: int, *, generation: int, length: int = 0) -> None:
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
        """Begin a generation whose `first` record is on the disk. The caller syncs the folder before relying on it."""
        journal = cls(disk, folder, disk.create(folder, journal_name(generation)), generation=generation)
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
    def reopen(cls, disk: Disk, folder: int, generation: int, *, start: int, length: int) -> "Journal":
        """Open an earlier process's generation to read `length` bytes of whole records. It is never appended to."""
        file = disk.open_to_read(folder, journal_name(generation))
        journal = cls(disk, folder, file, generation=generation, length=length)
        journal.start = start
        return journal

    def append(self, records: bytes) -> int:
        """Append whole records and return the offset of the first. All of them count, or none.

        Raises StoreFull (a later append may fit), StoreBroken, or StoreReadOnly if a torn end could not be cut off or a
        sync has failed.
        """
        if self._failed:
            raise StoreReadOnly(self.name, self._failed)
        offset = self.length
        try:
            write_whole(self._disk, self._file, records)
        except OSError as wrong:
            self._cut_back()
            raise from_os_error(self.name, wrong) from wrong
        self.length += len(records)
        return offset

    def sync(self, upto: int) -> None:
        """Sync the first `upto` bytes. SyncFailed ends all appending: a second sync would wrongly succeed."""
        if upto <= self.synced:
            return
        try:
            self._disk.sync(self._file)
        except OSError as wrong:
            self._failed = f"the disk did not confirm a write ({wrong.strerror})"
            raise
        self.synced = upto

    def discard_unsynced(self) -> None:
        """Cut off what this process wrote and no sync has covered: callers were told that it is not stored."""
        if self._is_ours:
            self._disk.cut(self._file, self.synced)

    def read(self, length: int, offset: int) -> bytes:
        return self._disk.read(self._file, length, offset)

    def retire(self) -> None:
        """Remove the file: its records have come to rest. One that cannot be removed is removed at the next start."""
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
        except OSError as wrong:
            self._failed = f"half a write could not be taken back ({wrong.strerror})"
            raise StoreReadOnly(self.name, self._failed) from wrong


_HEADER = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
HEADER_SIZE = _HEADER.size

# The largest payload. A mailbox holds 256 KiB and a frame 64 KiB, so a longer claim is damage.
LARGEST_PAYLOAD = 1 << 20


def frame(payload: bytes) -> bytes:
    """Return a payload as one whole record. Raises ValueError for an empty or oversized payload."""
    length = len(payload)
    if not 0 < length <= LARGEST_PAYLOAD:
        raise ValueError(f"a record holds 1 to {LARGEST_PAYLOAD} bytes, not {length}")
    return _HEADER.pack(length, crc32(payload, crc32(_LENGTH.pack(length)))) + payload


def unframe(record: bytes) -> bytes | None:
    """Return the payload, if `record` is exactly one whole record."""
    payload = _payload_at(record, 0)
    return payload if payload is not None and HEADER_SIZE + len(payload) == len(record) else None


def scan(data: bytes) -> tuple[list[bytes], int]:
    """Return the payloads of the whole records that `data` begins with, and their total length.

    Any bytes may come in. The scan ends at the first torn or damaged record: where the next would begin is unknown.
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
    if not 0 < length <= LARGEST_PAYLOAD or end > len(data):
        return None
    payload = data[begin:end]
    return payload if crc32(payload, crc32(_LENGTH.pack(length))) == checksum else None


_DRAFT = JOURNALS + NEW_SUFFIX


class Journals:
    """All journals by generation, rising. There is a current one after the first `turn`."""

    def __init__(self, disk: Disk, root: int) -> None:
        self._disk = disk
        self._root = root
        self._next_generation = 1
        self._current: Journal | None = None
        self.by_generation: dict[int, Journal] = {}

    @property
    def current(self) -> Journal:
        if self._current is None:
            raise RuntimeError("load comes before everything else")
        return self._current

    @property
    def length(self) -> int:
        """Bytes of entries that have not come to rest."""
        return sum(journal.length - journal.start for journal in self.by_generation.values())

    @property
    def count(self) -> int:
        return len(self.by_generation)

    @property
    def highest(self) -> int:
        """The highest generation that was ever begun."""
        return self._next_generation - 1

    def discard_unsynced(self) -> None:
        """Cut off what this process wrote and no sync has covered."""
        for journal in self.by_generation.values():
            journal.discard_unsynced()

    @property
    def is_behind(self) -> bool:
        """Whether an earlier checkpoint or process has left journals that have not come to rest."""
        return self.count > 1

    def adopt(self, earlier: Sequence[Journal], highest_generation: int) -> None:
        """Take over the journals of earlier processes. New ones are numbered above every generation that any file
        mentions."""
        self.by_generation.update((journal.generation, journal) for journal in earlier)
        self._next_generation = highest_generation + 1

    def prepare(self) -> Journal:
        """Return a new journal without entries, on the disk and listed. One thread may call it without the lock."""
        generation = self._next_generation
        self._next_generation += 1
        first = frame(encode(JournalBegan(generation)))
        journal = Journal.begin(self._disk, self._root, generation, first)
        try:
            self._disk.sync_folder(self._root)  # before the list names it
            self._draft_list([*self.by_generation, generation])
            self._disk.rename(self._root, _DRAFT, JOURNALS)
        except OSError:
            journal.retire()
            raise
        try:
            self._disk.sync_folder(self._root)
        except OSError:
            journal.close()  # the list may name it by now, so the file stays
            raise
        return journal

    def turn(self, fresh: Journal) -> None:
        """Append to `fresh` from now on. Call it under the lock."""
        self._current = fresh
        self.by_generation[fresh.generation] = fresh

    def take_out(self, generation: int) -> list[Journal]:
        """Remove and return the journals up to `generation`, which have come to rest. Call it under the lock."""
        done = [journal for number, journal in self.by_generation.items() if number <= generation]
        for journal in done:
            del self.by_generation[journal.generation]
        return sorted(done, key=lambda journal: journal.generation)

    def close(self) -> None:
        for journal in self.by_generation.values():
            journal.close()

    def _draft_list(self, generations: list[int]) -> None:
        disk = self._disk
        try:
            file = disk.create(self._root, _DRAFT)
        except FileExistsError:  # left by a try that failed
            disk.remove(self._root, _DRAFT)
            file = disk.create(self._root, _DRAFT)
        try:
            write_whole(disk, file, frame(encode(JournalsListed(generations))))
            disk.sync(file)
        finally:
            disk.close(file)


class Reader:
    """Reads one owner's records. The owner's file at rest is `at_rest`, or is opened by name when first needed.

    Close it after use; `at_rest` stays open.
    """

    def __init__(
        self,
        disk: Disk,
        layout: FileLayout,
        journals: Mapping[int, Journal],
        owner: Owner,
        at_rest: int | None,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._journals = journals
        self._owner = owner
        self._file = at_rest
        self._opened: int | None = None

    def record(self, place: Place) -> bytes | None:
        """Return the whole record with its header, None if it is damaged or gone. It never raises."""
        try:
            record = self._bytes(place)
        except (OSError, KeyError):
            return None
        return record if unframe(record) is not None else None

    def entry(self, place: Place) -> Entry | CheckpointMark | None:
        """Return the entry in a record."""
        record = self.record(place)
        return decode(record[HEADER_SIZE:]) if record else None

    def close(self) -> None:
        if self._opened is not None:
            self._disk.close(self._opened)

    def _bytes(self, place: Place) -> bytes:
        if place.generation != AT_REST:
            return self._journals[place.generation].read(place.length, place.offset)
        if self._file is None:
            self._file = self._opened = self._layout.open(self._owner)
        return self._disk.read(self._file, place.length, place.offset)
