"""This file is about being an operator of the help desk: duty, the one visitor whom we serve, commands (clause 13).

It knows the desk's messages. It must not know how a link is made; whether we are an operator is the registry's to say.
"""

import random
from collections.abc import Callable
from typing import Final, assert_never

from peer.core import dutyevents as happened
from peer.core.outputs import Outputs
from peer.core.talk import Talk
from wire.messages.desk import (
    CallNext,
    ClientCause,
    ClientChanged,
    ClientReach,
    ClientTold,
    CommandDone,
    CommandResult,
    DeskLine,
    DropVisitor,
    DutyTold,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
    HeardAtDesk,
    LineRefusal,
    LineRefused,
    LinesTaken,
    MoveVisitor,
    NoteVisitor,
    OperatorRequest,
    RoomShown,
    RoomVisitor,
    ShowFigures,
    ShowRoom,
    TakeDuty,
)

NO_CLIENT: Final = "No active client"
UNREACHABLE: Final = "Server not responding"
FAILURES: Final = {
    CommandResult.NO_CLIENT: NO_CLIENT,
    CommandResult.ROOM_EMPTY: "Waiting room: empty",
    CommandResult.NO_SUCH_PLACE: "Nobody has that number in the waiting room",
    CommandResult.NO_SUCH_OPERATOR: "There is no other operator of that name",
    CommandResult.OFF_DUTY: "That operator is not on duty",
    CommandResult.NO_SUCH_QUEUE: "There is no queue of that name",
    CommandResult.NOT_AN_OPERATOR: "You are no operator here",
    CommandResult.TOO_MANY: "As many operators are on duty as there may be",
    CommandResult.OTHER_QUEUE: "End the session with your client first",
    CommandResult.TOO_LONG: "The note is too long",
    CommandResult.NOBODY_IN_REACH: "Nobody in the waiting room can be called just now; the first who can is yours",
}
LINE_FAILURES: Final = {
    LineRefusal.NOT_YOUR_TURN: NO_CLIENT,
    LineRefusal.NO_CLIENT: NO_CLIENT,
    LineRefusal.FULL: "Not sent: the client is away, and too much waits for them already",
    LineRefusal.TOO_FAST: "Not sent: too many lines at once",
    LineRefusal.NOT_SERVING: "Not sent: the server's disk takes nothing more",
}
_CALLED: Final = "called"
"""Stands for the visitor who comes when `CallNext` is done."""

_STILL_OURS: Final = frozenset({ClientReach.AWAY, ClientReach.BACK})

OperatorNotice = (
    DeskLine
    | LinesTaken
    | LineRefused
    | CommandDone
    | DutyTold
    | ClientTold
    | ClientChanged
    | RoomShown
    | FiguresShown
)
"""What a registry may say to an operator."""


class Duty:
    """Our side of the desk, as one who serves."""

    def __init__(self, outputs: Outputs, rng: random.Random) -> None:
        self._out = outputs
        self._rng = rng
        self._is_up = False
        self._talk: Talk | None = None
        self._asked: dict[int, str] = {}
        """What is not answered yet, and what to tell when it is done; empty when something else tells of it."""
        self._awaits_client = False
        self._is_client_away = False
        self._is_client_told = False
        """Whether the registry has said on this link whom we serve."""
        self._wants_duty = False
        self._is_new_link = False
        self.is_on = False
        self.queue = ""
        self.client: str | None = None
        """The name of the visitor whom we serve."""

    # --- what we want

    def take(self, queue: str) -> None:
        """Visitors of this queue as they come; empty for the present or first queue."""
        self._ask(lambda reference: TakeDuty(reference, queue))

    def end(self) -> None:
        """Nobody new."""
        self._wants_duty = False
        self._ask(EndDuty)

    def call_next(self, queue: str) -> None:
        """End the present session; the next in line comes."""
        self._ask(lambda reference: CallNext(reference, queue), _CALLED)

    def end_session(self) -> None:
        """The present session is over; the next in line comes if there is one."""
        self._ask(EndSession)

    def drop(self, place: int) -> None:
        """Number `place` of the line has to go."""
        done = "{subject} was taken out of the waiting room"
        self._ask(lambda reference: DropVisitor(reference, place), done)

    def move(self, place: int, to: int) -> None:
        """Number `place` of the line becomes number `to`."""
        self._ask(lambda reference: MoveVisitor(reference, place, to), f"{{subject}} is number {to} now")

    def hand_over(self, operator: str) -> None:
        """Our visitor goes to this operator."""
        self._ask(lambda reference: HandOver(reference, operator))

    def note(self, text: str) -> None:
        """A note about our visitor, for operators only."""
        self._ask(lambda reference: NoteVisitor(reference, text), "Note about {subject} kept")

    def show_room(self, queue: str) -> None:
        """`WaitingRoom` follows."""
        self._ask(lambda reference: ShowRoom(reference, queue))

    def show_figures(self, queue: str) -> None:
        """`Figures` follows."""
        self._ask(lambda reference: ShowFigures(reference, queue))

    def say(self, text: str, *, wall: float) -> None:
        """A line for our visitor; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        if self._talk is None:
            self._fail(NO_CLIENT)
        else:
            self._out.requests.append(self._talk.say(text, wall=wall))

    def lines_shown(self, visit: int, position: int) -> None:
        """The visit's lines up to this one have been shown."""
        if self._talk is not None and self._talk.visit == visit:
            self._talk.shown(position)
            self._out.requests.append(HeardAtDesk(visit, position))

    @property
    def is_settled(self) -> bool:
        """Whether all that we asked and said is answered."""
        return self.is_answered and (self._talk is None or self._talk.is_settled)

    @property
    def is_said(self) -> bool:
        """Whether every line of ours was taken or refused, or nobody can be told just now."""
        return not self._is_up or self._talk is None or self._talk.is_settled

    @property
    def is_answered(self) -> bool:
        """Whether all that we asked is answered, and whom we called is here."""
        return not self._asked and not self._awaits_client

    def _ask(self, make: Callable[[int], OperatorRequest], done: str = "") -> None:
        if not self._is_up:
            self._fail(UNREACHABLE)
            return
        reference = self._rng.getrandbits(32)
        self._asked[reference] = done
        self._out.requests.append(make(reference))

    def _fail(self, reason: str) -> None:
        self._out.events.append(happened.CommandFailed(reason=reason))

    # --- the link

    def link_up(self) -> None:
        """Requests can be made."""
        self._is_up = self._is_new_link = True
        self._is_client_told = False
        if self._talk is not None:
            self._out.requests += self._talk.unanswered()

    def link_lost(self) -> None:
        """Nothing asked for will be answered; what we said is said again on the next link."""
        self._is_up = self._awaits_client = False
        if self._asked:
            self._asked.clear()
            self._fail(UNREACHABLE)

    # --- what the registry says

    def heed(self, notice: OperatorNotice) -> None:
        """A notice of the desk."""
        match notice:
            case DutyTold():
                self._duty_told(notice)
            case ClientTold():
                self._client_told(notice)
            case ClientChanged():
                self._client_changed(notice)
            case DeskLine():
                self._line_came(notice)
            case LinesTaken(visit, number):
                if self._talk is not None and self._talk.visit == visit:
                    self._out.requests += self._talk.taken(number)
            case LineRefused(visit, number, why):
                if self._talk is not None and self._talk.visit == visit and self._talk.refused(number):
                    self._fail(LINE_FAILURES[why])
                    if LINE_FAILURES[why] == NO_CLIENT:
                        self._talk = self.client = None
            case CommandDone():
                self._answered(notice)
            case RoomShown() | FiguresShown():
                self._shown(notice)
            case _:
                assert_never(notice)

    def _answered(self, done: CommandDone) -> None:
        text = self._asked.pop(done.reference, "")
        if done.result is not CommandResult.DONE:
            self._fail(FAILURES[done.result])
        elif text == _CALLED:
            self._awaits_client = True
        elif text:
            self._out.events.append(happened.CommandDone(text=text.replace("{subject}", done.subject)))

    def _duty_told(self, told: DutyTold) -> None:
        """Also on each new link: a registry that was started anew has forgotten who was on duty."""
        was_first, self._is_new_link = self._is_new_link, False
        if was_first and not self._is_client_told:
            self._lose_client()
        if was_first and self._wants_duty and not told.is_on:
            self._ask(lambda reference: TakeDuty(reference, self.queue))
            return
        self._wants_duty = self._wants_duty or told.is_on
        if (told.is_on, told.queue) != (self.is_on, self.queue):
            self._out.events.append(happened.DutyChanged(is_on=told.is_on, queue=told.queue))
        self.is_on, self.queue = told.is_on, told.queue

    def _lose_client(self) -> None:
        """Whom we served was taken back while we had no link: the registry would have said by now that they are ours."""
        if self.client is None or self._talk is None:
            return
        move = happened.ClientMove.TAKEN_BACK
        self._out.events.append(happened.ClientChanged(name=self.client, move=move))
        for _ in self._talk.unanswered():
            self._fail(NO_CLIENT)
        self._talk = self.client = None

    def _client_told(self, told: ClientTold) -> None:
        self._awaits_client, self._is_client_told = False, True
        is_same = self._talk is not None and self._talk.visit == told.visit
        if self._talk is None or not is_same:
            self._talk = Talk(told.visit)
        self.client, self._is_client_away = told.name, not told.is_here
        if told.cause is ClientCause.RETURNED and is_same:
            return  # the link broke, and nobody noticed
        self._out.events.append(
            happened.ClientCame(
                name=told.name,
                number=told.number,
                issue=told.issue,
                queue=told.queue,
                waited=told.waited,
                is_here=told.is_here,
                note=told.note,
                handed_over_by=told.operator,
                is_back=told.cause is ClientCause.RETURNED,
            )
        )

    def _client_changed(self, changed: ClientChanged) -> None:
        if self._talk is None or self._talk.visit != changed.visit:
            return
        if changed.change not in _STILL_OURS:
            self._talk = self.client = None
        was_away, self._is_client_away = self._is_client_away, changed.change is ClientReach.AWAY
        if changed.change is ClientReach.BACK and not was_away:
            return  # a registry that was started anew takes everybody for away
        move = happened.ClientMove[changed.change.name]
        self._out.events.append(happened.ClientChanged(name=changed.name, move=move))

    def _line_came(self, line: DeskLine) -> None:
        if self._talk is None or self._talk.visit != line.visit:
            return
        if self._talk.take(line):
            self._out.events.append(
                happened.ClientSaid(
                    sender=line.operator or self.client or "",
                    text=line.text,
                    visit=line.visit,
                    position=line.position,
                )
            )
        elif line.position <= self._talk.heard:
            self._out.requests.append(HeardAtDesk(line.visit, self._talk.heard))

    def _shown(self, shown: RoomShown | FiguresShown) -> None:
        if shown.reference not in self._asked:
            return
        del self._asked[shown.reference]
        match shown:
            case RoomShown():
                self._out.events.append(
                    happened.WaitingRoom(
                        queue=shown.queue,
                        operators=shown.operators,
                        served=tuple(map(_visitor, shown.served)),
                        waiting=tuple(map(_visitor, shown.waiting)),
                        total=shown.total,
                    )
                )
            case FiguresShown():
                self._out.events.append(
                    happened.Figures(
                        queue=shown.queue,
                        served_today=shown.served_today,
                        median_wait=shown.median_wait,
                        ninetieth_wait=shown.ninetieth_wait,
                        longest_waiting=shown.longest_waiting,
                        waiting=shown.waiting,
                        operators=shown.operators,
                    )
                )


def _visitor(shown: RoomVisitor) -> happened.RoomVisitor:
    return happened.RoomVisitor(
        name=shown.name,
        issue=shown.issue,
        since=float(shown.since),
        is_here=shown.is_here,
        operator=shown.operator,
    )
