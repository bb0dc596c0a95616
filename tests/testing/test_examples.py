"""The example bots, in virtual time."""

import pytest

from chatapp import events
from chatapp.testing import Town
from examples import echo_bot
from examples.reminder_bot import reminder_bot


async def test_the_echo_bot_says_the_same() -> None:
    async with Town() as town:
        await town.bot(echo_bot.bot, "echo")
        alice = await town.peer("alice")
        await alice.send("echo", "hello")
        assert (await town.event(alice, events.Said)).text == "hello"


async def test_the_reminder_bot_reminds_in_the_room_and_alone() -> None:
    async with Town() as town:
        await town.bot(reminder_bot(), "clock", rooms="lab")
        alice = await town.peer("alice", rooms="lab")
        await alice.say("lab", "!remind 10 tea is ready")
        assert (await town.event(alice, events.Said)).text == "alice: in 10 min."
        await alice.send("clock", "!remind 60 go home")
        assert (await town.event(alice, events.Said)).text == "alice: in 60 min."
        await alice.send("clock", "!reminders")
        assert (await town.event(alice, events.Said)).text == "2 pending"
        began = town.now
        assert (await town.event(alice, events.Said, within=700.0)).text == "alice: tea is ready"
        assert town.now - began == pytest.approx(600.0, abs=3.0)
        assert (await town.event(alice, events.Said, within=3_700.0)).text == "alice: go home"
        assert town.now - began == pytest.approx(3_600.0, abs=3.0)


@pytest.mark.parametrize("wrong", ["", "10", "0 x", "-1 x", "1441 x", "ten x", "² x"])
async def test_the_reminder_bot_says_what_it_takes(wrong: str) -> None:
    async with Town() as town:
        await town.bot(reminder_bot(), "clock", rooms="lab")
        alice = await town.peer("alice")
        await alice.send("clock", f"!remind {wrong}")
        answer = (await town.event(alice, events.Said)).text
        assert answer == "!remind <minutes, 1 to 1440> <text>"
