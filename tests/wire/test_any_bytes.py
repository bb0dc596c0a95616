"""Arbitrary bytes: each input gives a message or one DecodeError."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.codec import (
    decode_frames,
    decode_message_body,
    decode_notice,
    decode_request,
    decode_table_batch,
    encode,
)
from chatapp.wire.errors import DecodeError
from tests.support.strategies import (
    ALONE,
    DECODERS,
    FRAMES,
    NOTICES,
    REQUESTS,
    Decode,
    Message,
    any_message,
    encoded,
)
from tests.wire.decoding import is_taken_or_refused


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xc1")
@example(b"\x90")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xc6\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff")
@example(b"\x91\xa1\xff")
def test_any_bytes(data: bytes) -> None:
    for decode in DECODERS:
        is_taken_or_refused(decode, data)


@given(any_message())
def test_any_message_meant_for_somebody_else(message: bytes) -> None:
    for decode in DECODERS:
        is_taken_or_refused(decode, message)


def _all_encoded() -> st.SearchStrategy[tuple[Decode, bytes]]:
    alone = [st.tuples(st.just(decode), encoded(shape)) for shape, decode in ALONE.items()]
    unions: list[tuple[Decode, tuple[type[Message], ...]]] = [
        (decode_frames, FRAMES),
        (decode_request, REQUESTS),
        (decode_notice, NOTICES),
    ]
    tagged = [
        st.tuples(st.just(decode), encoded(shape)) for decode, shapes in unions for shape in shapes
    ]
    return st.one_of(*alone, *tagged)


@given(_all_encoded(), st.data())
def test_a_message_with_a_changed_byte(sent: tuple[Decode, bytes], data: st.DataObject) -> None:
    decode, changed = sent[0], bytearray(sent[1])
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    is_taken_or_refused(decode, bytes(changed))


@given(_all_encoded(), st.data())
def test_a_message_that_is_cut_is_never_taken(
    sent: tuple[Decode, bytes], data: st.DataObject
) -> None:
    decode, whole = sent
    assert not is_taken_or_refused(decode, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(_all_encoded(), st.binary(min_size=1, max_size=8))
def test_a_message_with_more_behind_it_is_never_taken(
    sent: tuple[Decode, bytes], more: bytes
) -> None:
    decode, whole = sent
    assert not is_taken_or_refused(decode, whole + more)


@given(_all_encoded(), st.data())
def test_a_message_with_bytes_spliced_in(sent: tuple[Decode, bytes], data: st.DataObject) -> None:
    decode, whole = sent
    at = data.draw(st.integers(0, len(whole)))
    is_taken_or_refused(decode, whole[:at] + data.draw(st.binary(max_size=20)) + whole[at:])


@pytest.mark.parametrize("opening", [b"\x91", b"\x92\x01", b"\x81\x01", b"\xdc\x00\x01", b"\x98"])
@pytest.mark.parametrize("depth", [10, 1_000, 60_000])
def test_deep_nesting(opening: bytes, depth: int) -> None:
    for decode in DECODERS:
        assert not is_taken_or_refused(decode, opening * depth)
    # The same where the decoder skips what it does not know: rows that stay encoded, elements of a
    # later version.
    assert not is_taken_or_refused(
        decode_table_batch, b"\x95\x15\x01\x02\xc2\x91" + opening * depth
    )
    assert not is_taken_or_refused(decode_request, b"\x93\x14\x01" + opening * depth)


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"]
)
def test_text_that_is_not_utf_8_is_refused_like_anything_else(bad: bytes) -> None:
    text = bytes([0xA0 | len(bad)]) + bad
    assert is_taken_or_refused(decode_message_body, b"\x92\x00\xa2ok")
    assert not is_taken_or_refused(decode_message_body, b"\x92\x00" + text)
    for decode in DECODERS:
        # Of a datagram only the frame that holds it is lost.
        is_skipped = decode is decode_frames
        assert is_taken_or_refused(decode, b"\x92\x00" + text) is is_skipped


def test_an_error_quotes_no_more_than_a_line() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_request(encode(["\x1b[2J" * 5_000]))
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
