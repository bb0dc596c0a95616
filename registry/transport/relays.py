"""Sealed datagrams that one peer has handed on to another over both links, where UDP does not get through (clause 6.8).

Whoever sends too many loses some of them, as on a network that is full; nobody else's are lost for that, and no link is
ended because of what others send over it.
"""

from chatapp.registry.directory.directory import Directory
from chatapp.registry.effects import Caller, Drop, Effect, Offer, Reply
from chatapp.registry.limits import Buckets
from chatapp.registry.transport.sessions import Connections
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DATAGRAM_MAX,
    RELAYS_BURST,
    RELAYS_PER_NETWORK,
    RELAYS_PER_NETWORK_BURST,
    RELAYS_PER_SECOND,
)
from chatapp.wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed


class Relays:
    """How much of it each may have handed on to whom."""

    def __init__(self, directory: Directory, connections: Connections) -> None:
        self._directory = directory
        self._connections = connections
        # Each by its recipient too: what somebody answers to a flooder uses up nothing of what they have for others.
        self._senders: Buckets[tuple[bytes, bytes]] = Buckets(
            rate=RELAYS_PER_SECOND, burst=RELAYS_BURST, most=BUCKETS_MAX
        )
        self._networks: Buckets[tuple[str, bytes]] = Buckets(
            rate=RELAYS_PER_NETWORK, burst=RELAYS_PER_NETWORK_BURST, most=BUCKETS_MAX
        )

    def relay(self, request: RelayDatagram, caller: Caller, *, now: float) -> list[Effect]:
        """To the recipient's link, if they have one, and while there is room on it."""
        sender, recipient = caller.identity, request.recipient
        link = self._connections.link_of(recipient)
        if link is None or len(request.datagram) > DATAGRAM_MAX:
            return [Reply(to=caller, message=RelayFailed(recipient))]
        network = self._directory.network_of(sender)
        if not self._senders.take((sender, recipient), now=now):
            return [Drop(reason="relayed too often by one sender")]
        if not self._networks.take((network, recipient), now=now):
            return [Drop(reason="relayed too often by one network")]
        return [Offer(link=link, message=DatagramRelayed(sender, request.datagram))]
