"""N1: what a delivery costs the node of a cluster that only has the connections, against a registry
on one machine.

The cluster is three nats-servers and two registries on this machine: one keeps the state, and all
members of the room are at the other. Each line goes from this node to the one with the state, is
stored there, comes back and is delivered.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.clustermail import nats_servers
from bench.fanout import Room, ours
from bench.figures import LOWER, Figure, middle
from bench.machine import Process, scratch
from bench.measures import Plan, Side
from bench.registry import Registries, RegistryProcess
from bench.rivals import Absent

SIZE: Final = 300
_LINES: Final = {1: 300, 16: 1_200}
"""Lines of a round, by how many are in flight."""


class _Cluster:
    """Two nodes: where the state is, and where the members are."""

    def __init__(self, urls: str) -> None:
        self._urls = urls
        self.keeper: RegistryProcess | None = None

    @contextmanager
    def start(self, folder: Path) -> Iterator[RegistryProcess]:
        """Start both. Return the node of the members."""
        options = ["--cluster", self._urls, "--cluster-key", str(folder / "cluster.key")]
        with RegistryProcess(folder / "keeper", options=options) as self.keeper:
            self.keeper.lines_until("keeps the state")
            with RegistryProcess(folder / "edge", options=options) as edge:
                yield edge


def cluster_of(count: int, folder: Path, urls: str, servers: Sequence[Process]) -> Registries:
    """Start so many nodes. The first one keeps the state."""
    options = ["--cluster", urls, "--cluster-key", str(folder / "cluster.key")]
    with ExitStack() as undo:
        processes: list[RegistryProcess] = []
        for number in range(count):
            process = RegistryProcess(folder / f"node-{number}", options=options)
            undo.callback(process.stop)
            processes.append(process)
            if not number:
                process.lines_until("keeps the state")
        undo.pop_all()
    return Registries(processes, behind=servers)


class _Keeper:
    """Measures the node with the state beside the room."""

    def __init__(self, process: RegistryProcess) -> None:
        self._process = process
        self._side = Side("node with the state")
        self.costs: list[float] = []

    def run(self, room: Room, lines: int, window: int) -> dict[str, float]:
        """Measure one round. Return what the room's own node does and costs."""
        before = self._process.cpu()
        found = room.run(lines, window)
        spent = self._process.cpu() - before
        self._side.add(spent, lines * SIZE / found["rate"])
        self.costs.append(spent / lines * 1e6)
        return found

    def tell(self, plan: Plan, name: str) -> None:
        """Record the figures beside the table."""
        plan.side(name, self._side, **{"us a line": middle(self.costs)})


def n1(plan: Plan) -> Iterator[Figure]:
    """Measure N1."""
    for window, most in _LINES.items():
        lines = plan.count(most)
        total = (plan.rounds_wanted + 1) * lines + 100
        with ExitStack() as stack:
            try:
                urls, _ = stack.enter_context(nats_servers())
            except Absent as absence:
                plan.skip(f"N1: {absence}")
                return
            alone = stack.enter_context(ours(SIZE, total, folder=stack.enter_context(scratch())))
            cluster = _Cluster(urls)
            folder = stack.enter_context(scratch())
            node = stack.enter_context(ours(SIZE, total, folder=folder, start=cluster.start))
            assert cluster.keeper is not None
            keeper = _Keeper(cluster.keeper)
            for room in (alone, node):
                room.run(lines // 2, window)
            for _ in plan.rounds():
                alone.results.append(alone.run(lines, window))
                node.results.append(keeper.run(node, lines, window))
            keeper.tell(plan, f"N1 {window} in flight")
        yield Figure(
            goal="N1",
            what=f"room of {SIZE} at a node without the state, {window} in flight, CPU a delivery there",
            unit="us",
            ours=[one["cpu"] for one in node.results],
            against="a registry alone",
            theirs=[one["cpu"] for one in alone.results],
            sense=LOWER,
            bound=1.3,
        )
