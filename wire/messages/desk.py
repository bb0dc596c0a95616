"""The help desk: one line of visitors a queue, operators who serve one of them each (clause 13).

A **visitor** comes in as a guest (clause 13.1): REGISTER with a card whose name is empty, then a link. The registry's
first notice on that link is `DeskShown`, and it serves a guest nothing but what stands here, Ping and Leave. An
**operator** is a member whose name the registry was given as one; its first notices on a link are as any member's, and
then `DutyTold`.

One stay of one visitor is a **visit**, with a number that the registry gives and never gives again. A visit belongs to
its **ticket**: 16 random bytes that the visitor's program draws and keeps on its disk *before* it sends `JoinDesk`.
Whoever shows the ticket is the visitor, on whatever link and with whatever guest's key; a newer link takes over from
the older. So the same `JoinDesk` once more, after a lost link or a lost answer, gives the same place and changes
nothing, and `ReturnToDesk` takes a restarted program back to it.

What is said in a visit is one list of lines with **positions** 1, 2, 3, ... over both sides. A sender gives its lines
rising **numbers** (its own, gaps allowed; the larger of the last one + 1 and the clock in microseconds, as clause 6.2
has it), keeps each until `LinesTaken` covers it or `LineRefused` names it, and sends what is left again, in order, on
every new link while the visit lasts; the registry takes each number once. A receiver shows a line whose position is
above all that it has shown of that visit, passes over any other, and confirms both with `HeardAtDesk`; the registry
sends what is not confirmed again on a new link. So no line is lost or shown twice, whatever breaks in between.

It knows shapes only; the rules are the registry's (`registry.desk`).
"""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import (
    DESK_FORM_NAME_MAX,
    DESK_FORM_NUMBER_MAX,
    DESK_MENU_MAX,
    DESK_MENU_TEXT_MAX,
    DESK_QUEUE_NAME_MAX,
    DESK_QUEUES_MAX,
    DESK_SHOWN_MAX,
    TEXT_MAX,
)
from chatapp.wire.messages.registration import Reference
from chatapp.wire.messages.table import Count, Name

TICKET_SIZE = 16

Ticket = Annotated[bytes, msgspec.Meta(min_length=TICKET_SIZE, max_length=TICKET_SIZE)]
QueueName = Annotated[str, msgspec.Meta(max_length=DESK_QUEUE_NAME_MAX)]
"""The name of a queue; empty for "the one where I am, else the first one"."""
FullName = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NAME_MAX)]
PhoneNumber = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NUMBER_MAX)]
"""As `wire.desk.mobile_number` makes it: `+919876543210`."""
Issue = Annotated[int, msgspec.Meta(ge=1, le=DESK_MENU_MAX)]
"""The number of an entry of the menu, from 1."""
Place = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""A position in a line, from 1."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
MenuText = Annotated[str, msgspec.Meta(max_length=DESK_MENU_TEXT_MAX)]
"""An entry of the menu: what the visitor came for."""


class Referring(msgspec.Struct, frozen=True, array_like=True):
    """A request, or its answer, which repeats the reference; 0 in what nobody asked for."""

    reference: Reference


class AboutQueue(Referring, frozen=True):
    """A request about one queue, or its answer."""

    queue: QueueName


class AboutVisit(Referring, frozen=True):
    """A request about one visit, so that it never concerns another one; 0 for none."""

    visit: Count


class OfVisit(msgspec.Struct, frozen=True, array_like=True):
    """Something of one visit."""

    visit: Count


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


class SayAtDesk(OfVisit, frozen=True, tag=94):
    """Visitor or operator to registry: a line for the other one. Answered by `LinesTaken` or `LineRefused`."""

    number: Count
    text: Text


class HeardAtDesk(OfVisit, frozen=True, tag=95):
    """Visitor or operator to registry: I have shown all lines of this visit that you sent me up to this position."""

    position: Count


class ReadAtDesk(OfVisit, frozen=True, tag=120):
    """Operator to registry, after `ClientTold`: send me the lines of this visit, and go on with those that are said.

    A visitor's `ReturnToDesk` says the same.
    """

    heard: Count
    """The highest position of the visit that I have shown; 0 for none, or not known any more."""
    with_own: bool
    """Whether I want my own lines too, so far: my program does not know them."""


# --- what both sides are told


class DeskLine(OfVisit, frozen=True, tag=111):
    """Registry to visitor or operator: a line of the visit that the reader did not say themself."""

    position: Count
    operator: Name
    """Who said it; empty: the visitor did."""
    at: Count
    """The registry's Unix time in milliseconds when it took the line."""
    text: Text


class LinesTaken(OfVisit, frozen=True, tag=112):
    """Registry to visitor or operator: your lines up to this number are on disk, and reach the other one."""

    number: Count


class LineRefusal(enum.IntEnum):
    """Why a line was not taken."""

    NOT_YOUR_TURN = 1
    """The visitor waits: `[Please wait for your turn.]`."""
    NO_CLIENT = 2
    """The operator serves nobody, or this visit is not theirs (any more): `[No active client.]`."""
    FULL = 3
    """The other one is away, and no more is kept for them; say it again later under a new number."""
    TOO_FAST = 4
    """Too many lines a second."""
    NOT_SERVING = 5
    """The registry's disk is full or read-only."""


class LineRefused(OfVisit, frozen=True, tag=113):
    """Registry to visitor or operator: this line was not taken, and will not be under this number."""

    number: Count
    reason: LineRefusal


ConversationRequest = SayAtDesk | HeardAtDesk | ReadAtDesk
ConversationNotice = DeskLine | LinesTaken | LineRefused


class JoinDesk(Referring, frozen=True, tag=90):
    """Guest to registry: let me in line. Answered by `PlaceTold` or `TurnTold` once it is on disk, or `DeskRefused`.

    With a ticket that has a place already it is a `ReturnToDesk` with `heard` = 0: form and queue are not looked at.
    """

    ticket: Ticket
    queue: QueueName
    name: FullName
    """As `wire.desk.full_name` makes it."""
    number: PhoneNumber
    issue: Issue


class ReturnToDesk(Referring, frozen=True, tag=91):
    """Guest to registry, on a new link: I am back. Answered as `JoinDesk`; `NO_SUCH_TICKET` when the place is gone."""

    ticket: Ticket
    heard: Count
    """The highest position of the visit that I have shown; 0 for none, or not known any more."""


class LeaveDesk(Referring, frozen=True, tag=92):
    """Guest to registry: I leave for good. Answered by `VisitOver`. A Leave says the same, and ends the link."""


class AskPlace(Referring, frozen=True, tag=93):
    """Guest to registry: where am I (`.queue`)? Answered by `PlaceTold` or `TurnTold` with cause `ASKED`."""


# --- what a visitor is told


class DeskShown(msgspec.Struct, frozen=True, array_like=True, tag=106):
    """Registry to guest: the first notice on its link; what to ask a visitor for."""

    queues: Annotated[list[QueueName], msgspec.Meta(min_length=1, max_length=DESK_QUEUES_MAX)]
    menu: Annotated[list[MenuText], msgspec.Meta(min_length=1, max_length=DESK_MENU_MAX)]
    region: Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
    """Whose numbers are taken without a country code: `IN`."""
    keep_place: Count
    """Seconds for which a place is kept when the link is lost."""


class PlaceCause(enum.IntEnum):
    """Why a place is told."""

    JOINED = 0
    """You have joined the line: `[Waiting room, position <n>.]`."""
    RETURNED = 1
    """You are back, on a new link or by your ticket."""
    ASKED = 2
    """By `AskPlace`."""
    CHANGED = 3
    """The line before you has changed."""
    OPERATOR_LOST = 4
    """You were being served; the operator has vanished, and you are at the head of the line again."""
    HANDED_OVER = 5
    """You were being served; you wait at the head of the line for the operator to whom you were handed."""
    MISSED_CALL = 6
    """You are back; you were called while you were away, and are in line where you were."""


class PlaceTold(Referring, frozen=True, tag=107):
    """Registry to visitor: you wait. Also pushed whenever the position changes."""

    visit: Count
    cause: PlaceCause
    position: Place
    """From 1; so position - 1 are ahead."""
    operators: Count
    """How many operators are on duty for this queue; 0: nobody serves just now."""
    least: Count
    """The estimate in seconds: from `least` to `most` until it is your turn."""
    most: Count
    """0 for no estimate yet: fewer than three sessions served, or nobody on duty."""


class TurnCause(enum.IntEnum):
    """Why a turn is told."""

    CONNECTED = 0
    """An operator was free when you joined: `[You are connected.]`."""
    CALLED = 1
    """After waiting: `[It's your turn.]`."""
    RETURNED = 2
    """You are back, and still being served."""
    ASKED = 3
    """By `AskPlace`: `[You are active.]`."""
    HANDED_OVER = 4
    """Another operator serves you now, without a wait."""


class TurnTold(Referring, frozen=True, tag=108):
    """Registry to visitor: you are being served, by this operator."""

    visit: Count
    cause: TurnCause
    operator: Name


class OverCause(enum.IntEnum):
    """How a visit came to its end."""

    ENDED = 0
    """The operator ended the session."""
    LEFT = 1
    """The visitor left."""
    DROPPED = 2
    """An operator took them out of the line."""
    LOST = 3
    """Their link was lost, and the time for which a place is kept is over."""
    NOT_KEPT = 4
    """The disk did not take it: the visit never began."""
    ELSEWHERE = 5
    """Only for whoever is told: the visit goes on at another link, where its ticket was shown."""


class VisitOver(OfVisit, frozen=True, tag=109):
    """Registry to visitor: your visit is over; the ticket is worth nothing any more."""

    cause: OverCause


class DeskRefusal(enum.IntEnum):
    """Why somebody is not let in line."""

    BAD_FORM = 1
    """Name, number or issue is not as it must be."""
    NO_SUCH_QUEUE = 2
    NO_SUCH_TICKET = 3
    """The visit of this ticket is over, or never was: join anew, with a new ticket."""
    LINE_FULL = 4
    """Too many wait in this queue."""
    ADDRESS_FULL = 5
    """Too many visitors of your address are here."""
    NOT_SERVING = 6
    """The registry's disk is full or read-only."""
    ONE_VISIT = 7
    """This link has a visit already, by another ticket."""


class DeskRefused(Referring, frozen=True, tag=110):
    """Registry to guest: you are not in line, and why. Also the answer to `AskPlace` and `LeaveDesk` of one who has no
    visit (`NO_SUCH_TICKET`)."""

    reason: DeskRefusal


VisitorRequest = JoinDesk | ReturnToDesk | LeaveDesk | AskPlace
VisitorNotice = DeskShown | PlaceTold | TurnTold | VisitOver | DeskRefused


DeskRequest = VisitorRequest | ConversationRequest | OperatorRequest
"""All that may be asked of the desk."""

DeskNotice = VisitorNotice | ConversationNotice | OperatorNotice
"""All that the desk says."""
