"""This file is about floods of datagrams: real people come in meanwhile, memory stays, and no more goes out than came in."""

import json
import sys
import time

import pytest

from tests.endtoend.lines import SILENT, WELCOME, arrived
from tests.faults.conftest import Note
from tests.faults.machine import MIB, memory_of
from tests.faults.size import bar, dose
from tests.support.stage import Stage, knows

SECONDS = dose(2.0, 10.0)
MEMORY = 50 * MIB
IN_WITHIN = bar(10.0)
"""Seconds after which `make faults` fails. The bar is 1 s for the registration, besides the program's start; the figure is
to be held against that, on a machine that has nothing else to do."""


@pytest.mark.parametrize(
    ("kind", "rate", "proves_itself"),
    [
        ("garbage", dose(5_000, 50_000), False),
        ("hello", dose(1_000, 5_000), False),
        ("forged", dose(500, 2_000), True),
        ("signed", dose(500, 2_000), True),
    ],
)
async def test_a_flood(stage: Stage, figure: Note, kind: str, rate: int, proves_itself: bool) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    before = memory_of(registry.pid)
    flood = await stage.run(
        "flooder",
        [sys.executable, "-m", "tests.faults.flooder", str(stage.port), kind, str(rate), str(SECONDS)],
        home="flooder",
    )
    await flood.sees("ready")
    took: list[float] = []
    while not flood.has_ended and len(took) < dose(2, 6):
        begun = time.monotonic()
        await come_in(stage, f"newcomer{len(took)}")
        took.append(time.monotonic() - begun)
        await alice.type(f"send bob {len(took)}")
        await bob.sees(f"alice: {len(took)}")
        await alice.sees(arrived("bob"))
    assert await flood.ends() == 0
    told = json.loads(flood.shown()[-1])
    grown = memory_of(registry.pid) - before
    figure(
        f"{kind} datagrams, {told['sent'] / SECONDS:,.0f} a second for {SECONDS:.0f} s",
        f"{told['in']:,} bytes out for {told['out']:,} in (at most {told['worst']:.2f} for one address); "
        f"newcomers started and in within {max(took):.2f} s; memory + {grown / MIB:.1f} MiB",
        "out <= in; registration < 1 s; <= 50 MiB",
    )
    assert proves_itself or told["worst"] <= 1.0, "I7"
    assert grown <= MEMORY
    assert max(took) < IN_WITHIN
    await knows(bob, "alice", "newcomer0")


async def come_in(stage: Stage, name: str) -> None:
    """Start a program until it is in, as its user would; the time that is taken has all starts in it."""
    newcomer = await stage.peer(name)
    while await newcomer.sees(lambda line: line in (WELCOME, SILENT)) == SILENT:
        await newcomer.ends()
        newcomer = await stage.peer(name)
