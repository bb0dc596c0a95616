"""The connection that each identity has: its link, and what belongs to that."""

from collections.abc import Iterator
from typing import Final

from chatapp.registry.directory.sender_indices import SenderIndices


class Connection:
    """The link of one identity, and what belongs to it."""

    __slots__ = ("link", "node", "nonce", "sender_index")

    def __init__(self) -> None:
        self.link: int | None = None
        self.sender_index = 0
        """Identifies the sender in group frames while the link lasts."""
        self.nonce = b""
        """The nonce of the last REGISTER: the same once more is a repeated datagram."""
        self.node = 0
        """The node of the last REGISTER. What still comes from another one is old."""


class Connections:
    """Connections by identity. Each link has a sender index that no other link ever had."""

    def __init__(self, indices: SenderIndices) -> None:
        self._connections: dict[bytes, Connection] = {}
        self.indices: Final = indices

    def of(self, identity: bytes) -> Connection:
        """Return an identity's connection, making it if needed."""
        connection = self._connections.get(identity)
        if connection is None:
            connection = self._connections[identity] = Connection()
        return connection

    def link_of(self, identity: bytes) -> int | None:
        """Return an identity's link, None for none."""
        connection = self._connections.get(identity)
        return None if connection is None else connection.link

    def attach(self, connection: Connection, link: int, sender_index: int) -> None:
        """Note a new link and the sender index that was taken for it."""
        connection.link, connection.sender_index = link, sender_index

    def detach(self, connection: Connection) -> None:
        """Note that the link has gone."""
        connection.link, connection.sender_index = None, 0

    def attached(self) -> Iterator[Connection]:
        """Yield the connections that have a link."""
        return (connection for connection in self._connections.values() if connection.link is not None)
