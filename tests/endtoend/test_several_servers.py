"""A registry with two servers: one is killed, the other goes on with its state, and nobody has to
do anything."""

import asyncio
import re
import time
from typing import Final

from tests.cast import lines
from tests.cast.desk import position
from tests.cast.people import Person
from tests.cast.stage import CHATAPP, Stage, copy_folder
from tests.support.ports import free_port

BACK_WITHIN: Final = 10.0
"""Seconds from the moment at which the other server listens until everybody is there."""

IN_THE_CHANNEL: Final = re.compile(rf"\[Channel_Message alice: ({lines.TIME} )?over there\]")
"""Alice's line, with its time for a peer that registers after it was said."""


async def peer_at(stage: Stage, name: str, servers: str) -> Person:
    """Start a peer whose registry is at these servers."""
    command = [*CHATAPP, "-c", name, servers, str(stage.port)]
    environment = {"CHATAPP_CODE": stage.codes[name]} if name in stage.codes else None
    return await stage.person(name, command, environment=environment)


def moved(stage: Stage, port: int) -> str:
    """Give another server the state of the one that was killed; returns its home."""
    folder = stage.folder / "registry" / "registry" / str(stage.port)
    copy = stage.folder / "other" / "registry" / str(port)
    copy.parent.mkdir(parents=True)
    copy_folder(folder, copy)
    return "other"


async def test_another_server_goes_on_where_the_killed_one_was(stage: Stage) -> None:
    other, here = free_port(), "127.0.0.1"
    options = ("--operator", "bob", "--also", f"{here}:{other},{here}:{stage.port}")
    registry = await stage.registry(*options)
    bob = await stage.operator()  # learns of the other server by the WELCOME
    alice = await peer_at(stage, "alice", f"{here},{here}:{other}")
    carol = await stage.peer("carol")
    for person in (alice, carol):
        await person.sees(lines.WELCOME)
    await alice.knows("bob", "carol")
    ana = await stage.served("Ana", by=bob)
    ben, cem = [await stage.joined(name, at) for at, name in enumerate(("Ben", "Cem"), 1)]
    await carol.quits()
    await alice.knows(away=["carol"])
    for number in range(5):
        await alice.type(f"send carol saved {number}")
    await alice.sees_times(5, lines.SAVED)
    for one in (alice, bob):
        await one.type("/join lab")
        await one.sees(lines.beginning("[You are in lab"))

    await registry.kill()
    await alice.type("/dm bob directly")
    await asyncio.gather(bob.sees("alice: directly"), alice.sees(lines.received("bob")))
    home = moved(stage, other)
    await stage.registry(*options, home=home, port=other)
    began = time.monotonic()
    await alice.type("/all over there")
    await asyncio.gather(bob.sees(IN_THE_CHANNEL), alice.sees(lines.CHANNEL_TAKEN))
    await ana.type("still here")
    await bob.sees("Ana: still here")
    assert time.monotonic() - began < BACK_WITHIN
    await bob.room_is("Ben", "Cem")
    await ben.type(".queue")
    await ben.sees(lines.beginning("[You are number 1 in the waiting room: 0 ahead, "))
    assert cem.shown(position(1)) == []
    await alice.type("in the lab")
    await bob.sees(re.compile(r".*alice.*: in the lab.*"))

    carol = await stage.peer(
        "carol"
    )  # knows the first server only from its start, and the other from the registry
    await carol.sees(lines.mail("alice", "saved 4"))
    letters = carol.shown(lines.beginning("alice: "))
    assert [line.split(" ", 3)[3] for line in letters] == [f"saved {number}" for number in range(5)]
    await carol.knows("alice", "bob")
    for one in (alice, bob):
        assert len(one.shown(lines.WELCOME)) == 1
        assert one.shown(lines.beginning("[The server's key has changed")) == []
