"""A cluster on three real servers: registries and servers are killed, frozen and lost, and what was
promised holds."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cast.cluster import KEEPS_STATE
from tests.cast.lines import SAVED, WELCOME
from tests.cast.stage import Stage
from tests.faults.cluster import BESIDE, FaultyCluster
from tests.faults.conftest import Note
from tests.faults.size import bar, only_whole, rounds

pytestmark = only_whole

KILLS = rounds(1, 20)
LETTERS = max(1, min(3, 64 // KILLS))
"""In each round: a mailbox takes 64 of one sender in all."""
BACK_WITHIN = bar(3.0)
"""Seconds after the streams have leaders again."""
SAVED_WITHIN = bar(5.0)
"""The same for a sender, who may have to find another node."""


async def test_registry_and_leader_are_killed_at_once_again_and_again(
    outspoken_stage: Stage, cluster: FaultyCluster, figure: Note
) -> None:
    """Every letter that was called saved is read once, in order, and names keep their owners."""
    slowest, longest, wanted = 0.0, 0.0, list[str]()
    bob = await outspoken_stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.quits()
    for life in range(KILLS):
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
        await alice.sees(WELCOME)
        for number in range(LETTERS):
            await alice.type(f"send bob {life}.{number}")
            wanted.append(f"{life}.{number}")
        await alice.sees_times(LETTERS, SAVED)
        took = await cluster.kill_active_and_leader()
        slowest, longest = max(slowest, took.served - took.led), max(longest, took.led)
        await alice.quits()
    thief = await outspoken_stage.peer("bob", home="thief", server_port=cluster.port)
    await thief.sees(lambda line: "bob" in line and "taken" in line)
    bob = await outspoken_stage.peer("bob", server_port=cluster.port)
    await bob.sees(lambda line: line.endswith(f" {wanted[-1]}"))
    found = [line.rsplit(" ", 1)[1] for line in bob.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    figure(
        f"registry and leader of the stream killed at once {KILLS} times",
        f"all {len(wanted)} saved letters read once, in order; another registry serves {slowest:.1f} s"
        f" after the servers have leaders again, which takes them up to {longest:.1f} s",
        f"<= {BACK_WITHIN:g} s",
    )
    assert slowest <= BACK_WITHIN


def ending(text: str) -> Callable[[str], bool]:
    """Return the test for a line that ends so."""
    return lambda line: line.endswith(text)


async def test_peers_that_run_on_find_the_registry_that_serves(
    outspoken_stage: Stage, cluster: FaultyCluster, figure: Note
) -> None:
    """Direct chat never stops, rooms and the desk's line go on, and what is saved is read once, in
    order."""
    stage, slowest, longest, wanted = outspoken_stage, 0.0, 0.0, list[str]()
    names = ("alice", "bob", "carol")  # each is given another node, and learns of the others
    alice, bob, carol = [
        await stage.peer(name, server_port=port)
        for name, port in zip(names, cluster.ports, strict=True)
    ]
    for peer in (alice, bob, carol):
        await peer.sees(WELCOME)
    await alice.knows("bob", "carol")
    await carol.quits()
    await alice.knows("bob", away=["carol"])
    for peer in (alice, bob):
        await peer.type("/join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    line = [await stage.joined(name, at) for at, name in enumerate(("Ana", "Ben"), 1)]
    for life in range(KILLS):
        began = time.monotonic()
        killing = asyncio.create_task(cluster.kill_active_and_leader())
        await alice.type(f"/dm bob direct-{life}", f"/dm carol saved-{life}", f"room-{life}")
        await bob.sees(ending(f"direct-{life}"), within=2.0)
        await alice.sees(SAVED)
        saved = time.monotonic() - began
        await bob.sees(ending(f"room-{life}"))
        led = (await killing).led
        slowest, longest = max(slowest, saved - led), max(longest, led)
        await cluster.kill_edge()
        wanted.append(f"saved-{life}")
    carol = await stage.peer("carol")
    await carol.sees(lambda line: line.endswith(wanted[-1]))
    found = [
        line.rsplit(" ", 1)[1] for line in carol.shown(lambda line: line.startswith("alice: "))
    ]
    assert found == wanted
    for at, visitor in enumerate(line, 1):
        await visitor.stands_at(at)
    for kind in ("direct", "room"):
        said = [line for line in bob.shown() if f"{kind}-" in line and line.startswith("alice")]
        assert [line.rsplit("-", 1)[1] for line in said] == [str(life) for life in range(KILLS)], (
            kind
        )
    figure(
        f"the node that keeps the state and the leader killed {KILLS} times, then another node, under peers at all nodes",
        f"direct chat, a room and the desk's line went on; a letter is saved {slowest:.1f} s"
        f" after the servers have leaders again, which takes them up to {longest:.1f} s",
        f"<= {SAVED_WITHIN:g} s",
    )
    assert slowest <= SAVED_WITHIN


async def test_all_servers_are_killed_and_nothing_is_promised_meanwhile(
    outspoken_stage: Stage, cluster: FaultyCluster, figure: Note
) -> None:
    alice, bob = await outspoken_stage.welcome("alice", "bob")
    carol = await outspoken_stage.peer("carol")
    await carol.sees(WELCOME)
    await alice.knows("carol")
    await carol.quits()
    await alice.sees(lambda line: "carol" in line and "left" in line)
    cluster.servers.kill()
    began = time.monotonic()
    await alice.type("send carol while they are away", "send bob direct")
    await bob.sees("alice: direct", within=5)
    await cluster.registries[0].sees(re.compile(r"\[The cluster's lease is lost.*"), within=20)
    lost_after = time.monotonic() - began
    await alice.sees(lambda line: "carol kept" in line)
    assert SAVED not in alice.shown()
    await alice.type("send bob still")
    await bob.sees("alice: still", within=5)
    await asyncio.to_thread(cluster.servers.start)
    began = time.monotonic()
    waiting = [asyncio.ensure_future(registry.sees(KEEPS_STATE)) for registry in cluster.registries]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    back_after = time.monotonic() - began
    cluster.active = 0 if waiting[0].done() else 1
    for one in waiting:
        one.cancel()
    if cluster.active:
        await alice.quits()
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
    await alice.sees(SAVED)
    carol = await outspoken_stage.peer("carol", server_port=cluster.port)
    await carol.sees(lambda line: line.endswith("while they are away"))
    figure(
        "all servers of a cluster killed",
        f"nothing was called saved; links let go after {lost_after:.1f} s; served {back_after:.1f} s after their return",
        "no false promise",
    )


async def test_an_owner_that_thaws_changes_nothing(
    outspoken_stage: Stage, cluster: FaultyCluster, figure: Note
) -> None:
    thaws = rounds(1, 3)
    wanted = list[str]()
    bob = await outspoken_stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.quits()
    for life in range(thaws):
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
        await alice.sees(WELCOME)
        frozen = cluster.registries[cluster.active]
        await alice.type(f"send bob before-{life}")
        await alice.sees(SAVED)
        frozen.signal(signal.SIGSTOP)
        await alice.type(f"send bob frozen-{life}")
        await cluster.find_active()
        frozen.signal(signal.SIGCONT)
        await frozen.sees(re.compile(r"\[The cluster's lease is lost.*"))
        await frozen.sees(BESIDE)
        await alice.sees(SAVED)  # by the one that serves, which she has found by herself
        assert not alice.shown(lambda line: "disk" in line)
        await alice.quits()
        wanted += [f"before-{life}", f"frozen-{life}"]
    bob = await outspoken_stage.peer("bob", server_port=cluster.port)
    await bob.sees(lambda line: line.endswith(wanted[-1]))
    found = [line.rsplit(" ", 1)[1] for line in bob.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    figure(
        f"a registry frozen and thawed {thaws} times",
        "what it held is read once, in order",
        "nothing lost",
    )


async def test_the_demo_of_a_cluster(stage: Stage, tmp_path: Path) -> None:
    demo = await stage.run("demo", [sys.executable, "-m", "examples.cluster"], home="demo")
    assert await demo.ends(within=180) == 0
    assert demo.shown(lambda line: line.startswith("OK: "))
