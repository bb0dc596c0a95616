"""A file in a room, which those who fetch it give to each other, and people who mean harm among them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp import Peer, events, room
from chatapp.events import FileState, FileTrouble
from chatapp.peer.core.files.fetching import WINDOW
from chatapp.peer.core.files.holders import WRONG_MAX
from chatapp.peer.core.files.links import Chunk, FetchingEnd
from chatapp.peer.node.files.serving import ServedLink
from chatapp.testing import Town
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import frame
from chatapp.wire.files import file_id
from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.files import (
    AskChunk,
    AskHave,
    AskPage,
    FileNotice,
    FileRequest,
    Have,
    NotServed,
    Unserved,
)
from tests.peer.sdk.test_files import is_plan, offered, settled, under_way, write
from tests.support.nodes import node_of

CONTENT = os.urandom(40 * CHUNK_SIZE + 5)
CLAIM = b"\xff" * (PAGE_CHUNKS // 8)


@pytest.fixture(name="plan")
def _plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.peer.sdk.test_files.CONTENT", CONTENT)
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


async def in_lab(town: Town, *names: str) -> list[Peer]:
    return [await town.peer(name, rooms="lab") for name in names]


class Given:
    """The chunks that each person gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by: dict[str, int] = {}
        send = ServedLink._send

        def counting(link: ServedLink, answer: FileNotice | Chunk) -> None:
            if isinstance(answer, Chunk):
                name = link._serving.node.core.me.name
                self.by[name] = self.by.get(name, 0) + 1
            send(link, answer)

        monkeypatch.setattr(ServedLink, "_send", counting)


@pytest.fixture(name="given")
def _given(monkeypatch: pytest.MonkeyPatch) -> Given:
    return Given(monkeypatch)


async def accept_all(town: Town, peers: list[Peer]) -> list[events.Said]:
    lines = [await offered(town, peer) for peer in peers]
    for peer, line in zip(peers, lines, strict=True):
        await peer.accept_file(line)
    return lines


async def all_have_it(town: Town, peers: list[Peer]) -> bool:
    return all([is_plan(await settled(town, peer)) for peer in peers])


async def test_who_fetches_gives_to_the_others(
    plan: Path, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.files.serving.FILE_LINKS_MAX", 2)
    async with Town() as town:
        alice, *others = await in_lab(town, "alice", "bob", "carol", "dave", "erin")
        town.delay(0.3, 0.6)
        await alice.send_file(room("lab"), plan)
        await accept_all(town, others)
        assert await all_have_it(town, others)
        assert given.by["alice"] <= 3 * 41  # of 4 times 41
        assert sum(given.by.values()) - given.by["alice"] >= 41


async def test_it_comes_from_those_who_have_it_when_its_origin_is_gone(plan: Path) -> None:
    async with Town() as town:
        alice, bob, carol = await in_lab(town, "alice", "bob", "carol")
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [bob])
        assert await all_have_it(town, [bob])
        await town.kill(alice)
        await town.restart(bob)
        await accept_all(town, [carol])
        assert await all_have_it(town, [carol])


@pytest.mark.parametrize("seed", range(4))
async def test_all_get_it_though_its_origin_is_killed_half_way(plan: Path, seed: int) -> None:
    async with Town(seed) as town:
        alice, *others = await in_lab(town, "alice", "bob", "carol", "dave")
        town.delay(0.1, 0.3)
        town.lose(0.02)
        await alice.send_file(room("lab"), plan)
        await accept_all(town, others)
        files = [node_of(peer).files for peer in others]
        while True:
            await town.wait(0.2)
            fetches = [fetching.fetch for one in files for fetching, _ in one._fetches.values()]
            if all(any(fetch.has(chunk) for fetch in fetches) for chunk in range(41)):
                break
        await town.kill(alice)
        assert await all_have_it(town, others)


async def test_a_partition_half_way_keeps_nobody_from_it(plan: Path) -> None:
    async with Town() as town:
        alice, *others = await in_lab(town, "alice", "bob", "carol", "dave")
        town.delay(0.1, 0.3)
        await alice.send_file(room("lab"), plan)
        await accept_all(town, others)
        bob, *_ = others
        await under_way(town, bob)
        town.partition(alice, bob)
        assert await all_have_it(town, others)


async def test_one_who_has_left_the_room_gives_and_gets_nothing(plan: Path) -> None:
    async with Town() as town:
        alice, bob, carol = await in_lab(town, "alice", "bob", "carol")
        await alice.send_file(room("lab"), plan)
        (line,) = await accept_all(town, [bob])
        assert await all_have_it(town, [bob])
        late = await offered(town, carol)
        await town.kill(alice)
        carol.leave_room("lab")
        await town.wait(5.0)
        link = await Stranger.opened(town, carol, bob)
        key = _key_of(bob, line)
        assert await link.ask(AskHave(file_id(key), 0)) == NotServed(file_id(key), Unserved.UNKNOWN)
        await carol.accept_file(late)
        await town.wait(300.0)
        assert [file.state for file in await carol.files()] == [FileState.WAITING]


async def test_what_was_given_by_one_person_is_given_on_to_nobody(plan: Path) -> None:
    async with Town() as town:
        alice, bob, carol = await in_lab(town, "alice", "bob", "carol")
        await alice.send_file("bob", plan)
        (line,) = await accept_all(town, [bob])
        assert await all_have_it(town, [bob])
        assert node_of(bob).driver.port not in {at.port for at in town._network._listeners}
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [bob])
        assert await all_have_it(town, [bob])  # now the port is open
        link = await Stranger.opened(town, carol, bob)
        named = file_id(_key_of(bob, line))
        assert await link.ask(AskPage(named, 0)) == NotServed(named, Unserved.UNKNOWN)


async def test_what_its_user_has_changed_is_not_given_on(plan: Path) -> None:
    async with Town() as town:
        alice, bob, carol = await in_lab(town, "alice", "bob", "carol")
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [bob])
        got = await settled(town, bob)
        write(Path(got.path), CONTENT[::-1])
        await accept_all(town, [carol])
        assert await all_have_it(town, [carol])
        holders = [file for file in node_of(carol).files._book if file.state is FileState.DONE]
        assert len(holders) == 1


# --- people who mean harm


def _key_of(peer: Peer, line: events.Said) -> bytes:
    file = node_of(peer).files._book.find(line.id)
    assert file is not None and file.key
    return file.key


class Stranger:
    """A link that one person has opened to another by hand."""

    def __init__(self, town: Town, end: FetchingEnd) -> None:
        self._town = town
        self._end = end
        self._link: TcpLink | None = None
        self._came: list[bytes] = []
        self.is_over = False

    @classmethod
    async def opened(cls, town: Town, who: Peer, to: Peer) -> "Stranger":
        node = node_of(who)
        contact = node.core.roster.contacts.by_name(node_of(to).name)
        assert contact is not None
        first, opening = node.core.direct.open_link(contact, now=node.now())
        found = cls(town, FetchingEnd(opening))
        host = town._place_of(who).host
        await town._network.connect(lambda: TcpLink(found), host, contact.address)
        assert found._link is not None
        found._link.write([frame(first)])
        await town.wait(1.0)
        assert found._end.receive(found._came.pop(0)) is None
        return found

    async def ask(self, request: FileRequest) -> FileNotice | Chunk | None:
        assert self._link is not None
        self._link.write([self._end.request(request)])
        await self._town.wait(1.0)
        return self._end.receive(self._came.pop(0))

    def link_opened(self, link: TcpLink) -> None:
        self._link = link

    def link_frames(self, _: TcpLink, frames: list[bytes]) -> None:
        self._came += frames

    def link_progressed(self, *_: object) -> None:
        pass

    def link_closed(self, *_: object) -> None:
        self.is_over = True


Answer = Callable[[ServedLink, FileRequest], FileNotice | Chunk | None]


def gives_wrong_bytes(link: ServedLink, request: FileRequest) -> FileNotice | Chunk | None:
    return Chunk(request.chunk, bytes(CHUNK_SIZE)) if isinstance(request, AskChunk) else None


def gives_other_chunks(link: ServedLink, request: FileRequest) -> FileNotice | Chunk | None:
    return Chunk(1 << 50, bytes(CHUNK_SIZE)) if isinstance(request, AskChunk) else None


def names_everybody(link: ServedLink, request: FileRequest) -> FileNotice | Chunk | None:
    others = tuple(os.urandom(32) for _ in range(8))
    return Have(request.page, CLAIM, others) if isinstance(request, AskHave) else None


def refuses(link: ServedLink, request: FileRequest) -> FileNotice | Chunk | None:
    return None if isinstance(request, AskHave) else NotServed(request.file, Unserved.CHANGED)


HOSTILE: list[Answer] = [gives_wrong_bytes, gives_other_chunks, names_everybody, refuses]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.__name__)
async def test_a_hostile_holder_holds_nobody_up(
    plan: Path, hostile: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mallory claims to have everything."""
    async with Town() as town:
        alice, mallory, *others = await in_lab(town, "alice", "mallory", "bob", "carol")
        town.delay(0.02)
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [mallory])
        await settled(town, mallory)
        answer, wrong = ServedLink._answer, list[int]()

        async def answered(link: ServedLink, request: FileRequest) -> FileNotice | Chunk:
            is_mallory = link._serving.node.core.me.name == "mallory"
            false = hostile(link, request) if is_mallory else None
            if false is not None:
                wrong.append(isinstance(false, Chunk))
                return false
            return await answer(link, request)

        monkeypatch.setattr(ServedLink, "_answer", answered)
        mal = node_of(mallory).core.me.identity.public
        async with asyncio.timeout(60.0):
            lines = await accept_all(town, others)
            for peer, line in zip(others, lines, strict=True):
                node_of(peer).files._fetches[line.id][0].noted((mal,))
            assert await all_have_it(town, others)
        assert wrong  # mallory was asked
        if hostile is gives_wrong_bytes:
            assert sum(wrong) <= len(others) * (WRONG_MAX + WINDOW)


@pytest.mark.parametrize("seconds", [2.0, 15.0])
async def test_a_slow_holder_holds_nobody_up(
    plan: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, mallory, bob = await in_lab(town, "alice", "mallory", "bob")
        town.delay(0.02)
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [mallory])
        await settled(town, mallory)
        serve = ServedLink._serve

        async def slowly(link: ServedLink) -> None:
            if link._serving.node.core.me.name == "mallory":
                await asyncio.sleep(seconds)
            await serve(link)

        monkeypatch.setattr(ServedLink, "_serve", slowly)
        line = await offered(town, bob)
        begun = town.now
        await bob.accept_file(line)
        file = node_of(bob).files._fetches[line.id][0]
        file.noted((node_of(mallory).core.me.identity.public,))
        assert await all_have_it(town, [bob])
        assert town.now - begun < 15.0


async def test_an_origin_of_wrong_bytes_is_left_and_the_file_comes_from_others(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, bob, carol = await in_lab(town, "alice", "bob", "carol")
        await alice.send_file(room("lab"), plan)
        await accept_all(town, [bob])
        assert await all_have_it(town, [bob])
        write(plan, CONTENT[::-1], modified=os.stat(plan).st_mtime_ns)
        await accept_all(town, [carol])
        assert await all_have_it(town, [carol])


async def test_nobody_gives_it_when_all_that_is_there_is_wrong(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await in_lab(town, "alice", "bob")
        await alice.send_file(room("lab"), plan)
        write(plan, CONTENT[::-1], modified=os.stat(plan).st_mtime_ns)
        await accept_all(town, [bob])
        assert (await settled(town, bob)).trouble is FileTrouble.WRONG_BYTES


async def test_another_content_under_the_same_key_is_kept_apart(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is in the room reads the key, and may offer what they like under it."""
    async with Town() as town:
        alice, bob, eve = await in_lab(town, "alice", "bob", "eve")
        town.delay(0.3)
        await alice.send_file(room("lab"), plan)
        await eve.accept_file(await offered(town, eve))
        (known,) = node_of(eve).files._book
        other = tmp_path / "eve" / "plan.pdf"
        other.parent.mkdir()
        other.write_bytes(CONTENT[::-1])
        monkeypatch.setattr("secrets.token_bytes", lambda _: known.key)
        await eve.send_file(room("lab"), other)
        lines = [await offered(town, bob) for _ in range(2)]
        for transfer in [await bob.accept_file(line) for line in reversed(lines)]:
            got = await transfer.settled()
            assert got.state is FileState.DONE
        whole = {file.sender: Path(file.path) for file in await bob.files()}
        found = await asyncio.gather(
            *(asyncio.to_thread(whole[name].read_bytes) for name in ("alice", "eve"))
        )
        assert found == [CONTENT, CONTENT[::-1]]
