"""The soak: many bots talk for a while under faults; nothing grows, and nothing is lost.

python -m tests.faults.soak [--minutes 20] [--bots 200] [--seed 1] [--cluster]

Some bots lose a tenth of their datagrams all the time; a few are programs of their own, which are
killed and started again; visitors come to the help desk. A line now and then says how things stand,
and two tables at the end what was found: the exit status is 1 when a promise was broken or
something grew.

The registry is killed in the first sixth; later it is only stopped, so that what it holds can be
judged. In the first minutes everybody writes to all of their circle, and an outage of the registry
lets everybody look for everybody else: what grows later is no conversation that begins, and nobody
is met for the first time.

There are two pauses without faults, while everybody goes on talking: before half of the time is
over, and at the end. Each outlasts the sessions that faults make. So the memory that is allocated
at the ends of both can be compared.

With --cluster the registry is a cluster of three nodes on three servers, and bots, operators and
visitors begin at different nodes. The node that keeps the state, the other nodes and the servers
are killed and stopped all the time, so what nodes hold is shown, and not judged.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatapp.wire.sessions.session import ERASE_AFTER
from tests.cast.stage import Stage
from tests.faults.judging import Findings, Trend, compared, due_to, judge, trend
from tests.faults.ledger import What
from tests.faults.machine import MIB, descriptors_of
from tests.faults.mischief import Mischief
from tests.faults.troupe import Troupe

FIRST_FAULT: Final = 10.0
OUTAGE: Final = 60.0
"""How long the registry is stopped at first: everybody looks for everybody else then
(`HAIL_AFTER_LOSS`), so that nobody meets anybody for the first time later."""
REPORT_EVERY: Final = 10.0
PRINT_EVERY: Final = 6
"""How many reports pass for each one that is printed."""
SETTLED_WITHIN: Final = 180.0
SHOWN_WITHIN: Final = 120.0
MEASURED_FOR: Final = 30.0
"""Seconds at the end of a pause in which memory is measured."""
PAUSE: Final = 30.0 + ERASE_AFTER + MEASURED_FOR
"""Seconds without faults before each of the two times that are compared: programs recover, and the
sessions that were begun until then are erased."""
REGISTRY_FILLS: Final = 1.0
"""MiB that names given up and visitors' keys may take at a registry between the two times: their
limits are out of a run's reach."""
JUDGED_FROM: Final = 20.0
"""Minutes of a run that is judged: in the first half caches fill, conversations begin, and the keys
of groups change (once a minute) until as many are kept as ever are (eight)."""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures at one moment: of the registry (all nodes of a cluster together), and of all
    groups of bots together."""

    at: float
    registry: float
    """MiB: allocated, or resident if it is a cluster."""
    bots: float
    """Allocated MiB, but for what SQLite holds: its page caches have a bound of their own (2 MiB a
    bot), which no run reaches."""
    registry_held: int
    bots_held: int
    counts: Counter[str]


class Soak:
    """One run."""

    def __init__(
        self, stage: Stage, *, minutes: float, bots: int, seed: int, is_cluster: bool
    ) -> None:
        self.minutes = minutes
        self.chance = random.Random(seed)
        self.troupe = Troupe(stage, bots=bots, is_cluster=is_cluster, chance=self.chance)
        self.mischief = Mischief(self.troupe, self.chance)
        self.reports: list[Report] = []

    async def run(self) -> Findings:
        """Start everybody, make faults, and judge the outcome of all messages."""
        await self.troupe.start()
        print(f"{self.troupe.count} bots are talking", flush=True)
        await self._make_faults()
        await self._settle()
        return judge(self.troupe.entries(), steady=self.troupe.steady, kills=self.troupe.kills)

    # --- figures

    async def _report(self, at: float) -> None:
        counts: Counter[str] = Counter()
        crews = [crew.program for crew in self.troupe.crews]
        for crew in crews:
            await crew.type("count")
        for crew in crews:
            counts.update(json.loads(await crew.sees(lambda line: line.startswith("{"), within=60)))
        registries = [node.pid for node in self.troupe.registries if not node.has_ended]
        report = Report(
            at,
            self.troupe.registry_memory() / MIB,
            counts.pop("allocated") / MIB,
            sum(map(descriptors_of, registries)),
            sum(descriptors_of(crew.pid) for crew in crews),
            counts,
        )
        if len(self.reports) % PRINT_EVERY == 0:
            print(
                f"| {at:5.0f} s | registry {report.registry:5.1f} MiB, {report.registry_held} descriptors |"
                f" crews {report.bots:5.1f} MiB, {report.bots_held} descriptors | {_told(counts)} |"
                f" {_told(self.mischief.made)} |",
                flush=True,
            )
        self.reports.append(report)

    def trends(self) -> list[Trend]:
        """Return how memory and descriptors changed."""
        reports = self.reports
        crews = [
            self._memory("crews", [(report.at, report.bots) for report in reports], noise=4.0),
            trend("crews, descriptors", [(one.at, one.bots_held) for one in reports], noise=8.0),
        ]
        if self.troupe.cluster is not None:
            return crews
        return [
            self._memory(
                "registry", [(one.at, one.registry) for one in reports], noise=REGISTRY_FILLS
            ),
            trend(
                "registry, descriptors", [(one.at, one.registry_held) for one in reports], noise=8.0
            ),
            *crews,
        ]

    def _memory(self, name: str, points: list[tuple[float, float]], *, noise: float) -> Trend:
        """Compare the memory at the ends of the pauses."""
        ends = 30 * self.minutes, points[-1][0]
        return compared(f"{name}, MiB allocated", points, ends, span=MEASURED_FOR, noise=noise)

    # --- faults

    async def _make_faults(self) -> None:
        begun = time.monotonic()
        report, fault, end = begun, begun + FIRST_FAULT, begun + 60 * self.minutes
        calm = begun + 10 * self.minutes
        if self.minutes >= JUDGED_FROM and self.troupe.cluster is None:
            self.mischief.stop_registry(OUTAGE)
            fault += OUTAGE
        while (now := time.monotonic()) < end:
            if now >= report:
                await self._report(now - begun)
                report += REPORT_EVERY
            if now >= fault and is_pause(now - begun, minutes=self.minutes):
                fault = now + FIRST_FAULT
            elif now >= fault:
                await self.mischief.make_one(may_kill_registry=now < calm)
                fault = time.monotonic() + self.chance.uniform(1.0, 9.0)
            await asyncio.sleep(
                max(min(report, fault, end) - time.monotonic(), 0.0)
            )  # the soak's own clock
        await self._report(time.monotonic() - begun)

    # --- the end

    async def _settle(self) -> None:
        """Stop all messages and wait until everything promised is shown."""
        troupe = self.troupe
        for program in troupe.programs:
            await program.type("stop")
        for program in troupe.programs:
            await program.sees("settled", within=SETTLED_WITHIN)
        expected: dict[str, list[str]] = defaultdict(list)
        for entry in troupe.entries():
            if entry.what is What.PROMISED:
                for who in due_to(entry.text, troupe.steady):
                    expected[who].append(entry.text)
        for group in troupe.groups:
            path = troupe.stage.folder / f"expected-{group.name}"
            path.write_text(json.dumps({label: expected[label] for label in group.labels}))
            await group.program.type(f"expect {path}")
        with contextlib.suppress(AssertionError):  # what is missing is named by the verdict
            for group in troupe.groups:
                await group.program.sees("complete", within=SHOWN_WITHIN)
        for program in troupe.programs:
            await program.type("end")
        for program in troupe.programs:
            await program.ends(within=SETTLED_WITHIN)


def is_pause(at: float, *, minutes: float) -> bool:
    """Whether no faults are made so many seconds after the start. A run that is too short to be
    judged has no pauses."""
    ends = (30 * minutes, 60 * minutes) if minutes >= JUDGED_FROM else ()
    return any(end - PAUSE <= at < end for end in ends)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


def tell(findings: Findings, trends: list[Trend], *, is_judged: bool) -> None:
    """Print two tables, and some of the failures."""
    print(f"\n{findings.promised:,} promised, {findings.shown:,} shown: {_told(findings.fates)}\n")
    print("| promise | broken |\n|---|---|")
    for what, broken in findings.by_promise().items():
        print(f"| {what} | {len(broken)} |")
        for one in broken[:5]:
            print(f"    {one}")
    print(f"\n{findings.again} shown again after a kill -9 within moments of the first time")
    print(
        f"{findings.overtaken} shown behind a later one that had waited for them as long as messages wait\n"
    )
    if not is_judged:
        print(f"(Too short to judge what grows: that takes {JUDGED_FROM:.0f} minutes.)\n")
    print(
        "| memory at the ends of the pauses, descriptors since a third | from | to | allowed | flat |"
    )
    print("|---|---|---|---|---|")
    for line in trends:
        answer = "yes" if line.is_flat else "NO" if is_judged else "no"
        print(
            f"| {line.name} | {line.begin:.1f} | {line.end:.1f} | + {line.allowed:.1f} | {answer} |"
        )


async def main() -> int:
    """Run the command line."""
    asked = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    asked.add_argument("--minutes", type=float, default=20.0)
    asked.add_argument("--bots", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--cluster", action="store_true")
    words = asked.parse_args()
    folder = Path(tempfile.mkdtemp())
    stage = Stage(folder)
    soak = Soak(
        stage, minutes=words.minutes, bots=words.bots, seed=words.seed, is_cluster=words.cluster
    )
    try:
        findings = await soak.run()
    finally:
        complaints = soak.troupe.complaints()
        await soak.troupe.close()
    trends, is_judged = soak.trends(), words.minutes >= JUDGED_FROM
    tell(findings, trends, is_judged=is_judged)
    for line in complaints[:20]:
        print(line)
    if findings.is_well:
        shutil.rmtree(folder)
    else:
        print(f"what everybody noted, and all histories: {folder}")
    is_flat = not is_judged or all(one.is_flat for one in trends)
    return 0 if findings.is_well and not complaints and is_flat else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
