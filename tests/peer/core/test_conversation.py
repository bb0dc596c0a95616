"""This file is about our stream to one person: what the recipient need not wait for is told in as few spans as can be."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from peer.core.conversation import Outgoing
from peer.core.standing import Standing
from peer.core.stored import StoredStream

WALL = 1_800_000_000.0


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)))
def test_numbers_side_by_side_that_never_come_are_one_span(order: list[int], refused: set[int]) -> None:
    outgoing = Outgoing(StoredStream())
    messages = [outgoing.add(f"{number}", wall=WALL, is_first_of_life=not number) for number in range(10)]
    for at in order:
        if at in refused:
            outgoing.settle(messages[at], Standing.REFUSED)
    spans = outgoing.voids
    first = messages[0].number
    told = [number - first for start, end in spans for number in range(start, end)]
    assert told == sorted(refused)
    assert all(before[1] < after[0] for before, after in pairwise(spans))
