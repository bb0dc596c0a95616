"""The examination of an open peer, over loopback sockets."""

import asyncio

import pytest

from chatapp.peer.api.errors import NameTaken, NotOpen
from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.sdk.client import Peer
from tests.peer.village import WITHIN, Village, sees, village

__all__ = ["village"]


def wrong(findings: list[Finding]) -> dict[Check, Trouble]:
    return {one.check: one.trouble for one in findings if one.trouble is not None}


async def test_all_is_well(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob"):
        mine = await alice.examine()
        assert wrong(mine) == {}
        assert {one.check for one in mine} >= {
            Check.UDP,
            Check.TCP,
            Check.KEY,
            Check.NAME,
            Check.CLOCK,
            Check.DISK,
            Check.PRIVACY,
            Check.OWN_PORT,
        }
        await sees(alice, "bob", online=True)
        theirs = await alice.examine("BOB")
        assert [one.check for one in theirs] == [
            Check.PERSON,
            Check.DIRECT,
            Check.RELAY,
            Check.REACHED,
        ]
        assert wrong(theirs) == {}
        assert {one.subject for one in theirs} == {"bob"}
        assert [one.check for one in await alice.examine("alice")] == [Check.PERSON]


async def test_nobody_of_that_name_and_somebody_who_is_away(village: Village) -> None:
    async with village.peer("alice") as alice:
        assert wrong(await alice.examine("bob")) == {Check.PERSON: Trouble.UNKNOWN}
        async with village.peer("bob"):
            await sees(alice, "bob", online=True)
            assert wrong(await alice.examine("bob")) == {}
        await sees(alice, "bob", online=False)
        assert wrong(await alice.examine("bob")) == {
            Check.PERSON: Trouble.AWAY,
            Check.DIRECT: Trouble.NO_ANSWER,
            Check.RELAY: Trouble.NO_ANSWER,
        }


async def test_without_a_registry_the_way_to_it_comes_first(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob"):
        await sees(alice, "bob", online=True)
        assert wrong(await alice.examine("bob")) == {}
        await village.close_registry()
        while not alice.is_server_away:
            await asyncio.wait_for(alice.next_events(), WITHIN)
        found = await alice.examine("bob")
        assert wrong(found) == {Check.UDP: Trouble.REFUSED, Check.TCP: Trouble.REFUSED}
        assert [one.check for one in found][-3:] == [Check.PERSON, Check.DIRECT, Check.REACHED]
        assert Check.RELAY not in {one.check for one in found}, "there is no link to the registry"


async def test_a_name_that_is_taken(village: Village) -> None:
    async with village.peer("alice"):
        impostor = Peer("alice", ("127.0.0.1", village.port), home=village.folder / "elsewhere")
        await impostor.open()
        with pytest.raises(NameTaken):
            await impostor.ready()
        assert wrong(await impostor.examine()) == {Check.NAME: Trouble.NAME_TAKEN}
        await impostor.close()
    with pytest.raises(NotOpen):
        await impostor.examine()
