"""A member at one node who asks for more than it reads: only its own links end, and its network
pays for it."""

import pytest

from chatapp.registry.cluster.bus.messages import (
    AnswerOnLink,
    DownBundle,
    EndLink,
    decode_down,
    decode_message,
)
from chatapp.registry.cluster.stream.bundles import Kind, Opener
from chatapp.registry.edge.links import QUEUED_MAX
from chatapp.registry.rules.effects import DropReason, LinkEndReason, link_at
from chatapp.wire.codec import encode
from chatapp.wire.messages.link import Announcement, AnnouncementKind
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.messages.rooms import CHANNEL, FetchGroup, GroupPage
from tests.registry.cluster.bus.nodes import KEY, NAME, Cluster
from tests.registry.linked_peer import LinkedPeer
from tests.support.cluster.broker import is_to_engine


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(edges=1)


@pytest.fixture
def ann(cluster: Cluster) -> LinkedPeer:
    return cluster.edges[0].member("ann")


@pytest.fixture
def page(cluster: Cluster, ann: LinkedPeer) -> int:
    """Lines of the channel that others have said: a page of them is long. Its size."""
    bob = cluster.engine.member("bob")
    for number in range(40):
        bob.send_raw(bob.line("x" * 900, number))
    (answer,) = (one for one in ann.ask(FetchGroup(CHANNEL, 0)) if isinstance(one, GroupPage))
    return len(encode(answer))


class Down:
    """What the engine has told its edges since the start, in bytes, and the links that it has
    ended."""

    def __init__(self, cluster: Cluster) -> None:
        self.answered = 0
        self.ended: list[tuple[int, LinkEndReason]] = []
        self._opener = Opener(KEY, NAME)
        self._take = cluster.engine.node.take_messages
        cluster.engine.node.take_messages = self._taken  # type: ignore[method-assign]

    def _taken(self) -> list[tuple[str, bytes]]:
        messages = self._take()
        for subject, data in messages:
            assert not is_to_engine(subject)
            bundle = decode_message(self._opener.open(Kind.BUS, data).content)
            for item in map(decode_down, bundle.items if isinstance(bundle, DownBundle) else ()):
                if isinstance(item, AnswerOnLink):
                    self.answered += len(item.payload)
                elif isinstance(item, EndLink):
                    self.ended.append((item.link, item.reason))
        return messages


def flood(peer: LinkedPeer, count: int) -> None:
    """Ask for the same page many times, all at once."""
    peer.send(*[FetchGroup(CHANNEL, 0)] * count)


def test_the_engine_stops_when_a_link_asks_for_more_than_it_reads(
    cluster: Cluster, ann: LinkedPeer, page: int
) -> None:
    assert page > 30_000
    link, down = ann.link, Down(cluster)
    flood(ann, 500)
    assert link is not None
    assert cluster.edges[0].closed[link] is LinkEndReason.OUTPUT_UNREAD
    assert down.ended == [(link, LinkEndReason.OUTPUT_UNREAD)]
    assert QUEUED_MAX - page < down.answered <= QUEUED_MAX
    assert cluster.engine.core.dropped[DropReason.LINK_HAS_ENDED] == 500 - QUEUED_MAX // page - 1


def test_as_much_may_be_asked_again_in_the_next_turn(
    cluster: Cluster, ann: LinkedPeer, page: int
) -> None:
    for _ in range(5):
        flood(ann, QUEUED_MAX // page)
    assert ann.link not in cluster.edges[0].closed
    assert not cluster.engine.core.dropped[DropReason.LINK_HAS_ENDED]


def test_somebody_who_was_cut_off_comes_back(cluster: Cluster, ann: LinkedPeer, page: int) -> None:
    flood(ann, 500)
    (edge,) = cluster.engine.node.edges.present
    assert edge.links == []
    ann.register()
    ann.attach()
    assert any(isinstance(one, Pong) for one in ann.ask(Ping(1)))


def test_nothing_of_a_link_is_served_that_the_engine_has_ended(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    (edge,) = cluster.engine.node.edges.present
    assert ann.link is not None
    edge.disconnect(link_at(edge.node, ann.link), LinkEndReason.KICKED)
    ann.send(Ping(1))
    assert cluster.engine.core.dropped[DropReason.LINK_HAS_ENDED] == 1
    assert edge.links == []
    assert not edge.has_ended(ann.link)


def test_the_network_pays_for_answers_to_a_link_that_is_over(
    cluster: Cluster, ann: LinkedPeer, page: int
) -> None:
    edge, down = cluster.edges[0], Down(cluster)
    asked = 0
    while ann.link not in edge.paused and asked < 200:
        flood(ann, 100)
        asked += 1
        ann.register()
        ann.attach()
    assert asked < 100
    assert down.answered < 100 * QUEUED_MAX


def test_a_link_that_ends_before_its_answers_come_is_paid_for(
    cluster: Cluster, ann: LinkedPeer, page: int
) -> None:
    edge = cluster.edges[0]
    for _ in range(150):
        assert ann.link is not None
        frames = [
            ann.session.seal(encode(FetchGroup(CHANNEL, 0))) for _ in range(QUEUED_MAX // page)
        ]
        edge.core.receive_frames(ann.link, frames, now=cluster.now)
        ann.drop_link()
        ann.register()
        ann.attach()
        if ann.link in edge.paused:
            break
    assert ann.link in edge.paused


def test_what_the_engine_says_unasked_is_not_paid_for(cluster: Cluster, ann: LinkedPeer) -> None:
    (edge,) = cluster.engine.node.edges.present
    assert ann.link is not None
    announcement = encode(Announcement(AnnouncementKind.TEXT, "x" * 60_000, 0))
    for _ in range(300):
        edge.push(link_at(edge.node, ann.link), announcement)
        cluster.carry()
    assert ann.link not in cluster.edges[0].paused
