"""The states of a receipt after each event, and at the end of the program."""

import asyncio
import gc

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import MessageState
from chatapp.peer.node.receipts import Receipts

FATES: list[tuple[events.MessageChanged, MessageState]] = [
    (
        events.MessageChanged(
            conversation=person("bob"), id=5, state=events.MessageState.DELIVERED
        ),
        MessageState.DELIVERED,
    ),
    (
        events.MessageChanged(
            conversation=person("bob"),
            id=5,
            state=events.MessageState.DELIVERED,
            through_server=True,
        ),
        MessageState.DELIVERED,
    ),
    (
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.SAVED),
        MessageState.SAVED,
    ),
    (
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.KEPT),
        MessageState.KEPT,
    ),
    (
        events.MessageChanged(
            conversation=person("bob"),
            id=5,
            state=events.MessageState.REFUSED,
            reason=events.MessageReason.NAME_UNKNOWN,
        ),
        MessageState.REFUSED,
    ),
]


@pytest.mark.parametrize(("event", "outcome"), FATES)
async def test_an_event_settles_the_receipt_that_it_is_about(
    event: events.MessageChanged, outcome: MessageState
) -> None:
    receipts = Receipts()
    mine, other = receipts.open(person("bob"), 5), receipts.open(person("bob"), 6)
    receipts.note(event)
    assert await mine.settled() is outcome
    assert other.state is MessageState.UNSETTLED


async def test_who_waits_is_woken() -> None:
    receipts = Receipts()
    receipt = receipts.open(person("bob"), 5)
    waiting = [asyncio.ensure_future(receipt.settled()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # does not take the answer from the other
    receipts.note(
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.SAVED)
    )
    assert await waiting[1] is MessageState.SAVED


def test_a_message_is_alone_when_the_one_before_it_was() -> None:
    receipts = Receipts()

    def send(number: int) -> bool:
        receipts.open(person("bob"), number)
        return receipts.is_alone

    def settle(*numbers: int) -> None:
        for number in numbers:
            receipts.note(
                events.MessageChanged(
                    conversation=person("bob"), id=number, state=events.MessageState.DELIVERED
                )
            )

    assert send(1)
    settle(1)
    assert [send(2), send(3)] == [True, False]
    settle(2, 3)
    assert [send(4), send(5)] == [False, False]  # the first of several once more
    settle(4, 5)
    assert not send(6)
    settle(6)
    assert send(7)


async def test_the_reason_of_a_refusal_is_kept() -> None:
    receipts = Receipts()
    receipt = receipts.open(person("bob"), 5)
    receipts.note(
        events.MessageChanged(
            conversation=person("bob"),
            id=5,
            state=events.MessageState.REFUSED,
            reason=events.MessageReason.NAME_UNKNOWN,
        )
    )
    assert receipt.reason is events.MessageReason.NAME_UNKNOWN


@pytest.mark.parametrize("target", [EVERYBODY, room("lab")])
async def test_a_line_that_the_registry_cannot_store_is_refused(target: Conversation) -> None:
    receipts, reason = Receipts(), events.MessageReason.DISK_FULL
    receipt = receipts.open(target, 5)
    receipts.note(
        events.MessageChanged(
            conversation=target, id=5, state=events.MessageState.REFUSED, reason=reason
        )
    )
    assert (await receipt.settled(), receipt.reason) == (MessageState.REFUSED, reason)


async def test_kept_may_still_become_delivered() -> None:
    receipts = Receipts()
    receipt = receipts.open(person("bob"), 5)
    receipts.note(
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.KEPT)
    )
    receipts.note(
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.DELIVERED)
    )
    assert receipt.state is MessageState.DELIVERED


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (
            events.MessageChanged(conversation=EVERYBODY, id=5, state=events.MessageState.SAVED),
            MessageState.SAVED,
        ),
        (
            events.MessageChanged(conversation=EVERYBODY, id=5, state=events.MessageState.KEPT),
            MessageState.KEPT,
        ),
    ],
)
async def test_lines_of_the_channel_have_receipts_of_their_own(
    event: events.MessageChanged, outcome: MessageState
) -> None:
    receipts = Receipts()
    line = receipts.open(EVERYBODY, 5)
    receipts.note(event)
    assert await line.settled() is outcome


async def test_settled_receipts_are_let_go() -> None:
    receipts = Receipts()
    for number in range(100):
        receipts.open(person("bob"), number)
        receipts.note(
            events.MessageChanged(
                conversation=person("bob"), id=number, state=events.MessageState.DELIVERED
            )
        )
    assert receipts._open == {}


@pytest.mark.parametrize(
    ("is_kept", "outcome"), [(True, MessageState.KEPT), (False, MessageState.REFUSED)]
)
async def test_nobody_waits_longer_than_the_program_lives(
    is_kept: bool, outcome: MessageState
) -> None:
    receipts = Receipts()
    message, line, kept = (
        receipts.open(person("bob"), 5),
        receipts.open(EVERYBODY, 6),
        receipts.open(person("carol"), 7),
    )
    receipts.note(
        events.MessageChanged(conversation=person("carol"), id=7, state=events.MessageState.KEPT)
    )
    receipts.close(is_kept=is_kept)
    assert await message.settled() is outcome
    assert await line.settled() is outcome
    assert await kept.settled() is MessageState.KEPT


async def test_a_line_that_was_kept_is_saved_when_the_registry_has_it() -> None:
    receipts = Receipts()
    line = receipts.open(room("lab"), 5)
    receipts.note(
        events.MessageChanged(conversation=room("lab"), id=5, state=events.MessageState.KEPT)
    )
    outcomes = [line.state]
    receipts.note(
        events.MessageChanged(conversation=room("lab"), id=5, state=events.MessageState.SAVED)
    )
    outcomes.append(line.state)
    assert outcomes == [MessageState.KEPT, MessageState.SAVED]


async def test_a_receipt_finds_its_message_though_the_recipient_has_another_name_now() -> None:
    receipts = Receipts()
    message = receipts.open(person("bob"), 5)
    receipts.note(
        events.MessageChanged(
            conversation=person("bobby"), id=5, state=events.MessageState.DELIVERED
        )
    )
    assert message.state is MessageState.DELIVERED


@pytest.mark.parametrize("last", [MessageState.DELIVERED, MessageState.EXPIRED])
async def test_the_final_outcome_is_waited_for_behind_kept_and_saved(last: MessageState) -> None:
    receipts = Receipts()
    receipt = receipts.open(person("bob"), 5)
    waiting = [asyncio.ensure_future(receipt.final()) for _ in range(2)]
    for state in (MessageState.KEPT, MessageState.SAVED):
        receipts.note(events.MessageChanged(conversation=person("bob"), id=5, state=state))
        assert await receipt.settled() is state
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)
    receipts.note(
        events.MessageChanged(conversation=person("bob"), id=5, state=last, was_saved=True)
    )
    assert await asyncio.gather(*waiting) == [last, last]
    assert await receipt.final() is last


@pytest.mark.parametrize("target", [EVERYBODY, room("lab")])
async def test_a_line_to_a_group_is_final_when_the_registry_has_it(target: Conversation) -> None:
    receipts = Receipts()
    receipt = receipts.open(target, 5)
    receipts.note(events.MessageChanged(conversation=target, id=5, state=MessageState.SAVED))
    assert await receipt.final() is MessageState.SAVED


async def test_the_receipt_of_a_saved_message_is_kept_as_long_as_somebody_holds_it() -> None:
    receipts = Receipts()
    held, dropped = receipts.open(person("bob"), 5), receipts.open(person("bob"), 6)
    for id_ in (5, 6):
        receipts.note(
            events.MessageChanged(conversation=person("bob"), id=id_, state=MessageState.SAVED)
        )
    del dropped
    gc.collect()
    assert list(receipts._saved) == [5]
    receipts.close(is_kept=True)
    with pytest.raises(NotOpen):
        await held.final()


async def test_nobody_waits_for_a_final_outcome_longer_than_the_program_lives() -> None:
    receipts = Receipts()
    kept, under_way = receipts.open(person("bob"), 5), receipts.open(person("bob"), 6)
    receipts.note(
        events.MessageChanged(conversation=person("bob"), id=5, state=events.MessageState.KEPT)
    )
    waiting = [asyncio.ensure_future(one.final()) for one in (kept, under_way)]
    await asyncio.sleep(0)
    receipts.close(is_kept=True)
    for one in (*waiting, kept.final()):
        with pytest.raises(NotOpen):
            await one
    assert await under_way.settled() is MessageState.KEPT


def test_a_receipt_shows_what_it_is_about() -> None:
    receipts = Receipts()
    receipt = receipts.open(person("bob"), 5)
    shown = [repr(receipt)]
    receipts.note(
        events.MessageChanged(
            conversation=person("bob"),
            id=5,
            state=events.MessageState.REFUSED,
            reason=events.MessageReason.NAME_UNKNOWN,
        )
    )
    shown.append(repr(receipt))
    assert (str(receipt.state), f"{receipt.state:>8}") == ("REFUSED", " REFUSED")
    assert shown == [
        "<Receipt of 5 to 'bob': under way>",
        "<Receipt of 5 to 'bob': REFUSED: the registry knows the name no more>",
    ]
