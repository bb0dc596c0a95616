"""Worlds in which people give each other files, as a seed tells them: whole peers in virtual time, who are
killed, cut off, change what they offer, send wrong chunks and have full disks. Then calm."""

import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from chatapp import Peer, room
from chatapp.peer.api.conversations import Conversation, person
from chatapp.peer.api.errors import FileRefused, NotOpen
from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.api.state import PeerState
from chatapp.peer.core.files.links import Chunk
from chatapp.peer.node.files import disk
from chatapp.peer.node.files.disk import SharedFile
from chatapp.testing import Town
from chatapp.wire.limits import CHUNK_SIZE
from tests.support.promise.files import FilesPromise, digest

NAMES: Final = ("alice", "bob", "carol")
ROOM: Final = "lab"
SIZES: Final = (0, 1, 1_000, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 5, 12 * CHUNK_SIZE)
PAUSES: Final = (0.0, 0.05, 0.5, 5.0, 90.0)
SETTLED_WITHIN: Final = 600.0
LOOKED_EACH: Final = 5.0
_NO_ROOM: Final = 1 << 60
_ENDED: Final = (FileState.REFUSED, FileState.WITHDRAWN)


class Offered:
    """A file that somebody has offered."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path: Final = path
        self.content: Final = digest(content)
        self.is_intact = True


class FileWorld:
    """People in a town, what they have offered, and what they are promised."""

    def __init__(self, town: Town, folder: Path, chance: random.Random) -> None:
        self.town, self.folder, self.chance = town, folder, chance
        self.peers: Final[list[Peer]] = []
        self.promises: Final[dict[str, FilesPromise]] = {}
        self.offered: Final[dict[str, Offered]] = {}
        """By their names, of which each is used once."""

    async def begin(self) -> None:
        """Let all come."""
        for name in NAMES:
            peer = await self.town.peer(name, rooms=ROOM)
            self.peers.append(peer)
            downloads = peer.folder.parents[1] / "Downloads"
            self.promises[name] = FilesPromise(name, downloads)

    def anybody(self) -> Peer | None:
        """Return somebody whose program runs."""
        running = [peer for peer in self.peers if peer.state is not PeerState.CLOSED]
        return self.chance.choice(running) if running else None

    async def theirs(self, *states: FileState) -> tuple[Peer, FileTransfer] | None:
        """Return somebody, and a file offered to them that is in one of these states."""
        peer = self.anybody()
        files = [
            file
            for file in (await peer.files() if peer else ())
            if not file.is_ours and file.state in states
        ]
        return (peer, self.chance.choice(files)) if peer and files else None

    def look(self) -> None:
        """Check all that holds at any time."""
        for peer in self.peers:
            promise = self.promises[peer.name]
            if peer.state is not PeerState.CLOSED:
                batch = peer.take_events()
                promise.note_told(batch)
                peer.events_shown(batch)
            promise.look()

    async def accept(self, peer: Peer, file: FileTransfer) -> None:
        """Let somebody accept a file."""
        self.promises[peer.name].note_accepted(file, self.offered[file.name].content)
        await peer.accept_file(file)


Act = Callable[[FileWorld], Awaitable[None]]


async def offer(world: FileWorld) -> None:
    """Offer a new file to somebody, or to the room."""
    peer = world.anybody()
    if peer is None:
        return
    others = [name for name in NAMES if name != peer.name]
    to: Conversation = world.chance.choice([room(ROOM), *map(person, others)])
    content = world.chance.randbytes(world.chance.choice(SIZES))
    path = world.folder / f"file{len(world.offered)}.bin"
    path.write_bytes(content)
    world.offered[path.name] = Offered(path, content)
    await peer.send_file(to, path)


async def accept(world: FileWorld) -> None:
    """Accept a file, or go on with one."""
    states = (FileState.OFFERED, FileState.PAUSED, FileState.FAILED)
    if found := await world.theirs(*states):
        await world.accept(*found)


async def pause(world: FileWorld) -> None:
    """Fetch one no further for now."""
    if found := await world.theirs(FileState.WAITING, FileState.RUNNING):
        await found[0].pause_file(found[1])


async def refuse(world: FileWorld) -> None:
    """Refuse one, whether or not it is on its way."""
    if found := await world.theirs(*set(FileState) - {*_ENDED, FileState.DONE}):
        await found[0].refuse_file(found[1])


async def kill_or_start(world: FileWorld) -> None:
    """Kill a program, or start one that does not run."""
    peer = world.chance.choice(world.peers)
    if peer.state is PeerState.CLOSED:
        await start(world, peer)
    else:
        world.look()
        await world.town.kill(peer)


async def start(world: FileWorld, peer: Peer) -> None:
    """Start a program again."""
    world.promises[peer.name].note_started()
    await world.town.restart(peer)


async def leave(world: FileWorld) -> None:
    """End a program in order."""
    if peer := world.anybody():
        world.look()
        await peer.close()


async def change(world: FileWorld) -> None:
    """Change what somebody offers, which its time may not tell, or remove it."""
    if not world.offered:
        return
    file = world.chance.choice([*world.offered.values()])
    file.is_intact = False
    kind = world.chance.choice(("other", "hidden", "gone"))
    if kind == "gone" or not file.path.exists():
        file.path.unlink(missing_ok=True)
        return
    before = file.path.stat()
    file.path.write_bytes(world.chance.randbytes(before.st_size))
    if kind == "hidden":
        os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))


async def cut(world: FileWorld) -> None:
    """Cut two people off from each other."""
    world.town.partition(*world.chance.sample(world.peers, 2))


async def weather(world: FileWorld) -> None:
    """Let the network get worse or better."""
    world.town.heal()
    world.town.lose(world.chance.choice((0.0, 0.1, 0.3)))
    world.town.delay(0.001, world.chance.choice((0.005, 0.3, 1.0)))


class Faults:
    """What is wrong with everybody's disk, and with what everybody gives."""

    def __init__(self, patch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self._patch: Final = patch
        self._spared: Final = disk.SPARED
        self._true: Final = SharedFile.chunk
        self._chance: Final = chance

    def fill(self) -> None:
        """Leave no space on the disks."""
        self._patch.setattr(disk, "SPARED", _NO_ROOM)

    def lie(self) -> None:
        """Let a part of all chunks be wrong."""

        def wrong(file: SharedFile, index: int) -> Chunk:
            chunk = self._true(file, index)
            sealed = bytes(chunk.sealed)
            cut = self._chance.randrange(len(sealed))
            false = (sealed[:cut] + bytes((sealed[cut] ^ 1,)) + sealed[cut + 1 :], sealed[:cut])
            return self._chance.choice((chunk, chunk, *(Chunk(index, one) for one in false)))

        self._patch.setattr(SharedFile, "chunk", wrong)

    def mend(self) -> None:
        """Let all be right again."""
        self._patch.setattr(disk, "SPARED", self._spared)
        self._patch.setattr(SharedFile, "chunk", self._true)


ACTS: Final[tuple[tuple[Act, int], ...]] = (
    (offer, 14),
    (accept, 24),
    (pause, 6),
    (refuse, 4),
    (kill_or_start, 12),
    (leave, 2),
    (change, 3),
    (cut, 4),
    (weather, 8),
)
FAULT_SHARE: Final = 0.1


async def live_through(seed: int, folder: Path) -> None:
    """Play a world from its beginning to the calm after it, and check the promise."""
    chance = random.Random(f"files {seed}")
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, chance)
        async with Town(seed) as town:
            world = FileWorld(town, folder, chance)
            await world.begin()
            acts, weights = zip(*ACTS, strict=True)
            for _ in range(chance.randint(15, 50)):
                if chance.random() < FAULT_SHARE:
                    chance.choice((faults.fill, faults.lie, faults.mend, faults.mend))()
                (act,) = chance.choices(acts, weights)
                with contextlib.suppress(FileRefused, NotOpen):  # another state, a moment later
                    await act(world)
                world.look()
                await town.wait(chance.choice(PAUSES))
                world.look()
            faults.mend()
            await come_to_rest(world)


async def come_to_rest(world: FileWorld) -> None:
    """Let all be well, and everybody go on with what they once wanted."""
    world.town.heal()
    for peer in world.peers:
        if peer.state is PeerState.CLOSED:
            await start(world, peer)
    await world.town.wait(120.0)
    world.look()
    for peer in world.peers:
        for file in await peer.files():
            if not file.is_ours and file.state in (FileState.PAUSED, FileState.FAILED):
                await world.accept(peer, file)
    for _ in range(round(SETTLED_WITHIN / LOOKED_EACH)):
        await world.town.wait(LOOKED_EACH)
        world.look()
    for peer in world.peers:
        for file in await peer.files():
            if not file.is_ours and file.state not in _ENDED:
                is_intact = world.offered[file.name].is_intact
                world.promises[peer.name].check_end(file, is_intact=is_intact)


async def try_seed(seed: int, folder: Path) -> None:
    """Check the promise in the world of this seed; a failure names the seed."""
    try:
        await live_through(seed, folder)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    except Exception as error:
        raise RuntimeError(f"seed {seed}") from error
