"""Lines about people, rooms, names and keys."""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.api.events import (
    Absence,
    Doubt,
    EnteredRoom,
    Ignored,
    KeyChanged,
    KeyRestored,
    LeftRoom,
    MemberJoined,
    MemberLeft,
    MembersListed,
    Muted,
    NameReleased,
    NoAnswer,
    NobodyKnown,
    NotInRoom,
    NotTrusted,
    PeopleListed,
    Person,
    PersonAway,
    PersonCame,
    PersonTyping,
    RegistryKey,
    ReleaseFailed,
    ReleaseRefusal,
    Renamed,
    RenameFailed,
    RenameRefusal,
    Room,
    RoomEntryDenied,
    RoomEntryRefusal,
    RoomExit,
    RoomsKnown,
    RoomsUnknown,
    SafetyNumber,
    StatusSet,
    TopicFailure,
    TopicKnown,
    TopicNotSet,
    TopicUnknown,
    Trusted,
)
from chatapp.peer.words.answers import not_in_room
from chatapp.peer.words.formatting import AnswerLine, counted, name, names, reason, shown_time
from chatapp.peer.words.reasons import NO_ANSWER
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import STATUS_MAX, TOPIC_MAX
from chatapp.wire.names import is_same_name, person_name
from chatapp.wire.text import sanitize

_DIGITS_TOGETHER: Final = 5

PresenceEvent = (
    EnteredRoom
    | LeftRoom
    | RoomEntryDenied
    | NotInRoom
    | MemberJoined
    | MemberLeft
    | RoomsKnown
    | RoomsUnknown
    | MembersListed
    | TopicKnown
    | TopicUnknown
    | TopicNotSet
    | PersonCame
    | PersonAway
    | PersonTyping
    | PeopleListed
)
KeyEvent = SafetyNumber | RegistryKey | Trusted | NotTrusted | KeyChanged | KeyRestored
IdentityEvent = (
    Renamed
    | RenameFailed
    | NameReleased
    | ReleaseFailed
    | Ignored
    | Muted
    | StatusSet
    | NobodyKnown
    | KeyEvent
)

_NO_ENTRY: Final = {
    RoomEntryRefusal.BAD_NAME: "the server does not accept this name",
    RoomEntryRefusal.ROOM_FULL: "it is full",
    RoomEntryRefusal.TOO_MANY_ROOMS: "there are too many rooms",
    RoomEntryRefusal.SHARE_USED_UP: "people at your address are in too many rooms",
    RoomEntryRefusal.IN_TOO_MANY: "you are in as many rooms as the server allows; leave one first",
    RoomEntryRefusal.NOT_SERVING: "the server's disk is full or read-only",
    RoomEntryRefusal.TOO_OFTEN: "you, or others at your address, made or entered too many rooms in a short time",
    RoomEntryRefusal.OFFLINE: "you are offline",
    RoomEntryRefusal.UNREACHABLE: "the server is away",
    RoomEntryRefusal.UNANSWERED: "the server is not responding",
}
_NO_TOPIC: Final = {
    TopicFailure.TOO_LONG: f"a topic has at most {TOPIC_MAX} characters",
    TopicFailure.NOT_HERE: "you are not in the room any more",
    TopicFailure.NOT_SERVING: "the server's disk is full or read-only",
    TopicFailure.TOO_OFTEN: "you set topics too often",
    TopicFailure.OFFLINE: "you are offline",
    TopicFailure.UNREACHABLE: "the server is away",
    TopicFailure.UNANSWERED: "the server is not responding",
}
_ROOM_EXITS: Final = {
    RoomExit.LEFT: "[You left {room}.]",
    RoomExit.EVICTED: "[The server's administrator took you out of {room}.]",
    RoomExit.CLOSED: "[The server's administrator closed {room}.]",
}
_NO_RENAME: Final = {
    RenameRefusal.SAME_NAME: "it is your name already",
    RenameRefusal.PENDING: "another change of your name is under way",
    RenameRefusal.UNREACHABLE: "the server is away",
    RenameRefusal.NOT_TAKEN: "the server has not taken it",
    RenameRefusal.BAD_NAME: "the server does not accept it",
    RenameRefusal.KEPT_FOR_OPERATOR: "the server keeps it for an operator of the help desk",
    RenameRefusal.BANNED: "the server allows nobody to use it",
    RenameRefusal.OLD_CARD: "the server knows a newer card of yours",
    RenameRefusal.FULL: "the server is full, or you change your name too often",
    RenameRefusal.NOT_SERVING: "the server's disk is full or read-only",
}


_NO_RELEASE: Final = {
    ReleaseRefusal.PENDING: "a change of your name is under way",
    ReleaseRefusal.UNREACHABLE: "the server is away",
    ReleaseRefusal.UNANSWERED: "the server is not responding",
    ReleaseRefusal.KEPT_FOR_OPERATOR: "the server keeps it for you as an operator of the help desk",
    ReleaseRefusal.FULL: "too much is asked of the server for you already; try again",
    ReleaseRefusal.NOT_SERVING: "the server's disk is full or read-only",
}


def _no_rename(event: RenameFailed) -> str:
    """Say why the user cannot take a name."""
    match event.reason:
        case RenameRefusal.INVALID_NAME:
            return _invalid(event.name)
        case RenameRefusal.KEYS_EXIST:
            return f"{reason(event.detail)} holds keys of another {name(event.name)}"
        case RenameRefusal.OWN_DISK:
            return reason(event.detail)
        case _:
            return _NO_RENAME[event.reason]


def _invalid(text: str) -> str:
    """Say why `text` is not a valid name."""
    try:
        person_name(text)
    except NameRefused as refusal:
        return reason(refusal.reason)
    return _NO_ENTRY[RoomEntryRefusal.BAD_NAME]


def typing_note(people: Sequence[str]) -> str:
    """Return the piece of the status line that says who is writing to the user."""
    return f"{names(people)} {'is' if len(people) == 1 else 'are'} typing"


def here_lines(people: Sequence[Person], me: str, others: int) -> list[str]:
    """Say who is online besides the user. `others`: how many more are, of whom we are not told."""
    here = sorted(
        (one.name for one in people if one.online and not is_same_name(one.name, me)),
        key=str.casefold,
    )
    lines = [f"[Here: {names(here)}.]"] if here else []
    lines += [others_line(others)] if others else []
    return lines or ["[Nobody else is here.]"]


def came_line(people: Sequence[str]) -> str:
    """Say that people have come online."""
    return f"{names(people)} {'is' if len(people) == 1 else 'are'} here."


def left_line(people: Sequence[str]) -> str:
    """Say that people have signed off."""
    return f"{names(people)} {'has' if len(people) == 1 else 'have'} left."


def lost_line(people: Sequence[str]) -> str:
    """Say that people do not answer any more."""
    return f"{names(people)} lost the connection."


def joined_line(people: Sequence[str], room: str) -> str:
    """Say that people have entered our room."""
    return f"{names(people)} joined {name(room)}."


def left_room_line(people: Sequence[str], room: str) -> str:
    """Say that people have left our room."""
    return f"{names(people)} left {name(room)}."


def presence_lines(event: PresenceEvent) -> list[str]:
    """Return the lines for an event about who is where."""
    match event:
        case EnteredRoom():
            return _entered(event)
        case LeftRoom(room=room, how=how):
            return [_ROOM_EXITS[how].format(room=name(room))]
        case RoomEntryDenied(room=room, reason=why):
            invalid = why is RoomEntryRefusal.INVALID_NAME
            return [
                f"[You cannot enter {name(room)}: {_invalid(room) if invalid else _NO_ENTRY[why]}.]"
            ]
        case NotInRoom(room=room):
            return [not_in_room(room)]
        case MemberJoined(room=room, name=who):
            return [joined_line([who], room)]
        case MemberLeft(room=room, name=who):
            return [left_room_line([who], room)]
        case RoomsKnown(rooms=rooms):
            return _rooms(rooms)
        case RoomsUnknown(reason=why):
            return [f"[The list of rooms is not available: {NO_ANSWER[why]}.]"]
        case MembersListed(room=room, members=members):
            return [
                f"[{counted(len(members), 'person', 'people')} in {name(room)}:]",
                *_people(members, is_whole=True),
            ]
        case TopicKnown() | TopicUnknown() | TopicNotSet():
            return [_topic(event)]
        case PersonAway(is_quiet=False):
            return _gone(event)
        case PersonCame() | PersonAway():
            return []
        case PersonTyping():
            return []  # the status line shows it
        case PeopleListed(people=people, is_whole=is_whole, talked=talked):
            return [*_people(people, is_whole=is_whole, talked=talked), *_others(event)]
        case _:
            assert_never(event)


def _others(event: PeopleListed) -> list[str]:
    """Say who else there is."""
    if event.first:
        first = name(event.first)
        if not event.people:
            return [f"[No name begins with {first}.]"]
        return [f"[More names begin with {first}: type more letters.]"] if event.more else []
    if event.others:
        return [others_line(event.others)]
    # Every table holds ourselves, so an empty list means that the table has not come yet.
    return [] if event.people else ["[Still loading the list of people.]"]


def others_line(others: int) -> str:
    """Say that more people are online than we are told of."""
    count = counted(others, "other is", "others are")
    return f"[{count} online: who m shows whose names begin with m.]"


def nobody_found(why: NoAnswer) -> str:
    """Say why the registry was not asked for people."""
    return f"[The server cannot be asked for names: {NO_ANSWER[why]}.]"


def _gone(event: PersonAway) -> list[str]:
    match event.how:
        case Absence.LEFT:
            return [left_line([event.name])]
        case Absence.LOST:
            return [lost_line([event.name])]
        case Absence.BANNED:
            return [f"[{name(event.name)} is banned from this server.]"]


def identity_lines(event: IdentityEvent) -> list[str]:
    """Return the lines for an event about who is who."""
    match event:
        case Renamed(old=old, new=new, is_me=is_me):
            return [f"[You are {name(new)} now.]" if is_me else f"{name(old)} is now {name(new)}"]
        case RenameFailed():
            return [f"[You cannot be called {name(event.name)}: {_no_rename(event)}.]"]
        case NameReleased(name=who):
            return [
                f"[{name(who)} is not your name any more: anybody may take it. Your mail at the server is deleted.]",
                "[You are offline. Your keys and your history stay here.]",
            ]
        case ReleaseFailed(name=who, reason=why):
            return [f"[You are still {name(who)}: {_NO_RELEASE[why]}.]"]
        case Ignored(name=who, is_ignored=is_ignored):
            shown = (
                f"no longer see what {name(who)} says"
                if is_ignored
                else f"see what {name(who)} says again"
            )
            return [f"[You {shown}.]"]
        case Muted():
            return [_muted(event)]
        case StatusSet():
            return [_status(event)]
        case NobodyKnown(name=who):
            return [f"[Nobody called {name(who)} is known here.]"]
        case _:
            return key_lines(event)


def _muted(event: Muted) -> str:
    """Say whether a conversation rings."""
    what = event.conversation
    which = name(what.name) if what.name else "Everybody"
    if not event.is_muted:
        return f"[{which} rings again.]"
    until = f" until {shown_time(event.until)}" if event.until else ""
    but = "" if what.is_person else ", but for lines with @ and your name"
    return f"[{which} does not ring{until}{but}.]"


def key_lines(event: KeyEvent) -> list[str]:
    """Return the lines for an event about keys."""
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
            return [f"[{name(who)} is back with the key that you know: messages go out again.]"]
        case Trusted(name="server", is_new=True):
            return ["[The server's new key is accepted; registering there.]"]
        case Trusted(name=who, is_new=True):
            return [f"[The new key of {name(who)} is trusted from now on.]"]
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
            return f"Which key? {verify} shows its digits: compare them, then type {trust} <digits>"
        case Doubt.OTHER_DIGITS:
            return (
                f"Those are not the digits of the key of {_whose(event.name)}; {verify} shows them"
            )
        case Doubt.CHANGED:
            what = f"The key of {_whose(event.name)} has changed since {verify} showed these digits"
            return f"{what}: compare again"
        case _:
            assert_never(event.why)


def _entered(event: EnteredRoom) -> list[str]:
    where = name(event.room)
    with_whom = f" with {names(event.members)}." if event.members else ", alone so far."
    lines = [f"[You are in {where}{with_whom}]"]
    if event.topic:
        lines.append(f"[Topic: {sanitize(event.topic, TOPIC_MAX)}]")
    if event.missed:
        missed = counted(event.missed, "missed line follows", "missed lines follow")
        lines.append(f"[{missed}.]")
    return lines


def _rooms(rooms: tuple[Room, ...]) -> list[str]:
    if not rooms:
        return ["[There are no rooms yet: join one to create it.]"]
    fullest_first = sorted(rooms, key=lambda room: (-room.here, room.name.casefold()))
    return [
        AnswerLine(f"[{name(room.name)}: {room.here:,} here{', you too' if room.is_ours else ''}.]")
        for room in fullest_first
    ]


def _topic(event: TopicKnown | TopicUnknown | TopicNotSet) -> str:
    where = name(event.room)
    if isinstance(event, TopicUnknown):
        return f"[Still loading the topic of {where}.]"
    if isinstance(event, TopicNotSet):
        return f"[The topic of {where} is not changed: {_NO_TOPIC[event.reason]}.]"
    text = sanitize(event.text, TOPIC_MAX)
    author = name(event.author) if event.author else "somebody"
    if event.is_administrators:
        author = "The server's administrator" if event.is_change else "the server's administrator"
    if not text:
        return (
            f"[{author} cleared the topic of {where}.]"
            if event.is_change
            else f"[{where} has no topic.]"
        )
    if event.is_change:
        return f"[{author} set the topic of {where}: {text}]"
    return f"[The topic of {where}, set by {author} {shown_time(event.at)}: {text}]"


AWAY_SHOWN: Final = 20
"""People who are away that `who` shows: those with whom the user talked, then those who were seen
last."""


def _people(
    people: tuple[Person, ...], *, is_whole: bool, talked: tuple[str, ...] = ()
) -> list[str]:
    """Return a line for each person: those online by name, then the others, those with whom the
    user `talked` and the one seen last first."""
    by_name = sorted(people, key=lambda person: person.name.casefold())
    online = [one for one in by_name if one.online]
    near = {who.casefold() for who in talked}
    away = sorted(
        (one for one in by_name if not one.online),
        key=lambda one: (one.name.casefold() not in near, -one.since),
    )
    shown = away if is_whole else away[:AWAY_SHOWN]
    lines = [
        f"[{name(one.name)} {_presence(one)}{'; verified' if one.is_verified else ''}.]"
        for one in (*online, *shown)
    ]
    more = len(away) - len(shown)
    return [*lines, f"[And {more:,} more who are away: /who all shows them.]"] if more else lines


def _presence(one: Person) -> str:
    if one.is_banned:
        return "is banned from this server"
    if not one.online:
        return f"was last seen {shown_time(one.since)[:-3]}{_says(one)}"
    about = ", ".join(filter(None, ("slow link" if one.is_slow else "", away_note(one.away))))
    return f"is online{f' ({about})' if about else ''}{_says(one)}"


def _says(one: Person) -> str:
    return f': "{said_of(one.status)}"' if one.status else ""


def said_of(text: str) -> str:
    """Make what somebody's row says of them safe to show."""
    return sanitize(text, limit=STATUS_MAX)


def away_note(away: str | None) -> str:
    """Say that somebody is away, and why: `away: at lunch`; empty for who is not."""
    if away is None:
        return ""
    return f"away: {said_of(away)}" if away else "away"


def away_line(one: Person) -> str:
    """Tell who writes to somebody who is away."""
    return f"[{name(one.name)} is {away_note(one.away)}.]"


def _status(event: StatusSet) -> str:
    """Say what others read of the user."""
    seen = [f"Others see that you are {away_note(event.away)}"] if event.away is not None else []
    if event.status:
        said = f'"{said_of(event.status)}"'
        seen.append(f"Your status: {said}" if seen else f"Others see your status: {said}")
    later = ["They see it once the server is back"] if event.is_later else []
    return f"[{'. '.join([*(seen or ['You have no status now']), *later])}.]"


def table_lines(people: Sequence[Person]) -> list[str]:
    """Return the table: a line each with name, IP address, port and presence, under a line that
    says so."""
    if not people:
        return ["[Still loading the table.]"]
    rows = [("name", "address", "port", "online")]
    rows += [
        (
            name(one.name),
            sanitize(one.host) or "-",
            str(one.port or "-"),
            "yes" if one.online else "no",
        )
        for one in people
    ]
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return [
        AnswerLine(
            "  ".join(
                text + " " * (width - _cells(text)) for text, width in zip(row, widths, strict=True)
            ).rstrip()
        )
        for row in rows
    ]


def _cells(text: str) -> int:
    """Return how many cells a text takes on a screen."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # deferred: it costs a part of a start, and is rarely needed

    return max(int(wcswidth(text)), 0)


def digit_groups(digits: str) -> list[str]:
    """Return digits to compare, a few together."""
    return [digits[at : at + _DIGITS_TOGETHER] for at in range(0, len(digits), _DIGITS_TOGETHER)]


def _safety_number(event: SafetyNumber) -> list[str]:
    who = name(event.name)
    changed = f"[The key of {who} has changed; these are the digits of the new key.]"
    return [
        *([changed] if event.is_changed else []),
        f"[Compare with {who}, face to face or by voice: if they match, nobody is intercepting.]",
        f"[{sanitize(' '.join(digit_groups(event.digits)))}]",
        f"[You have verified the key of {who}.]"
        if event.is_verified
        else f"[If they match: /trust {who} <digits>]",
    ]


def _registry_key(event: RegistryKey) -> list[str]:
    if event.other:
        shown = (
            f"[The server shows a different key from the one that you know: {name(event.other)}]"
        )
    elif event.held:
        shown = f"[The server's key: {name(event.held)}]"
    else:
        return ["[No server has answered yet.]"]
    if event.is_verified and not event.other:
        return [shown, "[You have verified it.]"]
    return [
        shown,
        "[Compare it with the key that the server printed when it started; if they match: /trust server <key>]",
    ]
