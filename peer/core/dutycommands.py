"""This file is about what an operator of the help desk asks for: commands on their way, and what is told when they are done.

It knows references and failures. It must not know whom the operator serves, nor what is said to them.
"""

import random
from collections.abc import Callable
from typing import Final

from peer.core.events import duty as happened
from peer.core.outputs import Outputs
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

_CALLED: Final = "called"
"""Stands for the visitor who comes when `CallNext` is done."""


class DutyCommands:
    """Ours, by reference."""

    def __init__(self, outputs: Outputs, rng: random.Random) -> None:
        self._out = outputs
        self._rng = rng
        self._asked: dict[int, str] = {}
        """What is not answered yet, and what to tell when it is done; empty when something else tells of it."""
        self._awaits_client = False
        self.is_up = False
        """Whether there is a link to ask on."""

    def take_duty(self, queue: str) -> None:
        """Visitors of this queue as they come; empty for the present or first queue."""
        self._ask(lambda reference: TakeDuty(reference, queue))

    def end_duty(self) -> None:
        """Nobody new."""
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

    @property
    def is_answered(self) -> bool:
        """Whether all that we asked is answered, and whom we called is here."""
        return not self._asked and not self._awaits_client

    # --- what happens to the link

    def link_up(self) -> None:
        """Requests can be made."""
        self.is_up = True

    def link_lost(self) -> None:
        """Nothing asked for will be answered."""
        self.is_up = self._awaits_client = False
        if self._asked:
            self._asked.clear()
            self.fail(UNREACHABLE)

    # --- what the registry says

    def answered(self, done: CommandDone) -> None:
        """A command is done, or will not be."""
        text = self._asked.pop(done.reference, "")
        if done.result is not CommandResult.DONE:
            self.fail(FAILURES[done.result])
        elif text == _CALLED:
            self._awaits_client = True
        elif text:
            self._out.events.append(happened.CommandDone(text=text.replace("{subject}", done.subject)))

    def client_came(self) -> None:
        """Whoever was called is here."""
        self._awaits_client = False

    def shown(self, notice: RoomShown | FiguresShown) -> None:
        """A queue, or its figures."""
        if notice.reference in self._asked:
            del self._asked[notice.reference]
            self._out.events.append(_room(notice) if isinstance(notice, RoomShown) else _figures(notice))

    def fail(self, reason: str) -> None:
        """What the operator wanted cannot be."""
        self._out.events.append(happened.CommandFailed(reason=reason))

    def _ask(self, make: Callable[[int], OperatorRequest], done: str = "") -> None:
        if not self.is_up:
            self.fail(UNREACHABLE)
            return
        reference = self._rng.getrandbits(32)
        self._asked[reference] = done
        self._out.requests.append(make(reference))


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
