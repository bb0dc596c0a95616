"""One machine in the simulated network: its program, socket, link and timer, and a lid that may be
closed."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable

from chatapp.peer.core.core import PeerCore
from chatapp.wire.address import Address
from chatapp.wire.codec import FrameReader
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.limits import DATAGRAM_MAX, LINK_FRAME_MAX
from tests.support.network import Happening, Network, Pipe

WALL_OFFSET = 1_800_000_000.0
POLICY = Policy()


class Machine(ABC):
    """A machine that runs one program at a time."""

    def __init__(self, network: Network, name: str, server: Address, host: str) -> None:
        self.network = network
        self.name = name
        """The name that tests use for its owner; it never changes."""
        self.servers = [server]
        """The addresses of the registry, the preferred one first."""
        self.address = Address(host, 6_000)
        self.random = random.Random(network.random.random())
        self.wall_offset = WALL_OFFSET
        self.connect: Callable[[Machine], None] = lambda machine: None
        """Makes a link to the registry's TCP port."""
        self.lives = 0
        self._core: PeerCore | None = None
        self._asleep: list[Callable[[], None]] | None = None
        self._pipe: Pipe | None = None
        self._timer: Happening | None = None

    @abstractmethod
    def start(self) -> None:
        """Start the program with what the disk holds."""

    @abstractmethod
    def turn(self) -> None:
        """Carry out everything that the core has to output."""

    # --- life

    @property
    def core(self) -> PeerCore:
        """The running program."""
        assert self._core is not None, f"{self.name} is not running"
        return self._core

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._core is not None

    def crash(self) -> None:
        """Kill the program: what is on disk stays, the rest is lost."""
        self._core = self._asleep = None
        self._timer = None
        self.network.leave(self.address)
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            pipe.close(0)

    def fall_asleep(self) -> None:
        """Stop the program (SIGSTOP, a closed laptop): arriving data waits in the kernel, timers
        are late."""
        if self._asleep is None:
            self._asleep = []

    def wake_up(self) -> None:
        """Continue the program with everything that waited."""
        waited, self._asleep = self._asleep or [], None
        for act in waited:
            act()

    @property
    def is_asleep(self) -> bool:
        """Whether the program is stopped."""
        return self._asleep is not None

    def _is_put_off(self, act: Callable[[], None], *, may_be_lost: bool = False) -> bool:
        """Whether the program is stopped; if so, keep the input for later. Datagrams for which the
        kernel has no room are lost."""
        if self._asleep is None:
            return False
        if len(self._asleep) < 500 or not may_be_lost:
            self._asleep.append(act)
        return True

    def set_clock(self, seconds: float) -> None:
        """Let the wall clock jump by so many seconds."""
        self.wall_offset += seconds
        if self._core is not None:
            self._core.clock.offset = self.wall_offset

    def move(self) -> None:
        """Change the address under the running program, like a router that has forgotten a
        translation."""
        self.network.leave(self.address)
        self.address = Address(self.address.host, self.address.port + 1)
        if self.is_running:
            self.network.settle_at(self.address, self._datagram_came)

    # --- datagrams and time

    def _send(self, datagrams: list[tuple[bytes, Address]]) -> None:
        for data, target in datagrams:
            assert len(data) <= DATAGRAM_MAX
            self.network.send(data, self.address, target)

    def _datagram_came(self, data: bytes, source: Address) -> None:
        if self._core is None or self._is_put_off(
            lambda: self._datagram_came(data, source), may_be_lost=True
        ):
            return
        self.core.receive_datagrams([(data, source)], now=self.network.now)
        self.turn()

    def _arm(self, core: PeerCore) -> None:
        due = core.next_timer()
        if due is None:
            self._timer = None
            return
        if self._timer is not None and self.network.now < self._timer.at <= due:
            return
        timer = self._timer = self.network.at(due, lambda: self._timer_rang(timer))

    def _timer_rang(self, timer: Happening) -> None:
        if timer is self._timer and self._core is not None:
            if self._is_put_off(lambda: self._timer_rang(timer)):
                return
            self._timer = None
            self._core.handle_timer(now=self.network.now)
            self.turn()

    # --- the link

    def _tend_link(self, core: PeerCore, now: float) -> None:
        if core.wants_link_closed() and self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            pipe.close(0)
        pieces = core.link_bytes_to_send(now=now)
        if self._pipe is not None:
            self._pipe.write(0, b"".join(pieces))
        if core.wants_link():
            self.network.after(0.001, lambda: self._connect(core))

    def _connect(self, core: PeerCore) -> None:
        if self._core is core:  # the program that asked for the link still runs
            self.connect(self)

    def link_refused(self) -> None:
        """The registry's TCP port refused the connection."""
        if self._core is not None:
            self._core.link_closed(now=self.network.now)
            self.turn()

    def break_link(self) -> None:
        """Let the connection break, if there is one."""
        if self._pipe is not None:
            self._pipe.break_down()

    def link_made(self, pipe: Pipe) -> None:
        """The connection was made; this is end 0."""
        if self._core is None:
            pipe.close(0)
            return
        self._pipe = pipe
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX

        def receive(data: bytes) -> None:
            if (
                self._pipe is not pipe
                or self._core is None
                or self._is_put_off(lambda: receive(data))
            ):
                return
            reader.feed(data)
            frames = []
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
            self._core.receive_frames(frames, now=self.network.now)
            self.turn()

        def closed() -> None:
            if self._pipe is pipe and self._core is not None and not self._is_put_off(closed):
                self._pipe = None
                self._core.link_closed(now=self.network.now)
                self.turn()

        pipe.receive[0], pipe.closed[0] = receive, closed
        self._core.link_connected(now=self.network.now)
        self.turn()
