"""Whether TCP connections of others reach us: we ask a person, whose program tries; and ours tries for
others (clause 6.21)."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.core.files.links import FetchingEnd
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Machine
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import frame
from chatapp.wire.errors import WireError
from chatapp.wire.limits import PORT_TRIES_BURST, PORT_TRIES_EACH, PORT_TRIES_MAX
from chatapp.wire.messages.direct import PortTried, TryPort, encode_frame

if TYPE_CHECKING:
    from chatapp.peer.core.contacts import Contact
    from chatapp.peer.core.core import PeerCore

OPENS_WITHIN: Final = 4.0
"""Seconds until a link to who asks must be open."""

ASKED_EACH: Final = 1.0
"""Seconds until we ask again."""

ASKED_MOST: Final = 6
"""How often we ask."""

_PEOPLE_KNOWN: Final = 64


class PortsNode(Protocol):
    """What this asks of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...


class Ports:
    """What is asked of others, and what others ask of us."""

    def __init__(
        self, node: PortsNode, machine: Machine, send: Callable[[bytes, Sequence[bytes]], None]
    ) -> None:
        """`send`: sends frames to somebody in one datagram."""
        self._node: Final = node
        self._machine: Final = machine
        self._send: Final = send
        self._asked: Final[dict[tuple[bytes, int], asyncio.Future[bool]]] = {}
        """What we have asked, by whom and by reference."""
        self._tried: Final[dict[bytes, PortTried]] = {}
        """What we found last for each, for those who ask again."""
        self._trying: Final[dict[tuple[bytes, int], asyncio.Task[None]]] = {}
        self._allowed: Final[Buckets[bytes]] = Buckets(
            rate=1 / PORT_TRIES_EACH, burst=PORT_TRIES_BURST, most=_PEOPLE_KNOWN
        )

    def close(self) -> None:
        """End all attempts."""
        for task in self._trying.values():
            task.cancel()

    async def ask(self, contact: "Contact") -> bool | None:
        """Return whether somebody can connect to us; None if they do not answer."""
        reference = self._machine.rng.getrandbits(32)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[contact.identity, reference] = answer
        try:
            for _ in range(ASKED_MOST):
                self._send(contact.identity, [encode_frame(TryPort(reference))])
                await asyncio.wait([answer], timeout=ASKED_EACH)
                if answer.done():
                    return answer.result()
            return None
        finally:
            del self._asked[contact.identity, reference]

    def frame_came(self, identity: bytes, received: TryPort | PortTried) -> None:
        """Take what somebody asks or answers."""
        key = identity, received.reference
        if isinstance(received, PortTried):
            answer = self._asked.get(key)
            if answer is not None and not answer.done():
                answer.set_result(received.has_reached)
            return
        contacts = self._node.core.roster.contacts
        contact, found = contacts.by_identity(identity), self._tried.get(identity)
        if contact is None or contact.is_blocked or identity in contacts.ignored:
            return
        if found is not None and found.reference == received.reference:
            self._send(identity, [encode_frame(found)])
        elif (
            key not in self._trying
            and len(self._trying) < PORT_TRIES_MAX
            and self._allowed.take(identity, now=self._node.now())
        ):
            self._trying[key] = asyncio.get_running_loop().create_task(self._try(contact, key))

    async def _try(self, contact: "Contact", key: tuple[bytes, int]) -> None:
        """Connect to who asks, and tell them whether they were there."""
        try:
            tried = PortTried(key[1], await self._reaches(contact))
            self._tried.pop(contact.identity, None)
            self._tried[contact.identity] = tried
            if len(self._tried) > _PEOPLE_KNOWN:
                del self._tried[next(iter(self._tried))]
            self._send(contact.identity, [encode_frame(tried)])
        finally:
            del self._trying[key]

    async def _reaches(self, contact: "Contact") -> bool:
        link: _TriedLink | None = None
        try:
            async with asyncio.timeout(OPENS_WITHIN):
                first, opening = self._node.core.direct.open_link(contact, now=self._node.now())
                link = _TriedLink(first, FetchingEnd(opening))
                await self._machine.connect(link.new_end, *contact.address)
                return await link.is_open
        except (OSError, TimeoutError, WireError):
            return False
        finally:
            if link is not None:
                link.close()


class _TriedLink:
    """A link on which nothing is asked for (a `TcpLinkOwner`)."""

    def __init__(self, first: bytes, end: FetchingEnd) -> None:
        self._first: Final = first
        self._end: Final = end
        self._link: TcpLink | None = None
        self.is_open: Final[asyncio.Future[bool]] = asyncio.get_running_loop().create_future()
        """Settled once the other side has shown who they are, or the link has ended."""

    def new_end(self) -> TcpLink:
        """Return our end of the connection that is being made."""
        return TcpLink(self)

    def close(self) -> None:
        """End it."""
        self.is_open.cancel()
        if self._link is not None:
            self._link.cut("done")

    def link_opened(self, link: TcpLink) -> None:
        self._link = link
        link.write([frame(self._first)])

    def link_frames(self, _: TcpLink, frames: list[bytes]) -> None:
        with contextlib.suppress(WireError):
            self._end.receive(frames[0])
        self._settle()

    def link_progressed(self, *_: object) -> None:
        pass  # the first frame is short

    def link_closed(self, _: TcpLink, __: str) -> None:
        self._link = None
        self._settle()

    def _settle(self) -> None:
        if not self.is_open.done():
            self.is_open.set_result(self._end.is_open)
