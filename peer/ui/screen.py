"""This file is about the line face on a terminal: lines go above the one being typed, which nothing ever breaks.

prompt_toolkit draws. It knows terminals and their colours; it must not know what happened, nor what a line means.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractContextManager
from typing import Final

from prompt_toolkit.application import Application, in_terminal, run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.renderer import print_formatted_text

from peer.ui.colours import Fragments, fragments, mentions
from peer.ui.completion import Offering
from peer.ui.held import HeldTerminal
from peer.ui.panel import GREY, STYLE, Panel
from peer.ui.view import View
from peer.ui.words import Entered, Spoken
from wire.text import clean

BUSY_LINES: Final = 10
BUSY_SPAN: Final = 60.0
"""More lines than that in so many seconds, and one's own name rings no bell any more."""


class ScreenTerminal:
    """A real terminal, which is held already."""

    def __init__(self, held: HeldTerminal, offering: Offering) -> None:
        # Where the cursor is need not be asked: a terminal that does not answer would bring a warning.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._held = held
        self._panel = Panel(offering, entered=self._line_entered, ended=self._end, suspend=self._suspend)
        self._output = create_output(stdout=sys.stdout)
        self._depth = _depth(self._output)
        self._app: Application[None] = Application(
            layout=self._panel.layout,
            key_bindings=self._panel.keys,
            style=STYLE if self._is_coloured else GREY,
            include_default_pygments_style=False,
            input=_HeldInput(sys.stdin),
            output=self._output,
            color_depth=self._depth,
            erase_when_done=True,
        )
        self._unshown: list[Fragments] = []
        self._showing: asyncio.Task[None] | None = None
        self._typed: asyncio.Queue[Entered | BaseException] = asyncio.Queue()
        self._heard: deque[float] = deque(maxlen=BUSY_LINES)
        self._rings = False
        self._suspension: asyncio.Future[None] | None = None

    @property
    def _is_coloured(self) -> bool:
        return self._depth is not ColorDepth.DEPTH_1_BIT

    # --- what is shown

    def show(self, lines: Iterable[str]) -> None:
        """Above the line being typed."""
        me = self._panel.view.me
        for line in lines:
            self._heed(line, me)
            self._add(fragments(line, me, is_16=self._depth is ColorDepth.DEPTH_4_BIT))

    async def shown(self) -> None:
        """Until all of them are. Raises OSError when the terminal is gone."""
        while self._showing is not None and not self._showing.done():
            await asyncio.shield(self._showing)
        if self._showing is not None:
            self._showing.result()

    def look(self, view: View) -> None:
        """Draw the state anew, if it has changed."""
        if view != self._panel.view:
            self._panel.view = view
            self._app.invalidate()

    def ask(self, question: str) -> None:
        """In the place of the prompt; without one, the prompt is back."""
        self._panel.question = question
        self._app.invalidate()

    def _add(self, line: Fragments) -> None:
        self._unshown.append(line if self._is_coloured else [("", text) for _, text in line])
        if self._showing is None or self._showing.done():
            self._showing = asyncio.ensure_future(self._show_all())

    async def _show_all(self) -> None:
        while self._unshown:
            with set_app(self._app):
                async with in_terminal():
                    lines, self._unshown = self._unshown, []
                    text = FormattedText([piece for line in lines for piece in (*line, ("", "\n"))])
                    print_formatted_text(
                        self._output, text, self._app.style or STYLE, color_depth=self._depth
                    )
                    if self._rings:
                        self._output.bell()
                        self._rings = False
                    self._output.flush()

    def _heed(self, line: str, me: str) -> None:
        """Ring when somebody says one's name, but not again and again where much is said."""
        if not isinstance(line, Spoken):
            return
        now = asyncio.get_running_loop().time()
        is_busy = len(self._heard) == BUSY_LINES and self._heard[0] > now - BUSY_SPAN
        self._heard.append(now)
        if me and mentions(line, me) and not is_busy:
            self._rings = True

    # --- what is typed

    async def typed(self) -> AsyncGenerator[Entered, None]:
        """Until Ctrl-D; Ctrl-C raises KeyboardInterrupt."""
        drawing = asyncio.ensure_future(self._app.run_async(handle_sigint=False))
        drawing.add_done_callback(self._drawing_ended)
        try:
            while True:
                typed = await self._typed.get()
                if isinstance(typed, EOFError):
                    return
                if isinstance(typed, BaseException):
                    raise typed
                yield typed
        finally:
            if self._app.is_running:
                self._app.exit()
            with contextlib.suppress(EOFError, OSError):
                await drawing

    def unread(self) -> list[str]:
        """Drained: lines that were entered and not given yet."""
        unread: list[str] = []
        while not self._typed.empty():
            typed = self._typed.get_nowait()
            if isinstance(typed, str):
                unread.append(typed)
        return unread

    def _line_entered(self, line: str) -> None:
        if line.strip():
            self._add([("", f"{self._panel.prompt}{clean(line)}")])
        self._typed.put_nowait(Entered(line, asyncio.get_running_loop().time()))

    def _end(self, why: BaseException) -> None:
        self._typed.put_nowait(why)

    def _drawing_ended(self, drawing: "asyncio.Future[None]") -> None:
        error = None if drawing.cancelled() else drawing.exception()
        self._typed.put_nowait(error or EOFError())

    def _suspend(self) -> None:
        self._suspension = asyncio.ensure_future(run_in_terminal(self._held.suspend))


class _HeldInput(Vt100Input):
    """Keys of a terminal that is held from beginning to end: prompt_toolkit would take it and give it back for each line
    that it draws, and a key that is pressed in between would be echoed, or eaten."""

    def raw_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def cooked_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


def _depth(output: Output) -> ColorDepth:
    """As many colours as the terminal has by its description, and none where the user wants none (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return ColorDepth.DEPTH_1_BIT
    import curses

    try:
        curses.setupterm()
        colours = curses.tigetnum("colors")
    except (curses.error, OSError):
        return output.get_default_color_depth()
    if colours >= 256:
        return ColorDepth.DEPTH_8_BIT
    return ColorDepth.DEPTH_4_BIT if colours >= 8 else ColorDepth.DEPTH_1_BIT
