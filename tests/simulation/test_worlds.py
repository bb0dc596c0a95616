"""This file is about worlds that a seed tells: bad weather, crashes, partitions; then calm, and nothing lost.

CHATAPP_SEEDS says how many (default 200); a failing one is printed, and `CHATAPP_SEED=<n>` runs it alone.
"""

import os
import random
from typing import Final

import pytest

from peer.core import events as happened
from peer.core.standing import DEAD
from tests.simulation.hazards import HAZARDS
from tests.support.network import Weather
from tests.support.world import World

SEEDS: Final = int(os.environ.get("CHATAPP_SEEDS", "200"))
BATCH: Final = 25
FOUND: Final[dict[int, str]] = {
    9: "two peers with tables of an earlier life of the registry, its clock set back since: one was never caught up with",
    360: "the versions of two lives overlapped, so a row that was stamped anew in between was missed",
    976: "a line said between somebody's REGISTER and their link was not for them",
    1112: "a peer that looked for the registry again told it the version of the table that it had at its own start",
    1339: "the channel's positions began below those of an earlier life: lines below them were taken for old ones",
}
LOSSES: Final = (0.0, 0.1, 0.3, 0.5)


def weather_of(chance: random.Random) -> Weather:
    """Some weather, mostly bad."""
    return Weather(
        loss=chance.choice(LOSSES),
        doubled=chance.choice((0.0, 0.5)),
        delay_least=0.001,
        delay_most=chance.choice((0.005, 0.1, 0.8)),
        corrupted=chance.choice((0.0, 0.0, 0.1)),
    )


def do_something(world: World, chance: random.Random, count: int) -> None:
    """One thing that people, machines or networks do."""
    one, other = chance.choice(world.people), chance.choice(world.people)
    if chance.random() < 0.2:
        chance.choice(HAZARDS)(world, chance)
        return
    if one.is_asleep:
        one.wake_up()
    dice = chance.random()
    if dice < 0.60:
        if one.is_running and not one.core.is_offline:
            one.send(other.name, f"{count} from {one.name} to {other.name}")
    elif dice < 0.66:
        if one.is_running and not one.core.is_offline:
            one.send_all(f"{count} from {one.name} to all")
    elif dice < 0.72:
        if one.is_running:
            one.come_back() if one.core.is_offline else one.leave()
    elif dice < 0.80:
        one.crash() if one.is_running else one.start()
    elif dice < 0.88:
        world.house.crash() if world.house.is_running else world.house.start()
    elif dice < 0.94:
        if one is not other:
            world.network.cut(one.address.host, other.address.host)
    elif dice < 0.97:
        world.network.cut(one.address.host, world.house.address.host)
    else:
        world.network.heal()


def live_through(seed: int) -> World:
    """A world from its beginning to the calm after."""
    chance = random.Random(seed)
    world = World(seed, people=chance.randint(2, 4), weather=Weather())
    world.start()
    world.network.run_for(2.0)
    world.network.weather = weather_of(chance)
    for count in range(chance.randint(10, 40)):
        do_something(world, chance, count)
        world.check_now_and_then()
        world.network.run_for(chance.choice((0.0, 0.01, 0.3, 2.0)))
    world.heal()
    assert world.network.run_until(world.is_calm, within=120.0), "liveness: no calm within two minutes"
    return world


def check_end(world: World) -> None:
    """After the calm: nothing lost, the tables equal, and a new message goes straight."""
    by_key = {person.identity.public: person for person in world.people}
    world.network.run_for(40.0)
    for person in world.people:
        for recipient, number, standing in person.sent():
            if standing not in DEAD and recipient in by_key and recipient != person.identity.public:
                assert by_key[recipient].holds(person.identity.public, number), "something sent never arrived"
                shown = {line.number for line in by_key[recipient].screen.lines if line.sender == person.name}
                assert number in shown, "something stored was never shown"
    tables = {tuple((p.name, p.online) for p in person.core.people()) for person in world.people}
    assert len(tables) == 1, f"I5: tables differ: {tables}"
    world.check_channel()
    world.check_now_and_then()
    one, other = world.people[0], world.people[1]
    before = one.screen.count(happened.Delivered)
    one.send(other.name, "after the storm")
    assert world.network.run_until(lambda: one.screen.count(happened.Delivered) > before, within=5.0)
    assert other.screen.texts()[-1] == "after the storm"


@pytest.mark.parametrize("seed", sorted(FOUND))
def test_what_a_seed_once_found(seed: int) -> None:
    """Each is a world in which the promise was broken: what it was stands beside the number."""
    check_end(live_through(seed))


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_promise_holds_in_any_weather(first: int) -> None:
    chosen = os.environ.get("CHATAPP_SEED")
    seeds = [int(chosen)] if chosen else range(first, min(first + BATCH, SEEDS))
    for seed in seeds:
        try:
            check_end(live_through(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed} (repeat it with CHATAPP_SEED={seed}): {error}") from error
        except Exception as error:
            raise RuntimeError(f"seed {seed} (repeat it with CHATAPP_SEED={seed})") from error
