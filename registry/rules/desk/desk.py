"""The help desk as one service: it sends each request to the right rules, and notices go out when
their records are stored.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from chatapp.registry.rules.admin_requests import QueueFigures, VisitorFigures
from chatapp.registry.rules.desk.console import DeskConsole
from chatapp.registry.rules.desk.conversation import ConversationRules
from chatapp.registry.rules.desk.notices import Publisher
from chatapp.registry.rules.desk.operators import OperatorRules, asker_of
from chatapp.registry.rules.desk.queue.visit import Visit
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.desk.state import DeskState
from chatapp.registry.rules.desk.statistics import Histogram, ServedSession
from chatapp.registry.rules.desk.visitors import VisitorRules
from chatapp.registry.rules.directory.connections import Connections, Liveness
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    LinkEndReason,
    Push,
    Reply,
)
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import LoadedDesk
from chatapp.wire.messages.desk import (
    AckDeskLines,
    ConversationRequest,
    DeskRequest,
    DeskShown,
    FetchDeskLines,
    FetchDeskPiece,
    OperatorRequest,
    SendDeskLine,
    SendDeskPiece,
    VisitorRequest,
)
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.registration import Leave, Left, Ping, Pong
from chatapp.wire.messages.table import Card


class Desk:
    """The desk, as the registry's service sees it."""

    def __init__(
        self,
        settings: DeskSettings,
        directory: Directory,
        connections: Connections,
        liveness: Liveness,
        clock: WallClock,
    ) -> None:
        state = self.state = DeskState(settings, directory, connections, liveness, clock)
        self.guests: Final = state.guests
        self._directory = directory
        self._queue = state.queue
        self._settings = settings
        self._clock = clock
        self.operators: Final = state.operators
        self._publisher = Publisher(state)
        self._visitor_rules = VisitorRules(state, self._publisher)
        self._operator_rules = OperatorRules(state, self._publisher)
        self._conversation = ConversationRules(state)
        self.console: Final = DeskConsole(
            state, self._publisher, self._operator_rules, self._conversation, directory
        )

    def load(self, loaded: LoadedDesk, *, now: float) -> None:
        """Restore what earlier runs stored."""
        self.state.load(loaded, now=now)
        self._visitor_rules.load(loaded.highest_visit)

    def overview(self, *, now: float) -> list[QueueFigures]:
        """Return what the administrator sees of each queue."""
        wall_ms = self._clock.millis(now)
        return [_figures(name, self.state, wall_ms) for name in self.state.statistics.figures]

    @property
    def waits(self) -> Mapping[str, Histogram]:
        """How long the visitors served in this run waited, by queue."""
        return self.state.statistics.waits

    # --- guests

    def is_for_guests(self, card: Card) -> bool:
        """Return whether a REGISTER with this card is a guest's: it has no name, or its author is
        in as a guest already."""
        identity = card.identity
        return identity in self.guests or (
            not card.name and self._directory.person(identity) is None
        )

    def serve_guest(self, request: PeerRequest, caller: Caller, *, now: float) -> list[Effect]:
        """Handle a guest's request. Guests are served nothing but what is listed here."""
        self._visitor_rules.heard(caller.identity)
        if isinstance(request, VisitorRequest):
            first = self._visitor_rules.handle(request, caller, now=now)
            return self._publisher.conclude(first, now=now)
        if isinstance(request, ConversationRequest):
            return self._converse(request, caller, now)
        match request:
            case Attach():
                return self._guest_attaches(caller, now)
            case Ping():
                self.guests.sign_of_life(caller, now=now)
                return [Reply(to=caller, message=Pong(request.reference, 0))]
            case Leave():
                return self._guest_leaves(request, caller, now)
            case _:
                return [Drop(reason=DropReason.NOT_FOR_GUESTS)]

    def _guest_attaches(self, caller: Caller, now: float) -> list[Effect]:
        if caller.link is None:
            return [Drop(reason=DropReason.MISPLACED_ATTACH)]
        self._visitor_rules.lost(
            caller.identity, now=now
        )  # the visit has no link until the ticket is shown
        effects = self.guests.attach(caller, caller.link, now=now)
        return [
            *effects,
            Push(link=caller.link, message=self._shown(caller.identity, now)),
            *self._publisher.conclude(now=now),
        ]

    def _shown(self, guest: bytes, now: float) -> DeskShown:
        """Build the notice of the desk's choices for a guest."""
        settings = self._settings
        closed = self.state.openings.closed(self._clock.millis(now))
        return DeskShown(
            queues=list(settings.queues),
            menu=list(settings.menu),
            region=settings.region,
            keep_place=int(settings.keep_place),
            keep_form=settings.forms_kept_for,
            keep_talk=settings.talks_kept_for,
            closed=closed,
            is_vouched=bool(self.guests.gateway_of(guest)),
            files_largest=settings.files_largest,
        )

    def _guest_leaves(self, request: Leave, caller: Caller, now: float) -> list[Effect]:
        effects: list[Effect] = [Reply(to=caller, message=Left(request.reference))]
        if not caller.is_newest:
            return effects
        self._visitor_rules.left(caller.identity)
        effects += self._publisher.conclude(now=now)
        link = self.guests.link_of(caller.identity)
        return (
            effects
            if link is None
            else [*effects, Disconnect(link=link, reason=LinkEndReason.LEFT)]
        )

    def is_operator(self, identity: bytes) -> bool:
        """Return whether a member is an operator."""
        return self.operators.includes(identity)

    def forget_operator(self, name: str) -> list[Entry]:
        """Take somebody's name out of past sessions. Return what to store."""
        return self.state.past.forget_operator(name)

    def evict(self, identity: bytes, *, now: float) -> list[Effect]:
        """Disconnect a banned guest, as if the guest had left."""
        self._visitor_rules.left(identity)
        effects, link = self._publisher.conclude(now=now), self.guests.link_of(identity)
        return (
            effects
            if link is None
            else [*effects, Disconnect(link=link, reason=LinkEndReason.BANNED)]
        )

    # --- members

    def serve(self, request: DeskRequest, caller: Caller, *, now: float) -> list[Effect]:
        """Handle a member's request to the desk."""
        if isinstance(request, OperatorRequest):
            answer = self._operator_rules.handle(request, caller, now=now)
            return self._publisher.conclude(now=now, answer=answer, asker=asker_of(request, caller))
        if isinstance(request, ConversationRequest):
            return self._converse(request, caller, now)
        return [Drop(reason=DropReason.MEMBER_AT_DESK)]

    def member_attached(self, caller: Caller, *, now: float) -> list[Effect]:
        """Note that a member has a new link: an operator continues where they were."""
        identity = caller.identity
        if not self.operators.includes(identity) and identity not in self._queue.operators:
            return []
        return self._publisher.conclude(self._operator_rules.attached(caller), now=now)

    def member_left(self, identity: bytes, *, now: float) -> list[Effect]:
        """Note that a member said goodbye: an operator is off duty."""
        self._queue.operator_gone(identity, now=now)
        return self._publisher.conclude(now=now)

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """Note that a link is over: a guest's, or a member's current one."""
        if identity in self.guests:
            if self.guests.link_of(identity) == link:
                self.guests.link_lost(identity, link, now=now)
                self._visitor_rules.lost(identity, now=now)
        else:
            self._queue.operator_lost(identity, now=now)
        return self._publisher.conclude(now=now)

    def _converse(self, request: ConversationRequest, caller: Caller, now: float) -> list[Effect]:
        match request:
            case SendDeskLine():
                return self._conversation.say(request, caller, now=now)
            case AckDeskLines():
                return self._conversation.acknowledge(request, caller)
            case FetchDeskLines():
                return self._conversation.read(request, caller)
            case SendDeskPiece():
                return self._conversation.upload(request, caller, now=now)
            case FetchDeskPiece():
                return self._conversation.give(request, caller)
        assert_never(request)

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due: positions and duties that have expired, guests to forget, positions to
        announce, past sessions to erase."""
        self.guests.expire(now=now)
        self._queue.handle_timer(now=now)
        erased = self.state.past.handle_timer(now=now) + self.state.files.handle_timer(now=now)
        effects = self._publisher.handle_timer(now=now) + self.console.handle_timer(now=now)
        return [*effects, Append(tuple(erased))] if erased else effects

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = (
            self.guests.next_timer(),
            self._queue.next_timer(),
            self._publisher.next_timer(),
            self.console.next_timer(),
            self.state.past.next_timer(),
            self.state.files.next_timer(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)


def _figures(name: str, state: DeskState, wall_ms: int) -> QueueFigures:
    queue, figures = state.queue, state.statistics.figures[name]
    under_way = [
        ServedSession(visit.joined_at, visit.called_at, 0)
        for visit in queue.visits.values()
        if visit.queue == name and visit.called_at
    ]
    waits = figures.waits(under_way, wall_ms)
    visitors = [
        _visitor(operator.visit, 0, state.operators.name_of(operator.visit.operator))
        for operator in queue.operators
        if operator.visit and operator.visit.queue == name
    ]
    visitors += [
        _visitor(visit, position, "") for position, visit in enumerate(queue.line(name), 1)
    ]
    return QueueFigures(
        queue=name,
        operators=queue.operators.on_duty(name),
        served_today=figures.served_today(wall_ms),
        median_wait=waits.median,
        ninetieth_wait=waits.ninetieth,
        visitors=visitors,
    )


def _visitor(visit: Visit, position: int, operator: str) -> VisitorFigures:
    return VisitorFigures(
        visit=visit.number,
        position=position,
        name=visit.form.name,
        issue=visit.form.issue,
        since=visit.joined_at // 1_000,
        is_here=visit.is_here,
        operator=operator,
    )
