"""Seen marks between whole programs: on at both ends, at one, over restarts and losses."""

import pytest

from chatapp import Peer, events, person
from chatapp.testing import Town


async def read_all(reader: Peer, other: str) -> None:
    newest = (await reader.past.page(person(other), limit=1))[0]
    await reader.past.mark_read(person(other), newest.id)


async def marks(peer: Peer, other: str) -> list[bool]:
    return [line.is_seen for line in await peer.past.page(person(other)) if line.is_ours]


async def test_what_was_read_is_marked_for_its_author_and_stays_so() -> None:
    async with Town() as town:
        alice = await town.peer("alice", gives_marks=True)
        bob = await town.peer("bob", gives_marks=True)
        for text in ("one", "two"):
            await (await alice.send("bob", text)).settled()
        await bob.send("alice", "three")
        await town.event(bob, events.Said)
        await town.event(bob, events.Said)
        await read_all(bob, "alice")
        seen = await town.event(alice, events.Seen)
        assert seen.conversation == person("bob")
        found = await alice.past.find(seen.target, seen.conversation)
        assert found is not None
        assert found.line.text == "two"
        assert await marks(alice, "bob") == [True, True]
        assert await marks(bob, "alice") == [False]
        await alice.send("bob", "four")
        await town.restart(alice)
        assert await marks(alice, "bob") == [True, True, False]


async def test_what_was_read_while_its_author_was_away_is_told_when_they_are_back() -> None:
    async with Town() as town:
        alice = await town.peer("alice", gives_marks=True)
        bob = await town.peer("bob", gives_marks=True)
        await (await alice.send("bob", "hi")).settled()
        await town.event(bob, events.Said)
        await alice.close()
        await read_all(bob, "alice")
        await town.wait(60.0)
        await alice.open()
        await town.event(alice, events.Registered)
        await alice.send("bob", "are you there?")
        await town.event(alice, events.Seen)
        assert await marks(alice, "bob") == [True, False]


@pytest.mark.parametrize(("alices", "bobs"), [(True, False), (False, True), (False, False)])
async def test_nobody_has_marks_whom_they_give_none(alices: bool, bobs: bool) -> None:
    async with Town() as town:
        alice = await town.peer("alice", gives_marks=alices)
        bob = await town.peer("bob", gives_marks=bobs)
        for writer, reader in ((alice, bob), (bob, alice)):
            await (await writer.send(reader.name, "hi")).settled()
            await town.event(reader, events.Said)
            await read_all(reader, writer.name)
        for peer in (alice, bob):
            with pytest.raises(TimeoutError):
                await town.event(peer, events.Seen, within=60.0)


async def test_marks_outlive_a_bad_network() -> None:
    async with Town(7) as town:
        alice = await town.peer("alice", gives_marks=True)
        bob = await town.peer("bob", gives_marks=True)
        town.lose(0.2)
        for number in range(20):
            await (await alice.send("bob", str(number))).settled()
            await town.event(bob, events.Said)
            await read_all(bob, "alice")
        await town.wait(30.0)
        assert await marks(alice, "bob") == [True] * 20
