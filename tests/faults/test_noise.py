"""Programs that come and go all the time while two people talk on terminals: no line about them on
their screens."""

import asyncio
from pathlib import Path
from typing import Final

from tests.cast.lines import RECEIVED, WELCOME
from tests.cast.stage import Stage
from tests.cast.terminal import Terminal
from tests.faults.conftest import Note
from tests.faults.size import dose

PROGRAMS: Final = dose(8, 200)
AT_ONCE: Final = 4


async def sit_down(stage: Stage, name: str, folder: Path) -> Terminal:
    """Seat somebody at a terminal."""
    words = ["-c", name, "127.0.0.1", str(stage.port), "0"]
    terminal = await Terminal.open(*words, home=folder / name)
    await terminal.shows(WELCOME)
    return terminal


async def come_and_go(stage: Stage, name: str) -> None:
    """One short-lived program: it registers, leaves and ends."""
    program = await stage.come(name)
    await program.quits()


async def test_not_one_line_about_programs_that_come_and_go(
    stage: Stage, tmp_path: Path, figure: Note
) -> None:
    await stage.registry()
    alice = await sit_down(stage, "alice", tmp_path)
    bob = await sit_down(stage, "bob", tmp_path)
    try:
        for at in range(0, PROGRAMS, AT_ONCE):
            names = [f"brief{number}" for number in range(at, min(at + AT_ONCE, PROGRAMS))]
            await asyncio.gather(*(come_and_go(stage, name) for name in names))
            alice.press(f"send bob line {at} of alice\r")
            await bob.shows(f"alice: line {at} of alice")
            bob.press(f"send alice line {at} of bob\r")
            await alice.shows(f"bob: line {at} of bob")
        await alice.shows("online")
        for terminal in (alice, bob):
            assert "brief" not in terminal.text
        own = alice.text.count(RECEIVED)
        assert own >= PROGRAMS // AT_ONCE
    finally:
        await alice.clear_away()
        await bob.clear_away()
    figure(
        "programs that come and go while two people talk on terminals",
        f"{PROGRAMS} programs, no line about them",
        "not one line on either screen",
    )
