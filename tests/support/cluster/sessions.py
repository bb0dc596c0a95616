"""What the two sides of the sessions of a simulated cluster handle: all that the other side has sent in the same session,
in order and once, up to some point.

Bundles without items are left out: a lost or repeated one changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from chatapp.registry.cluster.bus.front_node import FrontCore
from chatapp.registry.cluster.bus.house_node import HouseNode
from chatapp.registry.cluster.bus.messages import DownBundle, UpBundle, decode_message
from chatapp.registry.cluster.bus.remote_front import RemoteFront
from chatapp.registry.cluster.stream.bundles import Kind, Opener

Direction = tuple[str, bytes, bytes, bytes]
"""Up or down, the house, the front, and the session between them."""


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
                self._sent["up", up.house, up.front, up.run].append(list(map(bytes, up.items)))
            case DownBundle() as down if down.items:
                front = bytes.fromhex(subject.rpartition(".")[2])
                self._sent["down", down.house, front, down.run].append(list(map(bytes, down.items)))

    def _check(self, way: Direction, items: Sequence[msgspec.Raw]) -> None:
        if items:
            place, sent = self._handled[way], self._sent[way]
            is_next = place < len(sent) and sent[place] == list(map(bytes, items))
            assert is_next, f"not what was sent next in this session: {way}, bundle {place}"
            self._handled[way] = place + 1

    def watch_front(self, core: FrontCore, front_id: bytes) -> None:
        """Look at all that a front carries out."""
        remote = core._house
        carry_out = remote._carry_out

        def watched(items: Sequence[msgspec.Raw], now: float) -> None:
            assert remote._house is not None
            self._check(("down", remote._house.house, front_id, remote._run), items)
            carry_out(items, now)

        remote._carry_out = watched  # type: ignore[method-assign]

    def watch_house(self, node: HouseNode) -> None:
        """Look at all that a house is asked."""
        fronts = node.fronts
        serve = fronts._serve

        def watched(items: Sequence[msgspec.Raw], front: RemoteFront, now: float) -> None:
            self._check(("up", fronts._news.house, front.id, front.session.run), items)
            serve(items, front, now)

        fronts._serve = watched  # type: ignore[method-assign]
