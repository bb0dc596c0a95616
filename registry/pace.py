"""This file is about pace: a link that asks too much is read more slowly, and nothing of what it asked is dropped.

It knows numbers of links and counts of frames; it must not know what is asked.
"""

from registry.buckets import Bucket
from wire.limits import REQUESTS_BURST, REQUESTS_PER_SECOND


class Pace:
    """The buckets of all links, and who is paused."""

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket] = {}
        self._paused: dict[int, float] = {}
        self._to_pause: list[int] = []
        self._to_resume: list[int] = []

    def note(self, number: int, count: int, *, now: float) -> None:
        """So many frames came."""
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket(REQUESTS_BURST, now=now)
        wait = bucket.overdraw(count, rate=REQUESTS_PER_SECOND, burst=REQUESTS_BURST, now=now)
        if wait:
            if number not in self._paused:
                self._to_pause.append(number)
            self._paused[number] = now + wait

    def forget(self, number: int) -> None:
        """The link is over."""
        self._buckets.pop(number, None)
        self._paused.pop(number, None)

    def handle_timer(self, *, now: float) -> None:
        """Whose pause is over may be read on."""
        for number, until in list(self._paused.items()):
            if until <= now:
                del self._paused[number]
                self._to_resume.append(number)

    def next_deadline(self) -> float | None:
        """When the first pause is over."""
        return min(self._paused.values(), default=None)

    def to_pause(self) -> list[int]:
        """Drained: links to read no more from, for now."""
        pausing, self._to_pause = self._to_pause, []
        return pausing

    def to_resume(self) -> list[int]:
        """Drained: links to read on from."""
        resuming, self._to_resume = self._to_resume, []
        return resuming
