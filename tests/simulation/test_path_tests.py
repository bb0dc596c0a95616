"""Path tests in virtual time: a person answers by the path on which the Ping came, or the test ends
without an answer."""

import pytest

from chatapp.peer.core.direct.path_test import PathResult
from chatapp.wire.delivery.policy import Policy
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

ENDS_WITHIN = Policy().give_up_after + 0.1


@pytest.fixture
def world() -> World:
    """Alice and bob, who know each other."""
    world = World(1, people=2)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def result_of(world: World, person: Person, name: str) -> PathResult:
    """Return the result of a test that this person makes."""
    person.core.direct.test_paths(name, now=world.network.now)
    person.turn()
    assert world.network.run_until(
        lambda: person.core.direct.path_result(name) is not None, within=ENDS_WITHIN
    )
    result = person.core.direct.path_result(name)
    assert result is not None
    return result


def test_both_paths_answer(world: World) -> None:
    alice, bob = world.people
    for one, other in ((alice, "bob"), (bob, "alice"), (alice, "bob")):
        result = result_of(world, one, other)
        assert result.is_relay_tried
        assert result.direct is not None
        assert result.relayed is not None
        assert 0 < result.direct < result.relayed, "the way through the registry is longer"


def test_a_blocked_direct_path(world: World) -> None:
    alice, bob = world.people
    world.network.cut(alice.address.host, bob.address.host)
    result = result_of(world, alice, "bob")
    assert result.direct is None
    assert result.relayed is not None


def test_nobody_answers(world: World) -> None:
    alice, bob = world.people
    bob.fall_asleep()
    assert result_of(world, alice, "bob") == PathResult(
        direct=None, relayed=None, is_relay_tried=True
    )


def test_without_a_registry_only_the_direct_path_is_tried(world: World) -> None:
    alice, _ = world.people
    world.machine.crash()
    world.network.run_for(5.0)
    result = result_of(world, alice, "bob")
    assert (result.relayed, result.is_relay_tried) == (None, False)
    assert result.direct is not None


def test_loss_is_outlived(world: World) -> None:
    alice, _ = world.people
    world.network.weather = Weather(loss=0.2)
    answered = [result_of(world, alice, "bob").direct is not None for _ in range(40)]
    assert sum(answered) > 35, "five tries, each way with 20 % loss: 1 in 150 fails"


def test_a_person_without_a_row_is_not_tested(world: World) -> None:
    alice, _ = world.people
    alice.core.direct.test_paths("nobody", now=world.network.now)
    assert alice.core.direct.path_result("nobody") is None
    alice.leave()
    world.network.run_for(3.0)
    alice.core.direct.test_paths("bob", now=world.network.now)
    assert alice.core.direct.path_result("bob") is None, "we are offline"
