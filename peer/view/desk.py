"""The help desk as an operator sees it, gathered from events: whom they serve, what is said, and
who waits. The pages and the full screen's pane are drawn from it. It does no I/O."""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.past import DeskTalk
from chatapp.peer.api.state import DeskState
from chatapp.peer.view.talk import (
    LINES_MAX,
    NOTES_MAX,
    Mark,
    Talk,
    TalkLine,
    mark_of,
    text_after,
)
from chatapp.wire.desk.values import ListedOperator, ListedQueue, ListedVisitor
from chatapp.wire.names import is_same_name

MINUTE: Final = 60.0
"""Seconds after which a span that is shown in minutes is another one."""


class Ending(NamedTuple):
    """An end of a talk that has not come yet."""

    is_next: bool
    """Whether the next visitor is called."""
    at: float
    """The Unix time."""


class DeskFile(NamedTuple):
    """A file of a line, as it is fetched."""

    visit: int
    number: int
    """The place of the line."""
    name: str
    size: int


class DeskView(Talk):
    """The desk as its operator sees it. Times are Unix times."""

    def __init__(self, name: str) -> None:
        """`name`: the operator's."""
        super().__init__()
        self.name = name
        self.is_operator = False
        self.is_on_duty = False
        self.queue = ""
        """The name of our queue; empty until it is known."""
        self.answers: Mapping[str, str] = {}
        self.files_largest = 0
        """Bytes of the largest file that the desk takes; 0: none, as far as is known."""
        self.client: events.ClientCame | None = None
        """The visitor whom we serve, with the form and the newest note."""
        self.client_since = 0.0
        """When the visitor came; 0 if that is not known."""
        self.is_client_here = True
        self.is_client_silent = False
        self.talk = 0
        """Counts the conversations that were shown, to tell one from the next."""
        self.waiting = 0
        """How many wait."""
        self.room: events.WaitingRoom | None = None
        self.figures: events.Figures | None = None
        self.past: events.PastSessions | None = None
        self.earlier: events.PastSessions | None = None
        """The earlier sessions of our visitor; None while they are not known."""
        self.wants_earlier = False
        """Whether they are to be asked for."""
        self.ending: Ending | None = None
        """The end of the talk that was asked for, and can be taken back still."""
        self.notices: deque[events.Event] = deque(maxlen=NOTES_MAX)
        """What the operator is told about this moment."""
        self.is_over = False
        """Whether the program that runs the peer has ended."""
        self.is_faulty = False
        """Whether a bug has ended a part of the program, so that the page may be out of date."""
        self.wants_room = False
        """Whether the list of those who wait is out of date."""
        self._position = 0
        """The place in the visit of the newest line that was found."""
        self._found: frozenset[int] = frozenset()
        """The lines of our own that were found."""

    @property
    def visit(self) -> int:
        """The number of the visit that we serve; 0 for none."""
        return 0 if self.client is None else self.client.visit

    @property
    def queue_shown(self) -> str:
        """The name of our queue, or of the one that we served last; empty if none is known."""
        return self.queue or ("" if self.room is None else self.room.queue)

    @property
    def line(self) -> tuple[ListedVisitor, ...]:
        """Who waits while we are on duty, in order; of a long line only the beginning."""
        return self.room.waiting if self.room is not None and self.is_on_duty else ()

    @property
    def served_by_others(self) -> tuple[ListedVisitor, ...]:
        """Whom other operators serve."""
        served = () if self.room is None else self.room.served
        return tuple(visitor for visitor in served if not self._is_mine(visitor))

    @property
    def colleagues(self) -> tuple[ListedOperator, ...]:
        """The other operators on duty, those of our queue first."""
        others = () if self.room is None else self.room.on_duty
        return tuple(
            sorted(
                (other for other in others if not is_same_name(other.operator, self.name)),
                key=lambda other: (other.queue != self.queue, other.operator),
            )
        )

    @property
    def other_queues(self) -> tuple[ListedQueue, ...]:
        """The queues that are not ours."""
        queues = () if self.room is None else self.room.queues
        return tuple(other for other in queues if other.queue != self.queue)

    @property
    def has_spoken(self) -> bool:
        """Whether our visitor has said anything that is shown."""
        return self.client is not None and any(line.who == self.client.name for line in self.lines)

    def next_change(self, *, now: float) -> float | None:
        """Return the time at which a span in minutes changes; None while no span is shown."""
        begun = [visitor.since for visitor in self.line]
        if self.client is not None and self.client_since:
            begun.append(self.client_since)
        waits = [MINUTE - (now - since) % MINUTE for since in begun]
        return now + min(waits) if waits else None

    # --- what the operator does

    def file_here(self, said: int) -> DeskFile | None:
        """Return the file of a line of the talk, if it can be fetched."""
        line = self.file_of(said)
        if line is None or line.file is None or not line.file.number:
            return None
        return DeskFile(self.visit, line.file.number, line.text, line.file.size)

    def past_file(self, visit: int, number: int) -> DeskFile | None:
        """Return the file of a line of a past session that is shown."""
        for past in (self.past, self.earlier):
            for session in () if past is None else past.sessions:
                for line in session.lines if session.visit == visit else ():
                    if line.number == number and line.size:
                        return DeskFile(visit, number, line.text, line.size)
        return None

    def sent(self, line: events.Said) -> None:
        """Show a file that the operator has sent."""
        if line.visit == self.visit and not self.lines_of(line.id):
            self._add_own(self.name, line.text, line.at, line.id)
            self._own[line.id][0].file = line.file

    def said(self, text: str, *, at: float, number: int, key: str = "") -> None:
        """Show a line that the operator says. `number`: what `desk.say` returned. `key`: under
        which the page has sent it."""
        self._add_own(self.name, text, at, number, key)

    def failed(self) -> None:
        """Note that a bug has ended a part of the program."""
        self.is_faulty = True
        self._change()

    def will_end(self, *, is_next: bool, at: float) -> None:
        """Show that the talk ends at this time, unless that is taken back. `is_next`: the next
        visitor is called then."""
        self.ending = Ending(is_next=is_next, at=at)
        self._change()

    def goes_on(self) -> None:
        """Show that the talk does not end."""
        self.ending = None
        self._change()

    def dismiss(self) -> None:
        """Take the notices away."""
        self.notices.clear()
        self._change()

    # --- what has happened before

    def found(self, state: DeskState) -> None:
        """Take the state of a program that has run before us."""
        self.is_on_duty, self.is_operator = state.is_on_duty, state.is_operator
        self.answers, self.waiting = state.answers, state.waiting
        self.files_largest = state.files_largest
        self.wants_room = state.is_operator
        self._change()

    def found_client(self, name: str, visit: int) -> None:
        """Take the visitor whom we serve already, of whom only the name is known."""
        self.client = events.ClientCame(
            visit=visit,
            name=name,
            number="",
            issue="",
            queue="",
            waited=0,
            is_here=True,
            note="",
            handed_over_by="",
            is_back=True,
        )
        self._change()

    def found_talk(self, talk: DeskTalk) -> None:
        """Take the conversation of a program that has run before us. Lines of it that events tell
        again are left out."""
        self._begin(talk.client)
        self._found = frozenset(line.id for line in talk.lines if line.is_ours)
        for line in talk.lines:
            if line.state is events.MessageState.UNSETTLED:
                self._add_own(line.sender, line.text, line.at, line.id)
            else:
                self._add_said(line)
            self._position = max(self._position, line.number)
        self._change()

    # --- what happens

    def listed(self) -> None:
        """Note that the registry lists us as an operator."""
        self.is_operator = self.wants_room = True
        self._change()

    def handle(self, event: events.Event, *, at: float) -> None:
        """Take an event in."""
        match event:
            case events.ClientCame():
                self._begin(event)
                self.client_since = at
            case events.Said(visit=visit, number=place) if visit:
                if visit == self.visit and place > self._position:
                    self._add_said(event)
            case events.MessageChanged(conversation=what, id=id_, state=state) if what == DESK:
                self._settle(id_, state, file=event.file)
            case events.ClientMoved():
                self._client_moved(event)
            case events.DutyChanged(is_on=is_on, queue=queue, files_largest=largest):
                self._duty_changed(is_on=is_on, queue=queue)
                self.files_largest = largest
            case events.VisitorsWaiting(queue=queue, waiting=waiting):
                self.is_operator = self.wants_room = True
                self.queue, self.waiting = self.queue or queue, waiting
            case events.AnswersKnown(answers=answers):
                self.is_operator, self.answers = True, answers
            case events.WaitingRoom() if self._is_ours(event):
                self._room_shown(event)
            case events.Figures() if self._is_ours(event):
                self.figures = event
            case events.PastSessions(is_quiet=True):
                self._past_shown(event)
            case events.CommandSucceeded():
                self.wants_room = True
                self._note_kept(event)
                self.notices.append(event)
            case events.CommandFailed(reason=reason):
                self._failed(event, reason)
            case events.HeldBack(line=line):
                self._settle(line, events.MessageState.REFUSED)
                self.notices.append(event)
            case _:
                self._handle_rest(event)
        self._change()

    def _handle_rest(self, event: events.Event) -> None:
        match event:
            case events.Renamed(is_me=True, new=new):
                self.name = new
            case events.Edited() | events.Retracted():
                if event.visit and event.visit == self.visit:
                    self._rewrite(event.target.number, text_after(event))
            case events.SaidByUs(line=events.Edited() | events.Retracted() as change):
                if change.visit and change.visit == self.visit:
                    self.changing(change.id, change.target.number, text_after(change))
            case events.SaidByUs(line=line) if line.visit:
                is_known = line.id in self._found or self.lines_of(line.id)
                if line.visit == self.visit and not is_known:
                    self._add_own(line.sender, line.text, line.at, line.id)
                    self._own[line.id][0].file = getattr(line, "file", None)
            case events.ProgramEnded():
                self.is_over = True
            case events.NumberMoved():
                self.wants_room = True
                self.notices.append(event)
            case events.ServerAnnounced() | events.NothingSaid():
                self.notices.append(event)
            case _:
                pass

    def _begin(self, came: events.ClientCame) -> None:
        self.client, self.is_client_here, self.is_client_silent = came, came.is_here, False
        self.is_operator = self.wants_room = True
        self._position = 0
        self.wants_earlier = True
        self.notices.clear()
        self._clear_talk()

    def _clear_talk(self) -> None:
        self.lines.clear()
        self._own.clear()
        self._pending.clear()
        self.talk += 1
        self.ending = self.earlier = None

    def _duty_changed(self, *, is_on: bool, queue: str) -> None:
        if not is_on or queue != self.queue:
            self.past = None  # only operators on duty see it, and that of their own queue
        self.is_operator, self.is_on_duty, self.queue = True, is_on, queue
        self.wants_room = True
        if not is_on:
            self.waiting = 0

    def _is_ours(self, event: events.WaitingRoom | events.Figures) -> bool:
        """Whether this shows our queue: others may be asked for by their names."""
        return event.is_quiet or event.queue == self.queue

    def _room_shown(self, room: events.WaitingRoom) -> None:
        self.is_operator, self.room, self.wants_room = True, room, False
        self.waiting = room.total
        self.queue = self.queue or room.queue  # of a program that has run before us
        for visitor in room.served:
            if self.client is not None and self._is_mine(visitor):
                self.client_since = visitor.since
                if not self.client.issue:
                    self.client = msgspec.structs.replace(self.client, issue=visitor.issue)

    def _past_shown(self, past: events.PastSessions) -> None:
        """Take past sessions: those of our visitor, which are asked for by themselves, or others."""
        if self.earlier is None and self.client is not None and past.name == self.client.name:
            self.earlier = past
        else:
            self.past = past

    def _is_mine(self, visitor: ListedVisitor) -> bool:
        is_client = self.client is not None and visitor.name == self.client.name
        return is_client and is_same_name(visitor.operator, self.name)

    def _note_kept(self, event: events.CommandSucceeded) -> None:
        """Show a note that the registry has stored, if it is about the visitor whom we serve."""
        is_note = event.action is events.DeskAction.NOTED
        if is_note and self.client is not None and event.visit == self.client.visit:
            self.client = msgspec.structs.replace(self.client, note=event.text)

    def _client_moved(self, event: events.ClientMoved) -> None:
        self.wants_room = True
        match event.move:
            case events.ClientMove.AWAY:
                self.is_client_here = False
            case events.ClientMove.BACK:
                self.is_client_here = True
            case events.ClientMove.SILENT:
                self.is_client_silent = True
            case _:
                self.client = None
                self._clear_talk()
                self.notices.append(event)

    def _failed(self, event: events.CommandFailed, reason: events.CommandFailure) -> None:
        if reason is events.CommandFailure.NOT_AN_OPERATOR:
            self.is_operator, self.wants_room = False, False
            return
        self._settle(event.line, events.MessageState.REFUSED)
        if reason is not events.CommandFailure.ROOM_EMPTY:
            self.notices.append(event)

    def _add_own(self, who: str, text: str, at: float, id_: int, key: str = "") -> None:
        self._own[id_] = [self._add_line(who, text, at, Mark.SENDING, key, said=id_)]

    def _add_said(self, line: events.Said) -> None:
        """Show a line that is settled."""
        mark = mark_of(line.state)
        added = self._add_line(line.sender, line.text, line.at, mark, said=line.id)
        added.is_edited, added.is_retracted = line.is_edited, line.is_retracted
        added.file = line.file

    def _add_line(
        self, who: str, text: str, at: float, mark: Mark | None, key: str = "", *, said: int
    ) -> TalkLine:
        line = self._add(who, text, at, mark, key, said=said)
        if len(self.lines) > LINES_MAX:
            self.lines.popleft()
        if mark is None:
            self.is_client_silent = False
        return line


def minutes(since: float, now: float) -> int:
    """Return for how many whole minutes something lasts, never fewer than none."""
    return max(int((now - since) // MINUTE), 0)
