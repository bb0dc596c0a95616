"""The registry in the simulated network: a real core on a store that survives a crash of the program.

The store is in memory and forgets what was not synced; a sync takes a moment, as a disk does.
"""

import random
from collections import Counter
from collections.abc import Callable

from chatapp.registry.core import RegistryCore
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.effects import Fault
from chatapp.registry.store.entries import MailStored
from chatapp.registry.texts import event_line
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.errors import StoreError, StoreFull
from chatapp.wire.framing import FrameReader
from chatapp.wire.identity import Identity
from chatapp.wire.limits import DATAGRAM_MAX, LINK_FRAME_MAX
from tests.support.machine import WALL_OFFSET, Machine
from tests.support.memory_store import MemoryStore
from tests.support.network import Happening, Network, Pipe

SYNC_TAKES = 0.002
SOCKET_BUFFER = 212_992
"""Bytes of datagrams that wait in the kernel while the program is stopped: Linux's usual `net.core.rmem_default`."""
DATAGRAM_OVERHEAD = 768
"""Bytes that the kernel charges for a datagram besides its own."""


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
        """Syncs that have ended."""

    def add(self, data: bytes, source: Address) -> None:
        """Queue a datagram; it is lost if there is no room."""
        charged = len(data) + DATAGRAM_OVERHEAD
        if charged <= self.room:
            self.room -= charged
            self.datagrams.append((data, source))


class House:
    """One registry."""

    def __init__(self, network: Network, host: str) -> None:
        self.network = network
        self.address = Address(host, 5_000)
        """Where the program runs, or ran last."""
        self.nodes = (self.address, Address(f"{host}0", 5_001))
        """The addresses of its nodes: a standby takes over with the same state."""
        self.random = random.Random(network.random.random())
        self.identity = Identity(self.random.randbytes(32))
        self.store = MemoryStore()
        self.desk = DeskSettings()
        self._core: RegistryCore | None = None
        self._pipes: dict[int, Pipe] = {}
        self._readers: dict[int, Callable[[bytes], None]] = {}
        self._links = 0
        self._unread: Unread | None = None
        self._timer: Happening | None = None
        self._is_syncing = False
        self._appended = 0
        """Entries appended to the store that no sync has covered."""
        self.sync_takes = SYNC_TAKES
        """Seconds that a sync takes: more on a slow disk, where much arrives during one sync."""
        self.started_at = self.kept_until = network.now
        """When this run began, and until when everything decided in it (at first: in the previous one) is on disk."""
        self.refused_at = float("-inf")
        """When the disk last refused a write."""
        self.wall_offset = WALL_OFFSET
        self.strangers: set[Address] = set()
        """Addresses that belong to nobody, from which unproved datagrams come."""
        self.went_out: Counter[Address] = Counter()
        self.came_in: Counter[Address] = Counter()

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._core is not None

    @property
    def core(self) -> RegistryCore:
        """The running program."""
        assert self._core is not None
        return self._core

    def start(self) -> None:
        """Start with what the disk holds."""
        self.started_at = self.network.now
        self._core = RegistryCore(
            identity=self.identity,
            rng=self.random,
            loaded=self.store.load(),
            read_letters=self.store.read_letters,
            read_lines=self.store.read_lines,
            link_port=self.address.port,
            now=self.network.now,
            wall=self.network.now + self.wall_offset,
            desk=self.desk,
        )
        self._is_syncing, self._appended = False, 0
        entries = self._core.entries_to_store()  # at a start they are on the disk before anybody is served
        self.store.append(entries)
        self.store.sync()
        self._core.entries_stored(len(entries), now=self.network.now)
        self.network.settle_at(self.address, self._datagram_came)
        self.turn()

    def operator_code(self, name: str) -> JoinCode | None:
        """Return the code that this run has printed for an operator of this name."""
        return None if self._core is None else self._core.operators.codes.get(name)

    def set_clock(self, seconds: float) -> None:
        """Let the wall clock jump by so many seconds."""
        self.wall_offset += seconds
        if self._core is not None and not self.is_stopped:
            self._core.set_wall(self.network.now + self.wall_offset, now=self.network.now)

    def disk_is_fast(self) -> None:
        """Syncs take as long as usual again."""
        self.sync_takes = SYNC_TAKES

    def disk_works(self) -> None:
        """Syncs succeed again."""
        self.store.sync_fails = False
        self._recover()

    def disk_has_room(self) -> None:
        """Appends succeed again."""
        self.store.full = False
        self._recover()

    def _recover(self) -> None:
        """Try to recover the store, as `registry.driver` does."""
        if self.store.recovery_due(self.network.now) and not (self.store.full or self.store.sync_fails):
            self.store.recover()

    @property
    def is_stopped(self) -> bool:
        """Whether the program is stopped, with everything that arrives waiting in the kernel."""
        return self._unread is not None and self._unread.is_stopped

    def stop(self) -> None:
        """Stop the program (SIGSTOP): nothing is read, timers are late, links stay open and keep their bytes."""
        if self._core is not None and self._unread is None:
            self._unread = Unread()

    def go_on(self, *, links_after: float = 0.0) -> None:
        """Continue the program (SIGCONT): datagrams are read first and answered, links `links_after` seconds later, as
        by a busy event loop."""
        unread, core, now = self._unread, self._core, self.network.now
        if unread is None or core is None:
            return
        if unread.is_stopped:
            unread.is_stopped = False
            core.set_wall(now + self.wall_offset, now=now)
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

    def crash(self) -> None:
        """Kill the program and lose what was not synced: worse than a plain `kill -9`."""
        self._core = self._unread = None
        self._timer = None
        self.network.leave(self.address)
        pipes, self._pipes = self._pipes, {}
        self._readers.clear()
        for pipe in pipes.values():
            pipe.close(1)
        self.store.crash()

    def pass_to_other_node(self, *, clock_ahead: float = 0.0) -> None:
        """Kill the program, and let its next start be on the other node, whose clock is ahead by so many seconds."""
        if self._core is not None:
            self.crash()
        self.address = self.nodes[1 - self.nodes.index(self.address)]
        self.wall_offset += clock_ahead

    def knows(self, identity: bytes) -> bool:
        """Whether an identity has a name here."""
        return self._core is not None and self._core.house.service.directory.person(identity) is not None

    def topic_of(self, room: str) -> str:
        """Return the text of a room's topic, empty if it has none."""
        found = self.core.house.service.rooms.index.by_group(f"#{room}")
        assert found is not None
        return found.topic.text

    def counts_as_present(self, identity: bytes) -> bool:
        """Whether a person is online here, or has a link."""
        person = self.core.house.service.directory.person(identity)
        is_online = person is not None and person.online
        return is_online or any(link.identity == identity for link in self.core.front.links.attached())

    def holds(self, sender: bytes, recipient: bytes, number: int) -> bool:
        """Whether a letter is durably in the mailbox."""
        letters = self.store._durable.mail.get(recipient, {}).values()
        return any(
            isinstance(letter, MailStored) and letter.sender == sender and letter.number == number
            for letter in letters
        )

    # --- one turn, as in `registry.server`

    def turn(self) -> None:
        """Carry out everything that the core has to output."""
        core = self.core
        core.take_links_to_widen()
        output = core.take_output()
        for data, target in output.datagrams:
            assert len(data) <= DATAGRAM_MAX
            self._note_bytes_out(data, target)
            self.network.send(data, self.address, target)
        for data, targets in output.broadcasts:
            assert len(data) <= DATAGRAM_MAX
            for target in targets:
                self._note_bytes_out(data, target)
                self.network.send(data, self.address, target)
        for number, pieces in output.link_writes:
            if number in self._pipes:
                self._pipes[number].write(1, b"".join(pieces))
        for number, _ in output.links_to_close:
            pipe = self._pipes.pop(number, None)
            self._readers.pop(number, None)
            if pipe is not None:
                pipe.close(1)
        for event in output.events:
            assert not isinstance(event, Fault), event_line(event)
        self._store(core)
        self._arm(core)

    def _note_bytes_out(self, data: bytes, target: Address) -> None:
        if target in self.strangers:
            self.went_out[target] += len(data)
            came, went = self.came_in[target], self.went_out[target]
            assert went <= came, f"I7: {went} bytes to {target}, {came} from there"

    def _store(self, core: RegistryCore) -> None:
        """Commit as `registry.driver` does: one sync at a time covers what was appended before it began."""
        entries = core.entries_to_store()
        if entries:
            try:
                self.store.append(entries)
            except StoreError as error:
                self.refused_at = self.network.now
                is_full = isinstance(error, StoreFull)
                core.store_failed(str(error), newest=len(entries), is_full=is_full, now=self.network.now)
                self.network.after(0.0, lambda: self._pump_again(core))
            else:
                self._appended += len(entries)
        if self._appended and not self._is_syncing:
            self._is_syncing = True
            covered, self._appended = self._appended, 0
            began_at = self.network.now
            self.network.after(self.sync_takes, lambda: self._synced(core, covered, began_at))

    def _synced(self, core: RegistryCore, covered: int, began_at: float) -> None:
        if core is not self._core:
            return
        if self._unread is not None:
            self._unread.calls.append(lambda: self._synced(core, covered, began_at))
        else:
            self._is_syncing = False
            try:
                self.store.sync()
            except StoreError as error:
                self.refused_at, self._appended = self.network.now, 0
                core.store_failed(str(error), now=self.network.now)
            else:
                self.kept_until = began_at
                core.entries_stored(covered, now=self.network.now)
            self.turn()

    def _pump_again(self, core: RegistryCore) -> None:
        if core is self._core and self._unread is None:
            self.turn()

    def _datagram_came(self, data: bytes, source: Address) -> None:
        if source in self.strangers:
            self.came_in[source] += len(data)
        if self._unread is not None and self._unread.is_stopped:
            self._unread.add(data, source)
            return
        self.core.receive_datagram(data, source, now=self.network.now)
        self.turn()

    def _arm(self, core: RegistryCore) -> None:
        due = core.next_timer()
        if self._timer is not None and self.network.now < self._timer.at <= due:
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
        if not self.is_running or not is_here or self.network.is_cut(machine.address.host, self.address.host):
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
