"""Finding registries by mDNS, between machines on one switch."""

import importlib.util
import re
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cast.lines import WELCOME, beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage, copy_folder
from tests.cast.terminal import Terminal
from tests.faults.routers import SwitchedLab, switched_lab_or_skip
from tests.faults.size import only_whole

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("zeroconf") is None, reason="needs zeroconf"
)

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
        terminal = await Terminal.open(
            home=home, environment=OPENLY, inside=self.lab.inside(machine)
        )
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


async def test_a_newcomer_finds_the_only_registry(
    stage: Stage, lab: SwitchedLab, newcomer: Newcomer
) -> None:
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
    await again.shows(", where you were last)")
    await again.shows(f"Server (a number, or address and port) [{addresses['two']} 5000]: ")


ANNOUNCE = """
import sys
from chatapp.wire.aio.lan import Announcer
announcer = Announcer(5000, sys.argv[1])
sys.stdin.read()
"""


async def key_of(registry: Program) -> str:
    """The fingerprint that a registry prints."""
    return (await registry.sees(re.compile(r"\[Registry key [0-9a-f ]+\]")))[14:-1]


async def stopped(registry: Program) -> None:
    """Stop a registry, which takes its announcement back."""
    await registry.stops()


async def met(newcomer: Newcomer, machine: str, *answers: tuple[str, str]) -> Terminal:
    """Start ChatApp on a machine and answer its questions."""
    terminal = await newcomer.start(machine)
    for question, answer in (*answers, ("Room to enter (may stay empty): ", "")):
        await terminal.shows(question)
        terminal.press(f"{answer}\r")
    return terminal


@only_whole
async def test_a_rogue_that_announces_the_known_key_gets_nobody(
    stage: Stage, lab: SwitchedLab, newcomer: Newcomer
) -> None:
    address, rogue_address = lab.machine("server"), lab.machine("rogue")
    lab.machine("alice")
    lab.machine("bob")
    server = await registry(stage, lab, "server", "--no-announce")
    key = await key_of(server)
    alice = await met(newcomer, "alice", ("Your name: ", "alice"), ("Server (", f"{address} 5000"))
    await alice.shows(WELCOME)
    alice.press("quit\r")
    assert await alice.ends() == 0
    await stopped(server)
    rogue = await registry(stage, lab, "rogue", "--no-announce")
    words = [*lab.inside("rogue"), sys.executable, "-c", ANNOUNCE, key.replace(" ", "")]
    await stage.run("announcer", words, home="rogue")
    await lab.hears_announcements("alice", 1)
    refused = (
        f"[This is not the server that was announced: the announced key is {key}, this server's is "
    )

    again = await newcomer.start("alice")
    await again.shows("Your name [alice]: ")
    again.press("\r")
    await again.shows(f"{rogue_address} 5000 ({key}, claims to be the server where you were last)")
    await again.shows(f"[{address} 5000]: ")
    again.press("1\r")
    await again.shows("Room to enter (may stay empty): ")
    again.press("\r")
    await again.shows(refused)
    assert await again.ends() == 1

    bob = await met(newcomer, "bob", ("Your name: ", "bob"), (f"[{rogue_address} 5000]: ", ""))
    await bob.shows(refused)
    assert await bob.ends() == 1
    await rogue.type(".table")
    await rogue.sees("[The table is empty.]")


@only_whole
async def test_the_true_registry_is_found_at_its_new_address(
    stage: Stage, lab: SwitchedLab, newcomer: Newcomer
) -> None:
    address, moved_address = lab.machine("server"), lab.machine("moved")
    lab.machine("alice")
    server = await registry(stage, lab, "server")
    key = await key_of(server)
    await lab.hears_announcements("alice", 1)
    alice = await met(newcomer, "alice", ("Your name: ", "alice"), (f"[{address} 5000]: ", ""))
    await alice.shows(WELCOME)
    await alice.shows(f"[First contact with this server; its key is {key}.]")
    alice.press("quit\r")
    assert await alice.ends() == 0
    await stopped(server)
    copy_folder(stage.folder / "server", stage.folder / "moved")
    await registry(stage, lab, "moved")
    await lab.hears_announcements("alice", 1)
    again = await met(
        newcomer,
        "alice",
        ("Your name [alice]: ", ""),
        (f"{moved_address} 5000 ({key}, claims to be the server where you were last)", "1"),
    )
    await again.shows(f"[This is the server that you know as {address}:5000.]")
    await again.shows(WELCOME)
    again.press("quit\r")
    assert await again.ends() == 0
    third = await met(
        newcomer, "alice", ("Your name [alice]: ", ""), (f"[{moved_address} 5000]: ", "")
    )
    await third.shows(WELCOME)
