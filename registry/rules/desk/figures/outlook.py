"""What is known of each queue right now goes into its estimates, and the ranges are kept while they
hold."""

from typing import Final, NamedTuple

from chatapp.registry.rules.desk.figures.estimate import Busy, Now, Range
from chatapp.registry.rules.desk.figures.statistics import DeskStatistics
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import Operator

HOLDS_FOR: Final = 1_000
"""Milliseconds for which ranges hold if nothing else changes: they are told in seconds."""

_POSITIONS_AT_ONCE: Final = 16
"""Ranges are computed for this many positions more, so that newcomers find theirs."""


class _Sight(NamedTuple):
    """The ranges of one queue, and what they were computed from."""

    version: int
    serving: tuple[int, ...]
    """The visit of each operator on duty; 0 for none."""
    at: int
    ranges: list[Range]


class Outlook:
    """The ranges of all queues. Times are milliseconds of the wall clock."""

    def __init__(self, queue: DeskQueue, statistics: DeskStatistics) -> None:
        self._queue = queue
        self._statistics = statistics
        self._seen: dict[str, _Sight] = {}

    def range(self, queue: str, position: int, at: int) -> Range | None:
        """Return the range of this position in a queue; None for no estimate."""
        estimates = self._statistics.estimates[queue]
        operators = [
            operator
            for operator in self._queue.operators
            if operator.is_on and operator.queue == queue
        ]
        serving = tuple(
            0 if operator.visit is None else operator.visit.number for operator in operators
        )
        seen = self._seen.get(queue)
        if (
            seen is None
            or (seen.version, seen.serving) != (estimates.version, serving)
            or not 0 <= at - seen.at < HOLDS_FOR
            or 0 < len(seen.ranges) < position
        ):
            line = self._queue.line(queue)
            now = Now(
                [_busy(operator, at) for operator in operators],
                sum(at - visit.joined_at for visit in line) / 1_000,
            )
            ranges = estimates.ranges(max(position, len(line)) + _POSITIONS_AT_ONCE, now)
            seen = self._seen[queue] = _Sight(estimates.version, serving, at, ranges)
        return seen.ranges[position - 1] if seen.ranges else None


def _busy(operator: Operator, at: int) -> Busy | None:
    visit = operator.visit
    if visit is None:
        return None
    took = visit.served_for + max(at - visit.since, 0)
    return Busy(took / 1_000, max(visit.called_at - visit.joined_at, 0) / 1_000)
