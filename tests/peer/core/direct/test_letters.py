"""Outgoing letters: a few at a time, in order, answered once, sent again directly along with newer messages."""

import pytest

from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.mail import BYTES_IN_FLIGHT, LETTERS_IN_FLIGHT, PAUSE_FIRST, PAUSE_LARGEST
from chatapp.peer.core.events import MessageReason, MessageState, Unacknowledged
from chatapp.peer.core.people.conversation import DeliveryPath
from chatapp.wire.messages.mail import MailRefusal
from tests.peer.core.cast import POLICY
from tests.peer.core.stairs import BOB, Stairs, comes, found, full, goes, lost, sought
from tests.support.screen import is_now

# --- letters

INVALID_KEY = bytes(32)


def test_letters_are_posted_a_few_at_a_time() -> None:
    stairs = Stairs(online=False)
    for _ in range(LETTERS_IN_FLIGHT + 1):
        stairs.say()
    first, *others = stairs.deposited()
    assert len(others) == LETTERS_IN_FLIGHT - 1
    stairs.mail_queue.saved(first.reference, now=stairs.now)
    assert len(stairs.deposited()) == 1


def test_long_letters_are_posted_one_by_one() -> None:
    stairs = Stairs(online=False)
    for _ in range(3):
        stairs.say("x" * BYTES_IN_FLIGHT)
    for _ in range(3):
        (letter,) = stairs.deposited()
        stairs.mail_queue.saved(letter.reference, now=stairs.now)


def test_letters_go_in_the_order_of_their_numbers() -> None:
    stairs = Stairs()
    numbers = [stairs.say().number for _ in range(5)]
    goes(stairs)
    assert [letter.number for letter in stairs.deposited()] == numbers


def test_an_answer_from_an_earlier_link_settles_nothing() -> None:
    stairs = Stairs(online=False)
    stairs.say()
    (before,) = stairs.deposited()
    sought(stairs)
    stairs.mail_queue.saved(before.reference, now=stairs.now)
    assert stairs.state() == []
    found(stairs)
    (again,) = stairs.deposited()
    assert again.number == before.number
    stairs.mail_queue.saved(again.reference, now=stairs.now)
    assert stairs.state() == [MessageState.SAVED]


@pytest.mark.parametrize("answer", ["saved", "refused"])
def test_what_was_acknowledged_late_is_not_also_saved_or_refused(answer: str) -> None:
    """The acknowledgement and the answer to the letter cross: delivered is delivered."""
    stairs = Stairs()
    message = stairs.say()
    stairs.pass_time(POLICY.give_up_after - 0.01)
    stairs.bob.take_row(BOB.row(3, online=False))
    stairs.pass_time(0.01)
    (letter,) = stairs.deposited()
    stairs.acks(message)
    stairs.state()
    assert stairs.told() == [Unacknowledged, MessageState.DELIVERED]
    if answer == "saved":
        stairs.mail_queue.saved(letter.reference, now=stairs.now)
    else:
        stairs.mail_queue.refused(letter.reference, MailRefusal.NAME_UNKNOWN, now=stairs.now)
    assert (stairs.told(), stairs.state()) == ([], [])
    assert stairs.ladder.is_settled


def test_a_recipient_whose_card_is_forged_gets_no_letter_and_the_sender_is_told() -> None:
    stairs = Stairs(online=False)
    stairs.shows_mail_key(INVALID_KEY)
    stairs.say()
    assert stairs.told() == [Unacknowledged, MessageState.REFUSED]
    assert stairs.state() == [MessageState.REFUSED]
    assert stairs.ladder.is_settled


# --- no room


class TestNoRoom:
    """A full mailbox is not a final refusal: messages are kept, and go out when there is room."""

    @pytest.mark.parametrize("why", sorted(set(MailRefusal) - {MailRefusal.NAME_UNKNOWN}))
    def test_the_message_is_kept_and_its_author_reads_why(self, why: MailRefusal) -> None:
        stairs = Stairs(online=False)
        stairs.say()
        stairs.mail_queue.refused(stairs.deposited()[0].reference, why, now=stairs.now)
        (_, kept) = stairs.out.drain_events()
        assert is_now(kept, MessageState.KEPT)
        assert kept.reason is MessageReason[why.name]
        assert stairs.state() == [MessageState.KEPT]
        assert stairs.ladder.is_settled

    def test_who_read_that_the_server_is_silent_reads_that_the_mailbox_is_full_too(self) -> None:
        stairs = Stairs(RegistryReach.LOST, online=False)
        stairs.say()
        stairs.pass_time(POLICY.give_up_after)
        assert stairs.told() == [MessageState.KEPT]
        found(stairs)
        full(stairs)
        assert stairs.told() == [Unacknowledged, MessageState.KEPT]
        for _ in range(2):
            stairs.pass_time(PAUSE_LARGEST)
            full(stairs)
        assert stairs.told() == []

    def test_later_messages_are_kept_at_once_and_none_is_saved_before_an_earlier_one(self) -> None:
        stairs = Stairs(online=False)
        for _ in range(LETTERS_IN_FLIGHT + 2):
            stairs.say()
        first, *others = stairs.deposited()
        stairs.mail_queue.refused(first.reference, MailRefusal.MAILBOX_FULL, now=stairs.now)
        assert stairs.deposited() == [], "those that had not gone stay"
        for letter in others:
            stairs.mail_queue.refused(letter.reference, MailRefusal.MAILBOX_FULL, now=stairs.now)
        stairs.told()
        stairs.say()
        assert stairs.told() == [MessageState.KEPT]
        assert stairs.deposited() == []
        assert {message.state for message in stairs.conversation.outgoing} == {MessageState.KEPT}

    def test_one_is_tried_again_after_each_pause_without_a_word(self) -> None:
        stairs = Stairs(online=False)
        older = stairs.say()
        full(stairs)
        stairs.say()
        stairs.told()
        span = PAUSE_FIRST
        for _ in range(8):
            stairs.pass_time(span - 0.1)
            assert stairs.deposited() == []
            stairs.pass_time(0.1)
            (again,) = stairs.deposited()
            assert again.number == older.number
            stairs.mail_queue.refused(again.reference, MailRefusal.MAILBOX_FULL, now=stairs.now)
            span = min(2 * span, PAUSE_LARGEST)
        assert stairs.told() == []

    @pytest.mark.parametrize("why", [MailRefusal.DISK_FULL, MailRefusal.DISK_FAILED])
    def test_the_disk_is_tried_again_when_the_registry_is_back(self, why: MailRefusal) -> None:
        stairs = Stairs(online=False)
        stairs.say()
        stairs.mail_queue.refused(stairs.deposited()[0].reference, why, now=stairs.now)
        for reach in (RegistryReach.LOST, RegistryReach.UP):
            stairs.ladder.set_reach(reach, now=stairs.now)
        stairs.mail_queue.deposit(now=stairs.now)
        assert len(stairs.deposited()) == 1

    def test_a_mailbox_is_tried_again_when_nothing_waits_or_the_registry_is_away_too(self) -> None:
        """A deadline passes although nothing is sent: the next deadline must not stay in the past."""
        stairs = Stairs(online=False)
        stairs.say()
        full(stairs)
        stairs.ladder.set_reach(RegistryReach.LOST, now=stairs.now)
        due = stairs.mail_queue.next_timer()
        assert due is not None
        assert (stairs.ladder.next_timer() or 0.0) <= due
        stairs.pass_time(PAUSE_FIRST)
        assert stairs.mail_queue.next_timer() is None

    def test_when_there_is_room_all_go_in_their_order(self) -> None:
        stairs = Stairs(online=False)
        numbers = [stairs.say().number]
        full(stairs)
        numbers += [stairs.say().number for _ in range(3)]
        stairs.pass_time(PAUSE_FIRST)
        (probe,) = stairs.deposited()
        assert stairs.mail_queue.saved(probe.reference, now=stairs.now) is stairs.bob
        stairs.ladder.climb(stairs.bob, now=stairs.now)
        assert [probe.number, *(letter.number for letter in stairs.deposited())] == numbers

    def test_a_returning_reader_gets_them_directly_and_the_pause_ends(self) -> None:
        stairs = Stairs(online=False)
        message = stairs.say()
        full(stairs)
        comes(stairs)
        assert stairs.sent() == [message.number]
        goes(stairs)
        assert len(stairs.deposited()) == 1

    def test_a_probe_that_is_acknowledged_on_its_way_leaves_nothing_stuck(self) -> None:
        stairs = Stairs(online=False)
        first = stairs.say()
        full(stairs)
        second = stairs.say()
        stairs.pass_time(PAUSE_FIRST)
        (probe,) = stairs.deposited()
        stairs.conversation.delivery.send(first.number, first.body, now=stairs.now)
        stairs.acks(first)
        assert stairs.mail_queue.saved(probe.reference, now=stairs.now) is stairs.bob
        stairs.ladder.climb(stairs.bob, now=stairs.now)
        assert [letter.number for letter in stairs.deposited()] == [second.number]

    def test_a_probe_that_cannot_be_sealed_leaves_nothing_stuck(self) -> None:
        stairs = Stairs(online=False)
        stairs.say()
        full(stairs)
        second = stairs.say()
        stairs.shows_mail_key(INVALID_KEY)
        stairs.ladder.handle_timer(now=stairs.now + PAUSE_FIRST)
        stairs.shows_mail_key(BOB.mail_key.public)
        stairs.now += PAUSE_FIRST
        stairs.pass_time(0.0)
        assert [letter.number for letter in stairs.deposited()] == [second.number]

    def test_a_link_that_breaks_under_the_probe_leaves_nothing_stuck(self) -> None:
        stairs = Stairs(online=False)
        message = stairs.say()
        full(stairs)
        stairs.pass_time(PAUSE_FIRST)
        stairs.deposited()
        lost(stairs)
        found(stairs)
        assert [letter.number for letter in stairs.deposited()] == [message.number]


# --- saved ones


def test_a_saved_message_stays_a_letter_when_its_reader_is_back() -> None:
    stairs = Stairs(online=False)
    message = stairs.say()
    stairs.saves()
    comes(stairs)
    assert message.path is DeliveryPath.WAITING
    assert stairs.sent() == []


def test_saved_messages_go_again_before_a_newer_one() -> None:
    """Otherwise the order would depend on which path is faster."""
    stairs = Stairs(online=False)
    older = [stairs.say(), stairs.say()]
    stairs.saves()
    comes(stairs)
    newer = stairs.say()
    assert stairs.sent() == [message.number for message in (*older, newer)]
    stairs.told()
    stairs.acks(*older, newer)
    assert stairs.told() == [MessageState.DELIVERED]  # whoever read "saved" need not hear of it again
    assert stairs.ladder.is_settled
    assert stairs.conversation.outgoing.floor == newer.number + 1


def test_a_saved_message_whose_second_copy_is_not_answered_is_still_saved() -> None:
    stairs = Stairs(online=False)
    older = stairs.say()
    stairs.saves()
    stairs.row(online=True)
    stairs.say()
    stairs.pass_time(POLICY.give_up_after)
    assert (older.state, older.path) == (MessageState.SAVED, DeliveryPath.WAITING)
    assert stairs.deposited() == []
