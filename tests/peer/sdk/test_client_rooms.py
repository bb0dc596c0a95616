"""Rooms and names by the SDK."""

import asyncio
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import room
from chatapp.peer.api.errors import NotAnswered
from chatapp.peer.api.events import MessageState
from chatapp.peer.sdk.client import Peer
from chatapp.testing import Town
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import node_of

__all__ = ["village"]

# --- rooms


async def test_who_enters_a_room_can_speak_there_at_once(village: Village) -> None:
    async with village.peer("alice", rooms="Lab") as alice, village.peer("bob") as bob:
        bob.enter_room("lab")
        await asyncio.wait_for(bob.rooms_settled(), WITHIN)
        (entered,) = bob.rooms
        assert (entered.name, [one.name for one in entered.members]) == ("Lab", ["alice", "bob"])
        assert bob.members("LAB") == entered.members
        assert await outcome_of(await bob.say("lab", "hi")) is MessageState.SAVED
        line = await next_of(alice, events.Said)
        assert (line.conversation, line.sender, line.text) == (room("Lab"), "bob", "hi")
        assert not line.is_late
        bob.show_rooms()
        ours = events.Room(name="Lab", here=2, is_ours=True)
        assert (await next_of(bob, events.RoomsKnown)).rooms == (ours,)
        bob.leave_room("lab")
        assert (await next_of(bob, events.LeftRoom)).room == "Lab"
        assert (await next_of(alice, events.MemberLeft)).name == "bob"
        assert await outcome_of(await bob.say("lab", "to nobody")) is MessageState.REFUSED


async def test_a_room_and_the_channel_go_on_without_the_registry() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice", rooms="lab"), await town.peer("bob", rooms="lab")
        await town.registry.stop()
        await town.event(alice, events.ServerLost)
        await town.event(bob, events.ServerLost)
        assert alice.is_server_away
        assert alice.rooms[0].in_reach == 1
        receipt = await alice.say("lab", "still here")
        assert (await town.event(bob, events.Said)).text == "still here"
        assert await receipt.settled() is MessageState.KEPT
        await alice.settled()
        await alice.send_all("you too?")
        assert (await town.event(bob, events.Said)).text == "you too?"
        await town.registry.start()
        assert await receipt.final() is MessageState.SAVED
        await bob.say("lab", "back")
        assert (await town.event(alice, events.Said)).text == "back"


async def test_who_quits_and_comes_again_gets_what_was_said_in_between(village: Village) -> None:
    async with village.peer("alice", rooms="lab") as alice:
        async with village.peer("bob", rooms="lab"):
            await next_of(alice, events.MemberJoined)
        await next_of(alice, events.MemberLeft)
        await outcome_of(await alice.say("lab", "missed"))
        async with village.peer("bob") as bob:
            assert bob.rooms == ()
            bob.enter_room("lab")
            assert (await next_of(bob, events.EnteredRoom)).missed == 1
            (line,) = (await next_of(bob, events.MailReturned)).lines
            assert line.text == "missed"


async def test_rooms_listed_before_there_is_a_link(village: Village) -> None:
    async with village.peer("alice", rooms="lab"):
        bob = village.peer("bob")
        await bob.open()
        bob.show_rooms()
        assert (await next_of(bob, events.RoomsKnown)).rooms == (events.Room(name="lab", here=1),)
        assert not [one for one in bob.take_events() if isinstance(one, events.RoomsUnknown)]


async def test_rooms_can_be_waited_for(village: Village) -> None:
    async with village.peer("alice", rooms="lab"):
        bob = village.peer("bob")
        await bob.open()
        async with asyncio.timeout(WITHIN):
            one, other = await asyncio.gather(
                bob.list_rooms(), bob.list_rooms()
            )  # before there is a link
            assert one == other == (events.Room(name="lab", here=1),)


async def test_rooms_without_a_registry_and_offline_are_an_error() -> None:
    async with Town() as town:
        bob = await town.peer("bob")
        await town.registry.kill()
        await town.event(bob, events.ServerLost)
        with pytest.raises(NotAnswered) as silent:
            await bob.list_rooms()
        assert silent.value.reason in (events.NoAnswer.UNREACHABLE, events.NoAnswer.UNANSWERED)
        bob.leave()
        with pytest.raises(NotAnswered, match="no answer: we are offline by our own wish"):
            await bob.list_rooms()


# --- names


async def test_a_changed_name_finds_the_same_person_and_the_old_one_does_not(
    village: Village, tmp_path: Path
) -> None:
    server = ("127.0.0.1", village.port)
    async with Peer("carol", server, home=tmp_path / "another machine"):
        pass
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "before"))
        alice.rename("ada")
        assert (await next_of(alice, events.Renamed)).new == "ada"
        assert (await next_of(bob, events.Renamed)).old == "alice"
        assert (alice.name, alice.folder.name) == ("ada", "n-ada")
        assert await outcome_of(await bob.send("alice", "hi")) is MessageState.DELIVERED
        alice.rename("BOB")  # whose keys are on this machine, too
        await next_of(alice, events.NameUnavailable)
        identity = node_of(alice).core.me.identity.public
        alice.rename("carol")
        await next_of(alice, events.NameUnavailable)
        assert alice.name == "ada"
        assert await outcome_of(await alice.send("bob", "after")) is MessageState.DELIVERED
    async with village.peer("ada") as ada:
        assert node_of(ada).core.me.identity.public == identity
    stranger = village.peer("alice")
    await stranger.open()
    await next_of(stranger, events.NameUnavailable)
    assert node_of(stranger).core.me.identity.public != identity
