"""This file is about the same worlds with hypothesis as their author: it chooses what happens next, and shrinks what breaks.

Rules are what people, machines, networks and strangers do; the promise is checked after every step, and at the end the
world has to come to rest with nothing lost.
"""

import os
import random
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.simulation import hazards
from tests.simulation.test_worlds import check_end
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

EXAMPLES: Final = int(os.environ.get("CHATAPP_WORLDS", "25"))
STEPS: Final = 30
SOMEBODY: Final = st.integers(0, 4)
SPANS: Final = st.sampled_from([0.0, 0.01, 0.3, 2.0, 12.0])


class Worlds(RuleBasedStateMachine):
    """One world."""

    world: World

    @initialize(seed=st.integers(0, 2**32 - 1), people=st.integers(2, 4))
    def begin(self, seed: int, people: int) -> None:
        self.chance = random.Random(seed)
        self.said = 0
        self.world = World(seed, people=people)
        self.world.start()
        self.world.network.run_for(2.0)

    def person(self, number: int) -> Person:
        return self.world.people[number % len(self.world.people)]

    def can_speak(self, person: Person) -> bool:
        return person.is_running and not person.is_asleep and not person.core.is_offline

    # --- people

    @rule(one=SOMEBODY, other=SOMEBODY)
    def say(self, one: int, other: int) -> None:
        person, to = self.person(one), self.person(other)
        if self.can_speak(person):
            self.said += 1
            person.send(to.name, f"{self.said} from {person.name} to {to.name}")

    @rule(one=SOMEBODY)
    def say_to_all(self, one: int) -> None:
        person = self.person(one)
        if self.can_speak(person):
            self.said += 1
            person.send_all(f"{self.said} from {person.name} to all")

    @rule(one=SOMEBODY)
    def leave_or_return(self, one: int) -> None:
        person = self.person(one)
        if person.is_running and not person.is_asleep:
            person.come_back() if person.core.is_offline else person.leave()

    @rule()
    def newcomer(self) -> None:
        self.world.newcomer()

    # --- machines

    @rule(one=SOMEBODY)
    def crash_or_start(self, one: int) -> None:
        person = self.person(one)
        person.crash() if person.is_running else person.start()

    @rule()
    def registry_crashes_or_starts(self) -> None:
        house = self.world.house
        house.crash() if house.is_running else house.start()

    @rule(one=SOMEBODY)
    def stop_or_go_on(self, one: int) -> None:
        person = self.person(one)
        if person.is_asleep:
            person.wake_up()
        elif person.is_running:
            person.fall_asleep()

    @rule()
    def clock_jumps(self) -> None:
        hazards.clock_jumps(self.world, self.chance)

    # --- networks

    @rule(
        loss=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
        doubled=st.sampled_from([0.0, 0.5]),
        late=st.sampled_from([0.005, 0.1, 0.8]),
        corrupted=st.sampled_from([0.0, 0.1]),
    )
    def weather_changes(self, loss: float, doubled: float, late: float, corrupted: float) -> None:
        self.world.network.weather = Weather(loss=loss, doubled=doubled, delay_most=late, corrupted=corrupted)

    @rule(one=SOMEBODY, other=SOMEBODY)
    def cut(self, one: int, other: int) -> None:
        hosts = self.person(one).address.host, self.person(other).address.host
        if hosts[0] != hosts[1]:
            self.world.network.cut(*hosts)

    @rule(one=SOMEBODY)
    def cut_from_the_registry(self, one: int) -> None:
        self.world.network.cut(self.person(one).address.host, self.world.house.address.host)

    @rule()
    def heal(self) -> None:
        self.world.network.heal()

    @rule(one=SOMEBODY)
    def move(self, one: int) -> None:
        self.person(one).move()

    # --- strangers, and time

    @rule(
        which=st.sampled_from(
            [hazards.stranger_greets, hazards.stranger_sends_garbage, hazards.somebody_replays]
        )
    )
    def stranger(self, which: hazards.Hazard) -> None:
        which(self.world, self.chance)

    @rule(span=SPANS)
    def time_passes(self, span: float) -> None:
        self.world.network.run_for(span)
        self.world.check_now_and_then()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.heal()
        assert self.world.network.run_until(self.world.is_calm, within=180.0), "liveness: no calm"
        check_end(self.world)


Worlds.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWorlds = Worlds.TestCase
