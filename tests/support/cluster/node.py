"""A node of a simulated cluster: the edge of whichever engine there is, and the engine itself while
it has the lease.

The lease, the cores, the bus and the stream's store are the real ones, and so is the fence.
Simulated are the threads: a call of the store returns at once, at the moment at which its message
comes to the broker, and its end is told later.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from chatapp.registry.cluster.bus.edge_node import EdgeCore
from chatapp.registry.cluster.bus.edges import EngineNode
from chatapp.registry.cluster.bus.messages import NEWS, edge_subject
from chatapp.registry.cluster.bus.session import BusSeals
from chatapp.registry.cluster.lease import Lease, LeaseState
from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    SALT_SIZE,
    ClusterFounded,
    ClusterKey,
    Opener,
    Sealer,
    Strays,
)
from chatapp.registry.cluster.stream.ledger import Answer, Publication, Subject, Unanswered
from chatapp.registry.cluster.stream.store import Clocks, Seals, StreamStore
from chatapp.registry.edge.edge import Edge, Output
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.wire.address import Address
from chatapp.wire.errors import StoreError, StoreFull, StoreLost
from tests.support.cluster.broker import UNREAD_MAX, NodeLedger, is_to_engine
from tests.support.registry_machine import RegistryMachine

if TYPE_CHECKING:
    from tests.support.cluster.cluster import SimulatedCluster

KEY: Final = ClusterKey(bytes(KEY_SIZE))
NAME: Final = "c"
ANSWER_WITHIN: Final = 0.5
"""Seconds that the broker has for an answer about the lease."""
ASK_AGAIN: Final = 0.3
"""Seconds after which a message that the broker could not store is sent again."""
RESTS_FOR: Final = 2.0
"""Seconds after which a node that has lost the lease looks at it again."""
MAINTENANCE_SPAN: Final = 5.0
FOLLOWS: Final = 0.2
"""How often a look at the lease is one at the stream, too."""
TAKEOVER_TAKES: Final = (0.01, 0.01, 0.3, 2.0)


class NodeProgram:
    """What any node does, under the names that its machine uses."""

    def __init__(self, core: EdgeCore | RegistryCore) -> None:
        self.link_opened = core.link_opened
        self.receive_frames = core.receive_frames
        self.take_links_to_widen = core.take_links_to_widen
        self.link_closed = core.link_closed
        self.receive_datagram = core.receive_datagram
        self.set_wall = core.set_wall


class EdgeProgram(NodeProgram):
    """A node without the engine, as its machine drives it."""

    def __init__(self, core: EdgeCore) -> None:
        super().__init__(core)
        self.node: Final = core
        self.handle_timer = core.handle_timer
        self.next_timer = core.next_timer
        self.take_output = core.take_output

    @property
    def edge(self) -> Edge | None:
        """Its edge, while there is a session with the engine."""
        return self.node._edge


class EngineProgram(NodeProgram):
    """The node with the engine, as its machine drives it."""

    def __init__(self, node: EngineNode) -> None:
        core = node.core
        super().__init__(core)
        self.node: Final = node
        self.core: Final = core
        self.handle_timer = node.handle_timer
        self.next_timer = node.next_timer

    @property
    def edge(self) -> Edge:
        """Its own edge."""
        return self.core.edge

    def take_output(self) -> Output:
        """Drain everything that the driver has to send or log."""
        return self.core.take_output()


Program = EdgeProgram | EngineProgram


class ClusterMachine(RegistryMachine[Program]):
    """The machine of one node."""

    def __init__(self, cluster: "SimulatedCluster", name: str, address: Address) -> None:
        super().__init__(cluster.network, address, cluster.strangers)
        self.cluster = cluster
        self.name = name
        self._broker = cluster.broker
        self._chance = random.Random(self.random.random())
        self._run = 0
        """Which run of the program this is: what an earlier one has begun comes to nothing."""
        self._edge_id = b""
        self._lease: Lease | None = None
        self._term = 0
        self.store: StreamStore | None = None
        self._standby: tuple[NodeLedger, StreamStore] | None = None
        """What has followed the stream until now."""
        self._is_syncing = False
        self._appended = 0
        self._bus_unread = 0

    @property
    def host(self) -> str:
        """The host of this machine."""
        return self.address.host

    @property
    def is_engine(self) -> bool:
        """Whether its program has an engine."""
        return isinstance(self._core, EngineProgram)

    @property
    def is_well(self) -> bool:
        """Whether its program runs and is not stopped."""
        return self.is_running and not self.is_stopped

    @property
    def edge(self) -> Edge | None:
        """The edge that serves peers at this node."""
        return None if self._core is None else self._core.edge

    # --- the life of the program

    def start(self) -> None:
        """Start the program: an edge that looks for an engine."""
        self._run += 1
        self._become_edge()
        self._stand_by()

    def kill(self) -> None:
        """Kill the program (SIGKILL): what the broker has not stored is lost."""
        self._run += 1
        if self.store is not None:
            self.store.give_up()
        self.store = self._lease = self._standby = None
        self._bus_unread = 0
        super().kill()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later in this run; when the program continues, if it is stopped by then."""
        run = self._run

        def do() -> None:
            if run == self._run and not self.is_put_off(do):
                act()

        self.network.after(seconds, do)

    def set_wall(self) -> None:
        self.core.set_wall(self.wall, now=self.network.now)

    def _sealer(self) -> Sealer:
        return Sealer(KEY, NAME, self.random.randbytes(SALT_SIZE))

    def _seals(self) -> BusSeals:
        return BusSeals(self._sealer(), Opener(KEY, NAME))

    # --- the lease

    def _stand_by(self) -> None:
        self._lease = Lease(
            self._sealer(),
            Opener(KEY, NAME),
            holder=self.random.randbytes(8).hex(),
            name=self.name,
            strays=Strays(NAME, now=lambda: self.network.now),
            now=self.network.now,
        )
        self._keep(self._lease)

    def _keep(self, lease: Lease) -> None:
        """Look at the lease, or renew it."""
        now = self.network.now
        if lease is not self._lease:
            return
        if lease.state is LeaseState.LOST:
            self._step_down()
        elif lease.wants_look(now=now):
            self._look(lambda found: self._looked(lease, found), lambda: self._not_looked(lease))
        elif (renewal := lease.publication(now=now)) is not None:
            self._publish(renewal, lambda answer: self._renewed(lease, answer))
        else:  # it may have been lost just now: then it is looked at once more, at once
            self._keep_later(lease)

    def _keep_later(self, lease: Lease) -> None:
        self._later(max(lease.next_timer - self.network.now, 0.0), lambda: self._keep(lease))

    def _looked(self, lease: Lease, found: object) -> None:
        if lease is not self._lease:
            return
        if self._chance.random() < FOLLOWS:
            self._follow()
        if lease.looked(found, now=self.network.now):  # type: ignore[arg-type]
            self._publish(
                lease.claim(now=self.network.now), lambda answer: self._claimed(lease, answer)
            )
        else:
            self._keep_later(lease)

    def _not_looked(self, lease: Lease) -> None:
        if lease is self._lease:
            lease.not_looked(now=self.network.now)
            self._keep_later(lease)

    def _claimed(self, lease: Lease, answer: Answer) -> None:
        if lease is not self._lease:
            return
        lease.claimed(answer, now=self.network.now)
        if lease.state is LeaseState.OWNER:
            self._term = lease._place
            self._later(self._chance.choice(TAKEOVER_TAKES), lambda: self._take_over(lease))
        self._keep_later(lease)

    def _renewed(self, lease: Lease, answer: Answer) -> None:
        if lease is not self._lease:
            return
        if lease.renewed(answer, now=self.network.now):
            self._look(lambda found: self._found(lease, found), lambda: self._keep(lease))
        else:
            self._keep(lease)

    def _found(self, lease: Lease, found: object) -> None:
        if lease is self._lease:
            lease.found(found)  # type: ignore[arg-type]
            self._keep(lease)

    def _look(self, answered: Callable[[object], None], unanswered: Callable[[], None]) -> None:
        """Read the lease, with all that can happen to the question and the answer."""
        broker = self._broker

        def arrive() -> None:
            if not broker.is_reachable_from(self.host):
                self._later(ANSWER_WITHIN, unanswered)
                return
            found = broker.ledger.newest(Subject.LEASE)
            self._later(broker.delay(), lambda: answered(found))

        self.network.after(broker.delay(), arrive)

    def _publish(self, publication: Publication, answered: Callable[[Answer], None]) -> None:
        """Publish about the lease. A message that is on its way comes to the broker even if the
        program dies."""
        broker = self._broker

        def arrive() -> None:
            if not broker.is_reachable_from(self.host):
                self._later(ANSWER_WITHIN, lambda: answered(Unanswered()))
                return
            answer = broker.ledger.publish(publication)
            if self._broker.loses_answer():
                self._later(ANSWER_WITHIN, lambda: answered(Unanswered()))
            else:
                self._later(broker.delay(), lambda: answered(answer))

        self.network.after(broker.delay(), arrive)

    # --- its roles

    def _become_edge(self) -> None:
        core = EdgeCore(
            name=self.name,
            seals=self._seals(),
            rng=self.random,
            link_port=self.address.port,
            policy=self._policy(),
            now=self.network.now,
            wall=self.wall,
        )
        self._edge_id = core.id
        self.cluster.session_record.watch_edge(core, core.id)
        self.run(EdgeProgram(core))
        self.turn()

    def _policy(self) -> RegistryPolicy:
        """As in a real cluster, each node names the others."""
        others = (server for server in self.cluster.addresses if server != self.address)
        return RegistryPolicy(
            servers=tuple(others),
            rows_whole=self.cluster.rows_whole,
            broadcast_up_to=self.cluster.broadcast_up_to,
        )

    def _step_down(self) -> None:
        """Be an edge again: the lease is lost."""
        if self.store is not None:
            self.store.give_up()
        self.store, self._lease = None, None
        if isinstance(self._core, EngineProgram):
            self._core.node.leave()
            self._publish_bus(self._core)
            self._become_edge()
        self._later(RESTS_FOR, self._stand_by)

    def _take_over(self, lease: Lease) -> None:
        """Load the state and be the engine, as long as the lease was confirmed just now."""
        if lease is not self._lease or lease.state is not LeaseState.OWNER:
            return
        is_confirmed = lease.is_confirmed(now=self.network.now)
        if (
            not (is_confirmed and self._broker.is_reachable_from(self.host))
            or self._broker.ledger.refuses
        ):
            self._later(0.1, lambda: self._take_over(lease))
            return
        ledger, store = self._standby or self._new_store()
        self._standby = None
        ledger.is_taking_over = True
        program = self._core
        table = program.node.kept_table() if isinstance(program, EdgeProgram) else None
        loaded = msgspec.structs.replace(store.load(), table=table)
        ledger.is_taking_over = False
        now = self.network.now
        context = Context(
            identity=self.cluster.identity,
            rng=self.random,
            clock=WallClock(now=now, wall=self.wall),
            policy=self._policy(),
            store=store,
        )
        edge: Edge | None = None
        if isinstance(program, EdgeProgram):
            edge = program.node.hand_over(self.cluster.identity.public, now=now)
            self._publish_bus(program)
        core = RegistryCore(
            context,
            loaded,
            edge or self.address.port,
            desk=self.cluster.desk,
            now=now,
        )
        entries = core.entries_to_store()
        store.append(entries)
        store.sync()
        core.entries_stored(len(entries), now=self.network.now)
        node = EngineNode(
            core,
            term=self._term,
            name=self.name,
            seals=self._seals(),
            holds_lease=lambda now: lease.is_confirmed(now=now),
            now=self.network.now,
        )
        self.store, self._is_syncing, self._appended = store, False, 0
        self.cluster.session_record.watch_engine(node)
        self.cluster.engine_began(self)
        self.run(EngineProgram(node), keeps_links=edge is not None)
        self.turn()
        self._maintain(store)

    def _new_store(self) -> tuple[NodeLedger, StreamStore]:
        ledger = NodeLedger(self._broker, self)
        store = StreamStore(
            ledger,
            Seals(KEY, NAME, (self.random.randbytes(SALT_SIZE), self.random.randbytes(SALT_SIZE))),
            node=self.name,
            founding=lambda: (ClusterFounded(self.cluster.identity.seed, 0), []),
            clocks=Clocks(lambda: self.network.now, lambda: self.wall, _never),
        )
        return ledger, store

    def _follow(self) -> None:
        """Read what is new in the stream, while another node has the engine."""
        if self._broker.is_reachable_from(self.host):
            self._standby = ledger, store = self._standby or self._new_store()
            ledger.is_taking_over = True
            store.follow()
            ledger.is_taking_over = False

    # --- the bus

    def hears(self, subject: str) -> bool:
        """Whether its program reads this subject of the bus now."""
        if self._core is None:
            return False
        is_own = is_to_engine(subject) if self.is_engine else subject == edge_subject(self._edge_id)
        return is_own or subject == NEWS

    def bus_came(self, data: bytes) -> None:
        """Take a message of the bus. Much of it waits for a program that is stopped, but not
        all."""
        if self._unread is not None:
            if self._bus_unread < UNREAD_MAX:
                self._bus_unread += 1
                self._later(0.0, lambda: self._bus_read(data))
            return
        self._bus_read(data)

    def _bus_read(self, data: bytes) -> None:
        self._bus_unread, core = 0, self.core
        core.node.receive_bus(data, now=self.network.now)
        self.turn()
        if isinstance(core, EngineProgram) and core.node.is_overtaken:
            self._step_down()

    # --- a turn

    def end_turn(self, core: Program) -> None:
        self._publish_bus(core)
        if isinstance(core, EngineProgram):
            self._store(core)

    def _publish_bus(self, core: Program) -> None:
        for subject, data in core.node.take_messages():
            self.cluster.session_record.published(subject, data)
            self.cluster.bus.publish(self.host, subject, data)

    def _store(self, program: EngineProgram) -> None:
        store, entries = self.store, program.core.entries_to_store()
        if store is None:
            return
        if entries:
            try:
                store.append(entries)
            except StoreLost:
                # nobody is told: the registry that serves now answers what its peers ask again
                pass
            except StoreError as error:
                self._refused(program, error, newest=len(entries))
            else:
                self._appended += len(entries)
        if self._appended and not self._is_syncing:
            self._is_syncing = True
            takes = self._broker.delay() + self._broker.extra
            self.network.after(takes, lambda: self._sync(program, store))

    def _sync(self, program: EngineProgram, store: StreamStore) -> None:
        """What was sent comes to the broker, even if the program was stopped meanwhile. Without an
        answer it is sent again until the lease is lost."""
        if store is not self.store:
            return
        if not self._broker.is_reachable_from(self.host):
            self._later(ASK_AGAIN, lambda: self._sync(program, store))
            return
        covered, self._appended = self._appended, 0
        failure: StoreError | None = None
        try:
            store.sync()
        except StoreError as error:
            failure = error
        else:
            self.cluster.kept_until = self.network.now
        slow = ANSWER_WITHIN if self._broker.loses_answer() else 0.0
        self._later(
            slow + self._broker.delay(), lambda: self._synced(program, store, covered, failure)
        )

    def _synced(
        self, program: EngineProgram, store: StreamStore, covered: int, error: StoreError | None
    ) -> None:
        if store is not self.store or program is not self._core:
            return
        self._is_syncing = False
        if isinstance(error, StoreLost):
            self._step_down()
            return
        if error is not None:
            self._appended = 0
            self._refused(program, error)
        else:
            program.core.entries_stored(covered, now=self.network.now)
        self.turn()

    def _refused(
        self, program: EngineProgram, error: StoreError, *, newest: int | None = None
    ) -> None:
        self.cluster.refused_at = now = self.network.now
        is_full = isinstance(error, StoreFull)
        program.core.store_failed(str(error), newest=newest, is_full=is_full, now=now)
        self._later(0.0, self.turn)

    def _maintain(self, store: StreamStore) -> None:
        """Recover after a refusal, or write a snapshot, when that is due."""
        if store is not self.store:
            return
        self._later(MAINTENANCE_SPAN, lambda: self._maintain(store))
        if not self._broker.is_reachable_from(self.host):
            return
        now = self.network.now
        try:
            if store.recovery_due(now):
                store.recover()
            elif store.checkpoint_due(now):
                store.checkpoint()
                self.cluster.checkpoints += 1
        except StoreError:
            pass  # it is tried again


def _never(seconds: float) -> None:
    raise AssertionError("the store waits for the broker, which answers at once")
