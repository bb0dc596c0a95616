"""Files between people of whom nothing gets to the other but through the registry (clause 6.22)."""

import os
from pathlib import Path

import pytest

from chatapp import Peer, events
from chatapp.events import FileState, FileTrouble, FileWay
from chatapp.peer.node.files.tunnels import Tunnels
from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.file_relay import FileRelay
from chatapp.testing import Town
from chatapp.wire.limits import CHUNK_SIZE
from chatapp.wire.messages.direct import TunnelPiece
from tests.peer.sdk.test_files import is_plan, offered, settled
from tests.support.nodes import node_of

CONTENT = os.urandom(4 * CHUNK_SIZE + 5)


@pytest.fixture(name="plan")
def _plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.peer.sdk.test_files.CONTENT", CONTENT)
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


async def apart(town: Town, plan: Path) -> tuple[Peer, Peer, events.Said]:
    """Return two people between whom nothing gets through, and an offer to the second."""
    alice, bob = await town.peer("alice"), await town.peer("bob")
    town.partition(alice, bob)
    await alice.send_file("bob", plan)
    return alice, bob, await offered(town, bob)


async def test_a_file_comes_through_the_registry_while_people_talk(plan: Path) -> None:
    async with Town() as town:
        alice, bob, line = await apart(town, plan)
        await bob.accept_file(line)
        while not (await town.event(bob, events.FileChanged, within=100.0)).file.done:
            pass
        begun = town.now
        for number in range(5):
            await (await alice.send("bob", f"line {number}")).settled()
        assert town.now - begun < 5 * 4.0
        got = await settled(town, bob)
        assert is_plan(got) and got.ways == (FileWay.SERVER,)
        trace = await bob.past.why(line.id)
        assert trace is not None and trace.file is not None
        assert trace.file.ways == (FileWay.SERVER,)


async def test_what_it_does_not_pass_on_waits_until_both_can_reach_each_other(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(directory: Directory, connections: Connections, *, hourly: int) -> FileRelay:
        assert hourly
        return FileRelay(directory, connections, hourly=0)

    monkeypatch.setattr("chatapp.registry.rules.hub.FileRelay", off)
    async with Town() as town:
        _, bob, line = await apart(town, plan)
        await bob.accept_file(line)
        await town.wait(100.0)
        (file,) = await bob.files()
        assert (file.state, file.trouble) == (FileState.WAITING, FileTrouble.NOT_RELAYED)
        town.heal()
        got = await settled(town, bob)
        assert is_plan(got) and got.ways == (FileWay.TCP,)


async def test_nobody_gets_into_the_tunnel_of_another_way(plan: Path) -> None:
    """Clause 6.22: "Frames of a tunnel count by the way alone by which its first piece came"."""
    async with Town() as town:
        alice, bob, line = await apart(town, plan)
        await bob.accept_file(line)
        while not (await town.event(bob, events.FileChanged, within=100.0)).file.done:
            pass
        (transport,) = node_of(alice).files.tunnels._open.values()
        tunnels: Tunnels = node_of(alice).files.tunnels
        identity, tunnel = transport._identity, transport._tunnel
        before = tunnel._next_wanted
        piece = TunnelPiece(tunnel.number, True, before, b"x" * 100)
        tunnels.frame_came(identity, piece, through_server=False)
        tunnels.read()
        assert tunnel._next_wanted == before
        assert is_plan(await settled(town, bob))
