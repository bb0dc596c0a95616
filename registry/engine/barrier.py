"""The commit barrier: entries on their way to the disk, and the effects that wait until they are
there."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.registry.rules.effects import (
    Caller,
    Effect,
    LettersOutcome,
    Persist,
    Resume,
    StoreLetter,
)
from chatapp.registry.store.entries import Entry
from chatapp.wire.limits import PROMISES_BYTES_MAX, PROMISES_MAX


class _Promise(msgspec.Struct):
    """What follows when some entries are on the disk, or are not."""

    upto: int
    """How many entries must be on the disk."""
    then: Sequence[Effect] = ()
    otherwise: Sequence[Effect] = ()
    held: int = 0
    """Bytes that `then` keeps in memory."""
    letters: list[StoreLetter] = []
    """Instead of the effects: a run of letters, which are settled together."""


_NOBODY: Final = Caller(identity=b"")


class CommitBarrier:
    """Entries on their way to the disk, and the effects that wait for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._waiting: deque[_Promise] = deque()
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

    def add(self, persist: Persist) -> Sequence[Effect]:
        """Queue the entries. Return the effects that need not wait: nothing is on its way, or too
        much is."""
        if not persist.then and not persist.otherwise:
            self._new.extend(persist.entries)
            return ()
        is_full = self._count >= PROMISES_MAX or (persist.held and self._held >= PROMISES_BYTES_MAX)
        if persist.entries and is_full:
            return persist.otherwise
        if self._count >= 2 * PROMISES_MAX:
            return ()  # mostly repeated requests, whose first copy gets the answer
        self._new.extend(persist.entries)
        if self.is_idle:
            return persist.then
        self._held += persist.held
        self._count += 1
        upto = self._handed + len(self._new)
        self._waiting.append(_Promise(upto, persist.then, persist.otherwise, persist.held))
        return ()

    def add_letter(self, letter: StoreLetter) -> bool:
        """Queue a letter's entry. Return False if too much is on its way."""
        if self._count >= PROMISES_MAX:
            return False
        self._new.append(letter.entry)
        self._count += 1
        before = self._handed + len(self._new) - 1
        run = self._waiting[-1] if self._waiting else None
        if run is None or not run.letters or run.upto != before or before == self._handed:
            # The first entry of a turn begins a run, too: what is handed over together is stored
            # together or not at all.
            run = _Promise(before)
            self._waiting.append(run)
        run.letters.append(letter)
        run.upto = before + 1
        return True

    def entries_to_store(self) -> list[Entry]:
        """Drain the new entries, in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Effect]:
        """Note that the oldest `count` entries on their way are on the disk. Return the effects
        that waited for them."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Effect] = []
        while self._waiting and self._waiting[0].upto <= self._stored:
            released += self._settled(self._waiting.popleft(), is_stored=True)
        return released

    def failed(self, newest: int | None) -> list[Effect]:
        """Note that the newest `newest` entries on their way (all, for None) were not stored.
        Return the effects for that case."""
        pending = self._handed - self._stored
        lost = pending if newest is None else min(newest, pending)
        kept_upto = self._handed - lost
        kept: deque[_Promise] = deque()
        released: list[Effect] = []
        for promise in self._waiting:
            if promise.upto <= kept_upto:
                kept.append(promise)
            elif promise.upto <= self._handed:
                released += self._settled(promise, is_stored=False)
            else:  # made since, for entries that are not handed over yet
                promise.upto -= lost
                kept.append(promise)
        self._waiting, self._handed = kept, kept_upto
        return released

    def _settled(self, promise: _Promise, *, is_stored: bool) -> Sequence[Effect]:
        self._held -= promise.held
        self._count -= len(promise.letters) or 1
        if promise.letters:
            return (
                Resume(
                    request=LettersOutcome(letters=promise.letters, is_stored=is_stored), to=_NOBODY
                ),
            )
        return promise.then if is_stored else promise.otherwise
