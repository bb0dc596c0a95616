"""The lines that a visitor reads. Scripts match them, so they must not change."""

from collections.abc import Sequence
from typing import Final, assert_never

from chatapp.peer.ui.completion import Candidate
from chatapp.peer.ui.formatting import (
    STOP_CANCELLED,
    CallingLine,
    MessageLine,
    announced,
    counted,
    key_accepted,
    key_changed,
    key_met,
    link_trouble,
    name,
    names,
    shown_clock,
    shown_day,
    stop_planned,
)
from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.form import FormQuestion
from chatapp.wire.errors import quoted
from chatapp.wire.limits import GUESTS_PER_ADDRESS, TEXT_MAX
from chatapp.wire.text import sanitize

SILENT: Final = "[Server not responding]"
WAIT: Final = "[Please wait for your turn.]"
ACTIVE: Final = "[You are active.]"
FORM_FIRST: Final = "[You are not in the waiting room yet: fill in the form first.]"
LINE_TOO_LONG: Final = f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"
VOID: Final = "[Three wrong answers: the request is void. Bye.]"

DESCRIBED: Final = (
    "[Kept as your description: the operator reads it when it is your turn. .about <text> replaces it.]"
)
NO_DESCRIPTION: Final = (
    "[No description yet: type what it is about, and the operator reads it when it is your turn.]"
)
TOO_LATE: Final = "[It is your turn: what you type reaches the operator at once.]"

COMMANDS: Final = {
    ".queue": "where you are in the waiting room, and how long it may take",
    ".about": "with a text: what it is about, in your words; alone: show it",
    ".pause": "let others go first; your place is kept",
    ".resume": "end the pause",
    "/new": "give your place up and begin a new request",
    "/help": "these lines",
    "/quit": "leave the help desk",
}
"""What a visitor may type besides text, and what it does."""

HELP: Final = (
    *(f"{spelling:<7}  {about}" for spelling, about in COMMANDS.items()),
    "Anything else is said to the operator when it is your turn, and kept as your description before; //text says /text.",
)

_TURNS: Final = {
    happened.Turn.AT_ONCE: "[You are connected.]",
    happened.Turn.CALLED: "[It's your turn.]",
    happened.Turn.HANDED_OVER: "[{operator} serves you now.]",
}
_BACK: Final = {
    happened.SentBackReason.HANDED_OVER: "[You are being handed over: you are next in line.]",
    happened.SentBackReason.OPERATOR_LOST: "[The operator has lost the connection: you are next in line.]",
    happened.SentBackReason.CALL_MISSED: "[You were called while you were away: your place was kept.]",
    happened.SentBackReason.ON_HOLD: "[You did not answer, so others are called first; your place at the head of the line "
    "is kept. Type .resume when you are here.]",
    happened.SentBackReason.TRANSFERRED: "[You are in the queue {queue} now, by the time at which you came.]",
}
_MINUTE: Final = 60


_OVER: Final = {
    happened.OverCause.ENDED: "The operator has ended the session",
    happened.OverCause.LEFT: "You have left the help desk",
    happened.OverCause.DROPPED: "An operator has taken you out of the waiting room",
    happened.OverCause.LOST: "You were away for too long: your place was given up",
    happened.OverCause.ELSEWHERE: "You go on in another program, which has your ticket",
    happened.OverCause.NOT_KEPT: "The server's disk is full or read-only; please come back later",
}
_ENDED_UNSEEN: Final = "The session has ended while you were away"
_REFUSED: Final = {
    happened.DeskRefusal.BAD_FORM: "the form is not valid",
    happened.DeskRefusal.NO_SUCH_QUEUE: "there is no such queue",
    happened.DeskRefusal.NO_SUCH_TICKET: "the visit is over, or never was",
    happened.DeskRefusal.LINE_FULL: "too many are waiting; please come back later",
    happened.DeskRefusal.ADDRESS_FULL: "too many visitors of your address are here; please come back later",
    happened.DeskRefusal.NOT_SERVING: "the server's disk is full or read-only; please come back later",
    happened.DeskRefusal.CLOSED: "the help desk is closed",
    happened.DeskRefusal.ONE_VISIT: "you are here already",
}
_LINE_REFUSED: Final = {
    happened.LineRefusal.NOT_YOUR_TURN: "it is not your turn",
    happened.LineRefusal.NO_CLIENT: "nobody serves you",
    happened.LineRefusal.FULL: "the operator is away, and no more is kept",
    happened.LineRefusal.TOO_FAST: "too many lines at once; say it again in a moment",
    happened.LineRefusal.NOT_SERVING: "the server's disk is full or read-only",
}
_NOT_ADMITTED: Final = {
    happened.RefusalReason.VERSION: "it speaks another version of the protocol",
    happened.RefusalReason.FULL: "it takes no more visitors now",
    happened.RefusalReason.NOT_SERVING: "it is not serving now",
    happened.RefusalReason.BANNED: "you are banned from this server",
}
"""The other reasons concern names and join codes, which a visitor does not have."""

_QUESTIONS: Final = {
    FormQuestion.NAME: "[Your full name:]",
    FormQuestion.NUMBER: "[Your mobile number:]",
    FormQuestion.ISSUE: "[What is it about? Type its number:]",
}


def answer_refused(why: str) -> str:
    """Answer a wrong answer to a question of the form."""
    return f"[{sanitize(why)}.]"


def unknown_command(word: str) -> str:
    """Answer a command that does not exist."""
    return f'[Unknown command "{quoted(word)}": nothing was sent. Type /help.]'


def message_too_long(size: int, limit: int) -> str:
    """Answer a line that is longer than a message may be, in bytes."""
    return f"[Message not sent: {size:,} bytes, at most {limit:,}.]"


def description_lines(text: str) -> list[str]:
    """Show what the visitor wrote about the issue."""
    lines = [f"About: {line}" for line in map(sanitize, text.split("\n")) if line]
    return lines or [NO_DESCRIPTION]


def question_lines(question: FormQuestion, menu: Sequence[str]) -> list[str]:
    """Return the lines that ask a question of the form. `menu`: the issues to choose from."""
    lines = [_QUESTIONS[question]]
    if question is FormQuestion.ISSUE:
        lines += [f"[{number} {sanitize(issue)}]" for number, issue in enumerate(menu, 1)]
    return lines


def lines_of(event: happened.VisitEvent, *, is_first: bool = False) -> list[str]:
    """Return the lines to show for an event, without the prompt. `is_first`: it is the operator's first line."""
    match event:
        case happened.FormWanted():
            return ["[False data makes your request void.]"]  # the form asks its own questions
        case happened.LineReceived(operator=operator, text=text):
            return [MessageLine(name(operator), ": ", sanitize(text), is_calling=is_first)]
        case happened.NotYourTurn():
            return [WAIT]
        case happened.VisitorLineRefused(reason=why):
            return [f"[Message refused: {_LINE_REFUSED[why]}.]"]
        case happened.VisitRefused(reason=why):
            return [f"[Request refused: {_REFUSED[why]}.]"]
        case happened.VisitorNotAdmitted(reason=why):
            return [f"[Request refused: {_NOT_ADMITTED.get(why, 'it serves no visitors')}.]"]
        case happened.FolderFull(folder=folder):
            return [f"[Request refused: {sanitize(folder_full(folder))}.]"]
        case (
            happened.VisitorServerLost()
            | happened.ServerBack()
            | happened.ServerAnnounced()
            | happened.ServerStopPlanned()
            | happened.ServerStopCancelled()
            | happened.ServerStopping()
            | happened.NoServer()
            | happened.RegistryMet()
            | happened.RegistryKeyAccepted()
            | happened.RegistryKeyChanged()
            | happened.LinkTroubled()
            | happened.QuestionUnanswered()
        ):
            return _registry_lines(event)
        case happened.TicketNotStored() | happened.RegistryKeyUnreadable() | happened.TicketDamaged():
            return [f"[{sanitize(_of_files(event))}]"]
        case (
            happened.QueueUnknown()
            | happened.DeskClosed()
            | happened.Announced()
            | happened.Described()
            | happened.DescriptionRefused()
        ):
            return _desk_lines(event)
        case _:
            return _position_lines(event)


def _desk_lines(
    event: happened.QueueUnknown
    | happened.DeskClosed
    | happened.Announced
    | happened.Described
    | happened.DescriptionRefused,
) -> list[str]:
    """Return the lines about the desk, and about what it keeps of the visitor's issue."""
    match event:
        case happened.QueueUnknown(name=wanted, queues=queues):
            there = f"{'there is' if len(queues) == 1 else 'there are'} {names(queues)}"
            return [f'[There is no queue "{name(wanted)}" here; {there}.]']
        case happened.DeskClosed():
            return [_closed(event)]
        case happened.Announced(operator=operator, text=text):
            return [f"[{name(operator)} tells all who wait: {sanitize(text)}]"]
        case happened.Described():
            return [DESCRIBED]
        case happened.DescriptionRefused(size=size, limit=limit, is_line=is_line):
            cure = "; .about <text> replaces what is there" if is_line else ""
            return [f"[Description not kept: {size:,} bytes, at most {limit:,}{cure}.]"]
        case _:
            assert_never(event)


def _position_lines(
    event: happened.Resumed
    | happened.PositionGone
    | happened.EndedUnseen
    | happened.PositionKnown
    | happened.PositionAnswered
    | happened.ServedAnswered
    | happened.SentBack
    | happened.PauseChanged
    | happened.Served
    | happened.VisitEnded,
) -> list[str]:
    """Return the lines about the visitor's position and turn."""
    match event:
        case happened.PositionKnown(position=position, operators=operators):
            nobody = [] if operators else ["[Nobody is serving just now; your place is kept.]"]
            return [f"[Waiting room, position {position}.]", *nobody]
        case happened.PositionAnswered(position=position, estimate=estimate):
            ahead = f"{position - 1} ahead, {_span(estimate)}"
            return [f"[You are number {position} in the waiting room: {ahead}.]"]
        case happened.ServedAnswered():
            return [ACTIVE]
        case happened.Served(turn=turn, operator=operator):
            return [CallingLine(_TURNS[turn].format(operator=name(operator)), by=name(operator))]
        case happened.SentBack(why=why, queue=queue):
            return [_BACK[why].format(queue=name(queue))]
        case happened.PauseChanged(is_paused=True):
            return ["[Others are called first, and your place is kept; .resume ends the pause.]"]
        case happened.PauseChanged():
            return ["[You are called in your turn again.]"]
        case happened.Resumed():
            return ["[Going on with your earlier request; /new gives it up and begins another.]"]
        case happened.PositionGone(is_joining=is_joining):
            what = "you are joining the line anew" if is_joining else "please begin anew"
            return [f"[Your place was given up while you were away: {what}.]"]
        case happened.EndedUnseen(cause=cause):
            return [f"[{_OVER[cause]}. Please begin anew.]"]
        case happened.VisitEnded(cause=cause):
            return [f"[{_ENDED_UNSEEN if cause is None else _OVER[cause]}. Bye.]"]
        case _:
            assert_never(event)


def _closed(event: happened.DeskClosed) -> str:
    """Say that the desk is closed, why, and until when."""
    about = f": {sanitize(event.text).rstrip('.')}" if event.text else ""
    if event.is_waiting:
        return f"[The help desk is closed to newcomers{about}; your place is kept.]"
    day, clock = shown_clock(event.opens_at)
    opens = f"; it opens on {shown_day(day)} at {clock}" if event.opens_at else ""
    return f"[The help desk is closed{about}{opens}.]"


def _span(estimate: happened.Estimate | None) -> str:
    if estimate is None:
        return "no estimate yet"
    return f"about {estimate.least // _MINUTE}-{-(-estimate.most // _MINUTE)} min"


def _registry_lines(
    event: happened.VisitorServerLost
    | happened.ServerBack
    | happened.ServerAnnounced
    | happened.ServerStopPlanned
    | happened.ServerStopCancelled
    | happened.ServerStopping
    | happened.NoServer
    | happened.RegistryMet
    | happened.RegistryKeyAccepted
    | happened.RegistryKeyChanged
    | happened.LinkTroubled
    | happened.QuestionUnanswered,
) -> list[str]:
    """Return the lines about the registry and the way to it."""
    match event:
        case happened.VisitorServerLost(keep_place=None) | happened.NoServer():
            return [f"{SILENT} Still trying."]
        case happened.VisitorServerLost(keep_place=keep_place):
            seconds = counted(keep_place or 0, "second", "seconds")
            return [f"{SILENT} Still trying; your place is kept for {seconds}."]
        case happened.QuestionUnanswered():
            return [SILENT]
        case happened.ServerBack():
            return ["[Server is back.]"]
        case happened.ServerAnnounced(text=text):
            return [announced(text)]
        case happened.ServerStopPlanned(seconds=seconds, reason=why):
            return [stop_planned("The help desk closes", seconds, why, " Places are kept.")]
        case happened.ServerStopCancelled():
            return [STOP_CANCELLED]
        case happened.ServerStopping():
            return ["[The help desk is closed for maintenance. Your place is kept.]"]
        case happened.RegistryMet(key=key, is_verified=is_verified):
            return [key_met(key, is_verified=is_verified)]
        case happened.RegistryKeyAccepted(key=key):
            return [key_accepted(key)]
        case happened.RegistryKeyChanged(expected=expected, got=got):
            return [key_changed(expected, got)]
        case happened.LinkTroubled(port=port, trouble=trouble):
            return [link_trouble(port, trouble)]
        case _:
            assert_never(event)


def _of_files(
    event: happened.TicketNotStored | happened.RegistryKeyUnreadable | happened.TicketDamaged,
) -> str:
    """Return what is wrong with the visitor's files."""
    match event:
        case happened.TicketNotStored(path=path, error=error):
            return f"{path}: {error}; still trying"
        case happened.RegistryKeyUnreadable(path=path):
            return f"{path} holds no key that can be read: the server's key is trusted anew"
        case happened.TicketDamaged(path=path, kept_as=kept_as):
            return f"{path} is damaged, and with it your place is lost; kept as {kept_as}"
        case _:
            assert_never(event)


def folder_full(folder: str) -> str:
    """Return why one more visitor cannot use a folder."""
    return f"{folder} is used by {GUESTS_PER_ADDRESS} visitors already; name another one with --data DIR"


class VisitorCompletions:
    """Completes the commands of a visitor."""

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """Return the commands that begin with `typed`. A visitor is never in a room."""
        begun = typed.lstrip().lower()
        return [
            Candidate(spelling, len(begun), about)
            for spelling, about in COMMANDS.items()
            if spelling.startswith(begun)
        ]
