"""Operators' requests: duty, the next visitor, the waiting line, notes, views of the room.

A peer is on duty from its first `.next` or `.on` until `.off`. Nobody is put into a chat for merely
being online.
"""

from typing import assert_never

from chatapp.registry.rules.desk.notices import Publisher
from chatapp.registry.rules.desk.queue.visit import (
    NOBODY,
    Operator,
    OperatorId,
    Pause,
    Visit,
    VisitState,
    is_in_line,
)
from chatapp.registry.rules.desk.settings import ready_answers
from chatapp.registry.rules.desk.state import DeskState
from chatapp.registry.rules.desk.statistics import ServedSession
from chatapp.registry.rules.effects import Caller, Effect, Rule, Store
from chatapp.registry.store.entries import DeskOpeningKept
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import DESK_NOTE_MAX, DESK_SHOWN_MAX, DESK_WAITING_MAX
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    CallNext,
    CloseQueue,
    CommandDone,
    CommandResult,
    DeskAnnounced,
    DropVisitor,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
    HoldVisitor,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
    OverCause,
    QueueClosed,
    ReadyAnswersShown,
    RoomOperator,
    RoomQueue,
    RoomShown,
    RoomVisitor,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
    TransferVisitor,
)


class OperatorRules:
    """Handles operators' requests."""

    def __init__(self, state: DeskState, publisher: Publisher) -> None:
        self._settings = state.settings
        self._openings = state.openings
        self._ratings = state.ratings
        self._answers = list(ready_answers(state.settings.answers).values())
        self._queue = state.queue
        self._operators = state.operators
        self._statistics = state.statistics
        self._sender = state.sender
        self._clock = state.clock
        self._publisher = publisher
        self._past = state.past

    def handle(self, request: OperatorRequest, caller: Caller, *, now: float) -> list[Effect]:
        """Handle a request and return the answer, which goes behind the notices that follow from
        it."""
        if (
            not self._operators.is_operator(caller.identity)
            and caller.identity not in self._queue.operators
        ):
            return self._done(request, CommandResult.NOT_AN_OPERATOR, caller)
        match request:
            case TakeDuty() | CallNext():
                return self._take_duty(request, caller)
            case EndDuty():
                self._queue.end_duty(caller.identity)
                return self._done(request, CommandResult.DONE, caller)
            case ShowRoom() | ShowFigures():
                return self._show(request, caller, now)
            case ShowPast():
                operator = self._queue.operators.get(caller.identity)
                if operator is None or not operator.is_on:
                    return self._done(request, CommandResult.NOT_ON_DUTY, caller)
                return self._sender.answer(caller, self._past.show(request, queue=operator.queue))
            case DropVisitor() | MoveVisitor():
                return self._in_line(request, caller)
            case CloseQueue() | OpenQueue() | AnnounceAtDesk():
                return self._of_queue(request, caller, now)
            case EndSession() | HandOver() | NoteVisitor() | HoldVisitor() | TransferVisitor():
                operator = self._queue.operators.get(caller.identity)
                visit = None if operator is None else operator.visit
                if visit is None:
                    return self._done(request, CommandResult.NO_CLIENT, caller)
                if visit.number != request.visit:
                    return self._done(request, CommandResult.OTHER_CLIENT, caller)
                return self._with_client(request, visit, caller, now)
        assert_never(request)

    # --- duty

    def attached(self, caller: Caller) -> list[Effect]:
        """Tell an operator who has a new link their duty and their visitor, before anything else
        reaches them."""
        who = caller.identity
        if not self._operators.is_operator(who) and who not in self._queue.operators:
            return []
        operator = self._queue.operators.get(who)
        answers = (
            self._sender.tell_operator(who, ReadyAnswersShown(self._answers))
            if self._answers
            else []
        )
        ends = self._publisher.notices.tell_untold(who)
        if operator is None:
            duty = self._publisher.notices.duty(who, "", is_on=False)
            return ends + self._sender.tell_operator(who, duty) + answers
        duty = self._publisher.notices.duty(who, operator.queue, is_on=operator.is_on)
        effects = ends + self._sender.tell_operator(who, duty) + answers
        visit = operator.visit
        self._queue.operator_returned(who)
        effects += self._publisher.notices.count_again(who)
        if visit is not None:
            effects += self._publisher.notices.client_again(visit)
        return effects

    def _take_duty(self, request: TakeDuty | CallNext, caller: Caller) -> list[Effect]:
        who = caller.identity
        operator = self._queue.operators.get(who)
        queue = self._settings.queue_named(request.queue or self._own_queue(operator))
        if queue is None:
            return self._done(request, CommandResult.NO_SUCH_QUEUE, caller)
        visit = None if operator is None else operator.visit
        is_next = isinstance(request, CallNext)
        if visit is not None and isinstance(request, CallNext) and visit.number != request.visit:
            return self._done(request, CommandResult.OTHER_CLIENT, caller)
        if visit is not None and visit.queue != queue and not is_next:
            return self._done(request, CommandResult.OTHER_QUEUE, caller)
        is_on = operator is not None and operator.is_on
        if (
            not is_on
            and sum(other.is_on for other in self._queue.operators) >= self._settings.operators_max
        ):
            return self._done(request, CommandResult.TOO_MANY, caller)
        if visit is not None and is_next:
            # Off duty for a moment, so that nobody of the former queue is called in between.
            if visit.queue != queue:
                self._queue.end_duty(who)
            self._queue.end(visit, OverCause.ENDED)
        self._queue.take_duty(who, queue)
        if not is_next or self._queue.operators[who].visit is not None:
            return self._done(request, CommandResult.DONE, caller)
        is_empty = not len(self._queue.line(queue))
        return self._done(
            request, CommandResult.ROOM_EMPTY if is_empty else CommandResult.NOBODY_IN_REACH, caller
        )

    def _own_queue(self, operator: Operator | None) -> str:
        return self._settings.queues[0] if operator is None else operator.queue

    # --- the client

    def _with_client(
        self,
        request: EndSession | HandOver | NoteVisitor | HoldVisitor | TransferVisitor,
        visit: Visit,
        caller: Caller,
        now: float,
    ) -> list[Effect]:
        name = visit.form.name
        match request:
            case EndSession():
                self._queue.end(visit, OverCause.ENDED)
                return self._done(request, CommandResult.DONE, caller, name)
            case NoteVisitor():
                if len(request.text.encode()) > DESK_NOTE_MAX:
                    return self._done(request, CommandResult.TOO_LONG, caller, name)
                self._queue.note(visit, request.text)
                return self._done(request, CommandResult.DONE, caller, name)
            case HandOver():
                return self._hand_over(request, visit, caller, now)
            case HoldVisitor():
                self._queue.hold(visit, now=now)
                return self._done(request, CommandResult.DONE, caller, name)
            case TransferVisitor():
                return self._transfer(request, visit, caller, now)
        assert_never(request)

    def _transfer(
        self, request: TransferVisitor, visit: Visit, caller: Caller, now: float
    ) -> list[Effect]:
        queue = self._settings.queue_named(request.queue) if request.queue else None
        if queue is None:
            return self._done(request, CommandResult.NO_SUCH_QUEUE, caller)
        if queue == visit.queue:
            return self._done(request, CommandResult.SAME_QUEUE, caller, visit.form.name)
        if len(self._queue.line(queue)) >= DESK_WAITING_MAX:
            return self._done(request, CommandResult.QUEUE_FULL, caller)
        self._queue.transfer(visit, queue, now=now)
        return self._done(request, CommandResult.DONE, caller, visit.form.name)

    def _hand_over(
        self, request: HandOver, visit: Visit, caller: Caller, now: float
    ) -> list[Effect]:
        try:
            to = self._operators.named(request.operator)
        except NameRefused:
            to = None
        if to is None or to == caller.identity:
            return self._done(request, CommandResult.NO_SUCH_OPERATOR, caller)
        operator = self._queue.operators.get(to)
        name = self._operators.name_of(to)
        if operator is None or not operator.is_on or operator.queue != visit.queue:
            return self._done(request, CommandResult.OFF_DUTY, caller, name)
        self._queue.hand_over(visit, to, now=now)
        return self._done(request, CommandResult.DONE, caller, name)

    # --- the line

    def _in_line(self, request: DropVisitor | MoveVisitor, caller: Caller) -> list[Effect]:
        if request.visit:
            visit = self._queue.visits.get(request.visit)
            if visit is None or not is_in_line(visit.state):
                return self._done(request, CommandResult.NOT_IN_LINE, caller)
        else:
            own = self._queue.line(self._own_queue(self._queue.operators.get(caller.identity)))
            visit = own.at(request.position)
            if visit is None:
                result = CommandResult.NO_SUCH_POSITION if len(own) else CommandResult.ROOM_EMPTY
                return self._done(request, result, caller)
        name = visit.form.name
        if isinstance(request, DropVisitor):
            self._queue.end(visit, OverCause.DROPPED)
        elif not 1 <= request.to <= len(self._queue.line(visit.queue)):
            return self._done(request, CommandResult.NO_SUCH_POSITION, caller)
        else:
            self._queue.move(visit, request.to)
        return self._done(request, CommandResult.DONE, caller, name)

    # --- all who wait, and newcomers

    def _of_queue(
        self, request: CloseQueue | OpenQueue | AnnounceAtDesk, caller: Caller, now: float
    ) -> list[Effect]:
        own = self._own_queue(self._queue.operators.get(caller.identity))
        queue = self._settings.queue_named(request.queue or own)
        if queue is None:
            return self._done(request, CommandResult.NO_SUCH_QUEUE, caller)
        if isinstance(request, AnnounceAtDesk):
            return self._announce(request, queue, caller)
        text = request.text if isinstance(request, CloseQueue) else ""
        is_open = isinstance(request, OpenQueue)
        entry = DeskOpeningKept(queue=queue, is_open=is_open, text=text, at=self._clock.millis(now))
        return [self._open_or_close(entry, request, caller)]

    def _open_or_close(
        self, entry: DeskOpeningKept, request: CloseQueue | OpenQueue, caller: Caller
    ) -> Rule:
        """Store what an operator has said about a queue, and put it in force. All who wait at a
        closed one are told."""
        queue = entry.queue
        is_stored, now = yield Store((entry,))
        if not is_stored:
            yield from self._done(request, CommandResult.NOT_STORED, caller, queue)
            return
        self._openings.apply(entry)
        if not entry.is_open:
            state = self._openings.of(queue, self._clock.millis(now))
            closed = QueueClosed(queue, state.text, state.opens_at // 1_000)
            yield from self._tell_line(queue, closed)
        yield from self._done(request, CommandResult.DONE, caller, queue)

    def _announce(self, request: AnnounceAtDesk, queue: str, caller: Caller) -> list[Effect]:
        if len(request.text.encode()) > DESK_NOTE_MAX:
            return self._done(request, CommandResult.TOO_LONG, caller)
        if not len(self._queue.line(queue)):
            return self._done(request, CommandResult.ROOM_EMPTY, caller)
        announcement = DeskAnnounced(self._operators.name_of(caller.identity), request.text)
        effects = self._tell_line(queue, announcement)
        for visit in self._queue.line(queue):
            if not visit.is_here or visit.state is VisitState.JOINING:
                self._publisher.notices.announced[visit.number] = announcement
        return [*effects, *self._done(request, CommandResult.DONE, caller, queue)]

    def _tell_line(self, queue: str, notice: QueueClosed | DeskAnnounced) -> list[Effect]:
        """Tell all who wait in a queue and are in reach, but not those whose visit is on its way to
        the disk: their first notice is their position."""
        line = [visit for visit in self._queue.line(queue) if visit.state is not VisitState.JOINING]
        return [effect for visit in line for effect in self._sender.tell_visitor(visit, notice)]

    # --- views

    def _show(self, request: ShowRoom | ShowFigures, caller: Caller, now: float) -> list[Effect]:
        own = self._own_queue(self._queue.operators.get(caller.identity))
        queue = self._settings.queue_named(request.queue or own)
        if queue is None:
            return self._done(request, CommandResult.NO_SUCH_QUEUE, caller)
        if isinstance(request, ShowFigures):
            figures = self._figures(queue, reference=request.reference, now=now)
            return self._sender.answer(caller, figures)
        room = self._room(queue, reference=request.reference)
        return self._sender.answer(caller, room)

    def _room(self, queue: str, *, reference: int) -> RoomShown:
        """Build the view of who is served and who waits, as far as one notice holds."""
        line = self._queue.line(queue)
        served = [
            operator.visit
            for operator in self._queue.operators
            if operator.visit and operator.visit.queue == queue
        ]
        waiting = [visit for visit, _ in zip(line, range(DESK_SHOWN_MAX), strict=False)]
        return RoomShown(
            reference=reference,
            queue=queue,
            operators=self._queue.operators.on_duty(queue),
            served=[self._visitor(visit) for visit in served[:DESK_SHOWN_MAX]],
            waiting=[self._visitor(visit) for visit in waiting],
            total=len(line),
            queues=[
                RoomQueue(each, len(self._queue.line(each)), self._queue.operators.on_duty(each))
                for each in self._settings.queues
            ],
            on_duty=[
                RoomOperator(self._operators.name_of(each.id), each.queue, each.is_free)
                for each in self._queue.operators
                if each.is_free or (each.is_on and each.visit is not None)
            ][:DESK_SHOWN_MAX],
        )

    def _visitor(self, visit: Visit) -> RoomVisitor:
        is_served = visit.operator != NOBODY
        return RoomVisitor(
            visit=visit.number,
            name=visit.form.name,
            issue=visit.form.issue,
            since=(visit.since if is_served else visit.joined_at) // 1_000,
            is_here=visit.is_here,
            is_paused=visit.pause is not Pause.NONE,
            is_silent=visit.is_silent,
            operator=self._operators.name_of(visit.operator if is_served else visit.wanted),
        )

    def _figures(self, queue: str, *, reference: int, now: float) -> FiguresShown:
        """Build the figures of a queue."""
        wall_ms = self._clock.millis(now)
        figures, line = self._statistics.figures[queue], self._queue.line(queue)
        under_way = [
            ServedSession(visit.joined_at, visit.called_at, 0)
            for visit in self._queue.visits.values()
            if visit.queue == queue and visit.called_at
        ]
        waits = figures.waits(under_way, wall_ms)
        since = min((visit.joined_at for visit in line), default=wall_ms)
        ratings = self._ratings.today(queue, wall_ms)
        return FiguresShown(
            reference=reference,
            queue=queue,
            served_today=figures.served_today(wall_ms),
            median_wait=waits.median,
            ninetieth_wait=waits.ninetieth,
            longest_waiting=max(wall_ms - since, 0) // 1_000,
            waiting=len(line),
            operators=self._queue.operators.on_duty(queue),
            rated=ratings.given,
            mean_rating=ratings.hundredths,
        )

    def _done(
        self, request: OperatorRequest, result: CommandResult, caller: Caller, subject: str = ""
    ) -> list[Effect]:
        return self._sender.answer(caller, CommandDone(request.reference, result, subject))


def asker_of(request: OperatorRequest, caller: Caller) -> OperatorId:
    """Return the operator who asks for a visitor, or for the end of a session, by this request;
    NOBODY for other requests."""
    asking = TakeDuty | CallNext | EndSession | HandOver | HoldVisitor | TransferVisitor
    is_asking = isinstance(request, asking)
    return caller.identity if is_asking else NOBODY
