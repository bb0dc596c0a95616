"""What the engine tells a remote edge is carried out there as by an edge of the engine's own
process."""

from typing import cast

import pytest

from chatapp.registry.cluster.bus.messages import (
    AdminAnswerPart,
    AdmitPeer,
    AudienceChanged,
    BroadcastTable,
    DownItem,
    RelayToAll,
    RelayToSome,
    SendToEverybody,
    TableChanged,
    decode_admin_answer,
    decode_down,
    encode,
    pack_address,
    unpack_address,
)
from chatapp.registry.cluster.bus.remote_edge import RemoteEdge
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.bus.session import BUNDLE_MAX, PART_MAX
from chatapp.registry.rules.admin_requests import ListNames, NameShown, NamesListed
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.directory.table import Table
from chatapp.registry.rules.effects import Admit, Caller, DropReason, LinkEndReason, link_at
from chatapp.wire.address import Address, addresses_via
from chatapp.wire.identity import Identity, make_card
from chatapp.wire.messages.desk import CallNext, ClientChange, ClientChanged
from chatapp.wire.messages.registration import Ping, Welcome
from chatapp.wire.messages.rooms import CHANNEL, FetchGroup
from tests.registry.cluster.bus.nodes import Cluster
from tests.registry.rules.desk.help_desk import HelpDesk, Visitor, Worker

CARD = make_card(Identity(b"a" * 32), name="ann", mail=bytes(32), counter=1)


@pytest.fixture
def edge() -> RemoteEdge:
    """Return an edge of node 3 with two links."""
    edge = RemoteEdge(bytes(8), bytes(8), 3, "n3", table=Table(version=1), now=0.0)
    edge.attached(1, b"ann")
    edge.attached(2, b"bob")
    edge.tell_next_of_table()
    items(edge)
    return edge


def items(edge: RemoteEdge) -> list[DownItem]:
    return [decode_down(raw) for _, raws in edge.session.take_bundles() for raw in raws]


class TestRelaying:
    def test_the_sender_is_named_by_its_own_edge_only(self, edge: RemoteEdge) -> None:
        edge.relay(b"line", link_at(3, 2))
        edge.relay(b"line", link_at(4, 2))
        assert items(edge) == [RelayToAll(b"line", 2), RelayToAll(b"line", 0)]

    def test_links_of_other_nodes_are_left_out(self, edge: RemoteEdge) -> None:
        links = (5, link_at(3, 1), link_at(2, 1), link_at(3, 2))
        edge.relay_to(b"line", links, link_at(2, 1))
        edge.relay_to(b"line", links, link_at(3, 1))
        edge.relay_to(b"line", (5, link_at(3, 1)), link_at(3, 1))
        assert items(edge) == [RelayToSome(b"line", [1, 2], 0), RelayToSome(b"line", [2], 1)]

    def test_an_edge_without_links_is_told_nothing(self, edge: RemoteEdge) -> None:
        edge.detached(1)
        edge.tell_everybody(b"news")
        edge.detached(2)
        edge.relay(b"line", 1)
        edge.tell_everybody(b"news")
        assert items(edge) == [SendToEverybody(b"news")]

    def test_its_links_are_named_as_the_engine_names_them(self, edge: RemoteEdge) -> None:
        assert edge.links == [(link_at(3, 1), b"ann"), (link_at(3, 2), b"bob")]


class TestTable:
    def test_rows_go_before_whatever_names_their_version(self) -> None:
        directory = Directory(version=1)
        edge = RemoteEdge(bytes(8), bytes(8), 3, "n3", table=directory.table, now=0.0)
        edge.tell_next_of_table()
        items(edge)
        directory.bind(CARD, channel_since=0, at=0)
        to = Caller(identity=CARD.identity, address=Address("10.0.0.1", 1))
        admitted = Admit(to=to, card=CARD, nonce=bytes(16), is_new=True)
        edge.admit(admitted, table_version=directory.version, clock=0, now=0.0)
        directory.bind(
            make_card(Identity(b"b" * 32), name="bob", mail=bytes(32), counter=1),
            channel_since=0,
            at=0,
        )
        edge.broadcast(b"a", [Address("10.0.0.1", 1)])
        kinds = [type(item) for item in items(edge)]
        assert kinds == [TableChanged, AdmitPeer, TableChanged, AudienceChanged, BroadcastTable]


class TestBroadcasts:
    def test_only_changes_of_the_addresses_are_sent(self, edge: RemoteEdge) -> None:
        first, second, third = (Address("10.0.0.1", port) for port in (1, 2, 3))
        edge.broadcast(b"a", [first, second])
        edge.broadcast(b"b", [first, second])
        edge.broadcast(b"c", [third, first])
        edge.broadcast(b"d", [])
        packed = [pack_address(address) for address in (first, second, third)]
        assert items(edge) == [
            AudienceChanged(packed[:2], []),
            BroadcastTable(b"a"),
            BroadcastTable(b"b"),
            AudienceChanged([], [packed[1]]),
            AudienceChanged([packed[2]], []),
            BroadcastTable(b"c"),
            AudienceChanged([], [packed[2], packed[0]]),
        ]

    def test_many_addresses_fit_into_messages(self, edge: RemoteEdge) -> None:
        everybody = [
            Address(f"10.0.{number >> 8}.{number & 255}", 5_000) for number in range(60_000)
        ]
        edge.broadcast(b"a", everybody)
        edge.broadcast(b"b", [])
        sizes = [sum(len(bytes(raw)) for raw in raws) for _, raws in edge.session.take_bundles()]
        assert max(sizes) <= BUNDLE_MAX
        assert sum(sizes) < 5_000_000


def test_an_address_keeps_the_one_by_which_it_is_answered() -> None:
    address = addresses_via("192.0.2.1")("10.0.0.1", 5_000)
    travelled = unpack_address(pack_address(address))
    assert travelled == address
    assert travelled.via == "192.0.2.1"
    assert type(unpack_address(pack_address(address))) is type(travelled)
    assert type(unpack_address(pack_address(Address("10.0.0.1", 5_000)))) is Address


def test_a_long_answer_to_the_administrator_comes_in_parts(edge: RemoteEdge) -> None:
    answer = NamesListed(
        [NameShown(f"name {number}", "k" * 32, "online", 0) for number in range(20_000)]
    )
    edge.answer_admin("7", answer)
    bundles = edge.session.take_bundles()
    assert len(bundles) > 1
    parts = [decode_down(raw) for _, raws in bundles for raw in raws]
    assert all(isinstance(part, AdminAnswerPart) and len(part.part) <= PART_MAX for part in parts)
    assert [part.is_last for part in parts if isinstance(part, AdminAnswerPart)][-2:] == [
        False,
        True,
    ]
    whole = b"".join(part.part for part in parts if isinstance(part, AdminAnswerPart))
    assert decode_admin_answer(whole) == answer


def test_an_answer_of_one_full_part_is_whole(edge: RemoteEdge) -> None:
    def answer(size: int) -> NamesListed:
        return NamesListed([NameShown("n", "k" * size, "online", 0)])

    spare = PART_MAX - len(encode(answer(PART_MAX)))
    exact = answer(PART_MAX + spare)
    assert len(encode(exact)) == PART_MAX
    edge.answer_admin("7", exact)
    (part,) = items(edge)
    assert part == AdminAnswerPart("7", encode(exact), is_last=True)


class TestEdgeCore:
    def test_many_names_are_listed_at_an_edge(self) -> None:
        cluster = Cluster(edges=1)
        edge = cluster.edges[0]
        for number in range(5):
            edge.peer(f"p{number}").register()
        edge.core.run_admin_request(ListNames(), "1", now=cluster.now)
        edge.turn()
        ((_, answer),) = edge.core.take_admin_answers()
        assert isinstance(answer, NamesListed)
        assert [shown.name for shown in answer.names] == [f"p{number}" for number in range(5)]

    def test_long_answers_count_against_the_rate_of_their_link(self) -> None:
        cluster = Cluster(edges=2)
        ann, bob = (
            edge.member(name) for edge, name in zip(cluster.edges, ("ann", "bob"), strict=True)
        )
        for number in range(5):
            ann.send_raw(ann.line("x" * 8_000, number))
        asked = 0
        while bob.link not in cluster.edges[1].paused:
            assert len(bob.ask(FetchGroup(CHANNEL, 0))) == 1
            asked += 1
        assert 200 < asked < 400, "about 40 KiB each"

    def test_a_link_on_which_something_was_dropped_ends_when_the_engine_goes_on(self) -> None:
        cluster = Cluster(edges=1)
        edge = cluster.edges[0]
        ann, bob = edge.member("ann"), edge.member("bob")
        assert ann.link is not None
        assert bob.link is not None
        freeze(cluster, 4.0)
        states = [edge.core.state]
        ann.send(Ping(5))
        waiting = edge.peer("eve")
        thaw(cluster)
        states.append(edge.core.state)
        assert states == [EngineState.SILENT, EngineState.OPEN]
        assert edge.closed == {ann.link: LinkEndReason.NO_ENGINE}
        assert len(bob.ask(Ping(6))) == 1
        assert isinstance(waiting.register(), Welcome)

    def test_a_connection_that_has_proved_nothing_ends_while_the_engine_is_silent(self) -> None:
        cluster = Cluster(edges=1)
        edge = cluster.edges[0]
        ann = edge.peer("ann")
        ann.register()
        link = ann.connect()
        freeze(cluster, 4.0)
        edge.core.receive_frames(link, [ann.first_frame()], now=cluster.now)
        edge.turn()
        assert edge.closed == {link: LinkEndReason.NO_ENGINE}

    def test_its_figures_are_those_of_this_node(self) -> None:
        cluster = Cluster(edges=2)
        ann, bob = (
            edge.member(name) for edge, name in zip(cluster.edges, ("ann", "bob"), strict=True)
        )
        ann.send_raw(ann.line("hello"))
        eve = cluster.edges[1].member("eve")
        eve.send_raw(eve.line("hello"))
        core = cluster.edges[1].core
        snapshot = core.snapshot(now=cluster.now)
        assert snapshot.figures == {
            "links": 2,
            "links_held": 0,
            "room_deliveries": 2,
            "cluster_keeps_state": 0,
            "cluster_lag_seconds": 0,
        }
        cluster.now += 0.4
        assert core.snapshot(now=cluster.now).figures["cluster_lag_seconds"] == pytest.approx(0.4)
        assert bob.relayed()
        cluster.start_engine()
        cluster.advance(2.0)
        assert (
            core.snapshot(now=cluster.now).figures.items()
            >= {"links": 0, "room_deliveries": 2}.items()
        )
        core.receive_bus(b"nonsense", now=cluster.now)
        assert core.snapshot(now=cluster.now).dropped[DropReason.BUS_SEAL_BROKEN.name.lower()] == 1

    def test_a_card_of_each_session_is_its_own(self) -> None:
        """A peer tells by it that the edge has forgotten its session."""
        cluster = Cluster(edges=1)
        before = cluster.edges[0].peer("ann").hello().card
        cluster.start_engine()
        cluster.advance(2.0)
        after = cluster.edges[0].peer("ann").hello().card
        assert before.identity == after.identity
        assert before.counter < after.counter


def freeze(cluster: Cluster, seconds: float) -> None:
    """Stop the engine for a while: its messages wait."""
    cluster.is_engine_frozen = True
    cluster.advance(seconds)


def thaw(cluster: Cluster) -> None:
    cluster.is_engine_frozen = False
    cluster.advance(1.5)


def test_a_visitor_at_one_node_is_served_by_an_operator_at_another() -> None:
    cluster = Cluster(edges=2, desk=DeskSettings(operators=("Ann",)))
    operator = cluster.edges[0].peer("Ann")
    operator.register()
    ann = Worker(cast("HelpDesk", None), operator)
    ann.connect()
    guest = cluster.edges[1].peer("")
    guest.register()
    asha = Visitor(cast("HelpDesk", None), guest, "Asha Rao", bytes(16))
    asha.connect()
    asha.join()
    ann.ask(CallNext(3, "", ann.client))
    assert ann.client == asha.visit != 0
    ann.say(asha.visit, "How can I help?")
    assert asha.texts == ["How can I help?"]
    asha.say("By listening.")
    assert ann.texts == ["By listening."]
    cluster.cut_off.add(cluster.edges[1].id)
    cluster.advance(4.0)
    assert ann.last(ClientChanged).change is ClientChange.AWAY
