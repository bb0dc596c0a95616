"""This file is about shown lines of people and rooms: who is here, who comes and goes, whom one trusts.

It knows words. It must not know why an event came, nor print anything.
"""

from typing import Final, assert_never

from peer.core.events import (
    Doubt,
    Ignored,
    KeyChanged,
    KeyRestored,
    MemberJoined,
    MemberLeft,
    MembersListed,
    NobodyKnown,
    NotInRoom,
    NotTrusted,
    PeopleListed,
    Person,
    PersonBanned,
    PersonLeft,
    PersonLost,
    RegistryKey,
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
    | PersonBanned
    | PeopleListed
)
KeyEvent = SafetyNumber | RegistryKey | Trusted | NotTrusted | KeyChanged | KeyRestored
Identity = Renamed | RenameRefused | Ignored | NobodyKnown | KeyEvent


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
        case PersonBanned(name=who):
            return [f"[{name(who)} is banned from this server.]"]
        case PeopleListed(people=people):
            # We stand in every table, so one that is empty has not come yet.
            return _people(people) or ["[Who is registered is not known: the server has not told yet.]"]
        case _:
            assert_never(event)


def identity_lines(event: Identity) -> list[str]:
    """Who is who."""
    match event:
        case Renamed(old=old, new=new, is_me=is_me):
            return [f"[You are {name(new)} now.]" if is_me else f"{name(old)} is now {name(new)}"]
        case RenameRefused(name=wanted, reason=why):
            return [f"[You cannot be called {name(wanted)}: {reason(why)}.]"]
        case Ignored(name=who, is_ignored=is_ignored):
            again, nothing_more = f"what {name(who)} says again", f"nothing more of what {name(who)} says"
            return [f"[You see {nothing_more if is_ignored else again}.]"]
        case NobodyKnown(name=who):
            return [f"[Nobody called {name(who)} is known here.]"]
        case _:
            return key_lines(event)


def key_lines(event: KeyEvent) -> list[str]:
    """Whose key is whose."""
    match event:
        case SafetyNumber():
            return _safety_number(event)
        case RegistryKey():
            return _registry_key(event)
        case KeyChanged(name=who, is_again=is_again):
            what = f"The key of {name(who)} has changed{' again' if is_again else ''}"
            cure = f"compare it (/verify {name(who)}) and type /trust {name(who)} <digits>"
            return [f"[{what}: nothing is sent to that name until you {cure}.]"]
        case KeyRestored(name=who):
            return [f"[{name(who)} has the key that you know again: messages go out.]"]
        case Trusted(name="server", is_new=True):
            return ["[The key that the server shows is accepted; registering there.]"]
        case Trusted(name=who, is_new=True):
            return [f"[The key that is shown for {name(who)} is trusted from now on.]"]
        case Trusted(name=who):
            return [f"[The key of {_whose(who)} is verified.]"]
        case NotTrusted():
            return [f"[{_doubt(event)}.]"]
        case _:
            assert_never(event)


def _whose(who: str) -> str:
    return "the server" if who == "server" else name(who)


def _doubt(event: NotTrusted) -> str:
    verify, trust = f"/verify {name(event.name)}", f"/trust {name(event.name)}"
    match event.why:
        case Doubt.NO_DIGITS:
            return f"Say which key you mean: {verify} shows digits to compare; type them behind {trust}"
        case Doubt.OTHER_DIGITS:
            return f"These are not the digits of the key of {_whose(event.name)}; {verify} shows them"
        case Doubt.CHANGED:
            what = f"The key of {_whose(event.name)} has changed since {verify} showed these digits"
            return f"{what}: compare again"
        case _:
            assert_never(event.why)


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
        f"[{name(one.name)} is {_presence(one)}{'; verified' if one.is_verified else ''}.]"
        for one in online_first
    ]


def _presence(one: Person) -> str:
    if one.is_banned:
        return "banned from this server"
    return "online" if one.online else f"away since {shown_time(one.since)}"


def _safety_number(event: SafetyNumber) -> list[str]:
    digits, who = event.digits, name(event.name)
    groups = (digits[at : at + _DIGITS_TOGETHER] for at in range(0, len(digits), _DIGITS_TOGETHER))
    changed = f"[The key of {who} has changed; this is the number of the new one.]"
    return [
        *([changed] if event.is_changed else []),
        f"[Compare with {who}, face to face or by voice: if equal, nobody is between you.]",
        f"[{clean(' '.join(groups))}]",
        f"[You have verified the key of {who}.]"
        if event.is_verified
        else f"[If equal: /trust {who} <digits>]",
    ]


def _registry_key(event: RegistryKey) -> list[str]:
    if event.other:
        shown = f"[The server shows another key than the one that you know: {name(event.other)}]"
    elif event.held:
        shown = f"[The server's key: {name(event.held)}]"
    else:
        return ["[No server has answered yet.]"]
    if event.is_verified and not event.other:
        return [shown, "[You have verified it.]"]
    return [
        shown,
        "[Compare it with the one that the server printed when it started; if equal: /trust server <key>]",
    ]
