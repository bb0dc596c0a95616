"""A stranger who hears every datagram of a simulated network and sends all of them again, for
ever."""

from collections.abc import Callable
from typing import Final

from chatapp.wire.address import Address
from chatapp.wire.codec import Kind
from tests.support.network import Network

RATES: Final = (1.5, 4.0, 20.0, 50.0)
"""Datagrams a second: from hardly more than a person's allowance of openings up to a flood."""
_SOURCE: Final = Address("6.6.6.6", 6_666)


class Replayer:
    """Sends what it has heard in turn, so many datagrams a second: every second one is an opening,
    as those cost most."""

    def __init__(self, network: Network, rate: float) -> None:
        self._network = network
        self._span: Final = 1 / rate
        self._openings: list[tuple[bytes, Address]] = []
        self._others: list[tuple[bytes, Address]] = []
        self._next = 0
        self.openings_sent = 0
        """How many openings it has sent again."""
        network.overhears = self._hear

    def begin(self, *, only: Callable[[bytes, Address], bool] | None = None) -> None:
        """Send from now on. `only`: send nothing but the openings heard until now of which this is
        true."""
        if only is not None:
            self._network.overhears = lambda data, target: None
            self._others.clear()
            self._openings = [opening for opening in self._openings if only(*opening)]
        self._network.after(self._span, self._send)

    def _hear(self, data: bytes, target: Address) -> None:
        (self._openings if data[:1] == bytes((Kind.OPENING,)) else self._others).append(
            (data, target)
        )

    def _send(self) -> None:
        heard = self._others if self._next % 2 and self._others else self._openings
        if heard:
            data, target = heard[self._next // 2 % len(heard)]
            self.openings_sent += heard is self._openings
            self._network.forge(data, _SOURCE, target)
        self._next += 1
        self._network.after(self._span, self._send)
