"""Visitors' requests: to join the line, to come back, to leave, to ask for the position."""

from typing import assert_never

from chatapp.registry.rules.desk.guests import visits_max
from chatapp.registry.rules.desk.notices import Publisher
from chatapp.registry.rules.desk.queue.visit import (
    NOBODY,
    Form,
    Pause,
    Visit,
    VisitState,
    digest,
    is_gateway,
    record_of,
)
from chatapp.registry.rules.desk.state import DeskState
from chatapp.registry.rules.desk.talk.transcript import VISITOR
from chatapp.registry.rules.effects import (
    Caller,
    Effect,
    Reply,
    Rule,
    Store,
)
from chatapp.registry.store.entries import DeskVisitKept, DeskVisitRated
from chatapp.wire.buckets import Buckets
from chatapp.wire.desk.form import full_name, mobile_number
from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DESK_DESCRIPTION_MAX,
    DESK_JOINS_BURST,
    DESK_JOINS_PER_GATEWAY,
    DESK_JOINS_PER_GATEWAY_BURST,
    DESK_JOINS_PER_SECOND,
    DESK_LINES_BURST,
    DESK_LINES_PER_SECOND,
    DESK_WAITING_MAX,
)
from chatapp.wire.messages.desk import (
    AskPosition,
    DescribeVisit,
    DescriptionResult,
    DeskNotice,
    DeskRefusal,
    DeskRefused,
    JoinDesk,
    LeaveDesk,
    OperatorCause,
    OverCause,
    PauseVisit,
    PositionCause,
    QueueClosed,
    RateVisit,
    ReturnToDesk,
    VisitorRequest,
    VisitOver,
    VisitRated,
)


class VisitorRules:
    """Handles visitors' requests."""

    def __init__(self, state: DeskState, publisher: Publisher) -> None:
        self._settings = state.settings
        self._openings = state.openings
        self._ratings = state.ratings
        self._queue = state.queue
        self._visits = state.visits
        self._guests = state.guests
        self._sender = state.sender
        self._past = state.past
        self._clock = state.clock
        self._publisher = publisher
        self._next_number = 1
        self._throttle: Buckets[bytes] = Buckets(
            rate=DESK_LINES_PER_SECOND, burst=DESK_LINES_BURST, most=BUCKETS_MAX
        )
        self._joins: Buckets[str] = Buckets(
            rate=DESK_JOINS_PER_SECOND, burst=DESK_JOINS_BURST, most=BUCKETS_MAX
        )
        """By address: a guest has a new key whenever it likes."""
        self._gateway_joins: Buckets[str] = Buckets(
            rate=DESK_JOINS_PER_GATEWAY, burst=DESK_JOINS_PER_GATEWAY_BURST, most=BUCKETS_MAX
        )

    def load(self, highest_visit: int) -> None:
        """Number visits above those of earlier runs."""
        self._next_number = highest_visit + 1

    def handle(self, request: VisitorRequest, caller: Caller, *, now: float) -> list[Effect]:
        """Handle a request. Return the effects that come before the notices about what followed in
        the queue."""
        match request:
            case JoinDesk():
                return self._join(request, caller, now)
            case ReturnToDesk():
                return self._return(request, caller, now)
            case LeaveDesk():
                return self._leave(request, caller)
            case AskPosition():
                return self._ask(request, caller, now)
            case PauseVisit():
                return self._pause(request, caller, now)
            case DescribeVisit():
                return self._describe(request, caller, now)
            case RateVisit():
                return self._rate(request, caller, now)
        assert_never(request)

    def heard(self, guest: bytes) -> None:
        """Note a guest's sign of life for their visit."""
        visit = self._visits.by_guest.get(guest)
        if visit is not None:
            visit.has_answered = True

    def lost(self, guest: bytes, *, now: float) -> None:
        """Note that a guest's link is over: their visit is no longer connected."""
        visit = self._visits.by_guest.get(guest)
        if visit is not None:
            self._visits.detach_guest(visit)
            self._queue.lost(visit, now=now)

    def left(self, guest: bytes) -> None:
        """End the visit of a guest who leaves for good."""
        visit = self._visits.by_guest.get(guest)
        if visit is not None:
            self._queue.end(visit, OverCause.LEFT)

    def _join(self, request: JoinDesk, caller: Caller, now: float) -> list[Effect]:
        if (
            digest(request.ticket) in self._visits.by_ticket
            or digest(request.ticket) in self._visits.ends
        ):
            return self._return(ReturnToDesk(request.reference, request.ticket, 0), caller, now)
        queue = self._settings.queue_named(request.queue)
        source = self._guests.source_of(caller.identity)
        state = None if queue is None else self._openings.of(queue, self._clock.millis(now))
        if queue is not None and state is not None and not state.is_open:
            closed = QueueClosed(queue, state.text, state.opens_at // 1_000)
            refused = _refused(request.reference, DeskRefusal.CLOSED, caller)
            return [Reply(to=caller, message=closed), *refused]
        form = self._form(request)
        refusal = self._refusal(form, queue, source, caller)
        if form is None or queue is None or refusal is not None:
            return _refused(request.reference, refusal or DeskRefusal.BAD_FORM, caller)
        joins = self._gateway_joins if is_gateway(source) else self._joins
        if not joins.take(source, now=now):
            return _refused(request.reference, DeskRefusal.TOO_FAST, caller)
        visit = Visit(
            self._next_number,
            queue=queue,
            ticket=digest(request.ticket),
            form=form,
            source=source,
            joined_at=self._clock.millis(now),
        )
        self._next_number += 1
        self._visits.add(visit)
        self._visits.attach_guest(visit, caller.identity)
        self._queue.join(visit)
        self._publisher.notices.references[visit.number] = request.reference
        return [self._keep(visit, record_of(visit), request.reference, caller)]

    def _keep(self, visit: Visit, record: DeskVisitKept, reference: int, caller: Caller) -> Rule:
        """Store a new visit, which then waits in line, unless it is over by then."""
        is_stored, now = yield Store((record,))
        if not is_stored:
            yield from _refused(reference, DeskRefusal.NOT_SERVING, caller)
        if visit.number in self._queue.visits:
            if is_stored:
                self._queue.kept(visit, now=now)
            else:
                self._queue.end(visit, OverCause.NOT_KEPT)
        yield from self._publisher.conclude(now=now)

    def _form(self, request: JoinDesk) -> Form | None:
        """Return the form in its canonical spelling, None if it is not valid. The visitor's program
        checked it, but that program may be anything."""
        settings = self._settings
        try:
            name, number = full_name(request.name), mobile_number(request.number, settings.region)
        except FormRefused:
            return None
        if request.issue > len(settings.menu):
            return None
        return Form(name=name, number=number, issue=settings.menu[request.issue - 1])

    def _refusal(
        self, form: Form | None, queue: str | None, source: str, caller: Caller
    ) -> DeskRefusal | None:
        if queue is None:
            return DeskRefusal.NO_SUCH_QUEUE
        if form is None:
            return DeskRefusal.BAD_FORM
        if caller.identity in self._visits.by_guest:
            return DeskRefusal.ONE_VISIT
        if len(self._queue.line(queue)) >= DESK_WAITING_MAX:
            return DeskRefusal.LINE_FULL
        if self._visits.per_source[source] >= visits_max(source):
            return DeskRefusal.GATEWAY_FULL if is_gateway(source) else DeskRefusal.ADDRESS_FULL
        return None

    def _return(self, request: ReturnToDesk, caller: Caller, now: float) -> list[Effect]:
        reference, ticket = request.reference, request.ticket
        over = self._visits.ends.get(digest(ticket))
        if over is not None:
            is_too_fast = not self._throttle.take(caller.identity, now=now)
            lines = [] if is_too_fast else self._past.unread(request, over.visit)
            told: list[DeskNotice] = [*lines, over]
            return [Reply(to=caller, message=notice) for notice in told]
        visit = self._visits.by_ticket.get(digest(ticket))
        if visit is None:
            return _refused(reference, DeskRefusal.NO_SUCH_TICKET, caller)
        if self._visits.by_guest.get(caller.identity, visit) is not visit:
            return _refused(reference, DeskRefusal.ONE_VISIT, caller)
        effects: list[Effect] = []
        if self._visits.guest_of.get(visit.number, caller.identity) != caller.identity:
            effects = self._sender.tell_visitor(visit, VisitOver(visit.number, OverCause.ELSEWHERE))
        self._visits.detach_guest(visit)
        self._visits.attach_guest(visit, caller.identity)
        self._publisher.notices.references[visit.number] = reference
        if visit.number in self._visits.transcripts:
            transcript = self._visits.transcripts[visit.number]
            transcript.resume(VISITOR, shown=request.shown, with_own=request.with_own)
        self._queue.returned(visit)
        return effects

    def _leave(self, request: LeaveDesk, caller: Caller) -> list[Effect]:
        if caller.identity not in self._visits.by_guest:
            return _refused(request.reference, DeskRefusal.NO_SUCH_TICKET, caller)
        self.left(caller.identity)
        return []

    def _pause(self, request: PauseVisit, caller: Caller, now: float) -> list[Effect]:
        visit = self._visits.by_guest.get(caller.identity)
        wanted = Pause.OWN if request.is_paused else Pause.NONE
        is_new = (
            visit is not None and visit.state is VisitState.WAITING and visit.pause is not wanted
        )
        if visit is None or not is_new or visit.number != request.visit:
            return self._ask(request, caller, now)
        if not self._throttle.take(caller.identity, now=now):  # each change is written to the disk
            return self._ask(request, caller, now)
        self._publisher.notices.references[visit.number] = request.reference
        if request.is_paused:
            self._queue.pause(visit)
        else:
            self._queue.resume(visit)
        return []

    def _rate(self, request: RateVisit, caller: Caller, now: float) -> list[Effect]:
        ticket = digest(request.ticket)
        visit, over = self._visits.by_ticket.get(ticket), self._visits.ends.get(ticket)
        queue = self._visits.queue_of_end.get(ticket, "")
        number = 0 if over is None else over.visit
        if visit is not None and visit.called_at:
            number, queue = visit.number, visit.queue
        is_served = bool(queue) and self._throttle.take(caller.identity, now=now)
        refused = Reply(to=caller, message=VisitRated(request.reference, is_kept=False))
        if not is_served:
            return [refused]
        at = self._clock.millis(now)
        rated = DeskVisitRated(visit=number, queue=queue, rated_at=at, rating=request.rating)
        return [self._keep_rating(rated, request.reference, caller)]

    def _keep_rating(self, rated: DeskVisitRated, reference: int, caller: Caller) -> Rule:
        is_stored, _ = yield Store((rated,))
        if is_stored:
            self._ratings.add(rated)
        yield Reply(to=caller, message=VisitRated(reference, is_kept=is_stored))

    def _describe(self, request: DescribeVisit, caller: Caller, now: float) -> list[Effect]:
        visit = self._visits.by_guest.get(caller.identity)
        if visit is None or visit.number != request.visit:
            return _refused(request.reference, DeskRefusal.NO_SUCH_TICKET, caller)
        result = DescriptionResult.KEPT
        if visit.operator != NOBODY:
            result = DescriptionResult.SERVED
        elif len(request.text.encode()) > DESK_DESCRIPTION_MAX:
            result = DescriptionResult.TOO_LONG
        elif not self._throttle.take(caller.identity, now=now):
            result = DescriptionResult.TOO_FAST
        else:
            self._queue.describe(visit, request.text)
        answer = self._publisher.notices.description(visit, result, reference=request.reference)
        if visit.pause is Pause.HELD:
            self._queue.resume(visit)  # whoever writes is there again
        return [Reply(to=caller, message=answer)]

    def _ask(self, request: AskPosition | PauseVisit, caller: Caller, now: float) -> list[Effect]:
        visit = self._visits.by_guest.get(caller.identity)
        if visit is None:
            return _refused(request.reference, DeskRefusal.NO_SUCH_TICKET, caller)
        if visit.state is VisitState.JOINING:
            return []  # the answer to JoinDesk is on its way, and says the same
        reference = request.reference
        if visit.state is VisitState.SERVED:
            return [
                Reply(
                    to=caller,
                    message=self._publisher.notices.turn(
                        visit, OperatorCause.ASKED, reference=reference
                    ),
                )
            ]
        position = self._publisher.notices.position(
            visit, PositionCause.ASKED, at=self._clock.millis(now), reference=reference
        )
        return [Reply(to=caller, message=position)]


def _refused(reference: int, reason: DeskRefusal, caller: Caller) -> list[Effect]:
    return [Reply(to=caller, message=DeskRefused(reference, reason))]
