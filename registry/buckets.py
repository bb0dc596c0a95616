"""This file is about token buckets: how much somebody may ask of us, averaged, with a burst.

A bucket that lets overdraw tells how long to wait; one that does not says no. It knows no clock.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Whose = TypeVar("Whose", bound=Hashable)


class Bucket:
    """Tokens that come back at `rate` a second, up to `burst`."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, *, now: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, count: float, *, rate: float, burst: float, now: float) -> bool:
        """Take `count` tokens if they are there."""
        self._refill(rate, burst, now)
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def overdraw(self, count: float, *, rate: float, burst: float, now: float) -> float:
        """Take `count` tokens whether or not they are there; the seconds until the debt is paid (0.0 for none)."""
        self._refill(rate, burst, now)
        self._tokens -= count
        return max(-self._tokens / rate, 0.0)

    def _refill(self, rate: float, burst: float, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._tokens + (now - self._at) * rate, burst)
            self._at = now


class Buckets(Generic[Whose]):
    """A bucket each for the last `most` that asked."""

    def __init__(self, *, rate: float, burst: float, most: int) -> None:
        self._rate: Final = rate
        self._burst: Final = burst
        self._most: Final = most
        self._buckets: OrderedDict[Whose, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, whose: Whose, *, now: float) -> bool:
        """Whether one more is within the rate."""
        return self._bucket(whose, now).take(1, rate=self._rate, burst=self._burst, now=now)

    def overdraw(self, whose: Whose, count: float = 1, *, now: float) -> float:
        """So many more in any case; the seconds until they are within the rate (0.0 for at once)."""
        return self._bucket(whose, now).overdraw(count, rate=self._rate, burst=self._burst, now=now)

    def _bucket(self, whose: Whose, now: float) -> Bucket:
        bucket = self._buckets.get(whose)
        if bucket is None:
            bucket = self._buckets[whose] = Bucket(self._burst, now=now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(whose)
        return bucket
