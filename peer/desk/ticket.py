"""This file is about the ticket and how far we have read: both are on disk before the registry hears of them.

It must not know what a ticket is good for, or how it is stored: whoever owns it says when that is done.
"""

import random
from collections.abc import Callable
from typing import Final

import msgspec

from wire.messages.desk.fields import TICKET_SIZE
from wire.messages.table import Count


class StoredVisit(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk: the ticket, and how far we have read."""

    ticket: bytes = b""
    """Empty: no place."""
    heard: Count = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what no registry would take: nobody would ever answer it."""
        if len(self.ticket) not in (0, TICKET_SIZE):
            raise ValueError(f"a ticket has {TICKET_SIZE} bytes")


class Ticket:
    """The ticket of one visitor, drawn by the visitor; what waits for the disk is done by `stored`."""

    def __init__(self, stored: StoredVisit, *, rng: random.Random) -> None:
        self._rng: Final = rng
        self._is_changed = False
        self._then: list[Callable[[], None]] = []
        self.value = stored.ticket
        """Empty: no place."""
        self.heard = stored.heard
        """The highest position among the operator's lines that was shown."""

    @property
    def is_pending(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self._then)

    def draw(self, then: Callable[[], None]) -> None:
        """A new one, of which nothing is read yet."""
        self.value, self.heard = self._rng.randbytes(TICKET_SIZE), 0
        self._store(then)

    def read_up_to(self, position: int, then: Callable[[], None]) -> None:
        """The operator's lines up to this one have been shown."""
        self.heard = position
        self._store(then)

    def forget(self) -> None:
        """No place any more."""
        self.value, self.heard = b"", 0
        self._is_changed = True
        self._then.clear()

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then say `stored`."""
        changed, self._is_changed = self._is_changed, False
        return StoredVisit(ticket=self.value, heard=self.heard) if changed else None

    def stored(self) -> None:
        """What was drained is on disk."""
        then, self._then = self._then, []
        for act in then:
            act()

    def _store(self, then: Callable[[], None]) -> None:
        self._is_changed = True
        self._then.append(then)
