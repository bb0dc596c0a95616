"""Messages that wait for the window: how many leave, and the effect of a silent path."""

from chatapp.wire.delivery.parts import GaveUp
from chatapp.wire.delivery.policy import Policy
from tests.wire.delivery.sender import SendingEnd


def test_what_waits_behind_a_silent_path_is_given_up_with_it() -> None:
    sender = SendingEnd(Policy(window=4, window_limit=4))
    for number in range(6):
        sender.stream_sender.send(number, b"hello", 0.0)
    sender.stream_sender.send(6, b"later", 1.0)
    sender.leave(now=0.0)
    for now in (0.5, 1.0, 1.5, 2.0, 2.5):
        sender.stream_sender.handle_timer(now)
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
    assert len(sender.stream_sender.messages) == 1


def test_a_slow_queue_on_a_living_path_is_not_given_up() -> None:
    sender = SendingEnd(Policy(window=4, window_limit=4))
    for number in range(40):
        sender.stream_sender.send(number, b"hello", 0.0)
    for number in range(40):
        now = number * 0.4
        sender.stream_sender.handle_timer(now)
        sender.leave(now=now)
        sender.stream_sender.acknowledge(number, [1], now)
    assert all(not isinstance(event, GaveUp) for event in sender.drain())
    assert not sender.stream_sender.messages


def test_one_unlucky_message_does_not_take_those_that_wait_with_it() -> None:
    sender = SendingEnd(Policy(window=4, window_limit=4))
    for number in range(20):
        sender.stream_sender.send(number, b"hello", 0.0)
    for at in range(26):
        sender.stream_sender.handle_timer(at / 10)
        sender.leave(now=at / 10)
        if at % 5 == 4:
            sender.stream_sender.acknowledge(1 + at // 5, [1], at / 10)
    gave_up = [event.number for event in sender.drain() if isinstance(event, GaveUp)]
    assert gave_up == [0]
    assert len(sender.stream_sender.messages) == 14


def test_the_window_lets_go_only_so_many_and_acknowledgements_open_it() -> None:
    sender = SendingEnd(Policy(window=4, window_limit=4))
    for number in range(9):
        sender.stream_sender.send(number, b"hello", 0.0)
    assert sender.leave(now=0.0) == [[(0, 0), (1, 0), (2, 0), (3, 0)]]
    sender.stream_sender.acknowledge(1, [2], 0.1)
    assert sender.leave(now=0.1) == [[(4, 0), (5, 0)]]


def test_timed_retries_leave_no_room_for_more_than_the_window() -> None:
    sender = SendingEnd(Policy(window=8))
    for number in range(20):
        sender.stream_sender.send(number, b"hello", 0.0)
    sender.leave(now=0.0)
    sender.stream_sender.handle_timer(0.5)
    (datagram,) = sender.leave(now=0.5)
    assert sorted(number for number, _ in datagram) == list(range(8))
