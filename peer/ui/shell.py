"""The line face: typed lines are read, events become lines, and some of both end the program.

It drives the SDK and any terminal that can show lines and give lines. What a line means stands in `grammar`, what is
done then in `actions`, what is said in `wording`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final, Protocol

from chatapp.peer.client import Peer
from chatapp.peer.core import events as happened
from chatapp.peer.errors import NotLetIn
from chatapp.peer.ui import parser
from chatapp.peer.ui.actions import Actions
from chatapp.peer.ui.completion import CompletionIndex
from chatapp.peer.ui.formatting import AnswerLine, MessageLine, TypedLine, View
from chatapp.peer.ui.intents import AskMessage, Context, Empty, GoOffline, Intent, Mistake, Quit, SayToClient
from chatapp.peer.ui.parser import Dialogue
from chatapp.peer.ui.terminal import DONE, FAILED, Running
from chatapp.peer.ui.terminals.pipe import LINE_MAX
from chatapp.peer.ui.texts import lines_of, not_sent_lines
from chatapp.wire.limits import TEXT_MAX


class SessionState:
    """Of one person at one terminal."""

    def __init__(self, peer: Peer, known: CompletionIndex | None) -> None:
        """`known`: where to note names for a terminal that offers them; without one, people need not be counted."""
        self._peer = peer
        self._known = known
        self._online = 0
        self._unread = 0
        self._last_room_notice: list[str] = []
        """How our lines to the room go without the registry, as the user has been told: said again when it changes."""

    def view(self) -> View:
        """The state as it is now."""
        peer = self._peer
        return View(
            me=peer.name,
            room=peer.room,
            client=peer.desk.client,
            is_on_duty=peer.desk.is_on_duty,
            is_offline=peer.is_offline,
            is_server_away=peer.is_server_away,
            in_reach=peer.in_reach,
            online=self._online,
            unread=self._unread,
        )

    def mark_read(self) -> None:
        """Somebody is there, and has typed."""
        self._unread = 0

    def lines(self, event: happened.Event) -> list[str]:
        """What to show of an event; nothing of what was said last and holds on."""
        lines = lines_of(event, in_reach=self._peer.in_reach)
        match event:
            case happened.RoomUnanswered():
                before, self._last_room_notice = self._last_room_notice, lines
                return lines if lines != before else []
            case (
                happened.RoomAccepted()
                | happened.RoomEntered()
                | happened.ServerLost()
                | happened.ServerBack()
            ):
                self._last_room_notice = []
            case _:
                pass
        return lines

    def take(self, batch: Sequence[happened.Event], lines: Sequence[str]) -> None:
        """These have happened, and are shown so."""
        if self._known is None:
            return
        for line in lines:
            if isinstance(line, MessageLine):
                self._unread += 1
                self._known.add_recent(line.sender)
        for event in batch:
            match event:
                case happened.Delivered(to=to) | happened.Unacknowledged(to=to) | happened.Kept(to=to):
                    self._known.add_recent(to)
                case happened.RoomEntered(room=room):
                    self._known.add_room(room)
                case happened.RoomsListed(rooms=rooms):
                    for one in rooms:
                        self._known.add_room(one.name)
                case _:
                    pass
        counts = happened.TableChanged | happened.Registered | happened.Renamed
        if any(isinstance(event, counts) for event in batch):
            people = self._peer.people()
            self._known.set_people(one.name for one in people)
            self._online = sum(one.online for one in people)


LAST_WORDS_WITHIN: Final = 0.5
"""Seconds that the terminal has for the last lines when the program ends."""


class Terminal(Protocol):
    """Where lines are shown and come from."""

    def show(self, lines: Iterable[str]) -> None:
        """Each as a line of its own, soon."""

    async def shown(self) -> None:
        """Until all of them are. Raises OSError when nobody reads any more."""

    def set_view(self, view: View) -> None:
        """The state from now on: the prompt, and what else there is room for."""

    def ask(self, question: str) -> None:
        """What the next line answers; empty: nothing is asked any more."""

    def typed(self) -> AsyncGenerator[TypedLine, None]:
        """Lines as they are typed, until the end of input. Raises KeyboardInterrupt for Ctrl-C."""

    def unread(self) -> list[str]:
        """Drained: lines that were typed and that `typed` has not given yet."""


class LineFace:
    """One person at one terminal."""

    def __init__(
        self, peer: Peer, terminal: Terminal, *, stay: bool, known: CompletionIndex | None = None
    ) -> None:
        """`known`: where to note names for a terminal that offers them; without one, people need not be counted."""
        self._peer = peer
        self._terminal = terminal
        self._stay = stay
        self._state = SessionState(peer, known)
        self._actions = Actions(peer, terminal.show, self._tell)
        self._dialogue: Dialogue | None = None
        self._showing = asyncio.Lock()
        self._unshown: list[happened.Event] = []
        """Taken from the peer and not shown yet, oldest first."""
        self._written: list[happened.Event] = []
        """Given to the terminal, which has not said yet that they are out: an end must not come between, or the next start
        shows them again."""
        self._running = Running()
        self._has_started = False
        self._current_line = ""
        """The line that is being obeyed."""

    def stop(self, status: int) -> None:
        """End now with this exit status."""
        self._running.stop(status)

    async def run(self) -> int:
        """Until the user, the input or a signal ends it. Returns the exit status."""
        self._set_view()
        try:
            return await self._running.until_over(self._show_events(), self._read_lines())
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

    async def _catch_up(self) -> None:
        """Show and heed all that has happened: some of it may end the program."""
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
        """One write for all of them; only what was written counts as shown."""
        lines = [line for event in batch for line in self._state.lines(event)]
        self._state.take(batch, lines)
        self._set_view()
        self._terminal.show(lines)
        self._written += batch
        await self._terminal.shown()
        shown, self._written = self._written, []
        self._peer.events_shown(shown)

    def _tell(self, event: happened.Event) -> None:
        """Something that is known on the spot, and was asked for."""
        self._terminal.show(map(AnswerLine, self._state.lines(event)))

    def _set_view(self) -> None:
        self._terminal.set_view(self._state.view())

    def _handle(self, event: happened.Event) -> None:
        """Some events end the program."""
        match event:
            case happened.Registered():
                self._has_started = True
            case happened.NoServerAtStart(table_time=None) | happened.LeaveUnanswered():
                self.stop(FAILED)
            case happened.NoServerAtStart():
                self._has_started = True
            case happened.NameUnavailable() | happened.AdmissionRefused() | happened.RegistryKeyChanged():
                if not self._has_started:
                    self.stop(FAILED)
            case _:
                pass

    # --- what is typed

    async def _read_lines(self) -> None:
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                self._current_line = line
                await self._ready()  # after the prompt is up, so that what is typed early is not lost
                if not await self._may_continue():
                    return
                self._state.mark_read()
                if len(line) > LINE_MAX:
                    self._terminal.show(
                        [f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"]
                    )
                    self._current_line = ""
                    continue
                await self._carry_out(self._parsed(line), line)
                self._current_line = ""
                self._set_view()
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
        """Lines that were typed behind the one with which the program ends."""
        unread = [self._current_line, *self._terminal.unread()]
        self._terminal.show(not_sent_lines([line for line in unread if self._asks_for_something(line)]))
        await self._terminal.shown()

    def _asks_for_something(self, line: str) -> bool:
        """Whether the end of the program is not all that this line asks for."""
        if self._dialogue is not None:
            return bool(line.strip())
        context = Context(me=self._peer.name, room=self._peer.room)
        return not isinstance(parser.parse(line, context), Empty | GoOffline | Quit)

    async def _ready(self) -> None:
        with contextlib.suppress(NotLetIn):  # an event says so, too, and may end the program
            await self._peer.ready()

    async def _may_continue(self) -> bool:
        """Whether nothing that has happened ends the program: else the input would be obeyed, or its end, by a peer that
        was not let in."""
        if not self._has_started or self._peer.is_offline:
            await self._catch_up()
        return not self._running.is_over

    def _parsed(self, line: TypedLine) -> Intent | Mistake:
        if self._dialogue is not None:
            return self._answered(self._dialogue, line)
        is_for_client = self._peer.desk.takes_lines(entered_at=line.at)
        return parser.parse(line, self._context(is_for_client=is_for_client))

    def _context(self, *, is_for_client: bool) -> Context:
        peer = self._peer
        return Context(
            me=peer.name,
            room=peer.room,
            offline=peer.is_offline,
            serves=is_for_client,
            on_duty=peer.desk.is_on_duty,
        )

    def _is_maybe(self, line: TypedLine) -> bool:
        """Whether a line for the visitor would mean something else if nobody were served."""
        return not isinstance(parser.parse(line, self._context(is_for_client=False)), Mistake)

    def _answered(self, dialogue: Dialogue, line: str) -> Intent | Mistake:
        answer = dialogue.answer(line)
        if dialogue.is_over:
            self._dialogue = None
            self._terminal.ask("")
        else:
            self._terminal.ask(dialogue.question)
        return answer

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
            case Mistake(why):
                self._terminal.show([why])
            case SayToClient(text):
                self._actions.say_to_client(text, entered_at=line.at, is_maybe=self._is_maybe(line))
            case _:
                await self._actions.do(intent, entered_at=line.at)
