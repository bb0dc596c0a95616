"""This file is about the commands of operators of the help desk: rows of the table, as all others.

It knows spellings and what they mean. It must not know how an intention is carried out.
"""

from collections.abc import Callable
from typing import Final

from peer.ui.intentions import (
    CallNext,
    Context,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    Intention,
    Mistake,
    MoveVisitor,
    NoteVisitor,
    SayToClient,
    ShowFigures,
    ShowWaitingRoom,
    TakeDuty,
)
from peer.ui.readers import named
from peer.ui.rows import MAYBE_QUEUE, NOTHING, OPERATOR, PLACE, PLACES, TEXT, Command
from wire.errors import quoted
from wire.names import PeerName, peer_name

NO_CLIENT: Final = "[No active client.]"
_PLACE_DIGITS: Final = 9


def _of_queue(intend: Callable[[PeerName | None], Intention]) -> Callable[..., Intention | Mistake]:
    def read(context: Context, *words: str) -> Intention | Mistake:
        return named(intend)(context, words[0]) if words else intend(None)

    return read


def _place(text: str) -> int | None:
    is_place = text.isascii() and text.isdigit() and len(text) <= _PLACE_DIGITS and int(text) > 0
    return int(text) if is_place else None


def _drop(context: Context, place: str) -> Intention | Mistake:
    number = _place(place)
    return _no_place(place) if number is None else DropVisitor(number)


def _move(context: Context, place: str, to: str) -> Intention | Mistake:
    before, after = _place(place), _place(to)
    if before is None or after is None:
        return _no_place(place if before is None else to)
    return MoveVisitor(before, after)


def _no_place(text: str) -> Mistake:
    return Mistake(f'["{quoted(text)}" is no number in the waiting room: 1 is next.]')


def _say(context: Context, text: str) -> Intention | Mistake:
    return SayToClient(text) if context.serves else Mistake(NO_CLIENT)


DESK_COMMANDS: Final = (
    Command(
        spellings=(".on",),
        shape=MAYBE_QUEUE,
        summary="help desk: go on duty and serve visitors as they come",
        example=TakeDuty(),
        intend=_of_queue(TakeDuty),
    ),
    Command(
        spellings=(".off",),
        shape=NOTHING,
        summary="help desk: go off duty; no new visitors come",
        example=EndDuty(),
        intend=lambda context: EndDuty(),
    ),
    Command(
        spellings=(".say",),
        shape=TEXT,
        summary="help desk: say something to your visitor, like a bare line",
        example=SayToClient("How can I help?"),
        intend=_say,
    ),
    Command(
        spellings=(".room",),
        shape=MAYBE_QUEUE,
        summary="help desk: show who is served and who waits",
        example=ShowWaitingRoom(),
        intend=_of_queue(ShowWaitingRoom),
    ),
    Command(
        spellings=(".next",),
        shape=MAYBE_QUEUE,
        summary="help desk: end the session and call the next visitor",
        example=CallNext(),
        intend=_of_queue(CallNext),
    ),
    Command(
        spellings=(".end",),
        shape=NOTHING,
        summary="help desk: end the session",
        example=EndSession(),
        intend=lambda context: EndSession(),
    ),
    Command(
        spellings=(".drop",),
        shape=PLACE,
        summary="help desk: take number n out of the waiting room",
        example=DropVisitor(3),
        intend=_drop,
    ),
    Command(
        spellings=(".move",),
        shape=PLACES,
        summary="help desk: move number n to another place in the line",
        example=MoveVisitor(3, 1),
        intend=_move,
    ),
    Command(
        spellings=(".handover",),
        shape=OPERATOR,
        summary="help desk: hand your visitor over to another operator",
        example=HandOver(peer_name("bob")),
        intend=named(HandOver),
    ),
    Command(
        spellings=(".note",),
        shape=TEXT,
        summary="help desk: write a note that only operators see",
        example=NoteVisitor("Wants to be called back"),
        intend=lambda context, text: NoteVisitor(text),
    ),
    Command(
        spellings=(".stats",),
        shape=MAYBE_QUEUE,
        summary="help desk: show how many were served, and the waits",
        example=ShowFigures(),
        intend=_of_queue(ShowFigures),
    ),
)
