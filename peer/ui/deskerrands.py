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


def ask(desk: AtDesk, intention: DeskIntention, *, entered_at: float) -> None:
    """Ask for it. What concerns a visitor is for the one who was shown when it was typed."""
    match intention:
        case TakeDuty(queue):
            desk.take_duty(queue or "")
        case EndDuty():
            desk.end_duty()
        case CallNext(queue):
            desk.call_next(queue or "", entered_at=entered_at)
        case EndSession():
            desk.end_session(entered_at=entered_at)
        case DropVisitor(place):
            desk.drop(place)
        case MoveVisitor(place, to):
            desk.move(place, to)
        case HandOver(operator):
            desk.hand_over(operator, entered_at=entered_at)
        case NoteVisitor(text):
            desk.note(text, entered_at=entered_at)
        case ShowWaitingRoom(queue):
            desk.show_room(queue or "")
        case ShowFigures(queue):
            desk.show_figures(queue or "")
        case _:
            assert_never(intention)
