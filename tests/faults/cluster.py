"""A cluster on three real servers: its nodes and servers are killed, frozen and started again."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from examples.cluster.servers import NatsCluster
from tests.cast.cluster import KEEPS_STATE, NODES, Cluster, keeper_among
from tests.cast.people import Registry
from tests.cast.stage import Stage
from tests.support.ports import free_port

JOURNAL: Final = "chatapp-chatapp-journal"
STREAMS: Final = (JOURNAL, "chatapp-chatapp-snapshots", "chatapp-chatapp-lease")
LED_LOOK: Final = 0.05
"""Seconds between two looks whether the streams have leaders."""
BESIDE: Final = re.compile(r"\[Serving beside .*\d, which keeps the state\.\]")
_NOT_STORED: Final = re.compile(
    r"not stored: chatapp: (another registry|the cluster's lease)|takes what is to be stored"
)


class Takeover(NamedTuple):
    """Seconds since a kill."""

    led: float
    """Until each stream had a leader again. The servers draw 4 to 9 s for an election, and hold
    another one when nobody wins."""
    served: float
    """Until another node kept the state."""


class FaultyCluster(Cluster):
    """The nodes beside their servers; `active` keeps the state, as far as was waited for."""

    def __init__(self, stage: Stage, *options: str) -> None:
        """`options`: of each node."""
        self.servers: Final = NatsCluster(stage.folder / "nats", _ports())
        super().__init__(stage, self.servers.urls, *options)
        self.registries: list[Registry] = []
        self.active = 0

    async def start(self) -> None:
        """Start the servers, then the nodes; the first one keeps the state."""
        await asyncio.to_thread(self.servers.start)
        self.registries = await self.all()

    @property
    def port(self) -> int:
        """The port of the node that keeps the state."""
        return self.ports[self.active]

    @property
    def others(self) -> list[int]:
        """The nodes that only serve."""
        return [index for index in range(NODES) if index != self.active]

    async def find_active(self) -> None:
        """Wait until another node than before keeps the state, and the third one serves beside
        it."""
        others = self.others
        keeper = await keeper_among([self.registries[index] for index in others])
        self.active = self.registries.index(keeper)
        for index in others:
            if index != self.active:
                await self.registries[index].sees(BESIDE)

    async def kill_edge(self) -> None:
        """Kill a node that only serves, and start it again."""
        index = self.others[0]
        await self.registries[index].kill()
        await self.restart(index)

    async def restart(self, index: int) -> None:
        """Start a node that was killed, and wait until it serves."""
        self.registries[index] = await self.begin(index)
        await self.registries[index].sees(BESIDE)

    async def kill_active_and_leader(self) -> Takeover:
        """Kill both, and start them again when another node keeps the state."""
        leader = self.servers.leader_of(JOURNAL)
        began, old = time.monotonic(), self.active
        await self.registries[old].kill()
        if leader is not None:
            leader.kill()
        led = asyncio.create_task(asyncio.to_thread(self._led_at))
        await self.find_active()
        took = Takeover(await led - began, time.monotonic() - began)
        await asyncio.to_thread(self.servers.start)
        await self.restart(old)
        return took

    def _led_at(self) -> float:
        """Wait until each stream has a leader, and return when it had."""
        while not all(map(self.servers.leader_of, STREAMS)):
            time.sleep(LED_LOOK)
        return time.monotonic()

    def newest_active(self) -> int:
        """Return the node that was the last to say that it keeps the state, without waiting."""
        said = [
            max((line.at for line in node.lines if line.text == KEEPS_STATE), default=0.0)
            for node in self.registries
        ]
        return said.index(max(said))

    def complaints(self) -> list[str]:
        """Return what programs complained of, but for a node that could not store something:
        another one does."""
        return [line for line in self.stage.complaints() if not _NOT_STORED.search(line)]


def _ports() -> Iterator[int]:
    while True:
        yield free_port()
