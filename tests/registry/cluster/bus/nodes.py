"""A cluster's nodes in one process and virtual time: one with the engine, the others edges, and a
bus without delay."""

import random
from collections import defaultdict
from typing import cast

from chatapp.registry.cluster.bus.edge_node import EdgeCore
from chatapp.registry.cluster.bus.edges import EngineNode
from chatapp.registry.cluster.bus.messages import NEWS, edge_subject, engine_subject
from chatapp.registry.cluster.bus.session import BusSeals
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterKey, Opener, Sealer
from chatapp.registry.edge.edge import Edge
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.codec import FrameReader
from chatapp.wire.identity import Identity
from chatapp.wire.limits import LINK_FRAME_MAX
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import PORT, WALL, Rig
from tests.support.memory_store import MemoryStore

KEY = ClusterKey(bytes(KEY_SIZE))
NAME = "c"
STEP = 0.05


class EngineRig(Rig):
    """The node with the engine. What its turns produce for the bus is carried at once."""

    def __init__(
        self,
        cluster: "Cluster",
        store: MemoryStore,
        *,
        term: int,
        table: KeptTable | None,
        edge: Edge | None,
        now: float,
    ) -> None:
        self.cluster = cluster
        self.holds_lease = True
        super().__init__(
            store,
            now=now,
            seed=term,
            policy=cluster.policy,
            desk=cluster.desk,
            access=cluster.access,
            table=table,
            edge=edge,
        )
        self.node = EngineNode(
            self.core,
            term=term,
            name=f"engine {term}",
            seals=cluster.seals(),
            holds_lease=lambda now: self.holds_lease,
            now=now,
        )

    def take_links(self, edge: "EdgeRig") -> None:
        """Own the sockets of a node that was an edge."""
        self._readers, self.frames, self._next_link = edge._readers, edge.frames, edge._next_link
        self.turn_alone()

    def turn(self) -> None:
        super().turn()
        self.cluster.carry()

    def turn_alone(self) -> None:
        """Do what the driver does at the end of a turn, without carrying the bus."""
        super().turn()


class EdgeRig:
    """A node without the engine, as far as a peer needs one (`Rig`)."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self.cluster = cluster
        self.rng = random.Random(name)
        self.core = EdgeCore(
            name=name,
            seals=cluster.seals(),
            rng=self.rng,
            link_port=PORT,
            now=cluster.now,
            wall=WALL,
        )
        self.id = self.core.id
        self.datagrams: defaultdict[Address, list[bytes]] = defaultdict(list)
        self.frames: defaultdict[int, list[bytes]] = defaultdict(list)
        self.closed: dict[int, LinkEndReason] = {}
        self.paused: set[int] = set()
        self.faults_allowed = False
        self._readers: dict[int, FrameReader] = {}
        self._next_link = 1

    @property
    def now(self) -> float:
        return self.cluster.now

    @property
    def identity(self) -> Identity:
        return self.cluster.engine.identity

    def turn(self) -> None:
        self.turn_alone()
        self.cluster.carry()

    def turn_alone(self) -> None:
        """Do what the driver does at the end of a turn, without carrying the bus."""
        faults = self.core.dropped[DropReason.FAULT]
        assert self.faults_allowed or not faults, self.core.take_output().events
        self.core.take_links_to_widen()
        output = self.core.take_output()
        for link, pieces in output.link_writes:
            reader = self._readers[link]
            reader.feed(b"".join(pieces))
            while (frame := reader.next_frame()) is not None:
                self.frames[link].append(frame)
        for data, to in output.datagrams:
            self.datagrams[to].append(data)
        for data, addresses in output.broadcasts:
            for address in addresses:
                self.datagrams[address].append(data)
        self.paused.update(output.links_to_pause)
        self.paused.difference_update(output.links_to_resume)
        for link, reason in output.links_to_close:
            self.closed[link] = reason
            self.core.link_closed(link, now=self.now)

    # --- the world, as a peer sees it

    def receive(self, data: bytes, sender: Address) -> None:
        self.core.receive_datagram(data, sender, now=self.now)
        self.turn()

    def take(self, address: Address) -> list[bytes]:
        return self.datagrams.pop(address, [])

    def open_link(self, host: str) -> int:
        link, self._next_link = self._next_link, self._next_link + 1
        self._readers[link] = FrameReader()
        self._readers[link].largest = LINK_FRAME_MAX
        self.core.link_opened(link, Address(host, 40_000), now=self.now)
        self.turn()
        return link

    def close_link(self, link: int) -> None:
        self.core.link_closed(link, now=self.now)
        self.turn()

    def operator_code(self, name: str) -> JoinCode | None:
        return self.cluster.engine.operator_code(name)

    def peer(self, name: str) -> LinkedPeer:
        """Return a peer that has done nothing yet."""
        return self.cluster.peer(name, cast("Rig", self))

    def member(self, name: str) -> LinkedPeer:
        """Return a registered peer with a link."""
        peer = self.peer(name)
        peer.register()
        peer.attach()
        return peer


class Cluster:
    """One engine and any number of other edges, over a bus that tests can cut."""

    def __init__(
        self,
        edges: int = 2,
        *,
        policy: RegistryPolicy | None = None,
        desk: DeskSettings | None = None,
        access: AccessSettings | None = None,
    ) -> None:
        """`policy`: of the node with the engine."""
        self.now = 100.0
        self.policy = policy
        self.desk = desk
        self.access = access
        self.store = MemoryStore()
        self.cut_off: set[bytes] = set()
        """Edges that no message reaches or leaves."""
        self.is_engine_frozen = False
        """Whether the engine's process is stopped. What it is sent waits for it."""
        self._waiting: list[bytes] = []
        self._salts = 0
        self._made = 0
        self._is_carrying = False
        self._term = 0
        self.edges: list[EdgeRig] = []
        self.engine = self.start_engine()
        self.add_edges(edges)
        self.advance(2.0)

    def start_engine(
        self, *, table: KeptTable | None = None, edge: Edge | None = None
    ) -> EngineRig:
        """Start the engine, or another one on the same store. `table`, `edge`: with which it goes
        on."""
        self._term += 1
        self.engine = EngineRig(
            self, self.store, term=self._term, table=table, edge=edge, now=self.now
        )
        return self.engine

    def promote(self, edge: EdgeRig, *peers: LinkedPeer) -> EngineRig:
        """Let an edge have the engine. `peers`: who is at that node."""
        table, key = edge.core.kept_table(), self.engine.identity.public
        handed = edge.core.hand_over(key, now=self.now)
        self.edges.remove(edge)
        engine = self.start_engine(table=table, edge=handed)
        engine.take_links(edge)
        for peer in peers:
            peer.rig = engine
        return engine

    def add_edges(self, count: int) -> None:
        """Start further edges."""
        first = len(self.edges) + 1
        self.edges += [EdgeRig(self, f"n{number}") for number in range(first, first + count)]

    def seals(self) -> BusSeals:
        self._salts += 1
        return BusSeals(Sealer(KEY, NAME, self._salts.to_bytes(16, "big")), Opener(KEY, NAME))

    def peer(self, name: str, rig: Rig) -> LinkedPeer:
        self._made += 1
        return LinkedPeer(rig, name, host=f"10.1.0.{self._made}", seed=1_000 + self._made)

    def carry(self) -> None:
        """Carry what is on the bus, and all that follows from it."""
        if self._is_carrying:
            return
        self._is_carrying = True
        while self._carry_once():
            if not self.is_engine_frozen:
                self.engine.turn_alone()
            for edge in self.edges:
                edge.turn_alone()
        self._is_carrying = False

    def _carry_once(self) -> bool:
        messages = [] if self.is_engine_frozen else self.engine.node.take_messages()
        for subject, data in messages:
            for edge in self.edges:
                if subject in (NEWS, edge_subject(edge.id)) and edge.id not in self.cut_off:
                    edge.core.receive_bus(data, now=self.now)
        came = bool(messages)
        for edge in self.edges:
            for subject, data in edge.core.take_messages():
                assert subject == engine_subject(edge.id)
                came = True
                if edge.id not in self.cut_off:
                    self._waiting.append(data)
        if not self.is_engine_frozen:
            waiting, self._waiting = self._waiting, []
            for data in waiting:
                self.engine.node.receive_bus(data, now=self.now)
        return came

    def advance(self, seconds: float) -> None:
        """Let time pass for all nodes."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + STEP, until)
            self.engine.now = self.now
            if not self.is_engine_frozen:
                if self.engine.node.next_timer() <= self.now:
                    self.engine.node.handle_timer(now=self.now)
                self.engine.turn_alone()
            for edge in self.edges:
                if edge.core.next_timer() <= self.now:
                    edge.core.handle_timer(now=self.now)
                edge.turn_alone()
            self.carry()
