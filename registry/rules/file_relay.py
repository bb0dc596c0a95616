"""Files between peers that reach each other neither by TCP nor by UDP: sealed datagrams of their tunnels,
passed from one link to the other within narrow bounds (clause 6.22)."""

import math
from typing import Final

from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import Caller, Drop, DropReason, Effect, Offer, Reply
from chatapp.wire.buckets import Buckets
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DATAGRAM_MAX,
    FILE_RELAY_NETWORK_SHARES,
    FILE_RELAY_PAUSE,
    FILE_RELAYS_BURST,
    FILE_RELAYS_IN_ALL,
    FILE_RELAYS_PER_SECOND,
)
from chatapp.wire.messages.direct import (
    DatagramRelayed,
    FileRelayRefused,
    RelayFailed,
    RelayFile,
)

_HOUR: Final = 3_600.0


class FileRelay:
    """Passes on what belongs to files.

    What is above a rate is lost, as on a full network, and so is what finds anything waiting for
    the recipient's reader: words come first. Who has used up the bytes of an hour is told, and so is
    the recipient, who else would wait.
    """

    def __init__(self, directory: Directory, connections: Connections, *, hourly: int) -> None:
        """`hourly`: bytes an hour of one sender; 0: nothing is passed on."""
        self._directory: Final = directory
        self._connections: Final = connections
        self._hourly: Final = hourly
        self.bytes = 0
        """Passed on so far."""
        self._rates: Final[Buckets[bytes]] = Buckets(
            rate=FILE_RELAYS_PER_SECOND, burst=FILE_RELAYS_BURST, most=BUCKETS_MAX
        )
        self._rate_of_all: Final[Buckets[None]] = Buckets(
            rate=FILE_RELAYS_IN_ALL, burst=FILE_RELAYS_IN_ALL
        )
        hourly = max(hourly, 1)
        self._people: Final[Buckets[bytes]] = Buckets(
            rate=hourly / _HOUR, burst=hourly, most=BUCKETS_MAX
        )
        shared = FILE_RELAY_NETWORK_SHARES * hourly
        self._networks: Final[Buckets[str]] = Buckets(
            rate=shared / _HOUR, burst=shared, most=BUCKETS_MAX
        )

    def relay(self, request: RelayFile, caller: Caller, *, now: float) -> list[Effect]:
        """Offer a datagram to the recipient's link, if there is one and nothing waits there."""
        sender, recipient = caller.identity, request.recipient
        size, link = len(request.datagram), self._connections.link_of(recipient)
        if link is None or size > DATAGRAM_MAX:
            return [Reply(to=caller, message=RelayFailed(recipient))]
        if not self._rates.take(sender, now=now) or not self._rate_of_all.take(None, now=now):
            return [Drop(reason=DropReason.RELAY_RATE_OF_FILES)]
        network = self._directory.network_of(sender)
        debt = max(
            self._people.overdraw(sender, 0, now=now), self._networks.overdraw(network, 0, now=now)
        )
        if debt > 0 or not self._hourly:
            seconds = math.ceil(debt) + FILE_RELAY_PAUSE if self._hourly else 0
            return [
                Drop(reason=DropReason.FILE_RELAY_USED_UP),
                Reply(to=caller, message=FileRelayRefused(recipient, seconds)),
                Offer(link=link, message=FileRelayRefused(sender, seconds), is_idle=True),
            ]
        self._people.overdraw(sender, size, now=now)
        self._networks.overdraw(network, size, now=now)
        self.bytes += size
        return [Offer(link=link, message=DatagramRelayed(sender, request.datagram), is_idle=True)]
