"""One visit to a help desk: the form, the position in the line, the turn, the end (clause 11 of the
protocol)."""

import enum
import random
from collections.abc import Callable
from typing import Final, assert_never

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.desk.files import DeskDownload, DeskFiles, DeskUpload
from chatapp.peer.core.desk.visit_talk import Description, Ticket, VisitorConversation
from chatapp.wire.messages.desk import (
    TICKET_SIZE,
    AckDeskLines,
    AskPosition,
    ClosedQueue,
    ConversationRequest,
    DescriptionAnswered,
    DeskAnnounced,
    DeskLine,
    DeskPieceAnswered,
    DeskPieceShown,
    DeskRefusal,
    DeskRefused,
    DeskShown,
    JoinDesk,
    LeaveDesk,
    LineRefused,
    LinesSaved,
    OperatorAssigned,
    OperatorCause,
    OverCause,
    PauseVisit,
    PositionCause,
    PositionReported,
    QueueClosed,
    RateVisit,
    ReturnToDesk,
    VisitorRequest,
    VisitOver,
    VisitRated,
)
from chatapp.wire.names import is_same_name


class Stage(enum.Enum):
    """How far a visit is."""

    CLOSED = enum.auto()
    """The desk has not shown itself yet."""
    ASKING = enum.auto()
    """The form is being filled in."""
    JOINING = enum.auto()
    """The form is on its way to the registry."""
    RETURNING = enum.auto()
    """We have a ticket from an earlier start, and do not know yet whether it is still valid."""
    WAITING = enum.auto()
    """We are in the line."""
    ACTIVE = enum.auto()
    """We are being served."""
    OVER = enum.auto()
    """The visit has ended."""


ADMITTED: Final = frozenset({Stage.WAITING, Stage.ACTIVE})
NOT_ADMITTED: Final = frozenset({Stage.CLOSED, Stage.ASKING, Stage.OVER})
"""We have no valid ticket: a visit of which the registry speaks is not ours, or not any more."""


_BACK: Final = {
    PositionCause.HANDED_OVER: visit_events.SentBackReason.HANDED_OVER,
    PositionCause.OPERATOR_LOST: visit_events.SentBackReason.OPERATOR_LOST,
    PositionCause.MISSED_CALL: visit_events.SentBackReason.CALL_MISSED,
    PositionCause.HELD: visit_events.SentBackReason.ON_HOLD,
    PositionCause.TRANSFERRED: visit_events.SentBackReason.TRANSFERRED,
    PositionCause.LINK_LOST: visit_events.SentBackReason.LINK_LOST,
}

NoticeToVisitor = (
    DeskShown
    | PositionReported
    | OperatorAssigned
    | VisitOver
    | DeskRefused
    | DescriptionAnswered
    | QueueClosed
    | DeskAnnounced
    | VisitRated
    | DeskLine
    | LinesSaved
    | LineRefused
    | DeskPieceAnswered
    | DeskPieceShown
)
"""What a registry may say to a visitor."""


class Visit:
    """The visit of one visitor."""

    def __init__(
        self,
        stored: StoredVisit,
        *,
        queue: str,
        rng: random.Random,
        send: Callable[[VisitorRequest | ConversationRequest], None],
        has_gateway: bool = False,
    ) -> None:
        """`queue`: empty for the first one of the desk. `send` may drop a request while there is no
        link: the visit repeats on the next link what is still to be asked. `has_gateway`: whether
        we come through a gateway."""
        self._has_gateway: Final = has_gateway
        self._queue: Final = queue
        self._send = send
        self._ticket = Ticket(stored, rng=rng)
        self._conversation = VisitorConversation(self._ticket, send=send, tell=self._tell)
        self._description = Description(
            send=send,
            tell=self._tell,
            say=lambda text, wall: self.say(text, wall=wall),
            next_reference=self._next_reference,
        )
        self._files: Final = DeskFiles(rng=rng, send=send)
        self._last = 0, b""
        """The visit that was over last, and its ticket."""
        self._form: Form | None = None
        self._shown_position = 0
        self._reference = 0
        self._asked: dict[int, AskPosition | PauseVisit | RateVisit] = {}
        """The questions that are not answered, by reference."""
        self._desk: DeskShown | None = None
        self._wanted: visit_events.FormWanted | None = None
        """The form that we were asked to fill in."""
        self._rateable = b""
        """The ticket of the session that has just ended; empty for none, or when it is rated."""
        self._is_new_link = False
        """Whether files wait for the registry to say on this link that we are served."""
        self._is_rated = False
        self._is_paused = False
        """Whether we have told that others go first."""
        self._events: list[visit_events.VisitEvent] = []
        self.stage = Stage.RETURNING if stored.ticket else Stage.CLOSED

    # --- what the visitor wants

    def join(self, form: Form) -> None:
        """Ask for a position in the line, once a ticket is stored."""
        self._form, self._shown_position = form, 0
        self.stage = Stage.JOINING
        self._is_rated = False
        self._conversation.forget()
        self._description.forget()
        self._ticket.draw(self._ask_in)

    def ask_position(self) -> None:
        """Ask where we are; `PositionAnswered` or `ServedAnswered` follows."""
        question = AskPosition(self._next_reference())
        if self.stage in ADMITTED:
            self._ask(question)
        else:  # The answer to an earlier request says the same.
            self._send(question)

    def say(self, text: str, *, wall: float) -> int | None:
        """Say a line to the operator, and return the id by which `MessageChanged` will name it.
        While we wait, it is added to the description instead, and None is returned."""
        if self.stage is Stage.ACTIVE and self._conversation.has_begun:
            return self._conversation.say(text, wall=wall)
        if self.stage is Stage.WAITING:
            self._description.add(text, wall=wall)
        else:
            self._tell(visit_events.NotYourTurn())
        return None

    def talk(self, text: str, *, wall: float, number: int = 0) -> int | None:
        """Say a line of a talk, in our next turn if nobody serves us any more. Return its id; None
        if there is no visit."""
        if self.stage is Stage.ACTIVE and self._conversation.has_begun:
            return self._conversation.say(text, wall=wall, number=number)
        if self.stage is Stage.WAITING:
            return self._conversation.hold(text, wall=wall, number=number)
        return None

    def change(self, line: int, text: str | None, *, wall: float) -> int | None:
        """Change a line of ours, by its id, or take it back (None); in our next turn if nobody serves
        us. Return the id of the change; None if we have said no such line."""
        if self.stage not in ADMITTED:
            return None
        is_served = self.stage is Stage.ACTIVE
        return self._conversation.change(line, text, wall=wall, is_served=is_served)

    def send_file(self, name: str, content: bytes, *, wall: float) -> DeskUpload | None:
        """Send a file to the operator, and then the line that brings it. Return it on its way; None
        if we are not served."""
        if self.stage is not Stage.ACTIVE or not self._conversation.has_begun:
            return None
        return self._files.upload(self._conversation.visit, name, content, at=wall)

    def fetch_file(self, visit: int, position: int, size: int) -> DeskDownload:
        """Fetch the file of a line of this visit, or of the last one."""
        ended, ticket = self._last
        return self._files.fetch(visit, position, size, ticket=ticket if visit == ended else b"")

    def forget_file(self, transfer: DeskUpload | DeskDownload) -> None:
        """Go on with a file no further."""
        self._files.forget(transfer)

    @property
    def files_largest(self) -> int:
        """Bytes of the largest file that the desk takes; 0: none, as far as we know."""
        return 0 if self._desk is None else self._desk.files_largest

    def _piece_came(self, notice: DeskPieceAnswered | DeskPieceShown) -> None:
        if isinstance(notice, DeskPieceShown):
            self._files.came(notice)
            return
        upload = self._files.answered(notice)
        if upload is None:
            return
        if self.stage is not Stage.ACTIVE or upload.visit != self._conversation.visit:
            self._files.give_up(upload.visit)
            return
        line = self._conversation.say(upload.name, wall=upload.at, upload=upload.id)
        self._files.finish(upload, line)

    def was_said(self, number: int) -> bool:
        """Return whether an earlier run has said the line with this number, as far as is known."""
        return self._conversation.was_said(number)

    @property
    def description(self) -> str:
        """What we wrote about the issue while waiting."""
        return self._description.text

    def describe(self, text: str, *, wall: float) -> None:
        """Replace the description. Only while we wait."""
        if self.stage is Stage.WAITING:
            self._description.replace(text, wall=wall)

    def pause(self, *, is_paused: bool) -> None:
        """Let others go first, or be called in turn again. Only while we are in the line or are
        being served."""
        self._ask(PauseVisit(self._next_reference(), self._conversation.visit, is_paused))

    def rate(self, rating: int) -> None:
        """Rate the session, from 1 to 5, during it or after its end; `Rated` follows."""
        ticket = self._ticket.value or self._rateable or bytes(TICKET_SIZE)
        self._ask(RateVisit(self._next_reference(), ticket, rating))

    def _ask(self, question: AskPosition | PauseVisit | RateVisit) -> None:
        self._asked[question.reference] = question
        self._send(question)

    def give_up_questions(self) -> int:
        """Forget the questions that are not answered: the registry is lost. Return how many there
        were."""
        count = len(self._asked)
        self._asked.clear()
        return count

    def leave(self) -> None:
        """Give the position up for good; `VisitEnded` follows."""
        self._send(LeaveDesk(self._next_reference()))

    def give_up(self) -> None:
        """Forget our position: the visit is over, or we leave, whether the registry learns of it or
        not."""
        self.stage = Stage.OVER
        self._files.give_up(self._conversation.visit)
        self._ticket.forget()
        self._conversation.forget()
        self._description.forget()
        self._asked.clear()

    def begin_anew(self) -> None:
        """Begin another visit after the end of one; `FormWanted` follows."""
        if self.stage is Stage.OVER and self._desk is not None:
            self._want_form(self._desk)

    def lines_shown(self, position: int) -> None:
        """Note that the lines up to this one have been shown."""
        self._conversation.note_shown(position)

    @property
    def is_settled(self) -> bool:
        """Whether our position is known, and every question and line of ours is answered."""
        if self.stage in (Stage.JOINING, Stage.RETURNING) or self._asked:
            return False
        is_said = self.stage is not Stage.ACTIVE or self._conversation.is_settled
        return (is_said and self._description.is_settled) or self.stage is Stage.OVER

    # --- what is to be stored

    def wants_stored(self) -> StoredVisit | None:
        """Return, once, what is to be stored; None for nothing. Call `stored` when it is on
        disk."""
        return self._ticket.wants_stored()

    def stored(self) -> None:
        """Note that what `wants_stored` returned is on disk."""
        self._ticket.stored()

    def events(self) -> list[visit_events.VisitEvent]:
        """Return the events, once, in order."""
        events, self._events = self._events, []
        return events

    def _tell(self, event: visit_events.VisitEvent) -> None:
        self._events.append(event)

    # --- what the registry says

    @property
    def keep_place(self) -> int:
        """For how many seconds the desk keeps the position of a visitor who is away."""
        return self._desk.keep_place if self._desk is not None else 0

    def handle(self, notice: NoticeToVisitor) -> None:
        """Handle a notice of the desk."""
        if isinstance(notice, PositionReported | OperatorAssigned | DeskRefused):
            self._asked.pop(notice.reference, None)
        match notice:
            case DeskShown():
                self._desk_shown(notice)
            case PositionReported():
                self._position_reported(notice)
            case OperatorAssigned():
                self._operator_assigned(notice)
            case VisitOver():
                self._over(notice)
            case DeskRefused():
                self._refused(notice)
            case DescriptionAnswered():
                self._description.answered(notice)
            case QueueClosed():
                self._closed(notice)
            case VisitRated():
                rated = self._asked.pop(notice.reference, None)
                if isinstance(rated, RateVisit) and rated.ticket == self._ticket.value:
                    self._is_rated = self._is_rated or notice.is_kept
                self._tell(visit_events.Rated(is_kept=notice.is_kept))
            case DeskAnnounced(operator=operator, text=text):
                self._tell(visit_events.Announced(operator=operator, text=text))
            case DeskLine():
                self._conversation.came(notice)
            case LinesSaved():
                self._conversation.taken(notice)
            case LineRefused():
                self._conversation.refused(notice)
            case DeskPieceAnswered() | DeskPieceShown():
                self._piece_came(notice)
            case _:
                assert_never(notice)

    def _desk_shown(self, desk: DeskShown) -> None:
        """Say on a new link what we want: this is its first notice."""
        self._desk = desk
        self._conversation.link_up()
        self._is_new_link = True
        if self.stage is Stage.OVER:
            self._files.link_up()
        self._description.link_up()
        if self._has_gateway and not desk.is_vouched:
            self._tell(visit_events.GatewayUnknown())
        if self._queue and not any(is_same_name(self._queue, queue) for queue in desk.queues):
            self._tell(visit_events.QueueUnknown(name=self._queue, queues=tuple(desk.queues)))
        elif self.stage in (Stage.CLOSED, Stage.ASKING) and (closed := self._closed_queue(desk)):
            self._closed(closed)
        elif self.stage is Stage.CLOSED or (
            self.stage is Stage.ASKING and self._wanted != _form_of(desk)
        ):
            self._want_form(desk)
        elif self.stage is Stage.JOINING and not self._ticket.is_pending:
            self._ask_in()
        elif self.stage in ADMITTED or self.stage is Stage.RETURNING:
            self._send(
                ReturnToDesk(
                    self._next_reference(),
                    self._ticket.value,
                    self._conversation.shown,
                    with_own=True,
                )
            )
        for (
            question
        ) in self._asked.values():  # What was asked on the earlier link is not answered there.
            self._send(question)

    def _closed_queue(self, desk: DeskShown) -> ClosedQueue | None:
        """Return our queue if it takes no newcomers."""
        wanted = self._queue or desk.queues[0]
        return next((one for one in desk.closed if is_same_name(one.queue, wanted)), None)

    def _closed(self, closed: ClosedQueue | QueueClosed) -> None:
        is_waiting = self.stage in ADMITTED
        self._tell(
            visit_events.DeskClosed(
                text=closed.text, opens_at=closed.opens_at, is_waiting=is_waiting
            )
        )

    def _want_form(self, desk: DeskShown) -> None:
        self.stage = Stage.ASKING
        self._wanted = _form_of(desk)
        self._tell(self._wanted)

    def _ask_in(self) -> None:
        form = self._form
        assert form is not None
        self._send(
            JoinDesk(
                self._next_reference(),
                self._ticket.value,
                self._queue,
                form.name,
                form.number,
                form.issue,
            )
        )

    def _position_reported(self, notice: PositionReported) -> None:
        if not self._enter(notice.visit):
            return
        before, self.stage = self.stage, Stage.WAITING
        self._files.give_up(notice.visit)
        if before is Stage.ACTIVE and not self._conversation.is_settled:
            self._conversation.wait()
        if notice.cause is PositionCause.ASKED:
            estimate = (
                visit_events.Estimate(least=notice.least, most=notice.most) if notice.most else None
            )
            self._tell(visit_events.PositionAnswered(position=notice.position, estimate=estimate))
        else:
            if before is Stage.ACTIVE or notice.cause in _BACK:
                why = _BACK.get(notice.cause, visit_events.SentBackReason.OPERATOR_LOST)
                self._tell(visit_events.SentBack(why=why, queue=notice.queue))
            self._is_paused = self._is_paused or notice.cause is PositionCause.HELD
            is_paused = notice.is_paused and notice.cause not in (
                PositionCause.HELD,
                PositionCause.CHANGED,
            )
            if is_paused or notice.cause is PositionCause.RESUMED:
                self._is_paused = notice.is_paused
                self._tell(visit_events.PauseChanged(is_paused=notice.is_paused))
            if notice.position != self._shown_position or before is not Stage.WAITING:
                self._tell(
                    visit_events.PositionKnown(position=notice.position, operators=notice.operators)
                )
        if self._is_paused and not notice.is_paused:
            # The notice of the end of the pause was lost with its link.
            self._is_paused = False
            self._tell(visit_events.PauseChanged(is_paused=False))
        self._shown_position = notice.position
        self._description.write_again()

    def _operator_assigned(self, notice: OperatorAssigned) -> None:
        if not self._enter(notice.visit):
            return
        # A sign of life: until it comes, a visitor who was called is taken to be away.
        self._send(AckDeskLines(notice.visit, self._conversation.shown))
        before, self.stage = self.stage, Stage.ACTIVE
        self._shown_position = 0
        self._is_paused = False
        if notice.cause is OperatorCause.ASKED or before is Stage.RETURNING:
            self._tell(visit_events.ServedAnswered())
        elif notice.cause is OperatorCause.HANDED_OVER:
            self._tell(
                visit_events.Served(turn=visit_events.Turn.HANDED_OVER, operator=notice.operator)
            )
        elif before is not Stage.ACTIVE:
            turn = (
                visit_events.Turn.CALLED if before is Stage.WAITING else visit_events.Turn.AT_ONCE
            )
            self._tell(visit_events.Served(turn=turn, operator=notice.operator))
        self._conversation.served()
        if self._is_new_link:
            self._is_new_link = False
            self._files.link_up()
        self._description.write_again()

    def _enter(self, visit: int) -> bool:
        """Begin or continue the visit of which the registry speaks. Return False if we have none,
        or none any more."""
        if self.stage in NOT_ADMITTED:
            return False
        if self.stage is Stage.RETURNING:
            self._tell(visit_events.Resumed())
        self._conversation.begin(visit)
        self._description.begin(visit)
        return True

    def _over(self, over: VisitOver) -> None:
        if self.stage in NOT_ADMITTED:
            return
        was_returning = self.stage is Stage.RETURNING
        self._last = over.visit, self._ticket.value
        may_rate = over.cause is OverCause.ENDED and not self._is_rated
        self._rateable = self._ticket.value if may_rate else b""
        self.give_up()
        if was_returning and self._desk is not None:
            # The user has only just started the program, so it goes on with a new form instead of
            # ending.
            self._tell(visit_events.EndedUnseen(cause=over.cause))
            self._want_form(self._desk)
            return
        self._tell(visit_events.VisitEnded(cause=over.cause, may_rate=may_rate))

    def _refused(self, refused: DeskRefused) -> None:
        if self.stage in NOT_ADMITTED:
            return
        if refused.reason is not DeskRefusal.NO_SUCH_TICKET:
            self.give_up()
            self._tell(visit_events.VisitRefused(reason=refused.reason))
            return
        if self.stage is Stage.ACTIVE:
            # We were served, and the session ended while our link was down. To join again would be
            # a second visit.
            self.give_up()
            self._tell(visit_events.VisitEnded(cause=None))
            return
        self._tell(visit_events.PositionGone(is_joining=self._form is not None))
        if self._form is not None:
            self.join(self._form)
            return
        self.give_up()
        if self._desk is not None:
            self._want_form(self._desk)

    def _next_reference(self) -> int:
        self._reference += 1
        return self._reference


def _form_of(desk: DeskShown) -> visit_events.FormWanted:
    """Return the form of a desk."""
    return visit_events.FormWanted(
        region=desk.region,
        menu=tuple(desk.menu),
        keep_form=desk.keep_form,
        keep_talk=desk.keep_talk,
    )
