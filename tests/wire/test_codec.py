"""Messages as bytes: round trip, and limits on length."""

from typing import Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.codec import (
    decode_card,
    decode_direct_bodies,
    decode_frames,
    decode_group_body,
    decode_hello,
    decode_letter_body,
    decode_message_body,
    decode_notice,
    decode_request,
    decode_row,
    decode_table_batch,
    encode,
    encode_hello,
    join_frames,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import BODY_MAX, DATAGRAM_FRAMES_MAX, HELLO_SIZE, TEXT_MAX
from chatapp.wire.messages.desk import (
    ClosedQueue,
    PastLine,
    PastSession,
    ReadyAnswer,
    RoomOperator,
    RoomQueue,
    RoomVisitor,
)
from chatapp.wire.messages.direct import (
    DirectBody,
    DirectGroupLine,
    Edit,
    FileAnswer,
    FileOffer,
    React,
    Reply,
    Retract,
    Unknown,
)
from chatapp.wire.messages.link import PeerRequest, RegistryNotice
from chatapp.wire.messages.mail import Letter
from chatapp.wire.messages.registration import Hello, Ping, ServerPlace
from chatapp.wire.messages.rooms import EpochKey, GroupBody, GroupLine, RoomInfo, RoomMember, Topic
from chatapp.wire.messages.table import Row, Sight, TablePage
from tests.support.strategies import (
    ALONE,
    FEW,
    FRAMES,
    NOTICES,
    REQUESTS,
    Message,
    all_shapes,
    bytes_of,
    encoded,
    messages,
)
from tests.wire.decoding import is_taken_or_refused

INSIDE_OTHERS: Final = frozenset(
    {
        ClosedQueue,
        Edit,
        EpochKey,
        FileAnswer,
        FileOffer,
        GroupLine,
        Letter,
        PastLine,
        PastSession,
        React,
        ReadyAnswer,
        Reply,
        Retract,
        RoomInfo,
        RoomMember,
        RoomOperator,
        RoomQueue,
        RoomVisitor,
        ServerPlace,
        Sight,
        Topic,
        Unknown,
    }
)
"""Shapes that stand in other messages only."""


# --- round trips


def test_every_shape_has_a_decoder_under_test() -> None:
    assert {*ALONE, *FRAMES, *REQUESTS, *NOTICES} == all_shapes() - INSIDE_OTHERS


@pytest.mark.parametrize("shape", ALONE, ids=lambda shape: shape.__name__)
@FEW
@given(st.data())
def test_a_message_that_stands_alone_survives(shape: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(shape))
    assert ALONE[shape](bytes_of(message)) == message


@given(st.lists(st.sampled_from(FRAMES).flatmap(messages), max_size=40))
def test_the_frames_of_a_datagram_survive(sent: list[Message]) -> None:
    assert decode_frames(join_frames([encode(frame) for frame in sent])) == sent


@pytest.mark.parametrize("shape", REQUESTS, ids=lambda shape: shape.__name__)
@FEW
@given(st.data())
def test_a_request_survives(shape: type[PeerRequest], data: st.DataObject) -> None:
    message = data.draw(messages(shape))
    assert decode_request(encode(message)) == message


@pytest.mark.parametrize("shape", NOTICES, ids=lambda shape: shape.__name__)
@FEW
@given(st.data())
def test_a_notice_survives(shape: type[RegistryNotice], data: st.DataObject) -> None:
    message = data.draw(messages(shape))
    assert decode_notice(encode(message)) == message


@given(st.lists(messages(Row), max_size=8))
def test_rows_in_a_batch_are_the_bytes_that_they_were(rows: list[Row]) -> None:
    batch = TablePage(
        since=0, version=1, more=False, rows=[msgspec.Raw(encode(row)) for row in rows]
    )
    read = decode_table_batch(encode(batch))
    assert isinstance(read, TablePage)
    assert [decode_row(bytes(raw)) for raw in read.rows] == rows
    assert [decode_row(raw) for raw in read.rows] == rows  # as it is done: without a copy


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 127, DATAGRAM_FRAMES_MAX])
def test_any_number_of_frames_is_one_array(count: int) -> None:
    frames = [Ping(reference=number) for number in range(count)]
    assert decode_frames(join_frames([*map(encode, frames)])) == frames


# --- HELLO


@given(messages(Hello))
@example(Hello(version=1, nonce=bytes(16)))
@example(Hello(version=1, nonce=b"\x01" * 15 + b"\x00"))
def test_a_hello_is_padded_whatever_its_nonce_ends_in(hello: Hello) -> None:
    # Zeros behind the array swallowed the last byte of one nonce in 256, and that registration went
    # unanswered.
    data = encode_hello(hello)
    assert len(data) == HELLO_SIZE - 1
    assert decode_hello(data) == hello


@given(encoded(Hello), st.integers(0, 2 * HELLO_SIZE))
def test_a_hello_of_another_size_is_refused(data: bytes, size: int) -> None:
    resized = data[:size].ljust(size, b"\0")
    assert is_taken_or_refused(decode_hello, resized) is (size == HELLO_SIZE - 1)


@pytest.mark.parametrize("padding", [None, 0, 232, 234, 1_000])
def test_a_hello_that_is_whole_and_of_another_size_is_refused(padding: int | None) -> None:
    fields: list[object] = [1, b"n" * 16]
    data = encode(fields if padding is None else [*fields, bytes(padding)])
    assert is_taken_or_refused(decode_hello, encode([*fields, bytes(233)]))
    assert not is_taken_or_refused(decode_hello, data)


# --- limits


@pytest.mark.parametrize("letter", ["a", "é", "\x7f", "🙂"])
def test_the_longest_text_fits_whatever_it_is_written_in(letter: str) -> None:
    text = letter * (TEXT_MAX // len(letter.encode()))
    assert len(text.encode()) == TEXT_MAX
    body = DirectBody(at=2**63 - 1, text=text)
    assert decode_message_body(encode(body)) == body
    line = GroupBody(number=2**63 - 1, floor=0, at=2**63 - 1, text=text)
    assert decode_group_body(encode(line)) == line


def test_a_body_over_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match=f"at most {BODY_MAX}"):
        decode_message_body(bytes(BODY_MAX + 1))
    with pytest.raises(DecodeError):
        decode_message_body(encode(DirectBody(at=0, text="🙂" * (BODY_MAX // 4))))
    with pytest.raises(DecodeError):
        decode_letter_body(
            encode([1, 1, 1, bytes(32), "a", bytes(32), "b", 0, "x" * (TEXT_MAX + 1)])
        )


def padded(fields: list[object], size: int) -> bytes:
    """Return a message of exactly `size` bytes, with an element of a later version behind its
    fields."""
    enough = 65_536
    return encode([*fields, bytes(enough + size - len(encode([*fields, bytes(enough)])))])


@pytest.mark.parametrize(
    "fields", [[5, "direct", None], ["#room", 1, 1, 1, 0, 5, "straight", None]]
)
def test_a_body_is_read_up_to_its_limit(fields: list[object]) -> None:
    """Clause 6.1."""
    longest = padded(fields, BODY_MAX)
    assert len(longest) == BODY_MAX
    assert decode_message_body(longest) == decode_message_body(encode(fields))
    with pytest.raises(DecodeError, match=f"at most {BODY_MAX}"):
        decode_message_body(padded(fields, BODY_MAX + 1))


def test_bodies_are_decoded_together_if_all_are_direct_messages() -> None:
    good = [encode(DirectBody(at=at, text="hi")) for at in range(3)]
    longest = padded([5, "direct", None], BODY_MAX)
    assert decode_direct_bodies([]) == []
    assert decode_direct_bodies([*good, longest]) == [
        decode_message_body(body) for body in (*good, longest)
    ]
    for other in (
        b"\xc1",
        padded([5, "direct", None], BODY_MAX + 1),
        encode(["channel", 1, 1, 1, 0, 0, "hi"]),
    ):
        assert decode_direct_bodies([*good, other]) is None


def test_a_direct_body_is_read_up_to_its_limit() -> None:
    assert decode_message_body(padded([5, "direct", None], BODY_MAX)) == DirectBody(
        at=5, text="direct"
    )


@pytest.mark.parametrize(
    ("position", "other"),
    [
        (0, "x" * 33),
        (0, b"bob"),
        (1, bytes(31)),
        (2, bytes(33)),
        (2, "x" * 32),
        (3, -1),
        (3, 2**63),
        (3, True),
        (3, 1.5),
        (3, "5"),
        (4, bytes(63)),
        (4, None),
        (5, "one more"),
    ],
)
def test_a_card_takes_nothing_but_its_own_fields(position: int, other: object) -> None:
    card: list[object] = ["bob", bytes(32), bytes(32), 5, bytes(64)]
    assert is_taken_or_refused(decode_card, encode(card))
    assert not is_taken_or_refused(
        decode_card, encode([*card[:position], other, *card[position + 1 :]])
    )


# --- what one peer says to another


@given(messages(DirectBody) | messages(DirectGroupLine))
def test_a_message_and_a_line_of_a_group_are_told_apart(body: Message) -> None:
    """Clause 6.9: by what the first element is."""
    assert decode_message_body(encode(body)) == body


@pytest.mark.parametrize(
    "header", [b"\xa2", b"\xd9\x02", b"\xda\0\x02", b"\xdb\0\0\0\x02"], ids=bytes.hex
)
def test_a_line_of_a_group_is_one_in_whatever_form_its_name_is_written(header: bytes) -> None:
    """Clause 1.3: a reader takes the longer forms, too."""
    line = DirectGroupLine("#r", 1, 1, 1, 0, 5, "hello")
    short = encode(line)
    assert short[1:4] == b"\xa2#r"
    assert decode_message_body(short[:1] + header + short[2:]) == line


def test_a_line_of_full_length_in_a_room_with_a_long_name_fits_a_body() -> None:
    last = 2**63 - 1
    line = DirectGroupLine("#" + 32 * "🙂", last, last, last, last, last, "a" * TEXT_MAX)
    assert decode_message_body(encode(line)) == line
