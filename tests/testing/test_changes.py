"""Replies, edits, retractions and reactions between whole programs: directly, in a room, by mail."""

import contextlib
import random

import pytest

from chatapp import ChangeRefused, Peer, events, person, room
from chatapp.peer.api.conversations import EVERYBODY, Conversation
from chatapp.peer.api.errors import ChangeRefusal
from chatapp.peer.node.receipts import Receipt
from chatapp.testing import Town

WAYS = (person("bob"), room("lab"), EVERYBODY)


async def said(peer: Peer, where: Conversation, text: str) -> Receipt:
    if where.is_person:
        return await peer.send(where.name, text)
    return await (peer.say(where.name, text) if where.is_room else peer.send_all(text))


async def last(peer: Peer, where: Conversation) -> events.Said:
    return (await peer.past.page(where, limit=1))[0]


def as_bob(where: Conversation) -> Conversation:
    return person("alice") if where.is_person else where


@pytest.mark.parametrize("where", WAYS, ids=str)
async def test_a_line_is_answered_edited_reacted_to_and_taken_back(where: Conversation) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice", rooms="lab"), await town.peer("bob", rooms="lab")
        line = await said(alice, where, "helo")
        came = await town.event(bob, events.Said)

        await alice.edit(line, "hello")
        edited = await town.event(bob, events.Edited)
        assert (edited.target, edited.text) == (came.as_target, "hello")
        found = await bob.past.find(edited.target, as_bob(where))
        assert found is not None
        assert [version.text for version in found.versions] == ["helo", "hello"]
        assert [one.text for one in await bob.past.search("hello")] == ["hello"]
        assert await bob.past.search("helo") == []

        await bob.react(came, "👍")
        reacted = await town.event(alice, events.Reacted)
        now = await last(alice, where)
        assert reacted.target == now.as_target
        assert [(one.emoji, one.names) for one in now.reactions] == [("👍", ("bob",))]

        await bob.reply(came, "hi")
        answer = await town.event(alice, events.Said)
        assert answer.reply_to == now.as_target

        await alice.retract(line)
        await town.event(bob, events.Retracted)
        assert await bob.past.search("hello") == []
        gone = (await bob.past.page(as_bob(where)))[0]
        assert (gone.text, gone.is_retracted, gone.reactions) == ("", True, ())


async def test_what_is_changed_while_its_reader_is_away_comes_as_mail() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await bob.close()
        line = await alice.send("bob", "helo")
        await alice.edit(line, "hello")
        await alice.settled()
        await bob.open()
        first, change = await town.event(bob, events.Said), await town.event(bob, events.Edited)
        assert (first.text, change.target) == ("helo", first.as_target)
        assert [one.text for one in await bob.past.page(person("alice"))] == ["hello"]


async def test_each_change_that_is_not_to_be_is_refused_in_one_line() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        line = await alice.send("bob", "hi")
        came = await town.event(bob, events.Said)
        change = await alice.edit(line, "hello")
        await town.event(bob, events.Edited)
        for work, why in (
            (bob.edit(came, "mine"), ChangeRefusal.NOT_OURS),
            (bob.retract(came), ChangeRefusal.NOT_OURS),
            (bob.react(came, "no"), ChangeRefusal.NO_EMOJI),
            (alice.edit(change, "twice"), ChangeRefusal.NO_SUCH_LINE),
        ):
            with pytest.raises(ChangeRefused) as refused:
                await work
            assert refused.value.reason is why
        await alice.retract(line)
        await town.event(bob, events.Retracted)
        with pytest.raises(ChangeRefused, match="taken back"):
            await bob.reply(came, "what?")


async def test_what_did_not_get_through_is_not_changed() -> None:
    async with Town() as town:
        alice = await town.peer("alice", rooms="lab")
        await town.registry.kill()
        line = await alice.say("lab", "hi")
        await line.settled()
        alice.leave_room("lab")
        await town.event(alice, events.LeftRoom)
        with pytest.raises(ChangeRefused, match="did not get through"):
            await alice.edit(line, "hello")


Heard = tuple[str, int, str, bool, bool, tuple[tuple[str, tuple[str, ...]], ...]]


async def heard(peer: Peer, other: str) -> list[Heard]:
    """Return what this peer has of the conversation with the other one."""
    return sorted(
        (
            line.sender,
            line.number,
            line.text,
            line.is_edited,
            line.is_retracted,
            tuple((one.emoji, tuple(sorted(one.names))) for one in line.reactions),
        )
        for line in await peer.past.page(person(other), limit=1_000)
    )


async def something(peer: Peer, other: str, rng: random.Random) -> None:
    """Say something, or do something to a line."""
    lines = [line for line in await peer.past.page(person(other)) if not line.is_retracted]
    if len(lines) < 3 or rng.random() < 0.3:
        await peer.send(other, f"{peer.name} {rng.random()}")
        return
    line = rng.choice(lines)
    with contextlib.suppress(ChangeRefused):
        match rng.randrange(5):
            case 0 if line.is_ours:
                await peer.retract(line)
            case 1 | 2 if line.is_ours:
                await peer.edit(line, f"changed {rng.random()}")
            case _:
                await peer.react(line, rng.choice("👍🎉"), is_on=rng.random() < 0.7)


@pytest.mark.parametrize("seed", [1, 2])
async def test_both_see_the_same_through_losses_kills_and_absences(seed: int) -> None:
    rng = random.Random(seed)
    async with Town(seed=seed) as town:
        peers = [await town.peer("alice"), await town.peer("bob")]
        town.lose(0.2)
        town.double(0.1)
        for step in range(100):
            await something(peers[step % 2], peers[1 - step % 2].name, rng)
            if step % 25 == 24:
                fallen = rng.choice(peers)
                await town.kill(fallen)
                await something(next(one for one in peers if one is not fallen), fallen.name, rng)
                await town.restart(fallen)
        town.lose(0.0)
        town.double(0.0)
        await town.wait(60.0)
        views = [await heard(peers[0], "bob"), await heard(peers[1], "alice")]
        assert views[0] == views[1]
        assert any(is_edited for _, _, _, is_edited, *_ in views[0])
