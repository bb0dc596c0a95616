"""A cluster of three nodes in virtual time: people at any node go on when nodes die, freeze or are
cut off, and the promise notices faults of the nodes."""

from collections.abc import Callable

import pytest

from chatapp.peer.core.context import RegistryReach
from chatapp.registry.cluster.bus.edge_node import EdgeCore
from chatapp.registry.cluster.bus.edges import Edges
from chatapp.registry.cluster.bus.messages import DownBundle
from chatapp.registry.cluster.bus.remote_edge import RemoteEdge
from chatapp.registry.cluster.bus.remote_engine import RemoteEngine
from chatapp.registry.cluster.bus.session import BusSession, Order
from chatapp.registry.engine.engine import Engine
from tests.simulation import closing
from tests.simulation.story import try_seed
from tests.support.cluster.broker import BROKER
from tests.support.cluster.cluster import NODES, SimulatedCluster
from tests.support.cluster.node import ClusterMachine
from tests.support.world import World

BACK_WITHIN = 10.0
"""Seconds from the death of a node until everybody is registered again: the lease, and the search
for a node."""


def begun(seed: int) -> tuple[World, SimulatedCluster, ClusterMachine]:
    """Return a world with one person at each node and all in one room, its cluster, and the node
    with the engine."""
    world = World(seed, people=3, nodes=NODES)
    world.registry.start()
    world.network.run_for(4.0)
    for person in world.people:
        person.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    for person in world.people:
        person.enter("lab")
    world.network.run_for(1.0)
    assert isinstance(world.registry, SimulatedCluster)
    engine = world.registry.engine_machine
    assert engine is not None
    return world, world.registry, engine


def all_are_in(world: World) -> bool:
    return all(person.core.reach is RegistryReach.UP for person in world.people)


def talk(world: World, text: str) -> None:
    """Let everybody say something in the room, to all and to another one, and see that it is read
    once."""
    for at, person in enumerate(world.people):
        person.say(f"{text} in the lab from {person.name}")
        person.send_all(f"{text} to all from {person.name}")
        person.send(world.people[at - 1].called, f"{text} from {person.name}")
    world.network.run_for(6.0)
    for at, person in enumerate(world.people):
        texts = person.screen.texts()
        for other in world.people:
            if other is not person:
                assert texts.count(f"{text} in the lab from {other.name}") == 1
                assert texts.count(f"{text} to all from {other.name}") == 1
        assert texts.count(f"{text} from {world.people[(at + 1) % 3].name}") == 1


def test_everybody_is_at_the_node_that_they_prefer_and_reads_all() -> None:
    world, cluster, _ = begun(1)
    assert {person.core.registry.servers.current for person in world.people} == set(
        cluster.addresses
    )
    talk(world, "hello")
    closing.come_to_rest(world)
    closing.check_end(world)


@pytest.mark.parametrize("with_engine", [True, False])
def test_people_of_a_node_that_dies_come_in_at_another(with_engine: bool) -> None:
    world, cluster, engine = begun(2)
    dead = (
        engine
        if with_engine
        else next(machine for machine in cluster.machines if machine is not engine)
    )
    dead.kill()
    world.network.run_for(BACK_WITHIN)
    assert all_are_in(world)
    assert dead.address not in {person.core.registry.servers.current for person in world.people}
    talk(world, "after the death")


def test_an_engine_that_was_frozen_changes_nothing_when_it_goes_on() -> None:
    world, cluster, old = begun(3)
    old.stop()
    world.network.run_for(2 * BACK_WITHIN)
    assert cluster.engine_machine not in (None, old)
    assert all_are_in(world)
    versions = [person.core.table_version for person in world.people]
    stored = dict(cluster.broker.ledger.last)
    old.go_on()
    world.network.run_for(1.0)
    assert not old.is_engine
    assert [person.core.table_version for person in world.people] == versions
    assert cluster.owner is not old
    assert all(cluster.broker.ledger.last[stream] >= place for stream, place in stored.items())
    talk(world, "after the thaw")


def test_people_leave_a_node_that_is_cut_off_with_the_engine() -> None:
    world, cluster, old = begun(4)
    others = [machine for machine in cluster.machines if machine is not old]
    for host in (BROKER, *(other.host for other in others)):
        world.network.cut(old.host, host)
    world.network.run_for(20.0)
    assert cluster.engine_machine in others
    assert all_are_in(world)
    assert old.address not in {person.core.registry.servers.current for person in world.people}
    world.network.heal()
    world.network.run_for(5.0)
    talk(world, "after the cut")


def test_lines_have_one_order_at_all_nodes_over_takeovers() -> None:
    world, cluster, _ = begun(5)
    for life in range(4):
        for person in world.people:
            person.say(f"{life} from {person.name}")
            person.send_all(f"{life} to all from {person.name}")
            world.network.run_for(0.3)
        engine = cluster.engine_machine
        assert engine is not None
        engine.kill()
        world.network.run_for(BACK_WITHIN)
        engine.start()
    assert cluster.takeovers == 5
    closing.come_to_rest(world)
    closing.check_end(world)


# --- faults on purpose


def live_through_a_bad_day() -> None:
    """Let a node die and come back, lose its session with the engine, and the engine freeze."""
    world, cluster, engine = begun(6)
    one, other = (machine for machine in cluster.machines if machine is not engine)
    talk(world, "in the morning")
    one.kill()
    world.network.run_for(BACK_WITHIN)
    one.start()
    cluster.bus.reconnect(other.host, 1.5)
    world.network.run_for(BACK_WITHIN)
    talk(world, "at noon")
    engine.stop()
    world.network.run_for(BACK_WITHIN)
    engine.go_on()
    world.network.run_for(BACK_WITHIN)
    talk(world, "in the evening")
    closing.come_to_rest(world)
    closing.check_end(world)


def _forget_node_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Engine, "node_lost", lambda self, node, links, now: self.edges.pop(node, None))


def _keep_links(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EdgeCore, "_close", lambda self, reason: setattr(self, "_edge", None))


def _relay_twice(patch: pytest.MonkeyPatch) -> None:
    relay = RemoteEdge.relay

    def twice(self: RemoteEdge, frame: bytes, sender: int) -> None:
        relay(self, frame, sender)
        relay(self, frame, sender)

    patch.setattr(RemoteEdge, "relay", twice)


def _never_lose_a_node(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Edges, "_silent_at", lambda self, edge: float("inf"))


def test_a_bad_day_breaks_no_promise() -> None:
    live_through_a_bad_day()


@pytest.mark.parametrize(
    "fault", [_forget_node_lost, _keep_links, _relay_twice, _never_lose_a_node]
)
def test_the_promise_notices_faults_of_the_nodes(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        live_through_a_bad_day()


def live_through_worlds(count: int) -> None:
    for seed in range(count):
        try_seed(seed, nodes=NODES)


def _use_what_follows_a_gap(patch: pytest.MonkeyPatch) -> None:
    def accept(self: BusSession, number: int, *, now: float) -> Order:
        if number <= self._newest_received:
            return Order.REPEATED
        self._newest_received, self.heard_at = number, now
        return Order.NEXT

    patch.setattr(BusSession, "accept", accept)


def _use_repeated_bundles(patch: pytest.MonkeyPatch) -> None:
    accept = BusSession.accept

    def accept_repeated(self: BusSession, number: int, *, now: float) -> Order:
        order = accept(self, number, now=now)
        return Order.NEXT if order is Order.REPEATED else order

    patch.setattr(BusSession, "accept", accept_repeated)


def _use_bundles_of_an_old_engine(patch: pytest.MonkeyPatch) -> None:
    receive = RemoteEngine._receive_bundle

    def receive_all(self: RemoteEngine, bundle: DownBundle, now: float) -> None:
        if self._session is None or self._is_ours(bundle.engine, bundle.run):
            receive(self, bundle, now)
        else:
            self._carry_out(bundle.items, now)

    patch.setattr(RemoteEngine, "_receive_bundle", receive_all)


@pytest.mark.parametrize(
    "fault", [_use_what_follows_a_gap, _use_repeated_bundles, _use_bundles_of_an_old_engine]
)
def test_a_few_worlds_are_enough_to_notice_faults_of_the_sessions(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages of the bus get lost, come twice and are played back often enough."""
    fault(monkeypatch)
    with pytest.raises(AssertionError, match="not what was sent next in this session"):
        live_through_worlds(40)


def links_of(cluster: SimulatedCluster) -> dict[bytes, tuple[str, int]]:
    """Return the node and the number of everybody's link."""
    return {
        link.identity: (machine.name, link.number)
        for machine in cluster.machines
        if machine.edge is not None
        for link in machine.edge.links.members()
    }


@pytest.mark.parametrize("seed", range(4))
def test_links_outlive_the_engine_and_all_that_was_under_way(seed: int) -> None:
    world, cluster, engine = begun(20 + seed)
    before, shown = links_of(cluster), [len(person.screen.lines) for person in world.people]
    dead = engine.name
    for at, person in enumerate(world.people):
        person.say(f"last in the lab from {person.name}")
        person.send_all(f"last to all from {person.name}")
        person.send(world.people[at - 1].called, f"last from {person.name}")
    world.network.run_for(seed * 0.01)
    engine.kill()
    world.network.run_for(BACK_WITHIN)
    assert all_are_in(world)
    after = links_of(cluster)
    kept = [identity for identity, (node, _) in before.items() if node != dead]
    assert len(kept) == 2
    assert {identity: before[identity] for identity in kept} == {
        identity: after[identity] for identity in kept
    }
    for person, count in zip(world.people, shown, strict=True):
        texts = [line.text for line in person.screen.lines[count:]]
        assert sorted(texts) == sorted({*texts}), "nothing twice"
        assert len(texts) == 5, "two lines in the lab, two to all, one message, and no notice"
    talk(world, "after the death")


@pytest.mark.parametrize("seed", range(6))
def test_a_rename_that_was_under_way_comes_to_an_end(seed: int) -> None:
    """Which name is ours only another registration shows."""
    world, _, engine = begun(40 + seed)
    for person in world.people:
        person.rename(f"{person.name}9")
    world.network.run_for(seed * 0.01)
    engine.kill()
    world.network.run_for(BACK_WITHIN)
    assert all_are_in(world)
    for person in world.people:
        assert person.core.me.other_name is None
    directory = world.registry.engine.hub.directory
    names = {one.card.identity: one.card.name for one in directory}
    assert {person.core.me.name for person in world.people} == set(names.values())
