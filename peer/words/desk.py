"""Lines that an operator of the help desk reads in a peer, from the events of the desk."""

from collections.abc import Mapping
from typing import Final, assert_never

from chatapp.peer.api.events import (
    AnswersKnown,
    ClientCame,
    ClientMoved,
    CommandFailed,
    CommandFailure,
    CommandSucceeded,
    DeskAction,
    DutyChanged,
    DutyEvent,
    Figures,
    HeldBack,
    NothingSaid,
    NumberMoved,
    PastSessions,
    VisitorsWaiting,
    WaitingRoom,
)
from chatapp.peer.words.formatting import AnswerLine, CallingLine, name, shown_time
from chatapp.wire.desk import texts
from chatapp.wire.desk.focus import StaleNumber
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    ClientChange,
    CloseQueue,
    CommandResult,
    DropVisitor,
    LineRefusal,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
)
from chatapp.wire.text import sanitize

_DONE: Final[Mapping[DeskAction, type[OperatorRequest]]] = {
    DeskAction.DROPPED: DropVisitor,
    DeskAction.MOVED: MoveVisitor,
    DeskAction.NOTED: NoteVisitor,
    DeskAction.CLOSED: CloseQueue,
    DeskAction.OPENED: OpenQueue,
    DeskAction.ANNOUNCED: AnnounceAtDesk,
}
_LINES_REFUSED: Final = {
    CommandFailure.LINE_FULL: LineRefusal.FULL,
    CommandFailure.LINE_TOO_FAST: LineRefusal.TOO_FAST,
    CommandFailure.LINE_NOT_SERVING: LineRefusal.NOT_SERVING,
    CommandFailure.LINE_NO_UPLOAD: LineRefusal.NO_UPLOAD,
    CommandFailure.LINE_GONE: LineRefusal.NO_SUCH_LINE,
}


def duty_lines(event: DutyEvent) -> list[str]:
    """Return the lines for an event at the help desk."""
    match event:
        case DutyChanged(is_on=is_on, queue=queue):
            return [f"[You are on duty at {name(queue)}.]" if is_on else "[You are off duty.]"]
        case AnswersKnown():
            return []  # `.a` lists them
        case VisitorsWaiting(queue=queue, is_first=is_first):
            line = CallingLine(texts.waiting_line(queue), by=name(queue))
            return [line] if is_first else []
        case ClientCame(name=who, is_back=is_back, handed_over_by=giver):
            how = "Your" if is_back else "Handed-over" if giver else "Next"
            first, *more = texts.form_lines(event, how=how, by=giver)
            return [CallingLine(first, by=name(who)), *more]
        case ClientMoved(name=who, move=move):
            return [texts.changed_line(ClientChange[move.name], who)]
        case CommandSucceeded(action=action, name=who, position=position):
            return [texts.done_line(_DONE[action], who, position=position)]
        case CommandFailed(reason=why, name=who, text=text):
            return [_failed(why, who, text)]
        case HeldBack(what=what, former=former, move=move, client=client, text=text):
            change = None if move is None else ClientChange[move.name]
            return [texts.held_line(what, former=former, change=change, client=client, text=text)]
        case NothingSaid(name=who):
            return [texts.nothing_said_line(who)]
        case NumberMoved(position=position, was=was, is_now=is_now):
            return [texts.moved_line(position, StaleNumber(was, is_now))]
        case WaitingRoom(is_quiet=True) | Figures(is_quiet=True) | PastSessions(is_quiet=True):
            return []  # the program that has asked shows it
        case WaitingRoom():
            return list(map(AnswerLine, texts.room_lines(event, time=shown_time)))
        case Figures():
            return [AnswerLine(texts.figures_line(event))]
        case PastSessions():
            past = texts.past_lines(event, author=lambda line: name(line.sender), time=shown_time)
            return list(map(AnswerLine, past))
        case _:
            assert_never(event)


def _failed(why: CommandFailure, who: str, text: str) -> str:
    if why is CommandFailure.UNREACHABLE:
        return "[Server not responding.]"
    if why in _LINES_REFUSED:
        return texts.refused_line(_LINES_REFUSED[why], text)
    return texts.failed_line(CommandResult[why.name], who)


def ready_answer(word: str, answers: Mapping[str, str]) -> str | None:
    """Return the ready answer that this word means, in any case; None for none."""
    return next((text for short, text in answers.items() if short.lower() == word.lower()), None)


def answer_said(word: str, text: str) -> str:
    """Show which text a ready answer stands for."""
    return f"[{name(word)}: {sanitize(text)}]"


def no_answer(word: str, answers: Mapping[str, str]) -> str:
    """Answer `.a` with a word that means no ready answer, or with none."""
    without = "[There are no ready answers: the help desk's configuration has none.]"
    return texts.no_answer_line(name(word), answers, without=without)
