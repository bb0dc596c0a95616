"""This file is about the row of journals: the one that is appended to, and earlier ones that are not at rest yet.

It knows generations and lengths, not what entries mean, and no threads: the file store holds its lock where it says so.
"""

from collections.abc import Sequence

from registry.store.disk import Disk
from registry.store.journal import Journal


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
        """Bytes of records that are not at rest."""
        return sum(journal.length for journal in self.by_generation.values())

    @property
    def count(self) -> int:
        return len(self.by_generation)

    @property
    def is_behind(self) -> bool:
        """Whether an earlier checkpoint, or an earlier process, has left journals that are not at rest."""
        return self.count > 1

    def adopt(self, earlier: Sequence[Journal], highest_generation: int) -> None:
        """Journals of earlier processes. New ones are numbered above everything that any file mentions."""
        self.by_generation.update((journal.generation, journal) for journal in earlier)
        self._next_generation = highest_generation + 1

    def prepare(self) -> Journal:
        """A new, empty journal whose name is on the disk. It may be called without the lock, by one thread."""
        generation = self._next_generation
        self._next_generation += 1
        journal = Journal.begin(self._disk, self._root, generation)
        self._disk.sync_folder(self._root)
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
            if journal.length:
                journal.close()
            else:
                journal.retire()
