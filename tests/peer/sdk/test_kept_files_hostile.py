"""People who mean harm to a registry that keeps files, and what it answers (clause 6.23)."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from chatapp import Peer
from chatapp.peer.core.files.links import Chunk, GivingEnd, framed
from chatapp.registry.kept import disk
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.program.driver import MAINTENANCE_SPAN
from chatapp.registry.rules.admin_requests import AddBan
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.testing import Town
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import CHUNK_OVERHEAD, frame
from chatapp.wire.files import ChunkSeal, chunk_count, kept_id
from chatapp.wire.limits import CHUNK_SIZE, KEPT_LINK_IDLE_MAX, KEPT_LINKS_EACH
from chatapp.wire.messages.files import (
    AskChunk,
    AskPage,
    DropKept,
    FileKept,
    GivePage,
    KeeperNotice,
    KeeperRequest,
    KeepFile,
    KeptResult,
    NotServed,
    PageGiven,
    Unserved,
    WantChunk,
    WantPage,
)
from tests.support.nodes import node_of

CONTENT = os.urandom(CHUNK_SIZE + 9)
SEAL = ChunkSeal(bytes(32))
CHUNKS = [
    SEAL.seal(index, CONTENT[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
    for index in range(chunk_count(len(CONTENT)))
]
HASHES = b"".join(hashlib.sha256(chunk).digest() for chunk in CHUNKS)
PAGES = (hashlib.sha256(HASHES).digest(),)
KEEP = KeepFile(len(CONTENT), PAGES)
NAMED = kept_id(len(CONTENT), PAGES)


class Stranger:
    """A link for files, on which anything may be said (a `TcpLinkOwner`)."""

    def __init__(self, peer: Peer) -> None:
        core = node_of(peer).core
        self._first, opening = core.registry.session.open_file_link(
            now=asyncio.get_running_loop().time()
        )
        self._end = GivingEnd(opening)
        self._link: TcpLink | None = None
        self._opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.came: asyncio.Queue[KeeperNotice | bytes] = asyncio.Queue()

    async def open(self, town: Town, peer: Peer) -> "Stranger":
        """Connect, and wait for the answer or the end."""
        place = town._place_of(peer)
        await place.machine.connect(lambda: TcpLink(self), *node_of(peer).core.link_address)
        await asyncio.wait(
            [asyncio.ensure_future(one.wait()) for one in (self._opened, self.closed)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        return self

    @property
    def is_open(self) -> bool:
        return self._end.is_open and not self.closed.is_set()

    def say(self, request: KeeperRequest) -> None:
        assert self._link is not None
        self._link.write([self._end.request(request)])

    def give(self, place: int, sealed: bytes) -> None:
        assert self._link is not None
        self._link.write(framed(Chunk(place, sealed)))

    async def answer(self) -> KeeperNotice | bytes:
        async with asyncio.timeout(300.0):
            return await self.came.get()

    async def refused(self) -> bool:
        """Whether the registry ends the link."""
        async with asyncio.timeout(300.0):
            await self.closed.wait()
        return True

    async def give_all(self) -> KeeperNotice | bytes:
        """Give the file as one does, and return the last answer."""
        self.say(KEEP)
        while True:
            match answer := await self.answer():
                case WantPage(page=page):
                    self.say(GivePage(page, HASHES))
                case WantChunk(chunk=chunk):
                    self.give(chunk, CHUNKS[chunk])
                case _:
                    return answer

    def link_opened(self, link: TcpLink) -> None:
        self._link = link
        link.allow_full_frames(2 * CHUNK_SIZE)
        link.write([frame(self._first)])

    def link_frames(self, _: TcpLink, frames: list[bytes]) -> None:
        for received in frames:
            if received[0] == 12:  # a chunk
                self.came.put_nowait(received)
            elif (notice := self._end.receive(received)) is not None:
                self.came.put_nowait(notice)
            else:
                self._opened.set()

    def link_progressed(self, *_: object) -> None:
        pass

    def link_closed(self, *_: object) -> None:
        self.closed.set()


@pytest.fixture(name="town")
async def _town(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    policy = RegistryPolicy(kept_files_each=2_000_000, kept_files_total=8_000_000)
    registry = partial(Registry, rules=RuleSettings(policy=policy))
    monkeypatch.setattr("chatapp.testing.town.Registry", registry)
    async with Town() as town:
        yield town


def on_disk(town: Town) -> list[Path]:
    """Return what the registry keeps."""
    return sorted((town.registry.place.folder / "registry" / "5000" / "kept").iterdir())


async def test_what_is_given_is_fetched_by_those_who_know_its_name(town: Town) -> None:
    mallory, bob = await town.peer("mallory"), await town.peer("bob")
    link = await Stranger(mallory).open(town, mallory)
    assert await link.give_all() == FileKept(NAMED, KeptResult.KEPT)
    assert await link.give_all() == FileKept(NAMED, KeptResult.KEPT)  # at once
    reader = await Stranger(bob).open(town, bob)
    reader.say(AskPage(NAMED, 0))
    assert await reader.answer() == PageGiven(0, HASHES)
    reader.say(AskChunk(NAMED, 1))
    answer = await reader.answer()
    assert isinstance(answer, bytes) and answer[CHUNK_OVERHEAD - 16 :] == CHUNKS[1]
    guess = await Stranger(bob).open(town, bob)
    guess.say(AskPage(bytes(16), 0))
    assert await guess.answer() == NotServed(bytes(16), Unserved.UNKNOWN)


async def test_a_page_or_chunk_with_another_hash_ends_the_gift(town: Town) -> None:
    """Clause 6.23: "A page or chunk with another hash ends that with WRONG"."""
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    link.say(KEEP)
    assert await link.answer() == WantPage(0)
    link.say(GivePage(0, HASHES[::-1]))
    assert await link.answer() == FileKept(NAMED, KeptResult.WRONG)
    link.say(KEEP)
    assert await link.answer() == WantPage(0)
    link.say(GivePage(0, HASHES))
    assert await link.answer() == WantChunk(0)
    link.give(0, CHUNKS[0][::-1])
    assert await link.answer() == WantChunk(1)
    assert await link.answer() == FileKept(NAMED, KeptResult.WRONG)
    assert on_disk(town) == []
    assert await link.give_all() == FileKept(NAMED, KeptResult.KEPT)


@pytest.mark.parametrize("wrong", ["place", "twice", "longer", "shorter", "page", "unasked"])
async def test_what_was_not_asked_for_ends_the_link(town: Town, wrong: str) -> None:
    """Clause 6.23: "one that was not asked for, or has another length than its place asks for, ends the link"."""
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    if wrong == "unasked":
        link.give(0, CHUNKS[0])
    else:
        link.say(KEEP)
        link.say(GivePage(0 if wrong != "page" else 1, HASHES))
    match wrong:
        case "place":
            link.give(7, CHUNKS[0])
        case "twice":
            link.give(0, CHUNKS[0])
            link.give(0, CHUNKS[0])
        case "longer":
            link.give(1, CHUNKS[0])
        case "shorter":
            link.give(0, CHUNKS[1])
        case _:
            pass
    assert await link.refused() and on_disk(town) == []


async def test_an_offer_that_lies_about_its_pages_ends_the_link(town: Town) -> None:
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    link.say(KeepFile(1, PAGES * 2))
    assert await link.refused()


async def test_nobody_drops_what_another_has_given(town: Town) -> None:
    """Clause 6.23: "DropKept of others changes nothing"."""
    alice, mallory = await town.peer("alice"), await town.peer("mallory")
    giver = await Stranger(alice).open(town, alice)
    await giver.give_all()
    thief = await Stranger(mallory).open(town, mallory)
    thief.say(DropKept(NAMED))
    assert await thief.answer() == FileKept(NAMED, KeptResult.DROPPED)
    assert len(on_disk(town)) == 1
    giver.say(DropKept(NAMED))
    assert await giver.answer() == FileKept(NAMED, KeptResult.DROPPED)
    assert on_disk(town) == []


async def test_nobody_claims_a_name_for_another_content(town: Town) -> None:
    """The name follows from the pages, so who gives others gives another file."""
    alice, mallory = await town.peer("alice"), await town.peer("mallory")
    false = CHUNKS[0][::-1]
    hashes = hashlib.sha256(false).digest()
    thief = await Stranger(mallory).open(town, mallory)
    thief.say(KeepFile(CHUNK_SIZE, (hashlib.sha256(hashes).digest(),)))
    assert await thief.answer() == WantPage(0)
    thief.say(GivePage(0, hashes))
    assert await thief.answer() == WantChunk(0)
    thief.give(0, false)
    answer = await thief.answer()
    assert isinstance(answer, FileKept) and answer.file != NAMED
    giver = await Stranger(alice).open(town, alice)
    assert await giver.give_all() == FileKept(NAMED, KeptResult.KEPT)
    assert len(on_disk(town)) == 2


async def test_a_file_is_not_fetched_before_it_is_whole_and_nothing_stays_of_a_part(
    town: Town,
) -> None:
    mallory, bob = await town.peer("mallory"), await town.peer("bob")
    link = await Stranger(mallory).open(town, mallory)
    link.say(KEEP)
    assert await link.answer() == WantPage(0)
    link.say(GivePage(0, HASHES))
    assert await link.answer() == WantChunk(0)
    reader = await Stranger(bob).open(town, bob)
    reader.say(AskPage(NAMED, 0))
    assert await reader.answer() == NotServed(NAMED, Unserved.UNKNOWN)
    assert len(on_disk(town)) == 1
    await town.wait(KEPT_LINK_IDLE_MAX + 1.0)
    assert link.closed.is_set() and on_disk(town) == []


async def test_one_person_has_a_few_links(town: Town) -> None:
    mallory, bob = await town.peer("mallory"), await town.peer("bob")
    links = [await Stranger(mallory).open(town, mallory) for _ in range(KEPT_LINKS_EACH + 2)]
    await town.wait(1.0)
    assert sum(link.is_open for link in links) == KEPT_LINKS_EACH
    assert (await Stranger(bob).open(town, bob)).is_open


async def test_too_many_requests_end_the_link(town: Town) -> None:
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    for _ in range(40):
        link.say(AskPage(NAMED, 0))
    assert await link.refused()


async def test_a_place_that_a_file_does_not_have_ends_the_link(town: Town) -> None:
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    await link.give_all()
    link.say(AskChunk(NAMED, 2))
    assert await link.refused()
    assert len(on_disk(town)) == 1


async def test_a_full_disk_is_one_line_and_leaves_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk, "SPARED", 1 << 62)
    alice = await town.peer("alice")
    for _ in range(2):
        link = await Stranger(alice).open(town, alice)
        assert await link.give_all() == FileKept(NAMED, KeptResult.DISK_FULL)
    assert on_disk(town) == []
    said = [record.message for record in caplog.records if "kept files" in record.message]
    folder = town.registry.place.folder / "registry" / "5000" / "kept"
    assert said == [f"trouble with kept files: No space left on device ({folder})"]


async def test_a_kept_file_that_has_rotted_is_dropped(town: Town) -> None:
    alice, bob = await town.peer("alice"), await town.peer("bob")
    await (await Stranger(alice).open(town, alice)).give_all()
    (path,) = on_disk(town)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    reader = await Stranger(bob).open(town, bob)
    reader.say(AskChunk(NAMED, 1))
    assert await reader.answer() == NotServed(NAMED, Unserved.UNKNOWN)
    assert on_disk(town) == []


async def test_a_visitor_without_a_name_and_a_banned_person_are_not_let_in(town: Town) -> None:
    mallory = await town.peer("mallory")
    link = await Stranger(mallory).open(town, mallory)
    assert link.is_open
    running = town.registry._running
    assert running is not None
    await running.ask(AddBan("mallory"))
    await town.wait(MAINTENANCE_SPAN + 1.0)
    assert link.closed.is_set()
    assert running._driver is not None
    hub = running._driver._core.engine.hub
    assert hub.network_for_files(bytes(32), "10.0.0.9", now=town.now) is None
