"""This file is about taking turns: while more is asked than can be looked at, each address has its turn before any has its
second one, so whoever asks a thousand times is in nobody's way but their own.

A network may let as many wait as there are shared places left, so one alone has half of those; the last quarter of all
places is for networks of which nobody waits yet. It knows addresses' networks and how much is asked; it must not know what
waits, or a clock.
"""

from collections import OrderedDict, deque
from typing import Final, Generic, TypeVar

from registry.buckets import Bucket

Waiting = TypeVar("Waiting")

RATE: Final = 1_000.0
BURST: Final = 100.0
"""What is looked at as it comes, a second and at once, from everybody together: a tenth of a core, and some 20 ms in which
nothing else is done. More takes turns."""

A_TIMER: Final = 4
"""Turns taken before others get the loop, above all the datagrams that wait in the socket: half a millisecond."""


class Turns(Generic[Waiting]):
    """Lines of those who wait, one a network."""

    def __init__(self, *, most: int, now: float) -> None:
        self._most: Final = most
        self._shared: Final = most - most // 4
        self._at_once: Final = Bucket(BURST, now=now)
        self._lines: OrderedDict[str, deque[Waiting]] = OrderedDict()
        self._count = 0
        self.due = float("inf")
        """When the next turns are to be taken."""

    def __len__(self) -> int:
        return self._count

    def is_free(self, *, now: float) -> bool:
        """Whether one more may be looked at as it comes."""
        return not self._count and self._at_once.take(1, rate=RATE, burst=BURST, now=now)

    def join(self, network: str, one: Waiting, *, now: float) -> bool:
        """Behind others of its network; False when too many of them wait."""
        line = self._lines.setdefault(network, deque())
        has_room = self._count < self._most if not line else len(line) < self._shared - self._count
        if has_room:
            line.append(one)
            self._count += 1
            self.due = min(self.due, now)
        elif not line:
            del self._lines[network]
        return has_room

    def taken(self, *, now: float) -> list[Waiting]:
        """Drained: whose turn it is now."""
        taken: list[Waiting] = []
        while self._lines and len(taken) < A_TIMER:
            network, line = self._lines.popitem(last=False)
            taken.append(line.popleft())
            if line:
                self._lines[network] = line
        self._count -= len(taken)
        self.due = now if self._lines else float("inf")
        return taken
