"""This file is about shown lines: what a person reads for each event, to the letter, as scripts match it.

It knows words. Every string from elsewhere passes `clean` here and nowhere earlier, so that nothing shown can give an
order to a terminal or pass for a line of ours. It must not know why an event came, nor print anything.
"""

from datetime import datetime
from typing import Final, assert_never

from peer.core.events import (
    ChannelAccepted,
    ChannelReceived,
    ChannelUnanswered,
    Delivered,
    DirectReceived,
    Event,
    Kept,
    KeyChanged,
    LeaveUnanswered,
    Left,
    MailReturned,
    NameTaken,
    NoServerAtStart,
    NotAdmitted,
    PeopleListed,
    Person,
    Refused,
    Registered,
    RegistryKeyChanged,
    Saved,
    ServerBack,
    ServerLost,
    TableChanged,
    TooLong,
    Trouble,
    Unacknowledged,
)
from wire.text import clean

PROMPT: Final = ">>> "
"""Before each line on a pipe, and before what is typed on a terminal."""

_SERVER_SILENT: Final = "[Server not responding]"
_NAME_SHOWN: Final = 64
"""Characters of a name that are shown: twice what a name can have, so that only a forged one is cut."""

_TROUBLE_SHOWN: Final = 500
_FIRST_TIME: Final = 0.0
_LAST_TIME: Final = 253_370_764_800.0
"""1 January 9999, Unix time: what a stranger says about time is brought into what a calendar can show."""


def lines_of(event: Event) -> list[str]:
    """The lines to show for `event`, without the prompt; none of them holds a line end."""
    match event:
        case DirectReceived() | ChannelReceived():
            return [_received(event)]
        case MailReturned(lines=lines):
            return ["[You have messages]", *map(_received, lines)]
        case Delivered() | Unacknowledged() | Saved() | Refused() | Kept() | TooLong() | KeyChanged():
            return [_fate(event)]
        case ChannelAccepted():
            return ["[Message received by Server.]"]
        case ChannelUnanswered():
            return ["[Server not responding.]"]
        case PeopleListed(people=people):
            return _people(people)
        case Trouble(text=text):
            return [f"[{clean(text, limit=_TROUBLE_SHOWN)}]"]
        case _:
            return _session(event)


def _received(line: DirectReceived | ChannelReceived) -> str:
    sender, text = _name(line.sender), clean(line.text)
    said = text if line.late is None else f"{shown_time(line.late)} {text}"
    match line:
        case DirectReceived():
            return f"{sender}: {said}"
        case ChannelReceived():
            return f"[Channel_Message {sender}: {said}]"
        case _:
            assert_never(line)


def _fate(event: Delivered | Unacknowledged | Saved | Refused | Kept | TooLong | KeyChanged) -> str:
    """What became of a direct message."""
    match event:
        case Delivered(to=to, through_server=through_server):
            return f"[Message received by {_name(to)}{' through the server' if through_server else ''}.]"
        case Unacknowledged(to=to):
            return f"[No ACK from {_name(to)}, message sent to server.]"
        case Saved():
            return "[Messages received by the server and saved]"
        case Refused(to=to, reason=reason):
            return f"[Message to {_name(to)} refused: {clean(reason, limit=_TROUBLE_SHOWN).rstrip('.')}.]"
        case Kept(to=to):
            return f"{_SERVER_SILENT} Message to {_name(to)} kept; it goes out when the server is back."
        case TooLong(to=to, size=size, limit=limit):
            return f"[Message to {_name(to)} not sent: {size:,} bytes, at most {limit:,}.]"
        case KeyChanged(name=name):
            return f"[The key of {_name(name)} has changed: nothing is sent to that name.]"
        case _:
            assert_never(event)


def _session(
    event: Registered
    | TableChanged
    | NameTaken
    | NotAdmitted
    | Left
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | NoServerAtStart
    | RegistryKeyChanged,
) -> list[str]:
    """Between this peer and the registry."""
    match event:
        case Registered():
            return ["[Welcome, You are registered.]"]
        case TableChanged():
            return ["[Client table updated.]"]
        case NameTaken(name=name):
            return [f"[Name {_name(name)} is taken.]"]
        case NotAdmitted(reason=reason):
            return [f"[Not registered: {clean(reason, limit=_TROUBLE_SHOWN).rstrip('.')}.]"]
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
        case RegistryKeyChanged(expected=expected, got=got):
            return [f"[The server's key has changed: expected {_name(expected)}, got {_name(got)}.]"]
        case _:
            assert_never(event)


def _people(people: tuple[Person, ...]) -> list[str]:
    if not people:
        return ["[Nobody is registered.]"]
    online_first = sorted(people, key=lambda person: (not person.online, person.name.casefold()))
    return [
        f"[{_name(one.name)} is {'online' if one.online else f'away since {shown_time(one.since)}'}.]"
        for one in online_first
    ]


def shown_time(moment: float) -> str:
    """Unix time as local `YYYY-MM-DD HH:MM:SS`; total: a moment outside of the calendar shows its nearest end."""
    within = min(max(moment, _FIRST_TIME), _LAST_TIME) if moment == moment else _FIRST_TIME
    return f"{datetime.fromtimestamp(within):%Y-%m-%d %H:%M:%S}"


def _name(text: str) -> str:
    return clean(text, limit=_NAME_SHOWN)
