"""The same worlds, written by Hypothesis: it chooses what happens next, and shrinks what breaks.

Rules are what people, visitors, operators, machines, networks and strangers do; the promise is
checked after every step, and at the end the world has to come to rest with nothing lost.
"""

import os
import random
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chatapp.peer.core.records import RelationKind
from chatapp.registry.rules.desk.settings import DEFAULT_QUEUE
from tests.simulation import closing, deeds, deskdeeds, hazards
from tests.support.cluster.cluster import NODES, SimulatedCluster
from tests.support.guests import Guest
from tests.support.network import Weather
from tests.support.people import NEWEST_LINES, Person
from tests.support.world import World

EXAMPLES: Final = int(os.environ.get("CHATAPP_WORLDS", "25"))
STEPS: Final = 30
SOMEBODY: Final = st.integers(0, 4)
PLACE: Final = st.integers(1, 4)
SPANS: Final = st.sampled_from([0.0, 0.01, 0.3, 2.0, 12.0])


class Worlds(RuleBasedStateMachine):
    """One world."""

    world: World

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        people=st.integers(2, 4),
        nodes=st.sampled_from([1, 1, NODES]),
    )
    def begin(self, seed: int, people: int, nodes: int) -> None:
        self.chance = random.Random(seed)
        self.world = World(seed, people=people, desk=deskdeeds.settings(self.chance), nodes=nodes)
        deskdeeds.appoint(self.world)
        self.world.start()
        self.world.network.run_for(2.0)

    @invariant()
    def promise(self) -> None:
        if hasattr(self, "world"):
            self.world.check()
            self.world.check_now_and_then()

    def person(self, number: int) -> Person:
        return self.world.people[number % len(self.world.people)]

    def operator(self, number: int) -> Person:
        operators = deskdeeds.operators_of(self.world)
        return operators[number % len(operators)]

    def machine(self, number: int) -> Person:
        """Return a person or a visitor, as the owner of a machine."""
        everybody = [*self.world.people, *self.world.guests]
        return everybody[number % len(everybody)]

    # --- people

    @rule(one=SOMEBODY, other=SOMEBODY)
    def say(self, one: int, other: int) -> None:
        deeds.say(self.world, self.person(one), self.person(other))

    @rule(one=SOMEBODY)
    def say_to_all(self, one: int) -> None:
        deeds.say_to_all(self.world, self.person(one))

    @rule(one=SOMEBODY, place=st.integers(0, 5))
    def say_in_room(self, one: int, place: int) -> None:
        deeds.say_in_room(self.world, self.person(one), place)

    @rule(
        one=SOMEBODY,
        place=st.integers(0, NEWEST_LINES - 1),
        kind=st.sampled_from(deeds.KINDS),
    )
    def say_about(self, one: int, place: int, kind: RelationKind) -> None:
        deeds.say_about(self.world, self.person(one), place, kind)

    @rule(one=SOMEBODY, place=st.integers(0, NEWEST_LINES - 1))
    def cancel(self, one: int, place: int) -> None:
        deeds.cancel(self.world, self.person(one), place)

    @rule(one=SOMEBODY, room=st.sampled_from(deeds.ROOMS))
    def enter(self, one: int, room: str) -> None:
        deeds.enter(self.world, self.person(one), room)

    @rule(one=SOMEBODY, room=st.sampled_from(deeds.ROOMS))
    def go_out(self, one: int, room: str) -> None:
        deeds.go_out(self.world, self.person(one), room)

    @rule(one=SOMEBODY, number=st.integers(0, 3))
    def rename(self, one: int, number: int) -> None:
        deeds.rename(self.world, self.person(one), number)

    @rule(one=SOMEBODY)
    def leave_or_return(self, one: int) -> None:
        deeds.leave_or_return(self.world, self.person(one))

    @rule(one=SOMEBODY)
    def end_program(self, one: int) -> None:
        deeds.end_program(self.world, self.person(one))

    @rule()
    def newcomer(self) -> None:
        self.world.newcomer()

    # --- the help desk

    @rule()
    def visitor_comes(self) -> None:
        deskdeeds.visitor_comes(self.world, self.chance)

    @rule(
        one=SOMEBODY,
        does=st.sampled_from(
            [
                deskdeeds.visitor_says,
                deskdeeds.visitor_says,
                deskdeeds.visitor_asks,
                deskdeeds.visitor_gives_up,
                deskdeeds.visitor_quits,
            ]
        ),
    )
    def visitor(self, one: int, does: Callable[[World, Guest], None]) -> None:
        if self.world.guests:
            does(self.world, self.world.guests[one % len(self.world.guests)])

    @rule(
        one=SOMEBODY,
        does=st.sampled_from(
            [
                deskdeeds.take_duty,
                deskdeeds.end_duty,
                deskdeeds.call_next,
                deskdeeds.end_session,
                deskdeeds.say_on_duty,
            ]
        ),
    )
    def operator_asks(self, one: int, does: Callable[[World, Person], None]) -> None:
        does(self.world, self.operator(one))

    @rule(one=SOMEBODY, place=PLACE)
    def drop(self, one: int, place: int) -> None:
        deskdeeds.drop(self.world, self.operator(one), place)

    @rule(one=SOMEBODY, place=PLACE, to=PLACE)
    def move_in_line(self, one: int, place: int, to: int) -> None:
        deskdeeds.move(self.world, self.operator(one), place, to)

    @rule(one=SOMEBODY, queue=st.sampled_from([DEFAULT_QUEUE, deskdeeds.SECOND_QUEUE]))
    def take_duty_at(self, one: int, queue: str) -> None:
        deskdeeds.take_duty(self.world, self.operator(one), queue)

    @rule(one=SOMEBODY, queue=st.sampled_from([DEFAULT_QUEUE, deskdeeds.SECOND_QUEUE]))
    def transfer(self, one: int, queue: str) -> None:
        deskdeeds.transfer(self.world, self.operator(one), queue)

    @rule(one=SOMEBODY, does=st.sampled_from([deskdeeds.close_queue, deskdeeds.open_queue]))
    def close_or_open(self, one: int, does: Callable[[World, Person], None]) -> None:
        does(self.world, self.operator(one))

    @rule(one=SOMEBODY, rating=st.integers(1, 5))
    def rate(self, one: int, rating: int) -> None:
        if self.world.guests:
            deskdeeds.visitor_rates(
                self.world, self.world.guests[one % len(self.world.guests)], rating
            )

    @rule(one=SOMEBODY)
    def hand_over(self, one: int) -> None:
        deskdeeds.hand_over(self.world, self.operator(one), self.operator(one + 1))

    # --- machines

    @rule(one=SOMEBODY)
    def crash_or_start(self, one: int) -> None:
        deeds.crash_or_start(self.world, self.machine(one))

    @rule()
    def registry_crashes_or_starts(self) -> None:
        hazards.registry_dies_or_starts(self.world, self.chance)

    @rule(which=st.sampled_from([hazards.disk_is_slow, hazards.disk_is_full, hazards.disk_fails]))
    def disk_suffers(self, which: hazards.Hazard) -> None:
        which(self.world, self.chance)

    @rule(links_after=st.sampled_from(hazards.LINKS_AFTER))
    def registry_stops_or_goes_on(self, links_after: float) -> None:
        machine = self.world.registry.any_machine(self.chance)
        machine.go_on(links_after=links_after) if machine.is_stopped else machine.stop()

    @rule(which=st.sampled_from(hazards.CLUSTER_HAZARDS))
    def cluster_suffers(self, which: hazards.ClusterHazard) -> None:
        if isinstance(self.world.registry, SimulatedCluster):
            which(self.world.registry, self.chance)

    @rule(one=SOMEBODY)
    def stop_or_go_on(self, one: int) -> None:
        person = self.machine(one)
        if person.is_asleep:
            person.wake_up()
        elif person.is_running:
            person.fall_asleep()

    @rule()
    def clock_jumps(self) -> None:
        hazards.clock_jumps(self.world, self.chance)

    # --- networks

    @rule(
        loss=st.sampled_from(hazards.LOSSES),
        doubled=st.sampled_from([0.0, 0.5]),
        late=st.sampled_from([0.005, 0.1, 0.8]),
        corrupted=st.sampled_from([0.0, 0.1]),
    )
    def weather_changes(self, loss: float, doubled: float, late: float, corrupted: float) -> None:
        self.world.network.weather = Weather(
            loss=loss, doubled=doubled, delay_most=late, corrupted=corrupted
        )

    @rule(one=SOMEBODY, other=SOMEBODY)
    def cut(self, one: int, other: int) -> None:
        hosts = self.machine(one).address.host, self.machine(other).address.host
        if hosts[0] != hosts[1]:
            self.world.network.cut(*hosts)

    @rule(one=SOMEBODY)
    def cut_from_the_registry(self, one: int) -> None:
        registry = self.world.registry.any_address(self.chance)
        self.world.network.cut(self.machine(one).address.host, registry.host)

    @rule()
    def heal(self) -> None:
        self.world.network.heal()

    @rule(one=SOMEBODY)
    def address_changes(self, one: int) -> None:
        self.machine(one).move()

    # --- strangers, and time

    @rule(
        which=st.sampled_from(
            [
                hazards.stranger_greets,
                hazards.stranger_sends_garbage,
                hazards.somebody_replays,
                hazards.somebody_forges,
                hazards.impostor_comes,
            ]
        )
    )
    def stranger(self, which: hazards.Hazard) -> None:
        which(self.world, self.chance)

    @rule(span=SPANS)
    def time_passes(self, span: float) -> None:
        self.world.network.run_for(span)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            closing.come_to_rest(self.world)
            closing.check_end(self.world)


Worlds.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestWorlds = Worlds.TestCase
