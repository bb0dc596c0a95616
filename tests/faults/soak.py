"""This file is about the soak: many bots talk for a while under faults; nothing grows, and nothing is lost.

    python -m tests.faults.soak [--minutes 20] [--bots 200] [--seed 1]

Faults are the registry killed, bots stopped and going on, garbage, and connections that say nothing. A line a minute
says how things stand; the exit status is 1 when a promise was broken or something grew.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from tests.faults.machine import MIB, descriptors_of, memory_of
from tests.support.program import Program
from tests.support.stage import Stage

PROCESSES: Final = 4
GROWTH: Final = 1.35
"""Memory at the end against that after a third of the time: more is a leak."""
FIRST_FAULT: Final = 10.0
SETTLED_WITHIN: Final = 120.0


class Soak:
    """One run."""

    def __init__(self, stage: Stage, *, minutes: float, bots: int, seed: int) -> None:
        self.stage = stage
        self.minutes = minutes
        self.bots = bots
        self.chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.crews: list[Program] = []
        self.rows: list[tuple[float, float, int, int]] = []
        self.registry: Program

    async def run(self) -> bool:
        """Whether all promises held and nothing grew."""
        self.registry = await self.stage.registry()
        each = self.bots // PROCESSES
        for place in range(PROCESSES):
            words = [sys.executable, "-m", "tests.faults.bots", str(self.stage.port)]
            words += [str(self.stage.folder / "homes"), str(place * each), str(each), str(each * PROCESSES)]
            self.crews.append(await self.stage.run(f"crew{place}", words, home=f"crew{place}"))
        for crew in self.crews:
            await crew.sees("ready", within=120)
        for crew in self.crews:
            await crew.type("talk")
        print(f"{each * PROCESSES} bots are talking", flush=True)
        await self._make_faults()
        return await self._settle()

    async def _make_faults(self) -> None:
        begun = time.monotonic()
        end, report = begun + 60 * self.minutes, begun + min(60.0, 15 * self.minutes)
        at = begun + FIRST_FAULT
        while (now := time.monotonic()) < end:
            if now >= report:
                self._report(now - begun)
                report += min(60.0, 15 * self.minutes)
            if now >= at:
                await self.chance.choice(
                    (self._kill_registry, self._stop_a_crew, self._garbage, self._silence)
                )()
                at = time.monotonic() + self.chance.uniform(3.0, 15.0)
            await asyncio.sleep(0.2)  # this is the clock of the soak, not a wait for something
        self._report(time.monotonic() - begun)

    def _report(self, at: float) -> None:
        memory = memory_of(self.registry.pid) / MIB, sum(memory_of(crew.pid) for crew in self.crews) / MIB
        held = descriptors_of(self.registry.pid), sum(descriptors_of(crew.pid) for crew in self.crews)
        self.rows.append((memory[0], memory[1], *held))
        print(
            f"| {at:6.0f} s | registry {memory[0]:6.1f} MiB {held[0]:4} descriptors | bots {memory[1]:7.1f} MiB"
            f" {held[1]:5} descriptors | {dict(self.faults)} |",
            flush=True,
        )

    # --- faults

    async def _kill_registry(self) -> None:
        self.faults["registry killed"] += 1
        await self.registry.kill()
        self.registry = await self.stage.registry()

    async def _stop_a_crew(self) -> None:
        self.faults["bots stopped"] += 1
        crew = self.chance.choice(self.crews)
        crew.signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(self.chance.uniform(1.0, 6.0), crew.signal, signal.SIGCONT)

    async def _garbage(self) -> None:
        self.faults["garbage"] += 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(5_000):
                with contextlib.suppress(OSError):
                    data = self.chance.randbytes(self.chance.randrange(300))
                    stranger.sendto(
                        bytes((self.chance.randrange(1, 9),)) + data, ("127.0.0.1", self.stage.port)
                    )

    async def _silence(self) -> None:
        self.faults["silent connections"] += 1
        loop = asyncio.get_running_loop()
        for _ in range(50):
            silent = socket.socket()
            silent.setblocking(False)
            with contextlib.suppress(OSError):
                await loop.sock_connect(silent, ("127.0.0.1", self.stage.port))
            loop.call_later(6.0, silent.close)

    # --- the end

    async def _settle(self) -> bool:
        for crew in self.crews:
            await crew.type("stop")
        for crew in self.crews:
            await crew.sees("settled", within=SETTLED_WITHIN)
        await asyncio.sleep(5.0)  # mail that was saved at the last moment is on its way to who is here
        promised: list[str] = []
        shown: Counter[str] = Counter()
        fates: Counter[str] = Counter()
        out_of_order = 0
        for crew in self.crews:
            await crew.type("tell")
        for crew in self.crews:
            told = json.loads(await crew.sees(lambda line: line.startswith("{"), within=60))
            promised += told["promised"]
            shown.update(dict(told["shown"]))
            fates.update(told["fates"])
            out_of_order += told["out_of_order"]
        lost = [text for text in promised if not shown[text]]
        doubled = [text for text, times in shown.items() if times > 1]
        print(
            f"{len(promised):,} messages: {dict(fates)}; lost {len(lost)}, doubled {len(doubled)}, late {out_of_order}"
        )
        for text in (*lost[:5], *doubled[:5]):
            print(f"  {text}")
        return not lost and not doubled and self._is_flat()

    def _is_flat(self) -> bool:
        third = max(len(self.rows) // 3, 1)
        early = tuple(
            map(max, *self.rows[:third], (0.0, 0.0, 0, 0))
        )  # a registry that has just begun holds little
        last = self.rows[-1]
        grown = [
            name
            for name, before, after in zip(("registry", "bots"), early, last, strict=False)
            if after > before * GROWTH + 8
        ]
        held = (
            last[2] > early[2] + 60 or last[3] > early[3] + 60
        )  # a crew that is stopped may be short of links
        print(f"flat: {not grown and not held} {grown}")
        return not grown and not held


async def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    asked.add_argument("--minutes", type=float, default=20.0)
    asked.add_argument("--bots", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    words = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        soak = Soak(stage, minutes=words.minutes, bots=words.bots, seed=words.seed)
        try:
            is_well = await soak.run()
        finally:
            complaints = stage.complaints()
            await stage.close()
    for line in complaints[:20]:
        print(line)
    return 0 if is_well and not complaints else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
