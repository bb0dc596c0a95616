"""The core of a visitor: what comes in from the registry, and what goes out to it, without any I/O.

A visitor is a guest at the registry: a key and a card without a name, no table, no mail, only the
desk (clause 11.1 of the protocol). What is asked and told at the desk is in `peer.core.desk.visit`.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.context import Context, drop_invalid
from chatapp.peer.core.desk.visit import ADMITTED, NoticeToVisitor, Stage, Visit
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.registry.connection import RegistryConnection
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import Identity, fingerprint
from chatapp.wire.messages.link import NodeNotice, PeerRequest
from chatapp.wire.messages.registration import RefusalReason

_DESK_NOTICES: Final = get_args(NoticeToVisitor)


class VisitorRegistration:
    """What a visitor does about its registration and its link (a `RegistrationOwner` and a
    `LinkReader`)."""

    def __init__(
        self,
        visit: Visit,
        session: RegistrySession,
        *,
        events: list[visit_events.VisitEvent],
        dropped: Counter[str],
    ) -> None:
        self._visit = visit
        self._session = session
        self._events = events
        self._dropped = dropped
        self.is_stranger = False
        """Whether another registry than ours answers at its address."""
        self._is_stopped = False
        """Whether the registry said that it stops, and is not back."""

    # --- the registration

    def tell(self, event: visit_events.VisitEvent) -> None:
        """Tell the visitor."""
        if isinstance(event, visit_events.ServerStopping | visit_events.ServerBack):
            self._is_stopped = isinstance(event, visit_events.ServerStopping)
        self._events.append(event)

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        """Note that it is our own registry; what follows is up to the desk."""
        self.is_stranger = False
        return True

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        """Tell the visitor why the registry does not let us in."""
        seconds, text = self._session.denied_for, self._session.denied_text
        self.tell(visit_events.VisitorNotAdmitted(reason=reason, seconds=seconds, text=text))

    def lost(self, *, has_begun: bool, now: float) -> None:
        """Tell the visitor that the registry is lost, and for how long the position is kept."""
        if has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in ADMITTED else None
            self.tell(
                visit_events.VisitorServerLost(keep_place=keep_place, is_stopped=self._is_stopped)
            )
        else:
            self.tell(visit_events.NoServer())
        for _ in range(self._visit.give_up_questions()):
            self.tell(visit_events.QuestionUnanswered())

    def replaced(
        self, stranger: bytes, *, is_code_foreign: bool, has_begun: bool, now: float
    ) -> None:
        """Tell the visitor that another registry answers. `is_code_foreign` is never true: a
        visitor has no join code."""
        self.is_stranger = True
        self.tell(
            visit_events.RegistryKeyChanged(
                expected=self._session.expected, got=fingerprint(stranger)
            )
        )

    def left(self, *, is_confirmed: bool) -> None:
        """Do nothing: a visitor who has left need not be told."""

    # --- the link

    def link_up(self, *, now: float) -> None:
        """Do nothing: the desk shows itself on a new link without a question."""

    def link_lost(self) -> None:
        """Do nothing: the visit repeats what is still to be asked when the desk shows itself
        again."""

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        """Handle a notice of the desk; a visitor gets no others."""
        if isinstance(notice, _DESK_NOTICES):
            self._visit.handle(notice)
        else:
            self._dropped["notice"] += 1

    def line_arrived(self, data: bytes, *, now: float) -> None:
        """Drop a line of a group: a visitor is in none."""
        self._dropped["notice"] += 1


class VisitorCore:
    """One visitor. Time is monotonic seconds."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        servers: Sequence[Address],
        pinned: bytes | None,
        stored: StoredVisit,
        queue: str,
        rng: random.Random,
        policy: Policy,
        wall_offset: float,
        gateway: Identity | None = None,
    ) -> None:
        """`gateway`: the key of the gateway through which we come; `GatewayUnknown` follows if the
        registry does not list it."""
        self.me: Final = me
        self._ctx: Final = Context(me, policy=policy, rng=rng, wall_offset=wall_offset)
        self.clock: Final = self._ctx.clock
        self.dropped: Final = self._ctx.dropped
        self._events: list[visit_events.VisitEvent] = []
        self._session = RegistrySession(self._ctx, addresses=servers, pinned=pinned)
        if gateway is not None:
            self._session.use_gateway(gateway)
        self._link = RegistryLink(self._ctx)
        self._visit = Visit(
            stored, queue=queue, rng=rng, send=self._send, has_gateway=gateway is not None
        )
        self._registration = VisitorRegistration(
            self._visit, self._session, events=self._events, dropped=self.dropped
        )
        self._connection = RegistryConnection(
            self._ctx,
            session=self._session,
            link=self._link,
            owner=self._registration,
            reader=self._registration,
        )

    def _send(self, request: PeerRequest) -> None:
        """Queue a request for the link; without a link it is dropped, and the visit repeats it on
        the next one."""
        if self._link.is_up:
            self._ctx.out.requests.append(request)

    # --- what the visitor wants

    def demand_registry(self, digits: str) -> None:
        """Accept only the registry whose key has this fingerprint, whatever key is pinned."""
        self._session.demand(digits)

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self._connection.start(self.me, table_version=0, now=now)
        self._connection.follow_up(now=now)

    def join(self, form: Form) -> None:
        """Ask for a position in the line with this form."""
        self._visit.join(form)

    def ask_position(self) -> None:
        """Ask where we are; `PositionAnswered`, `ServedAnswered` or `QuestionUnanswered`
        follows."""
        if self._session.is_lost:
            self._events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.ask_position()

    def pause(self, *, is_paused: bool) -> None:
        """Let others go first, or be called in turn again; `PauseChanged`, `PositionAnswered`,
        `ServedAnswered` or `QuestionUnanswered` follows."""
        if self._session.is_lost or self._visit.stage not in ADMITTED:
            self._events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.pause(is_paused=is_paused)

    def say(self, text: str, *, now: float) -> int | None:
        """Say a line to the operator, and return what `LineSettled` will name it by; or add it to
        the description while we wait. It waits here while the registry is away. The caller keeps to
        TEXT_MAX."""
        return self._visit.say(text, wall=self._ctx.wall(now))

    def describe(self, text: str, *, now: float) -> None:
        """Replace the description of our issue, while we wait. It waits here while the registry is
        away."""
        self._visit.describe(text, wall=self._ctx.wall(now))

    def rate(self, rating: int) -> None:
        """Rate the session, from 1 to 5, during it or after its end; `Rated` or
        `QuestionUnanswered` follows."""
        if self._session.is_lost:
            self._events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.rate(rating)

    @property
    def description(self) -> str:
        """The description of our issue; empty for none."""
        return self._visit.description

    def begin_anew(self) -> None:
        """Give the position up, if there is one, and fill in another form; `FormWanted` follows."""
        if self._visit.stage is Stage.OVER:
            self._visit.begin_anew()
        else:
            self._visit.leave()

    def lines_shown(self, position: int) -> None:
        """Note that the operator's lines up to this one have been shown."""
        self._visit.lines_shown(position)

    def leave(self, *, now: float) -> None:
        """Give the position up and leave; `has_left` tells when the registry knows it, or is known
        not to answer. If another registry answers, the ticket is kept: it is still valid at
        ours."""
        if not self._registration.is_stranger:
            self._visit.give_up()
        self._session.leave(now=now)
        self._connection.follow_up(now=now)

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
    def is_linked(self) -> bool:
        """Whether the link to the registry is up: without it a request is dropped."""
        return self._link.is_up

    @property
    def is_settled(self) -> bool:
        """Whether our position is known and all our lines have arrived or were refused, or the
        registry does not answer."""
        return self._session.is_lost or (self._link.is_up and self._visit.is_settled)

    # --- what comes in

    def receive_datagrams(self, batch: Sequence[tuple[bytes, Address]], *, now: float) -> None:
        """Handle any bytes from anybody. Never answers with an error. Raises an ExceptionGroup of
        our own faults, once everything else is handled."""
        problems: list[Exception] = []
        for data, sender in batch:
            try:
                if sender not in self._session.servers or not self._session.receive_datagram(
                    data, sender, now=now
                ):
                    self.dropped["unknown kind"] += 1
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)
        try:
            self._connection.follow_up(now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            problems.append(fault)
        drop_invalid(problems, self.dropped)

    def link_connected(self, *, now: float) -> None:
        """Note that the driver has connected to the registry."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Handle frames of the link."""
        self._connection.receive_frames(frames, now=now)
        self._connection.follow_up(now=now)

    def link_closed(self, *, now: float) -> None:
        """Note that the connection is over or could not be made."""
        self._connection.link_closed(now=now)
        self._connection.follow_up(now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._connection.handle_timer(now=now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        return self._connection.next_timer()

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        return self._connection.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Return the bytes for the link, once, in order."""
        return self._connection.link_bytes_to_send(now=now)

    @property
    def has_link_work(self) -> bool:
        """Whether the driver has anything to do about the link."""
        return self._connection.has_link_work

    def wants_link(self) -> bool:
        """Return, once, whether the driver is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Return, once, whether the driver is to close its connection."""
        return self._connection.wants_link_closed()

    @property
    def link_address(self) -> Address:
        """Where the registry takes links."""
        return self._connection.link_address

    @property
    def link_renewals(self) -> int:
        """How often the keys of the links were renewed."""
        return self._connection.link_renewals

    def wants_stored(self) -> StoredVisit | None:
        """Return, once, what is to be stored; None for nothing. Call `stored` when it is on
        disk."""
        return self._visit.wants_stored()

    def stored(self) -> None:
        """Note that what `wants_stored` returned is on disk."""
        self._visit.stored()

    def events(self) -> list[visit_events.VisitEvent]:
        """Return the events, once, in order."""
        events = self._events + self._visit.events()
        self._events.clear()
        return events
