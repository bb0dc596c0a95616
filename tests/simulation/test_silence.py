"""Programs that hang with an open connection: how soon others notice, in virtual time."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api import events as told
from chatapp.registry.rules.desk.settings import DeskSettings
from tests.simulation import deskdeeds
from tests.support.guests import Guest
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.promise.presence import AWAY_WITHIN
from tests.support.screen import is_now
from tests.support.world import World

KNOWN_WITHIN = 6.0
"""Seconds from a message that nobody answers to the moment when everybody knows that its recipient
is away."""


def sees_online(person: Person, name: str) -> bool:
    return any(one.name == name and one.online for one in person.core.people())


@pytest.fixture
def world() -> World:
    """Alice, bob and carol, who know each other."""
    world = World(1, people=3)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def test_a_frozen_peer_is_away_for_everybody_within_the_lease(world: World) -> None:
    alice, bob, carol = world.people
    bob.fall_asleep()
    world.network.run_for(25.0)
    assert sees_online(alice, "bob")
    world.network.run_for(AWAY_WITHIN - 25.0)
    assert not sees_online(alice, "bob")
    assert not sees_online(carol, "bob")


@pytest.mark.parametrize(
    "weather", [Weather(), Weather(loss=0.1, delay_most=0.1)], ids=["fine", "lossy"]
)
def test_a_peer_that_answers_no_message_is_away_for_everybody_within_six_seconds(
    world: World, weather: Weather
) -> None:
    alice, bob, carol = world.people
    world.network.weather = weather
    world.network.run_for(8.0)
    bob.fall_asleep()
    alice.send("bob", "are you there?")
    world.network.run_for(KNOWN_WITHIN)
    assert not sees_online(alice, "bob")
    assert not sees_online(carol, "bob")
    assert any(is_now(event, events.MessageState.SAVED) for event in alice.screen.events)


def test_a_peer_that_continues_is_online_again_and_has_each_message_once(world: World) -> None:
    alice, bob, carol = world.people
    bob.fall_asleep()
    for text in ("one", "two"):
        alice.send("bob", text)
    carol.send("bob", "three")
    world.network.run_for(60.0)
    bob.wake_up()
    assert world.network.run_until(world.is_calm, within=10.0)
    assert sees_online(alice, "bob")
    assert sorted(bob.screen.texts()) == ["one", "three", "two"]


def test_nobody_who_answers_is_away_in_bad_weather(world: World) -> None:
    """Messages fail and are reported, but the unreachable person answers the registry."""
    alice, bob, carol = world.people
    world.network.cut(alice.address.host, bob.address.host)
    world.network.weather = Weather(loss=0.1, delay_most=0.1)
    for number in range(30):
        alice.send("bob", f"number {number}")
        for _ in range(10):
            world.network.run_for(0.5)
            assert sees_online(carol, "bob")
    assert len(bob.screen.texts()) == 30


class TestTheDesk:
    @pytest.fixture
    def world(self) -> World:
        """Alice on duty, and nobody in line."""
        world = World(2, people=2, desk=DeskSettings(operators=("alice", "bob"), keep_place=60.0))
        world.start()
        assert world.network.run_until(world.is_calm, within=5.0)
        deskdeeds.take_duty(world, world.people[0])
        world.network.run_for(1.0)
        return world

    @pytest.fixture
    def guests(self, world: World) -> list[Guest]:
        """The first is served, the second waits."""
        guests = []
        for _ in range(2):
            guests.append(world.visitor())
            world.network.run_for(1.0)
        assert all(guest is not None and guest.is_placed for guest in guests)
        return [guest for guest in guests if guest is not None]

    def client_is_here(self, world: World) -> bool:
        operator = world.people[0].core.desk
        assert operator.client is not None
        return not operator._is_client_away

    def test_a_frozen_served_visitor_is_away_six_seconds_after_a_line(
        self, world: World, guests: list[Guest]
    ) -> None:
        guests[0].fall_asleep()
        deskdeeds.say_on_duty(world, world.people[0])
        world.network.run_for(KNOWN_WITHIN)
        assert not self.client_is_here(world)

    def test_a_frozen_served_visitor_is_away_within_the_lease(
        self, world: World, guests: list[Guest]
    ) -> None:
        guests[0].fall_asleep()
        world.network.run_for(AWAY_WITHIN)
        assert not self.client_is_here(world)

    def test_a_call_that_a_frozen_visitor_does_not_answer_is_taken_back_within_six_seconds(
        self, world: World, guests: list[Guest]
    ) -> None:
        alice = world.people[0]
        third = world.visitor()
        assert third is not None
        world.network.run_for(1.0)
        assert third.is_placed
        guests[1].fall_asleep()
        deskdeeds.end_session(world, alice)
        world.network.run_for(KNOWN_WITHIN)
        unanswered = [
            event.name
            for event in alice.screen.events
            if isinstance(event, told.ClientMoved) and event.move is told.ClientMove.UNANSWERED
        ]
        assert unanswered == [guests[1].name]
        assert alice.core.desk.client == third.name
        assert self.client_is_here(world)
        guests[1].wake_up()
        world.network.run_for(3.0)
        deskdeeds.end_session(world, alice)
        world.network.run_for(1.0)
        assert alice.core.desk.client == guests[1].name

    def test_a_frozen_operator_is_found_out_when_a_visitor_says_something(
        self, world: World, guests: list[Guest]
    ) -> None:
        alice, bob = world.people
        alice.fall_asleep()
        guests[0].say_at_desk("hello?")
        world.network.run_for(KNOWN_WITHIN)
        assert not sees_online(bob, "alice")
