"""Two registries in a cluster: when one dies, freezes or stops, the other goes on with the same people and letters."""

import asyncio
import signal

from tests.endtoend.lines import SAVED, WELCOME, mail, received
from tests.support.nats_server import NatsServer
from tests.support.ports import free_port
from tests.support.program import Program
from tests.support.stage import Stage, knows

LOST = "[The cluster's lease is lost: this registry serves nobody until it has it again.]"


class Cluster:
    """Two registries on one server. The second has a copy of the first one's key."""

    def __init__(self, stage: Stage, server: NatsServer) -> None:
        self._stage = stage
        self.ports = [stage.port, free_port()]
        self._name = f"e2e{stage.port}"
        self._options = (
            "--cluster", server.url, "--cluster-name", self._name,
            "--cluster-key", str(stage.folder / "cluster.key"),
        )  # fmt: skip

    async def start(self, index: int) -> Program:
        """Start a registry without waiting for it."""
        return await self._stage.begin_registry(*self._options, home=f"r{index}", port=self.ports[index])

    def listening(self, index: int) -> str:
        return f"[Registry listening on UDP and TCP port {self.ports[index]}.]"

    def standing_by(self, line: str) -> bool:
        return line.startswith("[Standing by: ") and line.endswith(" serves.]") and "nobody" not in line


async def test_another_registry_goes_on(stage: Stage, nats_server: NatsServer) -> None:
    cluster = Cluster(stage, nats_server)
    first = await cluster.start(0)
    await first.sees(cluster.listening(0))
    key = await first.sees(lambda line: line.startswith("[Registry key"))
    second = await cluster.start(1)
    await second.sees(cluster.standing_by)

    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("quit")
    await bob.ends()
    await knows(alice, away=["bob"])
    for number in range(5):
        await alice.type(f"send bob saved {number}")
    await alice.sees_times(5, SAVED)
    await alice.type("quit")
    await alice.ends()

    await first.kill()
    await second.sees(cluster.listening(1), within=10)
    await second.sees(key)
    bob = await stage.peer("bob", server_port=cluster.ports[1])
    for number in range(5):
        await bob.sees(mail("alice", f"saved {number}"))
    alice = await stage.peer("alice", server_port=cluster.ports[1])
    await alice.sees(WELCOME)
    await alice.type("send bob here again")
    await asyncio.gather(bob.sees("alice: here again"), alice.sees(received("bob")))
    assert len(bob.shown(lambda line: "saved" in line)) == 5
    for peer in (alice, bob):
        await peer.type("quit")
        await peer.ends()

    first = await cluster.start(0)
    await first.sees(cluster.standing_by)
    second.signal(signal.SIGSTOP)
    await first.sees(cluster.listening(0), within=10)
    second.signal(signal.SIGCONT)
    await second.sees(LOST)
    await second.sees(cluster.standing_by)
    first.signal(signal.SIGTERM)
    await second.sees(cluster.listening(1), within=5)
    assert await first.ends() == 0
    second.signal(signal.SIGTERM)
    assert await second.ends() == 0
