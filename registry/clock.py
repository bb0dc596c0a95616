"""This file is about wall time where cores need it: to stamp what is stored or shown. It reads no clock.

Cores live by monotonic seconds. The wall time is those plus an offset that the shell sets and may correct, so a wall
clock that jumps changes stamps from then on, and never a span that is running.
"""


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
