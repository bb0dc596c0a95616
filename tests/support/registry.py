"""A registry on one machine in the simulated network: a real core on a store that survives a crash
of the program.

The store is in memory and forgets what was not synced; a sync takes a moment, as a disk does.
"""

import random

import msgspec

from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.engine.engine import Engine
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.store.entries import MailStored
from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.errors import StoreError, StoreFull
from chatapp.wire.identity import Identity
from chatapp.wire.limits import ROWS_TOLD_WHOLE
from tests.support.machine import Machine
from tests.support.memory_store import MemoryStore
from tests.support.network import Network
from tests.support.registry_machine import RegistryMachine

SYNC_TAKES = 0.002
NOTED = 0.02
"""The share of turns after which somebody else has the table."""
KNOWS_NOW, KNOWS = 0.4, 0.7
"""How often the next run knows the table as it was, and how often it knows one at all."""


class SimulatedRegistry(RegistryMachine[RegistryCore]):
    """One registry."""

    def __init__(self, network: Network, host: str) -> None:
        self.strangers: set[Address] = set()
        """Addresses that belong to nobody, from which unproved datagrams come."""
        super().__init__(network, Address(host, 5_000), self.strangers)
        self.addresses = (self.address, Address(f"{host}0", 5_001))
        """The addresses of its nodes: a standby takes over with the same state."""
        self.identity = Identity(self.random.randbytes(32))
        self.store = MemoryStore()
        self.desk = DeskSettings()
        self._is_syncing = False
        self._appended = 0
        """Entries appended to the store that no sync has covered."""
        self.sync_takes = SYNC_TAKES
        """Seconds that a sync takes: more on a slow disk, where much arrives during one sync."""
        self.started_at = self.kept_until = network.now
        """When this run began, and until when everything decided in it (at first: in the previous
        one) is on disk."""
        self.refused_at = float("-inf")
        """When the disk last refused a write."""
        self._tables = random.Random(1)
        self.rows_whole = ROWS_TOLD_WHOLE
        """Of more rows than that a page is a roster. A world with few people may have them, too."""
        self.broadcast_up_to = RegistryPolicy().broadcast_up_to
        """People online of whom everybody is told."""
        self._table: KeptTable | None = None
        """What the next run knows of the table; it may have been told of more."""

    @property
    def engine(self) -> Engine:
        """The running program's state and rules."""
        return self.core.engine

    def start(self) -> None:
        """Start with what the disk holds."""
        self.started_at = self.network.now
        now = self.network.now
        context = Context(
            identity=self.identity,
            rng=self.random,
            clock=WallClock(now=now, wall=self.wall),
            store=self.store,
            policy=RegistryPolicy(rows_whole=self.rows_whole, broadcast_up_to=self.broadcast_up_to),
        )
        loaded = msgspec.structs.replace(self.store.load(), table=self._table)
        self._table = None
        core = RegistryCore(context, loaded, self.address.port, desk=self.desk, now=now)
        self._is_syncing, self._appended = False, 0
        entries = (
            core.entries_to_store()
        )  # at a start they are on the disk before anybody is served
        self.store.append(entries)
        self.store.sync()
        core.entries_stored(len(entries), now=self.network.now)
        self.run(core)
        self.turn()

    def crash(self) -> None:
        """Kill the program and lose what was not synced: worse than a plain `kill -9`. The next run
        may know the table as it was now, a while ago, or not at all."""
        knows = self._tables.random()
        if knows < KNOWS_NOW:
            self._table = self.engine.hub.directory.kept()
        elif knows > KNOWS:
            self._table = None
        self.kill()
        self.store.crash()

    def forget_table(self) -> None:
        """Let the next run know no table: a registry alone keeps it when it is stopped in order."""
        self._table = None

    def pass_to_other_node(self, *, clock_ahead: float = 0.0) -> None:
        """Kill the program, and let its next start be on the other node, whose clock is ahead by so
        many seconds."""
        if self.is_running:
            self.crash()
        self.address = self.addresses[1 - self.addresses.index(self.address)]
        self.wall_offset += clock_ahead

    # --- what a world needs of a registry

    @property
    def machines(self) -> "list[SimulatedRegistry]":
        """The machines on which it runs."""
        return [self]

    @property
    def cores(self) -> list[object]:
        """The programs that run."""
        return [self.core] if self.is_running else []

    @property
    def sessions(self) -> int:
        """The sessions with peers that it holds."""
        return len(self.core.edge.sessions)

    def servers(self, at: int) -> list[Address]:
        """Return the addresses for the person with this number."""
        return list(self.addresses)

    def can_hear(self, machine: Machine) -> bool:
        """Whether datagrams of a program come here."""
        return not self.network.is_cut(machine.address.host, self.address.host)

    def heal(self) -> None:
        """End all faults of the disk and the program."""
        self._be_fast()
        self._have_room()
        self._work()
        self.go_on()
        if not self.is_running:
            self.start()

    # --- faults

    def any_machine(self, chance: random.Random) -> "SimulatedRegistry":
        """Return its machine."""
        return self

    def any_address(self, chance: random.Random) -> Address:
        """Return its address."""
        return self.address

    @property
    def can_start(self) -> bool:
        """Whether its disk accepts writes, without which it does not start."""
        return not (self.store.full or self.store.sync_fails)

    def dies_or_starts(self, chance: random.Random) -> None:
        """Kill or start it. It loses what was not synced."""
        if self.is_running:
            self.crash()
        elif self.can_start:
            self.start()

    def fails_over(self, chance: random.Random) -> None:
        """Kill its node. The other one takes over its state after a while; their clocks differ a
        little."""
        takes = chance.choice((0.2, 3.0, 7.0))
        if not self.can_start:
            return
        self.pass_to_other_node(clock_ahead=chance.choice((-3.0, 0.0, 3.0)))

        def take_over() -> None:
            if not self.is_running and self.can_start:
                self.start()

        self.network.after(takes, take_over)

    def slow_down(self, seconds: float, span: float) -> None:
        """Slow the syncs down for a while: many requests arrive during one, and are covered by the
        next one."""
        self.sync_takes = seconds
        self.network.after(span, self._be_fast)

    def refuse(self, *, is_full: bool, span: float) -> None:
        """Fill the disk for a while, or let the syncs fail: what they were to cover is lost. What
        was synced before is there."""
        if is_full:
            self.store.full = True
            self.network.after(span, self._have_room)
        else:
            self.store.sync_fails = True
            self.network.after(span, self._work)

    def set_wall(self) -> None:
        self.core.set_wall(self.wall, now=self.network.now)

    # --- the disk

    def _be_fast(self) -> None:
        self.sync_takes = SYNC_TAKES

    def _work(self) -> None:
        self.store.sync_fails = False
        self._recover()

    def _have_room(self) -> None:
        self.store.full = False
        self._recover()

    def _recover(self) -> None:
        """Try to recover the store, as `registry.program.driver` does."""
        if self.store.recovery_due(self.network.now) and not (
            self.store.full or self.store.sync_fails
        ):
            self.store.recover()

    def end_turn(self, core: RegistryCore) -> None:
        if self._tables.random() < NOTED:
            self._table = core.engine.hub.directory.kept()
        """Commit as `registry.program.driver` does: one sync at a time covers what was appended
        before it began."""
        entries = core.entries_to_store()
        if entries:
            try:
                self.store.append(entries)
            except StoreError as error:
                self.refused_at = self.network.now
                is_full = isinstance(error, StoreFull)
                core.store_failed(
                    str(error), newest=len(entries), is_full=is_full, now=self.network.now
                )
                self.network.after(0.0, lambda: self._pump_again(core))
            else:
                self._appended += len(entries)
        if self._appended and not self._is_syncing:
            self._is_syncing = True
            covered, self._appended = self._appended, 0
            began_at = self.network.now
            self.network.after(self.sync_takes, lambda: self._synced(core, covered, began_at))

    def _synced(self, core: RegistryCore, covered: int, began_at: float) -> None:
        if core is not self._core or self.is_put_off(lambda: self._synced(core, covered, began_at)):
            return
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

    # --- what the promise asks

    def operator_code(self, name: str) -> JoinCode | None:
        """Return the code that this run has printed for an operator of this name."""
        return self.core.operators.codes.get(name) if self.is_running else None

    def knows(self, identity: bytes) -> bool:
        """Whether an identity has a name here."""
        return self.is_running and self.engine.hub.directory.person(identity) is not None

    def topic_of(self, room: str) -> str:
        """Return the text of a room's topic, empty if it has none."""
        found = self.engine.hub.rooms.index.by_group(f"#{room}")
        assert found is not None
        return found.topic.text

    def counts_as_present(self, identity: bytes) -> bool:
        """Whether a person is online here, or has a link."""
        person = self.engine.hub.directory.person(identity)
        is_online = person is not None and person.online
        return is_online or any(
            link.identity == identity for link in self.core.edge.links.attached()
        )

    def lease_of(self, identity: bytes) -> float:
        """The seconds after which silence takes a person offline."""
        return self.engine.hub.liveness.lease_of(identity)

    def holds(self, sender: bytes, recipient: bytes, number: int) -> bool:
        """Whether a letter is durably in the mailbox."""
        letters = self.store._durable.mail.get(recipient, {}).values()
        return any(
            isinstance(letter, MailStored) and letter.sender == sender and letter.number == number
            for letter in letters
        )
