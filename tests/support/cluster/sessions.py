"""What the two sides of the sessions of a simulated cluster handle: all that the other side has
sent in the same session, in order and once, up to some point.

Bundles without items are left out: a lost or repeated one changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from chatapp.registry.cluster.bus.edge_node import EdgeCore
from chatapp.registry.cluster.bus.edges import EngineNode
from chatapp.registry.cluster.bus.messages import DownBundle, UpBundle, decode_message
from chatapp.registry.cluster.bus.remote_edge import RemoteEdge
from chatapp.registry.cluster.stream.bundles import Kind, Opener

Direction = tuple[str, bytes, bytes, bytes]
"""Up or down, the engine, the edge, and the session between them."""


class SessionRecord:
    """Compares what is handled with what was sent."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._sent: defaultdict[Direction, list[list[bytes]]] = defaultdict(list)
        self._handled: defaultdict[Direction, int] = defaultdict(int)

    def published(self, subject: str, data: bytes) -> None:
        """Note a message that a node publishes."""
        match decode_message(self._opener.open(Kind.BUS, data).content):
            case UpBundle() as up if up.items:
                self._sent["up", up.engine, up.edge, up.run].append(list(map(bytes, up.items)))
            case DownBundle() as down if down.items:
                edge = bytes.fromhex(subject.rpartition(".")[2])
                self._sent["down", down.engine, edge, down.run].append(list(map(bytes, down.items)))

    def _check(self, way: Direction, items: Sequence[msgspec.Raw]) -> None:
        if items:
            place, sent = self._handled[way], self._sent[way]
            is_next = place < len(sent) and sent[place] == list(map(bytes, items))
            assert is_next, f"not what was sent next in this session: {way}, bundle {place}"
            self._handled[way] = place + 1

    def watch_edge(self, core: EdgeCore, edge_id: bytes) -> None:
        """Look at all that an edge carries out."""
        remote = core._engine
        carry_out = remote._carry_out

        def watched(items: Sequence[msgspec.Raw], now: float) -> None:
            assert remote._engine is not None
            self._check(("down", remote._engine.engine, edge_id, remote._run), items)
            carry_out(items, now)

        remote._carry_out = watched  # type: ignore[method-assign]

    def watch_engine(self, node: EngineNode) -> None:
        """Look at all that an engine is asked."""
        edges = node.edges
        serve = edges._serve

        def watched(items: Sequence[msgspec.Raw], edge: RemoteEdge, now: float) -> None:
            self._check(("up", edges._news.engine, edge.id, edge.session.run), items)
            serve(items, edge, now)

        edges._serve = watched  # type: ignore[method-assign]
