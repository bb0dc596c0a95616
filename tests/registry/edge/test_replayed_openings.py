"""A stranger sends the opening of a member again and again: the member's sessions are renewed as
ever."""

import pytest

from chatapp.wire.address import Address
from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.sessions.session import OPENING_LASTS_FOR, OPENINGS_BURST
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

STRANGER = Address("6.6.6.6", 6)
SPAN = 2 * OPENINGS_BURST


def opening(rig: Rig, peer: LinkedPeer, reference: int) -> bytes:
    """Let a peer begin a session with a Ping, which must be answered at once; return the
    datagram."""
    peer.sessions.doubt(rig.identity.public, now=rig.now)
    data = peer.seal(Ping(reference))
    assert data[0] == Kind.OPENING
    rig.receive(data, peer.address)
    assert [frame.reference for frame in peer.heard() if isinstance(frame, Pong)] == [reference]
    return data


@pytest.mark.parametrize("rate", [1.5, 4.0, 20.0, 50.0])
def test_an_opening_after_so_many_copies_of_an_older_one_is_answered(rig: Rig, rate: float) -> None:
    alice = rig.peer("alice")
    alice.register()
    recorded = opening(rig, alice, 1)
    rig.now += OPENING_LASTS_FOR
    opening(rig, alice, 2)
    for _ in range(int(SPAN * rate)):
        rig.now += 1 / rate
        rig.receive(recorded, STRANGER)
    assert rig.take(STRANGER) == [], "a stranger gets nothing"
    opening(rig, alice, 3)
