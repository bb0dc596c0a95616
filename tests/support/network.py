"""A network in virtual time: datagrams that get lost, doubled, late; links that break; no clock.

One function decides each datagram's fate (`fate`), one heap holds what is to happen, one
`random.Random` is behind all chance, so a seed tells the whole story. It knows cores only by their
verbs.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chatapp.testing import network
from chatapp.wire.address import Address
from tests.support.tampering import flipped


@dataclass(slots=True)
class Weather(network.Weather):
    """How bad the network is."""

    corrupted: float = 0.0
    """Share of the arriving datagrams that also arrive as a damaged copy, with a bit flipped or the
    end cut off."""


@dataclass(slots=True, order=True)
class Happening:
    """A scheduled event."""

    at: float
    order: int
    act: Callable[[], None] = field(compare=False)


class Network:
    """Virtual time and the events scheduled in it."""

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.random = random.Random(seed)
        self.weather = weather or Weather()
        self.now = 1_000.0
        self.after_each: Callable[[], None] = lambda: None
        """Called after each step: where invariants are checked."""
        self._heap: list[Happening] = []
        self._order = itertools.count()
        self._homes: dict[Address, Callable[[bytes, Address], None]] = {}
        self._cut: set[frozenset[str]] = set()
        self.blocks_tcp = False
        """Whether TCP connections silently fail."""
        self.largest_segment: int | None = None
        """Larger segments of a connection are lost silently, with all that follows (a black
        hole)."""
        self.recorded: deque[tuple[bytes, Address, Address]] = deque(maxlen=200)
        """Recently sent datagrams, whether or not they arrived: an attacker on the path may replay
        them."""
        self.overhears: Callable[[bytes, Address], None] | None = None
        """Called with each datagram that is sent, and its target, if a stranger hears them."""
        self.sent = 0
        """How many datagrams were sent."""

    # --- time

    def at(self, when: float, act: Callable[[], None]) -> Happening:
        """Schedule an action at an absolute time."""
        happening = Happening(max(when, self.now), next(self._order), act)
        heapq.heappush(self._heap, happening)
        return happening

    def after(self, span: float, act: Callable[[], None]) -> Happening:
        """Schedule an action `span` seconds from now."""
        return self.at(self.now + span, act)

    def run_for(self, span: float) -> None:
        """Let `span` seconds pass."""
        self.run_until(lambda: False, within=span)

    def run_until(self, is_done: Callable[[], bool], *, within: float) -> bool:
        """Let time pass until a condition holds; returns False if it does not `within` seconds."""
        end = self.now + within
        while not is_done():
            if not self._heap or self._heap[0].at > end:
                self.now = end
                return is_done()
            happening = heapq.heappop(self._heap)
            self.now = max(self.now, happening.at)
            happening.act()
            self.after_each()
        return True

    # --- datagrams

    def settle_at(self, home: Address, receive: Callable[[bytes, Address], None]) -> None:
        """Register the receiver of datagrams for this address."""
        self._homes[home] = receive

    def leave(self, home: Address) -> None:
        """Remove the receiver of this address."""
        self._homes.pop(home, None)

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send one datagram."""
        self.sent += 1
        self.recorded.append((data, source, target))
        if self.overhears is not None:
            self.overhears(data, target)
        for delay in self.fate(source, target):
            self.after(delay, lambda: self._arrive(data, source, target))
            if self.weather.corrupted and data and self.random.random() < self.weather.corrupted:
                bad = self.damaged(data)
                self.after(delay, lambda bad=bad: self._arrive(bad, source, target))  # type: ignore[misc]

    def damaged(self, data: bytes) -> bytes:
        """Return the datagram as damaged on the way: a bit flipped, or cut short."""
        if self.random.random() < 0.5:
            return data[: self.random.randrange(len(data))]
        return flipped(data, self.random.randrange(8 * len(data)))

    def forge(self, data: bytes, source: Address, target: Address) -> None:
        """Send a datagram under any source address."""
        self.after(0.001, lambda: self._arrive(data, source, target))

    def fate(self, source: Address, target: Address) -> list[float]:
        """The delays of the copies that arrive: none, one or two."""
        weather, chance = self.weather, self.random
        if self.is_cut(source.host, target.host) or chance.random() < weather.loss:
            return []
        copies = 2 if chance.random() < weather.doubled else 1
        return [chance.uniform(weather.delay_least, weather.delay_most) for _ in range(copies)]

    def _arrive(self, data: bytes, source: Address, target: Address) -> None:
        receive = self._homes.get(target)
        if receive is not None and not self.is_cut(source.host, target.host):
            receive(data, source)

    # --- partitions

    def cut(self, one: str, other: str) -> None:
        """Cut the connection between two hosts."""
        self._cut.add(frozenset((one, other)))

    def mend(self, one: str, other: str) -> None:
        """Remove the cut between two hosts."""
        self._cut.discard(frozenset((one, other)))

    def heal(self) -> None:
        """Remove all cuts."""
        self._cut.clear()

    def is_cut(self, one: str, other: str) -> bool:
        """Whether two hosts are cut off from each other."""
        return frozenset((one, other)) in self._cut


class Pipe:
    """A TCP connection: bytes arrive whole and in order, or the connection breaks. Callbacks report
    events to each end."""

    def __init__(self, network: Network, hosts: tuple[str, str]) -> None:
        self._network = network
        self._hosts = hosts
        self._ready_at = [0.0, 0.0]
        self._stands_still = [False, False]
        """For each end: whether nothing arrives there any more."""
        self.is_open = True
        self.receive: list[Callable[[bytes], None]] = [lambda data: None, lambda data: None]
        self.closed: list[Callable[[], None]] = [lambda: None, lambda: None]

    def write(self, end: int, data: bytes) -> None:
        """Send bytes from one end (0 or 1) to the other."""
        if not self.is_open or not data:
            return
        if self._network.is_cut(*self._hosts):
            self._network.after(1.0, self.break_down)
            return
        other = 1 - end
        largest = self._network.largest_segment
        if self._stands_still[other] or (largest is not None and len(data) > largest):
            self._stands_still[other] = True
            return
        weather = self._network.weather
        delay = self._network.random.uniform(weather.delay_least, weather.delay_most)
        self._ready_at[other] = max(self._ready_at[other], self._network.now + delay)
        self._network.at(self._ready_at[other], lambda: self._deliver(other, data))

    def close(self, end: int) -> None:
        """Close one end; the other is told after everything sent before has arrived."""
        if not self.is_open:
            return
        other = 1 - end
        self.closed[end] = self.receive_nothing
        self.receive[end] = lambda data: None
        self._ready_at[other] = max(self._ready_at[other], self._network.now + 0.001)
        self._network.at(self._ready_at[other], self.break_down)

    def break_down(self) -> None:
        """Break the connection for both ends."""
        if self.is_open:
            self.is_open = False
            for closed in self.closed:
                closed()

    @staticmethod
    def receive_nothing() -> None:
        """Ignore events for an end that has closed by itself."""

    def _deliver(self, end: int, data: bytes) -> None:
        if self.is_open:
            self.receive[end](data)
