"""The framing of records: round trip, invalid bytes, and the exact prefix of whole records in a
damaged file."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.storage import (
    HEADER_SIZE,
    LARGEST_CLAIM,
    LARGEST_PAYLOAD,
    frame,
    scan,
    unframe,
)

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def joined(parts: list[bytes]) -> bytes:
    return b"".join(map(frame, parts))


def whole_before(parts: list[bytes], end: int) -> list[bytes]:
    """Return the entries whose records end at or before `end`."""
    kept: list[bytes] = []
    for part in parts:
        end -= HEADER_SIZE + len(part)
        if end < 0:
            break
        kept.append(part)
    return kept


@given(payloads)
def test_round_trip(parts: list[bytes]) -> None:
    data = joined(parts)
    assert scan(data) == (parts, len(data))
    assert [unframe(frame(part)) for part in parts] == parts


def test_the_format_on_the_disk() -> None:
    checksum = crc32(b"\0\0\0\3abc").to_bytes(4, "big")
    assert frame(b"abc") == b"\0\0\0\3" + checksum + b"abc"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    found, whole = scan(data)
    assert joined(found) == data[:whole]
    assert unframe(data) == (found[0] if len(found) == 1 and whole == len(data) else None)


@given(payloads, st.binary(max_size=40))
def test_what_follows_whole_records_does_not_change_them(parts: list[bytes], rest: bytes) -> None:
    found, _ = scan(joined(parts) + rest)
    assert found[: len(parts)] == parts


def test_cut_at_every_byte() -> None:
    parts = [b"one", b"second", b"\0" * 9, b"x"]
    data = joined(parts)
    for end in range(len(data) + 1):
        kept = whole_before(parts, end)
        assert scan(data[:end]) == (kept, len(joined(kept)))


def test_every_bit_flipped() -> None:
    parts = [b"one", b"second", b"\0" * 9, b"x"]
    data = joined(parts)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        kept = whole_before(parts, bit // 8)
        assert scan(bytes(damaged)) == (kept, len(joined(kept)))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 4096])
def test_zeros_are_no_records(size: int) -> None:
    assert scan(bytes(size)) == ([], 0)
    assert scan(frame(b"one") + bytes(size)) == ([b"one"], HEADER_SIZE + 3)


def test_a_claim_beyond_the_largest_is_damage() -> None:
    assert scan(b"\xff" * 64) == ([], 0)
    assert scan(frame(b"x" * LARGEST_PAYLOAD))[1] == HEADER_SIZE + LARGEST_PAYLOAD
    most = frame(b"x" * LARGEST_CLAIM, largest=LARGEST_CLAIM)
    assert scan(most)[1] == len(most)
    assert scan(frame(b"x" * (LARGEST_CLAIM + 1), largest=LARGEST_CLAIM + 1)) == ([], 0)


@pytest.mark.parametrize("payload", [b"", bytes(LARGEST_PAYLOAD + 1)])
def test_a_payload_that_could_not_be_read_back_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="a record holds"):
        frame(payload)
