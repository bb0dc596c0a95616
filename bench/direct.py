"""D1 to D4: direct messages between two real processes, sealed, stored at both ends, in order."""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.figures import HIGHER, LOWER, Figure, middle
from bench.machine import Failed, Process, built, free_port, said, scratch
from bench.measures import Plan, Side
from bench.node import TEXT_SIZE
from bench.registry import RegistryProcess, Server
from bench.rivals import Absent, ngircd, room_of

LOSS, HEAVY_LOSS = 0.05, 0.30
PAIRS = 10
LONG = 61_000
"""Bytes of a long text: nearly the longest that there is."""
DATAGRAM = 1_200
SENTENCES = 0
"""The size of texts that are sentences."""
_FILED_WITHIN = 60.0
_DEAREST_ROUNDS = 2
HERE, THERE = 0, 1
"""The two ends have a core each, in the limit and in ours: two machines, as far as one can be two.
Without that the scheduler puts a C ping-pong on one core whenever the other is busy, and the ratio
is a matter of luck."""


class Pair:
    """Two nodes that know each other."""

    def __init__(self, alice: Process, bob: Process, to: str) -> None:
        """`to`: the name of bob."""
        self.alice, self.bob, self.to = alice, bob, to
        self.said = 0
        """Messages so far."""

    def ping(self, count: int) -> dict[str, Any]:
        """One at a time; round trips in seconds."""
        self.said += count
        ready(self.bob, {"do": "expect", "count": count})
        found: dict[str, Any] = self.alice.ask(
            json.dumps({"do": "ping", "to": self.to, "count": count})
        )
        found["bob"] = checked(self.bob.told())["cpu"]
        return found

    def stream(
        self, count: int, window: int, size: int = TEXT_SIZE, *, takes_detours: bool = False
    ) -> dict[str, Any]:
        """Many at once. `seconds` is until acknowledged, `shown` until the last was shown at the
        other end. `takes_detours`: some may go through the server; `detours` says how many did."""
        self.begin(count, window, size, takes_detours=takes_detours)
        return self.end()

    def begin(
        self, count: int, window: int, size: int = TEXT_SIZE, *, takes_detours: bool = False
    ) -> None:
        """Begin what `stream` does."""
        self.said += count
        ready(self.bob, {"do": "expect", "count": count})
        order = {"do": "stream", "to": self.to, "count": count, "window": window, "size": size}
        self.alice.tell(json.dumps(order | {"takes_detours": takes_detours}))

    def end(self) -> dict[str, Any]:
        """Wait for the end of what was begun."""
        found: dict[str, Any] = self.alice.told()
        there = checked(self.bob.told())
        found["shown"] = (
            there["ended"] - found["began"]
        )  # one clock: CLOCK_MONOTONIC is the machine's
        found["bob"], found["lost"] = there["cpu"], there["lost"]
        return found

    def offer(self, path: Path) -> float:
        """Offer a file to bob; return the seconds that this took."""
        order = {"do": "offer", "to": self.to, "path": str(path)}
        return float(self.alice.ask(json.dumps(order))["seconds"])

    def fetch(self, path: Path) -> None:
        """Begin to fetch what was offered last."""
        ready(self.bob, {"do": "fetch", "path": str(path)})

    def fetched(self) -> dict[str, float]:
        """Wait until bob has it."""
        found: dict[str, float] = self.bob.ask(json.dumps({"do": "fetched"}))
        return found

    @property
    def cpu(self) -> float:
        """Seconds of processor time that both ends have had so far, all their threads included."""
        return self.alice.cpu() + self.bob.cpu()

    def index(self, folder: Path) -> None:
        """Have both file and index all that was said, in a folder; nobody waits until they would do
        so by themselves."""
        for node in (self.alice, self.bob):
            node.ask(json.dumps({"do": "index"}))
        if not are_indexed(folder, self.said):
            raise Failed("not everything is filed and indexed")

    def lose(self, share: float) -> None:
        """Let both nodes lose this share of datagrams."""
        for node in (self.alice, self.bob):
            node.ask(json.dumps({"do": "lose", "share": share}))


def wait_until_indexed(folder: Path, lines: int) -> None:
    """Wait until the peers in a folder have filed and indexed so many lines."""
    deadline = time.monotonic() + _FILED_WITHIN
    while not are_indexed(folder, lines):
        if time.monotonic() > deadline:
            raise Failed("not everything was filed and indexed in time")
        time.sleep(0.2)


def are_indexed(folder: Path, lines: int) -> bool:
    """Whether the peers in a folder have filed and indexed so many lines."""
    return all(_is_indexed(history, lines) for history in folder.glob("*/**/history.db"))


def _is_indexed(history: Path, lines: int) -> bool:
    """Whether so many lines are in a history, not in the journal beside it any more, and each of
    them is in the index."""
    db = sqlite3.connect(f"file:{history}?mode=ro", uri=True)
    try:
        (indexed,) = db.execute("SELECT indexed FROM progress").fetchone()
        newest, filed = db.execute("SELECT max(id), count(*) FROM lines").fetchone()
    finally:
        db.close()
    return bool(filed >= lines and indexed == newest)


def ready(node: Process, order: dict[str, Any]) -> None:
    """Give an order that is answered twice: at once, and when it is carried out."""
    if node.ask(json.dumps(order)) != "ready":
        raise Failed("a node is out of step")


def checked(there: dict[str, Any]) -> dict[str, Any]:
    """A figure counts only for messages that came once and in order."""
    if not there["in_order_once"]:
        raise Failed("messages were not shown once and in order")
    return there


@contextmanager
def pair(
    *,
    seeds: tuple[int, int] = (1, 2),
    loop: str = "",
    folder: Path | None = None,
    cores: tuple[int | None, int | None] = (THERE, HERE),
) -> Iterator[Pair]:
    """A registry and two nodes, gone afterwards. `folder`: for what they store. `cores`: as in
    `pairs`."""
    with pairs(1, seeds=seeds, loop=loop, folder=folder, cores=cores) as (both,):
        yield both


@contextmanager
def pairs(
    count: int,
    *,
    seeds: tuple[int, int] = (1, 2),
    loop: str = "",
    folder: Path | None = None,
    cores: tuple[int | None, int | None] = (THERE, HERE),
) -> Iterator[list[Pair]]:
    """A registry and two nodes for each pair, gone afterwards. `folder`: for what they store.
    `cores`: those of bob and alice; None: any."""
    with ExitStack() as stack:
        folder = folder or stack.enter_context(scratch())
        registry = stack.enter_context(RegistryProcess(folder / "registry"))
        found = []
        for number in range(count):
            names = (f"bob{number}", f"alice{number}")
            nodes = [
                stack.enter_context(
                    node(name, ("127.0.0.1", registry.port), folder, str(seed), loop, core=core)
                )
                for name, seed, core in zip(names, seeds, cores, strict=True)
            ]
            for one in nodes:
                if one.told() != "ready":
                    raise Failed("a node did not start")
            found.append(Pair(alice=nodes[1], bob=nodes[0], to=names[0]))
            found[-1].ping(50)  # the first message waits for a session and fills caches
        yield found


def node(
    name: str,
    registry: Server,
    folder: Path,
    *words: str,
    core: int | None = None,
    prefix: Sequence[str] = (),
) -> Process:
    """One end. `words`: the last ones of its command line; `prefix`: those before it."""
    host, port = registry
    command = [sys.executable, "-m", "bench.node", name, f"{host}:{port}", str(folder / name)]
    return Process([*prefix, *command, *filter(None, words)], core=core)


@contextmanager
def c_server() -> Iterator[tuple[Process, int]]:
    """The other end of the limit program."""
    port = free_port()
    with Process([built("udp"), "serve", str(port)], core=THERE) as server:
        server.line()
        yield server, port


class Bare:
    """Python without ChatApp (`bench.bare`), measured beside ours: what pure Python could come
    to."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []

    def run(self, count: int, window: int) -> None:
        """Measure one round."""
        found = said([sys.executable, "-m", "bench.bare", str(count), str(window)])
        self._found.append({**found, "cpu": found["cpu"] / count * 1e6})

    def facts(self, what: str, key: str, factor: float) -> dict[str, float]:
        """Return one of its figures, and its CPU a message."""
        return {
            f"bare Python, {what}": middle([one[key] * factor for one in self._found]),
            "bare Python, us of CPU a message": middle([one["cpu"] for one in self._found]),
        }


def d1(plan: Plan) -> Iterator[Figure]:
    """Window 1."""
    count = plan.count(1_500)
    ours, limit, rival, cost = [], [], [], []
    bare = Bare()
    with ExitStack() as stack:
        both = stack.enter_context(pair())
        _, port = stack.enter_context(c_server())
        relay = None
        try:
            relay = stack.enter_context(
                room_of(stack.enter_context(ngircd(core=THERE)), 2, core=HERE)
            )
        except Absent as absence:
            plan.skip(f"D1: {absence}")
        for _ in plan.rounds():
            limit.append(
                said([built("udp"), "ping", str(port), str(count)], core=HERE)["p50"] * 1e6
            )
            bare.run(count, 1)
            if relay is not None:
                rival.append(relay.ask(f"answer {count}")["p50"] * 1e6)
            found = both.ping(count)
            ours.append(found["p50"] * 1e6)
            cost.append((found["cpu"] + found["bob"]) / count * 1e6)
    plan.side("D1", **bare.facts("p50 us", "p50", 1e6))
    if rival:
        plan.side("D1", **{"a message and its answer through ngircd, p50 us": middle(rival)})
    yield Figure(
        goal="D1",
        what="one message, acknowledged, p50",
        unit="us",
        ours=ours,
        against="C ping-pong",
        theirs=limit,
        sense=LOWER,
        bound=3.0,
    )
    yield Figure(
        goal="D1",
        what="one message, acknowledged, CPU at both ends",
        unit="us",
        ours=cost,
        sense=LOWER,
        bound=200.0,
    )


def d2(plan: Plan) -> Iterator[Figure]:
    """Window 64: one pair, then ten at once."""
    yield from _one_pair(plan)
    yield from _many_pairs(plan)


def _one_pair(plan: Plan) -> Iterator[Figure]:
    count, c_count = plan.count(10_000), plan.count(100_000)
    ours, limit, cost, whole, c_cost = [], [], [], [], []
    alice, bob, bare = Side("alice"), Side("bob"), Bare()
    with scratch() as folder, pair(folder=folder) as both, c_server() as (server, port):
        for _ in plan.rounds():
            before = server.cpu()
            found = said([built("udp"), "stream", str(port), str(c_count), "64"], core=HERE)
            bare.run(c_count, 64)
            limit.append(found["rate"])
            c_cost.append((found["cpu"] + server.cpu() - before) / c_count * 1e6)
            found = both.stream(count, 64)
            ours.append(count / found["seconds"])
            cost.append((found["cpu"] + found["bob"]) / count * 1e6)
            both.index(folder)
            before = both.cpu
            both.stream(count, 64, SENTENCES)
            both.index(folder)
            whole.append((both.cpu - before) / count * 1e6)
            alice.add(found["cpu"], found["seconds"])
            bob.add(found["bob"], found["seconds"])
    plan.side("D2 ours", alice, bob)
    plan.side("D2", **bare.facts("messages/s", "rate", 1))
    yield Figure(
        goal="D2",
        what="window 64, acknowledged a second",
        unit="/s",
        ours=ours,
        against="C in the clear",
        theirs=limit,
        sense=HIGHER,
        bound=0.4,
    )
    for what, found, bound in (
        ("CPU a message, both ends", cost, 12.0),
        ("CPU a sentence of 17 words, both ends, until the index has all", whole, 30.0),
    ):
        yield Figure(
            goal="D2",
            what=what,
            unit="us",
            ours=found,
            sense=LOWER,
            bound=bound,
            note=f"C: {min(c_cost):.1f} us",
        )


def _many_pairs(plan: Plan) -> Iterator[Figure]:
    count, c_count = plan.count(2_000), plan.count(20_000)
    ours, limit, cost = [], [], []
    with pairs(PAIRS) as all_pairs, ExitStack() as stack:
        ports = [stack.enter_context(c_server())[1] for _ in all_pairs]
        for _ in plan.rounds():
            limit.append(_by_c(ports, c_count))
            before, began = sum(one.cpu for one in all_pairs), time.monotonic()
            for one in all_pairs:
                one.begin(count, 64)
            for one in all_pairs:
                one.end()
            ours.append(PAIRS * count / (time.monotonic() - began))
            cost.append((sum(one.cpu for one in all_pairs) - before) / PAIRS / count * 1e6)
    what = f"{PAIRS} pairs at once, window 64"
    yield Figure(
        goal="D2",
        what=f"{what}, acknowledged a second",
        unit="/s",
        ours=ours,
        against=f"C in the clear, {PAIRS} pairs",
        theirs=limit,
        sense=HIGHER,
        bound=0.4,
    )
    yield Figure(
        goal="D2",
        what=f"{what}, CPU a message, both ends",
        unit="us",
        ours=cost,
        sense=LOWER,
        bound=12.0,
    )


def _by_c(ports: list[int], count: int) -> float:
    """Messages a second of a C program for each port, all at once."""
    began = time.monotonic()
    with ExitStack() as stack:
        words = ("stream", str(count), "64")
        clients = [
            stack.enter_context(Process([built("udp"), words[0], str(port), *words[1:]], core=HERE))
            for port in ports
        ]
        for client in clients:
            client.told()
        return len(ports) * count / (time.monotonic() - began)


def d3(plan: Plan) -> Iterator[Figure]:
    """10,000 messages over a line that loses 5 % of the datagrams either way, and once over one
    that loses 30 %."""
    count = plan.count(10_000)
    lossy, clean, worst = [], [], []
    lost = detours = 0
    with pair(seeds=(11, 12)) as both:
        for _ in plan.rounds():
            both.lose(0.0)
            clean.append(both.stream(count, 0)["shown"])
            both.lose(LOSS)
            found = both.stream(count, 0)
            lossy.append(found["shown"])
            lost += found["lost"]
    for _ in plan.rounds(_DEAREST_ROUNDS):
        # Each round has a pair of its own: after heavy loss a peer relays for a while, which the
        # check of a round refuses.
        with pair(seeds=(13, 14)) as both:
            both.lose(HEAVY_LOSS)
            found = both.stream(count, 0, takes_detours=True)
            worst.append(found["shown"])
            detours += found["detours"]
    yield Figure(
        goal="D3",
        what=f"{count:,} shown, 5 % lost",
        unit="s",
        ours=lossy,
        against="without loss",
        theirs=clean,
        sense=LOWER,
        bound=1.5,
        note=f"{lost // plan.rounds_wanted} datagrams a round lost on the way there",
    )
    yield Figure(
        goal="D3",
        what=f"{count:,} shown, 30 % lost each way",
        unit="s",
        ours=worst,
        sense=LOWER,
        bound=20.0,
        note=f"{detours} messages in all went through the server",
    )


def d4(plan: Plan) -> Iterator[Figure]:
    """50 MB in the longest texts, 16 at a time."""
    count = plan.count(820)
    size = count * LONG / 1e6
    ours, limit, cost, c_cost = [], [], [], []
    alice, bob = Side("alice"), Side("bob")
    with pair() as both, c_server() as (server, port):
        datagrams = count * LONG // DATAGRAM
        copy: list[str | Path] = [
            built("udp"),
            "stream",
            str(port),
            str(datagrams),
            "64",
            str(DATAGRAM),
        ]
        for _ in plan.rounds():
            before = server.cpu()
            found = said(copy, core=HERE)
            limit.append(size / found["seconds"])
            c_cost.append((found["cpu"] + server.cpu() - before) / size * 1e3)
            found = both.stream(count, 16, LONG)
            ours.append(size / found["shown"])
            cost.append((found["cpu"] + found["bob"]) / size * 1e3)
            alice.add(found["cpu"], found["seconds"])
            bob.add(found["bob"], found["seconds"])
    plan.side("D4 ours", alice, bob)
    yield Figure(
        goal="D4",
        what=f"{size:.0f} MB in texts of 61 kB, 16 at a time",
        unit="MB/s",
        ours=ours,
        against="C in the clear, datagrams of 1,200 bytes",
        theirs=limit,
        sense=HIGHER,
        bound=0.1,
    )
    yield Figure(
        goal="D4",
        what="CPU a MB, both ends",
        unit="ms",
        ours=cost,
        sense=LOWER,
        bound=40.0,
        note=f"C: {min(c_cost):.1f} ms",
    )
