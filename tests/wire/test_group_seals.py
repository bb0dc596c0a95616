"""Group seals: every member opens the same bytes, once for each sender index."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import GroupHeader, pack_group, unpack_group
from chatapp.wire.errors import DecodeError, SealError, WireError
from chatapp.wire.sealing import GroupKey, group_tag
from tests.support.tampering import all_cuts, all_flips
from tests.wire.parties import payloads

GROUP: Final = bytes(range(32))


def member(epoch: int = 1, key: bytes = GROUP, name: str = "channel") -> GroupKey:
    """Return the key as one member has it."""
    return GroupKey(name, epoch=epoch, key=key)


@given(st.integers(0, 2**32 - 1), st.lists(payloads, max_size=5))
def test_every_member_opens_the_same_bytes(sender_index: int, sent: list[bytes]) -> None:
    author, readers = member(), [member(), member()]
    for number, payload in enumerate(sent):
        assert author.next_counter == number
        frame = author.seal(sender_index, payload)
        assert unpack_group(frame) == GroupHeader(group_tag("channel"), 1, sender_index, number)
        assert [reader.open(frame) for reader in readers] == [payload, payload]


@given(st.lists(st.tuples(st.integers(0, 5), payloads), max_size=60))
def test_two_members_never_share_a_nonce(said: list[tuple[int, bytes]]) -> None:
    # Each has one sender index, handed out by the registry; 0 is its own.
    members = {sender_index: member() for sender_index in range(6)}
    frames = [members[sender_index].seal(sender_index, payload) for sender_index, payload in said]
    nonces = [frame[13:25] for frame in frames]
    assert len(set(nonces)) == len(frames)


def test_a_member_with_a_new_station_goes_on_counting() -> None:
    author = member()
    nonces = {author.seal(sender_index, b"")[13:25] for sender_index in (4, 4, 9, 4)}
    assert len(nonces) == 4


def test_a_group_frame_opens_once_for_each_station() -> None:
    reader = member()
    one, other = member().seal(1, b"one"), member().seal(2, b"other")
    assert (reader.open(one), reader.open(other)) == (b"one", b"other")
    for frame in (one, other):
        with pytest.raises(SealError, match="replayed"):
            reader.open(frame)
        assert reader.open_stored(frame)


def test_not_one_bit_of_a_group_frame_can_be_changed_and_none_of_it_cut() -> None:
    frame, reader = member().seal(1, b"the line"), member()
    for changed in [*all_flips(frame), *all_cuts(frame)]:
        with pytest.raises(WireError):
            reader.open(changed)
        with pytest.raises(SealError):
            reader.open_stored(changed)
    assert reader.open(frame) == b"the line"


@given(st.binary(max_size=80))
def test_any_bytes_are_one_error_of_the_wire(noise: bytes) -> None:
    # A stored line shorter than a header raised ValueError, past everybody who expects a SealError.
    with pytest.raises(SealError):
        member().open_stored(noise)
    with pytest.raises((SealError, DecodeError)):
        member().open(noise)


def test_a_group_frame_is_of_its_group_epoch_and_key() -> None:
    frame = member().seal(1, b"")
    header = unpack_group(frame)
    for changed in (
        header._replace(tag=group_tag("#room")),
        header._replace(epoch=2),
        header._replace(sender_index=2),
        header._replace(counter=1),
    ):
        with pytest.raises(SealError):
            member().open(pack_group(changed) + frame[25:])
    with pytest.raises(SealError):
        member(key=bytes(32)).open(frame)


def test_a_frame_that_does_not_open_uses_up_no_counter_and_no_memory() -> None:
    reader, frame = member(), member().seal(1, b"line")
    for sender_index in range(100):
        with pytest.raises(SealError):
            reader.open(pack_group(GroupHeader(reader.tag, 1, sender_index, 0)) + bytes(20))
    assert len(reader._replay) == 0
    assert reader.open(frame) == b"line"
