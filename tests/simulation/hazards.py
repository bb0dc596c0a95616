"""What happens to a world, whatever people do: crashes, partitions, weather, strangers, impostors,
clocks, stopped programs, addresses that change, newcomers.

Each is a function of a world and of chance; none of them may break the promise. What must hold, the
world knows.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

from chatapp.peer.api import events
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, encode_hello
from chatapp.wire.messages.registration import Hello
from tests.simulation import deeds
from tests.support.cluster.broker import BROKER
from tests.support.cluster.cluster import SimulatedCluster
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.replayer import RATES, Replayer
from tests.support.world import World

YEAR: Final = 365 * 86_400.0
LOSSES: Final = (0.0, 0.1, 0.3, 0.5)
LINKS_AFTER: Final = (0.0, 0.0, 0.02, 0.3)
"""Seconds after which a registry that continues reads its links, after the datagrams."""
PARTITIONS: Final = (0.5, 2.5, 5.0, 12.0, 25.0)
"""Seconds for which nodes of a cluster are cut off: some notice nothing, some lose their people,
some the lease."""
Hazard = Callable[[World, random.Random], None]


def anybody(world: World, chance: random.Random) -> Person:
    """Return a random person or visitor."""
    return chance.choice([*world.people, *world.guests])


# --- machines and networks


def weather_of(chance: random.Random) -> Weather:
    """Return random network conditions, mostly bad."""
    return Weather(
        loss=chance.choice(LOSSES),
        doubled=chance.choice((0.0, 0.5)),
        delay_least=0.001,
        delay_most=chance.choice((0.005, 0.1, 0.8)),
        corrupted=chance.choice((0.0, 0.0, 0.1)),
    )


def program_dies_or_starts(world: World, chance: random.Random) -> None:
    """Kill a program, or start it again."""
    deeds.crash_or_start(world, anybody(world, chance))


def registry_dies_or_starts(world: World, chance: random.Random) -> None:
    """Kill or start the registry, or a node of it. It loses what was not synced, and does not start
    on a disk that accepts no writes."""
    world.registry.dies_or_starts(chance)


def disk_is_slow(world: World, chance: random.Random) -> None:
    """Slow the registry's syncs down: many requests arrive during one, and are covered by the next
    one."""
    seconds = chance.choice((0.05, 0.5, 3.0))
    world.registry.slow_down(seconds, chance.choice((1.0, 10.0)))


def disk_is_full(world: World, chance: random.Random) -> None:
    """Fill the registry's disk for a while; what it had accepted before is there."""
    world.registry.refuse(is_full=True, span=chance.choice((0.1, 3.0)))


def disk_fails(world: World, chance: random.Random) -> None:
    """Let the registry's syncs fail for a while: what they were to cover is lost; what was synced
    before is there."""
    world.registry.refuse(is_full=False, span=chance.choice((0.1, 3.0)))


def registry_fails_over(world: World, chance: random.Random) -> None:
    """Kill the node that serves. Another one takes over its state."""
    if not world.is_healed:
        world.registry.fails_over(chance)


def registry_stops(world: World, chance: random.Random) -> None:
    """Stop the registry (SIGSTOP) and continue it after a while: datagrams and link bytes wait,
    timers are late. Sometimes twice in a row."""
    machine = world.registry.any_machine(chance)
    if world.is_healed or not machine.is_running or machine.is_stopped:
        return
    machine.stop()
    core, links_after = machine.core, chance.choice(LINKS_AFTER)
    stops_again = chance.random() < 0.3

    def go_on() -> None:
        if machine.is_running and machine.core is core:
            machine.go_on(links_after=links_after)
            if stops_again:
                world.network.after(links_after + 0.01, lambda: registry_stops(world, chance))

    world.network.after(chance.choice((0.3, 1.5, 4.0, 12.0)), go_on)


def two_are_cut(world: World, chance: random.Random) -> None:
    """Cut two machines off from each other."""
    one, other = anybody(world, chance), anybody(world, chance)
    if one is not other:
        world.network.cut(one.address.host, other.address.host)


def one_is_cut(world: World, chance: random.Random) -> None:
    """Cut a machine off from the registry's."""
    world.network.cut(anybody(world, chance).address.host, world.registry.any_address(chance).host)


def network_heals(world: World, chance: random.Random) -> None:
    """End all partitions."""
    world.network.heal()


# --- strangers


def stranger_greets(world: World, chance: random.Random) -> None:
    """Send HELLOs from an unused address, of this version and of others."""
    stranger = Address(f"7.7.7.{chance.randrange(1, 250)}", chance.randrange(1_024, 65_536))
    world.registry.strangers.add(stranger)
    for _ in range(chance.randrange(1, 5)):
        hello = Hello(version=chance.choice((0, 1, 1, 2)), nonce=chance.randbytes(16))
        world.network.forge(
            bytes((Kind.HELLO,)) + encode_hello(hello), stranger, world.registry.any_address(chance)
        )


def stranger_sends_garbage(world: World, chance: random.Random) -> None:
    """Send modified copies of earlier datagrams, or random bytes, to anybody."""
    stranger = Address("7.7.8.8", chance.randrange(1_024, 65_536))
    world.registry.strangers.add(stranger)
    for _ in range(10):
        target = world.registry.any_address(chance)
        data, _, target = chance.choice(world.network.recorded or [(b"?", stranger, target)])
        bad = (
            world.network.damaged(data) if data and chance.random() < 0.7 else chance.randbytes(200)
        )
        world.network.forge(bad, stranger, target)


def somebody_replays(world: World, chance: random.Random) -> None:
    """Replay an earlier datagram, from its source or from elsewhere."""
    for _ in range(min(10, len(world.network.recorded))):
        data, source, target = chance.choice(world.network.recorded)
        world.network.forge(data, chance.choice((source, Address("6.6.6.6", 6_666))), target)


def somebody_replays_everything(world: World, chance: random.Random) -> None:
    """Let a stranger hear everything from now on, and send all of it again for ever, at one of
    several rates."""
    Replayer(world.network, chance.choice(RATES)).begin()


def somebody_forges(world: World, chance: random.Random) -> None:
    """Send a forgery of a session's next datagram, from the right address: the header is right, the
    rest is not."""
    for _ in range(min(5, len(world.network.recorded))):
        data, source, target = chance.choice(world.network.recorded)
        kept = chance.choice((1, 9, 17))
        world.network.forge(
            data[:kept] + chance.randbytes(max(len(data) - kept, 0)), source, target
        )


def impostor_comes(world: World, chance: random.Random) -> None:
    """Let another key ask for a bound name; it is never let in (I4)."""
    victim = chance.choice(world.people)
    if victim.came_at is None:
        return
    host = f"6.6.7.{chance.randrange(1, 250)}"
    impostor = Person(world.network, victim.called, world.registry.any_address(chance), host)
    impostor.connect = world.registry.connect
    impostor.start()

    def give_up() -> None:
        assert not impostor.screen.count(events.Registered), f"I4: {impostor.name} is two people"
        impostor.crash()

    world.network.after(3.0, give_up)


# --- clocks, timers, addresses


def clock_jumps(world: World, chance: random.Random) -> None:
    """Set the wall clock of a person or of the registry."""
    jump = chance.choice((-YEAR, -3_600.0, 3_600.0, YEAR))
    registry = world.registry.any_machine(chance)
    whose = [*world.people, *world.guests, registry]
    chance.choice(whose).set_clock(jump)


def program_stops(world: World, chance: random.Random) -> None:
    """Stop a program; its timers are late when it continues."""
    person = anybody(world, chance)
    if not person.is_running:
        return
    person.fall_asleep()
    world.network.after(chance.choice((0.6, 3.0, 20.0, 50.0)), person.wake_up)


def address_changes(world: World, chance: random.Random) -> None:
    """Change an address, as when a router forgets a translation."""
    anybody(world, chance).move()


def somebody_new_comes(world: World, chance: random.Random) -> None:
    """Add a newcomer."""
    world.newcomer()


# --- the nodes of a cluster


def _cut_for_a_while(
    cluster: SimulatedCluster, chance: random.Random, pairs: Sequence[tuple[str, str]]
) -> None:
    network = cluster.network
    for one, other in pairs:
        network.cut(one, other)

    def mend() -> None:
        for one, other in pairs:
            network.mend(one, other)

    network.after(chance.choice(PARTITIONS), mend)


def node_is_cut_from_the_broker(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Cut a node off from the broker: it can store nothing, and the lease runs out."""
    _cut_for_a_while(cluster, chance, [(cluster.any_machine(chance).host, BROKER)])


def two_nodes_are_cut(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Cut two nodes off from each other."""
    one, other = chance.sample(cluster.machines, 2)
    _cut_for_a_while(cluster, chance, [(one.host, other.host)])


def node_is_alone(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Cut a node off from the broker and from the other nodes, but not from peers."""
    node = cluster.any_machine(chance)
    others = (BROKER, *(other.host for other in cluster.machines if other is not node))
    _cut_for_a_while(cluster, chance, [(node.host, other) for other in others])


def broker_is_away(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Let the broker be without a leader for a while."""
    cluster.broker.away_until = cluster.network.now + chance.choice((1.0, 5.0, 15.0))


def bus_connects_anew(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Lose what a node sends and gets by the bus for a moment."""
    cluster.bus.reconnect(cluster.any_machine(chance).host, chance.choice((0.02, 0.5, 2.0)))


def bus_changes(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Let some messages of the bus come twice or get lost, or none any more."""
    cluster.bus.doubled = chance.choice((0.0, 0.2))
    cluster.bus.loss = chance.choice((0.0, 0.0, 0.05))


def bus_is_played_back(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Publish earlier messages of the bus again, also those of engines and sessions that are
    over."""
    recorded = list(cluster.bus.recorded)
    for message in chance.sample(recorded, min(len(recorded), 50)):
        cluster.bus.publish_again(*message)


def broker_forgets(cluster: SimulatedCluster, chance: random.Random) -> None:
    """Let the broker forget which messages it has, so that a repeat is noticed by its place
    alone."""
    cluster.broker.ledger.forget_ids()


ClusterHazard = Callable[[SimulatedCluster, random.Random], None]
CLUSTER_HAZARDS: Final[tuple[ClusterHazard, ...]] = (
    node_is_cut_from_the_broker,
    two_nodes_are_cut,
    node_is_alone,
    broker_is_away,
    bus_connects_anew,
    bus_changes,
    bus_is_played_back,
    broker_forgets,
)
HAZARDS: Final[tuple[Hazard, ...]] = (
    program_dies_or_starts,
    registry_dies_or_starts,
    disk_is_slow,
    disk_is_full,
    two_are_cut,
    one_is_cut,
    network_heals,
    stranger_greets,
    stranger_sends_garbage,
    somebody_replays,
    somebody_forges,
    impostor_comes,
    clock_jumps,
    program_stops,
    address_changes,
    somebody_new_comes,
)
HAZARD_WEIGHTS: Final = (8, 8, 4, 2, 6, 3, 3, 3, 3, 3, 2, 1, 3, 3, 3, 3)
