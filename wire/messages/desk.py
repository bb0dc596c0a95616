"""The help desk: one line of visitors for each queue, and operators who serve one visitor each
(clause 11).

A **visitor** registers as a guest (clause 11.1): REGISTER with a card without a name, then a link.
The registry's first notice on that link is `DeskShown`, and it serves a guest nothing but the
requests here, Ping and Leave. An **operator** is a member whom the registry's owner has made one;
the first notices on an operator's link are those of any member, then `DutyStatus`.

One stay of one visitor is a **visit**, with a number that the registry never uses again. A visit belongs to its
**ticket**: 16 random bytes that the visitor's program draws and stores on its disk *before* it sends `JoinDesk`. Whoever
shows the ticket is the visitor, on any link and with any guest key; a newer link replaces the older. So a repeated
`JoinDesk`, after a lost link or a lost answer, gives the same position and changes nothing, and `ReturnToDesk` takes a
restarted program back to it.

The lines of a visit form one list with **positions** 1, 2, 3, ... over both sides. Each sender gives its lines rising
**numbers** of its own (gaps are allowed; each is the larger of the last one + 1 and the clock in microseconds, as in
clause 6.2). It keeps a line until `LinesSaved` covers it or `LineRefused` names it, and sends the rest again, in order, on
every new link while the visit lasts; the registry accepts each number once. A receiver shows a line whose position is
above all that it has shown of that visit, ignores any other, and confirms both with `AckDeskLines`; the registry sends
unconfirmed lines again on a new link. So no line is lost or shown twice, whatever fails in between.

A change of a line is a line, too: it has a number and a position of its own, names the line that it changes, and says what
that line is **now**. So a change that is overtaken by a later one says the same as that one.

The rules are in `registry.rules.desk`; this file has the shapes only.
"""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import (
    DESK_ANSWER_MAX,
    DESK_ANSWERS_MAX,
    DESK_CLOSING_MAX,
    DESK_FILE_NAME_MAX,
    DESK_FORM_NAME_MAX,
    DESK_FORM_NUMBER_MAX,
    DESK_MENU_MAX,
    DESK_MENU_TEXT_MAX,
    DESK_PAST_SHOWN_MAX,
    DESK_PIECE_SIZE,
    DESK_QUEUE_NAME_MAX,
    DESK_QUEUES_MAX,
    DESK_SHORT_MAX,
    DESK_SHOWN_MAX,
    TEXT_MAX,
    Count,
    Name,
    Reference,
)

TICKET_SIZE = 16

RATING_LEAST = 1
RATING_MOST = 5
"""A session is rated from 1 (bad) to 5 (good)."""

Ticket = Annotated[bytes, msgspec.Meta(min_length=TICKET_SIZE, max_length=TICKET_SIZE)]
QueueName = Annotated[str, msgspec.Meta(max_length=DESK_QUEUE_NAME_MAX)]
"""The name of a queue; empty stands for the present queue of the sender, else the first one."""
FullName = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NAME_MAX)]
PhoneNumber = Annotated[str, msgspec.Meta(max_length=DESK_FORM_NUMBER_MAX)]
"""In the form that `wire.desk.form.mobile_number` returns: `+919876543210`."""
Issue = Annotated[int, msgspec.Meta(ge=1, le=DESK_MENU_MAX)]
"""The number of a menu entry, from 1."""
Position = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""A position in the line, from 1."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
ClosingText = Annotated[str, msgspec.Meta(max_length=DESK_CLOSING_MAX)]
"""What an operator says about the closing of a queue; may be empty."""
UPLOAD_SIZE = 16
Upload = Annotated[bytes, msgspec.Meta(max_length=UPLOAD_SIZE)]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=DESK_FILE_NAME_MAX)]
KindName = Annotated[str, msgspec.Meta(max_length=8)]
"""The end of a name: `pdf`."""
PieceData = Annotated[bytes, msgspec.Meta(max_length=DESK_PIECE_SIZE)]
MenuText = Annotated[str, msgspec.Meta(max_length=DESK_MENU_TEXT_MAX)]
"""A menu entry: what the visitor needs."""


class Referring(msgspec.Struct, frozen=True, array_like=True):
    """A request, or its answer, which repeats the reference; 0 in a notice that answers no
    request."""

    reference: Reference


class AboutQueue(Referring, frozen=True):
    """A request about one queue, or its answer."""

    queue: QueueName


class AboutVisit(Referring, frozen=True):
    """A request that names the visit it means, so that it never affects another one; 0 for none."""

    visit: Count


class OfVisit(msgspec.Struct, frozen=True, array_like=True):
    """A message that concerns one visit."""

    visit: Count


class TakeDuty(AboutQueue, frozen=True, tag=96):
    """Operator to registry (`.on [queue]`): send me visitors of this queue as they come. Ends no
    session.

    An operator's program sends it again when `DutyStatus` on a new link says that the operator is
    off duty: a restarted registry has forgotten who was on duty, but not who served whom.
    """


class EndDuty(Referring, frozen=True, tag=97):
    """Operator to registry (`.off`): send me no new visitor. The present session goes on until it
    is ended."""


class CallNext(AboutQueue, frozen=True, tag=98):
    """Operator to registry (`.next [queue]`): as `TakeDuty`, but end the session of `visit` first.

    `visit` is 0 when the operator serves nobody. The answer is `ROOM_EMPTY` when nobody waits: the
    operator is then on duty and gets the next visitor.
    """

    visit: Count


class EndSession(AboutVisit, frozen=True, tag=99):
    """Operator to registry (`.end`): end the session of this visit; the next visitor in line
    follows if there is one."""


class DropVisitor(AboutVisit, frozen=True, tag=100):
    """Operator to registry (`.drop <n>`): remove this visitor from the line.

    `visit` is 0 when the operator was not shown who has the number: `position` then names the
    visitor, as the line is now.
    """

    position: Position


class MoveVisitor(AboutVisit, frozen=True, tag=101):
    """Operator to registry (`.move <n> <to>`): make this visitor number `to`. `visit` and
    `position` as in `DropVisitor`."""

    position: Position
    to: Position


class HandOver(AboutVisit, frozen=True, tag=102):
    """Operator to registry (`.handover <operator>`): pass my visitor to this operator on duty, with
    lines and note.

    A free operator gets the visitor at once; for a busy one the visitor waits at the head of the
    line.
    """

    operator: Name


class NoteVisitor(AboutVisit, frozen=True, tag=103):
    """Operator to registry (`.note <text>`): a note about my visitor, for operators only. It
    replaces the previous one."""

    text: Text


class HoldVisitor(AboutVisit, frozen=True, tag=121):
    """Operator to registry (`.hold`): my visitor does not answer. Put them at the head of the line,
    and call others until they show that they are there; the next visitor in line follows."""


class TransferVisitor(AboutVisit, frozen=True, tag=122):
    """Operator to registry (`.transfer <queue>`): let my visitor wait in another queue, among those
    who joined before and after them, with description, lines and note; the next visitor in line
    follows."""

    queue: QueueName


class CloseQueue(AboutQueue, frozen=True, tag=61):
    """Operator to registry (`.close [text]`): take no newcomers. Those who wait are told, and keep
    their positions."""

    text: ClosingText


class OpenQueue(AboutQueue, frozen=True, tag=62):
    """Operator to registry (`.open`): take newcomers."""


class AnnounceAtDesk(AboutQueue, frozen=True, tag=63):
    """Operator to registry (`.announce <text>`): tell all who wait in this queue."""

    text: Text


class ShowRoom(AboutQueue, frozen=True, tag=104):
    """Operator to registry (`.room [queue]`): who is served, and who waits? Answered by `RoomShown`
    alone."""


class ShowFigures(AboutQueue, frozen=True, tag=105):
    """Operator to registry (`.stats [queue]`): the figures of a queue. Answered by `FiguresShown`
    alone."""


# --- what an operator is told


class CommandResult(enum.IntEnum):
    """The result of an operator's command."""

    DONE = 0
    NO_CLIENT = 1
    """`[No active client.]`."""
    ROOM_EMPTY = 2
    """`[Waiting room: empty.]`."""
    NO_SUCH_POSITION = 3
    """Nobody has that number in the line."""
    NO_SUCH_OPERATOR = 4
    """The name is not that of another operator."""
    OFF_DUTY = 5
    """That operator is not on duty."""
    NO_SUCH_QUEUE = 6
    NOT_AN_OPERATOR = 7
    """The sender is not an operator."""
    TOO_MANY = 8
    """The limit of operators on duty is reached."""
    OTHER_QUEUE = 9
    """The operator serves a visitor of another queue and has to end that session first."""
    TOO_LONG = 10
    """A note has at most `wire.limits.DESK_NOTE_MAX` bytes."""
    NOBODY_IN_REACH = 11
    """Everybody who waits is away, or was handed to another operator; the first who can be called
    will come."""
    OTHER_CLIENT = 12
    """The operator serves another visitor than the one named: nothing was done."""
    NOT_IN_LINE = 13
    """The visitor named does not wait any more: nothing was done."""
    SAME_QUEUE = 14
    """The visitor is in that queue already."""
    QUEUE_FULL = 15
    """As many wait in that queue as are allowed."""
    NOT_STORED = 16
    """The registry's disk is full or read-only: nothing was done."""
    NOT_ON_DUTY = 17
    """The sender is not on duty."""


class CommandDone(Referring, frozen=True, tag=114):
    """Registry to operator: the result of a command. `subject`: the visitor or operator concerned,
    or empty."""

    result: CommandResult
    subject: FullName


class DutyStatus(msgspec.Struct, frozen=True, array_like=True, tag=115):
    """Registry to operator: whether you are on duty, and for which queue. Sent on each new link and
    when it changes."""

    is_on: bool
    queue: QueueName
    visit: Count = 0
    """The visit that you serve; 0 for none: a visitor served on the previous link is then no longer
    yours."""
    files_largest: Count = 0
    """Bytes of the largest file that the desk takes; 0: none at all."""


class WaitingCounted(msgspec.Struct, frozen=True, array_like=True, tag=126):
    """Registry to an operator on duty: how many wait in your queue. Sent after `DutyStatus`, and
    when it changes."""

    queue: QueueName
    waiting: Count


class ReadyAnswer(msgspec.Struct, frozen=True, array_like=True):
    """A text of the configuration that operators say by a short word."""

    short: Annotated[str, msgspec.Meta(max_length=DESK_SHORT_MAX)]
    text: Annotated[str, msgspec.Meta(max_length=DESK_ANSWER_MAX)]


class ReadyAnswersShown(msgspec.Struct, frozen=True, array_like=True, tag=65):
    """Registry to operator, on each new link: the ready answers, if there are any."""

    answers: Annotated[list[ReadyAnswer], msgspec.Meta(max_length=DESK_ANSWERS_MAX)]


class ClientCause(enum.IntEnum):
    """Why an operator serves a visitor now."""

    CALLED = 0
    """The visitor was first in line."""
    HANDED_OVER = 1
    """Passed on by another operator, or served before; `FetchDeskLines` asks for the earlier
    lines."""
    RETURNED = 2
    """You are back, and serve this visitor; `FetchDeskLines` asks for the earlier lines."""


class ClientAssigned(OfVisit, frozen=True, tag=116):
    """Registry to operator: you serve this visitor from now on. Answered by `FetchDeskLines`."""

    cause: ClientCause
    queue: QueueName
    name: FullName
    number: PhoneNumber
    issue: MenuText
    waited: Count
    """Seconds between joining and the first call."""
    is_here: bool
    """Whether the visitor is online."""
    note: Text
    operator: Name
    """The operator who handed the visitor over; else empty."""
    is_asked: bool
    """Whether a command of yours brought the visitor: `TakeDuty`, `CallNext`, `EndSession`,
    `HandOver`, `HoldVisitor` or `TransferVisitor`."""
    description: Text
    """What the visitor wrote while waiting."""


class ClientChange(enum.IntEnum):
    """What happened to an operator's visitor."""

    AWAY = 0
    """The visitor's link is lost; the position is kept for a while."""
    BACK = 1
    LEFT = 2
    """The visitor left: the session is over."""
    LOST = 3
    """The visitor did not come back: the session is over."""
    ENDED = 4
    """The operator ended the session."""
    GIVEN = 5
    """The operator handed the visitor over."""
    TAKEN_BACK = 6
    """The operator was away for too long: the visitor is at the head of the line again."""
    UNANSWERED = 7
    """The visitor was away when called, or was lost for too long, and waits again; the next one who
    is online comes."""
    SILENT = 8
    """The visitor is online, and has said nothing for a while. The session goes on."""
    HELD = 9
    """The operator has put the visitor on hold, at the head of the line."""
    TRANSFERRED = 10
    """The operator has sent the visitor to another queue."""


class ClientChanged(OfVisit, frozen=True, tag=117):
    """Registry to operator: what happened to your visitor. Only after `AWAY`, `BACK` and `SILENT`
    the visitor is still yours."""

    change: ClientChange
    name: FullName


class RoomVisitor(OfVisit, frozen=True):
    """One visitor, as operators see them."""

    name: FullName
    issue: MenuText
    since: Count
    """Unix time in seconds: of joining for one who waits, of the call for one who is served."""
    is_here: bool
    operator: Name
    """The operator who serves the visitor, or for whom the visitor waits; empty: nobody."""
    is_paused: bool
    """Whether others are called first: the visitor asked for it, or was put on hold."""
    is_silent: bool
    """Whether the visitor is served, and has said nothing for a while."""


class RoomQueue(msgspec.Struct, frozen=True, array_like=True):
    """One queue of the desk."""

    queue: QueueName
    waiting: Count
    operators: Count
    """Operators on duty for it."""


class RoomOperator(msgspec.Struct, frozen=True, array_like=True):
    """An operator on duty."""

    operator: Name
    queue: QueueName
    is_free: bool
    """Whether they serve nobody."""


class RoomShown(AboutQueue, frozen=True, tag=118):
    """Registry to operator: the state of one queue. `waiting` begins with position 1 and may be
    cut; `total` counts all who wait. `queues` and `on_duty`: those of the whole desk, without
    operators out of reach who serve nobody."""

    operators: Count
    """Operators on duty for the queue."""
    served: Annotated[list[RoomVisitor], msgspec.Meta(max_length=DESK_SHOWN_MAX)]
    waiting: Annotated[list[RoomVisitor], msgspec.Meta(max_length=DESK_SHOWN_MAX)]
    total: Count
    queues: Annotated[list[RoomQueue], msgspec.Meta(max_length=DESK_QUEUES_MAX)] = []
    on_duty: Annotated[list[RoomOperator], msgspec.Meta(max_length=DESK_SHOWN_MAX)] = []


class FiguresShown(AboutQueue, frozen=True, tag=119):
    """Registry to operator: the figures of one queue. Spans are in seconds; `today` is the
    registry's local day."""

    served_today: Count
    median_wait: Count
    """For the visitors who were called today; 0 for none."""
    ninetieth_wait: Count
    """The 90th percentile of the same."""
    longest_waiting: Count
    """Among those who wait now; 0 for none."""
    waiting: Count
    operators: Count
    """Operators on duty for the queue."""
    rated: Count
    """Sessions that were rated today."""
    mean_rating: Count
    """A hundred times the mean of their ratings; 0 for none."""


class ShowPast(Referring, frozen=True, tag=135):
    """Operator on duty to registry (`.past`): the last sessions of my queue that are over, with
    their last 20 lines; of one visitor, with all lines. Answered by `PastShown` alone, or by
    `CommandDone` with `NOT_ON_DUTY`."""

    name: FullName
    """Of which visitor, compared by its letters in any case; empty: of all."""
    count: Annotated[int, msgspec.Meta(ge=0, le=DESK_PAST_SHOWN_MAX)]
    """At most so many; 0: 5."""


class LineMark(enum.IntEnum):
    """What a line of a visit is."""

    SAID = 0
    """As it was said."""
    EDITED = 1
    RETRACTED = 2
    """Taken back: its text is empty."""


class PastLine(msgspec.Struct, frozen=True, array_like=True):
    """A line of a past session, as it was at the end."""

    operator: Name
    """The operator who said it; empty: the visitor did."""
    at: Count
    """The registry's Unix time in milliseconds when it took the line."""
    text: Text
    mark: LineMark = LineMark.SAID
    position: Count = 0
    file_size: Count = 0
    """As in `DeskLine`; 0 when the file is not here any more."""


class PastSession(OfVisit, frozen=True):
    """A session that is over."""

    queue: QueueName
    name: FullName
    number: PhoneNumber
    issue: MenuText
    note: Text
    description: Text
    """What the visitor wrote about it."""
    operator: Name
    """The last operator."""
    at: Count
    """Unix time in seconds of the call."""
    waited: Count
    """Seconds before it."""
    took: Count
    """Seconds with operators."""
    lines: list[PastLine]
    left_out: Count
    """How many lines before these are not in the answer."""
    has_transcript: bool
    """Whether the registry still has the lines."""


class PastShown(Referring, frozen=True, tag=136):
    """Registry to operator: past sessions, the oldest first."""

    sessions: Annotated[list[PastSession], msgspec.Meta(max_length=DESK_PAST_SHOWN_MAX)]
    total: Count
    """How many there are of this name, or of all."""


OperatorRequest = (
    TakeDuty
    | EndDuty
    | CallNext
    | EndSession
    | DropVisitor
    | MoveVisitor
    | HandOver
    | NoteVisitor
    | HoldVisitor
    | TransferVisitor
    | CloseQueue
    | OpenQueue
    | AnnounceAtDesk
    | ShowRoom
    | ShowFigures
    | ShowPast
)
OperatorNotice = (
    CommandDone
    | DutyStatus
    | WaitingCounted
    | ReadyAnswersShown
    | ClientAssigned
    | ClientChanged
    | RoomShown
    | FiguresShown
    | PastShown
)


class SendDeskLine(OfVisit, frozen=True, tag=94):
    """Visitor or operator to registry: a line for the other side, or a change of one that I said.
    Answered by `LinesSaved` or `LineRefused`."""

    number: Count
    text: Text
    mark: LineMark = LineMark.SAID
    """For a change: what the line is from now on, with this text."""
    target: Count = 0
    """For a change: the number under which I said that line; else 0."""
    upload: Upload = b""
    """For a file: the upload that has brought it, whole; its name is the text, and `text` is
    ignored. Else empty."""


class AckDeskLines(OfVisit, frozen=True, tag=95):
    """Visitor or operator to registry: I have shown all lines of this visit up to this position."""

    position: Count


class FetchDeskLines(OfVisit, frozen=True, tag=120):
    """Operator to registry, after `ClientAssigned`: send me the lines of this visit, and later ones
    as they come.

    For a visitor, `ReturnToDesk` has the same effect.
    """

    shown: Count
    """The highest position of the visit that I have shown; 0 for none, or unknown."""
    with_own: bool
    """Whether to include my own earlier lines, because my program does not have them."""


# --- what both sides are told


class DeskLine(OfVisit, frozen=True, tag=111):
    """Registry to visitor or operator: a line of the visit that the other side said, or one of your
    own that you asked for."""

    position: Count
    operator: Name
    """The operator who said it; empty: the visitor did."""
    at: Count
    """The registry's Unix time in milliseconds when it took the line."""
    text: Text
    number: Count = 0
    """The number under which you said this line; 0 for a line of somebody else."""
    mark: LineMark = LineMark.SAID
    """What the line is now, or the one that it changes."""
    target: Count = 0
    """For a change: the position of the line that it changes, whose text this is; else 0."""
    file_size: Count = 0
    """For a file, whose name is the text: its bytes; else 0."""


class LinesSaved(OfVisit, frozen=True, tag=112):
    """Registry to visitor or operator: your lines up to this number are on disk and will reach the
    other side."""

    number: Count
    position: Count = 0
    """Of the line with this number, if it brings a file: by that the file is fetched; else 0."""


class LineRefusal(enum.IntEnum):
    """Why a line was not accepted."""

    NOT_YOUR_TURN = 1
    """The visitor waits: `[Please wait for your turn.]`."""
    NO_CLIENT = 2
    """The operator serves nobody, or no longer this visit: `[No active client.]`."""
    FULL = 3
    """The other side is away, and no more lines are kept for it; say it again later under a new
    number."""
    TOO_FAST = 4
    """Too many lines a second."""
    NOT_SERVING = 5
    """The registry's disk is full or read-only."""
    NO_SUCH_LINE = 6
    """There is no such line of yours to change: it was never said, was taken back, is a change
    itself, is not kept any more, is a file (which can only be taken back), or is older than 7 days."""
    NO_UPLOAD = 7
    """The registry does not have the file of this line, whole."""


class LineRefused(OfVisit, frozen=True, tag=113):
    """Registry to visitor or operator: this line was not accepted, and never will be under this
    number."""

    number: Count
    reason: LineRefusal


class SendDeskPiece(OfVisit, frozen=True, tag=87):
    """Visitor or operator to registry: a piece of a file that a line of mine will bring. Pieces come
    in order, each after the answer to the one before it. Answered by `DeskPieceAnswered`."""

    upload: Annotated[bytes, msgspec.Meta(min_length=UPLOAD_SIZE, max_length=UPLOAD_SIZE)]
    """Random; another one than that of my last file gives that one up, unless a line has brought
    it."""
    name: FileName
    size: Count
    """Bytes of the whole file."""
    index: Count
    """From 0."""
    data: PieceData
    """`DESK_PIECE_SIZE` bytes; fewer in the last piece."""


class PieceResult(enum.IntEnum):
    """What became of a piece."""

    TAKEN = 0
    OFF = 1
    """This desk takes no files."""
    TOO_LARGE = 2
    """A file has at most `limit` bytes, and not none."""
    WRONG_KIND = 3
    """The name must end in one of `kinds`."""
    NOT_WHAT_IT_SAYS = 4
    """The content is not what the end of the name says."""
    TALK_FULL = 5
    """The files of one visit have at most `limit` bytes."""
    DESK_FULL = 6
    """The desk, or the part of it for one network, has no place for more files now."""
    TOO_FAST = 7
    """Too many files at once."""
    NOT_SERVED = 8
    """The visitor is not served now, or the operator serves another visit."""
    LOST = 9
    """The pieces before it are not here: begin again, with another upload."""


class DeskPieceAnswered(OfVisit, frozen=True, tag=88):
    """Registry to visitor or operator: the answer to `SendDeskPiece`."""

    upload: Upload
    index: Count
    result: PieceResult
    limit: Count = 0
    kinds: list[KindName] = []


class FetchDeskPiece(AboutVisit, frozen=True, tag=89):
    """Visitor or operator to registry: a piece of the file of this line. An operator may ask for
    those of the present visit and of past sessions that `ShowPast` shows. Answered by
    `DeskPieceShown`."""

    position: Count
    index: Count
    ticket: Annotated[bytes, msgspec.Meta(max_length=TICKET_SIZE)] = b""
    """Of a visitor whose visit is over; else empty."""


class DeskPieceShown(Referring, frozen=True, tag=128):
    """Registry to visitor or operator: a piece of a file; no bytes for one that is not here, not any
    more or not for you."""

    data: PieceData


ConversationRequest = SendDeskLine | AckDeskLines | FetchDeskLines | SendDeskPiece | FetchDeskPiece
ConversationNotice = DeskLine | LinesSaved | LineRefused | DeskPieceAnswered | DeskPieceShown


class JoinDesk(Referring, frozen=True, tag=90):
    """Guest to registry: let me join the line. Answered by `PositionReported` or `OperatorAssigned`
    once the visit is on disk, or by `DeskRefused`.

    With a ticket that has a position already it acts as a `ReturnToDesk` with `shown` = 0, and form
    and queue are ignored.
    """

    ticket: Ticket
    queue: QueueName
    name: FullName
    """In the form that `wire.desk.form.full_name` returns."""
    number: PhoneNumber
    issue: Issue


class ReturnToDesk(Referring, frozen=True, tag=91):
    """Guest to registry, on a new link: I am back. Answered like `JoinDesk`; `NO_SUCH_TICKET` when
    the position is gone."""

    ticket: Ticket
    shown: Count
    """The highest position of the visit that I have shown; 0 for none, or unknown."""
    with_own: bool = False
    """Whether to include my own earlier lines, because my program may not have all of them."""


class LeaveDesk(Referring, frozen=True, tag=92):
    """Guest to registry: I leave for good. Answered by `VisitOver`. A Leave has the same effect,
    and ends the link."""


class AskPosition(Referring, frozen=True, tag=93):
    """Guest to registry (`.queue`): what is my position?

    Answered by `PositionReported` or `OperatorAssigned` with cause `ASKED`.
    """


class PauseVisit(AboutVisit, frozen=True, tag=123):
    """Guest to registry (`.pause`, `.resume`): keep my position while others are called, or call me
    in my turn again.

    Answered by `PositionReported`, or by `OperatorAssigned` with cause `ASKED` when the visitor is
    being served.
    """

    is_paused: bool


class DescribeVisit(AboutVisit, frozen=True, tag=124):
    """Guest to registry: this is what it is about, for the operator to read with my form. It
    replaces what was there.

    Answered by `DescriptionAnswered`. Repeating it changes nothing.
    """

    text: Text


class RateVisit(Referring, frozen=True, tag=66):
    """Guest to registry (`.rate`): how the session of this ticket was, during it or after its end.
    A second rating replaces the first. Answered by `VisitRated`."""

    ticket: Ticket
    rating: Annotated[int, msgspec.Meta(ge=RATING_LEAST, le=RATING_MOST)]


# --- what a visitor is told


class VisitRated(Referring, frozen=True, tag=67):
    """Registry to guest: the answer to `RateVisit`."""

    is_kept: bool
    """False: the visitor was not served with this ticket, or it is too long ago."""


class DescriptionResult(enum.IntEnum):
    """The result of `DescribeVisit`."""

    KEPT = 0
    """It is on disk. Also sent, with the reference 0, to a visitor who is back and has a
    description."""
    SERVED = 1
    """The visitor is being served: the text is not kept, and can be said as a line."""
    TOO_LONG = 2
    """A description has at most `wire.limits.DESK_DESCRIPTION_MAX` bytes."""
    TOO_FAST = 3
    """Too many descriptions a second."""


class DescriptionAnswered(AboutVisit, frozen=True, tag=125):
    """Registry to visitor: the answer to `DescribeVisit`. `text`: the description that is kept
    now."""

    result: DescriptionResult
    text: Text


class ClosedQueue(msgspec.Struct, frozen=True, array_like=True):
    """A queue that takes no newcomers."""

    queue: QueueName
    text: ClosingText
    """What an operator has said about it; may be empty."""
    opens_at: Count
    """Unix time in seconds; 0: nobody knows."""


class QueueClosed(msgspec.Struct, frozen=True, array_like=True, tag=127):
    """Registry to guest: your queue takes no newcomers. Also sent to those who wait, who keep their
    positions."""

    queue: QueueName
    text: ClosingText
    opens_at: Count
    """Unix time in seconds; 0: nobody knows."""


class DeskAnnounced(msgspec.Struct, frozen=True, array_like=True, tag=64):
    """Registry to visitor: an operator tells all who wait."""

    operator: Name
    text: Text


class DeskShown(msgspec.Struct, frozen=True, array_like=True, tag=106):
    """Registry to guest: the first notice on its link, with the choices of the form."""

    queues: Annotated[list[QueueName], msgspec.Meta(min_length=1, max_length=DESK_QUEUES_MAX)]
    menu: Annotated[list[MenuText], msgspec.Meta(min_length=1, max_length=DESK_MENU_MAX)]
    region: Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
    """The region whose numbers need no country code: `IN`."""
    keep_place: Count
    """Seconds for which a position is kept when the link is lost."""
    keep_form: Count
    """Seconds after a session for which operators can look up its form, description and note; 0:
    not at all."""
    keep_talk: Count
    """The same for what was said in it; never longer."""
    closed: Annotated[list[ClosedQueue], msgspec.Meta(max_length=DESK_QUEUES_MAX)]
    """The queues that take no newcomers."""
    is_vouched: bool = False
    """Whether you are counted with the gateway through which you come, and not with your address
    (clause 4.10)."""
    files_largest: Count = 0
    """Bytes of the largest file that the desk takes; 0: none at all."""


class PositionCause(enum.IntEnum):
    """Why a position is sent."""

    JOINED = 0
    """You have joined the line: `[Waiting room, position <n>.]`."""
    RETURNED = 1
    """You are back, on a new link or by your ticket."""
    ASKED = 2
    """By `AskPosition`."""
    CHANGED = 3
    """The line in front of you has changed."""
    OPERATOR_LOST = 4
    """You were being served; the operator vanished, and you are at the head of the line again."""
    HANDED_OVER = 5
    """You were being served; you now wait at the head of the line for the operator to whom you were
    handed."""
    MISSED_CALL = 6
    """You are back; you were called while you were away, and have your old position in the line."""
    HELD = 7
    """The operator has put you on hold: you are at the head of the line, and others are called
    until you show that you are there, by `PauseVisit` or `DescribeVisit`."""
    PAUSED = 8
    """By `PauseVisit`: others are called first."""
    RESUMED = 9
    """By `PauseVisit` or, after `HELD`, by `DescribeVisit`: you are called in your turn again."""
    TRANSFERRED = 10
    """You were being served, and wait in another queue now, among those who joined before and after
    you."""
    LINK_LOST = 11
    """You are back; you were being served when your link was lost, somebody else was called after a
    while, and you are at the head of the line."""


class PositionReported(Referring, frozen=True, tag=107):
    """Registry to visitor: you wait at this position. Also sent whenever the position changes."""

    visit: Count
    cause: PositionCause
    position: Position
    """From 1, so position - 1 visitors are ahead."""
    operators: Count
    """Operators on duty for this queue; 0: nobody serves it at the moment."""
    least: Count
    """The estimate: from `least` to `most` seconds until it is your turn."""
    most: Count
    """0 when there is no estimate yet: fewer than three sessions were served, or nobody is on
    duty."""
    queue: QueueName
    is_paused: bool
    """Whether others are called before you."""


class OperatorCause(enum.IntEnum):
    """Why a visitor is told who serves them."""

    CONNECTED = 0
    """An operator was free when you joined: `[You are connected.]`."""
    CALLED = 1
    """After waiting: `[It's your turn.]`."""
    RETURNED = 2
    """You are back, and still being served."""
    ASKED = 3
    """By `AskPosition`: `[You are active.]`."""
    HANDED_OVER = 4
    """Another operator serves you now, without a wait."""


class OperatorAssigned(Referring, frozen=True, tag=108):
    """Registry to visitor: you are being served, by this operator."""

    visit: Count
    cause: OperatorCause
    operator: Name


class OverCause(enum.IntEnum):
    """How a visit ended."""

    ENDED = 0
    """The operator ended the session."""
    LEFT = 1
    """The visitor left."""
    DROPPED = 2
    """An operator removed the visitor from the line."""
    LOST = 3
    """The visitor's link was lost, and the time for which a position is kept is over."""
    NOT_KEPT = 4
    """It could not be stored on the registry's disk: the visit never began."""
    ELSEWHERE = 5
    """Only for this link: the visit goes on at another link, where its ticket was shown."""


class VisitOver(OfVisit, frozen=True, tag=109):
    """Registry to visitor: your visit is over; the ticket is no longer valid."""

    cause: OverCause


class DeskRefusal(enum.IntEnum):
    """Why a request to join the line is refused."""

    BAD_FORM = 1
    """The name, number or issue is invalid."""
    NO_SUCH_QUEUE = 2
    NO_SUCH_TICKET = 3
    """The visit of this ticket is over, or never was: join again with a new ticket."""
    LINE_FULL = 4
    """Too many visitors wait in this queue."""
    ADDRESS_FULL = 5
    """Too many visitors of this address are here."""
    NOT_SERVING = 6
    """The registry's disk is full or read-only."""
    ONE_VISIT = 7
    """This link has a visit already, with another ticket."""
    CLOSED = 8
    """The queue takes no newcomers; `QueueClosed` comes first and says until when."""
    TOO_FAST = 9
    """Too many visits of this address, or through this gateway, have begun just now."""
    GATEWAY_FULL = 10
    """Too many visitors of this gateway are here."""


class DeskRefused(Referring, frozen=True, tag=110):
    """Registry to guest: you are not in line, and why. Also the answer to `AskPosition` and
    `LeaveDesk` without a visit (`NO_SUCH_TICKET`)."""

    reason: DeskRefusal


VisitorRequest = (
    JoinDesk | ReturnToDesk | LeaveDesk | AskPosition | PauseVisit | DescribeVisit | RateVisit
)
VisitorNotice = (
    DeskShown
    | PositionReported
    | OperatorAssigned
    | VisitOver
    | DeskRefused
    | DescriptionAnswered
    | QueueClosed
    | DeskAnnounced
    | VisitRated
)


DeskRequest = VisitorRequest | ConversationRequest | OperatorRequest
"""All requests to the desk."""

DeskNotice = VisitorNotice | ConversationNotice | OperatorNotice
"""All notices of the desk."""
