"""The topic of a room, between real programs: told, kept by a registry that is killed, read by a
newcomer."""

import asyncio
import re

from tests.cast.lines import BACK, LOST, TIME, beginning
from tests.cast.stage import Stage

AWAY = "[The topic of lab is not changed: the server is away.]"


async def test_a_topic_outlives_the_registry(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await alice.type("/topic Exam", "join lab", "/topic")
    await alice.sees_all(
        "[You are not in any room.]", "[You are in lab, alone so far.]", "[lab has no topic.]"
    )
    await bob.type("join lab")
    await bob.sees("[You are in lab with alice.]")
    await alice.sees("bob joined lab.")
    await alice.type("/topic Exam on Friday")
    told = "[alice set the topic of lab: Exam on Friday]"
    await asyncio.gather(alice.sees(told), bob.sees(told))

    await registry.kill()
    await asyncio.gather(alice.sees(LOST), bob.sees(LOST))
    await bob.type("/topic No exam", "/topic")
    shown = re.compile(rf"\[The topic of lab, set by alice {TIME}: Exam on Friday\]")
    await bob.sees(shown)
    await bob.sees(AWAY)
    await stage.registry()
    await asyncio.gather(alice.sees(BACK), bob.sees(BACK))

    await carol.sees(BACK)
    await carol.type("join lab")
    await carol.sees(beginning("[You are in lab with "))
    await carol.sees("[Topic: Exam on Friday]")
    await carol.type("/topic")
    await carol.sees(shown)
    await carol.type("/topic -")
    gone = "[carol cleared the topic of lab.]"
    await asyncio.gather(*(person.sees(gone) for person in (alice, bob, carol)))
    assert len(alice.shown(told)) == len(bob.shown(told)) == 1, "nobody is told again"
