"""This file is about why a desk says no, and how a visit ends, in words for the visitor. It knows nothing else."""

from typing import Final

from wire.messages.desk.talking import LineRefusal
from wire.messages.desk.visiting import DeskRefusal, OverCause

REFUSALS: Final = {
    DeskRefusal.BAD_FORM: "the form is not as it must be",
    DeskRefusal.NO_SUCH_QUEUE: "there is no such queue",
    DeskRefusal.NO_SUCH_TICKET: "there is no such place",
    DeskRefusal.LINE_FULL: "too many are waiting; please come back later",
    DeskRefusal.ADDRESS_FULL: "too many visitors of your address are here; please come back later",
    DeskRefusal.NOT_SERVING: "the server's disk takes nothing more; please come back later",
    DeskRefusal.ONE_VISIT: "you are here already",
}
LINE_REFUSALS: Final = {
    LineRefusal.NO_CLIENT: "nobody serves you",
    LineRefusal.FULL: "the operator is away, and no more is kept",
    LineRefusal.TOO_FAST: "too many lines at once; say it again in a moment",
    LineRefusal.NOT_SERVING: "the server's disk takes nothing more",
}
OVER: Final = {
    OverCause.ENDED: "The operator has ended the session",
    OverCause.LEFT: "You have left the help desk",
    OverCause.DROPPED: "An operator has taken you out of the waiting room",
    OverCause.LOST: "You were away for too long: your place was given up",
    OverCause.ELSEWHERE: "You go on in another program, which has your ticket",
    OverCause.NOT_KEPT: "The server's disk takes nothing more; please come back later",
}

ENDED_UNSEEN: Final = "The session has ended while you were away"
