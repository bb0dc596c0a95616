"""This file is about a visitor's node as a whole: the seam between registration, link, visit, and a shell that drives them.

A visitor is a guest at the registry: a card without a name, no table, no mail, only the desk (clause 13.1). It has the
verbs of every core; what a place or a turn means stands in `visit`.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args

from peer.core.link import LinkEnd
from peer.core.me import Me
from peer.core.registration import REFUSALS
from peer.core.session import RegistrySession
from peer.core.states import Notice, State
from peer.desk import events as happened
from peer.desk.form import Form
from peer.desk.visit import PLACED, Stage, StoredVisit, Visit, VisitorNotice
from wire.address import Address
from wire.codec import decode_frames, decode_notice
from wire.delivery.policy import Policy
from wire.errors import SealError, WireError
from wire.header import Kind, unpack_sealed
from wire.identity import fingerprint, is_authentic
from wire.messages.link import PeerRequest, RegistryCard, RegistryNotice
from wire.messages.presence import Left, Ping, Pong
from wire.sealing import Session

_DESK_NOTICES: Final = get_args(VisitorNotice)


class VisitorCore:
    """One visitor. Time is monotonic seconds; `wall_offset` added to it gives Unix time."""

    def __init__(
        self,
        me: Me,
        *,
        server: Address,
        pinned: bytes | None,
        stored: StoredVisit,
        queue: str,
        rng: random.Random,
        policy: Policy,
        wall_offset: float,
    ) -> None:
        self._me = me
        self._rng = rng
        self._session = RegistrySession(
            identity=me.identity, address=server, pinned=pinned, policy=policy, rng=rng
        )
        self._link = LinkEnd(rng)
        self._requests: list[PeerRequest] = []
        self._visit = Visit(stored, queue=queue, rng=rng, send=self._send)
        self._events: list[happened.VisitEvent] = []
        self._last_channel: Session | None = None
        self._has_begun = False
        self._was_lost = False
        self._wants_close = False
        self.wall_offset = wall_offset
        self.dropped: Counter[str] = Counter()
        """Datagrams and frames that were no good."""

    # --- what the visitor wants

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self._session.use_card(self._me.card, self._me.live)
        self._session.start(table_version=0, now=now)
        self._heed_session(now)

    def join(self, form: Form) -> None:
        """Into the line with this form."""
        self._visit.join(form)

    def ask_place(self) -> None:
        """`PlaceAnswered` or `ServedAnswered` follows, or that nobody answers."""
        if self._link.is_up:
            self._visit.ask_place()
        else:
            self._events.append(happened.Trouble(text="Server not responding"))

    def say(self, text: str, *, now: float) -> None:
        """A line for the operator; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        self._visit.say(text, wall=now + self.wall_offset)

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
        """Give everything up; `has_left` says when the registry knows, or is known not to answer."""
        self._visit.give_up()
        self._session.leave(now=now)
        self._heed_session(now)

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
        try:
            self._route(data, sender, now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1
        self._heed_session(now)

    def _route(self, data: bytes, sender: Address, now: float) -> None:
        kind = data[0] if data and sender == self._session.address else 0
        if kind == Kind.COOKIE:
            self._session.receive_cookie(data[1:], now=now)
        elif kind == Kind.WELCOME:
            self._session.receive_welcome(data[1:], now=now)
        elif kind == Kind.REFUSED:
            self._session.receive_refused(data[1:], now=now)
        elif kind == Kind.SEALED:
            channel = self._session.channel
            if channel is not None and unpack_sealed(data).tag == channel.open_tag:
                for frame in decode_frames(channel.open(data)):
                    if isinstance(frame, Pong | Left):
                        self._presence_came(frame, now)
        else:
            self.dropped["unknown kind"] += 1

    def _presence_came(self, frame: Pong | Left, now: float) -> None:
        if isinstance(frame, Pong):
            self._session.receive_pong(frame, now=now)
        else:
            self._session.receive_left(frame, now=now)

    def link_connected(self, *, now: float) -> None:
        """The shell's TCP connection to the registry stands."""
        self._link.connected(now=now)

    def link_greeted(self, greeting: bytes, *, now: float) -> None:
        """The registry's first bytes on it."""
        self._link.greeted(greeting, now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Frames from the link."""
        for data in frames:
            try:
                payload = self._link.opened(data, now=now)
            except SealError:
                self.dropped["link"] += 1
                self._wants_close = True
                self.link_closed(now=now)
                return
            try:
                if payload is not None:
                    self._notice_came(decode_notice(payload), now)
            except WireError:
                self.dropped["frame"] += 1
        self._heed_session(now)

    def _notice_came(self, notice: RegistryNotice, now: float) -> None:
        if isinstance(notice, _DESK_NOTICES):
            self._visit.heed(notice)
        elif isinstance(notice, Pong | Left):
            self._presence_came(notice, now)
        elif isinstance(notice, RegistryCard):
            if notice.card.identity == self._session.pinned and is_authentic(notice.card):
                self._session.accept_card(notice.card)
        else:
            self.dropped["notice"] += 1

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made: see at once whether the registry is, too."""
        self._drop_link()
        self._session.note_silence(now=now)
        self._heed_session(now)

    def handle_timer(self, *, now: float) -> None:
        """Whatever is due; early and late calls are harmless."""
        card = self._me.card
        if self._me.handle_timer(self._rng, now=now):
            self._session.use_card(self._me.card, self._me.live)
            if self._me.card is not card and self._session.state is State.REGISTERED:
                self._session.start(table_version=0, now=now)
        self._session.handle_timer(now=now)
        if self._link.is_keepalive_due(now):
            self._link.send(Ping(reference=0), now=now)
        if self._link.handle_timer(now=now):
            self._wants_close = True
            self.link_closed(now=now)
        self._heed_session(now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """One absolute deadline."""
        dues = (self._session.next_timer(), self._link.next_timer(), self._me.next_timer())
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        return [(datagram, self._session.address) for datagram in self._session.datagrams_to_send()]

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order."""
        requests, self._requests = self._requests, []
        if self._link.is_up:
            for request in requests:
                self._link.send(request, now=now)
        return self._link.bytes_to_send()

    def wants_link(self) -> bool:
        """Drained: whether the shell is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Drained: whether the shell is to close its connection."""
        wants, self._wants_close = self._wants_close, False
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

    # --- inside

    def _send(self, request: PeerRequest) -> None:
        if self._link.is_up:
            self._requests.append(request)

    def _heed_session(self, now: float) -> None:
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.LOST:
                    self._lost()
                case Notice.DENIED:
                    assert self._session.denied is not None
                    reason = REFUSALS.get(self._session.denied, "it serves no visitors")
                    self._events.append(happened.Refused(reason=reason))
                case Notice.LEFT | Notice.LEAVE_UNANSWERED:
                    self._drop_link()
                    self._wants_close = True
                case Notice.WRONG_KEY:
                    self._wrong_key()
        for question in self._session.sealed_questions():
            self._send(question)  # the link carries it too: there it cannot get lost

    def _welcomed(self, now: float) -> None:
        if self._was_lost:
            self._events.append(happened.ServerBack())
        self._has_begun, self._was_lost = True, False
        assert self._session.channel is not None
        if self._session.channel is not self._last_channel:
            self._link.forgive()  # another life of the registry: what its last one did to links is no sign
            self._last_channel = self._session.channel
        self._link.open(self._session.channel, now=now)

    def _lost(self) -> None:
        if self._has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in PLACED else None
            self._events.append(happened.ServerLost(keep_place=keep_place))
        else:
            self._events.append(happened.NoServer(is_trying=self._visit.stage is Stage.RETURNING))
        self._was_lost = True
        self._drop_link()
        self._wants_close = True

    def _wrong_key(self) -> None:
        assert self._session.stranger is not None and self._session.pinned is not None
        self._events.append(
            happened.ServerKeyChanged(
                expected=fingerprint(self._session.pinned), got=fingerprint(self._session.stranger)
            )
        )
        self._was_lost = True
        self._drop_link()
        self._wants_close = True

    def _drop_link(self) -> None:
        self._requests.clear()
        self._link.drop()
