"""What is not settled is taken back, or says something else: before anybody has it, as if it had never been said."""

import asyncio

import pytest

from chatapp.peer.api.conversations import Conversation, person, room
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused
from chatapp.peer.api.events import (
    MessageChanged,
    MessageReason,
    MessageState,
    Retracted,
    Said,
)
from chatapp.peer.api.state import PeerState
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from tests.peer.sdk.test_attached import attached, offered
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village  # noqa: F401


async def alone(village: Village, peer: Peer) -> None:  # noqa: F811
    """Take the registry away, and wait until a peer knows it."""
    await village.close_registry()
    while peer.state is not PeerState.ALONE:
        await asyncio.wait_for(peer.next_events(), WITHIN)


def fate(receipt: Receipt) -> tuple[MessageState, MessageReason | None]:
    return receipt.state, receipt.reason


CANCELLED = MessageState.REFUSED, MessageReason.CANCELLED


async def texts(peer: Peer, where: Conversation) -> list[str]:
    return [line.text for line in await peer.past.page(where)]


async def test_what_nobody_has_is_never_sent_and_an_edit_takes_its_place(
    village: Village,  # noqa: F811
) -> None:
    async with asyncio.timeout(3 * WITHIN), offered(village, "alice") as alice:
        alice.enter_room("lab")
        await alice.rooms_settled()
        await alone(village, alice)
        async with attached(village, "alice") as face:
            helo = await alice.send("dave", "helo")
            oops = await face.send("dave", "oops")
            line = await alice.say("lab", "to nobody")
            for receipt in (helo, oops, line):
                assert await outcome_of(receipt) is MessageState.KEPT
            for receipt in (oops, line):
                again = await face.cancel(receipt)
                assert (again.id, fate(again)) == (receipt.id, CANCELLED)
                assert await receipt.final() is MessageState.REFUSED
                assert fate(receipt) == CANCELLED
                with pytest.raises(ChangeRefused) as refused:
                    await alice.cancel(receipt)
                assert refused.value.reason is ChangeRefusal.NOT_SENT
            edit = await face.edit(helo, "hello")
            assert (edit.id, edit.state) == (helo.id, MessageState.KEPT)
        assert await texts(alice, person("dave")) == ["hello", "oops"]
        trace = await alice.past.why(helo.id)
        assert trace is not None and trace.versions == ()
        alice.leave()
        await village.open_registry()
        async with village.peer("dave") as dave:
            alice.come_back()
            assert (await next_of(dave, Said)).text == "hello"
            assert await helo.final() is MessageState.DELIVERED
            with pytest.raises(ChangeRefused) as refused:
                await alice.cancel(helo)
            assert refused.value.reason is ChangeRefusal.SETTLED
            await alice.send("dave", "last")
            assert (await next_of(dave, Said)).text == "last"
            assert await texts(dave, person("alice")) == ["hello", "last"]


async def test_what_may_have_left_is_taken_back(village: Village) -> None:  # noqa: F811
    async with (
        asyncio.timeout(3 * WITHIN),
        village.peer("alice", rooms="lab") as alice,
        village.peer("bob", rooms="lab") as bob,
    ):
        await alice.rooms_settled()
        await bob.rooms_settled()
        while len(alice.rooms[0].members) < 2:
            await alice.next_events()
        await alone(village, alice)
        line = await alice.say("lab", "not for you")
        assert await outcome_of(line) is MessageState.KEPT
        assert (await next_of(bob, Said)).text == "not for you"
        taken = await alice.cancel(line)
        assert taken.id != line.id
        assert (await next_of(bob, Retracted)).conversation == room("lab")
        assert await texts(bob, room("lab")) == [""]
        assert not [
            one for one in alice.take_events() if isinstance(one, MessageChanged) and one.reason
        ]


async def test_a_restart_keeps_what_was_cancelled_and_what_was_said_instead(
    village: Village,  # noqa: F811
) -> None:
    async with asyncio.timeout(3 * WITHIN):
        async with village.peer("alice") as alice:
            await alone(village, alice)
            helo = await alice.send("dave", "helo")
            oops = await alice.send("dave", "oops")
            await outcome_of(oops)
            await alice.edit(helo, "hello")
            await alice.cancel(oops)
        await village.open_registry()
        async with village.peer("dave") as dave, village.peer("alice"):
            assert (await next_of(dave, Said)).text == "hello"
            assert await texts(dave, person("alice")) == ["hello"]
