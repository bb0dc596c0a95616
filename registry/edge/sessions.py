"""The registry's sessions: which peers may open one.

A session is bound to the nonce of the peer's latest registration, so an opening of an earlier
registration, or of an earlier life of the registry, opens nothing.
"""

import itertools
from typing import Final

from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.sessions.opening import Randomness
from chatapp.wire.sessions.session import SessionTable

_KEY_SIZE: Final = 32
_OLDEST_TRIED: Final = 16
"""How many of the oldest registrations are tried to find one without a live session."""


class Sessions:
    """The peers that may open sessions, and the registry's own card."""

    def __init__(
        self, identity: Identity, rng: Randomness, policy: RegistryPolicy, *, counter: int
    ) -> None:
        self._contexts: dict[bytes, bytes] = {}
        self._most: Final = policy.sessions_max
        self.guests: Final[set[bytes]] = set()
        """The visitors without a name among them."""
        self.table: Final = SessionTable(identity, rng=rng, context_of=self._contexts.get)
        mail = AgreementKey(rng.randbytes(_KEY_SIZE)).public
        self.card: Final = make_card(identity, name="", mail=mail, counter=counter)

    def __len__(self) -> int:
        """Return how many peers may open sessions."""
        return len(self._contexts)

    def admit(self, identity: bytes, nonce: bytes, *, is_guest: bool, now: float) -> None:
        """Allow sessions with a peer that was admitted by the REGISTER with this nonce."""
        (self.guests.add if is_guest else self.guests.discard)(identity)
        if self._contexts.pop(identity, nonce) != nonce:
            self.table.meet_anew(identity, now=now)
        self._contexts[identity] = nonce
        if len(self._contexts) > self._most:
            self._forget_oldest(identity)

    def _forget_oldest(self, newest: bytes) -> None:
        """Forget the oldest registration that has no live session: that peer has to register
        again."""
        for identity in list(itertools.islice(self._contexts, _OLDEST_TRIED)):
            if identity != newest and not self.table.is_in_use(identity):
                del self._contexts[identity]
                self.guests.discard(identity)
                self.table.forget(identity)
                return
            self._contexts[identity] = self._contexts.pop(identity)
