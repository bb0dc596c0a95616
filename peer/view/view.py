"""A view: what one window knows of its peer, and what it asks of it. Nothing here waits.

Events and states go in (`handle`), changes come out (`take_changes`). What takes several steps is a
generator of requests that gets the answer to each: `answer = yield Send(...)`. `runner` runs them.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import (
    DESK,
    EVERYBODY,
    NOBODY,
    Conversation,
    ConversationKind,
    person,
    room,
)
from chatapp.peer.api.errors import (
    ChangeRefused,
    DeskFileRefused,
    FileRefused,
    NotAnswered,
    NotLetIn,
)
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.api.past import ConversationState
from chatapp.peer.api.requests import Moment, Request, Send, Sent, Wait
from chatapp.peer.api.state import State
from chatapp.peer.commands import meanings, parser
from chatapp.peer.commands.commands import help_lines
from chatapp.peer.commands.completion import CompletionIndex, NameSearch
from chatapp.peer.commands.meanings import Context, Meaning, Mistake
from chatapp.peer.commands.parser import Confirmation, Dialogue
from chatapp.peer.view.transfers import UNDER_WAY, FileAction, Transfers, is_for
from chatapp.peer.words import answers, changes, files, history
from chatapp.peer.words.changes import NOTHING_KNOWN, Known, line_named
from chatapp.peer.words.desk import answer_said, no_answer, ready_answer
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import AnswerLine, MessageLine, Status, TypedLine, calls
from chatapp.peer.words.people import (
    AWAY_SHOWN,
    away_line,
    nobody_found,
    others_line,
    table_lines,
    typing_note,
)
from chatapp.wire.errors import ChatAppError, TextTooLong
from chatapp.wire.limits import ROOM_SIGN
from chatapp.wire.messages.desk import CallNext, OperatorRequest
from chatapp.wire.names import PeerName, is_same_name, peer_name

if TYPE_CHECKING:
    from chatapp.peer.view.panes import Pane

TYPING_SHOWN_FOR: Final = 6.0
"""Seconds for which a person counts as typing after having said so: two of the spans in which it is
said again."""
LOOKS_EVERY: Final = 0.25
"""Seconds until the status is looked at anew while a message is under way: half the time between
two tries."""
LINES_COUNTED: Final = 1_000
"""Lines from the end of a conversation among which one is counted out."""
FAREWELL_WITHIN: Final = 0.5
"""Seconds to wait for acknowledgements before leaving. On a good network they take a few
milliseconds."""

_OfAFile = (
    meanings.AcceptOffer
    | meanings.ResumeFile
    | meanings.PauseFile
    | meanings.RefuseOffer
    | meanings.CancelFile
)
_ACTIONS: Final[Mapping[type[_OfAFile], FileAction]] = {
    meanings.AcceptOffer: FileAction.ACCEPT,
    meanings.ResumeFile: FileAction.RESUME,
    meanings.PauseFile: FileAction.PAUSE,
    meanings.RefuseOffer: FileAction.REFUSE,
    meanings.CancelFile: FileAction.CANCEL,
}

_SETTLES: Final[dict[type[Request[Any]], Moment]] = {
    requests.EnterRoom: Moment.IN_ROOM,
    requests.LeaveRoom: Moment.IN_ROOM,
    requests.Leave: Moment.LEFT,
    requests.ReleaseName: Moment.RELEASED,
}
"""Until when the next line waits, which may depend on what came of this one."""


_WAITING: Final = (MessageState.UNSETTLED, MessageState.KEPT)
_UNSENT: Final = (MessageState.REFUSED, MessageState.EXPIRED)
_COUNTED: Final[dict[type, Callable[[Said], bool]]] = {
    meanings.ReplyTo: lambda line: not line.is_ours,
    meanings.ReactTo: lambda line: not line.is_ours,
    meanings.ChangeLine: lambda line: line.is_ours and line.state not in _UNSENT,
    meanings.CancelLine: lambda line: line.is_ours and line.state in _WAITING,
}
"""Which lines a number counts from the end of a conversation, for what is done to them."""


class CatchUp(msgspec.Struct, frozen=True):
    """Show and handle everything that has happened so far."""


class Briefly(msgspec.Struct, frozen=True):
    """Ask this, and go on without an answer after so many seconds."""

    request: Request[None]
    within: float


class HistoryUnreadable(ChatAppError):
    """The history cannot be read. `args[0]`: why, as SQLite words it."""


_AboutLine = meanings.ReplyTo | meanings.ChangeLine | meanings.CancelLine | meanings.ReactTo
_OfThePast = (
    requests.ExplainDelivery
    | requests.ReadPage
    | requests.SearchPast
    | meanings.ShowPast
    | meanings.FindPast
)

Step = Request[Any] | CatchUp | Briefly
Steps = Generator[Step, Any, None]
"""What takes several steps. Each gets the answer to its request, or the error that it raises."""


KEPT_AFTER: Final = 1.0
"""Seconds without a key after which what is typed is kept, for other windows and the next start."""


class Changes(msgspec.Struct, kw_only=True):
    """What has changed in a view since it was asked last."""

    question: str | None = None
    """What is asked from now on instead of taking a line; empty: nothing any more. None: as
    before."""
    lines: list[str] = []
    """Lines to show, the oldest first, in a window that shows all conversations as one flow."""
    logs: "dict[Pane, bool]" = {}
    """Conversations whose logs have changed, and whether lines were added above those in view,
    which stay where they are."""
    opened: "Pane | None" = None
    """The conversation to show from now on."""
    draft: tuple[str, str] | None = None
    """What another window kept of the input in the conversation that is open: before, and now."""
    calls: list[tuple[str, str]] = []
    """Who calls the user, and with which words."""
    batch: list[events.Event] = []
    """What happened, for what shows more of it than the logs do."""
    carried_out: list[int] = []
    """The keys of the lines that are carried out: what they send is stored."""
    wants_table: bool = False
    """Whether to show the table of people."""
    wants_files: bool = False
    """Whether to show the files."""
    work: "list[tuple[Steps, Pane | None]]" = []
    """What is to be done beside all else. What reads the past of a conversation names it: one such
    work is done at a time."""
    written: list[events.Event] = []
    """Events that the user has seen once the lines are shown."""
    seen: list[events.Event] = []
    """Events that the user has seen."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The start of a peer, as the one who opens it knows it."""

    explain_taken: Callable[[], Iterable[str]] = tuple
    """Called when our name is taken; returns lines that say whose it is."""
    is_first: bool = False
    """Whether this person has not been let in before."""
    is_over: bool = False
    """Whether the peer is past its start, as another program runs it."""


USUAL_START: Final = Start()


class View:
    """What one window knows of its peer. `FlowView` shows everything in one flow, `ScreenView` by
    conversation."""

    def __init__(
        self,
        state: State,
        *,
        is_screen: bool,
        completions: CompletionIndex | None,
        draw_line: Callable[[], int],
        start: Start = USUAL_START,
    ) -> None:
        """`is_screen`: whether people look, who can be asked before something cannot be taken back.
        `completions`: where to note names for a terminal that offers them; without one, people need
        not be counted. `draw_line`: returns a new id for a line to a visitor."""
        self.state = state
        self.people: Sequence[events.Person] = ()
        """Everybody in the table, when it was told last."""
        self.is_screen: Final = is_screen
        self.known: Known = NOTHING_KNOWN
        """The lines that the events which are handled next are about."""
        self.is_over = False
        """Whether the program ends."""
        self.has_failed = False
        """Whether it ends as it could not do what it is for."""
        self.query: PeerName | None = None
        """The person for whom bare lines outside of a room are."""
        self.current_line: str | TypedLine = ""
        """The line that is being carried out."""
        self._next_key = 0
        """The key of the next thing that it sends; 0 for none."""
        self._completions: Final = completions
        self._names: Final = None if completions is None else NameSearch(completions)
        self._draw_line: Final = draw_line
        self._window: Final = draw_line()
        """By which this window knows its own drafts."""
        self._explain_taken: Final = start.explain_taken
        self._has_started = start.is_over
        self._changes = Changes()
        self._dialogue: Dialogue | Confirmation | None = None
        self._was_asked = False
        """Whether the line that is being carried out answers a question."""
        self._online = 0
        self._unread = 0
        self._typing: dict[str, float] = {}
        """Until when each person counts as typing to the user."""
        self.transfers: Final = Transfers()
        """The files of which it knows."""
        self._visited: list[str] = []
        """The rooms that were the current one, the latest last."""
        self._told_away: dict[str, str | None] = {}
        """What the user was told of why somebody is away, by name."""
        self._joining = ""
        """The room that the user asked here to enter."""
        self._room_notice: list[str] = []
        """The lines that last said how our room lines travel without the registry; shown again only
        when they change."""

    def take_changes(self) -> Changes:
        """Return what has changed since this was called last."""
        changes, self._changes = self._changes, Changes()
        return changes

    def end(self, *, has_failed: bool = False) -> None:
        """End the program. The first call counts."""
        if not self.is_over:
            self.is_over, self.has_failed = True, has_failed

    # --- rooms

    @property
    def room(self) -> str | None:
        """The current room: bare lines go there, and commands about a room mean it."""
        here = [room.name for room in self.state.rooms]
        visited = [name for name in self._visited if name in here]
        return next(iter((*reversed(visited), *here)), None)

    def visit(self, room: str) -> None:
        """Make a room where we are the current one."""
        self._visited = [name for name in self._visited if name != room] + [room]

    def _in_reach(self, room: str | None) -> int:
        """Return how many others in a room a line would reach now."""
        entered = None if room is None else self.state.room(room)
        return 0 if entered is None else entered.in_reach

    def _follow_rooms(self, batch: Sequence[events.Event]) -> None:
        """Note which rooms we have entered and left. A room becomes the current one if the user
        asked here to enter it, or there is no other."""
        here = [room.name for room in self.state.rooms]
        self._visited = [name for name in self._visited if name in here]
        for event in batch:
            match event:
                case events.EnteredRoom(room=entered) if entered in here:
                    if is_same_name(entered, self._joining):
                        self.visit(entered)
                        self._joining = ""
                case events.RoomEntryDenied(room=refused) if is_same_name(refused, self._joining):
                    self._joining = ""
                case _:
                    pass
        if self.room is not None:
            self.visit(self.room)
        if self._completions is not None:
            others = (name for name in here if name not in self._visited)
            self._completions.entered = (*reversed(self._visited), *others)

    # --- what is shown all the time

    def status(self, *, now: float) -> Status:
        """Return what the prompt and the status line show."""
        state = self.state
        self._typing = {name: until for name, until in self._typing.items() if until > now}
        tried, most = state.sending_try if self.has_under_way else (0, 0)
        return Status(
            me=state.name,
            room=self.room,
            query=self.query,
            client=state.desk.client,
            is_on_duty=state.desk.is_on_duty,
            waiting=state.desk.waiting if self.is_screen else 0,
            is_offline=state.is_offline,
            is_away=state.away is not None,
            is_server_away=state.is_server_away,
            is_sending=self.is_screen and state.is_sending,
            sending_try=tried,
            tries=most,
            in_reach=self._in_reach(self.room),
            online=state.online or self._online,
            unread=self._unread,
            muted=state.muted,
            notes=(
                *((typing_note(list(self._typing)),) if self._typing else ()),
                *map(files.progress_note, self.transfers.running()),
            ),
        )

    def next_look(self, *, now: float) -> float | None:
        """Return when the status changes without an event; None: it does not."""
        looks = [*self._typing.values(), *([now + LOOKS_EVERY] if self.has_under_way else [])]
        return min(looks, default=None)

    @property
    def asks_yes_or_no(self) -> bool:
        """Whether the open question is answered by yes or no."""
        return isinstance(self._dialogue, Confirmation)

    @property
    def has_under_way(self) -> bool:
        """Whether the window shows that a message is under way."""
        return self.state.is_sending

    # --- what happens

    @staticmethod
    def lines_named(batch: Sequence[events.Event]) -> list[requests.LineName]:
        """Return the lines that events are about."""
        named: dict[requests.LineName, None] = {}
        for event in batch:
            said = event.line if isinstance(event, events.SaidByUs) else event
            for line in said.lines if isinstance(said, events.MailReturned) else (said,):
                if isinstance(line, events.Line | events.Seen) and (one := line_named(line)):
                    named[one] = None
        return list(named)

    def begin(self) -> Steps:
        """Show what there is at the start."""
        raise NotImplementedError

    def handle(
        self,
        batch: Sequence[events.Event],
        state: State,
        people: Sequence[events.Person],
        *,
        now: float,
    ) -> None:
        """Take what happened, the state to which it led, and everybody in the table."""
        self.state, self.people = state, people
        self._follow_rooms(batch)
        lines = self._take(batch)
        self._note(batch, lines, now)
        if not self.is_over:
            for event in batch:
                self._react(event)

    def _take(self, batch: Sequence[events.Event]) -> list[str]:
        """Put events where they belong. Returns the lines of what people have said, at least."""
        raise NotImplementedError

    def _lines(self, event: events.Event) -> list[str]:
        """Return the lines to show for an event; none that would only repeat the last notice."""
        said_in = event.conversation if isinstance(event, events.MessageChanged) else NOBODY
        in_reach = self._in_reach(said_in.name if said_in.is_room else None)
        lines = lines_of(event, in_reach=in_reach, known=self.known)
        match event:
            case events.MessageChanged(conversation=what, state=MessageState.KEPT) if what.is_room:
                before, self._room_notice = self._room_notice, lines
                return lines if lines != before else []
            case events.Renamed(old=old, new=new):
                if self.query is not None and is_same_name(old, self.query):
                    self.query = peer_name(new)
            case events.VisitorsWaiting() if not self.is_screen:
                return []  # a pipe shows nobody who waits until asked
            case events.EnteredRoom() | events.ServerLost() | events.ServerBack():
                self._room_notice = []
            case events.FileChanged(file=file):
                return lines + self._progress(file)
            case events.MessageChanged(conversation=what, state=MessageState.SAVED) if what.is_room:
                self._room_notice = []
            case _:
                pass
        return lines

    def _progress(self, file: FileTransfer) -> list[str]:
        """Note how far a file is. On a pipe a line tells of each tenth."""
        before = self.transfers.note(file)
        is_told = file.state is FileState.RUNNING and not self.is_screen
        return files.progress_lines(file, before) if is_told else []

    def _note(self, batch: Sequence[events.Event], lines: Sequence[str], now: float) -> None:
        """Count what events and their lines change: who is typing, unread lines, people online,
        names for completion."""
        for event in batch:
            if isinstance(event, events.PersonTyping):
                self._typing[event.name] = now + TYPING_SHOWN_FOR
            elif isinstance(event, Said) and event.conversation.is_person:
                self._typing.pop(event.sender, None)
        if self._completions is None:
            return
        self._completions.is_operator = self.state.desk.is_operator
        for line in lines:
            if isinstance(line, MessageLine):
                muted = self.state.muted
                self._unread += line.where not in muted or calls(line, self.state.name, muted)
                self._completions.add_recent(line.sender)
        for event in batch:
            self._note_names(event, self._completions)
        counts = events.TableChanged | events.Registered | events.Renamed | events.ProgramChanged
        if any(isinstance(event, counts) for event in batch):
            self._count_people()

    @staticmethod
    def _note_names(event: events.Event, completions: CompletionIndex) -> None:
        match event:
            case events.Unacknowledged(conversation=what):
                completions.add_recent(what.name)
            case events.MessageChanged(
                conversation=what, state=MessageState.DELIVERED | MessageState.KEPT
            ) if what.is_person:
                completions.add_recent(what.name)
            case events.AnswersKnown(answers=ready):
                completions.set_answers(ready)
            case events.EnteredRoom(room=entered):
                completions.add_room(entered)
            case events.RoomsKnown(rooms=rooms):
                for known in rooms:
                    completions.add_room(known.name)
            case _:
                pass

    def _count_people(self) -> None:
        """Count the people online, and note their names for completion, if somebody wants to
        know."""
        if self._completions is not None:
            self._completions.set_people(somebody.name for somebody in self.people)
            self._online = sum(somebody.online for somebody in self.people)

    def seeks_names_by(self, seek: Callable[[str], None]) -> None:
        """Have `seek` called with the beginning of a name that is to be completed."""
        if self._completions is not None:
            self._completions.seek = seek

    def wants_names(self, begun: str, *, now: float) -> bool:
        """Return whether to look for the names that begin so: there are people of whom the registry
        does not tell us, and not all of these are known."""
        if self._names is None or self.state.knows_everybody:
            return False
        return self._names.wants(begun, now=now)

    def seek_names(self, begun: str, *, now: float) -> Steps:
        """Find the names that begin so."""
        if self._names is not None:
            yield from self._names.seek(begun, now=now)

    def _rooms_seen(self) -> Sequence[str]:
        """Return the rooms of which the registry has told us in this run."""
        return () if self._completions is None else self._completions.rooms()

    def _has_seen_room(self, name: str) -> bool:
        """Whether the registry has told us of a room of this name in this run."""
        return any(is_same_name(known, name) for known in self._rooms_seen())

    def _react(self, event: events.Event) -> None:
        """End the program on the events that say so."""
        match event:
            case events.Registered():
                self._has_started = True
            case events.NoServerAtStart(table_time=None):
                self._fail(event, self._offer(answers.offer_at_end(self.state.server)))
            case events.LeaveUnanswered() | events.ProgramEnded():
                self._fail(event)
            case events.NoServerAtStart():
                self._has_started = True
                self._show_here(self._offer(answers.OFFER))
            case events.ServerLost() | events.LinkTroubled(trouble=events.LinkTrouble.BLOCKED):
                self._show_here(self._offer(answers.OFFER))
            case events.NameUnavailable() | events.AdmissionRefused() | events.RegistryKeyChanged():
                if not self._has_started:
                    is_taken = isinstance(event, events.NameUnavailable)
                    self._fail(event, self._explain_taken() if is_taken else ())
            case _:
                pass

    def _fail(self, _: events.Event, more: Iterable[str] = ()) -> None:
        """End the program, as this event says. `more`: what else there is to say."""
        self._show_here(more)
        self.end(has_failed=True)

    def _offer(self, line: str) -> list[str]:
        """Return this line, which says how to find out why the server does not answer, where it is
        to be shown."""
        raise NotImplementedError

    def _show_here(self, lines: Iterable[str]) -> None:
        """Show lines that no conversation has."""
        raise NotImplementedError

    # --- what is typed

    def typing(self, draft: str) -> requests.TellTyping | None:
        """Return what tells the recipient of a message that it is being typed; None for what is no
        message to one person."""
        meaning = self._meaning_of(draft)
        if isinstance(meaning, Send) and meaning.conversation.kind is ConversationKind.PERSON:
            return requests.TellTyping(to=meaning.conversation.name)
        return None

    def _meaning_of(self, draft: str) -> Meaning:
        """Return what a line would mean that is not entered yet."""
        raise NotImplementedError

    def finish(self) -> Steps:
        """End the program, as no more lines come: what was said is settled first."""
        yield from self._ready()
        if (yield from self._may_continue()):
            yield Wait(until=Moment.SETTLED)
        if (yield from self._may_continue()):
            self.end()

    def unsent(self, lines: Sequence[str]) -> list[str]:
        """Quote the line that is being carried out and those that follow, which will not be."""
        return answers.not_sent_lines(
            [line for line in (self.current_line, *lines) if self._asks_for_something(line)]
        )

    def _asks_for_something(self, line: str) -> bool:
        """Return whether this line asks for anything besides leaving."""
        meaning = parser.parse(line, Context(me=PeerName(self.state.name), room=self.room))
        return not isinstance(meaning, meanings.Empty | requests.Leave | meanings.Quit)

    def _ready(self) -> Steps:
        with contextlib.suppress(NotLetIn):  # an event says the same, and may end the program
            yield Wait(until=Moment.READY)

    def _may_continue(self) -> Generator[Step, Any, bool]:
        """Return whether nothing that has happened ends the program. Before the peer is registered
        this is asked for each line: a peer that is refused must not carry out what was typed
        ahead."""
        if not self._has_started or self.state.is_offline:
            yield CatchUp()
        return not self.is_over

    def _context(self, *, serves: bool = False) -> Context:
        state = self.state
        return Context(
            me=PeerName(state.name),
            room=self.room,
            offline=state.is_offline,
            query=self.query,
            is_operator=state.desk.is_operator,
            serves=serves,
            on_duty=state.desk.is_on_duty,
        )

    def _answer_question(self, line: str) -> Meaning:
        """Return what the answer to the open question means."""
        assert self._dialogue is not None
        dialogue = self._dialogue
        meaning = dialogue.answer(line)
        self._ask(None if dialogue.is_over else dialogue)
        return meaning

    def _ask(self, dialogue: Dialogue | Confirmation | None) -> None:
        """Ask a question from now on, or none."""
        self._dialogue = dialogue
        self._changes.question = "" if dialogue is None else dialogue.question

    def _doubts(self, message: Send, line: str) -> bool:
        """Ask before a line is said that may not be meant so. Returns whether it is asked. In a
        pipe nobody is."""
        may_ask = self.is_screen and not self._was_asked
        question = self._question_about(message, line) if may_ask else None
        if question is not None:
            self._ask(Confirmation(message, question, otherwise=answers.NOTHING_SENT))
        return question is not None

    def _question_about(self, message: Send, line: str) -> str | None:
        """Return what to ask before a line is said in a room that would be a command outside of
        it."""
        where = message.conversation
        is_bare = where.kind is ConversationKind.ROOM and message.text == parser.whole(line)
        command = parser.command_meant(message.text) if is_bare else None
        return None if command is None else answers.saying_question(where.name, command)

    def _answer(self, lines: Iterable[str]) -> None:
        """Show the answer to the line that is being carried out."""
        raise NotImplementedError

    def _tell(self, event: events.Event) -> None:
        """Show the answer to a command that needs nobody else."""
        self._answer(map(AnswerLine, self._lines(event)))

    def _carry_out(self, meaning: Meaning, line: TypedLine) -> Steps:
        """Do what a line means. Events tell what comes of it."""
        match meaning:
            case meanings.Quit():
                yield from self._drain()
                self.end()
            case meanings.Empty():
                pass
            case Mistake(why):
                self._answer([why])
            case meanings.AskMessage():
                self._ask(Dialogue())
            case requests.ReleaseName() if not self._was_asked:
                me = self.state.name
                question, otherwise = answers.release_question(me), answers.name_kept(me)
                self._ask(Confirmation(meaning, question, otherwise=otherwise))
            case meanings.SayAnswer(word):
                yield from self._say_answer(word, line)
            case meanings.ShowHelp(command):
                lines = help_lines(command, is_operator=self.state.desk.is_operator)
                self._answer(map(AnswerLine, lines))
            case meanings.ShowMembers() | meanings.ShowPeople() | meanings.ShowTable():
                yield from self._show_people(meaning)
            case meanings.OpenRoom(wanted):
                self._open_entered(wanted)
            case _:
                yield from self._ask_peer(meaning, line)

    def _ask_peer(self, meaning: Meaning, line: TypedLine) -> Steps:
        """Do what a line means that is for the peer, or for the help desk."""
        match meaning:
            case meanings.SendToEach(several, text):
                self._answer([answers.one_to_each(several)])
                for to in several:
                    yield from self._send_beside(Send(conversation=person(to), text=text))
            case _ if isinstance(meaning, _AboutLine):
                yield from self._about_line(meaning, line)
            case (
                requests.OfferFile()
                | meanings.AcceptOffer()
                | meanings.ResumeFile()
                | meanings.PauseFile()
                | meanings.RefuseOffer()
                | meanings.CancelFile()
                | meanings.ExplainFile()
                | requests.ListFiles()
            ):
                yield from self._about_file(meaning)
            case requests.SendDeskFile() | requests.FetchDeskFile():
                yield from self._about_desk_file(meaning, line)
            case meanings.SetMute():
                yield from self._mute(meaning)
            case meanings.GoAway() | meanings.SayOfMe():
                yield from self._say_of_me(meaning)
            case _ if isinstance(meaning, _OfThePast):
                yield from self._look_back(meaning)
            case requests.Examine():
                from chatapp.peer.words.doctor import doctor_lines  # deferred: rarely needed

                self._answer(doctor_lines((yield meaning), self.state.server))
            case Request():
                yield from self._request(meaning)
            case _:
                assert isinstance(meaning, OperatorRequest)
                yield from self._ask_desk(meaning, line)

    def _open_entered(self, wanted: str) -> None:
        """Make a room where we are the current one."""
        entered = self.state.room(wanted)
        if entered is None:
            self._answer([answers.not_in_room(wanted)])
        else:
            self._go_to_room(entered.name)

    def _go_to_room(self, room: str) -> None:
        """Show a room where we are, the current one from now on."""
        raise NotImplementedError

    def _request(self, request: Request[Any]) -> Steps:
        """Ask the peer for something, and show the answer if it is one."""
        if isinstance(request, requests.EnterRoom):
            self._joining = request.room
        if isinstance(request, requests.Leave | requests.ReleaseName):
            yield from self._drain()
        answer = yield request
        if (moment := _SETTLES.get(type(request))) is not None:
            yield Wait(until=moment)
        elif isinstance(request, requests.ComeBack):
            yield from self._ready()
        elif answer is not None:
            self._tell(answer)

    def _ask_desk(self, request: OperatorRequest, line: TypedLine) -> Steps:
        # An end of the session must not overtake a line for the visitor.
        yield Wait(until=Moment.DESK_SAID)
        asks_first = self.is_screen and isinstance(request, CallNext)
        yield requests.AskDesk(request=request, entered_at=line.at, asks_first=asks_first)
        yield Wait(until=Moment.DESK_ANSWERED)  # the next line may depend on the answer

    def _show_people(
        self, meaning: meanings.ShowMembers | meanings.ShowPeople | meanings.ShowTable
    ) -> Steps:
        match meaning:
            case meanings.ShowMembers(room):
                entered = self.state.room(room)
                self._tell(
                    events.NotInRoom(room=room)
                    if entered is None
                    else events.MembersListed(room=entered.name, members=entered.members)
                )
            case meanings.ShowPeople(first="", is_whole=is_whole):
                people = yield requests.ListPeople()
                talked: tuple[str, ...] = ()
                if not is_whole and sum(not somebody.online for somebody in people) > AWAY_SHOWN:
                    talked = yield from self._talked_with()
                others = yield from self._others_than(people)
                self._tell(
                    events.PeopleListed(
                        people=people, is_whole=is_whole, talked=talked, others=others
                    )
                )
            case meanings.ShowPeople(first=first):
                yield from self._find_people(first)
            case meanings.ShowTable():
                people = yield requests.ListPeople(needs_addresses=True)
                self._answer(table_lines(people))
                if others := (yield from self._others_than(people)):
                    self._answer([AnswerLine(others_line(others))])

    @staticmethod
    def _others_than(people: Sequence[events.Person]) -> Generator[Step, Any, int]:
        """Return how many people are online besides these."""
        online: int = yield requests.CountOnline()
        return max(0, online - sum(one.online for one in people))

    def _find_people(self, first: str) -> Steps:
        try:
            found = yield requests.FindPeople(first=first)
        except NotAnswered as error:
            self._answer([AnswerLine(nobody_found(error.reason))])
            return
        self._tell(
            events.PeopleListed(people=found.people, is_whole=True, first=first, more=found.more)
        )

    def _talked_with(self) -> Generator[Step, Any, tuple[str, ...]]:
        """Return the names of the people with whom the user has talked."""
        try:
            states = yield from self._conversations()
        except ChatAppError:  # the history cannot be read
            return ()
        talks = [state.conversation for state in states]
        return tuple(what.name for what in talks if what.is_person and not what.is_claimed)

    @staticmethod
    def _mark_read(conversation: Conversation, id_: int) -> Steps:
        with contextlib.suppress(ChatAppError):  # then it counts as unread in other faces
            yield requests.MarkRead(conversation=conversation, id=id_)

    def _say_answer(self, word: str, line: TypedLine) -> Steps:
        """Say a ready answer to the visitor, and show which text that is."""
        desk = self.state.desk
        text = ready_answer(word, desk.answers)
        if text is None:
            self._answer([AnswerLine(no_answer(word, desk.answers))])
            return
        if desk.client is not None:
            self._answer([AnswerLine(answer_said(word, text))])
        yield from self._say_at_desk(text, line)

    def _say_at_desk(self, text: str, line: TypedLine) -> Steps:
        """Say a line to the visitor."""
        yield from self._say_to_client(text, line, is_maybe=False)

    def _drain(self) -> Steps:
        """Wait a moment for the fate of what was said last, so that it can be shown. What takes
        longer goes on later."""
        yield Briefly(Wait(until=Moment.SETTLED), FAREWELL_WITHIN)

    def _draw_key(self) -> Generator[Step, Any, int | None]:
        """Return the key of what the line sends next; None if that was sent already."""
        key, line = self._next_key, self.current_line
        if key:
            self._next_key = key + 1
            if isinstance(line, TypedLine) and line.is_again:
                with contextlib.suppress(HistoryUnreadable):  # then nobody knows
                    return None if (yield requests.FindSent(key=key)) is not None else key
        return key

    def _send(self, message: Send) -> Generator[Step, Any, Sent | None]:
        """Send a message; None if it is too long, which is said."""
        if self.state.away is not None:
            yield from self._come_back()
        try:
            sent: Sent = yield message
        except TextTooLong as error:
            self._tell_too_long(message.conversation, error)
            return None
        except ChangeRefused as error:
            self._answer([changes.refused(error.reason)])
            return None
        if message.conversation.is_person:
            self._note_away(message.conversation)
        return sent

    def _send_beside(self, message: Send) -> Steps:
        """Send one of several messages for which a line stands."""
        raise NotImplementedError

    def _say_to_client(
        self, text: str, line: TypedLine, *, is_maybe: bool
    ) -> Generator[Step, Any, int | None]:
        """Say something to the visitor whom the user serves. `is_maybe`: as in `SayAtDesk`. Returns
        the id by which events name the line; None if it is too long, which is said."""
        number = self._draw_line()
        try:
            yield requests.SayAtDesk(text=text, line=number, entered_at=line.at, is_maybe=is_maybe)
        except TextTooLong as error:
            visitor = Conversation(ConversationKind.DESK, self.state.desk.client or "")
            self._tell_too_long(visitor, error)
            return None
        return number

    def _tell_too_long(self, conversation: Conversation, error: TextTooLong) -> None:
        self._tell(events.TooLong(conversation=conversation, size=error.size, limit=error.limit))

    # --- about a line

    def _here(self) -> Conversation | None:
        """Return the conversation in which the user talks."""
        raise NotImplementedError

    def _say(self, message: Send, line: TypedLine) -> Steps:
        """Send a message, and show what becomes of it."""
        raise NotImplementedError

    def _placed(self, meaning: Meaning) -> Meaning:
        """Return what a line means that is for the conversation where the user is."""
        if not isinstance(meaning, meanings.SayHere):
            return meaning
        where = self._here()
        if where is None or where in (NOBODY, DESK):
            return Mistake(answers.NOBODY_NAMED)
        return Send(conversation=where, text=meaning.text)

    def _show_change(self, before: Said, request: changes.Change, sent: int) -> Steps:
        """Show what the user has done to a line. `sent`: the id of the change."""
        raise NotImplementedError

    def _about_line(
        self,
        meaning: _AboutLine,
        typed: TypedLine,
    ) -> Steps:
        """Answer a line of the conversation, change it, take it back or put an emoji to it."""
        if isinstance(meaning, meanings.ChangeLine) and (yield from self._is_at_desk(typed)):
            yield from self._change_at_desk(meaning)
            return
        counts = _COUNTED[type(meaning)]
        is_cancel = isinstance(meaning, meanings.CancelLine)
        line = yield from self._line_meant(meaning.which, counts, is_anywhere=is_cancel)
        if line is None and is_cancel:
            under_way = [one for one in (yield requests.ListFiles()) if one.state in UNDER_WAY]
            self._answer([changes.NOTHING_WAITS, *files.cancel_hints(under_way)])
            return
        if line is None:
            self._answer([changes.NO_SUCH_LINE])
            return
        where = line.conversation
        request: changes.Change
        match meaning:
            case meanings.ReplyTo(text=text):
                yield from self._say(Send(conversation=where, text=text, reply_to=line.id), typed)
                return
            case meanings.CancelLine():
                request = requests.Cancel(id=line.id)
            case meanings.ChangeLine(text=None):
                request = requests.Retract(id=line.id)
            case meanings.ChangeLine(text=str(text)):
                request = requests.Edit(id=line.id, text=text)
            case meanings.ReactTo(emoji=emoji):
                has = any(one.emoji == emoji and one.is_ours for one in line.reactions)
                request = requests.React(id=line.id, emoji=emoji, is_on=not has)
        sent = yield from self._send_change(where, request)
        is_cancelled = (
            isinstance(request, requests.Cancel) and sent is not None and sent.id == line.id
        )
        if sent is not None and not is_cancelled:  # of which an event tells
            yield from self._show_change(line, request, sent.id)

    def _is_at_desk(self, typed: TypedLine) -> Generator[Step, Any, bool]:
        """Return whether a line was typed where the user talks with a visitor."""
        raise NotImplementedError

    def _show_desk_change(self, before: Said, request: changes.Change, sent: int) -> None:
        """Show what the user does to a line to the visitor. `sent`: the id of the change."""
        raise NotImplementedError

    def _change_at_desk(self, meaning: meanings.ChangeLine) -> Steps:
        """Change a line to the visitor, or take it back."""
        talk = (yield requests.ReadTalk()).talk
        lines = [line for line in (talk.lines if talk else ()) if line.is_ours]
        lines = [line for line in lines if not line.is_retracted]
        if meaning.which.nth > len(lines):
            self._answer([changes.NO_SUCH_LINE])
            return
        before, text, number = lines[-meaning.which.nth], meaning.text, self._draw_line()
        try:
            yield requests.ChangeAtDesk(id=before.id, text=text, line=number)
        except ChangeRefused as error:
            self._answer([changes.refused(error.reason)])
        except TextTooLong as error:
            self._tell_too_long(before.conversation, error)
        else:
            request = (
                requests.Retract(id=before.id)
                if text is None
                else requests.Edit(id=before.id, text=text)
            )
            self._show_desk_change(before, request, number)

    def _send_change(
        self, where: Conversation, request: changes.Change
    ) -> Generator[Step, Any, Sent | None]:
        """Send a change of a line; None if it was not begun, and it is said why."""
        try:
            if (key := (yield from self._draw_key())) is None:
                return None
            sent: Sent = yield msgspec.structs.replace(request, key=key)
        except ChangeRefused as error:
            self._answer([changes.refused(error.reason)])
        except TextTooLong as error:
            self._tell_too_long(where, error)
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])
        else:
            return sent if sent.id else None
        return None

    def _line_meant(
        self, which: meanings.WhichLine, counts: Callable[[Said], bool], *, is_anywhere: bool
    ) -> Generator[Step, Any, Said | None]:
        """Return the line that is meant. `counts`: tells which lines are counted, of the
        conversation where the user is or, if `is_anywhere`, of all."""
        where = self._here()
        try:
            if which.id is not None:
                page = yield requests.ReadAround(id=which.id, limit=1)
                return next((line for line in page.lines if line.id == which.id), None)
            if where is None and not is_anywhere:
                return None
            where = None if is_anywhere else where
            page = yield requests.ReadPage(conversation=where, limit=LINES_COUNTED)
        except HistoryUnreadable:
            return None
        lines = [line for line in page.lines if counts(line) and not line.is_retracted]
        return lines[-which.nth] if which.nth <= len(lines) else None

    # --- files

    def _about_file(
        self, meaning: requests.OfferFile | requests.ListFiles | meanings.ExplainFile | _OfAFile
    ) -> Steps:
        """Offer a file, do something about one, or list all."""
        try:
            match meaning:
                case requests.ListFiles():
                    self._answer(map(AnswerLine, files.listed((yield meaning))))
                case requests.OfferFile():
                    yield from self._offer_file(meaning)
                case meanings.ExplainFile(number):
                    yield from self._explain_file(number)
                case _:
                    wanted = yield from self._file_meant(meaning)
                    if wanted is not None:
                        yield from self._change_file(meaning, wanted.id)
        except FileRefused as refused:
            self._answer([files.not_done(refused)])
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])

    def _about_desk_file(
        self, meaning: requests.SendDeskFile | requests.FetchDeskFile, line: TypedLine
    ) -> Steps:
        """Send a file to the visitor, or fetch one of the visit."""
        try:
            if isinstance(meaning, requests.FetchDeskFile):
                self._answer([AnswerLine(files.here_from_desk((yield meaning).path))])
                return
            line_id = self._draw_line()
            sent = msgspec.structs.replace(meaning, line=line_id, entered_at=line.at)
            said: events.Said = yield sent
            self._show_sent(said)
        except FileRefused as refused:
            self._answer([files.not_done(refused)])
        except DeskFileRefused as refused:
            self._answer([files.refused_at_desk(refused)])

    def _show_sent(self, line: events.Said) -> None:
        """Show a file that the user has sent to the visitor."""
        if line.file is not None:
            self._answer([files.sent_at_desk(line.text, line.file.size)])

    def _explain_file(self, number: int | None) -> Steps:
        """Show which way a file goes, the last one if none is named."""
        known = [one for one in (yield requests.ListFiles()) if number in (None, one.number)]
        yield from self._show_past(requests.ExplainDelivery(id=known[-1].id if known else 0))

    def _offer_file(self, request: requests.OfferFile) -> Generator[Step, Any, Sent]:
        """Offer a file, and show it."""
        sent: Sent = yield request
        offered = [file for file in (yield requests.ListFiles()) if file.id == sent.id]
        for file in offered if sent.id else ():
            self._show_offered(file)
        return sent

    def _change_file(self, meaning: _OfAFile, id_: int) -> Steps:
        """Fetch a file, pause it, refuse it, or give it up."""
        match meaning:
            case meanings.AcceptOffer() | meanings.ResumeFile():
                path = meaning.path if isinstance(meaning, meanings.AcceptOffer) else ""
                file = yield requests.AcceptFile(id=id_, path=path)
                self._answer([files.accepted_line(file, is_away=not self._is_online(file.sender))])
            case meanings.PauseFile():
                self._answer([files.paused_line((yield requests.PauseFile(id=id_)))])
            case meanings.RefuseOffer():
                self._answer([files.refused_line((yield requests.RefuseFile(id=id_)))])
            case meanings.CancelFile():
                self._answer([files.cancelled_line((yield requests.CancelFile(id=id_)))])

    def _show_offered(self, file: FileTransfer) -> None:
        """Show a file that the user offers."""
        self._answer([files.offered_line(file)])

    def _is_online(self, name: str) -> bool:
        return any(one.online and is_same_name(one.name, name) for one in self.people)

    def _file_meant(self, meaning: _OfAFile) -> Generator[Step, Any, FileTransfer | None]:
        """Return the file that is meant; None if that is not clear, which is said."""
        action = _ACTIONS[type(meaning)]
        every = [
            file
            for file in (yield requests.ListFiles())
            if action is FileAction.CANCEL or not file.is_ours
        ]
        if meaning.number is not None:
            meant = [file for file in every if file.number == meaning.number]
        else:
            meant = [file for file in every if is_for(action, file)]
        if len(meant) == 1:
            return meant[0]  # type: ignore[no-any-return]
        no_file = [files.NO_SUCH_FILE[action.command]]
        self._answer(files.which_one(meant, action.command) if meant else no_file)
        return None

    def _say_of_me(self, meaning: meanings.GoAway | meanings.SayOfMe) -> Steps:
        """Say in the user's row that they are away, that they are back, or anything else."""
        before = self.state.away
        match meaning:
            case meanings.GoAway(why=why):
                away = None if before is not None and not why else why
                request = requests.SetStatus(away=away)
            case meanings.SayOfMe(text=text):
                away, request = before, requests.SetStatus(status=text, away=before)
        answer = yield request
        self.state = msgspec.structs.replace(self.state, away=away)
        if isinstance(meaning, meanings.GoAway) and away is None:
            self._answer([answers.BACK])
        else:
            self._tell(answer)

    def _come_back(self) -> Steps:
        """The user says something, so they are not away any more."""
        yield requests.SetStatus()
        self.state = msgspec.structs.replace(self.state, away=None)
        self._show_here([answers.BACK])

    def _note_away(self, to: Conversation) -> None:
        """Tell the user, once, that the person to whom they write is away."""
        who = next((one for one in self.people if to == person(one.name)), None)
        if who is not None and who.away != self._told_away.get(who.name):
            self._told_away[who.name] = who.away
            if who.away is not None:
                self._show_here([away_line(who)])

    def _mute(self, meaning: meanings.SetMute) -> Steps:
        """Have a conversation ring no more, or again."""
        try:
            what = self._here() if meaning.of is None else (yield from self._called(meaning.of))
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])
            return
        if what is not None and what not in (NOBODY, DESK):
            self._tell((yield requests.Mute(conversation=what, seconds=meaning.seconds)))
        elif meaning.of is None:
            self._answer([answers.muted_line(self.state.muted)])
        else:
            self._answer([history.no_conversation(meaning.of)])

    # --- the past

    def _look_back(self, meaning: _OfThePast) -> Steps:
        """Show what the history has."""
        if isinstance(meaning, meanings.ShowPast | meanings.FindPast):
            yield from self._show_past_of(meaning)
        else:
            yield from self._show_past(meaning)

    def _show_past(
        self, request: requests.ExplainDelivery | requests.ReadPage | requests.SearchPast
    ) -> Steps:
        try:
            found = yield request
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])
            return
        if isinstance(request, requests.ExplainDelivery):
            self._answer(history.trace_lines(found, self.state.name))
        else:
            is_search = isinstance(request, requests.SearchPast)
            nothing = history.NOTHING_FOUND if is_search else history.NOTHING_YET
            self._answer(history.history_lines(found.lines, self.state.name) or [nothing])

    def _show_past_of(self, meaning: meanings.ShowPast | meanings.FindPast) -> Steps:
        """Show the past of one conversation, or what was found in it."""
        named = meaning.of if isinstance(meaning, meanings.ShowPast) else meaning.within
        try:
            where = yield from self._called(named)
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])
            return
        match meaning:
            case meanings.FindPast(words, _, typed):
                words = typed if where is None else words
                yield from self._show_past(requests.SearchPast(words=words, conversation=where))
            case meanings.ShowPast() if where is None:
                self._answer([history.no_conversation(named)])
            case meanings.ShowPast(limit=limit):
                yield from self._show_past(requests.ReadPage(conversation=where, limit=limit))

    def _called(self, named: str) -> Generator[Step, Any, Conversation | None]:
        """Return the conversation that has this name: with a person, who may be gone, or in a room;
        None if there is none."""
        if named.lower() == str(EVERYBODY):
            return EVERYBODY
        bare = named.removeprefix(ROOM_SIGN)
        talks = [state.conversation for state in (yield from self._conversations())]
        people = [person(somebody.name) for somebody in self.people]
        entered = [known.name for known in self.state.rooms]
        rooms = [room(known) for known in (*entered, *self._rooms_seen())]
        likely = sorted([*people, *talks, *rooms], key=lambda what: (what.is_room, what.is_claimed))
        return next(
            (
                what
                for what in likely
                if (what.is_room or (what.is_person and bare == named))
                and is_same_name(what.name, bare)
            ),
            None,
        )

    @staticmethod
    def _conversations() -> Generator[Step, Any, Sequence[ConversationState]]:
        page = yield requests.ListConversations()
        return page.conversations  # type: ignore[no-any-return]

    def _latest(
        self, where: Conversation | None, limit: int
    ) -> Generator[Step, Any, Sequence[Said]]:
        """Return the last lines of the past, as far as they have been shown before."""
        try:
            found = yield requests.ReadPage(conversation=where, limit=limit, only_shown=True)
        except HistoryUnreadable as error:
            self._answer([AnswerLine(history.history_unreadable(error))])
            return ()
        return found.lines  # type: ignore[no-any-return]
