"""A registry that restarts more often than the clock ticks: nobody is taken for somebody else."""

import random

import pytest

from tests.support.network import Weather
from tests.support.world import World


def all_talk(world: World, chance: random.Random, life: int) -> None:
    """Let people say something in their room or to everybody, each line with its author's name.
    `life`: of the registry."""
    for count in range(12):
        person = chance.choice(world.people)
        say = person.say if chance.random() < 0.7 and person.rooms else person.send_all
        say(f"{life}.{count} {person.name}")
        world.network.run_for(chance.uniform(0.01, 0.4))


def check_authors(world: World) -> None:
    """Check that everybody has lines of several people, each with the key of its author."""
    for person in world.people:
        assert len({line.identity for line in person.screen.lines}) > 1
        for line in person.screen.lines:
            author = world.person(line.text.split()[1])
            assert line.identity == author.identity.public, f"{line.text!r} as {line.sender}'s"


@pytest.mark.parametrize("seed", [1, 9, 18, 24])
def test_a_registry_that_dies_again_and_again_mixes_nobody_up(seed: int) -> None:
    """More links than one a second: sender indexes that an earlier life gave are not given
    again."""
    world, chance = (
        World(seed, people=5, weather=Weather(loss=0.2, delay_most=0.2)),
        random.Random(seed),
    )
    network = world.network
    world.start()
    network.run_for(1.0)
    for person in world.people:
        person.enter("tea")
    network.run_for(1.0)
    for life in range(6):
        all_talk(world, chance, life)
        world.machine.crash()
        network.run_for(chance.uniform(0.01, 0.5))
        world.registry.start()
        network.run_for(chance.uniform(0.0, 1.0))
    network.run_for(10.0)
    check_authors(world)
