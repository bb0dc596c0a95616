"""Of whom a program knows when the registry does not tell everybody of everybody."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageState
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.rpc.place import Offer
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.testing import Town
from tests.peer.faces.full.playing import alices_screen
from tests.peer.faces.windows import until
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import node_of

__all__ = ["village"]

NAMES = ("bob", "carol", "Carl", "dave", "erin")


async def test_others_are_found_by_name(village: Village) -> None:
    await village.close_registry()
    await village.open_registry(broadcast_up_to=3)
    async with AsyncExitStack() as stack:
        peers = {name: await stack.enter_async_context(village.peer(name)) for name in NAMES}
        await asyncio.gather(*(peer.ready() for peer in peers.values()))
        screen = await stack.enter_async_context(alices_screen(village))
        alice = screen.peer
        async with asyncio.timeout(WITHIN):
            await node_of(alice).until(
                lambda core: core.is_ready and core.roster.interest.online == len(NAMES) + 1
            )
        assert await alice.online_count() == 6
        assert [one.name for one in alice.people()] == ["alice"]
        found = await alice.find("CAR")
        assert [(one.name, one.online) for one in found.people] == [("Carl", True), ("carol", True)]
        assert not found.more
        page = await alice.find(after="bob", limit=2)
        assert ([one.name for one in page.people], page.more) == (["Carl", "carol"], True)
        assert (await alice.find("no name")).people == ()
        await screen.shows("6 online")
        await screen.type("who")
        await screen.shows("5 others are online: who m shows whose")
        await screen.type("who car")
        await screen.shows("Carl is online", "carol is online")
        await screen.type("who x")
        await screen.shows("No name begins with x.")
        await screen.press("slash", "d", "m", "space", "e", "r", "tab")
        await screen.shows("/dm erin")
        screen.app.composer.put("")
        assert await outcome_of(await alice.send("dave", "hi")) is MessageState.DELIVERED
        assert (await next_of(peers["dave"], events.Said)).conversation == person("alice")
        assert [one.name for one in alice.people()] == ["alice", "dave"]
        offer = Offer(alice)
        windows = OpenWindows(lambda: alice.name, Path(alice.folder).parents[1])
        browser = await windows.open()

        def offered() -> list[str]:
            browser.type("good morning, @er")  # what is typed while the page opens gives way
            return [one.text for one in browser.offers()]

        await until(lambda: offered() == ["@erin"])
        await windows.close()
        await offer.end(within=WITHIN)


async def test_a_room_is_announced_with_members_of_whom_nothing_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = RuleSettings(policy=RegistryPolicy(broadcast_up_to=1))
    monkeypatch.setattr("chatapp.testing.town.Registry", partial(Registry, rules=rules))
    async with Town() as town:
        for name in ("bob", "carol"):
            await town.peer(name, rooms="lab")
        alice = await town.peer("alice")
        told: list[events.Event] = []
        alice.listen(told.extend)
        alice.enter_room("lab")
        await town.wait(5.0)
        rooms = events.EnteredRoom | events.MemberJoined
        assert [one for one in told if isinstance(one, rooms)] == [
            events.EnteredRoom(room="lab", members=("bob", "carol"), missed=0)
        ]
