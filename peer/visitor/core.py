"""The core of a visitor: what comes in from the registry, and what goes out to it, without any I/O.

A visitor is a guest at the registry: a key and a card without a name, no table, no mail, only the desk (clause 13.1 of the
protocol). What is asked and told at the desk is in `peer.visitor.visit`.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, get_args

from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.linkwatch import LinkWatch
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import Notice, RegistrySession, State
from chatapp.peer.core.trace import WallClock
from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.conversation import StoredVisit
from chatapp.peer.visitor.form import Form
from chatapp.peer.visitor.visit import PLACED, NoticeToVisitor, Stage, Visit
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_frames, decode_notice
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.framing import Kind
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.registration import Left, Ping, Pong, Probe

_DESK_NOTICES: Final = get_args(NoticeToVisitor)


class VisitorConnection:
    """The session with the registry and the link to it."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        server: Address,
        pinned: bytes | None,
        rng: random.Random,
        policy: Policy,
        handle: Callable[[NoticeToVisitor], None],
    ) -> None:
        """`handle` receives the notices of the desk."""
        self._me = me
        self._handle = handle
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
        """Whether the driver is to close the connection that it has."""
        self.dropped: Counter[str] = Counter()
        """How many datagrams and frames were invalid, by reason."""

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self.session.use_card(self._me.card, first_opening=self._me.first_opening)
        self.session.start(table_version=0, now=now)

    # --- datagrams

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle any bytes from anybody."""
        try:
            self._dispatch(data, sender, now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1

    def _dispatch(self, data: bytes, sender: Address, now: float) -> None:
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
        """Handle frames of the link, in order. A frame that does not decrypt ends the link."""
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
            self._handle(notice)
        elif isinstance(notice, Pong | Left):
            self._presence_came(notice, now)
        elif isinstance(notice, Probe):
            self.send(Ping(reference=0))
        else:
            self.dropped["notice"] += 1

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made: ask at once whether the registry is still there."""
        self.drop_link()
        self.session.note_silence(now=now)

    def drop_link(self) -> None:
        """Forget the link: no request made on it will be answered."""
        self._requests.clear()
        self.link.drop()

    def _cut(self, now: float) -> None:
        self.wants_close = True
        self.link_closed(now=now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Repeat what the registry did not answer, show a sign of life, give up a connection that came to nothing."""
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
        """Queue a request for the link; without a link it is dropped, and the visit repeats it on the next one."""
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


class VisitorRegistration:
    """Acts on what happens to the session with the registry."""

    def __init__(
        self, connection: VisitorConnection, visit: Visit, *, tell: Callable[[happened.VisitEvent], None]
    ) -> None:
        self._connection = connection
        self._session = connection.session
        self._link = connection.link
        self._visit = visit
        self._tell = tell
        self._last_life = 0
        self._pinned = connection.session.pinned
        self._has_begun = False
        self._was_lost = False
        self.is_stranger = False
        """Whether another registry than ours answers at its address."""

    def handle_notices(self, *, now: float) -> None:
        """Act on what the session has noticed."""
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
                    self._tell(happened.VisitorNotAdmitted(reason=self._session.denied))
                case Notice.LEFT | Notice.LEAVE_UNANSWERED:
                    self._end_link()
                case Notice.WRONG_KEY:
                    self._wrong_key()
        for question in self._session.sealed_questions():
            self._connection.send(question)  # The link carries it, too: there it cannot get lost.

    def _welcomed(self, now: float) -> None:
        if self._session.pinned is not None and self._session.pinned != self._pinned:
            key, is_first = fingerprint(self._session.pinned), self._pinned is None
            is_verified = self._session.is_key_named
            self._tell(
                happened.RegistryMet(key=key, is_verified=is_verified)
                if is_first
                else happened.RegistryKeyAccepted(key=key)
            )
            self._pinned = self._session.pinned
        if self._was_lost:
            self._tell(happened.ServerBack())
        self._has_begun, self._was_lost, self.is_stranger = True, False, False
        if self._session.life != self._last_life:
            self._link.forgive()  # The registry has restarted: how it treated earlier links says nothing about the next.
            self._last_life = self._session.life
        self._link.open(self._session.open_link, now=now)

    def _lost(self) -> None:
        if self._has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in PLACED else None
            self._tell(happened.VisitorServerLost(keep_place=keep_place))
        else:
            self._tell(happened.NoServer())
        self._was_lost = True
        self._end_link()

    def _wrong_key(self) -> None:
        assert self._session.stranger is not None
        got = fingerprint(self._session.stranger)
        self._tell(happened.RegistryKeyChanged(expected=self._session.expected, got=got))
        self._was_lost = self.is_stranger = True
        self._end_link()

    def _end_link(self) -> None:
        self._connection.drop_link()
        self._connection.wants_close = True


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
        self._connection = VisitorConnection(
            me, server=server, pinned=pinned, rng=rng, policy=policy, handle=self._visit.handle
        )
        self._session = self._connection.session
        self._link = self._connection.link
        self._registration = VisitorRegistration(self._connection, self._visit, tell=self._tell)
        self._watch = LinkWatch(self._session, self._link)
        self.clock: Final = WallClock(wall_offset)
        self.dropped = self._connection.dropped
        """How many datagrams and frames were invalid, by reason."""

    def _send(self, request: PeerRequest) -> None:
        self._connection.send(request)

    def _tell(self, event: happened.VisitEvent) -> None:
        self._events.append(event)

    # --- what the visitor wants

    def demand_registry(self, digits: str) -> None:
        """Accept only the registry whose key has this fingerprint, whatever key is pinned."""
        self._session.demand(digits)

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self._connection.start(now=now)
        self._registration.handle_notices(now=now)

    def join(self, form: Form) -> None:
        """Ask for a place in the line with this form."""
        self._visit.join(form)

    def ask_place(self) -> None:
        """Ask where we are; `PlaceAnswered`, `ServedAnswered` or `QuestionUnanswered` follows."""
        if self._link.is_up:
            self._visit.ask_place()
        else:
            self._tell(happened.QuestionUnanswered())

    def say(self, text: str, *, now: float) -> None:
        """Say a line to the operator; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        self._visit.say(text, wall=now + self.clock.offset)

    def begin_anew(self) -> None:
        """Give the place up, if there is one, and fill in another form; `FormWanted` follows."""
        if self._visit.stage is Stage.OVER:
            self._visit.begin_anew()
        else:
            self._visit.leave()

    def lines_shown(self, position: int) -> None:
        """Note that the operator's lines up to this one have been shown."""
        self._visit.lines_shown(position)

    def leave(self, *, now: float) -> None:
        """Give the place up and leave; `has_left` tells when the registry knows it, or is known not to answer. If another
        registry answers, the ticket is kept: it is still valid at ours."""
        if not self._registration.is_stranger:
            self._visit.give_up()
        self._session.leave(now=now)
        self._registration.handle_notices(now=now)

    @property
    def has_left(self) -> bool:
        """Whether we are not registered any more."""
        return self._session.state in (State.OFFLINE, State.REFUSED)

    @property
    def stage(self) -> Stage:
        """How far the visit is."""
        return self._visit.stage

    @property
    def pinned(self) -> bytes | None:
        """The identity key of the registry that let us in."""
        return self._session.pinned

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer."""
        return self._session.is_lost

    @property
    def is_settled(self) -> bool:
        """Whether our place is known and all that we said has arrived or was refused, or the registry does not answer."""
        return self._session.is_lost or (self._link.is_up and self._visit.is_settled)

    # --- what comes in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle any bytes from anybody. Never raises, never answers an error."""
        self._connection.receive_datagram(data, sender, now=now)
        self._follow_up(now)

    def link_connected(self, *, now: float) -> None:
        """The driver has connected to the registry."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Handle frames of the link."""
        self._connection.receive_frames(frames, now=now)
        self._follow_up(now)

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made."""
        self._connection.link_closed(now=now)
        self._follow_up(now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._connection.handle_timer(now=now)
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the session and the link."""
        self._registration.handle_notices(now=now)
        if (trouble := self._watch.look(now=now)) is not None:
            self._tell(trouble)

    # --- what goes out

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = (self._connection.next_timer(), self._watch.next_timer())
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        return self._connection.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order."""
        return self._connection.link_bytes_to_send(now=now)

    def wants_link(self) -> bool:
        """Drained: whether the driver is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Drained: whether the driver is to close its connection."""
        wants, self._connection.wants_close = self._connection.wants_close, False
        return wants

    @property
    def link_port(self) -> int:
        """The registry's TCP port."""
        return self._session.welcome.link_port if self._session.welcome is not None else 0

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then call `stored`."""
        return self._visit.wants_stored()

    def stored(self) -> None:
        """Go on: what was drained is stored."""
        self._visit.stored()

    def events(self) -> list[happened.VisitEvent]:
        """Drained, in order."""
        events, self._events = self._events + self._visit.events(), []
        return events
