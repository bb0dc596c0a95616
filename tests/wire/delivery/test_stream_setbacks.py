"""Streams that lose something: an acknowledgement, a commit, their memory, the path."""

import random

from chatapp.wire.delivery.dedup import Inbox, Shown
from chatapp.wire.delivery.parts import Acknowledged, Arrived, GaveUp, Unanswered
from chatapp.wire.delivery.policy import Policy
from tests.wire.delivery.network import frames_of, lose, make_stream, take_all, transfer


def test_a_lost_ack_is_healed_by_the_repeat() -> None:
    a, b = make_stream(), make_stream()
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    take_all(b, now=0.0)
    assert lose(b, now=0.0) == 1
    a.handle_timer(now=0.5)
    transfer(a, b, now=0.5)
    assert b.events() == []
    transfer(b, a, now=0.5)
    assert a.events() == [Acknowledged(7, 2, 0.5)]


def test_a_lost_ack_is_healed_by_the_next() -> None:
    a, b = make_stream(), make_stream()
    for number in (1, 2):
        a.send(number, b"hello", now=0.0)
        transfer(a, b, now=0.0)
        take_all(b, now=0.0)
        if number == 1:
            lose(b, now=0.0)
    transfer(b, a, now=0.0)
    assert [event.number for event in a.events() if isinstance(event, Acknowledged)] == [1, 2]


def make_rng() -> random.Random:
    return random.Random(1)


def test_an_owner_that_could_not_store_gets_the_message_again() -> None:
    a, b = make_stream(), make_stream()
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    b.events()
    b.reject(7)
    a.handle_timer(now=0.5)
    transfer(a, b, now=0.5)
    assert b.events() == [Arrived(7, b"hello")]


def test_a_dead_path_is_told_in_order() -> None:
    a = make_stream()
    a.send(7, b"hello", now=0.0)
    events = []
    now: float | None = 0.0
    while now is not None:
        a.handle_timer(now=now)
        assert lose(a, now=now) == (now < 2.5)
        events += a.events()
        now = a.next_timer()
    assert events == [Unanswered(7, 2), Unanswered(7, 3), Unanswered(7, 4), GaveUp(7, 5)]


def test_a_kill_between_commit_and_acknowledgement_shows_the_message_once() -> None:
    a, b = make_stream(), make_stream()
    a.set_floor(7)
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    assert b.events() == [Arrived(7, b"hello")]
    b = make_stream(inbox=Inbox(Policy(), floor=7, seen=[7], shown=Shown(6)))
    assert b.inbox.ready(0.5) == [7]
    a.handle_timer(now=0.5)
    transfer(a, b, now=0.5)
    assert b.events() == []
    assert b.inbox.ready(0.5) == []
    transfer(b, a, now=0.5)
    assert a.events() == [Acknowledged(7, 2, 0.5)]


def test_a_receiver_that_restarts_amid_a_long_message_gets_it_whole() -> None:
    a, b = make_stream(), make_stream()
    body = make_rng().randbytes(3_000)
    a.send(7, body, now=0.0)
    payloads = a.payloads_to_send(now=0.0)
    for frame in frames_of(payloads[0]):
        b.receive(frame, now=0.0)
    transfer(b, a, now=0.0)
    b = make_stream()
    for now in (0.5, 1.0):
        a.handle_timer(now=now)
        transfer(a, b, now=now)
        transfer(b, a, now=now)
        transfer(a, b, now=now)
    assert b.events() == [Arrived(7, body)]
