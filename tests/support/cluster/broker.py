"""The broker of a simulated cluster, and the bus that its servers carry.

The broker stores by its real rules (`MemoryLedger`). Simulated is the way to it: a question takes a
while, it is lost when the node is cut off or the broker has no leader, and an answer may be lost
although the message is stored.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol

from chatapp.registry.cluster.bus.messages import NEWS, TO_ENGINE
from chatapp.registry.cluster.stream import ledger
from tests.support.memory_ledger import MemoryLedger
from tests.support.network import Network

BROKER: Final = "broker"
"""The host of the broker's leader: a node that is cut off from it can store nothing."""
ON_ITS_WAY: Final = (0.0005, 0.01)
"""Seconds that a question to the broker, an answer or a message of the bus takes."""
SLOW: Final = 0.3
SLOW_SHARE: Final = 0.01
"""Share of what takes so many seconds instead."""
ANSWERS_LOST: Final = 0.02
KEPT_FOR: Final = 3.0
"""Seconds for which a client of the bus keeps what it cannot send."""
RECORDED_MAX: Final = 2_000
"""Messages of the bus that can be played back."""
BEAT_SIZE: Final = 200
"""Bytes of a message of the bus that may only be a sign of life."""
UNREAD_MAX: Final = 500
"""Messages of the bus that wait for a program that is stopped. Those behind are lost, as for a slow
consumer."""


class JournalWriter(Protocol):
    """A node, as far as its messages of the journal are concerned."""

    @property
    def host(self) -> str: ...


class SimulatedBroker:
    """What all nodes share."""

    def __init__(self, network: Network, chance: random.Random) -> None:
        self.network = network
        self.chance = chance
        self.ledger = MemoryLedger()
        self.away_until = float("-inf")
        """Until when the broker has no leader."""
        self.is_calm = False
        """Whether nothing is slow or lost any more."""
        self.extra = 0.0
        """Further seconds that it takes to store something."""
        self.owner: JournalWriter | None = None
        """The last node that has taken the stream over: no other one can write."""

    def is_reachable_from(self, host: str) -> bool:
        """Whether a question of this host arrives and is answered now."""
        return self.network.now >= self.away_until and not self.network.is_cut(host, BROKER)

    def delay(self) -> float:
        """Return how long something is on its way."""
        is_slow = self.chance.random() < SLOW_SHARE and not self.is_calm
        return SLOW if is_slow else self.chance.uniform(*ON_ITS_WAY)

    def loses_answer(self) -> bool:
        """Whether the answer to something that is stored is lost."""
        return self.chance.random() < ANSWERS_LOST and not self.is_calm

    def noted(
        self, publication: ledger.Publication, answer: ledger.Answer, writer: JournalWriter
    ) -> None:
        """Check the fence: once another node has taken over, an old owner writes nothing."""
        if publication.subject is ledger.Subject.JOURNAL and isinstance(answer, ledger.Acked):
            assert self.owner is writer, (
                f"an old engine at {writer.host} has written to the journal"
            )


class NodeLedger:
    """The ledger as one node sees it while the broker can be reached. Each call returns at once:
    its owner adds delays."""

    def __init__(self, broker: SimulatedBroker, writer: JournalWriter) -> None:
        self._broker = broker
        self._ledger = broker.ledger
        self._writer = writer
        self.is_taking_over = False

    @property
    def message_max(self) -> int:
        return self._ledger.message_max

    def publish(self, publication: ledger.Publication) -> ledger.Answer:
        answer = self._ledger.publish(publication)
        if (
            self.is_taking_over
            and publication.subject is ledger.Subject.JOURNAL
            and isinstance(answer, ledger.Acked)
        ):
            self._broker.owner = self._writer
        self._broker.noted(publication, answer, self._writer)
        return answer

    def newest(self, subject: ledger.Subject) -> ledger.Placed | None:
        return self._ledger.newest(subject)

    def extent(self, stream: ledger.Stream) -> ledger.Extent:
        return self._ledger.extent(stream)

    def read(self, stream: ledger.Stream, first: int, last: int) -> Iterator[ledger.Placed]:
        return self._ledger.read(stream, first, last)

    def purge(self, stream: ledger.Stream, below: int) -> None:
        self._ledger.purge(stream, below)

    def purge_run(self, run: str) -> None:
        self._ledger.purge_run(run)


def is_to_engine(subject: str) -> bool:
    """Whether an edge writes to the engine on this subject."""
    return subject.startswith(TO_ENGINE.removesuffix("*"))


class Subscriber(Protocol):
    """A node, as far as the bus is concerned."""

    @property
    def host(self) -> str: ...

    def hears(self, subject: str) -> bool:
        """Whether its program reads this subject now."""

    def bus_came(self, data: bytes) -> None:
        """Take a message."""


class SimulatedBus:
    """Core NATS and the queues of its clients: at most once, in order within each subject of a
    publisher, and with losses when a client connects anew."""

    def __init__(self, broker: SimulatedBroker, nodes: Callable[[], list[Subscriber]]) -> None:
        self._broker = broker
        self._network = broker.network
        self._nodes = nodes
        self._ways: dict[tuple[str, str, str], deque[tuple[float, float, bytes]]] = {}
        """From host to host on a subject: when each message arrives, when it was sent, the
        message."""
        self._reconnecting: dict[str, float] = {}
        self.doubled = 0.0
        """Share of the messages that arrive twice."""
        self.loss = 0.0
        """Share of the messages that get lost, of those that say more than that their sender is
        alive."""
        self.lost = 0
        self.recorded: deque[tuple[str, str, bytes]] = deque(maxlen=RECORDED_MAX)
        """The last messages, each with its sender's host and its subject."""

    def reconnect(self, host: str, span: float) -> None:
        """Lose what this host sends and is sent for a while."""
        self._reconnecting[host] = self._network.now + span

    def publish(self, sender: str, subject: str, data: bytes) -> None:
        """Publish a message: it comes to all other nodes that read the subject when it arrives."""
        self.recorded.append((sender, subject, data))
        self.publish_again(sender, subject, data)

    def publish_again(self, sender: str, subject: str, data: bytes) -> None:
        """Publish a message, which may be old."""
        now = self._network.now
        for node in self._nodes():
            is_for_any = subject == NEWS or is_to_engine(subject)
            if node.host == sender or not (is_for_any or node.hears(subject)):
                continue
            way = self._ways.setdefault((sender, node.host, subject), deque())
            arrives = max(now + self._broker.delay(), way[-1][0] if way else 0.0)
            copies = 2 if self._broker.chance.random() < self.doubled else 1
            for _ in range(copies):
                way.append((arrives, now, data))
                self._network.at(arrives, partial(self._arrive, sender, node, subject))

    def _arrive(self, sender: str, node: Subscriber, subject: str) -> None:
        """Deliver the oldest messages of a subject between two hosts if they are due, or lose
        them."""
        way, now = self._ways[sender, node.host, subject], self._network.now
        while way and way[0][0] <= now:
            _, sent, data = way[0]
            if self._network.is_cut(sender, node.host) and now - sent < KEPT_FOR:
                self._network.after(0.5, partial(self._arrive, sender, node, subject))
                return
            way.popleft()
            is_lost = any(
                now < self._reconnecting.get(host, 0.0) for host in (sender, node.host)
            ) or (len(data) > BEAT_SIZE and self._broker.chance.random() < self.loss)
            if is_lost or self._network.is_cut(sender, node.host):
                self.lost += 1
            elif node.hears(subject):
                node.bus_came(data)
