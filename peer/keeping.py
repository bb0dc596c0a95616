"""This file is about when records reach the disk: at once when something promised rests on them, else in company.

It knows the disk and its troubles; it must not know what the records are about.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from peer.core.records import Record, can_wait
from peer.history import History
from wire.limits import RECORDS_WAITING_MAX, TEXTS_WAITING_MAX

WAIT_FOR_COMPANY: Final = 0.02
"""Seconds for which records that carry no promise wait for a commit that is made anyway."""

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between tries to write to a full disk; nothing is acknowledged meanwhile."""


class Keeper:
    """Commits records, all that are due in one transaction."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: list[Record] = []
        self._texts_waiting = 0
        """The length of the texts of those."""
        self._waiting_since = 0.0
        self._is_urgent = False
        self._again_at = 0.0
        self.trouble: str | None = None
        """Why nothing can be stored; set once when it begins. Whoever tells of it sets it to None."""

    def keep(self, records: Sequence[Record], *, now: float, is_last: bool = False) -> bool:
        """Take more; true when nothing promised is unstored. `is_last`: no other commit will come."""
        if records:
            if not self._waiting:
                self._waiting_since = now
            self._waiting += records
            for record in records:
                self._texts_waiting += len(getattr(record, "text", ""))
            self._is_urgent = self._is_urgent or not all(map(can_wait, records))
        if not self._waiting:
            return True
        if now < self._again_at and not is_last:
            return False
        if not self._is_urgent and not is_last and now < self._waiting_since + WAIT_FOR_COMPANY:
            return True
        return self._commit(now)

    def use(self, history: History) -> None:
        """The same memory, at another place."""
        self._history = history

    @property
    def is_full(self) -> bool:
        """Whether so much waits for a disk that takes nothing that no more may come."""
        return len(self._waiting) >= RECORDS_WAITING_MAX or self._texts_waiting >= TEXTS_WAITING_MAX

    def next_timer(self) -> float | None:
        """When `keep` is to be called again though nothing new came."""
        if not self._waiting:
            return None
        return max(self._again_at, self._waiting_since + WAIT_FOR_COMPANY)

    def _commit(self, now: float) -> bool:
        try:
            self._history.apply(self._waiting)
        except sqlite3.Error as error:
            if not self._again_at:
                self.trouble = f"Nothing can be stored ({error}); messages are not acknowledged until it can"
            self._again_at = now + STORE_AGAIN_AFTER
            return False
        self._again_at = 0.0
        self._is_urgent = False
        self._waiting.clear()
        self._texts_waiting = 0
        return True
