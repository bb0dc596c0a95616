"""The waiting line of one queue: its visits by rank, from which the line can be built again after a
restart."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from chatapp.registry.rules.desk.queue.visit import Visit

GAP: Final = 1 << 32
"""Distance of two neighbouring ranks: thirty-two visits can be moved into one gap before ranks are
assigned anew."""


class WaitingLine:
    """The visits of one queue by rank, the head first. Those that are served are not in it, but
    their ranks count."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []
        self._called: dict[int, Visit] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits)

    def load(
        self, visits: Iterable[Visit], called: Iterable[Visit], *, is_merged: bool = False
    ) -> list[Visit]:
        """Restore the line: visits that wait, and those that are served. `is_merged`: they come
        from several lines, whose ranks do not compare, so they stand in order of arrival, behind
        those who were put back. Return the visits whose rank has changed."""
        key = _order_of_arrival if is_merged else _order_of_rank
        self._visits = sorted(visits, key=key)
        self._called = {visit.number: visit for visit in called}
        everybody = sorted((*self._visits, *self._called.values()), key=key)
        if not is_merged and len({visit.rank for visit in everybody}) == len(everybody):
            return []
        for index, visit in enumerate(everybody):
            visit.rank = index * GAP
        return everybody

    def at(self, position: int) -> Visit | None:
        """Return the visit at this position, from 1."""
        return self._visits[position - 1] if 1 <= position <= len(self._visits) else None

    def position(self, visit: Visit) -> int:
        """Return a waiting visit's position, from 1."""
        index = bisect_left(self._visits, visit.rank, key=_rank)
        while self._visits[index] is not visit:
            index += 1
        return index + 1

    def append(self, visit: Visit) -> None:
        """Append a visit."""
        ranks = [visit.rank for visit in (*self._visits[-1:], *self._called.values())]
        visit.rank = max(ranks) + GAP if ranks else 0
        self._visits.append(visit)

    def call(self, visit: Visit) -> None:
        """Take a visit out of the line to be served; no other rank changes."""
        del self._visits[self.position(visit) - 1]
        visit.is_put_back = False
        self._called[visit.number] = visit

    def put_back(self, visit: Visit) -> list[Visit]:
        """Put a visit at the head of the line, in order of arrival among those put back before.
        Return the visits whose rank has changed.

        A visit that an operator has moved stays where the operator wanted it: it no longer counts
        as put back.
        """
        position = 1
        for at, other in enumerate(self._visits, 1):
            if other.is_put_back and other.number < visit.number:
                position = at + 1
            elif other.is_put_back:
                position = max(position, at)
                break
        visit.is_put_back = True
        del self._called[visit.number]
        return self._insert(visit, position)

    def restore(self, visit: Visit) -> list[Visit]:
        """Put a visit back where it was before it was called: behind those that were before it, and
        those put back that came earlier. Return the visits whose rank has changed."""
        position = 1
        for at, other in enumerate(self._visits, 1):
            is_before = (
                other.number < visit.number if other.is_put_back else other.rank < visit.rank
            )
            position = at + 1 if is_before else position
        del self._called[visit.number]
        before, after = self.at(position - 1), self.at(position)
        if (before is None or before.rank < visit.rank) and (
            after is None or visit.rank < after.rank
        ):
            self._visits.insert(position - 1, visit)
            return [visit]
        return self._insert(visit, position)

    def admit(self, visit: Visit) -> list[Visit]:
        """Insert a visit of another line among those who joined before and after it, behind those
        who were put back. Return the visits whose rank has changed."""
        later = (
            at
            for at, other in enumerate(self._visits, 1)
            if not other.is_put_back and other.number > visit.number
        )
        return self._insert(visit, next(later, len(self._visits) + 1))

    def remove(self, visit: Visit) -> None:
        """Remove a visit from the line or from those served; no other rank changes."""
        if self._called.pop(visit.number, None) is None:
            del self._visits[self.position(visit) - 1]
        visit.is_put_back = False

    def move(self, visit: Visit, to: int) -> list[Visit]:
        """Move a visit to a position, or to the end if there are fewer. Return the visits whose
        rank has changed."""
        stays_put_back = visit.is_put_back and self.position(visit) == to
        self.remove(visit)
        visit.is_put_back = stays_put_back
        return self._insert(visit, min(to, len(self._visits) + 1))

    def _insert(self, visit: Visit, position: int) -> list[Visit]:
        """Insert a visit at this position. Its rank is right behind the visit before it; at the
        head, it is also before all visits that are served. Return the visits whose rank has
        changed."""
        before, after = self.at(position - 1), self.at(position)
        others = [called.rank for called in self._called.values()] + (
            [] if after is None else [after.rank]
        )
        self._visits.insert(position - 1, visit)
        if before is None:
            visit.rank = min(others) - GAP if others else 0
            return [visit]
        rank = min((rank for rank in others if rank > before.rank), default=before.rank + 2 * GAP)
        if rank - before.rank < 2:
            return self._rank_anew(visit, behind=before)
        visit.rank = (before.rank + rank) // 2
        return [visit]

    def _rank_anew(self, visit: Visit, *, behind: Visit) -> list[Visit]:
        others = [other for other in self._visits if other is not visit]
        everybody = sorted((*others, *self._called.values()), key=_rank)
        everybody.insert(everybody.index(behind) + 1, visit)
        for index, ranked in enumerate(everybody):
            ranked.rank = index * GAP
        return everybody


def _rank(visit: Visit) -> int:
    return visit.rank


def _order_of_rank(visit: Visit) -> tuple[int, int]:
    return visit.rank, visit.number


def _order_of_arrival(visit: Visit) -> tuple[bool, int]:
    return not visit.is_put_back, visit.number
