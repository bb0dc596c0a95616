"""Lines about lines: what somebody answers, changes, takes back or puts an emoji to, and how a line
reads that was changed."""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.errors import ChangeRefusal
from chatapp.peer.api.events import (
    ChangeEvent,
    Edited,
    FileAnswered,
    Line,
    Reacted,
    Retracted,
    Said,
    Seen,
)
from chatapp.peer.api.past import FoundLine
from chatapp.peer.api.requests import Cancel, Edit, LineName, React, Retract
from chatapp.peer.words.files import answer_line, file_at_desk, file_shown
from chatapp.peer.words.formatting import name, names, shown_clock
from chatapp.wire.text import sanitize

Known = Mapping[LineName, FoundLine | None]
"""The lines that events name, as they are now; None for one that is not here."""

NOTHING_KNOWN: Final[Known] = {}

Change = Edit | Retract | Cancel | React
"""What the user may do to a line."""

CANNOT_SHOW: Final = "[a message that this version cannot show]"
TAKEN_BACK: Final = "[taken back]"

ACTION: Final = "/me "
"""A text that begins so tells what its author does."""

STAR: Final = "* "
"""Stands before the author of such a line."""

_QUOTED: Final = 60
"""Characters of a line that are quoted."""

NO_SUCH_LINE: Final = "[There is no such message.]"

NOTHING_WAITS: Final = "[Nothing of yours waits.]"

_REFUSALS: Final = {
    ChangeRefusal.NO_SUCH_LINE: "There is no such message",
    ChangeRefusal.NOT_OURS: "Only who wrote a message can change it",
    ChangeRefusal.TOO_OLD: "That message is older than 7 days",
    ChangeRefusal.TAKEN_BACK: "That message was taken back",
    ChangeRefusal.NO_EMOJI: "That is not one emoji, such as 👍",
    ChangeRefusal.ELSEWHERE: "That message was written in another conversation",
    ChangeRefusal.SETTLED: "It got through already (/retract takes it back)",
    ChangeRefusal.OTHER_KEY: "The name has another key since that was written",
    ChangeRefusal.NOT_SENT: "That message did not get through",
    ChangeRefusal.IS_FILE: "The name of a file stays (/retract takes the offer back)",
}


def refused(reason: ChangeRefusal) -> str:
    """Say why a line is not changed."""
    return f"[{_REFUSALS[reason]}: nothing was sent.]"


def quoted(text: str) -> str:
    """Quote the beginning of a line."""
    whole = " ".join(sanitize(text).split())
    return f'"{whole if len(whole) <= _QUOTED else whole[: _QUOTED - 1] + "…"}"'


def is_action(line: Said) -> bool:
    """Whether a line tells what its author does, as `* bob waves`. At the help desk none does."""
    is_at_desk = line.visit > 0 or line.conversation == DESK
    return line.text.startswith(ACTION) and not (line.is_retracted or is_at_desk)


def shown_text(line: Said) -> str:
    """Return how a line reads now, behind its author."""
    if line.is_retracted:
        return TAKEN_BACK
    said = line.text.removeprefix(ACTION) if is_action(line) else line.text
    text = CANNOT_SHOW if line.is_unknown else sanitize(said)
    if line.file is not None:
        shown = file_at_desk if line.visit else file_shown
        text = shown(line.text, line.file)
    edited = " (edited)" if line.is_edited else ""
    reactions = "".join(f" {one.emoji} {one.count}" for one in line.reactions)
    return f"{text}{edited}{f' [{reactions.strip()}]' if reactions else ''}"


def text_of(line: Said, known: Known) -> str:
    """Return how a line reads in the log of its conversation."""
    to = answered(line, known)
    return f"({to}) {shown_text(line)}" if to else shown_text(line)


def line_named(event: Line | Seen) -> LineName | None:
    """Return the line that an event is about, if it is about one."""
    match event:
        case Said(reply_to=None):
            return None
        case Said(conversation=what, reply_to=target) if target is not None:
            return LineName(conversation=what, target=target)
        case Edited() | Retracted() | Reacted() | FileAnswered() | Seen():
            return LineName(conversation=event.conversation, target=event.target)
        case _:
            return None


def found_for(event: Line | Seen, known: Known) -> FoundLine | None:
    """Return the line that an event is about, if it is here."""
    named = line_named(event)
    return None if named is None else known.get(named)


def answered(line: Said, known: Known) -> str:
    """Say what a line answers: `to "see you at noon"`; empty if it answers none."""
    if line.reply_to is None:
        return ""
    found = found_for(line, known)
    if found is not None and found.line.is_retracted:
        return "to a message taken back"
    text = line.quote if found is None else found.line.text
    return f"to {quoted(text)}" if text else "to an earlier message"


def change_lines(event: ChangeEvent, known: Known) -> list[str]:
    """Return the lines about a change; none for a change that does not count, or not any more."""
    found = found_for(event, known)
    if found is None or (found.line.is_retracted and not isinstance(event, Retracted)):
        return []
    who = _who([event.sender], event.conversation)
    match event:
        case Edited():
            before = _before(found, event.id if event.visit else event.number)
            if event.visit and found.line.is_ours:  # it counts when the registry has it
                before = before or found.line.text
            return [] if before is None else [edited_line(who, before, event.text)]
        case Retracted():
            if not (found.line.is_retracted or event.visit):
                return []
            return [retracted_line(who, found.line)]
        case Reacted(is_on=is_on):
            return [reacted_line(who, event.text, found.line, is_on=is_on)]
        case FileAnswered(reply=reply):
            return [answer_line(who, found.line.text, reply)] if found.line.is_ours else []
        case _:
            assert_never(event)


def reaction_lines(alike: Sequence[Reacted], known: Known) -> list[str]:
    """Return the line about reactions of several people to one line, with the same emoji."""
    event = alike[0]
    found = found_for(event, known)
    if found is None or found.line.is_retracted:
        return []
    who = _who([one.sender for one in alike], event.conversation)
    return [reacted_line(who, event.text, found.line, is_on=event.is_on)]


def _who(senders: Sequence[str], where: Conversation) -> str:
    if where.is_person or where == DESK:
        return names(senders)
    place = f"in {name(where.name)}" if where.is_room else "to everybody"
    return f"{names(senders)} ({place})"


def seen_lines(event: Seen, known: Known) -> list[str]:
    """Return the line that says up to which line somebody has seen what the user said to them; none
    if that is not here any more."""
    found = found_for(event, known)
    if found is None:
        return []
    line = found.line
    what = f"your message of {shown_clock(line.at)[1]}" if line.is_retracted else quoted(line.text)
    return [f"[{name(event.conversation.name)} has seen {what}.]"]


def _before(found: FoundLine, number: int) -> str | None:
    """Return what a line said before the message with this number changed it."""
    numbers = [version.number for version in found.versions]
    place = numbers.index(number) if number in numbers else 0
    return found.versions[place - 1].text if place else None


def edited_line(who: str, before: str, after: str) -> str:
    """Say that somebody changed a line."""
    return f"[{who} changed {quoted(before)} to {quoted(after)}.]"


def retracted_line(who: str, line: Said) -> str:
    """Say that somebody took a line back: by its time, since nobody has its text any more."""
    return f"[{who} took back a message of {shown_clock(line.at)[1]}.]"


def own_line(line: Said, request: Change) -> str:
    """Say what the user has done to a line."""
    match request:
        case Edit(text=text):
            return edited_line("You", line.text, text)
        case Retract() | Cancel():
            return f"[You took back {quoted(line.text)}.]"
        case React(emoji=emoji, is_on=is_on):
            return reacted_line("You", emoji, line, is_on=is_on)
        case _:
            assert_never(request)


def reacted_line(who: str, emoji: str, line: Said, *, is_on: bool) -> str:
    """Say that somebody put an emoji to a line, or took it away."""
    what = CANNOT_SHOW if line.is_unknown else quoted(line.text)
    emoji = sanitize(emoji)
    return f"[{who}: {emoji} to {what}.]" if is_on else f"[{who} took {emoji} from {what}.]"
