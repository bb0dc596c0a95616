"""Starting: invalid command lines, ports and names in use, an absent registry."""

import asyncio
import contextlib
import os
import re
import socket
import stat
import sys

import pytest

from chatapp.wire.aio.lan import own_addresses
from tests.cast.lines import BYE, EXITING, LOST, SILENT, WELCOME, WORKING, received, taken
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, PROMPT, Stage
from tests.support.ports import free_port

MISTAKES: list[tuple[list[str], list[str]]] = [
    ([], ["-s <port>", "-c <name> <server-ip> <server-port> <client-port>"]),
    (["-s", "80"], ["80", "1024-65535"]),
    (["-c", "alice", "no.such.host.invalid", "5000", "6000"], ["no.such.host.invalid"]),
    (["-c", "n" * 33, "127.0.0.1", "5000", "6000"], ["name", "n" * 33]),
]
"""Those of each kind; all of them: tests/cli/test_mistakes.py."""


@pytest.fixture(scope="module")
def is_forked() -> bool:
    """Each program begins as a user starts it."""
    return False


async def test_a_mistake_is_one_line_that_names_the_culprit_and_status_2(stage: Stage) -> None:
    async def make(typed: list[str], culprits: list[str]) -> None:
        program = await Program.start(
            "mistaken", [*CHATAPP, *typed], environment={"CHATAPP_HOME": str(stage.folder)}
        )
        try:
            assert await program.ends() == 2, (typed, str(program))
            assert len(program.complaints) == 1, (typed, program.complaint)
            assert all(culprit in program.complaint for culprit in culprits), (
                typed,
                program.complaint,
            )
            assert program.lines == []
        finally:
            await program.kill()

    await asyncio.gather(*(make(typed, culprits) for typed, culprits in MISTAKES))


async def test_the_registry_says_where_it_is_and_what_its_key_is(stage: Stage) -> None:
    registry = await stage.registry()
    await registry.sees(re.compile(r".*([0-9a-f]{4} ?){8,}.*"))
    where = await registry.sees(lambda line: str(stage.folder) in line)
    folder = re.search(r"/[^\]]*", where)
    assert folder is not None
    assert stat.S_IMODE(os.stat(folder[0]).st_mode) == 0o700
    await registry.sees(f"[A firewall must let UDP and TCP port {stage.port} through.]")
    hosts = own_addresses() or ["127.0.0.1"]
    assert [line.text for line in registry.lines[3:-1]] == [
        f"[Others type: ChatApp -c <name> {host} {stage.port} <client-port>]" for host in hosts
    ]


async def test_the_second_start_needs_only_the_name(stage: Stage) -> None:
    await stage.registry()
    words: list[list[str]] = [
        ["alice", "localhost", str(stage.port), "0"],
        ["alice"],
        ["alice", "localhost", str(stage.port)],
        ["alice", "--host", "localhost", "--port", str(stage.port)],
        ["Alice"],
    ]
    for given in words:
        alice = await stage.run("alice", [*CHATAPP, "-c", *given], home="alice", prompt=PROMPT)
        await alice.sees(WELCOME)
        await alice.quits()


async def test_a_new_name_is_remembered_in_place_of_the_old_one(stage: Stage) -> None:
    await stage.registry()
    (yan,) = await stage.welcome("yan")
    await yan.type("/nick yan2")
    await yan.sees("[You are yan2 now.]")
    await yan.quits()
    again = await stage.run("yan2", [*CHATAPP, "-c", "yan2"], home="yan", prompt=PROMPT)
    await again.sees(WELCOME)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
async def test_a_registry_whose_port_is_taken(stage: Stage, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("0.0.0.0", stage.port))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        registry = await stage.begin_registry()
        assert await registry.ends() == 1
    assert registry.shown() == [f"[Port {stage.port} is already in use]"]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has all of 127/8 and says what was asked"
)
async def test_a_registry_answers_from_whichever_of_its_addresses_was_asked(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.peer("alice", host="127.0.0.2"), await stage.peer("bob")
    for peer in (alice, bob):
        await peer.sees(WELCOME)
    for peer in (
        alice,
        bob,
    ):  # what is told to everybody comes from the address that each asked, too
        await peer.knows("alice", "bob")
    await bob.type("send alice hello", "dereg bob")
    await alice.sees("bob: hello")
    await alice.knows(away=["bob"])
    await alice.type("dereg alice")
    await alice.sees(BYE)


async def test_two_registries_on_one_port(stage: Stage) -> None:
    first = await stage.registry()
    second = await stage.begin_registry(home="another")
    assert await second.ends() == 1
    assert second.shown() == [f"[Port {stage.port} is already in use]"]
    await stage.welcome("alice")
    assert not first.has_ended


async def test_a_peer_whose_port_is_taken_registers_nothing(stage: Stage) -> None:
    registry = await stage.registry()
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", port))
        blocked = await stage.peer("bob", port=port)
        assert await blocked.ends() == 1
    assert blocked.shown() == [f"[Port {port} is already in use]"]
    impostor = await stage.peer("bob", home="elsewhere")  # the name is still free
    await impostor.sees(WELCOME)
    assert not registry.has_ended


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.1"])
async def test_the_server_by_name_and_by_both_kinds_of_address(stage: Stage, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    await stage.registry()
    alice, bob = await asyncio.gather(stage.peer("alice", host=host), stage.peer("bob"))
    await alice.sees(WELCOME)
    await bob.sees(WELCOME)
    if host != "::1":  # one that is reached by IPv6 only and one by IPv4 only have no straight way
        await alice.type("send bob hi")
        await alice.sees(received("bob"))
    await alice.quits()


async def test_a_taken_name_is_told_and_its_holder_is_undisturbed(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    impostor = await stage.peer("Alice", home="impostor")  # names differ by more than case
    assert await impostor.ends() == 1
    assert [line.casefold() for line in impostor.shown()[:1]] == [taken("alice").casefold()]
    assert "bring the folder peers/n-alice" in impostor.shown()[1]
    assert not list((stage.folder / "impostor" / "peers").iterdir()), (
        "a refused start leaves no keys"
    )
    await bob.type("send alice who are you")
    await alice.sees("bob: who are you")
    await alice.quits()

    late = await stage.peer("alice", home="impostor")  # nor is it free because she is away
    assert await late.ends() == 1
    await registry.kill()
    await stage.registry()
    later = await stage.peer("alice", home="impostor")  # nor because the registry was restarted
    assert await later.ends() == 1
    assert late.shown()[0] == later.shown()[0] == taken("alice")
    await stage.come("alice")


async def test_the_same_home_twice_where_the_first_program_offers_nothing(stage: Stage) -> None:
    await stage.registry()
    port = free_port()
    bot = await stage.run(
        "bot", [sys.executable, "-c", ALONE, "alice", str(stage.port), str(port)], home="alice"
    )
    await bot.sees("ready")
    twin = await stage.peer("alice")
    assert await twin.ends() == 1
    which = f"process {bot.pid}, UDP port {port}"
    own_program = (
        f"[Your own program ({which}) is running with this name: go on there, or end it first.]"
    )
    assert twin.shown() == [taken("alice"), own_program]
    (bob,) = await stage.welcome("bob")
    await bob.type("send alice still you?")
    await bot.sees("still you?")


ALONE = """
import asyncio, sys
from chatapp import Peer, events

async def main():
    name, server, port = sys.argv[1:]
    async with Peer(name, ("127.0.0.1", int(server)), port=int(port)) as me:
        print("ready", flush=True)
        async for event in me.events():
            if isinstance(event, events.Said):
                print(event.text, flush=True)

asyncio.run(main())
"""
"""A program that runs a peer and does not offer it to others."""


async def test_a_former_name_says_what_its_owner_is_called_now(stage: Stage) -> None:
    await stage.registry()
    (yan,) = await stage.welcome("yan")
    await yan.type("/nick yan2")
    await yan.sees("[You are yan2 now.]")
    former = await stage.peer("yan", home="yan", port=free_port())
    assert await former.ends() == 1
    assert former.shown() == [taken("yan"), "[You renamed yan to yan2: start as yan2.]"]
    await yan.type("/nick yan")
    await yan.sees("[You are yan now.]")
    await yan.quits()
    await stage.come("yan")


async def test_a_key_in_another_folder_of_this_machine_is_named(stage: Stage) -> None:
    await stage.registry()
    (alice,) = await stage.welcome("alice")
    await alice.quits()
    lost = await stage.peer("alice", "--data", str(stage.folder / "another"))
    assert await lost.ends() == 1
    home = stage.folder / "alice"
    assert lost.shown() == [
        taken("alice"),
        f"[Your key for it is in another folder: start with --data {home}]",
    ]


async def test_a_name_with_letters_of_other_alphabets(stage: Stage) -> None:
    await stage.registry()
    zoe, ivan = await stage.welcome("Zoë", "Иван")
    await zoe.type("send Иван привет")
    await ivan.sees("Zoë: привет")
    await zoe.sees(received("Иван"))


async def test_no_registry_and_no_table(stage: Stage) -> None:
    alice = await stage.peer("alice")
    assert await alice.ends() == 1
    assert alice.shown() == [SILENT, EXITING]
    assert alice.ended_at is not None
    assert alice.ended_at - alice.started_at > 2.4, "five tries"


async def test_no_registry_and_a_table_of_an_earlier_run(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.quits()
    await registry.kill()
    await bob.sees(LOST)
    alice = await stage.peer("alice")
    await alice.sees(WORKING)
    await alice.type("send bob back again")
    await alice.sees(received("bob"))
    await bob.sees("alice: back again")
    await stage.registry()
    await asyncio.gather(alice.sees(WELCOME), bob.sees("[Server is back.]"))
    await alice.stops()


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False
