"""This file is about promises: what may be said only when the disk has what it is about, released in order.

It counts entries: those made, those handed to the store, those on the disk. It must not know what they mean.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from registry.effects import Effect, Store
from registry.store.entries import Entry
from wire.limits import PROMISES_BYTES_MAX, PROMISES_MAX


class DiskState:
    """Why the disk took nothing when it last did not: the rules that tell somebody of it read it."""

    def __init__(self) -> None:
        self.is_full = False
        """Whether there was no room. Otherwise the disk fails, or does not answer."""


class _Promise(NamedTuple):
    upto: int
    """The count of entries that must be on the disk."""
    then: Sequence[Effect]
    otherwise: Sequence[Effect]
    held: int
    """Bytes that `then` keeps in memory."""


class Promises:
    """Entries on their way to the disk, and what waits for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._waiting: deque[_Promise] = deque()
        self._held = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is new and nothing waits."""
        return not self._new and self._stored == self._handed

    def add(self, store: Store) -> Sequence[Effect]:
        """Keep the entries; effects that need not wait, because nothing is on its way, or too much."""
        if not store.then and not store.otherwise:
            self._new.extend(store.entries)
            return ()
        is_full = len(self._waiting) >= PROMISES_MAX or (store.held and self._held >= PROMISES_BYTES_MAX)
        if store.entries and is_full:
            return store.otherwise
        if len(self._waiting) >= 2 * PROMISES_MAX:
            return ()  # mostly repeats of what is on its way, whose first asking is answered
        self._new.extend(store.entries)
        if self.is_idle:
            return store.then
        self._held += store.held
        upto = self._handed + len(self._new)
        self._waiting.append(_Promise(upto, store.then, store.otherwise, store.held))
        return ()

    def entries_to_store(self) -> list[Entry]:
        """Drained: entries in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Effect]:
        """The oldest `count` entries on their way are on the disk: what may now be said."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Effect] = []
        while self._waiting and self._waiting[0].upto <= self._stored:
            promise = self._waiting.popleft()
            self._held -= promise.held
            released.extend(promise.then)
        return released

    def failed(self, newest: int | None) -> list[Effect]:
        """The newest `newest` entries on their way (all, for None) will never be: what must be said instead."""
        way = self._handed - self._stored
        lost = way if newest is None else min(newest, way)
        kept_upto = self._handed - lost
        kept: deque[_Promise] = deque()
        released: list[Effect] = []
        for promise in self._waiting:
            if promise.upto <= kept_upto:
                kept.append(promise)
            elif promise.upto <= self._handed:
                self._held -= promise.held
                released.extend(promise.otherwise)
            else:  # made since: waits for its own entries
                kept.append(promise._replace(upto=promise.upto - lost))
        self._waiting, self._handed = kept, kept_upto
        return released
