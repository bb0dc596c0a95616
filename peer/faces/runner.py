"""Runs a view: feeds it from a peer, carries out what it asks for, has a face show what changed."""

import asyncio
import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import Edited, Event, FileChanged, Reacted, Retracted, Seen
from chatapp.peer.api.past import FoundLine
from chatapp.peer.api.requests import FindLines, KeepDraft, LineName, Node
from chatapp.peer.commands.completion import SOUGHT_AFTER
from chatapp.peer.faces.program import DONE, FAILED, Running
from chatapp.peer.view.view import (
    Briefly,
    CatchUp,
    Changes,
    HistoryUnreadable,
    Step,
    Steps,
    View,
)
from chatapp.peer.words.formatting import TypedLine
from chatapp.wire.errors import ChatAppError

if TYPE_CHECKING:
    from chatapp.peer.api.conversations import Conversation
    from chatapp.peer.view.log import LogEntry
    from chatapp.peer.view.panes import Pane
    from chatapp.peer.view.screen import ScreenView

Result = TypeVar("Result")

CHANGES_SPAN: Final = 0.1
"""Seconds in which what happens to lines and files is shown at most once: many people may react at a
time, and a file comes in many chunks."""
_CAN_WAIT: Final = (Edited, Retracted, Reacted, Seen, FileChanged)

NAMED_TOGETHER: Final = 100
"""Lines that are asked for at once."""


class Display(Protocol):
    """What shows a view."""

    def show(self, changes: Changes) -> None:
        """Show what has changed, and the status as it is now."""

    async def shown(self) -> None:
        """Wait until what was to be shown is. Raises OSError when nobody sees it any more."""


class Runner:
    """Runs one view until it ends the program."""

    def __init__(
        self,
        node: Node,
        view: View,
        display: Display,
        *,
        note: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        """`note`: called with events before they are shown: who reads that we are in may kill the
        program at once."""
        self.running: Final = Running()
        self._node: Final = node
        self._view: Final = view
        self._display: Final = display
        self._note: Final = note
        self._showing: Final = asyncio.Lock()
        self._unshown: list[Event] = []
        """Events that were taken from the peer and not shown yet, oldest first."""
        self._written: list[Event] = []
        """Events that the display was given and has not shown yet. They count as seen only after
        that: the history tells of them again at the next start otherwise."""
        self._reading: Final[defaultdict[Pane, asyncio.Lock]] = defaultdict(asyncio.Lock)
        """Held while the past of a conversation is read."""
        self._work: Final[set[asyncio.Task[None]]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._seeking: asyncio.TimerHandle | None = None
        """When names are looked for."""
        self._ends_when_shown = False
        """Whether an event ends the program, which is to be shown before."""
        view.people = node.people()
        view.seeks_names_by(self._seek_names)

    async def run(self, *work: Coroutine[Any, Any, None]) -> int:
        """Do this until the program ends. Returns the exit status."""
        try:
            return await self.running.until_over(*work)
        finally:
            for timer in filter(None, (self._timer, self._seeking)):
                timer.cancel()
            for task in self._work:
                task.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)

    def stop(self, status: int) -> None:
        """End the program now with this exit status."""
        self._view.end()
        self.running.stop(status)

    def _end_if_over(self) -> None:
        if self._view.is_over:
            self.running.stop(FAILED if self._view.has_failed else DONE)

    # --- from the peer to the view, and to the display

    async def show_events(self) -> None:
        """Show what happens, until the peer is closed."""
        loop, shown_at = asyncio.get_running_loop(), float("-inf")
        while batch := await self._node.next_events():
            self._unshown += batch
            if all(isinstance(event, _CAN_WAIT) for event in batch):
                await asyncio.sleep(shown_at + CHANGES_SPAN - loop.time())
            await self.catch_up()
            shown_at = loop.time()

    async def catch_up(self) -> None:
        """Show and handle everything that has happened so far."""
        async with self._showing:
            await self.show_last()
            self._end_if_over()

    async def show_last(self) -> None:
        """Show what has happened and wait until it is shown, also when the program ends."""
        batch, self._unshown = [*self._unshown, *self._node.take_events()], []
        if batch:
            await self._find_lines(batch)
            self.handle(batch)
        if self._written:
            await self._display.shown()
            written, self._written = self._written, []
            self._node.shown(written)

    async def _find_lines(self, batch: Sequence[Event]) -> None:
        """Let the view know the lines that events are about. Without them it says less."""
        named = self._view.lines_named(batch)
        known: dict[LineName, FoundLine | None] = {}
        with contextlib.suppress(ChatAppError, sqlite3.Error):
            for at in range(0, len(named), NAMED_TOGETHER):
                wanted = tuple(named[at : at + NAMED_TOGETHER])
                found = await self._node.request(FindLines(wanted=wanted))
                known.update(zip(wanted, found.lines, strict=False))
        self._view.known = known

    def handle(self, batch: Sequence[Event]) -> None:
        """Have the view take events, and show what they change."""
        self._note(batch)
        was_over = self._view.is_over
        now = asyncio.get_running_loop().time()
        self._view.handle(batch, self._node.state, self._node.people(), now=now)
        self._ends_when_shown = self._view.is_over and not was_over
        self._show_changes()

    def update(self) -> None:
        """Show what has changed in the view, by the state as it is now."""
        self._refresh()
        self._show_changes()

    def _show_changes(self) -> None:
        """Show what has changed in the view, and do what it wants done."""
        changes = self._view.take_changes()
        if changes.seen:
            self._node.shown(changes.seen)
        self._written += changes.written
        for steps, pane in changes.work:
            self.begin(steps, pane)
        self._display.show(changes)
        loop = asyncio.get_running_loop()
        at = self._view.next_look(now=loop.time())
        if at is None or self.running.is_over or (self._timer and self._timer.when() <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._look)

    def _look(self) -> None:
        """Show the status anew, which changes without an event."""
        self._timer = None
        if not self.running.is_over:
            self.update()

    def _refresh(self) -> None:
        with contextlib.suppress(NotOpen):
            self._view.state = self._node.state

    # --- from the view to the peer

    def begin(self, steps: Steps, pane: "Pane | None" = None) -> None:
        """Carry out steps beside all else. `pane`: the conversation whose past they read."""
        work = self.perform(steps) if pane is None else self.read(pane, steps)
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(self.running.note_end)

    async def read(self, pane: "Pane", steps: Generator[Step, Any, Result]) -> Result:
        """Carry out steps that read the past of a conversation, after those that do so already."""
        async with self._reading[pane]:
            pane.is_loading = True
            try:
                return await self.perform(steps)
            finally:
                pane.is_loading = False

    async def perform(self, steps: Generator[Step, Any, Result]) -> Result:
        """Carry out steps to their end, and return their result. What they change is shown before
        the next answer is waited for."""
        answer: Any = None
        error: Exception | None = None
        while True:
            self._refresh()
            try:
                step = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                self._show_changes()
                if not self._ends_when_shown:
                    self._end_if_over()
                return end.value  # type: ignore[no-any-return]
            self._show_changes()
            answer, error = None, None
            try:
                answer = await self._answer_to(step)
            except sqlite3.Error as failure:
                error = HistoryUnreadable(failure)
            except Exception as failure:  # noqa: BLE001 - the steps know what becomes of it
                error = failure

    async def _answer_to(self, step: Step) -> object:
        match step:
            case CatchUp():
                await self.catch_up()
                return None
            case Briefly(request, within):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(within):
                        await self._node.request(request)
                return None
            case _:
                return await self._node.request(step)

    def keep(self, draft: KeepDraft) -> None:
        """Keep what is typed in a conversation, for other windows and the next start."""
        with contextlib.suppress(ChatAppError, UnicodeEncodeError):  # then it is not kept
            self._node.post(draft)

    def _seek_names(self, begun: str) -> None:
        """Look soon for the names that begin so, for whoever completes one."""
        loop = asyncio.get_running_loop()
        if self._seeking is not None:
            self._seeking.cancel()
        self._refresh()
        if not self.running.is_over and self._view.wants_names(begun, now=loop.time()):
            self._seeking = loop.call_later(SOUGHT_AFTER, self._begin_seeking, begun)

    def _begin_seeking(self, begun: str) -> None:
        now = asyncio.get_running_loop().time()
        self.begin(self._view.seek_names(begun, now=now))

    def typing(self, draft: str) -> None:
        """Tell the recipient of what is being typed that it is."""
        self._refresh()
        if (request := self._view.typing(draft)) is not None:
            self._node.post(request)


class ScreenRunner(Runner):
    """Runs a view that shows one conversation at a time, and does what its keys and buttons ask
    for."""

    def __init__(
        self,
        node: Node,
        view: "ScreenView",
        display: Display,
        *,
        note: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        super().__init__(node, view, display, note=note)
        self.view: Final = view
        self._has_lines: Final = asyncio.Event()

    async def run_all(self) -> int:
        """Show what happens and carry out what is typed until the program ends. Returns the exit
        status."""
        return await self.run(self._show_all(), self._carry_out_lines())

    async def _show_all(self) -> None:
        await self.perform(self.view.begin())
        await self.show_events()

    async def _carry_out_lines(self) -> None:
        while True:
            while self.view.lines:
                await self.perform(self.view.carry_out_next())
            self._has_lines.clear()
            await self._has_lines.wait()

    def _show_changes(self) -> None:
        super()._show_changes()
        if self.view.lines:
            self._has_lines.set()

    def enter(
        self, text: str, pane: "Pane | None" = None, *, key: int = 0, is_again: bool = False
    ) -> None:
        """Take a line that was typed in this conversation, or in the open one. `key`, `is_again`: as
        in `TypedLine`."""
        now = asyncio.get_running_loop().time()
        self.view.enter(TypedLine(text, now, key=key, is_again=is_again), pane)
        self.update()

    def keep_draft(self, pane: "Pane", text: str) -> None:
        """Keep what is typed in this conversation."""
        draft = self.view.keep_draft(pane, text)
        if draft is not None:
            self.keep(draft)

    def press(self, command: str) -> None:
        """Carry out the command for which a key stands."""
        self.view.press(command, at=asyncio.get_running_loop().time())
        self.update()

    def choose(self, conversation: "Conversation") -> None:
        """Open a conversation, as the user wishes."""
        self.view.choose(conversation)
        self.update()

    def show_here(self, lines: Iterable[str]) -> None:
        """Show notices in the conversation that is open."""
        self.view.show_here(lines)
        self.update()

    async def find_new(self, pane: "Pane") -> None:
        """Have the log of a conversation hold the first line that is new to the user, if there is
        one."""
        await self.read(pane, self.view.find_new(pane))

    async def jump(self, conversation: "Conversation", id_: int) -> "LogEntry | None":
        """Open a conversation at the line with this id. Return its entry; None if there is no such
        line."""
        pane = self.view.panes.pane(conversation)
        return await self.read(pane, self.view.jump(pane, id_))
