"""A store without a disk, for tests and the simulator.

It follows the rules of the file store (image.py), and can crash, fill up and fail to sync on
demand; the tests hold both stores to one contract.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import TypeVar

from chatapp.registry.store.entries import (
    DeskOwner,
    Entry,
    GroupLineKept,
    MailStored,
    Owner,
    encode,
)
from chatapp.registry.store.protocol import Loaded, RecordLost
from chatapp.registry.store.state import LoadedBuilder, StoreState
from chatapp.wire.errors import StoreFull, StoreReadOnly
from chatapp.wire.storage import frame

_WHERE = "memory"

Kept = TypeVar("Kept", MailStored, GroupLineKept)


class MemoryStore:
    """A store in memory: appended entries count at once, and survive a `crash` only if a `sync`
    came in between."""

    def __init__(self) -> None:
        self.full = False  # appends raise StoreFull as long as it is set
        # a sync that has something to do makes the store read-only, and it does not recover
        self.sync_fails = False
        self._read_only = False
        self._lock = Lock()
        self._state: StoreState[Entry] = StoreState()
        self._durable: StoreState[Entry] = StoreState()
        self._unsynced: list[Entry] = []

    def load(self) -> Loaded:
        """Return the present state of the store; may be called at any time."""
        builder = LoadedBuilder()
        with self._lock:
            owners: list[Owner] = [*self._state.mail, *self._state.groups, DeskOwner.DESK]
            for holder in chain.from_iterable(map(self._state.holders, owners)):
                for entry in holder.values():
                    builder.note(entry)
            return builder.loaded(self._state)

    def append(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            frame(encode(entry))  # what a file could not hold is refused here too
        with self._lock:
            self._check_writable()
            if self.full:
                raise StoreFull(_WHERE, "no room")
            for entry in entries:
                self._state.apply(entry, entry)
            self._unsynced.extend(entries)

    def sync(self) -> None:
        with self._lock:
            self._check_writable()
            if self._unsynced and self.sync_fails:
                self._read_only = True
                self._check_writable()
            for entry in self._unsynced:
                self._durable.apply(entry, entry)
            self._unsynced = []

    def read_letters(self, recipient: bytes, serials: Sequence[int]) -> list[bytes]:
        with self._lock:
            box = self._state.mail.get(recipient, {})
            return [entry.letter for entry in _all_of(MailStored, box, serials, recipient.hex())]

    def read_lines(self, group: str, positions: Sequence[int]) -> list[bytes]:
        with self._lock:
            known = self._state.groups.get(group)
            lines = known.lines if known else {}
            return [entry.frame for entry in _all_of(GroupLineKept, lines, positions, group)]

    def checkpoint_due(self, now: float) -> bool:
        """Return None: there is nothing to checkpoint."""
        return False

    def checkpoint(self) -> None:
        self.sync()

    def recovery_due(self, now: float) -> bool:
        """Return whether a sync has failed."""
        return self._read_only

    def recover(self) -> None:
        if self.sync_fails or self.full:
            raise StoreReadOnly(_WHERE, "a sync has failed")
        self.crash()

    def close(self) -> None:
        if not (self._read_only or self.sync_fails):
            self.sync()

    def crash(self) -> None:
        """Simulate a power failure: what was not synced is lost. `load` returns the rest."""
        with self._lock:
            self._state = self._durable.copy()
            self._unsynced = []
            self._read_only = False

    def _check_writable(self) -> None:
        if self._read_only:
            raise StoreReadOnly(_WHERE, "a sync has failed")


def _all_of(
    kind: type[Kept], found: Mapping[int, Entry], keys: Sequence[int], where: str
) -> list[Kept]:
    kept = [entry for key in keys if isinstance(entry := found.get(key), kind)]
    if len(kept) < len(keys):
        raise RecordLost(where, [key for key in keys if key not in found])
    return kept
