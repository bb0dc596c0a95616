"""The parties in tests of seals, and strategies for sealed content."""

import random

from hypothesis import strategies as st

from chatapp.wire.identity import Identity
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.session import SessionTable

payloads = st.binary(max_size=200)

ALICE, REGISTRY, EVE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


def table(identity: Identity, seed: int) -> SessionTable:
    """Return the sessions of a person who knows everybody."""
    return SessionTable(identity, rng=random.Random(seed), context_of=lambda _: b"")


def linked(seed: int = 1, *, peer: Identity = ALICE) -> tuple[LinkSession, LinkSession]:
    """Return both ends of a link: the peer's and the registry's."""
    here, there = table(peer, 2 * seed), table(REGISTRY, 2 * seed + 1)
    first, begun = here.open_link(REGISTRY.public, b"attach", now=0.0)
    _, _, registry, answer = there.take_link(first, now=0.0)
    return begun.answered(answer), registry
