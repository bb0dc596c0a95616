"""This file is about a visitor's way to the registry: datagrams of its session, the link, and the frames on it.

It must not know what the desk says, nor what follows when the registry is lost: it hands on the notices, and counts what
is no good.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, get_args

from peer.core.link import LinkEnd
from peer.core.me import Me
from peer.core.session import RegistrySession
from peer.desk.visit import VisitorNotice
from wire.address import Address
from wire.codec import decode_frames, decode_notice
from wire.delivery.policy import Policy
from wire.errors import WireError
from wire.header import Kind
from wire.messages.link import PeerRequest, RegistryNotice
from wire.messages.presence import Left, Ping, Pong, Probe

_DESK_NOTICES: Final = get_args(VisitorNotice)


class Uplink:
    """The session and the link of one visitor."""

    def __init__(
        self,
        me: Me,
        *,
        server: Address,
        pinned: bytes | None,
        rng: random.Random,
        policy: Policy,
        heed: Callable[[VisitorNotice], None],
    ) -> None:
        """`heed` is told what the desk says."""
        self._me = me
        self._heed = heed
        self._requests: list[PeerRequest] = []
        self.session = RegistrySession(
            identity=me.identity,
            address=server,
            pinned=pinned,
            policy=policy,
            rng=rng,
            first_opening=me.first_opening,
        )
        self.link = LinkEnd(rng)
        self.wants_close = False
        """Whether the shell is to close the connection that it has."""
        self.dropped: Counter[str] = Counter()
        """Datagrams and frames that were no good."""

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self.session.use_card(self._me.card, first_opening=self._me.first_opening)
        self.session.start(table_version=0, now=now)

    # --- datagrams

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Any bytes from anybody."""
        try:
            self._route(data, sender, now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1

    def _route(self, data: bytes, sender: Address, now: float) -> None:
        kind = data[0] if data and sender == self.session.address else 0
        if kind == Kind.COOKIE:
            self.session.receive_cookie(data[1:], now=now)
        elif kind == Kind.WELCOME:
            self.session.receive_welcome(data[1:], now=now)
        elif kind == Kind.REFUSED:
            self.session.receive_refused(data[1:], now=now)
        elif kind in (Kind.SEALED, Kind.OPENING, Kind.ANSWER) and self.session.is_ours(data):
            payload = self.session.open(data, now=now)
            for frame in decode_frames(payload) if payload else ():
                if isinstance(frame, Probe):
                    self.session.receive_probe(now=now)
                elif isinstance(frame, Pong | Left):
                    self._presence_came(frame, now)
        else:
            self.dropped["unknown kind"] += 1

    def _presence_came(self, frame: Pong | Left, now: float) -> None:
        if isinstance(frame, Pong):
            self.session.receive_pong(frame, now=now)
        else:
            self.session.receive_left(frame, now=now)

    # --- the link

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Frames from the link, in order; one that does not open ends it."""
        for data in frames:
            try:
                payload = self.link.opened(data, now=now)
            except WireError:
                self.dropped["link"] += 1
                self._cut(now)
                return
            try:
                if payload:
                    self._notice_came(decode_notice(payload), now)
            except WireError:
                self.dropped["frame"] += 1

    def _notice_came(self, notice: RegistryNotice, now: float) -> None:
        if isinstance(notice, _DESK_NOTICES):
            self._heed(notice)
        elif isinstance(notice, Pong | Left):
            self._presence_came(notice, now)
        elif isinstance(notice, Probe):
            self.send(Ping(reference=0))
        else:
            self.dropped["notice"] += 1

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made: see at once whether the registry is, too."""
        self.drop_link()
        self.session.note_silence(now=now)

    def drop_link(self) -> None:
        """Nothing asked for on the link will be answered."""
        self._requests.clear()
        self.link.drop()

    def _cut(self, now: float) -> None:
        self.wants_close = True
        self.link_closed(now=now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Tries to reach the registry, signs of life, a connection that came to nothing."""
        self.session.handle_timer(now=now)
        if self.link.is_keepalive_due(now):
            self.link.send(Ping(reference=0), now=now)
            self.session.ping(now=now)
        if self.link.handle_timer(now=now):
            self._cut(now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = (self.session.next_timer(), self.link.next_timer())
        return min((due for due in dues if due is not None), default=None)

    # --- what goes out

    def send(self, request: PeerRequest) -> None:
        """On the link; without one it is void, and asked again on the next."""
        if self.link.is_up:
            self._requests.append(request)

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order."""
        requests, self._requests = self._requests, []
        if self.link.is_up:
            for request in requests:
                self.link.send(request, now=now)
        return self.link.bytes_to_send()

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        return [(datagram, self.session.address) for datagram in self.session.datagrams_to_send()]
