"""Answers to what a user types, and to a start that fails."""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import AttachmentEvent, EventsMissed, ProgramChanged, ProgramEnded
from chatapp.peer.node.starts import Taken, TakenBy
from chatapp.peer.words.formatting import counted, name, names
from chatapp.wire.address import Address
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.limits import STATUS_MAX, TEXT_MAX
from chatapp.wire.names import file_name_of, name_key
from chatapp.wire.text import QUOTED_MAX, sanitize

NOT_IN_ROOM: Final = "[You are not in any room.]"
IS_YOU: Final = "[That is you.]"
OFFLINE: Final = "[You are offline.]"
NOTHING_SENT: Final = "[Nothing was sent.]"
EMPTY_MESSAGE: Final = "[The message is empty.]"
NO_SPAN: Final = "[Say for how long as 30m, 2h or 7d, a year at most.]"
STATUS_TOO_LONG: Final = f"[Say it in {STATUS_MAX} characters: others read it in who.]"
BACK: Final = "[You are not away any more.]"
NAMES_APART: Final = "[Write several names without blanks between them: bob,carol.]"
LINE_TOO_LONG: Final = f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"
LEAVE_AGAIN: Final = "[A message is still under way: press Ctrl-C again to leave.]"
OFFER: Final = "[Type /doctor to find out why.]"
ASK_TO: Final = "To: "
ASK_TEXT: Final = "Text: "


def paste_question(count: int) -> str:
    """Ask before a paste of several lines is sent."""
    return f"Send {count} lines as one message? (y/n)"


def saying_question(room: str, command: str) -> str:
    """Ask before a line that looks like a command is said in a room."""
    return f"Send this to {name(room)}? y/N (to run it: {command}) "


def everybody_question(others: int) -> str:
    """Ask before the first line to everybody."""
    return f"Send this to everybody ({counted(others, 'person', 'people')})? y/N "


def release_question(me: str) -> str:
    """Ask before the user's name is given up."""
    return f"Give up the name {name(me)}? Anybody may take it then, and your mail at the server is deleted. y/N "


def name_kept(me: str) -> str:
    """Say that the user's name is not given up."""
    return f"[You are still {name(me)}.]"


def query_line(to: str | None, *, room: str | None) -> str:
    """Say where a line without a command goes from now on. `room`: the one that the user is in; it
    comes first."""
    if room is not None:
        other_way = "" if to is None else f" Use /dm {name(to)}, or leave first."
        return f"[You are in {name(room)}: what you type goes there.{other_way}]"
    if to is None:
        return "[You are not talking to anyone now.]"
    return f"[Talking to {name(to)}. /query ends it.]"


def not_in_room(room: str) -> str:
    """Say that the user is not in a room."""
    return f"[You are not in {name(room)}.]" if room else NOT_IN_ROOM


def nobody_and_no_room(typed: str) -> str:
    """Answer a name that is neither of a person nor of a room that the user has seen."""
    return f'[No person or room called "{name(typed)}". To create the room: join {name(typed)}]'


def muted_line(muted: Sequence[Conversation]) -> str:
    """Say which conversations do not ring."""
    if not muted:
        return "[Every conversation rings. Open one, or name it: /mute lab 2h]"
    return f"[These do not ring: {names([str(one) for one in muted])}.]"


def too_many(count: int, most: int) -> str:
    """Answer a message to more people than one line sends to."""
    return f"[{count:,} people: one line sends to {most} at most.]"


def one_to_each(to: Sequence[str]) -> str:
    """Say that each of several people gets a message."""
    return f"[One message to each of {names(to)}.]"


TYPE_HELP: Final = "[Type help for the commands.]"
"""Told once, at the first start."""


def usage_line(how: str) -> str:
    """Answer a command whose arguments do not fit. `how`: how it is typed."""
    return f"[Usage: {how}]"


def unknown_command(word: str, near: str | None) -> str:
    """Answer a command that does not exist. `near`: the nearest one that does."""
    advice = f'Did you mean "{near}"?' if near else "Type help for the commands."
    return f'[Unknown command "{quoted(word)}": nothing was sent. {advice}]'


NOBODY_NAMED: Final = (
    "[Nobody was named: bob: hello sends it to bob, /query bob opens a talk, join lab a room.]"
)
"""Answers a sentence that is for nobody."""


def not_here(word: str) -> str:
    """Answer a command of other programs that this one has not."""
    return f'[Unknown command "{quoted(word)}": nothing was sent. It is not in this version; type help for the commands.]'


def name_refused(refusal: NameRefused) -> str:
    """Answer a name that nobody can have."""
    return f"[{refusal}.]"


def not_you(me: str, typed: str) -> str:
    """Answer a name that should have been the user's own."""
    return f"[You are {me}, not {quoted(typed)}.]"


def not_in_range(typed: str, most: int) -> str:
    """Answer a word that is not a number from 1 to `most`."""
    return f'[Give a number from 1 to {most:,}, not "{quoted(typed)}".]'


_NOT_SENT_SHOWN: Final = 20
"""Lines quoted when the program ends; the rest are counted."""


def not_sent_lines(typed: Sequence[str]) -> list[str]:
    """Return the lines that quote what was typed and not carried out before the program ended; of
    many, the first ones and a count."""
    shown = [
        f"[Not sent: {sanitize(line.strip(), QUOTED_MAX)}]" for line in typed[:_NOT_SENT_SHOWN]
    ]
    more = len(typed) - len(shown)
    return (
        [*shown, f"[Not sent either: {counted(more, 'more line', 'more lines')}]"]
        if more
        else shown
    )


def name_taken(taken: str) -> str:
    """Say that somebody else has this name, or that a program of the user's own runs with it."""
    return f"[Name {name(taken)} is taken.]"


def attached_line(who: str) -> str:
    """Say that this is a further window of a program that runs under the name."""
    return f"[Second window of {name(who)}: quit closes only this window.]"


def ready_line(who: str, process: int, port: int) -> str:
    """Say that a program without a face is ready for others."""
    return f"[{name(who)} is ready for other programs ({_which(process, port)}).]"


def runs_already_line(who: str, process: int, port: int) -> str:
    """Say that a program without a face is not needed, as one runs."""
    shown = name(who)
    return f"[{shown} is already running ({_which(process, port)}): ChatApp -c {shown} opens a window of it.]"


def runs_elsewhere_line(who: str, server: Address, process: int, port: int) -> str:
    """Say that a program runs under a name, at another server or with another key of it than the
    user asked for."""
    at = f"{sanitize(server.host)} {server.port}"
    which = f"{name(who)} is already running ({_which(process, port)})"
    return f"[{which} at the server {at}: end it first, or start without a server.]"


def attachment_lines(event: AttachmentEvent) -> list[str]:
    """Say what has happened to the attachment to another program."""
    match event:
        case EventsMissed():
            return ["[Some lines were skipped here: /history shows them.]"]
        case ProgramChanged():
            return []  # the user need not care which one runs
        case ProgramEnded(name=who):
            return [f"[The program of {name(who)} to which this one was attached has ended.]"]
        case _:
            assert_never(event)


def not_attached_line(why: str) -> str:
    """Say why one cannot attach to the program that runs."""
    return f"[{why[:1].upper()}{why[1:]}.]"


def _which(process: int, port: int) -> str:
    parts = [f"process {process}"] if process else []
    return ", ".join([*parts, *([f"UDP port {port}"] if port else [])])


def taken_line(taken: Taken) -> str:
    """Say who has a name that is taken, and what to do."""
    who = name(taken.name)
    match taken.by:
        case TakenBy.SELF_RENAMED:
            now = name(taken.now_called)
            return f"[You renamed {who} to {now}: start as {now}.]"
        case TakenBy.OWN_PROGRAM:
            which = f" ({_which(taken.process, taken.port)})" if taken.process or taken.port else ""
            return f"[Your own program{which} is running with this name: go on there, or end it first.]"
        case TakenBy.RELEASED:
            return f"[You gave up {who}, and somebody else has it now: choose another name.]"
        case TakenBy.KEY_ELSEWHERE:
            return f"[Your key for it is in another folder: start with --data {sanitize(taken.folder)}]"
        case TakenBy.SOMEBODY:
            key, ask = (
                f"bring the folder peers/{file_name_of(name_key(taken.name))} from there",
                "ask for a release",
            )
            mine = f"If it is yours, its key is on another machine: {key}, or {ask}"
            return f"[Somebody else has it: choose another name. {mine}.]"
        case _:
            assert_never(taken.by)


def offer_at_end(server: Address) -> str:
    """Say how to find out why the server does not answer, as the program ends."""
    return f"[To find out why: ChatApp doctor {sanitize(server.host)} {server.port}]"


def history_failed(path: str, error: Exception, *, is_damaged: bool) -> str:
    """Say that the history cannot be opened. `error`: as SQLite words it."""
    advice = "; restore it from a copy, or move it away to begin a new one" if is_damaged else ""
    return f"ChatApp: {path}: {error}{advice}"
