"""A registry that stops in order and returns: its return is told, however quick it is."""

import asyncio
from contextlib import aclosing, suppress

from chatapp import events
from chatapp.peer.sdk.client import Peer
from chatapp.testing import Town


async def told_until_idle(peer: Peer) -> list[type]:
    """Return what the peer tells of the registry until nothing happens for a while."""
    told: list[type] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(30.0), aclosing(peer.events()) as batch:
            async for event in batch:
                match event:
                    case events.ServerStopping() | events.ServerLost() | events.ServerBack():
                        told.append(type(event))
    return told


async def test_a_registry_that_is_back_at_once_is_told_to_be_back() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        for _ in range(2):
            await town.registry.stop()
            await town.registry.start()
            assert await told_until_idle(alice) == [events.ServerStopping, events.ServerBack]


async def test_one_that_is_missed_meanwhile_is_told_to_be_back_once() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        await town.registry.stop()
        await town.wait(60.0)
        await town.registry.start()
        expected = [events.ServerStopping, events.ServerLost, events.ServerBack]
        assert await told_until_idle(alice) == expected


async def test_a_restart_that_was_not_announced_and_not_missed_is_not_told() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        await town.registry.kill()
        await town.registry.start()
        assert await told_until_idle(alice) == []
