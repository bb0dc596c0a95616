"""The lines that an operator of the help desk reads, in both faces: a peer and the registry's
console. Strangers' text is sanitized here.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from chatapp.wire.desk.focus import HeldInput, StaleNumber
from chatapp.wire.desk.values import (
    DeskFigures,
    DeskPast,
    DeskRoom,
    ListedVisitor,
    PastLine,
    PastSession,
    VisitorForm,
)
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    ClientChange,
    CloseQueue,
    CommandResult,
    DropVisitor,
    LineMark,
    LineRefusal,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
)
from chatapp.wire.text import QUOTED_MAX, sanitize

NO_CLIENT: Final = "[No active client.]"
ROOM_EMPTY: Final = "[Waiting room: empty.]"

_NAME_SHOWN: Final = 64
"""Characters of a name that are shown: no more than one may have, so that only a forged one is
cut."""
_ISSUE_SHOWN: Final = 200

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
_FAILURES: Final = {
    CommandResult.NO_CLIENT: NO_CLIENT,
    CommandResult.ROOM_EMPTY: ROOM_EMPTY,
    CommandResult.NO_SUCH_POSITION: "[Nobody has that number in the waiting room.]",
    CommandResult.NO_SUCH_OPERATOR: "[There is no other operator of that name.]",
    CommandResult.OFF_DUTY: "[That operator is not on duty.]",
    CommandResult.NO_SUCH_QUEUE: "[There is no queue of that name.]",
    CommandResult.NOT_AN_OPERATOR: "[Only help-desk operators can do that.]",
    CommandResult.TOO_MANY: "[No more operators can be on duty.]",
    CommandResult.OTHER_QUEUE: "[End the session with your client first.]",
    CommandResult.TOO_LONG: "[The text is too long: at most 4,096 bytes.]",
    CommandResult.OTHER_CLIENT: "[You serve somebody else now; nothing was done.]",
    CommandResult.NOT_IN_LINE: "[{name} is not in the waiting room any more.]",
    CommandResult.SAME_QUEUE: "[{name} is in that queue already.]",
    CommandResult.QUEUE_FULL: "[Too many wait in that queue.]",
    CommandResult.NOT_STORED: "[Nothing was done: {disk} is full or read-only.]",
    CommandResult.NOT_ON_DUTY: "[Only operators on duty can do that: type .on first.]",
    CommandResult.NOBODY_IN_REACH: "[Nobody in the waiting room can be called just now; the first who can is yours.]",
}
_DONE: Final[Mapping[type[OperatorRequest], str]] = {
    DropVisitor: "[{name} was taken out of the waiting room.]",
    MoveVisitor: "[{name} is number {position} now.]",
    NoteVisitor: "[Note about {name} kept.]",
    CloseQueue: "[{name} is closed to newcomers.]",
    OpenQueue: "[{name} is open.]",
    AnnounceAtDesk: "[Sent to everyone waiting for {name}.]",
}
_LINE_REFUSALS: Final = {
    LineRefusal.NOT_YOUR_TURN: NO_CLIENT,
    LineRefusal.NO_CLIENT: NO_CLIENT,
    LineRefusal.FULL: "[Not sent: the client is away, and too much waits for them already.]",
    LineRefusal.TOO_FAST: "[Not sent: too many lines at once.]",
    LineRefusal.NOT_SERVING: "[Not sent: {disk} is full or read-only.]",
    LineRefusal.NO_UPLOAD: "[Not sent: the file did not arrive whole; send it again.]",
    LineRefusal.NO_SUCH_LINE: "[Not changed: there is no such message of yours any more.]",
}


# --- what becomes of commands and lines


def done_line(command: type[OperatorRequest], subject: str, *, position: int = 0) -> str:
    """Return the line for a command that is done; empty where a notice tells of it. `position`: the
    new number of a visitor who was moved."""
    return _DONE.get(command, "").format(name=_name(subject), position=position)


def failed_line(result: CommandResult, subject: str, *, disk: str = "the server's disk") -> str:
    """Return why a command came to nothing. `disk`: what the reader calls the registry's."""
    return _FAILURES[result].format(name=_name(subject), disk=disk)


def refused_line(reason: LineRefusal, text: str = "", *, disk: str = "the server's disk") -> str:
    """Return why a line was refused. `text`: the line. `disk`: as in `failed_line`."""
    return _quoting(_LINE_REFUSALS[reason].format(disk=disk), text)


def _quoting(line: str, text: str) -> str:
    """Return a line with the words that it is about."""
    words = sanitize(text, limit=QUOTED_MAX)
    return f"{line.removesuffix('.]')}: {words}]" if words else line


def held_line(
    what: HeldInput, *, former: str, change: ClientChange | None, client: str, text: str = ""
) -> str:
    """Return why something was held back, and what was not done. `former`, `client`: the names in
    `Held`, empty for None. `text`: the words of a line or a note."""
    client = _name(client)
    if former:
        end = None if change is None else _ENDS.get(change)
        why = f"{_name(former)} {end or 'is not your client any more'}"
    elif client:
        why = f"{client} has just come"
    else:
        return NO_CLIENT
    match what:
        case HeldInput.LINE:
            not_done = (
                f"this was not said to {client}" if client and former else "this was not said"
            )
        case HeldInput.NOTE:
            not_done = f"this was not noted about {client}" if client else "this was not noted"
        case HeldInput.HAND_OVER:
            not_done = f"{client} was not handed over" if client else "nobody was handed over"
        case HeldInput.END:
            not_done = f"the session with {client} goes on" if client else "nothing was done"
    return _quoting(f"[{why}; {not_done}.]", text)


def said_text(text: str, mark: LineMark, file_size: int = 0) -> str:
    """Return how a line of a visit reads now, behind its author."""
    if mark is LineMark.RETRACTED:
        return "[taken back]"
    if file_size:
        return f"[file {sanitize(text)}, {file_size:,} bytes]"
    return f"{sanitize(text)}{' (edited)' if mark is LineMark.EDITED else ''}"


def nothing_said_line(name: str) -> str:
    """Return what to say before a session ends in which the visitor has said nothing."""
    ask = ".next again ends the session, .hold keeps the place at the head of the line"
    return f"[{_name(name)} has said nothing yet: {ask}.]"


def moved_line(position: int, moved: StaleNumber) -> str:
    """Return why a number of the waiting room is not clear."""
    was, is_now = _name(moved.was), _name(moved.is_now)
    return f"[Number {position} was {was} when you looked, and is {is_now} now: type .room first.]"


def no_answer_line(word: str, shorts: Collection[str], *, without: str) -> str:
    """Return what to say to `.a` with a word, safe to show, that means no ready answer, or with
    none. `without`: what to say if there are none at all."""
    if not shorts:
        return without
    listed = ", ".join(map(_name, shorts))
    if word:
        return f'[There is no ready answer "{word}"; there are {listed}.]'
    return f"[Ready answers: {listed}.]"


# --- what happens


def waiting_line(queue: str) -> str:
    """Return the line for the first visitor who waits."""
    return f"[Someone is waiting ({_name(queue)}).]"


def changed_line(change: ClientChange, name: str) -> str:
    """Return what has happened to the operator's visitor."""
    return _CHANGES[change].format(name=_name(name))


def form_lines(form: VisitorForm, *, how: str, by: str) -> list[str]:
    """Return the lines for a visitor whom the operator serves from now on: the `how` client. `by`:
    who has handed the visitor over, if anybody."""
    giver = f", from {_name(by)}" if by else ""
    lines = [f"[{how} client{giver}; waited {_span(form.waited)}.]", f"Name: {_name(form.name)}"]
    lines += _said_of_themselves(form)
    return lines if form.is_here else [*lines, changed_line(ClientChange.AWAY, form.name)]


def _said_of_themselves(form: VisitorForm | PastSession) -> list[str]:
    """Return the lines for what a visitor has told, and for the note."""
    lines = [f"Number: {_name(form.number)}", f"Issue: {sanitize(form.issue, limit=_ISSUE_SHOWN)}"]
    lines += [f"Says: {line}" for line in map(sanitize, form.description.split("\n")) if line]
    return [*lines, f"Note: {sanitize(form.note)}"] if form.note else lines


def room_lines(room: DeskRoom, *, time: Callable[[float], str]) -> list[str]:
    """Return who is served, and who waits. `time`: how a Unix time is shown."""
    served = (_visitor(visit, f"since {time(visit.since)}", "with") for visit in room.served)
    lines = [f"[Active: {visitor}.]" for visitor in served] or [NO_CLIENT]
    if not room.total:
        return [*lines, ROOM_EMPTY, *_desk_lines(room)]
    lines.append(f"[Waiting room: {room.total:,}.]")
    for position, visitor in enumerate(room.waiting, 1):
        since = f"waiting since {time(visitor.since)}"
        lines.append(f"{position}. {_visitor(visitor, since, 'for')}")
    if room.total > len(room.waiting):
        lines.append(f"[And {room.total - len(room.waiting):,} more.]")
    return [*lines, *_desk_lines(room)]


def _desk_lines(room: DeskRoom) -> list[str]:
    """Return who else is on duty, and how many wait elsewhere, if there is anybody else or another
    queue."""
    lines = []
    if len(room.on_duty) > 1:
        on_duty = (
            f"{_name(each.operator)} ({'free' if each.is_free else 'serving'}"
            f"{'' if each.queue == room.queue else f', {_name(each.queue)}'})"
            for each in room.on_duty
        )
        lines.append(f"[On duty: {', '.join(on_duty)}.]")
    if len(room.queues) > 1:
        waiting = (f"{_name(each.queue)} {each.waiting:,}" for each in room.queues)
        lines.append(f"[Waiting: {', '.join(waiting)}.]")
    return lines


def _visitor(visitor: ListedVisitor, since: str, by: str) -> str:
    issue = sanitize(visitor.issue, limit=_ISSUE_SHOWN)
    operator = f", {by} {_name(visitor.operator)}" if visitor.operator else ""
    away = ", away" if not visitor.is_here else ", silent" if visitor.is_silent else ""
    paused = ", paused" if visitor.is_paused else ""
    return f"{_name(visitor.name)}, {issue}, {since}{operator}{away}{paused}"


def figures_line(figures: DeskFigures) -> str:
    """Return the figures of a queue."""
    median, ninetieth = _span(figures.median_wait), _span(figures.ninetieth_wait)
    rated = ""
    if figures.rated:
        rated = f"; rated {figures.mean_rating / 100:.1f} of 5 by {figures.rated:,}"
    return (
        f"[Served today {figures.served_today:,}"
        f"; median wait {median}, 90th percentile {ninetieth}"
        f"; waiting now {figures.waiting:,}, longest {_span(figures.longest_waiting)}"
        f"; operators on duty {figures.operators:,}{rated}.]"
    )


def past_lines(
    past: DeskPast, *, author: Callable[[PastLine], str], time: Callable[[float], str]
) -> list[str]:
    """Return the lines for sessions that are over. `author`: how the author of a line is shown.
    `time`: shows a Unix time as `YYYY-MM-DD HH:MM:SS`."""
    if not past.sessions:
        return ["[No past sessions.]"]
    lines = [f"[Past sessions: {len(past.sessions):,} of {past.total:,}.]"]
    for session in past.sessions:
        operator = f", with {_name(session.operator)}" if session.operator else ""
        took = f"waited {_span(session.waited)}, took {_span(session.took)}{operator}"
        lines.append(f"[{_name(session.name)}, {time(session.at)}: {took}.]")
        lines += _said_of_themselves(session)
        if not session.has_transcript:
            lines.append("[What was said is not kept any more.]")
        elif session.left_out:
            are = "line is" if session.left_out == 1 else "lines are"
            lines.append(f"[{session.left_out:,} earlier {are} left out.]")
        for line in session.lines:
            lines.append(
                f"{time(line.at)[11:]} {author(line)}: {said_text(line.text, line.mark, line.size)}"
            )
    return lines


# --- how values are shown


def _name(text: str) -> str:
    return sanitize(text, limit=_NAME_SHOWN)


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
