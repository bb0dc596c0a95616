"""Wall time where cores need it: to stamp what is stored or shown, and to tell the registry's lives apart.

Cores live by monotonic seconds. The wall time is those plus an offset that the shell sets and may correct, so a wall
clock that jumps changes stamps from then on, and never a span that is running.
"""

from typing import Final

EPOCHS_BY_CLOCK_MAX: Final = 3 * 2**30
"""The clock sets no epoch above this one (the year 2072): a quarter of all epochs is left to count on by one."""

LIFE_BITS: Final = 28
"""A life that begins with epoch n numbers table versions and log positions from n * 2^28 on: as many for each second of
the clock, so that no life runs into the numbers of a later one."""


def first_epoch(*, last: int, wall: int) -> int:
    """Return the first epoch of a group in a new life: above `last`, the last one on disk (0 for none), and above the
    clock's seconds, which a disk that was put back from a backup cannot set back."""
    return max(last, min(wall, EPOCHS_BY_CLOCK_MAX)) + 1


def first_number(*, epoch: int, chance: bytes) -> int:
    """Return the number above which versions and positions of a life begin. Its channel begins with `epoch`; `chance`
    is at least four random bytes: two lives under one epoch, of which only one is on disk, hardly ever meet."""
    return epoch << LIFE_BITS | int.from_bytes(chance[:4]) >> 33 - LIFE_BITS


class WallClock:
    """Turns monotonic `now` into Unix time."""

    __slots__ = ("_offset",)

    def __init__(self, *, now: float, wall: float) -> None:
        self._offset = wall - now

    def set(self, wall: float, *, now: float) -> None:
        """It is `wall` (Unix seconds) at `now`."""
        self._offset = wall - now

    def seconds(self, now: float) -> int:
        """Unix time in whole seconds, never below 0."""
        return max(int(now + self._offset), 0)

    def millis(self, now: float) -> int:
        """Unix time in milliseconds, never below 0."""
        return max(int((now + self._offset) * 1_000), 0)


def remaining(stored_at_ms: int, wall: float, *, kept_for: float, at_least: float) -> float:
    """Seconds that a loaded record has left: by its age on the wall clock, clamped, since that clock may be wrong."""
    age = max(wall - stored_at_ms / 1_000, 0.0)
    return min(max(kept_for - age, at_least), kept_for)
