"""This file is about the sealed sessions between us and our registry: one for each pair of live keys, never a second one.

Who meets the same two live keys again goes on with the session that they had: a new one would seal under counters that
were used before, and the registry would take all of it for replays (clause 5.2).
"""

from typing import Final

from wire.identity import AgreementKey
from wire.messages.table import Card
from wire.sealing import Session

CHANNELS_KEPT: Final = 64
"""Sessions that are remembered, so that no nonce is used twice when a live key comes up again: more than a registry makes
in the day that our own live key lasts, so old cards replayed on the path evict none."""


class Channels:
    """Ours, at one registry address."""

    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self._by_keys: dict[tuple[bytes, bytes], Session] = {}

    def between(self, live: AgreementKey, card: Card) -> Session:
        """The one under our live key and the registry's. Raises SealError when its live key is no good."""
        pair = (live.public, card.live)
        channel = self._by_keys.pop(pair, None) or Session(
            live=live, identity=self._identity, their_live=card.live, their_identity=card.identity
        )
        self._by_keys[pair] = channel
        while len(self._by_keys) > CHANNELS_KEPT:
            del self._by_keys[next(iter(self._by_keys))]
        return channel
