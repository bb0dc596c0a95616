"""Our side of the help desk as an operator: duty, commands, and the one visitor whom we serve
(clause 11).

The registry decides who is an operator.
"""

from collections import deque
from typing import Final, NamedTuple, assert_never, get_args

import msgspec
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused
from chatapp.peer.api.events import (
    CommandFailure,
    DeskAction,
    Line,
    MessageState,
    OfferedFile,
    Said,
    Target,
)
from chatapp.peer.api.past import (
    VERSION_SHOWN,
    VERSIONS_SHOWN,
    DeskTalk,
    FoundLine,
    Version,
)
from chatapp.peer.core.context import Context, RegistryChange, Routes
from chatapp.peer.core.conversation import check_length
from chatapp.peer.core.desk.files import DeskFiles, DeskUpload
from chatapp.wire.desk.focus import (
    STILL_SERVED,
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
from chatapp.wire.desk.values import VisitorForm, past_of
from chatapp.wire.limits import DESK_LINES_MAX
from chatapp.wire.messages.desk import (
    AckDeskLines,
    AnnounceAtDesk,
    ClientAssigned,
    ClientCause,
    ClientChange,
    ClientChanged,
    CloseQueue,
    CommandDone,
    CommandResult,
    ConversationNotice,
    DeskLine,
    DeskPieceAnswered,
    DeskPieceShown,
    DropVisitor,
    DutyStatus,
    EndDuty,
    FetchDeskLines,
    FetchDeskPiece,
    FiguresShown,
    LineMark,
    LineRefusal,
    LineRefused,
    LinesSaved,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorNotice,
    OperatorRequest,
    PastShown,
    ReadyAnswersShown,
    RoomShown,
    SendDeskLine,
    SendDeskPiece,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
    WaitingCounted,
)

MILLISECONDS: Final = 1_000
"""In a second: the registry's times of lines."""


VisitChange = events.Edited | events.Retracted
"""A change of a line of a visit."""


class _Asked(NamedTuple):
    request: OperatorRequest
    subject: str
    """The visitor meant by a number of the waiting room; else empty."""
    is_quiet: bool = False
    """Whether the program that asked shows the answer alone."""


class OperatorCommands:
    """Our commands that the registry has not answered, by reference."""

    def __init__(self, ctx: Context, focus: Focus, room: ShownRoom) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._focus = focus
        self._room = room
        self._listed: dict[int, str] = {}
        """The names of those who waited when a waiting room last came, by visit."""
        self._asked: dict[int, _Asked] = {}
        """Commands without an answer."""
        self.is_up = False
        """Whether the link is up."""

    def ask(self, request: OperatorRequest, subject: str = "", *, is_quiet: bool = False) -> None:
        """Send a request under a fresh reference. `subject`: the visitor meant by a number of the
        waiting room. `is_quiet`: the program that asks shows the answer alone."""
        if not self.is_up:
            self.fail(CommandFailure.UNREACHABLE)
            return
        if isinstance(request, DropVisitor | MoveVisitor):
            subject = subject or self._listed.get(request.visit, "")
        reference = self._ctx.rng.getrandbits(32)
        request = replace(request, reference=reference)
        self._asked[reference] = _Asked(request, subject, is_quiet)
        self._out.requests.append(request)

    @property
    def is_answered(self) -> bool:
        """Whether every command was answered. Events that follow from a command come before its
        answer."""
        return not self._asked

    # --- what happens to the link

    def link_up(self) -> None:
        """Note that the link is up."""
        self.is_up = True

    def link_lost(self) -> None:
        """Note that the link is gone: pending commands fail."""
        self.is_up = False
        asked = list(self._asked.values())
        self._asked.clear()
        if any(not one.is_quiet for one in asked):
            self.fail(CommandFailure.UNREACHABLE)

    # --- what the registry says

    def answered(self, done: CommandDone) -> OperatorRequest | None:
        """Handle the answer to a command. Return the command if it is done."""
        asked = self._asked.pop(done.reference, None)
        if asked is None:
            return None
        request, subject = asked.request, done.subject or asked.subject
        if done.result is CommandResult.OTHER_CLIENT:
            visit = int(getattr(request, "visit", 0))
            held = self._focus.missed(visit)
            self.hold_back(held_input(request), held, text=_note_in(request))
        elif done.result is not CommandResult.DONE:
            self.fail(CommandFailure[done.result.name], subject)
        else:
            self._done(request, subject)
            return request
        return None

    def _done(self, request: OperatorRequest, subject: str) -> None:
        self._room.done(request)
        match request:
            case DropVisitor():
                self._tell_done(DeskAction.DROPPED, subject)
            case MoveVisitor(to=to):
                self._tell_done(DeskAction.MOVED, subject, position=to)
            case NoteVisitor(visit=visit, text=text):
                self._tell_done(DeskAction.NOTED, subject, text=text, visit=visit)
            case CloseQueue():
                self._tell_done(DeskAction.CLOSED, subject)
            case OpenQueue():
                self._tell_done(DeskAction.OPENED, subject)
            case AnnounceAtDesk():
                self._tell_done(DeskAction.ANNOUNCED, subject)
            case _:
                pass  # a notice tells of it

    def shown(self, notice: RoomShown | FiguresShown | PastShown) -> None:
        """Report a queue, its figures, or past sessions."""
        asked = self._asked.pop(notice.reference, None)
        if asked is None:
            return
        told: events.WaitingRoom | events.Figures | events.PastSessions
        if isinstance(notice, RoomShown):
            self._listed = {one.visit: one.name for one in notice.waiting}
            if (
                not asked.is_quiet
            ):  # numbers that are typed mean the list that was shown to those who type
                self._room.shown(notice)
            told = msgspec.convert(notice, events.WaitingRoom, from_attributes=True)
        elif isinstance(notice, FiguresShown):
            told = msgspec.convert(notice, events.Figures, from_attributes=True)
        else:
            told = msgspec.convert(past_of(notice), events.PastSessions, from_attributes=True)
            if isinstance(asked.request, ShowPast):
                told = replace(told, name=asked.request.name)
        self._out.events.append(replace(told, is_quiet=asked.is_quiet))

    def fail(
        self, reason: CommandFailure, name: str = "", *, line: int = 0, text: str = ""
    ) -> None:
        """Tell the operator why a command came to nothing, or the line with this id and text."""
        failed = events.CommandFailed(reason=reason, name=name, line=line, text=text)
        self._out.events.append(failed)

    def hold_back(self, what: HeldInput, held: Held, *, line: int = 0, text: str = "") -> None:
        """Report that nothing was done: the command or line may have been meant for another
        visitor."""
        former, client = held.former, held.client
        if former is None and client is None:
            self.fail(CommandFailure.NO_CLIENT, line=line, text=text)
            return
        self._out.events.append(
            events.HeldBack(
                what=what,
                former="" if former is None else former.name,
                move=None if held.change is None else events.ClientMove[held.change.name],
                client="" if client is None else client.name,
                line=line,
                text=text,
            )
        )

    def _tell_done(
        self, action: DeskAction, name: str, *, position: int = 0, text: str = "", visit: int = 0
    ) -> None:
        done = events.CommandSucceeded(
            action=action, name=name, position=position, text=text, visit=visit
        )
        self._out.events.append(done)


def _note_in(request: OperatorRequest) -> str:
    """Return the words of a note."""
    return request.text if isinstance(request, NoteVisitor) else ""


def said_in_visit(line: DeskLine, id_: int, visitor: str, *, is_late: bool = False) -> Said:
    """Return a line of a visit as what was said. `visitor`: the name of who said it if no operator
    did. `is_late`: it was shown by an earlier run."""
    is_ours = line.number > 0
    return Said(
        conversation=DESK,
        id=id_,
        sender=line.operator or visitor,
        number=line.position,
        visit=line.visit,
        text=line.text,
        at=line.at / MILLISECONDS,
        is_late=is_late,
        is_ours=is_ours,
        state=MessageState.SAVED if is_ours else None,
        file=OfferedFile(size=line.file_size, number=line.position) if line.file_size else None,
        is_edited=line.mark is LineMark.EDITED,
        is_retracted=line.mark is LineMark.RETRACTED,
    )


def changed_in_visit(change: Said, mark: LineMark, target: int) -> VisitChange:
    """Return a change of a line of a visit. `change`: as if it were a line. `target`: the id of the
    line that it changes."""
    common = {name: getattr(change, name) for name in Line.__struct_fields__}
    kind = events.Retracted if mark is LineMark.RETRACTED else events.Edited
    return kind(**common, target=Target(b"", target))


def change_to(change: "SaidLine") -> tuple[str, bool]:
    """Return what a change makes of a line: its text, and whether it is taken back."""
    return change.text, change.mark is LineMark.RETRACTED


def as_changed(line: Said, mark: LineMark, text: str) -> Said:
    """Return a line of a visit as a change leaves it."""
    is_retracted = mark is LineMark.RETRACTED
    file = None if is_retracted else line.file
    return replace(
        line, text=text, file=file, is_edited=not is_retracted, is_retracted=is_retracted
    )


class SaidLine(NamedTuple):
    """A line or change of ours that was not answered yet."""

    text: str
    line: int
    """By what events name it; 0 if they do not."""
    mark: LineMark = LineMark.SAID
    """For a change: what the line is from now on."""
    target: int = 0
    """For a change: the line, by what events name it."""
    upload: bytes = b""
    """For a file: what has brought it to the registry."""
    position: int = 0
    """For a file: that of its line, once the registry has it."""


class Taken(NamedTuple):
    """What an answer of the registry to lines of ours means."""

    saved: list[SaidLine]
    """The lines that it has."""
    again: list[SendDeskLine]
    """The lines to send again."""


class DeskConversation:
    """One end of a visit's conversation. `shown`: the highest position that was shown, in earlier
    runs as well."""

    def __init__(self, visit: int, *, shown: int = 0) -> None:
        self.visit: Final = visit
        self.shown = shown
        self._came = shown
        self._last = 0
        self._lines: dict[int, SaidLine] = {}
        self._numbers: set[int] = set()
        """The numbers of all our lines in this run."""
        self._number_of: dict[int, int] = {}
        """The numbers of our lines that may be changed, by what events name the lines."""
        self._id_at: dict[int, int] = {}
        """What events name the lines that we were told, by their positions."""
        self._told: set[int] = set()
        """The numbers of our lines that we were sent, as an earlier run may have said them."""
        self._taken = 0
        """The highest number that the registry has."""

    @property
    def came(self) -> int:
        """The highest position that came, or was shown in earlier runs."""
        return self._came

    def say(
        self,
        text: str,
        *,
        wall: float,
        line: int | None = None,
        number: int = 0,
        mark: LineMark = LineMark.SAID,
        target: int = 0,
        upload: bytes = b"",
    ) -> SendDeskLine:
        """Return a line of ours, or a change of one. Its number follows the clock, so it is above all earlier ones,
        also of earlier runs. `line`: by what events name it; None for its number. `number`: the one to
        use if it is above all others, for a line that may be said again in another run. `mark`, `target`,
        `upload`: as in `SaidLine`."""
        if number <= self._last:
            number = max(self._last + 1, int(wall * 1_000_000))
        self._last = number
        said = SaidLine(text, number if line is None else line, mark, target, upload)
        self._numbers.add(number)
        return self._say_as(number, said)

    def _say_as(self, number: int, said: SaidLine) -> SendDeskLine:
        """Give a line of ours this number."""
        self._lines[number] = said
        if said.line and not said.target:
            self._note(self._number_of, said.line, number)
        return self._request(number, said)

    def _request(self, number: int, said: SaidLine) -> SendDeskLine:
        target = self._number_of.get(said.target, 0)
        return SendDeskLine(self.visit, number, said.text, said.mark, target, said.upload)

    @staticmethod
    def _note(known: dict[int, int], key: int, value: int) -> None:
        known[key] = value
        if len(known) > DESK_LINES_MAX:
            del known[next(iter(known))]

    def may_change(self, line: int) -> bool:
        """Return whether events name a line of ours so."""
        return line in self._number_of

    def takes_back(self, line: int) -> bool:
        """Return whether we have asked to take this line of ours back."""
        is_back = LineMark.RETRACTED
        return any((said.target, said.mark) == (line, is_back) for said in self._lines.values())

    def told(self, line: DeskLine, id_: int) -> None:
        """Note that events name a line that we were told so."""
        self._note(self._id_at, line.position, id_)
        if line.number:
            self._note(self._number_of, id_, line.number)

    def target_of(self, change: DeskLine) -> int:
        """Return what events name the line that is changed; 0 for one that we were not told."""
        return self._id_at.get(change.target, 0)

    def has_said(self, number: int) -> bool:
        """Return whether we have said the line with this number in this run."""
        return number in self._numbers

    def was_said(self, number: int) -> bool:
        """Return whether we have said it in an earlier run, as far as we know."""
        return number in self._told

    def unanswered(self) -> list[SendDeskLine]:
        """Return our lines to send again on a new link, in order."""
        return [self._request(number, said) for number, said in self._lines.items()]

    def unsaid(self) -> list[SaidLine]:
        """Return our lines that were not answered, in order."""
        return list(self._lines.values())

    @property
    def is_settled(self) -> bool:
        """Whether every line of ours was taken or refused."""
        return not self._lines

    def taken(self, number: int, *, position: int = 0) -> Taken:
        """Note that the registry has all lines up to this number. `position`: of that line, if it
        brings a file."""
        if position and (said := self._lines.get(number)) is not None:
            self._lines[number] = said._replace(position=position)
        self._taken = max(self._taken, number)
        return self.settle()

    def settle(self) -> Taken:
        """Return what follows from what the registry has. A number above all of ours is from an
        earlier run, before the clock was set back: once we were sent its line, ours that were not
        sent to us were taken for repeats, and need higher numbers."""
        if self._taken <= self._last:
            taken = [number for number in self._lines if number <= self._taken]
            return Taken([self._lines.pop(number) for number in taken], [])
        if self._taken not in self._told:
            return Taken([], [])
        lines, self._lines, self._last = self._lines, {}, self._taken
        saved = [said for number, said in lines.items() if number in self._told]
        for number, said in lines.items():
            if number not in self._told:
                self._last += 1
                self._say_as(self._last, said)
        self._numbers.update(self._lines)
        return Taken(saved, self.unanswered())

    def refused(self, number: int) -> SaidLine | None:
        """Forget a refused line and return it; None when it was not ours, or was answered
        before."""
        return self._lines.pop(number, None)

    def take(self, line: DeskLine) -> bool:
        """Take a line of the other end, or one of ours that we asked for. Return False for a
        repeat."""
        if line.number and len(self._told) < DESK_LINES_MAX:
            self._told.add(line.number)
        is_new = line.position > self._came
        self._came = max(self._came, line.position)
        return is_new

    def note_shown(self, position: int) -> None:
        """Note that all lines up to this one were shown."""
        self.shown = max(self.shown, position)


class ClientTalk(DeskConversation):
    """The conversation with a visitor of ours, and what was said in it, for programs that show it
    later."""

    def __init__(self, client: events.ClientCame) -> None:
        super().__init__(client.visit)
        self.client = client
        self._said: deque[Said] = deque(maxlen=DESK_LINES_MAX)
        self.versions: Final[dict[int, deque[Version]]] = {}
        """What a line was that was changed since it was told, by its id; and the changes, by theirs."""

    def add(self, line: Said) -> None:
        """Add the newest line."""
        self._said.append(line)

    def line(self, id_: int) -> Said | None:
        """Return the line that events name so."""
        return next((line for line in self._said if line.id == id_), None)

    def file_at(self, position: int) -> Said | None:
        """Return the line that has a file and this position."""
        return next((one for one in self._said if one.file and one.number == position), None)

    def change(self, change: SaidLine, *, at: float) -> None:
        """Take in a change of a line. One that was overtaken before it came changes nothing."""
        for place, line in enumerate(self._said):
            if line.id == change.target and (line.text, line.is_retracted) != change_to(change):
                self._said[place] = as_changed(line, change.mark, change.text)
                self._note_version(line, change, at)

    def _note_version(self, line: Said, change: SaidLine, at: float) -> None:
        if change.mark is LineMark.RETRACTED:
            self.versions.pop(line.id, None)
            return
        former = Version(number=line.number, at=line.at, text=line.text[:VERSION_SHOWN])
        versions = self.versions.setdefault(line.id, deque([former], maxlen=VERSIONS_SHOWN))
        versions.append(Version(number=change.line, at=at, text=change.text[:VERSION_SHOWN]))

    def remove(self, id_: int) -> None:
        """Take out a line of ours: it reached nobody."""
        left = [line for line in self._said if line.id != id_]
        self._said.clear()
        self._said.extend(left)

    def state(self, me: str, *, is_here: bool) -> DeskTalk:
        """Return it as it is now. `me`: our name."""
        waiting = {said.line for said in self.unsaid()}
        lines = [
            replace(
                line,
                sender=line.sender or me,
                state=MessageState.UNSETTLED if line.id in waiting else MessageState.SAVED,
            )
            if line.is_ours
            else line
            for line in self._said
        ]
        return DeskTalk(client=replace(self.client, is_here=is_here), lines=tuple(lines))


LINE_FAILURES: Final = {
    LineRefusal.FULL: CommandFailure.LINE_FULL,
    LineRefusal.TOO_FAST: CommandFailure.LINE_TOO_FAST,
    LineRefusal.NOT_SERVING: CommandFailure.LINE_NOT_SERVING,
    LineRefusal.NO_SUCH_LINE: CommandFailure.LINE_GONE,
    LineRefusal.NO_UPLOAD: CommandFailure.LINE_NO_UPLOAD,
}
"""The other refusals mean that the visitor is not ours any more, which `HeldBack` tells."""


class VisitTarget(NamedTuple):
    """The visitor that is meant: by the number of the visit, or else by the time at which the
    operator typed."""

    visit: int | None
    entered_at: float
    is_maybe: bool = False
    """Whether the typed line would mean something else if we served nobody."""
    is_quiet: bool = False
    """Whether the program that asks shows the answer alone."""
    asks_first: bool = False
    """Whether `NothingSaid` may answer once, instead of ending a session in which the visitor has
    said nothing."""


class Operator:
    """Our side of the desk, as an operator."""

    def __init__(self, ctx: Context) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._focus, self._room = Focus(), ShownRoom()
        self.commands: Final = OperatorCommands(ctx, self._focus, self._room)
        """Our requests."""
        self.routes: Final[Routes] = dict.fromkeys(
            get_args(OperatorNotice | ConversationNotice), self.handle
        )
        self._conversation: ClientTalk | None = None
        self._ended: dict[int, ClientTalk] = {}
        """Conversations of visits that are not ours any more, with lines of ours that are not
        answered yet."""
        self.files: Final = DeskFiles(rng=ctx.rng, send=self._send_piece)
        self._is_client_away = False
        self._wants_duty = False
        self._is_new_link = False
        self.is_listed = False
        """Whether the registry counts us among its operators: it tells them their duty on each new
        link."""
        self.is_on = False
        self.queue = ""
        self.answers: dict[str, str] = {}
        """The ready answers, by their short word."""
        self.files_largest = 0
        """Bytes of the largest file that the desk takes; 0: none."""
        self.waiting = 0
        """How many wait in our queue, while we are on duty."""

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return None if self._focus.client is None else self._focus.client.name

    @property
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return 0 if self._focus.client is None else self._focus.client.visit

    def talk(self, me: str) -> DeskTalk | None:
        """Return the conversation with the visitor whom we serve; None for nobody. `me`: our
        name."""
        if self._conversation is None:
            return None
        return self._conversation.state(me, is_here=not self._is_client_away)

    def takes_lines(self, *, entered_at: float) -> bool:
        """Return whether text typed at this time is for a visitor, including one who has just
        left."""
        return self._focus.takes_lines(entered_at=entered_at)

    # --- what we want

    def ask(self, request: OperatorRequest, target: VisitTarget) -> None:
        """Ask the registry for something. Its reference is drawn here, and the visit that it
        concerns is found: the visitor meant by a number of the waiting room, or by `target`."""
        meant = addressed(
            request,
            self._focus,
            self._room,
            entered_at=target.entered_at,
            visit=target.visit,
            asks_first=target.asks_first,
        )
        match meant:
            case Addressed(found, subject):
                if isinstance(request, EndDuty):
                    self._wants_duty = False  # not on the next link either
                is_quiet = (
                    isinstance(request, ShowRoom | ShowFigures | ShowPast) and target.is_quiet
                )
                self.commands.ask(found, subject, is_quiet=is_quiet)
            case Held():
                self.commands.hold_back(held_input(request), meant, text=_note_in(request))
            case SaidNothing(name):
                self._out.events.append(events.NothingSaid(name=name))
            case StaleNumber(was, is_now):
                position = getattr(request, "position", 0)
                moved = events.NumberMoved(position=position, was=was, is_now=is_now)
                self._out.events.append(moved)
            case None:
                self.commands.fail(CommandFailure.NO_SUCH_POSITION)

    def say(self, text: str, target: VisitTarget, *, now: float, line: int = 0) -> Said | None:
        """Send a line to our visitor. It waits here while the registry is away. `line`: by what
        events name it. Return it, without our name; None if it reaches nobody, which an event
        tells. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        wall = self._ctx.wall(now)
        visit = self._meant(target, SaidLine(text, line))
        if visit is None:
            return None
        if self._conversation is None or self._conversation.visit != visit:
            self._hold_back(SaidLine(text, line), self._focus.missed(visit))
            return None
        self._out.requests.append(self._conversation.say(text, wall=wall, line=line))
        said = Said(
            conversation=DESK,
            id=line,
            sender="",
            number=0,
            visit=visit,
            text=text,
            at=wall,
            is_ours=True,
            state=MessageState.UNSETTLED,
        )
        self._conversation.add(said)
        return said

    def send_file(
        self, name: str, content: bytes, target: VisitTarget, *, now: float, line: int
    ) -> DeskUpload | None:
        """Send a file to our visitor, and then the line that brings it, which events name `line`.
        Return it on its way; None if it reaches nobody, which an event tells."""
        said = SaidLine(name, line)
        visit = self._meant(target, said)
        if visit is None:
            return None
        if self._conversation is None or self._conversation.visit != visit:
            self._hold_back(said, self._focus.missed(visit))
            return None
        return self.files.upload(visit, name, content, at=self._ctx.wall(now), line=line)

    def _send_piece(self, request: SendDeskPiece | FetchDeskPiece) -> None:
        if self.commands.is_up:
            self._out.requests.append(request)

    def _piece_taken(self, answer: DeskPieceAnswered) -> None:
        """Say the line that brings a file, now that the registry has it whole."""
        upload = self.files.answered(answer)
        if upload is None:
            return
        talk = self._talk_of(upload.visit)
        if talk is None or talk is not self._conversation:
            self.files.give_up(upload.visit)
            return
        at, line = upload.at, upload.number
        self._out.requests.append(talk.say(upload.name, wall=at, line=line, upload=upload.id))
        talk.add(self.files.finish(upload, line))

    def file_at(self, position: int) -> Said | None:
        """Return the line of the present conversation that has a file and this position."""
        return None if self._conversation is None else self._conversation.file_at(position)

    def change(self, id_: int, text: str | None, *, now: float, line: int) -> VisitChange:
        """Change the line of ours that events name `id_`, or take it back (None); it counts when the
        registry has it. `line`: by what events name the change. Return it, without our name. Raises
        ChangeRefused, TextTooLong, UnicodeEncodeError."""
        check_length(text or "")
        wall, talk = self._ctx.wall(now), self._conversation
        said = None if talk is None else talk.line(id_)
        if talk is None or said is None or (said.is_ours and not talk.may_change(id_)):
            raise ChangeRefused(ChangeRefusal.NO_SUCH_LINE)
        if not said.is_ours:
            raise ChangeRefused(ChangeRefusal.NOT_OURS)
        if said.is_retracted or talk.takes_back(id_):
            raise ChangeRefused(ChangeRefusal.TAKEN_BACK)
        if said.file is not None and text is not None:
            raise ChangeRefused(ChangeRefusal.IS_FILE)
        mark = LineMark.RETRACTED if text is None else LineMark.EDITED
        change = replace(said, id=line, sender="", number=0, text=text or "", at=wall, file=None)
        self._out.requests.append(
            talk.say(change.text, wall=wall, line=line, mark=mark, target=id_)
        )
        return changed_in_visit(change, mark, id_)

    def find(self, target: Target, me: str) -> FoundLine | None:
        """Return a line of the conversation with our visitor as it is now, and its versions. `me`:
        our name."""
        talk = self._conversation
        line = None if talk is None else talk.line(target.number)
        if talk is None or line is None:
            return None
        versions = talk.versions.get(target.number, ())
        return FoundLine(line=replace(line, sender=line.sender or me), versions=tuple(versions))

    def _meant(self, target: VisitTarget, said: SaidLine) -> int | None:
        """Return the visit that a line is meant for, 0 for none. Return None, and report it, when
        that is not clear."""
        if target.visit is not None:
            return target.visit
        typed = Typed.MAYBE_LINE if target.is_maybe else Typed.LINE
        client = self._focus.meant(typed, entered_at=target.entered_at)
        if isinstance(client, Held):
            self._hold_back(said, client)
            return None
        return 0 if client is None else client.visit

    def line_shown(self, line: Line) -> None:
        """Note that the visit's lines up to this one were shown, and tell the registry."""
        if self._conversation is not None and self._conversation.visit == line.visit:
            self._conversation.note_shown(line.number)
            self._out.requests.append(AckDeskLines(line.visit, line.number))

    @property
    def is_settled(self) -> bool:
        """Whether every command and line of ours was answered."""
        return self.commands.is_answered and self._are_lines_answered

    @property
    def is_said(self) -> bool:
        """Whether every line of ours was taken or refused, or there is no link."""
        return not self.commands.is_up or self._are_lines_answered

    @property
    def _are_lines_answered(self) -> bool:
        return not self._ended and (self._conversation is None or self._conversation.is_settled)

    # --- the link

    def registry_changed(self, change: RegistryChange) -> None:
        """Say unanswered lines again on a new link. Pending commands fail when the link is lost."""
        if change is RegistryChange.LINK_UP:
            self._link_up()
        elif change is RegistryChange.LINK_LOST:
            self.commands.link_lost()

    def _link_up(self) -> None:
        self.commands.link_up()
        self._is_new_link = True
        for conversation in (
            *self._ended.values(),
            *([self._conversation] if self._conversation is not None else []),
        ):
            self._out.requests += conversation.unanswered()
        self.files.link_up()

    # --- what the registry says

    def handle(self, notice: OperatorNotice | ConversationNotice, *, now: float) -> None:
        """Handle a notice of the help desk."""
        match notice:
            case DutyStatus():
                self._duty_reported(notice, now)
            case WaitingCounted():
                self._counted(notice)
            case ReadyAnswersShown(answers=answers):
                self.answers = {one.short: one.text for one in answers}
                self._out.events.append(events.AnswersKnown(answers=self.answers))
            case ClientAssigned():
                self._client_assigned(notice, now)
            case ClientChanged():
                self._client_changed(notice, now)
            case DeskLine():
                self._line_came(notice, now)
            case LinesSaved():
                self._lines_taken(notice, now)
            case LineRefused():
                self._line_refused(notice, now)
            case DeskPieceAnswered():
                self._piece_taken(notice)
            case DeskPieceShown():
                self.files.came(notice)
            case CommandDone():
                done = self.commands.answered(notice)
                if isinstance(done, NoteVisitor) and (talk := self._talk_of(done.visit)):
                    talk.client = replace(talk.client, note=done.text)
            case RoomShown() | FiguresShown() | PastShown():
                self.commands.shown(notice)
            case _:
                assert_never(notice)

    def _duty_reported(self, notice: DutyStatus, now: float) -> None:
        """Take our duty as the registry sees it. It comes on each new link too: a restarted
        registry has forgotten it."""
        self.is_listed = True
        was_first, self._is_new_link = self._is_new_link, False
        if (
            was_first
            and self._conversation is not None
            and notice.visit != self._conversation.visit
        ):
            self._taken_back(self._conversation, now)
        if was_first and self._wants_duty and not notice.is_on:
            self.commands.ask(TakeDuty(0, self.queue))
            return
        self._wants_duty = self._wants_duty or notice.is_on
        if (notice.is_on, notice.queue) != (self.is_on, self.queue):
            self._out.events.append(
                events.DutyChanged(
                    is_on=notice.is_on, queue=notice.queue, files_largest=notice.files_largest
                )
            )
        self.files_largest = notice.files_largest
        self.is_on, self.queue = notice.is_on, notice.queue
        if not notice.is_on:
            self.waiting = 0

    def _counted(self, notice: WaitingCounted) -> None:
        before, self.waiting = self.waiting, notice.waiting
        if notice.waiting != before:
            self._out.events.append(
                events.VisitorsWaiting(
                    queue=notice.queue, waiting=notice.waiting, is_first=not before
                )
            )

    def _taken_back(self, conversation: ClientTalk, now: float) -> None:
        """Our visitor was taken back while we had no link; lines that we typed meanwhile reach
        nobody."""
        move = events.ClientMove.TAKEN_BACK
        self._out.events.append(events.ClientMoved(name=self.client or "", move=move))
        self._focus.lost(ClientChange.TAKEN_BACK, now=now)
        self.files.give_up(conversation.visit)
        self._conversation = None
        for said in conversation.unsaid():
            self._hold_back(said, self._focus.missed(conversation.visit))

    def _client_assigned(self, notice: ClientAssigned, now: float) -> None:
        form = msgspec.convert(notice, VisitorForm, from_attributes=True)
        came = events.ClientCame(
            **msgspec.structs.asdict(form),
            visit=notice.visit,
            handed_over_by=notice.operator,
            is_back=notice.cause is ClientCause.RETURNED,
        )
        is_same = self._conversation is not None and self._conversation.visit == notice.visit
        known = self._talk_of(notice.visit)
        if not is_same:
            self._part()
            self._ended.pop(notice.visit, None)
            self._conversation = known or ClientTalk(came)
        if self._conversation is not None:
            self._conversation.client = came
        shown = 0 if known is None else known.shown
        self._out.requests.append(FetchDeskLines(notice.visit, shown, with_own=known is None))
        self._focus.came(notice, now=now)
        self._is_client_away = not notice.is_here
        if notice.cause is ClientCause.RETURNED and is_same:
            return  # only the link broke; for the operator nothing has changed
        self._out.events.append(came)

    def _client_changed(self, changed: ClientChanged, now: float) -> None:
        if self._conversation is None or self._conversation.visit != changed.visit:
            return
        self._focus.changed(changed, now=now)
        if changed.change not in STILL_SERVED:
            self._part()
        was_away, self._is_client_away = self._is_client_away, changed.change is ClientChange.AWAY
        if changed.change is ClientChange.BACK and not was_away:
            return  # a restarted registry takes everybody to be away at first
        move = events.ClientMove[changed.change.name]
        self._out.events.append(events.ClientMoved(name=changed.name, move=move))

    def _part(self) -> None:
        """End the conversation: the visitor is not ours any more. Lines on their way are still
        answered."""
        if self._conversation is not None and not self._conversation.is_settled:
            self._ended[self._conversation.visit] = self._conversation
        if self._conversation is not None:
            self.files.give_up(self._conversation.visit)
        self._conversation = None

    def _talk_of(self, visit: int) -> ClientTalk | None:
        if self._conversation is not None and self._conversation.visit == visit:
            return self._conversation
        return self._ended.get(visit)

    def _lines_taken(self, taken: LinesSaved, now: float) -> None:
        conversation = self._talk_of(taken.visit)
        if conversation is not None:
            self._settle(
                conversation, conversation.taken(taken.number, position=taken.position), now
            )
            self._drop_answered(conversation)

    def _settle(self, conversation: ClientTalk, taken: Taken, now: float) -> None:
        self._out.requests += taken.again
        state = MessageState.SAVED
        for said in taken.saved:
            if said.target:
                conversation.change(said, at=self._ctx.wall(now))
            if said.line:
                changed = events.MessageChanged(
                    conversation=DESK, id=said.line, state=state, file=said.position
                )
                self._out.events.append(changed)

    def _line_refused(self, refused: LineRefused, now: float) -> None:
        conversation = self._talk_of(refused.visit)
        said = None if conversation is None else conversation.refused(refused.number)
        if conversation is None or said is None:
            return
        conversation.remove(said.line)
        self._drop_answered(conversation)
        if refused.reason in LINE_FAILURES:
            self.commands.fail(LINE_FAILURES[refused.reason], line=said.line, text=said.text)
            return
        if (
            conversation is self._conversation and self._is_new_link
        ):  # we may not serve under our present name: DutyStatus does not come
            self._focus.lost(None, now=now)
            self._part()
        self._hold_back(said, self._focus.missed(refused.visit))

    def _hold_back(self, said: SaidLine, held: Held) -> None:
        self.commands.hold_back(HeldInput.LINE, held, line=said.line, text=said.text)

    def _drop_answered(self, conversation: ClientTalk) -> None:
        if conversation.is_settled:
            self._ended.pop(conversation.visit, None)

    def _line_came(self, line: DeskLine, now: float) -> None:
        if self._conversation is None or self._conversation.visit != line.visit:
            return
        if not line.operator:
            self._focus.heard(line.visit)
        is_new = self._conversation.take(line)
        self._settle(self._conversation, self._conversation.settle(), now)
        if is_new:
            self._out.events += self._told(self._conversation, line)
        elif line.position <= self._conversation.shown:
            self._out.requests.append(AckDeskLines(line.visit, self._conversation.shown))

    def _told(self, talk: ClientTalk, line: DeskLine) -> list[Said | VisitChange]:
        """Take in a line that we are told, or a change of one. Return the event that tells it."""
        said = said_in_visit(line, self._out.new_id(), self.client or "")
        if not line.target:
            talk.told(line, said.id)
            talk.add(said)
            return [said]
        target = talk.target_of(line)
        if not target:
            return []
        talk.change(SaidLine(line.text, said.id, line.mark, target), at=said.at)
        return [changed_in_visit(said, line.mark, target)]
