"""What people do in a world: they write to one, to all, to a room; come, go, and change their
names.

Each is a function of a world and of somebody; whoever cannot do it just now (no program, offline)
does nothing. Whoever acts is at the machine, so a program that was stopped goes on. What must hold
is the world's to say.
"""

from typing import Final

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import RelationKind
from tests.support.people import Person
from tests.support.world import World

ROOMS: Final = ("lab", "Yard", "den")
KINDS: Final = (
    RelationKind.REPLY,
    RelationKind.EDIT,
    RelationKind.RETRACT,
    RelationKind.REACT,
    RelationKind.UNREACT,
)
EMOJIS: Final = ("👍", "🎉")
ANSWERED_WITHIN: Final = 6.0


def is_there(person: Person) -> bool:
    """Whether the person can act now."""
    person.wake_up()
    return person.is_running


def is_online(person: Person) -> bool:
    """Whether the person can send now."""
    return is_there(person) and not person.core.is_offline


def say(world: World, one: Person, other: Person) -> None:
    """Send a message to a person, or to oneself."""
    if is_online(one):
        one.send(other.called, f"{world.next_number()} from {one.name} to {other.name}")


def say_to_all(world: World, one: Person) -> None:
    """Send a line to the channel."""
    if is_online(one):
        one.send_all(f"{world.next_number()} from {one.name} to all")


def say_in_room(world: World, one: Person, place: int) -> None:
    """Send a line to one of the person's rooms."""
    if is_online(one) and one.rooms:
        room = one.rooms[place % len(one.rooms)]
        text = f"{world.next_number()} from {one.name} in {room}"
        world.rooms.note_line(one, room, text, one.say(text, room))


def say_about(world: World, one: Person, place: int, kind: RelationKind) -> None:
    """Answer one of the newest lines, put an emoji to it or take it away; change or take back a
    line of one's own."""
    if not is_online(one):
        return
    lines = one.changeable(ours=kind in (RelationKind.EDIT, RelationKind.RETRACT))
    if not lines:
        return
    line = lines[place % len(lines)]
    match kind:
        case RelationKind.RETRACT:
            text = ""
        case RelationKind.REACT | RelationKind.UNREACT:
            text = EMOJIS[place % len(EMOJIS)]
        case _:
            text = f"{world.next_number()} about {line.text!r} by {one.name}"
    id_ = one.say_about(line, kind, text)
    if line.room and id_ is not None:
        world.rooms.note_line(one, line.room, text, id_)


def cancel(world: World, one: Person, place: int) -> None:
    """Give up a line of one's own that is under way, or take it back if somebody may have it."""
    if not is_online(one):
        return
    lines = [
        line
        for line in one.changeable(ours=True)
        if line.state in (MessageState.UNSETTLED, MessageState.KEPT)
    ]
    if lines and one.cancel(lines[place % len(lines)]):
        world.views.note_cancelled(one, lines[place % len(lines)].id)
    elif lines:
        say_about(world, one, place, RelationKind.RETRACT)


def enter(world: World, one: Person, room: str) -> None:
    """Ask to enter a room beside the others, and wait for the answer."""
    if not is_online(one) or room in one.rooms:
        return
    world.rooms.begin(one, room)
    one.enter(room)
    world.network.run_until(
        lambda: not one.is_running or one.core.rooms.is_settled, within=ANSWERED_WITHIN
    )
    if one.is_running and room not in one.rooms:
        world.rooms.end(one, room)


def go_out(world: World, one: Person, room: str) -> None:
    """Leave a room."""
    if is_online(one):
        one.leave_room(room)
        world.rooms.leave(one, room)


def set_topic(world: World, one: Person, room: str) -> None:
    """Set the topic of a room, if the person is there."""
    if is_online(one) and room in one.rooms:
        text = f"{world.next_number()} set by {one.name}"
        world.rooms.note_topic(room, text)
        one.set_topic(room, text)


def rename(world: World, one: Person, number: int) -> None:
    """Ask for another name that nobody else has; 0: the first one again."""
    if is_online(one):
        one.rename(f"{one.name}{number or ''}")


def leave_or_return(world: World, one: Person) -> None:
    """`dereg`, or `reg`."""
    if is_there(one):
        one.come_back() if one.core.is_offline else one.leave()


def end_program(world: World, one: Person) -> None:
    """Quit: the next start is in no room, except for lines that are still to be sent there."""
    if is_there(one):
        one.quit()
        kept = {room.group for room in one.history.load().rooms if room.members is not None}
        for room in ROOMS:
            if f"#{room}" not in kept:
                world.rooms.quit(one, room)


def crash_or_start(world: World, one: Person) -> None:
    """Kill the program, or start it again."""
    one.crash() if one.is_running else one.start()
