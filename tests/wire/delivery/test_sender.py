"""Tries: when a datagram is sent again, by a timer or because later ones were acknowledged."""

import pytest

from chatapp.wire.delivery.parts import Acknowledged, GaveUp, Unanswered
from tests.wire.delivery.sender import SIZE, SendingEnd


def test_a_dead_path_costs_five_timed_tries_and_two_and_a_half_seconds() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, b"hello", 100.0)
    log = []
    now: float | None = 100.0
    while now is not None:
        sender.stream_sender.handle_timer(now)
        log.append((now, sender.leave(now=now), sender.drain()))
        now = sender.stream_sender.next_timer()
    once = [[(7, 0)]]
    assert log == [
        (100.0, once, []),
        (100.5, once, []),
        (101.0, once, [Unanswered(7, 2)]),
        (101.5, once, [Unanswered(7, 3)]),
        (102.0, once, [Unanswered(7, 4)]),
        (102.5, [], [GaveUp(7, 5)]),
    ]
    assert not sender.stream_sender.messages


def test_probes_on_a_dead_path_change_nothing_about_its_end() -> None:
    sender = SendingEnd()
    sender.learn_round_trip(0.01)
    sender.stream_sender.send(7, b"hello", 100.0)
    sends, events = 0, []
    now: float | None = 100.0
    while now is not None:
        sender.stream_sender.handle_timer(now)
        sends += len(sender.leave(now=now))
        events += [(now, event) for event in sender.drain()]
        now = sender.stream_sender.next_timer()
    assert events == [
        (101.0, Unanswered(7, 2)),
        (101.5, Unanswered(7, 3)),
        (102.0, Unanswered(7, 4)),
        (102.5, GaveUp(7, 5)),
    ]
    assert 5 < sends <= 9


def test_a_lost_datagram_is_sent_again_after_three_later_ones_without_a_timer() -> None:
    sender = SendingEnd()
    for number in range(4):
        sender.stream_sender.send(number, b"hello", 0.0)
        assert sender.leave(now=0.0) == [[(number, 0)]]
    sender.stream_sender.acknowledge(1, [2], 0.1)
    assert sender.leave(now=0.1) == []
    sender.stream_sender.acknowledge(1, [3], 0.1)
    assert sender.leave(now=0.1) == [[(0, 0)]]
    assert sender.stream_sender.next_timer() == pytest.approx(0.5)
    sender.stream_sender.acknowledge(0, [4], 0.3)
    assert sender.drain() == [
        Acknowledged(1, 1, 0.1),
        Acknowledged(2, 1, 0.1),
        Acknowledged(3, 1, 0.1),
        Acknowledged(0, 2, 0.3),
    ]
    assert sender.stream_sender.next_timer() is None


def test_extra_sends_are_limited_for_each_part() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(0, b"unlucky", 0.0)
    sends = len(sender.leave(now=0.0))
    for number in range(1, 100):
        sender.stream_sender.send(number, b"hello", 0.001 * number)
        sends += sum((0, 0) in datagram for datagram in sender.leave(now=0.001 * number))
        sender.stream_sender.acknowledge(number, [1], 0.001 * number)
    assert sends == 1 + 4


def test_few_datagrams_leave_at_once_through_the_narrowest_window() -> None:
    """The window is narrower as soon as so many datagrams are on the way, also in the middle of
    what leaves at once."""
    sender = SendingEnd()
    sender.stream_sender.send(0, b"unlucky", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5):
        sender.stream_sender.handle_timer(now)
        assert sender.leave(now=now) == [[(0, 0)]]
    sender.stream_sender.acknowledge(0, [1], 1.6)
    for number in range(1, 100):
        sender.stream_sender.send(number, bytes(SIZE), 2.0)
    datagrams = sender.leave(now=2.0, room=5 * SIZE + 50)
    assert [len(datagram) for datagram in datagrams] == [5] * 8
    assert sender.leave(now=2.0) == []


def test_a_late_timer_makes_one_try_and_no_burst() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.stream_sender.handle_timer(60.0)
    sender.stream_sender.handle_timer(60.0)
    assert sender.leave(now=60.0) == [[(7, 0)]]
    assert sender.stream_sender.next_timer() == 60.5


def test_a_late_timer_gives_a_last_chance_once() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, b"hello", 0.0)
    sender.leave(now=0.0)
    for now in (0.5, 1.0, 1.5, 2.0, 62.0):
        sender.stream_sender.handle_timer(now)
        assert sender.leave(now=now) == [[(7, 0)]]
    assert sender.drain()[-1] == Unanswered(7, 5)
    sender.stream_sender.handle_timer(122.0)
    assert sender.leave(now=122.0) == []
    assert sender.drain() == [GaveUp(7, 5)]


def test_timers_too_early_or_twice_do_nothing() -> None:
    sender = SendingEnd()
    sender.learn_round_trip(0.01)
    sender.stream_sender.send(7, b"hello", 1.0)
    sender.leave(now=1.0)
    for now in (1.0, 1.01, 1.039):
        sender.stream_sender.handle_timer(now)
        assert sender.leave(now=now) == []
