"""How cost grows with people online, and with mail that waits.

python -m bench.growth [--sizes 100,1000,10000] [--letters 100000] [--json FILE] [--chart FILE.svg]
[--into FILE.md]

Simulated peers, real sockets, one registry a size. What counts is the exponent: 1 is in proportion
to people online.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.crowd import Crowd, lines_of
from bench.document import put_section
from bench.figures import short
from bench.growthchart import chart
from bench.machine import Failed, allow_descriptors, described, scratch, summary
from bench.mail import office
from bench.members import Member
from bench.presence import Changing
from bench.registry import Registries, RegistryProcess, Start, one_registry

NEWCOMERS: Final = 10
_LINES: Final = 20
_CHANGES: Final = 5
_SETTLED_AFTER: Final = 0.6
_KEY_WITHIN: Final = 120.0
_LINEAR: Final = 1.15
"""An exponent above this is more than linear and more than noise."""

KEYS: Final = {
    "memory": "registry memory, MiB",
    "join": "CPU a join without its table, ms",
    "idle": "CPU of everybody's signs of life, ms a second",
    "change": "CPU of one change of status told to all, ms",
    "line": "CPU of one channel line to all, ms",
    "table": "table bytes a newcomer, KiB",
    "newcomer": "CPU of a newcomer with the whole table, ms",
}


def costs_at(people: int, start: Start = one_registry) -> dict[str, float]:
    """Measure the cost of registries with so many people online, all together."""
    counter = time.time_ns() // 1_000_000
    with scratch() as folder, start(folder) as registry:
        empty = registry.memory()
        members = [Member(index, counter=counter) for index in range(people)]
        with Crowd(registry.servers, members, sockets=100, keeps_links=True) as crowd:
            joining = spent(registry, crowd.join)
            _await_key(crowd)
            crowd.quiet(1.0)
            _everybody_pings(crowd)  # their sessions are open then
            memory = registry.memory()
            return {
                "memory": memory / 2**20,
                "memory_each": (memory - empty) / people / 1024,
                "join": joining / people * 1e3,
                "idle": spent(registry, lambda: _everybody_pings(crowd)) / 10 * 1e3,
                "change": sum(change(registry, crowd, people, counter)),
                "line": sum(line(registry, crowd)),
                **_newcomers(registry, people, counter),
            }


def spent_each(registry: Registries, act: Callable[[], object]) -> list[float]:
    """Processor seconds of each registry, and of each process behind them, while `act` runs."""
    processes = [*registry.processes, *registry.behind]
    before = [process.cpu() for process in processes]
    act()
    return [process.cpu() - spent for process, spent in zip(processes, before, strict=True)]


def spent(registry: Registries, act: Callable[[], object]) -> float:
    """Processor seconds of all registries together while `act` runs."""
    return sum(spent_each(registry, act)[: len(registry.processes)])


def _await_key(crowd: Crowd) -> None:
    """Wait for the channel key that newcomers cause, a minute after the last one: its price is none
    of what follows."""
    last = crowd.members[-1]
    before, until = last.granted, time.monotonic() + _KEY_WITHIN
    while last.granted is before:
        if time.monotonic() > until:
            raise Failed("newcomers caused no new channel key")
        crowd.turn(1.0)


def _everybody_pings(crowd: Crowd) -> None:
    """Send a Ping from everybody, as happens every 10 s."""
    for place, member in enumerate(crowd.members):
        crowd.send(member, *member.ping())
        if place % 32 == 31:
            crowd.turn(0.01)
    crowd.quiet()


def change(registry: Registries, crowd: Crowd, people: int, counter: int) -> list[float]:
    """Return what one change of status that is told to all costs each process, in ms."""
    somebody = Changing(registry.servers, people, counter)
    crowd.quiet(_SETTLED_AFTER)

    def changes() -> None:
        for _ in range(_CHANGES):
            somebody.change()
            crowd.quiet(_SETTLED_AFTER)

    return [seconds / _CHANGES * 1e3 for seconds in spent_each(registry, changes)]


def line(registry: Registries, crowd: Crowd) -> list[float]:
    """Return what one line of the channel to all costs each process, in ms."""
    speaker, heard = crowd.members[0], 0

    def count(_: Member, __: bytes, /) -> None:
        nonlocal heard
        heard += 1

    crowd.relayed = count  # type: ignore[method-assign]
    lines = lines_of(speaker, _LINES, text="x" * 100)

    def say() -> None:
        for place, line in enumerate(lines, 1):
            assert speaker.link is not None
            speaker.link.sendall(line)
            while heard < place * (len(crowd.members) - 1):
                if not crowd.turn(5.0):
                    raise Failed(f"line {place} reached {heard} members only")

    return [seconds / _LINES * 1e3 for seconds in spent_each(registry, say)]


def _newcomers(registry: Registries, people: int, counter: int) -> dict[str, float]:
    members = [Member(people + 1 + index, counter=counter) for index in range(NEWCOMERS)]
    members[0].rows = {}
    with Crowd(registry.servers, members) as crowd:
        cpu = spent(registry, lambda: crowd.join(tables=True))
    return {
        "table": sum(member.table_bytes for member in members) / NEWCOMERS / 1024,
        "newcomer": cpu / NEWCOMERS * 1e3,
    }


def mail_at(letters: int) -> dict[str, float]:
    """Measure the cost of so many letters in 1,000 mailboxes (a tenth of them at least)."""
    readers = min(1_000, letters // 10)
    with office(letters, readers=readers) as here:
        before = here.registry.memory()
        found = here.load.ask(f"run {letters}")
        here.prove(letters)
        memory = here.registry.memory()
        size = sum(one.stat().st_size for one in here.folder.rglob("*") if one.is_file())
        start = time.monotonic()
        here.registry.stop()
        stopped = time.monotonic()
        with RegistryProcess(here.folder, here.registry.port) as again:
            started = time.monotonic()
            loaded = again.memory()
            reader = Member(
                here.crowd.members[-1].index + 1, counter=time.time_ns() // 1_000_000 + 2
            )
            with Crowd(again.servers, [reader]) as crowd:
                came = crowd.join()
    return {
        "letters": letters,
        "mailboxes": readers,
        "saved a second": found["rate"],
        "bytes on disk a letter": size / letters,
        "memory a letter, bytes": (memory - before) / letters,
        "orderly stop, s": stopped - start,
        "start, s": started - stopped,
        "memory after the start, MiB": loaded / 2**20,
        "a reader comes in and has its first letters, ms": came * 1e3,
    }


def exponents(costs: dict[int, dict[str, float]], key: str) -> list[float]:
    """Return the growth between neighbouring sizes; 1 is proportional."""
    sizes = sorted(costs)
    return [
        math.log(max(costs[large][key], 1e-9) / max(costs[small][key], 1e-9))
        / math.log(large / small)
        for small, large in pairwise(sizes)
    ]


def told(found: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    costs: dict[int, dict[str, float]] = {int(size): one for size, one in found["costs"].items()}
    sizes = sorted(costs)
    lines = [
        f"{summary(found['machine'])}.",
        "",
        "| | "
        + " | ".join(f"{size:,} online" for size in sizes)
        + " | grows as people to the power of |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]
    for key, what in KEYS.items():
        powers = exponents(costs, key)
        last = f"{powers[-1]:.2f}" if powers else ""
        mark = " (more than linear)" if powers and powers[-1] > _LINEAR else ""
        lines.append(
            f"| {what} | "
            + " | ".join(short(costs[size][key]) for size in sizes)
            + f" | {last}{mark} |"
        )
    lines.append(
        "| memory a person, KiB | "
        + " | ".join(short(costs[size]["memory_each"]) for size in sizes)
        + " | |"
    )
    if found["mail"]:
        lines += ["", "| mail that waits | |", "|---|---|"]
        lines += [f"| {what} | {short(value)} |" for what, value in found["mail"].items()]
    return "\n".join(lines)


def main() -> int:
    """The command line; 1 when something grows faster than people online."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="How cost grows.")
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--letters", type=int, default=100_000, help="0 for none")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path)
    parser.add_argument("--into", type=Path, help="a Markdown file with a growth section")
    asked = parser.parse_args()
    allow_descriptors()
    found: dict[str, Any] = {"machine": described(), "costs": {}, "mail": {}}
    try:
        for size in map(int, asked.sizes.split(",")):
            print(f"{size:,} online ...", file=sys.stderr, flush=True)
            found["costs"][str(size)] = costs_at(size)
        if asked.letters:
            print(f"{asked.letters:,} letters ...", file=sys.stderr, flush=True)
            found["mail"] = mail_at(asked.letters)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(told(found))
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    if asked.chart is not None:
        asked.chart.write_text(chart(found["costs"], KEYS))
    if asked.into is not None:
        put_section(asked.into, "growth", told(found))
    costs = {int(size): one for size, one in found["costs"].items()}
    return int(any(power > _LINEAR for key in KEYS for power in exponents(costs, key)[-1:]))


if __name__ == "__main__":
    sys.exit(main())
