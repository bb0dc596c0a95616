"""This file is about two couriers that talk: payloads, acknowledgements that ride along, the floor."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.delivery.network import frames_of, lose, make_courier, transfer
from tests.wire.delivery.test_frames import frames, lengths, numbers
from wire.codec import decode_frames
from wire.delivery.courier import PAYLOAD_LEAST, PAYLOAD_LIMIT, Courier
from wire.delivery.events import Acknowledged, Arrived, GaveUp, Unanswered
from wire.delivery.policy import Policy
from wire.delivery.seen import Inbox
from wire.messages.delivery import Ack, DeliveryFrame, Floor, Part, PartAck, Void, encode_frame
from wire.messages.presence import Ping


def say(courier: Courier, *, now: float = 0.0) -> list[list[DeliveryFrame]]:
    return [frames_of(payload) for payload in courier.payloads_to_send(now=now)]


def take_all(courier: Courier, *, now: float) -> list[int]:
    """The owner commits what has arrived and shows what is ready."""
    for event in courier.events():
        if isinstance(event, Arrived):
            courier.confirm(event.number, now=now)
    return courier.inbox.ready(now)


def test_a_message_is_delivered_when_it_is_stored() -> None:
    a, b = make_courier(), make_courier()
    a.set_floor(7)
    a.send(7, b"hello", now=0.0)
    assert transfer(a, b, now=0.1) == 1
    assert transfer(b, a, now=0.1) == 0
    assert b.events() == [Arrived(7, b"hello")]
    assert b.inbox.ready(0.1) == []
    b.confirm(7, now=0.2)
    assert b.inbox.ready(0.2) == [7]
    assert transfer(b, a, now=0.2) == 1
    assert a.events() == [Acknowledged(7, 1, 0.2 - 0.1)]
    assert a.is_idle
    assert b.is_idle
    assert a.next_timer() is None
    assert b.next_timer() is None


def test_a_lost_ack_is_healed_by_the_repeat() -> None:
    a, b = make_courier(), make_courier()
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
    a, b = make_courier(), make_courier()
    for number in (1, 2):
        a.send(number, b"hello", now=0.0)
        transfer(a, b, now=0.0)
        take_all(b, now=0.0)
        if number == 1:
            lose(b, now=0.0)
    transfer(b, a, now=0.0)
    assert [event.number for event in a.events()] == [1, 2]


def test_the_same_number_from_two_senders_is_two_messages() -> None:
    a, b = make_courier(), make_courier()
    for courier, other in ((a, b), (b, a)):
        courier.send(7, b"hello", now=0.0)
        transfer(courier, other, now=0.0)
    assert a.events() == b.events() == [Arrived(7, b"hello")]


def test_small_messages_share_datagrams_and_so_do_their_acks() -> None:
    a, b = make_courier(), make_courier()
    for number in range(60):
        a.send(number, bytes(100), now=0.0)
    assert transfer(a, b, now=0.0) == 6
    assert take_all(b, now=0.0) == list(range(60))
    assert say(b) == [[Ack(0, [60])]]


def test_an_ack_rides_with_parts_behind_it() -> None:
    a, b = make_courier(), make_courier()
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    take_all(b, now=0.0)
    b.set_floor(3)
    b.send(3, b"hi", now=0.0)
    assert say(b) == [[Ack(7, [1]), Floor(3), Part(3, 0, 1, b"hi")]]


def test_an_ack_rides_with_a_part_of_full_size() -> None:
    a, b = make_courier(), make_courier()
    a.send(10**15, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    take_all(b, now=0.0)
    b.set_floor(10**15)
    b.send(10**15, bytes(5_000), now=0.0)
    payloads = b.payloads_to_send(now=0.0)
    assert len(payloads) == 5
    assert [type(frame) for frame in frames_of(payloads[0])] == [Ack, Floor, Part]
    assert len(payloads[0]) > PAYLOAD_LIMIT - 40


@given(
    st.lists(st.binary(max_size=2_500), max_size=12),
    st.lists(st.integers(1, PAYLOAD_LEAST - 3), max_size=12),
    st.sets(st.integers(0, 2**62), max_size=40),
    st.integers(PAYLOAD_LEAST, 1_400),
)
def test_no_payload_is_ever_too_long(
    bodies: list[bytes], sizes: list[int], seen: set[int], limit: int
) -> None:
    courier = Courier(Policy(), rng=make_rng(), payload_limit=limit)
    courier.set_floor(2**62)
    for number, body in enumerate(bodies, 2**62):
        courier.send(number, body, now=0.0)
    for size in sizes:
        courier.queue_frame(b"\xc4\x00" if size == 2 else bytes(size))
    for number in seen:
        courier.receive(Part(number, 0, 1, b"x"), now=0.0)
        courier.confirm(number, now=0.0)
    payloads = courier.payloads_to_send(now=0.0)
    assert all(len(payload) <= limit for payload in payloads)
    assert sum(len(payload) for payload in payloads) >= sum(sizes) + sum(len(body) for body in bodies)


def make_rng() -> random.Random:
    return random.Random(1)


def test_frames_of_other_kinds_ride_along_once() -> None:
    courier = make_courier()
    ping = msgspec.msgpack.encode(Ping(7))
    courier.queue_frame(ping)
    courier.send(1, b"hello", now=0.0)
    assert not courier.is_idle
    (payload,) = courier.payloads_to_send(now=0.0)
    assert decode_frames(payload) == [Ping(7), Floor(0), Part(1, 0, 1, b"hello")]
    courier.handle_timer(now=0.5)
    assert say(courier, now=0.5) == [[Floor(0), Part(1, 0, 1, b"hello")]]


def test_what_can_never_be_sent_is_our_own_mistake() -> None:
    courier = make_courier()
    for number, size in ((-1, 1), (2**63, 1), (1, Policy().message_limit + 1)):
        with pytest.raises(ValueError, match="cannot be sent"):
            courier.send(number, bytes(size), now=0.0)
    with pytest.raises(ValueError, match="does not fit"):
        courier.queue_frame(bytes(PAYLOAD_LIMIT - 2))
    with pytest.raises(ValueError, match="below"):
        Courier(Policy(), rng=make_rng(), payload_limit=PAYLOAD_LEAST - 1)


@pytest.mark.parametrize("size", [0, 1, 1_000, 1_101, 1_102, 1_103, 65_536])
def test_messages_of_any_size_arrive_as_they_were(size: int) -> None:
    a, b = make_courier(), make_courier()
    body = make_rng().randbytes(size)
    a.send(7, body, now=0.0)
    transfer(a, b, now=0.0)
    assert b.events() == [Arrived(7, body)]
    b.confirm(7, now=0.0)
    transfer(b, a, now=0.0)
    assert [event.number for event in a.events()] == [7]


def test_an_owner_that_could_not_store_gets_the_message_again() -> None:
    a, b = make_courier(), make_courier()
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    b.events()
    b.reject(7)
    a.handle_timer(now=0.5)
    transfer(a, b, now=0.5)
    assert b.events() == [Arrived(7, b"hello")]


def test_withdrawn_and_restarted_messages() -> None:
    a, b = make_courier(), make_courier()
    a.send(1, b"one", now=0.0)
    a.send(2, b"two", now=0.0)
    lose(a, now=0.0)
    a.withdraw(1)
    a.restart_tries(now=0.1)
    transfer(a, b, now=0.1)
    assert b.events() == [Arrived(2, b"two")]


def test_a_dead_path_is_told_in_order() -> None:
    a = make_courier()
    a.send(7, b"hello", now=0.0)
    events = []
    now: float | None = 0.0
    while now is not None:
        a.handle_timer(now=now)
        assert lose(a, now=now) == (now < 2.5)
        events += a.events()
        now = a.next_timer()
    assert events == [Unanswered(7, 2), Unanswered(7, 3), Unanswered(7, 4), GaveUp(7, 5)]


def test_the_floor_frees_what_waits_for_a_message_that_never_comes() -> None:
    a, b = make_courier(), make_courier()
    a.set_floor(1)
    a.send(1, b"expires", now=0.0)
    lose(a, now=0.0)
    a.send(2, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    assert take_all(b, now=0.0) == []
    transfer(b, a, now=0.0)
    a.withdraw(1)
    a.set_floor(3)
    assert say(a) == [[Floor(3)]]
    assert say(a) == []
    b.receive(Floor(3), now=0.0)
    assert b.inbox.ready(0.0) == [2]


def test_the_floor_needs_no_datagram_of_its_own_when_nothing_can_wait_for_it() -> None:
    a, b = make_courier(), make_courier()
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
    a = make_courier()
    a.set_floor(5)
    a.send(5, b"expires", now=0.0)
    lose(a, now=0.0)
    a.withdraw(5)
    a.set_floor(6)
    assert say(a) == []


def test_what_is_void_is_said_in_front_of_parts_and_nobody_waits_for_it() -> None:
    """1 is unsettled, 2 to 9 were skipped at a restart."""
    a, b = make_courier(), make_courier()
    a.set_floor(1)
    a.set_voids([(2, 10)])
    assert say(a) == []
    a.send(1, b"one", now=0.0)
    a.send(10, b"ten", now=0.0)
    (payload,) = a.payloads_to_send(now=0.0)
    frames = frames_of(payload)
    assert frames == [Void(2, 8), Floor(1), Part(1, 0, 1, b"one"), Part(10, 0, 1, b"ten")]
    for frame in frames:
        b.receive(frame, now=0.0)
    assert take_all(b, now=0.0) == [1, 10]


def test_only_so_many_voids_are_said_at_once() -> None:
    a = make_courier()
    a.set_voids([(start, start + 5) for start in range(10, 100, 10)])
    a.send(1, b"one", now=0.0)
    (frames,) = say(a)
    assert frames[:4] == [Void(start, 5) for start in (10, 20, 30, 40)]
    assert len(frames) == 6


def test_a_kill_between_commit_and_acknowledgement_shows_the_message_once() -> None:
    a, b = make_courier(), make_courier()
    a.set_floor(7)
    a.send(7, b"hello", now=0.0)
    transfer(a, b, now=0.0)
    assert b.events() == [Arrived(7, b"hello")]
    b = make_courier(inbox=Inbox(Policy(), floor=7, seen=[7], shown=6))
    assert b.inbox.ready(0.5) == [7]
    a.handle_timer(now=0.5)
    transfer(a, b, now=0.5)
    assert b.events() == []
    assert b.inbox.ready(0.5) == []
    transfer(b, a, now=0.5)
    assert a.events() == [Acknowledged(7, 2, 0.5)]


def test_a_receiver_that_restarts_amid_a_long_message_gets_it_whole() -> None:
    a, b = make_courier(), make_courier()
    body = make_rng().randbytes(3_000)
    a.send(7, body, now=0.0)
    payloads = a.payloads_to_send(now=0.0)
    for frame in frames_of(payloads[0]):
        b.receive(frame, now=0.0)
    transfer(b, a, now=0.0)
    b = make_courier()
    for now in (0.5, 1.0):
        a.handle_timer(now=now)
        transfer(a, b, now=now)
        transfer(b, a, now=now)
        transfer(a, b, now=now)
    assert b.events() == [Arrived(7, body)]


def test_the_hold_is_one_of_the_timers() -> None:
    b = make_courier(inbox=Inbox(Policy(), floor=1))
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


raw = st.one_of(
    frames,
    st.builds(
        Part, number=numbers, index=st.integers(-2, 9), count=st.integers(-2, 9), body=st.binary(max_size=9)
    ),
    st.builds(Ack, first=st.integers(-2, 20), runs=st.lists(st.integers(-2, 9), max_size=9)),
    st.builds(PartAck, number=st.integers(0, 9), first=st.integers(-2, 9), runs=lengths),
)


@given(st.lists(raw, max_size=60))
def test_nothing_that_a_stranger_says_raises_or_grows_without_bound(said: list[DeliveryFrame]) -> None:
    courier = make_courier(Policy(hold_numbers=8, assemblies=1, window_limit=4))
    for number in range(10):
        courier.send(number, bytes(number * 500), now=0.0)
    for now, frame in enumerate(said):
        courier.receive(frame, now=float(now))
        if now % 3:
            take_all(courier, now=float(now))
            assert all(len(payload) <= PAYLOAD_LIMIT for payload in courier.payloads_to_send(now=float(now)))
        assert courier.inbox.held_count <= 8 + 8
        assert courier._intake.bytes_held <= Policy(assemblies=1).assembly_bytes


def test_nonsense_is_counted() -> None:
    courier = make_courier()
    courier.send(7, bytes(2_000), now=0.0)
    lose(courier, now=0.0)
    for frame in (
        Part(1, 3, 2, b"x"),
        Ack(1, [1, 1]),
        PartAck(7, 0, [3]),
        PartAck(7, 0, []),
        Ack(1, [2**63]),
        Void(2**63 - 3, 4),
    ):
        courier.receive(frame, now=0.0)
    assert courier.ignored == 6
    courier.receive(Part(1, 0, 1, encode_frame(Floor(1))), now=0.0)
    assert courier.ignored == 6
