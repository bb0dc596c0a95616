"""Links that ask too much are read more slowly, and nothing of what they asked is dropped.

What is asked is counted in requests. What costs others or the registry more than most requests do counts as several: a line
of a group, which goes to all its members and to the disk, and an answer, by its length.
"""

from typing import Final

from registry.buckets import Bucket, Buckets
from wire.limits import (
    ANSWER_UNIT,
    BUCKETS_MAX,
    LINE_COST,
    LINE_UNIT,
    REQUESTS_BURST,
    REQUESTS_NETWORK_FACTOR,
    REQUESTS_PER_SECOND,
)


def cost_of_line(size: int) -> int:
    """As how many requests more than one a group frame of so many bytes counts."""
    return LINE_COST - 1 + size // LINE_UNIT


def cost_of_answers(size: int, requests: int) -> int:
    """As how many requests more so many bytes of answers count than those for which they are."""
    return max(size // ANSWER_UNIT - requests, 0)


class Pace:
    """The buckets of all links and of their networks, and who is paused."""

    def __init__(self, *, requests_per_second: float = REQUESTS_PER_SECOND) -> None:
        self._rate: Final = requests_per_second
        self._burst: Final = requests_per_second * REQUESTS_BURST / REQUESTS_PER_SECOND
        self._networks: Buckets[str] = Buckets(
            rate=REQUESTS_NETWORK_FACTOR * self._rate,
            burst=REQUESTS_NETWORK_FACTOR * self._burst,
            most=BUCKETS_MAX,
        )
        self._buckets: dict[int, Bucket] = {}
        self._paused: dict[int, float] = {}
        self._to_pause: list[int] = []
        self._to_resume: list[int] = []

    def note(self, number: int, network: str, count: int, *, now: float) -> None:
        """A link of this network asked for so much."""
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket(self._burst, now=now)
        wait = bucket.overdraw(count, rate=self._rate, burst=self._burst, now=now)
        wait = max(wait, self._networks.overdraw(network, count, now=now))
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
