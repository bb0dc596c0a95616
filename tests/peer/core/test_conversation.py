"""The stream to one person: its gaps are sent in as few spans as possible."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.conversation import OutgoingStream
from chatapp.peer.core.records import StoredOutgoing, StoredStream
from chatapp.wire.messages.direct import PROVISIONAL

WALL = 1_800_000_000.0


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)))
def test_numbers_side_by_side_that_never_come_are_one_span(
    order: list[int], refused: set[int]
) -> None:
    outgoing = OutgoingStream(StoredStream())
    messages = [outgoing.add(f"{number}", wall=WALL) for number in range(10)]
    for at in order:
        if at in refused:
            outgoing.settle(messages[at], MessageState.REFUSED)
    spans = outgoing.gaps
    first = messages[0].number
    told = [number - first for start, end in spans for number in range(start, end)]
    assert told == sorted(refused)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_the_first_number_of_a_life_is_above_the_registrys_clock_too() -> None:
    """The folder was restored and the clock set back: these numbers were used already."""
    lost = OutgoingStream(StoredStream()).add("lost", wall=WALL)
    outgoing = OutgoingStream(StoredStream())
    first = outgoing.add("again", wall=WALL - 3_600, ahead=3_601.0)
    assert first.number > lost.number
    assert first.at_ms == (WALL - 3_600) * 1_000, "what is shown is our own time"
    assert outgoing.add("next", wall=WALL - 3_600, ahead=3_601.5).number == first.number + 1


def test_a_clock_that_is_known_to_be_ahead_only_later_counts_from_then_on() -> None:
    outgoing = OutgoingStream(StoredStream())
    alone = outgoing.add("the registry was away", wall=WALL)
    later = outgoing.add("it is back", wall=WALL, ahead=60.0)
    assert later.number == alone.number + 60_000_000
    assert later.since == alone.number + 1, "nobody waits for those between"
    assert outgoing.add("next", wall=WALL, ahead=0.0).number == later.number + 1


def test_numbers_are_provisional_until_somebody_else_has_shown_where_they_begin() -> None:
    """Clause 6.10."""
    outgoing = OutgoingStream(StoredStream(last_sent=7))
    first, second = (outgoing.add(text, wall=WALL, ahead=None) for text in ("one", "two"))
    carried = outgoing.carry(b"line", wall=WALL, ahead=None)
    assert (first.number, second.number, carried.number) == (
        PROVISIONAL + 1,
        PROVISIONAL + 2,
        PROVISIONAL + 3,
    )
    assert (first.body, carried.body) == (b"", b""), "a question only"
    outgoing.settle(carried, MessageState.REFUSED)
    assert (outgoing.floor, outgoing.gaps) == (8, [])
    assert outgoing.number(wall=WALL, ahead=None) == {}
    known = int(WALL * 1_000_000) + 5
    outgoing.learn(known)
    assert outgoing.number(wall=WALL, ahead=None) == {
        PROVISIONAL + 1: known,
        PROVISIONAL + 2: known + 1,
    }
    assert [first.number, second.number, first.since] == [known, known + 1, 8]
    assert (outgoing.in_order(), outgoing.floor) == ([first, second], known)
    assert outgoing.number(wall=WALL, ahead=0.0) == {}
    assert outgoing.add("three", wall=WALL, ahead=None).number == known + 2


def test_numbers_that_one_reader_knows_nothing_of_are_skipped_until_a_right_clock_is_known() -> (
    None
):
    outgoing = OutgoingStream(StoredStream(last_sent=7))
    first = outgoing.add("one", wall=0.0, ahead=None)
    outgoing.learn(5, skip=100)
    outgoing.learn(50, skip=1_000)
    outgoing.number(wall=0.0, ahead=None)
    assert (first.number, outgoing.add("two", wall=0.0, ahead=None).number) == (108, 109)
    assert outgoing.add("three", wall=0.0, ahead=WALL).number == int(WALL * 1_000_000)


def test_a_clock_that_is_known_says_where_numbers_begin() -> None:
    outgoing = OutgoingStream(StoredStream())
    message = outgoing.add("one", wall=WALL, ahead=None)
    outgoing.number(wall=WALL + 1.0, ahead=60.0)
    assert message.number == int((WALL + 61.0) * 1_000_000)
    outgoing.learn(2**60)
    assert outgoing.add("two", wall=WALL, ahead=60.0).number == message.number + 1, (
        "they have begun"
    )


def test_what_an_earlier_life_has_not_numbered_is_in_its_place_in_order() -> None:
    numbers = 5, 6, PROVISIONAL + 3
    stored = tuple(StoredOutgoing(number, 0, f"{number}", MessageState.KEPT) for number in numbers)
    outgoing = OutgoingStream(
        StoredStream(last_sent=9, last_provisional=PROVISIONAL + 4, outgoing=stored)
    )
    newest = outgoing.add("newest", wall=WALL, ahead=None)
    assert newest.number == PROVISIONAL + 5, (
        "also above those that are settled, which the disk has still"
    )
    assert outgoing.floor == 5
    outgoing.learn(0)
    first = int(WALL * 1_000_000)
    assert outgoing.number(wall=WALL, ahead=None) == {
        PROVISIONAL + 3: first,
        PROVISIONAL + 5: first + 1,
    }
    assert [message.number for message in outgoing] == [5, 6, first, first + 1]
    assert outgoing.gaps == [(10, first)]
