"""Token buckets: how often each key may do something."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Whose = TypeVar("Whose", bound=Hashable)


class Buckets(Generic[Whose]):
    """A token bucket for each key: tokens come back at `rate` a second, up to `burst`."""

    def __init__(self, *, rate: float, burst: float, most: int | None = None) -> None:
        """`most`: how many buckets to keep, the most recently used ones; None for all until
        `forget`."""
        self._rate: Final = rate
        self._burst: Final = burst
        self._most: Final = most
        self._buckets: dict[Whose, tuple[float, float]] = {} if most is None else OrderedDict()
        """The tokens, and when they were counted. Only where the oldest is dropped is the order of
        use kept."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, whose: Whose, *, now: float) -> bool:
        """Take one token; return False if there is none."""
        tokens, at = self._refilled(whose, now)
        has_token = tokens >= 1
        self._buckets[whose] = (tokens - 1 if has_token else tokens, at)
        return has_token

    def has_token(self, whose: Whose, *, now: float) -> bool:
        """Return whether there is a token, and take none."""
        return self._refilled(whose, now)[0] >= 1

    def overdraw(self, whose: Whose, count: float = 1, *, now: float) -> float:
        """Take tokens whether or not they are there. Return the seconds until the debt is paid, 0.0
        for no debt."""
        tokens, at = self._refilled(whose, now)
        tokens -= count
        self._buckets[whose] = (tokens, at)
        return -tokens / self._rate if tokens < 0 else 0.0

    def forget(self, whose: Whose) -> None:
        """Drop a bucket."""
        self._buckets.pop(whose, None)

    def _refilled(self, whose: Whose, now: float) -> tuple[float, float]:
        """Return the tokens that a bucket has now, and when it was last filled."""
        bucket = self._buckets.get(whose)
        if bucket is None:
            if self._most is not None and len(self._buckets) >= self._most:
                del self._buckets[next(iter(self._buckets))]
            return self._burst, now
        if isinstance(self._buckets, OrderedDict):
            self._buckets.move_to_end(whose)
        tokens, at = bucket
        if now <= at:  # a clock that runs backwards takes nothing away
            return tokens, at
        return min(self._burst, tokens + (now - at) * self._rate), now
