"""A registry whose node dies while another takes over its state: people go on, and find it within
seconds."""

import random

import pytest

from chatapp.peer.core.context import RegistryReach
from tests.simulation.test_many_restarts import all_talk, check_authors
from tests.support.world import World

BACK_WITHIN = 5.0
"""Seconds from the moment at which the other node listens."""


def settled(world: World) -> None:
    """Let messages and the table come to rest."""
    world.network.run_for(3.0)
    world.check()
    world.check_now_and_then()


@pytest.mark.parametrize("takes", [0.2, 2.5, 7.0])
@pytest.mark.parametrize("clock_ahead", [-20.0, 20.0])
def test_everybody_finds_the_node_that_took_over(takes: float, clock_ahead: float) -> None:
    world = World(int(takes * 10), people=4)
    alice, bob, carol, _ = world.people
    world.start()
    settled(world)
    for person in world.people:
        person.enter("lab")
    settled(world)
    carol.crash()
    world.network.run_for(1.0)
    for number in range(5):
        alice.send(carol.called, f"saved {number}")
    settled(world)

    for life in range(3):
        world.machine.pass_to_other_node(clock_ahead=clock_ahead)
        alice.send(bob.called, f"directly {life}")
        world.network.run_for(min(takes, 1.0))
        assert f"directly {life}" in [line.text for line in bob.screen.lines], "direct chat goes on"
        world.network.run_for(takes - min(takes, 1.0))
        world.registry.start()
        world.network.run_for(BACK_WITHIN)
        for person in world.people:
            if person is not carol:
                assert person.core.reach is RegistryReach.UP
                assert person.core.registry.servers.current == world.machine.address
        bob.say(f"in the lab {life}")
        settled(world)
        assert f"in the lab {life}" in [line.text for line in alice.screen.lines]
    carol.start()
    settled(world)
    saved = [line.text for line in carol.screen.lines if line.text.startswith("saved")]
    assert saved == [f"saved {number}" for number in range(5)]
    online = [person.name for person in alice.core.people() if person.online]
    assert sorted(online) == sorted({one.called for one in world.people}), "nobody is shown twice"


@pytest.mark.parametrize("seed", range(3))
def test_no_line_is_taken_for_somebody_elses_however_often_nodes_change(seed: int) -> None:
    world, chance = World(seed, people=5), random.Random(seed)
    world.start()
    settled(world)
    for person in world.people:
        person.enter("tea")
    settled(world)
    for life in range(6):
        all_talk(world, chance, life)
        world.machine.pass_to_other_node(clock_ahead=chance.uniform(-30.0, 30.0))
        world.network.run_for(chance.uniform(0.01, 7.0))
        world.registry.start()
        world.network.run_for(chance.uniform(0.0, 3.0))
    world.network.run_for(10.0)
    check_authors(world)
