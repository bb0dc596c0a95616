"""Links over minutes of virtual time: their keys are renewed while people talk, and nobody
notices."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api import visit_events as visits
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.session import RENEW_AFTER
from tests.simulation import deskdeeds
from tests.support.network import Weather
from tests.support.world import World

TURNS = 4
SPAN = RENEW_AFTER / 4
TROUBLES = (events.ServerLost, events.ServerBack, events.LinkTroubled, visits.VisitorServerLost)


class Renewals:
    """Counts the renewals that are over at each end of a link."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: dict[LinkSession, int] = {}
        change = LinkSession._change_seal_key

        def counted(session: LinkSession, key: bytes) -> None:
            self.done[session] = self.done.get(session, 0) + 1
            change(session, key)

        patch.setattr(LinkSession, "_change_seal_key", counted)

    def at(self, *, peers: bool) -> list[int]:
        return sorted(count for session, count in self.done.items() if session._is_peer is peers)


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> Renewals:
    return Renewals(monkeypatch)


def begun(weather: Weather | None = None) -> World:
    """Alice is on duty and serves a visitor; bob is in the channel."""
    world = World(
        3,
        people=2,
        weather=weather,
        desk=DeskSettings(operators=("alice",), keep_place=60.0, no_show_after=86_400.0),
    )
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    deskdeeds.take_duty(world, world.people[0])
    assert world.visitor() is not None
    assert world.network.run_until(lambda: world.guests[0].is_placed, within=10.0)
    world.network.run_for(1.0)
    return world


@pytest.mark.parametrize(
    "weather", [None, Weather(loss=0.1, delay_most=0.2)], ids=["fine", "lossy"]
)
def test_links_that_carry_something_are_renewed_and_nobody_notices(
    renewals: Renewals, weather: Weather | None
) -> None:
    world = begun(weather)
    alice, bob = world.people
    (visitor,) = world.guests
    told = [len(person.screen.events) for person in world.people], len(visitor.told)
    for _ in range(4 * TURNS):
        bob.send_all(f"line {world.next_number()}")
        alice.send_all(f"line {world.next_number()}")
        deskdeeds.say_on_duty(world, alice)
        deskdeeds.visitor_says(world, visitor)
        world.network.run_for(SPAN)
    world.network.run_for(5.0)
    assert renewals.at(peers=True) == renewals.at(peers=False) == [TURNS] * 3
    for person, before in zip(world.people, told[0], strict=True):
        assert not [event for event in person.screen.events[before:] if isinstance(event, TROUBLES)]
    assert not [event for _, event in visitor.told[told[1] :] if isinstance(event, TROUBLES)]
    assert len([text for text in bob.screen.texts() if text.startswith("line ")]) == 4 * TURNS


def test_idle_links_are_renewed_once_after_their_last_use(renewals: Renewals) -> None:
    world = begun()
    world.network.run_for(2 * RENEW_AFTER)
    before = renewals.at(peers=True)
    assert before == [1, 1, 1]
    world.network.run_for(10 * RENEW_AFTER)
    assert renewals.at(peers=True) == before
