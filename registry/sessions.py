"""The registry's sessions with its peers: who may open one, and what is sealed for whom.

Whoever was let in may, with the nonce of that registration as the context: an opening of an earlier registration, or of an
earlier life of ours, opens nothing. Knows keys; no sockets or clocks.
"""

import itertools
from typing import Final, Protocol

from registry.policy import Policy
from wire.identity import AgreementKey, Identity, make_card
from wire.session import SessionTable

_KEY_SIZE: Final = 32
_LOOKED_AT: Final = 16
"""How many of those who came in longest ago are looked at for one with whom nothing is shared any more."""


class Randomness(Protocol):
    """Where chance comes from: `random.Random` in tests, the system's in earnest."""

    def randbytes(self, n: int, /) -> bytes:
        """`n` random bytes."""


class Sessions:
    """Everybody who was let in, and our own card."""

    def __init__(self, identity: Identity, rng: Randomness, policy: Policy, *, counter: int) -> None:
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
