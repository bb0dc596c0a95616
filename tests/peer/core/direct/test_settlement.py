"""The end of outgoing messages: each outcome is reported once, and the recipient learns what not to
wait for."""

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageReason, MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.outbox import RETRY_SPAN
from chatapp.wire.codec import decode_frames
from chatapp.wire.messages.direct import Floor, Gap
from chatapp.wire.messages.mail import MailRefusal
from tests.peer.core.ladder_driver import LadderDriver, comes, offline


def test_delivered_through_the_server_is_said_so() -> None:
    for through_server in (False, True):
        driver = LadderDriver()
        message = driver.say()
        driver.sent()
        driver.acks(message, through_server=through_server)
        assert driver.out.drain_events() == [
            MessageChanged(
                conversation=person("bob"),
                id=message.id,
                state=MessageState.DELIVERED,
                through_server=through_server,
            )
        ]


def test_a_letter_that_expired_is_told_and_goes_nowhere() -> None:
    driver = LadderDriver(online=False)
    message = driver.say()
    driver.saves()
    driver.told()
    driver.settlement.expired(driver.bob, message.number, now=driver.now)
    driver.settlement.expired(driver.bob, message.number, now=driver.now)
    assert driver.out.drain_events() == [
        MessageChanged(
            conversation=person("bob"),
            id=message.id,
            state=MessageState.EXPIRED,
            text="hi",
            reason=MessageReason.NEVER_FETCHED,
        )
    ]
    comes(driver)
    driver.say()
    assert message.number not in driver.sent()


# --- kept ones


def test_kept_is_said_once_however_often_it_is_tried() -> None:
    driver = LadderDriver(RegistryReach.LOST)
    message = driver.say()
    driver.pass_time(4 * RETRY_SPAN)
    assert driver.told() == [MessageState.KEPT]
    assert driver.state() == [MessageState.KEPT]
    driver.acks(message)
    assert driver.told() == [MessageState.DELIVERED]


# --- what the recipient is told beside


def test_the_floor_is_the_lowest_that_is_not_settled_and_refused_ones_are_void() -> None:
    """Clause 6.3."""
    driver = LadderDriver(online=False)
    first, second = driver.say(), driver.say()
    one, two = driver.deposited()
    driver.mail_queue.saved(one.reference, now=driver.now)
    driver.mail_queue.refused(two.reference, MailRefusal.NAME_UNKNOWN, now=driver.now)
    comes(driver)
    third = driver.say()
    payloads = driver.conversation.delivery.payloads_to_send(now=driver.now)
    frames = [frame for payload in payloads for frame in decode_frames(payload)]
    assert Floor(first.number) in frames
    assert Gap(second.number, 1) in frames
    assert third.number == second.number + 1


def test_offline_by_our_own_wish_counts_as_settled() -> None:
    """Messages wait in our outbox until we are back; a caller that waits for their end would wait
    for ever."""
    driver = LadderDriver()
    driver.say()
    assert not driver.ladder.is_settled
    offline(driver)
    assert driver.ladder.is_settled
