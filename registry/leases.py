"""This file is about leases: keys that live on as long as they are renewed, each for the same span.

Used for who is online (a sign of life), for links (a byte) and for keys that are honoured a little longer. Since the span
is one, the order of renewal is the order of expiry: the next deadline costs nothing. It knows no clock.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Held = TypeVar("Held", bound=Hashable)


class Leases(Generic[Held]):
    """Who holds a lease, and until when."""

    __slots__ = ("_span", "_until")

    def __init__(self, span: float) -> None:
        self._span = span
        self._until: dict[Held, float] = {}

    def __contains__(self, key: Held) -> bool:
        return key in self._until

    def __len__(self) -> int:
        return len(self._until)

    def renew(self, key: Held, *, now: float) -> None:
        """From `now` for one span. Time that runs backwards shortens nothing."""
        self._until.pop(key, None)
        self._until[key] = max(now + self._span, self._latest())

    def end(self, key: Held) -> bool:
        """Whether there was one to end."""
        return self._until.pop(key, None) is not None

    def oldest(self) -> Held | None:
        """Whose lease ends first."""
        return next(iter(self._until), None)

    def expired(self, *, now: float) -> list[Held]:
        """Drained: those whose lease is over, in order."""
        over: list[Held] = []
        for key, until in self._until.items():
            if until > now:
                break
            over.append(key)
        for key in over:
            del self._until[key]
        return over

    def next_deadline(self) -> float | None:
        """When the first lease ends."""
        return next(iter(self._until.values()), None)

    def _latest(self) -> float:
        """The deadline of the newest lease: keeps the order when `now` is a hair earlier than the last one."""
        return next(reversed(self._until.values()), 0.0)
