"""The line face: it carries out typed lines, shows events as lines, and ends the program when one of them says so.

It connects the SDK with any terminal that can show and read lines. `parser` says what a typed line means, `actions`
carries it out, and `texts` words the events.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, Protocol

from chatapp.peer.client import Peer
from chatapp.peer.core import events as happened
from chatapp.peer.core.events import MessageState
from chatapp.peer.errors import NotLetIn
from chatapp.peer.ui import parser
from chatapp.peer.ui.actions import Actions
from chatapp.peer.ui.completion import CompletionIndex
from chatapp.peer.ui.formatting import AnswerLine, MessageLine, TypedLine, View
from chatapp.peer.ui.intents import (
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
    SayInRoom,
    SayToClient,
    SendDirect,
)
from chatapp.peer.ui.parser import Confirmation, Dialogue
from chatapp.peer.ui.terminal import DONE, FAILED, Running
from chatapp.peer.ui.terminals.folding import Folding
from chatapp.peer.ui.terminals.pipe import LINE_MAX
from chatapp.peer.ui.texts.answers import (
    LINE_TOO_LONG,
    NOTHING_SENT,
    OFFER,
    name_kept,
    nobody_and_no_room,
    not_sent_lines,
    offer_at_end,
    query_line,
    release_question,
    saying_question,
)
from chatapp.peer.ui.texts.events import lines_of
from chatapp.peer.ui.texts.people import here_line, typing_note
from chatapp.wire.address import Address
from chatapp.wire.names import PeerName, is_same_name, peer_name


class SessionState:
    """The state that a user sees all the time, besides the lines: their name, their room, how many people are online."""

    def __init__(self, peer: Peer, completions: CompletionIndex | None, folding: Folding | None) -> None:
        """`completions`: where to note names for a terminal that offers them; without one, people need not be counted.
        `folding`: what leaves out lines that a person at a screen need not read; None to show them all."""
        self._peer = peer
        self._completions = completions
        self._folding = folding
        self.query: PeerName | None = None
        """The person for whom bare lines outside of a room are."""
        self._online = 0
        self._unread = 0
        self._typing: dict[str, float] = {}
        """Until when each person counts as typing to the user, by the loop's clock."""
        self._last_room_notice: list[str] = []
        """The lines that last said how our room lines travel without the registry; shown again only when they change."""

    def view(self) -> View:
        """Return the present state."""
        peer, now = self._peer, asyncio.get_running_loop().time()
        self._typing = {name: until for name, until in self._typing.items() if until > now}
        return View(
            me=peer.name,
            room=peer.room,
            query=self.query,
            client=peer.desk.client,
            is_on_duty=peer.desk.is_on_duty,
            waiting=peer.desk.waiting if self._folding is not None else 0,
            is_offline=peer.is_offline,
            is_server_away=peer.is_server_away,
            is_sending=self._folding is not None and peer.is_sending,
            in_reach=peer.in_reach,
            online=self._online,
            unread=self._unread,
            notes=(typing_note(list(self._typing)),) if self._typing else (),
        )

    def mark_read(self) -> None:
        """Count unread lines from zero again: the user has typed, and so has seen them."""
        self._unread = 0

    def lines(self, event: happened.Event) -> list[str]:
        """Return the lines to show for an event; none that would only repeat the last notice."""
        lines = lines_of(event, in_reach=self._peer.in_reach)
        match event:
            case happened.MessageChanged(state=MessageState.KEPT) if event.room:
                before, self._last_room_notice = self._last_room_notice, lines
                return lines if lines != before else []
            case happened.Renamed(old=old, new=new) if self.query is not None and is_same_name(
                old, self.query
            ):
                self.query = peer_name(new)
            case happened.VisitorsWaiting() if self._folding is None:
                return []  # a pipe shows nobody who waits until asked
            case happened.EnteredRoom() | happened.ServerLost() | happened.ServerBack():
                self._last_room_notice = []
            case happened.MessageChanged(state=MessageState.SAVED) if event.room:
                self._last_room_notice = []
            case _:
                pass
        return lines

    def batch_lines(self, batch: Sequence[happened.Event]) -> list[str]:
        """Return the lines to show for several events."""
        if self._folding is None:
            return [line for event in batch for line in self.lines(event)]
        return self._folding.lines(batch, self.lines)

    def talked_with(self, people: Iterable[str]) -> None:
        """Note whom the user talked with before this start."""
        for one in people:
            if self._folding is not None:
                self._folding.talked_with(one)
            if self._completions is not None:
                self._completions.add_recent(one)

    def has_seen_room(self, room: str) -> bool:
        """Whether the registry has told us of a room of this name in this run."""
        return self._completions is not None and any(
            is_same_name(one, room) for one in self._completions.rooms()
        )

    def take(self, batch: Sequence[happened.Event], lines: Sequence[str]) -> None:
        """Count what a batch of events and its lines change: who is typing, unread lines, people online, names for
        completion."""
        for event in batch:
            if isinstance(event, happened.PersonTyping):
                self._typing[event.name] = asyncio.get_running_loop().time() + TYPING_SHOWN_FOR
            elif isinstance(event, happened.DirectReceived):
                self._typing.pop(event.sender, None)
        if self._completions is None:
            return
        self._completions.is_operator = self._peer.desk.is_operator
        for line in lines:
            if isinstance(line, MessageLine):
                self._unread += 1
                self._completions.add_recent(line.sender)
        for event in batch:
            match event:
                case happened.Unacknowledged(to=to):
                    self._completions.add_recent(to)
                case happened.MessageChanged(
                    to=to, room="", state=MessageState.DELIVERED | MessageState.KEPT
                ) if to:
                    self._completions.add_recent(to)
                case happened.EnteredRoom(room=room):
                    self._completions.add_room(room)
                case happened.RoomsKnown(rooms=rooms):
                    for one in rooms:
                        self._completions.add_room(one.name)
                case _:
                    pass
        counts = happened.TableChanged | happened.Registered | happened.Renamed
        if any(isinstance(event, counts) for event in batch):
            people = self._peer.people()
            self._completions.set_people(one.name for one in people)
            self._online = sum(one.online for one in people)


LAST_WORDS_WITHIN: Final = 0.5
"""Seconds that the terminal gets for the last lines when the program ends."""


TYPING_SHOWN_FOR: Final = 6.0
"""Seconds for which a person counts as typing after having said so: two of the spans in which it is said again."""


class Terminal(Protocol):
    """A place that shows lines and reads them: a pipe, or a real terminal."""

    def show(self, lines: Iterable[str]) -> None:
        """Show each as a line of its own, soon."""

    async def shown(self) -> None:
        """Wait until all lines are written. Raises OSError when nobody reads them any more."""

    def set_view(self, view: View) -> None:
        """Show this state from now on: the prompt, and what else there is room for."""

    def ask(self, question: str) -> None:
        """Show a question instead of the prompt; empty: show the prompt again."""

    def typed(self) -> AsyncGenerator[TypedLine, None]:
        """Yield lines as they are typed, until the end of input. Raises KeyboardInterrupt for Ctrl-C."""

    def drafts(self) -> AsyncGenerator[str, None]:
        """Yield what is typed so far whenever it changes, for as long as the terminal can tell."""

    def unread(self) -> list[str]:
        """Take the lines that were typed and that `typed` has not yielded yet."""


class LineFace:
    """One user at one terminal."""

    def __init__(
        self,
        peer: Peer,
        terminal: Terminal,
        *,
        stay: bool,
        completions: CompletionIndex | None = None,
        is_screen: bool = False,
        note_start: Callable[[], None] = lambda: None,
        note_release: Callable[[], None] = lambda: None,
        explain_taken: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """`completions`: where to note names for a terminal that offers them; without one, people need not be counted.
        `is_screen`: whether people look at the terminal: the past and who is here are shown at the start, and little is said
        of who comes and goes.
        `note_start`: called when the registry has let us in, or has given us another name. `note_release`: called when our
        name was given up. `explain_taken`: called when our name is taken at the
        start; returns lines that say whose it is."""
        self._peer = peer
        self._note_start = note_start
        self._note_release = note_release
        self._explain_taken = explain_taken
        self._may_offer_doctor = completions is not None
        """Whether to say, once, how to find out why the server does not answer. In a pipe the lines stay as they are."""
        self._terminal = terminal
        self._stay = stay
        self._is_screen = is_screen
        self._state = SessionState(peer, completions, Folding() if is_screen else None)
        self._actions = Actions(peer, terminal.show, self._tell, is_screen=is_screen)
        self._dialogue: Dialogue | Confirmation | None = None
        self._showing = asyncio.Lock()
        self._unshown: list[happened.Event] = []
        """Events that were taken from the peer and not shown yet, oldest first."""
        self._written: list[happened.Event] = []
        """Events that the terminal was given and has not written yet. They count as shown only after that: the history
        shows them again at the next start otherwise."""
        self._running = Running()
        self._was_asked = False
        """Whether the line that is being carried out answers a question."""
        self._has_started = False
        self._current_line = ""
        """The line that is being carried out."""

    def stop(self, status: int) -> None:
        """End the program now with this exit status."""
        self._running.stop(status)

    async def run(self) -> int:
        """Run until the user, the end of input or a signal ends the program. Returns the exit status."""
        self._update_view()
        if self._is_screen:
            self._state.talked_with(self._actions.show_latest())
        try:
            return await self._running.until_over(
                self._show_events(), self._read_lines(), self._report_typing(), self._show_who_is_here()
            )
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS_WITHIN):
                    await self._show(self._take_events())
                    await self._show_unsent()

    # --- what happens

    async def _show_events(self) -> None:
        while batch := await self._peer.next_events():
            self._unshown += batch
            await self._catch_up()

    async def _show_who_is_here(self) -> None:
        """Say who is online once the registry has told us."""
        if not self._is_screen:
            return
        await self._ready()
        await self._catch_up()
        peer = self._peer
        if not (self._running.is_over or peer.is_offline or peer.is_server_away):
            self._terminal.show([here_line(peer.people(), peer.name)])

    async def _catch_up(self) -> None:
        """Show and handle everything that has happened so far."""
        async with self._showing:
            batch = self._take_events()
            if batch:
                await self._show(batch)
            for event in batch:
                self._handle(event)

    def _take_events(self) -> list[happened.Event]:
        batch, self._unshown = [*self._unshown, *self._peer.take_events()], []
        return batch

    async def _show(self, batch: Sequence[happened.Event]) -> None:
        """Show a batch of events in one write, then tell the peer that they were shown."""
        lines = self._state.batch_lines(batch)
        self._state.take(batch, lines)
        self._update_view()
        self._terminal.show(lines)
        self._written += batch
        await self._terminal.shown()
        shown, self._written = self._written, []
        self._peer.events_shown(shown)

    def _tell(self, event: happened.Event) -> None:
        """Show the answer to a command that needs nobody else."""
        self._terminal.show(map(AnswerLine, self._state.lines(event)))

    def _update_view(self) -> None:
        self._terminal.set_view(self._state.view())

    def _stop_typing(self) -> None:
        """Redraw the status line without those who have stopped typing."""
        if not self._running.is_over:
            self._update_view()

    def _handle(self, event: happened.Event) -> None:
        """End the program on the events that say so, and see that nobody is shown as typing for too long."""
        match event:
            case happened.PersonTyping():
                asyncio.get_running_loop().call_later(TYPING_SHOWN_FOR, self._stop_typing)
            case happened.Registered():
                self._has_started = True
                self._note_start()
            case happened.Renamed(is_me=True):
                self._note_start()
            case happened.NameReleased():
                self._note_release()
            case happened.NoServerAtStart(table_time=None):
                self._offer_doctor(offer_at_end)
                self.stop(FAILED)
            case happened.LeaveUnanswered():
                self.stop(FAILED)
            case happened.NoServerAtStart():
                self._has_started = True
                self._offer_doctor()
            case happened.ServerLost() | happened.LinkTroubled(trouble=happened.LinkTrouble.BLOCKED):
                self._offer_doctor()
            case happened.NameUnavailable() | happened.AdmissionRefused() | happened.RegistryKeyChanged():
                if not self._has_started:
                    if isinstance(event, happened.NameUnavailable):
                        self._terminal.show(self._explain_taken())
                    self.stop(FAILED)
            case _:
                pass

    def _offer_doctor(self, text: Callable[[Address], str] = lambda _: OFFER) -> None:
        """Say once how to find out why the server does not answer."""
        if self._may_offer_doctor:
            self._may_offer_doctor = False
            self._terminal.show([text(self._peer.server)])

    # --- what is typed

    async def _report_typing(self) -> None:
        """Tell the recipient of the message that is being typed that it is."""
        async with contextlib.aclosing(self._terminal.drafts()) as drafts:
            async for draft in drafts:
                intent = parser.parse(draft, self._context(is_for_client=self._peer.desk.client is not None))
                if isinstance(intent, SendDirect):
                    self._peer.typing(intent.to)

    async def _read_lines(self) -> None:
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                self._current_line = line
                await self._ready()  # here and not before the loop: lines typed during registration are kept
                if not await self._may_continue():
                    return
                self._state.mark_read()
                if len(line) > LINE_MAX:
                    self._terminal.show([LINE_TOO_LONG])
                    self._current_line = ""
                    continue
                await self._carry_out(await self._parse(line), line)
                self._current_line = ""
                self._update_view()
                if self._running.is_over:
                    return
        if self._stay:
            return
        await self._ready()
        if await self._may_continue():
            await self._peer.settled()
        if await self._may_continue():
            self.stop(DONE)

    async def _show_unsent(self) -> None:
        """Quote the lines that were typed and will not be carried out."""
        unread = [self._current_line, *self._terminal.unread()]
        self._terminal.show(not_sent_lines([line for line in unread if self._asks_for_something(line)]))
        await self._terminal.shown()

    def _asks_for_something(self, line: str) -> bool:
        """Return whether this line asks for anything besides leaving."""
        if self._dialogue is not None:
            return bool(line.strip())
        context = Context(me=self._peer.name, room=self._peer.room)
        return not isinstance(parser.parse(line, context), Empty | GoOffline | Quit)

    async def _ready(self) -> None:
        with contextlib.suppress(NotLetIn):  # an event says the same, and may end the program
            await self._peer.ready()

    async def _may_continue(self) -> bool:
        """Whether nothing that has happened ends the program. Before the peer is registered this is asked for each line:
        a peer that is refused must not carry out what was typed ahead."""
        if not self._has_started or self._peer.is_offline:
            await self._catch_up()
        return not self._running.is_over

    async def _parse(self, line: TypedLine) -> Intent | Mistake:
        self._was_asked = self._dialogue is not None
        if self._dialogue is not None:
            return self._answered(self._dialogue, line)
        is_for_client = await self._peer.desk.takes_lines(entered_at=line.at)
        return parser.parse(line, self._context(is_for_client=is_for_client))

    def _context(self, *, is_for_client: bool) -> Context:
        peer = self._peer
        return Context(
            me=peer.name,
            room=peer.room,
            offline=peer.is_offline,
            query=self._state.query,
            is_operator=peer.desk.is_operator,
            serves=is_for_client,
            on_duty=peer.desk.is_on_duty,
        )

    def _is_maybe(self, line: TypedLine) -> bool:
        """Whether a line for the visitor would mean something else if the user served nobody."""
        return not isinstance(parser.parse(line, self._context(is_for_client=False)), Mistake)

    def _answered(self, dialogue: Dialogue | Confirmation, line: str) -> Intent | Mistake:
        answer = dialogue.answer(line)
        if dialogue.is_over:
            self._dialogue = None
            self._terminal.ask("")
        else:
            self._terminal.ask(dialogue.question)
        return answer

    def _doubts(self, text: str, line: str) -> bool:
        """Whether to ask first, as the line would be a command outside of the room. In a pipe nobody is asked."""
        room = self._peer.room
        if not self._is_screen or room is None or self._was_asked or text != parser.whole(line):
            return False
        command = parser.command_meant(text)
        if command is not None:
            question = saying_question(room, command)
            self._dialogue = Confirmation(SayInRoom(text), question, otherwise=NOTHING_SENT)
        return command is not None

    async def _open_query(self, to: PeerName | None) -> None:
        """Send bare lines to this person from now on, or go into the room of this name; None: send them to nobody."""
        if to is not None and not any(is_same_name(one.name, to) for one in self._peer.people()):
            await self._open_room(to)
            return
        if to is not None and self._is_screen:
            self._actions.show_latest_with(to)
        self._state.query = to
        self._terminal.show([query_line(to, room=self._peer.room)])

    async def _open_room(self, room: PeerName) -> None:
        """Go into a room that we have seen, after its last lines were shown."""
        past = self._actions.latest_in(room)
        if self._peer.room is not None and is_same_name(self._peer.room, room):
            self._terminal.show([query_line(self._state.query, room=self._peer.room)])
        elif past or self._state.has_seen_room(room):
            if self._is_screen:
                self._terminal.show(past)
            await self._actions.do(JoinRoom(room), entered_at=0.0)
        else:
            self._terminal.show([nobody_and_no_room(room)])

    async def _carry_out(self, intent: Intent | Mistake, line: TypedLine) -> None:
        match intent:
            case Quit():
                await self._actions.drain()
                self.stop(DONE)
            case Empty():
                pass
            case AskMessage():
                self._dialogue = Dialogue()
                self._terminal.ask(self._dialogue.question)
            case SayInRoom(text) if self._doubts(text, line):
                self._terminal.ask(self._dialogue.question if self._dialogue is not None else "")
            case GiveUpName() if not self._was_asked:
                name = self._peer.name
                self._dialogue = Confirmation(intent, release_question(name), otherwise=name_kept(name))
                self._terminal.ask(self._dialogue.question)
            case OpenQuery(to):
                await self._open_query(to)
            case Mistake(why):
                self._terminal.show([why])
            case SayToClient(text):
                self._actions.say_to_client(text, entered_at=line.at, is_maybe=self._is_maybe(line))
            case _:
                await self._actions.do(intent, entered_at=line.at)
