"""This file is about the queue: who is in line, who serves whom, and what follows from each thing that happens.

First come, first served: whoever is in reach is called before all behind them. A visitor who is out of reach keeps the
place; for a moment nobody is called before them, after that the others are. A free operator on duty gets the first at
once. It is a pure machine (`states.TRANSITIONS`): events and `now` come in, happenings are drained; it must not know
links, messages, records or the time of day. What it is asked must fit: `ValueError` is our caller's mistake.
"""

from collections.abc import Iterable

from registry.desk.absences import Absences
from registry.desk.line import Line
from registry.desk.settings import DeskSettings
from registry.desk.staff import Staff
from registry.desk.states import TRANSITIONS, VisitEvent, VisitState, is_in_line
from registry.desk.visit import (
    NOBODY,
    Altered,
    Change,
    DutyChanged,
    Freed,
    Happening,
    Operator,
    OperatorId,
    Visit,
)
from wire.messages.desk.visiting import OverCause, PlaceCause


class DeskQueue:
    """All lines of the desk and its operators."""

    def __init__(self, settings: DeskSettings) -> None:
        self.visits: dict[int, Visit] = {}
        self.operators = Staff()
        self._lines = {queue: Line() for queue in settings.queues}
        self._absences = Absences(settings)
        self._happened: list[Happening] = []

    def load(self, visits: Iterable[Visit], *, now: float) -> None:
        """What an earlier life left: everybody is out of reach, and has time to come back."""
        waiting: dict[str, list[Visit]] = {queue: [] for queue in self._lines}
        served: dict[str, list[Visit]] = {queue: [] for queue in self._lines}
        for visit in visits:
            self.visits[visit.number] = visit
            if visit.operator in self.operators:  # of two, where a record was damaged
                visit.operator = NOBODY
            if visit.operator == NOBODY:
                visit.state = VisitState.MISSED
                waiting[visit.queue].append(visit)
                self._absences.hold_line_after_restart(visit.number, now=now)
            else:
                visit.state = VisitState.ABSENT
                served[visit.queue].append(visit)
                self.operators.restore(visit)
                self._absences.operator_lost(visit.operator, now=now)
            self._absences.visitor_lost(visit.number, now=now)
        for queue, those in waiting.items():
            self.line(queue).load(those, served[queue])
            for visit in those:
                if visit.wanted not in self.operators:  # they are on duty no more
                    visit.wanted = NOBODY

    def happened(self) -> list[Happening]:
        """Drained, in order."""
        happened, self._happened = self._happened, []
        return happened

    def line(self, queue: str) -> Line:
        """A queue's line."""
        return self._lines[queue]

    # --- visitors

    def join(self, visit: Visit) -> None:
        """Somebody new, behind everybody; not called before `kept`."""
        self.visits[visit.number] = visit
        self.line(visit.queue).append(visit)

    def kept(self, visit: Visit) -> None:
        """The record of a new visit is on the disk."""
        if visit.state is VisitState.JOINING:
            self._step(visit, VisitEvent.KEPT)
            self._fill(visit.queue)

    def lost(self, visit: Visit, *, now: float) -> None:
        """The link is lost. Whoever has shown no sign of life since they were called was away then: they are in line again,
        where they were, as if they had not been called."""
        self._absences.visitor_lost(visit.number, now=now)
        if visit.state is VisitState.SERVED and not visit.has_answered:
            self._take_back(visit, now=now)
            return
        if is_in_line(visit.state):
            self._absences.hold_line(visit.number, now=now)
        self._step(visit, VisitEvent.LOST, operator=visit.operator)

    def returned(self, visit: Visit) -> None:
        """The ticket was shown on a new link."""
        visit.has_answered = True
        self._absences.visitor_settled(visit.number)
        self._step(visit, VisitEvent.RETURNED, operator=visit.operator)
        self._fill(visit.queue)

    def end(self, visit: Visit, cause: OverCause) -> None:
        """The visit is over."""
        self._absences.visitor_settled(visit.number)
        self.line(visit.queue).remove(visit)
        del self.visits[visit.number]
        serving = self.operators.release(visit)
        self._step(visit, VisitEvent.ENDED, operator=serving, cause=cause)
        self._fill(visit.queue)

    def move(self, visit: Visit, to: int) -> None:
        """To another position in its line."""
        self._happened += [Altered(visit=one) for one in self.line(visit.queue).move(visit, to)]
        self._fill(visit.queue)

    def note(self, visit: Visit, text: str) -> None:
        """What operators are to know about the visitor."""
        visit.note = text
        self._happened.append(Altered(visit=visit))

    # --- operators

    def take_duty(self, who: OperatorId, queue: str) -> None:
        """On duty for this queue, and in reach. Whoever serves somebody of another queue has to end that first."""
        operator = self.operators.admit(who, queue)
        if operator.visit is not None and operator.visit.queue != queue:
            raise ValueError("serves a visitor of another queue")
        self._absences.operator_settled(who)
        is_other = not operator.is_on or operator.queue != queue
        if is_other:
            self._free_wanted(operator)
        operator.is_on, operator.is_here, operator.queue = True, True, queue
        if is_other:
            self._happened.append(DutyChanged(operator=who, queue=queue, is_on=True))
        self._fill(queue)

    def end_duty(self, who: OperatorId) -> None:
        """Nobody new. The present visitor stays until the session ends."""
        operator = self.operators.get(who)
        if operator is None or not operator.is_on:
            return
        operator.is_on = False
        self._happened.append(DutyChanged(operator=who, queue=operator.queue, is_on=False))
        self._free_wanted(operator)
        self.operators.forget_idle(operator)

    def operator_lost(self, who: OperatorId, *, now: float) -> None:
        """Their link is lost: for a while what they had is theirs, but nobody waits for them who was handed to them."""
        operator = self.operators.get(who)
        if operator is None or not operator.is_here:
            return
        operator.is_here = False
        self._absences.operator_lost(who, now=now)
        if operator.visit is not None and operator.visit.is_fresh:
            self._put_back(operator.visit, PlaceCause.OPERATOR_LOST, now=now)
        self._free_wanted(operator, is_lost=True)

    def operator_returned(self, who: OperatorId) -> None:
        """They have a link again."""
        operator = self.operators.get(who)
        if operator is not None:
            self._absences.operator_settled(who)
            operator.is_here = True
            self._fill(operator.queue)

    def operator_gone(self, who: OperatorId, *, now: float) -> None:
        """They left, or were away for too long: their visitor is at the head of the line again."""
        operator = self.operators.get(who)
        if operator is None:
            return
        self._absences.operator_settled(who)
        if operator.is_on:
            operator.is_on = False
            self._happened.append(DutyChanged(operator=who, queue=operator.queue, is_on=False))
        if operator.visit is not None:  # first, so that nobody behind them is called before them
            self._put_back(operator.visit, PlaceCause.OPERATOR_LOST, now=now)
        self._free_wanted(operator, is_lost=True)
        self.operators.forget_idle(operator)

    def hand_over(self, visit: Visit, to: OperatorId, *, now: float) -> None:
        """To an operator on duty for this queue: at once when they are free, else at the head of the line, for them only."""
        former, operator = visit.operator, self.operators[to]
        if former in (NOBODY, to) or not operator.is_on or operator.queue != visit.queue:
            raise ValueError(
                "only whoever is served is handed over, to another one on duty for the same queue"
            )
        if operator.is_free:
            self.operators.release(visit)
            operator.visit, visit.operator, visit.is_fresh = visit, to, True
            self._step(visit, VisitEvent.HANDED_OVER, operator=to, former=former)
        else:
            visit.wanted, visit.given_by = to, former
            self._put_back(visit, PlaceCause.HANDED_OVER, now=now)
        self._fill(visit.queue)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """What was out of reach for too long."""
        touched: dict[str, None] = {}
        for number in self._absences.no_longer_held_for(now=now):
            visit = self.visits.get(number)
            if visit is not None and visit.state is VisitState.MISSED:
                self._step(visit, VisitEvent.PASSED_OVER)
                touched[visit.queue] = None
        for who in self._absences.duties_over(now=now):
            self.operator_gone(who, now=now)
        for number in self._absences.places_over(now=now):
            if number in self.visits:
                self.end(self.visits[number], OverCause.LOST)
        for queue in touched:
            self._fill(queue)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        return self._absences.next_timer()

    # --- the machine

    def _step(
        self,
        visit: Visit,
        event: VisitEvent,
        *,
        operator: OperatorId = NOBODY,
        former: OperatorId = NOBODY,
        cause: OverCause | PlaceCause | None = None,
    ) -> None:
        before = visit.state
        after = TRANSITIONS.get((before, event))
        if after is None:
            raise ValueError(f"{event} does not happen to a visit that is {before}")
        visit.state = after
        self._happened.append(
            Change(visit=visit, event=event, before=before, operator=operator, former=former, cause=cause)
        )

    def _fill(self, queue: str) -> None:
        """Every free operator of this queue gets the first whom they may call."""
        for operator in self.operators.free(queue):
            visit = self._first_for(operator)
            if visit is None:
                continue
            self.line(queue).call(visit)
            former = NOBODY if visit.given_by == operator.id else visit.given_by
            visit.given_by, visit.is_fresh, visit.has_answered = NOBODY, former != NOBODY, False
            operator.visit, visit.operator, visit.wanted = visit, operator.id, NOBODY
            self._step(visit, VisitEvent.CALLED, operator=operator.id, former=former)

    def _first_for(self, operator: Operator) -> Visit | None:
        for visit in self.line(operator.queue):
            if visit.wanted not in (NOBODY, operator.id) or visit.state is VisitState.AWAY:
                continue
            return visit if visit.state is VisitState.WAITING else None
        return None

    def _put_back(self, visit: Visit, cause: PlaceCause, *, now: float) -> None:
        former = self.operators.release(visit)
        ranked = self.line(visit.queue).put_back(visit)
        self._step(visit, VisitEvent.PUT_BACK, operator=former, cause=cause)
        self._happened += [Altered(visit=one) for one in ranked if one is not visit]
        if visit.state is VisitState.MISSED:
            self._absences.hold_line(visit.number, now=now)

    def _take_back(self, visit: Visit, *, now: float) -> None:
        operator = self.operators.release(visit)
        ranked = self.line(visit.queue).restore(visit)
        visit.has_missed_call = True
        self._absences.hold_line(visit.number, now=now)
        self._step(visit, VisitEvent.UNANSWERED, operator=operator)
        self._happened += [Altered(visit=one) for one in ranked if one is not visit]
        self._fill(visit.queue)

    def _free_wanted(self, operator: Operator, *, is_lost: bool = False) -> None:
        """Whoever was handed to them is anybody's."""
        for visit in self.line(operator.queue):
            if visit.wanted == operator.id:
                visit.wanted = NOBODY
                self._happened.append(Freed(visit=visit) if is_lost else Altered(visit=visit))
        self._fill(operator.queue)
