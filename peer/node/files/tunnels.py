"""Links for files that go through datagrams where no TCP connection can be made (clause 6.20)."""

import asyncio
import logging
import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.api.files import FileWay
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.files.tunnel import Tunnel
from chatapp.peer.node.files.keeper import Keeper
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

NOT_RELAYED_FOR: Final = 3_600.0
"""Seconds for which a registry is not asked again that passes nothing on."""

PEOPLE_KNOWN: Final = 64
"""People of whom it is known that the registry refuses to pass on what is for them."""

_IN_ORDER: Final = tuple(FileWay)
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
        self._touched: Final[dict[TunnelTransport, None]] = {}
        """Those for which something has come that is not read."""
        self._not_relayed: Final[dict[bytes, float]] = {}
        """Until when the registry passes nothing on between us and somebody."""

    def open(self, contact: "Contact", make_link: MakeLink, way: FileWay) -> None:
        """Open a tunnel to somebody."""
        number = self._rng.getrandbits(32)
        self._begin(contact.identity, number, make_link(), way, is_opener=True)

    def close(self) -> None:
        """Close all."""
        for transport in list(self._open.values()):
            transport.abort()

    def frame_came(self, identity: bytes, frame: TunnelFrame, *, through_server: bool) -> None:
        """Take a frame of somebody; `read` follows."""
        if identity in self._node.core.roster.contacts.ignored:
            return
        is_ours, way = not frame.by_opener, FileWay.SERVER if through_server else FileWay.UDP
        transport = self._open.get((identity, frame.tunnel, is_ours))
        if transport is None and not is_ours:
            transport = self._accepted(identity, frame, way)
        if transport is None:
            if isinstance(frame, TunnelPiece):
                end = TunnelEnd(frame.tunnel, by_opener=is_ours)
                self.send(identity, [encode_frame(end)], way)
        elif transport.way is way:  # who opens one chooses its way
            transport.frame_came(frame)
            self._touched[transport] = None

    def read(self) -> None:
        """Give the links what has come."""
        touched = list(self._touched)
        self._touched.clear()
        for transport in touched:
            transport.read()

    def can_relay(self, identity: bytes) -> bool:
        """Whether the registry can be asked to pass on what is for somebody."""
        until = self._not_relayed.get(identity, -math.inf)
        return self._node.core.reach is RegistryReach.UP and self.now() >= until

    def is_not_relayed(self, identity: bytes) -> bool:
        """Whether the registry refuses to pass on what is for somebody."""
        return self.now() < self._not_relayed.get(identity, -math.inf)

    def relay_refused(self, identity: bytes, seconds: int) -> None:
        """Note that the registry passes nothing on for so many seconds, 0: never."""
        if len(self._not_relayed) >= PEOPLE_KNOWN:
            del self._not_relayed[next(iter(self._not_relayed))]
        self._not_relayed[identity] = self.now() + (seconds or NOT_RELAYED_FOR)
        for (whose, _, _), transport in list(self._open.items()):
            if whose == identity and transport.way is FileWay.SERVER:
                transport.abort()

    def _accepted(
        self, identity: bytes, frame: TunnelFrame, way: FileWay
    ) -> "TunnelTransport | None":
        """Accept a tunnel that begins with this frame."""
        is_first = isinstance(frame, TunnelPiece) and frame.index == 0
        theirs = sum(not is_ours for _, _, is_ours in self._open)
        is_full = theirs >= FILE_LINKS_MAX
        if not is_first or not self._serving.is_open or is_full:
            return None
        if way is FileWay.SERVER and not self.can_relay(identity):
            return None
        link = self._serving.new_link(way)
        return self._begin(identity, frame.tunnel, link, way, is_opener=False)

    def _begin(
        self, identity: bytes, number: int, link: TcpLink, way: FileWay, *, is_opener: bool
    ) -> "TunnelTransport":
        tunnel = Tunnel(number, is_opener=is_opener, policy=Policy(), rng=self._rng)
        transport = TunnelTransport(self, identity, tunnel, link, way)
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

    def send(self, identity: bytes, frames: Sequence[bytes], way: FileWay = FileWay.UDP) -> None:
        """Send frames in one datagram, after this turn. What the registry would not pass on is
        lost."""
        core, is_relay = self._node.core, way is FileWay.SERVER
        contact = core.roster.contacts.by_identity(identity)
        if contact is None or (is_relay and not self.can_relay(identity)):
            return
        now = self._node.now()
        core.direct.send_encoded(contact, frames, through_registry=is_relay, now=now)
        self._node.schedule()

    def forget(self, identity: bytes, tunnel: Tunnel) -> None:
        """Forget a tunnel that is closed."""
        self._open.pop((identity, tunnel.number, tunnel.is_opener), None)


class TunnelTransport(asyncio.Transport):
    """One end of a tunnel, as what carries a `TcpLink`."""

    def __init__(
        self, tunnels: Tunnels, identity: bytes, tunnel: Tunnel, link: TcpLink, way: FileWay
    ) -> None:
        super().__init__({"peername": tunnels.address_of(identity)})
        self.way: Final = way
        """UDP or SERVER."""
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
            self._tunnels.send(self._identity, [encode_frame(end)], self.way)
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
            self._tunnels.send(self._identity, frames, self.way)
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
    """How a link to somebody is made: by TCP; or through a tunnel if that cannot be, or what answers
    there is not they; or through one by the registry if that does not get through either."""

    def __init__(self, connect: Connect, tunnels: Tunnels, keeper: Keeper) -> None:
        """`keeper`: what the registry keeps."""
        self.keeper: Final = keeper
        self._connect: Final = connect
        self._tunnels: Final = tunnels
        self._blocked: Final[dict[tuple[bytes, FileWay], float]] = {}
        """Until when somebody is not tried by a way."""

    async def open(self, contact: "Contact", make_link: MakeLink) -> FileWay:
        """Open a link, and return by what it goes."""
        if self._is_free(contact, FileWay.TCP):
            try:
                async with asyncio.timeout(CONNECTS_WITHIN):
                    await self._connect(make_link, *contact.address)
            except (OSError, TimeoutError) as error:
                _log.debug("no TCP connection for a file: %s", error)
                self._block(contact, FileWay.TCP, CONNECTS_WITHIN)
            else:
                return FileWay.TCP
        can_relay = self._tunnels.can_relay(contact.identity)
        is_blocked = not self._is_free(contact, FileWay.UDP)
        way = FileWay.SERVER if is_blocked and can_relay else FileWay.UDP
        self._tunnels.open(contact, make_link, way)
        return way

    def used(self, contact: "Contact", way: FileWay, *, was_open: bool, has_given: bool) -> None:
        """Note what came of a link. After one that was of use the ways that come before it are not
        tried for a while; nor is one by which nobody has shown to be the one who is meant."""
        if has_given:
            for before in _IN_ORDER[: _IN_ORDER.index(way)]:
                self._block(contact, before, TUNNEL_STAYS_FOR)
        elif not was_open and way is not FileWay.SERVER:
            self._block(contact, way, CONNECTS_WITHIN)

    def is_stuck(self, identity: bytes) -> bool:
        """Whether somebody is out of reach, and the registry passes nothing on."""
        return self._tunnels.is_not_relayed(identity)

    def _is_free(self, contact: "Contact", way: FileWay) -> bool:
        now = asyncio.get_running_loop().time()
        return now >= self._blocked.get((contact.identity, way), now)

    def _block(self, contact: "Contact", way: FileWay, seconds: float) -> None:
        self._blocked[contact.identity, way] = asyncio.get_running_loop().time() + seconds
