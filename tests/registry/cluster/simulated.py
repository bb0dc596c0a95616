"""Nodes of a cluster and their broker in virtual time.

The broker stores late, twice or not at all, loses answers and is away for a while; nodes are
killed, cut off, and frozen in the middle of a call. A call of a node waits by letting the others go
on, so whatever can happen between a question and its answer does.
"""

import contextlib
import heapq
from collections.abc import Callable, Iterator
from random import Random

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
from chatapp.registry.cluster.stream.ledger import (
    Answer,
    Extent,
    LedgerUnavailable,
    Placed,
    Publication,
    Stream,
    Subject,
    Unanswered,
)
from chatapp.registry.cluster.stream.store import (
    Clocks,
    Hold,
    Seals,
    StreamStore,
    TakeoverInterrupted,
)
from chatapp.registry.store.entries import MailStored, MailTaken
from chatapp.wire.errors import StoreError
from tests.support.memory_ledger import MemoryLedger

KEY = ClusterKey(bytes(KEY_SIZE))
READER = bytes(32)
ANSWER_WITHIN = 2.0
TURN_SPAN = 0.2


class Killed(Exception):
    """The node that waits was killed."""


class View:
    """The broker as one node sees it: a `Ledger`."""

    def __init__(self, world: "World", node: "Node") -> None:
        self._world = world
        self._node = node

    @property
    def message_max(self) -> int:
        return 8 * 1024

    def publish(self, publication: Publication) -> Answer:
        world, rng = self._world, self._world.rng
        world.wait(self._node, rng.uniform(0.001, 0.05))
        if self._is_away():
            world.wait(self._node, ANSWER_WITHIN)
            return Unanswered()
        fate = rng.choices(("answered", "answer lost", "lost", "late", "twice"), (80, 6, 6, 4, 4))[
            0
        ]
        if fate in ("late", "twice"):
            world.later(rng.uniform(0.5, 15.0), lambda: world.broker.store(publication))
        answer: Answer = Unanswered()
        if fate in ("answered", "answer lost", "twice"):
            answer = world.broker.store(publication)
        if fate in ("answered", "twice"):
            world.wait(self._node, rng.uniform(0.001, 0.05))
            return answer
        world.wait(self._node, ANSWER_WITHIN)
        return Unanswered()

    def newest(self, subject: Subject) -> Placed | None:
        self._ask()
        return self._world.broker.newest(subject)

    def extent(self, stream: Stream) -> Extent:
        self._ask()
        return self._world.broker.extent(stream)

    def read(self, stream: Stream, first: int, last: int) -> Iterator[Placed]:
        self._ask()
        return self._world.broker.read(stream, first, last)

    def purge(self, stream: Stream, below: int) -> None:
        self._ask()
        self._world.broker.purge(stream, below)

    def purge_run(self, run: str) -> None:
        self._ask()
        self._world.broker.purge_run(run)

    def _ask(self) -> None:
        self._world.wait(self._node, self._world.rng.uniform(0.001, 0.05))
        if self._is_away():
            self._world.wait(self._node, ANSWER_WITHIN)
            raise LedgerUnavailable

    def _is_away(self) -> bool:
        return self._world.now < max(self._world.away_until, self._node.cut_off_until)


class Node:
    """A registry: it keeps its lease, and stores letters while it serves."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.world = world
        self.view = View(world, self)
        self.is_busy = self.is_dead = False
        self.frozen_until = self.cut_off_until = self.next_turn = world.now
        self.store: StreamStore | None = None
        self.taking_over: StreamStore | None = None
        self.stand_by()

    def stand_by(self) -> None:
        if self.store is not None:
            self.store.give_up()
        self.store = None
        sealer = Sealer(KEY, "c", self.world.salt())
        self.lease = Lease(
            sealer,
            Opener(KEY, "c"),
            holder=f"{self.name}{self.world.now}",
            name=self.name,
            strays=Strays("c", now=lambda: self.world.now),
            now=self.world.now,
        )

    def turn(self) -> None:
        """Do what is due now."""
        self.is_busy = True
        try:
            self._keep_lease()
            match self.lease.state:
                case LeaseState.LOST:
                    self.stand_by()
                case LeaseState.OWNER if self.store is None:
                    self._take_over()
                case LeaseState.OWNER:
                    self._work()
                case _:
                    pass
        except Killed:
            pass
        finally:
            self.is_busy = False
            self.next_turn = self.world.now + TURN_SPAN

    def _keep_lease(self) -> None:
        lease, world = self.lease, self.world
        if lease.wants_look(now=world.now):
            try:
                found = self.view.newest(Subject.LEASE)
            except LedgerUnavailable:
                lease.not_looked(now=world.now)
                return
            if lease.looked(found, now=world.now):
                lease.claimed(self.view.publish(lease.claim(now=world.now)), now=world.now)
        elif (renewal := lease.publication(now=world.now)) is not None and lease.renewed(
            self.view.publish(renewal), now=world.now
        ):
            with contextlib.suppress(LedgerUnavailable):
                lease.found(self.view.newest(Subject.LEASE))

    def _holds_lease(self) -> bool:
        """Keep the lease, as another thread does in the program, and say whether it was confirmed
        just now."""
        self._keep_lease()
        if self.lease.state is LeaseState.LOST and self.taking_over is not None:
            self.taking_over.give_up()
        return self.lease.is_confirmed(now=self.world.now)

    def _take_over(self) -> None:
        world = self.world
        store = StreamStore(
            self.view,
            Seals(KEY, "c", (world.salt(), world.salt())),
            node=self.name,
            founding=lambda: (ClusterFounded(b"identity", 0), []),
            hold=Hold(self._holds_lease),
            clocks=Clocks(
                lambda: world.now, lambda: world.now, lambda seconds: world.wait(self, seconds)
            ),
        )
        self.taking_over = store
        # What is promised while this node reads may be the promise of one that came after it.
        saved, taken = set(world.saved), set(world.taken)
        try:
            loaded = store.load()
        except TakeoverInterrupted:
            self.stand_by()
            return
        self.store = store
        world.check(
            [head.serial for head in loaded.letters.get(READER, [])], saved=saved, taken=taken
        )

    def _work(self) -> None:
        world, rng, store = self.world, self.world.rng, self.store
        assert store is not None
        serials = [world.new_serial() for _ in range(rng.randint(1, 3))]
        taken = [serial for serial in world.saved if rng.random() < 0.1]
        size = rng.choice((10, 100, 6000))
        try:
            letters = [
                MailStored(READER, serial, READER, "", 0, 0, bytes(size)) for serial in serials
            ]
            store.append([*letters, *([MailTaken(READER, taken)] if taken else [])])
            world.begun(serials, taken)
            store.sync()
            world.promised(serials, taken)
            if rng.random() < 0.1:
                store.checkpoint()
                world.checkpoints += 1
        except StoreError:
            if not store.recovery_due(1e12) and not store.checkpoint_due(1e12):
                self.stand_by()


class World:
    """All nodes, the broker, and what was promised to people."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.broker = MemoryLedger()
        self.away_until = 0.0
        self.saved: dict[int, None] = {}
        """Letters that were called saved, and that nobody has begun to take."""
        self.taken: set[int] = set()
        """Letters whose taking was confirmed."""
        self.maybe_taken: set[int] = set()
        self.attempted: set[int] = set()
        self.takeovers = self.promises = self.checkpoints = 0
        self._serial = self._salts = self._events = 0
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self.nodes = [Node(self, f"n{number}") for number in range(3)]

    def salt(self) -> bytes:
        self._salts += 1
        return self._salts.to_bytes(SALT_SIZE, "big")

    def new_serial(self) -> int:
        self._serial += 1
        return self._serial

    # --- what people were told

    def begun(self, serials: list[int], taken: list[int]) -> None:
        self.attempted.update(serials)
        self.maybe_taken.update(taken)
        for serial in taken:
            self.saved.pop(serial, None)

    def promised(self, serials: list[int], taken: list[int]) -> None:
        self.promises += 1
        self.saved.update(dict.fromkeys(serials))
        self.taken.update(taken)

    def check(self, found: list[int], *, saved: set[int], taken: set[int]) -> None:
        """Check what a node has loaded. `saved`, `taken`: what was promised when it began."""
        self.takeovers += 1
        assert len(found) == len(set(found)), "a letter is there twice"
        lost = saved - self.maybe_taken - set(found)
        assert not lost, f"lost: {sorted(lost)}"
        assert not taken & set(found), "a letter that was taken has come back"
        assert set(found) <= self.attempted, "a letter that nobody wrote"

    # --- time

    def later(self, seconds: float, do: Callable[[], object]) -> None:
        self._events += 1
        heapq.heappush(self._later, (self.now + seconds, self._events, do))

    def wait(self, node: Node, seconds: float) -> None:
        """Let the others go on for a while, and for as long as this node is frozen. Raises
        Killed."""
        until = self.now + seconds
        self._run(until)
        while self.now < node.frozen_until:
            self._run(node.frozen_until)
        if node.is_dead:
            raise Killed

    def replace_all(self) -> None:
        """Kill all nodes, and start a new one."""
        for node in self.nodes:
            node.is_dead = True
        self.nodes = [Node(self, "last")]

    def run(self, seconds: float) -> None:
        self._run(self.now + seconds)

    def _run(self, until: float) -> None:
        while True:
            ready = [node for node in self.nodes if not node.is_busy and not node.is_dead]
            turns = [max(node.next_turn, node.frozen_until) for node in ready]
            soonest = min([until, *turns, *(at for at, *_ in self._later[:1])])
            if soonest >= until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, soonest)
            while self._later and self._later[0][0] <= self.now:
                heapq.heappop(self._later)[2]()
            for node, at in zip(ready, turns, strict=True):
                if at <= self.now and not node.is_busy and not node.is_dead:
                    node.turn()

    # --- mischief

    def mischief(self) -> None:
        """Do some harm."""
        rng = self.rng
        index = rng.randrange(len(self.nodes))
        node = self.nodes[index]
        match rng.choice(("kill", "kill", "freeze", "freeze", "cut off", "away", "forget")):
            case "kill":
                node.is_dead = True
                self.nodes[index] = Node(self, f"{node.name.split('.')[0]}.{int(self.now)}")
            case "freeze":
                node.frozen_until = self.now + rng.uniform(1, 30)
            case "cut off":
                node.cut_off_until = self.now + rng.uniform(1, 30)
            case "away":
                self.away_until = self.now + rng.uniform(1, 20)
            case _:
                self.broker.forget_ids()
