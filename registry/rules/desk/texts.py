"""The console's texts: each notice and each answer as the lines that are shown.

Lines in brackets are part of the interface, as peers print them too. Strangers' text is sanitized
here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, assert_never

from chatapp.registry.rules.people.directory import Directory
from chatapp.wire.desk import Held, StaleNumber
from chatapp.wire.errors import quoted
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    CallNext,
    ClientAssigned,
    ClientCause,
    ClientChange,
    ClientChanged,
    CloseQueue,
    CommandDone,
    CommandResult,
    DeskLine,
    DeskNotice,
    DropVisitor,
    DutyStatus,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
    HoldVisitor,
    LineRefusal,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
    PastSession,
    PastShown,
    ReadyAnswer,
    RoomShown,
    RoomVisitor,
    SendDeskLine,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
    TransferVisitor,
)
from chatapp.wire.text import sanitize

NO_CLIENT: Final = "[No active client.]"
NO_SUCH_POSITION: Final = "[Nobody has that number in the waiting room.]"
TOO_MANY_LINES: Final = "[Not done: too many lines wait for the answer to an earlier one.]"
ROOM_EMPTY: Final = "[Waiting room: empty.]"

_CHANGES: Final = {
    ClientChange.AWAY: "[{name} lost the connection; the place is kept for a while.]",
    ClientChange.BACK: "[{name} is back.]",
    ClientChange.LEFT: "[{name} has left.]",
    ClientChange.LOST: "[{name} did not come back.]",
    ClientChange.ENDED: "[Session with {name} ended.]",
    ClientChange.GIVEN: "[{name} was handed over.]",
    ClientChange.TAKEN_BACK: "[{name} is at the head of the line again.]",
    ClientChange.UNANSWERED: "[{name} does not answer; the place is kept for a while.]",
    ClientChange.SILENT: "[{name} has said nothing for a while; .hold calls others first.]",
    ClientChange.HELD: "[{name} is on hold, at the head of the line.]",
    ClientChange.TRANSFERRED: "[{name} was sent to another queue.]",
}

_REFUSALS: Final = {
    CommandResult.NO_CLIENT: NO_CLIENT,
    CommandResult.ROOM_EMPTY: ROOM_EMPTY,
    CommandResult.NO_SUCH_POSITION: NO_SUCH_POSITION,
    CommandResult.NO_SUCH_OPERATOR: "[There is no other operator of that name.]",
    CommandResult.OFF_DUTY: "[{subject} is not on duty.]",
    CommandResult.NO_SUCH_QUEUE: "[There is no queue of that name.]",
    CommandResult.NOT_AN_OPERATOR: "[Only help-desk operators can do that.]",
    CommandResult.TOO_MANY: "[No more operators can be on duty at once.]",
    CommandResult.OTHER_QUEUE: "[End the session with your client first.]",
    CommandResult.TOO_LONG: "[The text is too long: at most 4,096 bytes.]",
    CommandResult.OTHER_CLIENT: "[You serve somebody else now; nothing was done.]",
    CommandResult.NOT_IN_LINE: "[{subject} is not in the waiting room any more.]",
    CommandResult.SAME_QUEUE: "[{subject} is in that queue already.]",
    CommandResult.QUEUE_FULL: "[Too many wait in that queue.]",
    CommandResult.NOT_STORED: "[Nothing was done: the disk is full or read-only.]",
    CommandResult.NOT_ON_DUTY: "[Only operators on duty can do that: type .on first.]",
    CommandResult.NOBODY_IN_REACH: "[Nobody in the waiting room can be called just now; the first who can is yours.]",
}

_ENDS: Final = {
    ClientChange.LEFT: "has left",
    ClientChange.LOST: "did not come back",
    ClientChange.TAKEN_BACK: "is at the head of the line again",
    ClientChange.UNANSWERED: "does not answer",
    ClientChange.ENDED: "was sent away",
    ClientChange.GIVEN: "was handed over",
    ClientChange.HELD: "is on hold",
    ClientChange.TRANSFERRED: "was sent to another queue",
}

_LINE_REFUSALS: Final = {
    LineRefusal.NOT_YOUR_TURN: NO_CLIENT,
    LineRefusal.NO_CLIENT: NO_CLIENT,
    LineRefusal.FULL: "[Not sent: the client is away, and too much waits for them already.]",
    LineRefusal.TOO_FAST: "[Not sent: too many lines at once.]",
    LineRefusal.NOT_SERVING: "[Not sent: the disk is full or read-only.]",
}


class CallingLine(str):
    """A line that calls the operator: the terminal rings."""

    __slots__ = ()


def notice_lines(notice: DeskNotice, *, client: str = "client") -> tuple[str, ...]:
    """Return the lines for a notice. `client`: who speaks where a line names nobody."""
    match notice:
        case DeskLine():
            who = f"{sanitize(notice.operator)} (operator)" if notice.operator else sanitize(client)
            return (f"{who}: {sanitize(notice.text)}",)
        case ClientAssigned():
            return _client(notice)
        case ClientChanged():
            return (_CHANGES[notice.change].format(name=sanitize(notice.name)),)
        case DutyStatus():
            return ()  # confirmed as the answer to `.on` or `.off`
        case RoomShown():
            return _room(notice)
        case FiguresShown():
            return _figures(notice)
        case PastShown():
            return _past(notice)
        case CommandDone():
            return (
                _REFUSALS.get(notice.result, "[Done.]").format(subject=sanitize(notice.subject)),
            )
        case _:
            return ()  # for visitors only


def waiting_line(queue: str) -> str:
    """Return the line for the first visitor who waits."""
    return CallingLine(f"[Someone is waiting ({sanitize(queue)}).]")


def done_lines(request: OperatorRequest, result: CommandResult, subject: str) -> tuple[str, ...]:
    """Return the lines for the result of a command; none where a notice says it all."""
    subject = sanitize(subject)
    if result is not CommandResult.DONE:
        return (_REFUSALS[result].format(subject=subject),)
    match request:
        case DropVisitor():
            return (f"[{subject} was taken out of the waiting room.]",)
        case MoveVisitor():
            return (f"[{subject} is number {request.to} now.]",)
        case NoteVisitor():
            return (f"[Note about {subject} kept.]",)
        case CloseQueue():
            return (f"[{subject} is closed to newcomers.]",)
        case OpenQueue():
            return (f"[{subject} is open.]",)
        case AnnounceAtDesk():
            return (f"[Sent to everyone waiting for {subject}.]",)
        case TakeDuty():
            return ("[You are on duty.]",)
        case EndDuty():
            return ("[You are off duty.]",)
        case (
            CallNext()
            | EndSession()
            | HandOver()
            | HoldVisitor()
            | TransferVisitor()
            | ShowRoom()
            | ShowFigures()
            | ShowPast()
        ):
            return ()
    assert_never(request)


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


def held_line(typed: OperatorRequest | SendDeskLine, held: Held) -> str:
    """Return why a line or a command was held back, and what it did not do."""
    client = "" if held.client is None else sanitize(held.client.name)
    if held.former is not None:
        change = None if held.change is None else _ENDS.get(held.change)
        why = f"{sanitize(held.former.name)} {change or 'is not your client any more'}"
    elif client:
        why = f"{client} has just come"
    else:
        return NO_CLIENT
    match typed:
        case SendDeskLine():
            what = (
                f"this was not said to {client}"
                if client and held.former is not None
                else "this was not said"
            )
        case NoteVisitor():
            what = f"this was not noted about {client}" if client else "this was not noted"
        case HandOver() | TransferVisitor():
            what = f"{client} was not handed over" if client else "nobody was handed over"
        case _:
            what = f"the session with {client} goes on" if client else "nothing was done"
    return f"[{why}; {what}.]"


def nothing_said_line(name: str) -> str:
    """Return what to say before a session ends in which the visitor has said nothing."""
    return (
        f"[{sanitize(name)} has said nothing yet: .next again ends the session, "
        ".hold keeps the place at the head of the line.]"
    )


def unknown_answer_line(word: str, answers: Mapping[str, ReadyAnswer]) -> str:
    """Return what to say to `.a` with a word that means no ready answer, or with none."""
    shorts = ", ".join(sanitize(one.short) for one in answers.values())
    if not answers:
        return "[There are no ready answers: the configuration has none.]"
    return (
        f'[There is no ready answer "{quoted(word)}"; there are {shorts}.]'
        if word
        else f"[Ready answers: {shorts}.]"
    )


def moved_line(position: int, moved: StaleNumber) -> str:
    """Return why a number of the waiting room is not clear."""
    return (
        f"[Number {position} was {sanitize(moved.was)} when you looked, and is {sanitize(moved.is_now)} now: "
        "type .room first.]"
    )


def refused_line(reason: LineRefusal) -> str:
    """Return why a line was refused."""
    return _LINE_REFUSALS[reason]


def _client(told: ClientAssigned) -> tuple[str, ...]:
    how = {
        ClientCause.CALLED: "Next client",
        ClientCause.HANDED_OVER: "Handed-over client",
        ClientCause.RETURNED: "Your client",
    }[told.cause]
    by = f", from {sanitize(told.operator)}" if told.operator else ""
    lines = [
        CallingLine(f"[{how}{by}; waited {_span(told.waited)}.]"),
        f"Name: {sanitize(told.name)}",
        f"Number: {sanitize(told.number)}",
        f"Issue: {sanitize(told.issue)}",
    ]
    lines += [f"Says: {line}" for line in map(sanitize, told.description.split("\n")) if line]
    if told.note:
        lines.append(f"Note: {sanitize(told.note)}")
    if not told.is_here:
        lines.append(_CHANGES[ClientChange.AWAY].format(name=sanitize(told.name)))
    return tuple(lines)


def _room(shown: RoomShown) -> tuple[str, ...]:
    lines = [
        f"[Active: {sanitize(one.name)}, {sanitize(one.issue)}, since {_time(one.since)}{_with(one)}.]"
        for one in shown.served
    ] or [NO_CLIENT]
    if not shown.waiting:
        return (*lines, ROOM_EMPTY)
    lines.append(f"[Waiting room: {shown.total}.]")
    for position, one in enumerate(shown.waiting, 1):
        away = ("" if one.is_here else ", away") + (", paused" if one.is_paused else "")
        wanted = f", for {sanitize(one.operator)}" if one.operator else ""
        since = f"waiting since {_time(one.since)}"
        lines.append(
            f"{position}. {sanitize(one.name)}, {sanitize(one.issue)}, {since}{wanted}{away}"
        )
    if shown.total > len(shown.waiting):
        lines.append(f"[And {shown.total - len(shown.waiting)} more.]")
    return tuple(lines)


def _figures(shown: FiguresShown) -> tuple[str, ...]:
    waits = f"median wait {_span(shown.median_wait)}, 90th percentile {_span(shown.ninetieth_wait)}"
    now = f"waiting now {shown.waiting}, longest {_span(shown.longest_waiting)}"
    on_duty = f"operators on duty {shown.operators}{_rating(shown.rated, shown.mean_rating)}"
    return (f"[Served today {shown.served_today}; {waits}; {now}; {on_duty}.]",)


def _past(shown: PastShown) -> tuple[str, ...]:
    if not shown.sessions:
        return ("[No past sessions.]",)
    lines = [f"[Past sessions: {len(shown.sessions)} of {shown.total}.]"]
    for session in shown.sessions:
        lines += _past_session(session)
    return tuple(lines)


def _past_session(one: PastSession) -> list[str]:
    name = sanitize(one.name)
    operator = f", with {sanitize(one.operator)}" if one.operator else ""
    took = f"waited {_span(one.waited)}, took {_span(one.took)}{operator}"
    lines = [
        f"[{name}, {_date(one.at)} {_time(one.at)}: {took}.]",
        f"Number: {sanitize(one.number)}",
    ]
    lines.append(f"Issue: {sanitize(one.issue)}")
    lines += [f"Says: {line}" for line in map(sanitize, one.description.split("\n")) if line]
    if one.note:
        lines.append(f"Note: {sanitize(one.note)}")
    if not one.has_transcript:
        lines.append("[What was said is not kept any more.]")
    elif one.left_out:
        lines.append(
            f"[{one.left_out} earlier {'line is' if one.left_out == 1 else 'lines are'} left out.]"
        )
    for line in one.lines:
        who = f"{sanitize(line.operator)} (operator)" if line.operator else name
        lines.append(f"{_time(line.at // 1_000)} {who}: {sanitize(line.text)}")
    return lines


def _with(one: RoomVisitor) -> str:
    state = ", away" if not one.is_here else ", silent" if one.is_silent else ""
    return f", with {sanitize(one.operator)}{state}"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d")


def _time(seconds: int) -> str:
    """Return a time of day in the reader's zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


def _rating(count: int, hundredths: int) -> str:
    return f"; rated {hundredths / 100:.1f} of 5 by {count:,}" if count else ""


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


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
