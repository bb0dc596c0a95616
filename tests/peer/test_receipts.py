"""The states of a receipt after each event, and at the end of the program."""

import asyncio

import pytest

from chatapp.peer.core import events as happened
from chatapp.peer.errors import NotOpen
from chatapp.peer.receipts import CHANNEL, Outcome, Receipts
from chatapp.wire.messages.rooms import ROOM_SIGN

FATES: list[tuple[happened.Event, Outcome]] = [
    (happened.Delivered(to="bob", number=5, through_server=False), Outcome.DELIVERED),
    (happened.Delivered(to="bob", number=5, through_server=True), Outcome.RELAYED),
    (happened.Saved(to="bob", number=5), Outcome.SAVED),
    (happened.Kept(to="bob", number=5), Outcome.KEPT),
    (
        happened.MessageRefused(to="bob", number=5, reason=happened.MessageReason.NAME_UNKNOWN),
        Outcome.REFUSED,
    ),
]


@pytest.mark.parametrize(("event", "outcome"), FATES)
async def test_an_event_settles_the_receipt_that_it_is_about(event: happened.Event, outcome: Outcome) -> None:
    receipts = Receipts()
    mine, other, elsewhere = receipts.open("bob", 5), receipts.open("bob", 6), receipts.open("carol", 5)
    receipts.note(event)
    assert await mine.settled() is outcome
    assert (other.outcome, elsewhere.outcome) == (None, None)


async def test_who_waits_is_woken() -> None:
    receipts = Receipts()
    receipt = receipts.open("bob", 5)
    waiting = [asyncio.ensure_future(receipt.settled()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # does not take the answer from the other
    receipts.note(happened.Saved(to="bob", number=5))
    assert await waiting[1] is Outcome.SAVED


def test_a_message_is_alone_when_the_one_before_it_was() -> None:
    receipts = Receipts()

    def send(number: int) -> bool:
        receipts.open("bob", number)
        return receipts.is_alone

    def settle(*numbers: int) -> None:
        for number in numbers:
            receipts.note(happened.Delivered(to="bob", number=number, through_server=False))

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
    receipt = receipts.open("bob", 5)
    receipts.note(happened.MessageRefused(to="bob", number=5, reason=happened.MessageReason.NAME_UNKNOWN))
    assert receipt.reason is happened.MessageReason.NAME_UNKNOWN


@pytest.mark.parametrize(("target", "room"), [(CHANNEL, ""), (ROOM_SIGN + "lab", "lab")])
async def test_a_line_that_the_registry_cannot_store_is_refused(target: str, room: str) -> None:
    receipts, reason = Receipts(), happened.MessageReason.DISK_FULL
    receipt = receipts.open(target, 5)
    receipts.note(happened.GroupLineRefused(room=room, number=5, reason=reason))
    assert (await receipt.settled(), receipt.reason) == (Outcome.REFUSED, reason)


async def test_kept_may_still_become_delivered() -> None:
    receipts = Receipts()
    receipt = receipts.open("bob", 5)
    receipts.note(happened.Kept(to="bob", number=5))
    receipts.note(happened.Delivered(to="bob", number=5, through_server=False))
    assert receipt.outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (happened.ChannelAccepted(number=5), Outcome.SAVED),
        (happened.ChannelUnanswered(number=5), Outcome.KEPT),
    ],
)
async def test_lines_of_the_channel_have_receipts_of_their_own(
    event: happened.Event, outcome: Outcome
) -> None:
    receipts = Receipts()
    line, message = receipts.open(CHANNEL, 5), receipts.open("bob", 5)
    receipts.note(event)
    assert (line.outcome, message.outcome) == (outcome, None)


async def test_settled_receipts_are_let_go() -> None:
    receipts = Receipts()
    for number in range(100):
        receipts.open("bob", number)
        receipts.note(happened.Delivered(to="bob", number=number, through_server=False))
    assert receipts._open == {}


@pytest.mark.parametrize(("is_kept", "outcome"), [(True, Outcome.KEPT), (False, Outcome.REFUSED)])
async def test_nobody_waits_longer_than_the_program_lives(is_kept: bool, outcome: Outcome) -> None:
    receipts = Receipts()
    message, line, kept = receipts.open("bob", 5), receipts.open(CHANNEL, 5), receipts.open("carol", 5)
    receipts.note(happened.Kept(to="carol", number=5))
    receipts.close(is_kept=is_kept)
    assert await message.settled() is outcome
    assert await line.settled() is outcome
    assert await kept.settled() is Outcome.KEPT


async def test_a_line_that_was_kept_is_saved_when_the_registry_has_it() -> None:
    receipts = Receipts()
    line = receipts.open("#lab", 5)
    receipts.note(happened.RoomUnanswered(room="lab", number=5))
    outcomes = [line.outcome]
    receipts.note(happened.RoomAccepted(room="lab", number=5))
    outcomes.append(line.outcome)
    assert outcomes == [Outcome.KEPT, Outcome.SAVED]


async def test_a_receipt_finds_its_message_though_the_recipient_has_another_name_now() -> None:
    receipts = Receipts()
    message = receipts.open("bob", 5)
    receipts.note(happened.Renamed(old="bob", new="bobby", is_me=False))
    receipts.note(happened.Delivered(to="bobby", number=5, through_server=False))
    assert message.outcome is Outcome.DELIVERED


async def test_the_final_outcome_is_waited_for_behind_kept() -> None:
    receipts = Receipts()
    receipt = receipts.open("bob", 5)
    waiting = [asyncio.ensure_future(receipt.final()) for _ in range(2)]
    receipts.note(happened.Kept(to="bob", number=5))
    assert await receipt.settled() is Outcome.KEPT
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    receipts.note(happened.Saved(to="bob", number=5))
    assert await asyncio.gather(*waiting) == [Outcome.SAVED, Outcome.SAVED]
    assert await receipt.final() is Outcome.SAVED


async def test_nobody_waits_for_a_final_outcome_longer_than_the_program_lives() -> None:
    receipts = Receipts()
    kept, under_way = receipts.open("bob", 5), receipts.open("bob", 6)
    receipts.note(happened.Kept(to="bob", number=5))
    waiting = [asyncio.ensure_future(one.final()) for one in (kept, under_way)]
    await asyncio.sleep(0)
    receipts.close(is_kept=True)
    for one in (*waiting, kept.final()):
        with pytest.raises(NotOpen):
            await one
    assert await under_way.settled() is Outcome.KEPT


def test_a_receipt_shows_what_it_is_about() -> None:
    receipts = Receipts()
    receipt = receipts.open("bob", 5)
    shown = [repr(receipt)]
    receipts.note(happened.MessageRefused(to="bob", number=5, reason=happened.MessageReason.NAME_UNKNOWN))
    shown.append(repr(receipt))
    assert shown == [
        "<Receipt of 5 to 'bob': under way>",
        "<Receipt of 5 to 'bob': REFUSED: the registry knows the name no more>",
    ]
