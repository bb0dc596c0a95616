"""How often somebody may do something: token buckets, one for each key."""

from collections import OrderedDict
from typing import Final

KEYS_MAX: Final = 10_000
"""Keys that are remembered; the one that was idle longest is forgotten first."""


class RateLimiter:
    """A bucket of `burst` tokens for each key, refilled with `rate` tokens a second."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate: Final = rate
        self._burst: Final = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """The tokens that a key had, and when."""

    def take(self, key: str, *, now: float) -> bool:
        """Take a token; False if there is none. Time is monotonic seconds."""
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        is_allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if is_allowed else tokens, now)
        if len(self._buckets) > KEYS_MAX:
            self._buckets.popitem(last=False)
        return is_allowed
