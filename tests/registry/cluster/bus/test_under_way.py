"""An engine that is slower than a member asks: the member's link waits, nothing is lost, and the
others go on."""

import pytest

from chatapp.registry.cluster.bus import remote_engine
from chatapp.registry.cluster.bus.remote_engine import (
    ALL_LINKS_BYTES_MAX,
    DATAGRAMS,
    DATAGRAMS_MAX,
    LINK_BYTES_MAX,
    UnderWay,
)
from chatapp.registry.cluster.bus.session import HANDLED_TOLD
from chatapp.registry.rules.effects import DropReason
from chatapp.wire.messages.rooms import GroupAccepted
from tests.registry.cluster.bus.nodes import Cluster
from tests.registry.linked_peer import LinkedPeer

LINE = "x" * 4_000


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(edges=1)


@pytest.fixture
def ann(cluster: Cluster) -> LinkedPeer:
    return cluster.edges[0].member("ann")


def say(peer: LinkedPeer, first: int, count: int) -> None:
    """Send lines, each in a turn of its own."""
    for number in range(first, first + count):
        peer.send_raw(peer.line(LINE, number))


def thaw(cluster: Cluster) -> None:
    """Let the engine read what waits for it, and the edges what it says then. No time passes."""
    cluster.is_engine_frozen = False
    cluster.carry()
    cluster.carry()


def accepted(peer: LinkedPeer) -> int:
    return sum(isinstance(one, GroupAccepted) for one in peer.notices())


def test_a_link_is_held_until_the_engine_has_followed(cluster: Cluster, ann: LinkedPeer) -> None:
    edge, bob = cluster.edges[0], cluster.edges[0].member("bob")
    cluster.is_engine_frozen = True
    lines = LINK_BYTES_MAX // len(LINE) + 1
    say(ann, 1, lines - 5)
    assert ann.link not in edge.paused
    say(ann, lines - 4, 5)
    assert edge.paused == {ann.link}
    say(bob, 1, 1)
    assert edge.paused == {ann.link}
    assert edge.core.snapshot(now=cluster.now).figures["links_held"] == 1
    thaw(cluster)
    assert not edge.paused
    assert edge.core.snapshot(now=cluster.now).figures["links_held"] == 0
    assert accepted(ann) == lines
    assert accepted(bob) == 1


def test_the_engine_says_how_far_it_is_although_it_has_no_answer(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """Lines that are refused have none."""
    edge = cluster.edges[0]
    cluster.is_engine_frozen = True
    while ann.link not in edge.paused:
        line = ann.line(LINE)
        ann.send_raw(line[:1] + bytes(8) + line[9:])  # for a group that there is not
    thaw(cluster)
    assert not edge.paused


def test_datagrams_past_the_limit_are_dropped_and_counted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_engine, "DATAGRAMS_MAX", 500)
    edge = cluster.edges[0]
    peers = [edge.peer(name) for name in ("eve", "mallory", "trudy", "oscar")]
    cluster.is_engine_frozen = True
    for one in peers:
        one.register()
    dropped = edge.core.dropped[DropReason.ENGINE_BEHIND]
    assert 0 < dropped < len(peers)
    cluster.is_engine_frozen = False
    cluster.advance(0.5)
    peers[-1].register()
    assert edge.core.dropped[DropReason.ENGINE_BEHIND] == dropped


def test_all_links_together_are_bounded_and_those_with_little_go_on() -> None:
    asked, links = UnderWay(), ALL_LINKS_BYTES_MAX // LINK_BYTES_MAX * 2
    share = ALL_LINKS_BYTES_MAX // links
    assert not any(asked.add(link, share) for link in range(1, links + 1))
    assert not asked.add(links + 1, 100)
    assert asked.add(1, 100)
    assert not asked.add(links + 1, 100)
    asked.sent(1)
    assert asked.handled(1) == [1]


def test_a_link_stays_held_while_too_much_is_under_way() -> None:
    asked = UnderWay()
    asked.add(5, LINK_BYTES_MAX)
    asked.sent(1)
    assert asked.add(5, HANDLED_TOLD)
    assert not asked.add(5, 1), "it is held already"
    asked.sent(3)
    assert asked.handled(0) == []
    assert asked.handled(2) == [5]
    asked.add(DATAGRAMS, DATAGRAMS_MAX)
    assert not asked.takes_datagrams
