"""Up to the limit of presence by interest (clause 3.9) a registry sends to the byte what one sends
that knows nothing of it."""

from typing import Final

import pytest

from chatapp.registry.edge.interest import Interest
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.messages.registration import Leave, Ping
from chatapp.wire.messages.table import FetchTable
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

LIMIT: Final = RegistryPolicy().broadcast_up_to
LINKED_EACH: Final = 37
"""Every so many have a link; the others are light."""


class NoInterest(Interest):
    """An edge's interest in nobody: it never looks at the table."""

    def settle(self) -> None:
        pass


class Wire:
    """All that a registry sends."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.sent: list[tuple[object, bytes]] = []

    def drain(self) -> None:
        sent = [*sorted(self._rig.datagrams.items()), *sorted(self._rig.frames.items())]
        self.sent += [(to, one) for to, several in sent for one in several]
        self._rig.datagrams.clear()
        self._rig.frames.clear()


def sent_to(people: int, *, limit: int, has_interest: bool) -> list[tuple[object, bytes]]:
    """Return what a registry sends to whom while so many people come in, talk and leave."""
    rig, linked = Rig(policy=RegistryPolicy(broadcast_up_to=limit)), list[LinkedPeer]()
    wire, edge = Wire(rig), rig.core.edge
    if not has_interest:
        edge.interest = NoInterest(edge.links, edge.recorder, limit=limit)  # type: ignore[misc]
    for number in range(people):
        peer = rig.peer(f"p{number:04}", host=f"10.0.{number // 250}.{number % 250}")
        peer.register()
        if number % LINKED_EACH == 0:
            peer.attach()
            linked.append(peer)
        if number % 10 == 0:
            rig.advance(0.05)
            wire.drain()
    for number, peer in enumerate(linked):
        peer.send(Ping(number + 1), FetchTable(0))
        peer.send_raw(peer.line("hello"))
        if number % 3 == 0:
            peer.send(Leave(1))
            peer.drop_link()
        rig.advance(0.3)
        wire.drain()
    rig.advance(rig.policy.lease_span + 1.0)
    wire.drain()
    return wire.sent


@pytest.mark.parametrize(("people", "limit"), [(LIMIT - 1, LIMIT), (40, 40), (41, 40)])
def test_up_to_the_limit_no_byte_differs(people: int, limit: int) -> None:
    sent = sent_to(people, limit=limit, has_interest=True)
    assert len(sent) > 2 * people
    is_same = sent == sent_to(people, limit=limit, has_interest=False)
    assert is_same is (people <= limit)
