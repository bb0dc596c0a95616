"""Links for files that go through datagrams where no TCP connection can be made (clause 6.20)."""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.api.files import FileWay
from chatapp.peer.core.files.tunnel import Tunnel
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Connect, MakeLink
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.limits import FILE_LINKS_MAX
from chatapp.wire.messages.direct import TunnelEnd, TunnelFrame, TunnelPiece, encode_frame

if TYPE_CHECKING:
    from chatapp.peer.core.contacts import Contact
    from chatapp.peer.core.core import PeerCore

CONNECTS_WITHIN: Final = 10.0
"""Seconds for which an attempt to connect is waited for."""

TUNNEL_STAYS_FOR: Final = 120.0
"""Seconds for which no TCP connection is tried to somebody to whom none could be made."""

AT_ONCE: Final = 32
"""Datagrams that are sent before everything else has its turn."""

_log = logging.getLogger("chatapp.peer")


class TunnelsNode(Protocol):
    """What tunnels ask of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...
    def schedule(self) -> None: ...


class TunnelServer(Protocol):
    """What takes links that others open."""

    @property
    def is_open(self) -> bool: ...
    def new_link(self, way: FileWay) -> TcpLink: ...


class Tunnels:
    """All tunnels of a node."""

    def __init__(self, node: TunnelsNode, serving: TunnelServer, rng: random.Random) -> None:
        self._node: Final = node
        self._serving: Final = serving
        self._rng: Final = rng
        self._open: Final[dict[tuple[bytes, int, bool], TunnelTransport]] = {}
        """By who is at the other end, its number, and whether we have opened it."""

    def open(self, contact: "Contact", make_link: MakeLink) -> None:
        """Open a tunnel to somebody."""
        number = self._rng.getrandbits(32)
        self._begin(contact.identity, number, make_link(), is_opener=True)

    def close(self) -> None:
        """Close all."""
        for transport in list(self._open.values()):
            transport.abort()

    def frames_came(self, frames: Sequence[tuple[bytes, TunnelFrame]]) -> None:
        """Take frames, with who has sent them."""
        touched: dict[TunnelTransport, None] = {}
        ignored = self._node.core.roster.contacts.ignored
        for identity, frame in frames:
            if identity in ignored:
                continue
            is_ours = not frame.by_opener
            transport = self._open.get((identity, frame.tunnel, is_ours))
            if transport is None and not is_ours:
                transport = self._accepted(identity, frame)
            if transport is not None:
                transport.frame_came(frame)
                touched[transport] = None
            elif isinstance(frame, TunnelPiece):
                self.send(identity, [encode_frame(TunnelEnd(frame.tunnel, by_opener=is_ours))])
        for transport in touched:
            transport.read()

    def _accepted(self, identity: bytes, frame: TunnelFrame) -> "TunnelTransport | None":
        """Accept a tunnel that begins with this frame."""
        is_first = isinstance(frame, TunnelPiece) and frame.index == 0
        theirs = sum(not is_ours for _, _, is_ours in self._open)
        if not is_first or not self._serving.is_open or theirs >= FILE_LINKS_MAX:
            return None
        return self._begin(
            identity, frame.tunnel, self._serving.new_link(FileWay.UDP), is_opener=False
        )

    def _begin(
        self, identity: bytes, number: int, link: TcpLink, *, is_opener: bool
    ) -> "TunnelTransport":
        tunnel = Tunnel(number, is_opener=is_opener, policy=Policy(), rng=self._rng)
        transport = TunnelTransport(self, identity, tunnel, link)
        self._open[identity, number, is_opener] = transport
        link.connection_made(transport)
        return transport

    # --- for the tunnels

    def now(self) -> float:
        """Return the time."""
        return self._node.now()

    def address_of(self, identity: bytes) -> tuple[str, int]:
        """Return where somebody is."""
        contact = self._node.core.roster.contacts.by_identity(identity)
        return ("", 0) if contact is None else (contact.address.host, contact.address.port)

    def send(self, identity: bytes, frames: Sequence[bytes]) -> None:
        """Send frames in one datagram, after this turn."""
        core = self._node.core
        contact = core.roster.contacts.by_identity(identity)
        if contact is not None:
            core.direct.send_encoded(contact, frames, now=self._node.now())
            self._node.schedule()

    def forget(self, identity: bytes, tunnel: Tunnel) -> None:
        """Forget a tunnel that is closed."""
        self._open.pop((identity, tunnel.number, tunnel.is_opener), None)


class TunnelTransport(asyncio.Transport):
    """One end of a tunnel, as what carries a `TcpLink`."""

    def __init__(self, tunnels: Tunnels, identity: bytes, tunnel: Tunnel, link: TcpLink) -> None:
        super().__init__({"peername": tunnels.address_of(identity)})
        self._tunnels: Final = tunnels
        self._identity: Final = identity
        self._tunnel: Final = tunnel
        self._link: Final = link
        self._loop: Final = asyncio.get_running_loop()
        self._is_closing = False
        self._is_pumping = False
        self._timer: asyncio.TimerHandle | None = None

    # --- asyncio's side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if not self._is_closing:
            self._tunnel.write(data)
            self._pump_soon()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the other side has not taken yet."""
        return self._tunnel.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: a `TcpLink` looks at the size itself."""

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_closing

    def abort(self) -> None:
        """Close, and tell the other side."""
        if not self._is_closing:
            end = TunnelEnd(self._tunnel.number, self._tunnel.is_opener)
            self._tunnels.send(self._identity, [encode_frame(end)])
            self._end()

    close = abort

    # --- the network's side

    def frame_came(self, frame: TunnelFrame) -> None:
        """Take a frame of the other end."""
        if isinstance(frame, TunnelEnd):
            self._end()
        elif not self._is_closing:
            self._tunnel.receive(frame, now=self._tunnels.now())

    def read(self) -> None:
        """Give the link what has come, and send what is to be sent now."""
        if not self._is_closing and (data := self._tunnel.take_received()):
            self._link.data_received(data)
        self._pump_soon()

    def _end(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._tunnels.forget(self._identity, self._tunnel)
        self._loop.call_soon(self._link.connection_lost, None)

    def _pump_soon(self) -> None:
        if not self._is_pumping and not self._is_closing:
            self._is_pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send what may be sent now; the rest after everything else had its turn."""
        self._is_pumping = False
        if self._is_closing:
            return
        now = self._tunnels.now()
        payloads = self._tunnel.payloads_to_send(AT_ONCE, now=now)
        for frames in payloads:
            self._tunnels.send(self._identity, frames)
        if len(payloads) >= AT_ONCE:
            self._pump_soon()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due := self._tunnel.next_timer()) is not None:
            self._timer = self._loop.call_later(max(due - now, 0.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._tunnel.handle_timer(now=self._tunnels.now())
        self._pump_soon()


class Ways:
    """How a link to somebody is made: by TCP, or through a tunnel if that cannot be, or what answers
    there is not they."""

    def __init__(self, connect: Connect, tunnels: Tunnels) -> None:
        self._connect: Final = connect
        self._tunnels: Final = tunnels
        self._unreachable: Final[dict[bytes, float]] = {}
        """Until when no TCP connection is tried, by identity."""

    async def open(self, contact: "Contact", make_link: MakeLink) -> FileWay:
        """Open a link, and return by what it goes."""
        now = asyncio.get_running_loop().time()
        if now >= self._unreachable.get(contact.identity, now):
            try:
                async with asyncio.timeout(CONNECTS_WITHIN):
                    await self._connect(make_link, *contact.address)
            except (OSError, TimeoutError) as error:
                _log.debug("no TCP connection for a file: %s", error)
                self._unreachable[contact.identity] = now + CONNECTS_WITHIN
            else:
                self._unreachable.pop(contact.identity, None)
                return FileWay.TCP
        self._tunnels.open(contact, make_link)
        return FileWay.UDP

    def used(self, contact: "Contact", way: FileWay, *, was_open: bool, has_given: bool) -> None:
        """Note what came of a link. After a tunnel that was of use no connection is tried for a
        while; nor after one on which nobody has shown to be the one who is meant."""
        now = asyncio.get_running_loop().time()
        if way is FileWay.UDP and has_given:
            self._unreachable[contact.identity] = now + TUNNEL_STAYS_FOR
        elif way is FileWay.TCP and not was_open:
            self._unreachable[contact.identity] = now + CONNECTS_WITHIN
