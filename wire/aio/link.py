"""The TCP side of a link under asyncio: bytes in, whole frames out, gathered writes, a bounded
queue.

Both ends use it. It cuts frames and enforces the bound; the cores know what frames mean and when to
drop a link.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

from chatapp.wire.address import Address, normalized_host
from chatapp.wire.codec import LENGTH_SIZE, FrameReader
from chatapp.wire.errors import DecodeError, PortInUse
from chatapp.wire.limits import (
    LINK_FIRST_FRAME_MAX,
    LINK_FRAME_MAX,
    LINK_QUEUE_MAX,
    LINK_SEGMENT_MAX,
    LINK_SILENCE_MAX,
    LINK_STALL_TIMEOUT,
    LINK_UNACKNOWLEDGED_MAX,
)

BACKLOG: Final = 1_024
"""Connections that wait until they are accepted."""

AT_ONCE: Final = 16 * 1024
"""Bytes that a socket takes at once unless its reader is slow. A larger write would be taken in
part, and the rest copied."""


PROBED_AFTER: Final = int(LINK_SILENCE_MAX + LINK_STALL_TIMEOUT)
"""Seconds of silence after which the kernel tests whether the other machine is still there. It is
longer than a peer that lives is silent, on a slow link, too: TCP_USER_TIMEOUT makes the kernel end a link at the first
probe that is lost, and thousands of links that fell silent at the same moment are probed at the
same moment, which loses probes."""

_KEEPALIVE: Final = (("TCP_KEEPIDLE", PROBED_AFTER), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""Seconds of silence, seconds between probes, number of probes."""


def limit_segments(sock: socket.socket, host: str) -> None:
    """Limit the segments of a TCP socket that is about to connect to `host` to a size that every
    network carries."""
    is_near = host == "::1" or host.startswith(
        "127."
    )  # on the loopback interface short segments would only cost time
    if hasattr(socket, "TCP_MAXSEG") and not is_near:  # not on every system
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, LINK_SEGMENT_MAX)


def _give_up_when_stalled(sock: socket.socket) -> None:
    """Let the kernel end a connection whose other machine acknowledges nothing."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    milliseconds = int(LINK_UNACKNOWLEDGED_MAX * 1_000)
    for option, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", milliseconds)):
        if hasattr(socket, option):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class TcpLinkOwner(Protocol):
    """The object that learns what happens on a link."""

    def link_opened(self, link: "TcpLink") -> None:
        """The connection is open."""

    def link_frames(self, link: "TcpLink", frames: list[bytes]) -> None:
        """Frames arrived: all that one read brought."""

    def link_progressed(self, link: "TcpLink", begun: int) -> None:
        """Bytes arrived that end no frame: so many of it are here by now."""

    def link_closed(self, link: "TcpLink", reason: str) -> None:
        """The connection has ended; called once."""


class TcpLink(asyncio.Protocol):
    """One TCP connection that carries frames."""

    def __init__(self, owner: TcpLinkOwner, *, queue_max: int = LINK_QUEUE_MAX) -> None:
        self._owner = owner
        self._queue_max = queue_max
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._descriptor: int | None = None
        self._reason = "closed by the other side"
        self.remote = Address("", 0)

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up the socket: no delay, since writes are gathered already, and an early end for a
        connection that stalls."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._queue_max)
        source = self._transport.get_extra_info("peername") or ("", 0)
        self.remote = Address(normalized_host(source[0]), source[1])
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _give_up_when_stalled(sock)
            if os.name == "posix":  # elsewhere a socket is not a file
                self._descriptor = sock.fileno()
        self._owner.link_opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut the bytes into frames and pass them all to the owner at once."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._reader.is_one_frame(data):  # mostly, at a registry
            self._owner.link_frames(self, [data[LENGTH_SIZE:]])
            return
        self._reader.feed(data)
        frames: list[bytes] = []
        try:
            while (frame := self._reader.next_frame()) is not None:
                frames.append(frame)
                if self._reader.largest == LINK_FIRST_FRAME_MAX:
                    # This frame may authenticate the other side, and later frames may then be
                    # longer.
                    self._owner.link_frames(self, frames)
                    frames = []
                    if self._transport.is_closing():
                        return
        except DecodeError as error:
            self.cut(str(error))
        if frames:
            self._owner.link_frames(self, frames)
        elif self._reader.waiting:
            self._owner.link_progressed(self, self._reader.waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner once."""
        self._transport = self._descriptor = None
        self._owner.link_closed(self, self._reason if exc is None else f"{self._reason}: {exc}")

    # --- the owner's side

    def hand_to(self, owner: TcpLinkOwner, *, queue_max: int) -> None:
        """Report to another owner from now on. `queue_max`: as at the beginning."""
        self._owner, self._queue_max = owner, queue_max

    def allow_full_frames(self, most: int = LINK_FRAME_MAX) -> None:
        """Allow frames of full length, up to `most` bytes: the other side has authenticated
        itself."""
        self._reader.largest = most

    @property
    def waiting(self) -> int:
        """Bytes that the reader has not taken yet, besides those in the kernel."""
        transport = self._transport
        return (
            0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()
        )

    def write(self, pieces: Iterable[bytes]) -> bool:
        """Send everything of one loop turn in one write. Returns False if part of it waits for the
        reader.

        The link is cut if the reader has left too much of earlier turns unread.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return True
        data = b"".join(pieces)
        waiting = transport.get_write_buffer_size()
        if waiting > self._queue_max:
            self.cut("reads too slowly")
            return True
        sent = 0
        if not waiting and len(data) <= AT_ONCE and self._descriptor is not None:
            # Write directly to the kernel, which nearly always takes all of it, and skip the
            # transport's overhead.
            try:
                sent = os.write(self._descriptor, data)
            except OSError:
                sent = 0  # no space, or an error that the transport will meet and report
            if sent == len(data):
                return True
        return self.write_rest(data, sent)

    @property
    def writable_descriptor(self) -> int | None:
        """The socket, while bytes may be written to it past the transport: the connection is open,
        and nothing waits."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return None
        return self._descriptor

    def write_rest(self, data: bytes, sent: int) -> bool:
        """Go on after the kernel has taken the first `sent` bytes of `data` past the transport.
        Returns False if part of it waits for the reader."""
        transport = self._transport
        if sent == len(data) or transport is None or transport.is_closing():
            return True
        transport.write(data[sent:])
        return not transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Stop reading; further bytes wait in the kernel."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, reason: str) -> None:
        """Send what is queued, then close."""
        self._reason = reason
        if self._transport is not None:
            self._transport.close()

    def cut(self, reason: str) -> None:
        """Close now; queued bytes are lost."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()


async def connect_link(make_link: Callable[[], TcpLink], host: str, port: int) -> None:
    """Open a link to a listener, which `make_link` makes an end for. Raises OSError."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        limit_segments(sock, host)  # takes effect only if it is set before the handshake of TCP
        await loop.sock_connect(sock, (host, port))
        await loop.create_connection(make_link, sock=sock)
    except BaseException:
        sock.close()
        raise


class LinkListener:
    """A TCP port, for IPv4 and (where the machine has it) IPv6. It is taken at once, and serves
    later."""

    def __init__(self, port: int) -> None:
        """Raises PortInUse, OSError."""
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        try:
            for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                if (sock := _listening(family, host, port)) is not None:
                    self._sockets.append(sock)
        except BaseException:
            self.close()
            raise

    async def serve(self, make_link: Callable[[], TcpLink]) -> None:
        """Accept links from now on; `make_link` makes our end of each."""
        loop = asyncio.get_running_loop()
        while self._sockets:
            sock = self._sockets.pop()
            self._servers.append(await loop.create_server(make_link, sock=sock, backlog=BACKLOG))

    def close(self) -> None:
        """Accept no more links. Those that are open stay open."""
        for sock in self._sockets:
            sock.close()
        for server in self._servers:
            server.close()


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """Return a listening TCP socket, None if the machine has no IPv6. Raises PortInUse, OSError."""
    listener: socket.socket | None = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.settimeout(0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        wrong = PortInUse.when_taken(port, error)
        if family == socket.AF_INET6 and not isinstance(wrong, PortInUse):
            return None
        raise wrong from None
    return listener
