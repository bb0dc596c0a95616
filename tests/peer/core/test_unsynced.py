"""Delivered messages that may not survive a power cut at their recipient: which, and what may be
lost."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.conversation import SPANS_MAX, OutgoingStream, Unsynced
from chatapp.peer.core.records import StoredOutgoing, StoredStream
from chatapp.wire.delivery.parts import SyncMark

LIFE = 7
OTHER = 8


def none() -> Unsynced:
    return Unsynced(None, 0)


def test_a_message_waits_for_the_sync_of_its_acknowledgement() -> None:
    unsynced = none()
    unsynced.note(SyncMark(LIFE, 1), 5, 7)
    unsynced.note(SyncMark(LIFE, 2), 7, 8)
    assert unsynced.spans == [(5, 7), (7, 8)]
    unsynced.reported(SyncMark(LIFE, 1))
    assert unsynced.spans == [(7, 8)]
    unsynced.reported(SyncMark(LIFE, 2))
    assert unsynced.spans == []


def test_a_report_may_overtake_the_acknowledgement() -> None:
    unsynced = none()
    unsynced.reported(SyncMark(LIFE, 2))
    unsynced.note(SyncMark(LIFE, 2), 5, 6)
    unsynced.note(SyncMark(LIFE, 0), 6, 7)
    assert unsynced.spans == []
    unsynced.reported(SyncMark(LIFE, 1))  # a late one
    unsynced.note(SyncMark(LIFE, 2), 7, 8)
    assert unsynced.spans == []


def test_another_life_may_have_lost_what_the_one_before_had_not_synced() -> None:
    unsynced = none()
    unsynced.note(SyncMark(LIFE, 1), 5, 7)
    unsynced.note(SyncMark(OTHER, 1), 7, 8)
    assert unsynced.lost == (5, 7)
    unsynced.reported(SyncMark(OTHER, 1))
    assert unsynced.spans == [(5, 7)]
    unsynced.note(SyncMark(LIFE, 1), 4, 5)  # belated
    unsynced.reported(SyncMark(OTHER, 1))
    assert unsynced.lost == (4, 7)


def test_many_syncs_take_little_memory() -> None:
    unsynced = none()
    for number in range(1, 10_000):
        unsynced.note(SyncMark(LIFE, number), number, number + 1)
    assert len(unsynced.spans) <= SPANS_MAX
    unsynced.reported(SyncMark(LIFE, 9_999))
    assert unsynced.spans == []


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 20),
            st.integers(1, 50),
            st.integers(1, 9),
        )
    )
)
def test_nothing_is_forgotten_before_its_sync_is_done(
    steps: list[tuple[bool, int, int, int, int]],
) -> None:
    """Against all marks, kept one by one. More may be kept than is needed, never less."""
    unsynced, marks, heard = none(), dict[int, SyncMark](), SyncMark(0, 0)
    lost: set[int] = set()
    for is_report, life, sync, first, count in steps:
        mark = SyncMark(life, sync)
        if life != heard.life:
            lost |= marks.keys()
            marks, heard = {}, SyncMark(life, 0)
        if is_report:
            unsynced.reported(mark)
            heard = max(heard, mark)
            marks = {
                number: other for number, other in marks.items() if other.number > heard.number
            }
        else:
            unsynced.note(mark, first, first + count)
            if sync > heard.number:
                marks |= {
                    number: mark for number in range(first, first + count) if number not in marks
                }
        kept = {number for span in unsynced.spans for number in range(*span)}
        assert marks.keys() | lost <= kept
        assert unsynced.first == min(kept, default=None)
        first, end = unsynced.lost or (0, 0)
        assert all(first <= number < end for number in lost)


def test_what_is_given_again_takes_its_place_among_the_others() -> None:
    stored = StoredStream(
        last_sent=9,
        unsynced_from=4,
        outgoing=(StoredOutgoing(6, 0, "kept", MessageState.KEPT),),
    )
    outgoing = OutgoingStream(stored)
    assert outgoing.unsynced.lost == (4, 10)
    assert outgoing.floor == 4
    found = [StoredOutgoing(number, 0, str(number), MessageState.DELIVERED) for number in (4, 5, 8)]
    outgoing.give_again(found[:2], is_all=False)
    assert outgoing.unsynced.lost == (6, 10)
    assert outgoing.unsynced.first == 6
    assert [message.number for message in outgoing] == [4, 5, 6]
    outgoing.give_again(found[2:], is_all=True)
    assert outgoing.unsynced.spans == []
    assert [message.number for message in outgoing.in_order()] == [4, 5, 6, 8]
    assert outgoing.again == {4, 5, 8}
    for message in outgoing:
        outgoing.settle(message, MessageState.DELIVERED)
    assert outgoing.floor == 10
