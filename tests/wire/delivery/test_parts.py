"""Cutting messages, reassembling them, and the memory shared by incomplete messages of all
senders."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import PART_COST, Assemblies, PartBuffer, cut
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.direct import PARTS_LIMIT, Part


def assemblies_of(policy: Policy) -> Assemblies:
    return Assemblies(policy, PartBuffer(policy))


def add(assemblies: Assemblies, part: Part, now: float) -> bytes | None:
    """Add one part. Return the body if that completes it."""
    return assemblies.add_all([part], now)[1]


def fits(assemblies: Assemblies, part: Part) -> bool:
    """Add one part. Return whether it can belong to a message."""
    return not assemblies.add_all([part], 0.0)[0]


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
    st.lists(st.binary(min_size=11, max_size=200), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_messages_come_whole_from_any_order_with_repeats(
    bodies: list[bytes], rng: random.Random
) -> None:
    assemblies = assemblies_of(Policy())
    parts = [part for number, body in enumerate(bodies) for part in parts_of(number, body, 10)]
    rng.shuffle(parts)
    whole: dict[int, bytes] = {}
    for part in parts:
        for _ in range(1 + rng.randrange(2)):
            if part.number not in whole:
                body = add(assemblies, part, 0.0)
                if body is not None:
                    whole[part.number] = body
    assert whole == dict(enumerate(bodies))
    assert len(assemblies) == 0
    assert assemblies.bytes_held == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(2, 9), st.integers(0, 30)),
        max_size=80,
    )
)
def test_memory_stays_under_the_cap_whatever_comes(tuples: list[tuple[int, int, int, int]]) -> None:
    policy = Policy(message_limit=100, assemblies=4, window_limit=5)
    assemblies = assemblies_of(policy)
    for number, index, count, size in tuples:
        part = Part(number, index, count, bytes(size))
        dropped, body = assemblies.add_all([part], 0.0)
        if not dropped:
            assert body is None or len(body) <= 100
            assert body is not None or index in assemblies.indexes(number)
        assert assemblies.bytes_held <= policy.assembly_bytes
        assert len(assemblies) <= policy.window_limit


RUN = st.tuples(
    st.integers(0, 3), st.integers(1, 4), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)))
)


@example([(0, (1, 2, [(0, 1), (1, 1), (1, 1), (3, 1)]))], 8)
@given(st.lists(st.tuples(st.integers(0, 2), RUN), max_size=12), st.integers(1, 8))
def test_a_run_of_parts_is_added_as_part_by_part(
    runs: list[tuple[int, tuple[int, int, list[tuple[int, int]]]]], limit: int
) -> None:
    """Up to the part that completes the message; and no bound is passed in between."""
    policy = Policy(
        message_limit=100, assemblies=limit, assemblies_in_all=2 * limit, window_limit=3
    )
    ways = []
    for _ in range(2):
        buffer = PartBuffer(policy)
        ways.append(
            (
                buffer,
                [Assemblies(policy, buffer, lambda: "a"), Assemblies(policy, buffer, lambda: "b")],
            )
        )
    for now, (who, (number, count, pieces)) in enumerate(runs):
        parts = [Part(number, index, count, bytes((index,)) * size) for index, size in pieces]
        results = []
        for (buffer, senders), size in zip(ways, (len(parts) or 1, 1), strict=True):
            sender = senders[who % 2]
            dropped, body = 0, None
            for at in range(0, len(parts), size):
                more, body = sender.add_all(parts[at : at + size], float(now))
                dropped += more
                if body is not None:
                    break
            held = [one.indexes(index) for one in senders for index in range(4)]
            results.append(
                (dropped, body, held, sender.bytes_held, buffer.bytes_held, buffer.next_timer())
            )
        assert results[0] == results[1]


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
    assert not fits(assemblies_of(Policy(message_limit=100)), part)


def test_another_count_or_too_long_a_body_does_not_fit() -> None:
    assemblies = assemblies_of(Policy(message_limit=100))
    add(assemblies, Part(1, 0, 3, bytes(60)), 0.0)
    assert not fits(assemblies, Part(1, 1, 2, b"x"))
    assert not fits(assemblies, Part(1, 0, 2, b"x"))
    assert not fits(assemblies, Part(1, 1, 3, bytes(41)))
    assert fits(assemblies, Part(1, 1, 3, bytes(40)))


def test_the_oldest_incomplete_message_makes_room() -> None:
    assemblies = assemblies_of(Policy(window_limit=2))
    for number in (1, 2, 1, 3):
        add(assemblies, Part(number, number % 2, 3, b"x"), 0.0)
    assert [assemblies.indexes(number) for number in (1, 2, 3)] == [[], [0], [1]]
    assert assemblies.bytes_held == 2 * (1 + 64)  # clause 6.6


def test_what_the_sender_has_settled_is_dropped() -> None:
    assemblies = assemblies_of(Policy())
    for number in (1, 2, 3):
        add(assemblies, Part(number, 0, 2, b"x"), 0.0)
    assemblies.drop_below(3)
    assert [assemblies.indexes(number) for number in (1, 2, 3)] == [[], [], [0]]


def test_the_same_index_of_two_numbers_are_two_parts() -> None:
    assemblies = assemblies_of(Policy())
    assert add(assemblies, Part(1, 0, 2, b"a"), 0.0) is None
    assert add(assemblies, Part(2, 1, 2, b"d"), 0.0) is None
    assert add(assemblies, Part(1, 1, 2, b"b"), 0.0) == b"ab"
    assert add(assemblies, Part(2, 0, 2, b"c"), 0.0) == b"cd"


def test_incomplete_messages_fill_their_bytes_to_the_last() -> None:
    room = 2 * (10 + PART_COST)
    assemblies = assemblies_of(Policy(message_limit=room, assemblies=1, window_limit=9))
    for number in (1, 2):
        add(assemblies, Part(number, 0, 2, bytes(10)), 0.0)
    assert assemblies.bytes_held == room
    assert [assemblies.indexes(number) for number in (1, 2)] == [[0], [0]]
    add(assemblies, Part(3, 0, 2, b"x"), 0.0)
    assert [assemblies.indexes(number) for number in (1, 2, 3)] == [[], [0], [0]]


def test_the_only_incomplete_message_stays_though_its_parts_cost_more_than_the_cap() -> None:
    policy = Policy(message_limit=100, assemblies=1)
    assemblies = assemblies_of(policy)
    for index in range(3):
        assert add(assemblies, Part(1, index, 4, b"x"), 0.0) is None
    assert assemblies.bytes_held > policy.assembly_bytes
    assert add(assemblies, Part(1, 3, 4, b"x"), 0.0) == b"xxxx"
    assert assemblies.bytes_held == 0
    for number in (1, 2):
        add(assemblies, Part(number, 0, 2, bytes(60)), 0.0)
    assert [assemblies.indexes(number) for number in (1, 2)] == [[], [0]]


def test_a_single_part_fits_up_to_the_longest_message() -> None:
    assemblies = assemblies_of(Policy(message_limit=100))
    assert fits(assemblies, Part(1, 0, 2, bytes(100)))
    assert fits(assemblies, Part(2, PARTS_LIMIT - 1, PARTS_LIMIT, b"x"))


class TestTheMemoryThatAllShare:
    """A sender of incomplete messages loses them; a message that is arriving stays."""

    POLICY = Policy(message_limit=1_000, assemblies=2, assemblies_in_all=8)
    LIMIT = 8_000

    def sender(self, buffer: PartBuffer, network: str) -> Assemblies:
        return Assemblies(self.POLICY, buffer, lambda: network)

    def test_all_senders_together_are_bounded(self) -> None:
        buffer = PartBuffer(self.POLICY)
        senders = [self.sender(buffer, f"10.0.0.{number % 7}") for number in range(150)]
        for now, sender in enumerate(senders):
            for number in range(2):
                add(sender, Part(number, 0, 2, bytes(900)), float(now % 10))
        assert self.LIMIT - 1_000 < buffer.bytes_held <= self.LIMIT
        assert sum(sender.bytes_held for sender in senders) == buffer.bytes_held

    def test_an_arriving_message_survives_a_crowd_of_its_own_network(self) -> None:
        buffer = PartBuffer(self.POLICY)
        friend = self.sender(buffer, "10.0.0.1")
        body = bytes(range(100)) * 10
        parts = parts_of(5, body, 100)
        whole = [add(friend, part, 0.0) for part in parts[:1]]
        for part in parts[1:]:
            for _ in range(5):
                add(self.sender(buffer, "10.0.0.1"), Part(0, 0, 2, bytes(900)), 0.0)
            whole.append(add(friend, part, 0.0))
        assert whole == [None] * 9 + [body]

    def test_a_message_survives_a_crowd_of_another_network(self) -> None:
        buffer = PartBuffer(self.POLICY)
        friend = self.sender(buffer, "10.0.0.1")
        add(friend, Part(5, 0, 2, b"first, "), 0.0)
        for _ in range(1_000):
            add(self.sender(buffer, "10.9.9.9"), Part(0, 0, 2, bytes(900)), 1.0)
        assert add(friend, Part(5, 1, 2, b"then"), 2.0) == b"first, then"

    def test_it_is_filled_to_the_last_byte(self) -> None:
        buffer = PartBuffer(self.POLICY)
        senders = [self.sender(buffer, "10.0.0.1") for _ in range(8)]
        for sender in senders:
            add(sender, Part(5, 0, 2, bytes(1_000 - PART_COST)), 0.0)
        assert (buffer.bytes_held, len(buffer)) == (self.LIMIT, 8)
        add(self.sender(buffer, "10.0.0.1"), Part(5, 0, 2, b"x"), 0.0)
        assert (len(buffer), len(senders[0])) == (8, 0)

    def test_what_a_network_held_before_counts_no_more(self) -> None:
        buffer = PartBuffer(self.POLICY)
        friend, once = self.sender(buffer, "10.0.0.1"), self.sender(buffer, "10.0.0.1")
        add(friend, Part(5, 0, 2, b"first, "), 0.0)
        for number in range(20):
            add(once, Part(number, 0, 2, bytes(900)), 0.0)
            once.drop(number)
        for _ in range(20):
            add(self.sender(buffer, "10.9.9.9"), Part(0, 0, 2, bytes(900)), 1.0)
        assert add(friend, Part(5, 1, 2, b"then"), 2.0) == b"first, then"

    def test_parts_that_wait_too_long_are_dropped(self) -> None:
        buffer = PartBuffer(self.POLICY)
        sender, other = self.sender(buffer, "a"), self.sender(buffer, "b")
        add(sender, Part(1, 0, 3, b"x"), 0.0)
        add(other, Part(1, 0, 3, b"x"), 10.0)
        add(sender, Part(1, 1, 3, b"x"), 12.0)
        assert buffer.next_timer() == 25.0
        buffer.handle_timer(24.9)
        assert len(buffer) == 2
        buffer.handle_timer(25.0)
        assert (len(buffer), other.indexes(1), sender.indexes(1)) == (1, [], [0, 1])
        assert buffer.next_timer() == 27.0
        buffer.handle_timer(27.0)
        assert (len(buffer), buffer.bytes_held, buffer.next_timer()) == (0, 0, None)

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 5),
                st.integers(0, 3),
                st.integers(0, 3),
                st.integers(1, 999),
                st.booleans(),
            )
        )
    )
    def test_the_count_adds_up(self, steps: list[tuple[int, int, int, int, bool]]) -> None:
        buffer = PartBuffer(self.POLICY)
        senders = [self.sender(buffer, f"{number % 2}") for number in range(6)]
        for now, (who, number, index, size, is_dropped) in enumerate(steps):
            part = Part(number, index, 4, bytes(size))
            if is_dropped:
                senders[who].drop_below(number)
            else:
                add(senders[who], part, float(now))
            buffer.handle_timer(float(now))
            assert buffer.bytes_held == sum(sender.bytes_held for sender in senders) <= self.LIMIT
            assert len(buffer) == sum(map(len, senders))
            deadline = buffer.next_timer()
            assert (deadline is None) == (len(buffer) == 0)
            assert deadline is None or deadline > now
        buffer.handle_timer(len(steps) + 15.0)
        assert (len(buffer), buffer.bytes_held) == (0, 0)
