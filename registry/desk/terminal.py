"""The operator at the registry's own terminal: typed lines become the requests that peers send, notices become lines.

What is shown may wait for the disk, so the terminal keeps its own view of whom the operator serves (`wire.focus`), as a
peer does at the far end of a link.
"""

from collections import deque
from typing import Final, NamedTuple

import msgspec

from registry.desk.grammar import ForClient, Misspoken, parse
from registry.desk.operating import Operating, asker_of
from registry.desk.parts import CONSOLE_CALLER, Parts
from registry.desk.talk import Talk
from registry.desk.telling import Telling
from registry.desk.visit import CONSOLE
from registry.desk.wording import (
    NO_CLIENT,
    NO_SUCH_PLACE,
    TOO_MANY_LINES,
    done_lines,
    held_line,
    moved_line,
    notice_lines,
    refused_line,
)
from registry.effects import Effect, Show
from wire.focus import Focus, Held, NumberMoved, ShownRoom, Typed
from wire.limits import DESK_TYPED_AHEAD_MAX
from wire.messages.desk import DeskNotice
from wire.messages.desk.operating import (
    CallNext,
    ClientChanged,
    ClientTold,
    CommandDone,
    CommandResult,
    DropVisitor,
    DutyTold,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    OperatorRequest,
    RoomShown,
    TakeDuty,
)
from wire.messages.desk.talking import DeskLine, LineRefusal, LineRefused, SayAtDesk

ANSWERED_WITHIN: Final = 10.0
"""Seconds after which an answer is taken for lost: where far too much waits for the disk, some are dropped."""


class _Entered(NamedTuple):
    line: str
    at: float


class _Asked(NamedTuple):
    request: OperatorRequest
    subject: str
    """The visitor meant by a number of the waiting room; else empty."""
    is_told: bool = False
    """Whether the operator was told that it is done."""


class Terminal:
    """One operator, in reach as long as the input is open."""

    def __init__(self, parts: Parts, telling: Telling, operating: Operating, talk: Talk) -> None:
        self._parts = parts
        self._telling = telling
        self._operating = operating
        self._talk = talk
        self._focus = Focus()
        self._room = ShownRoom()
        self._entered: deque[_Entered] = deque()
        """Lines that wait for the answer to an earlier one, on which they may rest."""
        self._asked: dict[int, _Asked] = {}
        """Commands without an answer, by reference."""
        self._asked_at = float("-inf")
        self._is_closed = False
        """Whether the input has ended, and lines or answers are still to come."""
        self._reference = 0

    def opened(self, *, now: float) -> list[Effect]:
        """Somebody may type from now on. On duty at once, unless peers were named as operators."""
        queue = self._parts.queue
        operator = queue.operators.get(CONSOLE)
        effects: list[Effect] = []
        if operator is not None and operator.visit is not None:  # from before a restart
            queue.operator_returned(CONSOLE)
            effects += self._telling.notices.client_again(operator.visit)
        elif not self._parts.operators:
            queue.take_duty(CONSOLE, self._parts.settings.queues[0])
        return self._telling.conclude(effects, now=now)

    def closed(self, *, now: float) -> list[Effect]:
        """The input has ended: off duty for good, when all that was typed is carried out."""
        self._is_closed = True
        return self._carry_out_all(now)

    # --- what is typed

    def typed(self, line: str, *, now: float) -> list[Effect]:
        """A line. It waits until the command before it is answered."""
        if len(self._entered) >= DESK_TYPED_AHEAD_MAX:
            return [Show(lines=(TOO_MANY_LINES,))]
        self._entered.append(_Entered(line, now))
        return self._carry_out_all(now)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Wait no longer for an answer that is lost."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        self._asked.clear()
        return self._carry_out_all(now)

    def next_timer(self) -> float | None:
        """When an answer on which something waits is taken for lost."""
        is_waiting = self._asked and (self._entered or self._is_closed)
        return self._asked_at + ANSWERED_WITHIN if is_waiting else None

    def _carry_out_all(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while self._entered and not self._asked:
            effects += self._carry_out(self._entered.popleft(), now)
        if self._is_closed and not self._entered and not self._asked:
            self._is_closed = False
            self._parts.queue.operator_gone(CONSOLE, now=now)
            effects += self._telling.conclude(now=now)
        return effects

    def _carry_out(self, entered: _Entered, now: float) -> list[Effect]:
        match parse(entered.line):
            case None:
                return []
            case Misspoken(lines):
                return self._show(lines, now)
            case ForClient(text):
                return self._say(text, entered.at, now)
            case DropVisitor() | MoveVisitor() as request:
                return self._ask_in_line(request, now)
            case CallNext() | EndSession() | HandOver() | NoteVisitor() as request:
                client = self._focus.meant(Typed.COMMAND, entered_at=entered.at)
                if isinstance(client, Held):
                    return self._show((held_line(request, client),), now)
                visit = 0 if client is None else client.visit
                return self._ask(msgspec.structs.replace(request, visit=visit), now)
            case request:
                return self._ask(request, now)

    def _say(self, text: str, entered_at: float, now: float) -> list[Effect]:
        client = self._focus.meant(Typed.LINE, entered_at=entered_at)
        if isinstance(client, Held):
            return self._show((held_line(SayAtDesk(0, 0, text), client),), now)
        if client is None:
            return self._show((NO_CLIENT,), now)
        transcript = self._parts.transcripts.get(client.visit)
        number = 1 if transcript is None else transcript.taken(CONSOLE) + 1
        said = self._talk.say(SayAtDesk(client.visit, number, text), CONSOLE_CALLER, now=now)
        return self._telling.conclude(said, now=now)

    def _ask_in_line(self, request: DropVisitor | MoveVisitor, now: float) -> list[Effect]:
        meant = self._room.at(request.place)
        if meant is None:
            return self._show((NO_SUCH_PLACE,), now)
        if isinstance(meant, NumberMoved):
            return self._show((moved_line(request.place, meant),), now)
        return self._ask(msgspec.structs.replace(request, visit=meant.visit), now, subject=meant.name)

    def _ask(self, request: OperatorRequest, now: float, *, subject: str = "") -> list[Effect]:
        self._reference += 1
        request = msgspec.structs.replace(request, reference=self._reference)
        self._asked[self._reference] = _Asked(request, subject)
        self._asked_at = now
        answer = self._operating.handle(request, CONSOLE_CALLER, now=now)
        return self._telling.conclude(now=now, answer=answer, asker=asker_of(request, CONSOLE_CALLER))

    def _show(self, lines: tuple[str, ...], now: float) -> list[Effect]:
        """Behind what is to be shown before."""
        return self._telling.conclude([Show(lines=lines)], now=now)

    # --- what the operator is told

    def told(self, notice: DeskNotice, *, now: float) -> list[Effect]:
        """A notice to show, and then the lines that waited for it."""
        lines = self._heed(notice, now)
        return [*([Show(lines=lines)] if lines else []), *self._carry_out_all(now)]

    def _heed(self, notice: DeskNotice, now: float) -> tuple[str, ...]:
        match notice:
            case CommandDone():
                return self._answered(notice)
            case LineRefused(visit, _, LineRefusal.NO_CLIENT):
                return (held_line(SayAtDesk(visit, 0, ""), self._focus.missed(visit)),)
            case LineRefused(_, _, reason):
                return (refused_line(reason),)
            case ClientTold():
                self._focus.came(notice, now=now)
            case ClientChanged():
                self._focus.changed(notice, now=now)
            case RoomShown():
                self._asked.pop(notice.reference, None)
                self._room.shown(notice)
            case FiguresShown():
                self._asked.pop(notice.reference, None)
            case DutyTold():
                return self._duty_changed()
            case DeskLine():
                client = self._focus.client
                return notice_lines(notice, client="client" if client is None else client.name)
            case _:
                pass
        return notice_lines(notice)

    def _duty_changed(self) -> tuple[str, ...]:
        """Told before the visitor who comes by it, if `.on` or `.off` was typed."""
        for reference, asked in self._asked.items():
            if isinstance(asked.request, TakeDuty | EndDuty):
                self._asked[reference] = asked._replace(is_told=True)
                return done_lines(asked.request, CommandResult.DONE, "")
        return ()

    def _answered(self, done: CommandDone) -> tuple[str, ...]:
        asked = self._asked.pop(done.reference, None)
        if asked is None or (asked.is_told and done.result is CommandResult.DONE):
            return ()
        request = asked.request
        if done.result is CommandResult.OTHER_CLIENT:
            visit = getattr(request, "visit", 0)
            return (held_line(request, self._focus.missed(visit)),)
        if done.result is CommandResult.DONE:
            if isinstance(request, DropVisitor):
                self._room.dropped(request.visit)
            elif isinstance(request, MoveVisitor):
                self._room.moved(request.visit, request.to)
        return done_lines(request, done.result, done.subject or asked.subject)
