"""What an operator of the help desk can ask for: one table for the peers' prompt, the registry's
console and the operator's page.

A command is the request itself. Its reference, and the visit that it concerns, are 0 here: the end
that sends it fills them in. `.a`, `.say` and `.table` ask for nothing of the registry, and belong to
the faces that have them.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from chatapp.wire.desk.form import full_name
from chatapp.wire.errors import ChatAppError, FormRefused, quoted
from chatapp.wire.limits import DESK_CLOSING_MAX, DESK_NOTE_MAX, DESK_PAST_SHOWN_MAX
from chatapp.wire.messages.desk import (
    AnnounceAtDesk,
    CallNext,
    CloseQueue,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    HoldVisitor,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorRequest,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
    TransferVisitor,
)
from chatapp.wire.names import peer_name

SIGN: Final = "."
_POSITION_DIGITS: Final = 9
"""More digits than any number needs; a longer word is refused before it is converted."""


class CommandMisread(ChatAppError):
    """What stands behind a command does not fit; the text is the line that says why."""


class NoSuchPosition(CommandMisread):
    """A number that nobody in the waiting room can have."""


class DeskCommand(NamedTuple):
    """One command of operators."""

    arguments: str
    """As a usage line shows them; `[...]` may be left out."""
    does: str
    """What it does, as peers read it."""
    does_here: str
    """The same as the console of the registry lists it."""
    example: OperatorRequest
    read: Callable[[str], OperatorRequest]
    """Takes what is typed behind the command; empty if nothing is. Raises CommandMisread,
    NameRefused."""
    is_drastic: bool = False
    """Whether it ends something or sends somebody away: suggested only for a word that is one
    letter away."""


def _alone(request: OperatorRequest) -> Callable[[str], OperatorRequest]:
    return lambda _: request


def _of_queue(request: Callable[[str], OperatorRequest]) -> Callable[[str], OperatorRequest]:
    """Return a reader of the name of a queue; without one, the first queue is meant."""
    return lambda typed: request(peer_name(typed) if typed else "")


def _named(request: Callable[[str], OperatorRequest]) -> Callable[[str], OperatorRequest]:
    return lambda typed: request(peer_name(typed))


def _text(request: Callable[[str], OperatorRequest]) -> Callable[[str], OperatorRequest]:
    def read(typed: str) -> OperatorRequest:
        if len(typed.encode("utf-8", "replace")) > DESK_NOTE_MAX:
            raise CommandMisread(f"[The text is too long: at most {DESK_NOTE_MAX:,} bytes.]")
        return request(typed)

    return read


def _position(word: str) -> int:
    why = f'[Give a number of the waiting room, 1 or above, not "{quoted(word)}".]'
    if not (word.isascii() and word.isdigit() and len(word) <= _POSITION_DIGITS):
        raise CommandMisread(why)
    if not int(word):
        raise NoSuchPosition(why)
    return int(word)


def _positions(typed: str) -> tuple[int, int]:
    before, _, after = typed.partition(" ")
    return _position(before), _position(after.strip())


def _close(typed: str) -> OperatorRequest:
    if len(typed) > DESK_CLOSING_MAX:
        raise CommandMisread(f"[The text is too long: at most {DESK_CLOSING_MAX} characters.]")
    return CloseQueue(0, "", typed)


def _past(typed: str) -> OperatorRequest:
    words = " ".join(typed.split())
    if not words:
        return ShowPast(0, "", 0)
    most = DESK_PAST_SHOWN_MAX
    if words.isascii() and words.isdigit():
        if 1 <= (count := int(words[:4])) <= most:
            return ShowPast(0, "", count)
    else:
        try:
            return ShowPast(0, full_name(words), 0)
        except FormRefused:
            pass
    raise CommandMisread(
        f"[Give a number of past sessions, 1 to {most}, or a visitor's full name, "
        f'not "{quoted(typed)}".]'
    )


DESK_COMMANDS: Final[Mapping[str, DeskCommand]] = {
    "on": DeskCommand(
        "[queue]",
        "go on duty and serve visitors as they come",
        "on duty: clients come by themselves",
        TakeDuty(0, ""),
        _of_queue(lambda queue: TakeDuty(0, queue)),
    ),
    "off": DeskCommand(
        "",
        "go off duty; no new visitors come",
        "off duty: nobody new",
        EndDuty(0),
        _alone(EndDuty(0)),
        is_drastic=True,
    ),
    "room": DeskCommand(
        "[queue]",
        "show who is served and who waits",
        "who is served, and who waits",
        ShowRoom(0, ""),
        _of_queue(lambda queue: ShowRoom(0, queue)),
    ),
    "next": DeskCommand(
        "[queue]",
        "end the session and call the next visitor",
        "end the session and take the next; on duty from now on",
        CallNext(0, "", 0),
        _of_queue(lambda queue: CallNext(0, queue, 0)),
        is_drastic=True,
    ),
    "end": DeskCommand(
        "",
        "end the session",
        "end the session",
        EndSession(0, 0),
        _alone(EndSession(0, 0)),
        is_drastic=True,
    ),
    "drop": DeskCommand(
        "<n>",
        "take number n out of the waiting room",
        "take number n out of the waiting room",
        DropVisitor(0, 0, 3),
        lambda typed: DropVisitor(0, 0, _position(typed)),
        is_drastic=True,
    ),
    "move": DeskCommand(
        "<n> <to>",
        "move number n to another position in the line",
        "make number n number <to>",
        MoveVisitor(0, 0, 3, 1),
        lambda typed: MoveVisitor(0, 0, *_positions(typed)),
    ),
    "handover": DeskCommand(
        "<operator>",
        "hand your visitor over to another operator",
        "give the client to another operator",
        HandOver(0, 0, "bob"),
        _named(lambda operator: HandOver(0, 0, operator)),
        is_drastic=True,
    ),
    "hold": DeskCommand(
        "",
        "call others until your visitor answers",
        "put a client who does not answer at the head of the line",
        HoldVisitor(0, 0),
        _alone(HoldVisitor(0, 0)),
    ),
    "transfer": DeskCommand(
        "<queue>",
        "send your visitor to another queue",
        "send the client to another queue, with their time of waiting",
        TransferVisitor(0, 0, "exams"),
        _named(lambda queue: TransferVisitor(0, 0, queue)),
        is_drastic=True,
    ),
    "note": DeskCommand(
        "<text>",
        "write a note that only operators see",
        "a note about the client, for operators only",
        NoteVisitor(0, 0, "Wants to be called back"),
        _text(lambda text: NoteVisitor(0, 0, text)),
    ),
    "close": DeskCommand(
        "[text]",
        "take no newcomers; they read the text",
        "take no newcomers; they read the text",
        CloseQueue(0, "", "Back at two"),
        _close,
        is_drastic=True,
    ),
    "open": DeskCommand(
        "",
        "take newcomers again",
        "take newcomers again",
        OpenQueue(0, ""),
        _alone(OpenQueue(0, "")),
    ),
    "announce": DeskCommand(
        "<text>",
        "tell all who wait",
        "tell all who wait",
        AnnounceAtDesk(0, "", "It takes longer today"),
        _text(lambda text: AnnounceAtDesk(0, "", text)),
    ),
    "stats": DeskCommand(
        "[queue]",
        "show how many were served, and the waits",
        "served today, waits",
        ShowFigures(0, ""),
        _of_queue(lambda queue: ShowFigures(0, queue)),
    ),
    "past": DeskCommand(
        "[n or name]",
        "show the last sessions, or those of a visitor",
        "the last sessions, or all that is kept of a visitor",
        ShowPast(0, "Asha Rao", 0),
        _past,
    ),
}
"""By the word behind the sign."""


def usage(word: str) -> str:
    """Return a command as it is typed, with its arguments."""
    return f"{SIGN}{word} {DESK_COMMANDS[word].arguments}".rstrip()
