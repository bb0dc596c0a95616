"""Leaving and returning by command (`dereg`, `reg`), and the mail that waits meanwhile."""

import asyncio
import re
import signal
from datetime import datetime

from tests.cast.lines import (
    BYE,
    EXITING,
    LOST,
    MAIL,
    OFFLINE,
    SAVED,
    SILENT,
    UPDATED,
    WELCOME,
    beginning,
    mail,
    no_ack,
    received,
)
from tests.cast.stage import Stage


async def test_mail_waits_and_comes_oldest_first(stage: Stage) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await carol.type("dereg carol")
    await carol.sees(BYE)
    await asyncio.gather(alice.knows(away=["carol"]), bob.knows(away=["carol"]))
    began = datetime.now().replace(microsecond=0)
    order = [(alice, "first"), (bob, "second"), (alice, "third"), (bob, "fourth")]
    for sender, text in order:
        await sender.type(f"send carol {text}")
        await sender.sees(no_ack("carol"))
        await sender.sees(SAVED)
    await carol.type("reg carol")
    await carol.sees_all(WELCOME, MAIL, *(mail(sender.name, text) for sender, text in order))
    shown = [line for line in carol.shown() if line != UPDATED]
    letters = shown[shown.index(MAIL) + 1 :]
    assert [line.split(" ", 3)[::3] for line in letters] == [
        [f"{sender.name}:", text] for sender, text in order
    ]
    times = [
        datetime.strptime(" ".join(line.split(" ")[1:3]), "%Y-%m-%d %H:%M:%S") for line in letters
    ]
    assert times == sorted(times)
    assert began <= times[0]
    assert times[-1] <= datetime.now()

    await alice.knows("carol")
    await alice.type("send carol direct again")
    await carol.sees("alice: direct again")
    await alice.sees(received("carol"))
    await carol.quits()
    carol = await stage.peer("carol")  # nothing is shown again in the next life
    await carol.sees(WELCOME)
    await carol.knows("alice")
    assert [line for line in carol.shown() if line.startswith(("alice:", "bob:", MAIL))] == []


async def test_a_registry_that_is_believed_away_is_asked_before_that_is_told(stage: Stage) -> None:
    registry = await stage.registry()
    (alice,) = await stage.welcome("alice")
    registry.signal(signal.SIGSTOP)
    await alice.type("send_all is anybody there")
    await alice.sees(LOST, within=30)
    await alice.type("dereg alice")
    registry.signal(signal.SIGCONT)
    await alice.sees(BYE)
    assert alice.shown(EXITING) == []


async def test_an_offline_user_can_only_return_ask_for_help_or_quit(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("dereg alice")
    await alice.sees(BYE)
    await alice.type("send bob hi", "bob:hi", "send_all hi", "who", "dereg alice")
    await alice.sees_times(5, OFFLINE)
    await alice.type("help", "reg bob")
    await alice.sees(beginning("send <name> <text>"))
    await alice.sees("[You are alice, not bob.]")
    await bob.type("send alice are you there")
    await bob.sees_all(no_ack("alice"), SAVED)
    await alice.type("reg alice", "send bob back")
    await alice.sees_all(WELCOME, MAIL, mail("bob", "are you there"), received("bob"))
    await bob.sees("alice: back")
    assert bob.shown(beginning("alice:")) == ["alice: back"]
    await alice.type("dereg alice", "quit")  # as a script says it, without waiting
    assert await alice.ends() == 0
    assert len(alice.shown(BYE)) == 2


async def test_leaving_a_registry_that_is_dead(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await registry.kill()
    await asyncio.gather(
        alice.type("dereg alice", "send bob never sent", "/all nor this", "quit"), bob.type("quit")
    )
    assert await alice.ends() == 1
    assert alice.shown()[-4:] == [
        SILENT,
        EXITING,
        "[Not sent: send bob never sent]",
        "[Not sent: /all nor this]",
    ]
    assert await bob.ends() == 0


async def test_a_message_for_a_full_mailbox_is_kept_and_its_author_reads_why(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    room = 86  # one sender's share of the places
    await alice.type(*(f"send bob letter {number}" for number in range(room + 2)))
    await alice.sees_times(room, SAVED)
    lines = await alice.sees_times(
        2, re.compile(r"\[Message to bob kept: .+; it goes out when there is room\.\]")
    )
    assert lines[0] == lines[1]
    assert "  " not in lines[0] and ".." not in lines[0]
    bob = await stage.peer("bob")
    await bob.sees_times(room + 2, beginning("alice: "))
    letters = bob.shown(beginning("alice: "))
    assert [line.split("letter ")[1] for line in letters] == [
        str(number) for number in range(room + 2)
    ]


async def test_a_person_who_leaves_is_reported_out_of_the_room_first(stage: Stage) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    for peer in (alice, bob, carol):
        await peer.type("join lab")
        await peer.sees(beginning("[You are in lab"))
    await alice.sees_all("bob joined lab.", "carol joined lab.")
    await bob.type("/quit")
    await alice.sees_all("bob left lab.", "bob has left.")
    await carol.kill()
    await alice.sees_all("carol left lab.", "carol lost the connection.")
    goings = alice.shown(re.compile(r"(bob|carol) (left lab|has left|lost the connection)\."))
    assert goings == [
        "bob left lab.",
        "bob has left.",
        "carol left lab.",
        "carol lost the connection.",
    ]
