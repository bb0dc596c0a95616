"""The end of a simulated world: after a calm, nothing is missing and everything works for
everybody.

This checks liveness, not only safety: new messages go directly, room lines arrive, and the desk
serves all who wait, in order.
"""

from typing import Final

from chatapp.peer.api import events
from chatapp.registry.rules.desk.queue.visit import Visit
from tests.simulation import deskdeeds
from tests.support.promise.presence import ON_THE_WAY
from tests.support.world import World

CALM_WITHIN: Final = 180.0
SERVED_WITHIN: Final = 1.0
"""Seconds from the end of one session to the next visitor's turn."""


def come_to_rest(world: World) -> None:
    """Let the faults end and time pass until everything is calm."""
    world.heal()
    run_until = world.network.run_until
    # A lost piece of the table is noticed by the next Ping.
    assert run_until(world.is_calm, within=CALM_WITHIN) or run_until(
        world.is_calm, within=max(world.pinged_within - CALM_WITHIN + ON_THE_WAY, 0.0)
    ), "liveness: no calm"
    world.network.run_for(40.0)


def check_end(world: World) -> None:
    """Check the world after the calm."""
    world.letters.check_all_arrived()
    world.views.check_equal()
    world.tables.check_equal()
    world.lines.check_channel()
    world.rooms.check_complete()
    world.conversation.check_complete()
    world.check_now_and_then()
    check_straight(world)
    for room in sorted(world.rooms.names):
        check_room(world, room)
    if world.guests:
        serve_everybody(world)


def check_straight(world: World) -> None:
    """Check that a new message is delivered straight and shown; the next one if a stranger plays
    back what they heard: an opening that comes for the first time from them draws one message."""
    texts = ["after the storm", "after the storm, again"]
    assert any(
        _is_straight(world, text) for text in texts[: 1 if world.network.overhears is None else 2]
    )


def _is_straight(world: World, text: str) -> bool:
    one, other = world.people[0], world.people[1]
    one.send(other.called, text)
    return world.network.run_until(
        lambda: (
            [state for _, _, state in one.sent()][-1:] == [events.MessageState.DELIVERED]
            and other.screen.texts()[-1:] == [text]
        ),
        within=5.0,
    )


def check_room(world: World, room: str) -> None:
    """Check that a new line is shown to every member."""
    inside = world.rooms.check_members(room)
    for speaker in inside:
        text = f"after the storm from {speaker.name} in {room}"
        world.rooms.note_line(speaker, room, text, speaker.say(text, room))
        world.network.run_for(2.0)
        for person in inside:
            assert person is speaker or person.screen.texts()[-1] == text


# --- the desk


def serve_everybody(world: World) -> None:
    """Let operators serve until nobody waits. The promise checks the order of the turns; this
    checks that each comes."""
    queue = world.registry.engine.hub.desk._queue
    for guest in world.guests:
        if guest.is_placed:
            guest.pause(is_paused=False)
    waited = {guest.visit for guest in world.guests if guest.is_placed}
    assert waited <= queue.visits.keys()
    patience = world.registry.desk.keep_place + world.network.now
    for name in world.registry.desk.queues:
        go_on_duty(world, name)
        _serve_queue(world, name, patience=patience)
    assert not queue.visits
    assert all(not guest.is_placed for guest in world.guests), (
        "a visitor still takes their place for kept"
    )


def _serve_queue(world: World, name: str, *, patience: float) -> None:
    """Let operators serve one queue until nobody is left in it. `patience`: until when places of
    the absent are kept."""
    operators = deskdeeds.operators_of(world)
    while visits := _visits_of(world, name):
        is_called = any(visit.is_here for visit in visits)
        assert is_called or world.network.now <= patience + 1.0, (
            f"liveness: {[visit.number for visit in visits]} are still there"
        )
        _end_sessions(world)
        world.network.run_for(SERVED_WITHIN)
        if is_called:
            assert any(operator.core.desk.client for operator in operators) or not any(
                visit.is_here for visit in _visits_of(world, name)
            ), "liveness: nobody is served, and somebody waits"


def _visits_of(world: World, name: str) -> list[Visit]:
    visits = world.registry.engine.hub.desk._queue.visits
    return [visit for visit in visits.values() if visit.queue == name]


def _end_sessions(world: World) -> None:
    """Also of an operator who may not take duty any more, and still serves somebody."""
    for operator in deskdeeds.operators_of(world):
        if operator.core.desk.client is not None:
            deskdeeds.end_session(world, operator)


def go_on_duty(world: World, queue: str) -> None:
    """Put everybody who may serve on duty at this queue only, under whatever name they have."""
    those, listed = deskdeeds.operators_of(world), world.registry.engine.hub.desk.operators
    operators = [person for person in those if listed.includes(person.identity.public)]
    assert those[0] in operators
    for operator in those:
        deskdeeds.end_duty(world, operator)
    world.network.run_for(SERVED_WITHIN)
    _end_sessions(world)
    world.network.run_for(SERVED_WITHIN)
    for operator in operators:
        deskdeeds.take_duty(world, operator, queue)
    world.network.run_for(SERVED_WITHIN)
    assert all(operator.core.desk.is_on for operator in operators)
