"""Delivered messages that their recipient may have lost: given again, quietly, seldom, and some at
a time."""

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.conversation import Message
from chatapp.peer.core.direct.outbox import AGAIN_SPAN
from chatapp.peer.core.records import StoredOutgoing
from chatapp.wire.delivery.parts import SyncMark
from chatapp.wire.messages.direct import Ack
from tests.peer.core.ladder_driver import LadderDriver

LIFE = 7
OTHER = 8


def delivered(driver: LadderDriver, *, sync: int = 1) -> Message:
    """Say something that arrives in bob's first life, and is not on his disk yet."""
    message = driver.say()
    driver.sent()
    driver.conversation.delivery.receive(Ack(message.number, [1], LIFE, sync), now=driver.now)
    driver._heed(through_server=False)
    assert driver.told() == [MessageState.DELIVERED]
    driver.out.drain_records()
    return message


def starts_anew(driver: LadderDriver, life: int = OTHER) -> None:
    driver.settlement.synced(driver.bob, SyncMark(life, 0))
    driver.ladder.climb(driver.bob, now=driver.now)


def give(driver: LadderDriver, *messages: Message, is_all: bool = True) -> None:
    (lost,) = driver.ladder.lost(now=driver.now)
    found = [
        StoredOutgoing(one.number, one.at_ms, one.text, MessageState.DELIVERED, id=one.id)
        for one in messages
        if lost.first <= one.number < lost.end
    ]
    driver.ladder.give_again(lost.contact, found, is_all=is_all, now=driver.now)


def test_nobody_is_told_that_a_message_is_given_again() -> None:
    driver = LadderDriver()
    message = delivered(driver)
    starts_anew(driver)
    give(driver, message)
    assert driver.sent() == [message.number]
    driver.acks(message)
    assert driver.told() == []
    assert driver.conversation.outgoing.floor == message.number + 1
    assert driver.ladder.is_settled


def test_acknowledgements_of_one_turn_may_name_different_syncs() -> None:
    driver = LadderDriver()
    first, second, third = driver.say(), driver.say(), driver.say()
    driver.sent()
    for message, sync in ((first, 1), (second, 2), (third, 1)):
        driver.conversation.delivery.receive(Ack(message.number, [1], LIFE, sync), now=driver.now)
    driver._heed(through_server=False)
    assert driver.conversation.outgoing.floor == first.number
    driver.settlement.synced(driver.bob, SyncMark(LIFE, 1))
    assert driver.conversation.outgoing.floor == second.number
    driver.settlement.synced(driver.bob, SyncMark(LIFE, 2))
    assert driver.conversation.outgoing.floor == third.number + 1


def test_it_is_never_a_letter_and_waits_for_its_recipient() -> None:
    driver = LadderDriver()
    message = delivered(driver)
    starts_anew(driver)
    give(driver, message)
    driver.pass_time(20.0)  # directly, and through the registry
    driver.row(online=False)
    driver.pass_time(20.0)
    assert driver.deposited() == []
    assert driver.told() == []
    assert driver.ladder.is_settled, "nobody waits for it"
    driver.row(online=True)
    assert driver.sent() == [message.number]


def test_nothing_is_read_for_somebody_who_is_away() -> None:
    driver = LadderDriver()
    message = delivered(driver)
    driver.row(online=False)
    starts_anew(driver)
    assert driver.ladder.lost(now=driver.now) == []
    driver.row(online=True)
    give(driver, message)
    assert driver.sent() == [message.number]


def test_without_a_registry_it_is_tried_now_and_then() -> None:
    driver = LadderDriver(RegistryReach.LOST)
    message = delivered(driver)
    starts_anew(driver)
    give(driver, message)
    driver.pass_time(10.0)
    driver.now += 30.0
    driver.ladder.handle_timer(now=driver.now)
    assert driver.sent() == [message.number]
    assert driver.told() == []


def test_a_recipient_with_ever_new_lives_is_given_no_more_than_some_a_second() -> None:
    driver = LadderDriver()
    message = delivered(driver)
    begun, reads = driver.now, 0
    for life in range(100, 400):
        starts_anew(driver, life)
        for lost in driver.ladder.lost(now=driver.now):
            reads += 1
            found = [StoredOutgoing(message.number, 0, "hi", MessageState.DELIVERED)]
            driver.ladder.give_again(lost.contact, found, is_all=True, now=driver.now)
            driver.sent()
        driver.conversation.delivery.receive(Ack(message.number, [1], life, 1), now=driver.now)
        driver._heed(through_server=False)
        driver.now += 0.01
    assert reads <= (driver.now - begun) / AGAIN_SPAN + 1


def test_a_part_at_a_time_is_in_memory() -> None:
    driver = LadderDriver()
    messages = [delivered(driver) for _ in range(3)]
    starts_anew(driver)
    give(driver, messages[0], is_all=False)
    driver.ladder.climb(driver.bob, now=driver.now)
    driver.now += AGAIN_SPAN
    assert driver.ladder.lost(now=driver.now) == [], "the first part has not arrived"
    assert driver.sent() == [messages[0].number]
    driver.acks(messages[0])
    driver.ladder.climb(driver.bob, now=driver.now)
    give(driver, *messages[1:])
    assert driver.sent() == [one.number for one in messages[1:]]
