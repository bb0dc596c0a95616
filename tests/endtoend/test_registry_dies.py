"""A killed registry: chat goes on, nothing saved or kept is lost, and nothing is shown twice."""

import asyncio
import re

from tests.cast import lines
from tests.cast.program import Program
from tests.cast.stage import Stage


async def test_direct_chat_goes_on_and_what_was_kept_arrives(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await carol.quits()
    await asyncio.gather(alice.knows(away=["carol"]), bob.knows(away=["carol"]))
    for number in range(20):
        await alice.type(f"send carol saved {number}")
    await alice.sees_times(20, lines.SAVED)

    await registry.kill()
    await alice.type("send bob just after")
    await bob.sees("alice: just after")
    await asyncio.gather(alice.sees(lines.LOST), bob.sees(lines.LOST))
    shown = alice.shown()
    assert lines.received("bob") in shown[: shown.index(lines.LOST)], (
        "what is typed while it is looked for goes out at once"
    )
    await alice.type(
        "send bob are you there", "send carol kept", "send_all anybody?", "send alice note"
    )
    await bob.type("send alice I am")
    await alice.sees_all(
        lines.received("bob"),
        lines.received("bob"),
        "bob: I am",
        lines.CHANNEL_SILENT,
        lines.received("alice"),
    )
    await alice.sees(lines.kept("carol"))
    await bob.sees("alice: are you there")
    await bob.type("who")
    await bob.sees("[alice is online.]")

    await stage.registry()
    await asyncio.gather(alice.sees(lines.BACK), bob.sees(lines.BACK))
    await alice.sees_all(lines.no_ack("carol"), lines.SAVED)
    carol = await stage.peer("carol")
    await carol.sees(lines.mail("alice", "kept"))
    letters = carol.shown(lines.beginning("alice: "))
    assert [line.split(" ", 3)[3] for line in letters] == [
        *(f"saved {number}" for number in range(20)),
        "kept",
    ]
    await asyncio.gather(alice.knows("bob", "carol"), bob.knows("alice", "carol"))
    await carol.type("send alice all here", "send_all hello again")
    await alice.sees("carol: all here")
    await asyncio.gather(
        *(person.sees(lines.on_channel("carol", "hello again")) for person in (alice, bob))
    )
    await carol.sees(lines.CHANNEL_TAKEN)
    for peer in (alice, bob):
        assert (
            len(peer.shown(lines.LOST))
            == len(peer.shown(lines.BACK))
            == len(peer.shown(lines.WELCOME))
            == 1
        )
        assert peer.shown(lines.beginning("carol: anybody")) == []


async def test_what_is_kept_survives_its_senders_restart_and_goes_straight(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.kill()
    await registry.kill()
    await alice.sees(lines.LOST)
    await alice.type("send bob one", "send bob two")
    await alice.sees_times(2, lines.kept("bob"))
    await alice.kill()
    alice = await stage.peer("alice")
    await alice.sees(lines.WORKING)
    await stage.registry()
    await alice.sees(lines.WELCOME)
    bob = await stage.peer("bob")
    await bob.sees_all(*(re.compile(f"alice: (.* )?{text}") for text in ("one", "two")))
    await bob.type("send alice got both")
    await alice.sees("bob: got both")
    assert len(bob.shown(lines.beginning("alice: "))) == 2


async def test_both_restarted_while_the_registry_is_dead(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("send bob we know each other")
    await bob.sees("alice: we know each other")
    await registry.kill()
    await alice.kill()
    await bob.quits()
    alice, bob = await asyncio.gather(stage.peer("alice"), stage.peer("bob"))
    await asyncio.gather(alice.sees(lines.WORKING), bob.sees(lines.WORKING))
    await alice.type("send bob found you")
    await bob.type("send alice found you too")
    await asyncio.gather(bob.sees("alice: found you"), alice.sees("bob: found you too"))
    await asyncio.gather(alice.sees(lines.received("bob")), bob.sees(lines.received("alice")))
    assert alice.shown(lines.kept("bob")) == bob.shown(lines.kept("alice")) == []


async def test_an_orderly_stop_loses_nothing_either(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("dereg bob")
    await bob.sees(lines.BYE)
    await alice.type("send bob before the stop")
    await alice.sees(lines.SAVED)
    await registry.stops()
    await alice.sees(lines.LOST)
    await stage.registry()
    await alice.sees(lines.BACK)
    await bob.type("reg bob")
    await bob.sees_all(lines.WELCOME, lines.MAIL, lines.mail("alice", "before the stop"))


async def test_killed_while_four_people_store_mail(stage: Stage) -> None:
    registry = await stage.registry()
    *senders, dora = await stage.welcome("ann", "ben", "cem", "dan", "dora")
    await dora.quits()
    await asyncio.gather(*(sender.knows(away=["dora"]) for sender in senders))
    for kill in range(3):
        await asyncio.gather(*(store_nine(sender, kill) for sender in senders))
        await senders[kill].sees(lines.SAVED)  # one at least: others are on their way
        await registry.kill()
        registry = await stage.registry()
    for sender in senders:
        while len(sender.shown(lines.SAVED)) < 27:
            await sender.sees(lines.SAVED)
        assert len(sender.shown(lines.SAVED)) == 27
    dora = await stage.peer("dora")
    for sender in senders:
        await dora.sees(lines.mail(sender.name, "26"))
        letters = dora.shown(lines.beginning(f"{sender.name}: "))
        assert [line.rpartition(" ")[2] for line in letters] == [
            str(number) for number in range(27)
        ]
    await dora.quits()
    dora = await stage.peer("dora")
    await dora.knows("dora")
    assert dora.shown(lines.MAIL) == []


async def store_nine(sender: Program, kill: int) -> None:
    await sender.type(*(f"send dora {number}" for number in range(9 * kill, 9 * kill + 9)))
