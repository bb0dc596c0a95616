"""A simulated network: datagrams that may be lost, late or doubled, connections that resend, and
hosts cut off from others.

One `random.Random` decides everything, and the event loop's clock is the only clock.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import DRAINED_A_WAKE_UP, Receive
from chatapp.wire.aio.machine import MakeEndpoint, MakeLink
from chatapp.wire.errors import PortInUse
from chatapp.wire.limits import LINK_UNACKNOWLEDGED_MAX

FIRST_PORT: Final = 40_000
"""The first port that is given to a program that asks for any."""

RESEND_AFTER: Final = 0.2
"""Seconds until lost bytes of a connection are sent again; twice as many each further time."""

RESEND_AFTER_MOST: Final = 5.0

CONNECT_TRIES: Final = 6
"""Attempts to reach the other host, after 1, 2, 4 ... seconds, until a connection counts as
failed."""

WINDOW: Final = 256 * 1024
"""Bytes that an end which does not read holds; further ones stay with the sender."""

GAP: Final = 1e-6
"""Seconds between two pieces of one connection."""


@dataclass(slots=True)
class Weather:
    """How bad the network is. Shares from 0 to 1, seconds."""

    loss: float = 0.0
    doubled: float = 0.0
    delay_least: float = 0.001
    delay_most: float = 0.005


class Network:
    """Hosts, and what is under way between them."""

    def __init__(self, rng: random.Random) -> None:
        self.weather = Weather()
        self._loop = asyncio.get_running_loop()
        self._rng = rng
        self._endpoints: dict[Address, SimulatedEndpoint] = {}
        self._listeners: dict[Address, SimulatedListener] = {}
        self._connections: dict[Connection, None] = {}  # in order, which a set would not keep
        self._cut: set[frozenset[str]] = set()
        self._next_port = FIRST_PORT

    # --- partitions

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two hosts."""
        self._cut.add(frozenset((one, other)))

    def heal(self) -> None:
        """Let everything pass between all hosts, and quickly."""
        self._cut.clear()
        self.weather = Weather()

    def is_cut(self, one: str, other: str) -> bool:
        """Whether two hosts are cut off from each other."""
        return frozenset((one, other)) in self._cut

    def kill(self, host: str) -> None:
        """End what the program on a host has on the network, as the system does when a program is
        killed. The program itself is not told."""
        for table in (self._endpoints, self._listeners):
            for address in [place for place in table if place.host == host]:
                del table[address]
        for connection in list(self._connections):
            connection.kill(host)

    # --- chance

    def is_lost(self, one: str, other: str) -> bool:
        """Whether what is sent now between two hosts gets lost."""
        return self.is_cut(one, other) or self._rng.random() < self.weather.loss

    def delay(self) -> float:
        """Return the seconds that the next datagram is under way."""
        return self._rng.uniform(self.weather.delay_least, self.weather.delay_most)

    # --- datagrams

    def any_port(self) -> int:
        """Return a port that nobody has."""
        self._next_port += 1
        return self._next_port - 1

    def open_endpoint(self, endpoint: "SimulatedEndpoint", address: Address) -> None:
        """Deliver datagrams for this address. Raises PortInUse."""
        if address in self._endpoints:
            raise PortInUse(address.port)
        self._endpoints[address] = endpoint

    def close_endpoint(self, endpoint: "SimulatedEndpoint", address: Address) -> None:
        """Deliver nothing more."""
        if self._endpoints.get(address) is endpoint:
            del self._endpoints[address]

    def send(self, data: bytes, source: "SimulatedEndpoint", origin: Address, to: Address) -> None:
        """Send one datagram."""
        if self._endpoints.get(origin) is not source or self.is_lost(origin.host, to.host):
            return
        copies = 2 if self._rng.random() < self.weather.doubled else 1
        for _ in range(copies):
            self._loop.call_later(self.delay(), self._arrive, data, origin, Address(*to))

    def _arrive(self, data: bytes, origin: Address, to: Address) -> None:
        endpoint = self._endpoints.get(to)
        if endpoint is not None and not self.is_cut(origin.host, to.host):
            endpoint.receive([(data, origin)])

    # --- connections

    def listen(self, listener: "SimulatedListener", address: Address) -> None:
        """Accept connections for this address. Raises PortInUse."""
        if address in self._listeners:
            raise PortInUse(address.port)
        self._listeners[address] = listener

    def stop_listening(self, listener: "SimulatedListener", address: Address) -> None:
        """Accept no more connections."""
        if self._listeners.get(address) is listener:
            del self._listeners[address]

    async def connect(self, make_link: MakeLink, origin: str, to: Address) -> None:
        """Open a connection from a host. Raises OSError."""
        for tries in range(CONNECT_TRIES):
            if not self.is_lost(origin, to.host):
                break
            await asyncio.sleep(2.0**tries)
        else:
            raise TimeoutError
        await asyncio.sleep(self.delay() + self.delay())
        listener = self._listeners.get(to)
        if listener is None or listener.make_link is None:
            raise ConnectionRefusedError
        connection = Connection(self, (Address(origin, self.any_port()), to))
        self._connections[connection] = None
        connection.begin((make_link(), listener.make_link()))

    def is_over(self, connection: "Connection") -> None:
        """Forget a connection whose ends are both closed."""
        self._connections.pop(connection, None)


class SimulatedEndpoint:
    """A UDP port of a host (`wire.aio.machine.Endpoint`)."""

    def __init__(self, network: Network, host: str, receive: Receive) -> None:
        self._network = network
        self._host = host
        self.receive = receive
        self._address = Address(host, 0)

    def open(self, port: int) -> int:
        """Take the port, 0 for any, and return it. Raises PortInUse."""
        self._address = Address(self._host, port or self._network.any_port())
        self._network.open_endpoint(self, self._address)
        return self._address.port

    def send(self, data: bytes, to: Address) -> None:
        """Send one datagram."""
        self._network.send(data, self, self._address, to)

    def send_all(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send all datagrams."""
        for data, to in datagrams:
            self.send(data, to)

    def send_to_many(self, data: bytes, addresses: Sequence[Address]) -> None:
        """Send one datagram to many addresses."""
        for to in addresses:
            self.send(data, to)

    def close(self) -> None:
        """Give the port back."""
        self._network.close_endpoint(self, self._address)


class SimulatedListener:
    """A TCP port of a host (`wire.aio.machine.Listener`)."""

    def __init__(self, network: Network, address: Address) -> None:
        """Raises PortInUse."""
        self._network = network
        self._address = address
        self.make_link: MakeLink | None = None
        """Makes our end of a new link; None until links are accepted."""
        network.listen(self, address)

    async def serve(self, make_link: MakeLink) -> None:
        """Accept links from now on."""
        self.make_link = make_link

    def close(self) -> None:
        """Accept no more links."""
        self._network.stop_listening(self, self._address)


class Connection:
    """A TCP connection: bytes arrive whole and in order, however often they must be sent, or the
    connection breaks."""

    def __init__(self, network: Network, addresses: tuple[Address, Address]) -> None:
        self._network = network
        self.ends: Final = (
            End(self, addresses[0], addresses[1]),
            End(self, addresses[1], addresses[0]),
        )
        self._paths: Final = (Path(network, *self.ends), Path(network, *reversed(self.ends)))

    def begin(self, protocols: tuple[asyncio.Protocol, asyncio.Protocol]) -> None:
        """Tell both ends that the connection is open."""
        for end, protocol in zip(self.ends, protocols, strict=True):
            end.protocol = protocol
        for end, protocol in zip(self.ends, protocols, strict=True):
            protocol.connection_made(end)

    def path_from(self, end: "End") -> "Path":
        """Return the way of the bytes that this end writes."""
        return self._paths[self.ends.index(end)]

    def end_closed(self) -> None:
        """Note that an end is closed."""
        if all(end.is_over for end in self.ends):
            self._network.is_over(self)

    def kill(self, host: str) -> None:
        """End the side of a host without telling its program."""
        for end in self.ends:
            if end.local.host == host and not end.is_over:
                end.protocol = asyncio.Protocol()
                end.close()


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, connection: Connection, local: Address, remote: Address) -> None:
        super().__init__({"peername": tuple(remote), "sockname": tuple(local)})
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.local: Final = local
        self.protocol: asyncio.Protocol = asyncio.Protocol()
        self.held = bytearray()
        """Bytes that came while nobody read."""
        self._is_paused = False
        self._is_closing = False
        self.is_over = False
        """Whether nothing more is sent or received here."""

    # --- asyncio's side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not self._is_closing:
            self._connection.path_from(self).send(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self._connection.path_from(self).waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass  # a `TcpLink` looks at the size itself

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._connection.path_from(self).finish()
            self._loop.call_soon(self.lost, None)

    def abort(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._connection.path_from(self).finish(is_reset=True)
            self._loop.call_soon(self.lost, None)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        if self.held:
            self._loop.call_soon(self._read_held)

    # --- the network's side

    def arrived(self, data: bytes) -> None:
        """Give bytes to the program."""
        if self._is_paused or self.held:
            self.held += data
        elif not self._is_closing:
            self.protocol.data_received(data)

    def other_closed(self, error: Exception | None) -> None:
        """Learn that the other end is closed."""
        self._is_closing = True
        self.lost(error)

    def lost(self, error: Exception | None) -> None:
        """Tell the program that the connection is over."""
        if not self.is_over:
            self.is_over = self._is_closing = True
            self._connection.end_closed()
            self.protocol.connection_lost(error)

    def _read_held(self) -> None:
        if self.held and not self._is_paused and not self._is_closing:
            data = bytes(self.held)
            self.held.clear()
            self.protocol.data_received(data)


class Path:
    """What one end of a connection sends to the other."""

    def __init__(self, network: Network, source: End, target: End) -> None:
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._target = target
        self._unsent = bytearray()
        self._last: Callable[[], None] | None = None
        """How the other end learns that this one is closed, once everything before has arrived."""
        self._is_waiting = False
        self._lost_since: float | None = None
        self._resend_after = RESEND_AFTER
        self._under_way: deque[float] = deque()
        """When the pieces that are under way arrive."""

    @property
    def waiting(self) -> int:
        """Bytes that the other side has not taken."""
        return len(self._unsent) + max(0, len(self._target.held) - WINDOW)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._unsent += data
        self._try()

    def finish(self, *, is_reset: bool = False) -> None:
        """Let the other end learn that this one is closed: after all bytes, or at once and without
        them."""
        if is_reset:
            self._unsent.clear()
        error = ConnectionResetError() if is_reset else None
        self._last = lambda: self._target.other_closed(error)
        self._try()

    def _try(self) -> None:
        if self._is_waiting or not (self._unsent or self._last):
            return
        now = self._loop.time()
        if self._network.is_lost(self._source.local.host, self._target.local.host):
            since = self._lost_since = now if self._lost_since is None else self._lost_since
            if now - since >= LINK_UNACKNOWLEDGED_MAX:
                self._source.lost(TimeoutError())
                return
            self._is_waiting = True
            self._loop.call_later(self._resend_after, self._try_again)
            self._resend_after = min(2 * self._resend_after, RESEND_AFTER_MOST)
            return
        self._lost_since, self._resend_after = None, RESEND_AFTER
        arrival = now + self._network.delay()
        if self._under_way:
            arrival = max(
                arrival, self._under_way[-1] + GAP
            )  # timers of one time ring in any order
        data, last = bytes(self._unsent), self._last
        self._unsent.clear()
        self._last = None
        self._under_way.append(arrival)
        self._loop.call_at(arrival, self._arrive, data, last)

    def _try_again(self) -> None:
        self._is_waiting = False
        self._try()

    def _arrive(self, data: bytes, last: Callable[[], None] | None) -> None:
        self._under_way.popleft()
        if self._target.is_over:
            if data:  # nobody is there any more: the other side resets the connection
                self._source.other_closed(ConnectionResetError())
            return
        if data:
            self._target.arrived(data)
        if last is not None:
            last()


def make_endpoint_at(network: Network, host: str) -> MakeEndpoint:
    """Return what makes UDP ports of a host."""

    def make(
        loop: asyncio.AbstractEventLoop,  # noqa: ARG001 - those of `datagram.Endpoint`
        receive: Receive,
        *,
        at_once: int = DRAINED_A_WAKE_UP,  # noqa: ARG001
        answers_from_asked: bool = False,  # noqa: ARG001
    ) -> SimulatedEndpoint:
        return SimulatedEndpoint(network, host, receive)

    return make
