"""The queue by examples: who is called, who is skipped, who returns to the head of the line."""

import itertools

import pytest

from chatapp.registry.rules.desk.queue.line import GAP, WaitingLine
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import (
    CONSOLE,
    NOBODY,
    TRANSITIONS,
    Change,
    DutyChanged,
    HandoverReleased,
    Visit,
    VisitEvent,
    VisitState,
    VisitUpdated,
    record_of,
    visit_of,
)
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.messages.desk import OverCause, PositionCause
from tests.registry.rules.desk.people import OPERATORS, visit


def desk(*numbers: int, patience: float = 1.0) -> tuple[DeskQueue, dict[int, Visit]]:
    queue = DeskQueue(DeskSettings(pass_over_after=patience))
    visits = {number: visit(number, "desk") for number in numbers}
    for one in visits.values():
        queue.join(one)
        queue.kept(one, now=0.0)
    queue.take_events()
    return queue, visits


def called(queue: DeskQueue) -> list[int]:
    return [
        one.visit.number
        for one in queue.take_events()
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
    queue.kept(one, now=0.0)
    assert called(queue) == [1]


def test_a_blink_while_the_disk_is_slow_holds_the_line_from_when_the_disk_has_them() -> None:
    queue = DeskQueue(DeskSettings(pass_over_after=1.0))
    first, second = visit(1, "desk"), visit(2, "desk")
    for one in (first, second):
        queue.join(one)
    queue.lost(first, now=10.0)
    queue.take_duty(CONSOLE, "desk")
    queue.handle_timer(now=12.0)
    queue.kept(first, now=13.0)
    queue.kept(second, now=13.0)
    assert called(queue) == []
    queue.handle_timer(now=14.0)
    assert called(queue) == [2]


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
    queue.take_events()
    queue.handle_timer(now=24.9)
    assert visits[1].state is VisitState.SERVED
    queue.handle_timer(now=25.0)
    (back,) = [one for one in queue.take_events() if isinstance(one, Change)]
    assert (back.visit.number, back.event, back.cause) == (
        1,
        VisitEvent.PUT_BACK,
        PositionCause.OPERATOR_LOST,
    )
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
    queue.take_events()
    queue.end(visits[1], OverCause.ENDED)
    queue.operator_gone(y, now=12.0)
    assert [one.number for one in queue.line("desk")] == [2, 3]


def test_a_moved_visitor_stays_there_when_others_are_put_back() -> None:
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
    again.load([visit_of(record_of(one), "desk") for one in visits.values()], now=20.0)
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
    assert [one.number for one in queue.line("desk")] == [2], (
        "the place of each was kept for its minute"
    )


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
@pytest.mark.parametrize("others", [0, 1])
def test_several_who_were_away_when_called_stand_as_they_came(
    order: tuple[int, ...], others: int
) -> None:
    queue, visits = desk(*range(1, 4 + others))
    for who in OPERATORS:
        queue.take_duty(who, "desk")
    assert called(queue) == [1, 2, 3]
    for number in order:
        queue.lost(visits[number], now=10.0)
    assert [one.number for one in queue.line("desk")] == list(visits)


def test_who_was_away_when_called_is_before_those_who_joined_since() -> None:
    queue, visits = desk(1, 2, 3)
    for who in OPERATORS:
        queue.take_duty(who, "desk")
    for number in (4, 5):
        visits[number] = visit(number, "desk")
        queue.join(visits[number])
        queue.kept(visits[number], now=0.0)
    queue.lost(visits[3], now=10.0)
    assert [one.number for one in queue.line("desk")] == [3, 4, 5]


@pytest.mark.parametrize("restarts", [True, False])
def test_a_position_survives_the_renumbering_of_the_line(*, restarts: bool) -> None:
    """Repeated moves into one position use up the ranks there; the visitor served next still has a
    unique rank."""
    queue, visits = desk(1, 2, 3, 4, 5)
    for who in OPERATORS[1:]:
        queue.take_duty(who, "desk")
    visits[1].has_answered = True
    for turn in range(80):
        queue.move(visits[4 + turn % 2], 2)
    if restarts:
        records = [visit_of(record_of(one), "desk") for one in visits.values()]
        queue = DeskQueue(DeskSettings())
        queue.load(records, now=0.0)
        visits = queue.visits
        for number in (2, 1):
            queue.returned(visits[number])
        queue.operator_returned(OPERATORS[2])
        visits[2].has_answered = False
    queue.lost(visits[2], now=10.0)
    assert [one.number for one in queue.line("desk")] == [2, 3, 5, 4]


def served_and_lost(*numbers: int) -> tuple[DeskQueue, dict[int, Visit]]:
    """A desk whose visitor 1 has talked to the console's operator, and is out of reach from 10.0
    on."""
    queue, visits = desk(*numbers)
    queue.take_duty(CONSOLE, "desk")
    visits[1].has_answered = True
    queue.lost(visits[1], now=10.0)
    assert visits[1].state is VisitState.ABSENT
    assert called(queue) == [1]
    return queue, visits


def test_a_visitor_lost_while_served_keeps_the_head_of_the_line_and_the_next_is_called() -> None:
    queue, visits = served_and_lost(1, 2, 3)
    queue.handle_timer(now=19.9)
    assert called(queue) == []
    queue.handle_timer(now=20.0)
    assert called(queue) == [2]
    assert [one.number for one in queue.line("desk")] == [1, 3]
    queue.end(visits[2], OverCause.ENDED)
    assert called(queue) == [3]
    queue.returned(visits[1])
    assert visits[1].missed is PositionCause.LINK_LOST
    queue.end(visits[3], OverCause.ENDED)
    assert called(queue) == [1]


def test_that_visitor_s_place_is_kept_for_as_long_as_any() -> None:
    queue, _ = served_and_lost(1, 2)
    queue.handle_timer(now=20.0)
    queue.handle_timer(now=69.9)
    assert [one.number for one in queue.line("desk")] == [1]
    queue.handle_timer(now=70.0)
    assert not queue.line("desk")


def test_where_nobody_else_can_be_called_a_lost_visitor_has_the_session_kept() -> None:
    queue, visits = served_and_lost(1)
    queue.handle_timer(now=25.0)
    assert visits[1].state is VisitState.ABSENT
    visits[2] = visit(2, "desk")
    queue.join(visits[2])
    queue.kept(visits[2], now=26.0)
    queue.handle_timer(now=30.0)
    assert called(queue) == []
    queue.handle_timer(now=35.0)
    assert called(queue) == [2]


def test_an_operator_who_is_away_or_off_duty_is_given_nobody_in_place_of_a_lost_visitor() -> None:
    queue, visits = served_and_lost(1, 2)
    queue.operator_lost(CONSOLE, now=11.0)
    queue.handle_timer(now=20.0)
    assert visits[1].state is VisitState.ABSENT
    queue.operator_returned(CONSOLE)
    queue.end_duty(CONSOLE)
    queue.handle_timer(now=30.0)
    assert visits[1].state is VisitState.ABSENT
    queue.take_duty(CONSOLE, "desk")
    queue.handle_timer(now=40.0)
    assert called(queue) == [2]


def test_a_visitor_who_is_back_in_time_goes_on() -> None:
    queue, visits = served_and_lost(1, 2)
    queue.returned(visits[1])
    queue.handle_timer(now=60.0)
    assert visits[1].state is VisitState.SERVED
    assert called(queue) == []


def test_a_lost_visitor_holds_nobody_up_after_a_restart_either() -> None:
    _, visits = served_and_lost(1, 2)
    again = DeskQueue(DeskSettings())
    again.load([visit_of(record_of(one), "desk") for one in visits.values()], now=50.0)
    again.operator_returned(CONSOLE)
    again.returned(again.visits[2])
    again.handle_timer(now=59.9)
    assert called(again) == []
    again.handle_timer(now=60.0)
    assert called(again) == [2]


def test_a_visitor_handed_to_a_busy_operator_waits_for_that_one_alone() -> None:
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
        queue.kept(one, now=0.0)
    queue.take_duty(x, "desk")
    queue.take_duty(y, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    queue.lost(visits[1], now=10.0)
    queue.handle_timer(now=11.0)
    queue.end(visits[2], OverCause.ENDED)
    assert (visits[1].wanted, visits[1].state) == (y, VisitState.AWAY)
    queue.take_events()
    queue.take_duty(y, "other")
    assert DutyChanged(operator=y, queue="other", is_on=True) in queue.take_events()
    queue.returned(visits[1])
    assert visits[1].operator == x
    queue.take_duty(y, "other")
    assert not any(isinstance(one, DutyChanged) for one in queue.take_events())


def test_visitors_of_a_vanished_operator_are_called_in_order_of_arrival() -> None:
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
    again.load([visit_of(record_of(one), "desk") for one in visits.values()], now=0.0)
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
    again.load([visit_of(record_of(visits[1]), "desk")], now=0.0)
    again.returned(again.visits[1])
    again.take_duty(CONSOLE, "desk")
    assert called(again) == [1]


def test_moves_into_one_position_renumber_everybody_when_the_gap_is_used_up() -> None:
    line = WaitingLine()
    visits = [visit(number) for number in range(1, 5)]
    for one in visits:
        line.append(one)
    changed = [len(line.move(visits[-1] if turn % 2 else visits[-2], 2)) for turn in range(80)]
    assert max(changed) == len(visits)
    assert min(changed) == 1
    assert [one.rank for one in line] == sorted({one.rank for one in line})
    assert GAP > 2


# --- who is out of reach, and for how long that is borne


def after_a_restart(*visits: Visit) -> DeskQueue:
    queue = DeskQueue(DeskSettings())
    queue.load([visit_of(record_of(one), "desk") for one in visits], now=0.0)
    return queue


def test_after_a_restart_the_line_is_held_for_longer_and_not_for_ever() -> None:
    _, visits = desk(1, 2)
    queue = after_a_restart(*visits.values())
    queue.returned(queue.visits[2])
    queue.take_duty(CONSOLE, "desk")
    queue.handle_timer(now=4.9)
    assert called(queue) == []
    queue.handle_timer(now=5.0)
    assert called(queue) == [2]


def test_after_a_restart_an_operator_has_a_while_to_come_back() -> None:
    _, visits = desk(1)
    visits[1].operator = OPERATORS[1]
    queue = after_a_restart(visits[1])
    queue.returned(queue.visits[1])
    queue.handle_timer(now=14.9)
    assert queue.visits[1].operator == OPERATORS[1]
    queue.handle_timer(now=15.0)
    assert (queue.visits[1].operator, queue.visits[1].state) == (NOBODY, VisitState.WAITING)


@pytest.mark.parametrize("how", ["take_duty", "operator_returned"])
def test_an_operator_back_in_time_goes_on(how: str) -> None:
    queue, visits = desk(1)
    queue.take_duty(CONSOLE, "desk")
    visits[1].has_answered = True
    queue.operator_lost(CONSOLE, now=10.0)
    if how == "take_duty":
        queue.take_duty(CONSOLE, "desk")
    else:
        queue.operator_returned(CONSOLE)
    queue.handle_timer(now=99.0)
    assert visits[1].operator == CONSOLE
    assert queue.next_timer() is None


def test_nothing_more_is_awaited_from_a_visitor_who_has_gone() -> None:
    queue, visits = desk(1)
    queue.take_duty(CONSOLE, "desk")
    queue.operator_lost(CONSOLE, now=10.0)
    queue.lost(visits[1], now=10.0)
    assert queue.next_timer() == 11.0
    queue.end(visits[1], OverCause.LEFT)
    assert queue.next_timer() == 25.0
    queue.operator_gone(CONSOLE, now=11.0)
    assert queue.next_timer() is None


def test_a_call_counts_as_answered_by_a_new_link_and_each_call_needs_an_answer_of_its_own() -> None:
    queue, visits = desk(1)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    queue.returned(visits[1])
    queue.lost(visits[1], now=10.0)
    assert [one.state for one in visits.values()] == [VisitState.ABSENT]
    queue.returned(visits[1])
    queue.take_duty(y, "desk")
    queue.operator_gone(x, now=11.0)
    assert visits[1].operator == y
    queue.lost(visits[1], now=12.0)
    assert [one.state for one in visits.values()] == [VisitState.MISSED]


def test_a_visitor_put_back_while_away_holds_the_line_for_a_moment() -> None:
    queue, visits = desk(1, 2)
    x, y = OPERATORS[1:]
    queue.take_duty(x, "desk")
    visits[1].has_answered = True
    queue.lost(visits[1], now=10.0)
    queue.operator_gone(x, now=20.0)
    queue.take_duty(y, "desk")
    queue.handle_timer(now=20.9)
    assert called(queue) == [1]
    queue.handle_timer(now=21.0)
    assert called(queue) == [2]


def test_a_missed_call_frees_the_operator_for_somebody_who_was_put_back_meanwhile() -> None:
    queue, visits = desk(1, 2)
    x, y = OPERATORS[1:]
    for who in (x, y):
        queue.take_duty(who, "desk")
    visits[1].has_answered = True
    queue.operator_gone(x, now=10.0)
    queue.lost(visits[2], now=10.0)
    assert called(queue) == [1, 2, 1]


def test_a_visitor_moved_before_one_who_holds_the_line_is_called() -> None:
    queue, visits = desk(1, 2)
    queue.lost(visits[1], now=10.0)
    queue.take_duty(CONSOLE, "desk")
    queue.move(visits[2], 1)
    assert called(queue) == [2]


# --- what is told


def altered(queue: DeskQueue) -> list[Change | VisitUpdated | HandoverReleased]:
    """Drain the records for the disk."""
    return [
        one
        for one in queue.take_events()
        if isinstance(one, Change | VisitUpdated | HandoverReleased)
    ]


@pytest.mark.parametrize("goes", [True, False])
def test_the_end_of_a_duty_is_told_and_an_idle_operator_forgotten(*, goes: bool) -> None:
    queue, _ = desk()
    queue.take_duty(CONSOLE, "desk")
    queue.take_events()
    for _ in range(2):
        if goes:
            queue.operator_gone(CONSOLE, now=10.0)
        else:
            queue.end_duty(CONSOLE)
    assert queue.take_events() == [DutyChanged(operator=CONSOLE, queue="desk", is_on=False)]
    assert CONSOLE not in queue.operators


@pytest.mark.parametrize("how", ["operator_lost", "operator_gone", "end_duty"])
def test_a_visitor_waiting_for_an_operator_is_told_if_that_one_vanishes_but_not_if_off_duty(
    how: str,
) -> None:
    queue, visits = desk(1, 2, 3)
    x, y = OPERATORS[1:]
    for who in (x, y):
        queue.take_duty(who, "desk")
    queue.hand_over(visits[1], y, now=10.0)
    assert (visits[1].wanted, visits[3].operator) == (y, x)
    visits[2].has_answered = True
    queue.take_events()
    if how == "end_duty":
        queue.end_duty(y)
    elif how == "operator_lost":
        queue.operator_lost(y, now=11.0)
    else:
        queue.operator_gone(y, now=11.0)
    told = [one for one in altered(queue) if not isinstance(one, Change)]
    expected = [VisitUpdated(visit=visits[2]), VisitUpdated(visit=visits[1])]
    assert told == (expected if how == "end_duty" else [HandoverReleased(visit=visits[1])])


def test_only_a_served_visitor_is_handed_over_and_only_within_a_queue() -> None:
    queue, visits = desk(1, 2, 3)
    x, y = OPERATORS[1:]
    for who in (x, y):
        queue.take_duty(who, "desk")
    queue.take_duty(CONSOLE, "desk")
    visits[4] = visit(4, "desk")
    queue.join(visits[4])
    queue.kept(visits[4], now=0.0)
    queue.end_duty(CONSOLE)
    for number, to in ((1, x), (1, CONSOLE), (4, y)):
        with pytest.raises(ValueError, match="handed over"):
            queue.hand_over(visits[number], to, now=10.0)
    queue.hand_over(visits[1], y, now=10.0)
    assert visits[1].wanted == y


def test_a_note_is_for_the_disk() -> None:
    queue, visits = desk(1)
    queue.note(visits[1], "speaks Hindi")
    assert queue.take_events() == [VisitUpdated(visit=visits[1])]


def test_new_ranks_are_stored() -> None:
    """A visitor who is put back waits behind the first arrival and before all who were put back
    earlier."""
    last = 40
    queue, visits = desk(*range(1, last + 1))
    operators = {number: bytes([number]) * 32 for number in visits}
    for who in operators.values():
        queue.take_duty(who, "desk")
    ranks: dict[int, int] = {}
    for number in (1, *range(last, 1, -1)):
        visits[number].has_answered = True
        queue.operator_gone(operators[number], now=10.0)
        ranks |= {one.visit.number: one.visit.rank for one in altered(queue)}
    assert [one.number for one in queue.line("desk")] == list(visits)
    assert ranks == {number: one.rank for number, one in visits.items()}


def test_new_ranks_for_a_missed_call_are_stored() -> None:
    queue, visits = desk(1, 2, 3)
    for who in OPERATORS:
        queue.take_duty(who, "desk")
    for number in (1, 3):
        visits[number].has_answered = True
        queue.operator_gone(OPERATORS[number - 1], now=10.0)
    visits[1].rank, visits[3].rank = 10, 11
    queue.end_duty(OPERATORS[1])
    queue.take_events()
    queue.lost(visits[2], now=11.0)
    assert [one.number for one in queue.line("desk")] == [1, 2, 3]
    assert {one.visit.number for one in altered(queue)} == {1, 2, 3}
    assert [one.rank for one in queue.line("desk")] == [0, GAP, 2 * GAP]
