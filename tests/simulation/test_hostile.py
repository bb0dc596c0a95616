"""Members who flood, beside two people who talk: who pays for it, in virtual time."""

import pytest

from chatapp.peer.api import events
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.direct import Part, encode_frame
from tests.support.people import Person
from tests.support.screen import is_now
from tests.support.world import World

LONG = "x" * TEXT_MAX


@pytest.fixture
def world() -> World:
    """Alice and bob, who know each other."""
    world = World(1, people=2)
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    return world


def crowd(world: World, count: int, *, host: str = "6.6.6.6") -> list[Person]:
    """Return so many identities at one address, whom everybody knows."""
    people = []
    for number in range(count):
        person = Person(world.network, f"eve{number}", world.machine.address, host)
        person.address = Address(host, 6_000 + number)
        person.connect = world.registry.connect
        person.start()
        people.append(person)
    everybody = count + len(world.people)
    alice = world.people[0].core
    assert world.network.run_until(lambda: len(alice.people()) == everybody, within=30.0)
    return people


def send_parts_alone(eve: Person, victim: Person, messages: int) -> None:
    """Send long messages without their last parts."""
    contact = eve.core.roster.contacts.by_name(victim.name)
    assert contact is not None
    delivery = eve.core.direct.conversation(contact).delivery
    for number in range(messages):
        for index in range(55):
            delivery.queue_frame(encode_frame(Part(number + 1, index, 60, b"x" * 1_000)))
    eve.core.direct._transport.active[contact.identity] = contact
    eve.turn()


def test_parts_without_their_last_cost_four_mebibytes_for_fifteen_seconds_and_nobody_a_message(
    world: World,
) -> None:
    alice, bob = world.people
    eves = crowd(world, 12)
    buffer, most = bob.core.direct._receiver.buffer, 0
    for round_ in range(2):
        for eve in eves:
            send_parts_alone(eve, bob, 8)
        alice.send(bob.name, f"{round_} {LONG}"[:TEXT_MAX])
        for _ in range(10):
            world.network.run_for(0.1)
            most = max(most, buffer.bytes_held)
    assert Policy().assembly_bytes_in_all - 100_000 < most <= Policy().assembly_bytes_in_all
    assert [text[:2] for text in bob.screen.texts()] == ["0 ", "1 "]
    delivered = [
        event for event in alice.screen.events if is_now(event, events.MessageState.DELIVERED)
    ]
    assert [event.through_server for event in delivered] == [False, False]
    world.network.run_for(Policy().assembly_span)
    assert (buffer.bytes_held, len(buffer)) == (0, 0)
