"""The doctor on real networks, with each thing blocked: the line that names the trouble and its
cure."""

import signal
from collections.abc import Iterator

import pytest

from tests.cast.lines import BYE, WELCOME, beginning
from tests.cast.stage import CHATAPP, Stage
from tests.faults.namespaces import PORT, Town
from tests.faults.routers import RoutedLab, routed_lab_or_skip
from tests.faults.size import only_whole

BOTH_SILENT = "no answer. The server's machine is off or has another address, or a firewall drops"


@pytest.fixture
def lab() -> Iterator[RoutedLab]:
    with routed_lab_or_skip() as lab:
        yield lab


async def doctor(town: Town, name: str, *words: str) -> tuple[int, list[str]]:
    """Run `ChatApp doctor` on a machine; return its exit status and its lines."""
    command = [*town.lab.inside(name), *CHATAPP, "doctor", *words]
    program = await town.stage.run(f"doctor of {name}", command, home=name)
    return await program.ends(), program.shown()


def about(lines: list[str], title: str) -> str:
    """Return the line with this title."""
    (line,) = [line for line in lines if line.startswith(f"[{title}")]
    return line


@only_whole
async def test_each_way_to_the_server_blocked(stage: Stage, lab: RoutedLab) -> None:
    town = Town(lab, stage)
    lab.machine("alice")
    server = (town.server, str(PORT))
    status, lines = await doctor(town, "alice", *server)
    assert status == 1
    assert "nothing runs on that port there. Start the server (ChatApp -s 5000)" in about(
        lines, "UDP"
    )
    assert "nothing runs on that port there" in about(lines, "TCP")

    await town.registry()
    assert (await doctor(town, "alice", *server))[0] == 0

    lab.block(f"ipproto udp dport {PORT}")
    _, lines = await doctor(town, "alice", *server)
    assert "although TCP works: a firewall drops UDP. Let UDP port 5000 through" in about(
        lines, "UDP"
    )
    assert ": fine, " in about(lines, "TCP")

    lab.block(f"ipproto tcp dport {PORT}")
    _, lines = await doctor(town, "alice", *server)
    assert ": fine, " in about(lines, "UDP")
    assert "although UDP works: a firewall drops TCP. Let TCP port 5000 through" in about(
        lines, "TCP"
    )

    lab.block(f"ipproto udp dport {PORT}", f"ipproto tcp dport {PORT}")
    status, lines = await doctor(town, "alice", *server)
    assert BOTH_SILENT in about(lines, "UDP")
    assert BOTH_SILENT in about(lines, "TCP")
    assert lines[-1] == "[2 problems found.]"

    lab.block()
    lab.run("alice", "ip link set eth0 mtu 1200")
    _, lines = await doctor(town, "alice", *server)
    assert about(lines, "Packets") == (
        "[Packets: the path carries only 1,200 bytes: set the MTU of the tunnel or interface to 1,280 or more.]"
    )
    lab.run("alice", "ip link set eth0 down")
    _, lines = await doctor(town, "alice", *server)
    assert "this machine has no way to that address" in about(lines, "UDP")


@only_whole
async def test_each_way_to_a_person_blocked(stage: Stage, lab: RoutedLab) -> None:
    town = Town(lab, stage)
    await town.registry()
    addresses = {name: lab.machine(name) for name in ("alice", "bob")}
    alice, bob = await town.peers("alice", "bob")

    await alice.type("/doctor bob")
    await alice.sees("[Person: fine, bob is online.]")
    await alice.sees(beginning("[Direct path: fine, "))
    await alice.sees(beginning("[Path through the server: fine, "))
    await alice.sees("[All is well.]")

    lab.block(f"from {addresses['alice']} to {addresses['bob']} ipproto udp")
    await alice.type("/doctor bob")
    straight = (
        "[Direct path: bob does not answer directly: a firewall or a router between you drops UDP."
    )
    await alice.sees(beginning(straight))
    await alice.sees(beginning("[Path through the server: fine, "))

    lab.block()
    bob.signal(signal.SIGSTOP)
    await alice.type("/doctor bob")
    await alice.sees(beginning(straight))
    await alice.sees(beginning("[Path through the server: bob does not answer through the server:"))
    await bob.kill()
    await alice.sees("bob lost the connection.")
    await alice.type("/doctor bob")
    await alice.sees("[Person: bob is away: messages are saved and delivered on return.]")


async def test_without_the_server_a_person_is_still_examined(stage: Stage, lab: RoutedLab) -> None:
    town = Town(lab, stage)
    registry = await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    alice, _ = await town.peers("alice", "bob")
    await registry.kill()
    await alice.sees(beginning("[Server not responding]"))
    await alice.type("/doctor bob")
    await alice.sees(
        beginning(f"[UDP to the server ({town.server}:{PORT}): nothing runs on that port there.")
    )
    await alice.sees(beginning("[Direct path: fine, "))
    await alice.sees("[2 problems found.]")


async def test_with_ones_own_name_key_and_clock(stage: Stage, lab: RoutedLab) -> None:
    town = Town(lab, stage)
    registry = await town.registry()
    lab.machine("alice")
    alice = await town.peer("alice")
    await alice.sees(WELCOME)
    await alice.type("dereg alice", "/doctor")
    await alice.sees(BYE)
    await alice.sees("[All is well.]")
    await alice.quits()
    status, lines = await doctor(town, "alice")  # the server of the last start
    assert (status, lines[-1]) == (0, "[All is well.]")
    assert about(lines, "Your name") == "[Your name: fine, alice is registered.]"
    assert about(lines, "Clock") == "[Clock: fine.]"
    await registry.kill()
    other = [*lab.inside("registry"), *CHATAPP, "-s", str(PORT)]
    registry = await stage.run("another registry", other, home="another registry")
    await registry.sees(beginning("[Registry listening"))
    status, lines = await doctor(town, "alice")
    assert status == 1
    assert "not the key that you know. Somebody may sit between you" in about(
        lines, "Key of the server"
    )
