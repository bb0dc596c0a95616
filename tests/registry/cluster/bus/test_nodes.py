"""Peers at several nodes of one cluster: what one says or does, the others get, wherever each of
them is."""

import msgspec
import pytest

from chatapp.registry.cluster.bus.messages import NEWS, edge_subject
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.rules.admin_requests import (
    AdminRefusal,
    AdminRefused,
    Announce,
    Done,
    KickPerson,
    PeopleListed,
    ShowOnline,
)
from chatapp.registry.rules.directory.table import Delta, TableCopy
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.messages.direct import DatagramRelayed, RelayDatagram, ReportSilence
from chatapp.wire.messages.link import Announcement, AnnouncementKind
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailSaved
from chatapp.wire.messages.registration import (
    Leave,
    Left,
    Ping,
    Pong,
    Probe,
    RefusalReason,
    Refused,
    Welcome,
)
from chatapp.wire.messages.rooms import CHANNEL, GroupAccepted, RoomPresence
from chatapp.wire.messages.table import FetchTable, Presence, TablePage
from tests.registry.cluster.bus.nodes import Cluster
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import Rig


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(edges=2)


@pytest.fixture
def ann(cluster: Cluster) -> LinkedPeer:
    return cluster.edges[0].member("ann")


@pytest.fixture
def bob(cluster: Cluster) -> LinkedPeer:
    return cluster.edges[1].member("bob")


@pytest.fixture
def hal(cluster: Cluster) -> LinkedPeer:
    """A peer at the node that has the engine."""
    return cluster.engine.member("hal")


def presence_of(reader: LinkedPeer, name: str) -> Presence:
    return table_of(reader)[name].presence


def online(cluster: Cluster) -> list[str]:
    directory = cluster.engine.core.engine.hub.directory
    return sorted(person.card.name for person in directory if person.online)


def test_every_edge_has_a_session_and_a_number_of_its_own(cluster: Cluster) -> None:
    assert [edge.core.state for edge in cluster.edges] == [EngineState.OPEN, EngineState.OPEN]
    assert [edge.core.engine_name for edge in cluster.edges] == ["engine 1", "engine 1"]
    assert [(edge.name, edge.node) for edge in cluster.engine.node.edges.present] == [
        ("n1", 1),
        ("n2", 2),
    ]


def test_a_peer_registers_at_any_node_of_the_same_registry(cluster: Cluster) -> None:
    for edge, name in zip(cluster.edges, ("ann", "bob"), strict=True):
        assert isinstance(edge.peer(name).register(), Welcome)
    assert len(online(cluster)) == 2


def test_peers_are_told_the_lease_of_the_engine_whatever_their_node_is_set_to() -> None:
    cluster = Cluster(edges=1, policy=RegistryPolicy(lease_span=77))
    welcome = cluster.edges[0].peer("ann").register()
    assert isinstance(welcome, Welcome)
    assert welcome.lease == 77


def test_everybody_is_in_one_table(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    for reader in (ann, bob, hal):
        assert {name: row.presence for name, row in table_of(reader).items()} == {
            "ann": Presence.ONLINE,
            "bob": Presence.ONLINE,
            "hal": Presence.ONLINE,
        }


def test_an_edge_hands_out_the_table_by_itself(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    bob.leave()
    cluster.edges[1].member("eve")
    asked = hal.ask(FetchTable(0))
    cluster.cut_off.add(cluster.edges[0].id)
    assert ann.ask(FetchTable(0)) == asked
    assert any(isinstance(one, TablePage) for one in asked)


def test_an_edge_forgets_its_copy_of_the_table_with_the_session(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    cluster.cut_off.add(cluster.edges[0].id)
    cluster.advance(15.0)
    cluster.edges[1].member("eve")
    cluster.cut_off.clear()
    cluster.advance(3.0)
    cluster.now += 1.0
    ann.register()
    ann.attach()
    assert presence_of(ann, "eve") is Presence.ONLINE


def test_the_table_is_broadcast_at_every_node(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    cluster.advance(10.0)
    for peer in (ann, bob, hal):
        peer.batches()
    cluster.edges[0].member("eve")
    cluster.advance(2.0)
    for peer in (ann, bob, hal):
        assert any(batch.rows for batch in peer.batches())


def test_a_broadcast_goes_no_more_to_those_who_have_gone(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    cluster.advance(10.0)
    stays = cluster.edges[1].member("stays")
    bob.drop_link()
    cluster.advance(5.0)
    cluster.edges[1].datagrams.clear()
    cluster.edges[0].member("eve")
    cluster.advance(2.0)
    assert ann.batches()
    assert stays.batches()
    assert bob.address not in cluster.edges[1].datagrams


def test_a_line_of_the_channel_reaches_all_nodes_once(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    eve = cluster.edges[0].member("eve")
    for speaker, others in ((ann, (bob, hal, eve)), (hal, (ann, bob, eve))):
        line = speaker.line("hello")
        speaker.send_raw(line)
        (accepted,) = [one for one in speaker.notices() if isinstance(one, GroupAccepted)]
        assert accepted.group == CHANNEL
        assert speaker.relayed() == []
        for other in others:
            assert other.relayed() == [(accepted.position, line)]


def test_a_line_of_a_room_reaches_its_members_at_all_nodes(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    eve = cluster.edges[1].member("eve")
    for member in (ann, bob, hal):
        member.enter("den")
    for member in (ann, bob, hal):
        member.changes()
    line = ann.say("hello")
    assert [frame for _, frame in bob.relayed()] == [line]
    assert [frame for _, frame in hal.relayed()] == [line]
    assert ann.relayed() == eve.relayed() == []


def test_a_letter_is_saved_and_fetched_at_another_node(cluster: Cluster, ann: LinkedPeer) -> None:
    bob = cluster.edges[1].member("bob")
    bob.leave()
    (saved,) = ann.ask(DepositMail(reference=1, recipient=bob.id, number=1, letter=b"sealed"))
    assert isinstance(saved, MailSaved)
    bob.renew()
    bob.rig = cluster.engine
    bob.register()
    batch = bob.attach()[-1]
    assert isinstance(batch, MailBatch)
    assert [one.number for one in batch.letters] == [1]


def test_datagrams_are_relayed_between_nodes(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    ann.send(RelayDatagram(bob.id, b"sealed"), RelayDatagram(hal.id, b"also"))
    assert bob.notices() == [DatagramRelayed(ann.id, b"sealed")]
    assert hal.notices() == [DatagramRelayed(ann.id, b"also")]


def test_a_ping_is_answered_at_its_node(cluster: Cluster, ann: LinkedPeer) -> None:
    cluster.advance(1.0)
    ann.take_all()
    (pong,) = ann.ping()
    assert isinstance(pong, Pong)
    assert pong.reference == 7


def test_somebody_who_says_goodbye_is_away(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    link = ann.link
    assert link is not None
    assert any(isinstance(frame, Left) for frame in ann.leave())
    assert cluster.edges[0].closed[link] is LinkEndReason.LEFT
    assert presence_of(bob, "ann") is Presence.AWAY


def test_a_link_that_breaks_takes_its_peer_offline(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    ann.drop_link()
    assert presence_of(bob, "ann") is Presence.LOST


def test_somebody_unreachable_is_probed_at_their_node(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    ann.send(ReportSilence(bob.id))
    cluster.advance(1.0)
    assert Probe() in bob.notices()
    assert Probe() in bob.heard()
    cluster.advance(5.0)
    assert presence_of(ann, "bob") is Presence.LOST


def test_a_sign_of_life_on_a_link_comes_in_time(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    ann.send(ReportSilence(bob.id))
    cluster.advance(1.0)
    bob.notices()
    bob.renew_link()  # no request: only the edge sees it
    cluster.advance(5.0)
    assert presence_of(ann, "bob") is Presence.ONLINE


def test_what_is_asked_or_said_on_a_link_is_a_sign_of_life(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    eve = cluster.edges[1].member("eve")
    ann.send(ReportSilence(bob.id), ReportSilence(eve.id))
    cluster.advance(1.0)
    bob.send(Ping(1))
    eve.send_raw(eve.line("here"))
    cluster.advance(5.0)
    assert online(cluster) == ["ann", "bob", "eve"]


def test_who_cannot_come_in_is_told_so_at_any_node(cluster: Cluster, ann: LinkedPeer) -> None:
    refused = cluster.edges[1].peer("Ann").register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN


def test_everybody_is_told_what_the_owner_says(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer, hal: LinkedPeer
) -> None:
    cluster.edges[0].core.run_admin_request(Announce("tea"), "1", now=cluster.now)
    cluster.edges[0].turn()
    for peer in (ann, bob, hal):
        assert peer.notices() == [Announcement(AnnouncementKind.TEXT, "tea", 0)]


def test_a_peer_that_moves_to_another_node_is_there_once(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    before, link = cluster.edges[0], ann.link
    assert link is not None
    ann.rig = cast_rig(cluster.edges[1])
    ann.register()
    ann.attach()
    assert before.closed[link] is LinkEndReason.REPLACED
    assert online(cluster) == ["ann", "bob"]
    line = bob.line("hello")
    bob.send_raw(line)
    assert [frame for _, frame in ann.relayed()] == [line]


def test_what_comes_late_from_the_node_before_changes_nothing(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """A Ping and a Leave that were under way when the peer moved, then the loss of that node."""
    before, after = cluster.edges[:2]
    late = [ann.seal(Ping(9)), ann.seal(Leave(9))]
    ann.rig = cast_rig(after)
    ann.register()
    ann.attach()
    for datagram in late:
        before.receive(datagram, ann.address)
        assert online(cluster) == ["ann"]
    cluster.edges.remove(before)
    cluster.advance(6.0)
    assert online(cluster) == ["ann"]
    assert ann.link is not None
    assert ann.link not in after.closed
    ann.send_raw(ann.line("still here"))
    assert any(isinstance(one, GroupAccepted) for one in ann.notices())


def test_a_newcomer_at_a_node_that_is_lost_meanwhile_is_away(cluster: Cluster) -> None:
    cluster.engine.auto_commit = False
    edge = cluster.edges[0]
    edge.peer("eve").register()
    cluster.edges.remove(edge)
    cluster.advance(6.0)
    cluster.engine.commit()
    assert [person.card.name for person in cluster.engine.core.engine.hub.directory] == ["eve"]
    assert online(cluster) == []


def test_a_peer_whose_new_node_is_lost_before_its_link_comes_is_away(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """Its earlier link, at another node, is one of before: nothing that comes on it is served any
    more."""
    before, after = cluster.edges[:2]
    link = ann.link
    assert link is not None
    ann.rig = cast_rig(after)
    ann.register()
    cluster.edges.remove(after)
    cluster.advance(6.0)
    assert online(cluster) == []
    assert before.closed[link] is LinkEndReason.REPLACED


def test_the_people_of_a_node_that_is_lost_are_away(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    quiet = cluster.edges[0].peer("quiet")  # without a link
    quiet.register()
    ann.enter("den")
    bob.enter("den")
    bob.changes()
    cluster.cut_off.add(cluster.edges[0].id)
    cluster.advance(2.5)
    assert online(cluster) == ["ann", "bob", "quiet"]
    cluster.advance(1.5)
    assert online(cluster) == ["bob"]
    assert bob.changes() == {ann.id: RoomPresence.AWAY}
    assert presence_of(bob, "ann") is Presence.LOST


def test_a_node_that_was_cut_off_begins_anew(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    edge, link = cluster.edges[0], ann.link
    assert link is not None
    cluster.cut_off.add(edge.id)
    cluster.advance(5.0)
    states = [edge.core.state]
    assert link not in edge.closed
    cluster.cut_off.clear()
    cluster.advance(2.0)
    assert edge.closed[link] is LinkEndReason.ENGINE_SESSION_LOST
    assert [*states, edge.core.state] == [EngineState.SILENT, EngineState.OPEN]
    assert isinstance(ann.register(), Welcome)
    ann.attach()
    assert online(cluster) == ["ann", "bob"]
    assert [one.node for one in cluster.engine.node.edges.present] == [2, 3]


def test_an_edge_without_an_engine_serves_nobody(cluster: Cluster, ann: LinkedPeer) -> None:
    edge, link = cluster.edges[0], ann.link
    assert link is not None
    cluster.cut_off.add(edge.id)
    cluster.advance(4.0)
    before = edge.core.dropped[DropReason.NO_ENGINE]
    ann.send(Ping(1))
    assert ann.notices() == []
    stranger = edge.peer("eve")
    with pytest.raises(IndexError):
        stranger.hello()
    refused = edge.open_link("10.9.9.9")
    assert edge.closed[refused] is LinkEndReason.NO_ENGINE
    assert edge.core.dropped[DropReason.NO_ENGINE] == before + 3
    cluster.advance(7.0)
    assert edge.closed[link] is LinkEndReason.NO_ENGINE
    assert edge.core.state is EngineState.SEARCHING


def test_an_engine_that_begins_without_the_table_ends_all_links(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    links = [(edge, peer.link) for edge, peer in zip(cluster.edges, (ann, bob), strict=True)]
    cluster.start_engine()
    cluster.advance(1.0)
    for edge, link in links:
        assert link is not None
        assert edge.closed[link] is LinkEndReason.REPLACED
        assert edge.core.engine_name == "engine 2"
    for peer in (ann, bob):
        assert isinstance(peer.register(), Welcome)
        peer.attach()
    assert online(cluster) == ["ann", "bob"]
    line = ann.line("hello")
    ann.send_raw(line)
    assert [frame for _, frame in bob.relayed()] == [line]


def test_an_engine_that_leaves_holds_nobody_up_until_the_next_one(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """Links stay and HELLOs get no answer, so peers look elsewhere; what one has begun goes on at
    the next engine."""
    edge, link = cluster.edges[0], ann.link
    assert link is not None
    eve = edge.peer("eve")
    cookie = eve.hello()
    cluster.engine.node.leave()
    cluster.engine.turn()
    assert {one.core.state for one in cluster.edges} == {EngineState.SILENT}
    with pytest.raises(IndexError):
        edge.peer("max").hello()
    cluster.advance(4.0)
    cluster.start_engine(table=edge.core.kept_table())
    cluster.advance(1.0)
    assert link not in edge.closed
    edge.receive(eve.register_bytes(cookie), eve.address)
    assert isinstance(eve.answer(), Welcome)


def test_what_an_engine_said_before_it_left_opens_nothing(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """Its messages and its news come by two subscriptions, in either order."""
    edge = cluster.edges[0]
    (remote,) = (one for one in cluster.engine.node.edges.present if one.id == edge.id)
    cluster.now += 0.5
    remote.session.beat()
    cluster.engine.node.leave()
    messages = dict(reversed(cluster.engine.node.take_messages()))
    for subject in (NEWS, edge_subject(edge.id)):
        edge.core.receive_bus(messages[subject], now=cluster.now)
    states = [edge.core.state]
    cluster.start_engine()
    cluster.advance(2.0)
    assert [*states, edge.core.state] == [EngineState.SILENT, EngineState.OPEN]


def test_a_copy_of_the_table_that_cannot_follow_is_given_up(
    cluster: Cluster, ann: LinkedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = cluster.edges[0]
    learn = TableCopy.learn
    for one in cluster.edges:
        one.faults_allowed = True

    def learn_nothing(copy: TableCopy, delta: Delta) -> None:
        raise msgspec.ValidationError

    monkeypatch.setattr(TableCopy, "learn", learn_nothing)
    cluster.engine.member("eve")
    monkeypatch.setattr(TableCopy, "learn", learn)
    assert edge.core.dropped[DropReason.FAULT] == 1
    cluster.engine.member("max")
    assert presence_of(ann, "eve") is Presence.ONLINE
    cluster.start_engine()
    cluster.advance(2.0)
    ann.register()
    ann.attach()
    cluster.cut_off.add(edge.id)
    assert presence_of(ann, "ann") is Presence.ONLINE, "the next session has a copy again"


def test_an_engine_that_may_have_been_succeeded_lets_nobody_in(
    cluster: Cluster, ann: LinkedPeer
) -> None:
    """A peer that knows a later table would take an older one for that of a registry restored from
    a backup."""
    cluster.engine.holds_lease = False
    with pytest.raises(
        IndexError
    ):  # no answer: its own edge sends nobody to an engine that cannot let them in
        cluster.engine.peer("bob").hello()
    assert cluster.edges[1].peer("bob").register() is None
    assert ann.ask(Ping(1)) == [Pong(1, cluster.engine.core.engine.hub.directory.version)]
    cluster.engine.holds_lease = True
    assert isinstance(cluster.edges[1].peer("bob").register(), Welcome)


def test_an_engine_learns_that_another_one_has_taken_over(cluster: Cluster) -> None:
    old = cluster.engine
    old.holds_lease = False
    cluster.start_engine().node.handle_timer(now=cluster.now)
    (news,) = (data for subject, data in cluster.engine.node.take_messages() if subject == NEWS)
    for engine in (old, cluster.engine):
        engine.node.receive_bus(news, now=cluster.now)
    assert old.node.is_overtaken
    assert not cluster.engine.node.is_overtaken


def test_a_node_that_stops_takes_its_people_offline_at_once(
    cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    edge, link = cluster.edges[0], ann.link
    assert link is not None
    edge.core.leave(now=cluster.now)
    edge.turn()
    assert online(cluster) == ["bob"]
    assert edge.closed[link] is LinkEndReason.NODE_STOPS
    cluster.advance(3.0)
    assert edge.core.state is EngineState.SEARCHING


class TestAdmin:
    def test_a_request_at_any_node_is_answered_there(
        self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        edge = cluster.edges[1]
        edge.core.run_admin_request(ShowOnline(), "t 1", now=cluster.now)
        edge.turn()
        ((ticket, answer),) = edge.core.take_admin_answers()
        assert ticket == "t 1"
        assert isinstance(answer, PeopleListed)
        assert sorted(person.name for person in answer.people) == ["ann", "bob"]
        assert cluster.edges[0].core.take_admin_answers() == []
        assert cluster.engine.core.take_admin_answers() == []

    def test_somebody_at_another_node_is_kicked(
        self, cluster: Cluster, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        link = ann.link
        assert link is not None
        cluster.edges[1].core.run_admin_request(KickPerson("ann", 60), "1", now=cluster.now)
        cluster.edges[1].turn()
        assert cluster.edges[1].core.take_admin_answers() == [("1", Done(count=1))]
        assert cluster.edges[0].closed[link] is LinkEndReason.KICKED

    def test_without_an_engine_it_is_refused(self, cluster: Cluster) -> None:
        edge = cluster.edges[0]
        cluster.cut_off.add(edge.id)
        edge.core.run_admin_request(ShowOnline(), "lost on its way", now=cluster.now)
        edge.turn()
        cluster.advance(4.0)
        edge.core.run_admin_request(ShowOnline(), "asked too late", now=cluster.now)
        cluster.advance(8.0)
        refused = AdminRefused(refusal=AdminRefusal.NO_ENGINE)
        assert edge.core.take_admin_answers() == [
            ("asked too late", refused),
            ("lost on its way", refused),
        ]


def cast_rig(edge: object) -> Rig:
    return edge  # type: ignore[return-value]
