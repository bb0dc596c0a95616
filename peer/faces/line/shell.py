"""The line face: a flow of lines at a prompt or a pipe. It connects a view with any terminal that can
show and read lines."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, Protocol

from chatapp.peer.api import events
from chatapp.peer.api.requests import Node
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.faces.runner import Runner
from chatapp.peer.node.local import line_id
from chatapp.peer.view.flow import FlowView
from chatapp.peer.view.view import KEPT_AFTER, USUAL_START, Changes, Start
from chatapp.peer.words.formatting import Status, TypedLine

LAST_WORDS_WITHIN: Final = 0.5
"""Seconds that the terminal gets for the last lines when the program ends."""


class Terminal(Protocol):
    """A place that shows lines and reads them: a pipe, or a real terminal."""

    def show(self, lines: Iterable[str]) -> None:
        """Show each as a line of its own, soon."""

    async def shown(self) -> None:
        """Wait until all lines are written. Raises OSError when nobody reads them any more."""

    def set_status(self, status: Status) -> None:
        """Show this state from now on: the prompt, and what else there is room for."""

    def ask(self, question: str) -> None:
        """Show a question instead of the prompt; empty: show the prompt again."""

    def fill(self, before: str, now: str) -> None:
        """Put a text into the prompt, if `before` stands there. A pipe has none."""

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
        node: Node,
        terminal: Terminal,
        *,
        stay: bool,
        completions: CompletionIndex | None = None,
        is_screen: bool = False,
        note: Callable[[Sequence[events.Event]], None] = lambda _: None,
        start: Start = USUAL_START,
    ) -> None:
        """`stay`: whether the end of input ends nothing. `note`: as in `Runner`. The others are
        those of `FlowView`."""
        self._terminal: Final = terminal
        self._stay: Final = stay
        self._view: Final = FlowView(
            node.state,
            is_screen=is_screen,
            completions=completions,
            draw_line=line_id,
            start=start,
        )
        self._runner: Final = Runner(node, self._view, self, note=note)
        self._draft = ""
        self._keeps: asyncio.TimerHandle | None = None
        """When the draft is kept; None: it is."""

    def tell(self, lines: Iterable[str]) -> None:
        """Show lines of the program."""
        self._terminal.show(lines)

    def stop(self, status: int) -> None:
        """End the program now with this exit status."""
        self._runner.stop(status)

    async def run(self) -> int:
        """Run until the user, the end of input or a signal ends the program. Returns the exit
        status."""
        runner, view = self._runner, self._view
        await runner.perform(view.begin())
        try:
            return await runner.run(
                runner.show_events(),
                self._read_lines(),
                self._report_typing(),
                runner.perform(view.greet()),
            )
        finally:
            if self._keeps is not None:
                self._keep_draft()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS_WITHIN):
                    await runner.show_last()
                    view.settle_all()
                    runner.update()
                    self._terminal.show(view.unsent(self._terminal.unread()))
                    await self._terminal.shown()

    # --- what the runner tells (`Display`)

    def show(self, changes: Changes) -> None:
        """Show what has changed, and the status as it is now."""
        now = asyncio.get_running_loop().time()
        self._terminal.set_status(self._view.status(now=now))
        if changes.question is not None:
            self._terminal.ask(changes.question)
        if changes.draft is not None:
            self._terminal.fill(*changes.draft)
        self._terminal.show(changes.lines)

    async def shown(self) -> None:
        """Wait until all lines are written. Raises OSError when nobody reads them any more."""
        await self._terminal.shown()

    # --- what is typed

    async def _report_typing(self) -> None:
        """Tell the recipient of the message that is being typed that it is, and keep what it says
        at the next pause."""
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._terminal.drafts()) as drafts:
            async for draft in drafts:
                self._draft = draft
                self._runner.typing(draft)
                if self._keeps is not None:
                    self._keeps.cancel()
                after = 0.0 if self._view.is_known(draft) else KEPT_AFTER
                self._keeps = loop.call_later(after, self._keep_draft)

    def _keep_draft(self) -> None:
        """Keep the draft now."""
        if self._keeps is not None:
            self._keeps.cancel()
            self._keeps = None
        for draft in self._view.keep_draft(self._draft):
            self._runner.keep(draft)

    async def _read_lines(self) -> None:
        async with contextlib.aclosing(self._terminal.typed()) as lines:
            async for line in lines:
                await self._runner.perform(self._view.enter(line))
                if self._view.is_over:
                    return
        if not self._stay:
            await self._runner.perform(self._view.finish())
