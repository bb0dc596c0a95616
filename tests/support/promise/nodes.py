"""The nodes of a cluster: nobody counts as online at a node that is gone, or has links at two nodes
for long, and every node that can hear the engine serves for it.

Checked in the engine's state and in the programs of the nodes.
"""

from typing import TYPE_CHECKING, Final

from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.rules.directory.directory import ELSEWHERE
from chatapp.registry.rules.effects import LOCAL, node_of
from tests.support.cluster.cluster import SimulatedCluster
from tests.support.cluster.node import ClusterMachine, EdgeProgram, EngineProgram

if TYPE_CHECKING:
    from tests.support.world import World

WITHIN: Final = 6.5
"""Seconds in which a node is lost that says nothing, or finds the engine: the silence, what the bus
still keeps, and what is on the way."""
UNSERVED: Final = "a connection that nobody serves"
UNSERVED_WITHIN: Final = 1.0
LOOK_SPAN: Final = 0.2


class NodesPromise:
    """Checks all nodes of a cluster."""

    def __init__(self, world: "World") -> None:
        self._cluster = world.registry if isinstance(world.registry, SimulatedCluster) else None
        self._network = world.network
        self._next = float("-inf")
        self._since: dict[tuple[object, ...], float] = {}
        """Since when something has been as it must not be for long."""

    def look(self) -> None:
        """After every step; closely, after some."""
        cluster, now = self._cluster, self._network.now
        if cluster is None or now < self._next:
            return
        self._next = now + LOOK_SPAN
        machine = cluster.engine_machine
        if machine is None or not machine.is_well:
            self._since.clear()
            return
        program = machine.core
        assert isinstance(program, EngineProgram)
        lasting = {
            *self._gone(cluster, machine, program),
            *self._doubled(cluster, machine),
            *self._unserved(cluster, machine, program),
            *self._unheard(cluster),
            *self._differing(cluster, machine, program),
        }
        self._since = {what: self._since.get(what, now) for what in lasting}
        late = [
            (*what, now - since)
            for what, since in self._since.items()
            if now > since + (UNSERVED_WITHIN if what[0] is UNSERVED else WITHIN)
        ]
        assert not late, f"for too long: {late}"
        self._check_places(program)

    def _hears(self, one: ClusterMachine, other: ClusterMachine) -> bool:
        return one.is_well and not self._network.is_cut(one.host, other.host)

    def _check_places(self, program: EngineProgram) -> None:
        """Whoever is online is so at a node that is in session."""
        engine = program.core.engine
        nodes = {LOCAL, *(edge.node for edge in program.node.edges.present)}
        assert nodes == engine.edges.keys(), (
            f"{nodes} are in session, and the engine has {[*engine.edges]}"
        )
        for identity in engine.hub.directory.online():
            person = engine.hub.directory.person(identity)
            link = engine.hub._presence.connections.link_of(identity)
            assert person is not None
            for node in (person.node, LOCAL if link is None else node_of(link)):
                assert node in nodes or (node == ELSEWHERE and link is None), (
                    f"{person.card.name} is online at node {node}, which has gone"
                )

    def _gone(
        self, cluster: SimulatedCluster, machine: ClusterMachine, program: EngineProgram
    ) -> list[tuple[object, ...]]:
        """Return the edges in session that are gone or cut off."""
        here = {
            one._edge_id
            for one in cluster.machines
            if not one.is_engine and self._hears(one, machine)
        }
        found = program.node.edges.present
        return [
            ("gone, and in session", edge.name, edge.node) for edge in found if edge.id not in here
        ]

    def _doubled(
        self, cluster: SimulatedCluster, machine: ClusterMachine
    ) -> list[tuple[object, ...]]:
        """Return who has links at two nodes that both hear the engine."""
        places: dict[bytes, set[str]] = {}
        for one in cluster.machines:
            if one.edge is None or (one is not machine and not self._hears(one, machine)):
                continue
            for link in one.edge.links.attached():
                places.setdefault(link.identity, set()).add(one.name)
        return [("at two nodes", who, *sorted(at)) for who, at in places.items() if len(at) > 1]

    def _unheard(self, cluster: SimulatedCluster) -> list[tuple[object, ...]]:
        """Return the connections that the edge of their node does not know."""
        found: list[tuple[object, ...]] = []
        for machine in cluster.machines:
            if machine._unread is None:
                known = set() if machine.edge is None else machine.edge.links._links.keys()
                found += [
                    (UNSERVED, machine.name, number)
                    for number in machine._pipes
                    if number not in known
                ]
        return found

    def _differing(
        self, cluster: SimulatedCluster, machine: ClusterMachine, program: EngineProgram
    ) -> list[tuple[object, ...]]:
        """Return the links of which only the engine or only their edge knows."""
        found: list[tuple[object, ...]] = []
        for edge in program.node.edges.present:
            for one in cluster.machines:
                if one._edge_id == edge.id and one.edge is not None and self._hears(one, machine):
                    here = {(link.number, link.identity) for link in one.edge.links.attached()}
                    differing = here ^ set(edge._links.items())
                    found += [("only one side has the link", one.name, *link) for link in differing]
        return found

    def _unserved(
        self, cluster: SimulatedCluster, machine: ClusterMachine, program: EngineProgram
    ) -> list[tuple[object, ...]]:
        """Return the nodes that hear the engine and have no session with it."""
        engine = program.node.edges._news.engine
        found: list[tuple[object, ...]] = []
        for one in cluster.machines:
            if one is machine or not self._hears(one, machine):
                continue
            core = one.core
            known = core.node._engine if isinstance(core, EdgeProgram) else None
            is_served = (
                known is not None
                and known.state is EngineState.OPEN
                and known._engine is not None
                and known._engine.engine == engine
            )
            if not is_served:
                found.append(("hears the engine and does not serve", one.name, engine))
        return found
