"""Headers: round trip, and one DecodeError for too few bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import (
    GROUP_HEADER_SIZE,
    GROUP_OVERHEAD,
    OPENING_OVERHEAD,
    GroupHeader,
    Kind,
    OpeningHeader,
    pack_group,
    pack_opening,
    pack_relayed,
    unpack_group,
    unpack_opening,
    unpack_relayed,
)
from chatapp.wire.errors import DecodeError

tags = st.binary(min_size=8, max_size=8)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
tails = st.binary(min_size=16, max_size=60)


@given(tags, u32, u32, u64, tails)
def test_a_group_header_survives(
    tag: bytes, epoch: int, sender_index: int, counter: int, tail: bytes
) -> None:
    header = GroupHeader(tag, epoch, sender_index, counter)
    packed = pack_group(header)
    assert len(packed) == GROUP_HEADER_SIZE == GROUP_OVERHEAD - 16 == 25
    assert packed[0] == Kind.GROUP
    assert packed[-12:] == sender_index.to_bytes(4, "big") + counter.to_bytes(8, "big")  # the nonce
    assert unpack_group(packed + tail) == unpack_group(memoryview(packed + tail)) == header


@given(u64, st.binary(min_size=GROUP_OVERHEAD, max_size=100))
def test_a_relayed_frame_is_the_senders_bytes(position: int, frame: bytes) -> None:
    relayed = pack_relayed(position, frame)
    assert relayed[0] == Kind.GROUP_RELAYED
    assert unpack_relayed(relayed) == (position, frame)


@pytest.mark.parametrize(
    ("number", "is_taken"), [(0, True), (2**63 - 1, True), (2**63, False), (2**64 - 1, False)]
)
def test_an_opening_has_a_number_that_a_database_can_hold(number: int, is_taken: bool) -> None:
    """Clause 5.3."""
    header = OpeningHeader(b"i" * 32, number, b"s" * 8, b"e" * 32, b"t" * 16, b"p" * 16, 0)
    datagram = pack_opening(header) + bytes(16)
    assert len(datagram) == OPENING_OVERHEAD
    if is_taken:
        assert unpack_opening(datagram) == header
    else:
        with pytest.raises(DecodeError, match=f"number {number}"):
            unpack_opening(datagram)
    with pytest.raises(DecodeError, match=f"{OPENING_OVERHEAD - 1} bytes"):
        unpack_opening(datagram[:-1])


@pytest.mark.parametrize(
    ("unpack", "least"),
    [(unpack_group, GROUP_OVERHEAD), (unpack_relayed, 9 + GROUP_OVERHEAD)],
)
def test_any_bytes_of_any_length_give_a_header_or_one_error(
    unpack: Callable[[bytes], object], least: int
) -> None:
    for size in range(100):
        if size >= least:
            unpack(b"\xff" * size)
        else:
            with pytest.raises(DecodeError):
                unpack(b"\xff" * size)


def test_kinds_are_what_they_were() -> None:
    assert [(kind.name, kind.value) for kind in Kind] == [
        ("HELLO", 1),
        ("COOKIE", 2),
        ("REGISTER", 3),
        ("WELCOME", 4),
        ("REFUSED", 5),
        ("OPENING", 6),
        ("SEALED", 7),
        ("GROUP", 8),
        ("GROUP_RELAYED", 9),
        ("ANSWER", 10),
        ("RENEWAL", 11),
        ("CHUNK", 12),
    ]
