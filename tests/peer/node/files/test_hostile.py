"""Strangers, and people who mean harm, at the port for files, and behind it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp import Peer, events
from chatapp.events import FileState, FileWay
from chatapp.peer.core.files.links import Chunk, FetchingEnd
from chatapp.peer.node.files.holder import SILENT_FOR
from chatapp.testing import Town
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import Kind, frame
from chatapp.wire.limits import (
    FILE_ASKED_MAX,
    FILE_LINK_IDLE_MAX,
    FILE_LINK_OPENS_WITHIN,
    FILE_LINKS_EACH,
    FILE_LINKS_MAX,
    FILE_STRANGERS_EACH,
    LINK_FIRST_FRAME_MAX,
)
from chatapp.wire.messages.files import AskChunk, AskPage, FileNotice, NotServed, Unserved
from tests.support.nodes import node_of

STRANGER = "10.9.9.9"


class Raw:
    """One end of a connection, of which nothing is expected."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.frames: list[bytes] = []
        self.is_over = False
        self._greeting = greeting
        self.link: TcpLink | None = None

    def make(self) -> TcpLink:
        return TcpLink(self)

    def send(self, data: bytes) -> None:
        assert self.link is not None
        self.link.write([data])

    def link_opened(self, link: TcpLink) -> None:
        self.link = link
        if self._greeting:
            self.send(self._greeting)

    def link_frames(self, _: TcpLink, frames: list[bytes]) -> None:
        self.frames += frames

    def link_progressed(self, *_: object) -> None:
        pass

    def link_closed(self, *_: object) -> None:
        self.is_over = True


class Scene:
    """Alice offers a file to Bob."""

    def __init__(self, town: Town, alice: Peer, bob: Peer, line: events.Said) -> None:
        self.town, self.alice, self.bob, self.line = town, alice, bob, line
        self.file = node_of(alice).files._book.find(1)
        assert self.file is not None

    @property
    def port(self) -> Address:
        node = node_of(self.alice)
        return Address(self.town._place_of(self.alice).host, node.driver.port)

    async def connect(self, greeting: bytes = b"", *, origin: str = STRANGER) -> Raw:
        raw = Raw(greeting)
        await self.town._network.connect(raw.make, origin, self.port)
        return raw

    def opening(self, by: Peer | None = None) -> tuple[bytes, FetchingEnd]:
        """Return the first frame of Bob, or of somebody else, on a link to Alice."""
        node = node_of(by or self.bob)
        contact = node.core.roster.contacts.by_name("alice")
        assert contact is not None
        first, opening = node.core.direct.open_link(contact, now=node.now())
        return frame(first), FetchingEnd(opening)

    async def opened(self, by: Peer | None = None) -> tuple[Raw, FetchingEnd]:
        """Return a link that Bob has opened, or somebody else."""
        first, end = self.opening(by)
        raw = await self.connect(first)
        await self.town.wait(1.0)
        assert end.receive(raw.frames.pop(0)) is None
        return raw, end

    async def answers(self, raw: Raw, end: FetchingEnd) -> list[FileNotice | Chunk | None]:
        await self.town.wait(1.0)
        frames, raw.frames = raw.frames, []
        return [end.receive(received) for received in frames]


async def scene(town: Town, folder: Path, *, size: int = 3_000_000) -> Scene:
    alice, bob = await town.peer("alice"), await town.peer("bob")
    plan = folder / "plan.pdf"
    plan.write_bytes(bytes(size))
    await alice.send_file("bob", plan)
    return Scene(town, alice, bob, await town.event(bob, events.Said))


async def is_served(scene: Scene) -> bool:
    """Whether Bob gets the file all the same."""
    transfer = await scene.bob.accept_file(scene.line)
    async with asyncio.timeout(300.0):
        return (await transfer.settled()).state is FileState.DONE


async def test_who_says_nothing_is_cut(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw = await here.connect()
        await town.wait(FILE_LINK_OPENS_WITHIN - 1.0)
        assert not raw.is_over
        await town.wait(2.0)
        assert raw.is_over


@pytest.mark.parametrize(
    "said",
    [
        frame(b"GET / HTTP/1.1"),
        frame(bytes((Kind.OPENING,))),
        frame(bytes((Kind.OPENING,)) + bytes(200)),
        frame(bytes((Kind.SEALED,)) + bytes(100)),
        frame(bytes((Kind.CHUNK,)) + bytes(100)),
        (LINK_FIRST_FRAME_MAX + 1).to_bytes(4, "big"),
        bytes(4),
        b"\xff" * 4,
    ],
)
async def test_who_proves_nothing_is_cut_at_once(tmp_path: Path, said: bytes) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw = await here.connect(said)
        await town.wait(1.0)
        assert raw.is_over and raw.frames == []
        assert await is_served(here)


async def test_one_person_takes_not_all_links(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        links = [await here.opened() for _ in range(FILE_LINKS_EACH)]
        first, _ = here.opening()
        one_more = await here.connect(first)
        await town.wait(1.0)
        assert one_more.is_over and one_more.frames == []
        assert not any(raw.is_over for raw, _ in links)


async def test_a_stranger_with_many_links_keeps_nobody_out(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        links = [await here.connect() for _ in range(20)]
        await town.wait(0.5)
        assert sum(not raw.is_over for raw in links) == FILE_STRANGERS_EACH
        assert await is_served(here)


async def test_strangers_at_many_hosts_keep_nobody_out(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        for host in range(3 * FILE_LINKS_MAX):
            await here.connect(origin=f"10.9.8.{host}")
        await town.wait(0.1)
        assert await is_served(here)


async def test_people_who_ask_for_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """They are in the table, so their links stay open for a minute."""
    async with Town() as town:
        here = await scene(town, tmp_path)
        others = [await town.peer(f"eve{number}") for number in range(4)]
        idle = [await here.opened(other) for other in FILE_LINKS_EACH * others]
        assert len(idle) == FILE_LINKS_MAX
        raw, end = idle[0]
        raw.send(end.request(AskPage(bytes(16), 0)))
        await town.wait(0.1)
        assert not any(raw.is_over for raw, _ in idle)
        assert await is_served(here)


async def test_those_who_fetch_keep_their_places(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw, end = await here.opened()
        raw.send(end.request(AskPage(_named(here), 0)))
        for host in range(3 * FILE_LINKS_MAX):
            await here.connect(origin=f"10.9.8.{host}")
        await town.wait(1.0)
        assert not raw.is_over


async def test_a_recorded_opening_opens_nothing(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        first, _ = here.opening()
        for answered in (1, 0):
            raw = await here.connect(first)
            await town.wait(1.0)
            assert len(raw.frames) == answered
            assert raw.is_over is not bool(answered)
        assert await is_served(here)


async def test_somebody_who_is_ignored_gets_nothing(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        await here.alice.trust.ignore("bob")
        raw = await here.connect(here.opening()[0])
        await town.wait(1.0)
        assert raw.is_over and raw.frames == []


async def test_who_knows_no_key_gets_no_file(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw, end = await here.opened()
        raw.send(end.request(AskPage(bytes(16), 0)))
        assert await here.answers(raw, end) == [NotServed(bytes(16), Unserved.UNKNOWN)]


def _named(scene: Scene) -> bytes:
    from chatapp.wire.files import file_id

    assert scene.file is not None
    return file_id(scene.file.key)


ASKED: list[Callable[[bytes, FetchingEnd], bytes]] = [
    lambda file, end: b"".join(end.request(AskChunk(file, 0)) for _ in range(FILE_ASKED_MAX + 1)),
    lambda file, end: end.request(AskPage(file, 0)) + end.request(AskPage(bytes(16), 0)),
    lambda file, end: end.request(AskPage(file, 0)) + frame(bytes((Kind.SEALED,)) + bytes(30)),
    lambda file, end: end.request(AskPage(file, 0)) + frame(bytes((Kind.RENEWAL,)) + bytes(64)),
]


@pytest.mark.parametrize("asked", ASKED)
async def test_who_breaks_the_rules_is_cut(
    tmp_path: Path, asked: Callable[[bytes, FetchingEnd], bytes]
) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw, end = await here.opened()
        raw.send(asked(_named(here), end))
        await town.wait(1.0)
        assert raw.is_over
        assert await is_served(here)


@pytest.mark.parametrize("request_", [AskChunk(bytes(16), 12), AskPage(bytes(16), 511)])
async def test_what_is_behind_the_end_is_not_given(
    tmp_path: Path, request_: AskChunk | AskPage
) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw, end = await here.opened()
        file = _named(here)
        asked = (
            AskChunk(file, request_.chunk)
            if isinstance(request_, AskChunk)
            else AskPage(file, request_.page)
        )
        raw.send(end.request(asked))
        (answer,) = await here.answers(raw, end)
        assert not isinstance(answer, Chunk)


async def test_who_asks_nothing_any_more_is_cut(tmp_path: Path) -> None:
    async with Town() as town:
        here = await scene(town, tmp_path)
        raw, _ = await here.opened()
        await town.wait(FILE_LINK_IDLE_MAX + 1.0)
        assert raw.is_over


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        frame(b"HTTP/1.1 200 OK"),
        frame(bytes((Kind.ANSWER,)) + bytes(100)),
        frame(bytes((Kind.CHUNK,)) + bytes(100)),
        b"\xff" * 8,
    ],
)
async def test_who_only_has_the_address_of_the_holder_gets_nothing_in(
    tmp_path: Path, greeting: bytes
) -> None:
    """Bob is not made to connect more and more often, and gets the file through a tunnel."""
    async with Town() as town:
        here = await scene(town, tmp_path, size=600_000)
        listener = town._network._listeners[here.port]
        others = list[Raw]()

        def somebody_else() -> TcpLink:
            others.append(Raw(greeting))
            return others[-1].make()

        listener.make_link = somebody_else
        await here.bob.accept_file(here.line)
        await town.wait(20 * SILENT_FOR)
        assert 1 <= len(others) <= 4
        (file,) = await here.bob.files()
        assert (file.state, file.ways) == (FileState.DONE, (FileWay.UDP,))


async def test_a_holder_who_sends_a_byte_now_and_then_is_left(tmp_path: Path) -> None:
    """The place among the files that are fetched at a time is another file's then."""
    async with Town() as town:
        here = await scene(town, tmp_path, size=600_000)
        listener, others = town._network._listeners[here.port], list[Raw]()

        def somebody_else() -> TcpLink:
            others.append(Raw((200).to_bytes(4, "big")))
            return others[-1].make()

        listener.make_link = somebody_else
        await here.bob.accept_file(here.line)
        await town.wait(1.0)
        for _ in range(6):
            await town.wait(SILENT_FOR / 2)
            if not others[0].is_over:
                others[0].send(b"\0")
        assert others[0].is_over
