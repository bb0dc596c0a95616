"""How the cost of a registry grows with people, on one machine and on the nodes of a cluster.

python -m bench.clustergrowth [--sizes 300,1000,3000] [--nodes 3] [--into FILE.md]

Simulated peers, spread over the nodes; three nats-servers. Everything runs on one machine, so what
counts is processor time. From two sizes follows what one change of status costs a node, for itself
and for each person at it; and from that how many people a cluster of so many nodes carries.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.clustermail import nats_servers
from bench.crowd import Crowd
from bench.document import put_section
from bench.figures import short
from bench.growth import change, line, spent_each
from bench.machine import Failed, allow_descriptors, described, scratch
from bench.members import Member
from bench.nodes import cluster_of
from bench.registry import Registries, Start, one_registry
from bench.rivals import Absent

CHANGES_A_DAY: Final = 8
PEAK: Final = 5
"""How many times more changes there are in the busiest hour than on average."""
SHARE: Final = 0.7
"""The part of a core that the table may take at that hour."""
NODES: Final = (1, 2, 3, 5, 10)


class Cost(NamedTuple):
    """Milliseconds of processor time of one event: at the node with the state, at each other node
    on average, and at all servers behind them."""

    keeper: float
    other: float
    behind: float


class Size(NamedTuple):
    """What was measured with so many people."""

    change: Cost
    line: Cost
    join: Cost
    memory: float
    """MiB of the largest node."""


def measured(people: int, start: Start) -> Size:
    """Measure registries with so many people online, all together."""
    counter = time.time_ns() // 1_000_000
    with scratch() as folder, start(folder) as registries:
        members = [Member(index, counter=counter) for index in range(people)]
        with Crowd(registries.servers, members, keeps_links=True) as crowd:
            joining = spent_each(registries, crowd.join)
            crowd.quiet(1.0)
            memory = max(process.memory() for process in registries.processes) / 2**20
            return Size(
                _cost(change(registries, crowd, people, counter), registries),
                _cost(line(registries, crowd), registries),
                _cost([seconds / people * 1e3 for seconds in joining], registries),
                memory,
            )


def _cost(each: list[float], registries: Registries) -> Cost:
    count = len(registries.processes)
    keeper, others, behind = each[0], each[1:count], each[count:]
    return Cost(keeper, sum(others) / len(others) if others else 0.0, sum(behind))


# --- how many people a number of nodes carries


class Slope(NamedTuple):
    """Milliseconds of one change at one node: for the change itself, and for each person at the
    node."""

    fixed: float
    each: float

    def people(self, nodes: int) -> float:
        """Return with how many people on so many nodes the table takes `SHARE` of a core at each
        node."""
        changes = CHANGES_A_DAY * PEAK / 86_400  # a person and second
        # changes * people * (fixed + each * people / nodes) milliseconds a second
        a, b, c = changes * self.each / nodes, changes * self.fixed, -SHARE * 1e3
        return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


def slope(small: tuple[int, float], large: tuple[int, float]) -> Slope:
    """Return the line through two costs, each with the people at the node."""
    each = (large[1] - small[1]) / (large[0] - small[0])
    return Slope(max(small[1] - each * small[0], 0.0), max(each, 1e-6))


# --- the tables


def told(found: dict[int, dict[int, Size]], nodes: int) -> str:
    """Return the tables in Markdown. `found`: by nodes, then by people."""
    sizes = sorted(found[1])
    lines = [
        f"{described()['processor']}, everything on one machine. People are spread over the nodes evenly.",
        "",
        "| | " + " | ".join(f"{size:,} online" for size in sizes) + " |",
        "|---|" + "---|" * len(sizes),
    ]
    where = (("the node with the state", 0), ("another node", 1), ("the three servers together", 2))
    events: dict[str, Callable[[Size], Cost]] = {
        "one change told to all": lambda size: size.change,
        "one line of the channel to all": lambda size: size.line,
        "a join": lambda size: size.join,
    }
    for what, cost_of in events.items():
        costs = {count: [cost_of(found[count][size]) for size in sizes] for count in found}
        lines.append(f"| {what}, ms: a registry alone | " + _row([cost[0] for cost in costs[1]]))
        lines += [
            f"| {what}, ms, {nodes} nodes: {place} | "
            + _row([cost[index] for cost in costs[nodes]])
            for place, index in where
        ]
    lines.append(
        "| memory of a registry alone, MiB | " + _row([found[1][size].memory for size in sizes])
    )
    memory = [found[nodes][size].memory for size in sizes]
    lines.append(f"| memory of the largest of {nodes} nodes, MiB | " + _row(memory))
    small, large = sizes[0], sizes[-1]
    alone = slope(*((size, found[1][size].change.keeper) for size in (small, large)))
    node = slope(*((size // nodes, max(found[nodes][size].change[:2])) for size in (small, large)))
    lines += ["", "| nodes | people |", "|---|---|"]
    for count in NODES:
        carried = (alone if count == 1 else node).people(count)
        lines.append(f"| {count} | {int(carried / 500) * 500:,} |")
    return "\n".join(lines)


def _row(values: Sequence[float]) -> str:
    return " | ".join(map(short, values)) + " |"


def main() -> int:
    """The command line; 1 if it could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.clustergrowth", description="How a cluster grows."
    )
    parser.add_argument("--sizes", default="300,1000,3000")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument(
        "--into", type=Path, help="a Markdown file with a section for the growth of clusters"
    )
    asked = parser.parse_args()
    sizes = list(map(int, asked.sizes.split(",")))
    if len(sizes) < 2 or asked.nodes < 2:
        parser.error("two sizes and two nodes at least")
    allow_descriptors()
    found: dict[int, dict[int, Size]] = {1: {}, asked.nodes: {}}
    try:
        for size in sizes:
            print(f"{size:,} online ...", file=sys.stderr, flush=True)
            found[1][size] = measured(size, one_registry)
            with ExitStack() as stack:
                urls, servers = stack.enter_context(nats_servers())
                start = partial(cluster_of, asked.nodes, urls=urls, servers=servers)
                found[asked.nodes][size] = measured(size, start)
    except (Failed, Absent) as failure:
        print(failure, file=sys.stderr)
        return 1
    text = told(found, asked.nodes)
    print(text)
    if asked.into is not None:
        put_section(asked.into, "growth", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
