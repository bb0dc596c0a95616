"""The frames of delivery as bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import join_frames
from chatapp.wire.errors import DecodeError
from chatapp.wire.messages.direct import (
    KNOWN_MAX,
    LAST_NUMBER,
    PARTS_LIMIT,
    RANGES_LIMIT,
    Ack,
    DeliveryFrame,
    Floor,
    Gap,
    Known,
    Part,
    PartAck,
    encode_frame,
)
from tests.wire.delivery.network import frames_of

numbers = st.integers(0, LAST_NUMBER)
lengths = st.lists(st.integers(1, LAST_NUMBER), min_size=1, max_size=2 * RANGES_LIMIT - 1)
frames = st.one_of(
    st.builds(
        Part,
        number=numbers,
        index=st.integers(0, PARTS_LIMIT - 1),
        count=st.integers(1, PARTS_LIMIT),
        body=st.binary(max_size=50),
    ),
    st.builds(Ack, first=numbers, ranges=lengths),
    st.builds(PartAck, number=numbers, first=st.integers(0, PARTS_LIMIT - 1), ranges=lengths),
    st.builds(Floor, number=numbers),
    st.builds(Gap, first=numbers, count=st.integers(1, LAST_NUMBER)),
    st.builds(Known, number=st.integers(0, KNOWN_MAX)),
)


@given(st.lists(frames, max_size=40))
def test_frames_survive_a_round_trip(sent: list[DeliveryFrame]) -> None:
    assert frames_of(join_frames([encode_frame(frame) for frame in sent])) == sent


@given(st.binary(max_size=60))
def test_any_bytes_give_frames_or_one_error(payload: bytes) -> None:
    try:
        frames_of(payload)
    except DecodeError:
        return


@given(frames, st.data())
def test_a_changed_byte_gives_frames_or_one_error(
    frame: DeliveryFrame, data: st.DataObject
) -> None:
    payload = bytearray(join_frames([encode_frame(frame)]))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        frames_of(bytes(payload))
    except DecodeError:
        return


@pytest.mark.parametrize(
    "fields",
    [
        [1, -1, 0, 1, b""],
        [1, 2**63, 0, 1, b""],
        [1, 5, 0, 0, b""],
        [1, 5, PARTS_LIMIT, PARTS_LIMIT, b""],
        [1, 5, 0, PARTS_LIMIT + 1, b""],
        [1, 5, 0, 1, "text"],
        [2, 5, []],
        [2, 5, [0]],
        [2, 5, [-1]],
        [2, 5, [1] * (2 * RANGES_LIMIT)],
        [3, 5, -1, [1]],
        [4, -1],
        [4, 2**63],
        [4],
        [5, 1, 0],
        [5, -1, 1],
    ],
)
def test_a_frame_out_of_bounds_is_skipped(fields: list[object]) -> None:
    assert frames_of(msgspec.msgpack.encode([[4, 7], fields, [4, 8]])) == [Floor(7), Floor(8)]


def test_what_a_later_version_appends_is_ignored() -> None:
    assert frames_of(msgspec.msgpack.encode([[4, 7, "more"]])) == [Floor(7)]


def test_the_longest_acknowledgement_fits_the_smallest_payload() -> None:
    widest = Ack(LAST_NUMBER, [LAST_NUMBER] * (2 * RANGES_LIMIT - 1))
    assert len(encode_frame(widest)) < 600
