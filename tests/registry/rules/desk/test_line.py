"""One line of visits: ranks, and the places kept for visitors who are being served."""

import pytest

from chatapp.registry.rules.desk.queue.line import GAP, WaitingLine
from chatapp.registry.rules.desk.queue.visit import Visit
from tests.registry.rules.desk.people import visit


def line_of(*numbers: int, **ranks: int) -> tuple[WaitingLine, dict[int, Visit]]:
    """`ranks`: the ranks of v1, v2 and so on, if they differ from those given at joining."""
    line, visits = WaitingLine(), {number: visit(number) for number in numbers}
    for one in visits.values():
        line.append(one)
        one.rank = ranks.get(f"v{one.number}", one.rank)
    return line, visits


def order(line: WaitingLine) -> list[int]:
    """Return the visits in line; their ranks must agree."""
    ranks = [one.rank for one in line]
    assert ranks == sorted(set(ranks))
    return [one.number for one in line]


def test_a_move_changes_one_rank_where_there_is_room() -> None:
    line, visits = line_of(1, 2, 3)
    for number, to, expected in (
        (1, 3, [2, 3, 1]),
        (1, 1, [1, 2, 3]),
        (3, 2, [1, 3, 2]),
        (1, 9, [3, 2, 1]),
    ):
        assert line.move(visits[number], to) == [visits[number]]
        assert order(line) == expected


def test_the_last_rank_between_two_is_used_before_all_are_renumbered() -> None:
    line, visits = line_of(1, 2, 3, v1=0, v2=2, v3=9)
    assert line.move(visits[3], 2) == [visits[3]]
    assert order(line) == [1, 3, 2]
    assert [one.rank for one in line] == [0, 1, 2]
    assert line.move(visits[2], 2) == [visits[1], visits[2], visits[3]]
    assert order(line) == [1, 2, 3]
    assert [one.rank for one in line] == [0, GAP, 2 * GAP]


def test_a_moved_visitor_stands_right_behind_the_previous_one() -> None:
    line, visits = line_of(1, 2, 3, 4, v1=0, v2=50, v3=100, v4=150)
    line.call(visits[2])
    line.move(visits[4], 2)
    assert visits[4].rank < 50
    line.restore(visits[2])
    assert order(line) == [1, 4, 2, 3]


def test_at_the_head_one_stands_before_those_who_are_served() -> None:
    line, visits = line_of(1, 2, 3, 4, v1=0, v2=1, v3=9 * GAP, v4=10 * GAP)
    for number in (1, 3):
        line.call(visits[number])
    line.move(visits[4], 1)
    assert order(line) == [4, 2]
    for number in (3, 1):
        line.restore(visits[number])
    assert order(line) == [4, 1, 2, 3]


def test_served_visitors_are_renumbered_too() -> None:
    line, visits = line_of(1, 2, 3, 4, v1=0, v2=1, v3=100, v4=150)
    line.call(visits[2])
    assert {one.number for one in line.move(visits[4], 2)} == {1, 2, 3, 4}
    line.restore(visits[2])
    assert order(line) == [1, 4, 2, 3]


def test_visitors_put_back_stand_in_order_of_arrival() -> None:
    line, visits = line_of(1, 2, 3, 4)
    for number in (1, 2, 3):
        line.call(visits[number])
    for number in (2, 3, 1):
        line.put_back(visits[number])
    assert order(line) == [1, 2, 3, 4]


@pytest.mark.parametrize(("to", "expected"), [(1, [2, 3, 1]), (2, [3, 1, 2])])
def test_a_visitor_put_back_who_is_moved_elsewhere_counts_as_such_no_more(
    to: int, expected: list[int]
) -> None:
    line, visits = line_of(1, 2, 3)
    line.call(visits[2])
    line.put_back(visits[2])
    line.move(visits[2], to)
    line.call(visits[3])
    line.put_back(visits[3])
    assert order(line) == expected


def test_a_visitor_who_missed_a_call_stands_behind_earlier_ones_put_back() -> None:
    line, visits = line_of(1, 2, v1=0, v2=5)
    for number in (1, 2):
        line.call(visits[number])
    line.put_back(visits[1])
    visits[1].rank = 10
    line.restore(visits[2])
    assert order(line) == [1, 2]


def test_a_visitor_called_again_no_longer_counts_as_put_back() -> None:
    line, visits = line_of(5, 9, 10)
    line.call(visits[9])
    line.put_back(visits[9])
    assert order(line) == [9, 5, 10]
    for number in (9, 5):
        line.call(visits[number])
    for number in (9, 5):
        line.restore(visits[number])
    assert order(line) == [9, 5, 10]
    assert not visits[9].is_put_back


def test_newcomers_stand_behind_a_visitor_who_misses_the_call() -> None:
    line, visits = line_of(1)
    line.call(visits[1])
    line.append(newcomer := visit(2))
    line.restore(visits[1])
    assert order(line) == [1, newcomer.number]


def test_positions_are_right_though_records_give_several_one_rank() -> None:
    visits = [visit(number) for number in (1, 2, 3, 4)]
    line = WaitingLine()
    line.load(visits[::-1], [])
    assert [line.position(one) for one in visits] == [1, 2, 3, 4]


def test_visits_of_several_lines_stand_in_order_of_arrival_behind_those_put_back() -> None:
    visits = {number: visit(number) for number in range(1, 7)}
    for number, rank in ((1, 0), (3, GAP), (5, -GAP), (2, 0), (4, GAP), (6, 2 * GAP)):
        visits[number].rank = rank
    visits[5].is_put_back = True
    served = visits.pop(2)
    line = WaitingLine()
    changed = line.load(visits.values(), [served], is_merged=True)
    assert order(line) == [5, 1, 3, 4, 6]
    assert changed == [visits[5], visits[1], served, *(visits[number] for number in (3, 4, 6))]
    line.move(visits[6], 2)
    line.restore(served)
    assert order(line) == [5, 6, 1, 2, 3, 4]


def test_equal_ranks_are_assigned_anew_in_the_order_of_the_line() -> None:
    visits = {number: visit(number) for number in (1, 2, 3)}
    visits[1].rank = 5
    line = WaitingLine()
    assert line.load(visits.values(), []) == [visits[2], visits[3], visits[1]]
    assert order(line) == [2, 3, 1]
    assert line.load(visits.values(), []) == []
