"""A visitor's node as a whole: the seam between its parts and a shell that drives them.

A visitor is a guest at the registry: a card without a name, no table, no mail, only the desk (clause 13.1). It has the
verbs of every core; what a place or a turn means stands in `visit`, what the registry's silence means in
`registration`.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, get_args

from chatapp.peer.core.connection import REFUSALS
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.linkwatch import LinkWatch
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import Notice, RegistrySession, State
from chatapp.peer.core.trace import WallClock
from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.conversation import StoredVisit
from chatapp.peer.visitor.form import Form
from chatapp.peer.visitor.visit import PLACED, Stage, Visit, VisitorNotice
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_frames, decode_notice
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.framing import Kind
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import Left, Ping, Pong, Probe

_DESK_NOTICES: Final = get_args(VisitorNotice)


class VisitorConnection:
    """The session and the link of one visitor."""

    def __init__(
        self,
        me: LocalIdentity,
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
        self.link = RegistryLink(rng)
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


class Registration:
    """Heeds the session."""

    def __init__(
        self, uplink: VisitorConnection, visit: Visit, *, tell: Callable[[happened.VisitEvent], None]
    ) -> None:
        self._uplink = uplink
        self._session = uplink.session
        self._link = uplink.link
        self._visit = visit
        self._tell = tell
        self._last_life = 0
        self._pinned = uplink.session.pinned
        self._has_begun = False
        self._was_lost = False
        self.is_stranger = False
        """Whether who answers at our registry's address is another one."""

    def heed_session(self, *, now: float) -> None:
        """What the session has to tell."""
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.SILENT:
                    self._end_link()
                case Notice.LOST:
                    self._lost()
                case Notice.DENIED:
                    assert self._session.denied is not None
                    reason = REFUSALS.get(self._session.denied, "it serves no visitors")
                    self._tell(happened.Refused(reason=reason))
                case Notice.LEFT | Notice.LEAVE_UNANSWERED:
                    self._end_link()
                case Notice.WRONG_KEY:
                    self._wrong_key()
        for question in self._session.sealed_questions():
            self._uplink.send(question)  # the link carries it too: there it cannot get lost

    def _welcomed(self, now: float) -> None:
        if self._session.pinned is not None and self._session.pinned != self._pinned:
            key, is_first = fingerprint(self._session.pinned), self._pinned is None
            is_verified = self._session.is_key_named
            self._tell(
                happened.ServerMet(key=key, is_verified=is_verified)
                if is_first
                else happened.ServerKeyAccepted(key=key)
            )
            self._pinned = self._session.pinned
        if self._was_lost:
            self._tell(happened.ServerBack())
        self._has_begun, self._was_lost, self.is_stranger = True, False, False
        if self._session.life != self._last_life:
            self._link.forgive()  # another life of the registry: what its last one did to links is no sign
            self._last_life = self._session.life
        self._link.open(self._session.open_link, now=now)

    def _lost(self) -> None:
        if self._has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in PLACED else None
            self._tell(happened.ServerLost(keep_place=keep_place))
        else:
            self._tell(happened.NoServer())
        self._was_lost = True
        self._end_link()

    def _wrong_key(self) -> None:
        assert self._session.stranger is not None
        got = fingerprint(self._session.stranger)
        self._tell(happened.ServerKeyChanged(expected=self._session.expected, got=got))
        self._was_lost = self.is_stranger = True
        self._end_link()

    def _end_link(self) -> None:
        self._uplink.drop_link()
        self._uplink.wants_close = True


class VisitorCore:
    """One visitor. Time is monotonic seconds."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        server: Address,
        pinned: bytes | None,
        stored: StoredVisit,
        queue: str,
        rng: random.Random,
        policy: Policy,
        wall_offset: float,
    ) -> None:
        self._events: list[happened.VisitEvent] = []
        self._visit = Visit(stored, queue=queue, rng=rng, send=self._send)
        self._uplink = VisitorConnection(
            me, server=server, pinned=pinned, rng=rng, policy=policy, heed=self._visit.handle
        )
        self._session = self._uplink.session
        self._link = self._uplink.link
        self._registration = Registration(self._uplink, self._visit, tell=self._tell)
        self._watch = LinkWatch(self._session, self._link)
        self.clock: Final = WallClock(wall_offset)
        self.dropped = self._uplink.dropped
        """Datagrams and frames that were no good."""

    def _send(self, request: PeerRequest) -> None:
        self._uplink.send(request)

    def _tell(self, event: happened.VisitEvent) -> None:
        self._events.append(event)

    # --- what the visitor wants

    def demand_registry(self, digits: str) -> None:
        """Be served by no other registry than the one whose key has this fingerprint, whatever is pinned."""
        self._session.demand(digits)

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self._uplink.start(now=now)
        self._registration.heed_session(now=now)

    def join(self, form: Form) -> None:
        """Into the line with this form."""
        self._visit.join(form)

    def ask_place(self) -> None:
        """`PlaceAnswered` or `ServedAnswered` follows, or that nobody answers."""
        if self._link.is_up:
            self._visit.ask_place()
        else:
            self._tell(happened.Trouble(text="Server not responding"))

    def say(self, text: str, *, now: float) -> None:
        """A line for the operator; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        self._visit.say(text, wall=now + self.clock.offset)

    def begin_anew(self) -> None:
        """Give the place up, if there is one, and fill in another form: `FormWanted` follows."""
        if self._visit.stage is Stage.OVER:
            self._visit.begin_anew()
        else:
            self._visit.leave()

    def lines_shown(self, position: int) -> None:
        """The operator's lines up to this one have been shown."""
        self._visit.lines_shown(position)

    def leave(self, *, now: float) -> None:
        """Give everything up; `has_left` says when the registry knows, or is known not to answer. One that is not ours
        has no place to give up: the ticket is good at the one that we know."""
        if not self._registration.is_stranger:
            self._visit.give_up()
        self._session.leave(now=now)
        self._registration.heed_session(now=now)

    @property
    def has_left(self) -> bool:
        """Whether nothing binds us to the registry."""
        return self._session.state in (State.OFFLINE, State.REFUSED)

    @property
    def stage(self) -> Stage:
        """How far the visit is."""
        return self._visit.stage

    @property
    def pinned(self) -> bytes | None:
        """The key of the registry that let us in."""
        return self._session.pinned

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer."""
        return self._session.is_lost

    @property
    def is_settled(self) -> bool:
        """Whether our place is known and all that we said has arrived or was refused; or nobody is there to ask."""
        return self._session.is_lost or (self._link.is_up and self._visit.is_settled)

    # --- what comes in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Any bytes from anybody: never raises, never answers an error."""
        self._uplink.receive_datagram(data, sender, now=now)
        self._heed(now)

    def link_connected(self, *, now: float) -> None:
        """The shell's TCP connection to the registry stands."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Frames from the link."""
        self._uplink.receive_frames(frames, now=now)
        self._heed(now)

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made: see at once whether the registry is, too."""
        self._uplink.link_closed(now=now)
        self._heed(now)

    def handle_timer(self, *, now: float) -> None:
        """Whatever is due; early and late calls are harmless."""
        self._uplink.handle_timer(now=now)
        self._heed(now)

    def _heed(self, now: float) -> None:
        """What follows for us from what has happened to the session and the link."""
        self._registration.heed_session(now=now)
        if (trouble := self._watch.look(now=now)) is not None:
            self._tell(trouble)

    # --- what goes out

    def next_timer(self) -> float | None:
        """One absolute deadline."""
        dues = (self._uplink.next_timer(), self._watch.next_timer())
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        return self._uplink.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order."""
        return self._uplink.link_bytes_to_send(now=now)

    def wants_link(self) -> bool:
        """Drained: whether the shell is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Drained: whether the shell is to close its connection."""
        wants, self._uplink.wants_close = self._uplink.wants_close, False
        return wants

    @property
    def link_port(self) -> int:
        """The registry's TCP port."""
        return self._session.welcome.link_port if self._session.welcome is not None else 0

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then say `stored`."""
        return self._visit.wants_stored()

    def stored(self) -> None:
        """It is on disk."""
        self._visit.stored()

    def events(self) -> list[happened.VisitEvent]:
        """Drained, in order."""
        events, self._events = self._events + self._visit.events(), []
        return events
