"""Finding registries by mDNS, between machines on one switch."""

import importlib.util
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.endtoend.lines import WELCOME, beginning
from tests.endtoend.terminal import Terminal
from tests.faults.routers import SwitchedLab, switched_lab_or_skip
from tests.support.program import Program
from tests.support.stage import CHATAPP, Stage

pytestmark = pytest.mark.skipif(importlib.util.find_spec("zeroconf") is None, reason="needs zeroconf")

OPENLY = {"CHATAPP_ANNOUNCE": "true", "CHATAPP_DISCOVER": "true"}


@pytest.fixture
def lab() -> Iterator[SwitchedLab]:
    with switched_lab_or_skip() as lab:
        yield lab


class Newcomer:
    """Somebody who types ChatApp, and nothing else, on a machine of the lab."""

    def __init__(self, stage: Stage, lab: SwitchedLab) -> None:
        self.stage, self.lab = stage, lab
        self.terminals: list[Terminal] = []

    async def start(self, machine: str) -> Terminal:
        home = self.stage.folder / machine
        terminal = await Terminal.open(home=home, environment=OPENLY, inside=self.lab.inside(machine))
        self.terminals.append(terminal)
        return terminal


@pytest.fixture
async def newcomer(stage: Stage, lab: SwitchedLab) -> AsyncIterator[Newcomer]:
    newcomer = Newcomer(stage, lab)
    yield newcomer
    for terminal in newcomer.terminals:
        await terminal.clear_away()


async def registry(stage: Stage, lab: SwitchedLab, name: str, *options: str) -> Program:
    words = [*lab.inside(name), *CHATAPP, "-s", "5000", *options]
    program = await stage.run(name, words, home=name, environment=OPENLY)
    await program.sees(beginning("[Registry listening"))
    return program


async def test_a_newcomer_finds_the_only_registry(stage: Stage, lab: SwitchedLab, newcomer: Newcomer) -> None:
    address = lab.machine("server")
    lab.machine("quiet")
    lab.machine("alice")
    await registry(stage, lab, "server")
    await registry(stage, lab, "quiet", "--no-announce")
    await lab.hears_announcements("alice", 1)
    alice = await newcomer.start("alice")
    await alice.shows("Your name: ")
    alice.press("alice\r")
    await alice.shows("Servers on this network:")
    await alice.shows(f"Server (a number, or address and port) [{address} 5000]: ")
    alice.press("\r")
    await alice.shows("Room to enter (may stay empty): ")
    alice.press("\r")
    await alice.shows(WELCOME)
    assert "  2  " not in alice.text, "the other one does not announce itself"


async def test_of_two_registries_the_known_one_is_offered(
    stage: Stage, lab: SwitchedLab, newcomer: Newcomer
) -> None:
    addresses = {name: lab.machine(name) for name in ("one", "two", "alice")}
    await registry(stage, lab, "one")
    await registry(stage, lab, "two")
    await lab.hears_announcements("alice", 2)
    alice = await newcomer.start("alice")
    await alice.shows("Your name: ")
    alice.press("alice\r")
    await alice.shows("Server (a number, or address and port): ")
    alice.press(f"{addresses['two']} 5000\r")
    await alice.shows("Room to enter (may stay empty): ")
    alice.press("\r")
    await alice.shows(WELCOME)
    alice.press("quit\r")
    assert await alice.ends() == 0
    again = await newcomer.start("alice")
    await again.shows("Your name [alice]: ")
    again.press("\r")
    await again.shows(", known to you)")
    await again.shows(f"Server (a number, or address and port) [{addresses['two']} 5000]: ")
