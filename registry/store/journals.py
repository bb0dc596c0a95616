"""The row of journals: the one that is appended to, earlier ones that are not at rest yet, and the list that names them.

The list is what tells a start that a journal must be there. It knows generations and lengths, not what entries mean, and no
threads: the file store holds its lock where it says so.
"""

from collections.abc import Sequence

from registry.store.disk import Disk, write_whole
from registry.store.entries import JournalBegan, JournalsListed, encode
from registry.store.journal import Journal
from registry.store.records import frame
from registry.store.shelf import JOURNALS, NEW_SUFFIX

_DRAFT = JOURNALS + NEW_SUFFIX


class Journals:
    """By generation, rising. There is a current one after `turn` was called first."""

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
        """Bytes of entries that are not at rest."""
        return sum(journal.length - journal.start for journal in self.by_generation.values())

    @property
    def count(self) -> int:
        return len(self.by_generation)

    @property
    def highest(self) -> int:
        """The highest generation that was ever begun."""
        return self._next_generation - 1

    def take_back(self) -> None:
        """Cut off what this process wrote and no sync has covered."""
        for journal in self.by_generation.values():
            journal.take_back()

    @property
    def is_behind(self) -> bool:
        """Whether an earlier checkpoint, or an earlier process, has left journals that are not at rest."""
        return self.count > 1

    def adopt(self, earlier: Sequence[Journal], highest_generation: int) -> None:
        """Journals of earlier processes. New ones are numbered above everything that any file mentions."""
        self.by_generation.update((journal.generation, journal) for journal in earlier)
        self._next_generation = highest_generation + 1

    def prepare(self) -> Journal:
        """A new journal without entries, which is on the disk and listed there. It may be called without the lock, by one
        thread."""
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
        """Append to `fresh` from now on. Under the lock."""
        self._current = fresh
        self.by_generation[fresh.generation] = fresh

    def take_out(self, generation: int) -> list[Journal]:
        """The journals up to `generation`, which are at rest now. Under the lock."""
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
        except FileExistsError:  # of a try that failed
            disk.remove(self._root, _DRAFT)
            file = disk.create(self._root, _DRAFT)
        try:
            write_whole(disk, file, frame(encode(JournalsListed(generations))))
            disk.sync(file)
        finally:
            disk.close(file)
