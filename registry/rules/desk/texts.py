"""The console's texts: notices and answers as the lines that the registry's terminal shows.

Lines in brackets are part of the interface, as peers print them too (`wire.desk.texts`). Strangers'
text is sanitized here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from chatapp.registry.rules.directory.directory import Directory
from chatapp.wire.desk import texts
from chatapp.wire.desk.values import DeskFigures, DeskRoom, PastLine, VisitorForm, past_of
from chatapp.wire.errors import quoted
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.desk import (
    ClientAssigned,
    ClientCause,
    ClientChanged,
    CommandDone,
    CommandResult,
    DeskLine,
    DeskNotice,
    EndDuty,
    FiguresShown,
    LineMark,
    LineRefusal,
    MoveVisitor,
    OperatorRequest,
    PastShown,
    ReadyAnswer,
    RoomShown,
    TakeDuty,
)
from chatapp.wire.text import QUOTED_MAX, sanitize

TOO_MANY_LINES: Final = "[Not done: too many lines wait for the answer to an earlier one.]"

_DISK: Final = "the disk"
_FAILURES: Final = {
    CommandResult.OFF_DUTY: "[{name} is not on duty.]",
    CommandResult.TOO_MANY: "[No more operators can be on duty at once.]",
}
"""Where this terminal says it in other words than a peer."""

_HOW: Final = {
    ClientCause.CALLED: "Next",
    ClientCause.HANDED_OVER: "Handed-over",
    ClientCause.RETURNED: "Your",
}


class CallingLine(str):
    """A line that calls the operator: the terminal rings."""

    __slots__ = ()


def notice_lines(notice: DeskNotice, *, client: str = "client") -> tuple[str, ...]:
    """Return the lines for a notice. `client`: who speaks where a line names nobody."""
    match notice:
        case DeskLine(operator=operator, text=text, mark=mark):
            who = f"{sanitize(operator)} (operator)" if operator else sanitize(client)
            if notice.target:
                return (_change_line(who, text, mark),)
            return (f"{who}: {texts.said_text(text, mark, notice.file_size)}",)
        case ClientAssigned(cause=cause, operator=giver):
            form = msgspec.convert(notice, VisitorForm, from_attributes=True)
            first, *more = texts.form_lines(form, how=_HOW[cause], by=giver)
            return (CallingLine(first), *more)
        case ClientChanged(change=change, name=name):
            return (texts.changed_line(change, name),)
        case RoomShown():
            room = msgspec.convert(notice, DeskRoom, from_attributes=True)
            return tuple(texts.room_lines(room, time=_clock))
        case FiguresShown():
            figures = msgspec.convert(notice, DeskFigures, from_attributes=True)
            return (texts.figures_line(figures),)
        case PastShown():
            return tuple(texts.past_lines(past_of(notice), author=_author, time=_time))
        case CommandDone(result=CommandResult.DONE):
            return ("[Done.]",)
        case CommandDone(result=result, subject=subject):
            return (failed_line(result, subject),)
        case _:
            return ()  # for visitors only, or confirmed as the answer to `.on` or `.off`


def _change_line(who: str, text: str, mark: LineMark) -> str:
    """Return what somebody did to a line of theirs, which this terminal has shown."""
    if mark is LineMark.RETRACTED:
        return f"[{who} took back a message.]"
    return f'[{who} changed a message to "{sanitize(text, limit=QUOTED_MAX)}".]'


def waiting_line(queue: str) -> str:
    """Return the line for the first visitor who waits."""
    return CallingLine(texts.waiting_line(queue))


def done_lines(request: OperatorRequest, result: CommandResult, subject: str) -> tuple[str, ...]:
    """Return the lines for the result of a command; none where a notice says it all."""
    if result is not CommandResult.DONE:
        return (failed_line(result, subject),)
    match request:
        case TakeDuty():
            return ("[You are on duty.]",)
        case EndDuty():
            return ("[You are off duty.]",)
        case _:
            to = request.to if isinstance(request, MoveVisitor) else 0
            line = texts.done_line(type(request), subject, position=to)
            return (line,) if line else ()


def failed_line(result: CommandResult, subject: str = "") -> str:
    """Return why a command came to nothing."""
    own = _FAILURES.get(result)
    if own is not None:
        return own.format(name=sanitize(subject))
    return texts.failed_line(result, subject, disk=_DISK)


def refused_line(reason: LineRefusal, text: str = "") -> str:
    """Return why a line was refused."""
    return texts.refused_line(reason, text, disk=_DISK)


def too_long_line(size: int) -> str:
    """Return why a text of `size` bytes was not sent."""
    return f"[Not sent: {size:,} bytes are too long; a message has at most {TEXT_MAX:,}.]"


def unknown_command_line(word: str, near: str | None) -> str:
    """Return what to say to a command that does not exist. `near`: the command that was probably
    meant."""
    hint = f"Did you mean .{near}?" if near else ".help shows all commands."
    return f"[Unknown command .{quoted(word)}. {hint}]"


def usage_line(usage: str) -> str:
    """Return how a command is used."""
    return f"[Usage: {usage}]"


def unknown_answer_line(word: str, answers: Mapping[str, ReadyAnswer]) -> str:
    """Return what to say to `.a` with a word that means no ready answer, or with none."""
    without = "[There are no ready answers: the configuration has none.]"
    shorts = [answer.short for answer in answers.values()]
    return texts.no_answer_line(quoted(word), shorts, without=without)


def _author(line: PastLine) -> str:
    return f"{sanitize(line.sender)} (operator)" if line.is_operator else sanitize(line.sender)


def _time(moment: float) -> str:
    """Return a Unix time in the reader's zone."""
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M:%S}"


def _clock(moment: float) -> str:
    return _time(moment)[11:]


def table_lines(directory: Directory) -> tuple[str, ...]:
    """Return the table: a line each with name, IP address, port and presence, under a line that
    says so."""
    if not directory:
        return ("[The table is empty.]",)
    people = sorted(directory, key=lambda person: person.card.name.casefold())
    rows = [("name", "address", "port", "online")]
    for person in people:
        host, port = person.address
        online = "yes" if person.online else "no"
        rows.append((sanitize(person.card.name), host or "-", str(port or "-"), online))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return tuple(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
