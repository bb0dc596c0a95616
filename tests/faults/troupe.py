"""The programs of a soak: the registry or the nodes of a cluster, crews of many bots, bots alone in
a program, a help desk.

It starts them, kills them and starts them again as they were.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.cast.program import Program
from tests.cast.stage import Stage, lossy
from tests.faults import registry
from tests.faults.bot import is_steady, label_of, room_of
from tests.faults.cluster import FaultyCluster
from tests.faults.deskbots import OPERATORS
from tests.faults.ledger import Entry, read
from tests.faults.machine import COUNTED, memory_of

CREWS: Final = 4
LOSSY_CREWS: Final = 2
LOSS: Final = 0.1
LONERS: Final = 8
STARTED_WITHIN: Final = 180.0
_DESK: Final = tuple(word for name in OPERATORS for word in ("--operator", name))


@dataclass(slots=True)
class Group:
    """The bots of one program, which may be started more than once."""

    name: str
    first: int
    count: int
    loss: float
    program: Program

    @property
    def labels(self) -> list[str]:
        """The labels of the bots."""
        return [label_of(number) for number in range(self.first, self.first + self.count)]


class Troupe:
    """All programs of one run."""

    def __init__(self, stage: Stage, *, bots: int, is_cluster: bool, chance: Random) -> None:
        self.stage: Final = stage
        self.cluster: Final = FaultyCluster(stage, *_DESK) if is_cluster else None
        """The cluster, if the registry is one."""
        self.each: Final = (bots - LONERS) // CREWS
        self.count: Final = self.each * CREWS + LONERS
        """The number of bots."""
        self.crews: list[Group] = []
        self.loners: list[Group] = []
        """Bots in programs of their own."""
        self.kills: dict[str, list[float]] = defaultdict(list)
        """When the program of a bot was killed."""
        self.desk: Program
        self._registry: Program
        self._chance = chance

    async def start(self) -> None:
        """Start all bots; half of them lose a share of the datagrams that they send."""
        if self.cluster is None:
            self._registry = await self._begin_registry()
        else:
            await self._begin_cluster(self.cluster)
        for place in range(CREWS):
            loss = LOSS if place < LOSSY_CREWS else 0.0
            self.crews.append(await self._begin(f"crew{place}", place * self.each, self.each, loss))
        for place in range(LONERS):
            loss = LOSS if place % 2 else 0.0
            self.loners.append(
                await self._begin(f"loner{place}", self.each * CREWS + place, 1, loss)
            )
        self.desk = await self._run(
            "desk",
            "tests.faults.deskbots",
            self._servers,
            self._homes,
            self._ledger("desk"),
            *(self.stage.codes[name] for name in OPERATORS),
        )
        for program in self.programs:
            await program.sees("ready", within=STARTED_WITHIN)
        for program in self.programs:
            await program.type("talk")

    async def restart_registry(self) -> None:
        """Kill it with `kill -9` and start it again."""
        await self._registry.kill()
        self._registry = await self._begin_registry()

    async def restart(self, loner: Group) -> None:
        """Kill it with `kill -9` and start it again."""
        self.kills[loner.labels[0]].append(time.time())
        await loner.program.kill()
        loner.program = await self._start_bots(loner.name, loner.first, loner.count, loner.loss)
        await loner.program.sees("ready", within=STARTED_WITHIN)
        await loner.program.type("talk")

    @property
    def registries(self) -> Sequence[Program]:
        """The registry, or the nodes of the cluster."""
        return [self._registry] if self.cluster is None else self.cluster.registries

    @property
    def ports(self) -> list[int]:
        """The ports of the registry's servers."""
        return [self.stage.port] if self.cluster is None else self.cluster.ports

    @property
    def groups(self) -> list[Group]:
        """All groups."""
        return [*self.crews, *self.loners]

    @property
    def programs(self) -> list[Program]:
        """All programs except registries."""
        return [*(group.program for group in self.groups), self.desk]

    def registry_memory(self) -> int:
        """Return the bytes that the registry had allocated a moment ago. Of a cluster: those
        resident, of all nodes."""
        if self.cluster is not None:
            return sum(memory_of(node.pid) for node in self.registries if not node.has_ended)
        return registry.allocated_by(self._report)

    def entries(self) -> list[Entry]:
        """Return all entries so far; those of one viewer are in order."""
        return [entry for path in sorted(self._ledger("").iterdir()) for entry in read(path)]

    @property
    def steady(self) -> dict[str, list[str]]:
        """For each room, the bots that stay in it."""
        steady: dict[str, list[str]] = defaultdict(list)
        for number in range(self.count):
            if is_steady(number, self.count):
                steady[room_of(number, self.count)].append(label_of(number))
        return steady

    def complaints(self) -> list[str]:
        """Return what programs complained of that they should not have."""
        return self.stage.complaints() if self.cluster is None else self.cluster.complaints()

    async def close(self) -> None:
        """Kill what still runs."""
        await self.stage.close()
        if self.cluster is not None:
            self.cluster.servers.kill()

    # --- inside

    @property
    def _homes(self) -> Path:
        return self.stage.folder / "homes"

    def _ledger(self, name: str) -> Path:
        return self.stage.folder / "ledgers" / name

    @property
    def _report(self) -> Path:
        return self.stage.folder / "allocated"

    async def _begin_registry(self) -> Program:
        command = (sys.executable, "-m", registry.__name__, str(self._report))
        return await self.stage.registry(*_DESK, command=command, environment=COUNTED)

    async def _begin_cluster(self, cluster: FaultyCluster) -> None:
        await cluster.start()
        for name in OPERATORS:
            said = await cluster.registries[0].sees(
                lambda line, name=name: f"[Operator {name}: " in line  # type: ignore[misc]
            )
            self.stage.note_code(said)

    @property
    def _servers(self) -> str:
        return ",".join(map(str, self.ports))

    async def _begin(self, name: str, first: int, count: int, loss: float) -> Group:
        return Group(name, first, count, loss, await self._start_bots(name, first, count, loss))

    async def _start_bots(self, name: str, first: int, count: int, loss: float) -> Program:
        words = (self._servers, self._homes, self._ledger(name), first, count, self.count)
        return await self._run(name, "tests.faults.bots", *words, loss=loss)

    async def _run(self, name: str, module: str, *words: object, loss: float = 0.0) -> Program:
        command = [sys.executable, "-m", module, *map(str, words)]
        losses = lossy(share=loss, seed=self._chance.randrange(1_000)) if loss else {}
        return await self.stage.run(name, command, home=name, environment={**COUNTED, **losses})
