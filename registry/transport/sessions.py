"""The registry's sessions with its peers: who may open one, and what is sealed for whom.

Whoever was let in may, with the nonce of that registration as the context: an opening of an earlier registration, or of an
earlier life of ours, opens nothing. Knows keys; no sockets or clocks.
"""

import itertools
from collections.abc import Iterator
from typing import Final

from chatapp.registry.limits import RegistryPolicy
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.sessions.opening import Randomness
from chatapp.wire.sessions.session import SessionTable

_KEY_SIZE: Final = 32
_LOOKED_AT: Final = 16
"""How many of those who came in longest ago are looked at for one with whom nothing is shared any more."""


class Sessions:
    """Everybody who was let in, and our own card."""

    def __init__(self, identity: Identity, rng: Randomness, policy: RegistryPolicy, *, counter: int) -> None:
        self._contexts: dict[bytes, bytes] = {}
        self._most: Final = policy.sessions_max
        self.table: Final = SessionTable(identity, rng=rng, context_of=self._contexts.get)
        mail = AgreementKey(rng.randbytes(_KEY_SIZE)).public
        self.card: Final = make_card(identity, name="", mail=mail, counter=counter)

    def __len__(self) -> int:
        """How many may open sessions."""
        return len(self._contexts)

    def admit(self, identity: bytes, nonce: bytes, *, now: float) -> None:
        """They were let in by the REGISTER with this nonce."""
        if self._contexts.pop(identity, nonce) != nonce:
            self.table.meet_anew(identity, now=now)
        self._contexts[identity] = nonce
        if len(self._contexts) > self._most:
            self._let_one_go(identity)

    def _let_one_go(self, newest: bytes) -> None:
        """Of those who came in longest ago the first with whom nothing is shared now: they come in anew."""
        for identity in list(itertools.islice(self._contexts, _LOOKED_AT)):
            if identity != newest and not self.table.is_in_use(identity):
                del self._contexts[identity]
                self.table.forget(identity)
                return
            self._contexts[identity] = self._contexts.pop(identity)


_STATION_LAST: Final = 2**32 - 1


class Connection:
    """What one identity holds while it comes and goes."""

    __slots__ = ("link", "nonce", "sender_index")

    def __init__(self) -> None:
        self.link: int | None = None
        self.sender_index = 0
        """The number by which its group frames are known, while its link lasts."""
        self.nonce = b""
        """Of its last REGISTER: the same once more is a repeated datagram."""


class Connections:
    """Seats by identity. Sender indexes rise and are never given twice in one life (a group's nonce is made of them)."""

    def __init__(self, *, first_sender_index: int) -> None:
        self._connections: dict[bytes, Connection] = {}
        self._next_sender_index = max(first_sender_index % _STATION_LAST, 1)

    def of(self, identity: bytes) -> Connection:
        """Their seat, made when they have none."""
        connection = self._connections.get(identity)
        if connection is None:
            connection = self._connections[identity] = Connection()
        return connection

    def link_of(self, identity: bytes) -> int | None:
        """Their link, if they have one."""
        connection = self._connections.get(identity)
        return None if connection is None else connection.link

    def attach(self, connection: Connection, link: int) -> None:
        """They have a link, and a sender index of its own."""
        connection.link, connection.sender_index = link, self._next_sender_index
        self._next_sender_index = self._next_sender_index % _STATION_LAST + 1

    def detach(self, connection: Connection) -> None:
        """Their link is gone."""
        connection.link, connection.sender_index = None, 0

    def attached(self) -> Iterator[Connection]:
        """All who have a link."""
        return (connection for connection in self._connections.values() if connection.link is not None)
