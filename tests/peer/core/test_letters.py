"""This file is about our letters: a few at a time, in order, answered once, gone along straight with newer messages."""

import pytest

from peer.core.conversation import Rung
from peer.core.events import Delivered, Refused, Unacknowledged
from peer.core.letters import BYTES_IN_FLIGHT, LETTERS_IN_FLIGHT
from peer.core.standing import Standing
from tests.peer.core.cast import POLICY
from tests.peer.core.stairs import BOB, Stairs, comes, found, goes, sought

# --- letters


def test_letters_are_posted_a_few_at_a_time() -> None:
    stairs = Stairs(online=False)
    for _ in range(LETTERS_IN_FLIGHT + 1):
        stairs.say()
    first, *others = stairs.posted()
    assert len(others) == LETTERS_IN_FLIGHT - 1
    stairs.letters.saved(first.reference, now=stairs.now)
    assert len(stairs.posted()) == 1


def test_long_letters_are_posted_one_by_one() -> None:
    stairs = Stairs(online=False)
    stairs.letter = bytes(BYTES_IN_FLIGHT)
    for _ in range(3):
        stairs.say()
    for _ in range(3):
        (letter,) = stairs.posted()
        stairs.letters.saved(letter.reference, now=stairs.now)


def test_letters_go_in_the_order_of_their_numbers() -> None:
    stairs = Stairs()
    numbers = [stairs.say().number for _ in range(5)]
    goes(stairs)
    assert [letter.number for letter in stairs.posted()] == numbers


def test_an_answer_from_an_earlier_link_settles_nothing() -> None:
    stairs = Stairs(online=False)
    stairs.say()
    (before,) = stairs.posted()
    sought(stairs)
    stairs.letters.saved(before.reference, now=stairs.now)
    assert stairs.standing() == []
    found(stairs)
    (again,) = stairs.posted()
    assert again.number == before.number
    stairs.letters.saved(again.reference, now=stairs.now)
    assert stairs.standing() == [Standing.SAVED]


@pytest.mark.parametrize("answer", ["saved", "refused"])
def test_what_was_acknowledged_late_is_not_also_saved_or_refused(answer: str) -> None:
    """The acknowledgement and the answer to the letter cross: delivered is delivered."""
    stairs = Stairs()
    message = stairs.say()
    stairs.pass_time(POLICY.give_up_after - 0.01)
    stairs.bob.take_row(BOB.row(3, online=False))
    stairs.pass_time(0.01)
    (letter,) = stairs.posted()
    stairs.acks(message)
    stairs.standing()
    assert stairs.told() == [Unacknowledged, Delivered]
    if answer == "saved":
        stairs.letters.saved(letter.reference, now=stairs.now)
    else:
        stairs.letters.refused(letter.reference, "the mailbox is full", now=stairs.now)
    assert (stairs.told(), stairs.standing()) == ([], [])
    assert stairs.ladder.is_settled


def test_a_recipient_whose_card_is_forged_gets_no_letter_and_the_sender_is_told() -> None:
    stairs = Stairs(online=False)
    stairs.refuses_to_seal = True
    stairs.say()
    assert stairs.told() == [Unacknowledged, Refused]
    assert stairs.standing() == [Standing.REFUSED]
    assert stairs.ladder.is_settled


# --- saved ones


def test_a_saved_message_stays_a_letter_when_its_reader_is_back() -> None:
    stairs = Stairs(online=False)
    message = stairs.say()
    stairs.saves()
    comes(stairs)
    assert message.rung is Rung.WAITING
    assert stairs.sent() == []


def test_saved_messages_go_again_before_a_newer_one() -> None:
    """So that order holds, whichever way is faster."""
    stairs = Stairs(online=False)
    older = [stairs.say(), stairs.say()]
    stairs.saves()
    comes(stairs)
    newer = stairs.say()
    assert stairs.sent() == [message.number for message in (*older, newer)]
    stairs.told()
    stairs.acks(*older, newer)
    assert stairs.told() == [Delivered]  # whoever read "saved" need not hear of it again
    assert stairs.ladder.is_settled
    assert stairs.talk.outgoing.floor == newer.number + 1


def test_a_saved_message_whose_second_copy_is_not_answered_is_still_saved() -> None:
    stairs = Stairs(online=False)
    older = stairs.say()
    stairs.saves()
    stairs.row(online=True)
    stairs.say()
    stairs.pass_time(POLICY.give_up_after)
    assert (older.standing, older.rung) == (Standing.SAVED, Rung.WAITING)
    assert stairs.posted() == []
