"""The line face: it carries out typed lines, shows events as lines, and ends the program when one
of them says so.

It connects the SDK with any terminal that can show and read lines. `parser` says what a typed line
means, `actions` carries it out, and `texts` words the events.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.commands import parser
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
)
from chatapp.peer.commands.parser import Confirmation, Dialogue
from chatapp.peer.view.actions import Actions
from chatapp.peer.view.folding import Folding
from chatapp.peer.view.running import DONE, FAILED, Running
from chatapp.peer.view.status import LINE_MAX, TYPING_SHOWN_FOR, SessionState
from chatapp.peer.words.answers import (
    LINE_TOO_LONG,
    NOTHING_SENT,
    OFFER,
    TYPE_HELP,
    name_kept,
    nobody_and_no_room,
    not_sent_lines,
    offer_at_end,
    query_line,
    release_question,
    saying_question,
)
from chatapp.peer.words.desk import answer_said, no_answer, ready_answer
from chatapp.peer.words.formatting import AnswerLine, SettledLine, TypedLine, View
from chatapp.peer.words.people import here_line
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError
from chatapp.wire.names import PeerName, is_same_name

if TYPE_CHECKING:
    from chatapp.peer.sdk.anypeer import AnyPeer


LAST_WORDS_WITHIN: Final = 0.5
"""Seconds that the terminal gets for the last lines when the program ends."""


LOOKS_EVERY: Final = 0.25
"""Seconds until the status line is drawn anew while a message is under way: half the time between
two tries."""


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
        """Yield lines as they are typed, until the end of input. Raises KeyboardInterrupt for
        Ctrl-C."""

    def drafts(self) -> AsyncGenerator[str, None]:
        """Yield what is typed so far whenever it changes, for as long as the terminal can tell."""

    def unread(self) -> list[str]:
        """Take the lines that were typed and that `typed` has not yielded yet."""


class LineFace:
    """One user at one terminal."""

    def __init__(
        self,
        peer: "AnyPeer",
        terminal: Terminal,
        *,
        stay: bool,
        completions: CompletionIndex | None = None,
        is_screen: bool = False,
        note: Callable[[Sequence[events.Event]], None] = lambda events: None,
        explain_taken: Callable[[], Iterable[str]] = tuple,
        has_started: bool = False,
        is_first: bool = False,
    ) -> None:
        """`completions`: where to note names for a terminal that offers them; without one, people
        need not be counted. `is_screen`: whether people look at the terminal: the past and who is
        here are shown at the start, and little is said of who comes and goes. `note`: called with
        events before they are shown. `explain_taken`: called when our name is taken at the start;
        returns lines that say whose it is. `has_started`: whether the peer is past its start, as
        another program runs it. `is_first`: whether this person has not been let in before."""
        self._peer = peer
        self._note = note
        self._explain_taken = explain_taken
        self._may_offer_doctor = completions is not None
        """Whether to say, once, how to find out why the server does not answer. In a pipe the lines
        stay as they are."""
        self._terminal = terminal
        self._stay = stay
        self._is_screen = is_screen
        self._state = SessionState(peer, completions, Folding() if is_screen else None)
        self._actions = Actions(peer, self._answer, self._tell, is_screen=is_screen)
        self._dialogue: Dialogue | Confirmation | None = None
        self._showing = asyncio.Lock()
        self._unshown: list[events.Event] = []
        """Events that were taken from the peer and not shown yet, oldest first."""
        self._written: list[events.Event] = []
        """Events that the terminal was given and has not written yet. They count as shown only
        after that: the history shows them again at the next start otherwise."""
        self._running = Running()
        self._was_asked = False
        """Whether the line that is being carried out answers a question."""
        self._has_started = has_started
        self._is_first = is_first
        self._current_line = ""
        """The line that is being carried out."""
        self._watch: asyncio.TimerHandle | None = None
        """When the status line is drawn anew, as a message is under way."""
        self._unsettled: TypedLine | None = None
        """The same line, while a screen shows it above the prompt; see `_settle`."""

    def stop(self, status: int) -> None:
        """End the program now with this exit status."""
        self._running.stop(status)

    async def run(self) -> int:
        """Run until the user, the end of input or a signal ends the program. Returns the exit
        status."""
        if self._has_started:
            self._state.count_people()  # no event tells of those who are here already
        self._update_view()
        if self._is_screen:
            self._state.talked_with(await self._actions.show_latest())
        try:
            return await self._running.until_over(
                self._show_events(),
                self._read_lines(),
                self._report_typing(),
                self._show_who_is_here(),
            )
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS_WITHIN):
                    await self._show(self._take_events())
                    self._settle()
                    self._terminal.show(self._state.under_way.end())
                    await self._show_unsent()

    # --- what happens

    async def _show_events(self) -> None:
        while batch := await self._peer.next_events():
            self._unshown += batch
            await self._catch_up()

    async def _show_who_is_here(self) -> None:
        """Say who is online once the registry has told us; at the first start, also how to get
        help."""
        if not self._is_screen:
            return
        await self._ready()
        await self._catch_up()
        peer = self._peer
        if not (self._running.is_over or peer.is_offline or peer.is_server_away):
            hint = [TYPE_HELP] if self._is_first else []
            self._terminal.show([here_line(peer.people(), peer.name), *hint])

    async def _catch_up(self) -> None:
        """Show and handle everything that has happened so far."""
        async with self._showing:
            batch = self._take_events()
            if batch:
                await self._show(batch)
            for event in batch:
                self._handle(event)

    def _take_events(self) -> list[events.Event]:
        batch, self._unshown = [*self._unshown, *self._peer.take_events()], []
        return batch

    async def _show(self, batch: Sequence[events.Event]) -> None:
        """Show a batch of events in one write, then tell the peer that they were shown."""
        self._note(
            batch
        )  # before it is shown: who reads that we are in may kill the program at once
        lines = self._state.batch_lines(batch)
        self._state.take(batch, lines)
        self._update_view()
        self._terminal.show(lines)
        self._written += batch
        await self._terminal.shown()
        shown, self._written = self._written, []
        self._peer.events_shown(shown)

    def _tell(self, event: events.Event) -> None:
        """Show the answer to a command that needs nobody else."""
        self._answer(map(AnswerLine, self._state.lines(event)))

    def _answer(self, lines: Iterable[str]) -> None:
        """Show the answer to the line that is being carried out, below that line."""
        self._settle()
        self._terminal.show(lines)

    def _settle(self) -> None:
        """Have the screen show the line that is being carried out among the others: it is no
        message under way."""
        typed, self._unsettled = self._unsettled, None
        if typed is not None:
            self._terminal.show([SettledLine(typed)])

    def _update_view(self) -> None:
        self._terminal.set_view(self._state.view())

    def _stop_typing(self) -> None:
        """Redraw the status line without those who have stopped typing."""
        if not self._running.is_over:
            self._update_view()

    def _handle(self, event: events.Event) -> None:
        """End the program on the events that say so, and see that nobody is shown as typing for too
        long."""
        match event:
            case events.PersonTyping():
                asyncio.get_running_loop().call_later(TYPING_SHOWN_FOR, self._stop_typing)
            case events.Registered():
                self._has_started = True
            case events.NoServerAtStart(table_time=None):
                self._offer_doctor(offer_at_end)
                self.stop(FAILED)
            case events.LeaveUnanswered() | events.ProgramEnded():
                self.stop(FAILED)
            case events.NoServerAtStart():
                self._has_started = True
                self._offer_doctor()
            case events.ServerLost() | events.LinkTroubled(trouble=events.LinkTrouble.BLOCKED):
                self._offer_doctor()
            case events.NameUnavailable() | events.AdmissionRefused() | events.RegistryKeyChanged():
                if not self._has_started:
                    if isinstance(event, events.NameUnavailable):
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
                intent = parser.parse(
                    draft, self._context(is_for_client=self._peer.desk.client is not None)
                )
                if isinstance(intent, SendDirect):
                    self._peer.typing(intent.to)

    async def _read_lines(self) -> None:
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                self._current_line = line
                self._unsettled = line if self._is_screen else None
                await (
                    self._ready()
                )  # here and not before the loop: lines typed during registration are kept
                if not await self._may_continue():
                    return
                await self._mark_read()
                if len(line) > LINE_MAX:
                    self._answer([LINE_TOO_LONG])
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
        self._terminal.show(
            not_sent_lines([line for line in unread if self._asks_for_something(line)])
        )
        await self._terminal.shown()

    async def _mark_read(self) -> None:
        """Note that the user has read what was shown so far. In a pipe nobody knows."""
        read = self._state.mark_read()
        for conversation, id_ in read.items() if self._is_screen else ():
            with contextlib.suppress(
                ChatAppError, sqlite3.Error
            ):  # then it counts as unread in other faces
                await self._peer.past.mark_read(conversation, id_)

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
        """Whether nothing that has happened ends the program. Before the peer is registered this is
        asked for each line: a peer that is refused must not carry out what was typed ahead."""
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
        """Whether to ask first, as the line would be a command outside of the room. In a pipe
        nobody is asked."""
        room = self._peer.room
        if not self._is_screen or room is None or self._was_asked or text != parser.whole(line):
            return False
        command = parser.command_meant(text)
        if command is not None:
            question = saying_question(room, command)
            self._dialogue = Confirmation(SayInRoom(text), question, otherwise=NOTHING_SENT)
        return command is not None

    async def _open_query(self, to: PeerName | None) -> None:
        """Send bare lines to this person from now on, or go into the room of this name; None: send
        them to nobody."""
        if to is not None and not any(is_same_name(one.name, to) for one in self._peer.people()):
            await self._open_room(to)
            return
        if to is not None and self._is_screen:
            await self._actions.show_latest_with(to)
        self._state.query = to
        self._terminal.show([query_line(to, room=self._peer.room)])

    async def _open_room(self, room: PeerName) -> None:
        """Go into a room that we have seen, after its last lines were shown."""
        past = await self._actions.latest_in(room)
        if self._peer.room is not None and is_same_name(self._peer.room, room):
            self._terminal.show([query_line(self._state.query, room=self._peer.room)])
        elif past or self._state.has_seen_room(room):
            if self._is_screen:
                self._terminal.show(past)
            await self._actions.do(JoinRoom(room), entered_at=0.0)
        else:
            self._terminal.show([nobody_and_no_room(room)])

    def _say_answer(self, word: str, line: TypedLine) -> None:
        """Say a ready answer to the visitor, and show which text that is."""
        answers = self._peer.desk.answers
        text = ready_answer(word, answers)
        if text is None:
            self._terminal.show([AnswerLine(no_answer(word, answers))])
            return
        if self._peer.desk.client is not None:
            self._terminal.show([AnswerLine(answer_said(word, text))])
        self._actions.say_to_client(text, entered_at=line.at, is_maybe=False)

    async def _carry_out(self, intent: Intent | Mistake, line: TypedLine) -> None:
        if not isinstance(intent, SendDirect | SendAll | SayInRoom):
            self._settle()
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
                self._settle()
                self._terminal.ask(self._dialogue.question if self._dialogue is not None else "")
            case GiveUpName() if not self._was_asked:
                name = self._peer.name
                self._dialogue = Confirmation(
                    intent, release_question(name), otherwise=name_kept(name)
                )
                self._terminal.ask(self._dialogue.question)
            case OpenQuery(to):
                await self._open_query(to)
            case Mistake(why):
                self._terminal.show([why])
            case SayAnswer(word):
                self._say_answer(word, line)
            case SayToClient(text):
                self._actions.say_to_client(text, entered_at=line.at, is_maybe=self._is_maybe(line))
            case SendDirect() | SendAll() | SayInRoom():
                await self._send(intent, line)
            case _:
                await self._actions.do(intent, entered_at=line.at)

    async def _send(self, intent: SendDirect | SendAll | SayInRoom, line: TypedLine) -> None:
        """Send a message. On a screen it stands above the prompt until it is settled."""
        receipt = await self._actions.send(intent)
        if receipt is None or not self._is_screen:
            return
        self._unsettled = None
        self._state.under_way.begin(line, receipt.id, intent.text)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(LOOKS_EVERY, self._look)

    def _look(self) -> None:
        """Show how often the message under way was sent, for as long as one is."""
        self._watch = None
        if self._state.under_way and not self._running.is_over:
            self._update_view()
            self._watch = asyncio.get_running_loop().call_later(LOOKS_EVERY, self._look)
