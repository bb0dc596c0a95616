"""This file is about shown lines of people and rooms: who is here, who comes and goes, whom one trusts.

It knows words. It must not know why an event came, nor print anything.
"""

from typing import Final, assert_never

from peer.core.events import (
    Ignored,
    KeyChanged,
    MemberJoined,
    MemberLeft,
    MembersListed,
    NobodyKnown,
    NotInRoom,
    PeopleListed,
    Person,
    PersonLeft,
    PersonLost,
    Renamed,
    RenameRefused,
    Room,
    RoomEntered,
    RoomLeft,
    RoomRefused,
    RoomsListed,
    SafetyNumber,
    Trusted,
)
from peer.ui.readers import NOT_IN_ROOM
from peer.ui.words import Answer, counted, name, names, reason, shown_time
from wire.text import clean

_DIGITS_TOGETHER: Final = 5

Presence = (
    RoomEntered
    | RoomLeft
    | RoomRefused
    | NotInRoom
    | MemberJoined
    | MemberLeft
    | RoomsListed
    | MembersListed
    | PersonLeft
    | PersonLost
    | PeopleListed
)
Identity = Renamed | RenameRefused | SafetyNumber | Trusted | Ignored | NobodyKnown | KeyChanged


def presence_lines(event: Presence) -> list[str]:
    """Who is where."""
    match event:
        case RoomEntered():
            return _entered(event)
        case RoomLeft(room=room):
            return [f"[You left {name(room)}.]"]
        case RoomRefused(room=room, reason=why):
            return [f"[You cannot enter {name(room)}: {reason(why)}.]"]
        case NotInRoom():
            return [NOT_IN_ROOM]
        case MemberJoined(room=room, name=who):
            return [f"{name(who)} joined {name(room)}."]
        case MemberLeft(room=room, name=who):
            return [f"{name(who)} left {name(room)}."]
        case RoomsListed(rooms=rooms):
            return _rooms(rooms)
        case MembersListed(room=room, members=members):
            return [f"[{counted(len(members), 'person', 'people')} in {name(room)}:]", *_people(members)]
        case PersonLeft(name=who):
            return [f"{name(who)} has left."]
        case PersonLost(name=who):
            return [f"{name(who)} lost the connection."]
        case PeopleListed(people=people):
            return _people(people) or ["[Nobody is registered.]"]
        case _:
            assert_never(event)


def identity_lines(event: Identity) -> list[str]:
    """Who is who."""
    match event:
        case Renamed(old=old, new=new, is_me=is_me):
            return [f"[You are {name(new)} now.]" if is_me else f"{name(old)} is now {name(new)}"]
        case RenameRefused(name=wanted, reason=why):
            return [f"[You cannot be called {name(wanted)}: {reason(why)}.]"]
        case SafetyNumber():
            return _safety_number(event)
        case Trusted(name=who):
            return [f"[The key that is shown for {name(who)} is trusted from now on.]"]
        case Ignored(name=who, is_ignored=is_ignored):
            again, nothing_more = f"what {name(who)} says again", f"nothing more of what {name(who)} says"
            return [f"[You see {nothing_more if is_ignored else again}.]"]
        case NobodyKnown(name=who):
            return [f"[Nobody called {name(who)} is known here.]"]
        case KeyChanged(name=who):
            trusted = (
                f"until you type /trust {name(who)}; /verify {name(who)} shows the number to compare first"
            )
            return [f"[The key of {name(who)} has changed: nothing is sent to that name {trusted}.]"]
        case _:
            assert_never(event)


def _entered(event: RoomEntered) -> list[str]:
    where = name(event.room)
    with_whom = f" with {names(event.members)}." if event.members else ", alone so far."
    lines = [f"[You are in {where}{with_whom}]"]
    if event.missed:
        missed = counted(event.missed, "missed line follows", "missed lines follow")
        lines.append(f"[{missed}.]")
    return lines


def _rooms(rooms: tuple[Room, ...]) -> list[str]:
    if not rooms:
        return ["[There is no room yet: joining one makes it.]"]
    fullest_first = sorted(rooms, key=lambda room: (-room.here, room.name.casefold()))
    return [Answer(f"[{name(room.name)}: {room.here:,} here.]") for room in fullest_first]


def _people(people: tuple[Person, ...]) -> list[str]:
    online_first = sorted(people, key=lambda person: (not person.online, person.name.casefold()))
    return [
        f"[{name(one.name)} is {'online' if one.online else f'away since {shown_time(one.since)}'}.]"
        for one in online_first
    ]


def _safety_number(event: SafetyNumber) -> list[str]:
    digits = event.digits
    groups = (digits[at : at + _DIGITS_TOGETHER] for at in range(0, len(digits), _DIGITS_TOGETHER))
    how = f"Compare with {name(event.name)}, face to face or by voice"
    return [f"[{how}: if equal, nobody is between you.]", f"[{clean(' '.join(groups))}]"]
