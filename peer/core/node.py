"""What the cores of a peer and of a visitor have in common: one context, one connection to a registry,
and what a driver calls to serve it."""

from collections.abc import Sequence
from typing import Final

from chatapp.peer.core.context import Context
from chatapp.peer.core.registry.connection import RegistryConnection
from chatapp.wire.address import Address


class NodeCore:
    """One node of the network. Time is monotonic seconds."""

    def __init__(self, ctx: Context, connection: RegistryConnection) -> None:
        self._ctx: Final = ctx
        self._connection: Final = connection
        self.me: Final = ctx.me
        self.clock: Final = ctx.clock
        self.dropped: Final = ctx.dropped
        self.link_bytes_to_send: Final = connection.link_bytes_to_send
        """To be called after `datagrams_to_send`, which may relay."""
        self.wants_link: Final = connection.link.wants_connection
        self.wants_link_closed: Final = connection.wants_link_closed

    # --- the link

    def link_connected(self, *, now: float) -> None:
        """Note that the driver's TCP connection to the registry is open."""
        self._connection.link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Take frames from the link."""
        self._connection.receive_frames(frames, now=now)
        self._follow_up(now)

    def link_closed(self, *, now: float) -> None:
        """Note that the connection was closed, or could not be made."""
        self._connection.link_closed(now=now)
        self._follow_up(now)

    @property
    def has_link_work(self) -> bool:
        """Whether the driver has anything to do about the link."""
        return self._connection.has_link_work

    @property
    def link_address(self) -> Address:
        """Where the registry takes links."""
        return self._connection.link_address

    @property
    def link_renewals(self) -> int:
        """How often the keys of the links were renewed."""
        return self._connection.link_renewals

    # --- time

    def next_timer(self) -> float | None:
        """Return when to call `handle_timer` next, in monotonic seconds; None for never."""
        return self._ctx.alarms.next_timer()

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._ctx.alarms.ring(now=now)
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the session and the link."""
        self._connection.follow_up(now=now)
