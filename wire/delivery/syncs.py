"""Which acknowledged messages survive a power cut: the receiver counts the syncs of its disk, and
says so (clause 6.13)."""

from typing import Final, NamedTuple


class SyncMark(NamedTuple):
    """A sync of the disk at the other end, in one life of its program. Number 0 was done before
    anything was stored."""

    life: int
    number: int


NO_SYNC: Final = SyncMark(0, 0)


class Syncs:
    """The syncs of our own disk in this life: which one covers what is stored now, and which are
    done."""

    __slots__ = ("_begun", "covering", "done", "life")

    def __init__(self, life: int = 0) -> None:
        """`life`: differs from those of earlier lives. All that they stored is on the disk."""
        self.life: Final = life
        self.done = 0
        self._begun = 0
        self.covering = 0
        """The number of the sync that covers all that is stored by now; 0 if all is on the disk."""

    def note_stored(self) -> None:
        """Note that something was stored: a sync that has begun already does not cover it."""
        self.covering = self._begun + 1

    def begin(self) -> int:
        """Return the number of a sync that begins now."""
        self._begun += 1
        return self._begun

    def end(self, number: int) -> None:
        """Note that this sync is done."""
        self.done = max(self.done, number)
        if self.covering <= self.done:
            self.covering = 0
