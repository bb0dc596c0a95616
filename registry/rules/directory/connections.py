"""The connection that each identity has: its link, and what belongs to that."""

from collections.abc import Iterator
from typing import Final

from chatapp.registry.store.entries import SenderIndicesReserved

BLOCK: Final = 2**14
"""Indices in a block: more than the links that a full registry makes anew while its store is
slow."""

_INDICES: Final = 2**32


class SenderIndices:
    """The sender indices of one life of one node."""

    def __init__(self, *, reserved: int, block: int = BLOCK) -> None:
        """`reserved`: how many indices were ever reserved, by any life of any node."""
        self._block: Final = block
        self._next = reserved + 1
        self._end = reserved + block
        self._is_first_stored = False
        self._is_reserving = False
        self.own: Final[int] = reserved % _INDICES
        """The index under which this life seals its table batches. It belongs to no link."""

    @property
    def first_reservation(self) -> tuple[SenderIndicesReserved, ...]:
        """What has to be stored with or before each first key of this life; empty once it is
        stored."""
        return () if self._is_first_stored else (SenderIndicesReserved(self._end),)

    def first_stored(self) -> None:
        """Note that the first reservation is stored."""
        self._is_first_stored = True

    def take(self) -> int | None:
        """Return an index that no sender has had; None while there is none left."""
        while self._next < self._end:
            index, self._next = self._next % _INDICES, self._next + 1
            if index:  # 0 stands for none
                return index
        return None

    def reservation(self) -> SenderIndicesReserved | None:
        """Return what has to be stored to have more indices; None while half a block is left, or if
        it is on its way."""
        if self._is_reserving or self._end - self._next > self._block // 2:
            return None
        self._is_reserving = True
        return SenderIndicesReserved(
            self._end + self._block if self._is_first_stored else self._end
        )

    def settled(self, upto: int, *, is_stored: bool) -> None:
        """Note what became of what `reservation` returned. One that failed is returned again."""
        self._is_reserving = False
        if is_stored:
            self._is_first_stored = True
            self._end = max(self._end, upto)


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
        return (
            connection for connection in self._connections.values() if connection.link is not None
        )
