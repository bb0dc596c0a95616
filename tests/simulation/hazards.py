"""This file is about what else can happen to a world, beside bad weather and what people do: strangers, clocks,
stopped programs, addresses that change, newcomers.

Each is a function of a world and of chance; none of them may break the promise. What must hold, the world knows.
"""

import random
from collections.abc import Callable
from typing import Final

from tests.support.house import House
from tests.support.people import Person
from tests.support.world import World
from wire.address import Address
from wire.codec import encode_hello
from wire.header import Kind
from wire.messages.registration import Hello

YEAR: Final = 365 * 86_400.0
Hazard = Callable[[World, random.Random], None]


def stranger_greets(world: World, chance: random.Random) -> None:
    """HELLOs from an address of nobody, of this version and of others."""
    stranger = Address(f"7.7.7.{chance.randrange(1, 250)}", chance.randrange(1_024, 65_536))
    world.house.strangers.add(stranger)
    for _ in range(chance.randrange(1, 5)):
        hello = Hello(version=chance.choice((0, 1, 1, 2)), nonce=chance.randbytes(16))
        world.network.forge(bytes((Kind.HELLO,)) + encode_hello(hello), stranger, world.house.address)


def stranger_sends_garbage(world: World, chance: random.Random) -> None:
    """Changed copies of what was on the wire, or any bytes, to anybody."""
    stranger = Address("7.7.8.8", chance.randrange(1_024, 65_536))
    world.house.strangers.add(stranger)
    for _ in range(10):
        data, _, target = chance.choice(world.network.recorded or [(b"?", stranger, world.house.address)])
        bad = world.network.damaged(data) if data and chance.random() < 0.7 else chance.randbytes(200)
        world.network.forge(bad, stranger, target)


def somebody_replays(world: World, chance: random.Random) -> None:
    """What was on the wire comes again: from where it came, or from elsewhere."""
    for _ in range(min(10, len(world.network.recorded))):
        data, source, target = chance.choice(world.network.recorded)
        world.network.forge(data, chance.choice((source, Address("6.6.6.6", 6_666))), target)


def clock_jumps(world: World, chance: random.Random) -> None:
    """Somebody's wall clock, or the registry's, is set."""
    jump = chance.choice((-YEAR, -3_600.0, 3_600.0, YEAR))
    whose: list[Person | House] = [*world.people, world.house]
    chance.choice(whose).set_clock(jump)


def program_stops(world: World, chance: random.Random) -> None:
    """Somebody's program is stopped; its timers are late when it goes on."""
    person = chance.choice(world.people)
    if not person.is_running:
        return
    person.fall_asleep()
    world.network.after(chance.choice((0.6, 3.0, 20.0)), person.wake_up)


def address_changes(world: World, chance: random.Random) -> None:
    """A router forgets whom it translated."""
    chance.choice(world.people).move()


def somebody_new_comes(world: World, chance: random.Random) -> None:
    """A newcomer, in the middle of all this."""
    world.newcomer()


HAZARDS: Final[tuple[Hazard, ...]] = (
    stranger_greets,
    stranger_sends_garbage,
    somebody_replays,
    clock_jumps,
    program_stops,
    address_changes,
    somebody_new_comes,
)
