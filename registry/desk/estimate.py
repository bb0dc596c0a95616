"""This file is about the estimate: how long a visitor will wait, as a range from the last sessions.

With k people ahead and c operators on duty, a visitor's turn comes when n = k + 1 sessions have ended somewhere, the
first of which is under way: between k and k + 1 mean sessions of work, shared by c. Sessions differ, and what a sum of n
of them strays from its mean grows with the root of n; the mean itself is known from m sessions only. So the range is

    from (k mean - spread) / c     to ((k + 1) mean + spread) / c,      spread = deviation * sqrt(n + n * n / m)

which holds for at least two visitors in three. It knows spans only.
"""

from collections import deque
from math import sqrt
from statistics import fmean, pstdev
from typing import Final

SESSIONS_NEEDED: Final = 3
"""Fewer say nothing."""

SESSIONS_HEEDED: Final = 20
"""The last ones: a desk in the afternoon is not the desk of the morning."""


class Estimates:
    """The last sessions of one queue."""

    def __init__(self) -> None:
        self._spans: deque[float] = deque(maxlen=SESSIONS_HEEDED)
        self._known: tuple[float, float] | None = None

    def note(self, span: float) -> None:
        """A session took so many seconds."""
        self._spans.append(max(span, 0.0))
        self._known = None

    def range(self, *, ahead: int, operators: int) -> tuple[int, int] | None:
        """From and to in whole seconds, the second at least 1; None for no estimate."""
        if len(self._spans) < SESSIONS_NEEDED or operators < 1:
            return None
        if self._known is None:  # asked for once a visitor whenever the line moves
            self._known = fmean(self._spans), pstdev(self._spans)
        mean, deviation = self._known
        count = ahead + 1
        spread = deviation * sqrt(count + count * count / len(self._spans))
        least = max(ahead * mean - spread, 0.0) / operators
        most = (count * mean + spread) / operators
        return int(least), max(int(most + 0.5), 1)
