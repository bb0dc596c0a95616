"""One line of visits: their order, by ranks that go to the disk, so that a move touches one record."""

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

    def put_back(self, visit: Visit) -> list[Visit]:
        """To the head of the line; among those who were put back before, by arrival. Returned are those whose rank is
        another one now.

        Whom an operator has moved stays where the operator wanted them: they count as nobody who was put back."""
        place = 1
        for at, other in enumerate(self._visits, 1):
            if other.is_put_back and other.number < visit.number:
                place = at + 1
            elif other.is_put_back:
                place = max(place, at)
                break
        visit.is_put_back = True
        return self._insert(visit, place)

    def restore(self, visit: Visit) -> list[Visit]:
        """Where it was before it was called: behind those who were before it, and those put back who came earlier.
        Returned are those whose rank is another one now."""
        place = 1
        for at, other in enumerate(self._visits, 1):
            is_before = other.number < visit.number if other.is_put_back else other.rank < visit.rank
            place = at + 1 if is_before else place
        return self._insert(visit, place)

    def remove(self, visit: Visit) -> None:
        """Out of the line; nobody else's rank changes."""
        del self._visits[self.position(visit) - 1]
        visit.is_put_back = False

    def move(self, visit: Visit, to: int) -> list[Visit]:
        """To this position, or the last one when there are fewer; those whose rank is another one now."""
        self.remove(visit)
        return self._insert(visit, min(to, len(self._visits) + 1))

    def _insert(self, visit: Visit, place: int) -> list[Visit]:
        before, after = self.at(place - 1), self.at(place)
        if after is None:
            self.append(visit)
            return [visit]
        self._visits.insert(place - 1, visit)
        if before is None:
            visit.rank = after.rank - GAP
        elif after.rank - before.rank < 2:
            return self._rank_anew()
        else:
            visit.rank = (before.rank + after.rank) // 2
        return [visit]

    def _rank_anew(self) -> list[Visit]:
        for place, visit in enumerate(self._visits):
            visit.rank = place * GAP
        return list(self._visits)


def _rank(visit: Visit) -> int:
    return visit.rank
