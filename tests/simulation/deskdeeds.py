"""This file is about what visitors and operators of the help desk do in a world.

Visitors come, say something, give up or quit; operators take duty and say what `.next`, `.end`, `.drop`, `.move`,
`.handover` say. Operators are peers like others, under all that happens to peers.
"""

import random
from typing import Final

from peer.desk.stages import Stage
from registry.desk.settings import DeskSettings
from tests.simulation.deeds import is_online, is_there
from tests.support.guests import Guest
from tests.support.people import Person
from tests.support.world import World

OPERATORS: Final = ("alice", "alice1", "bob", "bob2")
"""Who may serve, by name: some of the names that the first two people may take."""


def settings(chance: random.Random) -> DeskSettings:
    """How patient the desk of a world is: seldom as patient as worlds are long."""
    return DeskSettings(
        operators=OPERATORS,
        keep_place=chance.choice((8.0, 60.0)),
        operator_grace=chance.choice((2.0, 15.0)),
        pass_over_after=1.0,
        restart_grace=chance.choice((1.0, 5.0)),
    )


# --- visitors


def visitor_comes(world: World, chance: random.Random) -> None:
    """Somebody new, or somebody who was here: back with their ticket, or for another visit."""
    away = [guest for guest in world.guests if not guest.is_running or guest.guest.stage is Stage.OVER]
    if not away or chance.random() < 0.5:
        world.visitor()
        return
    guest = chance.choice(away)
    if not guest.is_running:
        guest.start()
    elif is_there(guest):
        guest.give_up()


def visitor_says(world: World, guest: Guest) -> None:
    """A line for the operator; one who waits is told to."""
    if is_there(guest):
        guest.say(f"{world.next_number()} from {guest.name} to the desk")


def visitor_asks(world: World, guest: Guest) -> None:
    """`.queue`."""
    if is_there(guest):
        guest.ask_place()


def visitor_gives_up(world: World, guest: Guest) -> None:
    """The place is given up; the form is filled in anew, for a place behind everybody."""
    if is_there(guest) and guest.is_placed:
        guest.give_up()


def visitor_quits(world: World, guest: Guest) -> None:
    """The program ends, and the registry is told if it answers."""
    if is_there(guest):
        guest.quit()


# --- operators


def operators_of(world: World) -> list[Person]:
    """Those who may serve under some of their names."""
    return world.people[:2]


def take_duty(world: World, one: Person) -> None:
    """`.on`."""
    if is_online(one):
        one.core.duty.commands.take_duty("")
        one.pump()


def end_duty(world: World, one: Person) -> None:
    """`.off`."""
    if is_online(one):
        one.core.duty.end()
        one.pump()


def call_next(world: World, one: Person) -> None:
    """`.next`."""
    if is_online(one):
        world.desk.asked["end"] += 1
        one.core.duty.commands.call_next("")
        one.pump()


def end_session(world: World, one: Person) -> None:
    """`.end`."""
    if is_online(one):
        world.desk.asked["end"] += 1
        one.core.duty.commands.end_session()
        one.pump()


def drop(world: World, one: Person, place: int) -> None:
    """`.drop`."""
    if is_online(one):
        world.desk.asked["drop"] += 1
        one.core.duty.commands.drop(place)
        one.pump()


def move(world: World, one: Person, place: int, to: int) -> None:
    """`.move`."""
    if is_online(one):
        world.desk.asked["move"] += 1
        one.core.duty.commands.move(place, to)
        one.pump()


def hand_over(world: World, one: Person, other: Person) -> None:
    """`.handover`, or a note for whoever comes next."""
    if is_online(one):
        one.core.duty.commands.note(f"{world.next_number()} noted by {one.name}")
        one.core.duty.commands.hand_over(other.called)
        one.pump()


def say_on_duty(world: World, one: Person) -> None:
    """A line for the visitor whom they serve."""
    if is_online(one) and one.core.duty.client is not None:
        one.core.speech.say_on_duty(f"{world.next_number()} from {one.name} on duty", now=world.network.now)
        one.pump()
