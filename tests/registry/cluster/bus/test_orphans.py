"""Links that outlive their engine: their peers attach again, and nobody comes back who is elsewhere
by then."""

from collections.abc import Callable

import pytest

from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.bus.session import ALONE_AFTER
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.effects import Caller, DropReason, LinkEndReason, link_at
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind
from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT
from chatapp.wire.messages.link import AttachAgain
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailSaved
from chatapp.wire.messages.registration import Ping, Pong, Welcome
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted
from chatapp.wire.messages.table import Presence
from tests.registry.cluster.bus.nodes import Cluster
from tests.registry.linked_peer import LinkedPeer


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(desk=DeskSettings(operators=("Olga",)))


@pytest.fixture
def ann(cluster: Cluster) -> LinkedPeer:
    return cluster.edges[0].member("ann")


@pytest.fixture
def bob(cluster: Cluster, ann: LinkedPeer) -> LinkedPeer:
    bob = cluster.edges[1].member("bob")
    cluster.advance(1.0)
    ann.take_all()
    bob.take_all()
    return bob


def take_over(cluster: Cluster, *, within: float = 0.2) -> None:
    """Let another engine go on, which was an edge until now."""
    cluster.start_engine(table=cluster.edges[0].core.kept_table())
    cluster.advance(within)


def presence(cluster: Cluster, peer: LinkedPeer) -> Presence:
    person = cluster.engine.core.engine.hub.directory.person(peer.id)
    assert person is not None
    return person.presence


def is_open(peer: LinkedPeer) -> bool:
    return peer.link is not None and peer.link not in peer.rig.closed


def test_who_attaches_again_needs_not_register_and_changes_no_row(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    before = cluster.engine.core.engine.hub.directory.version
    take_over(cluster)
    for peer in (ann, bob):
        index = peer.sender_index
        assert peer.asked_to_attach()
        notices = peer.attach_again()
        assert [one.group for one in notices if isinstance(one, GroupGranted)] == [CHANNEL]
        assert peer.sender_index == index, "it goes on counting"
        assert presence(cluster, peer) is Presence.ONLINE
    cluster.advance(3.0)
    hub = cluster.engine.core.engine.hub
    assert hub.directory.table.delta(before, bytes_max=9_999, rows_max=9).rows == []
    line = ann.line("hello")
    ann.send_raw(line)
    assert [frame for _, frame in bob.relayed()] == [line]
    assert any(isinstance(one, Pong) for one in ann.ask(Ping(1)))


def test_nothing_is_served_that_was_asked_before(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    """The peer cannot know whether the last engine did it, and asks again."""
    take_over(cluster)
    letter = DepositMail(1, bob.id, 1, b"x" * 64)
    dropped = cluster.edges[0].core.dropped
    assert ann.ask(letter, Ping(1)) == [AttachAgain()]
    ann.send_raw(ann.line("hello"))
    assert dropped[DropReason.ASKED_BEFORE_ATTACH] == 3
    ann.attach_again()
    assert MailSaved(1) in ann.ask(letter)


def test_a_flood_before_the_attach_costs_the_engine_nothing_and_is_read_more_slowly(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    take_over(cluster)
    edge, link = cluster.edges[0], ann.link
    remote = cluster.engine.node.edges.present[0]
    heard = remote.session.newest_received
    ann.send_raw(*[ann.line("x", number) for number in range(1_000)])
    assert edge.core.dropped[DropReason.ASKED_BEFORE_ATTACH] == 1_000
    assert remote.session.newest_received == heard
    assert link in edge.paused


def test_letters_that_came_meanwhile_are_handed_over(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    cluster.cut_off.add(cluster.edges[1].id)
    assert MailSaved(1) in ann.ask(DepositMail(1, bob.id, 1, b"x" * 64))
    cluster.cut_off.clear()
    take_over(cluster)
    (batch,) = [one for one in bob.attach_again() if isinstance(one, MailBatch)]
    assert [letter.sender for letter in batch.letters] == [ann.id]


def test_a_datagram_of_an_orphan_is_served_at_once(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    take_over(cluster)
    assert any(isinstance(one, Pong) for one in bob.ping())


def test_a_peer_that_does_not_attach_is_cut_off_and_comes_in_anew(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    take_over(cluster)
    ann.attach_again()
    bob.is_frozen = True
    cluster.advance(LINK_FIRST_FRAME_TIMEOUT)
    assert is_open(ann)
    assert bob.link is not None
    assert cluster.edges[1].closed[bob.link] is LinkEndReason.FIRST_FRAME_LATE
    assert isinstance(bob.register(), Welcome)
    bob.attach()
    assert presence(cluster, bob) is Presence.ONLINE


def test_each_engine_that_follows_is_attached_to(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    take_over(cluster)
    take_over(cluster)
    assert ann.notices() == [AttachAgain(), AttachAgain()]
    assert ann.attach_again() == [], "it answers the question of the engine before"
    assert ann.attach_again() != []
    take_over(cluster)
    assert ann.asked_to_attach()
    assert ann.attach_again() != []
    assert ann.attach_again() == [], "nobody has asked"
    assert cluster.engine.core.dropped[DropReason.MISPLACED_ATTACH] == 1


def test_orphans_wait_no_longer_for_an_engine_than_others(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    cluster.is_engine_frozen = True
    cluster.advance(ALONE_AFTER - 4.0)
    cluster.is_engine_frozen = False
    take_over(cluster, within=0.0)
    cluster.engine.node.receive_bus = lambda data, *, now: None  # type: ignore[method-assign]
    cluster.advance(1.0)
    assert cluster.edges[0].core.state is EngineState.ENTERING
    assert is_open(ann)
    cluster.advance(4.0)
    assert ann.link is not None
    assert cluster.edges[0].closed[ann.link] is LinkEndReason.NO_ENGINE


def test_visitors_come_in_anew(cluster: Cluster, ann: LinkedPeer) -> None:
    visitor = cluster.edges[0].peer("")
    assert isinstance(visitor.register(), Welcome)
    visitor.attach()
    take_over(cluster)
    assert visitor.link is not None
    assert cluster.edges[0].closed[visitor.link] is LinkEndReason.OTHER_ENGINE
    assert is_open(ann)


class TestTheNodeThatTakesOver:
    """Its own links outlive the last engine, too."""

    def test_its_people_attach_again(
        self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        version = cluster.engine.core.engine.hub.directory.version
        cluster.promote(cluster.edges[0], ann)
        cluster.advance(0.2)
        for peer in (ann, bob):
            assert peer.asked_to_attach()
            assert peer.attach_again() != []
        cluster.advance(3.0)
        table = cluster.engine.core.engine.hub.directory.table
        assert table.delta(version, bytes_max=9_999, rows_max=9).rows == []
        line = bob.line("hello")
        bob.send_raw(line)
        assert [frame for _, frame in ann.relayed()] == [line]
        assert any(isinstance(one, Pong) for one in ann.ping())

    def test_nobody_is_let_in_by_a_register_of_the_last_engine(
        self, cluster: Cluster, ann: LinkedPeer
    ) -> None:
        """What was recorded of the session under it could be played back."""
        eve = cluster.edges[0].peer("eve")
        register = eve.register_bytes(eve.hello())
        eve.rig.receive(register, eve.address)
        assert isinstance(eve.answer(), Welcome)
        cluster.promote(cluster.edges[0], ann, eve)
        eve.rig.receive(register, eve.address)
        assert eve.answer() is None
        assert cluster.engine.core.dropped[DropReason.BAD_COOKIE] == 1
        assert isinstance(eve.register(), Welcome)

    def test_it_tells_of_its_table_although_a_broadcast_was_under_way(
        self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        cluster.edges[0].core.broadcast_backlog(waits=True)
        cluster.promote(cluster.edges[0], ann)
        cluster.advance(0.2)
        ann.attach_again()
        bob.attach_again()
        ann.take_all()
        cluster.edges[0].member("carol")
        cluster.advance(2.0)
        assert any(data[0] == Kind.GROUP for data in ann.rig.take(ann.address))

    def test_another_registry_gets_no_links(self, cluster: Cluster, ann: LinkedPeer) -> None:
        core = cluster.edges[0].core
        assert core.hand_over(bytes(32), now=cluster.now) is None
        assert any(isinstance(one, Pong) for one in ann.ask(Ping(1)))


class TestWhoIsElsewhere:
    """A link that its peer has left, at a node that does not know it yet, brings nobody back."""

    def test_who_has_registered_at_another_node(
        self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        edge, link = cluster.edges[0], ann.link
        assert link is not None
        cluster.cut_off.add(edge.id)
        take_over(cluster)
        ann.rig = cluster.edges[1]  # type: ignore[assignment]
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        cluster.cut_off.clear()
        cluster.advance(2.0)
        assert edge.closed[link] is LinkEndReason.REPLACED
        assert any(isinstance(one, Pong) for one in ann.ask(Ping(1)))
        assert presence(cluster, ann) is Presence.ONLINE

    def test_who_has_registered_anew_at_the_same_node(
        self, cluster: Cluster, ann: LinkedPeer
    ) -> None:
        link = ann.link
        assert link is not None
        take_over(cluster)
        assert isinstance(ann.register(), Welcome)
        assert cluster.edges[0].closed[link] is LinkEndReason.REPLACED
        ann.attach()
        assert presence(cluster, ann) is Presence.ONLINE

    def test_who_had_said_goodbye(self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer) -> None:
        """The edge did not hear that the engine ended the link."""
        link = ann.link
        assert link is not None
        carry = cluster.edges[0].core.receive_bus
        cluster.edges[0].core.receive_bus = lambda data, *, now: None  # type: ignore[method-assign]
        ann.leave()
        cluster.advance(0.2)
        cluster.edges[0].core.receive_bus = carry  # type: ignore[method-assign]
        cluster.start_engine(table=cluster.edges[1].core.kept_table())
        cluster.advance(0.2)
        assert cluster.edges[0].closed[link] is LinkEndReason.REPLACED
        assert presence(cluster, ann) is Presence.AWAY

    @pytest.mark.parametrize(
        "lie",
        [
            lambda caller: Caller(
                identity=caller.identity, link=caller.link, address=Address("10.9.9.9", 6_000)
            ),
            lambda caller: Caller(identity=bytes(32), link=caller.link, address=caller.address),
        ],
        ids=["another address", "nobody"],
    )
    def test_whom_the_engine_knows_otherwise(
        self, cluster: Cluster, ann: LinkedPeer, lie: Callable[[Caller], Caller]
    ) -> None:
        cluster.cut_off.add(cluster.edges[0].id)
        take_over(cluster)
        told, hub = (
            Caller(identity=ann.id, link=link_at(9, 1), address=ann.address),
            (cluster.engine.core.engine.hub),
        )
        (effect,) = hub.adopt_link(bytes(16), lie(told), now=cluster.now)
        assert getattr(effect, "link", None) == told.link
        assert hub.adopt_link(bytes(16), told, now=cluster.now) == []
        assert hub.adopt_link(bytes(16), told, now=cluster.now) != [], "once"
