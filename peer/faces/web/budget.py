"""What clients may take of the program: bytes, connections, turns at the event loop, and lines of
its log.

One network (`wire.address.network_of`) never takes what others need. The empty network stands for
all clients that a proxy brings and for visits of an earlier run: it has no limit of its own, only
the one for all.
"""

import asyncio
import logging
import math
import time
import traceback
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

from chatapp.peer.faces.web.limits import (
    ACCEPTED_AT_ONCE,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_NETWORK,
    FLIGHT_MAX,
    FLIGHT_PER_NETWORK,
    HEADS_MAX,
    HEADS_PER_NETWORK,
    IDLE_MAX,
    IDLE_PER_NETWORK,
    LOG_LINE_EVERY,
    OPENINGS_AT_ONCE,
    OPENINGS_WAITING_MAX,
    OPENINGS_WAITING_PER_NETWORK,
)
from chatapp.wire.errors import quoted

T = TypeVar("T", bound=Hashable)

_log: Final = logging.getLogger("chatapp.peer")


class Ledger:
    """How many bytes are held for each network, and in all."""

    def __init__(self, *, of_network: int, in_all: int) -> None:
        """`of_network`, `in_all`: the most bytes for one network, and for all together."""
        self._of_network_max: Final = of_network
        self._in_all_max: Final = in_all
        self._of: Counter[str] = Counter()
        self.total = 0

    def has_room(self, network: str, size: int) -> bool:
        """Whether so many bytes more may be held for a network."""
        is_within = not network or self._of[network] + size <= self._of_network_max
        return is_within and self.total + size <= self._in_all_max

    def add(self, network: str, size: int) -> None:
        """Note that so many bytes more are held for a network; fewer if `size` is negative."""
        self.total += size
        self._of[network] += size
        if self._of[network] == 0:
            del self._of[network]

    def take(self, network: str, size: int) -> bool:
        """Note so many bytes more, if there is room for them."""
        has_room = self.has_room(network, size)
        if has_room:
            self.add(network, size)
        return has_room


class Crowd(Generic[T]):
    """Connections by their networks, in each network the one first that has been silent longest."""

    def __init__(self, *, of_network: int, in_all: int) -> None:
        """`of_network`, `in_all`: the most connections of one network, and of all together."""
        self._of_network_max: Final = of_network
        self._in_all_max: Final = in_all
        self._of: dict[str, dict[T, None]] = {}
        self._network_of: dict[T, str] = {}

    def enter(self, one: T, network: str) -> T | None:
        """Note a newcomer; whoever is here stays in their place. Return who must go, None if
        nobody: the one that is silent longest, in the newcomer's network if this has more than its
        number, or in the network that has most if there are too many in all."""
        self._of.setdefault(network, {})[one] = None
        self._network_of[one] = network
        if network and len(self._of[network]) > self._of_network_max:
            crowded = network
        elif len(self._network_of) > self._in_all_max:
            crowded = max(self._of, key=lambda network: len(self._of[network]))
        else:
            return None
        victim = next(iter(self._of[crowded]))
        self.leave(victim)
        return victim

    def heard(self, one: T) -> None:
        """Note that a connection is not silent."""
        network = self._network_of.get(one)
        if network is not None:
            del self._of[network][one]
            self._of[network][one] = None

    def leave(self, one: T) -> None:
        """Forget a connection."""
        network = self._network_of.pop(one, None)
        if network is not None:
            del self._of[network][one]
            if not self._of[network]:
                del self._of[network]


class TurnsFull(Exception):
    """Too many wait for a turn."""


class FairTurns:
    """Lets a few pieces of work be done at a time. Networks take turns, so one that asks for much
    waits for itself."""

    def __init__(
        self, *, at_once: int = 1, of_network: float = math.inf, in_all: float = math.inf
    ) -> None:
        """`at_once`: how many hold a turn. `of_network`, `in_all`: how many of one network wait at
        most, and of all together."""
        self._at_once: Final = at_once
        self._of_network_max: Final = of_network
        self._in_all_max: Final = in_all
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._held = 0

    def waiting(self, network: str | None = None) -> int:
        """Return how many wait: of one network, or of all."""
        if network is not None:
            return len(self._waiting.get(network, ()))
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, network: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. Raises TurnsFull."""
        if self._held < self._at_once:
            self._held += 1
        else:
            await self._wait(network)
        try:
            yield
        finally:
            # Not at once: whatever else is due in the event loop comes between two turns.
            asyncio.get_running_loop().call_soon(self._pass_on)

    async def _wait(self, network: str) -> None:
        if self.waiting(network) >= self._of_network_max or self.waiting() >= self._in_all_max:
            raise TurnsFull
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._pass_on()
            elif mine in (waiting := self._waiting.get(network, deque())):
                waiting.remove(mine)
                if not waiting:
                    del self._waiting[network]
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            network, waiting = self._waiting.popitem(last=False)
            first = waiting.popleft()
            if waiting:
                self._waiting[network] = waiting
            if not first.done():  # it may have been cancelled a moment ago
                first.set_result(None)
                return
        self._held -= 1


class Incidents:
    """What clients did that was refused or cut short: counted, and told in at most one log line a
    second."""

    def __init__(self, *, read_clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Final[Counter[str]] = Counter()
        """How often each kind has happened."""
        self._now: Final = read_clock
        self._tell_at = float("-inf")

    def note(self, kind: str) -> None:
        """Count something that a client did."""
        self.counts[kind] += 1
        if self._may_tell():
            _log.info("web desk, since its start: %s", self._told())

    def fault(self, error: Exception) -> None:
        """Count an error of our own, and say where it is."""
        self.counts["fault"] += 1
        if self._may_tell():
            *_, place = traceback.extract_tb(error.__traceback__)
            where = f"{place.filename}:{place.lineno}"
            _log.error(
                "fault of the web desk at %s: %s (%s)", where, quoted(repr(error)), self._told()
            )

    def _may_tell(self) -> bool:
        now = self._now()
        if now < self._tell_at:
            return False
        self._tell_at = now + LOG_LINE_EVERY
        return True

    def _told(self) -> str:
        return ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.counts.items()))


class WebBudget:
    """All that the clients of one port share."""

    def __init__(self, *, connections: int = CONNECTIONS_MAX, proxied: bool = False) -> None:
        """`connections`: the most in all. `proxied`: whether connections come by a proxy, whose
        address says nothing."""
        self.is_proxied: Final = proxied
        self.accepted_at_once: Final = max(min(ACCEPTED_AT_ONCE, connections // 8), 1)
        """Connections that are taken in one turn of the event loop. Those that are too many are
        closed a few turns later, and hold their descriptors until then."""
        self.crowd: Final[Crowd[object]] = Crowd(
            of_network=min(CONNECTIONS_PER_NETWORK, connections), in_all=connections
        )
        self.idle: Final[Crowd[object]] = Crowd(of_network=IDLE_PER_NETWORK, in_all=IDLE_MAX)
        """The connections on which no request is under way."""
        self.heads: Final = Ledger(of_network=HEADS_PER_NETWORK, in_all=HEADS_MAX)
        """Bytes of heads that are not whole; `flight` has them, too."""
        self.flight: Final = Ledger(of_network=FLIGHT_PER_NETWORK, in_all=FLIGHT_MAX)
        """Bytes of requests that arrive and of answers that are not taken yet."""
        self.turns: Final = FairTurns()
        """For pages, which cost most."""
        self.openings: Final = FairTurns(
            at_once=OPENINGS_AT_ONCE,
            of_network=OPENINGS_WAITING_PER_NETWORK,
            in_all=OPENINGS_WAITING_MAX,
        )
        """For members' windows, and the nodes that begin with them."""
        self.incidents: Final = Incidents()
