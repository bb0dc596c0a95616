"""The node that has the engine: a registry of its own, and the edges of the other nodes. The engine is
announced, edges come in, and lost ones go."""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

import msgspec

from chatapp.registry.cluster.bus.messages import (
    ID_SIZE,
    NEWS,
    AdminAsked,
    DatagramRequestCame,
    DownBundle,
    EdgeDismissed,
    EdgeLeft,
    EngineEntered,
    EngineLeft,
    EngineNews,
    EnterEngine,
    GroupFrameCame,
    LifeSeen,
    LinkGone,
    LinkRequestCame,
    OrphanedLinks,
    RegisterCame,
    UpBundle,
    UpItem,
    decode_up,
    edge_subject,
    unpack_address,
)
from chatapp.registry.cluster.bus.remote_edge import RemoteEdge
from chatapp.registry.cluster.bus.session import (
    BEAT,
    LATE_AFTER,
    PATIENCE,
    SILENT_AFTER,
    BusSeals,
    Channel,
    Order,
)
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.engine.engine import Engine
from chatapp.registry.rules.effects import LOCAL, Caller, DropReason, link_at
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.codec import unpack_group
from chatapp.wire.errors import DecodeError
from chatapp.wire.identity import Identity
from chatapp.wire.messages.link import Attach

TABLE_SPAN: Final = 0.05
"""Seconds between two parts of the whole table for the same edge: 20 MB, as for 100,000 names, take
1 s."""
EDGES_REMEMBERED: Final = 4_096
"""Edges whose newest session is remembered. Each start of a node is another edge."""


class Edges:
    """Lets the edges of other nodes use an engine."""

    def __init__(
        self,
        engine: Engine,
        channel: Channel,
        news: EngineNews,
        *,
        identity: Identity,
        recorder: Recorder,
        now: float,
    ) -> None:
        """`news`: what the edges are told of this engine, with a term that is higher than that of
        any engine before. `identity`: the registry's."""
        self._engine = engine
        self._seed = identity.seed
        self._channel: Final = channel
        self._recorder = recorder
        self._news: Final = news
        self._edges: dict[bytes, RemoteEdge] = {}
        """By the edge's id: those in session, and those that were let in and have not said anything
        yet."""
        self.is_overtaken = False
        """Whether another engine with a higher term is there while the lease is not confirmed: this
        one is to end, and knows it before its lease is lost. While the lease is confirmed no other
        engine can be there, whatever the bus says."""
        self._newest_runs: dict[bytes, bytes] = {}
        """The newest session of each edge that was ever let in, by the edge's id, the oldest
        first."""
        self._last_node = LOCAL
        self._beat_at = now
        self._tell_at = float("inf")
        """When the next rows go to edges that have not the whole table."""
        self._patient_until = float("-inf")
        self._has_left = False

    @property
    def present(self) -> list[RemoteEdge]:
        """The edges in session."""
        return [edge for edge in self._edges.values() if edge.session.has_begun]

    def lag(self, *, now: float) -> float:
        """Return the seconds since the most silent edge was heard; 0 without one."""
        return max((now - edge.session.heard_at for edge in self.present), default=0.0)

    # --- from the bus

    def receive(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus."""
        match self._channel.open(data):
            case UpBundle() as bundle if bundle.engine == self._news.engine:
                self._receive_bundle(bundle, now)
            case EnterEngine() as request if request.engine == self._news.engine:
                self._receive_enter(request, now)
            case EdgeLeft() as left if left.engine == self._news.engine:
                edge = self._edges.get(left.edge)
                if edge is not None and edge.session.run == left.run:
                    self._lose(edge, now)
            case EngineNews(term=term) if term > self._news.term and not self._engine.holds_lease(
                now
            ):
                self.is_overtaken = True
            case EngineNews(engine=engine) if engine == self._news.engine:
                pass
            case EngineLeft() | None:
                pass
            case _:
                self._channel.drop(DropReason.BUS_OTHER_SESSION)

    def _receive_enter(self, request: EnterEngine, now: float) -> None:
        """Let an edge in. The session stands once its first bundle comes; until then the request
        may be repeated."""
        edge = self._edges.get(request.edge)
        newest = self._newest_runs.get(request.edge, b"")
        if request.run < newest or (request.run == newest and edge is None):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._dismiss(request.edge, request.run)
            return
        if request.run > newest:
            if edge is not None:
                self._lose(edge, now)
            self._note_run(request)
            self._last_node += 1
            table = self._engine.hub.directory.table
            edge = RemoteEdge(
                request.edge, request.run, self._last_node, request.name, table=table, now=now
            )
            self._edges[edge.id] = edge
        assert edge is not None
        if not edge.session.has_begun:
            edge.session.heard_at = now
            lease = self._engine.lease_span
            gaps = self._engine.hub.directory.table.gaps
            entered = EngineEntered(
                self._news.engine, request.run, edge.node, self._seed, lease, gaps
            )
            self._channel.send(edge_subject(edge.id), entered)

    def _note_run(self, request: EnterEngine) -> None:
        self._newest_runs.pop(request.edge, None)
        self._newest_runs[request.edge] = request.run
        if len(self._newest_runs) > EDGES_REMEMBERED:
            del self._newest_runs[next(iter(self._newest_runs))]

    def _receive_bundle(self, bundle: UpBundle, now: float) -> None:
        edge = self._edges.get(bundle.edge)
        if edge is None or edge.session.run != bundle.run:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._dismiss(bundle.edge, bundle.run)
            return
        order = edge.session.accept(bundle.number, now=now)
        if order is Order.REPEATED:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
        elif order is Order.GAP:
            self._channel.drop(DropReason.BUS_GAP)
            self._lose(edge, now)
            self._dismiss(bundle.edge, bundle.run)
        else:
            if edge.node not in self._engine.edges:
                self._engine.edges[edge.node] = edge
                self._tell_at = min(self._tell_at, now)
            self._serve(bundle.items, edge, now)

    def _dismiss(self, edge: bytes, run: bytes) -> None:
        self._channel.send(edge_subject(edge), EdgeDismissed(self._news.engine, run))

    def _lose(self, edge: RemoteEdge, now: float) -> None:
        """Forget an edge: its people are away, until they come in at another one."""
        del self._edges[edge.id]
        if edge.session.has_begun:
            self._engine.node_lost(edge.node, edge.links, now=now)
            self._engine.settle(now=now)

    # --- what edges ask

    def _serve(self, items: Sequence[msgspec.Raw], edge: RemoteEdge, now: float) -> None:
        """Hand each item to the engine by itself: a fault of ours in one must not cost those behind
        it."""
        edge.session.note_handled(sum(map(len, items)))
        for raw in items:
            try:
                self._serve_one(decode_up(raw), edge, now)
            except DecodeError:
                self._channel.drop(DropReason.BUS_MALFORMED)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._recorder.fault(error)
                edge.asking = 0
        self._engine.settle(now=now)

    def _serve_one(self, item: UpItem, edge: RemoteEdge, now: float) -> None:
        engine, node = self._engine, edge.node
        match item:  # the most frequent first
            case LinkRequestCame() | GroupFrameCame():
                if edge.has_ended(item.link):
                    self._channel.drop(DropReason.LINK_HAS_ENDED)
                else:
                    self._serve_on_link(item, edge, now)
            case LifeSeen():
                engine.sign_of_life(item.identity, now=now)
            case DatagramRequestCame():
                caller = Caller(
                    identity=item.identity,
                    address=unpack_address(item.address),
                    node=node,
                    session=item.session,
                    is_newest=item.is_newest,
                )
                engine.request(item.request, caller, now=now)
            case RegisterCame():
                identity, address = item.register.card.identity, unpack_address(item.address)
                engine.register(
                    item.register, Caller(identity=identity, address=address, node=node), now=now
                )
            case LinkGone():
                edge.detached(item.link)
                engine.link_lost(item.identity, link_at(node, item.link), now=now)
            case OrphanedLinks():
                for number, identity, nonce, place in item.links:
                    link, address = link_at(node, number), unpack_address(place)
                    caller = Caller(identity=identity, link=link, address=address)
                    engine.adopt_link(nonce, caller, now=now)
            case AdminAsked():
                engine.run_admin_request(item.request, item.ticket, node=node, now=now)
            case _:
                assert_never(item)

    def _serve_on_link(
        self, item: LinkRequestCame | GroupFrameCame, edge: RemoteEdge, now: float
    ) -> None:
        edge.asking = item.link
        caller = Caller(identity=item.identity, link=link_at(edge.node, item.link))
        if isinstance(item, GroupFrameCame):
            self._engine.group_frame(item.frame, unpack_group(item.frame), caller, now=now)
        else:
            if isinstance(item.request, Attach):
                edge.attached(item.link, item.identity)
            self._engine.request(item.request, caller, now=now)
        self._engine.sign_of_life(item.identity, now=now)
        edge.asking = 0

    # --- time

    def leave(self) -> None:
        """Tell the edges that the engine serves nobody any more. As another subject than theirs
        carries it, it may overtake bundles, which the edges then carry out all the same."""
        self._send_bundles()
        self._channel.send(NEWS, EngineLeft(self._news.engine))
        self._has_left = True

    def handle_timer(self, *, now: float) -> None:
        """Do what is due: the news, signs of life to the edges, and the loss of those that are
        silent."""
        if self._has_left:
            return
        if (
            now > self.next_timer() + LATE_AFTER
        ):  # we were stopped, and what came meanwhile is still to be read
            self._patient_until = now + PATIENCE
        for edge in list(self._edges.values()):
            if now >= self._silent_at(edge):
                self._lose(edge, now)
                self._dismiss(edge.id, edge.session.run)
        if now >= self._tell_at:
            self._tell_tables(now)
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            self._channel.send(NEWS, self._news)
            for edge in self.present:
                edge.session.beat()

    def _tell_tables(self, now: float) -> None:
        """Send the next rows to each edge that has not the whole table."""
        for edge in self.present:
            if not edge.has_table:
                edge.tell_next_of_table()
        are_told = all(edge.has_table for edge in self.present)
        self._tell_at = float("inf") if are_told else now + TABLE_SPAN

    def _silent_at(self, edge: RemoteEdge) -> float:
        return max(edge.session.heard_at + SILENT_AFTER, self._patient_until)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        if self._has_left:
            return float("inf")
        return min([self._beat_at, self._tell_at, *map(self._silent_at, self._edges.values())])

    # --- out

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        if not self._has_left:
            self._send_bundles()
        return self._channel.take_messages()

    def _send_bundles(self) -> None:
        for edge in self.present:
            for number, items in edge.take_bundles():
                session = edge.session
                bundle = DownBundle(
                    self._news.engine, session.run, number, session.newest_received, items
                )
                self._channel.send(edge_subject(edge.id), bundle)


class EngineNode:
    """One node with the engine. The driver uses `core` as on one machine, but for the timer, and
    carries the bus."""

    def __init__(
        self,
        core: RegistryCore,
        *,
        term: int,
        name: str,
        seals: BusSeals,
        holds_lease: Callable[[float], bool] = lambda _: True,
        now: float,
    ) -> None:
        """`term`: higher than that of any engine before. `name`: the node's, for people.
        `holds_lease`: whether no other node can have an engine at this time; nobody is let in while
        one can."""
        self.core: Final = core
        core.engine.holds_lease = holds_lease
        self.edges: Final = Edges(
            core.engine,
            Channel(seals, core.recorder),
            EngineNews(core.context.rng.randbytes(ID_SIZE), term, name),
            identity=core.context.identity,
            recorder=core.recorder,
            now=now,
        )

    @property
    def is_overtaken(self) -> bool:
        """Whether another node has the engine now."""
        return self.edges.is_overtaken

    def receive_bus(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus, from the subject of the engine or of the news."""
        self.edges.receive(data, now=now)
        self.core.edge.settle(now=now)

    def leave(self) -> None:
        """Tell the edges that the engine serves nobody any more, as it stops or has lost the
        lease."""
        self.edges.leave()

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        return self.edges.take_messages()

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self.edges.handle_timer(now=now)
        self.core.handle_timer(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        return min(self.edges.next_timer(), self.core.next_timer())
