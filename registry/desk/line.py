"""This file is about one line of visits: their order, by ranks that go to the disk, so that a move touches one record.

It knows visits and ranks; it must not know why anybody is moved.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from registry.desk.visit import Visit

GAP: Final = 1 << 32
"""Between two ranks that were given in order: thirty-two moves into one place before ranks are given anew."""


class Line:
    """Visits by rank, the head first."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []

    def __len__(self) -> int:
        return len(self._visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits)

    def load(self, visits: list[Visit]) -> None:
        """As they were."""
        self._visits = sorted(visits, key=lambda visit: (visit.rank, visit.number))

    def at(self, place: int) -> Visit | None:
        """Whoever has this position, from 1."""
        return self._visits[place - 1] if 1 <= place <= len(self._visits) else None

    def position(self, visit: Visit) -> int:
        """From 1; the visit must be in line."""
        place = bisect_left(self._visits, visit.rank, key=_rank)
        while self._visits[place] is not visit:
            place += 1
        return place + 1

    def append(self, visit: Visit) -> None:
        """Behind everybody."""
        visit.rank = self._visits[-1].rank + GAP if self._visits else 0
        self._visits.append(visit)

    def put_first(self, visit: Visit) -> None:
        """Before everybody."""
        visit.rank = self._visits[0].rank - GAP if self._visits else 0
        self._visits.insert(0, visit)

    def remove(self, visit: Visit) -> None:
        """Out of the line; nobody else's rank changes."""
        del self._visits[self.position(visit) - 1]

    def move(self, visit: Visit, to: int) -> list[Visit]:
        """To this position, or the last one when there are fewer; those whose rank is another one now."""
        self.remove(visit)
        place = min(to, len(self._visits) + 1) - 1
        before, after = self.at(place), self.at(place + 1)
        if before is None:
            self.put_first(visit)
        elif after is None:
            self.append(visit)
        else:
            self._visits.insert(place, visit)
            if after.rank - before.rank < 2:
                return self._rank_anew()
            visit.rank = (before.rank + after.rank) // 2
        return [visit]

    def _rank_anew(self) -> list[Visit]:
        for place, visit in enumerate(self._visits):
            visit.rank = place * GAP
        return list(self._visits)


def _rank(visit: Visit) -> int:
    return visit.rank
