"""One group at the peer: sealing, answers, and the cursor in its log."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import Outputs
from chatapp.peer.core.records import (
    CHANNEL_MARK,
    CursorMoved,
    LineAccepted,
    OutgoingAdded,
    OutgoingChanged,
    StoredGroup,
    StoredOutgoing,
    StoredStream,
)
from chatapp.peer.core.rooms.group import GAP_TIMEOUT, KEYS_KEPT, Group
from chatapp.wire.codec import decode_group_body, decode_message_body, unpack_group
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted
from chatapp.wire.sealing import GroupKey
from tests.peer.core.cast import WALL


def granted(epoch: int = 1, *, sender_index: int = 3, position: int = 0) -> GroupGranted:
    return GroupGranted(CHANNEL, epoch, bytes((epoch,)) * 32, sender_index, position)


@pytest.fixture
def channel() -> Group:
    """Return a group with a key, at the beginning of the log."""
    channel = Group(CHANNEL, StoredStream(), StoredGroup(0), Outputs())
    assert not channel.grant(granted())
    return channel


def test_a_new_member_asks_for_what_was_said_since_their_name_was_bound() -> None:
    """Clause 8.5. Between REGISTER and the link somebody may have spoken; what was before, the
    registry gives nobody."""
    channel = Group(CHANNEL, StoredStream(), StoredGroup(None), Outputs())
    assert channel.grant(granted(position=40))
    assert channel.cursor == 0


def test_who_comes_back_has_missed_what_was_said_since() -> None:
    channel = Group(CHANNEL, StoredStream(), StoredGroup(30), Outputs())
    assert channel.grant(granted(position=40))
    assert channel.cursor == 30


def test_a_log_that_ends_before_our_cursor_is_read_from_its_start() -> None:
    """The registry's disk was restored from a backup: new lines have positions below ours."""
    out = Outputs()
    channel = Group(CHANNEL, StoredStream(), StoredGroup(30, newest=29), out)
    assert channel.is_beyond(20) and not channel.is_beyond(30)
    channel.begin_log_anew()
    assert channel.grant(granted(position=20))
    assert channel.cursor == 0
    assert out.drain_records() == [CursorMoved(0, CHANNEL), LineAccepted(0, CHANNEL)]
    line = decode_message_body(channel.fanout(channel.add("one", wall=WALL)))
    assert isinstance(line, DirectGroupLine)
    assert line.position == 0, "members wait for no line of the log that was lost"


def test_a_line_is_sealed_under_the_newest_key_and_our_station(channel: Group) -> None:
    """Clause 8.2: and never twice under one counter."""
    first = channel.seal(channel.add("one", wall=WALL))
    channel.grant(granted(2))
    second, third = (channel.seal(channel.add(text, wall=WALL)) for text in ("two", "three"))
    headers = [unpack_group(frame) for frame in (first, second, third)]
    assert [(one.epoch, one.sender_index, one.counter) for one in headers] == [
        (1, 3, 0),
        (2, 3, 0),
        (2, 3, 1),
    ]
    body = decode_group_body(GroupKey(CHANNEL, epoch=2, key=b"\2" * 32).open(second))
    assert body.text == "two"


def test_the_same_key_granted_again_goes_on_counting(channel: Group) -> None:
    """A new link in the same epoch: a counter that started again would be used twice."""
    before = unpack_group(channel.seal(channel.add("one", wall=WALL)))
    channel.revoke()
    channel.grant(granted())
    after = unpack_group(channel.seal(channel.add("two", wall=WALL)))
    assert after.counter == before.counter + 1


def test_without_a_station_nothing_can_be_sealed(channel: Group) -> None:
    channel.revoke()
    assert not channel.can_seal


def test_numbers_rise_over_restarts_even_if_the_clock_is_set_back(channel: Group) -> None:
    """Clause 6.2."""
    before = channel.add("one", wall=WALL).number
    reborn = Group(CHANNEL, StoredStream(last_sent=before), StoredGroup(0), Outputs())
    assert reborn.add("two", wall=WALL - 3_600).number == before + 1
    assert reborn.add("three", wall=WALL + 3_600).number == before + 2


def test_lines_are_stored_so_that_their_numbers_are_not_given_again(channel: Group) -> None:
    out = channel._out
    message = channel.add("one", wall=WALL)
    assert out.drain_records() == [
        OutgoingAdded(CHANNEL_MARK, message.number, message.at_ms, "one", message.id)
    ]
    channel.accepted(message, 9)
    assert out.drain_records() == [
        LineAccepted(9),
        OutgoingChanged(CHANNEL_MARK, message.number, MessageState.DELIVERED),
    ]


def test_lines_that_an_earlier_life_left_are_said_again_under_their_numbers() -> None:
    stored = StoredOutgoing(7, 0, "old", MessageState.KEPT)
    channel = Group(
        CHANNEL, StoredStream(last_sent=7, outgoing=(stored,)), StoredGroup(0), Outputs()
    )
    (old,) = channel.unsettled
    channel.grant(granted())
    new = channel.add("new", wall=0)
    bodies = [
        decode_group_body(GroupKey(CHANNEL, epoch=1, key=b"\1" * 32).open(channel.seal(message)))
        for message in (old, new)
    ]
    assert [(body.number, body.floor, body.text) for body in bodies] == [
        (7, 7, "old"),
        (8, 7, "new"),
    ]


def test_a_line_that_is_said_straight_tells_what_need_not_be_waited_for() -> None:
    """Clause 6.9: numbers that were never given, and up to which place of the log all before it
    stands."""
    stored = StoredStream(last_sent=3)
    channel = Group(CHANNEL, stored, StoredGroup(5, 4), Outputs())
    first, second = channel.add("one", wall=WALL), channel.add("two", wall=WALL)
    line = decode_message_body(channel.fanout(first))
    assert line == DirectGroupLine(CHANNEL, first.number, 4, first.number, 4, first.at_ms, "one")
    channel.accepted(first, 8)
    line = decode_message_body(channel.fanout(second))
    assert line == DirectGroupLine(
        CHANNEL, second.number, second.number, second.number, 8, second.at_ms, "two"
    )


def test_answers_find_their_line_by_epoch_and_counter_once(channel: Group) -> None:
    message = channel.add("one", wall=WALL)
    header = unpack_group(channel.seal(message))
    assert channel.answered(header.epoch, header.counter + 1) is None
    assert channel.answered(header.epoch, header.counter) is message
    assert channel.answered(header.epoch, header.counter) is None


def test_a_line_that_was_sealed_twice_is_settled_once(channel: Group) -> None:
    message = channel.add("one", wall=WALL)
    frames = [unpack_group(channel.seal(message)) for _ in range(2)]
    assert channel.answered(1, frames[0].counter) is message
    channel.accepted(message, 1)
    assert channel.answered(1, frames[1].counter) is None
    assert channel.unsettled == []


def test_old_keys_are_let_go(channel: Group) -> None:
    for epoch in range(2, KEYS_KEPT + 2):
        channel.grant(granted(epoch))
    assert channel.key(1) is None
    assert channel.key(2) is not None


def test_lines_in_order_move_the_cursor(channel: Group) -> None:
    assert channel.note_position(1, now=0.0)
    assert not channel.note_position(1, now=0.0)
    assert channel.cursor == 1
    assert channel.gap_due is None


def test_a_hole_is_asked_for_after_a_while_and_closed_by_what_comes(channel: Group) -> None:
    """Clause 8.5."""
    assert not channel.note_position(2, now=5.0)
    assert channel.cursor == 0
    assert not channel.is_gap_due(5.0 + GAP_TIMEOUT - 0.01)
    assert channel.is_gap_due(5.0 + GAP_TIMEOUT)
    assert channel.note_position(1, now=6.0)
    assert channel.cursor == 2
    assert channel.gap_due is None


def test_a_line_that_could_not_be_read_is_a_hole(channel: Group) -> None:
    channel.note_missing(1, now=5.0)
    assert channel.gap_due == 5.0 + GAP_TIMEOUT
    assert channel.note_page(1, now=6.0)
    assert channel.gap_due is None


def test_a_page_goes_as_far_as_it_says(channel: Group) -> None:
    channel.note_position(5, now=0.0)
    channel.note_position(9, now=0.0)
    assert channel.note_page(4, now=0.0)
    assert channel.cursor == 5
    assert not channel.note_page(3, now=0.0)
    assert channel.gap_due is not None


@given(st.permutations(range(1, 9)), st.randoms(use_true_random=False), st.integers(0, 8))
def test_the_cursor_is_the_end_of_what_came_without_a_hole(
    order: list[int], chance: random.Random, page: int
) -> None:
    """The result is the same in whatever order lines and a page come, and come again."""
    channel = Group(CHANNEL, StoredStream(), StoredGroup(0), Outputs())
    here: set[int] = set()
    cursors = [0]
    page_after = chance.randrange(len(order))
    for turn, position in enumerate(order):
        channel.note_position(position, now=0.0)
        here.add(position)
        if turn == page_after:
            channel.note_page(page, now=0.0)
            here.update(range(1, page + 1))
        whole = next(at for at in range(10) if at + 1 not in here)
        assert channel.cursor == whole
        assert (channel.gap_due is None) is (whole == max(here))
        cursors.append(whole)
    assert cursors == sorted(cursors)
