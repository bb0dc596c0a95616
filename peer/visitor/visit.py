"""One visit: asking to be let in, the place in the line, one's turn, the end of it (clause 13).

It knows the desk's messages.
"""

import enum
import random
from collections.abc import Callable
from typing import Final, assert_never

from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.conversation import Saying, StoredVisit, Ticket
from chatapp.peer.visitor.events import ENDED_UNSEEN, OVER, REFUSALS
from chatapp.peer.visitor.form import Form
from chatapp.wire.messages.desk import (
    AskPlace,
    ConversationRequest,
    DeskLine,
    DeskRefusal,
    DeskRefused,
    DeskShown,
    HeardAtDesk,
    JoinDesk,
    LeaveDesk,
    LineRefused,
    LinesTaken,
    OverCause,
    PlaceCause,
    PlaceTold,
    ReturnToDesk,
    TurnCause,
    TurnTold,
    VisitorRequest,
    VisitOver,
)
from chatapp.wire.names import is_same_name


class Stage(enum.Enum):
    """How far a visit is."""

    CLOSED = "the desk has not shown itself yet"
    ASKING = "the form is being filled in"
    JOINING = "the form is with the registry, or on its way there"
    RETURNING = "we have a ticket from an earlier start; what it is worth is not known yet"
    WAITING = "in the line"
    ACTIVE = "being served"
    OVER = "it has ended"


PLACED: Final = frozenset({Stage.WAITING, Stage.ACTIVE})
PLACELESS: Final = frozenset({Stage.CLOSED, Stage.ASKING, Stage.OVER})
"""No ticket that is worth anything: what the registry says of a visit is none of ours (any more)."""


_BACK: Final = {
    PlaceCause.HANDED_OVER: happened.WhyBack.HANDED_OVER,
    PlaceCause.OPERATOR_LOST: happened.WhyBack.OPERATOR_LOST,
    PlaceCause.MISSED_CALL: happened.WhyBack.CALL_MISSED,
}

VisitorNotice = (
    DeskShown | PlaceTold | TurnTold | VisitOver | DeskRefused | DeskLine | LinesTaken | LineRefused
)
"""What a registry may say to a visitor."""


class Visit:
    """One visitor's visit. Requests leave it by `send`, while a link is up; what is to be stored, by `wants_stored`."""

    def __init__(
        self,
        stored: StoredVisit,
        *,
        queue: str,
        rng: random.Random,
        send: Callable[[VisitorRequest | ConversationRequest], None],
    ) -> None:
        """`send` may drop what it is given while there is no link: it is asked again on the next one."""
        self._queue: Final = queue
        self._send = send
        self._ticket = Ticket(stored, rng=rng)
        self._saying = Saying(self._ticket, send=send, tell=self._tell)
        self._form: Form | None = None
        self._shown_position = 0
        self._reference = 0
        self._asked: set[int] = set()
        """Questions for our place that wait for their answer."""
        self._desk: DeskShown | None = None
        self._events: list[happened.VisitEvent] = []
        self.stage = Stage.RETURNING if stored.ticket else Stage.CLOSED

    # --- what the visitor wants

    def join(self, form: Form) -> None:
        """Into the line, once the ticket is on disk."""
        self._form, self._shown_position = form, 0
        self.stage = Stage.JOINING
        self._saying.forget()
        self._ticket.draw(self._ask_in)

    def ask_place(self) -> None:
        """Where are we? `PlaceAnswered` or `ServedAnswered` follows."""
        reference = self._next_reference()
        if self.stage in PLACED:  # else the answer to the request before this one says the same
            self._asked.add(reference)
        self._send(AskPlace(reference))

    def say(self, text: str, *, wall: float) -> None:
        """A line for the operator; one who waits is told to."""
        if self.stage is Stage.ACTIVE and self._saying.has_begun:
            self._saying.say(text, wall=wall)
        else:
            self._tell(happened.NotYourTurn())

    def leave(self) -> None:
        """Give the place up for good; `Over` follows."""
        self._send(LeaveDesk(self._next_reference()))

    def give_up(self) -> None:
        """No place any more: it is over, or we have left, whether the registry knows or not."""
        self.stage = Stage.OVER
        self._ticket.forget()
        self._saying.forget()
        self._asked.clear()

    def begin_anew(self) -> None:
        """After the end of one visit: `FormWanted` follows."""
        if self.stage is Stage.OVER and self._desk is not None:
            self._want_form(self._desk)

    def lines_shown(self, position: int) -> None:
        """The operator's lines up to this one have been shown: once that is stored, the registry may know."""
        self._saying.shown(position)

    @property
    def is_settled(self) -> bool:
        """Whether our place is known, and every question and line of ours was answered."""
        if self.stage in (Stage.JOINING, Stage.RETURNING) or self._asked:
            return False
        return self._saying.is_settled or self.stage is Stage.OVER

    # --- what is to be stored

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then say `stored`."""
        return self._ticket.wants_stored()

    def stored(self) -> None:
        """What was drained is on disk."""
        self._ticket.stored()

    def events(self) -> list[happened.VisitEvent]:
        """Drained, in order."""
        events, self._events = self._events, []
        return events

    def _tell(self, event: happened.VisitEvent) -> None:
        self._events.append(event)

    # --- what the registry says

    @property
    def keep_place(self) -> int:
        """Seconds for which a place is kept."""
        return self._desk.keep_place if self._desk is not None else 0

    def handle(self, notice: VisitorNotice) -> None:
        """A notice of the desk."""
        if isinstance(notice, PlaceTold | TurnTold | DeskRefused):
            self._asked.discard(notice.reference)
        match notice:
            case DeskShown():
                self._desk_shown(notice)
            case PlaceTold():
                self._place_told(notice)
            case TurnTold():
                self._turn_told(notice)
            case VisitOver():
                self._over(notice)
            case DeskRefused():
                self._refused(notice)
            case DeskLine():
                self._saying.came(notice)
            case LinesTaken():
                self._saying.taken(notice)
            case LineRefused():
                self._saying.refused(notice)
            case _:
                assert_never(notice)

    def _desk_shown(self, desk: DeskShown) -> None:
        """The first notice of each link."""
        self._desk = desk
        self._asked.clear()  # with the link before
        self._saying.link_up()
        if self._queue and not any(is_same_name(self._queue, one) for one in desk.queues):
            self._tell(happened.QueueUnknown(name=self._queue, queues=tuple(desk.queues)))
        elif self.stage is Stage.CLOSED:
            self._want_form(desk)
        elif self.stage is Stage.JOINING and not self._ticket.is_pending:
            self._ask_in()
        elif self.stage in PLACED or self.stage is Stage.RETURNING:
            self._send(ReturnToDesk(self._next_reference(), self._ticket.value, self._ticket.heard))

    def _want_form(self, desk: DeskShown) -> None:
        self.stage = Stage.ASKING
        self._tell(happened.FormWanted(region=desk.region, menu=tuple(desk.menu)))

    def _ask_in(self) -> None:
        form = self._form
        assert form is not None
        self._send(
            JoinDesk(
                self._next_reference(), self._ticket.value, self._queue, form.name, form.number, form.issue
            )
        )

    def _place_told(self, told: PlaceTold) -> None:
        if not self._enter(told.visit):
            return
        before, self.stage = self.stage, Stage.WAITING
        if told.cause is PlaceCause.ASKED:
            estimate = happened.Estimate(least=told.least, most=told.most) if told.most else None
            self._tell(happened.PlaceAnswered(position=told.position, estimate=estimate))
        else:
            if before is Stage.ACTIVE or told.cause in _BACK:
                why = _BACK.get(told.cause, happened.WhyBack.OPERATOR_LOST)
                self._tell(happened.SentBack(why=why))
            if told.position != self._shown_position or before is not Stage.WAITING:
                self._tell(happened.Placed(position=told.position, operators=told.operators))
        self._shown_position = told.position
        self._saying.say_again()

    def _turn_told(self, told: TurnTold) -> None:
        if not self._enter(told.visit):
            return
        self._send(HeardAtDesk(told.visit, self._ticket.heard))  # we are there
        before, self.stage = self.stage, Stage.ACTIVE
        self._shown_position = 0
        if told.cause is TurnCause.ASKED or before is Stage.RETURNING:
            self._tell(happened.ServedAnswered())
        elif told.cause is TurnCause.HANDED_OVER:
            self._tell(happened.Served(turn=happened.Turn.HANDED_OVER, operator=told.operator))
        elif before is not Stage.ACTIVE:
            turn = happened.Turn.CALLED if before is Stage.WAITING else happened.Turn.AT_ONCE
            self._tell(happened.Served(turn=turn, operator=told.operator))
        self._saying.say_again()

    def _enter(self, visit: int) -> bool:
        """The registry speaks of this visit of ours; false when we have none (any more)."""
        if self.stage in PLACELESS:
            return False
        if self.stage is Stage.RETURNING:
            self._tell(happened.Resumed())
        self._saying.begin(visit)
        return True

    def _over(self, over: VisitOver) -> None:
        if self.stage in PLACELESS:
            return
        was_returning = self.stage is Stage.RETURNING
        self.give_up()
        if was_returning and self._desk is not None:  # a program that was started to be served goes on
            self._tell(happened.EndedUnseen(reason=OVER[over.cause]))
            self._want_form(self._desk)
            return
        self._tell(happened.Over(reason=OVER[over.cause], by_us=over.cause is OverCause.LEFT))

    def _refused(self, refused: DeskRefused) -> None:
        if self.stage in PLACELESS:
            return
        if refused.reason is not DeskRefusal.NO_SUCH_TICKET:
            self.give_up()
            self._tell(happened.Refused(reason=REFUSALS[refused.reason]))
            return
        if self.stage is Stage.ACTIVE:  # we were served: joining again would be a second visit
            self.give_up()
            self._tell(happened.Over(reason=ENDED_UNSEEN, by_us=False))
            return
        self._tell(happened.PlaceGone(is_joining=self._form is not None))
        if self._form is not None:
            self.join(self._form)
            return
        self.give_up()
        if self._desk is not None:
            self._want_form(self._desk)

    def _next_reference(self) -> int:
        self._reference += 1
        return self._reference
