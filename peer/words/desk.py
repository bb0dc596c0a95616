"""Lines that an operator of the help desk reads."""

from collections.abc import Mapping
from typing import Final, assert_never

from chatapp.peer.api.events import (
    AnswersKnown,
    ClientCame,
    ClientMove,
    ClientMoved,
    ClientSaid,
    CommandFailed,
    CommandFailure,
    CommandSucceeded,
    DeskAction,
    DutyChanged,
    DutyEvent,
    Figures,
    HeldBack,
    HeldInput,
    ListedVisitor,
    NothingSaid,
    NumberMoved,
    PastSessions,
    VisitorsWaiting,
    WaitingRoom,
)
from chatapp.peer.words.answers import NO_CLIENT
from chatapp.peer.words.formatting import AnswerLine, CallingLine, MessageLine, name, shown_time
from chatapp.peer.words.past import past_lines
from chatapp.wire.text import sanitize

_MOVES: Final = {
    ClientMove.AWAY: "[{name} lost the connection; the place is kept for a while.]",
    ClientMove.BACK: "[{name} is back.]",
    ClientMove.LEFT: "[{name} has left.]",
    ClientMove.LOST: "[{name} did not come back.]",
    ClientMove.ENDED: "[Session with {name} ended.]",
    ClientMove.GIVEN: "[{name} was handed over.]",
    ClientMove.TAKEN_BACK: "[{name} is at the head of the line again.]",
    ClientMove.UNANSWERED: "[{name} does not answer; the place is kept for a while.]",
    ClientMove.SILENT: "[{name} has said nothing for a while; .hold calls others first.]",
    ClientMove.HELD: "[{name} is on hold, at the head of the line.]",
    ClientMove.TRANSFERRED: "[{name} was sent to another queue.]",
}
_ENDS: Final = {
    ClientMove.LEFT: "has left",
    ClientMove.LOST: "did not come back",
    ClientMove.TAKEN_BACK: "is at the head of the line again",
    ClientMove.UNANSWERED: "does not answer",
    ClientMove.ENDED: "was sent away",
    ClientMove.GIVEN: "was handed over",
    ClientMove.HELD: "is on hold",
    ClientMove.TRANSFERRED: "was sent to another queue",
}
_TEXT_SHOWN: Final = 200
_DONE: Final = {
    DeskAction.DROPPED: "{name} was taken out of the waiting room",
    DeskAction.MOVED: "{name} is number {position} now",
    DeskAction.NOTED: "Note about {name} kept",
    DeskAction.CLOSED: "{name} is closed to newcomers",
    DeskAction.OPENED: "{name} is open",
    DeskAction.ANNOUNCED: "Sent to everyone waiting for {name}",
}
_FAILED: Final = {
    CommandFailure.NO_CLIENT: "No active client",
    CommandFailure.ROOM_EMPTY: "Waiting room: empty",
    CommandFailure.NO_SUCH_POSITION: "Nobody has that number in the waiting room",
    CommandFailure.NO_SUCH_OPERATOR: "There is no other operator of that name",
    CommandFailure.OFF_DUTY: "That operator is not on duty",
    CommandFailure.NO_SUCH_QUEUE: "There is no queue of that name",
    CommandFailure.NOT_AN_OPERATOR: "Only help-desk operators can do that",
    CommandFailure.TOO_MANY: "No more operators can be on duty",
    CommandFailure.OTHER_QUEUE: "End the session with your client first",
    CommandFailure.TOO_LONG: "The text is too long: at most 4,096 bytes",
    CommandFailure.NOBODY_IN_REACH: "Nobody in the waiting room can be called just now; the first who can is yours",
    CommandFailure.SAME_QUEUE: "{name} is in that queue already",
    CommandFailure.QUEUE_FULL: "Too many wait in that queue",
    CommandFailure.NOT_STORED: "Nothing was done: the server's disk is full or read-only",
    CommandFailure.NOT_ON_DUTY: "Only operators on duty can do that: type .on first",
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
        case AnswersKnown():
            return []  # `.a` lists them
        case VisitorsWaiting(queue=queue, is_first=is_first):
            return (
                [CallingLine(f"[Someone is waiting ({name(queue)}).]", by=name(queue))]
                if is_first
                else []
            )
        case ClientCame():
            return _form(event)
        case ClientMoved(name=who, move=move):
            return [_MOVES[move].format(name=name(who))]
        case ClientSaid(sender=sender, text=text):
            return [MessageLine(name(sender), ": ", sanitize(text))]
        case CommandSucceeded(action=action, name=who, position=position):
            return [f"[{_DONE[action].format(name=name(who), position=position)}.]"]
        case CommandFailed(reason=why, name=who):
            return [f"[{_FAILED[why].format(name=name(who))}.]"]
        case HeldBack():
            return [_held_back(event)]
        case NothingSaid(name=who):
            ask = ".next again ends the session, .hold keeps the place at the head of the line"
            return [f"[{name(who)} has said nothing yet: {ask}.]"]
        case NumberMoved(position=position, was=was, is_now=is_now):
            changed = (
                f"Number {position} was {name(was)} when you looked, and is {name(is_now)} now"
            )
            return [f"[{changed}: type .room first.]"]
        case WaitingRoom(is_quiet=True) | Figures(is_quiet=True) | PastSessions(is_quiet=True):
            return []  # the program that has asked shows it
        case WaitingRoom():
            return list(map(AnswerLine, _room(event)))
        case Figures():
            return list(map(AnswerLine, _figures(event)))
        case PastSessions():
            return list(map(AnswerLine, past_lines(event)))
        case _:
            assert_never(event)


def ready_answer(word: str, answers: Mapping[str, str]) -> str | None:
    """Return the ready answer that this word means, in any case; None for none."""
    return next((text for short, text in answers.items() if short.lower() == word.lower()), None)


def answer_said(word: str, text: str) -> str:
    """Show which text a ready answer stands for."""
    return f"[{name(word)}: {sanitize(text)}]"


def no_answer(word: str, answers: Mapping[str, str]) -> str:
    """Answer `.a` with a word that means no ready answer, or with none."""
    if not answers:
        return "[There are no ready answers: the help desk's configuration has none.]"
    shorts = ", ".join(map(name, answers))
    return (
        f'[There is no ready answer "{name(word)}"; there are {shorts}.]'
        if word
        else f"[Ready answers: {shorts}.]"
    )


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
        case HeldInput.LINE:
            what = (
                f"this was not said to {client}" if client and held.former else "this was not said"
            )
        case HeldInput.NOTE:
            what = f"this was not noted about {client}" if client else "this was not noted"
        case HeldInput.HAND_OVER:
            what = f"{client} was not handed over" if client else "nobody was handed over"
        case HeldInput.END:
            what = f"the session with {client} goes on" if client else "nothing was done"
        case _:
            assert_never(held.what)
    return f"[{why}; {what}.]"


def _form(came: ClientCame) -> list[str]:
    how = (
        "Your client"
        if came.is_back
        else "Handed-over client"
        if came.handed_over_by
        else "Next client"
    )
    by = f", from {name(came.handed_over_by)}" if came.handed_over_by else ""
    lines = [
        CallingLine(f"[{how}{by}; waited {_span(came.waited)}.]", by=name(came.name)),
        f"Name: {name(came.name)}",
        f"Number: {name(came.number)}",
        f"Issue: {sanitize(came.issue, limit=_TEXT_SHOWN)}",
    ]
    lines += [f"Says: {line}" for line in map(sanitize, came.description.split("\n")) if line]
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
        f"{position}. {_visitor(one, 'waiting since', 'for')}"
        for position, one in enumerate(room.waiting, 1)
    ]
    if room.total > len(room.waiting):
        lines.append(f"[And {room.total - len(room.waiting):,} more.]")
    return lines


def _visitor(one: ListedVisitor, since: str, by: str) -> str:
    operator = f", {by} {name(one.operator)}" if one.operator else ""
    away = ", away" if not one.is_here else ", silent" if one.is_silent else ""
    paused = ", paused" if one.is_paused else ""
    issue = sanitize(one.issue, limit=_TEXT_SHOWN)
    return f"{name(one.name)}, {issue}, {since} {shown_time(one.since)}{operator}{away}{paused}"


def _figures(figures: Figures) -> list[str]:
    waits = (
        f"median wait {_span(figures.median_wait)}, 90th percentile {_span(figures.ninetieth_wait)}"
    )
    now = f"waiting now {figures.waiting:,}, longest {_span(figures.longest_waiting)}"
    on_duty = (
        f"operators on duty {figures.operators:,}{_rating(figures.rated, figures.mean_rating)}"
    )
    return [f"[Served today {figures.served_today:,}; {waits}; {now}; {on_duty}.]"]


def _rating(count: int, hundredths: int) -> str:
    return f"; rated {hundredths / 100:.1f} of 5 by {count:,}" if count else ""


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
