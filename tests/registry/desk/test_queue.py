"""The queue against a plain list: any order of joins, losses, returns, calls, moves and restarts keeps I6.

First come, first served; nobody who is in reach is overtaken, served twice or lost, whatever happens and whenever the
registry starts anew from its records.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from registry.desk.line import GAP, Line
from registry.desk.parts import kept_record
from registry.desk.queue import DeskQueue
from registry.desk.restoring import _visit_of
from registry.desk.settings import DeskSettings
from registry.desk.states import TRANSITIONS, VisitEvent, VisitState, is_in_line
from registry.desk.visit import CONSOLE, NOBODY, Altered, Change, Form, OperatorId, Visit
from wire.messages.desk.visiting import OverCause, PlaceCause

FORM = Form(name="Asha", number="+91", issue="Other")
SETTINGS = DeskSettings(queues=("a", "b"), keep_place=60.0, operator_grace=15.0)
OPERATORS = (CONSOLE, b"x" * 32, b"y" * 32)
QUEUES = st.sampled_from(["a", "a", "a", "b"])
WHO = st.sampled_from(OPERATORS)


def visit(number: int, queue: str = "a") -> Visit:
    return Visit(
        number, queue=queue, ticket=bytes([number % 256]) * 16, form=FORM, host="h", joined_at=number
    )


class QueueMachine(RuleBasedStateMachine):
    """Both sides hear the same; after each step they stand alike."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.queue = DeskQueue(SETTINGS)
        self.records: dict[int, Visit] = {}
        self.count = 0
        self.over: dict[int, OverCause] = {}
        self.calls: list[tuple[int, OperatorId]] = []
        self.served_by: dict[int, OperatorId] = {}
        self.model: dict[str, list[int]] = {queue: [] for queue in SETTINGS.queues}
        self.stands: dict[int, str] = {}
        self.wanted: dict[int, OperatorId] = {}

    # --- what happened, as the disk would know it

    def settle(self) -> None:
        """Take in what happened: as records for the disk, and as facts to check."""
        for one in self.queue.happened():
            if isinstance(one, Change):
                self._follow(one)
                self._check(one)
            if isinstance(one, Altered) and one.visit.wanted == NOBODY:
                self.wanted.pop(one.visit.number, None)
            if isinstance(one, Altered | Change) and one.visit.state is VisitState.OVER:
                self.records.pop(one.visit.number, None)
            elif isinstance(one, Altered | Change) and one.visit.number in self.queue.visits:
                self.keep(one.visit)

    def keep(self, one: Visit) -> None:
        self.records[one.number] = _visit_of(kept_record(one), one.queue)

    def _follow(self, one: Change) -> None:
        """The model, a list of numbers a queue, hears what happened; whoever is called must be the model's first too."""
        number, line = one.visit.number, self.model[one.visit.queue]
        match one.event:
            case VisitEvent.CALLED:
                ahead = line[: line.index(number)]
                passed = [other for other in ahead if self.wanted.get(other, one.operator) == one.operator]
                assert all(self.stands[other] == "away" for other in passed), "somebody was skipped"
                assert self.stands[number] == "here"
                assert self.wanted.pop(number, one.operator) == one.operator
                line.remove(number)
            case VisitEvent.PUT_BACK:
                line.insert(0, number)
                self.stands[number] = "here" if one.before is VisitState.SERVED else "missed"
            case VisitEvent.ENDED:
                if number in line:
                    line.remove(number)
            case VisitEvent.LOST:
                self.stands[number] = "missed"
            case VisitEvent.PASSED_OVER:
                self.stands[number] = "away"
            case VisitEvent.KEPT:
                self.stands[number] = "here"
            case VisitEvent.RETURNED if one.before is not VisitState.JOINING:
                self.stands[number] = "here"
            case _:
                pass

    def _check(self, one: Change) -> None:
        number = one.visit.number
        assert number not in self.over, "something happens to a visit that is over"
        assert (one.before, one.event) in TRANSITIONS
        match one.event:
            case VisitEvent.CALLED:
                assert number not in self.served_by, "served twice"
                assert one.operator not in self.served_by.values(), "one operator, two visitors"
                self.served_by[number] = one.operator
            case VisitEvent.HANDED_OVER:
                assert self.served_by.pop(number) == one.former
                assert one.operator not in self.served_by.values()
                self.served_by[number] = one.operator
            case VisitEvent.PUT_BACK:
                assert self.served_by.pop(number) == one.operator
            case VisitEvent.ENDED:
                assert isinstance(one.cause, OverCause)
                self.over[number] = one.cause
                assert self.served_by.pop(number, NOBODY) == one.operator
            case _:
                pass

    def order_before(self) -> dict[str, list[int]]:
        return {queue: [one.number for one in self.queue.line(queue)] for queue in SETTINGS.queues}

    def some(self, data: st.DataObject, *states: VisitState) -> Visit | None:
        found = [one for one in self.queue.visits.values() if one.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    # --- visitors

    @rule(queue=QUEUES, at_once=st.booleans())
    def joins(self, queue: str, at_once: bool) -> None:
        self.count += 1
        one = visit(self.count, queue)
        self.queue.join(one)
        self.model[queue].append(one.number)
        self.stands[one.number] = "joining"
        if at_once:
            self.keep(one)
            self.queue.kept(one)

    @rule(data=st.data(), fate=st.booleans())
    def disk_answers(self, data: st.DataObject, fate: bool) -> None:
        one = self.some(data, VisitState.JOINING)
        if one is None:
            return
        if fate:
            self.keep(one)
            self.queue.kept(one)
        else:
            self.queue.end(one, OverCause.NOT_KEPT)

    @rule(data=st.data())
    def loses_the_link(self, data: st.DataObject) -> None:
        one = self.some(data, VisitState.WAITING, VisitState.SERVED, VisitState.JOINING)
        if one is not None:
            if one.state is VisitState.JOINING:
                self.keep(one)  # its record is before all later ones
            self.queue.lost(one, now=self.now)

    @rule(data=st.data())
    def comes_back(self, data: st.DataObject) -> None:
        states = [state for state in VisitState if state is not VisitState.OVER]
        one = self.some(data, *states)
        if one is not None:
            place = self.order_before()
            was = one.state
            self.queue.returned(one)
            if is_in_line(was) and is_in_line(one.state):
                assert place[one.queue].index(one.number) >= self.order_before()[one.queue].index(one.number)

    @rule(data=st.data(), cause=st.sampled_from([OverCause.LEFT, OverCause.DROPPED, OverCause.ENDED]))
    def goes(self, data: st.DataObject, cause: OverCause) -> None:
        one = self.some(data, *(state for state in VisitState if state is not VisitState.OVER))
        if one is not None:
            self.queue.end(one, cause)

    # --- operators

    @rule(who=WHO, queue=QUEUES)
    def takes_duty(self, who: OperatorId, queue: str) -> None:
        operator = self.queue.operators.get(who)
        if operator is not None and operator.visit is not None and operator.visit.queue != queue:
            with pytest.raises(ValueError, match="another queue"):
                self.queue.take_duty(who, queue)
        else:
            self.queue.take_duty(who, queue)

    @rule(who=WHO)
    def ends_duty(self, who: OperatorId) -> None:
        self.queue.end_duty(who)

    @rule(who=WHO)
    def operator_is_lost(self, who: OperatorId) -> None:
        self.queue.operator_lost(who, now=self.now)

    @rule(who=WHO)
    def operator_returns(self, who: OperatorId) -> None:
        self.queue.operator_returned(who)

    @rule(who=WHO)
    def operator_leaves(self, who: OperatorId) -> None:
        operator = self.queue.operators.get(who)
        client = operator.visit if operator is not None else None
        self.queue.operator_gone(who, now=self.now)
        if client is not None and is_in_line(client.state):
            head = next(iter(self.queue.line(client.queue)))
            assert head is client, "whoever loses the operator is at the head of the line"

    @rule(data=st.data(), to=WHO)
    def hands_over(self, data: st.DataObject, to: OperatorId) -> None:
        busy = [one for one in self.queue.operators.values() if one.visit is not None]
        other = self.queue.operators.get(to)
        if not busy or other is None:
            return
        who, client = (chosen := data.draw(st.sampled_from(busy))).id, chosen.visit
        assert client is not None
        is_fit = other.is_on and other.queue == client.queue and who != to
        if not is_fit:
            with pytest.raises(ValueError, match="handed over"):
                self.queue.hand_over(client, to, now=self.now)
            return
        if not other.is_free:
            self.wanted[client.number] = to
        self.queue.hand_over(client, to, now=self.now)
        assert client.operator == to or client.wanted == to

    @rule(data=st.data(), queue=QUEUES)
    def is_moved(self, data: st.DataObject, queue: str) -> None:
        line = self.order_before()[queue]
        if not line or any(operator.is_free for operator in self.queue.operators.values()):
            return
        place, to = data.draw(st.integers(1, len(line))), data.draw(st.integers(1, len(line) + 2))
        moved = self.queue.line(queue).at(place)
        assert moved is not None
        self.queue.move(moved, to)
        self.model[queue].remove(moved.number)
        self.model[queue].insert(to - 1, moved.number)

    # --- time

    @rule(span=st.sampled_from([0.1, 0.5, 1.0, 5.0, 14.0, 30.0, 61.0]))
    def time_passes(self, span: float) -> None:
        until = self.now + span
        while (due := self.queue.next_timer()) is not None and due <= until:
            assert due > self.now or due <= until
            self.now = max(self.now, due)
            self.queue.handle_timer(now=self.now)
            self.settle()
        self.now = until

    @rule()
    def starts_anew(self) -> None:
        """From what the disk knows: a visit whose record was on its way is gone, and was never told of."""
        self.settle()
        promised = {
            number for number, one in self.queue.visits.items() if one.state is not VisitState.JOINING
        }
        before = {
            queue: [number for number in line if number in promised]
            for queue, line in self.order_before().items()
        }
        served = {one.number: one.operator for one in self.queue.visits.values() if one.operator != NOBODY}
        assert promised <= set(self.records)
        kept = {number: record for number, record in self.records.items() if number in promised}
        self.queue = DeskQueue(SETTINGS)
        self.records = {}
        fresh = [_visit_of(kept_record(record), record.queue) for record in kept.values()]
        self.queue.load(fresh, now=self.now)
        for one in self.queue.visits.values():
            self.keep(one)
        assert self.order_before() == before, "the order is kept"
        self.model = before
        self.stands = dict.fromkeys(self.stands, "missed")
        # Only whoever serves somebody is known to be on duty: who waited for another one waits for nobody in particular.
        self.wanted = {number: who for number, who in self.wanted.items() if who in served.values()}
        assert {
            one.number: one.operator for one in self.queue.visits.values() if one.operator != NOBODY
        } == served

    # --- what always holds

    @invariant()
    def the_lines_are_those_of_the_model(self) -> None:
        self.settle()
        assert self.order_before() == self.model

    @invariant()
    def nobody_is_lost_or_in_two_places(self) -> None:
        self.settle()
        in_line = [one.number for queue in SETTINGS.queues for one in self.queue.line(queue)]
        with_operators = [one.visit.number for one in self.queue.operators.values() if one.visit is not None]
        assert sorted(in_line + with_operators) == sorted(self.queue.visits)
        for number, one in self.queue.visits.items():
            assert number not in self.over
            assert is_in_line(one.state) == (one.operator == NOBODY)
        for who, operator in self.queue.operators.items():
            assert operator.visit is None or operator.visit.operator == who

    @invariant()
    def whoever_is_in_reach_is_called_as_soon_as_somebody_is_free(self) -> None:
        for operator in self.queue.operators.values():
            if not operator.is_free:
                continue
            for one in self.queue.line(operator.queue):
                if one.wanted not in (NOBODY, operator.id) or one.state is VisitState.AWAY:
                    continue
                assert one.state in (VisitState.JOINING, VisitState.MISSED), "somebody waits for nothing"
                break

    @invariant()
    def whoever_waits_for_one_operator_waits_for_one_on_duty(self) -> None:
        for one in self.queue.visits.values():
            if one.wanted != NOBODY:
                assert is_in_line(one.state)
                assert self.queue.operators[one.wanted].is_on

    @invariant()
    def the_order_is_the_ranks(self) -> None:
        for queue in SETTINGS.queues:
            ranks = [one.rank for one in self.queue.line(queue)]
            assert ranks == sorted(set(ranks))

    @invariant()
    def nobody_out_of_reach_is_kept_for_ever(self) -> None:
        due = self.queue.next_timer()
        if any(not one.is_here for one in self.queue.visits.values()):
            assert due is not None
            assert due <= self.now + SETTINGS.keep_place


QueueMachine.TestCase.settings = settings(
    max_examples=max(100, settings().max_examples), stateful_step_count=80, deadline=None
)
TestQueue = QueueMachine.TestCase


# --- examples


def desk(*numbers: int, patience: float = 1.0) -> tuple[DeskQueue, dict[int, Visit]]:
    queue = DeskQueue(DeskSettings(pass_over_after=patience))
    visits = {number: visit(number, "desk") for number in numbers}
    for one in visits.values():
        queue.join(one)
        queue.kept(one)
    queue.happened()
    return queue, visits


def called(queue: DeskQueue) -> list[int]:
    return [
        one.visit.number
        for one in queue.happened()
        if isinstance(one, Change) and one.event is VisitEvent.CALLED
    ]


def test_all_states_and_events_are_in_the_table_or_a_mistake() -> None:
    for state in VisitState:
        for event in VisitEvent:
            if (state, event) not in TRANSITIONS:
                queue, (one, *_) = DeskQueue(DeskSettings()), [visit(1, "desk")]
                one.state = state
                with pytest.raises(ValueError, match="does not happen"):
                    queue._step(one, event)
    assert not any(state is VisitState.OVER for state, _ in TRANSITIONS)
    assert set(TRANSITIONS.values()) == set(VisitState)


def test_first_come_first_served() -> None:
    queue, visits = desk(1, 2, 3)
    queue.take_duty(CONSOLE, "desk")
    assert called(queue) == [1]
    for number in (1, 2):
        queue.end(visits[number], OverCause.ENDED)
    assert called(queue) == [2, 3]


def test_a_blink_holds_the_line_and_a_longer_absence_does_not() -> None:
    queue, visits = desk(1, 2)
    queue.lost(visits[1], now=10.0)
    queue.take_duty(CONSOLE, "desk")
    assert called(queue) == []
    queue.handle_timer(now=11.0)
    assert called(queue) == [2]
    queue.returned(visits[1])
    assert queue.line("desk").position(visits[1]) == 1


def test_a_blink_that_ends_is_served_first() -> None:
    queue, visits = desk(1, 2)
    queue.lost(visits[1], now=10.0)
    queue.take_duty(CONSOLE, "desk")
    queue.returned(visits[1])
    assert called(queue) == [1]


def test_who_joins_is_not_called_before_the_disk_has_them() -> None:
    queue = DeskQueue(DeskSettings())
    queue.take_duty(CONSOLE, "desk")
    one = visit(1, "desk")
    queue.join(one)
    assert called(queue) == []
    queue.kept(one)
    assert called(queue) == [1]


def test_a_hundred_operators_that_ask_at_once_get_a_hundred_visitors() -> None:
    queue, visits = desk(*range(1, 151))
    for number in range(100):
        queue.take_duty(bytes([number + 1]) * 32, "desk")
    assert called(queue) == list(range(1, 101))
    assert len({one.operator for one in visits.values() if one.operator != NOBODY}) == 100


def test_an_operator_who_vanishes_puts_the_visitor_back_at_the_head() -> None:
    queue, visits = desk(1, 2)
    queue.take_duty(CONSOLE, "desk")
    queue.operator_lost(CONSOLE, now=10.0)
    queue.happened()
    queue.handle_timer(now=24.9)
    assert visits[1].state is VisitState.SERVED
    queue.handle_timer(now=25.0)
    (back,) = [one for one in queue.happened() if isinstance(one, Change)]
    assert (back.visit.number, back.event, back.cause) == (1, VisitEvent.PUT_BACK, PlaceCause.OPERATOR_LOST)
    assert [one.number for one in queue.line("desk")] == [1, 2]


def test_who_is_handed_to_a_busy_operator_waits_for_that_one_alone() -> None:
    queue, visits = desk(1, 2, 3)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    assert called(queue) == [1, 2, 3]
    queue.end(visits[3], OverCause.ENDED)
    assert called(queue) == []
    queue.end(visits[2], OverCause.ENDED)
    assert called(queue) == [1]
    assert visits[1].operator == y


def test_who_waits_for_an_operator_who_goes_is_anybodys() -> None:
    queue, visits = desk(1, 2, 3)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    queue.end(visits[3], OverCause.ENDED)
    queue.end_duty(y)
    assert visits[1].operator == x


def test_after_a_restart_nobody_waits_for_an_operator_who_was_only_on_duty() -> None:
    _, visits = desk(1)
    visits[1].wanted = OPERATORS[1]
    again = DeskQueue(DeskSettings())
    again.load([_visit_of(kept_record(visits[1]), "desk")], now=0.0)
    again.returned(again.visits[1])
    again.take_duty(CONSOLE, "desk")
    assert called(again) == [1]


def test_moves_into_one_place_rank_everybody_anew_when_the_gap_is_used_up() -> None:
    line = Line()
    visits = [visit(number) for number in range(1, 5)]
    for one in visits:
        line.append(one)
    changed = [len(line.move(visits[-1] if turn % 2 else visits[-2], 2)) for turn in range(80)]
    assert max(changed) == len(visits)
    assert min(changed) == 1
    assert [one.rank for one in line] == sorted({one.rank for one in line})
    assert GAP > 2
