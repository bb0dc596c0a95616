"""The machine of a registry in the simulated network: its sockets and its timer, and what its
kernel holds while it is stopped."""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from chatapp.registry.edge.edge import Output
from chatapp.registry.rules.effects import Fault
from chatapp.registry.telemetry.logs import event_line
from chatapp.wire.address import Address
from chatapp.wire.codec import FrameReader
from chatapp.wire.limits import DATAGRAM_MAX, LINK_FRAME_MAX
from tests.support.machine import WALL_OFFSET, Machine
from tests.support.network import Happening, Network, Pipe

SOCKET_BUFFER: Final = 212_992
"""Bytes of datagrams that wait in the kernel while the program is stopped: Linux's usual
`net.core.rmem_default`."""
DATAGRAM_OVERHEAD: Final = 768
"""Bytes that the kernel charges for a datagram besides its own."""


class ServingCore(Protocol):
    """What a machine drives: a registry, or an edge of a cluster."""

    def link_opened(self, number: int, remote: Address, *, now: float) -> None: ...
    def receive_frames(self, number: int, frames: Sequence[bytes], *, now: float) -> None: ...
    def take_links_to_widen(self) -> list[int]: ...
    def link_closed(self, number: int, *, now: float) -> None: ...
    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def next_timer(self) -> float: ...
    def take_output(self) -> Output: ...


CoreType = TypeVar("CoreType", bound=ServingCore)


class Unread:
    """What the kernel holds for a registry that is stopped or busy."""

    def __init__(self) -> None:
        self.is_stopped = True
        self.datagrams: list[tuple[bytes, Address]] = []
        self.room = SOCKET_BUFFER
        self.connections: list[tuple[int, Address]] = []
        """Connections to accept: the program's number for each, and the other end."""
        self.links: dict[int, bytearray] = {}
        """Bytes to read from each link."""
        self.hung_up: list[int] = []
        """Links that the other end has closed."""
        self.calls: list[Callable[[], None]] = []
        """What else has come to the program, such as the end of a sync."""

    def add(self, data: bytes, source: Address) -> None:
        """Queue a datagram; it is lost if there is no room."""
        charged = len(data) + DATAGRAM_OVERHEAD
        if charged <= self.room:
            self.room -= charged
            self.datagrams.append((data, source))


class RegistryMachine(ABC, Generic[CoreType]):
    """A machine that runs one program at a time, which serves peers."""

    def __init__(self, network: Network, address: Address, strangers: set[Address]) -> None:
        """`strangers`: addresses that belong to nobody, from which unproved datagrams come."""
        self.network = network
        self.address = address
        """Where the program runs, or ran last."""
        self.random = random.Random(network.random.random())
        self.wall_offset = WALL_OFFSET
        self._core: CoreType | None = None
        self._pipes: dict[int, Pipe] = {}
        self._readers: dict[int, Callable[[bytes], None]] = {}
        self._links = 0
        self._unread: Unread | None = None
        self._timer: Happening | None = None
        self._strangers = strangers
        self.went_out: Counter[Address] = Counter()
        self.came_in: Counter[Address] = Counter()
        self.written: Callable[[str, int, bytes], None] = lambda host, link, data: None
        """Called with what is written on a link: where invariants are checked."""

    @abstractmethod
    def set_wall(self) -> None:
        """Tell the running program what its wall clock says."""

    @abstractmethod
    def end_turn(self, core: CoreType) -> None:
        """Carry out what a turn has produced for others than peers."""

    # --- the program

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._core is not None

    @property
    def core(self) -> CoreType:
        """The running program."""
        assert self._core is not None
        return self._core

    def run(self, core: CoreType, *, keeps_links: bool = False) -> None:
        """Let a program listen, in place of the one that ran. `keeps_links`: whether it has the
        links of that one."""
        if not keeps_links:
            self.hang_up_all()
        self._core, self._timer = core, None
        self.network.settle_at(self.address, self._datagram_came)

    def kill(self) -> None:
        """End the program at once."""
        self._core = self._unread = None
        self._timer = None
        self.network.leave(self.address)
        self.hang_up_all()

    def hang_up_all(self) -> None:
        """Close all connections."""
        pipes, self._pipes = self._pipes, {}
        self._readers.clear()
        for pipe in pipes.values():
            pipe.close(1)

    def set_clock(self, seconds: float) -> None:
        """Let the wall clock jump by so many seconds."""
        self.wall_offset += seconds
        if self.is_running and not self.is_stopped:
            self.set_wall()

    @property
    def wall(self) -> float:
        """What the wall clock says."""
        return self.network.now + self.wall_offset

    @property
    def is_stopped(self) -> bool:
        """Whether the program is stopped, with everything that arrives waiting in the kernel."""
        return self._unread is not None and self._unread.is_stopped

    def stop(self) -> None:
        """Stop the program (SIGSTOP): nothing is read, timers are late, links stay open and keep
        their bytes."""
        if self._core is not None and self._unread is None:
            self._unread = Unread()

    def go_on(self, *, links_after: float = 0.0) -> None:
        """Continue the program (SIGCONT): datagrams are read first and answered, links
        `links_after` seconds later, as by a busy event loop."""
        unread, core, now = self._unread, self._core, self.network.now
        if unread is None or core is None:
            return
        if unread.is_stopped:
            unread.is_stopped = False
            self.set_wall()
            for data, source in unread.datagrams:
                core.receive_datagram(data, source, now=now)
        if links_after:
            self.turn()
            self.network.after(links_after, lambda: self._read_links(unread))
        else:
            self._read_links(unread)

    def _read_links(self, unread: Unread) -> None:
        if unread is not self._unread or self._core is None:
            return
        self._unread, core, now = None, self._core, self.network.now
        for number, remote in unread.connections:
            core.link_opened(number, remote, now=now)
        for number, data in unread.links.items():
            self._read(number, bytes(data))
        for number in unread.hung_up:
            self._hang_up(number)
        if core.next_timer() <= now:
            core.handle_timer(now=now)
        for call in unread.calls:
            call()
        self._timer = None
        self.turn()

    def is_put_off(self, act: Callable[[], None]) -> bool:
        """Whether the program is stopped or busy; if so, keep the input for later."""
        if self._unread is None:
            return False
        self._unread.calls.append(act)
        return True

    # --- one turn, as in `registry.program.driver`

    def turn(self) -> None:
        """Carry out everything that the core has to output."""
        core = self.core
        core.take_links_to_widen()
        output = core.take_output()
        for data, target in output.datagrams:
            self._send(data, target)
        for data, targets in output.broadcasts:
            for target in targets:
                self._send(data, target)
        for number, pieces in output.link_writes:
            if number in self._pipes:
                data = b"".join(pieces)
                self.written(self.address.host, number, data)
                self._pipes[number].write(1, data)
        for number, _ in output.links_to_close:
            pipe = self._pipes.pop(number, None)
            self._readers.pop(number, None)
            if pipe is not None:
                pipe.close(1)
        for event in output.events:
            assert not isinstance(event, Fault), event_line(event)
        self.end_turn(core)
        if core is self._core:
            self._arm(core)

    def _send(self, data: bytes, target: Address) -> None:
        assert len(data) <= DATAGRAM_MAX
        if target in self._strangers:
            self.went_out[target] += len(data)
            came, went = self.came_in[target], self.went_out[target]
            assert went <= came, f"I7: {went} bytes to {target}, {came} from there"
        self.network.send(data, self.address, target)

    def _datagram_came(self, data: bytes, source: Address) -> None:
        if source in self._strangers:
            self.came_in[source] += len(data)
        if self._unread is not None and self._unread.is_stopped:
            self._unread.add(data, source)
            return
        self.core.receive_datagram(data, source, now=self.network.now)
        self.turn()

    def _arm(self, core: CoreType) -> None:
        due = core.next_timer()
        if due == float("inf") or (
            self._timer is not None and self.network.now < self._timer.at <= due
        ):
            return
        timer = self._timer = self.network.at(due, lambda: self._timer_rang(timer))

    def _timer_rang(self, timer: Happening) -> None:
        if timer is self._timer and self._core is not None and self._unread is None:
            self._timer = None
            self._core.handle_timer(now=self.network.now)
            self.turn()

    # --- links

    def connect(self, machine: Machine) -> None:
        """Accept a TCP connection of a program."""
        if self.network.blocks_tcp:
            return
        is_here = machine.core.link_address == self.address
        if (
            not self.is_running
            or not is_here
            or self.network.is_cut(machine.address.host, self.address.host)
        ):
            self.network.after(0.5, machine.link_refused)
            return
        self._links += 1
        number = self._links
        pipe = Pipe(self.network, (machine.address.host, self.address.host))
        self._pipes[number] = pipe
        self._readers[number] = self._reader(number)
        pipe.receive[1], pipe.closed[1] = (
            lambda data: self._bytes_came(number, data),
            lambda: self._closed(number),
        )
        remote = Address(machine.address.host, 40_000 + number)
        if self._unread is not None:  # the kernel accepts it for a program that is stopped
            self._unread.connections.append((number, remote))
        else:
            self.core.link_opened(number, remote, now=self.network.now)
            self.turn()
        machine.link_made(pipe)

    def _reader(self, number: int) -> Callable[[bytes], None]:
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX

        def read(data: bytes) -> None:
            reader.feed(data)
            frames = []
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
            if frames:
                self.core.receive_frames(number, frames, now=self.network.now)

        return read

    def _bytes_came(self, number: int, data: bytes) -> None:
        if number not in self._pipes or self._core is None:
            return
        if self._unread is not None:
            self._unread.links.setdefault(number, bytearray()).extend(data)
            return
        self._read(number, data)
        self.turn()

    def _read(self, number: int, data: bytes) -> None:
        if number in self._pipes:
            self._readers[number](data)

    def _closed(self, number: int) -> None:
        if self._core is None:
            return
        if self._unread is not None:
            self._unread.hung_up.append(number)
            return
        self._hang_up(number)
        self.turn()

    def _hang_up(self, number: int) -> None:
        self._readers.pop(number, None)
        if self._pipes.pop(number, None) is not None:
            self.core.link_closed(number, now=self.network.now)
