"""What somebody recorded on the network or on the bus, and plays back when the session in which it
was said is over."""

import pytest

from chatapp.registry.cluster.bus.messages import EngineNews, EnterEngine, decode_message
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.stream.bundles import Kind, Opener
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.wire.messages.registration import Welcome
from tests.registry.cluster.bus.nodes import KEY, NAME, Cluster, EdgeRig
from tests.registry.cluster.bus.test_nodes import cast_rig, online
from tests.registry.linked_peer import LinkedPeer


class Recorded:
    """A peer that came in at a node, and what it sent there."""

    def __init__(self, edge: EdgeRig, name: str) -> None:
        self.edge = edge
        self.peer: LinkedPeer = edge.peer(name)
        cookie = self.peer.hello()
        self.register = self.peer.register_bytes(cookie)
        edge.receive(self.register, self.peer.address)
        assert isinstance(self.peer.answer(), Welcome)
        self.peer.use_registry(cookie)
        self.peer.connect()
        self.opening = self.peer.first_frame()
        self.peer.send_raw(self.opening)

    def play_back(self) -> int:
        """Send it again, from another connection. Return its number."""
        self.edge.receive(self.register, self.peer.address)
        link = self.edge.open_link("10.66.6.6")
        self.edge.core.receive_frames(link, [self.opening], now=self.edge.now)
        self.edge.turn()
        return link


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(edges=2)


@pytest.fixture
def ann(cluster: Cluster) -> Recorded:
    return Recorded(cluster.edges[0], "ann")


def test_nobody_comes_in_by_what_they_said_before_another_engine(
    cluster: Cluster, ann: Recorded
) -> None:
    cluster.start_engine()
    cluster.advance(3.0)
    assert online(cluster) == []
    link = ann.play_back()
    assert online(cluster) == []
    assert ann.edge.closed[link] is LinkEndReason.NO_SESSION
    assert ann.edge.core.dropped[DropReason.REGISTER_OF_EARLIER_SESSION] == 1


def test_nobody_is_pushed_out_by_what_they_said_at_a_node_before(
    cluster: Cluster, ann: Recorded
) -> None:
    cluster.cut_off.add(ann.edge.id)
    cluster.advance(5.0)
    cluster.cut_off.clear()
    cluster.advance(2.0)
    assert ann.edge.core.state is EngineState.OPEN
    ann.peer.rig = cast_rig(cluster.edges[1])
    ann.peer.register()
    ann.peer.attach()
    ann.play_back()
    assert ann.peer.link not in cluster.edges[1].closed
    assert online(cluster) == ["ann"]


def test_a_register_that_is_sent_again_in_the_same_session_is_answered(
    cluster: Cluster, ann: Recorded
) -> None:
    ann.edge.receive(ann.register, ann.peer.address)
    assert isinstance(ann.peer.answer(), Welcome)


def test_it_is_remembered_over_several_sessions_and_for_as_long_as_the_cookie_is_good(
    cluster: Cluster, ann: Recorded
) -> None:
    for _ in range(3):
        cluster.start_engine()
        cluster.advance(10.0)
        ann.play_back()
    assert online(cluster) == []
    assert ann.edge.core.dropped[DropReason.REGISTER_OF_EARLIER_SESSION] == 3
    cluster.advance(60.0)
    cluster.edges[0].member("bob")
    ann.play_back()
    assert ann.edge.core.dropped[DropReason.REGISTER_OF_EARLIER_SESSION] == 3
    assert ann.edge.core.dropped[DropReason.BAD_COOKIE] == 1


def test_a_request_for_a_session_that_is_played_back_ends_none() -> None:
    cluster = Cluster(edges=1)
    edge, opener, asked = cluster.edges[0], Opener(KEY, NAME), list[bytes]()
    take = edge.core.take_messages

    def taken() -> list[tuple[str, bytes]]:
        messages = take()
        asked.extend(
            data
            for _, data in messages
            if isinstance(decode_message(opener.open(Kind.BUS, data).content), EnterEngine)
        )
        return messages

    edge.core.take_messages = taken  # type: ignore[method-assign]
    for _ in range(2):
        cluster.cut_off.add(edge.id)
        cluster.advance(5.0)
        cluster.cut_off.clear()
        cluster.advance(2.0)
    ann = edge.member("ann")
    nodes = [one.node for one in cluster.engine.node.edges.present]
    before = cluster.engine.core.dropped[DropReason.BUS_OTHER_SESSION]
    for data in asked[:-1]:
        cluster.engine.node.receive_bus(data, now=cluster.now)
    cluster.engine.turn()
    cluster.advance(2.0)
    assert len(asked) > 1
    assert cluster.engine.core.dropped[DropReason.BUS_OTHER_SESSION] == before + len(asked) - 1
    assert [one.node for one in cluster.engine.node.edges.present] == nodes
    assert ann.link not in edge.closed
    assert online(cluster) == ["ann"]


def test_an_edge_that_was_given_up_while_it_asked_asks_under_another_name(cluster: Cluster) -> None:
    edge, opener = cluster.edges[0], Opener(KEY, NAME)
    receive, take, sent = edge.core.receive_bus, edge.core.take_messages, list[bytes]()

    def receive_news(data: bytes, *, now: float) -> None:
        if isinstance(decode_message(opener.open(Kind.BUS, data).content), EngineNews):
            receive(data, now=now)

    def send_once() -> list[tuple[str, bytes]]:
        messages = take()
        sent.extend(data for _, data in messages)
        return messages if len(sent) == len(messages) else []

    edge.core.receive_bus, edge.core.take_messages = receive_news, send_once  # type: ignore[method-assign]
    cluster.start_engine()
    cluster.advance(6.0)
    edge.core.receive_bus, edge.core.take_messages = receive, take  # type: ignore[method-assign]
    assert len(sent) > 5
    states = [edge.core.state]
    cluster.advance(1.0)
    assert [*states, edge.core.state] == [EngineState.ENTERING, EngineState.OPEN]


def test_only_an_engine_whose_lease_is_not_confirmed_believes_in_another_one(
    cluster: Cluster,
) -> None:
    old = cluster.engine
    cluster.start_engine()
    for holds_lease in (True, False):
        old.holds_lease = holds_lease
        cluster.now += 2.0
        cluster.engine.node.handle_timer(now=cluster.now)
        for _, data in cluster.engine.node.take_messages():
            old.node.receive_bus(data, now=cluster.now)
        assert old.node.is_overtaken is not holds_lease
    assert old.core.dropped[DropReason.BUS_OTHER_SESSION] == 1
