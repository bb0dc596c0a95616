"""The operator at the registry's console: typed lines become the requests that peers send, notices
become lines.

What is shown may wait for the disk, so the console keeps its own view of whom the operator serves
(`wire.desk`), as a peer does at the far end of a link.
"""

from collections import deque
from typing import Final, NamedTuple, TypeAlias

import msgspec

from chatapp.registry.rules.desk.conversation import ConversationRules
from chatapp.registry.rules.desk.notices import Publisher
from chatapp.registry.rules.desk.operators import OperatorRules, asker_of
from chatapp.registry.rules.desk.queue.visit import CONSOLE
from chatapp.registry.rules.desk.settings import ready_answers
from chatapp.registry.rules.desk.state import CONSOLE_CALLER, DeskState
from chatapp.registry.rules.desk.texts import (
    TOO_MANY_LINES,
    done_lines,
    failed_line,
    notice_lines,
    refused_line,
    table_lines,
    too_long_line,
    unknown_answer_line,
    unknown_command_line,
    usage_line,
    waiting_line,
)
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import Effect, ShowOnConsole
from chatapp.wire.desk.commands import DESK_COMMANDS, CommandMisread, NoSuchPosition, usage
from chatapp.wire.desk.focus import (
    Addressed,
    Focus,
    Held,
    HeldInput,
    SaidNothing,
    ShownRoom,
    StaleNumber,
    Typed,
    addressed,
    held_input,
)
from chatapp.wire.desk.texts import NO_CLIENT, held_line, moved_line, nothing_said_line
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import DESK_TYPED_AHEAD_MAX, TEXT_MAX
from chatapp.wire.messages.desk import (
    ClientAssigned,
    ClientChanged,
    CommandDone,
    CommandResult,
    DeskLine,
    DeskNotice,
    DutyStatus,
    EndDuty,
    FiguresShown,
    LineRefusal,
    LineRefused,
    OperatorRequest,
    PastShown,
    RoomShown,
    SendDeskLine,
    TakeDuty,
    WaitingCounted,
)
from chatapp.wire.text import nearest

_POSITION_DIGITS: Final = 9


class ClientText(NamedTuple):
    """Text for the visitor who is served."""

    text: str


class AnswerWord(NamedTuple):
    """The short word of a ready answer for the visitor who is served; may be empty."""

    word: str


class BadInput(NamedTuple):
    """A line that is neither a command nor text, or asks for help; holds the lines that answer
    it."""

    lines: tuple[str, ...]


class TableWanted(msgspec.Struct, frozen=True):
    """The table is to be shown: everybody's name, address and presence."""


Command: TypeAlias = OperatorRequest | ClientText | AnswerWord | TableWanted | BadInput


_HELP: Final = "help"
_TABLE: Final = "table"
_ANSWER: Final = "a"
_OWN: Final = {
    _ANSWER: ".a [word]  say a ready answer, or list them",
    _TABLE: ".table  the table: name, address, port and presence of everybody",
}
"""Commands that ask for nothing of the desk, as the list of commands has them."""
_LISTED: Final = (
    *("room", "next", "end", "drop", "move", "handover", "hold", "transfer", "note", "on", "off"),
    *(_ANSWER, "close", "open", "announce", _TABLE, "stats", "past"),
)
"""All commands, in the order of the list."""
_HELP_LINES: Final = tuple(
    _OWN.get(word) or f"{usage(word)}  {DESK_COMMANDS[word].does_here}" for word in _LISTED
)
_DRASTIC: Final = frozenset(word for word, row in DESK_COMMANDS.items() if row.is_drastic)


def parse(line: str) -> Command | None:
    """Return what a typed line means; None for an empty one."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return None
    if line[0] in "./" and line[1:2] != line[0]:
        return _command(line[1:].lstrip())
    text = line[1:] if line[0] in "./" else line
    size = len(text.encode("utf-8", "replace"))
    if size > TEXT_MAX:
        return BadInput((too_long_line(size),))
    return ClientText(text)


def _command(typed: str) -> Command:
    word, _, rest = typed.partition(" ")
    name, rest = word.lower(), rest.strip()
    if name == _HELP:
        return BadInput(_HELP_LINES)
    if name == _ANSWER:
        return AnswerWord(rest)
    if name == _TABLE:
        return BadInput((usage_line(f".{_TABLE}"),)) if rest else TableWanted()
    if name not in DESK_COMMANDS:
        return BadInput((unknown_command_line(word, nearest(name, _LISTED, drastic=_DRASTIC)),))
    return _read(name, rest)


def _read(name: str, rest: str) -> Command:
    command, misuse = DESK_COMMANDS[name], BadInput((usage_line(usage(name)),))
    if (command.arguments.startswith("<") and not rest) or (rest and not command.arguments):
        return misuse
    try:
        return command.read(rest)
    except NameRefused:
        if command.arguments.startswith("<") and " " in rest:
            return misuse
        is_operator = command.arguments == "<operator>"
        nobody = CommandResult.NO_SUCH_OPERATOR if is_operator else CommandResult.NO_SUCH_QUEUE
        return BadInput((failed_line(nobody),))
    except NoSuchPosition:
        return BadInput((failed_line(CommandResult.NO_SUCH_POSITION),))
    except CommandMisread as misread:
        return BadInput((str(misread),)) if command.arguments == "<text>" else misuse


ANSWERED_WITHIN: Final = 10.0
"""Seconds after which an answer is taken for lost: when far too much waits for the disk, answers
are dropped."""


SENT_KEPT: Final = 64
"""Lines to visitors that are remembered, to be quoted if the disk refuses them."""


class _Entered(NamedTuple):
    line: str
    at: float


class _Asked(NamedTuple):
    request: OperatorRequest
    subject: str
    """The visitor that a number of the waiting room stood for; else empty."""
    is_told: bool = False
    """Whether the operator has been told that it is done."""


class DeskConsole:
    """The operator at the console, in reach as long as the input is open."""

    def __init__(
        self,
        state: DeskState,
        publisher: Publisher,
        operator_rules: OperatorRules,
        conversation: ConversationRules,
        directory: Directory,
    ) -> None:
        self._settings = state.settings
        self._answers = ready_answers(state.settings.answers)
        self._directory = directory
        self._queue = state.queue
        self._visits = state.visits
        self._operators = state.operators
        self._publisher = publisher
        self._operator_rules = operator_rules
        self._conversation = conversation
        self._focus = Focus()
        self._room = ShownRoom()
        self._entered: deque[_Entered] = deque()
        """Lines that wait for the answer to an earlier one, on which they may depend."""
        self._sent: deque[SendDeskLine] = deque(maxlen=SENT_KEPT)
        """The last lines to visitors, some of which the disk may still refuse."""
        self._asked: dict[int, _Asked] = {}
        """Commands that are not answered yet, by reference."""
        self._asked_at = float("-inf")
        self._is_terminal = False
        """Whether a person types, who can be asked."""
        self._is_closed = False
        """Whether the input has ended while lines or answers are still pending."""
        self._reference = 0
        self._waiting = 0
        """How many wait, while the console's operator is on duty."""

    def opened(self, *, is_terminal: bool, now: float) -> list[Effect]:
        """Open the console. Its operator is on duty at once, unless peers are listed as operators.
        `is_terminal`: whether a person types, who can be asked; a script is not."""
        queue, self._is_terminal = self._queue, is_terminal
        operator = queue.operators.get(CONSOLE)
        effects: list[Effect] = []
        if operator is not None and operator.visit is not None:  # served since before a restart
            queue.operator_returned(CONSOLE)
            effects += self._publisher.notices.client_again(operator.visit)
        elif not self._operators:
            queue.take_duty(CONSOLE, self._settings.queues[0])
        return self._publisher.conclude(effects, now=now)

    def closed(self, *, now: float) -> list[Effect]:
        """Close the console: its operator goes off duty when everything typed has been carried
        out."""
        self._is_closed = True
        return self._carry_out_all(now)

    # --- what is typed

    def typed(self, line: str, *, now: float) -> list[Effect]:
        """Take a typed line. It waits until the command before it is answered."""
        if len(self._entered) >= DESK_TYPED_AHEAD_MAX:
            return [ShowOnConsole(lines=(TOO_MANY_LINES,))]
        self._entered.append(_Entered(line, now))
        return self._carry_out_all(now)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Stop waiting for an answer that is lost."""
        due = self.next_timer()
        if due is None or now < due:
            return []
        self._asked.clear()
        return self._carry_out_all(now)

    def next_timer(self) -> float | None:
        """Return when an answer that lines wait for is taken for lost."""
        is_waiting = self._asked and (self._entered or self._is_closed)
        return self._asked_at + ANSWERED_WITHIN if is_waiting else None

    def _carry_out_all(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while self._entered and not self._asked:
            effects += self._carry_out(self._entered.popleft(), now)
        if self._is_closed and not self._entered and not self._asked:
            self._is_closed = False
            self._queue.operator_gone(CONSOLE, now=now)
            effects += self._publisher.conclude(now=now)
        return effects

    def _carry_out(self, entered: _Entered, now: float) -> list[Effect]:
        match parse(entered.line):
            case None:
                return []
            case BadInput(lines):
                return self._show(lines, now)
            case ClientText(text):
                return self._say(text, entered.at, now)
            case AnswerWord(word):
                answer = self._answers.get(word.lower())
                if answer is None:
                    return self._show((unknown_answer_line(word, self._answers),), now)
                return self._say(answer.text, entered.at, now)
            case TableWanted():
                return self._show(table_lines(self._directory), now)
            case request:
                return self._address(request, entered.at, now)

    def _address(self, request: OperatorRequest, entered_at: float, now: float) -> list[Effect]:
        """Ask for something, unless it is not clear for whom it was meant."""
        meant = addressed(
            request,
            self._focus,
            self._room,
            entered_at=entered_at,
            asks_first=self._is_terminal,
        )
        match meant:
            case Addressed():
                return self._ask(meant, now)
            case Held():
                line = _held(held_input(request), meant, getattr(request, "text", ""))
            case SaidNothing(name):
                line = nothing_said_line(name)
            case StaleNumber():
                line = moved_line(getattr(request, "position", 0), meant)
            case None:
                line = failed_line(CommandResult.NO_SUCH_POSITION)
        return self._show((line,), now)

    def _say(self, text: str, entered_at: float, now: float) -> list[Effect]:
        if self._focus.client is None and text.strip().lower() == _HELP:
            return self._show(_HELP_LINES, now)
        client = self._focus.meant(Typed.LINE, entered_at=entered_at)
        if isinstance(client, Held):
            return self._show((_held(HeldInput.LINE, client, text),), now)
        if client is None:
            return self._show((NO_CLIENT,), now)
        transcript = self._visits.transcripts.get(client.visit)
        number = 1 if transcript is None else transcript.taken(CONSOLE) + 1
        line = SendDeskLine(client.visit, number, text)
        self._sent.append(line)
        said = self._conversation.say(line, CONSOLE_CALLER, now=now)
        return self._publisher.conclude(said, now=now)

    def _ask(self, meant: Addressed, now: float) -> list[Effect]:
        self._reference += 1
        request = msgspec.structs.replace(meant.request, reference=self._reference)
        self._asked[self._reference] = _Asked(request, meant.subject)
        self._asked_at = now
        answer = self._operator_rules.handle(request, CONSOLE_CALLER, now=now)
        return self._publisher.conclude(
            now=now, answer=answer, asker=asker_of(request, CONSOLE_CALLER)
        )

    def _show(self, lines: tuple[str, ...], now: float) -> list[Effect]:
        """Show lines behind those that wait to be shown already."""
        return self._publisher.conclude([ShowOnConsole(lines=lines)], now=now)

    # --- what the operator is told

    def show_notice(self, notice: DeskNotice, *, now: float) -> list[Effect]:
        """Show a notice, then carry out the lines that waited for it."""
        lines = self._handle_notice(notice, now)
        return [*([ShowOnConsole(lines=lines)] if lines else []), *self._carry_out_all(now)]

    def _handle_notice(self, notice: DeskNotice, now: float) -> tuple[str, ...]:
        match notice:
            case CommandDone():
                return self._answered(notice)
            case LineRefused(visit, number, reason):
                sent = (line for line in self._sent if (line.visit, line.number) == (visit, number))
                text = next((line.text for line in sent), "")
                if reason is LineRefusal.NO_CLIENT:
                    return (_held(HeldInput.LINE, self._focus.missed(visit), text),)
                return (refused_line(reason, text),)
            case ClientAssigned():
                self._focus.came(notice, now=now)
            case ClientChanged():
                self._focus.changed(notice, now=now)
            case RoomShown():
                self._asked.pop(notice.reference, None)
                self._room.shown(notice)
            case FiguresShown() | PastShown():
                self._asked.pop(notice.reference, None)
            case DutyStatus(is_on=is_on):
                self._waiting = self._waiting if is_on else 0
                return self._duty_changed()
            case WaitingCounted(queue, waiting):
                is_first, self._waiting = waiting > 0 and not self._waiting, waiting
                return (waiting_line(queue),) if is_first else ()
            case DeskLine():
                client = self._focus.client
                if not notice.operator:
                    self._focus.heard(notice.visit)
                return notice_lines(notice, client="client" if client is None else client.name)
            case _:
                pass
        return notice_lines(notice)

    def _duty_changed(self) -> tuple[str, ...]:
        """Confirm a typed `.on` or `.off` before the visitor whom it brings is announced."""
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
            return (_held(held_input(request), self._focus.missed(visit)),)
        if done.result is CommandResult.DONE:
            self._room.done(request)
        return done_lines(request, done.result, done.subject or asked.subject)


def _held(what: HeldInput, held: Held, text: str = "") -> str:
    """Return why a line or a command was held back. `text`: its words."""
    former, client = (one.name if one is not None else "" for one in (held.former, held.client))
    return held_line(what, former=former, change=held.change, client=client, text=text)
