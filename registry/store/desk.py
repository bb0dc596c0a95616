"""This file is about what the entries of the help desk mean, taken together (image.py has the rest).

A visit is one record, the latest that was told; its lines go with it when it is over. Saying things again changes
nothing: a visit that is over stays over as long as its end is known, and a line that was dropped is not taken in again
as long as a later one is there.
"""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, assert_never

from registry.store.entries import DeskEntry, DeskLineKept, DeskVisitKept, DeskVisitOver
from wire.limits import DESK_SESSIONS_MAX, DESK_UNTOLD_MAX

Where = TypeVar("Where")

_POSITION_BITS = 64


def line_key(visit: int, position: int) -> int:
    """One number for a line of a visit; they sort by visit, then by position."""
    return visit << _POSITION_BITS | position


class DeskImage(Generic[Where]):
    """The desk: visits by number, lines by `line_key`, the newest sessions and ends by visit."""

    def __init__(self) -> None:
        self.visits: dict[int, Where] = {}
        self.lines: dict[int, Where] = {}
        self.served: dict[int, Where] = {}  # in the order of their ends
        self.last: dict[
            int, Where
        ] = {}  # the highest visit that ended unserved: its number is not given again
        self.untold: dict[
            int, Where
        ] = {}  # those that ended unserved, and whose visitor may be still to be told, in the order of their ends
        self.highest_visit = 0
        self._spans: dict[
            int, tuple[int, int]
        ] = {}  # of each visit with lines: the first and the last position

    def copy(self) -> "DeskImage[Where]":
        """An image of its own, of the same places."""
        twin: DeskImage[Where] = DeskImage()
        twin.visits, twin.lines = self.visits.copy(), self.lines.copy()
        twin.served, twin.last, twin.untold = self.served.copy(), self.last.copy(), self.untold.copy()
        twin.highest_visit, twin._spans = self.highest_visit, self._spans.copy()
        return twin

    def holders(self) -> list[dict[int, Where]]:
        """The live tables: together the whole content of the desk's file."""
        tables = [self.visits, self.lines, self.served, self.last, self.untold]
        return tables if any(tables) else []

    def apply(self, entry: DeskEntry, where: Where) -> Sequence[Where]:
        """Take in `entry`; what is not needed any more."""
        match entry:
            case DeskVisitKept():
                return self._keep(entry, where)
            case DeskLineKept():
                return self._say(entry, where)
            case DeskVisitOver():
                return self._end(entry, where)
        assert_never(entry)

    def _keep(self, entry: DeskVisitKept, where: Where) -> Sequence[Where]:
        if self._is_over(entry.visit):
            return (where,)
        self.highest_visit = max(self.highest_visit, entry.visit)
        former = self.visits.get(entry.visit)
        self.visits[entry.visit] = where
        return () if former is None else (former,)

    def _say(self, entry: DeskLineKept, where: Where) -> Sequence[Where]:
        first, last = self._spans.get(entry.visit, (entry.first, entry.first - 1))
        if self._is_over(entry.visit) or entry.position <= last:
            return (where,)
        self.lines[line_key(entry.visit, entry.position)] = where
        cut = max(first, entry.first)
        self._spans[entry.visit] = (cut, entry.position)
        return list(self._drop(entry.visit, first, cut))

    def _end(self, entry: DeskVisitOver, where: Where) -> Sequence[Where]:
        if self._is_over(entry.visit):
            return (where,)
        self.highest_visit = max(self.highest_visit, entry.visit)
        freed: list[Where] = []
        if entry.visit in self.visits:
            freed.append(self.visits.pop(entry.visit))
        first, last = self._spans.pop(entry.visit, (0, -1))
        freed += self._drop(entry.visit, first, last + 1)
        return [*freed, *self._remember(entry, where)]

    def _remember(self, entry: DeskVisitOver, where: Where) -> Sequence[Where]:
        if entry.called_at or entry.ticket:
            kept, most = (
                (self.served, DESK_SESSIONS_MAX) if entry.called_at else (self.untold, DESK_UNTOLD_MAX)
            )
            kept[entry.visit] = where
            return (kept.pop(next(iter(kept))),) if len(kept) > most else ()
        known = next(iter(self.last), 0)
        if entry.visit < known:
            return (where,)
        freed = list(self.last.values())
        self.last.clear()
        self.last[entry.visit] = where
        return freed

    def _drop(self, visit: int, first: int, end: int) -> Iterator[Where]:
        for position in range(first, end):
            gone = self.lines.pop(line_key(visit, position), None)
            if gone is not None:
                yield gone

    def _is_over(self, visit: int) -> bool:
        return visit in self.served or visit in self.last or visit in self.untold
