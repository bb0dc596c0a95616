"""People who give up their names (`/release`), over a bad network, and whoever takes the names
afterwards."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.registry.session import State
from tests.simulation import hazards
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

CALM_WITHIN = 60.0


@pytest.fixture
def world() -> World:
    """Alice, bob and carol, who know each other."""
    world = World(3, people=3)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def told(person: Person, kind: type[events.Event]) -> list[events.Event]:
    return [event for event in person.screen.events if isinstance(event, kind)]


def names_of(person: Person) -> set[str]:
    return {one.name for one in person.core.people()}


def newcomer(world: World, name: str) -> Person:
    """Somebody who starts under this name, with keys of their own."""
    one = Person(world.network, name, world.machine.address, f"10.9.9.{len(name)}")
    one.connect = world.registry.connect
    one.start()
    return one


def release(world: World, person: Person) -> None:
    person.release()
    assert world.network.run_until(lambda: person.core.is_offline, within=5.0)


def test_the_others_see_them_go_and_somebody_else_may_come_by_that_name(world: World) -> None:
    alice, bob, carol = world.people
    release(world, bob)
    assert told(bob, events.NameReleased) == [events.NameReleased(name="bob")]
    assert not told(bob, events.LeaveUnanswered)
    world.network.run_for(2.0)
    assert "bob" not in names_of(alice) | names_of(carol)
    assert told(alice, events.PersonAway) == [
        events.PersonAway(name="bob", how=events.Absence.LEFT)
    ]
    other = newcomer(world, "bob")
    world.network.run_for(3.0)
    assert other.core.state is State.REGISTERED
    assert told(alice, events.KeyChanged) == [events.KeyChanged(name="bob")], (
        "they are not taken for him"
    )


def test_a_newcomer_takes_the_next_owner_for_the_only_one(world: World) -> None:
    _, bob, _ = world.people
    release(world, bob)
    dave = newcomer(world, "dave")
    world.network.run_for(3.0)
    other = newcomer(world, "bob")
    world.network.run_for(3.0)
    assert not told(dave, events.KeyChanged)
    dave.send("bob", "hi")
    world.network.run_for(3.0)
    assert other.screen.texts() == ["hi"]


def test_who_gave_up_a_name_may_take_it_again_and_is_known(world: World) -> None:
    alice, bob, _ = world.people
    alice.enter("lab")
    bob.enter("lab")
    world.network.run_for(2.0)
    release(world, bob)
    world.network.run_for(1.0)
    bob.come_back()
    assert world.network.run_until(lambda: bob.core.reach is RegistryReach.UP, within=10.0)
    world.network.run_for(3.0)
    assert "bob" in names_of(alice)
    assert not told(alice, events.KeyChanged)
    alice.send("bob", "welcome back")
    world.network.run_for(2.0)
    assert "welcome back" in bob.screen.texts()
    assert bob.rooms == ["lab"], "who comes back is in the room again, as after dereg and reg"


def test_mail_is_deleted_and_later_mail_is_refused(world: World) -> None:
    alice, bob, _ = world.people
    bob.leave()
    world.network.run_for(2.0)
    alice.send("bob", "for bob alone")
    world.network.run_for(5.0)
    assert alice.screen.count(MessageState.SAVED) == 1
    bob.come_back()
    bob.release()  # too early: there is no link
    assert told(bob, events.ReleaseFailed)
    world.network.run_until(lambda: bob.core.reach is RegistryReach.UP, within=5.0)
    release(world, bob)
    world.network.run_for(2.0)
    alice.send("bob", "are you there?")
    world.network.run_for(8.0)
    assert alice.screen.count(MessageState.REFUSED) == 1


@pytest.mark.parametrize("seed", range(12))
def test_over_a_bad_network_the_name_is_free_or_stays_and_the_user_is_told(seed: int) -> None:
    world = World(seed, people=3)
    world.start()
    world.network.run_until(world.is_calm, within=5.0)
    alice, bob, _ = world.people
    world.network.weather = hazards.weather_of(world.network.random)
    bob.release()
    was_restarted = seed % 3 == 0
    if was_restarted:
        world.network.run_for(0.002 * seed)
        world.machine.crash()
        world.network.run_for(1.0)
        world.registry.start()
    world.network.run_for(10.0)
    world.network.weather = Weather()
    world.network.run_for(CALM_WITHIN)
    is_free = bool(told(bob, events.NameReleased))
    assert is_free != bool(told(bob, events.ReleaseFailed)), "one of them is told"
    assert bob.core.is_offline is is_free
    if not was_restarted:  # a restarted registry does not know whom to tell of names that are free
        assert ("bob" in names_of(alice)) is not is_free
    assert (newcomer_state(world) is State.REGISTERED) is is_free


def newcomer_state(world: World) -> State:
    other = newcomer(world, "bob")
    world.network.run_for(5.0)
    return other.core.state
