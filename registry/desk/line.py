"""One line of visits: their order, by ranks that go to the disk, so that a move touches one record.

Whoever is called keeps their rank, which nobody else gets meanwhile: who turns out to be away is in line again where they
were.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from registry.desk.visit import Visit

GAP: Final = 1 << 32
"""Between two ranks that were given in order: thirty-two moves into one place before ranks are given anew."""


class Line:
    """Visits by rank, the head first. Those who are served are not in it, but known."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []
        self._called: dict[int, Visit] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits)

    def load(self, visits: Iterable[Visit], called: Iterable[Visit]) -> None:
        """As they were: those in line, and those who are served."""
        self._visits = sorted(visits, key=lambda visit: (visit.rank, visit.number))
        self._called = {visit.number: visit for visit in called}

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
        ranks = [one.rank for one in (*self._visits[-1:], *self._called.values())]
        visit.rank = max(ranks) + GAP if ranks else 0
        self._visits.append(visit)

    def call(self, visit: Visit) -> None:
        """Out of the line, to be served; nobody else's rank changes."""
        del self._visits[self.position(visit) - 1]
        visit.is_put_back = False
        self._called[visit.number] = visit

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
        del self._called[visit.number]
        return self._insert(visit, place)

    def restore(self, visit: Visit) -> list[Visit]:
        """Where it was before it was called: behind those who were before it, and those put back who came earlier.
        Returned are those whose rank is another one now."""
        place = 1
        for at, other in enumerate(self._visits, 1):
            is_before = other.number < visit.number if other.is_put_back else other.rank < visit.rank
            place = at + 1 if is_before else place
        del self._called[visit.number]
        before, after = self.at(place - 1), self.at(place)
        if (before is None or before.rank < visit.rank) and (after is None or visit.rank < after.rank):
            self._visits.insert(place - 1, visit)
            return [visit]
        return self._insert(visit, place)

    def remove(self, visit: Visit) -> None:
        """Out of the line, or served no more; nobody else's rank changes."""
        if self._called.pop(visit.number, None) is None:
            del self._visits[self.position(visit) - 1]
        visit.is_put_back = False

    def move(self, visit: Visit, to: int) -> list[Visit]:
        """To this position, or the last one when there are fewer; those whose rank is another one now."""
        self.remove(visit)
        return self._insert(visit, min(to, len(self._visits) + 1))

    def _insert(self, visit: Visit, place: int) -> list[Visit]:
        """Right behind whoever is before this place; at the head, before those who are served as well."""
        before, after = self.at(place - 1), self.at(place)
        others = [one.rank for one in self._called.values()] + ([] if after is None else [after.rank])
        self._visits.insert(place - 1, visit)
        if before is None:
            visit.rank = min(others) - GAP if others else 0
            return [visit]
        rank = min((rank for rank in others if rank > before.rank), default=before.rank + 2 * GAP)
        if rank - before.rank < 2:
            return self._rank_anew(visit, behind=before)
        visit.rank = (before.rank + rank) // 2
        return [visit]

    def _rank_anew(self, visit: Visit, *, behind: Visit) -> list[Visit]:
        others = [one for one in self._visits if one is not visit]
        everybody = sorted((*others, *self._called.values()), key=_rank)
        everybody.insert(everybody.index(behind) + 1, visit)
        for place, one in enumerate(everybody):
            one.rank = place * GAP
        return everybody


def _rank(visit: Visit) -> int:
    return visit.rank
