"""What a program uses of the machine on which it runs: clocks, chance, UDP and TCP ports.

This is a seam: `chatapp.testing` runs the same programs on machines of a simulated network, in
virtual time.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import DRAINED_A_WAKE_UP, DatagramEndpoint, Receive
from chatapp.wire.aio.link import LinkListener, TcpLink, connect_link
from chatapp.wire.storage import Disk

MakeLink = Callable[[], TcpLink]


class Endpoint(Protocol):
    """A UDP port (`DatagramEndpoint`)."""

    def open(self, port: int) -> int: ...
    def send(self, data: bytes, to: Address) -> None: ...
    def send_all(self, datagrams: Sequence[tuple[bytes, Address]]) -> None: ...
    def send_to_many(self, data: bytes, addresses: Sequence[Address]) -> None: ...
    def close(self) -> None: ...


class MakeEndpoint(Protocol):
    """Makes an `Endpoint` that is not open yet."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        *,
        at_once: int = DRAINED_A_WAKE_UP,
        answers_from_asked: bool = False,
    ) -> Endpoint: ...


class Listener(Protocol):
    """A TCP port on which links are accepted (`LinkListener`)."""

    async def serve(self, make_link: MakeLink) -> None: ...
    def close(self) -> None: ...


class Connect(Protocol):
    """Opens a link (`connect_link`). Raises OSError."""

    async def __call__(self, make_link: MakeLink, host: str, port: int) -> None: ...


def _is_wireless() -> bool:
    from chatapp.wire.aio.lan import is_wireless  # deferred: rarely needed

    return is_wireless()


class Machine(NamedTuple):
    """A machine; without arguments, the one on which we run."""

    now: Callable[[], float] = time.monotonic
    """The time of a registry's core, in seconds. A peer's core has the time of its event loop."""
    wall: Callable[[], float] = time.time
    """Unix time, in seconds. It may be set at any time."""
    rng: random.Random = random.SystemRandom()
    """The chance that cores and new keys are made of."""
    endpoint: MakeEndpoint = DatagramEndpoint
    connect: Connect = connect_link
    listen: Callable[[int], Listener] = LinkListener
    """Takes a TCP port. Raises PortInUse, OSError."""
    is_wireless: Callable[[], bool] = _is_wireless
    """Whether it reaches others by Wi-Fi alone."""
    disk: Disk = Disk()
    """Where a registry stores its journal."""


THIS_MACHINE: Final = Machine()
