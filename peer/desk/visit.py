"""This file is about one visit: the ticket, the place in the line, one's turn, and what is said (clause 13).

It knows the desk's messages. It must not know how the registry is reached: whoever owns it says when a link is up and
when what it wants stored is on disk.
"""

import enum
import random
from collections.abc import Callable
from typing import Final, assert_never

import msgspec

from peer.core.talk import Talk
from peer.desk import events as happened
from peer.desk.form import Form
from peer.desk.reasons import ENDED_UNSEEN, LINE_REFUSALS, OVER, REFUSALS
from wire.messages.desk import (
    TICKET_SIZE,
    AskPlace,
    ConversationRequest,
    DeskLine,
    DeskRefusal,
    DeskRefused,
    DeskShown,
    HeardAtDesk,
    JoinDesk,
    LeaveDesk,
    LineRefusal,
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

VisitorNotice = (
    DeskShown | PlaceTold | TurnTold | VisitOver | DeskRefused | DeskLine | LinesTaken | LineRefused
)
"""What a registry may say to a visitor."""


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


class StoredVisit(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk: the ticket, and how far we have read."""

    ticket: bytes = b""
    """Empty: no place."""
    heard: int = 0


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
        self._rng = rng
        self._queue: Final = queue
        self._send = send
        self._ticket = stored.ticket
        self._heard = stored.heard
        self._form: Form | None = None
        self._talk: Talk | None = None
        self._shown_position = 0
        self._reference = 0
        self._asked: set[int] = set()
        """Questions for our place that wait for their answer."""
        self._desk: DeskShown | None = None
        self._is_changed = False
        self._is_new_link = False
        """Whether we have not been told on this link where we are."""
        self._then: list[Callable[[], None]] = []
        self._events: list[happened.VisitEvent] = []
        self.stage = Stage.RETURNING if stored.ticket else Stage.CLOSED

    # --- what the visitor wants

    def join(self, form: Form) -> None:
        """Into the line, once the ticket is on disk."""
        self._form, self._ticket, self._heard = form, self._rng.randbytes(TICKET_SIZE), 0
        self._talk, self._shown_position = None, 0
        self.stage, self._is_changed = Stage.JOINING, True
        self._then.append(self._ask_in)

    def ask_place(self) -> None:
        """Where are we? `PlaceAnswered` or `ServedAnswered` follows."""
        reference = self._next_reference()
        if self.stage in PLACED:  # else the answer to the request before this one says the same
            self._asked.add(reference)
        self._send(AskPlace(reference))

    def say(self, text: str, *, wall: float) -> None:
        """A line for the operator; one who waits is told to."""
        if self.stage is Stage.ACTIVE and self._talk is not None:
            self._send(self._talk.say(text, wall=wall))
        else:
            self._events.append(happened.NotYourTurn())

    def leave(self) -> None:
        """Give the place up for good; `Over` follows."""
        self._send(LeaveDesk(self._next_reference()))

    def give_up(self) -> None:
        """Forget the ticket: we have left, whether the registry knows or not."""
        self._close()

    def begin_anew(self) -> None:
        """After the end of one visit: `FormWanted` follows."""
        if self.stage is Stage.OVER and self._desk is not None:
            self._want_form(self._desk)

    def lines_shown(self, position: int) -> None:
        """The operator's lines up to this one have been shown: once that is stored, the registry may know."""
        if self._talk is None or position <= self._heard:
            return
        self._heard, self._is_changed = position, True
        self._talk.shown(position)
        visit = self._talk.visit
        self._then.append(lambda: self._send(HeardAtDesk(visit, position)))

    @property
    def is_settled(self) -> bool:
        """Whether our place is known, and every question and line of ours was answered."""
        if self.stage in (Stage.JOINING, Stage.RETURNING) or self._asked:
            return False
        return self._talk is None or self._talk.is_settled or self.stage is Stage.OVER

    # --- what is to be stored

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then say `stored`."""
        changed, self._is_changed = self._is_changed, False
        return StoredVisit(ticket=self._ticket, heard=self._heard) if changed else None

    def stored(self) -> None:
        """What was drained is on disk."""
        then, self._then = self._then, []
        for act in then:
            act()

    def events(self) -> list[happened.VisitEvent]:
        """Drained, in order."""
        events, self._events = self._events, []
        return events

    # --- what the registry says

    @property
    def keep_place(self) -> int:
        """Seconds for which a place is kept."""
        return self._desk.keep_place if self._desk is not None else 0

    def heed(self, notice: VisitorNotice) -> None:
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
                self._line_came(notice)
            case LinesTaken(visit, number):
                if self._talk is not None and visit == self._talk.visit:
                    for line in self._talk.taken(number):
                        self._send(line)
            case LineRefused():
                self._line_refused(notice)
            case _:
                assert_never(notice)

    def _desk_shown(self, desk: DeskShown) -> None:
        """The first notice of each link."""
        self._desk, self._is_new_link = desk, True
        self._asked.clear()  # with the link before
        if self._queue and self._queue not in desk.queues:
            self._events.append(happened.QueueUnknown(name=self._queue, queues=tuple(desk.queues)))
        elif self.stage is Stage.CLOSED:
            self._want_form(desk)
        elif self.stage is Stage.JOINING and not self._then:
            self._ask_in()
        elif self.stage in PLACED or self.stage is Stage.RETURNING:
            self._send(ReturnToDesk(self._next_reference(), self._ticket, self._heard))

    def _want_form(self, desk: DeskShown) -> None:
        self.stage = Stage.ASKING
        self._events.append(happened.FormWanted(region=desk.region, menu=tuple(desk.menu)))

    def _ask_in(self) -> None:
        form = self._form
        assert form is not None
        self._send(
            JoinDesk(self._next_reference(), self._ticket, self._queue, form.name, form.number, form.issue)
        )

    def _place_told(self, told: PlaceTold) -> None:
        if not self._enter(told.visit):
            return
        before, self.stage = self.stage, Stage.WAITING
        if told.cause is PlaceCause.ASKED:
            estimate = happened.Estimate(least=told.least, most=told.most) if told.most else None
            self._events.append(happened.PlaceAnswered(position=told.position, estimate=estimate))
        else:
            if before is Stage.ACTIVE:
                self._events.append(happened.SentBack(is_handed_over=told.cause is PlaceCause.HANDED_OVER))
            if told.position != self._shown_position or before is not Stage.WAITING:
                self._events.append(happened.Placed(position=told.position, operators=told.operators))
        self._shown_position = told.position
        self._say_again()

    def _turn_told(self, told: TurnTold) -> None:
        if not self._enter(told.visit):
            return
        before, self.stage = self.stage, Stage.ACTIVE
        self._shown_position = 0
        if told.cause is TurnCause.ASKED or before is Stage.RETURNING:
            self._events.append(happened.ServedAnswered())
        elif told.cause is TurnCause.HANDED_OVER:
            self._events.append(happened.Served(turn=happened.Turn.HANDED_OVER, operator=told.operator))
        elif before is not Stage.ACTIVE:
            turn = happened.Turn.CALLED if before is Stage.WAITING else happened.Turn.AT_ONCE
            self._events.append(happened.Served(turn=turn, operator=told.operator))
        self._say_again()

    def _enter(self, visit: int) -> bool:
        """The registry speaks of this visit of ours; false when we have none (any more)."""
        if self.stage in (Stage.CLOSED, Stage.ASKING, Stage.OVER):
            return False
        if self.stage is Stage.RETURNING:
            self._events.append(happened.Resumed())
        if self._talk is None or self._talk.visit != visit:
            self._talk = Talk(visit, heard=self._heard)
        return True

    def _say_again(self) -> None:
        """On a new link, what was not answered on the one before: whoever is back may be called by another operator at once,
        so the cause of what we are told does not say it."""
        is_new_link, self._is_new_link = self._is_new_link, False
        if is_new_link and self._talk is not None:
            for line in self._talk.unanswered():
                self._send(line)

    def _over(self, over: VisitOver) -> None:
        if self.stage in (Stage.CLOSED, Stage.ASKING, Stage.OVER):
            return
        self._close()
        self._events.append(happened.Over(reason=OVER[over.cause], by_us=over.cause is OverCause.LEFT))

    def _refused(self, refused: DeskRefused) -> None:
        if self.stage in (Stage.CLOSED, Stage.ASKING, Stage.OVER):
            return
        if refused.reason is not DeskRefusal.NO_SUCH_TICKET:
            self._close()
            self._events.append(happened.Refused(reason=REFUSALS[refused.reason]))
            return
        if self.stage is Stage.ACTIVE:  # we were served: joining again would be a second visit
            self._close()
            self._events.append(happened.Over(reason=ENDED_UNSEEN, by_us=False))
            return
        self._events.append(happened.PlaceGone(is_joining=self._form is not None))
        if self._form is not None:
            self.join(self._form)
            return
        self._close()
        if self._desk is not None:
            self._want_form(self._desk)

    def _line_came(self, line: DeskLine) -> None:
        if self._talk is None or line.visit != self._talk.visit:
            return
        if self._talk.take(line):
            self._events.append(
                happened.LineCame(operator=line.operator, text=line.text, position=line.position)
            )
        elif line.position <= self._heard:
            self._send(HeardAtDesk(line.visit, self._heard))

    def _line_refused(self, refused: LineRefused) -> None:
        if self._talk is None or refused.visit != self._talk.visit or not self._talk.refused(refused.number):
            return
        if refused.reason is LineRefusal.NOT_YOUR_TURN:
            self._events.append(happened.NotYourTurn())
        else:
            self._events.append(happened.LineRefused(reason=LINE_REFUSALS[refused.reason]))

    def _close(self) -> None:
        """No place any more."""
        self.stage, self._ticket, self._heard, self._talk = Stage.OVER, b"", 0, None
        self._is_changed = True
        self._then.clear()
        self._asked.clear()

    def _next_reference(self) -> int:
        self._reference += 1
        return self._reference
