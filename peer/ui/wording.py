"""This file is about shown lines: what a person reads for each event, to the letter, as scripts match it.

It knows words. Every string from elsewhere passes `clean`, by way of `words`. It must not know why an event came, nor
print anything. Lines of people and rooms stand in `company`, those of one's past in `recollection`.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from peer.core.events import (
    Addressed,
    AdmissionRefused,
    AuthorDoubt,
    ChannelAccepted,
    ChannelReceived,
    ChannelUnanswered,
    Delivered,
    DirectReceived,
    Event,
    Expired,
    Ignored,
    Kept,
    KeyChanged,
    KeyRestored,
    LeaveUnanswered,
    Left,
    Line,
    LinkTroubled,
    MailReturned,
    NameUnavailable,
    NobodyKnown,
    NoServerAtStart,
    NotTrusted,
    Refused,
    Registered,
    RegistryKey,
    RegistryKeyAccepted,
    RegistryKeyChanged,
    RegistryMet,
    RegistryRecognized,
    Renamed,
    RenameRefused,
    RoomAccepted,
    RoomReceived,
    RoomUnanswered,
    SafetyNumber,
    Saved,
    ServerBack,
    ServerLost,
    TableChanged,
    TooLong,
    Trouble,
    Trusted,
    Unacknowledged,
)
from peer.core.events.duty import (
    ClientCame,
    ClientChanged,
    ClientSaid,
    CommandDone,
    CommandFailed,
    DutyChanged,
    Figures,
    HeldBack,
    NumberMoved,
    WaitingRoom,
)
from peer.ui.company import identity_lines, presence_lines
from peer.ui.dutywording import duty_lines
from peer.ui.words import (
    Spoken,
    counted,
    key_accepted,
    key_changed,
    key_met,
    link_trouble,
    name,
    names,
    reason,
    shown_time,
)
from wire.text import clean

_SERVER_SILENT: Final = "[Server not responding]"
_GONE_SHOWN: Final = 200
_NOT_SENT_SHOWN: Final = 20
"""Characters quoted of a message that came to nothing: enough to know which it was."""


def lines_of(event: Event, *, in_reach: int = 0) -> list[str]:
    """The lines to show for `event`, without the prompt; none of them holds a line end. What somebody said is `Spoken`.

    `in_reach`: how many members of the room are, while the registry is away."""
    match event:
        case DirectReceived() | ChannelReceived() | RoomReceived():
            return [_received(event)]
        case MailReturned(lines=lines):
            return ["[You have messages]", *map(_received, lines)]
        case (
            Delivered()
            | Unacknowledged()
            | Saved()
            | Refused()
            | Kept()
            | Addressed()
            | TooLong()
            | Expired()
            | ChannelAccepted()
            | ChannelUnanswered()
            | RoomAccepted()
            | RoomUnanswered()
        ):
            return _fate(event, in_reach)
        case (
            Renamed()
            | RenameRefused()
            | SafetyNumber()
            | RegistryKey()
            | Trusted()
            | NotTrusted()
            | Ignored()
            | NobodyKnown()
            | KeyChanged()
            | KeyRestored()
        ):
            return identity_lines(event)
        case (
            Registered()
            | TableChanged()
            | NameUnavailable()
            | AdmissionRefused()
            | Left()
            | LeaveUnanswered()
            | ServerLost()
            | ServerBack()
            | NoServerAtStart()
            | LinkTroubled()
            | RegistryMet()
            | RegistryRecognized()
            | RegistryKeyAccepted()
            | RegistryKeyChanged()
            | Trouble()
        ):
            return _session(event)
        case (
            DutyChanged()
            | ClientCame()
            | ClientChanged()
            | ClientSaid()
            | CommandDone()
            | CommandFailed()
            | HeldBack()
            | NumberMoved()
            | WaitingRoom()
            | Figures()
        ):
            return duty_lines(event)
        case _:
            return presence_lines(event)


def not_sent_lines(typed: Sequence[str]) -> list[str]:
    """Return what a person reads of lines that were typed and not obeyed before the program ended: each of them, or the
    first ones and a count."""
    shown = [f"[Not sent: {clean(line.strip(), _GONE_SHOWN)}]" for line in typed[:_NOT_SENT_SHOWN]]
    more = len(typed) - len(shown)
    return [*shown, f"[Not sent either: {more:,} more line{'s' * (more > 1)}]"] if more else shown


def _received(line: Line) -> Spoken:
    sender, text = name(line.sender), clean(line.text)
    when = "" if line.late is None else f"{shown_time(line.late)} "
    match line:
        case DirectReceived(doubt=None):
            return Spoken(sender, f": {when}", text)
        case DirectReceived(doubt=AuthorDoubt.NOT_IN_TABLE):
            return Spoken(sender, f" (not in the table): {when}", text)
        case DirectReceived():
            return Spoken(sender, f" (not the key that you know): {when}", text)
        case RoomReceived(room=room):
            return Spoken(sender, f" (in {name(room)}): {when}", text)
        case ChannelReceived():
            return Spoken(sender, f": {when}", f"{text}]", before="[Channel_Message ")
        case _:
            assert_never(line)


def _fate(
    event: Delivered
    | Unacknowledged
    | Saved
    | Refused
    | Kept
    | Addressed
    | TooLong
    | Expired
    | ChannelAccepted
    | ChannelUnanswered
    | RoomAccepted
    | RoomUnanswered,
    in_reach: int,
) -> list[str]:
    """What became of a message of ours."""
    match event:
        case Delivered(to=to, through_server=through_server):
            return [f"[Message received by {name(to)}{' through the server' if through_server else ''}.]"]
        case Unacknowledged(to=to):
            return [f"[No ACK from {name(to)}, message sent to server.]"]
        case Saved():
            return ["[Messages received by the server and saved]"]
        case Refused(to=to, reason=why):
            return [f"[Message to {name(to)} refused: {reason(why)}.]"]
        case Kept(to=to, reason=why) if why:
            return [f"[Message to {name(to)} kept: {reason(why)}.]"]
        case Kept(to=to):
            return [f"{_SERVER_SILENT} Message to {name(to)} kept; it goes out when the server is back."]
        case Addressed():
            return []  # what becomes of the messages is told
        case TooLong(to=to, size=size, limit=limit):
            return [f"[Message to {name(to)} not sent: {size:,} bytes, at most {limit:,}.]"]
        case Expired(to=to, text=text):
            gone = clean(text, limit=_GONE_SHOWN)
            return [f"[Message to {name(to)} was never fetched and is gone from the server: {gone}]"]
        case ChannelAccepted():
            return ["[Message received by Server.]"]
        case ChannelUnanswered():
            return ["[Server not responding.]"]
        case RoomAccepted():
            return []  # what is said in a room is shown to all at once: a line that says so would be between them
        case RoomUnanswered():
            members = counted(in_reach, "member", "members")
            return [f"{_SERVER_SILENT} Your line goes straight to {members}, to others later."]
        case _:
            assert_never(event)


def _session(
    event: Registered
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
    | Trouble,
) -> list[str]:
    """Between this peer and the registry, or its own disk."""
    match event:
        case Registered():
            return ["[Welcome, You are registered.]"]
        case TableChanged():
            return ["[Client table updated.]"]
        case NameUnavailable(name=taken):
            return [f"[Name {name(taken)} is taken.]"]
        case AdmissionRefused(reason=why):
            return [f"[Not registered: {reason(why)}.]"]
        case Left():
            return ["[You are Offline. Bye.]"]
        case LeaveUnanswered():
            return [_SERVER_SILENT, "[Exiting]"]
        case NoServerAtStart(table_time=table_time):
            if table_time is None:
                return [_SERVER_SILENT, "[Exiting]"]
            return [f"{_SERVER_SILENT} Working with the table of {shown_time(table_time)}; still trying."]
        case ServerLost():
            return [f"{_SERVER_SILENT} Direct chat goes on."]
        case ServerBack():
            return ["[Server is back.]"]
        case LinkTroubled(port=port, trouble=trouble):
            return [link_trouble(port, trouble)]
        case RegistryMet() | RegistryRecognized() | RegistryKeyAccepted() | RegistryKeyChanged():
            return [_registry_key(event)]
        case Trouble(text=text):
            return [f"[{reason(text)}.]"]
        case _:
            assert_never(event)


def _registry_key(event: RegistryMet | RegistryRecognized | RegistryKeyAccepted | RegistryKeyChanged) -> str:
    """Which registry this is."""
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
