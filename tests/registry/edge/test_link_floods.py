"""Floods of silent connections: the oldest are closed, and real peers get in."""

from chatapp.registry.edge.links import TIME_TO_SPEAK, WAITING_AT_ONCE
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.limits import LINKS_WAITING_IN_ALL, LINKS_WAITING_PER_ADDRESS
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig


def newcomer(rig: Rig, name: str = "ann") -> LinkedPeer:
    peer = rig.peer(name)
    peer.register()
    return peer


class TestFloods:
    def test_the_oldest_silent_connections_of_an_address_go(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        links = [rig.open_link("10.0.0.9") for _ in range(LINKS_WAITING_PER_ADDRESS + 3)]
        assert not rig.closed
        rig.advance(TIME_TO_SPEAK)
        rig.open_link("10.0.0.9")
        assert set(rig.closed) == set(links[:4])
        assert bob.link not in rig.closed

    def test_a_network_of_ipv6_counts_as_one_address(self, rig: Rig) -> None:
        links = [rig.open_link(f"2001:db8::{n:x}") for n in range(1, LINKS_WAITING_PER_ADDRESS + 1)]
        rig.advance(TIME_TO_SPEAK)
        rig.open_link("2001:db8:0:1::1")
        assert not rig.closed
        rig.open_link("2001:db8::ffff")
        assert set(rig.closed) == set(links[:1])

    def test_a_crowd_of_one_address_that_comes_at_once_gets_in(self, rig: Rig) -> None:
        """A class behind one address after a power cut: all connect, and only then is the first of
        them read."""
        pending = [
            rig.peer(f"user{number}", host="10.0.0.7")
            for number in range(LINKS_WAITING_PER_ADDRESS * 4)
        ]
        for peer in pending:
            peer.register()
        for peer in pending:
            peer.connect()
        for peer in pending:
            peer.open_session()
        assert not rig.closed

    def test_a_real_peer_gets_in_during_a_flood_from_its_own_address(self, rig: Rig) -> None:
        ann = newcomer(rig)
        for _ in range(100):
            rig.open_link(ann.address.host)
            rig.advance(0.05)
        ann.attach()
        for _ in range(100):
            rig.open_link(ann.address.host)
            rig.advance(0.05)
        assert ann.link not in rig.closed
        assert len(rig.core.edge.links.pending) <= TIME_TO_SPEAK / 0.05 + 1

    def test_the_oldest_of_all_go_when_there_are_too_many(self, rig: Rig) -> None:
        links = [
            rig.open_link(f"10.1.{n // 200}.{n % 200}") for n in range(LINKS_WAITING_IN_ALL + 5)
        ]
        assert not rig.closed
        rig.advance(TIME_TO_SPEAK)
        rig.open_link("10.2.0.0")
        assert set(rig.closed) == set(links[:6])

    def test_so_many_at_once_are_too_many_at_any_age(self, rig: Rig) -> None:
        links = [
            rig.open_link(f"10.{n // 40_000}.{n // 200}.{n % 200}")
            for n in range(WAITING_AT_ONCE + 5)
        ]
        assert set(rig.closed) == set(links[:5])

    def test_the_machines_limit_is_kept(self) -> None:
        rig = Rig(policy=RegistryPolicy(links_max=2))
        first = rig.open_link("10.0.0.1")
        bob = rig.member("bob")
        second = rig.open_link("10.0.0.2")
        assert set(rig.closed) == {first}
        ann = newcomer(rig)
        ann.attach()
        assert set(rig.closed) == {first, second}
        third = rig.open_link("10.0.0.3")
        assert rig.closed[third] == LinkEndReason.TOO_MANY_LINKS
        assert {bob.link, ann.link}.isdisjoint(rig.closed)

    def test_links_that_end_are_forgotten(self, rig: Rig) -> None:
        for _ in range(50):
            link = rig.open_link("10.0.0.9")
            rig.close_link(link)
        links = rig.core.edge.links
        assert (
            len(links)
            == len(links.pending)
            == len(links.pending._by_network)
            == len(links.throttle._links)
            == 0
        )
