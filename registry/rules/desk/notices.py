"""Notices: what visitors and operators are told when something has happened in the queue."""

from collections.abc import Generator, Iterable
from typing import Final, NamedTuple, assert_never

from chatapp.registry.rules.desk.estimate import Busy, Now, Range
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import (
    BY_OPERATOR,
    CONSOLE,
    NOBODY,
    Change,
    DutyChanged,
    HandoverReleased,
    Operator,
    OperatorId,
    Pause,
    QueueEvent,
    Visit,
    VisitEvent,
    VisitState,
    VisitUpdated,
    end_record_of,
    record_of,
)
from chatapp.registry.rules.desk.state import DeskState
from chatapp.registry.rules.desk.statistics import DeskStatistics
from chatapp.registry.rules.desk.talk.transcript import VISITOR
from chatapp.registry.rules.effects import Append, Effect, Rule, Store
from chatapp.registry.store.entries import Entry
from chatapp.wire.messages.desk import (
    ClientAssigned,
    ClientCause,
    ClientChange,
    ClientChanged,
    DescriptionAnswered,
    DescriptionResult,
    DeskAnnounced,
    DeskLine,
    DutyStatus,
    OperatorAssigned,
    OperatorCause,
    OverCause,
    PositionCause,
    PositionReported,
    VisitOver,
    WaitingCounted,
)

HOLDS_FOR: Final = 1_000
"""Milliseconds for which ranges hold if nothing else changes: they are told in seconds."""

_POSITIONS_AT_ONCE: Final = 16
"""Ranges are computed for this many positions more, so that newcomers find theirs."""


class _Sight(NamedTuple):
    """The ranges of one queue, and what they were computed from."""

    version: int
    serving: tuple[int, ...]
    """The visit of each operator on duty; 0 for none."""
    at: int
    ranges: list[Range]


class Outlook:
    """The ranges of all queues. Times are milliseconds of the wall clock."""

    def __init__(self, queue: DeskQueue, statistics: DeskStatistics) -> None:
        self._queue = queue
        self._statistics = statistics
        self._seen: dict[str, _Sight] = {}

    def range(self, queue: str, position: int, at: int) -> Range | None:
        """Return the range of this position in a queue; None for no estimate."""
        estimates = self._statistics.estimates[queue]
        operators = [
            operator
            for operator in self._queue.operators
            if operator.is_on and operator.queue == queue
        ]
        serving = tuple(
            0 if operator.visit is None else operator.visit.number for operator in operators
        )
        seen = self._seen.get(queue)
        if (
            seen is None
            or (seen.version, seen.serving) != (estimates.version, serving)
            or not 0 <= at - seen.at < HOLDS_FOR
            or 0 < len(seen.ranges) < position
        ):
            line = self._queue.line(queue)
            now = Now(
                [_busy(operator, at) for operator in operators],
                sum(at - visit.joined_at for visit in line) / 1_000,
            )
            ranges = estimates.ranges(max(position, len(line)) + _POSITIONS_AT_ONCE, now)
            seen = self._seen[queue] = _Sight(estimates.version, serving, at, ranges)
        return seen.ranges[position - 1] if seen.ranges else None


def _busy(operator: Operator, at: int) -> Busy | None:
    visit = operator.visit
    if visit is None:
        return None
    took = visit.served_for + max(at - visit.since, 0)
    return Busy(took / 1_000, max(visit.called_at - visit.joined_at, 0) / 1_000)


_CHANGES: Final = {
    OverCause.ENDED: ClientChange.ENDED,
    OverCause.LEFT: ClientChange.LEFT,
    OverCause.DROPPED: ClientChange.ENDED,
    OverCause.LOST: ClientChange.LOST,
    OverCause.NOT_KEPT: ClientChange.ENDED,
}

UNTOLD_MAX: Final = 100
"""Operators who are still to be told of an end: more are not on duty at a time."""

_PUT_BACK_CHANGES: Final = {
    PositionCause.OPERATOR_LOST: ClientChange.TAKEN_BACK,
    PositionCause.HANDED_OVER: ClientChange.GIVEN,
    PositionCause.HELD: ClientChange.HELD,
    PositionCause.TRANSFERRED: ClientChange.TRANSFERRED,
    PositionCause.LINK_LOST: ClientChange.UNANSWERED,
}
"""What the operator is told of a visitor who is in line again."""


class EventBatch(NamedTuple):
    """The changes of one turn, by the numbers of visits, so that several changes of one visit are
    sent in one notice."""

    called: frozenset[int]
    kept: frozenset[int]
    put_back: frozenset[int]
    served_before: frozenset[int]
    asker: OperatorId
    """The operator who asked for the change of visitor; NOBODY if no operator did."""
    at: int
    """The time of the turn, in milliseconds of the wall clock."""

    @classmethod
    def of(cls, events: list[QueueEvent], asker: OperatorId, *, at: int) -> "EventBatch":
        """Summarize the events of a turn. Call it before the times are stamped."""
        changes = [event for event in events if isinstance(event, Change)]

        def those(event: VisitEvent) -> frozenset[int]:
            return frozenset(change.visit.number for change in changes if change.event is event)

        return cls(
            called=those(VisitEvent.CALLED),
            kept=those(VisitEvent.KEPT),
            put_back=those(VisitEvent.PUT_BACK),
            served_before=frozenset(
                change.visit.number for change in changes if change.visit.called_at
            ),
            asker=asker,
            at=at,
        )


class Notices:
    """Builds notices, and remembers what each visitor was told last."""

    def __init__(self, state: DeskState) -> None:
        self._queue = state.queue
        self._visits = state.visits
        self._operators = state.operators
        self._outlook = Outlook(state.queue, state.statistics)
        self._sender = state.sender
        self._files_largest = state.settings.files_largest
        self.references: Final[dict[int, int]] = {}
        """References of requests that wait for their answer, by visit."""
        self.announced: Final[dict[int, DeskAnnounced]] = {}
        """What was announced last to each visitor who was away, or not in line yet."""
        self.moved: dict[str, None] = {}
        """Queues whose positions have changed."""
        self._counted: dict[OperatorId, WaitingCounted] = {}
        """What each operator on duty was told last of how many wait."""
        self._untold: dict[OperatorId, list[DeskLine | ClientChanged]] = {}
        """The last lines and the end of a session, by the operator who was out of reach then."""
        self._told: dict[int, int] = {}
        """The position that each visitor was told last."""

    def moves(self, queue: str, *, at: int) -> list[Effect]:
        """Tell the visitors in a queue whose position has changed. `at`: the time."""
        effects: list[Effect] = []
        for position, visit in enumerate(self._queue.line(queue), 1):
            if visit.state is VisitState.WAITING and self._told.get(visit.number) != position:
                effects += self._sender.tell_visitor(
                    visit, self.position(visit, PositionCause.CHANGED, at=at)
                )
        return effects + self.count(queue)

    # --- the present state

    def position(
        self, visit: Visit, cause: PositionCause, *, at: int, reference: int = 0
    ) -> PositionReported:
        """Build the notice of a visitor's position. `at`: the time, in milliseconds of the wall
        clock."""
        position = self._told[visit.number] = self._queue.line(visit.queue).position(visit)
        operators = self._queue.operators.on_duty(visit.queue)
        least, most = self._outlook.range(visit.queue, position, at) or (0, 0)
        is_paused = visit.pause is not Pause.NONE
        return PositionReported(
            reference, visit.number, cause, position, operators, least, most, visit.queue, is_paused
        )

    def description(
        self, visit: Visit, result: DescriptionResult, *, reference: int = 0
    ) -> DescriptionAnswered:
        """Build the notice of what is kept of a visitor's description."""
        return DescriptionAnswered(reference, visit.number, result, visit.description)

    def turn(self, visit: Visit, cause: OperatorCause, *, reference: int = 0) -> OperatorAssigned:
        """Build the notice that a visitor is served."""
        self._told.pop(visit.number, None)
        return OperatorAssigned(
            reference, visit.number, cause, self._operators.name_of(visit.operator)
        )

    def duty(self, who: OperatorId, queue: str, *, is_on: bool) -> DutyStatus:
        """Build the notice of an operator's duty and visitor."""
        operator = self._queue.operators.get(who)
        visit = None if operator is None else operator.visit
        number = 0 if visit is None else visit.number
        return DutyStatus(is_on, queue, number, self._files_largest)

    def count(self, queue: str) -> list[Effect]:
        """Tell the operators on duty for a queue how many wait, if that has changed."""
        count = WaitingCounted(queue, len(self._queue.line(queue)))
        effects: list[Effect] = []
        for operator in self._queue.operators:
            if (
                operator.is_on
                and operator.is_here
                and operator.queue == queue
                and self._counted.get(operator.id) != count
            ):
                self._counted[operator.id] = count
                effects += self._sender.tell_operator(operator.id, count)
        return effects

    def count_again(self, who: OperatorId) -> list[Effect]:
        """Tell an operator who is on duty and has a new link how many wait."""
        self._counted.pop(who, None)
        operator = self._queue.operators.get(who)
        return [] if operator is None else self.count(operator.queue)

    def client(
        self,
        visit: Visit,
        cause: ClientCause,
        *,
        former: OperatorId = NOBODY,
        is_asked: bool = False,
    ) -> ClientAssigned:
        """Build the notice of the visitor whom an operator serves."""
        form = visit.form
        return ClientAssigned(
            visit=visit.number,
            cause=cause,
            queue=visit.queue,
            name=form.name,
            number=form.number,
            issue=form.issue,
            waited=max(visit.called_at - visit.joined_at, 0) // 1_000,
            is_here=visit.is_here,
            note=visit.note,
            description=visit.description,
            operator="" if former == NOBODY else self._operators.name_of(former),
            is_asked=is_asked,
        )

    def client_again(self, visit: Visit) -> list[Effect]:
        """Tell an operator who is back whom they serve. Their program says which lines it knows."""
        client = self.client(visit, ClientCause.RETURNED)
        return self._sender.tell_operator(visit.operator, client) + self._let_read(visit)

    def _let_read(self, visit: Visit) -> list[Effect]:
        """Prepare the transcript for an operator. Lines follow when the operator's program asks;
        the console shows all at once."""
        transcript = self._visits.transcript(visit)
        transcript.add_reader(visit.operator)
        if visit.operator != CONSOLE:
            return []
        transcript.resume(CONSOLE, with_own=True)
        return self._sender.deliver(visit, CONSOLE)

    # --- events

    def of(self, event: QueueEvent, batch: EventBatch) -> list[Effect]:
        """Return the effects that tell of an event. `batch`: all events of the same turn."""
        match event:
            case DutyChanged():
                self._counted.pop(event.operator, None)
                self.moved[event.queue] = (
                    None  # estimates change too, but only visitors whose position changes are told
                )
                return self._sender.tell_operator(
                    event.operator, self.duty(event.operator, event.queue, is_on=event.is_on)
                )
            case VisitUpdated():
                self.moved[event.visit.queue] = None
                return []
            case HandoverReleased():
                is_told = (
                    event.visit.state is VisitState.WAITING
                    and event.visit.number not in batch.called
                )
                return (
                    self._tell_position(event.visit, PositionCause.OPERATOR_LOST, batch)
                    if is_told
                    else []
                )
            case Change():
                return self._effects_of_change(event, batch)
        assert_never(event)

    def _effects_of_change(self, change: Change, batch: EventBatch) -> list[Effect]:
        visit = change.visit
        match change.event:
            case VisitEvent.KEPT:
                self.moved[visit.queue] = None
                if visit.number in batch.called:
                    return []
                return self._tell_position(
                    visit, PositionCause.JOINED, batch
                ) + self._tell_announced(visit)
            case VisitEvent.LOST:
                return self._tell_change(change, ClientChange.AWAY)
            case VisitEvent.RETURNED:
                return self._tell_return(change, batch)
            case VisitEvent.PASSED_OVER:
                return []
            case VisitEvent.CALLED:
                return self._tell_call(change, batch)
            case VisitEvent.UNANSWERED:
                return self._tell_unanswered(change)
            case VisitEvent.PUT_BACK:
                return self._tell_put_back(change, batch)
            case VisitEvent.PAUSED:
                return self._tell_position(visit, PositionCause.PAUSED, batch)
            case VisitEvent.RESUMED:
                is_called = visit.number in batch.called
                return [] if is_called else self._tell_position(visit, PositionCause.RESUMED, batch)
            case VisitEvent.HANDED_OVER:
                return self._tell_hand_over(change, batch)
            case VisitEvent.ENDED:
                return self._tell_end(change)
        assert_never(change.event)

    def _tell_position(self, visit: Visit, cause: PositionCause, batch: EventBatch) -> list[Effect]:
        reference = self.references.pop(visit.number, 0)
        return self._sender.tell_visitor(
            visit, self.position(visit, cause, at=batch.at, reference=reference)
        )

    def _tell_assignment(self, visit: Visit, cause: OperatorCause) -> list[Effect]:
        reference = self.references.pop(visit.number, 0)
        effects = self._sender.tell_visitor(visit, self.turn(visit, cause, reference=reference))
        return effects + self._sender.deliver(visit, VISITOR)

    def _tell_change(self, change: Change, how: ClientChange) -> list[Effect]:
        notice = ClientChanged(change.visit.number, how, change.visit.form.name)
        return self._sender.tell_operator(change.operator, notice)

    def _tell_return(self, change: Change, batch: EventBatch) -> list[Effect]:
        visit = change.visit
        if visit.number in batch.called or visit.state is VisitState.JOINING:
            return []
        if visit.state is VisitState.WAITING:
            otherwise = PositionCause.HELD if visit.pause is Pause.HELD else PositionCause.RETURNED
            effects = self._tell_position(visit, visit.missed or otherwise, batch)
            visit.missed = None
            effects += self._tell_announced(visit)
            if visit.description:
                kept = self.description(visit, DescriptionResult.KEPT)
                effects += self._sender.tell_visitor(visit, kept)
            # Lines of an operator from before the visit was put back.
            return effects + self._sender.deliver(visit, VISITOR)
        back = (
            self._tell_change(change, ClientChange.BACK)
            if change.before is VisitState.ABSENT
            else []
        )
        return back + self._tell_assignment(visit, OperatorCause.RETURNED)

    def _tell_announced(self, visit: Visit) -> list[Effect]:
        """Tell a visitor who is in line and in reach now what was announced last before that."""
        if visit.state is not VisitState.WAITING or visit.number not in self.announced:
            return []
        return self._sender.tell_visitor(visit, self.announced.pop(visit.number))

    def _tell_call(self, change: Change, batch: EventBatch) -> list[Effect]:
        visit = change.visit
        self.moved[visit.queue] = None
        cause = OperatorCause.CONNECTED if visit.number in batch.kept else OperatorCause.CALLED
        effects = self._tell_assignment(
            visit, OperatorCause.HANDED_OVER if visit.number in batch.put_back else cause
        )
        is_known = visit.number in batch.served_before
        how = ClientCause.HANDED_OVER if is_known else ClientCause.CALLED
        return effects + self._tell_operator(visit, how, change.former, batch)

    def _tell_unanswered(self, change: Change) -> list[Effect]:
        self.moved[change.visit.queue] = None
        self._remove_reader(change.visit, change.operator)
        return self._tell_change(change, ClientChange.UNANSWERED)

    def _tell_put_back(self, change: Change, batch: EventBatch) -> list[Effect]:
        visit = change.visit
        self.moved[visit.queue] = None
        assert isinstance(change.cause, PositionCause)
        self._remove_reader(visit, change.operator)
        effects = (
            self._tell_position(visit, change.cause, batch)
            if visit.state is VisitState.WAITING
            else []
        )
        return effects + self._tell_change(change, _PUT_BACK_CHANGES[change.cause])

    def silent(self, visit: Visit) -> list[Effect]:
        """Tell an operator that their visitor has said nothing for a while."""
        change = ClientChanged(visit.number, ClientChange.SILENT, visit.form.name)
        return self._sender.tell_operator(visit.operator, change)

    def _tell_hand_over(self, change: Change, batch: EventBatch) -> list[Effect]:
        visit = change.visit
        self._remove_reader(visit, change.former)
        given = ClientChanged(visit.number, ClientChange.GIVEN, visit.form.name)
        effects = self._sender.tell_operator(change.former, given)
        effects += self._tell_assignment(visit, OperatorCause.HANDED_OVER)
        return effects + self._tell_operator(visit, ClientCause.HANDED_OVER, change.former, batch)

    def _tell_operator(
        self, visit: Visit, cause: ClientCause, former: OperatorId, batch: EventBatch
    ) -> list[Effect]:
        client = self.client(visit, cause, former=former, is_asked=visit.operator == batch.asker)
        return self._sender.tell_operator(visit.operator, client) + self._let_read(visit)

    def _tell_end(self, change: Change) -> list[Effect]:
        visit = change.visit
        assert isinstance(change.cause, OverCause)
        self.moved[visit.queue] = None
        effects = self._sender.deliver_rest(
            visit, VISITOR
        )  # the last lines may be on their way to the disk
        over = VisitOver(visit.number, change.cause)
        effects += self._sender.tell_visitor(visit, over)
        if change.cause in BY_OPERATOR:
            self._visits.note_end(
                visit.ticket, over, served_at=visit.queue if visit.called_at else ""
            )
        effects += self._tell_operator_of_end(change, _CHANGES[change.cause])
        self._told.pop(visit.number, None)
        self.references.pop(visit.number, None)
        self.announced.pop(visit.number, None)
        self._visits.forget(visit)
        return effects

    def _tell_operator_of_end(self, change: Change, how: ClientChange) -> list[Effect]:
        """Tell the operator the last lines, then the end; one who is out of reach is told on
        return."""
        visit, who = change.visit, change.operator
        if who == NOBODY or self._sender.reaches(who):
            rest = [] if who == NOBODY else self._sender.deliver_rest(visit, who)
            return rest + self._tell_change(change, how)
        over = ClientChanged(visit.number, how, visit.form.name)
        self._untold[who] = [*self._sender.unread(visit, who), over]
        if len(self._untold) > UNTOLD_MAX:
            del self._untold[next(iter(self._untold))]
        return []

    def tell_untold(self, who: OperatorId) -> list[Effect]:
        """Tell an operator who is back how the session ended in which they served."""
        told = self._untold.pop(who, [])
        return [effect for notice in told for effect in self._sender.tell_operator(who, notice)]

    def _remove_reader(self, visit: Visit, operator: OperatorId) -> None:
        if visit.number in self._visits.transcripts:
            self._visits.transcripts[visit.number].remove_reader(operator)


MOVES_SPAN: Final = 0.1
"""Seconds between two announcements of changed positions."""

_WRITES_NOTHING: Final = (
    VisitEvent.KEPT,
    VisitEvent.LOST,
    VisitEvent.RETURNED,
    VisitEvent.PASSED_OVER,
)


class Publisher:
    """Turns the queue's events into effects."""

    def __init__(self, state: DeskState) -> None:
        self._queue = state.queue
        self._visits = state.visits
        self._operators = state.operators
        self._silences = state.silences
        self._past = state.past
        self._files = state.files
        self._statistics = state.statistics
        self._clock = state.clock
        self.notices: Final = Notices(state)
        self._told_at = float("-inf")

    def conclude(
        self,
        first: Iterable[Effect] = (),
        *,
        now: float,
        answer: Iterable[Effect] = (),
        asker: OperatorId = NOBODY,
    ) -> list[Effect]:
        """Return `first`, what follows from the queue's events, and `answer`, to be carried out
        when their records are on the disk. `asker`: the operator who asked for a change of visitor.

        A rule among them begins at once, so that its records precede those of what is decided later.
        On a full disk the desk goes on all the same: only a restart would know less.
        """
        wall_ms = self._clock.millis(now)
        rules, effects = _apart(first)
        events = self._queue.take_events()
        batch = EventBatch.of(events, asker, at=wall_ms)
        for event in events:
            self._stamp(event, wall_ms)
        self._silences.follow(events, now=now)
        operators = self._queue.operators
        entries: list[Entry] = [
            record_of(visit, is_off_duty=operators.is_off_duty(visit)) for visit in _changed(events)
        ]
        for event in events:
            entries += self._end_records(event, now)
            effects += self.notices.of(event, batch)
        effects += self._tell_moves(now, wall_ms)
        later_rules, answers = _apart(answer)
        effects += answers
        if effects:
            rules.append(_tell(tuple(entries), effects))
        elif entries:
            rules.append(Append(tuple(entries)))
        return rules + later_rules

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Announce the gathered positions, and visitors who have been silent for too long."""
        effects: list[Effect] = []
        for number in self._silences.expired(now=now):
            visit = self._queue.visits[number]
            visit.is_silent = True
            effects += self.notices.silent(visit)
        return self.conclude(effects, now=now)

    def next_timer(self) -> float | None:
        """Return when the gathered positions are due, or a visitor counts as silent."""
        moves = self._told_at + MOVES_SPAN if self.notices.moved else None
        return min(
            (due for due in (moves, self._silences.next_timer()) if due is not None), default=None
        )

    def _tell_moves(self, now: float, wall_ms: int) -> list[Effect]:
        queues = self.notices.moved
        if not queues or now < self._told_at + MOVES_SPAN:
            return []
        self.notices.moved = {}
        self._told_at = now
        return [effect for queue in queues for effect in self.notices.moves(queue, at=wall_ms)]

    # --- stamps and records

    def _stamp(self, event: QueueEvent, wall_ms: int) -> None:
        """Stamp the times, which the queue does not know."""
        if not isinstance(event, Change):
            return
        visit = event.visit
        match event.event:
            case VisitEvent.CALLED:
                visit.called_at = visit.called_at or wall_ms
                visit.since = wall_ms
            case VisitEvent.HANDED_OVER:
                visit.served_for += max(wall_ms - visit.since, 0)
                visit.since = wall_ms
            case VisitEvent.UNANSWERED if visit.called_at == visit.since:
                visit.called_at = 0  # it was the first call
            case VisitEvent.PUT_BACK:
                visit.served_for += max(wall_ms - visit.since, 0)
            case VisitEvent.ENDED if event.before in (VisitState.SERVED, VisitState.ABSENT):
                visit.served_for += max(wall_ms - visit.since, 0)
            case _:
                pass

    def _end_records(self, event: QueueEvent, now: float) -> list[Entry]:
        if (
            not isinstance(event, Change)
            or event.event is not VisitEvent.ENDED
            or event.cause is OverCause.NOT_KEPT
        ):
            return []
        assert isinstance(event.cause, OverCause)
        visit, wall_ms = event.visit, self._clock.millis(now)
        ended = self._statistics.note(visit, ended_at=wall_ms)
        over = end_record_of(visit, cause=event.cause, ended_at=wall_ms, **ended._asdict())
        if not visit.called_at:
            return [over, *self._files.over(visit.number, is_kept=False)]
        operator = "" if event.operator == NOBODY else self._operators.name_of(event.operator)
        lines = self._visits.transcripts.get(visit.number, ())
        return [
            over,
            *self._past.keep(visit, lines, operator=operator, cause=int(event.cause), now=now),
        ]


def _apart(effects: Iterable[Effect]) -> tuple[list[Effect], list[Effect]]:
    """Return the rules among these effects, and the others."""
    rules: list[Effect] = []
    others: list[Effect] = []
    for effect in effects:
        (rules if isinstance(effect, Generator) else others).append(effect)
    return rules, others


def _tell(entries: tuple[Entry, ...], effects: list[Effect]) -> Rule:
    yield Store(entries, is_reserved=True)
    yield from effects


def _changed(events: list[QueueEvent]) -> list[Visit]:
    """Return the visits whose record has changed, in order, each once, without those that are
    over."""
    visits: dict[int, Visit] = {}
    for event in events:
        if isinstance(event, VisitUpdated | HandoverReleased) or (
            isinstance(event, Change) and event.event not in _WRITES_NOTHING
        ):
            visits[event.visit.number] = event.visit
    return [visit for visit in visits.values() if visit.state is not VisitState.OVER]
