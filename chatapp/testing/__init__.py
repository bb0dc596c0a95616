"""A town for tests: a registry and people on a simulated network, in virtual time.

async def test_a_message_gets_through_a_bad_network() -> None:
    async with Town(seed=7) as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.lose(0.2)
        receipt = await alice.send("bob", "hi")
        assert await receipt.settled() is MessageState.DELIVERED
        assert (await town.event(bob, events.Said)).text == "hi"
"""

from chatapp.testing.clock import TownMisused
from chatapp.testing.town import Town, TownRegistry

__all__ = ["Town", "TownMisused", "TownRegistry"]
