"""This file is about how often something dear is done for strangers: so many times a second, all of them together.

It knows no clock and no strangers.
"""

from typing import Final


class Allowance:
    """Comes back at `rate` a second, up to one second's worth."""

    def __init__(self, rate: float) -> None:
        self._rate: Final = rate
        self._left = rate
        self._at = 0.0

    def take(self, *, now: float) -> bool:
        """Whether once more is within it."""
        self._left = min(self._left + max(now - self._at, 0.0) * self._rate, self._rate)
        self._at = max(now, self._at)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
