"""This file is about the journal: one append-only file a generation, and all durability rests on it.

It knows records and the disk, not what the records say, and no threads: its callers order the calls.

A generation is written by one process only and never continued by the next. After a failed sync the kernel calls lost
pages clean, so what a later process reads back need not be on the disk, and nothing durable may be put behind it. A
torn tail therefore stays where it is until a checkpoint removes the file; replaying ends before it.
"""

import contextlib
import re

from registry.store.disk import Disk, write_whole
from registry.store.errors import StoreReadOnly, from_os_error

_NAME = re.compile(r"journal-(\d{12,18})\Z")


def journal_name(generation: int) -> str:
    """The file of a generation."""
    return f"journal-{generation:012d}"


def generation_in(name: str) -> int | None:
    """The generation that a file's name tells, None for another kind of file."""
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
        """A new generation, whose `first` record is on the disk. The caller syncs the folder before it relies on it."""
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
        """An earlier process's generation, to read `length` bytes of whole records from; never appended to."""
        file = disk.open_to_read(folder, journal_name(generation))
        journal = cls(disk, folder, file, generation=generation, length=length)
        journal.start = start
        return journal

    def append(self, records: bytes) -> int:
        """Put whole records at the end and return the offset of the first. All of them count, or none.

        Raises StoreFull (a later append may fit), StoreBroken, or StoreReadOnly when the torn end could not be cut off
        or a sync has failed.
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
        """Bring the first `upto` bytes to the disk. SyncFailed ends all appending: a second sync would say yes falsely."""
        if upto <= self.synced:
            return
        try:
            self._disk.sync(self._file)
        except OSError as wrong:
            self._failed = f"the disk did not confirm a write ({wrong.strerror})"
            raise
        self.synced = upto

    def take_back(self) -> None:
        """Cut off what this process wrote and no sync has covered: whoever asked for it was told that it is not kept."""
        if self._is_ours:
            self._disk.cut(self._file, self.synced)

    def read(self, length: int, offset: int) -> bytes:
        return self._disk.read(self._file, length, offset)

    def retire(self) -> None:
        """Its records have come to rest elsewhere. A file that cannot be removed is removed at the next start."""
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
