"""Edges and engines over a bus that loses and delays, in virtual time.

Each process has a clock of its own: one that is frozen reads nothing and rings no timer, and finds
everything that came meanwhile when it goes on. Messages of one publisher to one reader keep their
order. The engine and the edges are recorded by hand here, so that a test sees what came of what was
sent.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import cast

from chatapp.registry.cluster.bus.edges import Edges
from chatapp.registry.cluster.bus.messages import ID_SIZE, NEWS, EngineNews, edge_subject
from chatapp.registry.cluster.bus.remote_engine import EngineState, RemoteEngine, SessionClosed
from chatapp.registry.cluster.bus.session import BusSeals, Channel
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterKey, Opener, Sealer
from chatapp.registry.edge.edge import Edge
from chatapp.registry.edge.ports import EdgePort
from chatapp.registry.engine.engine import Engine
from chatapp.registry.rules.admin_requests import AdminAnswer, CoreRequest
from chatapp.registry.rules.directory.directory import Person
from chatapp.registry.rules.directory.table import Table
from chatapp.registry.rules.effects import (
    Caller,
    DropReason,
    LinkEndReason,
    node_of,
    number_at_edge,
)
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.codec import GroupHeader
from chatapp.wire.identity import Identity
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.registration import Ping, Register
from tests.support.cluster.broker import is_to_engine

KEY = ClusterKey(bytes(KEY_SIZE))
NAME = "c"
STEP = 0.05
IDENTITY = Identity(bytes(range(32)))


class RecordingEngine:
    """An engine that notes what comes, and answers each Ping with its number."""

    def __init__(self) -> None:
        self.edges: dict[int, EdgePort] = {}
        self.lease_span = 30
        self.holds_lease = lambda now: False
        self.hub = SimpleNamespace(directory=SimpleNamespace(table=Table[Person](version=1)))
        self.came: defaultdict[int, list[int]] = defaultdict(list)
        """The numbers that came from each node, in order."""
        self.links: dict[int, bytes] = {}
        """The attached links, with their identities."""
        self.came_of: defaultdict[bytes, list[int]] = defaultdict(list)
        """The numbers that came on each link, by its identity."""

    def register(self, register: Register, caller: Caller, *, now: float) -> None:
        raise AssertionError("nobody registers here")

    def request(self, request: PeerRequest, caller: Caller, *, now: float) -> None:
        assert caller.link is not None
        node = node_of(caller.link)
        assert node in self.edges
        if isinstance(request, Attach):
            assert caller.link not in self.links
            self.links[caller.link] = caller.identity
        elif isinstance(request, Ping):
            assert self.links[caller.link] == caller.identity
            self.came[node].append(request.reference)
            self.came_of[caller.identity].append(request.reference)
            self.edges[node].reply(caller, b"%d" % request.reference)

    def group_frame(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> None:
        raise AssertionError("nobody says a line here")

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        assert self.links.pop(link) == identity

    def node_lost(self, node: int, links: list[tuple[int, bytes]], *, now: float) -> None:
        del self.edges[node]
        assert dict(links) == {
            link: who for link, who in self.links.items() if node_of(link) == node
        }
        for link, _ in links:
            del self.links[link]

    def sign_of_life(self, identity: bytes, *, now: float) -> None:
        assert identity in self.links.values()

    def run_admin_request(
        self, request: CoreRequest, ticket: str, *, node: int, now: float
    ) -> AdminAnswer:
        raise AssertionError("nobody asks here")

    def settle(self, *, now: float) -> None:
        pass


class NoInterest:
    """The interest of an edge whose people are told of everybody."""

    def look_at(self, *_: object) -> None:
        pass


class RecordingEdge:
    """An edge that notes what comes, and which of its links were ended."""

    def __init__(self) -> None:
        self.interest = NoInterest()
        self.answers: list[tuple[int, int]] = []
        """What was answered, with the link."""
        self.links: set[int] = set()
        self.ended: list[int] = []

    def push(self, link: int, payload: bytes) -> None:
        self.answers.append((link, int(payload)))

    def disconnect(self, link: int, reason: LinkEndReason) -> None:
        assert reason is LinkEndReason.NO_ENGINE
        self.ended.append(link)

    def charge_answers(self, number: int, size: int, count: int, *, now: float) -> None:
        assert count

    def settle(self, *, now: float) -> None:
        pass


@dataclass
class Session:
    """What one edge said in one session, and what it heard."""

    edge: RecordingEdge
    sent: list[int] = field(default_factory=list)


class Process:
    """One run of a program, which may be frozen or dead."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.frozen_until = 0.0
        self.is_dead = False
        self.is_deaf = False
        """Whether all that is sent to it is lost."""
        self.recorder = Recorder(events_max=100)
        self.inbox: deque[tuple[float, bytes]] = deque()
        self.seals = world.seals()

    @property
    def runs(self) -> bool:
        return not self.is_dead and self.world.now >= self.frozen_until


class EngineProcess(Process):
    """The engine of one owner."""

    def __init__(self, world: "World", term: int) -> None:
        super().__init__(world, f"engine {term}")
        self.term = term
        self.engine = RecordingEngine()
        self.edges = Edges(
            cast("Engine", self.engine),
            Channel(self.seals, self.recorder),
            EngineNews(world.rng.randbytes(ID_SIZE), term, self.name),
            identity=IDENTITY,
            recorder=self.recorder,
            now=world.now,
        )

    def hears(self, subject: str) -> bool:
        return is_to_engine(subject)

    def step(self) -> None:
        """Read what has come and do what is due, in either order."""
        now = self.world.now
        if self.world.rng.random() < 0.5:
            self.ring(now)
        while self.inbox and self.inbox[0][0] <= now:
            self.edges.receive(self.inbox.popleft()[1], now=now)
        self.ring(now)
        self.world.publish(self, self.edges.take_messages())

    def ring(self, now: float) -> None:
        if self.edges.next_timer() <= now:
            self.edges.handle_timer(now=now)
        assert self.edges.next_timer() > now


class EdgeProcess(Process):
    """The edge of one node, with links that come and go and ask."""

    def __init__(self, world: "World", number: int) -> None:
        super().__init__(world, f"edge {number}")
        self.id = world.rng.randbytes(8)
        self.engine = RemoteEngine(
            self.id,
            self.name,
            seals=self.seals,
            recorder=self.recorder,
            cookies_last=60.0,
            now=world.now,
        )
        self.session: Session | None = None
        self.said: defaultdict[bytes, list[int]] = defaultdict(list)
        """What was said on each link, whether there was an engine or not."""
        self._next_link = 1

    def hears(self, subject: str) -> bool:
        return subject in (NEWS, edge_subject(self.id))

    def step(self) -> None:
        """Read what has come, do what is due in either order, and let the links ask something."""
        now = self.world.now
        if self.world.rng.random() < 0.5:
            self.ring(now)
        while self.inbox and self.inbox[0][0] <= now:
            self.engine.receive(self.inbox.popleft()[1], now=now)
            self.follow()
        self.ring(now)
        if self.session is not None and self.world.rng.random() < 0.3:
            self.ask(self.session, now)
        self.world.publish(self, self.engine.take_messages())

    def ring(self, now: float) -> None:
        if self.engine.next_timer() <= now:
            self.engine.handle_timer(now=now)
            self.follow()
        assert self.engine.next_timer() > now

    def follow(self) -> None:
        for change in self.engine.take_changes():
            if isinstance(change, SessionClosed):
                assert self.session is not None
                self.session = None
            else:
                assert self.session is None
                assert change.identity.public == IDENTITY.public
                edge = RecordingEdge()
                self.engine.edge = cast("Edge", edge)
                self.session = Session(edge)
                self.world.sessions.append(self.session)
        if self.session is not None:
            edge = self.session.edge
            for link in edge.ended:
                edge.links.discard(link)
                self.engine.link_lost(self.identity_of(link), link, now=self.world.now)
            edge.ended.clear()

    def ask(self, session: Session, now: float) -> None:
        """Open a link, close one, or say something on one."""
        links, rng = session.edge.links, self.world.rng
        kind = rng.random()
        if kind < 0.2 or not links:
            if not self.engine.is_open:
                return  # an edge refuses connections then
            link, self._next_link = self._next_link, self._next_link + 1
            links.add(link)
            self.engine.request(
                Attach(), Caller(identity=self.identity_of(link), link=link), now=now
            )
            return
        link = rng.choice(sorted(links))
        if kind < 0.3:
            links.discard(link)
            self.engine.link_lost(self.identity_of(link), link, now=now)
            return
        identity = self.identity_of(link)
        self.world.asked += 1
        self.said[identity].append(self.world.asked)
        if self.engine.is_open:
            session.sent.append(self.world.asked)
        self.engine.request(Ping(self.world.asked), Caller(identity=identity, link=link), now=now)
        self.engine.sign_of_life(identity, now=now)

    def identity_of(self, link: int) -> bytes:
        return f"{self.name} {link}".encode()


class World:
    """Some edges, and engines one after the other."""

    def __init__(self, rng: Random, edges: int = 2) -> None:
        self.rng = rng
        self.now = 1_000.0
        self.loss = 0.0
        """Of how many messages none arrives."""
        self.cut_off: set[str] = set()
        """The names of processes that no message reaches or leaves."""
        self.sessions: list[Session] = []
        self.asked = 0
        """How many questions were asked; each has a number of its own."""
        self._salts = 0
        self._made = 0
        self.engines: list[EngineProcess] = []
        self.edges: list[EdgeProcess] = []
        self.start_engine()
        for _ in range(edges):
            self.start_edge()

    def seals(self) -> BusSeals:
        self._salts += 1
        return BusSeals(Sealer(KEY, NAME, self._salts.to_bytes(16, "big")), Opener(KEY, NAME))

    def start_engine(self) -> EngineProcess:
        """Start the engine of the next owner. Earlier ones may still run."""
        self.engines.append(EngineProcess(self, len(self.engines) + 1))
        return self.engines[-1]

    def start_edge(self) -> EdgeProcess:
        self._made += 1
        self.edges.append(EdgeProcess(self, self._made))
        return self.edges[-1]

    @property
    def processes(self) -> list[EngineProcess | EdgeProcess]:
        return [*self.engines, *self.edges]

    def publish(self, sender: Process, messages: list[tuple[str, bytes]]) -> None:
        for subject, data in messages:
            for reader in self.processes:
                if not reader.hears(subject) or reader.is_dead or reader.is_deaf:
                    continue
                if sender.name in self.cut_off or reader.name in self.cut_off:
                    continue
                if self.rng.random() < self.loss:
                    continue
                # Whoever publishes, what a reader has is read in order: later is at least as late.
                last = reader.inbox[-1][0] if reader.inbox else self.now
                reader.inbox.append((max(last, self.now + self.rng.uniform(0.0, 0.1)), data))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += STEP
            for process in self.processes:
                if process.runs:
                    process.step()
                    assert not process.recorder.dropped[DropReason.FAULT], (
                        process.recorder.take_events()
                    )

    # --- what must hold

    def check_sessions(self) -> None:
        """Check that each session was heard up to some point, without gap or repeat, on either
        side."""
        heard = [numbers for engine in self.engines for numbers in engine.engine.came.values()]
        unmatched = [numbers for numbers in heard if numbers]
        for session in self.sessions:
            mine = [numbers for numbers in unmatched if numbers[0] in session.sent[:1]]
            assert len(mine) <= 1, "one session is one node of one engine"
            came = mine[0] if mine else []
            assert came == session.sent[: len(came)]
            answered = [number for _, number in session.edge.answers]
            assert answered == came[: len(answered)]
            for numbers in mine:
                unmatched.remove(numbers)
        assert not unmatched
        for engine in self.engines:
            for edge in self.edges:
                for who, said in edge.said.items():
                    came = engine.engine.came_of.get(who, [])
                    assert came == said[: len(came)], "a link lost something on its way"

    def check_links(self) -> None:
        """Check that the engine knows the links that there are, and no others."""
        engine = self.engines[-1]
        known = {(who.decode(), number_at_edge(link)) for link, who in engine.engine.links.items()}
        there = {
            (f"{edge.name} {link}", link)
            for edge in self.edges
            if not edge.is_dead and edge.session is not None
            for link in edge.session.edge.links
        }
        assert known == there

    def check_healed(self) -> None:
        """Check that every edge that lives has a session with the newest engine, which has no
        others."""
        engine = self.engines[-1]
        living = [edge for edge in self.edges if not edge.is_dead]
        assert [edge.engine.state for edge in living] == [EngineState.OPEN] * len(living)
        assert {edge.engine.engine_name for edge in living} == {engine.name}
        assert sorted(one.name for one in engine.edges.present) == sorted(
            edge.name for edge in living
        )
        assert sorted(engine.engine.edges) == sorted(one.node for one in engine.edges.present)
