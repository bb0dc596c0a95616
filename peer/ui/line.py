"""This file is about the line face: typed lines are read, events become lines, and some of both end the program.

It drives the SDK and any terminal that can show lines and give lines. What a line means stands in `grammar`, what is done
then in `errands`, what is said in `wording`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final, Protocol

from peer.core import events as happened
from peer.node import Peer
from peer.ui import grammar
from peer.ui.completion import Known
from peer.ui.dialogue import Dialogue
from peer.ui.errands import Errands
from peer.ui.intentions import AskMessage, Context, Empty, Intention, Mistake, Quit
from peer.ui.pipe import LINE_MAX
from peer.ui.view import View
from peer.ui.wording import lines_of
from peer.ui.words import Answer, Spoken
from wire.limits import TEXT_MAX

FAILED: Final = 1
LAST_WORDS_WITHIN: Final = 0.5
"""Seconds that the terminal has for the last lines when the program ends."""


class Terminal(Protocol):
    """Where lines are shown and come from."""

    def show(self, lines: Iterable[str]) -> None:
        """Each as a line of its own, soon."""

    async def shown(self) -> None:
        """Until all of them are. Raises OSError when nobody reads any more."""

    def look(self, view: View) -> None:
        """The state from now on: the prompt, and what else there is room for."""

    def ask(self, question: str) -> None:
        """What the next line answers; empty: nothing is asked any more."""

    def typed(self) -> AsyncGenerator[str, None]:
        """Lines as they are typed, until the end of input. Raises KeyboardInterrupt for Ctrl-C."""


class LineFace:
    """One person at one terminal."""

    def __init__(self, peer: Peer, terminal: Terminal, *, stay: bool, known: Known | None = None) -> None:
        """`known`: where to note names for a terminal that offers them; without one, people need not be counted."""
        self._peer = peer
        self._terminal = terminal
        self._stay = stay
        self._known = known
        self._errands = Errands(peer, terminal.show, self._tell)
        self._dialogue: Dialogue | None = None
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._is_quitting = False
        self._has_started = False
        self._online = 0
        self._unread = 0
        self._told_alone: list[str] = []
        """How our lines to the room go without the registry, as the user has been told: said again when it changes."""

    def stop(self, status: int) -> None:
        """End now with this exit status."""
        self._is_quitting = True
        if not self._status.done():
            self._status.set_result(status)

    async def run(self) -> int:
        """Until the user, the input or a signal ends it. Returns the exit status."""
        self._look()
        tasks = [asyncio.create_task(self._show_events()), asyncio.create_task(self._obey())]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            return await self._status
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._show(self._peer.take_events()), LAST_WORDS_WITHIN)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._status.done():
            return
        error = task.exception()
        if isinstance(error, OSError):
            self.stop(0)  # the terminal is gone: nobody is there to be told
        elif isinstance(error, KeyboardInterrupt):
            self.stop(130)
        elif error is not None:
            self._status.set_exception(error)

    # --- what happens

    async def _show_events(self) -> None:
        while batch := await self._peer.next_events():
            await self._show(batch)
            for event in batch:
                self._heed(event)

    async def _show(self, batch: Sequence[happened.Event]) -> None:
        """One write for all of them; only what was written counts as shown."""
        lines = [line for event in batch for line in self._lines(event)]
        self._take_stock(batch, lines)
        self._look()
        self._terminal.show(lines)
        await self._terminal.shown()
        self._peer.events_shown(batch)

    def _tell(self, event: happened.Event) -> None:
        """Something that is known on the spot, and was asked for."""
        self._terminal.show(map(Answer, self._lines(event)))

    def _lines(self, event: happened.Event) -> list[str]:
        lines = lines_of(event, in_reach=self._peer.in_reach)
        match event:
            case happened.RoomUnanswered():
                before, self._told_alone = self._told_alone, lines
                return lines if lines != before else []
            case (
                happened.RoomAccepted()
                | happened.RoomEntered()
                | happened.ServerLost()
                | happened.ServerBack()
            ):
                self._told_alone = []
            case _:
                pass
        return lines

    def _look(self) -> None:
        peer = self._peer
        self._terminal.look(
            View(
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
        )

    def _take_stock(self, batch: Sequence[happened.Event], lines: Sequence[str]) -> None:
        """What a terminal offers and counts: names, people online, lines not seen to yet."""
        if self._known is None:
            return
        for line in lines:
            if isinstance(line, Spoken):
                self._unread += 1
                self._known.talked_with(line.sender)
        for event in batch:
            match event:
                case happened.Delivered(to=to) | happened.Unacknowledged(to=to) | happened.Kept(to=to):
                    self._known.talked_with(to)
                case happened.RoomEntered(room=room):
                    self._known.saw_room(room)
                case happened.RoomsListed(rooms=rooms):
                    for one in rooms:
                        self._known.saw_room(one.name)
                case _:
                    pass
        if any(
            isinstance(event, happened.TableChanged | happened.Registered | happened.Renamed)
            for event in batch
        ):
            people = self._peer.people()
            self._known.people_are(one.name for one in people)
            self._online = sum(one.online for one in people)

    def _heed(self, event: happened.Event) -> None:
        """Some events end the program."""
        match event:
            case happened.Registered():
                self._has_started = True
            case happened.NoServerAtStart(table_time=None) | happened.LeaveUnanswered():
                self.stop(FAILED)
            case happened.NoServerAtStart():
                self._has_started = True
            case happened.NameTaken() | happened.NotAdmitted() | happened.RegistryKeyChanged():
                if not self._has_started:
                    self.stop(FAILED)
            case _:
                pass

    # --- what is typed

    async def _obey(self) -> None:
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                await self._peer.ready()  # after the prompt is up, so that what is typed early is not lost
                self._unread = 0
                if len(line) > LINE_MAX:
                    self._terminal.show(
                        [f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"]
                    )
                    continue
                await self._carry_out(self._meant(line))
                self._look()
                if self._is_quitting:
                    return
        if self._stay:
            return
        await self._peer.ready()
        await self._peer.settled()
        self.stop(0)

    def _meant(self, line: str) -> Intention | Mistake:
        peer = self._peer
        if self._dialogue is not None:
            return self._answered(self._dialogue, line)
        context = Context(
            me=peer.name,
            room=peer.room,
            offline=peer.is_offline,
            client=peer.desk.client,
            on_duty=peer.desk.is_on_duty,
        )
        return grammar.parse(line, context)

    def _answered(self, dialogue: Dialogue, line: str) -> Intention | Mistake:
        answer = dialogue.answer(line)
        if dialogue.is_over:
            self._dialogue = None
            self._terminal.ask("")
        else:
            self._terminal.ask(dialogue.question)
        return answer

    async def _carry_out(self, intention: Intention | Mistake) -> None:
        match intention:
            case Quit():
                self.stop(0)
            case Empty():
                pass
            case AskMessage():
                self._dialogue = Dialogue()
                self._terminal.ask(self._dialogue.question)
            case Mistake(line):
                self._terminal.show([line])
            case _:
                await self._errands.do(intention)
