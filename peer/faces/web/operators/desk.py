"""The help desk of an operator behind the windows of their page: the peer, and what they show."""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused, NotOpen
from chatapp.peer.api.state import DeskState
from chatapp.peer.faces.web.limits import KEYS_PER_SESSION
from chatapp.peer.node.feed import Waiters
from chatapp.peer.node.local import line_id
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

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer

_log: Final = logging.getLogger("chatapp.peer")

CLOSES_WITHIN: Final = 0.3
"""Seconds that the desk gets to detach."""

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
    """One operator's desk, of which all their windows show the same."""

    def __init__(
        self,
        peer: "Peer",
        *,
        changed: Callable[[], None] = lambda: None,
        is_watched: Callable[[], bool] = lambda: False,
    ) -> None:
        """`peer`: attached to the program that runs it, and open; the desk closes it. `changed` is
        called when the view has changed. `is_watched`: whether a browser shows it."""
        self._peer: Final = peer
        self._changed: Final = changed
        self._is_watched: Final = is_watched
        self.view: Final = DeskView(peer.name)
        self._loop: Final = asyncio.get_running_loop()
        self._news: Final = Waiters(self._loop)
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers: Sequence[str] = ()
        """What the last command is answered that was typed to the visitor."""
        self._said_keys: dict[str, None] = {}
        """The keys of the last lines that were said."""
        self._ends: asyncio.TimerHandle | None = None
        """The end of the talk that can be taken back still."""
        desk = peer.desk
        self.view.found(
            DeskState(
                is_on_duty=desk.is_on_duty,
                is_operator=desk.is_operator,
                answers=dict(desk.answers),
                files_largest=desk.files_largest,
            )
        )
        self._start(self._read())
        self._start(self._look())

    async def close(self) -> None:
        """End all that goes on here, and detach."""
        self._cancel_end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._peer.close(within=CLOSES_WITHIN)

    async def news(self) -> None:
        """Wait until the view has changed."""
        await self._news.wait()

    def _tell(self) -> None:
        self._news.wake()
        self._changed()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Log a bug that has ended a task, and tell the page that it gets no more news."""
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("fault of a help desk on pages: %s", quoted(repr(error)), exc_info=error)
        self.view.failed()
        self._tell()

    # --- what happens

    async def _find_talk(self) -> None:
        """Take over what was said to the visitor whom the program serves that runs the peer."""
        talk = await self._peer.desk.talk()
        if talk is not None:
            self.view.found_talk(talk)
            self._look_up()
            self._tell()

    async def _read(self) -> None:
        with contextlib.suppress(NotOpen):
            await self._find_talk()
            while batch := await self._peer.next_events():
                for event in batch:
                    self.view.handle(event, at=time.time())
                self._look_up()
                self._tell()
        self.view.handle(events.ProgramEnded(name=self._peer.name), at=time.time())
        self._tell()

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
            is_late = self._is_watched() and now - asked_at >= ROOM_AFTER
            if (
                (self.view.wants_room or is_late)
                and self.view.is_operator
                and not self._peer.is_server_away
            ):
                asked_at, self.view.wants_room = now, False
                self.ask(ShowRoom(0, self.view.queue))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROOM_AFTER if self.view.is_operator else LISTED_AFTER):
                    await self._news.wait()
            await asyncio.sleep(ROOM_AT_ONCE)

    def _note_duty(self) -> None:
        """Take over whether the registry lists us as an operator, which no event tells."""
        if self._peer.desk.is_operator and not self.view.is_operator:
            self.view.listed()
            self._tell()

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
        self._tell()

    def _end_now(self, request: CallNext | EndSession, visit: int) -> None:
        if self.view.ending is not None:  # else the visitor has gone meanwhile
            self.view.goes_on()
            self.ask(request, visit=visit)
            self._tell()

    def undo(self) -> None:
        """Let the talk go on."""
        self._cancel_end()
        self.view.goes_on()
        self._tell()

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
        self._tell()

    async def change(self, said: int, text: str | None, *, visit: int) -> None:
        """Change a line that was said under this id to the visitor of this visit, or take it back
        (None). Raises ChangeRefused, TextTooLong, NotOpen."""
        if visit != self.view.visit:
            raise ChangeRefused(ChangeRefusal.NO_SUCH_LINE)
        change = line_id()
        self.view.changing(change, said, text)
        self._tell()
        try:
            await self._peer.desk.change(said, text, line=change)
        except ChatAppError:
            self.view.not_changed(change)
            self._tell()
            raise

    async def send_file(self, name: str, content: bytes, *, visit: int) -> None:
        """Send a file to the visitor of this visit. Raises FileRefused, DeskFileRefused, NotOpen."""
        with tempfile.TemporaryDirectory(prefix="chatapp-") as folder:
            path = Path(folder) / clean_name(name)
            await asyncio.to_thread(path.write_bytes, content)
            line = await self._peer.desk.send_file(path, visit=visit)
        self.view.sent(line)
        self._tell()

    async def fetch_file(self, file: DeskFile) -> bytes:
        """Return the content of a file of the talk or of a past one. Raises DeskFileRefused,
        FileRefused, NotOpen."""
        with tempfile.TemporaryDirectory(prefix="chatapp-") as folder:
            path = await self._peer.desk.fetch_file(*file, path=folder)
            return await asyncio.to_thread(path.read_bytes)

    def answer(self, sentences: Sequence[str]) -> None:
        """Show what a command is answered that was typed to the visitor."""
        self.answers = sentences
        self._tell()

    def dismiss(self) -> None:
        """Take the notices away."""
        self.answers = ()
        self.view.dismiss()
        self._tell()


class DeskOfWindows:
    """The desk that all windows of one person share: it is opened when the registry counts the person
    among its operators, and again when the program that ran the peer has ended."""

    def __init__(
        self,
        attach: "Callable[[], Peer]",
        *,
        changed: Callable[[], None],
        is_watched: Callable[[], bool],
    ) -> None:
        """`attach`: returns a peer that stands for the person's. `changed`, `is_watched`: as in
        `OperatorDesk`."""
        self._attach: Final = attach
        self._changed: Final = changed
        self._is_watched: Final = is_watched
        self._desk: OperatorDesk | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def desk(self) -> OperatorDesk | None:
        """The desk; None while it is not open."""
        return None if self._desk is None or self._desk.view.is_over else self._desk

    def want(self) -> None:
        """Have it opened."""
        if self.desk is None and (self._opening is None or self._opening.done()):
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def wanted(self) -> None:
        """Have it opened, and wait for a moment until it is."""
        self.want()
        if self._opening is not None:
            _ = await asyncio.wait([self._opening], timeout=ANSWERS_WITHIN)

    async def _open(self) -> None:
        former, self._desk = self._desk, None
        if former is not None:
            await former.close()
        peer = self._attach()
        try:
            await peer.open()
        except (ChatAppError, OSError) as error:
            _log.debug("the help desk of a page is not open: %s", error)
            return
        self._desk = OperatorDesk(peer, changed=self._changed, is_watched=self._is_watched)
        self._changed()

    async def close(self) -> None:
        """Close it."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close()
