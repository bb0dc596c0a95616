"""Two streams that exchange payloads, with acknowledgements in the same payloads."""

import msgspec

from chatapp.wire.codec import decode_frames
from chatapp.wire.delivery.dedup import Inbox
from chatapp.wire.delivery.parts import Acknowledged, Arrived
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import PAYLOAD_LIMIT
from chatapp.wire.messages.direct import Ack, Floor, Part
from chatapp.wire.messages.registration import Ping
from tests.wire.delivery.network import frames_of, lose, make_stream, say, take_all, transfer


def test_a_message_is_delivered_when_it_is_stored() -> None:
    a, b = make_stream(), make_stream()
    a.set_floor(7)
    a.send(7, b"hello", now=0.0)
    assert transfer(a, b, now=0.1) == 1
    assert transfer(b, a, now=0.1) == 0
    assert b.events() == [Arrived(7, b"hello")]
    assert b.inbox.ready(0.1) == []
    b.confirm([7], now=0.2)
    assert b.inbox.ready(0.2) == [7]
    assert transfer(b, a, now=0.2) == 1
    assert a.events() == [Acknowledged(7, 1, 0.2 - 0.1)]
    assert a.is_idle
    assert b.is_idle
    assert a.next_timer() is None
    assert b.next_timer() is None


def test_the_same_number_from_two_senders_is_two_messages() -> None:
    a, b = make_stream(), make_stream()
    for delivery, other in ((a, b), (b, a)):
        delivery.send(7, b"hello", now=0.0)
        transfer(delivery, other, now=0.0)
    assert a.events() == b.events() == [Arrived(7, b"hello")]


def test_small_messages_share_datagrams_and_so_do_their_acks() -> None:
    a, b = make_stream(), make_stream()
    for number in range(60):
        a.send(number, bytes(100), now=0.0)
    assert transfer(a, b, now=0.0) == 6
    assert take_all(b, now=0.0) == list(range(60))
    assert say(b) == [[Ack(0, [60])]]


def test_an_ack_rides_with_parts_behind_it() -> None:
    a, b = make_stream(), make_stream()
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    take_all(b, now=0.0)
    b.set_floor(3)
    b.send(3, b"hi", now=0.0)
    assert say(b) == [[Ack(7, [1]), Floor(3), Part(3, 0, 1, b"hi")]]


def test_an_ack_rides_with_a_part_of_full_size() -> None:
    a, b = make_stream(), make_stream()
    a.send(10**15, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    take_all(b, now=0.0)
    b.set_floor(10**15)
    b.send(10**15, bytes(5_000), now=0.0)
    payloads = b.payloads_to_send(now=0.0)
    assert len(payloads) == 5
    assert [type(frame) for frame in frames_of(payloads[0])] == [Ack, Floor, Part]
    assert len(payloads[0]) > PAYLOAD_LIMIT - 40


def test_frames_of_other_kinds_ride_along_once() -> None:
    delivery = make_stream()
    ping = msgspec.msgpack.encode(Ping(7))
    delivery.queue_frame(ping)
    delivery.send(1, b"hello", now=0.0)
    assert not delivery.is_idle
    (payload,) = delivery.payloads_to_send(now=0.0)
    assert decode_frames(payload) == [Ping(7), Floor(0), Part(1, 0, 1, b"hello")]
    delivery.handle_timer(now=0.5)
    assert say(delivery, now=0.5) == [[Floor(0), Part(1, 0, 1, b"hello")]]


def test_withdrawn_and_restarted_messages() -> None:
    a, b = make_stream(), make_stream()
    a.send(1, b"one", now=0.0)
    a.send(2, b"two", now=0.0)
    lose(a, now=0.0)
    a.withdraw(1)
    a.restart_tries(now=0.1)
    transfer(a, b, now=0.1)
    assert b.events() == [Arrived(2, b"two")]


def test_the_hold_is_one_of_the_timers() -> None:
    b = make_stream(inbox=Inbox(Policy(), floor=1))
    b.receive(Part(2, 0, 1, b"two"), now=100.0)
    assert take_all(b, now=100.0) == []
    assert b.next_timer() == 115.0
    b.send(1, b"hello", now=100.0)
    lose(b, now=100.0)
    assert b.next_timer() == 100.5
    b.withdraw(1)
    b.handle_timer(now=115.0)
    assert b.next_timer() is None
    assert b.inbox.ready(115.0) == [2]
