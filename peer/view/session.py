"""The session behind the full screen: what happens goes into conversations, and what is typed is
carried out.

It knows the SDK and no widget. `SessionView` is what it needs of the screen.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import (
    DESK,
    EVERYBODY,
    Conversation,
    ConversationKind,
    person,
    room,
)
from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.state import PeerState
from chatapp.peer.commands import parser
from chatapp.peer.commands.arguments import SIGNS
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.commands.intents import (
    AskMessage,
    Context,
    Empty,
    GiveUpName,
    GoOffline,
    Intent,
    JoinRoom,
    Mistake,
    OpenQuery,
    Quit,
    SayAnswer,
    SayInRoom,
    SayToClient,
    SendAll,
    SendDirect,
    ShowRooms,
    ShowTable,
)
from chatapp.peer.commands.parser import Confirmation, Dialogue
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.view.actions import Actions
from chatapp.peer.view.folding import Folding
from chatapp.peer.view.logbook import EntryKind, LogEntry
from chatapp.peer.view.panes import ListRow, Pane, PaneList, said_entry
from chatapp.peer.view.pastreader import PastReader
from chatapp.peer.view.routing import Spot, kind_of, place_of
from chatapp.peer.view.running import DONE, FAILED, Running
from chatapp.peer.view.signs import Signs
from chatapp.peer.view.status import LINE_MAX, TYPING_SHOWN_FOR, SessionState
from chatapp.peer.view.underway import mark_of
from chatapp.peer.words import full as words
from chatapp.peer.words import history
from chatapp.peer.words.answers import (
    LINE_TOO_LONG,
    NOTHING_SENT,
    name_kept,
    nobody_and_no_room,
    not_sent_lines,
    offer_at_end,
    release_question,
    saying_question,
)
from chatapp.peer.words.desk import answer_said, no_answer, ready_answer
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import CallingLine, TypedLine, View
from chatapp.wire.desk.values import ListedVisitor
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.messages.desk import DropVisitor, MoveVisitor, ShowFigures, ShowRoom
from chatapp.wire.names import PeerName, is_same_name, peer_name
from chatapp.wire.text import sanitize

if TYPE_CHECKING:
    from chatapp.peer.sdk.anypeer import AnyPeer

LOOKS_EVERY: Final = 0.25
"""Seconds until the status line is drawn anew while a message is under way."""
EARLY_MAX: Final = 256
"""Outcomes of messages that are remembered until the message has its id."""


class SessionView(Protocol):
    """What a session needs of the screen."""

    @property
    def is_looked_at(self) -> bool:
        """Whether the user has the terminal in front of them, and sees the log."""

    @property
    def is_typed_in(self) -> bool:
        """Whether the user is typing something."""

    def log_changed(self, pane: Pane) -> None:
        """Draw the log of this conversation anew, if it is open. It follows its end if that was in
        view."""

    def log_grew_above(self, pane: Pane, rows: int) -> None:
        """The log got so many rows above those that were there."""

    def list_changed(self) -> None:
        """Draw the list, the title and the status line anew."""

    def opened(self, pane: Pane) -> None:
        """Show this conversation from now on."""

    def asked(self, question: str) -> None:
        """Ask this instead of taking a line; empty: take lines again."""

    def called(self, by: str, text: str) -> None:
        """Draw attention: somebody calls the user."""

    def took(self, batch: Sequence[events.Event]) -> None:
        """Show what happened where more than the logs show it."""

    def table_wanted(self) -> None:
        """Show the table of people."""

    @property
    def listed(self) -> Sequence[ListedVisitor]:
        """Who waits at the help desk, as the screen shows it; nobody if it does not."""


class EnteredLine(NamedTuple):
    """A line that waits to be carried out."""

    pane: Pane
    """Where it was typed."""
    line: TypedLine
    entry: LogEntry | None = None
    """Its entry in the log, if it is a message."""
    is_key: bool = False
    """Whether a key stands for it, so that it answers no question."""


class FullSession:
    """One user at the full screen."""

    def __init__(
        self,
        peer: "AnyPeer",
        signs: Signs,
        *,
        running: Running,
        note: Callable[[Sequence[events.Event]], None] = lambda events: None,
        explain_taken: Callable[[], Iterable[str]] = tuple,
        has_started: bool = False,
    ) -> None:
        """The callbacks and `has_started` are those of `LineFace`."""
        self.peer: Final = peer
        self.panes: Final = PaneList(signs)
        self.completions: Final = CompletionIndex()
        self.running: Final = running
        self.last_words: Final[list[str]] = []
        """Lines to show below the screen when it is gone."""
        self._view: SessionView | None = None
        self._state: Final = SessionState(peer, self.completions, Folding())
        self._past: Final = PastReader(
            peer, settle=self._settle_early, tell_unreadable=self._tell_unreadable
        )
        self._note = note
        self._explain_taken = explain_taken
        self._has_started = has_started
        self._open: Pane = self.panes.pane(EVERYBODY)
        self._has_chosen = False
        """Whether the user has chosen the conversation that is open."""
        self._typed_in: Pane = self._open
        """Where the line was typed that is being carried out, or was last."""
        self._actions: Final = Actions(peer, self._answer, self._tell, is_screen=True)
        self._dialogue: Dialogue | Confirmation | None = None
        self._was_asked = False
        self._lines: asyncio.Queue[EnteredLine] = asyncio.Queue()
        self._current_line = ""
        self._early: dict[int, events.MessageChanged] = {}
        """Outcomes of messages that have no id here yet."""
        self._watch: asyncio.TimerHandle | None = None
        self._topic = ""
        self._desk_questions = 0
        """How often the user has asked who waits, or for the figures of the desk, and has not read
        the answer."""
        self._room_questions = 0
        """The same for the rooms that there are."""
        self._desk_lines: Final[dict[int, LogEntry]] = {}
        """Our lines to the visitor that the registry has neither taken nor refused, by the id that
        events name."""
        self._is_looking_at_desk = False
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    # --- what the screen shows

    def attach(self, view: SessionView) -> None:
        """Show everything on this screen from now on."""
        self._view = view

    @property
    def open_pane(self) -> Pane:
        """The conversation that is open."""
        return self._open

    def rows(self) -> list[ListRow]:
        """Return the rows of the list."""
        peer = self.peer
        return self.panes.rows(
            peer.people(),
            me=peer.name,
            opened=self._open.conversation,
            room=peer.room,
            is_at_desk=peer.desk.is_on_duty or peer.desk.client is not None,
            waiting=peer.desk.waiting,
        )

    def view(self) -> View:
        """Return what the status line shows."""
        tried, most = self.peer.sending_try if self.peer.is_sending else (0, 0)
        return replace(self._state.view(), unread=0, sending_try=tried, tries=most)

    def about_open(self) -> str:
        """Return what stands behind the title of the open conversation."""
        peer, what = self.peer, self._open.conversation
        match what.kind:
            case ConversationKind.ROOM if self.is_in(what):
                return words.room_about(peer.members(), self._topic)
            case ConversationKind.ROOM:
                return words.room_elsewhere(what.name, peer.room)
            case ConversationKind.EVERYBODY:
                return words.everybody_about(peer.people())
            case ConversationKind.PERSON:
                who = next(
                    (one for one in peer.people() if is_same_name(one.name, what.name)), None
                )
                return words.person_about(None if what.is_claimed else who, now=time.time())
            case ConversationKind.DESK:
                desk = peer.desk
                return words.desk_about(desk.client, desk.waiting, is_on_duty=desk.is_on_duty)

    def is_in(self, conversation: Conversation) -> bool:
        """Whether this is the room where the user is."""
        current = self.peer.room
        return (
            conversation.kind is ConversationKind.ROOM
            and current is not None
            and is_same_name(current, conversation.name)
        )

    # --- conversations

    def choose(self, conversation: Conversation) -> None:
        """Open a conversation, as the user wishes."""
        self._has_chosen = True
        self._show_pane(self.panes.pane(conversation))

    def _show_pane(self, pane: Pane) -> None:
        if pane is not self._open:
            self._open.book.mark_unread(None)
            self._open.book.select(None)
        self._open = pane
        self._place_rule(pane)
        if self._view is not None:
            self._view.opened(pane)
            self._view.list_changed()

    @staticmethod
    def _place_rule(pane: Pane) -> None:
        """Draw a rule before the first line that is new to the user."""
        if pane.is_hot:
            new = (one for one in pane.book.entries if one.id > pane.read and not one.is_mine)
            pane.book.mark_unread(next(new, None))

    async def load(self, pane: Pane) -> None:
        """Read the newest part of a conversation's past, the first time it is open."""
        if await self._past.load(pane):
            if pane is self._open:
                self._place_rule(pane)
            self._log_changed(pane)
            self._fetch_missing()

    async def load_older(self, pane: Pane) -> None:
        """Read one more page of a conversation's past."""
        grown = await self._past.load_older(pane)
        if grown and self._view is not None:
            self._view.log_grew_above(pane, grown)
        self._fetch_missing()

    async def fill_gap(self, pane: Pane, gap: LogEntry, *, is_above: bool) -> None:
        """Read lines that are left out before this entry. `is_above`: they belong above the rows in
        view."""
        grown = await self._past.fill(pane, gap, is_upwards=is_above)
        if grown and is_above and self._view is not None:
            self._view.log_grew_above(pane, grown)
        else:
            self._log_changed(pane)
        self._fetch_missing()

    def _tell_unreadable(self, pane: Pane, error: sqlite3.Error) -> None:
        self._show_in(pane, [history.history_unreadable(error)], EntryKind.ALERT)

    async def jump(self, conversation: Conversation, id_: int) -> LogEntry | None:
        """Open a conversation at the line with this id. Return its entry; None if there is no such
        line."""
        pane = self.panes.pane(conversation)
        await self.load(pane)
        entry = await self._past.jump(pane, id_)
        if entry is not None:
            self.choose(pane.conversation)
        self._fetch_missing()
        return entry

    def painted(self, pane: Pane, last: LogEntry | None, *, is_focused: bool) -> None:
        """Note that the lines of a conversation were painted up to this entry; None: there was
        nothing to paint."""
        book = pane.book
        place = -1 if last is None else book.place_of(last)
        if place is None:
            return
        is_end = place == len(book) - 1
        seen = [event for event, entry in pane.unshown if _is_up_to(book.place_of(entry), place)]
        if seen:
            pane.unshown = [
                one for one in pane.unshown if not _is_up_to(book.place_of(one[1]), place)
            ]
            self.peer.events_shown(seen)
        newest = book.newest_id if is_end else book.id_at(place)
        if is_focused and (newest > pane.read or (is_end and pane.unread)):
            pane.note_read(newest)
            if is_end:
                pane.unread, pane.calls = 0, False
            if pane.conversation != DESK:
                self._begin(self._mark_read(pane.conversation, newest))
            self._list_changed()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _mark_read(self, conversation: Conversation, id_: int) -> None:
        with contextlib.suppress(
            ChatAppError, sqlite3.Error
        ):  # then it counts as unread in other faces
            await self.peer.past.mark_read(conversation, id_)

    # --- what happens

    async def _begin_list(self) -> None:
        try:
            states = await self.peer.past.conversations()
        except ChatAppError:  # the program that runs the peer has ended, as an event tells
            states = []
        except sqlite3.Error as error:
            self._tell_unreadable(self._open, error)
            states = []
        self.panes.take(state for state in states if state.conversation != DESK)
        if self._has_started:
            self._state.count_people()
        if self._has_chosen:
            self._place_rule(self._open)
            self._log_changed(self._open)
        else:
            self._show_pane(self._first())
        self._list_changed()

    def _first(self) -> Pane:
        """Return the conversation that is open at the start: the room where we are, else that of
        the newest line."""
        current = self.peer.room
        if current is not None:
            return self.panes.pane(room(current))
        return max(self.panes.all(), key=lambda pane: pane.talked_at)

    async def show_events(self) -> None:
        """Learn which conversations there are, then show what happens, until the peer is closed."""
        await self._begin_list()
        while batch := await self.peer.next_events():
            self._take(batch)

    def take_left(self) -> None:
        """Handle what has happened and was not taken yet."""
        self._take(self.peer.take_events())

    def _take(self, batch: Sequence[events.Event]) -> None:
        self._note(batch)  # before it is shown, as in `LineFace`
        lines = [line for event in batch for line in self._take_event(event)]
        self._state.take(batch, lines)
        for event in batch:
            self._handle(event)
        if self._view is not None:
            self._view.took(batch)
        self._look_at_desk_lines()
        self._list_changed()

    def _take_event(self, event: events.Event) -> list[str]:
        """Put an event where it belongs. Returns its lines, in the words of the line face."""
        match event:
            case events.DirectReceived() | events.ChannelReceived() | events.RoomReceived():
                self._said(event)
                return lines_of(event)
            case events.MailReturned(lines=several):
                for line in several:
                    self._said(line)
                return lines_of(event)
            case events.ClientSaid():
                self._said_at_desk(event)
                return lines_of(event)
            case events.MessageChanged():
                self._settled(event)
            case events.ConversationRead(conversation=what, id=id_):
                if (pane := self.panes.known(what)) is not None and id_ > pane.read:
                    pane.note_read(id_)
            case events.Renamed(old=old, new=new, is_me=False):
                self.panes.rename(old, new)
            case events.WaitingRoom() | events.Figures():
                if event.is_quiet or not self._desk_questions:
                    return []  # the desk pane or another program has asked, and shows it
                self._desk_questions -= 1
            case events.RoomsKnown() | events.RoomsUnknown():
                if not self._room_questions:
                    return []  # an overlay has asked, and shows them
                self._room_questions -= (
                    isinstance(event, events.RoomsKnown) or self.peer.room is None
                )
            case events.TopicKnown(text=text):
                self._topic = text
            case events.EnteredRoom(topic=topic):
                self._topic = topic
            case _:
                pass
        self._notice(event)
        return []

    def _said(self, line: events.Line) -> None:
        """Show a line that somebody said."""
        pane = self.panes.pane(line.conversation)
        at = line.at if line.late is None else line.late
        entry = pane.book.by_id(line.id)
        if entry is not None:
            pane.unshown.append((line, entry))
        else:
            is_direct = isinstance(line, events.DirectReceived)
            entry = said_entry(
                sender=line.sender,
                text=line.text,
                at=at,
                me=self.peer.name,
                id_=line.id,
                calls=is_direct,
                doubt=line.doubt if isinstance(line, events.DirectReceived) else None,
            )
            entry.calls, calls = entry.calls and not is_direct, entry.calls
            pane.note_line(line.id, at, is_mine=False, calls=calls)
            pane.book.append([entry])
            pane.unshown.append((line, entry))
            is_watched = pane is self._open and self._view is not None and self._view.is_looked_at
            if (line.late is not None or not is_watched) and pane.book.unread is None:
                pane.book.mark_unread(entry)
            self._log_changed(pane)
            if calls:
                self._call(entry.sender, line.text)

    def _said_at_desk(self, event: events.ClientSaid) -> None:
        pane = self.panes.pane(DESK)
        entry = said_entry(sender=event.sender, text=event.text, at=time.time(), me=self.peer.name)
        pane.unshown.append((event, entry))
        pane.note_line(0, entry.at, is_mine=False, calls=True)
        pane.book.append([entry])
        self._log_changed(pane)

    def _settled(self, event: events.MessageChanged) -> None:
        """Show at a message of ours what became of it."""
        if not event.id:
            return  # the receipt says the same
        pane = self.panes.pane(event.conversation)
        entry = pane.book.by_id(event.id)
        if entry is None:
            self._early[event.id] = event
            if len(self._early) > EARLY_MAX:
                self._early.pop(next(iter(self._early)))
            pane.note_missing(event.id)
            self._fetch_missing()
            return
        self._change(pane, entry, event)

    def _settle_early(self, pane: Pane, entry: LogEntry) -> None:
        """Give a message that has just got its id the outcome that came before."""
        event = self._early.pop(entry.id, None)
        if event is not None:
            self._change(pane, entry, event)

    def _change(self, pane: Pane, entry: LogEntry, event: events.MessageChanged) -> None:
        mark = mark_of(event.state, is_direct=bool(event.to) and not event.room)
        is_told = event.state in (MessageState.KEPT, MessageState.REFUSED, MessageState.EXPIRED)
        note = (
            " ".join(map(words.unbracketed, lines_of(event, in_reach=self.peer.in_reach)))
            if is_told
            else ""
        )
        pane.book.change(entry, mark=mark, note=note)
        self._log_changed(pane)

    def _fetch_missing(self) -> None:
        """Read the lines that other programs of the user have sent. Nothing is read while a line is
        being carried out: it may be a message that is about to get its id."""
        if not self._is_saying:
            for pane in self.panes.all():
                if pane.missing and pane.is_loaded and not pane.is_loading:
                    self._begin(self._fetch(pane))

    async def _fetch(self, pane: Pane) -> None:
        if await self._past.load_missing(pane, is_busy=lambda: self._is_saying):
            self._log_changed(pane)
        self._fetch_missing()  # what was sent meanwhile

    @property
    def _is_saying(self) -> bool:
        """Whether there are typed lines that are not carried out."""
        return bool(self._current_line) or not self._lines.empty()

    def _notice(self, event: events.Event) -> None:
        """Show an event that is no message in the conversations where it belongs."""
        place = place_of(event)
        if place is Spot.NOWHERE:
            return
        lines = words.rule_lines(event) or self._state.lines(event)
        kind = kind_of(event)
        if isinstance(event, events.PersonCame):
            lines = [words.came(event.name)] if not event.is_quiet else []
        if not lines:
            return
        if place is Spot.EVERYWHERE:
            panes = [pane for pane in self.panes.all() if pane.is_loaded or pane is self._open]
        elif place is Spot.TYPED:
            panes = [self._typed_in]
        else:
            assert isinstance(place, Conversation)
            panes = [self.panes.pane(place)]
        for pane in panes:
            self._show_in(pane, lines, kind)
        for line in lines:
            if isinstance(line, CallingLine):
                self._call(line.by, line)
        if isinstance(event, events.KeyChanged):
            pane = panes[0]
            pane.unread, pane.calls = pane.unread + 1, True
            self._call(event.name, lines[0])

    def _handle(self, event: events.Event) -> None:
        """Act on the events that begin or end something, as `LineFace` does."""
        match event:
            case events.PersonTyping():
                asyncio.get_running_loop().call_later(TYPING_SHOWN_FOR, self._list_changed)
            case events.Registered():
                self._has_started = True
            case events.NoServerAtStart(table_time=None):
                self.end(FAILED, [*lines_of(event), offer_at_end(self.peer.server)])
            case events.LeaveUnanswered() | events.ProgramEnded():
                self.end(FAILED, lines_of(event))
            case events.NoServerAtStart():
                self._has_started = True
            case events.NameUnavailable() | events.AdmissionRefused() | events.RegistryKeyChanged():
                if not self._has_started:
                    taken = isinstance(event, events.NameUnavailable)
                    self.end(FAILED, [*lines_of(event), *(self._explain_taken() if taken else ())])
            case events.EnteredRoom(room=entered):
                if not self._has_chosen or self._open.conversation.kind is ConversationKind.ROOM:
                    self._show_pane(self.panes.pane(room(entered)))
            case events.DutyChanged(is_on=True) | events.ClientCame():
                desk = self.panes.pane(DESK)
                if self._view is None or not self._view.is_typed_in or desk is self._open:
                    self._show_pane(desk)
                else:  # what is being typed is for the conversation that is open
                    desk.unread, desk.calls = desk.unread + 1, True
            case events.HeldBack(line=number) | events.CommandFailed(line=number):
                self._settle_desk_line(number, MessageState.REFUSED)
            case _:
                pass

    def end(self, status: int, last_words: Iterable[str] = ()) -> None:
        """End the program with this exit status, and show these lines below the screen."""
        if not self.running.is_over:
            self.last_words.extend(last_words)
            self.running.stop(status)

    def _call(self, by: str, text: str) -> None:
        if self._view is not None:
            self._view.called(sanitize(by, limit=64), sanitize(text))

    # --- what is shown in a log

    def _show_in(
        self, pane: Pane, lines: Iterable[str], kind: EntryKind = EntryKind.NOTICE
    ) -> None:
        now = time.time()
        entries = [
            LogEntry(kind=kind, at=now, text=sanitize(words.unbracketed(line))) for line in lines
        ]
        pane.book.append(entries)
        self._log_changed(pane)

    def show_here(self, lines: Iterable[str]) -> None:
        """Show notices in the conversation that is open."""
        self._show_in(self._open, lines)

    def _answer(self, lines: Iterable[str]) -> None:
        """Show the answer to a line where it was typed."""
        self._show_in(self._typed_in, lines)

    def _tell(self, event: events.Event) -> None:
        """Show the answer to a command that needs nobody else."""
        self._answer(self._state.lines(event))

    def _log_changed(self, pane: Pane) -> None:
        if self._view is not None:
            self._view.log_changed(pane)

    def _list_changed(self) -> None:
        if self._view is not None and not self.running.is_over:
            self._view.list_changed()

    # --- what is typed

    def typing(self, draft: str) -> None:
        """Tell the recipient of what is being typed that it is."""
        intent = (
            self._meaning(draft, self._open) if draft.strip() and self._dialogue is None else None
        )
        if isinstance(intent, SendDirect):
            self.peer.typing(intent.to)

    def enter(self, text: str, pane: Pane | None = None) -> None:
        """Take a line that was typed in this conversation, or in the open one. A message stands in
        the log at once."""
        pane = pane or self._open
        typed = TypedLine(text, asyncio.get_running_loop().time())
        entry = None
        pane.book.mark_unread(None)
        if self._dialogue is None and len(text) <= LINE_MAX and self._is_talk(text, pane):
            entry = said_entry(
                sender=self.peer.name,
                text=_talk_of(text),
                at=time.time(),
                me=self.peer.name,
                is_mine=True,
            )
            pane.book.append([entry])
            pane.talked_at = entry.at
        self._log_changed(pane)
        self._lines.put_nowait(EnteredLine(pane, typed, entry))

    def press(self, command: str) -> None:
        """Carry out the command for which a key stands. It is no answer to a question: the question
        is given up."""
        typed = TypedLine(command, asyncio.get_running_loop().time())
        self._lines.put_nowait(EnteredLine(self._open, typed, is_key=True))

    async def read_lines(self) -> None:
        """Carry out what is typed, line by line."""
        while True:
            pane, line, entry, is_key = await self._lines.get()
            if is_key and self._dialogue is not None:
                self._dialogue = None
                self._ask()
            self._current_line = line
            self._typed_in = pane
            with contextlib.suppress(NotLetIn):  # an event says the same, and may end the program
                await self.peer.ready()
            if not self._has_started or self.peer.is_offline:
                self.take_left()
            if self.running.is_over:
                return
            if len(line) > LINE_MAX:
                self._answer([LINE_TOO_LONG])
            else:
                await self._carry_out(self._parse(line, pane), line, pane, entry)
            self._current_line = ""
            self._list_changed()
            self._fetch_missing()

    def unsent(self) -> list[str]:
        """Quote the lines that were typed and will not be carried out."""
        left = [self._current_line]
        while not self._lines.empty():
            left.append(self._lines.get_nowait().line)
        context = Context(me=self.peer.name)
        asked = [
            line
            for line in left
            if not isinstance(parser.parse(line, context), Empty | GoOffline | Quit)
        ]
        return not_sent_lines(asked)

    def _is_talk(self, text: str, pane: Pane) -> bool:
        """Whether a line is said in a conversation; everything else is a command or nothing."""
        return isinstance(
            self._meaning(text, pane), SendDirect | SendAll | SayInRoom
        ) and not _is_sign(text)

    def _parse(self, line: TypedLine, pane: Pane) -> Intent | Mistake:
        self._was_asked = self._dialogue is not None
        if self._dialogue is not None:
            dialogue = self._dialogue
            answer = dialogue.answer(line)
            if dialogue.is_over:
                self._dialogue = None
            self._ask()
            return answer
        return self._meaning(line, pane)

    def _meaning(self, line: str, pane: Pane) -> Intent | Mistake:
        """Return what a line means that is typed in this conversation: a command begins with a
        sign; all else is said."""
        peer, whole = self.peer, parser.whole(line)
        context = Context(
            me=peer.name,
            room=peer.room,
            offline=peer.is_offline,
            is_operator=peer.desk.is_operator,
            on_duty=peer.desk.is_on_duty,
        )
        if not whole.strip():
            return Empty()
        if peer.is_offline or _is_sign(whole):
            return parser.parse(whole, context)
        text, what = _talk_of(whole), pane.conversation
        match what.kind:
            case ConversationKind.EVERYBODY:
                return SendAll(text)
            case ConversationKind.ROOM:
                return (
                    SayInRoom(text)
                    if self.is_in(what)
                    else Mistake(words.not_there_line(what.name))
                )
            case ConversationKind.DESK:
                return SayToClient(text)
            case ConversationKind.PERSON if what.is_claimed:
                return Mistake(words.not_to_claimed_line(what))
            case ConversationKind.PERSON:
                try:
                    return SendDirect(peer_name(what.name), text)
                except NameRefused as refusal:
                    return Mistake(str(refusal))

    def _ask(self) -> None:
        if self._view is not None:
            self._view.asked("" if self._dialogue is None else self._dialogue.question)

    async def _carry_out(
        self, intent: Intent | Mistake, line: TypedLine, pane: Pane, entry: LogEntry | None
    ) -> None:
        if entry is not None and (
            self._was_asked or not isinstance(intent, SendDirect | SendAll | SayInRoom)
        ):
            # It was typed as a message, and means something else by now.
            self._send_nothing(pane, entry)
            entry = None
        match intent:
            case Empty() if not line.strip() and self._dialogue is None:
                self._join_open(pane)
            case Empty():
                pass
            case Quit():
                await self._actions.drain()
                self.end(DONE)
            case AskMessage():
                self._dialogue = Dialogue()
                self._ask()
            case SendDirect() | SendAll() | SayInRoom():
                await self._send(intent, line, pane, entry)
            case GiveUpName() if not self._was_asked:
                me = self.peer.name
                self._dialogue = Confirmation(intent, release_question(me), otherwise=name_kept(me))
                self._ask()
            case OpenQuery(to):
                self._open_named(to)
            case JoinRoom(wanted):
                await self._actions.do(intent, entered_at=line.at)
                if self.peer.room is not None and is_same_name(self.peer.room, wanted):
                    self.choose(room(self.peer.room))
            case Mistake(why):
                self._answer([why])
            case SayAnswer(word):
                self._say_answer(word, line)
            case SayToClient(text):
                self._say_to_client(text, line)
            case ShowTable() if self._view is not None:
                self._view.table_wanted()
            case DropVisitor() | MoveVisitor():
                await self._actions.do(self._named(intent), entered_at=line.at)
            case _:
                self._desk_questions += isinstance(intent, ShowRoom | ShowFigures)
                self._room_questions += isinstance(intent, ShowRooms)
                await self._actions.do(intent, entered_at=line.at)

    def _named(self, intent: DropVisitor | MoveVisitor) -> DropVisitor | MoveVisitor:
        """Name the visitor who has the number on the screen. Without a list there, the core knows
        the one that was shown last."""
        listed = () if self._view is None else self._view.listed
        if 1 <= intent.position <= len(listed):
            return replace(intent, visit=listed[intent.position - 1].visit)
        return intent

    def refresh_desk(self, *, with_figures: bool) -> None:
        """Ask who waits at the help desk, and with the figures of the day, for this screen alone;
        the answers are told by events. Nothing is asked while the registry is away."""
        peer = self.peer
        if peer.is_offline or peer.is_server_away or not peer.desk.is_operator:
            return
        peer.desk.ask(ShowRoom(0, ""), is_quiet=True)
        if with_figures:
            peer.desk.ask(ShowFigures(0, ""), is_quiet=True)

    def _join_open(self, pane: Pane) -> None:
        """Enter the room that is open, if the user is not in it."""
        what = pane.conversation
        if what.kind is ConversationKind.ROOM and not self.is_in(what):
            self.peer.enter_room(what.name)

    def _open_named(self, to: PeerName | None) -> None:
        """Open the conversation with a person, or a room that is known."""
        if to is None:
            self.choose(EVERYBODY)
        elif any(is_same_name(one.name, to) for one in self.peer.people()):
            self.choose(person(to))
        elif self.panes.known(room(to)) is not None or self._state.has_seen_room(to):
            self.choose(room(to))
            self._join_open(self._open)
        else:
            self._answer([nobody_and_no_room(to)])

    async def _send(
        self,
        intent: SendDirect | SendAll | SayInRoom,
        line: TypedLine,
        pane: Pane,
        entry: LogEntry | None,
    ) -> None:
        """Send a message, which stands in the log of its conversation with a mark."""
        if entry is not None and isinstance(intent, SayInRoom) and self._doubts(intent, line):
            self._send_nothing(pane, entry)
            return
        target = pane if entry is not None else self.panes.pane(self._conversation_of(intent))
        if entry is None:
            me = self.peer.name
            entry = said_entry(sender=me, text=intent.text, at=time.time(), me=me, is_mine=True)
            target.book.append([entry])
        receipt = await self._actions.send(intent)
        if receipt is None:
            target.book.change(entry, mark=mark_of(MessageState.REFUSED, is_direct=False))
        elif not receipt.id:
            self._change(target, entry, _refusal(receipt))
        elif target.book.by_id(receipt.id) is None:
            target.book.change(entry, id_=receipt.id, mark=entry.mark)
            self._settle_early(target, entry)
        if target is not self._open and target is not pane:
            self.choose(target.conversation)
        self._log_changed(target)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(LOOKS_EVERY, self._look)

    def _send_nothing(self, pane: Pane, entry: LogEntry) -> None:
        """Mark a line that was typed as a message, and is not sent."""
        refused = mark_of(MessageState.REFUSED, is_direct=False)
        pane.book.change(entry, mark=refused, note=words.unbracketed(NOTHING_SENT))
        self._log_changed(pane)

    def _conversation_of(self, intent: SendDirect | SendAll | SayInRoom) -> Conversation:
        match intent:
            case SendDirect(to):
                return person(to)
            case SendAll():
                return EVERYBODY
            case SayInRoom():
                return (
                    room(self.peer.room)
                    if self.peer.room is not None
                    else self._typed_in.conversation
                )

    def _doubts(self, intent: SayInRoom, line: str) -> bool:
        """Whether to ask first, as the line would be a command outside of the room."""
        where = self.peer.room
        if where is None or self._was_asked or intent.text != parser.whole(line):
            return False
        command = parser.command_meant(intent.text)
        if command is not None:
            question = saying_question(where, command)
            self._dialogue = Confirmation(intent, question, otherwise=NOTHING_SENT)
            self._ask()
        return command is not None

    def _say_answer(self, word: str, line: TypedLine) -> None:
        """Say a ready answer to the visitor, and show which text that is."""
        answers = self.peer.desk.answers
        text = ready_answer(word, answers)
        if text is None:
            self._answer([no_answer(word, answers)])
            return
        if self.peer.desk.client is not None:
            self._answer([answer_said(word, text)])
        self._say_to_client(text, line)

    def _say_to_client(self, text: str, line: TypedLine) -> None:
        """Say a line to the visitor. It stands in the log of the help desk, and gets its mark when
        the registry answers."""
        entry = None
        if self.peer.desk.client is not None:
            me = self.peer.name
            entry = said_entry(sender=me, text=text, at=time.time(), me=me, is_mine=True)
            pane = self.panes.pane(DESK)
            pane.book.append([entry])
            self._log_changed(pane)
        number = self._actions.say_to_client(text, entered_at=line.at, is_maybe=False)
        if entry is not None and number is not None:
            self._desk_lines[number] = entry
            self._look_at_desk_lines()
        elif entry is not None:
            self._mark_desk_line(entry, MessageState.REFUSED)

    def _look_at_desk_lines(self) -> None:
        """Find out what became of our lines to the visitor, unless that is going on."""
        if self._desk_lines and not self._is_looking_at_desk:
            self._is_looking_at_desk = True
            self._begin(self._await_desk_lines())

    async def _await_desk_lines(self) -> None:
        """Mark our lines to the visitor as taken once the registry has answered. Without a link
        nothing is known of them: then the next event that comes looks again."""
        try:
            with contextlib.suppress(ChatAppError):  # the program that runs the peer has ended
                while self._desk_lines and self.peer.state is PeerState.ONLINE:
                    asked = list(self._desk_lines)
                    await self.peer.desk.said()
                    self.take_left()  # tells which lines were refused
                    if self.peer.state is PeerState.ONLINE:
                        for number in asked:
                            self._settle_desk_line(number, MessageState.DELIVERED)
        finally:
            self._is_looking_at_desk = False

    def _settle_desk_line(self, number: int, state: MessageState) -> None:
        """Mark the line that events name so, if it is one of ours that is not settled."""
        entry = self._desk_lines.pop(number, None)
        if entry is not None:
            self._mark_desk_line(entry, state)

    def _mark_desk_line(self, entry: LogEntry, state: MessageState) -> None:
        pane = self.panes.pane(DESK)
        pane.book.change(entry, mark=mark_of(state, is_direct=False))
        self._log_changed(pane)

    def _look(self) -> None:
        """Show how often the message under way was sent, for as long as one is."""
        self._watch = None
        if not self.running.is_over:
            self._list_changed()
            if self.peer.is_sending:
                self._watch = asyncio.get_running_loop().call_later(LOOKS_EVERY, self._look)


def _is_sign(text: str) -> bool:
    begins = text.lstrip().lower()
    return begins.startswith(SIGNS) and not begins.startswith("//")


def _talk_of(text: str) -> str:
    """Return what is said by a line: `//x` says `/x`."""
    whole = parser.whole(text)
    return whole.lstrip()[1:] if whole.lstrip().startswith("//") else whole


def _is_up_to(place: int | None, last: int) -> bool:
    return place is not None and place <= last


def _refusal(receipt: Receipt) -> events.MessageChanged:
    return events.MessageChanged(to=receipt.to, id=0, state=receipt.state, reason=receipt.reason)
