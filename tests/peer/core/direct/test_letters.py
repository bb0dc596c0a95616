"""Outgoing letters: a few at a time, in order, answered once, sent again directly along with newer
messages."""

import pytest

from chatapp.peer.api.events import MessageReason, MessageState, Unacknowledged
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.conversation import DeliveryPath
from chatapp.peer.core.direct.mail import (
    BYTES_IN_FLIGHT,
    LETTERS_IN_FLIGHT,
    PAUSE_FIRST,
    PAUSE_LARGEST,
)
from chatapp.wire.messages.mail import MailRefusal
from tests.peer.core.cast import POLICY
from tests.peer.core.ladder_driver import BOB, LadderDriver, comes, found, full, goes, lost, sought
from tests.support.screen import is_now

# --- letters

INVALID_KEY = bytes(32)


def test_letters_are_posted_a_few_at_a_time() -> None:
    driver = LadderDriver(online=False)
    for _ in range(LETTERS_IN_FLIGHT + 1):
        driver.say()
    first, *others = driver.deposited()
    assert len(others) == LETTERS_IN_FLIGHT - 1
    driver.mail_queue.saved(first.reference, now=driver.now)
    assert len(driver.deposited()) == 1


def test_long_letters_are_posted_one_by_one() -> None:
    driver = LadderDriver(online=False)
    for _ in range(3):
        driver.say("x" * BYTES_IN_FLIGHT)
    for _ in range(3):
        (letter,) = driver.deposited()
        driver.mail_queue.saved(letter.reference, now=driver.now)


def test_letters_go_in_the_order_of_their_numbers() -> None:
    driver = LadderDriver()
    numbers = [driver.say().number for _ in range(5)]
    goes(driver)
    assert [letter.number for letter in driver.deposited()] == numbers


def test_an_answer_from_an_earlier_link_settles_nothing() -> None:
    driver = LadderDriver(online=False)
    driver.say()
    (before,) = driver.deposited()
    sought(driver)
    driver.mail_queue.saved(before.reference, now=driver.now)
    assert driver.state() == []
    found(driver)
    (again,) = driver.deposited()
    assert again.number == before.number
    driver.mail_queue.saved(again.reference, now=driver.now)
    assert driver.state() == [MessageState.SAVED]


@pytest.mark.parametrize("answer", ["saved", "refused"])
def test_what_was_acknowledged_late_is_not_also_saved_or_refused(answer: str) -> None:
    """The acknowledgement and the answer to the letter cross: delivered is delivered."""
    driver = LadderDriver()
    message = driver.say()
    driver.pass_time(POLICY.give_up_after - 0.01)
    driver.bob.take_row(BOB.row(3, online=False))
    driver.pass_time(0.01)
    (letter,) = driver.deposited()
    driver.acks(message)
    driver.state()
    assert driver.told() == [Unacknowledged, MessageState.DELIVERED]
    if answer == "saved":
        driver.mail_queue.saved(letter.reference, now=driver.now)
    else:
        driver.mail_queue.refused(letter.reference, MailRefusal.NAME_UNKNOWN, now=driver.now)
    assert (driver.told(), driver.state()) == ([], [])
    assert driver.ladder.is_settled


def test_a_recipient_whose_card_is_forged_gets_no_letter_and_the_sender_is_told() -> None:
    driver = LadderDriver(online=False)
    driver.shows_mail_key(INVALID_KEY)
    driver.say()
    assert driver.told() == [Unacknowledged, MessageState.REFUSED]
    assert driver.state() == [MessageState.REFUSED]
    assert driver.ladder.is_settled


# --- no room


class TestNoRoom:
    """A full mailbox is not a final refusal: messages are kept, and go out when there is room."""

    @pytest.mark.parametrize("why", sorted(set(MailRefusal) - {MailRefusal.NAME_UNKNOWN}))
    def test_the_message_is_kept_and_its_author_reads_why(self, why: MailRefusal) -> None:
        driver = LadderDriver(online=False)
        driver.say()
        driver.mail_queue.refused(driver.deposited()[0].reference, why, now=driver.now)
        (_, kept) = driver.out.drain_events()
        assert is_now(kept, MessageState.KEPT)
        assert kept.reason is MessageReason[why.name]
        assert driver.state() == [MessageState.KEPT]
        assert driver.ladder.is_settled

    def test_who_read_that_the_server_is_silent_reads_that_the_mailbox_is_full_too(self) -> None:
        driver = LadderDriver(RegistryReach.LOST, online=False)
        driver.say()
        driver.pass_time(POLICY.give_up_after)
        assert driver.told() == [MessageState.KEPT]
        found(driver)
        full(driver)
        assert driver.told() == [Unacknowledged, MessageState.KEPT]
        for _ in range(2):
            driver.pass_time(PAUSE_LARGEST)
            full(driver)
        assert driver.told() == []

    def test_later_messages_are_kept_at_once_and_none_is_saved_before_an_earlier_one(self) -> None:
        driver = LadderDriver(online=False)
        for _ in range(LETTERS_IN_FLIGHT + 2):
            driver.say()
        first, *others = driver.deposited()
        driver.mail_queue.refused(first.reference, MailRefusal.MAILBOX_FULL, now=driver.now)
        assert driver.deposited() == [], "those that had not gone stay"
        for letter in others:
            driver.mail_queue.refused(letter.reference, MailRefusal.MAILBOX_FULL, now=driver.now)
        driver.told()
        driver.say()
        assert driver.told() == [MessageState.KEPT]
        assert driver.deposited() == []
        assert {message.state for message in driver.conversation.outgoing} == {MessageState.KEPT}

    def test_that_earlier_letters_are_saved_later_ends_no_pause(self) -> None:
        """Else all the others are tried again at once, in vain, and each is told again."""
        driver = LadderDriver(online=False)
        for _ in range(LETTERS_IN_FLIGHT + 2):
            driver.say()
        *earlier, last = driver.deposited()
        driver.mail_queue.refused(last.reference, MailRefusal.MAILBOX_FULL, now=driver.now)
        driver.told()
        for letter in earlier:
            assert driver.mail_queue.saved(letter.reference, now=driver.now) is None
        assert driver.deposited() == []
        driver.pass_time(PAUSE_FIRST)
        assert [letter.number for letter in driver.deposited()] == [last.number]

    def test_one_is_tried_again_after_each_pause_without_a_word(self) -> None:
        driver = LadderDriver(online=False)
        older = driver.say()
        full(driver)
        driver.say()
        driver.told()
        span = PAUSE_FIRST
        for _ in range(8):
            driver.pass_time(span - 0.1)
            assert driver.deposited() == []
            driver.pass_time(0.1)
            (again,) = driver.deposited()
            assert again.number == older.number
            driver.mail_queue.refused(again.reference, MailRefusal.MAILBOX_FULL, now=driver.now)
            span = min(2 * span, PAUSE_LARGEST)
        assert driver.told() == []

    @pytest.mark.parametrize("why", [MailRefusal.DISK_FULL, MailRefusal.DISK_FAILED])
    def test_the_disk_is_tried_again_when_the_registry_is_back(self, why: MailRefusal) -> None:
        driver = LadderDriver(online=False)
        driver.say()
        driver.mail_queue.refused(driver.deposited()[0].reference, why, now=driver.now)
        for reach in (RegistryReach.LOST, RegistryReach.UP):
            driver.reach(reach)
        driver.mail_queue.deposit(now=driver.now)
        assert len(driver.deposited()) == 1

    def test_a_mailbox_is_tried_again_when_nothing_waits_or_the_registry_is_away_too(self) -> None:
        """A deadline passes although nothing is sent: the next deadline must not stay in the
        past."""
        driver = LadderDriver(online=False)
        driver.say()
        full(driver)
        driver.reach(RegistryReach.LOST)
        due = driver.mail_queue.next_timer()
        assert due is not None
        assert (driver.ladder.next_timer() or 0.0) <= due
        driver.pass_time(PAUSE_FIRST)
        assert driver.mail_queue.next_timer() is None

    def test_when_there_is_room_all_go_in_their_order(self) -> None:
        driver = LadderDriver(online=False)
        numbers = [driver.say().number]
        full(driver)
        numbers += [driver.say().number for _ in range(3)]
        driver.pass_time(PAUSE_FIRST)
        (probe,) = driver.deposited()
        assert driver.mail_queue.saved(probe.reference, now=driver.now) is driver.bob
        driver.ladder.climb(driver.bob, now=driver.now)
        assert [probe.number, *(letter.number for letter in driver.deposited())] == numbers

    def test_a_returning_reader_gets_them_directly_and_the_pause_ends(self) -> None:
        driver = LadderDriver(online=False)
        message = driver.say()
        full(driver)
        comes(driver)
        assert driver.sent() == [message.number]
        goes(driver)
        assert len(driver.deposited()) == 1

    def test_a_probe_that_is_acknowledged_on_its_way_leaves_nothing_stuck(self) -> None:
        driver = LadderDriver(online=False)
        first = driver.say()
        full(driver)
        second = driver.say()
        driver.pass_time(PAUSE_FIRST)
        (probe,) = driver.deposited()
        driver.conversation.delivery.send(first.number, first.body, now=driver.now)
        driver.acks(first)
        assert driver.mail_queue.saved(probe.reference, now=driver.now) is driver.bob
        driver.ladder.climb(driver.bob, now=driver.now)
        assert [letter.number for letter in driver.deposited()] == [second.number]

    def test_a_probe_that_cannot_be_sealed_leaves_nothing_stuck(self) -> None:
        driver = LadderDriver(online=False)
        driver.say()
        full(driver)
        second = driver.say()
        driver.shows_mail_key(INVALID_KEY)
        driver.ladder.handle_timer(now=driver.now + PAUSE_FIRST)
        driver.shows_mail_key(BOB.mail_key.public)
        driver.now += PAUSE_FIRST
        driver.pass_time(0.0)
        assert [letter.number for letter in driver.deposited()] == [second.number]

    def test_a_link_that_breaks_under_the_probe_leaves_nothing_stuck(self) -> None:
        driver = LadderDriver(online=False)
        message = driver.say()
        full(driver)
        driver.pass_time(PAUSE_FIRST)
        driver.deposited()
        lost(driver)
        found(driver)
        assert [letter.number for letter in driver.deposited()] == [message.number]


# --- saved ones


def test_a_saved_message_stays_a_letter_when_its_reader_is_back() -> None:
    driver = LadderDriver(online=False)
    message = driver.say()
    driver.saves()
    comes(driver)
    assert message.path is DeliveryPath.WAITING
    assert driver.sent() == []


def test_saved_messages_go_again_before_a_newer_one() -> None:
    """Otherwise the order would depend on which path is faster."""
    driver = LadderDriver(online=False)
    older = [driver.say(), driver.say()]
    driver.saves()
    comes(driver)
    newer = driver.say()
    assert driver.sent() == [message.number for message in (*older, newer)]
    driver.told()
    driver.acks(*older, newer)
    told = [
        event.was_saved
        for event in driver.out.drain_events()
        if is_now(event, MessageState.DELIVERED)
    ]
    assert told == [True, True, False]  # faces say nothing of the first two
    assert driver.ladder.is_settled
    assert driver.conversation.outgoing.floor == newer.number + 1


def test_a_saved_message_whose_second_copy_is_not_answered_is_still_saved() -> None:
    driver = LadderDriver(online=False)
    older = driver.say()
    driver.saves()
    driver.row(online=True)
    driver.say()
    driver.pass_time(POLICY.give_up_after)
    assert (older.state, older.path) == (MessageState.SAVED, DeliveryPath.WAITING)
    assert driver.deposited() == []
