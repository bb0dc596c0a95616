"""How many values fell below each bound."""

from bisect import bisect_left
from typing import Final

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
