"""The end of a message: given up, withdrawn, restarted, acknowledged late."""

import pytest

from chatapp.wire.delivery.parts import Acknowledged, GaveUp
from chatapp.wire.delivery.policy import Policy
from tests.wire.delivery.sender import SIZE, SendingEnd


def test_a_number_that_is_being_tried_is_left_alone() -> None:
    sender = SendingEnd()
    for now in (0.0, 0.1):
        sender.stream_sender.send(7, b"hello", now)
        sender.leave(now=now)
    assert sender.stream_sender.next_timer() == 0.5
    assert len(sender.stream_sender.messages) == 1


def test_a_message_given_up_may_be_tried_again_and_goes_before_what_waits() -> None:
    sender = SendingEnd(Policy(window=4))
    sender.stream_sender.send(1, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    for number in (2, 3, 4, 5, 6):
        sender.stream_sender.send(number, b"hello", 3.0)
    sender.leave(now=3.0)
    sender.stream_sender.send(1, b"hello", 3.0)
    sender.stream_sender.acknowledge(2, [1], 3.1)
    assert sender.leave(now=3.1) == [[(1, 0)]]


def test_a_late_acknowledgement_is_still_news_once() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.stream_sender.acknowledge(5, [9], 4.0)
    sender.stream_sender.acknowledge(5, [9], 4.0)
    assert sender.drain() == [Acknowledged(7, 5, 4.0)]


def test_a_withdrawn_message_is_heard_of_no_more() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, b"hello", 0.0)
    sender.stream_sender.send(8, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.stream_sender.withdraw(7)
    sender.stream_sender.withdraw(9)
    sender.stream_sender.handle_timer(0.5)
    assert sender.leave(now=0.5) == [[(8, 0)]]
    sender.stream_sender.acknowledge(7, [2], 0.6)
    assert sender.drain() == [Acknowledged(8, 2, 0.6)]


def test_a_restart_sends_everything_afresh_in_order() -> None:
    sender = SendingEnd(Policy(window=8))
    sender.stream_sender.send(2, b"two", 0.0)
    sender.stream_sender.send(1, b"one", 0.0)
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    sender.stream_sender.acknowledge_parts(7, 0, [2], 0.1)
    for now in (0.5, 1.0, 1.5):
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.stream_sender.restart_tries(1.6)
    assert sender.leave(now=1.6) == [[(1, 0), (2, 0), (7, 0), (7, 1), (7, 2)]]
    for now in (2.1, 2.6, 3.1, 3.6, 4.1):
        assert sender.stream_sender.next_timer() == pytest.approx(now)
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    assert {event.number for event in sender.drain() if isinstance(event, GaveUp)} == {1, 2, 7}


def test_a_path_that_is_dead_for_hours_costs_no_memory() -> None:
    sender = SendingEnd()
    for number in range(200):
        now = number * 3.0
        sender.stream_sender.send(number, bytes(3 * SIZE), now)
        for pause in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
            sender.stream_sender.handle_timer(now + pause)
            sender.leave(now=now + pause)
            assert len(sender.stream_sender._congestion._records) <= 1
    sender.drain()
    assert all(
        not piece.encoded
        for message in sender.stream_sender._given_up.values()
        for piece in message.pieces
    )


def test_the_memory_of_those_given_up_is_bounded() -> None:
    sender = SendingEnd(Policy(window=4, window_limit=4))
    for number in range(10):
        sender.stream_sender.send(number, b"hello", 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    sender.drain()
    sender.stream_sender.acknowledge(0, [10], 3.0)
    assert sender.drain() == [Acknowledged(number, 0, 0.0) for number in range(6, 10)]
