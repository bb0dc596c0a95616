"""M2: letters saved a second by a registry in a cluster, against the same registry on files, in
turn.

The load is that of M1. The cluster is three nats-servers on this machine, each with a folder of its
own and `sync_interval: always`, so each letter is written and synced three times; the files are
synced once.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from bench.figures import HIGHER, LOWER, Figure, middle
from bench.machine import Failed, Process, free_port, scratch
from bench.mail import LETTERS, SENDERS, Office, Pace, office
from bench.measures import Plan, Side
from bench.rivals import Absent
from examples.cluster.servers import READY_WITHIN, NatsCluster, NatsServer


def _free_ports() -> Iterator[int]:
    while True:
        yield free_port()


@contextmanager
def nats_servers() -> Iterator[tuple[str, list[Process]]]:
    """Three servers: their addresses as `--cluster` takes them, and their processes. Raises
    Absent."""
    with ExitStack() as stack:
        cluster = NatsCluster(stack.enter_context(scratch()), _free_ports())
        try:
            commands = [server.command for server in cluster.servers]
        except FileNotFoundError as missing:
            raise Absent(f"{missing}; skipped") from None
        processes = [stack.enter_context(Process(command, quiet=True)) for command in commands]
        deadline = time.monotonic() + READY_WITHIN
        for server, process in zip(cluster.servers, processes, strict=True):
            _wait_until_ready(server, process, deadline)
        yield cluster.urls, processes


def _wait_until_ready(server: NatsServer, process: Process, deadline: float) -> None:
    while time.monotonic() < deadline:
        with suppress(OSError):
            server.asked("healthz")
            return
        time.sleep(0.05)
    raise Failed(f"{server.name} is not ready: {process.complaint()}")


class _Round:
    """Measures rounds at one registry, and the processor time of the servers behind it."""

    def __init__(self, name: str, here: Office, servers: list[Process]) -> None:
        self.pace = Pace()
        self._name = name
        self._here = here
        self._servers = servers
        self._side = Side("servers behind it")
        self._costs: list[float] = []

    def run(self, count: int) -> None:
        """Measure one round of `count` letters."""
        before = sum(server.cpu() for server in self._servers)
        self.pace.measure(self._here.registry, self._here.load, count)
        spent = sum(server.cpu() for server in self._servers) - before
        self._side.add(spent, count / self.pace.rates[-1])
        self._costs.append(spent / count * 1e6)

    def tell(self, plan: Plan) -> None:
        """Record the figures beside the table."""
        pace = self.pace
        facts = {"us a letter": middle(pace.costs), "p50 ms": min(pace.waits)}
        if self._servers:
            facts["us a letter at all servers"] = middle(self._costs)
        plan.side(
            f"M2 {self._name}", *pace.sides, *([self._side] if self._servers else []), **facts
        )


def m2(plan: Plan) -> Iterator[Figure]:
    """Measure M2."""
    count = plan.count(LETTERS)
    total = count * (plan.rounds_wanted + 1)
    with ExitStack() as stack:
        try:
            urls, servers = stack.enter_context(nats_servers())
        except Absent as absence:
            plan.skip(f"M2: {absence}")
            return
        offices = [
            stack.enter_context(office(total, options=options))
            for options in ((), ("--cluster", urls))
        ]
        files, cluster = (
            _Round(name, here, behind)
            for name, here, behind in zip(("files", "cluster"), offices, ([], servers), strict=True)
        )
        for here in offices:
            here.load.ask(f"run {count}")
        for _ in plan.rounds():
            files.run(count)
            cluster.run(count)
        for here in offices:
            here.prove(total)
    for each in (files, cluster):
        each.tell(plan)
    yield Figure(
        goal="M2",
        what=f"letters saved on a cluster of three, {SENDERS} senders at once",
        unit="/s",
        ours=cluster.pace.rates,
        against="the same on files",
        theirs=files.pace.rates,
        sense=HIGHER,
        bound=0.5,
    )
    yield Figure(
        goal="M2",
        what="letters saved on a cluster of three, the registry's CPU a letter",
        unit="us",
        ours=cluster.pace.costs,
        against="the same on files",
        theirs=files.pace.costs,
        sense=LOWER,
        bound=2.0,
    )
