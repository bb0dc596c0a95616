"""What happens to a world, whatever people do: crashes, partitions, weather, strangers, impostors, clocks, stopped
programs, addresses that change, newcomers.

Each is a function of a world and of chance; none of them may break the promise. What must hold, the world knows.
"""

import random
from collections.abc import Callable
from typing import Final

from chatapp.peer.core import events as happened
from chatapp.wire.address import Address
from chatapp.wire.codec import encode_hello
from chatapp.wire.framing import Kind
from chatapp.wire.messages.registration import Hello
from tests.simulation import deeds
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.registry import SimulatedRegistry
from tests.support.world import World

YEAR: Final = 365 * 86_400.0
LOSSES: Final = (0.0, 0.1, 0.3, 0.5)
LINKS_AFTER: Final = (0.0, 0.0, 0.02, 0.3)
"""Seconds after which a registry that continues reads its links, after the datagrams."""
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
    """Kill or start the registry. It loses what was not synced, and does not start on a disk that accepts no writes."""
    if world.registry.is_running:
        world.registry.crash()
    elif not (world.registry.store.full or world.registry.store.sync_fails):
        world.registry.start()


def disk_is_slow(world: World, chance: random.Random) -> None:
    """Slow the registry's syncs down: many requests arrive during one, and are covered by the next one."""
    world.registry.sync_takes = chance.choice((0.05, 0.5, 3.0))
    world.network.after(chance.choice((1.0, 10.0)), world.registry.disk_is_fast)


def disk_is_full(world: World, chance: random.Random) -> None:
    """Fill the registry's disk for a while; what it had accepted before is there."""
    world.registry.store.full = True
    world.network.after(chance.choice((0.1, 3.0)), world.registry.disk_has_room)


def disk_fails(world: World, chance: random.Random) -> None:
    """Let the registry's syncs fail for a while: what they were to cover is lost; what was synced before is there."""
    world.registry.store.sync_fails = True
    world.network.after(chance.choice((0.1, 3.0)), world.registry.disk_works)


def registry_fails_over(world: World, chance: random.Random) -> None:
    """Kill the registry's node. The other one takes over its state after a while; their clocks differ a little."""
    registry, takes = world.registry, chance.choice((0.2, 3.0, 7.0))
    if world.is_healed or registry.store.full or registry.store.sync_fails:
        return
    registry.pass_to_other_node(clock_ahead=chance.choice((-3.0, 0.0, 3.0)))

    def take_over() -> None:
        if not registry.is_running and not (registry.store.full or registry.store.sync_fails):
            registry.start()

    world.network.after(takes, take_over)


def registry_stops(world: World, chance: random.Random) -> None:
    """Stop the registry (SIGSTOP) and continue it after a while: datagrams and link bytes wait, timers are late.
    Sometimes twice in a row."""
    registry = world.registry
    if world.is_healed or not registry.is_running or registry.is_stopped:
        return
    registry.stop()
    core, links_after = registry.core, chance.choice(LINKS_AFTER)
    stops_again = chance.random() < 0.3

    def go_on() -> None:
        if registry.is_running and registry.core is core:
            registry.go_on(links_after=links_after)
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
    world.network.cut(anybody(world, chance).address.host, world.registry.address.host)


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
        world.network.forge(bytes((Kind.HELLO,)) + encode_hello(hello), stranger, world.registry.address)


def stranger_sends_garbage(world: World, chance: random.Random) -> None:
    """Send modified copies of earlier datagrams, or random bytes, to anybody."""
    stranger = Address("7.7.8.8", chance.randrange(1_024, 65_536))
    world.registry.strangers.add(stranger)
    for _ in range(10):
        data, _, target = chance.choice(world.network.recorded or [(b"?", stranger, world.registry.address)])
        bad = world.network.damaged(data) if data and chance.random() < 0.7 else chance.randbytes(200)
        world.network.forge(bad, stranger, target)


def somebody_replays(world: World, chance: random.Random) -> None:
    """Replay an earlier datagram, from its source or from elsewhere."""
    for _ in range(min(10, len(world.network.recorded))):
        data, source, target = chance.choice(world.network.recorded)
        world.network.forge(data, chance.choice((source, Address("6.6.6.6", 6_666))), target)


def somebody_forges(world: World, chance: random.Random) -> None:
    """Send a forgery of a session's next datagram, from the right address: the header is right, the rest is not."""
    for _ in range(min(5, len(world.network.recorded))):
        data, source, target = chance.choice(world.network.recorded)
        kept = chance.choice((1, 9, 17))
        world.network.forge(data[:kept] + chance.randbytes(max(len(data) - kept, 0)), source, target)


def impostor_comes(world: World, chance: random.Random) -> None:
    """Let another key ask for a bound name; it is never let in (I4)."""
    victim = chance.choice(world.people)
    if victim.came_at is None:
        return
    impostor = Person(
        world.network, victim.called, world.registry.address, f"6.6.7.{chance.randrange(1, 250)}"
    )
    impostor.connect = world.registry.connect
    impostor.start()

    def give_up() -> None:
        assert not impostor.screen.count(happened.Registered), f"I4: {impostor.name} is two people"
        impostor.crash()

    world.network.after(3.0, give_up)


# --- clocks, timers, addresses


def clock_jumps(world: World, chance: random.Random) -> None:
    """Set the wall clock of a person or of the registry."""
    jump = chance.choice((-YEAR, -3_600.0, 3_600.0, YEAR))
    whose: list[Person | SimulatedRegistry] = [*world.people, *world.guests, world.registry]
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
