"""Streams that announce what not to wait for: the floor, and gaps above it."""

from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import ReliableStream
from chatapp.wire.messages.direct import Ack, Floor, Gap, Part
from tests.wire.delivery.network import frames_of, lose, make_stream, say, take_all, transfer


def a_lost_message() -> tuple[ReliableStream, ReliableStream]:
    """Return two streams, of which the first has sent 1, which got lost, and 2, which the other one
    holds back for it."""
    a, b = make_stream(), make_stream()
    a.set_floor(1)
    a.send(1, b"expires", now=0.0)
    lose(a, now=0.0)
    a.send(2, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    assert take_all(b, now=0.0) == []
    return a, b


def test_the_floor_frees_what_waits_for_a_message_that_never_comes() -> None:
    a, b = a_lost_message()
    transfer(b, a, now=0.0)
    a.withdraw(1)
    a.set_floor(3)
    assert say(a) == [[Floor(3)]]
    assert say(a) == []
    b.receive(Floor(3), now=0.0)
    assert b.inbox.ready(0.0) == [2]


def test_the_floor_goes_with_an_acknowledgement_that_leaves_in_the_same_turn() -> None:
    """Else nobody would tell it later: after the acknowledgement the stream is at rest."""
    a, b = a_lost_message()
    b.send(7, b"hello", now=0.0)
    transfer(b, a, now=0.0)
    a.confirm([7], now=0.0)
    a.withdraw(1)
    a.set_floor(3)
    assert say(a) == [[Ack(7, [1]), Floor(3)]]
    assert say(a) == []


def test_the_floor_needs_no_datagram_of_its_own_when_nothing_can_wait_for_it() -> None:
    a, b = make_stream(), make_stream()
    a.set_floor(5)
    a.set_floor(6)
    a.send(5, b"withdrawn", now=0.0)
    assert say(a) == [[Floor(6), Part(5, 0, 1, b"withdrawn")]]
    a.withdraw(5)
    assert say(a) == []
    for number in (6, 7):
        a.send(number, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    assert take_all(b, now=0.0) == [6, 7]
    transfer(b, a, now=0.0)
    a.set_floor(8)
    assert say(a) == []
    a.send(8, b"hello", now=0.0)
    assert say(a) == [[Floor(8), Part(8, 0, 1, b"hello")]]
    a.set_floor(2)
    a.handle_timer(now=0.5)
    assert say(a, now=0.5) == [[Floor(8), Part(8, 0, 1, b"hello")]]


def test_the_floor_is_not_announced_for_the_last_message_of_all() -> None:
    a = make_stream()
    a.set_floor(5)
    a.send(5, b"expires", now=0.0)
    lose(a, now=0.0)
    a.withdraw(5)
    a.set_floor(6)
    assert say(a) == []


def test_the_floor_is_announced_although_parts_wait_that_need_not_be_sent_any_more() -> None:
    """The other end may hold number 6 back, and waits for 5."""
    a = make_stream(Policy(window=2, window_floor=1))
    a.set_floor(5)
    for number in (5, 6, 7):
        a.send(number, b"expires", now=0.0)
    lose(a, now=0.0)
    for number in (5, 6, 7):
        a.withdraw(number)
    a.set_floor(8)
    assert say(a) == [[Floor(8)]]


def test_what_is_in_gap_is_said_in_front_of_parts_and_nobody_waits_for_it() -> None:
    """Number 1 is unsettled; 2 to 9 were skipped at a restart."""
    a, b = make_stream(), make_stream()
    a.set_floor(1)
    a.set_gaps([(2, 10)])
    assert say(a) == []
    a.send(1, b"one", now=0.0)
    a.send(10, b"ten", now=0.0)
    (payload,) = a.payloads_to_send(now=0.0)
    frames = frames_of(payload)
    assert frames == [Gap(2, 8), Floor(1), Part(1, 0, 1, b"one"), Part(10, 0, 1, b"ten")]
    for frame in frames:
        b.receive(frame, now=0.0)
    assert take_all(b, now=0.0) == [1, 10]


def test_only_so_many_gaps_are_sent_at_once() -> None:
    a = make_stream()
    a.set_gaps([(start, start + 5) for start in range(10, 100, 10)])
    a.send(1, b"one", now=0.0)
    (frames,) = say(a)
    assert frames[:4] == [Gap(start, 5) for start in (10, 20, 30, 40)]
    assert len(frames) == 6
