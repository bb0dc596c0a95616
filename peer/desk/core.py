"""This file is about a visitor's node as a whole: the seam between its parts and a shell that drives them.

A visitor is a guest at the registry: a card without a name, no table, no mail, only the desk (clause 13.1). It has the
verbs of every core; what a place or a turn means stands in `visit`, what the registry's silence means in `registration`.
"""

import random
from collections.abc import Sequence

from peer.core.linkwatch import LinkWatch
from peer.core.me import Me
from peer.core.states import State
from peer.desk import events as happened
from peer.desk.form import Form
from peer.desk.registration import Registration
from peer.desk.stages import Stage
from peer.desk.ticket import StoredVisit
from peer.desk.uplink import Uplink
from peer.desk.visit import Visit
from wire.address import Address
from wire.delivery.policy import Policy
from wire.messages.link import PeerRequest


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
        self._events: list[happened.VisitEvent] = []
        self._visit = Visit(stored, queue=queue, rng=rng, send=self._send)
        self._uplink = Uplink(me, server=server, pinned=pinned, rng=rng, policy=policy, heed=self._visit.heed)
        self._session = self._uplink.session
        self._link = self._uplink.link
        self._registration = Registration(self._uplink, self._visit, tell=self._tell)
        self._watch = LinkWatch(self._session, self._link)
        self.wall_offset = wall_offset
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
