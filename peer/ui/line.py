"""This file is about the line face: typed lines become intentions and are carried out, events become lines.

It drives the SDK and any terminal that can show lines and give lines; what a line means or says stands in `grammar`
and `wording`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Protocol, assert_never

from peer.core import events as happened
from peer.node import Peer
from peer.ui import grammar
from peer.ui.pipe import LINE_MAX
from peer.ui.wording import lines_of
from wire.errors import TooLong
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

    def typed(self) -> AsyncIterator[str]:
        """Lines as they are typed, until the end of input. Raises KeyboardInterrupt for Ctrl-C."""


class LineFace:
    """One person at one terminal."""

    def __init__(self, peer: Peer, terminal: Terminal, *, stay: bool) -> None:
        self._peer = peer
        self._terminal = terminal
        self._stay = stay
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._is_quitting = False
        self._has_started = False

    def stop(self, status: int) -> None:
        """End now with this exit status."""
        self._is_quitting = True
        if not self._status.done():
            self._status.set_result(status)

    async def run(self) -> int:
        """Until the user, the input or a signal ends it. Returns the exit status."""
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
        self._terminal.show([line for event in batch for line in lines_of(event)])
        await self._terminal.shown()
        self._peer.events_shown(batch)

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
        async for line in self._terminal.typed():
            await self._peer.ready()  # after the prompt is up, so that what is typed early is not lost
            if len(line) > LINE_MAX:
                self._terminal.show([f"[That line is too long: a message has at most {TEXT_MAX:,} bytes.]"])
                continue
            context = grammar.Context(me=self._peer.name, offline=self._peer.is_offline)
            await self._carry_out(grammar.parse(line, context))
            if self._is_quitting:
                return
        if self._stay:
            return
        await self._peer.ready()
        await self._peer.settled()
        self.stop(0)

    async def _carry_out(self, intention: grammar.Intention | grammar.Mistake) -> None:
        match intention:
            case grammar.SendDirect(to, text):
                await self._send(to, text)
            case grammar.SendAll(text):
                try:
                    await self._peer.send_all(text)
                except TooLong as error:
                    self._say(happened.TooLong(to="everybody", size=error.size, limit=error.limit))
            case grammar.Leave():
                self._peer.leave()
                await self._peer.left()
            case grammar.Return():
                self._peer.come_back()
                await self._peer.ready()
            case grammar.ShowPeople():
                self._say(happened.PeopleListed(people=self._peer.people()))
            case grammar.ShowHelp(command):
                self._terminal.show(grammar.help_lines(command))
            case grammar.Quit():
                self.stop(0)
            case grammar.Empty():
                pass
            case grammar.Mistake(line):
                self._terminal.show([line])
            case _:
                assert_never(intention)

    async def _send(self, to: str, text: str) -> None:
        try:
            await self._peer.send(to, text)
        except TooLong as error:
            self._say(happened.TooLong(to=to, size=error.size, limit=error.limit))

    def _say(self, event: happened.Event) -> None:
        self._terminal.show(lines_of(event))
