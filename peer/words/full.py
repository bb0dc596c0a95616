"""The words of the full screen that the line face does not have: titles, the list, rules, what the
input says."""

import re
from collections.abc import Sequence
from typing import Final

from chatapp.peer.api.conversations import NOBODY, Conversation, ConversationKind
from chatapp.peer.api.events import (
    Event,
    NoServerAtStart,
    Person,
    ServerBack,
    ServerLost,
    ServerStopping,
)
from chatapp.peer.words.formatting import counted, name, shown_clock, shown_time
from chatapp.peer.words.people import away_note, said_of
from chatapp.wire.errors import needs_extra
from chatapp.wire.text import sanitize

START_ABOUT: Final = "a line here must name somebody"
LIST_TITLE: Final = "Conversations"
MEMBERS_TITLE: Final = "Members"
YOU: Final = "you"
GAP: Final = "lines left out"
HELP_KEY: Final = "F1 help"
LIST_KEY: Final = "F4 list"
NO_TERMINAL: Final = "needs a terminal: standard input and output must be one"
NOT_INSTALLED: Final = needs_extra("full")
_WEEK: Final = 7
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?: (.*))?")


def begun_about(key: str, line: int, said: str, *, is_mine: bool) -> str:
    """Return the command that a key begins about a line that is selected; empty for none. `line`:
    its id; `said`: what it says now."""
    match key:
        case "r":
            return f"/reply #{line} "
        case "+":
            return f"/react #{line} "
        case "e" if is_mine:
            return f"/edit #{line} {said}"
        case "d" if is_mine:
            return f"/retract #{line}"
        case _:
            return ""


def terminal_too_small(columns: int, rows: int, *, least: tuple[int, int]) -> str:
    """Say that the terminal is too small. `least`: the columns and rows that are needed."""
    return f"The window is {columns} x {rows}; it needs at least {least[0]} x {least[1]}."


def cannot_be_full(why: str, *, shows_lines: bool) -> str:
    """Say why there is no full screen. `shows_lines`: the user's preferences ask for it, and lines
    are shown instead."""
    return (
        f'ChatApp: face = "full" {why}; showing lines' if shows_lines else f"ChatApp: --full {why}"
    )


def dumb_terminal(term: str) -> str:
    """Say that the terminal cannot be drawn on."""
    return f'needs a terminal that can be drawn on; TERM is "{sanitize(term, 40)}"'


def start_lines(me: str) -> list[str]:
    """Return the text of the start page."""
    return [
        f"Welcome, {name(me)}. Whom do you want to talk to?",
        "Ctrl-K finds people and rooms; F4 goes to the list.",
        "Or type bob: hello, /query bob, or join lab.",
        "F1 shows all keys and commands.",
    ]


def title_of(conversation: Conversation) -> str:
    """Return the name of a conversation, as its title and the list show it."""
    match conversation.kind:
        case _ if conversation == NOBODY:
            return "Start"
        case ConversationKind.PERSON:
            return name(str(conversation))
        case ConversationKind.ROOM:
            return f"# {name(conversation.name)}"
        case ConversationKind.EVERYBODY:
            return "* everybody"
        case ConversationKind.DESK:
            return "help desk"


def room_about(members: Sequence[Person], topic: str) -> str:
    """Say who is in the room where the user is, and its topic."""
    here = f"{len(members):,} here"
    return f"{here}: {sanitize(topic)}" if topic else here


def room_elsewhere(room: str) -> str:
    """Say that the user is not in a room that is open."""
    return f"you are not in this room: press Enter to join {name(room)}"


def not_there_line(room: str) -> str:
    """Answer a line that was typed for a room in which the user is not."""
    return f"You are not in {name(room)}, so nothing was sent: press Enter at an empty line to join it."


def not_to_claimed_line(conversation: Conversation) -> str:
    """Answer a line that was typed for somebody who only claims a name."""
    return (
        f"{title_of(conversation)} is unverified, so nothing was sent: "
        f"/query {name(conversation.name)} opens the conversation with whoever has registered the name."
    )


def everybody_about(people: Sequence[Person]) -> str:
    """Say how many people are online."""
    online = sum(one.online for one in people)
    return f"{online:,} online, {len(people) - online:,} away"


def person_about(person: Person | None, *, now: float) -> str:
    """Say whether a person is there."""
    if person is None:
        return "unverified: not registered with this key"
    if person.is_banned:
        return "banned from this server"
    seen = "online" if person.online else f"away since {since(person.since, now=now)}"
    said = f'"{said_of(person.status)}"' if person.status else ""
    verified = "verified" if person.is_verified else ""
    return ", ".join(filter(None, (seen, away_note(person.away), said, verified)))


def since(at: float, *, now: float) -> str:
    """Show a time of the past in few cells: `09:41` of today, `Tue` of the last days, else `14 Nov`
    or `14 Nov 2025`."""
    (day, clock), (today, _) = shown_clock(at), shown_clock(now)
    if day == today:
        return clock
    if 0 < (today - day).days < _WEEK:
        return f"{day:%a}"
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day.day} {day:%b} {day.year}"


def came(who: str) -> str:
    """Say that a person is online again."""
    return f"{name(who)} is here."


def desk_about(client: str | None, waiting: int, *, is_on_duty: bool) -> str:
    """Say whom the user serves at the help desk."""
    serving = (
        f"serving {name(client)}" if client is not None else "on duty" if is_on_duty else "off duty"
    )
    return f"{serving}, {waiting:,} waiting" if waiting else serving


def placeholder(conversation: Conversation) -> str:
    """Return what an empty input shows."""
    match conversation.kind:
        case _ if conversation == NOBODY:
            return "bob: hello, /query bob, join lab"
        case ConversationKind.PERSON:
            return f"Write to {name(conversation.name)}"
        case ConversationKind.ROOM:
            return f"Say something in {name(conversation.name)}"
        case ConversationKind.EVERYBODY:
            return "Write to everybody"
        case ConversationKind.DESK:
            return "Say something to your visitor, or .next"


def left_out(count: int) -> str:
    """Say how many people the list leaves out."""
    return f"and {count:,} more"


def unread_count(count: int) -> str:
    """Show a number of unread lines in at most three cells."""
    return str(count) if count < 1_000 else "1k+"


def newer_messages(count: int, *, has_more: bool) -> str:
    """Say how many messages are below those that are shown. `has_more`: at least."""
    return (
        f"{count:,}+ newer messages"
        if has_more
        else counted(count, "newer message", "newer messages")
    )


def rule_lines(event: Event) -> list[str]:
    """Return the text of a rule across the log; none for an event that draws none."""
    match event:
        case ServerLost():
            return ["the server is away; direct chat goes on"]
        case NoServerAtStart(table_time=at) if at is not None:
            return [f"the server is away; this is the table of {shown_time(at)}"]
        case ServerStopping():
            return ["the server is closing"]
        case ServerBack():
            return ["the server is back"]
        case _:
            return []


def unbracketed(line: str) -> str:
    """Return a line of the line face without the brackets that set it apart there: `[Bye.]` becomes
    `Bye.`, and `[Silence] Go on.` becomes two sentences."""
    found = _BRACKETED.fullmatch(line)
    if found is None:
        return line
    return found[1] if found[2] is None else f"{found[1]}. {found[2]}"
