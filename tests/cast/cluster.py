"""Three nodes of a registry, which all serve while one of them keeps the state."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.cast.people import Person, Registry
from tests.cast.program import WITHIN
from tests.cast.stage import Stage
from tests.support.ports import free_port

NODES: Final = 3
ESTABLISHED: Final = "01"
"""The state of an open connection in Linux's list of them."""
KEEPS_STATE: Final = "[This node keeps the state.]"


async def keeper_among(nodes: Sequence[Registry], *, within: float = WITHIN) -> Registry:
    """Wait until one of these nodes keeps the state, and return it."""
    waiting = {asyncio.ensure_future(node.sees(KEEPS_STATE, within=within)): node for node in nodes}
    done, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for wait in late:
        wait.cancel()
    (first,) = done
    await first
    return waiting[first]


def links_to(port: int) -> set[int]:
    """Return the ports of the peers that have links to a node on this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(int(row[1].split(":")[1], 16), int(row[2].split(":")[1], 16), row[3]) for row in rows]
    return {near for near, far, state in ends if far == port and state == ESTABLISHED}


class Cluster:
    """The nodes. The others have a copy of the first one's key."""

    def __init__(self, stage: Stage, servers: str, *options: str, name: str = "chatapp") -> None:
        """`servers`: the addresses of the servers that hold the streams; `options`: of each
        node."""
        self.stage: Final = stage
        self.name: Final = name
        self.ports: Final = [stage.port, *(free_port() for _ in range(NODES - 1))]
        key = str(stage.folder / "cluster.key")
        self._options: Final = (
            *("--cluster", servers, "--cluster-name", name, "--cluster-key", key),
            *("--also", self.addresses, *options),
        )

    @property
    def addresses(self) -> str:
        """The addresses of all nodes, as a peer is given them."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    async def begin(self, index: int) -> Registry:
        """Start a node without waiting for it."""
        return await self.stage.begin_registry(
            *self._options, home=f"r{index}", port=self.ports[index]
        )

    async def all(self) -> list[Registry]:
        """Start all nodes; the first one keeps the state."""
        nodes = [await self.begin(0)]
        await nodes[0].sees(KEEPS_STATE)
        for index in range(1, NODES):
            nodes.append(await self.begin(index))
            await nodes[index].sees(self.beside(0))
        return nodes

    def beside(self, index: int) -> re.Pattern[str]:
        """The line of a node that serves while this one keeps the state."""
        return re.compile(rf"\[Serving beside .*:{self.ports[index]}, which keeps the state\.\]")

    async def peer(self, name: str, at: int) -> Person:
        """Start a peer that names this node only; it learns of the others."""
        return await self.stage.come(name, server_port=self.ports[at])
