"""This file is about the registry in the simulated network: a real core on a store that survives a crash of the program.

The store is in memory and forgets what was not synced; a sync takes a moment, as a disk does.
"""

import random
from collections import Counter
from collections.abc import Callable

from registry.core import RegistryCore
from registry.desk.settings import DeskSettings
from registry.store.entries import MailStored
from registry.store.memory import MemoryStore
from tests.support.machine import WALL_OFFSET, Machine
from tests.support.network import Happening, Network, Pipe
from wire.address import Address
from wire.framing import FrameReader
from wire.identity import Identity
from wire.limits import LINK_FRAME_MAX

SYNC_TAKES = 0.002
GREETING_SIZE = 24


class House:
    """One registry."""

    def __init__(self, network: Network, host: str) -> None:
        self.network = network
        self.address = Address(host, 5_000)
        self.random = random.Random(network.random.random())
        self.identity = Identity(self.random.randbytes(32))
        self.store = MemoryStore()
        self.desk = DeskSettings()
        self._core: RegistryCore | None = None
        self._pipes: dict[int, Pipe] = {}
        self._links = 0
        self._timer: Happening | None = None
        self._syncing = 0
        self.started_at = self.crashed_at = network.now
        self.wall_offset = WALL_OFFSET
        self.strangers: set[Address] = set()
        """Addresses of nobody, from which things come that prove nothing."""
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
        self._syncing = 0
        entries = self._core.entries_to_store()  # at a start they are on the disk before anybody is served
        self.store.append(entries)
        self.store.sync()
        self._core.entries_stored(len(entries), now=self.network.now)
        self.network.settle_at(self.address, self._datagram_came)
        self.pump()

    def set_clock(self, seconds: float) -> None:
        """The wall clock jumps by so many seconds."""
        self.wall_offset += seconds
        if self._core is not None:
            self._core.set_wall(self.network.now + self.wall_offset, now=self.network.now)

    def crash(self) -> None:
        """Kill -9, and the machine forgets what was not synced: worse than any kill."""
        self._core = None
        self._timer = None
        self.crashed_at = self.network.now
        self.network.leave(self.address)
        pipes, self._pipes = self._pipes, {}
        for pipe in pipes.values():
            pipe.close(1)
        self.store.crash()

    def knows(self, identity: bytes) -> bool:
        """Whether somebody has a name here."""
        return self._core is not None and self._core._service.directory.person(identity) is not None

    def holds(self, sender: bytes, recipient: bytes, number: int) -> bool:
        """Whether a letter is durably in the mailbox."""
        letters = self.store._durable.mail.get(recipient, {}).values()
        return any(
            isinstance(letter, MailStored) and letter.sender == sender and letter.number == number
            for letter in letters
        )

    # --- the pump, as in `registry.server`

    def pump(self) -> None:
        """Move everything that the core has to say."""
        core = self.core
        for data, target in core.datagrams_to_send():
            assert len(data) <= 1_200
            self._note_bytes_out(data, target)
            self.network.send(data, self.address, target)
        for data, targets in core.broadcasts_to_send():
            assert len(data) <= 1_200
            for target in targets:
                self._note_bytes_out(data, target)
                self.network.send(data, self.address, target)
        for number, pieces in core.link_writes():
            if number in self._pipes:
                self._pipes[number].write(1, b"".join(pieces))
        for number, _ in core.links_to_close():
            pipe = self._pipes.pop(number, None)
            if pipe is not None:
                pipe.close(1)
        core.links_to_widen(), core.links_to_pause(), core.links_to_resume(), core.events()
        self._store(core)
        self._arm(core)

    def _note_bytes_out(self, data: bytes, target: Address) -> None:
        if target in self.strangers:
            self.went_out[target] += len(data)
            came, went = self.came_in[target], self.went_out[target]
            assert went <= came, f"I7: {went} bytes to {target}, {came} from there"

    def _store(self, core: RegistryCore) -> None:
        entries = core.entries_to_store()
        if not entries:
            return
        self.store.append(entries)
        self.network.after(SYNC_TAKES, lambda: self._synced(core, len(entries)))

    def _synced(self, core: RegistryCore, count: int) -> None:
        if core is self._core:
            self.store.sync()
            core.entries_stored(count, now=self.network.now)
            self.pump()

    def _datagram_came(self, data: bytes, source: Address) -> None:
        if source in self.strangers:
            self.came_in[source] += len(data)
        self.core.receive_datagram(data, source, now=self.network.now)
        self.pump()

    def _arm(self, core: RegistryCore) -> None:
        due = core.next_timer()
        if self._timer is not None and self.network.now < self._timer.at <= due:
            return
        timer = self._timer = self.network.at(due, lambda: self._timer_rang(timer))

    def _timer_rang(self, timer: Happening) -> None:
        if timer is self._timer and self._core is not None:
            self._timer = None
            self._core.handle_timer(now=self.network.now)
            self.pump()

    # --- links

    def connect(self, machine: Machine) -> None:
        """A program connects to our TCP port."""
        if not self.is_running or self.network.is_cut(machine.address.host, self.address.host):
            self.network.after(0.5, machine.link_refused)
            return
        self._links += 1
        number = self._links
        pipe = Pipe(self.network, (machine.address.host, self.address.host))
        self._pipes[number] = pipe
        pipe.receive[1], pipe.closed[1] = self._receiver(number), lambda: self._closed(number)
        self.core.link_opened(number, Address(machine.address.host, 40_000 + number), now=self.network.now)
        self.pump()
        machine.link_made(pipe)

    def _receiver(self, number: int) -> Callable[[bytes], None]:
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX
        is_greeted = False

        def receive(data: bytes) -> None:
            nonlocal is_greeted
            if number not in self._pipes or self._core is None:
                return
            reader.feed(data)
            if not is_greeted:
                greeting = reader.take_raw(GREETING_SIZE)
                if greeting is None:
                    return
                is_greeted = True
                self._core.link_greeted(number, greeting, now=self.network.now)
            frames = []
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
            if frames:
                self._core.receive_frames(number, frames, now=self.network.now)
            self.pump()

        return receive

    def _closed(self, number: int) -> None:
        if self._pipes.pop(number, None) is not None and self._core is not None:
            self._core.link_closed(number, now=self.network.now)
            self.pump()
