"""Catching up: when waiting messages are shown, in which order, and when the registry may drop
them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.peer.api.events import LineEvent, MailReturned, Said
from chatapp.peer.core.inbox import CatchUp, in_order
from chatapp.wire.messages.mail import TakeMail
from chatapp.wire.messages.rooms import CHANNEL
from tests.peer.core.receiver_driver import ALICE


def line(number: int, at: float, *, by: str = "bob", channel: bool = False) -> Said:
    return Said(
        conversation=EVERYBODY if channel else person(by),
        id=number,
        sender=by,
        identity=by.encode(),
        number=number,
        text=f"{by} {number}",
        at=at,
        is_late=True,
    )


class WaitingMessages:
    """A catch-up, and the messages that it shows."""

    def __init__(self) -> None:
        ctx = ALICE.context()
        self.out, self.catch_up = ctx.out, CatchUp(ctx)

    def shown(self) -> list[tuple[LineEvent, ...]]:
        self.catch_up.release()
        return [event.lines for event in self.out.drain_events() if isinstance(event, MailReturned)]


def test_lines_are_shown_as_one_when_mailbox_and_channel_are_drained() -> None:
    waiting = WaitingMessages()
    waiting.catch_up.begin()
    waiting.catch_up.await_group(CHANNEL)
    waiting.catch_up.gather(line(1, 20.0))
    assert waiting.shown() == []
    waiting.catch_up.is_mail_drained = True
    assert waiting.shown() == []
    waiting.catch_up.gather(line(5, 10.0, by="carol", channel=True))
    waiting.catch_up.group_drained(CHANNEL)
    assert waiting.shown() == [(line(5, 10.0, by="carol", channel=True), line(1, 20.0))]
    assert waiting.shown() == []


def test_a_letter_that_comes_later_is_shown_by_itself() -> None:
    waiting = WaitingMessages()
    waiting.catch_up.gather(line(1, 20.0))
    assert waiting.shown() == [(line(1, 20.0),)]


def test_what_is_here_is_shown_when_the_link_is_lost() -> None:
    waiting = WaitingMessages()
    waiting.catch_up.begin()
    waiting.catch_up.gather(line(1, 20.0))
    waiting.catch_up.take_later(4)
    waiting.catch_up.give_up()
    assert waiting.shown() == [(line(1, 20.0),)]
    waiting.catch_up.stored()
    assert waiting.out.requests == []  # the next link hands the letter over again


def test_a_newer_line_of_the_same_stream_does_not_overtake() -> None:
    waiting = WaitingMessages()
    waiting.catch_up.begin()
    waiting.catch_up.gather(line(1, 20.0))
    assert waiting.catch_up.holds_back(line(2, 30.0))
    assert not waiting.catch_up.holds_back(line(2, 30.0, by="carol"))
    assert not waiting.catch_up.holds_back(line(2, 30.0, channel=True))


def test_letters_are_let_go_when_they_are_stored_and_once() -> None:
    waiting = WaitingMessages()
    waiting.catch_up.take_later(4)
    waiting.catch_up.take_later(5)
    assert waiting.out.requests == []
    waiting.catch_up.stored()
    waiting.catch_up.stored()
    assert waiting.out.requests == [TakeMail(serials=[4, 5])]


def test_a_clock_that_was_set_back_changes_no_order_of_its_owner() -> None:
    first, second, third = line(1, 100.0), line(2, 40.0), line(3, 41.0)
    other = line(9, 60.0, by="carol")
    assert in_order([third, other, second, first]) == [other, first, second, third]


streams = st.sampled_from(["bob", "carol"])


@given(st.lists(st.tuples(streams, st.booleans(), st.integers(0, 50)), max_size=20))
def test_each_stream_keeps_its_order_and_honest_clocks_give_the_order_of_time(
    said: list[tuple[str, bool, int]],
) -> None:
    lines = [line(number, float(at), by=by, channel=it) for number, (by, it, at) in enumerate(said)]
    ordered = in_order(lines)
    assert sorted(ordered, key=lambda one: one.number) == lines
    for stream in {one.stream for one in lines}:
        numbers = [one.number for one in ordered if one.stream == stream]
        assert numbers == sorted(numbers)
    honest = [
        line(number, float(number), by=by, channel=it) for number, (by, it, _) in enumerate(said)
    ]
    assert in_order(honest[::-1]) == honest


@pytest.mark.parametrize("same", [1, 2])
def test_equal_times_keep_the_order_of_numbers(same: int) -> None:
    lines = [line(1, 5.0), line(2, 5.0), line(3, 5.0)]
    assert in_order(lines[::-1] if same == 1 else lines) == lines
