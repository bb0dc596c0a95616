"""Our registry in virtual time for conformance tests: bytes in, bytes out, and a disk that never
fails."""

import random
from collections import defaultdict

from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.registry.rules.limits import WallClock
from chatapp.wire.address import Address
from chatapp.wire.codec import FrameReader
from chatapp.wire.identity import Identity
from chatapp.wire.limits import LINK_FRAME_MAX
from tests.conformance.stranger import Fields, Stranger, unpacked
from tests.support.memory_store import MemoryStore

HERE = Address("192.0.2.1", 6_000)
THERE = Address("192.0.2.2", 6_000)
ELSEWHERE = Address("198.51.100.9", 7_000)


class Engine:
    """One registry."""

    def __init__(self, *, now: float = 1_000.0) -> None:
        self.now = now
        self.identity = Identity(b"\x21" * 32)
        self._store = MemoryStore()
        context = Context(
            identity=self.identity,
            rng=random.Random(1),
            clock=WallClock(now=now, wall=now + 1_700_000_000),
            store=self._store,
        )
        self.core = RegistryCore(context, self._store.load(), 5_000, now=now)
        self._streams: defaultdict[int, bytes] = defaultdict(bytes)
        self._datagrams: list[tuple[bytes, Address]] = []
        self._broadcasts: list[tuple[bytes, list[Address]]] = []
        self.closed: dict[int, LinkEndReason] = {}
        self._settle()

    def _settle(self) -> None:
        while entries := self.core.entries_to_store():
            self._store.append(entries)
            self.core.entries_stored(len(entries), now=self.now)
        output = self.core.take_output()
        for link, pieces in output.link_writes:
            self._streams[link] += b"".join(pieces)
        self.closed.update(output.links_to_close)
        self._datagrams += output.datagrams
        self._broadcasts += output.broadcasts

    # --- datagrams

    def take_datagrams(self) -> list[tuple[bytes, Address]]:
        """Drain the datagrams sent."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def send(self, datagram: bytes, source: Address) -> list[bytes]:
        """Receive a datagram; returns what goes back to its source at once."""
        self.core.receive_datagram(datagram, source, now=self.now)
        self._settle()
        answers = self.take_datagrams()
        assert all(to == source for _, to in answers)
        return [data for data, _ in answers]

    def wait(self, span: float) -> list[tuple[bytes, list[Address]]]:
        """Let time pass; returns the broadcasts sent."""
        end = self.now + span
        while self.now < end:
            self.now = max(min(self.core.next_timer(), end), self.now + 1e-6)
            self.core.handle_timer(now=self.now)
            self._settle()
        broadcasts, self._broadcasts = self._broadcasts, []
        return broadcasts

    # --- links

    def connect(self, link: int) -> None:
        """Open a connection."""
        self.core.link_opened(link, Address("192.0.2.1", 40_000 + link), now=self.now)
        self._settle()

    def write(self, link: int, framed: bytes) -> list[bytes]:
        """Receive frames on a link; returns the frames sent back on it."""
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX
        reader.feed(framed)
        frames = []
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
        self.core.receive_frames(link, frames, now=self.now)
        self._settle()
        return self.read(link)

    def read(self, link: int) -> list[bytes]:
        """Return the frames that wait on a link."""
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX
        reader.feed(self._streams.pop(link, b""))
        frames = []
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
        return frames

    # --- all of it

    def let_in(self, who: Stranger, source: Address) -> Fields:
        """Run HELLO, COOKIE, REGISTER; returns the fields of the WELCOME."""
        (cookie,) = self.send(who.hello(), source)
        (welcome,) = self.send(who.register(cookie), source)
        assert welcome[0] == 4, welcome
        return unpacked(welcome[1:])

    def link_up(self, who: Stranger, link: int, *, claimed: int = 0) -> list[Fields]:
        """Open a link for a registered peer, which claims a sender index; returns its first
        notices."""
        self.connect(link)
        answer, *frames = self.write(link, who.first_frame([60, claimed, 0]))
        who.link_answered(answer)
        return [who.read(frame) for frame in frames]
