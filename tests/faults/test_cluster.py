"""A cluster on three real servers: registries and servers are killed, frozen and lost, and what was promised holds."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from examples.cluster.servers import NatsCluster
from tests.endtoend.lines import SAVED, WELCOME
from tests.faults.conftest import Note
from tests.faults.size import bar, dose, only_whole
from tests.support.ports import free_port
from tests.support.program import Program
from tests.support.stage import Stage

pytestmark = only_whole

KILLS = dose(1, 20)
LETTERS = 3
"""In each round: a mailbox takes 64 of one sender in all."""
BACK_WITHIN = bar(10.0)
JOURNAL = "chatapp-chatapp-journal"
_NOT_STORED = re.compile(
    r"not stored: chatapp: (another registry|the cluster's lease)|takes what is to be stored"
)


def ports() -> Iterator[int]:
    while True:
        yield free_port()


class Cluster:
    """Three servers and two registries, of which `active` serves."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.servers = NatsCluster(stage.folder / "nats", ports())
        self.ports = [stage.port, free_port()]
        self.registries: list[Program] = []
        self.active = 0

    async def start(self) -> None:
        await asyncio.to_thread(self.servers.start)
        self.registries = [await self.begin(0)]
        await self.registries[0].sees(self.listening(0))
        self.registries.append(await self.begin(1))
        await self.registries[1].sees(re.compile(r"\[Standing by: .*\d serves\.\]"))

    async def begin(self, index: int) -> Program:
        key = str(self._stage.folder / "cluster.key")
        options = ("--cluster", self.servers.urls, "--cluster-key", key)
        return await self._stage.begin_registry(*options, home=f"r{index}", port=self.ports[index])

    def listening(self, index: int) -> str:
        return f"[Registry listening on UDP and TCP port {self.ports[index]}.]"

    @property
    def port(self) -> int:
        """The port of the registry that serves."""
        return self.ports[self.active]

    async def kill_active_and_leader(self) -> float:
        """Kill both, start them again when the other registry serves, and return the seconds until it did."""
        leader = self.servers.leader_of(JOURNAL)
        began, old = time.monotonic(), self.active
        await self.registries[old].kill()
        if leader is not None:
            leader.kill()
        self.active = 1 - old
        await self.registries[self.active].sees(self.listening(self.active))
        took = time.monotonic() - began
        await asyncio.to_thread(self.servers.start)
        self.registries[old] = await self.begin(old)
        await self.registries[old].sees(re.compile(r"\[Standing by: .*\d serves\.\]"))
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
    lines = [cluster.listening(index) for index in (0, 1)]
    waiting = [
        asyncio.ensure_future(one.sees(line)) for one, line in zip(cluster.registries, lines, strict=True)
    ]
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
    rounds = dose(1, 3)
    wanted = list[str]()
    bob = await outspoken_stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.type("quit")
    await bob.ends()
    for life in range(rounds):
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
        await alice.sees(WELCOME)
        frozen = cluster.registries[cluster.active]
        await alice.type(f"send bob before-{life}")
        await alice.sees(SAVED)
        frozen.signal(signal.SIGSTOP)
        await alice.type(f"send bob frozen-{life}")
        cluster.active = 1 - cluster.active
        await cluster.registries[cluster.active].sees(cluster.listening(cluster.active))
        frozen.signal(signal.SIGCONT)
        await frozen.sees(re.compile(r"\[The cluster's lease is lost.*"))
        await frozen.sees(re.compile(r"\[Standing by: .*\d serves\.\]"))
        await alice.type("quit")
        await alice.ends()
        alice = await outspoken_stage.peer("alice", server_port=cluster.port)
        await alice.sees(SAVED)  # what she kept meanwhile
        await alice.type("quit")
        await alice.ends()
        wanted += [f"before-{life}", f"frozen-{life}"]
    bob = await outspoken_stage.peer("bob", server_port=cluster.port)
    await bob.sees(lambda line: line.endswith(wanted[-1]))
    found = [line.rsplit(" ", 1)[1] for line in bob.shown(lambda line: line.startswith("alice: "))]
    assert found == wanted
    figure(
        f"a registry frozen and thawed {rounds} times", "what it held is read once, in order", "nothing lost"
    )


async def test_the_demo_of_a_cluster(stage: Stage, tmp_path: Path) -> None:
    demo = await stage.run("demo", [sys.executable, "-m", "examples.cluster"], home="demo")
    assert await demo.ends(within=180) == 0
    assert demo.shown(lambda line: line.startswith("OK: "))
