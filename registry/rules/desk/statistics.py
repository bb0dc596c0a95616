"""The figures of the desk: how many were served today, how long people waited, and how they rated
it; how many values fell below each bound; and what estimates are made from.

Times are milliseconds of the wall clock.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from chatapp.registry.rules.desk.estimate import Session, WaitEstimates
from chatapp.registry.rules.desk.queue.visit import Visit
from chatapp.registry.store.entries import DeskVisitOver, DeskVisitRated
from chatapp.wire.limits import DESK_SESSIONS_MAX

WAIT_BOUNDS: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0)
"""Upper bounds of the spans of `desk_wait_seconds`."""


class Histogram:
    """Counts spans by their length."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds`: the upper bounds of the classes, rising; the last class has none."""
        self.bounds: Final = bounds
        self.counts: Final = [0] * (len(bounds) + 1)
        self.total = 0.0
        """All spans together, in seconds."""

    def note(self, span: float) -> None:
        """Count a span."""
        self.counts[bisect_left(self.bounds, span)] += 1
        self.total += span

    def cumulated(self) -> list[tuple[str, int]]:
        """Return for each upper bound how many spans were not longer; the last bound is `+Inf`."""
        shown: list[tuple[str, int]] = []
        count = 0
        for bound, more in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            count += more
            shown.append((bound, count))
        return shown


_DAY: Final = 86_400_000


class ServedSession(NamedTuple):
    """The times of a session."""

    joined_at: int
    called_at: int
    ended_at: int


class Ended(NamedTuple):
    """What the record of a visit's end says about its queue; nothing if the visitor was not
    served."""

    of_day: int = 0
    """How many were served today."""
    left: int = 0
    """How many visitors left the line unserved since the session before."""
    left_after: int = 0
    """How many milliseconds these had waited, together."""


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
        """Restore a session of an earlier run."""
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
        """Return the waits of everybody who was called today, with the sessions that are under
        way."""
        today = self._day_of(wall_ms)
        called = [
            session
            for session in (*self._sessions, *under_way)
            if self._day_of(session.called_at) == today
        ]
        spans = sorted(max(session.called_at - session.joined_at, 0) // 1_000 for session in called)
        if not spans:
            return Waits(0, 0)
        return Waits(spans[_rank(len(spans), 50)], spans[_rank(len(spans), 90)])

    def _day_of(self, wall_ms: int) -> int:
        return (wall_ms + self._offset) // _DAY


def _rank(count: int, percent: int) -> int:
    """Return the index of a percentile among `count` values (nearest rank)."""
    return max(-(-count * percent // 100) - 1, 0)


class DeskStatistics:
    """The figures and the estimate of each queue."""

    def __init__(self, queues: Iterable[str], *, utc_offset: int) -> None:
        self.figures: Final = {queue: Figures(utc_offset=utc_offset) for queue in queues}
        self.estimates: Final = {queue: WaitEstimates() for queue in self.figures}
        self.waits: Final = {queue: Histogram(WAIT_BOUNDS) for queue in self.figures}
        """The waits of the visitors served in this run."""

    def load(self, queue: str, over: DeskVisitOver) -> None:
        """Take in a session of an earlier run."""
        session = ServedSession(over.joined_at, over.called_at, over.ended_at)
        waited = (over.called_at - over.joined_at) / 1_000
        self.estimates[queue].note(
            Session(over.served_for / 1_000, waited, over.left, over.left_after / 1_000)
        )
        self.figures[queue].load(session, of_day=over.of_day)

    def note(self, visit: Visit, *, ended_at: int) -> Ended:
        """Take in the end of a visit, served or not."""
        estimates = self.estimates[visit.queue]
        if not visit.called_at:
            estimates.note_left((ended_at - visit.joined_at) / 1_000)
            return Ended()
        left, left_after = estimates.take_left()
        waited = (visit.called_at - visit.joined_at) / 1_000
        self.waits[visit.queue].note(max(waited, 0.0))
        estimates.note(Session(visit.served_for / 1_000, waited, left, left_after))
        served = ServedSession(visit.joined_at, visit.called_at, ended_at)
        return Ended(self.figures[visit.queue].note(served), left, round(1_000 * left_after))


class MeanRating(NamedTuple):
    """The ratings of one day: how many were given, and their mean."""

    given: int
    hundredths: int
    """A hundred times the mean; 0 for none."""


class Ratings:
    """The ratings of all queues, by visit. Times are milliseconds of the wall clock."""

    def __init__(self, *, utc_offset: int) -> None:
        self._offset = 1_000 * utc_offset
        self._kept: dict[int, DeskVisitRated] = {}

    def load(self, kept: Iterable[DeskVisitRated]) -> None:
        """Restore the ratings of earlier runs, the oldest first."""
        self._kept = {rated.visit: rated for rated in kept}

    def add(self, rated: DeskVisitRated) -> None:
        """Count a rating that the disk has; a second one of the same visit replaces the first."""
        self._kept[rated.visit] = rated
        if len(self._kept) > DESK_SESSIONS_MAX:
            del self._kept[next(iter(self._kept))]

    def today(self, queue: str, at: int) -> MeanRating:
        """Return the mean of the ratings of a queue since local midnight."""
        given = [
            rated.rating
            for rated in self._kept.values()
            if rated.queue == queue and self._day_of(rated.rated_at) == self._day_of(at)
        ]
        return MeanRating(len(given), round(100 * sum(given) / len(given)) if given else 0)

    def _day_of(self, at: int) -> int:
        return (at + self._offset) // _DAY
