"""Alarms: all deadlines of a core, and the order in which they ring."""

import pytest

from chatapp.peer.core.context import RUNG_AGAIN_AFTER, Alarm, Alarms


class Bells:
    """Alarms by name, which note when each of them rings."""

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.rang: list[tuple[str, float]] = []
        self.moving: float | None = None
        self.alarms.follow(lambda: self.moving, self._move)

    def _move(self, *, now: float) -> None:
        self.rang.append(("moving", now))
        self.moving = None

    def add(self, name: str, deadline: float | None = None) -> Alarm:
        alarm = self.alarms.add(lambda *, now: self.rang.append((name, now)))
        alarm.deadline = deadline
        return alarm


def test_the_earliest_deadline_counts_whether_it_is_set_or_asked_for() -> None:
    bells = Bells()
    assert bells.alarms.next_timer() is None
    late, early = bells.add("late", 9.0), bells.add("early", 3.0)
    bells.moving = 2.0
    assert bells.alarms.next_timer() == 2.0
    bells.moving = early.deadline = None
    assert bells.alarms.next_timer() == 9.0
    late.no_later_than(12.0)
    assert late.deadline == 9.0
    late.no_later_than(4.0)
    assert late.deadline == 4.0


def test_what_is_due_rings_once_and_in_order_with_moving_deadlines_first() -> None:
    bells = Bells()
    bells.add("one", 3.0), bells.add("later", 3.1), bells.add("other", 1.0)
    bells.moving = 3.0
    bells.alarms.ring(now=3.0)
    bells.alarms.ring(now=3.0)
    assert bells.rang == [("moving", 3.0), ("one", 3.0), ("other", 3.0)]
    assert bells.alarms.next_timer() == 3.1


def test_as_it_rings_an_alarm_may_cancel_another_one_and_set_itself_again() -> None:
    bells = Bells()

    def ring(*, now: float) -> None:
        first.no_later_than(now + 1.0)
        second.deadline = None

    first = bells.alarms.add(ring)
    second, first.deadline = bells.add("second", 3.0), 3.0
    bells.alarms.ring(now=5.0)
    assert (bells.rang, first.deadline) == ([], 6.0)


def test_a_fault_costs_no_other_part_its_alarm_and_its_own_rings_later() -> None:
    bells = Bells()

    def fail_once(*, now: float) -> None:
        bells.rang.append(("failing", now))
        assert now > 3.0

    bells.alarms.add(fail_once).deadline = 3.0
    bells.add("other", 3.0)
    with pytest.raises(AssertionError):
        bells.alarms.ring(now=3.0)
    assert bells.alarms.next_timer() == 3.0
    bells.alarms.ring(now=3.1)
    assert bells.alarms.next_timer() == 3.0 + RUNG_AGAIN_AFTER
    bells.alarms.ring(now=4.0)
    assert bells.rang == [("failing", 3.0), ("other", 3.1), ("failing", 4.0)]
