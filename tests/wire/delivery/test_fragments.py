"""This file is about cutting messages and putting them together again."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.delivery.fragments import PART_COST, Assemblies, cut
from wire.delivery.policy import Policy
from wire.messages.delivery import PARTS_LIMIT, Part


def parts_of(number: int, body: bytes, size: int) -> list[Part]:
    bodies = cut(body, size)
    return [Part(number, index, len(bodies), piece) for index, piece in enumerate(bodies)]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_pieces_have_the_size_and_make_the_body(body: bytes, size: int) -> None:
    pieces = cut(body, size)
    assert b"".join(pieces) == body
    assert all(len(piece) == size for piece in pieces[:-1])
    assert len(pieces[-1]) <= size
    assert pieces[-1] or not body


def test_more_parts_than_a_frame_can_count_are_our_own_mistake() -> None:
    assert len(cut(bytes(PARTS_LIMIT * 7), 7)) == PARTS_LIMIT
    with pytest.raises(ValueError, match="do not fit"):
        cut(bytes(PARTS_LIMIT * 7 + 1), 7)


@given(
    st.lists(st.binary(min_size=11, max_size=200), min_size=1, max_size=5), st.randoms(use_true_random=False)
)
def test_messages_come_whole_from_any_order_with_repeats(bodies: list[bytes], rng: random.Random) -> None:
    assemblies = Assemblies(Policy())
    parts = [part for number, body in enumerate(bodies) for part in parts_of(number, body, 10)]
    rng.shuffle(parts)
    whole: dict[int, bytes] = {}
    for part in parts:
        for _ in range(1 + rng.randrange(2)):
            if part.number not in whole and assemblies.fits(part):
                body = assemblies.add(part)
                if body is not None:
                    whole[part.number] = body
    assert whole == dict(enumerate(bodies))
    assert len(assemblies) == 0
    assert assemblies.bytes_held == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(2, 9), st.integers(0, 30)), max_size=80
    )
)
def test_memory_stays_under_the_cap_whatever_comes(tuples: list[tuple[int, int, int, int]]) -> None:
    policy = Policy(message_limit=100, assemblies=4, window_limit=5)
    assemblies = Assemblies(policy)
    for number, index, count, size in tuples:
        part = Part(number, index, count, bytes(size))
        if assemblies.fits(part):
            body = assemblies.add(part)
            assert body is None or len(body) <= 100
            assert body is not None or index in assemblies.indexes(number)
        assert assemblies.bytes_held <= policy.assembly_bytes
        assert len(assemblies) <= policy.window_limit


@pytest.mark.parametrize(
    "part",
    [
        Part(1, 2, 2, b"index beyond count"),
        Part(1, -1, 2, b"index below 0"),
        Part(1, 0, 2, b""),
        Part(1, 0, PARTS_LIMIT + 1, b"too many"),
        Part(1, 0, 2, bytes(101)),
    ],
)
def test_nonsense_does_not_fit(part: Part) -> None:
    assert not Assemblies(Policy(message_limit=100)).fits(part)


def test_another_count_or_too_long_a_body_does_not_fit() -> None:
    assemblies = Assemblies(Policy(message_limit=100))
    assemblies.add(Part(1, 0, 3, bytes(60)))
    assert not assemblies.fits(Part(1, 1, 2, b"x"))
    assert not assemblies.fits(Part(1, 0, 2, b"x"))
    assert not assemblies.fits(Part(1, 1, 3, bytes(41)))
    assert assemblies.fits(Part(1, 1, 3, bytes(40)))


def test_the_oldest_incomplete_message_makes_room() -> None:
    assemblies = Assemblies(Policy(window_limit=2))
    for number in (1, 2, 1, 3):
        assemblies.add(Part(number, number % 2, 3, b"x"))
    assert [assemblies.indexes(number) for number in (1, 2, 3)] == [[], [0], [1]]
    assert assemblies.bytes_held == 2 * (1 + PART_COST)


def test_what_the_sender_has_settled_is_dropped() -> None:
    assemblies = Assemblies(Policy())
    for number in (1, 2, 3):
        assemblies.add(Part(number, 0, 2, b"x"))
    assemblies.drop_below(3)
    assert [assemblies.indexes(number) for number in (1, 2, 3)] == [[], [], [0]]


def test_the_same_index_of_two_numbers_are_two_parts() -> None:
    assemblies = Assemblies(Policy())
    assert assemblies.add(Part(1, 0, 2, b"a")) is None
    assert assemblies.add(Part(2, 1, 2, b"d")) is None
    assert assemblies.add(Part(1, 1, 2, b"b")) == b"ab"
    assert assemblies.add(Part(2, 0, 2, b"c")) == b"cd"
