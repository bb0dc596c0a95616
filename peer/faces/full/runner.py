"""Runs the view of a full screen."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Event
from chatapp.peer.api.requests import Node
from chatapp.peer.faces.runner import Display, Runner
from chatapp.peer.view.log import LogEntry
from chatapp.peer.view.panes import Pane
from chatapp.peer.view.screen import ScreenView


class ScreenRunner(Runner):
    """Runs the view of a full screen, and does what its keys ask for."""

    def __init__(
        self,
        node: Node,
        view: ScreenView,
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

    def enter(self, text: str, pane: Pane | None = None) -> None:
        """Take a line that was typed in this conversation, or in the open one."""
        self.view.enter(text, pane, at=asyncio.get_running_loop().time())
        self.update()

    def keep_draft(self, pane: Pane, text: str) -> None:
        """Keep what is typed in this conversation."""
        draft = self.view.keep_draft(pane, text)
        if draft is not None:
            self.keep(draft)

    def press(self, command: str) -> None:
        """Carry out the command for which a key stands."""
        self.view.press(command, at=asyncio.get_running_loop().time())
        self.update()

    def choose(self, conversation: Conversation) -> None:
        """Open a conversation, as the user wishes."""
        self.view.choose(conversation)
        self.update()

    def show_here(self, lines: Iterable[str]) -> None:
        """Show notices in the conversation that is open."""
        self.view.show_here(lines)
        self.update()

    async def find_new(self, pane: Pane) -> None:
        """Have the log of a conversation hold the first line that is new to the user, if there is
        one."""
        await self.read(pane, self.view.find_new(pane))

    async def jump(self, conversation: Conversation, id_: int) -> LogEntry | None:
        """Open a conversation at the line with this id. Return its entry; None if there is no such
        line."""
        pane = self.view.panes.pane(conversation)
        return await self.read(pane, self.view.jump(pane, id_))
