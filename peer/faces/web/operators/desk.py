"""The operator's desk behind the page: the peer, what the page shows of it, and the windows that
wait for news."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused, NotOpen
from chatapp.peer.api.state import DeskState
from chatapp.peer.faces.web.limits import KEYS_PER_SESSION
from chatapp.peer.faces.web.streams import Windows
from chatapp.peer.node.local import line_id
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.desk import DeskFile, DeskView
from chatapp.wire.errors import ChatAppError, quoted
from chatapp.wire.files import clean_name
from chatapp.wire.messages.desk import (
    CallNext,
    EndSession,
    OperatorRequest,
    ShowPast,
    ShowRoom,
)

_log: Final = logging.getLogger("chatapp.peer")

ROOM_AFTER: Final = 10.0
"""Seconds between two questions who waits, while a window is open: who is away or pauses is told by
the answer alone."""

ROOM_AT_ONCE: Final = 0.3
"""Seconds for which changes of the line are gathered before it is asked for."""

LISTED_AFTER: Final = 1.0
"""Seconds after which it is looked again whether the registry lists us as an operator."""

UNDO_WITHIN: Final = 5.0
"""Seconds for which the end of a talk can be taken back."""

EARLIER_SHOWN: Final = 5
"""Earlier sessions of a visitor that are shown by themselves."""

ANSWERS_WITHIN: Final = 3.0
"""Seconds for which a request of the page waits for the registry's answer."""


class OperatorDesk:
    """One operator's desk."""

    def __init__(self, peer: Peer, *, is_shared: bool) -> None:
        """`peer` is open. `is_shared`: another program runs it."""
        self._peer: Final = peer
        self.view: Final = DeskView(peer.name)
        self._loop: Final = asyncio.get_running_loop()
        self.windows: Final = Windows(self._loop)
        self._tasks: set[asyncio.Task[None]] = set()
        self._said_keys: dict[str, None] = {}
        """The keys of the last lines that were said."""
        self._ends: asyncio.TimerHandle | None = None
        """The end of the talk that can be taken back still."""
        if is_shared:
            desk = peer.desk
            self.view.found(
                DeskState(
                    is_on_duty=desk.is_on_duty,
                    is_operator=desk.is_operator,
                    answers=dict(desk.answers),
                    files_largest=desk.files_largest,
                )
            )
        self._start(self._read(is_shared=is_shared))
        self._start(self._look())

    async def close(self) -> None:
        """End all that goes on here; the peer stays open."""
        self._cancel_end()
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end_streams(self) -> None:
        """Let all windows go."""
        self.windows.clear()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Log a bug that has ended a task, and tell the page that it gets no more news."""
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("fault of the operator's page: %s", quoted(repr(error)), exc_info=error)
        self.view.failed()
        self.windows.wake()

    # --- what happens

    async def _find_talk(self) -> None:
        """Take over what was said to the visitor whom the program serves that runs the peer."""
        talk = await self._peer.desk.talk()
        if talk is not None:
            self.view.found_talk(talk)
            self._look_up()
            self.windows.wake()

    async def _read(self, *, is_shared: bool) -> None:
        with contextlib.suppress(NotOpen):
            if is_shared:
                await self._find_talk()
            while batch := await self._peer.next_events():
                for event in batch:
                    self.view.handle(event, at=time.time())
                self._look_up()
                self._peer.events_shown(_of_visitors(batch))
                self.windows.wake()
        self.view.handle(events.ProgramEnded(name=self._peer.name), at=time.time())
        self.windows.wake()

    def _look_up(self) -> None:
        """Ask for the earlier sessions of a new visitor."""
        if self.view.wants_earlier and self.view.is_on_duty and self.view.client is not None:
            self.view.wants_earlier = False
            self.ask(ShowPast(0, self.view.client.name, EARLIER_SHOWN))

    async def _look(self) -> None:
        """Ask who waits when that has changed, and from time to time while somebody looks."""
        asked_at = -ROOM_AFTER
        while not self.view.is_over:
            with contextlib.suppress(NotOpen):
                self._note_duty()
            now = self._loop.time()
            is_late = bool(self.windows) and now - asked_at >= ROOM_AFTER
            if (
                (self.view.wants_room or is_late)
                and self.view.is_operator
                and not self._peer.is_server_away
            ):
                asked_at, self.view.wants_room = now, False
                self.ask(ShowRoom(0, self.view.queue))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROOM_AFTER if self.view.is_operator else LISTED_AFTER):
                    await self.windows.wait()
            await asyncio.sleep(ROOM_AT_ONCE)

    def _note_duty(self) -> None:
        """Take over whether the registry lists us as an operator, which no event tells."""
        if self._peer.desk.is_operator and not self.view.is_operator:
            self.view.listed()
            self.windows.wake()

    # --- what the page asks for

    def ask(
        self, request: OperatorRequest, *, visit: int | None = None, asks_first: bool = False
    ) -> None:
        """Ask the registry for something; events tell what comes of it. `visit`: of which
        visitor."""
        with contextlib.suppress(NotOpen):
            self._peer.desk.ask(request, visit=visit, asks_first=asks_first, is_quiet=True)

    def end(self, request: CallNext | EndSession, *, visit: int) -> None:
        """End the talk in a moment, for which it can be taken back; at once if that was asked for
        already, or if nobody is served."""
        is_asked = self.view.ending is not None
        self._cancel_end()
        if is_asked or not visit or visit != self.view.visit:
            self.view.goes_on()
            self.ask(request, visit=visit)
        else:
            self.view.will_end(is_next=isinstance(request, CallNext), at=time.time() + UNDO_WITHIN)
            self._ends = self._loop.call_later(UNDO_WITHIN, self._end_now, request, visit)
        self.windows.wake()

    def _end_now(self, request: CallNext | EndSession, visit: int) -> None:
        if self.view.ending is not None:  # else the visitor has gone meanwhile
            self.view.goes_on()
            self.ask(request, visit=visit)
            self.windows.wake()

    def undo(self) -> None:
        """Let the talk go on."""
        self._cancel_end()
        self.view.goes_on()
        self.windows.wake()

    def _cancel_end(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    async def answered(self) -> None:
        """Wait for a moment until everything that was asked is answered."""
        with contextlib.suppress(TimeoutError, NotOpen):
            async with asyncio.timeout(ANSWERS_WITHIN):
                await self._peer.desk.answered()
                await asyncio.sleep(0)

    def say(self, text: str, *, visit: int, key: str = "") -> None:
        """Say a line to the visitor of this visit. `key`: a line that comes again under the same key
        was sent twice, and is said once. Raises TextTooLong, NotOpen."""
        if key in self._said_keys:
            return
        number = self._peer.desk.say(text, visit=visit)
        if visit == self.view.visit:
            self.view.said(text, at=time.time(), number=number, key=key)
        if key:
            self._said_keys[key] = None
        if len(self._said_keys) > KEYS_PER_SESSION:
            del self._said_keys[next(iter(self._said_keys))]
        self.windows.wake()

    async def change(self, said: int, text: str | None, *, visit: int) -> None:
        """Change a line that was said under this id to the visitor of this visit, or take it back
        (None). Raises ChangeRefused, TextTooLong, NotOpen."""
        if visit != self.view.visit:
            raise ChangeRefused(ChangeRefusal.NO_SUCH_LINE)
        change = line_id()
        self.view.changing(change, said, text)
        self.windows.wake()
        try:
            await self._peer.desk.change(said, text, line=change)
        except ChatAppError:
            self.view.not_changed(change)
            self.windows.wake()
            raise

    async def send_file(self, name: str, content: bytes, *, visit: int) -> None:
        """Send a file to the visitor of this visit. Raises FileRefused, DeskFileRefused, NotOpen."""
        with tempfile.TemporaryDirectory(prefix="chatapp-") as folder:
            path = Path(folder) / clean_name(name)
            await asyncio.to_thread(path.write_bytes, content)
            line = await self._peer.desk.send_file(path, visit=visit)
        self.view.sent(line)
        self.windows.wake()

    async def fetch_file(self, file: DeskFile) -> bytes:
        """Return the content of a file of the talk or of a past one. Raises DeskFileRefused,
        FileRefused, NotOpen."""
        with tempfile.TemporaryDirectory(prefix="chatapp-") as folder:
            path = await self._peer.desk.fetch_file(*file, path=folder)
            return await asyncio.to_thread(path.read_bytes)

    def dismiss(self) -> None:
        """Take the notices away."""
        self.view.dismiss()
        self.windows.wake()


def _of_visitors(batch: Sequence[events.Event]) -> list[events.Event]:
    """Return the events whose lines the page shows; messages of other people wait for a program
    that shows them."""
    return [event for event in batch if isinstance(event, events.Said) and event.visit]
