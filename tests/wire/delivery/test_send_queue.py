"""The send queue: which parts leave first."""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat, tee

from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import OutgoingMessage, Piece, make_outgoing_message
from chatapp.wire.delivery.sender import SendQueue
from chatapp.wire.messages.direct import Part, encode_frame


def piece(number: int, *, size: int = 10, is_queued: bool = True) -> Piece:
    return Piece(number, 0, bytes(size), is_queued=is_queued)


def taken(
    send_queue: SendQueue,
    space: int,
    *,
    sizes: Iterable[int] = (),
    size: int = 1_000,
    limit: int = 1_000,
) -> list[list[int]]:
    """The numbers of the parts in each datagram; `sizes` are the bytes of the first ones."""
    datagrams = send_queue.take(chain(sizes, repeat(size)), space, limit)
    return [[one.number for one in pieces] for pieces in datagrams]


def test_retries_go_before_first_sends_and_need_no_window() -> None:
    send_queue = SendQueue()
    send_queue.first.extend([piece(1), piece(2)])
    send_queue.retry(piece(3, is_queued=False))
    send_queue.first.extendleft([piece(5), piece(4)])
    assert taken(SendQueue(), 5) == []
    assert taken(send_queue, 0) == [[3]]
    assert taken(send_queue, 0) == []
    assert taken(send_queue, 3) == [[4, 5, 1]]
    assert taken(send_queue, 3) == [[2]]


def test_a_retry_that_is_not_on_the_way_takes_its_place_in_the_window() -> None:
    send_queue = SendQueue()
    send_queue.first.extend([piece(1), piece(2)])
    lost, probed = piece(3, is_queued=False), piece(4, is_queued=False)
    probed.datagram = 9
    send_queue.retry(lost)
    send_queue.retry(probed)
    assert taken(send_queue, 2) == [[3, 4, 1]]


def test_a_retry_waits_once() -> None:
    send_queue = SendQueue()
    one = piece(1, is_queued=False)
    send_queue.retry(one)
    send_queue.retry(one)
    assert taken(send_queue, 9) == [[1]]
    assert not one.is_queued
    send_queue.retry(one)
    send_queue.clear()
    assert taken(send_queue, 9) == []


def test_what_was_settled_meanwhile_is_passed_over() -> None:
    send_queue = SendQueue()
    waiting = [piece(number) for number in range(4)]
    send_queue.first.extend(waiting)
    waiting[0].is_settled = waiting[2].is_settled = True
    assert taken(send_queue, 1) == [[1]]
    assert taken(send_queue, 1) == [[3]]


def test_a_datagram_whose_room_is_too_small_for_the_next_part_stays_empty() -> None:
    send_queue = SendQueue()
    send_queue.first.extend([piece(number) for number in range(6)])
    assert taken(send_queue, 9, sizes=[9, 25, -3], size=20) == [[], [0, 1], [], [2, 3], [4, 5]]


def test_so_many_datagrams_are_filled_and_the_rest_waits() -> None:
    send_queue = SendQueue()
    send_queue.first.extend([piece(1), piece(2), piece(3)])
    send_queue.retry(piece(4, is_queued=False))
    assert taken(send_queue, 9, size=10, limit=2) == [[4], [1]]
    assert taken(send_queue, 9, size=10, limit=1) == [[2]]
    assert taken(send_queue, 9, size=10) == [[3]]


@given(
    st.lists(st.integers(1, 60), max_size=40),
    st.lists(st.integers(1, 60), max_size=40),
    st.lists(st.integers(-5, 60), max_size=3),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_datagrams_are_never_too_long_and_nothing_is_left(
    first: list[int], again: list[int], sizes: list[int], space: int, limit: int
) -> None:
    send_queue = SendQueue()
    send_queue.first.extend([piece(at, size=size) for at, size in enumerate(first)])
    for at, size in enumerate(again, 100):
        send_queue.retry(piece(at, size=size, is_queued=False))
    sizes_left: Iterator[int] = chain(sizes, repeat(60))
    left: list[int] = []
    while send_queue.first or send_queue.retries:
        used, sizes_left = tee(sizes_left)
        datagrams = send_queue.take(used, space, limit)
        assert len(datagrams) <= limit
        assert sum(one.number < 100 for pieces in datagrams for one in pieces) <= space
        for pieces in datagrams:
            assert sum(len(one.encoded) for one in pieces) <= max(next(sizes_left), 0)
            left += [one.number for one in pieces]
    assert left == [*range(100, 100 + len(again)), *range(len(first))]


@given(st.binary(max_size=100), st.integers(1, 30))
def test_a_message_is_encoded_once_in_parts_that_are_new(body: bytes, size: int) -> None:
    message = make_outgoing_message(7, body, size, 2.0)
    bodies = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    assert [one.encoded for one in message.pieces] == [
        encode_frame(Part(7, at, len(bodies), each)) for at, each in enumerate(bodies)
    ]
    assert all(one.is_queued and not one.is_settled for one in message.pieces)
    assert (message.asked_at, message.tries, message.sends) == (2.0, 0, 0)


def test_a_message_that_starts_afresh_knows_nothing() -> None:
    message: OutgoingMessage = make_outgoing_message(7, bytes(20), 10, 2.0)
    message.tries, message.ever_held, message.had_last_chance = 5, 3, True
    for one in message.pieces:
        one.datagram, one.extra, one.is_settled, one.is_queued, one.sends = 9, 4, True, False, 6
    message.restart(3.0)
    assert (message.asked_at, message.tries, message.ever_held, message.had_last_chance) == (
        3.0,
        0,
        0,
        False,
    )
    assert [(one.datagram, one.extra, one.is_settled, one.is_queued) for one in message.pieces] == [
        (0, 0, False, True)
    ] * 2
    assert message.sends == 6
