"""Streams at their limits: long messages, long payloads, invalid frames from strangers."""

import random
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import encode
from chatapp.wire.delivery.parts import Acknowledged, Arrived
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import PAYLOAD_LEAST, PAYLOAD_LIMIT, ReliableStream
from chatapp.wire.messages.direct import (
    LAST_NUMBER,
    Ack,
    DeliveryFrame,
    Floor,
    Gap,
    Part,
    PartAck,
    encode_frame,
)
from tests.wire.delivery.network import lose, make_stream, say, take_all, transfer
from tests.wire.delivery.test_frames import frames, lengths, numbers


@given(
    st.lists(st.binary(max_size=2_500), max_size=12),
    st.lists(st.integers(1, PAYLOAD_LEAST - 3), max_size=12),
    st.sets(st.integers(0, 2**62), max_size=40),
    st.integers(PAYLOAD_LEAST, 1_400),
)
def test_no_payload_is_ever_too_long(
    bodies: list[bytes], sizes: list[int], seen: set[int], limit: int
) -> None:
    delivery = ReliableStream(Policy(), rng=make_rng(), payload_limit=limit)
    delivery.set_floor(2**62)
    for number, body in enumerate(bodies, 2**62):
        delivery.send(number, body, now=0.0)
    for size in sizes:
        delivery.queue_frame(b"\xc4\x00" if size == 2 else bytes(size))
    for number in seen:
        delivery.receive(Part(number, 0, 1, b"x"), now=0.0)
        delivery.confirm([number], now=0.0)
    payloads = delivery.payloads_to_send(now=0.0)
    assert all(len(payload) <= limit for payload in payloads)
    assert sum(len(payload) for payload in payloads) >= sum(sizes) + sum(
        len(body) for body in bodies
    )


def make_rng() -> random.Random:
    return random.Random(1)


def test_what_can_never_be_sent_is_our_own_mistake() -> None:
    delivery = make_stream()
    for number, size in ((-1, 1), (2**63, 1), (1, Policy().message_limit + 1)):
        with pytest.raises(ValueError, match="cannot be sent"):
            delivery.send(number, bytes(size), now=0.0)
    with pytest.raises(ValueError, match="does not fit"):
        delivery.queue_frame(bytes(PAYLOAD_LIMIT - 2))
    ReliableStream(Policy(), rng=make_rng(), payload_limit=640)
    with pytest.raises(ValueError, match="below"):
        ReliableStream(Policy(), rng=make_rng(), payload_limit=639)


@pytest.mark.parametrize("size", [0, 1, 1_000, 1_029, 1_030, 1_031, 65_536])
def test_messages_of_any_size_arrive_as_they_were(size: int) -> None:
    a, b = make_stream(), make_stream()
    body = make_rng().randbytes(size)
    a.send(7, body, now=0.0)
    transfer(a, b, now=0.0)
    assert b.events() == [Arrived(7, body)]
    b.confirm([7], now=0.0)
    transfer(b, a, now=0.0)
    assert [event.number for event in a.events() if isinstance(event, Acknowledged)] == [7]


raw = st.one_of(
    frames,
    st.builds(
        Part,
        number=numbers,
        index=st.integers(-2, 9),
        count=st.integers(-2, 9),
        body=st.binary(max_size=9),
    ),
    st.builds(Ack, first=st.integers(-2, 20), ranges=st.lists(st.integers(-2, 9), max_size=9)),
    st.builds(PartAck, number=st.integers(0, 9), first=st.integers(-2, 9), ranges=lengths),
)


@given(st.lists(raw, max_size=60))
def test_nothing_that_a_stranger_says_raises_or_grows_without_bound(
    said: list[DeliveryFrame],
) -> None:
    delivery = make_stream(Policy(hold_numbers=8, assemblies=1, window_limit=4))
    for number in range(10):
        delivery.send(number, bytes(number * 500), now=0.0)
    for now, frame in enumerate(said):
        delivery.receive(frame, now=float(now))
        if now % 3:
            take_all(delivery, now=float(now))
            assert all(
                len(payload) <= PAYLOAD_LIMIT
                for payload in delivery.payloads_to_send(now=float(now))
            )
        assert delivery.inbox.held_count <= 8 + 8
        assert delivery._receiver.bytes_held <= Policy(assemblies=1).assembly_bytes


def test_nonsense_is_counted() -> None:
    delivery = make_stream()
    delivery.send(7, bytes(2_000), now=0.0)
    lose(delivery, now=0.0)
    for frame in (
        Part(1, 3, 2, b"x"),
        Ack(1, [1, 1]),
        PartAck(7, 0, [3]),
        PartAck(7, 0, []),
        Ack(1, [2**63]),
        Gap(2**63 - 3, 4),
    ):
        delivery.receive(frame, now=0.0)
    assert delivery.ignored == 6
    delivery.receive(Part(1, 0, 1, encode_frame(Floor(1))), now=0.0)
    assert delivery.ignored == 6


@pytest.mark.parametrize("first", [0, 7, 2**63 - 6])
def test_a_gap_may_end_right_below_the_last_number(first: int) -> None:
    """Clause 6.3: where it ends is a number, too."""
    delivery = make_stream()
    delivery.receive(Gap(first, LAST_NUMBER - first), now=0.0)
    assert delivery.ignored == 0
    delivery.receive(Part(LAST_NUMBER, 0, 1, b"the last"), now=0.0)
    delivery.receive(Floor(first), now=0.0)
    assert take_all(delivery, now=0.0) == [LAST_NUMBER]


@pytest.mark.parametrize("first", [0, 7, 2**63 - 6])
def test_a_gap_up_to_the_last_number_itself_is_nonsense(first: int) -> None:
    delivery = make_stream()
    delivery.receive(Gap(first, LAST_NUMBER - first + 1), now=0.0)
    assert delivery.ignored == 1


ROOM: Final = PAYLOAD_LIMIT - 3
"""For the frames of a payload, beside the header of the longest array."""


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ([ROOM], [1]),
        ([100, ROOM - 100], [2]),
        ([1, 2, ROOM - 3], [3]),
        ([ROOM, 1], [1, 1]),
        ([ROOM - 1, 2], [1, 1]),
        ([2, ROOM - 2, ROOM], [2, 1]),
    ],
)
def test_frames_share_a_payload_up_to_its_last_byte(sizes: list[int], together: list[int]) -> None:
    delivery = make_stream()
    frames = [
        encode(bytes(size - (2 if size < 256 else 3))) if size > 1 else b"\xc0" for size in sizes
    ]
    assert [len(frame) for frame in frames] == sizes
    for frame in frames:
        delivery.queue_frame(frame)
    payloads = [msgspec.msgpack.decode(payload) for payload in delivery.payloads_to_send(now=0.0)]
    assert [len(payload) for payload in payloads] == together


def test_a_message_is_sent_up_to_its_limit_and_a_number_up_to_the_last() -> None:
    for number, size in ((0, Policy().message_limit), (LAST_NUMBER, 1)):
        delivery = make_stream()
        delivery.send(number, bytes(size), now=0.0)
        sent = [frame for frames in say(delivery) for frame in frames if isinstance(frame, Part)]
        assert {part.number for part in sent} == {number}


@pytest.mark.parametrize(
    ("size", "sizes"), [(1_033, [1_033]), (1_034, [1_033, 1]), (2_067, [1_033, 1_033, 1])]
)
def test_a_body_is_cut_into_parts_of_one_size(size: int, sizes: list[int]) -> None:
    """Clause 6.6."""
    delivery = make_stream()
    delivery.send(7, bytes(size), now=0.0)
    parts = [frame for frames in say(delivery) for frame in frames if isinstance(frame, Part)]
    assert [len(part.body) for part in parts] == sizes


def test_a_floor_is_valid() -> None:
    delivery = make_stream()
    delivery.receive(Floor(5), now=0.0)
    delivery.receive(Floor(4), now=0.0)
    assert delivery.ignored == 0
