"""A stranger sends again what it has heard: two people go on talking straight to each other."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.core.context import RegistryReach
from chatapp.wire.sessions.session import ERASE_AFTER, OPENINGS_BURST
from tests.support.people import Person
from tests.support.replayer import RATES, Replayer
from tests.support.screen import is_now
from tests.support.world import World

USES_UP_AFTER = 2 * OPENINGS_BURST
"""Seconds after which 1.5 openings a second have used up the allowance of an author, if they count
for it."""


def say_and_hear(world: World, author: Person, reader: Person, text: str) -> None:
    """Say something, which must be shown and acknowledged within two seconds."""
    before = author.screen.count(events.MessageState.DELIVERED)
    author.send(reader.name, text)
    assert world.network.run_until(
        lambda: author.screen.count(events.MessageState.DELIVERED) > before, within=2.0
    ), text
    assert reader.screen.texts()[-1] == text


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("is_registry_there", [True, False], ids=["registry", "no registry"])
def test_all_messages_go_directly_while_an_opening_of_each_comes_again(
    rate: float, *, is_registry_there: bool
) -> None:
    world = World(1, people=2)
    replayer = Replayer(world.network, 2 * rate)
    world.network.after_each = lambda: (
        None
    )  # the promise is checked while a whole world lives, which costs much
    world.start()
    assert world.network.run_until(world.is_calm, within=5.0)
    alice, bob = world.people
    for author, reader in ((alice, bob), (bob, alice)):
        say_and_hear(world, author, reader, "hello")
        world.network.run_for(ERASE_AFTER + 1.0)
    if not is_registry_there:
        world.machine.crash()
    replayer.begin(
        only=lambda data, target: (
            (data[1:33], target)
            in {(alice.identity.public, bob.address), (bob.identity.public, alice.address)}
        )
    )
    world.network.run_for(USES_UP_AFTER)
    for number in range(3):
        for author, reader in ((alice, bob), (bob, alice)):
            author.crash()
            author.start()
            assert world.network.run_until(
                lambda: author.core.reach is not RegistryReach.NONE,  # noqa: B023
                within=10.0,
            )
            say_and_hear(world, author, reader, f"{author.name} {number}")
    delivered = [
        event
        for person in world.people
        for event in person.screen.events
        if is_now(event, events.MessageState.DELIVERED)
    ]
    assert [event.through_server for event in delivered] == [False] * 8
    assert replayer.openings_sent >= USES_UP_AFTER * 2 * rate
