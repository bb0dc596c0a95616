"""Sets of integers that are mostly consecutive, and their form in acknowledgements.

A stream that arrives in order is one range however long it is, which keeps a receiver's memory
small.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise


class RangeSet:
    """A set of integers as sorted, separate ranges [start, end). Adding at the upper end costs
    O(1)."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        ordered = sorted(numbers)
        if ordered and ordered == list(range(ordered[0], ordered[0] + len(ordered))):  # mostly
            self._starts, self._ends = [ordered[0]], [ordered[-1] + 1]
            return
        for number in ordered:
            self.add(number)

    def __contains__(self, number: int) -> bool:
        ends = self._ends
        if not ends or number >= ends[-1]:
            return False
        if number >= self._starts[-1]:
            return True
        at = bisect_right(self._starts, number)
        return at > 0 and number < ends[at - 1]

    def __iter__(self) -> Iterator[int]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield from range(start, end)

    @property
    def count(self) -> int:
        """How many ranges there are."""
        return len(self._starts)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges [start, end), lowest first."""
        return zip(self._starts, self._ends, strict=True)

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the ranges of [start, end) that are not in the set."""
        found = []
        at = bisect_right(self._ends, start)
        while start < end:
            next_start, next_end = end, end
            if at < len(self._starts):
                next_start, next_end = min(self._starts[at], end), self._ends[at]
            if start < next_start:
                found.append((start, next_start))
            start = next_end
            at += 1
        return found

    def touches(self, number: int) -> bool:
        """Whether `number` can be added without a further range."""
        return number in self or number - 1 in self or number + 1 in self

    def add(self, number: int) -> None:
        """Add a number; ranges that then touch become one."""
        starts, ends = self._starts, self._ends
        if ends and ends[-1] == number:
            ends[-1] = number + 1
            return
        at = bisect_right(starts, number)
        if at and number < ends[at - 1]:
            return
        joins_left = at > 0 and ends[at - 1] == number
        joins_right = at < len(starts) and starts[at] == number + 1
        if joins_left and joins_right:
            ends[at - 1] = ends.pop(at)
            del starts[at]
        elif joins_left:
            ends[at - 1] = number + 1
        elif joins_right:
            starts[at] = number
        else:
            starts.insert(at, number)
            ends.insert(at, number + 1)

    def add_span(self, start: int, end: int) -> None:
        """Add all of [start, end); ranges that then touch become one. The cost does not depend on
        the length."""
        starts, ends = self._starts, self._ends
        low = bisect_left(ends, start)
        high = bisect_right(starts, end)
        if low < high:
            start, end = min(start, starts[low]), max(end, ends[high - 1])
        starts[low:high], ends[low:high] = [start], [end]

    def remove_span(self, start: int, end: int) -> None:
        """Remove all of [start, end). The cost does not depend on the length."""
        starts, ends = self._starts, self._ends
        low = bisect_right(ends, start)
        high = bisect_left(starts, end)
        if low >= high or start >= end:
            return
        first, last = starts[low], ends[high - 1]
        left = [(first, start)] if first < start else []
        right = [(end, last)] if end < last else []
        starts[low:high] = [one for one, _ in left + right]
        ends[low:high] = [one for _, one in left + right]

    def drop_below(self, number: int) -> None:
        """Remove everything lower."""
        starts, ends = self._starts, self._ends
        if not starts or number <= starts[0]:
            return
        if number < ends[0]:
            starts[0] = number
            return
        at = bisect_right(ends, number)
        del starts[:at], ends[:at]
        if starts and starts[0] < number:
            starts[0] = number

    def newest(self, limit: int) -> tuple[int, list[int]] | None:
        """Return the highest `limit` ranges as the first number and alternating lengths; None for
        the empty set."""
        starts, ends = self._starts, self._ends
        if not starts:
            return None
        if len(starts) == 1 or limit == 1:
            return starts[-1], [ends[-1] - starts[-1]]
        at = max(0, len(starts) - limit)
        first = starts[at]
        edges = [
            edge
            for start_and_end in zip(starts[at:], ends[at:], strict=True)
            for edge in start_and_end
        ]
        return first, [later - earlier for earlier, later in pairwise(edges)]


def spans(first: int, lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges [start, end) that alternating lengths stand for."""
    for at in range(0, len(lengths), 2):
        end = first + lengths[at]
        yield first, end
        if at + 1 < len(lengths):
            first = end + lengths[at + 1]


def covers(first: int, lengths: Sequence[int], start: int, end: int) -> bool:
    """Whether one range holds all of [start, end)."""
    return any(low <= start and end <= high for low, high in spans(first, lengths))


def is_bounded(first: int, lengths: Sequence[int], last: int) -> bool:
    """Whether lengths from another program are valid: they end in a range, are positive, and reach
    no further than `last`."""
    return (
        first >= 0
        and len(lengths) % 2 == 1
        and min(lengths) > 0
        and first + sum(lengths) - 1 <= last
    )
