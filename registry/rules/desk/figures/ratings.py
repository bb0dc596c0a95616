"""How visitors rated their sessions: the newest ratings, and the mean of a day."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chatapp.registry.store.entries import DeskVisitRated
from chatapp.wire.limits import DESK_SESSIONS_MAX

_DAY: Final = 86_400_000


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
