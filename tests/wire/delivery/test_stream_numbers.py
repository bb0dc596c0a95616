"""Streams that ask which of their numbers are known, and that are asked."""

import pytest

from chatapp.wire.delivery.dedup import Inbox, Shown
from chatapp.wire.delivery.parts import Acknowledged, GaveUp, NumbersReported, NumbersRequested
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.direct import (
    KNOWN_MAX,
    LAST_NUMBER,
    PROVISIONAL,
    Ack,
    Known,
    Part,
    encode_frame,
)
from tests.wire.delivery.network import make_stream, say, take_all, transfer


def test_a_part_of_no_number_asks_and_is_not_taken() -> None:
    a, b = make_stream(), make_stream()
    a.send(PROVISIONAL, b"", now=0.0)
    transfer(a, b, now=0.0)
    assert b.events() == [NumbersRequested()]
    assert take_all(b, now=0.0) == []
    assert (say(b), b.inbox.beyond, b.ignored) == ([], 0, 0)
    b.queue_frame(encode_frame(Known(9)))
    transfer(b, a, now=0.0)
    assert a.events() == [NumbersReported(9)]


def test_the_question_is_tried_like_a_message() -> None:
    a = make_stream()
    a.send(PROVISIONAL, b"", now=0.0)
    asked, policy = len(say(a)), Policy()
    for at in range(1, policy.tries):
        a.handle_timer(now=at * policy.ack_timeout)
        asked += len(say(a, now=at * policy.ack_timeout))
    assert asked == policy.tries
    a.handle_timer(now=policy.give_up_after)
    assert [event for event in a.events() if isinstance(event, GaveUp)] == [
        GaveUp(PROVISIONAL, policy.tries)
    ]


@pytest.mark.parametrize("number", [LAST_NUMBER, PROVISIONAL])
def test_only_messages_are_acknowledged(number: int) -> None:
    a = make_stream()
    a.send(number, b"", now=0.0)
    say(a)
    a.receive(Ack(number, [1]), now=0.0)
    is_message = number == LAST_NUMBER
    assert any(isinstance(event, Acknowledged) for event in a.events()) is is_message
    assert a.ignored == (not is_message)


def test_the_last_number_is_a_message_still() -> None:
    b = make_stream()
    b.receive(Part(LAST_NUMBER, 0, 1, b"the last"), now=0.0)
    assert NumbersRequested() not in b.events()
    assert KNOWN_MAX < LAST_NUMBER, "there is room above what somebody claims to know"


def test_what_is_known_is_below_what_is_told() -> None:
    inbox = Inbox(Policy(), floor=5)
    assert inbox.beyond == 5
    inbox.store(5, 0.0)
    assert inbox.beyond == 6
    inbox.store(9, 0.0)
    assert inbox.beyond == 10
    inbox.storing = {12}
    assert inbox.beyond == 13
    inbox.storing_aside.add(20)
    assert inbox.beyond == 21
    inbox.raise_floor(30)
    assert inbox.beyond == 30
    assert Inbox(Policy(), shown=Shown(40)).beyond == 41
    assert Inbox(Policy(), gone=[(3, 8)]).beyond == 8
