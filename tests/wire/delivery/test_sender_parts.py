"""Messages of several parts: only missing parts are repeated, and a receiver may forget parts."""

import pytest

from chatapp.wire.delivery.parts import Acknowledged, GaveUp, Unanswered
from tests.wire.delivery.sender import SIZE, SendingEnd


def test_a_part_that_arrives_is_an_answer_and_the_tries_begin_again() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    for now in (0.0, 0.5, 1.0, 1.5, 2.0):
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
    sender.stream_sender.acknowledge_parts(7, 0, [1], 2.4)
    sender.drain()
    for now in (2.9, 3.4, 3.9, 4.4, 4.9):
        sender.stream_sender.handle_timer(now)
        assert sender.leave(now=now) == ([[(7, 1), (7, 2)]] if now < 4.9 else [])
    assert sender.drain() == [Unanswered(7, 2), Unanswered(7, 3), Unanswered(7, 4), GaveUp(7, 5)]


def test_only_missing_parts_go_again() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, bytes(4 * SIZE), 0.0)
    assert sender.leave(now=0.0) == [[(7, 0), (7, 1), (7, 2), (7, 3)]]
    assert sender.stream_sender.acknowledge_parts(7, 0, [1, 1, 2], 0.2)
    assert sender.stream_sender.next_timer() == pytest.approx(0.7)
    sender.stream_sender.handle_timer(0.7)
    assert sender.leave(now=0.7) == [[(7, 1)]]
    sender.stream_sender.acknowledge(7, [1], 0.8)
    assert sender.drain() == [Acknowledged(7, 2, 0.8)]


def test_a_message_whose_parts_are_all_held_asks_with_its_last_part_and_gives_up() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    now = 0.0
    sender.stream_sender.acknowledge_parts(7, 0, [3], now)
    for now in (0.5, 1.0, 1.5, 2.0):
        sender.stream_sender.handle_timer(now)
        assert sender.leave(now=now) == [[(7, 2)]]
        sender.stream_sender.acknowledge_parts(7, 0, [3], now)
    sender.stream_sender.handle_timer(2.5)
    assert sender.drain()[-1] == GaveUp(7, 5)


def test_after_a_silence_a_receiver_that_forgot_is_believed() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    sender.stream_sender.acknowledge_parts(7, 0, [3], 0.1)
    sender.stream_sender.acknowledge_parts(7, 1, [1], 0.2)
    assert sender.leave(now=0.2) == []
    sender.stream_sender.handle_timer(0.6)
    assert sender.leave(now=0.6) == [[(7, 2)]]
    sender.stream_sender.acknowledge_parts(7, 2, [1], 0.7)
    assert sender.leave(now=0.7) == [[(7, 0), (7, 1)]]


def test_a_receiver_that_forgets_for_ever_does_not_keep_us_trying() -> None:
    sender = SendingEnd()
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    now: float | None = 0.0
    while now is not None and now < 60.0:
        sender.stream_sender.handle_timer(now)
        for datagram in sender.leave(now=now):
            for _, index in datagram:
                sender.stream_sender.acknowledge_parts(7, index, [1], now)
        now = sender.stream_sender.next_timer()
    assert now is None
    assert isinstance(sender.drain()[-1], GaveUp)


def test_nonsense_about_parts_is_told_from_old_news() -> None:
    sender = SendingEnd()
    assert sender.stream_sender.acknowledge_parts(7, 0, [500], 0.0)
    sender.stream_sender.send(7, bytes(3 * SIZE), 0.0)
    sender.leave(now=0.0)
    assert not sender.stream_sender.acknowledge_parts(7, 0, [4], 0.1)
    assert not sender.stream_sender.acknowledge_parts(7, 3, [1], 0.1)
    assert not sender.stream_sender.acknowledge_parts(7, 0, [1, 1, 2**62], 0.1)
