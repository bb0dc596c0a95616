"""What the SDK stands on: a node of either kind, with its feed and its receipts."""

from collections.abc import Callable, Sequence
from typing import Protocol

from chatapp.peer.api.events import Event
from chatapp.peer.api.node import Node
from chatapp.peer.api.requests import Send
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.receipts import Receipt
from chatapp.wire.names import PeerName


class OpenedNode(Node, Protocol):
    """A node from its opening to its closing."""

    @property
    def name(self) -> PeerName:
        """The name in `state`."""

    @property
    def feed(self) -> EventFeed[Event]:
        """All that happens."""

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `listener` with events when they happen, before any reader gets them, until the peer
        is closed or the function that this returns is called. What a listener gets does not count
        as shown, and it delays nobody: it must return at once."""

    async def send(self, request: Send) -> Receipt:
        """As the request, but with a receipt that follows what becomes of the message; `wait` does
        nothing here."""

    async def close(self, *, within: float) -> None:
        """Let go of everything, waiting at most `within` seconds for whoever is told of it. A
        second call does nothing."""
