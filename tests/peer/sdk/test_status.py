"""What people say of themselves, as others see it; and what a restart leaves of it."""

import asyncio

from chatapp.peer.api.events import Event, ServerBack, StatusSet
from chatapp.peer.sdk.client import Peer
from tests.peer.village import WITHIN, Village, village  # noqa: F401


async def sees(peer: Peer, status: str, away: str | None, *, online: bool = True) -> None:
    """Wait until a peer reads this of alice."""
    while not any(
        (one.name, one.status, one.away, one.online) == ("alice", status, away, online)
        for one in peer.people()
    ):
        await asyncio.wait_for(peer.next_events(), WITHIN)


async def until(peer: Peer, kind: type[Event]) -> None:
    """Wait for an event of this kind."""
    async with asyncio.timeout(WITHIN):
        while not any(isinstance(event, kind) for event in await peer.next_events()):
            pass


async def test_others_see_it_and_a_registry_that_forgot_it_is_told_again(
    village: Village,  # noqa: F811
) -> None:
    async with village.peer("bob") as bob:
        async with village.peer("alice") as alice:
            assert await alice.set_status("exam", away="at lunch") == StatusSet(
                status="exam", away="at lunch"
            )
            await sees(bob, "exam", "at lunch")
            await village.close_registry()
            await village.open_registry()
            async with village.peer("carol") as carol:
                await sees(carol, "exam", "at lunch")
            await until(alice, ServerBack)  # else it is not told that she leaves
        await sees(bob, "exam", None, online=False)
        async with village.peer("alice"):
            await sees(bob, "exam", None)
