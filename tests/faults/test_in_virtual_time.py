"""Faults with a numeric bar: messages that take another path under loss, recovery after a
partition, and the cost of restarts, clock jumps and stopped programs.

Two people and a registry in virtual time; the promise is checked after every step here too.
"""

from typing import Final

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from tests.faults.conftest import Note
from tests.faults.size import dose
from tests.simulation.hazards import YEAR
from tests.support.network import Weather
from tests.support.screen import is_now
from tests.support.world import World

APART: Final = 70.0
"""Seconds between two messages, so that none goes round because the one before had to."""
MESSAGES: Final = dose(300, 2_000)
UNCONFIRMED: Final = {0.1: 0.0005, 0.3: 0.045, 0.5: 0.26}
"""By the loss each way: the share of messages that none of five tries gets across and
acknowledged."""


def calm_world(seed: int, *, people: int = 2) -> World:
    """Return a world in which everybody is registered and knows everybody."""
    world = World(seed, people=people, weather=Weather())
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    world.network.run_for(2.0)
    return world


@pytest.mark.parametrize("loss", sorted(UNCONFIRMED))
def test_as_many_messages_take_the_other_path_as_chance_allows(loss: float, figure: Note) -> None:
    world = calm_world(5)
    alice, bob = world.people
    world.network.weather = Weather(loss=loss, delay_most=0.02)
    for number in range(MESSAGES):
        alice.send(bob.name, f"message {number}")
        world.network.run_for(APART)
    assert bob.screen.texts() == [f"message {number}" for number in range(MESSAGES)]
    round_about = alice.screen.count(events.Unacknowledged) + sum(
        is_now(event, events.MessageState.DELIVERED) and event.through_server
        for event in alice.screen.events
    )
    measured = f"{round_about} of {MESSAGES:,} not confirmed straight, all shown once and in order"
    figure(f"loss of {loss:.0%} each way", measured, f"at most {UNCONFIRMED[loss]:.2%}")
    assert round_about / MESSAGES <= UNCONFIRMED[loss]


@pytest.mark.parametrize("seed", range(dose(6, 200)))
def test_after_a_partition_of_a_minute_all_is_settled_within_ten_seconds(seed: int) -> None:
    world = calm_world(seed, people=3)
    chance = world.network.random
    hosts = [person.address.host for person in world.people] + [world.machine.address.host]
    alone = set(chance.sample(hosts, chance.randint(1, 2)))
    for one in alone:
        for other in set(hosts) - alone:
            world.network.cut(one, other)
    for number in range(20):
        speaker, reader = chance.sample(world.people, 2)
        speaker.send(reader.name, f"{number} from {speaker.name} to {reader.name}")
        speaker.send_all(f"{number} from {speaker.name} to all")
        world.network.run_for(3.0)
    world.network.heal()
    assert world.network.run_until(world.is_calm, within=10.0), "not settled after ten seconds"
    world.network.run_for(1.0)
    world.letters.check_all_arrived()
    world.lines.check_channel()


@pytest.mark.parametrize("seed", range(dose(6, 500)))
def test_the_first_message_after_a_restart_goes_straight(seed: int) -> None:
    """A restarted peer: the sender learns of it by the table or from the peer itself."""
    world = calm_world(seed)
    alice, bob = world.people
    chance = world.network.random
    world.network.weather = Weather(doubled=0.2, delay_most=0.1)
    alice.send(bob.name, "before")
    world.network.run_for(chance.uniform(0.0, 2.0))
    bob.crash()
    world.network.run_for(chance.choice((0.0, 0.05, 0.5)))
    bob.start()
    world.network.run_for(chance.choice((0.0, 0.01, 0.1, 1.0)))
    alice.send(bob.name, "after")
    assert world.network.run_until(lambda: "after" in bob.screen.texts(), within=2.5)
    assert world.network.run_until(
        lambda: not alice.count_standing(MessageState.UNSETTLED), within=2.5
    )
    assert not any(
        is_now(event, MessageState.REFUSED) or isinstance(event, events.MailUnreadable)
        for event in alice.screen.events
    )


def sent_in_a_minute(seed: int, *, jump: float = 0.0, stopped_for: float = 0.0) -> int:
    """Datagrams of a world with mail waiting and messages under way, when a clock jumps or a
    program was stopped."""
    world = calm_world(seed, people=3)
    alice, bob, carol = world.people
    carol.leave()
    world.network.run_for(1.0)
    alice.send(carol.name, "for later")
    world.network.run_for(5.0)
    for person in (alice, bob):
        person.set_clock(jump)
    world.machine.set_clock(jump)
    if stopped_for:
        bob.fall_asleep()
        alice.send(bob.name, "are you there?")
        world.network.run_for(stopped_for)
        bob.wake_up()
    before = world.network.sent
    alice.send(bob.name, "hi")
    bob.send(alice.name, "hi you")
    world.network.run_for(60.0)
    sent = world.network.sent - before
    carol.come_back()
    assert world.network.run_until(world.is_calm, within=20.0)
    assert carol.screen.texts() == ["for later"], "a letter expired early, or came twice"
    assert alice.screen.texts() == ["hi you"]
    assert bob.screen.texts() == [*(["are you there?"] if stopped_for else []), "hi"]
    return sent


@pytest.mark.parametrize("jump", [-YEAR, -3_600.0, 3_600.0, YEAR])
def test_a_clock_that_jumps_makes_no_storm(jump: float) -> None:
    assert abs(sent_in_a_minute(3, jump=jump) - sent_in_a_minute(3)) <= 10


@pytest.mark.parametrize("stopped_for", [3.0, 60.0, 3_600.0])
def test_a_program_that_was_stopped_makes_no_storm(stopped_for: float) -> None:
    assert sent_in_a_minute(3, stopped_for=stopped_for) <= sent_in_a_minute(3) + 20
