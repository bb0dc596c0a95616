"""The registry's journals: which there are, the list of those that must exist, and reading one
owner's records."""

from collections.abc import Mapping, Sequence

from chatapp.registry.store.entries import (
    CheckpointMark,
    Entry,
    JournalBegan,
    JournalsListed,
    Owner,
    decode,
    encode,
)
from chatapp.registry.store.segments import AT_REST, JOURNALS, NEW_SUFFIX, FileLayout, Place
from chatapp.wire.storage import HEADER_SIZE, Disk, Journal, frame, unframe, write_whole

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
        """Take over the journals of earlier processes. New ones are numbered above every generation
        that any file mentions."""
        self.by_generation.update((journal.generation, journal) for journal in earlier)
        self._next_generation = highest_generation + 1

    def prepare(self) -> Journal:
        """Return a new journal without entries, on the disk and listed. One thread may call it
        without the lock."""
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
        """Remove and return the journals up to `generation`, which have come to rest. Call it under
        the lock."""
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
    """Reads one owner's records. The owner's file at rest is `at_rest`, or is opened by name when
    first needed.

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
        """Return the whole record with its header, None if it is damaged or gone. It never
        raises."""
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
