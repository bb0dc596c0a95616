"""Alarms: all deadlines of a core, and the order in which they ring."""

from chatapp.peer.core.context import Alarm, Alarms


class Bells:
    """Alarms by name, which note when each of them rings."""

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.rang: list[tuple[str, float]] = []
        self.moving: float | None = None

    def add(self, name: str, deadline: float | None = None) -> Alarm:
        alarm = self.alarms.add(lambda *, now: self.rang.append((name, now)))
        alarm.deadline = deadline
        return alarm

    def follow(self, name: str) -> None:
        def ring(*, now: float) -> None:
            self.rang.append((name, now))
            self.moving = None

        self.alarms.follow(lambda: self.moving, ring)


def test_nothing_is_due_where_nobody_waits() -> None:
    bells = Bells()
    bells.add("idle")
    bells.follow("still")
    assert bells.alarms.next_timer() is None
    bells.alarms.ring(now=1e9)
    assert bells.rang == []


def test_the_earliest_deadline_counts_whether_it_is_set_or_asked_for() -> None:
    bells = Bells()
    late, early = bells.add("late", 9.0), bells.add("early", 3.0)
    assert bells.alarms.next_timer() == 3.0
    bells.follow("moving")
    bells.moving = 2.0
    assert bells.alarms.next_timer() == 2.0
    bells.moving = early.deadline = None
    assert bells.alarms.next_timer() == 9.0
    late.no_later_than(12.0)
    assert late.deadline == 9.0
    late.no_later_than(4.0)
    assert late.deadline == 4.0


def test_what_is_due_rings_once_and_the_rest_waits() -> None:
    bells = Bells()
    bells.add("due", 3.0), bells.add("later", 3.1)
    bells.alarms.ring(now=3.0)
    bells.alarms.ring(now=3.0)
    assert bells.rang == [("due", 3.0)]
    assert bells.alarms.next_timer() == 3.1


def test_an_alarm_that_is_cancelled_by_another_one_does_not_ring() -> None:
    bells = Bells()

    def cancel(*, now: float) -> None:
        second.deadline = None

    first = bells.alarms.add(cancel)
    second = bells.add("second", 3.0)
    first.deadline = 3.0
    bells.alarms.ring(now=5.0)
    assert bells.rang == []


def test_an_alarm_may_set_itself_again_as_it_rings() -> None:
    bells = Bells()

    def again(*, now: float) -> None:
        alarm.no_later_than(now + 1.0)

    alarm = bells.alarms.add(again)
    alarm.deadline = 3.0
    bells.alarms.ring(now=3.0)
    assert alarm.deadline == 4.0


def test_moving_deadlines_ring_first_and_the_others_in_their_order() -> None:
    bells = Bells()
    bells.add("one", 3.0), bells.add("other", 1.0)
    bells.follow("moving")
    bells.moving = 4.0
    bells.alarms.ring(now=4.0)
    assert [name for name, _ in bells.rang] == ["moving", "one", "other"]
