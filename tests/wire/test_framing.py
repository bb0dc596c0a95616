"""Frames in a stream: whole and in order however TCP cuts them; a length alone allocates
nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import FrameReader, frame
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import LINK_FIRST_FRAME_MAX, LINK_FRAME_MAX

bodies = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def frames_of(reader: FrameReader) -> list[bytes]:
    """Return all whole frames that a reader has."""
    frames = []
    while (whole := reader.next_frame()) is not None:
        frames.append(whole)
    return frames


def cut_at(stream: bytes, places: list[int]) -> list[bytes]:
    """Strategy: a stream cut into pieces."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(bodies, st.lists(st.integers(0, 5_000), max_size=30))
def test_any_cutting_gives_the_same_frames(sent: list[bytes], places: list[int]) -> None:
    reader, read = FrameReader(), []
    for piece in cut_at(b"".join(map(frame, sent)), places):
        reader.feed(piece)
        read += frames_of(reader)
    assert read == sent
    assert reader.waiting == 0


@given(bodies)
def test_byte_by_byte_and_all_at_once_are_the_same(sent: list[bytes]) -> None:
    stream = b"".join(map(frame, sent))
    slow, fast, read = FrameReader(), FrameReader(), []
    for byte in stream:
        slow.feed(bytes([byte]))
        read += frames_of(slow)
    fast.feed(memoryview(stream))
    assert read == frames_of(fast) == sent


@given(bodies, st.integers(1, 200))
def test_an_incomplete_frame_is_not_returned(sent: list[bytes], missing: int) -> None:
    stream = b"".join(map(frame, sent))
    missing = min(missing, len(stream))
    reader = FrameReader()
    reader.feed(stream[: len(stream) - missing])
    early = frames_of(reader)
    assert early == sent[: len(early)]
    reader.feed(stream[len(stream) - missing :])
    assert early + frames_of(reader) == sent


@pytest.mark.parametrize("length", [0, LINK_FIRST_FRAME_MAX + 1, 2**31, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_refused_as_soon_as_it_is_read(length: int) -> None:
    reader = FrameReader()
    reader.feed(length.to_bytes(4, "big")[:3])
    assert reader.next_frame() is None
    reader.feed(length.to_bytes(4, "big")[3:])
    for _ in range(2):  # asked again, it still refuses
        with pytest.raises(DecodeError, match=f"{length} bytes"):
            reader.next_frame()


def test_frames_before_a_bad_length_are_given() -> None:
    reader = FrameReader()
    reader.feed(frame(b"good") + bytes(4) + frame(b"never"))
    assert reader.next_frame() == b"good"
    with pytest.raises(DecodeError):
        reader.next_frame()


@pytest.mark.parametrize("largest", [LINK_FIRST_FRAME_MAX, LINK_FRAME_MAX])
def test_the_largest_frame_is_taken_and_one_byte_more_is_not(largest: int) -> None:
    reader = FrameReader()
    reader.largest = largest
    reader.feed(frame(bytes(largest)))
    assert reader.next_frame() == bytes(largest)
    reader.feed(frame(bytes(largest + 1)))
    with pytest.raises(DecodeError):
        reader.next_frame()


@given(bodies, bodies, st.integers(0, 40), st.binary(max_size=8))
def test_whole_is_what_would_be_read_as_one_frame(
    before: list[bytes], sent: list[bytes], missing: int, more: bytes
) -> None:
    data = b"".join(map(frame, sent))
    data = data[: max(0, len(data) - missing)] + more
    reader = FrameReader()
    reader.feed(b"".join(map(frame, before))[:-1])
    while reader.next_frame() is not None:
        pass
    waiting, is_whole = reader.waiting, reader.is_one_frame(data)
    reader.feed(data)
    try:
        read = frames_of(reader)
    except DecodeError:
        read = []
    assert is_whole is (not waiting and read == [data[4:]] and not reader.waiting)


@pytest.mark.parametrize("length", [0, LINK_FIRST_FRAME_MAX + 1])
def test_a_frame_out_of_bounds_is_not_whole(length: int) -> None:
    assert not FrameReader().is_one_frame(frame(bytes(length)))
    assert FrameReader().is_one_frame(frame(bytes(LINK_FIRST_FRAME_MAX)))


def test_a_new_reader_trusts_nobody() -> None:
    assert FrameReader().largest == LINK_FIRST_FRAME_MAX < LINK_FRAME_MAX
