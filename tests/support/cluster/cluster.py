"""A simulated cluster: three nodes, of which one has the engine, over one broker."""

import random
from typing import Final

from chatapp.registry.cluster.stream.bundles import Opener
from chatapp.registry.cluster.stream.ledger import Refused
from chatapp.registry.cluster.stream.store import StreamStore
from chatapp.registry.engine.engine import Engine
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.entries import MailStored, decode
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.identity import Identity
from chatapp.wire.limits import ROWS_TOLD_WHOLE
from tests.support.cluster.broker import SimulatedBroker, SimulatedBus
from tests.support.cluster.node import KEY, NAME, ClusterMachine, EngineProgram
from tests.support.cluster.sessions import SessionRecord
from tests.support.machine import Machine
from tests.support.network import Network

NODES: Final = 3


class SimulatedCluster:
    """Three nodes that are one registry."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.chance = random.Random(network.random.random())
        self.strangers: set[Address] = set()
        self.identity = Identity(self.chance.randbytes(32))
        self.desk = DeskSettings()
        self.rows_whole = ROWS_TOLD_WHOLE
        self.broadcast_up_to = RegistryPolicy().broadcast_up_to
        """As of a registry on one machine."""
        self.broker = SimulatedBroker(network, self.chance)
        self.bus = SimulatedBus(self.broker, lambda: list(self.machines))
        self.session_record = SessionRecord(Opener(KEY, NAME))
        self.addresses = tuple(Address(f"9.9.9.{at + 1}", 5_000) for at in range(NODES))
        self.machines = [
            ClusterMachine(self, f"n{at + 1}", address) for at, address in enumerate(self.addresses)
        ]
        self.owner: ClusterMachine | None = None
        """The node that has taken the stream over last."""
        self._store: StreamStore | None = None
        """Its store, which is kept when the node dies."""
        self.started_at = self.kept_until = network.now
        self.refused_at = float("-inf")
        self.takeovers = self.checkpoints = 0

    # --- what a world needs of a registry

    def start(self) -> None:
        """Start all nodes."""
        for machine in self.machines:
            machine.start()

    @property
    def engine_machine(self) -> ClusterMachine | None:
        """The node with the engine that can still store; None while there is none."""
        owner = self.owner
        return owner if owner is not None and owner.is_engine and owner.store is not None else None

    def engine_began(self, machine: ClusterMachine) -> None:
        """Note that a node has taken the state over."""
        self.owner, self._store = machine, machine.store
        self.started_at = self.network.now
        self.takeovers += 1

    @property
    def is_running(self) -> bool:
        """Whether there is an engine that can still store."""
        return self.engine_machine is not None

    @property
    def is_stopped(self) -> bool:
        """Whether the program with the engine is stopped."""
        machine = self.engine_machine
        return machine is not None and machine.is_stopped

    @property
    def engine(self) -> Engine:
        """The state and rules of the engine that can still store."""
        return self._program.core.engine

    @property
    def _program(self) -> EngineProgram:
        machine = self.engine_machine
        assert machine is not None
        program = machine.core
        assert isinstance(program, EngineProgram)
        return program

    @property
    def cores(self) -> list[object]:
        """The programs that run."""
        return [machine.core for machine in self.machines if machine.is_running]

    @property
    def sessions(self) -> int:
        """The sessions with peers that all nodes hold."""
        return max(
            (len(machine.edge.sessions) for machine in self.machines if machine.edge is not None),
            default=0,
        )

    def servers(self, at: int) -> list[Address]:
        """Return the addresses for the person with this number: each prefers another node."""
        first = at % NODES
        return [*self.addresses[first:], *self.addresses[:first]]

    def connect(self, machine: Machine) -> None:
        """Accept a TCP connection of a program at the node that it wants."""
        wanted = machine.core.link_address
        for node in self.machines:
            if node.address == wanted:
                node.connect(machine)
                return
        self.network.after(0.5, machine.link_refused)

    def can_hear(self, machine: Machine) -> bool:
        """Whether datagrams of a program come to a node that runs."""
        return any(
            node.is_well and not self.network.is_cut(machine.address.host, node.host)
            for node in self.machines
        )

    def heal(self) -> None:
        """End all faults of the nodes and the broker."""
        self.broker.extra, self.broker.away_until, self.broker.ledger.refuses = 0.0, 0.0, None
        self.broker.is_calm, self.bus.doubled = True, 0.0
        self.bus.loss = 0.0
        for machine in self.machines:
            machine.go_on()
            if not machine.is_running:
                machine.start()

    # --- faults

    def any_machine(self, chance: random.Random) -> ClusterMachine:
        """Return a node, more often the one with the engine."""
        engine = self.engine_machine
        return (
            engine if engine is not None and chance.random() < 0.4 else chance.choice(self.machines)
        )

    def any_address(self, chance: random.Random) -> Address:
        """Return the address of a node."""
        return chance.choice(self.addresses)

    def dies_or_starts(self, chance: random.Random) -> None:
        """Kill or start a node."""
        dead = [machine for machine in self.machines if not machine.is_running]
        if dead and chance.random() < 0.6:
            chance.choice(dead).start()
            return
        machine = self.any_machine(chance)
        if machine.is_running:
            machine.kill()

    def fails_over(self, chance: random.Random) -> None:
        """Kill the node with the engine; it is started again after a while. The others need nobody
        for that."""
        machine = self.engine_machine
        if machine is None:
            return
        machine.kill()
        machine.wall_offset += chance.choice((-3.0, 0.0, 3.0))

        def start_again() -> None:
            if not machine.is_running:
                machine.start()

        self.network.after(chance.choice((0.2, 3.0, 7.0)), start_again)

    def slow_down(self, seconds: float, span: float) -> None:
        """Let the broker take longer to store, for a while."""
        self.broker.extra = seconds

        def be_fast() -> None:
            self.broker.extra = 0.0

        self.network.after(span, be_fast)

    def refuse(self, *, is_full: bool, span: float) -> None:
        """Let the broker refuse to store, for a while."""
        refused = Refused("no space" if is_full else "the stream is offline", is_full=is_full)
        self.broker.ledger.refuses = refused

        def accept() -> None:
            if self.broker.ledger.refuses is refused:
                self.broker.ledger.refuses = None

        self.network.after(span, accept)

    # --- what the promise asks

    def operator_code(self, name: str) -> JoinCode | None:
        """Return the code that the engine has printed for an operator of this name."""
        return self._program.core.operators.codes.get(name) if self.is_running else None

    def knows(self, identity: bytes) -> bool:
        """Whether an identity has a name."""
        return self.is_running and self.engine.hub.directory.person(identity) is not None

    def topic_of(self, room: str) -> str:
        """Return the text of a room's topic, empty if it has none."""
        found = self.engine.hub.rooms.index.by_group(f"#{room}")
        assert found is not None
        return found.topic.text

    def counts_as_present(self, identity: bytes) -> bool:
        """Whether a person is online for the engine, or has a link there."""
        program = self._program
        person = program.core.engine.hub.directory.person(identity)
        remote = [one for edge in program.node.edges.present for _, one in edge.links]
        local = [link.identity for link in program.core.edge.links.attached()]
        return (person is not None and person.online) or identity in remote or identity in local

    def lease_of(self, identity: bytes) -> float:
        """The seconds after which silence takes a person offline."""
        return self._program.core.engine.hub.liveness.lease_of(identity)

    def holds(self, sender: bytes, recipient: bytes, number: int) -> bool:
        """Whether a letter is in the stream, in the mailbox."""
        assert self._store is not None
        kept = self._store._stored._state.mail.get(recipient, {}).values()
        letters = [decode(one.payload) for one in kept]
        return any(
            isinstance(letter, MailStored) and letter.sender == sender and letter.number == number
            for letter in letters
        )
