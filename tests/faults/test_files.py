"""Files between real programs: on lines that lose, through kills, on disks that fill up, from holders who
change them or mean harm. Who accepted one gets its bytes or one line that says why not."""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from chatapp import Peer
from chatapp.peer.api import requests
from chatapp.peer.api.conversations import person
from chatapp.peer.core.files.links import Chunk
from chatapp.peer.core.records import Related, RelationKind
from chatapp.peer.node.files.disk import SharedFile
from chatapp.wire.codec import encode
from chatapp.wire.limits import CHUNK_SIZE
from chatapp.wire.messages.direct import FileOffer
from tests.cast.lines import LOST, beginning
from tests.cast.people import Person
from tests.cast.stage import Stage
from tests.faults.conftest import Note, disk_or_skip
from tests.faults.namespaces import Lab, Town
from tests.faults.size import bar, dose, only_whole
from tests.support.nodes import node_of
from tests.support.ports import free_port

MIB: Final = 1 << 20
LONG: Final = dose(32, 1_024) * MIB
RATE: Final = dose(50, 400)
"""Megabits a second: slow enough that something can happen to a file on its way."""
_WITHIN: Final = 300.0
_PIECE: Final = 16 * MIB


def written(path: Path, size: int) -> Path:
    """Write a file that is like no other."""
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(_PIECE, size)))
    return path


async def digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""

    def read() -> bytes:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    return await asyncio.to_thread(read)


async def two_at_a_slow_line(town: Town) -> tuple[Person, Person]:
    """Start a registry, Alice and Bob; Bob's line is slow."""
    await town.registry()
    for name in ("alice", "bob"):
        town.lab.machine(name)
    town.lab.slow("bob", RATE)
    alice, bob = await town.peers("alice", "bob")
    return alice, bob


async def offered(alice: Person, bob: Person, path: Path) -> None:
    """Let Alice offer a file to Bob."""
    await alice.type(f"/send_file bob {path}")
    await bob.sees(beginning(f"alice: [file {path.name}, "), within=_WITHIN)


async def accepted(bob: Person, path: Path) -> None:
    """Let Bob fetch the file that was offered to him."""
    await bob.type(f"/accept as {path}")
    await bob.sees(re.compile(r"\[\S+ comes: .*"))


async def reaches(bob: Person, percent: int) -> None:
    """Wait until so much of a file is there."""
    while True:
        line = await bob.sees(re.compile(r"\[\S+: \d+ % of .*"), within=_WITHIN)
        if int(line.split()[1]) >= percent:
            return


def written_by(bob: Person) -> int:
    """Return the bytes that a program has written to files."""
    io = Path(f"/proc/{bob.pid}/io").read_text()
    return int(re.findall(r"wchar: (\d+)", io)[0])


def parts(folder: Path) -> list[Path]:
    """Return what is in a folder that is not whole."""
    return list(folder.glob("*.part"))


async def test_loss_and_two_kills_of_each_side(
    stage: Stage, lab: Lab, tmp_path: Path, figure: Note
) -> None:
    town = Town(lab, stage)
    alice, bob = await two_at_a_slow_line(town)
    for name in ("alice", "bob"):
        lab.filter(name, "numgen random mod 100 < 5")
    source, copy = written(tmp_path / "long.bin", LONG), tmp_path / "copy.bin"
    await offered(alice, bob, source)
    start = written_by(bob)  # as much as each of his three starts writes, files apart
    await accepted(bob, copy)
    begun, written_in_all = asyncio.get_running_loop().time(), 0
    for percent in (20, 40, 60, 80):
        await reaches(bob, percent)
        if percent in (20, 60):
            bob.signal(signal.SIGSTOP)
            written_in_all += written_by(bob) - start
            await bob.kill()
            bob = await town.peer("bob")
        else:
            await alice.kill()
            alice = await town.peer("alice")
        assert not copy.exists()
    await bob.sees(f"[long.bin is here: {copy}]", within=_WITHIN)
    took = asyncio.get_running_loop().time() - begun
    written_in_all += written_by(bob) - start
    assert await digest(copy) == await digest(source)
    assert parts(tmp_path) == []
    await alice.sees("[bob has received long.bin.]", within=_WITHIN)
    twice = (written_in_all - LONG) / CHUNK_SIZE
    figure(
        f"a file of {LONG // MIB:,} MiB at {RATE} Mbit/s, 5 % lost, each side killed twice",
        f"the same hash after {took:.0f} s; {twice:.1f} chunks written twice, with the notes of three lives",
        "the same hash, at most 2 chunks fetched twice",
    )
    assert twice <= 2


@only_whole
async def test_a_partition_half_way(stage: Stage, lab: Lab, tmp_path: Path, figure: Note) -> None:
    alice, bob = await two_at_a_slow_line(Town(lab, stage))
    source, copy = written(tmp_path / "long.bin", LONG), tmp_path / "copy.bin"
    await offered(alice, bob, source)
    await accepted(bob, copy)
    await reaches(bob, 50)
    lab.cut("bob")
    await bob.sees(LOST)
    assert not copy.exists()
    lab.heal("bob")
    begun = asyncio.get_running_loop().time()
    await reaches(bob, 60)
    again = asyncio.get_running_loop().time() - begun
    await bob.sees(f"[long.bin is here: {copy}]", within=_WITHIN)
    assert await digest(copy) == await digest(source)
    figure("a partition while a file is half here", f"a tenth more {again:.0f} s after", "90 s")
    assert again < bar(90.0)


@only_whole
async def test_nothing_gets_through_but_by_the_server(
    stage: Stage, lab: Lab, tmp_path: Path, figure: Note
) -> None:
    town = Town(lab, stage)
    await town.registry()
    addresses = [lab.machine(name) for name in ("alice", "bob")]
    alice, bob = await town.peers("alice", "bob")
    for name, other in zip(("bob", "alice"), addresses, strict=True):
        lab.filter(name, f"ip saddr {other}")
    source, copy = written(tmp_path / "plan.bin", 3 * MIB), tmp_path / "copy.bin"
    await offered(alice, bob, source)
    begun = asyncio.get_running_loop().time()
    await accepted(bob, copy)
    await bob.sees(f"[plan.bin is here: {copy}]", within=_WITHIN)
    took = asyncio.get_running_loop().time() - begun
    assert await digest(copy) == await digest(source)
    await bob.type("/why file")
    way = await bob.sees(beginning("[came by "))
    assert way == "[came by the server, as neither TCP nor UDP gets through, from alice]"
    figure(
        "no TCP and no UDP between the two, 3 MiB",
        f"through the server in {took:.0f} s",
        "it comes",
    )


async def test_a_file_that_changes_under_its_transfer(
    stage: Stage, lab: Lab, tmp_path: Path, figure: Note
) -> None:
    alice, bob = await two_at_a_slow_line(Town(lab, stage))
    source, copy = written(tmp_path / "plan.bin", 20 * MIB), tmp_path / "copy.bin"
    before = source.stat()
    await offered(alice, bob, source)
    await accepted(bob, copy)
    await reaches(bob, 20)
    with source.open("r+b") as file:
        file.write(b"another beginning")
    reason = "it has changed since alice offered it. /resume 1 tries again."
    await bob.sees(f"[plan.bin stopped: {reason}]")
    assert not copy.exists()
    source.unlink()
    await bob.type("/resume 1")
    await bob.sees("[plan.bin stopped: alice cannot read it. /resume 1 tries again.]")
    figure("a file changes, and is removed, under its transfer", "one line each", "one clear line")
    written(source, 20 * MIB)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))  # it only looks the same
    await bob.type("/resume 1")
    await bob.sees(
        "[plan.bin stopped: what came is not what alice offered. /resume 1 tries again.]"
    )
    assert not copy.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB, of which 16 are spared."""
    with disk_or_skip(tmp_path / "disk", "48m") as folder:
        yield folder


def fill(ballast: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(MIB)):
            pass


async def test_a_disk_that_fills_up(
    stage: Stage, lab: Lab, tmp_path: Path, small_disk: Path, figure: Note
) -> None:
    alice, bob = await two_at_a_slow_line(Town(lab, stage))
    source, copy = written(tmp_path / "plan.bin", 24 * MIB), small_disk / "copy.bin"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(16 * MIB))
    stopped = beginning("[plan.bin stopped: your disk has no space for it: ")
    await offered(alice, bob, source)
    await accepted(bob, copy)
    await bob.sees(stopped)
    assert os.listdir(small_disk) == [ballast.name]
    ballast.unlink()
    await bob.type("/resume 1")
    await reaches(bob, 20)
    fill(ballast)
    await bob.sees(stopped)
    assert not copy.exists()
    ballast.unlink()
    await bob.type("/resume 1")
    await bob.sees(f"[plan.bin is here: {copy}]", within=_WITHIN)
    assert await digest(copy) == await digest(source)
    assert len(bob.shown(stopped)) == 2
    figure(
        "a disk is full before a file, and under it", "one line each; whole later", "one clear line"
    )


# --- who means harm


NAMES: Final = {
    "../../x": "x",
    "..\\..\\y.exe": "y.exe",
    "/etc/passwd": "passwd",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    ".bashrc": "bashrc",
    "..": "file",
    "photo\u202egpj.exe": "photogpj.exe",
    "a\nb\x1b[2J\x00c": "ab[2Jc",
    "n" * 300: "n" * 200,
    "\u00fc" * 150 + ".pdf": "\u00fc" * 98 + ".pdf",
    "a:b|c?.txt ": "a_b_c_.txt",
}
"""What a hostile client calls a file, and what it is called on our disk."""


class Mallory:
    """A member who says what no program of ours says."""

    def __init__(self, me: Peer, folder: Path) -> None:
        self._me: Final = me
        self._folder: Final = folder
        self.given = 0
        """Files so far."""

    async def offer(self, to: str, name: str, content: bytes) -> None:
        """Offer a file under any name."""
        self.given += 1
        path = self._folder / f"given{self.given}"
        path.write_bytes(content)
        node = node_of(self._me)
        say = node.say

        async def say_otherwise(
            where: object, text: str, related: Related, **how: object
        ) -> object:
            return await say(person(to), name, related, asked=how["asked"])  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(node, "say", say_otherwise)
            await self._me.send_file(to, path)

    async def offer_nothing(self, to: str, offer: FileOffer) -> None:
        """Say any offer, of a file that there is not."""
        related = Related(RelationKind.OFFER, raw=encode(offer))
        asked = requests.OfferFile(conversation=person(to), path="/nowhere")
        await node_of(self._me).say(person(to), "nothing.bin", related, asked=asked)


@contextlib.asynccontextmanager
async def mallory_and_bob(stage: Stage) -> AsyncIterator[tuple[Mallory, Person, Path]]:
    """Start a registry, Mallory and Bob; the third is Bob's folder of downloads."""
    await stage.registry()
    downloads = stage.folder / "bob's downloads"
    bob = await stage.come("bob", environment={"XDG_DOWNLOAD_DIR": str(downloads)})
    folder = stage.folder / "mallory"
    server = "127.0.0.1", stage.port
    async with Peer("mallory", server, home=folder, port=free_port()) as me:
        await me.ready()
        await bob.knows("mallory")
        yield Mallory(me, folder), bob, downloads


async def test_hostile_names(stage: Stage, figure: Note) -> None:
    async with mallory_and_bob(stage) as (mallory, bob, downloads):
        for number, (name, clean) in enumerate(NAMES.items(), 1):
            content = os.urandom(1_000)
            await mallory.offer("bob", name, content)
            shown = await bob.sees(beginning("mallory: [file "))
            assert shown.isprintable()
            await bob.type(f"/accept {number}")
            await bob.sees(
                f"[{clean[:59]}… is here: {downloads / clean}]"
                if len(clean) > 60
                else f"[{clean} is here: {downloads / clean}]"
            )
            found = downloads / clean
            assert found.read_bytes() == content
            assert found.stat().st_mode & 0o777 == 0o600
        assert {path.name for path in downloads.iterdir()} == set(NAMES.values())
        await mallory.offer("bob", "../../x", b"again")
        await bob.type(f"/accept {len(NAMES) + 1}")
        await bob.sees(f"[x is here: {downloads / 'x (2)'}]")
    figure(
        f"{len(NAMES)} hostile names",
        "in the folder of downloads, clean, 0600",
        "no path of theirs",
    )


async def test_a_holder_of_wrong_chunks(
    stage: Stage, figure: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = SharedFile.chunk

    def wrong(self: SharedFile, index: int) -> Chunk:
        chunk = true(self, index)
        return chunk if index < 3 else Chunk(index, bytes(len(chunk.sealed)))

    async with mallory_and_bob(stage) as (mallory, bob, downloads):
        await mallory.offer("bob", "plan.bin", content := os.urandom(20 * CHUNK_SIZE))
        await bob.sees(beginning("mallory: [file "))
        with monkeypatch.context() as patch:
            patch.setattr(SharedFile, "chunk", wrong)
            await bob.type("/accept 1")
            await bob.sees(
                "[plan.bin stopped: what came is not what mallory offered. /resume 1 tries again.]"
            )
        assert not (downloads / "plan.bin").exists()
        await bob.type("/resume 1")
        await bob.sees(f"[plan.bin is here: {downloads / 'plan.bin'}]")
        assert (downloads / "plan.bin").read_bytes() == content
    figure("a holder sends wrong chunks", "one line; whole once they are right", "one clear line")


async def test_offers_of_nothing(stage: Stage) -> None:
    """Sizes that no disk has, and a file that there is not."""
    huge = FileOffer(1 << 40, bytes(32), (bytes(32),) * 512)
    async with mallory_and_bob(stage) as (mallory, bob, downloads):
        await mallory.offer("bob", "empty.bin", b"")  # now there is somebody to ask
        await mallory.offer_nothing("bob", huge)
        await bob.sees("mallory: [file nothing.bin, 1.1 TB: /accept 2 or /refuse 2]")
        await bob.type("/accept 2")
        await bob.sees(beginning("[nothing.bin stopped: your disk has no space for it: "))
        await mallory.offer_nothing("bob", FileOffer(CHUNK_SIZE, bytes(32), (bytes(32),)))
        await bob.sees("mallory: [file nothing.bin, 262 kB: /accept 3 or /refuse 3]")
        await bob.type("/accept 3")
        reason = "mallory does not offer it any more. /resume 3 tries again."
        await bob.sees(f"[nothing.bin stopped: {reason}]")
        await bob.type("/accept 1")
        await bob.sees(f"[empty.bin is here: {downloads / 'empty.bin'}]")
        assert {path.suffix for path in downloads.iterdir()} == {".bin", ".part"}
