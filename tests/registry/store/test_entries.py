"""The entries as bytes: round trip, invalid bytes, and additions by other versions."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.store.entries import (
    CheckpointMark,
    DeskPastDropped,
    DeskTranscriptKept,
    Entry,
    GroupCut,
    GroupGone,
    GroupKeyMade,
    GroupLineKept,
    GroupLinesDropped,
    MailStored,
    MailTaken,
    NameBound,
    NameFreed,
    NameReserved,
    PastLineKept,
    RoomMemberGone,
    RoomMemberKept,
    RoomTopicKept,
    SenderIndicesReserved,
    decode,
    encode,
    owner_of,
)
from chatapp.wire.messages.desk import LineMark
from tests.registry.store.playbook import (
    BOB,
    bound,
    cut,
    dropped,
    gone,
    key,
    line,
    member,
    stored,
    taken,
)

numbers = st.integers(0, 2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
blobs = st.binary(max_size=60)
marks = st.sampled_from(LineMark)
identities = st.binary(min_size=32, max_size=32)

entries: st.SearchStrategy[Entry | CheckpointMark] = st.one_of(
    st.builds(NameBound, texts, blobs, blobs, numbers, numbers),
    st.builds(MailStored, identities, numbers, blobs, texts, numbers, numbers, blobs),
    st.builds(MailTaken, identities, st.lists(numbers, max_size=5)),
    st.builds(GroupKeyMade, texts, numbers, blobs),
    st.builds(GroupLineKept, texts, numbers, blobs, numbers, numbers, blobs),
    st.builds(GroupCut, texts, numbers),
    st.builds(
        GroupLinesDropped,
        texts,
        st.lists(numbers, max_size=5),
        st.lists(st.tuples(numbers, st.integers(-1, 2**63 - 1)), max_size=3),
    ),
    st.builds(
        RoomMemberKept,
        identities,
        texts,
        numbers,
        numbers,
        st.booleans(),
        numbers,
        st.none() | st.booleans(),
    ),
    st.builds(RoomMemberGone, identities, st.none() | texts),
    st.builds(GroupGone, texts),
    st.builds(RoomTopicKept, texts, texts, blobs, numbers),
    st.builds(NameReserved, texts, blobs, numbers),
    st.builds(
        DeskTranscriptKept,
        numbers,
        st.lists(
            st.builds(PastLineKept, numbers, texts, numbers, texts, numbers, marks, numbers),
            max_size=3,
        ),
        numbers,
    ),
    st.builds(DeskPastDropped, st.lists(numbers, max_size=3), st.lists(numbers, max_size=3)),
    st.builds(NameFreed, texts),
    st.builds(CheckpointMark, numbers, numbers),
)


@given(entries)
def test_round_trip(entry: Entry | CheckpointMark) -> None:
    assert decode(encode(entry)) == entry


@given(st.binary(max_size=100))
def test_any_bytes_are_an_entry_or_none(data: bytes) -> None:
    decode(data)


@given(entries, st.data())
def test_damaged_bytes_are_an_entry_or_none(
    entry: Entry | CheckpointMark, data: st.DataObject
) -> None:
    encoded = bytearray(encode(entry))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    decode(bytes(encoded))


def test_hostile_bytes() -> None:
    assert decode(b"\x91" * 5000) is None  # nested too deep
    assert decode(msgspec.msgpack.encode([99, "a later version's"])) is None
    assert decode(msgspec.msgpack.encode([2, b"no identity", 1, b"", "", 1, 1, b""])) is None


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    said = msgspec.msgpack.decode(encode(cut(3)))
    assert decode(msgspec.msgpack.encode([*said, "more"])) == cut(3)


def test_what_could_not_be_read_back_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        encode(stored(1, b"short"))
    with pytest.raises(ValueError, match="32 bytes"):
        encode(taken(1, recipient=b""))
    for short in (member(b"short"), RoomMemberGone(b"short")):
        with pytest.raises(ValueError, match="32 bytes"):
            encode(short)
    with pytest.raises(ValueError, match="surrogates"):
        encode(bound("\ud800"))
    with pytest.raises(ValueError, match="serialize"):
        encode(stored(2**64))


def test_whose_file_an_entry_belongs_to() -> None:
    assert owner_of(stored(1)) == owner_of(taken(1)) == BOB
    assert (
        owner_of(key(1)) == owner_of(line(1)) == owner_of(cut(1)) == owner_of(dropped(1)) == "tea"
    )
    assert owner_of(gone()) == "tea"
    people = (
        bound("alice"),
        NameReserved("al", BOB, 1),
        NameFreed("al"),
        member(BOB),
        RoomMemberGone(BOB),
    )
    assert owner_of(SenderIndicesReserved(1)) is None
    assert {owner_of(entry) for entry in people} == {None}
