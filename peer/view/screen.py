"""The view of a window that shows one conversation at a time, and a list of all."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import (
    DESK,
    EVERYBODY,
    NOBODY,
    Conversation,
    ConversationKind,
    addresses,
    person,
    room,
)
from chatapp.peer.api.errors import FileRefused
from chatapp.peer.api.events import MessageState, OfferedFile
from chatapp.peer.api.files import FileTransfer
from chatapp.peer.api.past import ConversationState
from chatapp.peer.api.requests import (
    AcceptFile,
    AskDesk,
    CancelFile,
    Edit,
    EnterRoom,
    KeepDraft,
    ListFiles,
    Moment,
    OfferFile,
    PauseFile,
    ReadPage,
    RefuseFile,
    Send,
    Sent,
    ShowRooms,
    Wait,
)
from chatapp.peer.api.state import RoomState, State
from chatapp.peer.commands import meanings, parser
from chatapp.peer.commands.arguments import SIGNS
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.commands.meanings import Meaning, Mistake
from chatapp.peer.view.log import EntryKind, LogEntry
from chatapp.peer.view.panes import (
    ListRow,
    Pane,
    PaneList,
    Spot,
    kind_of,
    past_entry,
    place_of,
)
from chatapp.peer.view.pastreader import PastReader
from chatapp.peer.view.talk import changed, text_after
from chatapp.peer.view.transfers import FileAction
from chatapp.peer.view.view import (
    USUAL_START,
    HistoryUnreadable,
    Start,
    Step,
    Steps,
    View,
)
from chatapp.peer.words import answers, history
from chatapp.peer.words import full as words
from chatapp.peer.words.changes import Change, found_for
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.files import file_at_desk, file_shown, not_done
from chatapp.peer.words.formatting import (
    LINE_MAX,
    CallingLine,
    Mark,
    MessageLine,
    Status,
    TypedLine,
    is_behind,
    mark_of,
)
from chatapp.wire.desk.values import ListedVisitor
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.messages.desk import DropVisitor, MoveVisitor, ShowFigures, ShowRoom
from chatapp.wire.names import PeerName, is_same_name, peer_name
from chatapp.wire.text import sanitize

EARLY_MAX: Final = 256
"""Outcomes of messages that are remembered until the message has its id."""

_FILE_REQUESTS: Final = {
    FileAction.ACCEPT: AcceptFile,
    FileAction.RESUME: AcceptFile,
    FileAction.PAUSE: PauseFile,
    FileAction.REFUSE: RefuseFile,
    FileAction.CANCEL: CancelFile,
}


class Attention(NamedTuple):
    """What the user has before their eyes, and under their fingers."""

    is_looking: bool = False
    """Whether the user has the terminal in front of them, and sees the log."""
    is_typing: bool = False
    """Whether the user is typing something."""
    is_at_end: bool = False
    """Whether a new line of the open conversation comes into view by itself, some time later. A line
    that the user is about to see is not counted as unread meanwhile."""
    listed: Sequence[ListedVisitor] = ()
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


class ScreenView(View):
    """What a full screen knows of its peer. Times of entries are Unix seconds."""

    def __init__(
        self,
        state: State,
        *,
        wall: Callable[[], float],
        draw_line: Callable[[], int],
        start: Start = USUAL_START,
        welcome: Callable[[str], list[str]] = words.start_lines,
    ) -> None:
        """`wall`: tells the Unix time. `welcome`: returns the text of the start page for our name.
        The others are those of `View`."""
        self.completions: Final = CompletionIndex()
        super().__init__(
            state,
            is_screen=True,
            completions=self.completions,
            draw_line=draw_line,
            start=start,
        )
        self.panes: Final = PaneList()
        self.open_pane: Pane = self.panes.start
        """The conversation that is open."""
        self.last_words: Final[list[str]] = []
        """Lines to show below the screen when it is gone."""
        self.lines: Final[deque[EnteredLine]] = deque()
        """Lines that wait to be carried out, the oldest first."""
        self.attention: Callable[[], Attention] = Attention
        """Tells what the user looks at."""
        self._wall: Final = wall
        self._welcome: Final = welcome
        self._past: Final = PastReader(
            lambda: self.state.name,
            settle=self._settle_early,
            tell_unreadable=self._tell_unreadable,
        )
        self._has_chosen = False
        """Whether the user has chosen the conversation that is open."""
        self._typed_in: Pane = self.open_pane
        """Where the line was typed that is being carried out, or was last."""
        self._entry: LogEntry | None = None
        """Its entry in the log, if it is a message."""
        self._rewritten: Final[set[int]] = set()
        """The lines that say already what they say after the events that are being handled."""
        self._early: dict[int, events.MessageChanged] = {}
        self._changed_by_us: dict[int, int] = {}
        """The lines that we have changed, by the ids of the changes, which may still be refused."""
        """Outcomes of messages that have no id here yet."""
        self._members_of: Sequence[events.Person] = ()
        self._members: Sequence[ListRow] = ()
        """The rows of those people in a room."""
        self._topics: Final[dict[str, str]] = {}
        """By room."""
        self._desk_questions = 0
        """How often the user has asked who waits, or for the figures of the desk, and has not read
        the answer."""
        self._room_questions = 0
        """The same for the rooms that there are."""
        self._desk_lines: Final[dict[int, LogEntry]] = {}
        """Our lines to the visitor that the registry has neither taken nor refused, by the id that
        events name."""
        self._desk_entries: Final[dict[int, LogEntry]] = {}
        """The lines of the visit, by the ids that events name."""
        self._desk_changes: Final[dict[int, events.Said]] = {}
        """What our lines to the visitor become once the registry has our changes, by the ids of
        the changes."""

    @property
    def is_saying(self) -> bool:
        """Whether there are typed lines that are not carried out."""
        return bool(self.current_line or self.lines)

    # --- what the screen shows

    def rows(self) -> list[ListRow]:
        """Return the rows of the list."""
        state, desk = self.state, self.state.desk
        is_at_desk = desk.is_on_duty or desk.client is not None
        if is_at_desk:
            _ = self.panes.pane(DESK)  # a window that is opened later has it in the list, too
        attention = self.attention()
        return self.panes.rows(
            self.people,
            me=state.name,
            opened=self.open_pane.conversation,
            is_followed=attention.is_looking and attention.is_at_end,
            rooms=[entered.name for entered in state.rooms],
            muted=state.muted,
            waiting=desk.waiting if is_at_desk else None,
        )

    def status(self, *, now: float) -> Status:
        """Return what the status line shows; the list shows what is unread."""
        return replace(super().status(now=now), unread=0)

    def about_open(self) -> str:
        """Return what stands behind the title of the open conversation."""
        state, what = self.state, self.open_pane.conversation
        match what.kind:
            case _ if what == NOBODY:
                return words.START_ABOUT
            case ConversationKind.ROOM if (entered := self._entered(what)) is not None:
                return words.room_about(entered.members, self._topics.get(entered.name, ""))
            case ConversationKind.ROOM:
                return words.room_elsewhere(what.name)
            case ConversationKind.EVERYBODY:
                return words.everybody_about(self.people)
            case ConversationKind.PERSON:
                known = (
                    somebody for somebody in self.people if is_same_name(somebody.name, what.name)
                )
                who = None if what.is_claimed else next(known, None)
                return words.person_about(who, now=self._wall())
            case ConversationKind.DESK:
                desk = state.desk
                return words.desk_about(desk.client, desk.waiting, is_on_duty=desk.is_on_duty)

    def members(self) -> Sequence[ListRow]:
        """Return who is in the room that is open, those who are online first; nobody elsewhere. The
        same object until they change."""
        entered = self._entered(self.open_pane.conversation)
        if entered is None:
            return ()
        if self._members_of == entered.members:
            return self._members
        members = sorted(
            entered.members, key=lambda member: (not member.online, member.name.casefold())
        )
        self._members_of = entered.members
        self._members = [
            ListRow(
                conversation=person(member.name),
                is_online=member.online,
                since=0.0 if member.online else member.since,
            )
            for member in members
        ]
        return self._members

    def is_in(self, conversation: Conversation) -> bool:
        """Whether this is a room where the user is."""
        return self._entered(conversation) is not None

    def _entered(self, conversation: Conversation) -> RoomState | None:
        return self.state.room(conversation.name) if conversation.is_room else None

    # --- conversations

    def choose(self, conversation: Conversation) -> None:
        """Open a conversation, as the user wishes."""
        self._has_chosen = True
        self._open(self.panes.pane(conversation))

    def _open(self, pane: Pane) -> None:
        if pane is not self.open_pane:
            self.open_pane.drop_rule()
            self.open_pane.log.selected = None
        self.open_pane = self._changes.opened = pane
        pane.place_rule()
        entered = self._entered(pane.conversation)
        if entered is not None:
            self.visit(entered.name)

    def load(self, pane: Pane) -> Steps:
        """Read the newest part of a conversation's past, the first time it is open."""
        if (yield from self._past.load(pane)):
            if pane is self.open_pane:
                pane.place_rule()
            self._log_changed(pane)
            self._fetch_missing()

    def load_older(self, pane: Pane) -> Steps:
        """Read one more page of a conversation's past."""
        yield from self._past.load_older(pane)
        self._log_changed(pane, is_above=True)
        self._fetch_missing()

    def fill_gap(self, pane: Pane, gap: LogEntry, *, is_above: bool) -> Steps:
        """Read lines that are left out before this entry. `is_above`: they belong above the rows in
        view."""
        yield from self._past.fill(pane, gap, is_upwards=is_above)
        self._log_changed(pane, is_above=is_above)
        self._fetch_missing()

    def jump(self, pane: Pane, id_: int) -> Generator[Step, Any, LogEntry | None]:
        """Open a conversation at the line with this id. Return its entry; None if there is no such
        line."""
        yield from self.load(pane)
        entry = yield from self._past.jump(pane, id_)
        if entry is not None:
            self.choose(pane.conversation)
        self._fetch_missing()
        return entry

    def find_new(self, pane: Pane) -> Steps:
        """Have the log hold the first line that is new to the user, and the rule before it."""
        yield from self.load(pane)
        if pane.new_after is not None:
            yield from self._past.find_after(pane, pane.new_after)
            pane.place_rule()
            self._log_changed(pane)
        self._fetch_missing()

    # --- files

    def change_file(self, id_: int, action: FileAction) -> Steps:
        """Do something about the file that the line with this id offers, as a button says."""
        try:
            yield _FILE_REQUESTS[action](id=id_)
        except FileRefused as refused:
            self._show_here([not_done(refused)])
        except HistoryUnreadable as error:
            self._tell_unreadable(self.open_pane, error)

    def offer_file(self, request: OfferFile) -> Generator[Step, Any, bool]:
        """Offer a file. Return whether it is offered; if not, its conversation says why."""
        pane = self.panes.pane(request.conversation)
        try:
            sent = yield from self._offer_file(request)
        except FileRefused as refused:
            self._show_in(pane, [not_done(refused)])
            return False
        except HistoryUnreadable as error:
            self._tell_unreadable(pane, error)
            return False
        return sent.id > 0

    def _offer_file(self, request: OfferFile) -> Generator[Step, Any, Sent]:
        sent = yield from super()._offer_file(request)
        if not sent.id:
            self._show_in(self.panes.pane(request.conversation), lines_of(_not_sent(sent)))
        return sent

    def _load_files(self) -> Steps:
        with contextlib.suppress(ChatAppError):  # then they are known when they change
            self.transfers.take((yield ListFiles()))
            for file in self.transfers:
                self._draw_file(file)

    def _progress(self, file: FileTransfer) -> list[str]:
        lines = super()._progress(file)
        self._draw_file(file)
        return lines

    def _draw_file(self, file: FileTransfer) -> None:
        """Have the line that offers a file show how it stands."""
        pane = self.panes.known(file.conversation)
        if pane is not None and pane.log.draw_again(file.id):
            self._log_changed(pane)

    def _tell_unreadable(self, pane: Pane, error: HistoryUnreadable) -> None:
        self._show_in(pane, [history.history_unreadable(error)], EntryKind.ALERT)

    def painted(self, pane: Pane, last: LogEntry | None) -> None:
        """Note that the lines of a conversation were painted up to this entry; None: there was
        nothing to paint. They are read if the user looks."""
        log = pane.log
        place = -1 if last is None else log.place_of(last)
        if place is None:
            return
        is_end = place == len(log) - 1
        unshown, pane.unshown = pane.unshown, []
        for event, entry in unshown:
            if _is_up_to(log.place_of(entry), place):
                self._changes.seen.append(event)
            else:
                pane.unshown.append((event, entry))
        newest = log.newest_id if is_end else log.id_at(place)
        if self.attention().is_looking and (newest > pane.read or (is_end and pane.unread)):
            pane.note_read(newest)
            if is_end:
                pane.have_read_all()
            if pane.conversation != DESK:
                self._begin(self._mark_read(pane.conversation, newest))

    def _begin(self, steps: Steps, pane: Pane | None = None) -> None:
        """Do something beside all else. `pane`: the conversation whose past it reads."""
        self._changes.work.append((steps, pane))

    # --- what happens

    def begin(self) -> Steps:
        """Learn which conversations there are, and open one, or a page that says how."""
        self._show_in(self.panes.start, self._welcome(self.state.name))
        states: Sequence[ConversationState] = ()
        try:
            states = yield from self._conversations()
        except HistoryUnreadable as error:
            self._tell_unreadable(self.open_pane, error)
        except ChatAppError:
            pass  # the program that runs the peer has ended, as an event tells
        self.panes.take(state for state in states if state.conversation != DESK)
        self._begin(self._load_files())
        if self._has_started:
            self._count_people()
        if self._has_chosen or self.open_pane is not self.panes.start:
            self._open(self.open_pane)  # with what was typed there before the last end
            self._log_changed(self.open_pane)
        else:
            self._open(self._first())

    def _first(self) -> Pane:
        """Return what is open at the start: the current room, else the conversation of the newest
        line. Everybody is never open unless the user wants it."""
        if self.room is not None:
            return self.panes.pane(room(self.room))
        newest = max(self.panes.all(), key=lambda pane: pane.talked_at)
        return self.panes.start if newest.conversation == EVERYBODY else newest

    def _take(self, batch: Sequence[events.Event]) -> list[str]:
        self._changes.batch += batch
        self._rewritten.clear()
        return [line for event in batch for line in self._place(event)]

    def _place(self, event: events.Event) -> list[str]:
        """Put an event where it belongs. Returns the lines of what people have said, in the words
        of a flow."""
        match event:
            case events.Line() | events.MailReturned():
                lines = event.lines if isinstance(event, events.MailReturned) else (event,)
                for line in lines:
                    if isinstance(line, events.Said):
                        self._said(line)
                    else:
                        self._changed(line)
                said = any(isinstance(line, events.Said) for line in lines)
                return lines_of(event, known=self.known) if said else []
            case events.SaidByUs(line=line):
                self._said_elsewhere(line)
                return []
            case events.MessageChanged(conversation=what, id=id_, state=state) if what == DESK:
                self._settle_desk_line(id_, state)
            case events.MessageChanged():
                self._settled(event)
            case events.Seen():
                self._marked_seen(event)
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
                is_last = isinstance(event, events.RoomsKnown) or not self.state.rooms
                self._room_questions -= is_last
            case events.TopicKnown(room=of, text=topic) | events.EnteredRoom(room=of, topic=topic):
                self._topics[of] = topic
            case _:
                pass
        self._notice(event)
        return []

    def _said(self, line: events.Said) -> None:
        """Show a line that somebody said."""
        pane = self.panes.pane(line.conversation)
        at = line.at
        id_ = 0 if line.visit else line.id  # the next program gives the same to another line
        entry = pane.log.by_id(id_)
        if entry is not None:
            pane.unshown.append((line, entry))
            return
        is_direct = line.conversation.is_person or line.visit > 0
        entry = past_entry(line, self.state.name, self.known)
        is_addressed = not is_direct and not line.is_ours and addresses(line.text, self.state.name)
        is_muted = line.conversation in self.state.muted
        calls = is_addressed if is_muted else (is_direct or entry.calls) and not line.is_ours
        entry.calls = entry.calls and not is_direct
        entry.id = id_
        if line.visit:
            self._desk_entries[line.id] = entry
        pane.note_line(id_, at, is_mine=line.is_ours, calls=calls)
        pane.is_addressed = pane.unread > 0 and (pane.is_addressed or is_addressed)
        pane.log.append([entry])
        pane.unshown.append((line, entry))
        is_watched = pane is self.open_pane and self.attention().is_looking
        if (line.is_late or not is_watched) and pane.log.unread is None:
            pane.log.mark_unread(entry)
        self._log_changed(pane)
        if calls:
            self._call(entry.sender, line.text)

    def _changed(self, event: events.ChangeEvent) -> None:
        """Show a line anew that somebody has changed."""
        if event.visit:
            if (found := found_for(event, self.known)) is not None:
                self._desk_changed(found.line)
            self._changes.seen.append(event)
            return
        pane, found = self.panes.pane(event.conversation), found_for(event, self.known)
        entry = None if found is None else pane.log.by_id(found.line.id)
        if found is None or entry is None:
            self._changes.seen.append(event)
            return
        if entry.id not in self._rewritten:
            self._rewritten.add(entry.id)
            self._rewrite(pane, found.line)
        pane.unshown.append((event, entry))

    def _rewrite(self, pane: Pane, line: events.Said) -> None:
        """Have the entry of a line say what the line says now, if the log has one."""
        entry = pane.log.by_id(line.id)
        if entry is not None:
            pane.log.rewrite(entry, past_entry(line, self.state.name, self.known))
            self._log_changed(pane)

    def _here(self) -> Conversation | None:
        return self._typed_in.conversation

    def _show_change(self, before: events.Said, _: Change, sent: int) -> Steps:
        self._note_change(sent, before.id)
        yield from self._read_again(self.panes.pane(before.conversation), before.id)

    def _note_change(self, id_: int, of: int) -> None:
        self._changed_by_us[id_] = of
        if len(self._changed_by_us) > EARLY_MAX:
            self._changed_by_us.pop(next(iter(self._changed_by_us)))

    def _read_again(self, pane: Pane, id_: int) -> Steps:
        """Show a line as the history has it now."""
        with contextlib.suppress(ChatAppError):
            page = yield ReadPage(conversation=pane.conversation, before=id_ + 1, limit=1)
            for line in page.lines:
                self._rewrite(pane, line)

    def _said_elsewhere(self, line: events.LineEvent) -> None:
        """Show a line of ours that was said, or one that was changed, in another window."""
        pane = self.panes.pane(line.conversation)
        if isinstance(line, events.Edited | events.Retracted) and line.visit:
            if (found := found_for(line, self.known)) is not None:
                self._desk_changes[line.id] = changed(found.line, text_after(line))
            return
        if not isinstance(line, events.Said):
            if (found := found_for(line, self.known)) is not None:
                self._note_change(line.id, found.line.id)
                self._rewrite(pane, found.line)
            return
        if line.visit:
            self._note_desk_line(line.id, self._said_by_me(pane, line.text))
            return
        if pane.log.by_id(line.id) is not None:
            return
        entry = past_entry(line, self.state.name, self.known)
        pane.note_line(line.id, line.at, is_mine=True, calls=False)
        if pane.log.newest_id < line.id:
            pane.log.append([entry])
        else:  # others' lines have come before it
            pane.log.merge([entry])
        self._settle_early(pane, entry)
        self._log_changed(pane)

    # --- what is typed and not sent

    def keep_draft(self, pane: Pane, text: str) -> KeepDraft | None:
        """Return what keeps what is typed in a conversation and not sent; None: it is kept."""
        if text == pane.kept or len(text) > LINE_MAX or pane.conversation == DESK:
            return None
        pane.kept = text
        return KeepDraft(conversation=pane.conversation, text=text, window=self._window)

    def _keep_drafts_again(self) -> None:
        """Tell the program that runs the peer now what the last one knew."""
        for pane in self.panes.all():
            if pane.kept:
                kept, pane.kept = pane.kept, ""
                if (draft := self.keep_draft(pane, kept)) is not None:
                    self._begin(self._keep(draft))

    @staticmethod
    def _keep(draft: KeepDraft) -> Steps:
        with contextlib.suppress(ChatAppError):  # then the others do not know
            yield draft

    def _draft_kept(self, event: events.DraftKept) -> None:
        """Take over what was typed in another window, unless the user types here as well."""
        pane, text = self.panes.pane(event.conversation), event.text
        former, pane.kept = pane.kept, text
        if event.window == self._window or text == former:
            return
        if pane is self.open_pane:
            self._changes.draft = (former, text)
        elif pane.draft == former:
            pane.draft = text

    # --- what becomes of messages of ours

    def _settled(self, event: events.MessageChanged) -> None:
        """Show at a message of ours what became of it."""
        if not event.id:
            return  # the answer to the request says the same
        pane = self.panes.pane(event.conversation)
        if (changed := self._changed_by_us.get(event.id)) is not None:
            if event.state in (MessageState.REFUSED, MessageState.EXPIRED):
                self._show_in(pane, self._lines(event), EntryKind.NOTICE)
                self._begin(self._read_again(pane, changed), pane)
            return
        entry = pane.log.by_id(event.id)
        if entry is None:
            self._early[event.id] = event
            if len(self._early) > EARLY_MAX:
                self._early.pop(next(iter(self._early)))
            pane.note_missing(event.id)
            self._fetch_missing()
            return
        self._change(pane, entry, event)

    def _marked_seen(self, event: events.Seen) -> None:
        """Show at messages of ours that the other person has seen them."""
        pane, found = self.panes.pane(event.conversation), found_for(event, self.known)
        for entry in reversed(pane.log.entries if found is not None else ()):
            if entry.mark is Mark.SEEN:
                break  # and so are those before it
            if found and entry.is_mine and 0 < entry.id <= found.line.id:
                self._mark_further(pane, entry, Mark.SEEN)

    def _settle_early(self, pane: Pane, entry: LogEntry) -> None:
        """Give a message that has just got its id the outcome that came before."""
        event = self._early.pop(entry.id, None)
        if event is not None:
            self._change(pane, entry, event)

    def _change(self, pane: Pane, entry: LogEntry, event: events.MessageChanged) -> None:
        mark = mark_of(event.state, is_direct=event.conversation.is_person)
        is_told = event.state in (MessageState.KEPT, MessageState.REFUSED, MessageState.EXPIRED)
        lines = lines_of(event, in_reach=self._in_reach(event.conversation.name)) if is_told else []
        self._mark_further(pane, entry, mark, note=" ".join(map(words.unbracketed, lines)))

    def _mark_further(
        self, pane: Pane, entry: LogEntry, mark: Mark | None, *, note: str = ""
    ) -> None:
        """Give a message another mark, unless the one that it has says more."""
        if not is_behind(mark, entry.mark):
            pane.log.change(entry, mark=mark, note=note)
            self._log_changed(pane)

    def _fetch_missing(self) -> None:
        """Read the lines that other programs of the user have sent. Nothing is read while a line is
        being carried out: it may be a message that is about to get its id."""
        if not self.is_saying:
            for pane in self.panes.all():
                if pane.missing and pane.is_loaded:
                    self._begin(self._fetch(pane), pane)

    def _fetch(self, pane: Pane) -> Steps:
        if (yield from self._past.load_missing(pane, is_busy=lambda: self.is_saying)):
            self._log_changed(pane)
            self._fetch_missing()  # what was sent meanwhile

    def _notice(self, event: events.Event) -> None:
        """Show an event that is no message in the conversations where it belongs."""
        place = place_of(event)
        if place is Spot.NOWHERE:
            return
        lines = words.rule_lines(event) or self._lines(event)
        if isinstance(event, events.PersonCame):
            lines = [words.came(event.name)] if not event.is_quiet else []
        if not lines:
            return
        panes = [self._typed_in]
        if place is Spot.EVERYWHERE:
            panes = [pane for pane in self.panes.all() if pane.is_loaded or pane is self.open_pane]
        elif isinstance(place, Conversation):
            panes = [self.panes.pane(place)]
        for pane in panes:
            self._show_in(pane, lines, kind_of(event))
        for line in lines:
            if isinstance(line, CallingLine):
                self._call(line.by, line)
        if isinstance(event, events.KeyChanged):
            panes[0].unread, panes[0].calls = panes[0].unread + 1, True
            self._call(event.name, lines[0])

    def _react(self, event: events.Event) -> None:
        """Act on the events that begin or end something."""
        match event:
            case events.EnteredRoom(room=entered):
                is_room = self.open_pane.conversation.kind is ConversationKind.ROOM
                if entered == self.room and (not self._has_chosen or is_room):
                    self._open(self.panes.pane(room(entered)))
            case events.DutyChanged(is_on=True) | events.ClientCame():
                self._desk_entries.clear()
                desk = self.panes.pane(DESK)
                if not self.attention().is_typing or desk is self.open_pane:
                    self._open(desk)
                else:  # what is being typed is for the conversation that is open
                    desk.unread, desk.calls = desk.unread + 1, True
            case events.DraftKept():
                self._draft_kept(event)
            case events.ProgramChanged():
                self._keep_drafts_again()
                self._begin(self._load_files())
            case events.HeldBack(line=number) | events.CommandFailed(line=number):
                self._settle_desk_line(number, MessageState.REFUSED)
            case _:
                super()._react(event)

    def _fail(self, event: events.Event, more: Iterable[str] = ()) -> None:
        if not self.is_over:
            self.last_words.extend((*lines_of(event), *more))
        self.end(has_failed=True)

    def _offer(self, line: str) -> list[str]:
        """A key stands for `/doctor`, until there is no screen."""
        return [line] if line != answers.OFFER else []

    def _call(self, by: str, text: str) -> None:
        self._changes.calls.append((sanitize(by, limit=64), sanitize(text)))

    # --- what is shown in a log

    def _show_in(
        self, pane: Pane, lines: Iterable[str], kind: EntryKind = EntryKind.NOTICE
    ) -> None:
        now = self._wall()
        pane.log.append(
            LogEntry(
                kind=kind,
                at=now,
                text=sanitize(words.unbracketed(line)),
                mark=line.mark if isinstance(line, MessageLine) else None,
            )
            for line in lines
        )
        self._log_changed(pane)

    def _show_here(self, lines: Iterable[str]) -> None:
        self._show_in(self.open_pane, lines)

    show_here = _show_here
    """Show notices in the conversation that is open."""

    def _answer(self, lines: Iterable[str]) -> None:
        """Show the answer to a line where it was typed."""
        self._show_in(self._typed_in, lines)

    def _log_changed(self, pane: Pane, *, is_above: bool = False) -> None:
        """Note that the log of a conversation has changed. `is_above`: above the rows in view."""
        self._changes.logs[pane] = is_above or self._changes.logs.get(pane, False)

    # --- what is typed

    def enter(self, line: TypedLine, pane: Pane | None = None) -> None:
        """Take a line that was typed in this conversation, or in the open one. A message stands in
        the log at once, unless it may be there already."""
        pane = pane or self.open_pane
        entry = None
        pane.drop_rule()
        is_new = self._dialogue is None and len(line) <= LINE_MAX and not line.is_again
        if is_new and self._is_talk(line, pane):
            entry = self._said_by_me(pane, _talk_of(line), line.key)
            pane.talked_at = entry.at
        self._log_changed(pane)
        self.lines.append(EnteredLine(pane, line, entry))

    def press(self, command: str, *, at: float) -> None:
        """Carry out the command for which a key stands. It is no answer to a question: the question
        is given up."""
        self.lines.append(EnteredLine(self.open_pane, TypedLine(command, at), is_key=True))

    def _said_by_me(self, pane: Pane, text: str, key: int = 0) -> LogEntry:
        """Show a message of ours that is under way. `key`: by which a page asks for it."""
        me = self.state.name
        line = events.Said(
            conversation=pane.conversation,
            id=0,
            sender=me,
            number=0,
            text=text,
            at=self._wall(),
            is_ours=True,
        )
        entry = past_entry(line, me)
        entry.key = key
        pane.log.append([entry])
        self._log_changed(pane)
        return entry

    def _show_offered(self, file: FileTransfer) -> None:
        """Show a file that the user offers as a message of theirs."""
        pane = self.panes.pane(file.conversation)
        if pane.log.by_id(file.id) is not None:
            return  # its outcome was told first, and the line was read
        entry = self._said_by_me(pane, file_shown(file.name, OfferedFile(size=file.size)))
        pane.log.change(entry, id_=file.id, mark=entry.mark)
        self._settle_early(pane, entry)

    def carry_out_next(self) -> Steps:
        """Carry out the oldest line that waits."""
        pane, line, self._entry, is_key = self.lines.popleft()
        if is_key and self._dialogue is not None:
            self._ask(None)
        self.current_line, self._typed_in = line, pane
        self._next_key = line.key
        yield from self._ready()
        if not (yield from self._may_continue()):
            return
        if len(line) > LINE_MAX:
            self._answer([answers.LINE_TOO_LONG])
        else:
            yield from self._carry_out(self._parse(line, pane), line)
        self.current_line = ""
        if line.key:
            self._changes.carried_out.append(line.key)
        self._fetch_missing()

    def _is_talk(self, text: str, pane: Pane) -> bool:
        """Whether a line is said in a conversation at once; everything else is a command, or
        nothing, or asks first."""
        meaning = self._meaning(text, pane)
        return (
            isinstance(meaning, Send)
            and not _is_sign(text)
            and pane is not self.panes.start
            and self._question_about(meaning, text) is None
        )

    def _question_about(self, message: Send, line: str) -> str | None:
        """Also ask before the first line to everybody, unless a command named them. Who has said
        something to everybody before knows that they do."""
        told = self.panes.pane(EVERYBODY).log.entries
        is_first = message.conversation == EVERYBODY and not any(one.is_mine for one in told)
        if is_first and message.text == _talk_of(line):
            others = sum(not is_same_name(one.name, self.state.name) for one in self.people)
            return answers.everybody_question(others)
        return super()._question_about(message, line)

    def _parse(self, line: TypedLine, pane: Pane) -> Meaning:
        self._was_asked = self._dialogue is not None
        return self._answer_question(line) if self._was_asked else self._meaning(line, pane)

    def _meaning_of(self, draft: str) -> Meaning:
        is_said = draft.strip() and self._dialogue is None
        return self._meaning(draft, self.open_pane) if is_said else meanings.Empty()

    def _meaning(self, line: str, pane: Pane) -> Meaning:
        """Return what a line means that is typed in this conversation: a command begins with a
        sign; all else is said."""
        whole = parser.whole(line)
        if not whole.strip():
            return meanings.Empty()
        if self.state.is_offline or _is_sign(whole):
            return parser.parse(whole, self._context())
        text, what = _talk_of(whole), pane.conversation
        match what.kind:
            case _ if what == NOBODY:  # as at a prompt outside of a room
                return parser.parse(whole, replace(self._context(), room=None))
            case ConversationKind.EVERYBODY:
                return Send(conversation=EVERYBODY, text=text)
            case ConversationKind.ROOM if self.is_in(what):
                return Send(conversation=room(what.name), text=text)
            case ConversationKind.ROOM:
                return Mistake(words.not_there_line(what.name))
            case ConversationKind.DESK:
                return meanings.SayToClient(text)
            case ConversationKind.PERSON if what.is_claimed:
                return Mistake(words.not_to_claimed_line(what))
            case ConversationKind.PERSON:
                try:
                    return Send(conversation=person(peer_name(what.name)), text=text)
                except NameRefused as refusal:
                    return Mistake(str(refusal))

    def _carry_out(self, meaning: Meaning, line: TypedLine) -> Steps:
        meaning, entry = self._placed(meaning), self._entry
        if entry is not None and (self._was_asked or not isinstance(meaning, Send)):
            # It was typed as a message, and means something else by now.
            self._send_nothing(entry)
            self._entry = None
        match meaning:
            case meanings.Empty() if not line.strip() and self._dialogue is None:
                yield from self._join(self._typed_in)
            case Send():
                yield from self._say(meaning, line)
            case meanings.OpenConversation(to):
                yield from self._open_named(to)
            case EnterRoom(room=wanted):
                yield from self._request(meaning)
                entered = self.state.room(wanted)
                if entered is not None:
                    self.choose(room(entered.name))
            case meanings.SayToClient(text):
                yield from self._say_at_desk(text, line)
            case meanings.ShowTable():
                self._changes.wants_table = True
            case ListFiles():
                self._changes.wants_files = True
            case DropVisitor() | MoveVisitor():
                yield from self._ask_desk(self._named(meaning), line)
            case _:
                self._desk_questions += isinstance(meaning, ShowRoom | ShowFigures)
                self._room_questions += isinstance(meaning, ShowRooms)
                yield from super()._carry_out(meaning, line)

    def _named(self, request: DropVisitor | MoveVisitor) -> DropVisitor | MoveVisitor:
        """Name the visitor who has the number on the screen. Without a list there, the core knows
        the one that was shown last."""
        listed = self.attention().listed
        if 1 <= request.position <= len(listed):
            return replace(request, visit=listed[request.position - 1].visit)
        return request

    def refresh_desk(self, *, with_figures: bool) -> Steps:
        """Ask who waits at the help desk, and with the figures of the day, for this screen alone;
        the answers are told by events. Nothing is asked while the registry is away."""
        state = self.state
        if not (state.is_offline or state.is_server_away) and state.desk.is_operator:
            yield AskDesk(request=ShowRoom(0, ""), is_quiet=True)
            if with_figures:
                yield AskDesk(request=ShowFigures(0, ""), is_quiet=True)

    def _join(self, pane: Pane) -> Steps:
        """Enter the room of this conversation, if the user is not in it."""
        what = pane.conversation
        if what.kind is ConversationKind.ROOM and not self.is_in(what):
            yield EnterRoom(room=what.name)

    def _go_to_room(self, room_: str) -> None:
        self.choose(room(room_))

    def _open_named(self, to: PeerName | None) -> Steps:
        """Open the conversation with a person, or a room that is known."""
        if to is None:
            self.choose(NOBODY)
        elif any(is_same_name(somebody.name, to) for somebody in self.people):
            self.choose(person(to))
        elif self.panes.known(room(to)) is not None or self._has_seen_room(to):
            self.choose(room(to))
            yield from self._join(self.open_pane)
        else:
            self._answer([answers.nobody_and_no_room(to)])

    def _say(self, message: Send, line: TypedLine) -> Steps:
        """Send a message, which stands in the log of its conversation with a mark."""
        entry, pane = self._entry, self._typed_in
        if self._doubts(message, line):
            if entry is not None:
                self._send_nothing(entry)
            return
        if (key := (yield from self._draw_key())) is None:
            return
        message = replace(message, key=key)
        if entry is None:
            pane = self.panes.pane(message.conversation)
            entry = self._said_by_me(pane, message.text, key)
        yield from self._send_shown(message, pane, entry)
        if pane is not self.open_pane and pane is not self._typed_in:
            self.choose(pane.conversation)

    def _send_beside(self, message: Send) -> Steps:
        if (key := (yield from self._draw_key())) is not None:
            pane = self.panes.pane(message.conversation)
            entry = self._said_by_me(pane, message.text, key)
            yield from self._send_shown(replace(message, key=key), pane, entry)

    def _send_shown(self, message: Send, pane: Pane, entry: LogEntry) -> Steps:
        """Send a message of which this is the entry."""
        sent = yield from self._send(message)
        if sent is None:
            self._mark(pane, entry, MessageState.REFUSED)
        elif not sent.id:
            self._change(pane, entry, _not_sent(sent))
        elif pane.log.by_id(sent.id) is None:
            pane.log.change(entry, id_=sent.id, mark=entry.mark)
            self._settle_early(pane, entry)
            if message.reply_to is not None:
                yield from self._read_again(pane, sent.id)
        self._log_changed(pane)

    def _mark(self, pane: Pane, entry: LogEntry, state: MessageState, note: str = "") -> None:
        pane.log.change(entry, mark=mark_of(state, is_direct=False), note=note)
        self._log_changed(pane)

    def _send_nothing(self, entry: LogEntry) -> None:
        """Mark a line that was typed as a message, and is not sent."""
        note = words.unbracketed(answers.NOTHING_SENT)
        self._mark(self._typed_in, entry, MessageState.REFUSED, note)

    # --- our lines to the visitor of the help desk

    def _say_at_desk(self, text: str, line: TypedLine) -> Steps:
        """Say a line to the visitor. It stands in the log of the help desk, and gets its mark when
        the registry answers."""
        entry = None
        if self.state.desk.client is not None:
            entry = self._said_by_me(self.panes.pane(DESK), text)
        number = yield from self._say_to_client(text, line, is_maybe=False)
        if entry is not None and number is not None:
            self._note_desk_line(number, entry)
        elif entry is not None:
            self._mark(self.panes.pane(DESK), entry, MessageState.REFUSED)
        if line.key:  # only the registry stores it
            yield Wait(until=Moment.DESK_SAID)

    def _show_sent(self, line: events.Said) -> None:
        if line.file is not None:
            text = file_at_desk(line.text, line.file)
            self._note_desk_line(line.id, self._said_by_me(self.panes.pane(DESK), text))

    def _note_desk_line(self, number: int, entry: LogEntry) -> None:
        """Note a line of ours to the visitor, by the id that events name."""
        self._desk_lines[number] = self._desk_entries[number] = entry

    def _is_at_desk(self, _: TypedLine) -> Generator[Step, Any, bool]:
        yield from ()
        return self._typed_in.conversation == DESK

    def _show_desk_change(self, before: events.Said, request: Change, sent: int) -> None:
        text = request.text if isinstance(request, Edit) else None
        self._desk_changes[sent] = changed(before, text)

    def _desk_changed(self, line: events.Said) -> None:
        """Show what a line of the visit is now."""
        entry = self._desk_entries.get(line.id)
        if entry is not None:
            pane = self.panes.pane(DESK)
            pane.log.rewrite(entry, past_entry(line, self.state.name, self.known))
            self._log_changed(pane)

    def _settle_desk_line(self, number: int, state: MessageState) -> None:
        """Mark the line that events name so, if it is one of ours that is not settled; or show what
        has become of a line, if it is a change of ours."""
        now = self._desk_changes.pop(number, None)
        if now is not None and state is not MessageState.REFUSED:
            self._desk_changed(now)
        entry = self._desk_lines.pop(number, None)
        if entry is not None:
            self._mark(self.panes.pane(DESK), entry, state)


def _not_sent(sent: Sent) -> events.MessageChanged:
    return events.MessageChanged(
        conversation=sent.conversation, id=0, state=sent.state, reason=sent.reason
    )


def _is_sign(text: str) -> bool:
    begins = text.lstrip().lower()
    return begins.startswith(SIGNS) and not begins.startswith("//")


def _talk_of(text: str) -> str:
    """Return what is said by a line: `//x` says `/x`."""
    whole = parser.whole(text)
    return whole.lstrip()[1:] if whole.lstrip().startswith("//") else whole


def _is_up_to(place: int | None, last: int) -> bool:
    return place is not None and place <= last
