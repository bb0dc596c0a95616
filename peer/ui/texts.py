"""The line face's sentences: what a user reads for each event, and for a line that cannot be carried out.

Scripts match these lines to the letter. Every string that comes from elsewhere passes `sanitize` on its way into a line,
mostly by `name` and `reason`.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.core.events import (
    Addressed,
    AdmissionRefused,
    AuthorDoubt,
    ChannelAccepted,
    ChannelReceived,
    ChannelUnanswered,
    ClientCame,
    ClientChanged,
    ClientMove,
    ClientSaid,
    CommandDone,
    CommandFailed,
    CommandFailure,
    Delivered,
    DeskAction,
    DirectReceived,
    Doubt,
    DutyChanged,
    DutyEvent,
    Event,
    Expired,
    Figures,
    FolderNotMoved,
    GroupLineRefused,
    HeldBack,
    HeldWhat,
    HistoryMissing,
    Ignored,
    Kept,
    KeyChanged,
    KeyRestored,
    LeaveUnanswered,
    Left,
    Line,
    LinesAbandoned,
    LinesLost,
    LineUnreadable,
    LinkTroubled,
    MailHeldBack,
    MailReturned,
    MailUnreadable,
    MemberJoined,
    MemberLeft,
    MembersListed,
    MessageReason,
    NameUnavailable,
    NoAnswer,
    NobodyKnown,
    NoServerAtStart,
    NotInRoom,
    NotTrusted,
    NumberMoved,
    PeopleListed,
    Person,
    PersonBanned,
    PersonLeft,
    PersonLost,
    ReadersBehind,
    Refused,
    Registered,
    RegistryKey,
    RegistryKeyAccepted,
    RegistryKeyChanged,
    RegistryMet,
    RegistryRecognized,
    Renamed,
    RenameRefusal,
    RenameRefused,
    Renumbered,
    Room,
    RoomAccepted,
    RoomEntered,
    RoomEntryRefusal,
    RoomLeft,
    RoomReceived,
    RoomRefused,
    RoomsListed,
    RoomsUnknown,
    RoomUnanswered,
    RoomVisitor,
    SafetyNumber,
    Saved,
    ServerBack,
    ServerLost,
    StorageEvent,
    StorageFailed,
    TableChanged,
    TooLong,
    Trouble,
    Trusted,
    Unacknowledged,
    WaitingRoom,
)
from chatapp.peer.core.trace import TraceEvent, TraceStep
from chatapp.peer.history.query import DeliveryTrace, HistoryLine, LineKind
from chatapp.peer.ui.formatting import (
    AnswerLine,
    MessageLine,
    admission_refusal,
    counted,
    key_accepted,
    key_changed,
    key_met,
    link_trouble,
    name,
    names,
    reason,
    shown_instant,
    shown_time,
)
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.names import peer_name
from chatapp.wire.text import sanitize

# --- answers to a typed line that cannot be carried out

NOT_IN_ROOM: Final = "[You are not in any room.]"
IS_YOU: Final = "[That is you.]"
OFFLINE: Final = "[You are offline.]"
NO_CLIENT: Final = "[No active client.]"
NOTHING_SENT: Final = "[Nothing was sent.]"
EMPTY_MESSAGE: Final = "[The message is empty.]"
LINE_TOO_LONG: Final = f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"

ASK_TO: Final = "To: "
ASK_TEXT: Final = "Text: "


def paste_question(count: int) -> str:
    """Ask before a paste of several lines is sent."""
    return f"Send {count} lines as one message? (y/n)"


def usage_line(how: str) -> str:
    """Answer a command whose arguments do not fit. `how`: how it is typed."""
    return f"[Usage: {how}]"


def unknown_command(word: str, near: str | None) -> str:
    """Answer a command that does not exist. `near`: the nearest one that does."""
    advice = f'Did you mean "{near}"?' if near else "Type help for the commands."
    return f'[Unknown command "{quoted(word)}": nothing was sent. {advice}]'


def name_refused(refusal: NameRefused) -> str:
    """Answer a name that nobody can have."""
    return f"[{refusal}.]"


def not_you(me: str, typed: str) -> str:
    """Answer a name that should have been the user's own."""
    return f"[You are {me}, not {quoted(typed)}.]"


def not_in_range(typed: str, most: int) -> str:
    """Answer a number that is none, or too large."""
    return f'[Give a number from 1 to {most:,}, not "{quoted(typed)}".]'


def not_a_place(typed: str) -> str:
    """Answer a place in the waiting room that cannot be."""
    return f'[Give a number of the waiting room, 1 or above, not "{quoted(typed)}".]'


# --- people and rooms

_DIGITS_TOGETHER: Final = 5

PresenceEvent = (
    RoomEntered
    | RoomLeft
    | RoomRefused
    | NotInRoom
    | MemberJoined
    | MemberLeft
    | RoomsListed
    | RoomsUnknown
    | MembersListed
    | PersonLeft
    | PersonLost
    | PersonBanned
    | PeopleListed
)
KeyEvent = SafetyNumber | RegistryKey | Trusted | NotTrusted | KeyChanged | KeyRestored
FateEvent = (
    Delivered
    | Unacknowledged
    | Saved
    | Refused
    | Kept
    | Addressed
    | Renumbered
    | TooLong
    | Expired
    | ChannelAccepted
    | ChannelUnanswered
    | RoomAccepted
    | RoomUnanswered
    | GroupLineRefused
    | LinesAbandoned
)
UnreadEvent = MailUnreadable | MailHeldBack | LineUnreadable
ConnectionEvent = (
    Registered
    | TableChanged
    | NameUnavailable
    | AdmissionRefused
    | Left
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | NoServerAtStart
    | LinkTroubled
    | RegistryMet
    | RegistryRecognized
    | RegistryKeyAccepted
    | RegistryKeyChanged
    | Trouble
)
IdentityEvent = Renamed | RenameRefused | Ignored | NobodyKnown | KeyEvent


_NO_ANSWER: Final = {
    NoAnswer.OFFLINE: "you are offline",
    NoAnswer.UNREACHABLE: "the server is away",
    NoAnswer.UNANSWERED: "the server is not responding",
}
_NO_ENTRY: Final = {
    RoomEntryRefusal.BAD_NAME: "the server does not accept this name",
    RoomEntryRefusal.ROOM_FULL: "it is full",
    RoomEntryRefusal.TOO_MANY_ROOMS: "there are too many rooms",
    RoomEntryRefusal.SHARE_USED_UP: "there are too many rooms of people at your address",
    RoomEntryRefusal.NOT_SERVING: "the server's disk is full or read-only",
    RoomEntryRefusal.TOO_OFTEN: "you, or others at your address, made or entered too many rooms in a short time",
    RoomEntryRefusal.OFFLINE: "you are offline",
    RoomEntryRefusal.UNREACHABLE: "the server is away",
    RoomEntryRefusal.UNANSWERED: "the server is not responding",
}
_NO_RENAME: Final = {
    RenameRefusal.SAME_NAME: "it is your name already",
    RenameRefusal.PENDING: "another change of your name is under way",
    RenameRefusal.UNREACHABLE: "the server is away",
    RenameRefusal.NOT_TAKEN: "the server has not taken it",
    RenameRefusal.BAD_NAME: "the server does not accept it",
    RenameRefusal.KEPT_FOR_OPERATOR: "the server keeps it for an operator of the help desk",
    RenameRefusal.BANNED: "the server lets nobody bear it",
    RenameRefusal.OLD_CARD: "the server knows a newer card of yours",
    RenameRefusal.FULL: "the server is full, or you change your name too often",
    RenameRefusal.NOT_SERVING: "the server's disk is full or read-only",
}


def _no_rename(event: RenameRefused) -> str:
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
    """Why `text` is not a name."""
    try:
        peer_name(text)
    except NameRefused as refusal:
        return reason(refusal.reason)
    return _NO_ENTRY[RoomEntryRefusal.BAD_NAME]


def presence_lines(event: PresenceEvent) -> list[str]:
    """Return the lines for an event about who is where."""
    match event:
        case RoomEntered():
            return _entered(event)
        case RoomLeft(room=room):
            return [f"[You left {name(room)}.]"]
        case RoomRefused(room=room, reason=why):
            invalid = why is RoomEntryRefusal.INVALID_NAME
            return [f"[You cannot enter {name(room)}: {_invalid(room) if invalid else _NO_ENTRY[why]}.]"]
        case NotInRoom():
            return [NOT_IN_ROOM]
        case MemberJoined(room=room, name=who):
            return [f"{name(who)} joined {name(room)}."]
        case MemberLeft(room=room, name=who):
            return [f"{name(who)} left {name(room)}."]
        case RoomsListed(rooms=rooms):
            return _rooms(rooms)
        case RoomsUnknown(reason=why):
            return [f"[Which rooms there are is not known: {_NO_ANSWER[why]}.]"]
        case MembersListed(room=room, members=members):
            return [f"[{counted(len(members), 'person', 'people')} in {name(room)}:]", *_people(members)]
        case PersonLeft(name=who):
            return [f"{name(who)} has left."]
        case PersonLost(name=who):
            return [f"{name(who)} lost the connection."]
        case PersonBanned(name=who):
            return [f"[{name(who)} is banned from this server.]"]
        case PeopleListed(people=people):
            # Every table holds ourselves, so an empty list means that the table has not come yet.
            return _people(people) or ["[The list of people has not come from the server yet.]"]
        case _:
            assert_never(event)


def identity_lines(event: IdentityEvent) -> list[str]:
    """Return the lines for an event about who is who."""
    match event:
        case Renamed(old=old, new=new, is_me=is_me):
            return [f"[You are {name(new)} now.]" if is_me else f"{name(old)} is now {name(new)}"]
        case RenameRefused():
            return [f"[You cannot be called {name(event.name)}: {_no_rename(event)}.]"]
        case Ignored(name=who, is_ignored=is_ignored):
            shown = (
                f"no longer see what {name(who)} says" if is_ignored else f"see what {name(who)} says again"
            )
            return [f"[You {shown}.]"]
        case NobodyKnown(name=who):
            return [f"[Nobody called {name(who)} is known here.]"]
        case _:
            return key_lines(event)


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
            return f"Those are not the digits of the key of {_whose(event.name)}; {verify} shows them"
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
        return ["[There are no rooms yet: join one to create it.]"]
    fullest_first = sorted(rooms, key=lambda room: (-room.here, room.name.casefold()))
    return [AnswerLine(f"[{name(room.name)}: {room.here:,} here.]") for room in fullest_first]


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
    changed = f"[The key of {who} has changed; these are the digits of the new key.]"
    return [
        *([changed] if event.is_changed else []),
        f"[Compare with {who}, face to face or by voice: if they match, nobody sits between you.]",
        f"[{sanitize(' '.join(groups))}]",
        f"[You have verified the key of {who}.]"
        if event.is_verified
        else f"[If they match: /trust {who} <digits>]",
    ]


def _registry_key(event: RegistryKey) -> list[str]:
    if event.other:
        shown = f"[The server shows a different key from the one that you know: {name(event.other)}]"
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


_MOVES: Final = {
    ClientMove.AWAY: "[{name} lost the connection; the place is kept for a while.]",
    ClientMove.BACK: "[{name} is back.]",
    ClientMove.LEFT: "[{name} has left.]",
    ClientMove.LOST: "[{name} did not come back.]",
    ClientMove.ENDED: "[Session with {name} ended.]",
    ClientMove.GIVEN: "[{name} was handed over.]",
    ClientMove.TAKEN_BACK: "[{name} is at the head of the line again.]",
    ClientMove.UNANSWERED: "[{name} does not answer; the place is kept for a while.]",
}
_ENDS: Final = {
    ClientMove.LEFT: "has left",
    ClientMove.LOST: "did not come back",
    ClientMove.TAKEN_BACK: "is at the head of the line again",
    ClientMove.UNANSWERED: "does not answer",
    ClientMove.ENDED: "was sent away",
    ClientMove.GIVEN: "was handed over",
}
_TEXT_SHOWN: Final = 200


_DONE: Final = {
    DeskAction.DROPPED: "{name} was taken out of the waiting room",
    DeskAction.MOVED: "{name} is number {place} now",
    DeskAction.NOTED: "Note about {name} kept",
}
_FAILED: Final = {
    CommandFailure.NO_CLIENT: "No active client",
    CommandFailure.ROOM_EMPTY: "Waiting room: empty",
    CommandFailure.NO_SUCH_PLACE: "Nobody has that number in the waiting room",
    CommandFailure.NO_SUCH_OPERATOR: "There is no other operator of that name",
    CommandFailure.OFF_DUTY: "That operator is not on duty",
    CommandFailure.NO_SUCH_QUEUE: "There is no queue of that name",
    CommandFailure.NOT_AN_OPERATOR: "Only help-desk operators can do that",
    CommandFailure.TOO_MANY: "As many operators are on duty as there may be",
    CommandFailure.OTHER_QUEUE: "End the session with your client first",
    CommandFailure.TOO_LONG: "The note is too long",
    CommandFailure.NOBODY_IN_REACH: "Nobody in the waiting room can be called just now; the first who can is yours",
    CommandFailure.NOT_IN_LINE: "{name} is not in the waiting room any more",
    CommandFailure.LINE_FULL: "Not sent: the client is away, and too much waits for them already",
    CommandFailure.LINE_TOO_FAST: "Not sent: too many lines at once",
    CommandFailure.LINE_NOT_SERVING: "Not sent: the server's disk is full or read-only",
    CommandFailure.UNREACHABLE: "Server not responding",
}


def duty_lines(event: DutyEvent) -> list[str]:
    """Return the lines for an event at the help desk."""
    match event:
        case DutyChanged(is_on=is_on, queue=queue):
            return [f"[You are on duty at {name(queue)}.]" if is_on else "[You are off duty.]"]
        case ClientCame():
            return _form(event)
        case ClientChanged(name=who, move=move):
            return [_MOVES[move].format(name=name(who))]
        case ClientSaid(sender=sender, text=text):
            return [MessageLine(name(sender), ": ", sanitize(text))]
        case CommandDone(action=action, name=who, place=place):
            return [f"[{_DONE[action].format(name=name(who), place=place)}.]"]
        case CommandFailed(reason=why, name=who):
            return [f"[{_FAILED[why].format(name=name(who))}.]"]
        case HeldBack():
            return [_held_back(event)]
        case NumberMoved(place=place, was=was, is_now=is_now):
            changed = f"Number {place} was {name(was)} when you looked, and is {name(is_now)} now"
            return [f"[{changed}: type .room first.]"]
        case WaitingRoom():
            return list(map(AnswerLine, _room(event)))
        case Figures():
            return list(map(AnswerLine, _figures(event)))
        case _:
            assert_never(event)


def _held_back(held: HeldBack) -> str:
    """Say why something was not carried out, and what it was."""
    client = name(held.client) if held.client else ""
    if held.former:
        end = None if held.move is None else _ENDS.get(held.move)
        why = f"{name(held.former)} {end or 'is not your client any more'}"
    elif client:
        why = f"{client} has just come"
    else:
        return NO_CLIENT
    match held.what:
        case HeldWhat.LINE:
            what = f"this was not said to {client}" if client and held.former else "this was not said"
        case HeldWhat.NOTE:
            what = f"this was not noted about {client}" if client else "this was not noted"
        case HeldWhat.HAND_OVER:
            what = f"{client} was not handed over" if client else "nobody was handed over"
        case HeldWhat.END:
            what = f"the session with {client} goes on" if client else "nothing was done"
        case _:
            assert_never(held.what)
    return f"[{why}; {what}.]"


def _form(came: ClientCame) -> list[str]:
    how = "Your client" if came.is_back else "Handed-over client" if came.handed_over_by else "Next client"
    by = f", from {name(came.handed_over_by)}" if came.handed_over_by else ""
    lines = [
        f"[{how}{by}; waited {_span(came.waited)}.]",
        f"Name: {name(came.name)}",
        f"Number: {name(came.number)}",
        f"Issue: {sanitize(came.issue, limit=_TEXT_SHOWN)}",
    ]
    if came.note:
        lines.append(f"Note: {sanitize(came.note)}")
    if not came.is_here:
        lines.append(_MOVES[ClientMove.AWAY].format(name=name(came.name)))
    return lines


def _room(room: WaitingRoom) -> list[str]:
    lines = [f"[Active: {_visitor(one, 'since', 'with')}.]" for one in room.served] or [NO_CLIENT]
    if not room.total:
        return [*lines, "[Waiting room: empty.]"]
    lines.append(f"[Waiting room: {room.total:,}.]")
    lines += [
        f"{place}. {_visitor(one, 'waiting since', 'for')}" for place, one in enumerate(room.waiting, 1)
    ]
    if room.total > len(room.waiting):
        lines.append(f"[And {room.total - len(room.waiting):,} more.]")
    return lines


def _visitor(one: RoomVisitor, since: str, by: str) -> str:
    operator = f", {by} {name(one.operator)}" if one.operator else ""
    away = "" if one.is_here else ", away"
    issue = sanitize(one.issue, limit=_TEXT_SHOWN)
    return f"{name(one.name)}, {issue}, {since} {shown_time(one.since)}{operator}{away}"


def _figures(figures: Figures) -> list[str]:
    waits = f"median wait {_span(figures.median_wait)}, 90th percentile {_span(figures.ninetieth_wait)}"
    now = f"waiting now {figures.waiting:,}, longest {_span(figures.longest_waiting)}"
    served, operators = f"{figures.served_today:,}", f"{figures.operators:,}"
    return [f"[Served today {served}; {waits}; {now}; operators on duty {operators}.]"]


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


_UNSENT: Final = {
    MessageReason.KEY_CHANGED: "the key shown for this name has changed",
    MessageReason.NOBODY: "nobody of that name is known here",
    MessageReason.NAME_UNKNOWN: "the server knows nobody of that name",
    MessageReason.BAD_CARD: "this person's card has no valid key",
    MessageReason.MAILBOX_FULL: "the mailbox is full",
    MessageReason.SHARE_USED_UP: "too many messages from you or from your network wait there",
    MessageReason.DISK_FULL: "the server's disk is full",
    MessageReason.DISK_FAILED: "the server cannot write to its disk",
    MessageReason.NEVER_FETCHED: "it was never fetched and has expired",
    MessageReason.LEFT_ROOM: "you left before the server was back",
    MessageReason.NOT_IN_ROOM: "you are in no room",
    MessageReason.OWN_DISK: "nothing can be stored here, and too much waits to be",
    MessageReason.ENDED: "the program has ended",
}
_WHEN_ROOM: Final = frozenset(
    {MessageReason.MAILBOX_FULL, MessageReason.SHARE_USED_UP, MessageReason.DISK_FULL}
)


def _kept(why: MessageReason) -> str:
    """Why a message waits in the outbox, and until when."""
    if why in _WHEN_ROOM:
        return f"{_UNSENT[why]}; it goes out when there is room"
    if why is MessageReason.DISK_FAILED:
        return f"{_UNSENT[why]}; it goes out when the server can"
    return _UNSENT[why]


_MAIL_HELD_BACK: Final = (
    "[There are letters from too many people who are not in the table; those not shown wait at the server.]"
)
SERVER_SILENT: Final = "[Server not responding]"
_QUOTED_MAX: Final = 200
"""Characters quoted of a text that came to nothing: enough to recognise it."""

_NOT_SENT_SHOWN: Final = 20
"""Lines quoted when the program ends; the rest are counted."""


def lines_of(event: Event, *, in_reach: int = 0) -> list[str]:
    """Return the lines to show for `event`, without the prompt; none holds a line end. A message is a `MessageLine`.

    `in_reach`: how many members of the room can be reached while the registry is away."""
    if isinstance(event, Line):
        return [_received(event)]
    if isinstance(event, MailReturned):
        return ["[You have messages]", *map(_received, event.lines)]
    if isinstance(event, FateEvent):
        return _fate(event, in_reach)
    if isinstance(event, IdentityEvent):
        return identity_lines(event)
    if isinstance(event, ConnectionEvent):
        return _connection(event)
    if isinstance(event, DutyEvent):
        return duty_lines(event)
    if isinstance(event, StorageEvent):
        return [f"[{sanitize(_storage(event))}.]"]
    if isinstance(event, UnreadEvent):
        return _unread(event)
    return presence_lines(event)


def _unread(event: UnreadEvent) -> list[str]:
    """Return the lines about messages to us that cannot be shown."""
    match event:
        case MailUnreadable(sender=sender, detail=detail):
            return [f"[A letter from {name(sender)} could not be opened: {reason(detail)}.]"]
        case MailHeldBack():
            return [_MAIL_HELD_BACK]
        case LineUnreadable(room=room, sender=sender, detail=detail):
            where = f"the room {name(room)}" if room else "the channel"
            return [f"[A line of {where} from {name(sender)} is lost: {reason(detail)}.]"]
        case _:
            assert_never(event)


def _unheard(event: GroupLineRefused | LinesAbandoned) -> str:
    """Return the line about lines of ours that a group does not get."""
    if isinstance(event, GroupLineRefused):
        what = f"Line to {name(event.room)}" if event.room else "Channel message"
        return f"[{what} refused: {_UNSENT[event.reason]}.]"
    lines = "A line" if event.count == 1 else f"{event.count} lines"
    return f"[{lines} to {name(event.room)} did not reach everybody: {_UNSENT[MessageReason.LEFT_ROOM]}.]"


def not_sent_lines(typed: Sequence[str]) -> list[str]:
    """Return the lines that quote what was typed and not carried out before the program ended; of many, the first ones
    and a count."""
    shown = [f"[Not sent: {sanitize(line.strip(), _QUOTED_MAX)}]" for line in typed[:_NOT_SENT_SHOWN]]
    more = len(typed) - len(shown)
    return [*shown, f"[Not sent either: {counted(more, 'more line', 'more lines')}]"] if more else shown


def _received(line: Line) -> MessageLine:
    sender, text = name(line.sender), sanitize(line.text)
    when = "" if line.late is None else f"{shown_time(line.late)} "
    match line:
        case DirectReceived(doubt=None):
            return MessageLine(sender, f": {when}", text)
        case DirectReceived(doubt=AuthorDoubt.NOT_IN_TABLE):
            return MessageLine(sender, f" (not in the table): {when}", text)
        case DirectReceived():
            return MessageLine(sender, f" (not the key that you know): {when}", text)
        case RoomReceived(room=room):
            return MessageLine(sender, f" (in {name(room)}): {when}", text)
        case ChannelReceived():
            return MessageLine(sender, f": {when}", f"{text}]", before="[Channel_Message ")
        case _:
            assert_never(line)


def _fate(event: FateEvent, in_reach: int) -> list[str]:
    """Return the lines that say what became of a message of ours."""
    match event:
        case Delivered(to=to, through_server=through_server):
            return [f"[Message received by {name(to)}{' through the server' if through_server else ''}.]"]
        case Unacknowledged(to=to):
            return [f"[No ACK from {name(to)}, message sent to server.]"]
        case Saved():
            return ["[Messages received by the server and saved]"]
        case Refused(to=to, reason=why):
            return [f"[Message to {name(to)} refused: {_UNSENT[why]}.]"]
        case Kept(to=to, reason=why) if why is not None:
            return [f"[Message to {name(to)} kept: {_kept(why)}.]"]
        case Kept(to=to):
            return [f"{SERVER_SILENT} Message to {name(to)} kept; it goes out when the server is back."]
        case Addressed() | Renumbered():
            return []  # another event says what becomes of the messages
        case TooLong(to=to, size=size, limit=limit):
            return [f"[Message to {name(to)} not sent: {size:,} bytes, at most {limit:,}.]"]
        case Expired(to=to, text=text):
            gone = sanitize(text, limit=_QUOTED_MAX)
            return [f"[Message to {name(to)} was never fetched and is gone from the server: {gone}]"]
        case ChannelAccepted():
            return ["[Message received by Server.]"]
        case ChannelUnanswered():
            return ["[Server not responding.]"]
        case RoomAccepted():
            return []  # a receipt after each line would break up the conversation
        case RoomUnanswered():
            if not in_reach:
                return [f"{SERVER_SILENT} Your line goes out when the server is back."]
            members = counted(in_reach, "member", "members")
            return [f"{SERVER_SILENT} Your line goes straight to {members}; the others get it later."]
        case GroupLineRefused() | LinesAbandoned():
            return [_unheard(event)]
        case _:
            assert_never(event)


def _connection(event: ConnectionEvent) -> list[str]:
    """Return the lines for an event between this peer and the registry, or its own disk."""
    match event:
        case Registered():
            return ["[Welcome, You are registered.]"]
        case TableChanged():
            return ["[Client table updated.]"]
        case NameUnavailable(name=taken):
            return [name_taken(taken)]
        case AdmissionRefused(reason=why, key=key):
            return [f"[Not registered: {admission_refusal(why, key)}.]"]
        case Left():
            return ["[You are Offline. Bye.]"]
        case LeaveUnanswered():
            return [SERVER_SILENT, "[Exiting]"]
        case NoServerAtStart(table_time=table_time):
            if table_time is None:
                return [SERVER_SILENT, "[Exiting]"]
            return [f"{SERVER_SILENT} Working with the table of {shown_time(table_time)}; still trying."]
        case ServerLost():
            return [f"{SERVER_SILENT} Direct chat goes on."]
        case ServerBack():
            return ["[Server is back.]"]
        case LinkTroubled(port=port, trouble=trouble):
            return [link_trouble(port, trouble)]
        case RegistryMet() | RegistryRecognized() | RegistryKeyAccepted() | RegistryKeyChanged():
            return [_registry_key_lines(event)]
        case Trouble(text=text):
            return [f"[{reason(text)}.]"]
        case _:
            assert_never(event)


def _storage(event: StorageEvent) -> str:
    """Say what is wrong with our own disk, or with whoever reads our events."""
    match event:
        case HistoryMissing(path=path, kept_as=None):
            return f"{path} is missing: it begins anew"
        case HistoryMissing(path=path, kept_as=kept_as):
            return f"{path} is missing: it begins anew; its newest part is kept as {kept_as}"
        case LinesLost(path=path, count=count, kept_as=kept_as):
            lost = f"{path} was damaged: its newest {counted(count, 'message is', 'messages are')} lost"
            return lost if kept_as is None else f"{lost}; the damaged file is kept as {kept_as}"
        case StorageFailed(error=error):
            return f"Nothing can be stored ({error}); messages are not acknowledged until it can"
        case ReadersBehind():
            return "Too much waits to be shown: nobody's messages are taken until it is"
        case FolderNotMoved(name=wanted, error=error):
            return f"The folder of {wanted} could not be moved ({error}); the next start tries again"
        case _:
            assert_never(event)


def name_taken(taken: str) -> str:
    """Say that somebody else has this name, or that a program of the user's own runs with it."""
    return f"[Name {name(taken)} is taken.]"


def history_failed(path: str, error: Exception, *, is_damaged: bool) -> str:
    """Say that the history cannot be opened. `error`: as SQLite words it."""
    advice = "; restore it from a copy, or move it away to begin a new one" if is_damaged else ""
    return f"ChatApp: {path}: {error}{advice}"


def _registry_key_lines(
    event: RegistryMet | RegistryRecognized | RegistryKeyAccepted | RegistryKeyChanged,
) -> str:
    """Say which registry this is."""
    match event:
        case RegistryMet(key=key, is_verified=is_verified):
            return key_met(key, is_verified=is_verified)
        case RegistryRecognized(servers=servers):
            return f"[This is the server that you know as {names(servers)}.]"
        case RegistryKeyAccepted(key=key):
            return key_accepted(key)
        case RegistryKeyChanged(expected=expected, got=got):
            return key_changed(expected, got)
        case _:
            assert_never(event)


NEVER_IN_TABLE: Final = "(never in the table)"
"""Stands behind a name that only its bearer claims: no table ever had it."""

NOTHING_FOUND: Final = "[No messages were found.]"
NOTHING_YET: Final = "[There are no messages yet.]"
NO_SUCH_MESSAGE: Final = "[No such message: /history shows each message with its id.]"


def history_unreadable(error: Exception) -> str:
    """Say why the history cannot be shown. `error`: as SQLite words it."""
    return f"[The history cannot be read: {reason(str(error))}.]"


def history_lines(lines: Sequence[HistoryLine]) -> list[str]:
    """Return messages as `<id>  <time>  <sender> to <target>: <text>`, with the ids aligned."""
    width = max((len(line.id) for line in lines), default=0)
    return [_past(line, width) for line in lines]


def trace_lines(trace: DeliveryTrace | None) -> list[str]:
    """Return the message, and below it each step of its delivery."""
    if trace is None:
        return [NO_SUCH_MESSAGE]
    lines: list[str] = [_past(trace.line, 0)]
    if not trace.line.outgoing:
        return [*lines, f"[Only {name(trace.line.sender)} knows how it was delivered.]"]
    target = name(trace.line.to) if trace.line.to is not None else "the server"
    sent = [step.at for step in trace.steps if step.what in (TraceEvent.SENT, TraceEvent.RELAYED)]
    steps = [
        AnswerLine(f"[{_step(step, target, was_sent=min(sent, default=step.at) < step.at)}]")
        for step in trace.steps
    ]
    return [*lines, *(steps or [AnswerLine("[None of its steps is on record.]")])]


def _past(line: HistoryLine, width: int) -> MessageLine:
    sender = name(line.sender)
    match line.kind:
        case LineKind.DIRECT:
            target = name(line.to or "")
        case LineKind.CHANNEL:
            target = "everybody"
        case LineKind.ROOM:
            target = name(line.room or "")
        case _:
            assert_never(line.kind)
    before = f"{sanitize(line.id):>{width}}  {shown_time(line.at)}  "
    claim = f" {NEVER_IN_TABLE}" if line.is_claimed else ""
    return MessageLine(sender, f"{claim} to {target}: ", sanitize(line.text), before=before)


def _step(step: TraceStep, target: str, *, was_sent: bool) -> str:
    at = shown_instant(step.at)
    match step.what:
        case TraceEvent.SENT:
            return f"sent {at} try {step.tries}"
        case TraceEvent.RELAYED:
            return f"sent {at} through the server as well"
        case TraceEvent.MAILED:
            why = "no direct answer" if was_sent else f"{target} is away"
            return f"{why}: sealed as a letter for the registry ({at})"
        case _:
            return f"{_outcome(step, target)} ({at})"


def _outcome(step: TraceStep, target: str) -> str:
    match step.what:
        case TraceEvent.KEPT if step.reason is not None:
            return f"kept: {_kept(step.reason)}"
        case TraceEvent.KEPT:
            return "kept: registry silent" + ("" if step.when is None else f" since {shown_time(step.when)}")
        case TraceEvent.SAVED:
            return "saved at the registry" + ("" if step.when is None else f" until {shown_time(step.when)}")
        case TraceEvent.ACKNOWLEDGED:
            way = " through the server" if step.through_server else ""
            if step.is_late:
                return f"delivered late: acknowledged by {target}{way}"
            return f"acknowledged by {target}{way} after {counted(step.tries, 'try', 'tries')}, {step.span:.2f} s"
        case TraceEvent.ACCEPTED:
            return f"received by the server after {step.span:.2f} s"
        case TraceEvent.REFUSED:
            return "refused" if step.reason is None else f"refused: {_UNSENT[step.reason]}"
        case TraceEvent.EXPIRED:
            return "gone" if step.reason is None else f"gone: {_UNSENT[step.reason]}"
        case TraceEvent.REDIRECTED:
            return f"sent on to the key of {target} that you trust now"
        case TraceEvent.SENT | TraceEvent.RELAYED | TraceEvent.MAILED:
            return "on its way"
        case _:
            assert_never(step.what)
