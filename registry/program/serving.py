"""The two roles of a node, with sockets and the bus: the edge of another node's engine, or the node
with the engine."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

from chatapp.registry.cluster.bus.edge_node import EdgeCore
from chatapp.registry.cluster.bus.edges import EngineNode
from chatapp.registry.cluster.bus.messages import NEWS, TO_ENGINE, edge_subject
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.bus.session import BusSeals
from chatapp.registry.cluster.jetstream import JetStream
from chatapp.registry.cluster.messenger import Messenger
from chatapp.registry.cluster.stream.bundles import SALT_SIZE, ClusterKey, Opener, Sealer
from chatapp.registry.edge.driver import EdgeDriver
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.program import texts
from chatapp.registry.program.app import HandedOver, ListeningPort, process_figures
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    CancelStop,
    Done,
    MakeBackup,
    RegistryRequest,
    ReloadLists,
    StopRegistry,
    VerifyFiles,
)
from chatapp.registry.rules.desk.statistics import Histogram
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.protocol import KeptTable
from chatapp.registry.telemetry.figures import COMMIT_BOUNDS, FIGURES, Snapshot
from chatapp.wire.aio.machine import THIS_MACHINE
from chatapp.wire.identity import fingerprint

UNSEEN_AFTER: Final = 5.0
"""Seconds without an engine after which a line says so: another node takes over within 2 to 4."""
CLOCK_SPAN: Final = 5.0
"""Seconds between two looks at the wall clock."""


class Bus:
    """How the nodes of a cluster reach each other. `name`: this node's, for people."""

    def __init__(self, broker: JetStream, key: ClusterKey, cluster: str, *, name: str) -> None:
        self.broker: Final = broker
        self.name: Final = name
        self._key = key
        self._cluster = cluster

    def seals(self) -> BusSeals:
        """Return what seals with a salt of its own, and opens the messages of all nodes."""
        sealer = Sealer(self._key, self._cluster, os.urandom(SALT_SIZE))
        return BusSeals(sealer, Opener(self._key, self._cluster))


class EngineBus:
    """The other nodes, as the node with the engine reaches them. It is
    `registry.program.driver.Neighbours` once it has joined."""

    def __init__(
        self, bus: Bus, *, term: int, holds_lease: Callable[[], bool], overtaken: Callable[[], None]
    ) -> None:
        """`term`: higher than that of any engine before. `holds_lease`: whether no other node can
        have an engine now. `overtaken`: called when another one has."""
        self._bus = bus
        self._term = term
        self._holds_lease = holds_lease
        self._overtaken = overtaken
        self._node: EngineNode | None = None
        self._messenger: Messenger | None = None

    def join(self, core: RegistryCore, *, now: float) -> "EngineBus":
        """Join the registry's core with the other nodes."""
        self._node = EngineNode(
            core,
            term=self._term,
            name=self._bus.name,
            seals=self._bus.seals(),
            holds_lease=lambda _: self._holds_lease(),
            now=now,
        )
        return self

    async def open(self, receive: Callable[[bytes], None]) -> None:
        """Begin to listen to the other nodes. Raises ClusterUnavailable."""
        self._messenger = Messenger(self._bus.broker, (TO_ENGINE, NEWS), receive)
        await self._messenger.open()

    async def close(self) -> None:
        """Send what is left, and listen to nobody."""
        messenger, self._messenger = self._messenger, None
        if messenger is not None:
            await messenger.close()

    def receive_bus(self, data: bytes, *, now: float) -> None:
        """Handle a message of another node."""
        assert self._node is not None
        self._node.receive_bus(data, now=now)
        if self._node.is_overtaken:
            self._overtaken()

    def send_messages(self) -> None:
        """Send what the engine tells other nodes."""
        if self._node is not None and self._messenger is not None:
            self._messenger.send(self._node.take_messages())

    def figures(self, *, now: float) -> dict[str, float]:
        """Return the figures of the node with the engine, as one of several."""
        assert self._node is not None
        return {"cluster_keeps_state": 1, "cluster_lag_seconds": self._node.edges.lag(now=now)}

    def leave(self) -> None:
        """Tell the other nodes that this one serves nobody any more."""
        assert self._node is not None
        self._node.leave()

    def handle_timer(self, *, now: float) -> None:
        """Do what is due at this node."""
        assert self._node is not None
        self._node.handle_timer(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        assert self._node is not None
        return self._node.next_timer()


class EdgeOffice:
    """What an edge asks of the program around it."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        opened: Callable[[str, str], None],
        reload: Callable[[], Awaitable[AdminAnswer]] | None,
        stop: Callable[[], None],
    ) -> None:
        """`opened`: called each time that the engine was found, with the name of its node and the
        fingerprint of the registry's key. `reload`: reads the access lists again; None if there are
        no files. `stop`: ends the program."""
        self.say: Final = say
        self.opened: Final = opened
        self.reload: Final = reload
        self.stop: Final = stop


class NodeEdge:
    """A node while another one has the engine: it serves its peers by asking that."""

    def __init__(
        self,
        bus: Bus,
        listening: ListeningPort,
        office: EdgeOffice,
        *,
        trouble: Callable[[], str | None],
        policy: RegistryPolicy,
    ) -> None:
        """`trouble`: why the servers of the cluster do not answer, if that is known; None if they
        do."""
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._office = office
        self._trouble = trouble
        self._now, self._wall = THIS_MACHINE.now, THIS_MACHINE.wall
        self._started_at = self._now()
        self._core = EdgeCore(
            name=bus.name,
            seals=bus.seals(),
            rng=THIS_MACHINE.rng,
            link_port=listening.number,
            now=self._now(),
            wall=self._wall(),
            policy=policy,
        )
        self._driver = EdgeDriver(self._loop, self._core, self._take_rest)
        self._messenger = Messenger(bus.broker, (NEWS, edge_subject(self._core.id)), self._receive)
        self._told = ""
        """The node that people were told keeps the state; empty if none."""
        self._unseen: asyncio.TimerHandle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._is_stopped = False

    async def start(self) -> None:
        """Begin to look for the engine, and to serve once it is found. Raises
        ClusterUnavailable."""
        await self._messenger.open()
        await self._listening.serve(self._driver)
        self._driver.start(self._listening.endpoint)
        self._look_at_clock()

    async def stop(self, *, hands_over: bool) -> None:
        """End the links. `hands_over`: whether the engine is told, as the program stops; else this
        node takes over."""
        self._is_stopped = True
        if hands_over:
            self._driver.call_guarded(self._core.leave)
        self._listening.pause(self._driver)
        await self._driver.stop("the node stops" if hands_over else "this node keeps the state now")
        await self._messenger.close()
        for handle in (self._unseen, self._clock):
            if handle is not None:
                handle.cancel()

    @property
    def engine_name(self) -> str:
        """The name of the node that keeps the state, empty if none is known."""
        return self._core.engine_name

    @property
    def identity(self) -> bytes | None:
        """The public key of the registry, None while the engine is not found."""
        identity = self._core.identity
        return None if identity is None else identity.public

    def kept_table(self) -> KeptTable | None:
        """Return the table as this node knows it, for an engine that goes on with it."""
        return self._core.kept_table()

    def hand_over(self, key: bytes) -> HandedOver | None:
        """Return the links of members for an engine in this process; None if there are none. `key`:
        the registry's, as that engine has it."""
        edge = self._core.hand_over(key, now=self._now())
        return None if edge is None else HandedOver(edge, self._driver)

    def _receive(self, data: bytes) -> None:
        self._driver.call_guarded(self._core.receive_bus, data)

    def _take_rest(self) -> None:
        self._messenger.send(self._core.take_messages())
        self._tell()

    def _look_at_clock(self) -> None:
        self._core.set_wall(self._wall(), now=self._now())
        self._clock = self._loop.call_later(CLOCK_SPAN, self._look_at_clock)

    # --- what people and programs are told

    def _tell(self) -> None:
        """Tell people which node keeps the state, each time that changes, and that none does, after
        a while."""
        key = self.identity
        if self._is_stopped:
            return
        if self._core.state is EngineState.OPEN and key is not None:
            if self._unseen is not None:
                self._unseen.cancel()
                self._unseen = None
            if self._told != self.engine_name:
                self._told = self.engine_name
                self._office.opened(self._told, fingerprint(key))
        elif self._unseen is None:
            self._unseen = self._loop.call_later(UNSEEN_AFTER, self._tell_unseen)

    def _tell_unseen(self) -> None:
        self._told = ""
        self._office.say(texts.no_engine_line(self._trouble()))

    async def answer(self, request: RegistryRequest) -> AdminAnswer:
        """Carry out a request of the administrator of this node: here, at the engine, or not at
        all."""
        match request:
            case ReloadLists():
                if self._office.reload is None:
                    return AdminRefused(refusal=AdminRefusal.NO_LISTS)
                return await self._office.reload()
            case StopRegistry(span=0):
                self._loop.call_soon(self._office.stop)  # the answer goes out first
                return Done()
            case StopRegistry() | CancelStop() | MakeBackup() | VerifyFiles():
                refusal = AdminRefusal.OTHER_NODE if self.engine_name else AdminRefusal.NO_ENGINE
                return AdminRefused(refusal=refusal, subject=self.engine_name)
            case _:
                return await self._driver.ask(request)

    def snapshot(self, lag: float) -> Snapshot:
        """Return the figures of this node. `lag`: how late the event loop was at most, in
        seconds."""
        found = self._core.snapshot(now=self._now())
        figures = {
            **found.figures,
            **process_figures(),
            **self._driver.figures(),
            "uptime_seconds": self._now() - self._started_at,
            "loop_lag_seconds": lag,
        }
        shown = {name: figures[name] for name in FIGURES if name in figures}
        return Snapshot(shown, found.dropped, found.queues, Histogram(COMMIT_BOUNDS), found.waits)

    def why_not_ready(self) -> str:
        """Return why nobody is served now, empty if people are."""
        return (
            "" if self._core.state is EngineState.OPEN else "no node that keeps the state is seen"
        )
