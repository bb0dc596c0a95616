"""`/release`: the name is free for others, asked for by real programs."""

import re

from tests.cast.lines import WELCOME, beginning
from tests.cast.stage import Stage

QUESTION = beginning("Give up the name bob?")


async def test_a_name_is_given_up_and_somebody_else_takes_it(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("send bob hello")
    await alice.sees("[Message received by bob.]")
    await bob.type("/release")
    await bob.sees(QUESTION)
    await bob.type("no")
    await bob.sees("[You are still bob.]")
    await bob.type("/release", "y")
    await bob.sees(beginning("[bob is not your name any more: anybody may take it."))
    await alice.sees("bob has left.")
    await bob.type("send alice hi")
    await bob.sees("[You are offline.]")
    await alice.type("send bob are you there?")
    await alice.sees(re.compile(r"\[Message to bob refused: .*\.\]"))
    await stage.come("bob", home="other")
    await alice.sees(beginning("[The key of bob has changed"))
    await bob.type("reg bob")
    await bob.sees("[Name bob is taken.]")


async def test_who_gave_up_a_name_may_take_it_again_and_reads_why_not(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("/release", "yes")
    await bob.sees(beginning("[bob is not your name any more"))
    await bob.type("reg bob")
    await bob.sees(WELCOME)
    await alice.knows("bob")
    await alice.type("send bob again")
    await bob.sees("alice: again")
    await bob.type("/release", "yes", "quit")
    assert await bob.ends() == 0
    await stage.come("bob", home="other")
    again = await stage.peer("bob")
    await again.sees("[You gave up bob, and somebody else has it now: choose another name.]")
    assert await again.ends() == 1
