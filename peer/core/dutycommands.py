"""The commands of an operator of the help desk: requests on their way, and what is told when they are answered."""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from peer.core.events import duty as happened
from peer.core.outputs import Outputs
from wire.focus import Focus, Held, NumberMoved, ShownRoom
from wire.messages.desk.operating import (
    CallNext,
    CommandDone,
    CommandResult,
    DropVisitor,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
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
NO_SUCH_PLACE: Final = "Nobody has that number in the waiting room"
FAILURES: Final = {
    CommandResult.NO_CLIENT: NO_CLIENT,
    CommandResult.ROOM_EMPTY: "Waiting room: empty",
    CommandResult.NO_SUCH_PLACE: NO_SUCH_PLACE,
    CommandResult.NO_SUCH_OPERATOR: "There is no other operator of that name",
    CommandResult.OFF_DUTY: "That operator is not on duty",
    CommandResult.NO_SUCH_QUEUE: "There is no queue of that name",
    CommandResult.NOT_AN_OPERATOR: "You are no operator here",
    CommandResult.TOO_MANY: "As many operators are on duty as there may be",
    CommandResult.OTHER_QUEUE: "End the session with your client first",
    CommandResult.TOO_LONG: "The note is too long",
    CommandResult.NOBODY_IN_REACH: "Nobody in the waiting room can be called just now; the first who can is yours",
    CommandResult.NOT_IN_LINE: "{subject} is not in the waiting room any more",
}
"""What is told of each failure but OTHER_CLIENT, which is `HeldBack`."""


class _Asked(NamedTuple):
    request: OperatorRequest
    subject: str
    """The visitor meant by a number of the waiting room; else empty."""


class DutyCommands:
    """Ours, by reference."""

    def __init__(self, outputs: Outputs, rng: random.Random, focus: Focus) -> None:
        self._out = outputs
        self._rng = rng
        self._focus = focus
        self._room = ShownRoom()
        self._asked: dict[int, _Asked] = {}
        """What is not answered yet."""
        self.is_up = False
        """Whether there is a link to ask on."""

    def take_duty(self, queue: str) -> None:
        """Visitors of this queue as they come; empty for the present or first queue."""
        self._ask(lambda reference: TakeDuty(reference, queue))

    def end_duty(self) -> None:
        """Nobody new."""
        self._ask(EndDuty)

    def call_next(self, queue: str, visit: int) -> None:
        """The session of this visit is over (0: there is none); the next in line comes."""
        self._ask(lambda reference: CallNext(reference, queue, visit))

    def end_session(self, visit: int) -> None:
        """The session of this visit is over; the next in line comes if there is one."""
        self._ask(lambda reference: EndSession(reference, visit))

    def hand_over(self, operator: str, visit: int) -> None:
        """This visitor goes to this operator."""
        self._ask(lambda reference: HandOver(reference, visit, operator))

    def note(self, text: str, visit: int) -> None:
        """A note about this visitor, for operators only."""
        self._ask(lambda reference: NoteVisitor(reference, visit, text))

    def drop(self, place: int) -> None:
        """The visitor who has this number has to leave the line."""
        self._ask_in_line(place, lambda reference, visit: DropVisitor(reference, visit, place))

    def move(self, place: int, to: int) -> None:
        """The visitor who has this number becomes number `to`."""
        self._ask_in_line(place, lambda reference, visit: MoveVisitor(reference, visit, place, to))

    def show_room(self, queue: str) -> None:
        """`WaitingRoom` follows."""
        self._ask(lambda reference: ShowRoom(reference, queue))

    def show_figures(self, queue: str) -> None:
        """`Figures` follows."""
        self._ask(lambda reference: ShowFigures(reference, queue))

    @property
    def is_answered(self) -> bool:
        """Whether all that we asked is answered. What follows from it was told before."""
        return not self._asked

    # --- what happens to the link

    def link_up(self) -> None:
        """Requests can be made."""
        self.is_up = True

    def link_lost(self) -> None:
        """Nothing asked for will be answered."""
        self.is_up = False
        if self._asked:
            self._asked.clear()
            self.fail(UNREACHABLE)

    # --- what the registry says

    def answered(self, done: CommandDone) -> None:
        """A command is done, or will not be."""
        asked = self._asked.pop(done.reference, None)
        if asked is None:
            return
        request, subject = asked.request, done.subject or asked.subject
        if done.result is CommandResult.OTHER_CLIENT:
            visit = int(getattr(request, "visit", 0))
            self.hold_back(_held_what(request), self._focus.missed(visit))
        elif done.result is not CommandResult.DONE:
            self.fail(FAILURES[done.result].replace("{subject}", subject))
        else:
            self._done(request, subject)

    def _done(self, request: OperatorRequest, subject: str) -> None:
        match request:
            case DropVisitor(visit=visit):
                self._room.dropped(visit)
                self._tell_done(f"{subject} was taken out of the waiting room")
            case MoveVisitor(visit=visit, to=to):
                self._room.moved(visit, to)
                self._tell_done(f"{subject} is number {to} now")
            case NoteVisitor():
                self._tell_done(f"Note about {subject} kept")
            case _:
                pass  # a notice tells of it

    def shown(self, notice: RoomShown | FiguresShown) -> None:
        """A queue, or its figures."""
        if self._asked.pop(notice.reference, None) is None:
            return
        if isinstance(notice, RoomShown):
            self._room.shown(notice)
            self._out.events.append(_room(notice))
        else:
            self._out.events.append(_figures(notice))

    def fail(self, reason: str) -> None:
        """What the operator wanted cannot be."""
        self._out.events.append(happened.CommandFailed(reason=reason))

    def hold_back(self, what: happened.HeldWhat, held: Held) -> None:
        """What the operator wanted may have been meant for another visitor."""
        former, client = held.former, held.client
        if former is None and client is None:
            self.fail(NO_CLIENT)
            return
        self._out.events.append(
            happened.HeldBack(
                what=what,
                former="" if former is None else former.name,
                move=None if held.change is None else happened.ClientMove[held.change.name],
                client="" if client is None else client.name,
            )
        )

    def _tell_done(self, text: str) -> None:
        self._out.events.append(happened.CommandDone(text=text))

    def _ask_in_line(self, place: int, make: Callable[[int, int], OperatorRequest]) -> None:
        meant = self._room.at(place)
        match meant:
            case None:
                self.fail(NO_SUCH_PLACE)
            case NumberMoved(was, is_now):
                self._out.events.append(happened.NumberMoved(place=place, was=was, is_now=is_now))
            case _:
                self._ask(lambda reference: make(reference, meant.visit), meant.name)

    def _ask(self, make: Callable[[int], OperatorRequest], subject: str = "") -> None:
        if not self.is_up:
            self.fail(UNREACHABLE)
            return
        reference = self._rng.getrandbits(32)
        request = make(reference)
        self._asked[reference] = _Asked(request, subject)
        self._out.requests.append(request)


def _held_what(request: OperatorRequest) -> happened.HeldWhat:
    match request:
        case HandOver():
            return happened.HeldWhat.HAND_OVER
        case NoteVisitor():
            return happened.HeldWhat.NOTE
        case _:
            return happened.HeldWhat.END


def _room(shown: RoomShown) -> happened.WaitingRoom:
    return happened.WaitingRoom(
        queue=shown.queue,
        operators=shown.operators,
        served=tuple(map(_visitor, shown.served)),
        waiting=tuple(map(_visitor, shown.waiting)),
        total=shown.total,
    )


def _figures(shown: FiguresShown) -> happened.Figures:
    return happened.Figures(
        queue=shown.queue,
        served_today=shown.served_today,
        median_wait=shown.median_wait,
        ninetieth_wait=shown.ninetieth_wait,
        longest_waiting=shown.longest_waiting,
        waiting=shown.waiting,
        operators=shown.operators,
    )


def _visitor(shown: RoomVisitor) -> happened.RoomVisitor:
    return happened.RoomVisitor(
        name=shown.name,
        issue=shown.issue,
        since=float(shown.since),
        is_here=shown.is_here,
        operator=shown.operator,
    )
