"""The faults that a soak inflicts on programs, one after the other, at random."""

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from random import Random
from typing import Final

from tests.cast.program import Program
from tests.faults.cluster import FaultyCluster
from tests.faults.troupe import Troupe

NODE_AWAY_FOR: Final = 6.0
REGISTRY_STOPPED_FOR: Final = 10.0
CREW_STOPPED_FOR: Final = 6.0
SILENT_FOR: Final = 6.0


class Mischief:
    """Faults, and how often each was made."""

    def __init__(self, troupe: Troupe, chance: Random) -> None:
        self.made: Counter[str] = Counter()
        self._troupe = troupe
        self._chance = chance

    async def make_one(self, *, may_kill_registry: bool) -> None:
        """Make any one fault. A registry that may not be killed is stopped for a while; nodes of a
        cluster are killed and stopped at any time."""
        kinds = [self._kill_a_loner, self._stop_a_crew, self._garbage, self._silence]
        if self._troupe.cluster is not None:
            kinds += [self._disturb_cluster] * len(kinds)
        else:
            kinds.append(self._kill_registry if may_kill_registry else self._stop_registry)
        await self._chance.choice(kinds)()

    def stop_registry(self, span: float) -> None:
        """Stop the registry, which is no cluster, for so many seconds."""
        self._stop_for(span, self._troupe.registries[0], "registry stopped")

    async def _disturb_cluster(self) -> None:
        """Kill or stop the node that keeps the state, another node, or a server."""
        cluster = self._troupe.cluster
        assert cluster is not None
        cluster.active = cluster.newest_active()
        fault = self._chance.randrange(5)
        if fault == 4:
            await self._kill_a_server(cluster)
            return
        index, what = (
            (cluster.active, "keeper")
            if fault < 2
            else (self._chance.choice(cluster.others), "other node")
        )
        if fault % 2:
            self._stop(cluster.registries[index], f"{what} stopped", most=REGISTRY_STOPPED_FOR)
            return
        self.made[f"{what} killed"] += 1
        await cluster.registries[index].kill()
        await asyncio.sleep(self._chance.uniform(0.0, NODE_AWAY_FOR))  # the machine starts again
        cluster.registries[index] = await cluster.begin(index)

    async def _kill_a_server(self, cluster: FaultyCluster) -> None:
        self.made["server behind the nodes killed"] += 1
        self._chance.choice(cluster.servers.servers).kill()
        await asyncio.sleep(self._chance.uniform(0.0, NODE_AWAY_FOR))  # the machine starts again
        await asyncio.to_thread(cluster.servers.start)

    async def _kill_registry(self) -> None:
        self.made["registry killed"] += 1
        await self._troupe.restart_registry()

    async def _kill_a_loner(self) -> None:
        self.made["peer killed"] += 1
        await self._troupe.restart(self._chance.choice(self._troupe.loners))

    async def _stop_registry(self) -> None:
        self._stop(self._troupe.registries[0], "registry stopped", most=REGISTRY_STOPPED_FOR)

    async def _stop_a_crew(self) -> None:
        crew = self._chance.choice(self._troupe.crews)
        self._stop(crew.program, "crew stopped", most=CREW_STOPPED_FOR)

    def _stop(self, program: Program, what: str, *, most: float) -> None:
        self._stop_for(self._chance.uniform(1.0, most), program, what)

    def _stop_for(self, span: float, program: Program, what: str) -> None:
        self.made[what] += 1
        program.signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(span, program.signal, signal.SIGCONT)

    async def _garbage(self) -> None:
        self.made["garbage"] += 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(5_000):
                kind, data = (
                    self._chance.randrange(1, 10),
                    self._chance.randbytes(self._chance.randrange(300)),
                )
                with contextlib.suppress(OSError):
                    stranger.sendto(bytes((kind,)) + data, self._server)

    async def _silence(self) -> None:
        self.made["silent connections"] += 1
        loop = asyncio.get_running_loop()
        for _ in range(50):
            silent = socket.socket()
            silent.setblocking(False)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(
                    1.0
                ):  # a registry that is stopped takes so many, and no more
                    await loop.sock_connect(silent, self._server)
            loop.call_later(SILENT_FOR, silent.close)

    @property
    def _server(self) -> tuple[str, int]:
        return "127.0.0.1", self._chance.choice(self._troupe.ports)
