"""UDP sockets under asyncio: read until the socket is empty, send at once, never wait, never raise.

`add_reader` with a read loop takes a seventh of the time for each message that asyncio's
DatagramProtocol takes.

On Linux, a run of datagrams is sent by one system call (`UDP_SEGMENT`) and read by one (`UDP_GRO`).
A run is consecutive datagrams of one size between two addresses; its last one may be shorter.
Either end may do so without the other: on the wire there are the same datagrams as if each was sent
singly.
"""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from chatapp.wire.address import Address, addresses_via, normalized_host
from chatapp.wire.errors import PortInUse
from chatapp.wire.limits import DATAGRAM_MAX, OWN_ADDRESSES_MAX

if TYPE_CHECKING:
    from chatapp.wire.aio.manyaddresses import ManyAddresses

DRAINED_A_WAKE_UP: Final = 64
"""Datagrams read before the event loop continues: a flood must not delay timers and links."""

_SOURCES_KEPT: Final = 256
"""Addresses of senders that are remembered."""

_READ_SIZE: Final = 2_048
_CONTROL_SIZE: Final = 64
_SOCKET_BUFFER: Final = 4 * 1024 * 1024
_IP_PKTINFO: Final = 8
"""The value from Linux's ip(7); Python has the name only from 3.12 on."""

RUN_MAX: Final = 8
"""Datagrams sent by one call. Longer runs gain little more. They arrive at once and are
acknowledged at once, so that fewer acknowledgements go back, and one that gets lost counts for
more."""
_RUN_READ_SIZE: Final = 65_535
"""No run is longer. `recvmsg` gives back what it does not need; a buffer to reuse costs more, as
its content is copied."""
_RUN_CONTROL_SIZE: Final = 24
"""Space for the control message that tells the size of the datagrams in a run."""

_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
"""Values from Linux's udp(7); Python has no names for them."""
_SIZE_TO_SEND: Final = struct.Struct("=H")
_SIZE_READ: Final = struct.Struct("=i")
_CUT_OFF: Final = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
"""As a number: `|` and `&` of the flags themselves take as long as a read."""

_REFUSALS: Final = (errno.EINVAL, errno.EIO, errno.EMSGSIZE)
"""What the system says if it takes no runs for a path: its MTU is below the size, where the kernel
would fragment a single datagram, or a device cannot divide runs."""
_REFUSED_KEPT: Final = 256

Receive = Callable[[list[tuple[bytes, Address]]], None]


class DatagramEndpoint:
    """A UDP endpoint on one port, for IPv4 and (where the machine has it) IPv6. Passes datagrams to
    `receive` in batches.

    With `answers_from_asked`, an answer is sent from the address that was asked, on a machine that
    has several: each such address gets a socket of its own, which then reads and sends without
    extra cost. Linux only. Such an endpoint exchanges single datagrams with many addresses, so it
    neither sends nor reads runs.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        *,
        at_once: int = DRAINED_A_WAKE_UP,
        answers_from_asked: bool = False,
    ) -> None:
        """`at_once`: datagrams read before the event loop continues; the last read may bring a
        whole run."""
        self._loop = loop
        self._at_once = at_once
        self._receive = receive
        self._answers_from_asked = answers_from_asked and sys.platform == "linux"
        self._v4: socket.socket | None = None
        self._v6: socket.socket | None = None
        self._own: dict[str, socket.socket] = {}
        """The sockets bound to one address of this machine."""
        self._kinds: dict[str, type[Address]] = {}
        """For an address of this machine: the class of the addresses that are answered from it."""
        self._sources: dict[tuple[type[Address], tuple[str, int]], Address] = {}
        self._run_sender: RunSender | None = None
        """None where each datagram is sent by a call of its own."""
        self._many: dict[int, ManyAddresses] | None = None
        """What sends one datagram to many addresses, by family; empty where the system cannot, None
        before it was asked."""
        self.send_errors = 0
        """Datagrams that the kernel refused: each counts as a lost packet."""

    def open(self, port: int) -> int:
        """Bind and return the port (useful if 0 was asked for). Raises PortInUse."""
        self._v4 = _bound(socket.AF_INET, ("0.0.0.0", port))
        bound = int(self._v4.getsockname()[1])
        try:
            self._v6 = _bound(socket.AF_INET6, ("::", bound))
        except OSError:
            self._v6 = None
        except PortInUse:
            self.close()
            raise
        for sock in (self._v4, self._v6):
            if sock is None:
                continue
            if self._answers_from_asked:
                _ask_for_packet_information(sock)
                self._loop.add_reader(sock.fileno(), self._drain_any, sock)
            elif _read_runs(sock):
                self._loop.add_reader(sock.fileno(), self._drain_runs, sock)
            else:
                self._loop.add_reader(sock.fileno(), self._drain, sock, Address)
        if not self._answers_from_asked and _can_send_runs(self._v4):
            self._run_sender = RunSender()
        return bound

    def send(self, data: bytes, to: Address) -> None:
        """Send one datagram. If it cannot be sent it is lost, as any datagram may be."""
        self.send_all(((data, to),))

    def send_to_many(self, data: bytes, addresses: Sequence[Address]) -> None:
        """Send one datagram to many addresses, each as `send` does."""
        if self._many is None:
            self._many = _many_by_family()
        for sock, group in self._by_socket(addresses):
            if sock is not None and self._many:
                self.send_errors += self._many[sock.family].send(sock, data, group)
            else:
                self.send_all([(data, to) for to in group])

    def _by_socket(
        self, addresses: Sequence[Address]
    ) -> Iterable[tuple[socket.socket | None, list[Address]]]:
        """Divide addresses by the socket from which they are sent to."""
        kinds: dict[type[Address], list[Address]] = {}
        for to in addresses:
            kinds.setdefault(type(to), []).append(to)
        for group in kinds.values():
            sock = self._own.get(group[0].via)
            if sock is not None:
                yield sock, group
                continue
            v4 = [to for to in group if ":" not in to.host]
            yield self._v4, v4
            if len(v4) < len(group):
                yield self._v6, [to for to in group if ":" in to.host]

    def send_all(self, datagrams: Sequence[tuple[bytes, Address]]) -> None:
        """Send datagrams, each as `send` does."""
        if self._run_sender is None or len(datagrams) == 1:
            self._send_singly(datagrams)
            return
        for run in sendable_runs(datagrams):
            sock = self._v6 if ":" in run[0][1].host else self._v4
            if len(run) == 1 or sock is None or not self._run_sender.send(sock, run):
                self._send_singly(run)

    def _send_singly(self, datagrams: Sequence[tuple[bytes, Address]]) -> None:
        """Send each datagram by a call of its own."""
        own, v4, v6 = self._own, self._v4, self._v6
        for data, to in datagrams:
            sock = own.get(to.via) if own else None
            if sock is None:
                sock = v6 if ":" in to.host else v4
            try:
                if sock is not None:
                    sock.sendto(data, to)
                else:
                    self.send_errors += 1
            except (OSError, ValueError):
                self.send_errors += 1

    def close(self) -> None:
        """Stop reading and close all sockets."""
        for sock in (self._v4, self._v6, *self._own.values()):
            if sock is not None:
                self._loop.remove_reader(sock.fileno())
                sock.close()
        self._v4 = self._v6 = None
        self._own.clear()

    def _drain(self, sock: socket.socket, address: type[Address]) -> None:
        """Read a socket whose datagrams were all sent to one address, or to one that does not
        matter."""
        batch: list[tuple[bytes, Address]] = []
        for _ in range(self._at_once):
            try:
                data, source = sock.recvfrom(_READ_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error for an earlier send; the next read may bring a datagram
            if len(data) <= DATAGRAM_MAX:
                batch.append(
                    (data, self._sources.get((address, source)) or self._source(address, source))
                )
        if batch:
            self._receive(batch)

    def _drain_runs(self, sock: socket.socket) -> None:
        """Read a socket that hands over several datagrams by one read."""
        batch: list[tuple[bytes, Address]] = []
        count = 0
        while count < self._at_once:
            try:
                data, control, flags, source = sock.recvmsg(_RUN_READ_SIZE, _RUN_CONTROL_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                count += 1
                continue
            came = datagrams_in(data, control, flags)
            count += len(came) or 1
            sender = self._sources.get((Address, source)) or self._source(Address, source)
            batch += [(datagram, sender) for datagram in came if len(datagram) <= DATAGRAM_MAX]
        if batch:
            self._receive(batch)

    def _source(self, kind: type[Address], source: tuple[str, int]) -> Address:
        """Return an address of this class, made once for many datagrams. `source`: as the system
        tells it."""
        if len(self._sources) >= _SOURCES_KEPT:
            self._sources.clear()
        found = self._sources[kind, source] = kind(normalized_host(source[0]), source[1])
        return found

    # --- one socket an address

    def _drain_any(self, sock: socket.socket) -> None:
        """Read the datagrams sent to an address that has no socket yet, and open one for it."""
        batch: list[tuple[bytes, Address]] = []
        for _ in range(self._at_once):
            try:
                data, control, _, source = sock.recvmsg(_READ_SIZE, _CONTROL_SIZE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue
            if len(data) <= DATAGRAM_MAX:
                address = self._kind_of(sock, control[0][2]) if control else Address
                batch.append(
                    (data, self._sources.get((address, source)) or self._source(address, source))
                )
        if batch:
            self._receive(batch)

    def _kind_of(self, wildcard: socket.socket, information: bytes) -> type[Address]:
        host, scope = _asked_address(wildcard, information)
        kind = self._kinds.get(host)
        if kind is None:
            if len(self._kinds) >= OWN_ADDRESSES_MAX:
                return Address
            kind = self._kinds[host] = self._open_own(wildcard, host, scope)
        return kind

    def _open_own(self, wildcard: socket.socket, host: str, scope: int) -> type[Address]:
        """Bind a socket to one address of this machine. If that fails, the kernel keeps choosing
        the address."""
        place = (host, wildcard.getsockname()[1])
        # The port is shareable for this moment only: at all other times a second program on it is
        # refused.
        wildcard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock = _bound(wildcard.family, (*place, 0, scope) if scope else place, is_shared=True)
        except (OSError, PortInUse):
            return Address
        finally:
            wildcard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        kind = addresses_via(host)
        self._own[host] = sock
        self._loop.add_reader(sock.fileno(), self._drain, sock, kind)
        return kind


class RunSender:
    """Sends runs by one call each, and remembers the addresses for which the system refused one."""

    def __init__(self) -> None:
        self._refused: set[Address] = set()

    def send(self, sock: socket.socket, run: Sequence[tuple[bytes, Address]]) -> bool:
        """Send a run. Return whether that was done; if not, its datagrams must be sent singly."""
        first, to = run[0]
        if to in self._refused:
            return False
        size = _SIZE_TO_SEND.pack(len(first))
        try:
            sock.sendmsg(
                [data for data, _ in run], [(socket.IPPROTO_UDP, _UDP_SEGMENT, size)], 0, to
            )
        except OSError as error:
            if error.errno in _REFUSALS:
                self._note_refusal(to)
            return False
        except ValueError:
            return False
        return True

    def _note_refusal(self, to: Address) -> None:
        if len(self._refused) >= _REFUSED_KEPT:
            self._refused.clear()
        self._refused.add(to)


def _can_send_runs(sock: socket.socket) -> bool:
    """Whether the system knows `UDP_SEGMENT`. Linux before 4.18 ignores it and would send a run as
    one datagram."""
    if sys.platform != "linux":
        return False
    try:
        sock.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def _read_runs(sock: socket.socket) -> bool:
    """Let the system hand over runs by one read. Return whether it does; each read is one datagram
    if not."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return True


def datagrams_in(data: bytes, control: Sequence[tuple[int, int, bytes]], flags: int) -> list[bytes]:
    """Return the datagrams that one `recvmsg` has read; none if it lost some of their bytes or
    their size."""
    if flags & _CUT_OFF:
        return []
    if not control:
        return [data]
    (size,) = _SIZE_READ.unpack(control[0][2])
    return [data[start : start + size] for start in range(0, len(data), size)]


def sendable_runs(
    datagrams: Sequence[tuple[bytes, Address]],
) -> Iterator[Sequence[tuple[bytes, Address]]]:
    """Divide datagrams, in order, into what one call can send: to one address, of one size, only
    the last may be shorter."""
    start, count = 0, len(datagrams)
    while start < count:
        first, to = datagrams[start]
        size = len(first)
        end = start + 1
        last = min(count, start + RUN_MAX)
        while end < last:
            data, next_to = datagrams[end]
            if not 0 < len(data) <= size or next_to != to:
                break
            end += 1
            if len(data) < size:
                break
        yield datagrams[start:end]
        start = end


def _many_by_family() -> "dict[int, ManyAddresses]":
    from chatapp.wire.aio.manyaddresses import (  # deferred: a peer never needs it
        ManyAddresses,
        find_sendmmsg,
    )

    call = find_sendmmsg()
    return (
        {}
        if call is None
        else {family: ManyAddresses(family, call) for family in (socket.AF_INET, socket.AF_INET6)}
    )


def _bound(
    family: int, place: tuple[str, int] | tuple[str, int, int, int], *, is_shared: bool = False
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        sock.close()
        raise PortInUse.when_taken(place[1], error) from None
    return sock


def _ask_for_packet_information(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)


def _asked_address(sock: socket.socket, information: bytes) -> tuple[str, int]:
    """Return the address of ours to answer from and its scope, from `struct in_pktinfo` or `struct
    in6_pktinfo`."""
    if sock.family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, information[4:8]), 0
    host = socket.inet_ntop(socket.AF_INET6, information[:16])
    needs_scope = host.startswith("fe80:")
    return host, int.from_bytes(information[16:20], sys.byteorder) if needs_scope else 0
