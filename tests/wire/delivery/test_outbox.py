"""This file is about tries: when a message is sent again, and when it is given up."""

import random

import pytest

from tests.wire.delivery.network import frames_of
from wire.codec import join_frames
from wire.delivery.events import Acknowledged, DeliveryEvent, GaveUp, Unanswered
from wire.delivery.outbox import Outbox
from wire.delivery.policy import Policy
from wire.messages.delivery import Part

ROOM = 1_000
SIZE = 100


class Sender:
    """An outbox with its notices; `leave` is what goes into datagrams now, a list for each."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.events: list[DeliveryEvent] = []
        self.outbox = Outbox(policy or Policy(), random.Random(1), self.events, piece_size=SIZE, room=ROOM)

    def leave(self, *, now: float) -> list[list[tuple[int, int]]]:
        datagrams = []
        while self.outbox.has_room:
            frames = frames_of(join_frames(self.outbox.take(ROOM, now)))
            datagrams.append([(part.number, part.index) for part in frames if isinstance(part, Part)])
        return datagrams

    def drain(self) -> list[DeliveryEvent]:
        events = self.events[:]
        self.events.clear()
        return events

    def learn_round_trip(self, span: float) -> None:
        """One message that is answered after `span`; time ends at that value."""
        self.outbox.send(0, b"first", 0.0)
        self.leave(now=0.0)
        self.outbox.acknowledge(0, [1], span)
        self.drain()


def test_a_dead_path_costs_five_timed_tries_and_two_and_a_half_seconds() -> None:
    sender = Sender()
    sender.outbox.send(7, b"hello", 100.0)
    log = []
    now: float | None = 100.0
    while now is not None:
        sender.outbox.handle_timer(now)
        log.append((now, sender.leave(now=now), sender.drain()))
        now = sender.outbox.next_timer()
    once = [[(7, 0)]]
    assert log == [
        (100.0, once, []),
        (100.5, once, []),
        (101.0, once, [Unanswered(7, 2)]),
        (101.5, once, [Unanswered(7, 3)]),
        (102.0, once, [Unanswered(7, 4)]),
        (102.5, [], [GaveUp(7, 5)]),
    ]
    assert sender.outbox.count == 0


def test_probes_on_a_dead_path_change_nothing_about_its_end() -> None:
    sender = Sender()
    sender.learn_round_trip(0.01)
    sender.outbox.send(7, b"hello", 100.0)
    sends, events = 0, []
    now: float | None = 100.0
    while now is not None:
        sender.outbox.handle_timer(now)
        sends += len(sender.leave(now=now))
        events += [(now, event) for event in sender.drain()]
        now = sender.outbox.next_timer()
    assert events == [
        (101.0, Unanswered(7, 2)),
        (101.5, Unanswered(7, 3)),
        (102.0, Unanswered(7, 4)),
        (102.5, GaveUp(7, 5)),
    ]
    assert 5 < sends <= 9


def test_a_lost_datagram_is_sent_again_after_three_later_ones_without_a_timer() -> None:
    sender = Sender()
    for number in range(4):
        sender.outbox.send(number, b"hello", 0.0)
        assert sender.leave(now=0.0) == [[(number, 0)]]
    sender.outbox.acknowledge(1, [2], 0.1)
    assert sender.leave(now=0.1) == []
    sender.outbox.acknowledge(1, [3], 0.1)
    assert sender.leave(now=0.1) == [[(0, 0)]]
    assert sender.outbox.next_timer() == pytest.approx(0.5)
    sender.outbox.acknowledge(0, [4], 0.3)
    assert sender.drain() == [
        Acknowledged(1, 1, 0.1),
        Acknowledged(2, 1, 0.1),
        Acknowledged(3, 1, 0.1),
        Acknowledged(0, 2, 0.3),
    ]
    assert sender.outbox.next_timer() is None


def test_extra_sends_are_limited_for_each_part() -> None:
    sender = Sender()
    sender.outbox.send(0, b"unlucky", 0.0)
    sends = len(sender.leave(now=0.0))
    for number in range(1, 100):
        sender.outbox.send(number, b"hello", 0.001 * number)
        sends += sum((0, 0) in datagram for datagram in sender.leave(now=0.001 * number))
        sender.outbox.acknowledge(number, [1], 0.001 * number)
    assert sends == 1 + 4


def test_a_late_timer_makes_one_try_and_no_burst() -> None:
    sender = Sender()
    sender.outbox.send(7, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.outbox.handle_timer(60.0)
    sender.outbox.handle_timer(60.0)
    assert sender.leave(now=60.0) == [[(7, 0)]]
    assert sender.outbox.next_timer() == 60.5


def test_a_late_timer_gives_a_last_chance_once() -> None:
    sender = Sender()
    sender.outbox.send(7, b"hello", 0.0)
    sender.leave(now=0.0)
    for now in (0.5, 1.0, 1.5, 2.0, 62.0):
        sender.outbox.handle_timer(now)
        assert sender.leave(now=now) == [[(7, 0)]]
    assert sender.drain()[-1] == Unanswered(7, 5)
    sender.outbox.handle_timer(122.0)
    assert sender.leave(now=122.0) == []
    assert sender.drain() == [GaveUp(7, 5)]


def test_timers_too_early_or_twice_do_nothing() -> None:
    sender = Sender()
    sender.learn_round_trip(0.01)
    sender.outbox.send(7, b"hello", 1.0)
    sender.leave(now=1.0)
    for now in (1.0, 1.01, 1.039):
        sender.outbox.handle_timer(now)
        assert sender.leave(now=now) == []


def test_what_waits_behind_a_silent_path_is_given_up_with_it() -> None:
    sender = Sender(Policy(window=4))
    for number in range(6):
        sender.outbox.send(number, b"hello", 0.0)
    sender.outbox.send(6, b"later", 1.0)
    sender.leave(now=0.0)
    for now in (0.5, 1.0, 1.5, 2.0, 2.5):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    gave_up = [event for event in sender.drain() if isinstance(event, GaveUp)]
    assert [(event.number, event.tries) for event in gave_up] == [
        (0, 5),
        (1, 5),
        (2, 5),
        (3, 5),
        (4, 0),
        (5, 0),
    ]
    assert sender.outbox.count == 1


def test_a_slow_queue_on_a_living_path_is_not_given_up() -> None:
    sender = Sender(Policy(window=4))
    for number in range(40):
        sender.outbox.send(number, b"hello", 0.0)
    for number in range(40):
        now = number * 0.4
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
        sender.outbox.acknowledge(number, [1], now)
    assert all(not isinstance(event, GaveUp) for event in sender.drain())
    assert sender.outbox.count == 0


def test_one_unlucky_message_does_not_take_those_that_wait_with_it() -> None:
    sender = Sender(Policy(window=4))
    for number in range(20):
        sender.outbox.send(number, b"hello", 0.0)
    for at in range(26):
        sender.outbox.handle_timer(at / 10)
        sender.leave(now=at / 10)
        if at % 5 == 4:
            sender.outbox.acknowledge(1 + at // 5, [1], at / 10)
    gave_up = [event.number for event in sender.drain() if isinstance(event, GaveUp)]
    assert gave_up == [0]
    assert sender.outbox.count == 14


def test_a_part_that_arrives_is_an_answer_and_the_tries_begin_again() -> None:
    sender = Sender()
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    sender.outbox.acknowledge_parts(7, 0, [1], 2.4)
    sender.drain()
    for now in (2.9, 3.4, 3.9, 4.4, 4.9):
        sender.outbox.handle_timer(now)
        assert sender.leave(now=now) == ([[(7, 1), (7, 2)]] if now < 4.9 else [])
    assert sender.drain() == [Unanswered(7, 2), Unanswered(7, 3), Unanswered(7, 4), GaveUp(7, 5)]


def test_a_number_that_is_being_tried_is_left_alone() -> None:
    sender = Sender()
    for now in (0.0, 0.1):
        sender.outbox.send(7, b"hello", now)
        sender.leave(now=now)
    assert sender.outbox.next_timer() == 0.5
    assert sender.outbox.count == 1


def test_a_message_given_up_may_be_tried_again_and_goes_before_what_waits() -> None:
    sender = Sender(Policy(window=4))
    sender.outbox.send(1, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    for number in (2, 3, 4, 5, 6):
        sender.outbox.send(number, b"hello", 3.0)
    sender.leave(now=3.0)
    sender.outbox.send(1, b"hello", 3.0)
    sender.outbox.acknowledge(2, [1], 3.1)
    assert sender.leave(now=3.1) == [[(1, 0)]]


def test_a_late_acknowledgement_is_still_news_once() -> None:
    sender = Sender()
    sender.outbox.send(7, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.outbox.acknowledge(5, [9], 4.0)
    sender.outbox.acknowledge(5, [9], 4.0)
    assert sender.drain() == [Acknowledged(7, 5, 4.0)]


def test_a_withdrawn_message_is_heard_of_no_more() -> None:
    sender = Sender()
    sender.outbox.send(7, b"hello", 0.0)
    sender.outbox.send(8, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.outbox.withdraw(7)
    sender.outbox.withdraw(9)
    sender.outbox.handle_timer(0.5)
    assert sender.leave(now=0.5) == [[(8, 0)]]
    sender.outbox.acknowledge(7, [2], 0.6)
    assert sender.drain() == [Acknowledged(8, 2, 0.6)]


def test_the_window_lets_go_only_so_many_and_acknowledgements_open_it() -> None:
    sender = Sender(Policy(window=4))
    for number in range(9):
        sender.outbox.send(number, b"hello", 0.0)
    assert sender.leave(now=0.0) == [[(0, 0), (1, 0), (2, 0), (3, 0)]]
    sender.outbox.acknowledge(1, [2], 0.1)
    assert sender.leave(now=0.1) == [[(4, 0), (5, 0)]]


def test_timed_retries_leave_no_room_for_more_than_the_window() -> None:
    sender = Sender(Policy(window=8))
    for number in range(20):
        sender.outbox.send(number, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.outbox.handle_timer(0.5)
    (datagram,) = sender.leave(now=0.5)
    assert sorted(number for number, _ in datagram) == list(range(8))


def test_only_missing_parts_go_again() -> None:
    sender = Sender()
    sender.outbox.send(7, bytes(4 * SIZE), 0.0)
    assert sender.leave(now=0.0) == [[(7, 0), (7, 1), (7, 2), (7, 3)]]
    assert sender.outbox.acknowledge_parts(7, 0, [1, 1, 2], 0.2)
    assert sender.outbox.next_timer() == pytest.approx(0.7)
    sender.outbox.handle_timer(0.7)
    assert sender.leave(now=0.7) == [[(7, 1)]]
    sender.outbox.acknowledge(7, [1], 0.8)
    assert sender.drain() == [Acknowledged(7, 2, 0.8)]


def test_a_message_whose_parts_are_all_held_asks_with_its_last_part_and_gives_up() -> None:
    sender = Sender()
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    now = 0.0
    sender.outbox.acknowledge_parts(7, 0, [3], now)
    for now in (0.5, 1.0, 1.5, 2.0):
        sender.outbox.handle_timer(now)
        assert sender.leave(now=now) == [[(7, 2)]]
        sender.outbox.acknowledge_parts(7, 0, [3], now)
    sender.outbox.handle_timer(2.5)
    assert sender.drain()[-1] == GaveUp(7, 5)


def test_after_a_silence_a_receiver_that_forgot_is_believed() -> None:
    sender = Sender()
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    sender.outbox.acknowledge_parts(7, 0, [3], 0.1)
    sender.outbox.acknowledge_parts(7, 1, [1], 0.2)
    assert sender.leave(now=0.2) == []
    sender.outbox.handle_timer(0.6)
    assert sender.leave(now=0.6) == [[(7, 2)]]
    sender.outbox.acknowledge_parts(7, 2, [1], 0.7)
    assert sender.leave(now=0.7) == [[(7, 0), (7, 1)]]


def test_a_receiver_that_forgets_for_ever_does_not_keep_us_trying() -> None:
    sender = Sender()
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    now: float | None = 0.0
    while now is not None and now < 60.0:
        sender.outbox.handle_timer(now)
        for datagram in sender.leave(now=now):
            for _, index in datagram:
                sender.outbox.acknowledge_parts(7, index, [1], now)
        now = sender.outbox.next_timer()
    assert now is None
    assert isinstance(sender.drain()[-1], GaveUp)


def test_nonsense_about_parts_is_told_from_old_news() -> None:
    sender = Sender()
    assert sender.outbox.acknowledge_parts(7, 0, [500], 0.0)
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    assert not sender.outbox.acknowledge_parts(7, 0, [4], 0.1)
    assert not sender.outbox.acknowledge_parts(7, 3, [1], 0.1)
    assert not sender.outbox.acknowledge_parts(7, 0, [1, 1, 2**62], 0.1)


def test_a_restart_sends_everything_afresh_in_order() -> None:
    sender = Sender(Policy(window=8))
    sender.outbox.send(2, b"two", 0.0)
    sender.outbox.send(1, b"one", 0.0)
    sender.outbox.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    sender.outbox.acknowledge_parts(7, 0, [2], 0.1)
    for now in (0.5, 1.0, 1.5):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.outbox.restart_tries(1.6)
    assert sender.leave(now=1.6) == [[(1, 0), (2, 0), (7, 0), (7, 1), (7, 2)]]
    for now in (2.1, 2.6, 3.1, 3.6, 4.1):
        assert sender.outbox.next_timer() == pytest.approx(now)
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    assert {event.number for event in sender.drain() if isinstance(event, GaveUp)} == {1, 2, 7}


def test_a_path_that_is_dead_for_hours_costs_no_memory() -> None:
    sender = Sender()
    for number in range(200):
        now = number * 3.0
        sender.outbox.send(number, bytes(3 * SIZE), now)
        for pause in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
            sender.outbox.handle_timer(now + pause)
            sender.leave(now=now + pause)
            assert len(sender.outbox._flight._records) <= 1
    sender.drain()
    assert all(not piece.encoded for message in sender.outbox._given_up.values() for piece in message.pieces)


def test_the_memory_of_those_given_up_is_bounded() -> None:
    sender = Sender(Policy(window=4, window_limit=4))
    for number in range(10):
        sender.outbox.send(number, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.outbox.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.outbox.acknowledge(0, [10], 3.0)
    assert sender.drain() == [Acknowledged(number, 0, 0.0) for number in range(6, 10)]
