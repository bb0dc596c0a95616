"""A visitor and two operators who change what they said, while links, programs and the registry
fail: in the end both ends show what the registry has."""

import random
from collections.abc import Callable
from typing import Final

from chatapp.peer.api.events import Edited, Retracted
from tests.simulation import deskdeeds, hazards
from tests.simulation.closing import check_end, come_to_rest
from tests.simulation.deeds import crash_or_start
from tests.support.guests import Guest
from tests.support.world import World

WORLDS: Final = 6
STEPS: Final = 60
PAUSES: Final = (0.0, 0.01, 0.3, 2.0)


def talk(seed: int) -> World:
    """Live through one long talk of much said, changed and lost."""
    chance = random.Random(seed)
    world = World(seed, people=2, desk=deskdeeds.settings(chance))
    deskdeeds.appoint(world)
    world.start()
    world.network.run_for(2.0)
    operators = deskdeeds.operators_of(world)
    for operator in operators:
        deskdeeds.take_duty(world, operator)
    guest = world.visitor()
    assert guest is not None
    world.network.run_for(2.0)
    world.network.weather = hazards.weather_of(chance)
    acts = _acts(guest)
    for _ in range(STEPS):
        (act,) = chance.choices([act for act, _ in acts], [weight for _, weight in acts])
        act(world, chance)
        world.check()
        world.network.run_for(chance.choice(PAUSES))
    come_to_rest(world)
    return world


def _acts(guest: Guest) -> list[tuple[Callable[[World, random.Random], None], int]]:
    def visitor_changes(world: World, chance: random.Random) -> None:
        place, is_edit = chance.randrange(6), chance.random() < 0.8
        deskdeeds.visitor_changes(world, guest, place, is_edit=is_edit)

    def operator_changes(world: World, chance: random.Random) -> None:
        operator = chance.choice(deskdeeds.operators_of(world))
        place, is_edit = chance.randrange(6), chance.random() < 0.8
        deskdeeds.change_on_duty(world, operator, place, is_edit=is_edit)

    def operator_says(world: World, chance: random.Random) -> None:
        deskdeeds.say_on_duty(world, chance.choice(deskdeeds.operators_of(world)))

    def hands_over(world: World, chance: random.Random) -> None:
        one, other = chance.sample(deskdeeds.operators_of(world), 2)
        deskdeeds.hand_over(world, one, other)

    return [
        (lambda world, _: deskdeeds.visitor_says(world, guest), 14),
        (operator_says, 14),
        (visitor_changes, 16),
        (operator_changes, 16),
        (hands_over, 2),
        (lambda world, _: crash_or_start(world, guest), 3),
        (hazards.program_dies_or_starts, 2),
        (hazards.registry_dies_or_starts, 3),
        (hazards.two_are_cut, 1),
        (hazards.network_heals, 2),
        (hazards.disk_fails, 1),
    ]


def test_both_ends_show_what_was_changed() -> None:
    changes = 0
    for seed in range(WORLDS):
        world = talk(seed)
        check_end(world)
        told: list[object] = [one for guest in world.guests for _, one in guest.told]
        told += [one for person in world.people for one in person.screen.events]
        changes += sum(isinstance(one, Edited | Retracted) for one in told)
    assert changes > 5 * WORLDS, "too little was changed"
