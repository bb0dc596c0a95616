"""This file is about parties to a seal: identities with live keys, and strategies for what they seal."""

from hypothesis import strategies as st

from wire.identity import AgreementKey, Identity
from wire.sealing import Session

keys = st.binary(min_size=32, max_size=32)
payloads = st.binary(max_size=200)


class Party:
    """An identity and a live key."""

    def __init__(self, number: int) -> None:
        self.identity = Identity(bytes([number]) * 32).public
        self.live = AgreementKey(bytes([100 + number]) * 32)

    def with_(self, other: "Party") -> Session:
        """A new session with somebody."""
        return Session(
            live=self.live,
            identity=self.identity,
            their_live=other.live.public,
            their_identity=other.identity,
        )


ALICE, BOB, EVE = Party(1), Party(2), Party(3)
