"""What visitors and operators of the help desk do in a world.

Visitors come, say something, give up or quit; operators take duty and say what `.next`, `.end`,
`.drop`, `.move`, `.handover` say. Operators are peers like others, under all that happens to peers.
"""

import contextlib
import random
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.api.errors import ChangeRefused
from chatapp.peer.core.desk.operator import Operator, VisitTarget
from chatapp.peer.core.desk.visit import Stage
from chatapp.registry.rules.desk.queue.visit import digest
from chatapp.registry.rules.desk.settings import DEFAULT_QUEUE, DeskSettings
from chatapp.wire.identity import fingerprint_digits
from chatapp.wire.messages import desk as wire
from tests.simulation.deeds import is_online, is_there
from tests.support.guests import Guest
from tests.support.people import Person
from tests.support.world import World

OPERATOR: Final = "bob"
"""The operator by name: the key that first takes it with the code that the registry prints,
whatever its name later."""


SECOND_QUEUE: Final = "exams"
"""Visitors join the first queue, and reach this one by `.transfer`."""


def settings(chance: random.Random) -> DeskSettings:
    """Return the desk's time limits: mostly shorter than a world lasts."""
    return DeskSettings(
        queues=(DEFAULT_QUEUE, SECOND_QUEUE),
        no_show_after=20.0,
        keep_place=chance.choice((8.0, 60.0)),
        operator_grace=chance.choice((2.0, 15.0)),
        pass_over_after=1.0,
        restart_grace=chance.choice((1.0, 5.0)),
    )


def appoint(world: World) -> None:
    """Make the first person an operator by key, and the second one by name."""
    key = fingerprint_digits(world.people[0].identity.public)
    world.registry.desk = msgspec.structs.replace(world.registry.desk, operators=(key, OPERATOR))


# --- visitors


def visitor_comes(world: World, chance: random.Random) -> None:
    """Bring a new visitor, or a former one: back with the ticket, or for another visit."""
    away = [
        guest for guest in world.guests if not guest.is_running or guest.guest.stage is Stage.OVER
    ]
    if not away or chance.random() < 0.5:
        world.visitor()
        return
    guest = chance.choice(away)
    if not guest.is_running:
        guest.start()
    elif is_there(guest):
        guest.give_up()


def visitor_says(world: World, guest: Guest) -> None:
    """Send a line to the operator; of a visitor who waits, or waits again when it arrives, it
    becomes the description."""
    if is_there(guest):
        text = f"{world.next_number()} from {guest.name} to the desk"
        world.desk.wrote(digest(guest.disk.ticket), text)
        guest.say_at_desk(text)


def visitor_changes(world: World, guest: Guest, place: int, *, is_edit: bool) -> None:
    """`/edit` and `/retract`."""
    if is_there(guest) and guest.is_placed and any(guest.own.values()):
        text = f"{world.next_number()} changed by {guest.name}" if is_edit else ""
        guest.change(place, text)


def visitor_lets_others_go_first(world: World, guest: Guest, *, is_paused: bool) -> None:
    """`.pause` and `.resume`."""
    if is_there(guest) and guest.is_placed:
        guest.pause(is_paused=is_paused)


def visitor_asks(world: World, guest: Guest) -> None:
    """`.queue`."""
    if is_there(guest):
        guest.ask_position()


def visitor_gives_up(world: World, guest: Guest) -> None:
    """Give up the position, and fill in the form again for one behind everybody."""
    if is_there(guest) and guest.is_placed:
        guest.give_up()


def visitor_rates(world: World, guest: Guest, rating: int) -> None:
    """`.rate`, or the answer to the question at the end."""
    if is_there(guest) and guest.guest.stage in (Stage.ACTIVE, Stage.OVER):
        world.desk.rated(guest.visit, rating)
        guest.rate(rating)


def visitor_quits(world: World, guest: Guest) -> None:
    """End the program; the registry is told if it answers."""
    if is_there(guest):
        guest.quit()


# --- operators


def operators_of(world: World) -> list[Person]:
    """Return the operators, without the second one if the name has been free for too long."""
    return world.people[:2]


def _types(world: World, one: Person, type_it: Callable[[Operator], object]) -> None:
    """Type a line at a running program: it may only affect the visitor on the screen."""
    if is_online(one):
        requests = one.core._out.requests
        before = len(requests)
        type_it(one.core.desk)
        world.desk.typed(one, requests[before:])
        one.turn()


def _target(world: World) -> VisitTarget:
    return VisitTarget(None, world.network.now)


def take_duty(world: World, one: Person, queue: str = "") -> None:
    """`.on`."""
    _types(world, one, lambda operator: operator.ask(wire.TakeDuty(0, queue), _target(world)))


def end_duty(world: World, one: Person) -> None:
    """`.off`."""
    _types(world, one, lambda operator: operator.ask(wire.EndDuty(0), _target(world)))


def call_next(world: World, one: Person) -> None:
    """`.next`."""
    _types(world, one, lambda operator: operator.ask(wire.CallNext(0, "", 0), _target(world)))


def end_session(world: World, one: Person) -> None:
    """`.end`."""
    _types(world, one, lambda operator: operator.ask(wire.EndSession(0, 0), _target(world)))


def put_on_hold(world: World, one: Person) -> None:
    """`.hold`."""
    _types(world, one, lambda operator: operator.ask(wire.HoldVisitor(0, 0), _target(world)))


def look(world: World, one: Person) -> None:
    """`.room`: numbers refer to what it shows."""
    _types(world, one, lambda operator: operator.ask(wire.ShowRoom(0, ""), _target(world)))


def drop(world: World, one: Person, position: int) -> None:
    """`.drop`."""
    _types(
        world, one, lambda operator: operator.ask(wire.DropVisitor(0, 0, position), _target(world))
    )


def move(world: World, one: Person, position: int, to: int) -> None:
    """`.move`."""
    _types(
        world,
        one,
        lambda operator: operator.ask(wire.MoveVisitor(0, 0, position, to), _target(world)),
    )


def hand_over(world: World, one: Person, other: Person) -> None:
    """Write a note for the next operator, then `.handover`."""
    text = f"{world.next_number()} noted by {one.name}"
    _types(world, one, lambda operator: operator.ask(wire.NoteVisitor(0, 0, text), _target(world)))
    _types(
        world, one, lambda operator: operator.ask(wire.HandOver(0, 0, other.called), _target(world))
    )


def transfer(world: World, one: Person, queue: str) -> None:
    """`.transfer`."""
    _types(
        world, one, lambda operator: operator.ask(wire.TransferVisitor(0, 0, queue), _target(world))
    )


def close_queue(world: World, one: Person) -> None:
    """`.close`."""
    text = f"{world.next_number()} closed by {one.name}"
    _types(world, one, lambda operator: operator.ask(wire.CloseQueue(0, "", text), _target(world)))


def open_queue(world: World, one: Person) -> None:
    """`.open`."""
    _types(world, one, lambda operator: operator.ask(wire.OpenQueue(0, ""), _target(world)))


def say_on_duty(world: World, one: Person) -> None:
    """Send a line to the visitor being served."""
    number, now = world.next_number(), world.network.now
    text = f"{number} from {one.name} on duty"
    _types(world, one, lambda operator: operator.say(text, _target(world), now=now, line=number))


def change_on_duty(world: World, one: Person, place: int, *, is_edit: bool) -> None:
    """Change a line to the visitor being served, or take it back."""
    number, now = world.next_number(), world.network.now
    text = f"{number} changed by {one.name}" if is_edit else None

    def change(operator: Operator) -> None:
        talk = operator.talk(one.name)
        lines = [line for line in (talk.lines if talk else ()) if line.is_ours and line.text]
        if lines:
            with contextlib.suppress(ChangeRefused):
                operator.change(lines[place % len(lines)].id, text, now=now, line=number)

    _types(world, one, change)
