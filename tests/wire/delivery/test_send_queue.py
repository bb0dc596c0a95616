"""The send queue: which parts leave first."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import OutgoingMessage, Piece, make_outgoing_message
from chatapp.wire.delivery.sender import SendQueue
from chatapp.wire.messages.direct import Part, encode_frame


def piece(number: int, *, size: int = 10, is_queued: bool = True) -> Piece:
    return Piece(number, 0, bytes(size), is_queued=is_queued)


def numbers(pieces: list[Piece]) -> list[int]:
    return [one.number for one in pieces]


def test_retries_go_before_first_sends_and_need_no_window() -> None:
    send_queue = SendQueue()
    send_queue.add([piece(1), piece(2)], is_urgent=False)
    send_queue.retry(piece(3, is_queued=False))
    send_queue.add([piece(4), piece(5)], is_urgent=True)
    assert not SendQueue().has_any(5)
    assert send_queue.has_any(0)
    assert numbers(send_queue.take(1_000, 0)) == [3]
    assert not send_queue.has_any(0)
    assert numbers(send_queue.take(1_000, 3)) == [4, 5, 1]
    assert numbers(send_queue.take(1_000, 3)) == [2]


def test_a_retry_that_is_not_on_the_way_takes_its_place_in_the_window() -> None:
    send_queue = SendQueue()
    send_queue.add([piece(1), piece(2)], is_urgent=False)
    lost, probed = piece(3, is_queued=False), piece(4, is_queued=False)
    probed.datagram = 9
    send_queue.retry(lost)
    send_queue.retry(probed)
    assert numbers(send_queue.take(1_000, 2)) == [3, 4, 1]


def test_a_retry_waits_once() -> None:
    send_queue = SendQueue()
    one = piece(1, is_queued=False)
    send_queue.retry(one)
    send_queue.retry(one)
    assert numbers(send_queue.take(1_000, 9)) == [1]
    assert not one.is_queued
    send_queue.retry(one)
    send_queue.clear()
    assert send_queue.take(1_000, 9) == []


def test_what_was_settled_meanwhile_is_passed_over() -> None:
    send_queue = SendQueue()
    waiting = [piece(number) for number in range(4)]
    send_queue.add(waiting, is_urgent=False)
    waiting[0].is_settled = waiting[2].is_settled = True
    assert numbers(send_queue.take(1_000, 1)) == [1]
    assert numbers(send_queue.take(1_000, 1)) == [3]


@given(
    st.lists(st.integers(1, 60), max_size=40), st.lists(st.integers(1, 60), max_size=40), st.integers(1, 5)
)
def test_datagrams_are_never_too_long_and_nothing_is_left(
    first: list[int], again: list[int], space: int
) -> None:
    send_queue = SendQueue()
    send_queue.add([piece(at, size=size) for at, size in enumerate(first)], is_urgent=False)
    for at, size in enumerate(again, 100):
        send_queue.retry(piece(at, size=size, is_queued=False))
    left: list[int] = []
    while send_queue.has_any(space):
        taken = send_queue.take(60, space)
        assert sum(len(one.encoded) for one in taken) <= 60
        left += numbers(taken)
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
    assert (message.asked_at, message.tries, message.ever_held, message.had_last_chance) == (3.0, 0, 0, False)
    assert [(one.datagram, one.extra, one.is_settled, one.is_queued) for one in message.pieces] == [
        (0, 0, False, True)
    ] * 2
    assert message.sends == 6
