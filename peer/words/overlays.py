"""Words of the full screen's overlays and of its desk pane."""

from datetime import date
from typing import Final

from chatapp.peer.api.conversations import EVERYBODY, Conversation
from chatapp.peer.api.events import Figures, Said
from chatapp.peer.words.formatting import counted, doubted, name, reason, shown_clock, shown_time
from chatapp.wire.desk.values import ListedVisitor

SEARCH: Final = "Search"
EVERYWHERE: Final = "everywhere"
SEARCH_HINT: Final = "Type words that the message contains."
NOTHING_FOUND: Final = "No message contains these words."
FINDS: Final = ("Enter", "go there")
SWITCH_SCOPE: Final = ("Tab", "here or everywhere")

WHY: Final = "How this message was delivered"
AGAIN: Final = ("F5", "again")
GONE: Final = "This message is not in the history."

DOCTOR: Final = "Doctor"
EXAMINING: Final = "Looking at the way to the server: this takes up to 3 seconds."

FILES: Final = "Files"
FILE_KEYS: Final = (
    ("a", "accept"),
    ("p", "pause"),
    ("r", "resume"),
    ("d", "refuse"),
    ("c", "cancel"),
)
NO_FILES: Final = "No files yet. /send_file <name> <path> offers one."

HELP: Final = "Help"
TYPES: Final = ("Enter", "put it in the line")
NO_SUCH_COMMAND: Final = "No key or command has these words."

SCREEN_KEYS: Final = (
    ("F1", "show this help"),
    ("F2", "check the connection"),
    ("F3", "search what was said"),
    ("F4", "go to the list of conversations, and back"),
    ("Ctrl-K", "go to a conversation, a room or a person"),
    ("Alt-1 to Alt-0", "go to the first ten conversations of the list"),
    ("Alt-A", "go to the next conversation with news"),
    ("Alt-U", "go to the first new line"),
    ("Ctrl-N, Ctrl-P", "go to the next conversation, or the one before"),
    ("PgUp, PgDn", "scroll through the past"),
    ("Ctrl-Home, Ctrl-End", "go to the oldest line that is here, or to the newest"),
    ("Shift-Up, Shift-Down", "select a line"),
    ("Enter", "on a selected line: how it was delivered"),
    ("r, +, e, d", "on a selected line: reply, emoji; edit or take back your own"),
    ("Ctrl-Y", "copy the selected line"),
    ("Tab", "complete a command or a name"),
    ("Alt-T", "show the files, and how far each is"),
    ("Ctrl-T", "change between dark and light"),
    ("Ctrl-Z", "suspend the program"),
    ("Ctrl-C", "clear the line; on an empty one, leave"),
)
"""Each key of the screen, and what it does."""
OPERATOR_KEYS: Final = (
    ("F5", "help desk: go on duty, or pause"),
    ("F6", "help desk: end the session and call the next visitor"),
    ("F7", "help desk: end the session"),
    ("F8", "help desk: put your visitor on hold"),
    ("F9", "help desk: hand your visitor over"),
    ("F10", "help desk: send your visitor to another queue"),
    ("Alt-D", "help desk: show it on a screen of its own"),
)
"""The keys of operators."""

GO_TO: Final = "Go to"
GOES: Final = ("Enter", "go there")
NO_SUCH_PLACE: Final = "No conversation, room or person has these letters."
NEW_ROOM: Final = "a new room"

TABLE: Final = "People"
TABLE_HEAD: Final = ("name", "address", "port", "presence")
TALKS: Final = ("Enter", "talk")
NO_TABLE: Final = "Still loading the table."

DESK: Final = "Help desk"
NO_CLIENT: Final = "You serve nobody now."
IS_AWAY: Final = "away"
IS_SILENT: Final = "silent"
NUMBER: Final = "Number"
ISSUE: Final = "Issue"
ABOUT: Final = "About"
NOTE: Final = "Note"
FROM: Final = "From"
SERVES: Final = "serves"
NOBODY_WAITS: Final = "Nobody waits."
ASKING: Final = "Asking the server who waits."
DESK_KEYS: Final = {
    ".on": "go on duty",
    ".off": "pause",
    ".next": "next",
    ".end": "end",
    ".hold": "hold",
    ".handover": "hand over",
    ".transfer": "transfer",
}
HAND_OVER: Final = "Hand over to which operator?"
TRANSFER: Final = "Transfer to which queue?"
TAKES: Final = ("Enter", "take this name")
TYPE_NAME: Final = "Type the name."


def conversation_name(conversation: Conversation) -> str:
    """Return the name of a conversation as it is shown."""
    return name(str(conversation))


def found(count: int, *, has_more: bool) -> str:
    """Say how many messages were found. `has_more`: older ones may follow."""
    shown = counted(count, "message", "messages")
    return f"The newest {shown}; go down for older ones." if has_more else f"{shown} found."


def unreadable(error: Exception) -> str:
    """Say why the history cannot be shown. `error`: as SQLite words it."""
    return f"The history cannot be read: {reason(str(error))}."


def failed(error: Exception) -> str:
    """Say why something cannot be shown."""
    said = reason(str(error))
    return f"{said[:1].upper()}{said[1:]}."


def addressed_to(line: Said) -> str:
    """Return to whom a line was said, to be put behind its sender; empty for a line to the user
    alone."""
    what = line.conversation
    if what == EVERYBODY:
        return "to everybody"
    if what.is_room:
        return f"in {name(what.name)}"
    return f"to {name(what.name)}" if line.is_ours else doubted(line.doubt).strip()


def short_time(moment: float, today: date) -> str:
    """Return a Unix time as local time: `Fri 20 Nov 09:41`, and `2025-11-20 09:41` for another
    year."""
    day, clock = shown_clock(moment)
    shown = f"{day:%a} {day.day:>2} {day:%b}" if day.year == today.year else f"{day:%Y-%m-%d}"
    return f"{shown} {clock}"


def listed(keys: int, commands: int) -> str:
    """Say how much help there is."""
    shown = [counted(keys, "key", "keys")] if keys else []
    shown += [counted(commands, "command", "commands")] if commands else []
    return f"{' and '.join(shown)}."


def unread(count: int) -> str:
    """Say how many lines are unread; empty for none."""
    return f"{counted(count, 'new line', 'new lines')}" if count else ""


def people_here(count: int) -> str:
    """Say how many people are in a room."""
    return f"{count:,} here"


def presence(*, is_online: bool, since: float) -> str:
    """Say whether a person is here. `since`: when they were last seen, in Unix seconds; 0 if nobody
    knows."""
    if is_online:
        return "online"
    return f"away since {shown_time(since)[:-3]}" if since else "away"


def rooms_unknown(error: Exception) -> str:
    """Say why the rooms are not listed."""
    return f"The rooms are not listed: {reason(str(error)).removeprefix('no answer: ')}."


def table_sum(people: int, online: int) -> str:
    """Sum up the people of a table."""
    return f"{counted(people, 'person', 'people')}, {online:,} online."


def waiting(count: int) -> str:
    """Say how many visitors wait."""
    return f"{count:,} waiting"


def more_waiting(count: int) -> str:
    """Say how many visitors wait besides those who are listed."""
    return f"and {count:,} more"


def span(minutes: int) -> str:
    """Show a span of whole minutes: `12 min`, or `1 h 05`."""
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02}"


def serving_spans(served: int | None, waited: int) -> str:
    """Say for how many minutes a visitor is served, if that is known, and how long they waited.
    `waited`: seconds."""
    spans = [] if served is None else [f"with you for {span(served)}"]
    return ", ".join([*spans, *([f"waited {span(waited // 60)}"] if waited else [])])


def visitor_states(one: ListedVisitor) -> str:
    """Say what is special about a visitor who waits; empty for nothing."""
    states = ["paused"] if one.is_paused else []
    states += ["away"] if not one.is_here else ["silent"] if one.is_silent else []
    return ", ".join([*states, *([f"for {name(one.operator)}"] if one.operator else [])])


def desk_figures(figures: Figures) -> str:
    """Sum up the day of a queue: how many were served, and how long visitors usually wait."""
    pieces = [f"{figures.served_today:,} served today"]
    pieces += [f"usual wait {span(figures.median_wait // 60)}"] if figures.served_today else []
    pieces += [f"longest wait now {span(figures.longest_waiting // 60)}"] if figures.waiting else []
    pieces += [f"{counted(figures.operators, 'operator', 'operators')} on duty"]
    pieces += [f"rated {figures.mean_rating / 100:.1f} of 5"] if figures.rated else []
    return f"{'; '.join(pieces)}."
