"""The commit barrier: entries on their way to the disk, and the rules that wait until they are
there."""

from collections import deque
from collections.abc import Sequence

import msgspec

from chatapp.registry.rules.effects import Rule, Store, StoreLetter
from chatapp.registry.store.entries import Entry
from chatapp.wire.limits import PROMISES_BYTES_MAX, PROMISES_MAX


class Promise(msgspec.Struct):
    """Who goes on when some entries are on the disk, or are not."""

    upto: int
    """How many entries must be on the disk."""
    waiting: Rule | list[StoreLetter]
    """A rule, or a run of letters, which are settled together."""
    held: int = 0
    """Bytes that the rule keeps in memory."""
    is_lost: bool = False
    """Whether its entries were not stored."""


class CommitBarrier:
    """Entries on their way to the disk, and the rules that wait for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._promises: deque[Promise] = deque()
        self._count = 0
        """How many requests wait."""
        self._held = 0

    @property
    def is_idle(self) -> bool:
        """Whether every entry is on the disk."""
        return not self._new and self._stored == self._handed

    @property
    def stored_in_all(self) -> int:
        """How many entries are on the disk, since the start."""
        return self._stored

    def append(self, entries: Sequence[Entry]) -> None:
        """Queue entries for which nothing waits."""
        self._new.extend(entries)

    def add(self, store: Store, rule: Rule) -> bool | None:
        """Queue the entries, and the rule behind them. Return None; or whether they count as stored
        if the rule need not wait: nothing is on its way, or too much is."""
        is_full = self._count >= PROMISES_MAX or (store.held and self._held >= PROMISES_BYTES_MAX)
        if store.entries and is_full:
            return False
        if self._count >= 2 * PROMISES_MAX:
            return None  # dropped: mostly repeated requests, whose first copy gets the answer
        self._new.extend(store.entries)
        if self.is_idle:
            return True
        self._held += store.held
        self._count += 1
        self._promises.append(Promise(self._handed + len(self._new), rule, store.held))
        return None

    def add_letter(self, letter: StoreLetter) -> bool:
        """Queue a letter's entry. Return False if too much is on its way."""
        if self._count >= PROMISES_MAX:
            return False
        self._new.append(letter.entry)
        self._count += 1
        before = self._handed + len(self._new) - 1
        last = self._promises[-1] if self._promises else None
        if (
            last is not None
            and last.upto == before
            # The first entry of a turn begins a run, too: what is handed over together is stored
            # together or not at all.
            and before != self._handed
            and isinstance(last.waiting, list)
        ):
            last.waiting.append(letter)
            last.upto = before + 1
        else:
            self._promises.append(Promise(before + 1, [letter]))
        return True

    def entries_to_store(self) -> list[Entry]:
        """Drain the new entries, in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Promise]:
        """Note that the oldest `count` entries on their way are on the disk. Return who waited for
        them."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Promise] = []
        while self._promises and self._promises[0].upto <= self._stored:
            released.append(self._released(self._promises.popleft()))
        return released

    def failed(self, newest: int | None) -> list[Promise]:
        """Note that the newest `newest` entries on their way (all, for None) were not stored. Who
        waited for them goes on behind those who wait for older entries: what is told must not
        overtake what happened before. Return who goes on now."""
        pending = self._handed - self._stored
        lost = pending if newest is None else min(newest, pending)
        kept_upto = self._handed - lost
        for promise in self._promises:
            if promise.upto > self._handed:  # made since, for entries that are not handed over yet
                promise.upto -= lost
            elif promise.upto > kept_upto:
                promise.upto, promise.is_lost = kept_upto, True
        self._handed = kept_upto
        return self.stored(0)

    def _released(self, promise: Promise) -> Promise:
        self._held -= promise.held
        self._count -= len(promise.waiting) if isinstance(promise.waiting, list) else 1
        return promise
