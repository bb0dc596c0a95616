"""What happens to a visitor, as values for whoever shows it.

It knows no lines and no messages of the wire.
"""

import enum
from typing import Final

import msgspec

from chatapp.peer.core import events as peers
from chatapp.wire.messages.desk import DeskRefusal, LineRefusal, OverCause


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """When it may be one's turn: seconds from now, at least and at most."""

    least: int
    most: int


class FormWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The desk is open to us: ask for the form, then `join`."""

    region: str
    menu: tuple[str, ...]


class QueueUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """There is no queue of this name; there are these."""

    name: str
    queues: tuple[str, ...]


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """Our ticket of an earlier start is still good: nothing is asked."""


class PlaceGone(msgspec.Struct, frozen=True, kw_only=True):
    """Our place was not kept any longer. `is_joining`: our form is joining the end of the line; else it is asked for."""

    is_joining: bool


class EndedUnseen(msgspec.Struct, frozen=True, kw_only=True):
    """Our visit of an earlier start was ended while we were away. The form is asked for."""

    reason: str


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """We wait at this position, from 1. `operators`: how many are on duty."""

    position: int
    operators: int


class PlaceAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """We asked: this is where we wait."""

    position: int
    estimate: Estimate | None


class ServedAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """We asked, or are back: we are being served."""


class WhyBack(enum.Enum):
    """Why we wait again."""

    HANDED_OVER = "for another operator"
    OPERATOR_LOST = "our operator has vanished"
    CALL_MISSED = "we were away when we were called"


class SentBack(msgspec.Struct, frozen=True, kw_only=True):
    """We were being served, or were called, and wait again."""

    why: WhyBack


class Turn(enum.Enum):
    """How a turn begins."""

    AT_ONCE = "an operator was free"
    CALLED = "after waiting"
    HANDED_OVER = "another operator takes over"


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Our turn has come."""

    turn: Turn
    operator: str


class LineCame(msgspec.Struct, frozen=True, kw_only=True):
    """The operator says something. Say `lines_shown(position)` when it was shown."""

    operator: str
    text: str
    position: int


class NotYourTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What we said went nowhere: we wait."""


class LineRefused(msgspec.Struct, frozen=True, kw_only=True):
    """What we said went nowhere, and why."""

    reason: str


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """The visit is over. `by_us`: we left."""

    reason: str
    by_us: bool


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The desk will not have us."""

    reason: str


class ServerLost(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not answer any more; we go on looking for it. `keep_place`: seconds; None without a place."""

    keep_place: int | None


class ServerBack(msgspec.Struct, frozen=True, kw_only=True):
    """It does again."""


class NoServer(msgspec.Struct, frozen=True, kw_only=True):
    """It did not answer at start; we go on looking for it."""


class ServerMet(msgspec.Struct, frozen=True, kw_only=True):
    """A registry has let us in that we did not know. `key`: its fingerprint; `is_verified`: the user, or a join code, had
    named it."""

    key: str
    is_verified: bool


class ServerKeyAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A registry with another key than before has let us in, as the user named that key (its fingerprint)."""

    key: str


class ServerKeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another registry answers at this address than the one that we know (fingerprints)."""

    expected: str
    got: str


LinkTroubled = peers.LinkTroubled
"""As at a peer."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the visitor should know, in one line."""

    text: str


VisitEvent = (
    FormWanted
    | QueueUnknown
    | Resumed
    | PlaceGone
    | EndedUnseen
    | Placed
    | PlaceAnswered
    | ServedAnswered
    | SentBack
    | Served
    | LineCame
    | NotYourTurn
    | LineRefused
    | Over
    | Refused
    | ServerLost
    | ServerBack
    | NoServer
    | ServerMet
    | ServerKeyAccepted
    | ServerKeyChanged
    | LinkTroubled
    | Trouble
)
"""All that can happen to a visitor."""


REFUSALS: Final = {
    DeskRefusal.BAD_FORM: "the form is not as it must be",
    DeskRefusal.NO_SUCH_QUEUE: "there is no such queue",
    DeskRefusal.NO_SUCH_TICKET: "there is no such place",
    DeskRefusal.LINE_FULL: "too many are waiting; please come back later",
    DeskRefusal.ADDRESS_FULL: "too many visitors of your address are here; please come back later",
    DeskRefusal.NOT_SERVING: "the server's disk is full or read-only; please come back later",
    DeskRefusal.ONE_VISIT: "you are here already",
}
LINE_REFUSALS: Final = {
    LineRefusal.NO_CLIENT: "nobody serves you",
    LineRefusal.FULL: "the operator is away, and no more is kept",
    LineRefusal.TOO_FAST: "too many lines at once; say it again in a moment",
    LineRefusal.NOT_SERVING: "the server's disk is full or read-only",
}
OVER: Final = {
    OverCause.ENDED: "The operator has ended the session",
    OverCause.LEFT: "You have left the help desk",
    OverCause.DROPPED: "An operator has taken you out of the waiting room",
    OverCause.LOST: "You were away for too long: your place was given up",
    OverCause.ELSEWHERE: "You go on in another program, which has your ticket",
    OverCause.NOT_KEPT: "The server's disk is full or read-only; please come back later",
}

ENDED_UNSEEN: Final = "The session has ended while you were away"
