"""What one who has a file tells those who fetch it."""

import random

import pytest

from chatapp.peer.core.files.readers import KNOWN_MAX, Readers
from chatapp.wire.limits import CHUNK_SIZE, FILE_OTHERS_MAX, FILE_SUGGESTED_MAX, PAGE_CHUNKS

CHUNKS = 100


def readers_of(chunks: int = CHUNKS) -> Readers:
    return Readers(chunks * CHUNK_SIZE, random.Random(1))


def places(bits: int) -> set[int]:
    return {place for place in range(bits.bit_length()) if bits >> place & 1}


def test_a_few_others_are_named_not_the_same_to_all() -> None:
    readers, people = readers_of(), [bytes([number]) * 32 for number in range(30)]
    for one in people:
        readers.note(one)
    named = [readers.others(one) for one in people]
    for one, others in zip(people, named, strict=True):
        assert one not in others
        assert len(set(others)) == FILE_OTHERS_MAX
    assert {other for others in named for other in others} == set(people)


def test_no_crowd_fills_the_memory() -> None:
    readers = readers_of()
    for number in range(3 * KNOWN_MAX):
        readers.note(number.to_bytes(32, "big"))
    assert len(readers._known) == KNOWN_MAX


def test_each_link_is_suggested_something_else() -> None:
    readers = readers_of()
    suggested = [places(readers.suggest(link, 0)) for link in range(20)]
    assert all(len(some) == FILE_SUGGESTED_MAX for some in suggested[:12])
    assert set[int]().union(*suggested) == set(range(CHUNKS))
    assert sum(map(len, suggested)) == CHUNKS


def test_who_asks_again_is_suggested_the_same_until_it_is_given() -> None:
    readers = readers_of()
    before = readers.suggest("bob", 0)
    assert readers.suggest("bob", 0) == before
    first, *rest = places(before)
    readers.given(first)
    now = places(readers.suggest("bob", 0))
    assert len(now) == FILE_SUGGESTED_MAX
    assert first not in now
    assert set(rest) < now


def test_what_was_suggested_on_a_link_that_is_over_is_suggested_to_others() -> None:
    readers = readers_of(FILE_SUGGESTED_MAX)
    before = readers.suggest("bob", 0)
    assert readers.suggest("carol", 0) == 0
    readers.left("bob")
    assert readers.suggest("carol", 0) == before


def test_what_all_have_got_is_suggested_anew_only_when_nobody_is_left() -> None:
    readers = readers_of(3)
    readers.suggest("bob", 0)
    for chunk in range(3):
        readers.given(chunk)
    assert readers.suggest("carol", 0) == 0
    readers.left("bob")
    readers.left("carol")
    assert readers.suggest("dave", 0) == 0b111


@pytest.mark.parametrize("page", [2, 511])
def test_of_a_page_that_there_is_not_nothing_is_suggested(page: int) -> None:
    readers = readers_of(PAGE_CHUNKS + 3)
    assert readers.suggest("bob", page) == 0
    assert readers.suggest("bob", 1) == 0b111
    assert places(readers.suggest("bob", 0)) < set(range(PAGE_CHUNKS))
