"""The end of outgoing messages: each outcome is reported once, and the recipient learns what not to wait for."""

from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.outbox import RETRY_SPAN
from chatapp.peer.core.events import MessageChanged, MessageReason, MessageState
from chatapp.wire.codec import decode_frames
from chatapp.wire.messages.direct import Floor, Gap
from chatapp.wire.messages.mail import MailRefusal
from tests.peer.core.stairs import Stairs, comes, offline


def test_delivered_through_the_server_is_said_so() -> None:
    for through_server in (False, True):
        stairs = Stairs()
        message = stairs.say()
        stairs.sent()
        stairs.acks(message, through_server=through_server)
        assert stairs.out.drain_events() == [
            MessageChanged(
                to="bob", number=message.number, state=MessageState.DELIVERED, through_server=through_server
            )
        ]


def test_a_letter_that_expired_is_told_and_goes_nowhere() -> None:
    stairs = Stairs(online=False)
    message = stairs.say()
    stairs.saves()
    stairs.told()
    stairs.settlement.expired(stairs.bob, message.number, now=stairs.now)
    stairs.settlement.expired(stairs.bob, message.number, now=stairs.now)
    assert stairs.out.drain_events() == [
        MessageChanged(
            to="bob",
            number=message.number,
            state=MessageState.EXPIRED,
            text="hi",
            reason=MessageReason.NEVER_FETCHED,
        )
    ]
    comes(stairs)
    stairs.say()
    assert message.number not in stairs.sent()


# --- kept ones


def test_kept_is_said_once_however_often_it_is_tried() -> None:
    stairs = Stairs(RegistryReach.LOST)
    message = stairs.say()
    stairs.pass_time(4 * RETRY_SPAN)
    assert stairs.told() == [MessageState.KEPT]
    assert stairs.state() == [MessageState.KEPT]
    stairs.acks(message)
    assert stairs.told() == [MessageState.DELIVERED]


# --- what the recipient is told beside


def test_the_floor_is_the_lowest_that_is_not_settled_and_refused_ones_are_void() -> None:
    """Clause 6.3."""
    stairs = Stairs(online=False)
    first, second = stairs.say(), stairs.say()
    one, two = stairs.deposited()
    stairs.mail_queue.saved(one.reference, now=stairs.now)
    stairs.mail_queue.refused(two.reference, MailRefusal.NAME_UNKNOWN, now=stairs.now)
    comes(stairs)
    third = stairs.say()
    payloads = stairs.conversation.delivery.payloads_to_send(now=stairs.now)
    frames = [frame for payload in payloads for frame in decode_frames(payload)]
    assert Floor(first.number) in frames
    assert Gap(second.number, 1) in frames
    assert third.number == second.number + 1


def test_offline_by_our_own_wish_counts_as_settled() -> None:
    """Messages wait in our outbox until we are back; a caller that waits for their end would wait for ever."""
    stairs = Stairs()
    stairs.say()
    assert not stairs.ladder.is_settled
    offline(stairs)
    assert stairs.ladder.is_settled
