"""A running registry over real loopback sockets: few tests, which wait for conditions and never
sleep."""

import asyncio
import contextlib
import random
import shutil
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chatapp.registry.program.app import ListeningPort, NodeParts, Registry, Unable
from chatapp.registry.program.texts import address_lines
from chatapp.registry.store.keystore import KEY_FILE
from chatapp.registry.store.protocol import KeptTable
from chatapp.registry.store.storage import TABLE, FolderStorage
from chatapp.wire.address import Address
from chatapp.wire.admission import make_register
from chatapp.wire.aio.lan import own_addresses
from chatapp.wire.codec import (
    FrameReader,
    Kind,
    decode_cookie,
    decode_notice,
    decode_row,
    decode_welcome,
    encode,
    encode_hello,
    frame,
)
from chatapp.wire.identity import Identity, make_card
from chatapp.wire.limits import LINK_FRAME_MAX, LINKS_WAITING_PER_ADDRESS
from chatapp.wire.messages.link import (
    Announcement,
    AnnouncementKind,
    Attach,
    PeerRequest,
    RegistryNotice,
)
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailSaved
from chatapp.wire.messages.registration import Hello
from chatapp.wire.messages.rooms import GroupGranted
from chatapp.wire.messages.table import Card, FetchTable, Presence, Row, TablePage
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.session import SessionTable
from chatapp.wire.storage import frame as record
from tests.support.ports import free_port

TIMEOUT = 60.0


class Client:
    """A peer, written by hand over sockets."""

    def __init__(self, port: int, name: str, host: str = "127.0.0.1") -> None:
        self.rng = random.Random(name)
        self.server = Address(host, port)
        self.name = name
        self.identity = Identity(self.rng.randbytes(32))
        self.udp = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        )
        self.udp.setblocking(False)
        self.udp.connect((host, port))
        self.frames = FrameReader()
        self.frames.largest = LINK_FRAME_MAX
        self.session: LinkSession

    async def exchange(self, data: bytes, kind: Kind) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.udp, data)
        while True:
            answer = await asyncio.wait_for(loop.sock_recv(self.udp, 2_048), TIMEOUT)
            if answer[0] == kind:
                return answer[1:]

    async def register(self) -> None:
        nonce = self.rng.randbytes(16)
        hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=1, nonce=nonce))
        cookie = decode_cookie(await self.exchange(hello, Kind.COOKIE))
        card = make_card(self.identity, name=self.name, mail=b"m" * 32, counter=1)
        register = make_register(
            self.identity,
            registry=cookie.card.identity,
            nonce=nonce,
            cookie=cookie.cookie,
            card=card,
        )
        welcome = await self.exchange(bytes((Kind.REGISTER,)) + encode(register), Kind.WELCOME)
        assert decode_welcome(welcome).host == self.server.host
        self.registry = cookie.card.identity
        self.sessions = SessionTable(self.identity, rng=self.rng, context_of=lambda _: nonce)

    async def first_frame(self) -> bytes:
        """Connect; return the first frame to send."""
        self.reader, self.writer = await asyncio.open_connection(*self.server)
        now = asyncio.get_running_loop().time()
        first, self.begun = self.sessions.open_link(self.registry, encode(Attach()), now=now)
        return frame(first)

    async def attach(self) -> list[RegistryNotice]:
        first = await self.first_frame()
        self.writer.write(first)
        await self.answered()
        return [await self.notice(), await self.notice()]

    async def answered(self) -> None:
        """Read the registry's first frame, which begins the session."""
        self.session = self.begun.answered(await self.frame())

    async def ask(self, request: PeerRequest) -> RegistryNotice:
        self.writer.write(frame(self.session.seal(encode(request))))
        return await self.notice()

    async def notice(self) -> RegistryNotice:
        return decode_notice(self.session.open(await self.frame()))

    async def frame(self) -> bytes:
        while (found := self.frames.next_frame()) is None:
            data = await asyncio.wait_for(self.reader.read(65_536), TIMEOUT)
            assert data, "the link ended"
            self.frames.feed(data)
        return found

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(65_536), TIMEOUT) == b""

    def close(self) -> None:
        self.udp.close()
        if hasattr(self, "writer"):
            self.writer.close()


class Running:
    """A registry on a free port, and the lines that it printed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.lines: list[str] = []
        self.registry = Registry(self.port, data, say=self.lines.append)
        self.clients: list[Client] = []

    def client(self, name: str, host: str = "127.0.0.1") -> Client:
        self.clients.append(Client(self.port, name, host))
        return self.clients[-1]

    async def stop(self) -> None:
        for client in self.clients:
            client.close()
        await self.registry.stop()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    await running.registry.start()
    yield running
    await running.stop()


async def test_it_says_where_it_is(running: Running) -> None:
    assert running.lines == [
        f"[Registry listening on UDP and TCP port {running.port}.]",
        f"[Registry key {running.registry.fingerprint}]",
        f"[Files in {running.data / 'registry' / str(running.port)}]",
        *address_lines(own_addresses(), running.port),
    ]


def test_people_on_this_machine_are_told_what_to_type_even_without_a_network() -> None:
    assert address_lines([], 5000) == [
        "[Others type: ChatApp -c <name> 127.0.0.1 5000 <client-port>]",
        "[A firewall must let UDP and TCP port 5000 through.]",
    ]


async def test_a_peer_registers_attaches_and_has_mail_saved(running: Running) -> None:
    ann = running.client("ann")
    await ann.register()
    granted, batch = await ann.attach()
    assert isinstance(granted, GroupGranted)
    assert batch == MailBatch([], more=False)
    letter = DepositMail(reference=1, recipient=ann.identity.public, number=1, letter=bytes(60_000))
    assert await ann.ask(letter) == MailSaved(1)
    handed = await ann.notice()
    assert isinstance(handed, MailBatch)
    assert handed.letters[0].letter == bytes(60_000)


async def test_a_long_letter_is_taken_from_who_has_proved_themselves(running: Running) -> None:
    alice = running.client("alice")
    await alice.register()
    first = await alice.first_frame()
    letter = DepositMail(1, alice.identity.public, 1, b"x" * 30_000)
    alice.writer.write(first)
    await alice.answered()
    alice.writer.write(frame(alice.session.seal(encode(letter))))
    while not isinstance(said := await alice.notice(), MailSaved):
        assert said is not None
    assert said.reference == 1


async def test_by_ipv6_too(running: Running) -> None:
    try:
        ann = running.client("ann", "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    await ann.register()
    assert len(await ann.attach()) == 2


async def test_strangers_are_cut_and_nobody_else_notices(running: Running) -> None:
    ann = running.client("ann")
    await ann.register()
    silent = [
        await asyncio.open_connection("127.0.0.1", running.port)
        for _ in range(LINKS_WAITING_PER_ADDRESS + 4)
    ]
    garbage_reader, garbage = await asyncio.open_connection("127.0.0.1", running.port)
    garbage.write(b"\xff" * 5_000)
    assert await asyncio.wait_for(garbage_reader.read(), TIMEOUT) == b""
    for data in (b"", b"\x07" * 100, b"\x01", bytes(1_200), bytes(1_500)):
        await asyncio.get_running_loop().sock_sendall(ann.udp, data)
    assert len(await ann.attach()) == 2
    for _, writer in [*silent, (garbage_reader, garbage)]:
        writer.close()


async def test_an_orderly_stop_ends_links_and_the_next_life_remembers(running: Running) -> None:
    ann = running.client("ann")
    await ann.register()
    await ann.attach()
    letter = DepositMail(reference=1, recipient=ann.identity.public, number=9, letter=b"sealed")
    assert await ann.ask(letter) == MailSaved(1)
    await ann.notice()
    await running.registry.stop()
    assert await ann.notice() == Announcement(AnnouncementKind.STOPPING, "", 0)
    assert await ann.ended()
    kept = running.registry.folder / TABLE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    again = Registry(running.port, running.data, say=running.lines.append)
    await again.start()
    assert again.fingerprint == running.registry.fingerprint
    back = running.client("ann")
    await back.register()
    batch = (await back.attach())[1]
    assert isinstance(batch, MailBatch)
    assert [one.number for one in batch.letters] == [9]
    back.close()
    await again.stop()
    running.registry = Registry(running.port, running.data, say=running.lines.append)


def row(name: str, version: int) -> msgspec.Raw:
    card = Card(name, name.encode().ljust(32), bytes(32), 1, bytes(64))
    return msgspec.Raw(encode(Row(card, "", 0, Presence.AWAY, 0, 0, version)))


KEPT = KeptTable(9, [row("ann", 7), row("bob", 9)], [(3, 5)])
ADDED = (12, [row("cem", 11), row("ann", 12)])


def kept_in(folder: Path) -> KeptTable | None:
    """Return the table with which the next run begins."""
    storage = FolderStorage(folder, rng=random.Random(1), now=lambda: 0.0, disk=None)
    store = storage.open()
    table = storage.load().loaded.table
    store.close()
    return table


def test_a_table_is_kept_with_what_has_changed_as_far_as_it_is_whole(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path, rng=random.Random(1), now=lambda: 0.0, disk=None)
    assert kept_in(tmp_path) is None
    assert not storage.add_to_table(*ADDED), "there is nothing to add it to"
    storage.keep_table(KEPT)
    assert kept_in(tmp_path) == KEPT == kept_in(tmp_path)
    whole = len((tmp_path / TABLE).read_bytes())
    assert storage.add_to_table(*ADDED)
    assert kept_in(tmp_path) == KeptTable(12, [row("bob", 9), *ADDED[1]], [(3, 5)])
    data = (tmp_path / TABLE).read_bytes()
    for size in range(len(data)):
        (tmp_path / TABLE).write_bytes(data[:size])
        assert kept_in(tmp_path) == (KEPT if size >= whole else None)
    (tmp_path / TABLE).write_bytes(record(b"\x91" * 5_000))
    assert kept_in(tmp_path) is None


def test_a_table_is_kept_anew_before_its_changes_take_much_more_than_it(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path, rng=random.Random(1), now=lambda: 0.0, disk=None)
    storage.keep_table(KEPT)
    while storage.add_to_table(*ADDED):
        pass
    assert 2**20 - 1_000 < (tmp_path / TABLE).stat().st_size < 2**20 + 1_000


async def test_a_registry_that_is_killed_leaves_the_table_as_it_was_told(running: Running) -> None:
    ann, bob = running.client("ann"), running.client("bob")
    for client in (ann, bob):
        await client.register()
        await client.attach()
    bob.close()
    page = await ann.ask(FetchTable(0))
    while isinstance(page, TablePage) and decode_row(page.rows[-1]).presence is not Presence.LOST:
        page = await ann.ask(FetchTable(0))
    copy = running.data / "copy"
    copy.mkdir()
    shutil.copy(running.registry.folder / TABLE, copy)
    table = kept_in(copy)
    assert table is not None and isinstance(page, TablePage)
    assert (table.version, table.rows) == (page.version, page.rows)


async def test_a_taken_port_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    port = free_port()
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as other:
            other.bind(("0.0.0.0", port))
            if kind == socket.SOCK_STREAM:
                other.listen()
            with pytest.raises(Unable, match=rf"^\[Port {port} is already in use\]\Z"):
                await Registry(port, tmp_path, say=print).start()
    assert not Registry(port, tmp_path, say=print).folder.exists()


async def test_a_port_stays_taken_while_drivers_serve_there_in_turn(tmp_path: Path) -> None:
    port = free_port()
    listening = ListeningPort(port)
    lines: list[str] = []
    names = ["ann", "bea"]
    for name in names:
        registry = Registry(
            port, tmp_path / name, say=lines.append, node=NodeParts(listening=listening)
        )
        await registry.start()
        client = Client(port, name)
        await client.register()
        await client.attach()
        await registry.stop()
        await asyncio.wait_for(client.reader.read(), TIMEOUT)  # the link has ended
        client.close()
        with pytest.raises(Unable, match=rf"^\[Port {port} is already in use\]\Z"):
            ListeningPort(port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), TIMEOUT) == b""  # nobody serves
    writer.close()
    listening.close()
    ListeningPort(port).close()
    assert sum("listening on" in line for line in lines) == 1


async def test_a_folder_in_use_is_named(running: Running) -> None:
    other = free_port()
    folder = running.data / "registry"
    (folder / str(other)).symlink_to(folder / str(running.port))
    with pytest.raises(Unable, match=r"^\[.*another registry is using this folder\]\Z"):
        await Registry(other, running.data, say=print).start()


async def test_a_broken_key_is_named(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "registry" / str(port)
    folder.mkdir(parents=True)
    (folder / KEY_FILE).write_bytes(b"no key")
    with pytest.raises(Unable, match=r"^\[.*identity\.key: holds no key"):
        await Registry(port, tmp_path, say=print).start()
    (folder / KEY_FILE).unlink()
    lines: list[str] = []
    registry = Registry(port, tmp_path, say=lines.append)
    await registry.start()
    await registry.stop()
    assert len(lines) == 3 + len(address_lines(own_addresses(), port))


async def test_damage_is_told_and_the_registry_runs(running: Running) -> None:
    ann = running.client("ann")
    await ann.register()
    await running.registry.stop()
    names = running.data / "registry" / str(running.port) / "names"
    content = bytearray(names.read_bytes())
    content[-1] ^= 1
    names.write_bytes(content)
    lines: list[str] = []
    again = Registry(running.port, running.data, say=lines.append)
    await again.start()
    await again.stop()
    assert len(lines) == 4 + len(address_lines(own_addresses(), running.port))
    assert "names" in lines[0]
    running.registry = Registry(running.port, running.data, say=lines.append)
