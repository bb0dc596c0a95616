"""The queue as a pure state machine: who is in line, who serves whom, and what each event leads to.

First come, first served: a visitor in reach is called before all behind them. A visitor out of
reach keeps the position; for a moment nobody behind is called first, after that others are. So does
a visitor who pauses, or whom an operator has put on hold: others are called until the visitor is to
be called again. A free operator on duty gets the first visitor at once. Transitions are listed in
`visit.TRANSITIONS`; the events that follow are drained. A call that does not fit the state raises
ValueError: that is the caller's mistake.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from chatapp.registry.rules.desk.queue.line import WaitingLine
from chatapp.registry.rules.desk.queue.visit import (
    NOBODY,
    TRANSITIONS,
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
    is_in_line,
)
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import Leases
from chatapp.wire.messages.desk import OverCause, PositionCause


class GraceTimers:
    """Deadlines of visitors and operators who are out of reach."""

    def __init__(self, settings: DeskSettings) -> None:
        self._kept_positions: Leases[int] = Leases(settings.keep_place)
        self._patience: Leases[int] = Leases(settings.pass_over_after)
        self._settling: Leases[int] = Leases(settings.restart_grace)
        self._served: Leases[int] = Leases(settings.absent_after)
        self._duties: Leases[OperatorId] = Leases(settings.operator_grace)

    # --- visitors

    def visitor_lost(self, number: int, *, now: float) -> None:
        """Begin to keep a visitor's position."""
        self._kept_positions.renew(number, now=now)

    def hold_line(self, number: int, *, now: float) -> None:
        """Hold the line for a moment, so that nobody is called before this visitor."""
        self._patience.renew(number, now=now)

    def hold_line_after_restart(self, number: int, *, now: float) -> None:
        """Hold the line for longer: everybody has to find the registry again."""
        self._settling.renew(number, now=now)

    def hold_operator(self, number: int, *, now: float) -> None:
        """Let an operator wait for a while for this visitor, whom they serve."""
        self._served.renew(number, now=now)

    def visitor_settled(self, number: int) -> None:
        """Stop the deadlines: back, or gone for good."""
        for leases in (self._kept_positions, self._patience, self._settling, self._served):
            leases.end(number)

    def no_longer_held_for(self, *, now: float) -> list[int]:
        """Remove and return the visitors for whom the line was held long enough."""
        return self._patience.expired(now=now) + self._settling.expired(now=now)

    def operators_held(self, *, now: float) -> list[int]:
        """Remove and return the visitors for whom an operator has waited long enough."""
        return self._served.expired(now=now)

    def positions_over(self, *, now: float) -> list[int]:
        """Remove and return the visitors whose position was kept long enough."""
        return self._kept_positions.expired(now=now)

    # --- operators

    def operator_lost(self, who: OperatorId, *, now: float) -> None:
        """Begin to keep an operator's duty and visitor."""
        self._duties.renew(who, now=now)

    def operator_settled(self, who: OperatorId) -> None:
        """Stop the deadlines: back, or gone for good."""
        self._duties.end(who)

    def duties_over(self, *, now: float) -> list[OperatorId]:
        """Remove and return the operators who were away for too long."""
        return self._duties.expired(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = (
            self._kept_positions.next_deadline(),
            self._patience.next_deadline(),
            self._settling.next_deadline(),
            self._served.next_deadline(),
            self._duties.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)


# --- the operators who are on duty or still serve somebody.


class OperatorPool:
    """Operators who are on duty or still serve somebody, the longest free first."""

    def __init__(self) -> None:
        self._operators: dict[OperatorId, Operator] = {}

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._operators.values())

    def __contains__(self, who: OperatorId) -> bool:
        return who in self._operators

    def __getitem__(self, who: OperatorId) -> Operator:
        return self._operators[who]

    def get(self, who: OperatorId) -> Operator | None:
        """Return the operator, None if they are neither on duty nor serving."""
        return self._operators.get(who)

    def on_duty(self, queue: str) -> int:
        """Return how many operators of this queue are on duty."""
        return sum(operator.is_on and operator.queue == queue for operator in self)

    def free(self, queue: str) -> list[Operator]:
        """Return the free operators of this queue, the longest free first."""
        return [operator for operator in self if operator.is_free and operator.queue == queue]

    def restore(self, visit: Visit, *, is_on: bool) -> None:
        """Restore the operator of a visit: out of reach until their next link. `is_on`: whether
        they are on duty."""
        operator = self._operators[visit.operator] = Operator(visit.operator, queue=visit.queue)
        operator.is_on, operator.is_here, operator.visit = is_on, False, visit

    def is_off_duty(self, visit: Visit) -> bool:
        """Return whether a visit is served by an operator who is off duty."""
        operator = self._operators.get(visit.operator)
        return operator is not None and not operator.is_on

    def admit(self, who: OperatorId, queue: str) -> Operator:
        """Return the operator, creating it if needed."""
        operator = self._operators.get(who)
        if operator is None:
            operator = self._operators[who] = Operator(who, queue=queue)
        return operator

    def release(self, visit: Visit) -> OperatorId:
        """Free the operator who serves a visit. Return who it was."""
        who, visit.operator, visit.is_fresh = visit.operator, NOBODY, False
        operator = self._operators.pop(who, None)
        if operator is not None:
            operator.visit = None
            self._operators[who] = operator  # behind operators who are free already
            self.forget_idle(operator)
        return who

    def forget_idle(self, operator: Operator) -> None:
        """Forget an operator who is neither on duty nor serving."""
        if not operator.is_on and operator.visit is None:
            self._operators.pop(operator.id, None)


class DeskQueue:
    """The waiting lines of all queues, and the operators."""

    def __init__(self, settings: DeskSettings) -> None:
        self.visits: dict[int, Visit] = {}
        self.operators = OperatorPool()
        self._lines = {queue: WaitingLine() for queue in settings.queues}
        self._absences = GraceTimers(settings)
        self._events: list[QueueEvent] = []

    def load(
        self,
        visits: Iterable[Visit],
        *,
        off_duty: Collection[int] = (),
        merged: Collection[str] = (),
        now: float,
    ) -> None:
        """Restore the visits of earlier runs: everybody is out of reach, and has time to come
        back. `off_duty`: the numbers of visits whose operator is off duty. `merged`: queues whose
        visits come from several lines."""
        waiting: dict[str, list[Visit]] = {queue: [] for queue in self._lines}
        served: dict[str, list[Visit]] = {queue: [] for queue in self._lines}
        for visit in visits:
            self.visits[visit.number] = visit
            if (
                visit.operator in self.operators
            ):  # two visits with one operator: a record was damaged
                visit.operator = NOBODY
            if visit.operator == NOBODY:
                visit.state = VisitState.MISSED
                waiting[visit.queue].append(visit)
                self._absences.hold_line_after_restart(visit.number, now=now)
            else:
                visit.state = VisitState.ABSENT
                served[visit.queue].append(visit)
                self.operators.restore(visit, is_on=visit.number not in off_duty)
                self._absences.operator_lost(visit.operator, now=now)
                self._absences.hold_operator(visit.number, now=now)
            self._absences.visitor_lost(visit.number, now=now)
        for queue, those in waiting.items():
            ranked = self.line(queue).load(those, served[queue], is_merged=queue in merged)
            self._events += [VisitUpdated(visit=visit) for visit in ranked]
            for visit in those:
                if visit.wanted not in self.operators:  # that operator is no longer on duty
                    visit.wanted = NOBODY

    def take_events(self) -> list[QueueEvent]:
        """Drain the events, in order."""
        events, self._events = self._events, []
        return events

    def line(self, queue: str) -> WaitingLine:
        """Return the waiting line of a queue."""
        return self._lines[queue]

    # --- visitors

    def join(self, visit: Visit) -> None:
        """Append a new visit. It is not called before `kept`."""
        self.visits[visit.number] = visit
        self.line(visit.queue).append(visit)

    def kept(self, visit: Visit, *, now: float) -> None:
        """Note that a new visit's record is on the disk: the visitor may be called."""
        if visit.state is VisitState.UNREACHED:
            self._absences.hold_line(visit.number, now=now)
        self._step(visit, VisitEvent.KEPT)
        self._fill(visit.queue)

    def lost(self, visit: Visit, *, now: float) -> None:
        """Note that a visitor's link is lost. A visitor without a sign of life since the call was
        away at the call already, and gets their position in line back."""
        self._absences.visitor_lost(visit.number, now=now)
        if visit.state is VisitState.SERVED and not visit.has_answered:
            self._take_back(visit, now=now)
            return
        if is_in_line(visit.state):
            self._absences.hold_line(visit.number, now=now)
        else:
            self._absences.hold_operator(visit.number, now=now)
        self._step(visit, VisitEvent.LOST, operator=visit.operator)

    def returned(self, visit: Visit) -> None:
        """Note that a visitor is back: a new link shows the ticket."""
        visit.has_answered = True
        self._absences.visitor_settled(visit.number)
        self._step(visit, VisitEvent.RETURNED, operator=visit.operator)
        self._fill(visit.queue)

    def end(self, visit: Visit, cause: OverCause) -> None:
        """End a visit."""
        self._absences.visitor_settled(visit.number)
        self.line(visit.queue).remove(visit)
        del self.visits[visit.number]
        serving = self.operators.release(visit)
        self._step(visit, VisitEvent.ENDED, operator=serving, cause=cause)
        self._fill(visit.queue)

    def move(self, visit: Visit, to: int) -> None:
        """Move a visit to another position in its line."""
        self._events += [
            VisitUpdated(visit=moved) for moved in self.line(visit.queue).move(visit, to)
        ]
        self._fill(visit.queue)

    def note(self, visit: Visit, text: str) -> None:
        """Set the operators' note about a visitor."""
        visit.note = text
        self._events.append(VisitUpdated(visit=visit))

    def describe(self, visit: Visit, text: str) -> None:
        """Set a visitor's own description of the issue."""
        visit.description = text
        self._events.append(VisitUpdated(visit=visit))

    def pause(self, visit: Visit) -> None:
        """Let others be called before a visitor who waits."""
        visit.pause = Pause.OWN
        self._step(visit, VisitEvent.PAUSED)

    def resume(self, visit: Visit) -> None:
        """Let a visitor who waits be called in turn again."""
        visit.pause = Pause.NONE
        self._step(visit, VisitEvent.RESUMED)
        self._fill(visit.queue)

    # --- operators

    def take_duty(self, who: OperatorId, queue: str) -> None:
        """Put an operator on duty for a queue. One who serves a visitor of another queue has to end
        that session first."""
        operator = self.operators.admit(who, queue)
        if operator.visit is not None and operator.visit.queue != queue:
            raise ValueError("serves a visitor of another queue")
        self._absences.operator_settled(who)
        is_other = not operator.is_on or operator.queue != queue
        if is_other:
            self._free_wanted(operator)
        operator.is_on, operator.is_here, operator.queue = True, True, queue
        if is_other:
            self._note_duty(operator)
        self._fill(queue)

    def end_duty(self, who: OperatorId) -> None:
        """Take an operator off duty. Their visitor stays until the session ends."""
        operator = self.operators.get(who)
        if operator is None or not operator.is_on:
            return
        operator.is_on = False
        self._note_duty(operator)
        self._free_wanted(operator)
        self.operators.forget_idle(operator)

    def operator_lost(self, who: OperatorId, *, now: float) -> None:
        """Note that an operator's link is lost. Their visitor waits for them for a while; visitors
        that were handed to them do not."""
        operator = self.operators.get(who)
        if operator is None or not operator.is_here:
            return
        operator.is_here = False
        self._absences.operator_lost(who, now=now)
        if operator.visit is not None and operator.visit.is_fresh:
            self._put_back(operator.visit, PositionCause.OPERATOR_LOST, now=now)
        self._free_wanted(operator, is_lost=True)

    def operator_returned(self, who: OperatorId) -> None:
        """Note that an operator has a link again."""
        operator = self.operators.get(who)
        if operator is not None:
            self._absences.operator_settled(who)
            operator.is_here = True
            self._fill(operator.queue)

    def operator_gone(self, who: OperatorId, *, now: float) -> None:
        """Note that an operator left, or was away for too long: their visitor goes back to the head
        of the line."""
        operator = self.operators.get(who)
        if operator is None:
            return
        self._absences.operator_settled(who)
        if operator.is_on:
            operator.is_on = False
            self._events.append(DutyChanged(operator=who, queue=operator.queue, is_on=False))
        if (
            operator.visit is not None
        ):  # first, so that nobody behind this visit is called before it
            self._put_back(operator.visit, PositionCause.OPERATOR_LOST, now=now)
        self._free_wanted(operator, is_lost=True)
        self.operators.forget_idle(operator)

    def hand_over(self, visit: Visit, to: OperatorId, *, now: float) -> None:
        """Hand a visitor to an operator on duty for the same queue: at once if that operator is
        free, else from the head of the line."""
        former, operator = visit.operator, self.operators[to]
        if former in (NOBODY, to) or not operator.is_on or operator.queue != visit.queue:
            raise ValueError(
                "only a visitor who is served can be handed over, to another operator on duty for the same queue"
            )
        if operator.is_free:
            self.operators.release(visit)
            operator.visit, visit.operator, visit.is_fresh = visit, to, True
            self._step(visit, VisitEvent.HANDED_OVER, operator=to, former=former)
        else:
            visit.wanted, visit.given_by = to, former
            self._put_back(visit, PositionCause.HANDED_OVER, now=now)
        self._fill(visit.queue)

    def hold(self, visit: Visit, *, now: float) -> None:
        """Put a visitor who is served and does not answer at the head of the line, and let others
        be called first."""
        visit.pause = Pause.HELD
        self._put_back(visit, PositionCause.HELD, now=now)
        self._fill(visit.queue)

    def transfer(self, visit: Visit, queue: str, *, now: float) -> None:
        """Let a visitor who is served wait in another queue, among those who joined before and
        after."""
        former, left = self.operators.release(visit), visit.queue
        self.line(left).remove(visit)
        visit.queue, visit.given_by = queue, former
        ranked = self.line(queue).admit(visit)
        self._note_put_back(visit, PositionCause.TRANSFERRED, former, ranked, now=now)
        self._fill(left)
        self._fill(queue)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Do what is due for those out of reach."""
        touched: dict[str, None] = {}
        for number in self._absences.no_longer_held_for(now=now):
            visit = self.visits.get(number)
            if visit is not None and visit.state is VisitState.MISSED:
                self._step(visit, VisitEvent.PASSED_OVER)
                touched[visit.queue] = None
        for number in self._absences.operators_held(now=now):
            self._call_another(number, now=now)
        for who in self._absences.duties_over(now=now):
            self.operator_gone(who, now=now)
        for number in self._absences.positions_over(now=now):
            if number in self.visits:
                self.end(self.visits[number], OverCause.LOST)
        for queue in touched:
            self._fill(queue)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        return self._absences.next_timer()

    # --- the machine

    def _step(
        self,
        visit: Visit,
        event: VisitEvent,
        *,
        operator: OperatorId = NOBODY,
        former: OperatorId = NOBODY,
        cause: OverCause | PositionCause | None = None,
    ) -> None:
        before = visit.state
        after = TRANSITIONS.get((before, event))
        if after is None:
            raise ValueError(f"{event.name} does not happen to a visit that is {before.name}")
        visit.state = after
        self._events.append(
            Change(
                visit=visit,
                event=event,
                before=before,
                operator=operator,
                former=former,
                cause=cause,
            )
        )

    def _fill(self, queue: str) -> None:
        """Give each free operator of a queue the first visitor whom they may call."""
        for operator in self.operators.free(queue):
            visit = self._first_for(operator)
            if visit is None:
                continue
            self.line(queue).call(visit)
            former = NOBODY if visit.given_by == operator.id else visit.given_by
            visit.given_by, visit.is_fresh, visit.has_answered = NOBODY, former != NOBODY, False
            visit.missed = None
            operator.visit, visit.operator, visit.wanted = visit, operator.id, NOBODY
            self._step(visit, VisitEvent.CALLED, operator=operator.id, former=former)

    def _first_for(self, operator: Operator) -> Visit | None:
        for visit in self.line(operator.queue):
            is_passed = visit.state is VisitState.AWAY or visit.pause is not Pause.NONE
            if is_passed or visit.wanted not in (NOBODY, operator.id):
                continue
            return visit if visit.state is VisitState.WAITING else None
        return None

    def _call_another(self, number: int, *, now: float) -> None:
        """Call the next visitor in place of one who is served and out of reach, and keep that one's
        place at the head. If there is nobody to call, or no operator to serve, look again after the
        same time."""
        visit = self.visits.get(number)
        if visit is None or visit.state is not VisitState.ABSENT:
            return
        operator = self.operators[visit.operator]
        if not (operator.is_on and operator.is_here and self._first_for(operator)):
            self._absences.hold_operator(number, now=now)
            return
        self._put_back(visit, PositionCause.LINK_LOST, now=now)
        self._step(visit, VisitEvent.PASSED_OVER)
        self._fill(visit.queue)

    def _put_back(self, visit: Visit, cause: PositionCause, *, now: float) -> None:
        former = self.operators.release(visit)
        ranked = self.line(visit.queue).put_back(visit)
        self._note_put_back(visit, cause, former, ranked, now=now)

    def _note_put_back(
        self,
        visit: Visit,
        cause: PositionCause,
        former: OperatorId,
        ranked: list[Visit],
        *,
        now: float,
    ) -> None:
        self._step(visit, VisitEvent.PUT_BACK, operator=former, cause=cause)
        self._events += [VisitUpdated(visit=other) for other in ranked if other is not visit]
        if visit.state is VisitState.MISSED:
            visit.missed = cause
            self._absences.hold_line(visit.number, now=now)

    def _take_back(self, visit: Visit, *, now: float) -> None:
        operator = self.operators.release(visit)
        ranked = self.line(visit.queue).restore(visit)
        visit.missed = PositionCause.MISSED_CALL
        self._absences.hold_line(visit.number, now=now)
        self._step(visit, VisitEvent.UNANSWERED, operator=operator)
        self._events += [VisitUpdated(visit=other) for other in ranked if other is not visit]
        self._fill(visit.queue)

    def _note_duty(self, operator: Operator) -> None:
        changed = DutyChanged(operator=operator.id, queue=operator.queue, is_on=operator.is_on)
        self._events.append(changed)
        if operator.visit is not None:
            self._events.append(VisitUpdated(visit=operator.visit))

    def _free_wanted(self, operator: Operator, *, is_lost: bool = False) -> None:
        """Let any operator call the visitors that were handed to this one."""
        for visit in self.line(operator.queue):
            if visit.wanted == operator.id:
                visit.wanted = NOBODY
                self._events.append(
                    HandoverReleased(visit=visit) if is_lost else VisitUpdated(visit=visit)
                )
        self._fill(operator.queue)


# --- visitors who are served, in reach, and say nothing: after a while they are marked.

_BEGINS: Final = frozenset({VisitEvent.CALLED, VisitEvent.HANDED_OVER, VisitEvent.RETURNED})
"""Events after which a visitor who is served has all the time to say something."""


class SilenceWatch:
    """Deadlines of the visitors who are served: when each counts as silent."""

    def __init__(self, span: float) -> None:
        """`span`: seconds without a line after which a visitor counts as silent."""
        self._deadlines: Leases[int] = Leases(span)

    def follow(self, events: Iterable[QueueEvent], *, now: float) -> None:
        """Begin and end deadlines after events of the queue."""
        for event in events:
            if not isinstance(event, Change):
                continue
            if event.visit.state is not VisitState.SERVED:
                event.visit.is_silent = False
                self._deadlines.end(event.visit.number)
            elif event.event in _BEGINS:
                self.heard(event.visit, now=now)

    def heard(self, visit: Visit, *, now: float) -> None:
        """Note that a visitor who is served has said something, or has only just been called."""
        visit.is_silent = False
        self._deadlines.renew(visit.number, now=now)

    def expired(self, *, now: float) -> list[int]:
        """Remove and return the visits whose visitor counts as silent from now on."""
        return self._deadlines.expired(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        return self._deadlines.next_deadline()
