"""Lost datagrams between real programs: one in five each way, by a seeded pattern."""

import asyncio
from pathlib import Path

import pytest

from tests.cast import lines
from tests.cast.program import Program
from tests.cast.stage import Stage, lossy

COUNT = 40


@pytest.mark.parametrize("seed", [1, 2])
async def test_forty_messages_each_way_through_a_fifth_lost(stage: Stage, seed: int) -> None:
    await stage.registry()
    reports = [stage.folder / name for name in ("alice.lost", "bob.lost")]
    alice, bob = await asyncio.gather(
        stage.peer("alice", environment=lossy(share=0.2, seed=seed, report=reports[0])),
        stage.peer("bob", environment=lossy(share=0.2, seed=seed + 100, report=reports[1])),
    )
    await asyncio.gather(alice.sees(lines.WELCOME), bob.sees(lines.WELCOME))
    await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
    await asyncio.gather(exchange(alice, bob), exchange(bob, alice))
    await alice.type("send_all and everybody")
    await asyncio.gather(
        alice.sees(lines.CHANNEL_TAKEN), bob.sees(lines.on_channel("alice", "and everybody"))
    )
    await asyncio.gather(alice.type("quit"), bob.type("quit"))
    assert (await alice.ends(), await bob.ends()) == (0, 0)
    for sender, recipient in ((alice, bob), (bob, alice)):
        said = recipient.shown(lines.beginning(f"{sender.name}: "))
        assert said == [f"{sender.name}: message {number}" for number in range(COUNT)]
        settled = lines.beginning(lines.received(recipient.name), lines.relayed(recipient.name))
        assert len(sender.shown(settled)) == COUNT
    for report in reports:
        check(report)


async def exchange(sender: Program, recipient: Program) -> None:
    """Send messages both ways: half of them in one burst, half one after the other."""
    half = COUNT // 2
    await sender.type(*(f"send {recipient.name} message {number}" for number in range(half)))
    await recipient.sees(f"{sender.name}: message {half - 1}")
    for number in range(half, COUNT):
        await sender.type(f"send {recipient.name} message {number}")
        await recipient.sees(f"{sender.name}: message {number}")
    await sender.sees_times(
        COUNT, lines.beginning(lines.received(recipient.name), lines.relayed(recipient.name))
    )
    assert sender.shown(lines.no_ack(recipient.name)) == []


async def test_coming_and_going_through_a_fifth_lost(stage: Stage) -> None:
    registry = await stage.registry()
    people = await asyncio.gather(
        *(
            stage.peer(name, environment=lossy(share=0.2, seed=seed))
            for seed, name in enumerate(("alice", "bob", "carol"))
        )
    )
    await asyncio.gather(*(person.sees(lines.WELCOME) for person in people))
    for person in people:
        await person.knows("alice", "bob", "carol")
    alice, bob, _ = people
    await bob.type("dereg bob")
    await bob.sees(lines.BYE)
    await alice.knows(away=["bob"])
    await bob.type("reg bob")
    await bob.sees(lines.WELCOME)
    await alice.knows("bob")
    await alice.type("send bob " + "long " * 10_000)
    await bob.sees(lines.beginning("alice: long "))
    await alice.sees(lines.arrived("bob"))
    assert not registry.has_ended


def check(report: Path) -> None:
    """Check that the pattern was at work: it has seen this program's datagrams and dropped its
    share of them."""
    sent, lost = map(int, report.read_text("utf-8").split())
    assert sent > COUNT / 4
    assert 0.08 < lost / sent < 0.35
