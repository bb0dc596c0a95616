"""This file is about carrying out what an operator of the help desk typed: each intention is one thing asked of the SDK.

It must not know spellings, nor how lines are shown; what comes of it comes as events.
"""

from typing import assert_never

from peer.atdesk import AtDesk
from peer.ui.intentions import (
    CallNext,
    DeskIntention,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    ShowFigures,
    ShowWaitingRoom,
    TakeDuty,
)


def ask(desk: AtDesk, intention: DeskIntention) -> None:
    """Ask for it."""
    match intention:
        case TakeDuty(queue):
            desk.take_duty(queue or "")
        case EndDuty():
            desk.end_duty()
        case CallNext(queue):
            desk.call_next(queue or "")
        case EndSession():
            desk.end_session()
        case DropVisitor(place):
            desk.drop(place)
        case MoveVisitor(place, to):
            desk.move(place, to)
        case HandOver(operator):
            desk.hand_over(operator)
        case NoteVisitor(text):
            desk.note(text)
        case ShowWaitingRoom(queue):
            desk.show_room(queue or "")
        case ShowFigures(queue):
            desk.show_figures(queue or "")
        case _:
            assert_never(intention)
