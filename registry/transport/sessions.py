"""The registry's sessions: which peers may open one, and the connection that each identity has.

A session is bound to the nonce of the peer's latest registration, so an opening of an earlier registration, or of an
earlier life of the registry, opens nothing.
"""

import itertools
from collections.abc import Iterator
from typing import Final

from chatapp.registry.limits import RegistryPolicy
from chatapp.registry.transport.sender_indices import SenderIndices
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.sessions.opening import Randomness
from chatapp.wire.sessions.session import SessionTable

_KEY_SIZE: Final = 32
_OLDEST_TRIED: Final = 16
"""How many of the oldest registrations are tried to find one without a live session."""


class Sessions:
    """The peers that may open sessions, and the registry's own card."""

    def __init__(self, identity: Identity, rng: Randomness, policy: RegistryPolicy, *, counter: int) -> None:
        self._contexts: dict[bytes, bytes] = {}
        self._most: Final = policy.sessions_max
        self.table: Final = SessionTable(identity, rng=rng, context_of=self._contexts.get)
        mail = AgreementKey(rng.randbytes(_KEY_SIZE)).public
        self.card: Final = make_card(identity, name="", mail=mail, counter=counter)

    def __len__(self) -> int:
        """Return how many peers may open sessions."""
        return len(self._contexts)

    def admit(self, identity: bytes, nonce: bytes, *, now: float) -> None:
        """Allow sessions with a peer that was admitted by the REGISTER with this nonce."""
        if self._contexts.pop(identity, nonce) != nonce:
            self.table.meet_anew(identity, now=now)
        self._contexts[identity] = nonce
        if len(self._contexts) > self._most:
            self._forget_oldest(identity)

    def _forget_oldest(self, newest: bytes) -> None:
        """Forget the oldest registration that has no live session: that peer has to register again."""
        for identity in list(itertools.islice(self._contexts, _OLDEST_TRIED)):
            if identity != newest and not self.table.is_in_use(identity):
                del self._contexts[identity]
                self.table.forget(identity)
                return
            self._contexts[identity] = self._contexts.pop(identity)


class Connection:
    """The link of one identity, and what belongs to it."""

    __slots__ = ("link", "nonce", "sender_index")

    def __init__(self) -> None:
        self.link: int | None = None
        self.sender_index = 0
        """Identifies the sender in group frames while the link lasts."""
        self.nonce = b""
        """The nonce of the last REGISTER: the same once more is a repeated datagram."""


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
