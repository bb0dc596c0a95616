"""What the operator's page shows: the state of the desk, built from the operator's events. It does
no I/O."""

import enum
from collections import deque
from typing import Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.past import DeskTalk

LINES_MAX: Final = 1_000
"""Lines that the page shows; the registry keeps no more of a visit."""

NOTICES_MAX: Final = 4
"""Notices that are shown at once, the newest ones."""


class LineMark(enum.Enum):
    """What became of a line of the operator."""

    SENDING = "sending"
    SAVED = "saved"
    """It is on the registry's disk and will reach the visitor."""
    LOST = "lost"
    """It reached nobody; a notice says why."""


class TalkLine(msgspec.Struct, kw_only=True):
    """One line of the conversation."""

    id: str
    """The id of its element in the page."""
    number: int = 0
    """What `desk.say` returned for it; 0 for a line of somebody else."""
    sender: str
    text: str
    at: float
    """Unix time."""
    is_ours: bool
    mark: LineMark | None = None
    """None for a line of somebody else."""
    changed: int = 0
    """The version of the view in which it changed last."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the operator is told about this moment."""

    event: events.Event
    at: float


class OperatorView:
    """The desk as its operator sees it."""

    def __init__(self, name: str) -> None:
        """`name`: the operator's."""
        self.name: Final = name
        self.version = 0
        """Rises with every change."""
        self.is_here = False
        """Whether the registry has let us in."""
        self.is_away = False
        """Whether the registry does not answer."""
        self.refusal: events.Event | None = None
        """Why the registry does not let us in."""
        self.is_operator = False
        self.is_on_duty = False
        self.queue = ""
        self.answers: dict[str, str] = {}
        self.client: events.ClientCame | None = None
        """The visitor whom we serve, with the form."""
        self.is_client_here = True
        self.is_client_silent = False
        self.lines: deque[TalkLine] = deque(maxlen=LINES_MAX)
        self.talk = 0
        """Counts the conversations that were shown, to tell one from the next."""
        self.room: events.WaitingRoom | None = None
        self.figures: events.Figures | None = None
        self.past: events.PastSessions | None = None
        self.notices: deque[Notice] = deque(maxlen=NOTICES_MAX)
        self.letters = 0
        """How many messages of other people have come; the page does not show them."""
        self.is_over = False
        """Whether the program that runs the peer has ended."""
        self.is_faulty = False
        """Whether a bug has ended a part of the program, so that the page may be out of date."""
        self.wants_room = False
        """Whether the list of those who wait is out of date."""
        self._count = 0
        self._position = 0
        """The place in the visit of the newest line that was found."""

    @property
    def visit(self) -> int:
        """The number of the visit that we serve; 0 for none."""
        return 0 if self.client is None else self.client.visit

    def colleagues(self) -> list[str]:
        """Return the names of the other operators who serve somebody."""
        served = self.room.served if self.room is not None else ()
        return sorted({one.operator for one in served if one.operator not in ("", self.name)})

    # --- what the operator does

    def said(self, text: str, *, at: float, number: int) -> TalkLine:
        """Show a line that the operator says. `number`: what `desk.say` returned."""
        return self._add(self.name, text, at, mark=LineMark.SENDING, number=number)

    def saved(self, line: TalkLine) -> None:
        """Note that the registry has stored a line, unless it was refused."""
        if line.mark is LineMark.SENDING:
            self._change()
            line.mark, line.changed = LineMark.SAVED, self.version

    def failed(self) -> None:
        """Note that a bug has ended a part of the program."""
        self.is_faulty = True
        self._change()

    def dismiss(self) -> None:
        """Take the notices away."""
        self.notices.clear()
        self._change()

    def found(self, *, is_on_duty: bool, is_operator: bool, answers: dict[str, str]) -> None:
        """Take the state of a program that has run before us."""
        self.is_here, self.is_on_duty, self.is_operator, self.answers = (
            True,
            is_on_duty,
            is_operator,
            answers,
        )
        self.wants_room = is_operator
        self._change()

    def found_talk(self, talk: DeskTalk) -> list[TalkLine]:
        """Take the conversation of a program that has run before us. Return its lines that the
        registry has not answered. Lines of it that events tell again are left out."""
        self._begin(talk.client)
        waiting = []
        for line in talk.lines:
            mark = (LineMark.SAVED if line.is_saved else LineMark.SENDING) if line.is_ours else None
            shown = self._add(line.sender, line.text, line.at, mark=mark, number=line.line)
            self._position = max(self._position, line.position)
            if mark is LineMark.SENDING:
                waiting.append(shown)
        self._change()
        return waiting

    # --- what happens

    def listed(self) -> None:
        """Note that the registry lists us as an operator."""
        self.is_operator = self.wants_room = True
        self._change()

    def handle(self, event: events.Event, *, at: float) -> None:
        """Take an event in. `at`: Unix time."""
        match event:
            case events.ClientCame():
                self._begin(event)
            case events.ClientSaid(visit=visit, position=place) if (
                visit == self.visit and place > self._position
            ):
                mark = LineMark.SAVED if event.sender == self.name else None
                self._add(event.sender, event.text, event.at or at, mark=mark)
            case events.ClientMoved():
                self._client_moved(event, at)
            case events.DutyChanged(is_on=is_on, queue=queue):
                if not is_on or queue != self.queue:
                    self.past = None  # only operators on duty see it, and that of their own queue
                self.is_operator, self.is_on_duty, self.queue = True, is_on, queue
                self.wants_room = True
            case events.VisitorsWaiting():
                self.is_operator = self.wants_room = True
            case events.AnswersKnown(answers=answers):
                self.is_operator, self.answers = True, answers
            case events.WaitingRoom(is_quiet=True):
                self.is_operator, self.room, self.wants_room = True, event, False
                self.queue = self.queue or event.queue  # of a program that has run before us
            case events.Figures(is_quiet=True):
                self.figures = event
            case events.PastSessions(is_quiet=True):
                self.past = event
            case events.CommandSucceeded() | events.NumberMoved():
                self.wants_room = True
                self._note_kept(event)
                self._notice(event, at)
            case events.CommandFailed(reason=reason):
                self._failed(event, reason, at)
            case events.HeldBack(line=line):
                self._line_lost(line)
                self._notice(event, at)
            case _:
                self._handle_rest(event, at)
        self._change()

    def _handle_rest(self, event: events.Event, at: float) -> None:
        match event:
            case events.Registered() | events.ServerBack():
                self.is_here, self.is_away, self.refusal = True, False, None
            case events.ServerLost() | events.NoServerAtStart():
                self.is_away = True
            case events.AdmissionRefused() | events.NameUnavailable() | events.RegistryKeyChanged():
                self.refusal = event
            case events.Said(conversation=what) if what.is_person:
                self.letters += 1
            case events.MailReturned(lines=lines):
                self.letters += len(lines)
            case events.ProgramEnded():
                self.is_over = True
            case events.ServerAnnounced() | events.NothingSaid():
                self._notice(event, at)
            case _:
                pass

    def _begin(self, came: events.ClientCame) -> None:
        self.client, self.is_client_here, self.is_client_silent = came, came.is_here, False
        self.is_operator = self.wants_room = True
        self.lines.clear()
        self._position = 0
        self.notices.clear()
        self.talk += 1

    def _note_kept(self, event: events.CommandSucceeded | events.NumberMoved) -> None:
        """Show a note that the registry has stored, if it is about the visitor whom we serve."""
        match event:
            case events.CommandSucceeded(
                action=events.DeskAction.NOTED, visit=visit, text=text
            ) if self.client is not None and visit == self.client.visit:
                self.client = msgspec.structs.replace(self.client, note=text)
            case _:
                pass

    def _client_moved(self, event: events.ClientMoved, at: float) -> None:
        match event.move:
            case events.ClientMove.AWAY:
                self.is_client_here = False
            case events.ClientMove.BACK:
                self.is_client_here = True
            case events.ClientMove.SILENT:
                self.is_client_silent = True
            case _:
                self.client = None
                self.lines.clear()
                self.talk += 1
                self._notice(event, at)
        self.wants_room = True

    def _failed(
        self, event: events.CommandFailed, reason: events.CommandFailure, at: float
    ) -> None:
        if reason is events.CommandFailure.NOT_AN_OPERATOR:
            self.is_operator, self.wants_room = False, False
            return
        self._line_lost(event.line)
        if reason is not events.CommandFailure.ROOM_EMPTY:
            self._notice(event, at)

    def _line_lost(self, number: int) -> None:
        """Mark the line of the page that reached nobody. `number`: what `desk.say` returned for it;
        0 for no line."""
        lost = [line for line in self.lines if number and line.number == number]
        for line in lost:
            self._change()
            line.mark, line.changed = LineMark.LOST, self.version

    def _add(
        self, sender: str, text: str, at: float, *, mark: LineMark | None, number: int = 0
    ) -> TalkLine:
        self._count += 1
        self._change()
        line = TalkLine(
            id=f"line{self._count}",
            number=number,
            sender=sender,
            text=text,
            at=at,
            is_ours=mark is not None,
            mark=mark,
            changed=self.version,
        )
        self.lines.append(line)
        if mark is None:
            self.is_client_silent = False
        return line

    def _notice(self, event: events.Event, at: float) -> None:
        self.notices.append(Notice(event=event, at=at))

    def _change(self) -> None:
        self.version += 1
