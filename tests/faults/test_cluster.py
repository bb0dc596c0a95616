"""A cluster on three real servers: registries and servers are killed, frozen and lost, and what was promised holds."""

import asyncio
import contextlib
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from examples.cluster.servers import NatsCluster
from tests.endtoend.desk import joined
from tests.endtoend.lines import SAVED, WELCOME
from tests.faults.conftest import Note
from tests.faults.size import bar, only_whole, rounds
from tests.support.ports import free_port
from tests.support.program import WITHIN, Program
from tests.support.stage import Stage, knows

pytestmark = only_whole

KILLS = rounds(1, 20)
LETTERS = max(1, min(3, 64 // KILLS))
"""In each round: a mailbox takes 64 of one sender in all."""
BACK_WITHIN = bar(10.0)
JOURNAL = "chatapp-chatapp-journal"
KEEPS_STATE = "[This node keeps the state.]"
BESIDE = re.compile(r"\[Serving beside .*\d, which keeps the state\.\]")
_NOT_STORED = re.compile(
    r"not stored: chatapp: (another registry|the cluster's lease)|takes what is to be stored"
)


def ports() -> Iterator[int]:
    while True:
        yield free_port()


class Cluster:
    """Three servers and three nodes, which all serve; `active` keeps the state."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.servers = NatsCluster(stage.folder / "nats", ports())
        self.ports = [stage.port, free_port(), free_port()]
        self.options = ("--operator", "olga")  # who never comes, so visitors of the desk wait
        self.registries: list[Program] = []
        self.active = 0

    async def start(self) -> None:
        await asyncio.to_thread(self.servers.start)
        self.registries = [await self.begin(0)]
        await self.registries[0].sees(KEEPS_STATE)
        for index in (1, 2):
            self.registries.append(await self.begin(index))
            await self.registries[index].sees(BESIDE)

    async def begin(self, index: int) -> Program:
        key = str(self._stage.folder / "cluster.key")
        options = (
            "--cluster",
            self.servers.urls,
            "--cluster-key",
            key,
            "--also",
            self.addresses,
            *self.options,
        )
        return await self._stage.begin_registry(*options, home=f"r{index}", port=self.ports[index])

    @property
    def addresses(self) -> str:
        """The addresses of all nodes, as a peer is given them."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def port(self) -> int:
        """The port of the node that keeps the state."""
        return self.ports[self.active]

    async def find_active(self) -> None:
        """Wait until another node than before keeps the state, and the third one serves beside it."""
        others = [index for index in range(len(self.ports)) if index != self.active]
        waiting = {asyncio.ensure_future(self.registries[one].sees(KEEPS_STATE)): one for one in others}
        done, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        (found,) = done
        await found
        self.active = waiting[found]
        for index in others:
            if index != self.active:
                await self.registries[index].sees(BESIDE)

    async def kill_front(self) -> None:
        """Kill a node that only serves, and start it again."""
        index = next(index for index in range(len(self.ports)) if index != self.active)
        await self.registries[index].kill()
        self.registries[index] = await self.begin(index)
        await self.registries[index].sees(BESIDE)

    async def kill_active_and_leader(self) -> float:
        """Kill both, start them again when another node keeps the state, and return the seconds until it did."""
        leader = self.servers.leader_of(JOURNAL)
        began, old = time.monotonic(), self.active
        await self.registries[old].kill()
        if leader is not None:
            leader.kill()
        await self.find_active()
        took = time.monotonic() - began
        await asyncio.to_thread(self.servers.start)
        self.registries[old] = await self.begin(old)
        await self.registries[old].sees(BESIDE)
        return took


@pytest.fixture
async def cluster(outspoken_stage: Stage) -> AsyncIterator[Cluster]:
    """A cluster whose registries may say that something was not stored, and nothing else."""
    made = Cluster(outspoken_stage)
    try:
        await made.start()
        yield made
        odd = [line for line in outspoken_stage.complaints() if not _NOT_STORED.search(line)]
        assert odd == []
    finally:
        made.servers.kill()


async def test_registry_and_leader_are_killed_at_once_again_and_again(
    outspoken_stage: Stage, cluster: Cluster, figure: Note
) -> None:
    """Every letter that was called saved is read once, in order, and names keep their owners."""
    slowest, wanted = 0.0, list[str]()
    bob = await outspoken_stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.type("quit")
    await bob.ends()
    for life in range(KILLS):
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
        await alice.sees(WELCOME)
        for number in range(LETTERS):
            await alice.type(f"send bob {life}.{number}")
            wanted.append(f"{life}.{number}")
        await alice.sees_times(LETTERS, SAVED)
        slowest = max(slowest, await cluster.kill_active_and_leader())
        await alice.type("quit")
        await alice.ends()
    thief = await outspoken_stage.peer("bob", home="thief", server_port=cluster.port)
    await thief.sees(lambda line: "bob" in line and "taken" in line)
    bob = await outspoken_stage.peer("bob", server_port=cluster.port)
    await bob.sees(lambda line: line.endswith(f" {wanted[-1]}"))
    found = [line.rsplit(" ", 1)[1] for line in bob.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    figure(
        f"registry and leader of the stream killed at once {KILLS} times",
        f"all {len(wanted)} saved letters read once, in order; another registry serves after {slowest:.1f} s at the latest",
        "<= 10 s",
    )
    assert slowest <= BACK_WITHIN


def ending(text: str) -> Callable[[str], bool]:
    """Return the test for a line that ends so."""
    return lambda line: line.endswith(text)


async def in_line(visitor: Program, at: int) -> None:
    """Ask until a visitor, who may be coming back just now, is told this place."""
    async with asyncio.timeout(WITHIN):
        while True:
            await visitor.type(".queue")
            with contextlib.suppress(AssertionError):
                await visitor.sees(re.compile(rf"\[You are number {at} in the waiting room.*"), within=2.0)
                return


async def test_peers_that_run_on_find_the_registry_that_serves(
    outspoken_stage: Stage, cluster: Cluster, figure: Note
) -> None:
    """Direct chat never stops, rooms and the desk's line go on, and what is saved is read once, in order."""
    stage, slowest, wanted = outspoken_stage, 0.0, list[str]()
    names = ("alice", "bob", "carol")  # each is given another node, and learns of the others
    alice, bob, carol = [
        await stage.peer(name, server_port=port) for name, port in zip(names, cluster.ports, strict=True)
    ]
    for peer in (alice, bob, carol):
        await peer.sees(WELCOME)
    await knows(alice, "bob", "carol")
    await carol.type("quit")
    await carol.ends()
    await knows(alice, "bob", away=["carol"])
    for peer in (alice, bob):
        await peer.type("/join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    line = [await joined(stage, name, at) for at, name in enumerate(("Ana", "Ben"), 1)]
    for life in range(KILLS):
        began = time.monotonic()
        killing = asyncio.create_task(cluster.kill_active_and_leader())
        await alice.type(f"/dm bob direct-{life}", f"/dm carol saved-{life}", f"room-{life}")
        await bob.sees(ending(f"direct-{life}"), within=2.0)
        await alice.sees(SAVED)
        slowest = max(slowest, time.monotonic() - began)
        await bob.sees(ending(f"room-{life}"))
        await killing
        await cluster.kill_front()
        wanted.append(f"saved-{life}")
    carol = await stage.peer("carol")
    await carol.sees(lambda line: line.endswith(wanted[-1]))
    found = [line.rsplit(" ", 1)[1] for line in carol.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    for at, visitor in enumerate(line, 1):
        await in_line(visitor, at)
    for kind in ("direct", "room"):
        said = [line for line in bob.shown() if f"{kind}-" in line and line.startswith("alice")]
        assert [line.rsplit("-", 1)[1] for line in said] == [str(life) for life in range(KILLS)], kind
    figure(
        f"the node that keeps the state and the leader killed {KILLS} times, then another node, under peers at all nodes",
        f"direct chat, a room and the desk's line went on; a letter is saved {slowest:.1f} s after a kill at the latest",
        "<= 10 s",
    )
    assert slowest <= BACK_WITHIN


async def test_all_servers_are_killed_and_nothing_is_promised_meanwhile(
    outspoken_stage: Stage, cluster: Cluster, figure: Note
) -> None:
    alice, bob = await outspoken_stage.welcome("alice", "bob")
    carol = await outspoken_stage.peer("carol")
    await carol.sees(WELCOME)
    await carol.type("quit")
    await carol.ends()
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
    waiting = [asyncio.ensure_future(one.sees(KEEPS_STATE)) for one in cluster.registries]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    back_after = time.monotonic() - began
    cluster.active = 0 if waiting[0].done() else 1
    for one in waiting:
        one.cancel()
    if cluster.active:
        await alice.type("quit")
        await alice.ends()
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
    outspoken_stage: Stage, cluster: Cluster, figure: Note
) -> None:
    thaws = rounds(1, 3)
    wanted = list[str]()
    bob = await outspoken_stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.type("quit")
    await bob.ends()
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
        await alice.type("quit")
        await alice.ends()
        wanted += [f"before-{life}", f"frozen-{life}"]
    bob = await outspoken_stage.peer("bob", server_port=cluster.port)
    await bob.sees(lambda line: line.endswith(wanted[-1]))
    found = [line.rsplit(" ", 1)[1] for line in bob.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    figure(
        f"a registry frozen and thawed {thaws} times", "what it held is read once, in order", "nothing lost"
    )


async def test_the_demo_of_a_cluster(stage: Stage, tmp_path: Path) -> None:
    demo = await stage.run("demo", [sys.executable, "-m", "examples.cluster"], home="demo")
    assert await demo.ends(within=180) == 0
    assert demo.shown(lambda line: line.startswith("OK: "))
