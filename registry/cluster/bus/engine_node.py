"""The node that has the engine: a registry of its own, and the edges of the other nodes."""

from collections.abc import Callable
from typing import Final

from chatapp.registry.cluster.bus.channel import BusSeals, Channel
from chatapp.registry.cluster.bus.edges import Edges
from chatapp.registry.cluster.bus.messages import ID_SIZE, EngineNews
from chatapp.registry.engine.core import RegistryCore


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
