"""Visitors who are served, in reach, and say nothing: after a while they are marked."""

from collections.abc import Iterable
from typing import Final

from chatapp.registry.desk.queue.visit import Change, QueueEvent, Visit, VisitEvent, VisitState
from chatapp.registry.limits import Leases

_BEGINS: Final = frozenset({VisitEvent.CALLED, VisitEvent.HANDED_OVER, VisitEvent.RETURNED})
"""Events after which a visitor who is served has all the time to say something."""


class SilenceWatch:
    """Deadlines of the visitors who are served: when each counts as silent."""

    def __init__(self, span: float) -> None:
        """`span`: seconds without a line after which a visitor counts as silent."""
        self._deadlines: Leases[int] = Leases(span)

    def follow(self, events: Iterable[QueueEvent], *, now: float) -> None:
        """Begin and end deadlines after events of the queue."""
        for one in events:
            if not isinstance(one, Change):
                continue
            if one.visit.state is not VisitState.SERVED:
                one.visit.is_silent = False
                self._deadlines.end(one.visit.number)
            elif one.event in _BEGINS:
                self.heard(one.visit, now=now)

    def heard(self, visit: Visit, *, now: float) -> None:
        """Note that a visitor who is served has said something, or has only just been called."""
        visit.is_silent = False
        self._deadlines.renew(visit.number, now=now)

    def expired(self, *, now: float) -> list[int]:
        """Remove and return the visits whose visitor counts as silent from now on."""
        return self._deadlines.expired(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        return self._deadlines.next_deadline()
