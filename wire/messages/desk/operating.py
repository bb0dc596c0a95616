"""What an operator of the help desk says and is told: duty, clients, the line, figures.

Every request but those that are answered by what they ask for is answered by `CommandDone` with its reference, at once,
behind the notices that say what came of it.
"""

import enum
from typing import Annotated

import msgspec

from wire.limits import DESK_SHOWN_MAX
from wire.messages.desk.fields import (
    AboutQueue,
    AboutVisit,
    FullName,
    MenuText,
    OfVisit,
    PhoneNumber,
    Place,
    QueueName,
    Referring,
    Text,
)
from wire.messages.table import Count, Name


class TakeDuty(AboutQueue, frozen=True, tag=96):
    """Operator to registry (`.on [queue]`): give me visitors of this queue as they come. Ends no session.

    A program that was on duty says it again when `DutyTold` on a new link says that it is not (a registry that was
    started anew has forgotten who was on duty, but not who served whom).
    """


class EndDuty(Referring, frozen=True, tag=97):
    """Operator to registry (`.off`): nobody new. The present session goes on until it is ended."""


class CallNext(AboutQueue, frozen=True, tag=98):
    """Operator to registry (`.next [queue]`): as `TakeDuty`, but the session of `visit` is ended first.

    `visit` is 0 when the operator serves nobody. `ROOM_EMPTY` when nobody waits: the operator is on duty and gets whoever
    comes.
    """

    visit: Count


class EndSession(AboutVisit, frozen=True, tag=99):
    """Operator to registry (`.end`): the session of this visit is over; the next in line comes if there is one."""


class DropVisitor(AboutVisit, frozen=True, tag=100):
    """Operator to registry (`.drop <n>`): this visitor has to leave the line.

    `visit` is 0 when the operator was not shown who has the number: then `place` names the visitor, as the line stands.
    """

    place: Place


class MoveVisitor(AboutVisit, frozen=True, tag=101):
    """Operator to registry (`.move <n> <to>`): this visitor becomes number `to`. `visit` and `place` as in `DropVisitor`."""

    place: Place
    to: Place


class HandOver(AboutVisit, frozen=True, tag=102):
    """Operator to registry (`.handover <operator>`): my visitor goes to this operator on duty, with lines and note.

    An operator who is free gets them at once; for one who is busy they wait at the head of the line.
    """

    operator: Name


class NoteVisitor(AboutVisit, frozen=True, tag=103):
    """Operator to registry (`.note <text>`): a note about my visitor, for operators only. It replaces the last one."""

    text: Text


class ShowRoom(AboutQueue, frozen=True, tag=104):
    """Operator to registry (`.room [queue]`): who is served, who waits? Answered by `RoomShown` alone."""


class ShowFigures(AboutQueue, frozen=True, tag=105):
    """Operator to registry (`.stats [queue]`): how are we doing? Answered by `FiguresShown` alone."""


# --- what an operator is told


class CommandResult(enum.IntEnum):
    """What became of an operator's command."""

    DONE = 0
    NO_CLIENT = 1
    """`[No active client.]`."""
    ROOM_EMPTY = 2
    """`[Waiting room: empty.]`."""
    NO_SUCH_PLACE = 3
    """Nobody has that number in the line."""
    NO_SUCH_OPERATOR = 4
    """The name is no operator's, or it is one's own."""
    OFF_DUTY = 5
    """That operator is not on duty."""
    NO_SUCH_QUEUE = 6
    NOT_AN_OPERATOR = 7
    """The registry does not know you as one."""
    TOO_MANY = 8
    """As many operators are on duty as there may be."""
    OTHER_QUEUE = 9
    """You serve a visitor of another queue: end that session first."""
    TOO_LONG = 10
    """A note has at most `wire.limits.DESK_NOTE_MAX` bytes."""
    NOBODY_IN_REACH = 11
    """Whoever waits is out of reach, or was handed to somebody else; the first who can be called comes."""
    OTHER_CLIENT = 12
    """You serve another visitor than the one whom you named: nothing was done."""
    NOT_IN_LINE = 13
    """The visitor whom you named does not wait any more: nothing was done."""


class CommandDone(Referring, frozen=True, tag=114):
    """Registry to operator: the answer to a command. `subject`: the visitor or operator whom it concerned, or empty."""

    result: CommandResult
    subject: FullName


class DutyTold(msgspec.Struct, frozen=True, array_like=True, tag=115):
    """Registry to operator: whether you are on duty, and for which queue. Pushed on each new link and when it changes."""

    is_on: bool
    queue: QueueName
    visit: Count = 0
    """Whom you serve; 0 for nobody: who was yours on the link before is yours no more."""


class ClientCause(enum.IntEnum):
    """Why a visitor is an operator's."""

    CALLED = 0
    """First in line."""
    HANDED_OVER = 1
    """From another operator, or served before; `ReadAtDesk` asks for what was said."""
    RETURNED = 2
    """You are back, and this is whom you serve; `ReadAtDesk` asks for what was said."""


class ClientTold(OfVisit, frozen=True, tag=116):
    """Registry to operator: you serve this visitor from now on. Answered by `ReadAtDesk`."""

    cause: ClientCause
    queue: QueueName
    name: FullName
    number: PhoneNumber
    issue: MenuText
    waited: Count
    """Seconds between joining and the first call."""
    is_here: bool
    """Whether the visitor is in reach."""
    note: Text
    operator: Name
    """Who handed them over; else empty."""
    is_asked: bool
    """Whether they come by a command of yours: `TakeDuty`, `CallNext`, `EndSession` or `HandOver`."""


class ClientReach(enum.IntEnum):
    """What happened to the visitor of an operator."""

    AWAY = 0
    """Their link is lost; their place is kept for a while."""
    BACK = 1
    LEFT = 2
    """They left: the session is over."""
    LOST = 3
    """They did not come back: the session is over."""
    ENDED = 4
    """You ended the session."""
    GIVEN = 5
    """You handed them over."""
    TAKEN_BACK = 6
    """You were away for too long: they are at the head of the line again."""
    UNANSWERED = 7
    """They were away when they were called: they are in line again, and the next who is there comes."""


class ClientChanged(OfVisit, frozen=True, tag=117):
    """Registry to operator: this became of your visitor. From `LEFT` on they are not yours any more."""

    change: ClientReach
    name: FullName


class RoomVisitor(OfVisit, frozen=True):
    """One visitor, as operators see them."""

    name: FullName
    issue: MenuText
    since: Count
    """Unix time in seconds: of joining for one who waits, of the call for one who is served."""
    is_here: bool
    operator: Name
    """Who serves them, or for whom they wait; empty: nobody."""


class RoomShown(AboutQueue, frozen=True, tag=118):
    """Registry to operator: one queue. `waiting` begins with position 1 and may be cut; `total` counts all who wait."""

    operators: Count
    """On duty for it."""
    served: Annotated[list[RoomVisitor], msgspec.Meta(max_length=DESK_SHOWN_MAX)]
    waiting: Annotated[list[RoomVisitor], msgspec.Meta(max_length=DESK_SHOWN_MAX)]
    total: Count


class FiguresShown(AboutQueue, frozen=True, tag=119):
    """Registry to operator: the figures of one queue. Spans in seconds; `today` is the registry's local day."""

    served_today: Count
    median_wait: Count
    """Of the visitors who were called today; 0 for none."""
    ninetieth_wait: Count
    """The 90th percentile of the same."""
    longest_waiting: Count
    """Of those who wait now; 0 for none."""
    waiting: Count
    operators: Count
    """On duty for it."""


OperatorRequest = (
    TakeDuty
    | EndDuty
    | CallNext
    | EndSession
    | DropVisitor
    | MoveVisitor
    | HandOver
    | NoteVisitor
    | ShowRoom
    | ShowFigures
)
OperatorNotice = CommandDone | DutyTold | ClientTold | ClientChanged | RoomShown | FiguresShown
