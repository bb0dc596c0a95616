"""The desk's figures: how many were served today, how long people waited, and how long the next one may wait.

Times are milliseconds of the wall clock.
"""

from collections import deque
from collections.abc import Iterable
from math import sqrt
from statistics import fmean, pstdev
from typing import Final, NamedTuple

from chatapp.wire.limits import DESK_SESSIONS_MAX

_DAY: Final = 86_400_000


class ServedSession(NamedTuple):
    """The times of a session."""

    joined_at: int
    called_at: int
    ended_at: int


class Waits(NamedTuple):
    """Waits in whole seconds; 0 if nobody was called."""

    median: int
    ninetieth: int


class Figures:
    """The sessions of one queue that are over."""

    def __init__(self, *, utc_offset: int) -> None:
        self._offset = 1_000 * utc_offset
        self._sessions: deque[ServedSession] = deque(maxlen=DESK_SESSIONS_MAX)
        self._day = -1
        self._served = 0

    def load(self, session: ServedSession, *, of_day: int) -> None:
        """Restore a session of an earlier life."""
        self._sessions.append(session)
        self._day, self._served = self._day_of(session.ended_at), of_day

    def note(self, session: ServedSession) -> int:
        """Add a session. Return how many were served today."""
        self._served = self.served_today(session.ended_at) + 1
        self._day = self._day_of(session.ended_at)
        self._sessions.append(session)
        return self._served

    def served_today(self, wall_ms: int) -> int:
        """Return how many were served since local midnight."""
        return self._served if self._day_of(wall_ms) == self._day else 0

    def waits(self, under_way: list[ServedSession], wall_ms: int) -> Waits:
        """Return the waits of everybody who was called today, with the sessions that are under way."""
        today = self._day_of(wall_ms)
        called = [one for one in (*self._sessions, *under_way) if self._day_of(one.called_at) == today]
        spans = sorted(max(one.called_at - one.joined_at, 0) // 1_000 for one in called)
        if not spans:
            return Waits(0, 0)
        return Waits(spans[_rank(len(spans), 50)], spans[_rank(len(spans), 90)])

    def _day_of(self, wall_ms: int) -> int:
        return (wall_ms + self._offset) // _DAY


def _rank(count: int, percent: int) -> int:
    """Return the index of a percentile among `count` values (nearest rank)."""
    return max(-(-count * percent // 100) - 1, 0)


SESSIONS_NEEDED: Final = 3
"""With fewer sessions there is no estimate."""

SESSIONS_COUNTED: Final = 20
"""How many of the last sessions count: a desk in the afternoon is not the desk of the morning."""


class Estimates:
    """Estimates waits from the last sessions of one queue."""

    def __init__(self) -> None:
        self._spans: deque[float] = deque(maxlen=SESSIONS_COUNTED)
        self._known: tuple[float, float] | None = None

    def note(self, span: float) -> None:
        """Add a session that took `span` seconds."""
        self._spans.append(max(span, 0.0))
        self._known = None

    def range(self, *, ahead: int, operators: int) -> tuple[int, int] | None:
        """Return the shortest and longest wait expected, in whole seconds, the second at least 1; None for no estimate."""
        if len(self._spans) < SESSIONS_NEEDED or operators < 1:
            return None
        if self._known is None:  # cached: asked for once a visitor whenever the line moves
            self._known = fmean(self._spans), pstdev(self._spans)
        mean, deviation = self._known
        count = ahead + 1
        spread = deviation * sqrt(count + count * count / len(self._spans))
        least = max(ahead * mean - spread, 0.0) / operators
        most = (count * mean + spread) / operators
        return int(least), max(int(most + 0.5), 1)


class DeskStatistics:
    """The figures and the estimate of each queue."""

    def __init__(self, queues: Iterable[str], *, utc_offset: int) -> None:
        self.figures: Final = {queue: Figures(utc_offset=utc_offset) for queue in queues}
        self.estimates: Final = {queue: Estimates() for queue in self.figures}

    def load(self, queue: str, session: ServedSession, *, served_for: int, of_day: int) -> None:
        """Take in a session of an earlier life. `served_for`: milliseconds."""
        self.estimates[queue].note(served_for / 1_000)
        self.figures[queue].load(session, of_day=of_day)

    def note(self, queue: str, session: ServedSession, *, served_for: int) -> int:
        """Take in a session that has just ended. Return how many were served today."""
        self.estimates[queue].note(served_for / 1_000)
        return self.figures[queue].note(session)
