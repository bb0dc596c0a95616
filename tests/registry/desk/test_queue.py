"""This file is about the queue by examples: who is called, who is passed over, who goes back to the head of the line."""

import pytest

from registry.desk.line import GAP, Line
from registry.desk.queue import DeskQueue
from registry.desk.records import kept_record, visit_of
from registry.desk.settings import DeskSettings
from registry.desk.states import TRANSITIONS, VisitEvent, VisitState
from registry.desk.visit import CONSOLE, NOBODY, Change, DutyChanged, Visit
from tests.registry.desk.people import OPERATORS, visit
from wire.messages.desk.visiting import OverCause, PlaceCause


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


def test_two_operators_who_vanish_do_not_reverse_the_order_of_their_visitors() -> None:
    queue, visits = desk(1, 2, 3)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.operator_gone(x, now=10.0)
    queue.operator_gone(y, now=11.0)
    assert [one.number for one in queue.line("desk")] == [1, 2, 3]
    queue.take_duty(y, "desk")
    queue.happened()
    queue.end(visits[1], OverCause.ENDED)
    queue.operator_gone(y, now=12.0)
    assert [one.number for one in queue.line("desk")] == [2, 3]


def test_whom_an_operator_has_moved_stays_there_beside_those_who_are_put_back() -> None:
    queue, visits = desk(1, 2, 3, 4)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.operator_gone(y, now=10.0)
    queue.end_duty(x)
    queue.move(visits[4], 1)
    queue.operator_gone(x, now=11.0)
    assert [one.number for one in queue.line("desk")] == [4, 1, 2, 3]
    queue.move(visits[1], 4)  # not among those who were put back any more
    queue.take_duty(x, "desk")
    assert visits[4].operator == x
    queue.operator_gone(x, now=12.0)
    assert [one.number for one in queue.line("desk")] == [2, 4, 3, 1]


def test_the_order_of_those_who_were_put_back_outlives_a_restart() -> None:
    queue, visits = desk(1, 2)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.operator_gone(x, now=10.0)
    again = DeskQueue(DeskSettings())
    again.load([visit_of(kept_record(one), "desk") for one in visits.values()], now=20.0)
    again.operator_gone(y, now=30.0)
    assert [one.number for one in again.line("desk")] == [1, 2]


def test_who_was_away_when_called_is_in_line_again_where_they_were_and_the_next_is_called() -> None:
    queue, visits = desk(1, 2, 3)
    queue.lost(visits[1], now=8.0)
    queue.handle_timer(now=9.0)  # passed over
    queue.take_duty(CONSOLE, "desk")
    assert called(queue) == [2]
    queue.lost(visits[2], now=10.0)
    assert [one.number for one in queue.line("desk")] == [1, 2, 3]
    assert called(queue) == []  # for a moment, as for any other
    queue.handle_timer(now=11.0)
    assert called(queue) == [3]
    queue.returned(visits[2])
    assert queue.line("desk").position(visits[2]) == 2
    queue.handle_timer(now=70.0)
    assert [one.number for one in queue.line("desk")] == [2], "the place of each was kept for its minute"


def test_who_has_answered_a_call_has_the_session_kept() -> None:
    queue, visits = desk(1, 2)
    queue.take_duty(CONSOLE, "desk")
    visits[1].has_answered = True
    queue.lost(visits[1], now=10.0)
    assert visits[1].state is VisitState.ABSENT
    queue.handle_timer(now=69.0)
    assert called(queue) == [1]


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


def test_who_waits_for_an_operator_who_takes_duty_of_another_queue_is_anybodys() -> None:
    queue = DeskQueue(DeskSettings(queues=("desk", "other")))
    visits = {number: visit(number, "desk") for number in (1, 2)}
    x, y = OPERATORS[1:]
    for one in visits.values():
        queue.join(one)
        queue.kept(one)
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    queue.lost(visits[1], now=10.0)
    queue.handle_timer(now=11.0)
    queue.end(visits[2], OverCause.ENDED)
    assert (visits[1].wanted, visits[1].state) == (y, VisitState.AWAY)
    queue.happened()
    queue.take_duty(y, "other")
    assert DutyChanged(operator=y, queue="other", is_on=True) in queue.happened()
    queue.returned(visits[1])
    assert visits[1].operator == x
    queue.take_duty(y, "other")
    assert not any(isinstance(one, DutyChanged) for one in queue.happened())


def test_an_operator_s_visitor_and_whoever_waited_for_that_operator_are_called_as_they_came() -> None:
    queue, visits = desk(1, 2)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    queue.operator_gone(y, now=11.0)
    assert visits[1].operator == x
    assert [one.number for one in queue.line("desk")] == [2]


def test_an_operator_who_serves_two_by_damaged_records_serves_one() -> None:
    _, visits = desk(1, 2)
    for one in visits.values():
        one.operator = CONSOLE
    again = DeskQueue(DeskSettings())
    again.load([visit_of(kept_record(one), "desk") for one in visits.values()], now=0.0)
    for one in again.visits.values():
        again.returned(one)
    again.operator_returned(CONSOLE)
    assert [one.operator for one in again.visits.values()] == [CONSOLE, NOBODY]
    again.end(again.visits[1], OverCause.ENDED)
    assert called(again) == [2]


def test_after_a_restart_nobody_waits_for_an_operator_who_was_only_on_duty() -> None:
    _, visits = desk(1)
    visits[1].wanted = OPERATORS[1]
    again = DeskQueue(DeskSettings())
    again.load([visit_of(kept_record(visits[1]), "desk")], now=0.0)
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
