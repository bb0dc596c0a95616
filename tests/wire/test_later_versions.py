"""Additions by later versions do no harm: further elements, further kinds of frame, longer
encodings."""

import struct
from typing import Any, Final, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import (
    decode_card,
    decode_frames,
    decode_hello,
    decode_notice,
    decode_request,
    decode_row,
    decode_table_batch,
    encode,
    join_frames,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import DATAGRAM_FRAMES_MAX, HELLO_SIZE
from chatapp.wire.messages.direct import Ack, Part
from chatapp.wire.messages.registration import Hello, Ping
from chatapp.wire.messages.table import Card, Row, TablePage
from tests.support.strategies import (
    ALONE,
    FEW,
    FRAMES,
    NOTICES,
    REQUESTS,
    Decode,
    Message,
    bytes_of,
    messages,
)
from tests.wire.decoding import is_taken_or_refused

anything: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
"""All that a later version may put somewhere."""


def later(message: Message, more: list[object]) -> list[object]:
    """Return a message with further elements, also in each message inside it, except cards (clause
    3.1)."""
    tag = type(message).__struct_config__.tag
    fields = [_later_value(getattr(message, name), more) for name in message.__struct_fields__]
    extra = [] if isinstance(message, Card) else more
    return [*([] if tag is None else [tag]), *fields, *extra]


def _later_value(value: object, more: list[object]) -> object:
    if isinstance(value, Message):
        return later(value, more)
    if isinstance(value, list):
        return [_later_value(one, more) for one in value]
    return value


def decoder_of(shape: type[Message]) -> Decode:
    """Return the decoder of this kind."""
    if shape in REQUESTS:
        return decode_request
    return decode_notice if shape in NOTICES else ALONE[shape]


EXTENSIBLE: Final = sorted(
    {*ALONE, *REQUESTS, *NOTICES} - {Hello, Card}, key=lambda shape: shape.__name__
)


@pytest.mark.parametrize("shape", EXTENSIBLE, ids=lambda shape: shape.__name__)
@FEW
@given(st.data(), st.lists(anything, min_size=1, max_size=3))
def test_elements_behind_the_known_ones_are_ignored(
    shape: type[Message], data: st.DataObject, more: list[object]
) -> None:
    message = data.draw(messages(shape))
    decode = decoder_of(shape)
    assert decode(encode(later(message, more))) == decode(encode(message)) == message


@given(st.sampled_from(FRAMES).flatmap(messages), st.lists(anything, min_size=1, max_size=3))
def test_elements_behind_the_known_ones_of_a_frame_are_ignored(
    frame: Message, more: list[object]
) -> None:
    assert decode_frames(encode([later(frame, more)])) == [frame]


@given(messages(Hello), st.lists(st.integers(0, 127), min_size=1, max_size=20))
def test_a_hello_may_hold_more_before_its_padding(hello: Message, more: list[int]) -> None:
    assert isinstance(hello, Hello)
    padding = HELLO_SIZE - 1 - len(encode([hello.version, hello.nonce, *more, bytes(100)])) + 100
    data = encode([hello.version, hello.nonce, *more, bytes(padding)])
    assert len(data) == HELLO_SIZE - 1
    assert decode_hello(data) == hello


@given(messages(Card), anything)
def test_a_card_has_no_further_elements(card: Message, more: object) -> None:
    """Clause 3.1: whoever checks a card makes anew what is signed."""
    assert not is_taken_or_refused(decode_card, encode([*msgspec.structs.astuple(card), more]))


# --- frames of a later version


@given(st.data(), st.lists(st.sampled_from(FRAMES).flatmap(messages), max_size=6))
def test_a_frame_of_another_kind_is_skipped_and_its_neighbours_count(
    data: st.DataObject, frames: list[Message]
) -> None:
    known = {shape.__struct_config__.tag for shape in FRAMES}
    tags = st.integers(-5, 300).filter(lambda tag: tag not in known)
    strange = st.builds(
        lambda tag, rest: encode([tag, *rest]), tags, st.lists(anything, max_size=3)
    )
    sent = [encode(frame) for frame in frames]
    for _ in range(data.draw(st.integers(1, 3))):
        sent.insert(data.draw(st.integers(0, len(sent))), data.draw(strange | anything.map(encode)))
    if all(one in [encode(frame) for frame in frames] for one in sent):
        return
    assert [frame for frame in decode_frames(join_frames(sent)) if frame in frames] == frames


def test_an_acknowledgement_and_a_message_beside_an_unknown_frame() -> None:
    ack, part = Ack(first=7, ranges=[1]), Part(number=9, index=0, count=1, body=b"text")
    assert decode_frames(encode([ack, [99, "typing"], part])) == [ack, part]
    assert decode_frames(encode([ack, [1, "no number"], part])) == [ack, part]
    assert decode_frames(encode([[99, {"deep": [1, 2, [3]]}]])) == []


@pytest.mark.parametrize("frame", [encode(Ping(reference=1)), encode([99])])
def test_a_datagram_of_too_many_frames_is_refused(frame: bytes) -> None:
    assert len(decode_frames(join_frames([encode(Ping(reference=1))] * DATAGRAM_FRAMES_MAX))) == 128
    with pytest.raises(DecodeError):
        decode_frames(join_frames([frame] * (DATAGRAM_FRAMES_MAX + 1)))


def test_a_payload_that_is_not_an_array_is_refused_as_a_whole() -> None:
    ping = encode(Ping(reference=1))
    for payload in (
        b"\x92" + ping,
        b"\x91" + ping + ping,
        b"\x81\x01" + ping,
        b"\xc0",
        b"\x91\xc1",
    ):
        with pytest.raises(DecodeError):
            decode_frames(payload)


# --- longer forms than the shortest


def long_form(value: object) -> bytes:
    """Encode as msgpack, with the longest form of each number, text, byte string and array."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return struct.pack(">BQ", 0xCF, value)
        case str():
            data = value.encode()
            return struct.pack(">BI", 0xDB, len(data)) + data
        case bytes():
            return struct.pack(">BI", 0xC6, len(value)) + value
        case list() | tuple():
            return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(long_form, value))
        case msgspec.Raw():
            return bytes(value)
    raise TypeError(type(value))


@pytest.mark.parametrize("shape", [*EXTENSIBLE, Card], ids=lambda shape: shape.__name__)
@FEW
@given(st.data())
def test_a_reader_takes_long_forms(shape: type[Message], data: st.DataObject) -> None:
    """Clause 1.3."""
    message = data.draw(messages(shape))
    assert decoder_of(shape)(long_form(_plain(message))) == message


@given(messages(Hello))
def test_a_reader_takes_a_hello_in_long_forms(hello: Message) -> None:
    fields = [*msgspec.structs.astuple(hello)]
    room = HELLO_SIZE - 1 - len(long_form([*fields, b""]))
    assert decode_hello(long_form([*fields, bytes(room)])) == hello


@FEW
@given(st.lists(messages(Row), max_size=4))
def test_a_reader_takes_rows_in_long_forms(rows: list[Message]) -> None:
    """Rows of a batch keep their bytes."""
    batch = decode_table_batch(long_form([21, 0, 1, False, [_plain(row) for row in rows]]))
    assert isinstance(batch, TablePage)
    assert [decode_row(row) for row in batch.rows] == rows


@given(st.sampled_from(FRAMES).flatmap(messages))
def test_a_reader_takes_frames_in_long_forms(frame: Message) -> None:
    assert decode_frames(long_form([_plain(frame)])) == [frame]
    assert decode_frames(long_form([_plain(frame), [99]])) == decode_frames(bytes_of(frame))


def _plain(message: Message) -> Any:
    """Return a message as nested arrays, including its card."""
    return cast(Any, later(message, []))
