"""The stream to one person: its gaps are sent in as few spans as possible."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.people.conversation import OutgoingStream
from chatapp.peer.core.records import MessageState, StoredStream

WALL = 1_800_000_000.0


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)))
def test_numbers_side_by_side_that_never_come_are_one_span(order: list[int], refused: set[int]) -> None:
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
    """The folder was put back, and the clock with it: these numbers are given already."""
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
