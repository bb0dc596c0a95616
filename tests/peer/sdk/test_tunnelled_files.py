"""Files between machines of which none takes TCP connections: they come through tunnels."""

import asyncio
import os
from pathlib import Path

import pytest

from chatapp import Peer, room
from chatapp.events import FileState, FileWay
from chatapp.peer.core.contacts import Contact
from chatapp.peer.node.files.tunnels import CONNECTS_WITHIN
from chatapp.testing import Town
from chatapp.wire.address import Address
from chatapp.wire.aio.machine import MakeLink
from chatapp.wire.limits import CHUNK_SIZE, FILE_LINKS_MAX
from chatapp.wire.messages.direct import (
    TunnelAck,
    TunnelEnd,
    TunnelFrame,
    TunnelPiece,
    encode_frame,
)
from tests.peer.sdk.test_files import is_plan, offered, settled, under_way
from tests.support.nodes import node_of

CONTENT = os.urandom(10 * CHUNK_SIZE + 5)


@pytest.fixture(name="plan")
def _plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.peer.sdk.test_files.CONTENT", CONTENT)
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


class Firewall:
    """Lets no TCP connection to a peer through."""

    def __init__(self, town: Town, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool) -> None:
        self.tries = 0
        connect = town._network.connect

        async def refused(make_link: MakeLink, origin: str, to: Address) -> None:
            if to.host in {place.host for place in town._peers.values()}:
                self.tries += 1
                await asyncio.sleep(600.0 if is_silent else 0.0)
                raise ConnectionRefusedError
            await connect(make_link, origin, to)

        monkeypatch.setattr(town._network, "connect", refused)


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_file_comes_without_tcp(
    plan: Path, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        firewall = Firewall(town, monkeypatch, is_silent=is_silent)
        await alice.send_file("bob", plan)
        begun = town.now
        got = await (await bob.accept_file(await offered(town, bob))).settled()
        assert is_plan(got) and got.ways == (FileWay.UDP,)
        assert firewall.tries == 1
        assert town.now - begun < CONNECTS_WITHIN + 30.0


@pytest.mark.parametrize("seed", range(3))
async def test_loss_delay_and_repeats_do_not_change_it(
    plan: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async with Town(seed) as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        Firewall(town, monkeypatch, is_silent=False)
        town.lose(0.05)
        town.delay(0.005, 0.05)
        await alice.send_file("bob", plan)
        got = await (await bob.accept_file(await offered(town, bob))).settled()
        assert is_plan(got)


@pytest.mark.parametrize("killed", ["alice", "bob"])
async def test_it_goes_on_when_one_is_killed(
    plan: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        Firewall(town, monkeypatch, is_silent=False)
        town.delay(0.1)
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        before = (await under_way(town, bob)).done
        victim = alice if killed == "alice" else bob
        await town.kill(victim)
        await town.wait(100.0)
        await town.restart(victim)
        assert (await under_way(town, bob)).done >= before
        assert is_plan(await settled(town, bob))


async def test_messages_arrive_while_a_file_comes(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        Firewall(town, monkeypatch, is_silent=False)
        town.delay(0.02)
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        await under_way(town, bob)
        begun = town.now
        for number in range(20):
            await (await alice.send("bob", f"line {number}")).settled()
        assert town.now - begun < 20 * 0.5
        assert is_plan(await settled(town, bob))


async def test_who_serves_nothing_says_so_at_once(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        node_of(alice).files._serving.close()
        begun = town.now
        await bob.accept_file(line)
        await town.wait(2.0)
        assert node_of(bob).files.tunnels._open == {}
        assert town.now - begun < 3.0
        assert [file.state for file in await bob.files()] == [FileState.WAITING]


# --- people who mean harm


async def tunnelled(town: Town, to: Peer, by: Peer, frames: list[TunnelFrame]) -> None:
    """Send frames by hand."""
    node = node_of(by)
    contact = node.core.roster.contacts.by_name(node_of(to).name)
    assert contact is not None
    for frame in frames:
        node.core.direct.send_encoded(contact, [encode_frame(frame)], now=node.now())
    node.schedule()
    await town.wait(1.0)


async def test_nobody_opens_many_tunnels(plan: Path) -> None:
    async with Town() as town:
        alice, bob, mallory = [await town.peer(name) for name in ("alice", "bob", "mallory")]
        await alice.send_file("bob", plan)
        tunnels = node_of(alice).files.tunnels
        first: list[TunnelFrame] = [TunnelPiece(n, True, 0, b"\\0") for n in range(100)]
        await tunnelled(town, alice, mallory, first)
        assert len(tunnels._open) <= FILE_LINKS_MAX
        await town.wait(10.0)
        assert tunnels._open == {}  # none has shown who they are
        assert is_plan(await (await bob.accept_file(await offered(town, bob))).settled())


async def test_stray_frames_open_nothing(plan: Path) -> None:
    async with Town() as town:
        alice, bob, mallory = [await town.peer(name) for name in ("alice", "bob", "mallory")]
        await alice.send_file("bob", plan)
        stray: list[TunnelFrame] = [
            TunnelPiece(1, True, 5, b"x"),
            TunnelPiece(1, False, 0, b"x"),
            TunnelAck(1, True, 9, 9, [1]),
            TunnelAck(1, False, 9, 9, [1]),
            TunnelEnd(1, True),
            TunnelEnd(1, False),
        ]
        await tunnelled(town, alice, mallory, stray)
        assert node_of(alice).files.tunnels._open == {}
        assert is_plan(await (await bob.accept_file(await offered(town, bob))).settled())


async def test_who_is_ignored_opens_nothing(plan: Path) -> None:
    async with Town() as town:
        alice, mallory = await town.peer("alice"), await town.peer("mallory")
        await alice.send_file("mallory", plan)
        await alice.trust.ignore("mallory")
        await tunnelled(town, alice, mallory, [TunnelPiece(1, True, 0, b"x")])
        assert node_of(alice).files.tunnels._open == {}


async def test_another_person_ends_no_tunnel(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mallory knows the number of a tunnel between two others."""
    async with Town() as town:
        alice, bob, mallory = [await town.peer(name) for name in ("alice", "bob", "mallory")]
        Firewall(town, monkeypatch, is_silent=False)
        tunnels, opened = node_of(bob).files.tunnels, list[str]()
        open_tunnel = tunnels.open

        def counted(contact: Contact, make_link: MakeLink, way: FileWay) -> None:
            opened.append(contact.name)
            open_tunnel(contact, make_link, way)

        monkeypatch.setattr(tunnels, "open", counted)
        town.delay(0.3)
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        await under_way(town, bob)
        ((_, number, _),) = tunnels._open
        ends: list[TunnelFrame] = [TunnelEnd(number, True), TunnelEnd(number, False)]
        for to in (alice, bob):
            await tunnelled(town, to, mallory, ends)
        assert is_plan(await settled(town, bob))
        assert opened == ["alice"]  # the first tunnel has brought all


async def test_a_room_without_tcp_gives_to_each_other(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, *others = [await town.peer(name, rooms="lab") for name in ("alice", "bob", "carol")]
        Firewall(town, monkeypatch, is_silent=False)
        await alice.send_file(room("lab"), plan)
        for peer in others:
            await peer.accept_file(await offered(town, peer))
        assert all([is_plan(await settled(town, peer)) for peer in others])
