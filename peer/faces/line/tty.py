"""The line face on a real terminal: lines appear above the one being typed, which nothing ever
breaks.

prompt_toolkit draws.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

import msgspec
from prompt_toolkit.application import Application, in_terminal, run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from chatapp.peer.commands.completion import CandidateSource
from chatapp.peer.faces.line.prompt import PromptApp
from chatapp.peer.faces.line.raw import RawTerminal
from chatapp.peer.faces.program import DONE, INTERRUPTED
from chatapp.peer.view.layout import (
    KEEP_TITLE,
    LINK,
    MARGIN,
    RESTORE_TITLE,
    TIME,
    Pages,
    cells_of,
    hang_of,
    linked,
    notice,
    opened,
    shows_links,
    title,
    titled,
    wrapped,
)
from chatapp.peer.words.answers import LEAVE_AGAIN
from chatapp.peer.words.formatting import (
    MARKS,
    PENDING_STYLE,
    CallingLine,
    Fragments,
    Mark,
    MessageLine,
    OwnLine,
    SettledLine,
    Status,
    TypedLine,
    calls,
    fragments,
    shown_clock,
)
from chatapp.wire.text import sanitize

HELD_SHOWN: Final = 5
"""Held lines that are drawn; the others are counted."""


class Held(msgspec.Struct, frozen=True):
    """A typed line as it is shown."""

    typed: TypedLine
    shown: str
    hang: int
    """The cells by which all rows but the first are indented."""
    at: float
    """When it was typed, in Unix seconds."""


class HeldLines:
    """The held lines of one terminal, the oldest first."""

    def __init__(self, *, is_utf8: bool) -> None:
        self._held: list[Held] = []
        self._sign = 1 if is_utf8 else 2
        self._waits = "\u2026" if is_utf8 else "..."

    def add(self, held: Held) -> None:
        """Hold a line."""
        self._held.append(held)

    def take(self, typed: TypedLine) -> Held | None:
        """Let go of a line; None if it is not held."""
        for at, held in enumerate(self._held):
            if held.typed is typed:  # the same text may be typed twice
                return self._held.pop(at)
        return None

    def marked(self, line: Fragments, mark: Mark | None) -> Fragments:
        """Return a line with its mark, if it has one."""
        if mark is None:
            return line
        return [*line, ("", "  "), (MARKS[mark][0], MARKS[mark][self._sign])]

    def rows(self, width: int) -> list[Fragments]:
        """Return the rows that stand above the prompt."""
        rows: list[Fragments] = []
        for held in self._held[-HELD_SHOWN:]:
            line = [
                (TIME, f"{shown_clock(held.at)[1]} "),
                ("", f"{held.shown}  "),
                (PENDING_STYLE, self._waits),
            ]
            rows += wrapped(line, indent=MARGIN + held.hang, width=width)
        more = len(self._held) - HELD_SHOWN
        return [[(PENDING_STYLE, f"{self._waits} {more}"[:width])], *rows] if more > 0 else rows


# --- where the drawn rows are after the window was made narrower: most terminals break rows that are too long in two.

_UNBROKEN: Final = ("linux", "vt")
"""Terminals that cut rows off instead; so does xterm, which says who it is."""


def breaks_rows(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks rows that are too long for a narrower window."""
    is_inside = bool(environment.get("TMUX"))
    is_xterm = bool(environment.get("XTERM_VERSION")) and not is_inside
    return not is_xterm and not environment.get("TERM", "").startswith(_UNBROKEN)


def rows_more(above: Sequence[int], column: int, *, width: int) -> int:
    """Return by how many rows the cursor is further below the first drawn row than before. `above`:
    the cells of the rows above the cursor's; `column`: the cursor's place in its row; `width`: the
    new one of the window."""
    return sum(max(cells - 1, 0) // width for cells in above) + column // width


STYLE: Final = Style.from_dict(
    {
        "notice": "dim",
        "time": "dim",
        "date": "dim",
        "calling": "bold",
        "private": "ansimagenta",
        "claimed": "ansiyellow",
        "room": "ansicyan",
        "status": "dim",
        "status.me": "nodim bold",
        "status.alarm": "nodim bold ansired",
        "status.news": "nodim bold",
        "question": "bold",
        "mark": "dim",
        "mark.received": "nodim ansigreen",
        "mark.kept": "nodim ansiyellow",
        "mark.refused": "nodim ansired",
        "completion-menu": "noreverse bg:default fg:default",
        "completion-menu.completion": "noreverse bg:default fg:default",
        "completion-menu.completion.current": "reverse bg:default fg:default",
        "completion-menu.meta.completion": "noreverse bg:default fg:default dim",
        "completion-menu.meta.completion.current": "noreverse bg:default fg:default",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "reverse",
    }
)
GREY: Final = Style.from_dict({})


_RAW: Final = "[ZeroWidthEscape]"
"""The style of what is written as it is, and takes no cells."""
BUSY_LINES: Final = 10
BUSY_SPAN: Final = 60.0
"""More than BUSY_LINES messages in BUSY_SPAN seconds, and the user's name rings no bell."""


class ScreenTerminal:
    """A real terminal that is in raw mode already."""

    def __init__(
        self,
        raw: RawTerminal,
        offering: CandidateSource,
        *,
        is_quiet: bool,
        holds_typed: bool = False,
    ) -> None:
        """`is_quiet`: draw no attention: no bell, no title, no notices. `holds_typed`: a typed line
        stands above the prompt until it is settled (`SettledLine`)."""
        self._is_quiet = is_quiet
        # Do not ask the terminal for the cursor's position: prompt_toolkit warns when a terminal
        # does not answer.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._raw = raw
        self._holds_typed = holds_typed
        self._held = HeldLines(is_utf8=_speaks_utf8())
        self._prompt_app = PromptApp(
            offering,
            entered=self._line_entered,
            drafted=self._draft_changed,
            ended=self._end,
            warned=lambda: self.show([LEAVE_AGAIN]),
            suspend=self._suspend,
            held=self._held_rows,
        )
        self._output = create_output(stdout=sys.stdout)
        self._depth = _depth(self._output)
        self._app: Application[None] = _ResizedApplication(
            layout=self._prompt_app.layout,
            key_bindings=self._prompt_app.keys,
            style=STYLE if self._is_coloured else GREY,
            include_default_pygments_style=False,
            input=_HeldInput(sys.stdin),
            output=self._output,
            color_depth=self._depth,
            erase_when_done=True,
            terminal_size_polling_interval=None,  # SIGWINCH tells; asking wakes the program
        )
        self._pages = Pages(today=shown_clock(time.time())[0], is_utf8=_speaks_utf8())
        self._has_links = shows_links(os.environ)
        self._unshown: list[Fragments] = []
        self._showing: asyncio.Task[None] | None = None
        self._typed: asyncio.Queue[TypedLine | BaseException] = asyncio.Queue()
        self._draft = ""
        self._has_drafted = asyncio.Event()
        self._heard: deque[float] = deque(maxlen=BUSY_LINES)
        self._alarm = ""
        """What makes the terminal draw attention to the lines that are shown next: a bell, and a
        notice on the desktop."""
        self._called = 0
        """Messages for the user since they last typed a line."""
        self._caller = ""
        self._title = ""
        self._suspension: asyncio.Future[None] | None = None
        self._stop: Callable[[int], None] | None = None
        """Ends the program before a face reads."""
        self._drawing: asyncio.Future[None] | None = None
        """The application, while it runs."""
        self._is_drawn = asyncio.Event()
        """Set when the prompt stands on the terminal, or never will."""
        self._app.after_render += lambda _: self._is_drawn.set()

    @property
    def _is_coloured(self) -> bool:
        return self._depth is not ColorDepth.DEPTH_1_BIT

    # --- what is shown

    def show(self, lines: Iterable[str]) -> None:
        """Show lines above the one being typed."""
        me = self._prompt_app.status.me
        for line in lines:
            if isinstance(line, SettledLine):
                self._settle(line)
                continue
            self._handle(line, me)
            shown = fragments(line, me, is_16=self._depth is ColorDepth.DEPTH_4_BIT)
            mark = line.mark if isinstance(line, MessageLine | OwnLine) else None
            at = line.at if isinstance(line, MessageLine) else None
            self._add(self._held.marked(shown, mark), hang=hang_of(line), at=at)

    async def shown(self) -> None:
        """Wait until all lines are drawn. Raises OSError when the terminal is gone."""
        while self._showing is not None and not self._showing.done():
            await asyncio.shield(self._showing)
        if self._showing is not None:
            self._showing.result()

    def set_status(self, status: Status) -> None:
        """Redraw the prompt and the status line if the state has changed."""
        if status != self._prompt_app.status:
            self._prompt_app.status = status
            self._app.invalidate()

    def ask(self, question: str) -> None:
        """Show a question instead of the prompt; an empty one brings the prompt back."""
        self._prompt_app.question = question
        self._app.invalidate()

    def fill(self, before: str, now: str) -> None:
        """Put a text into the prompt, if `before` stands there."""
        self._prompt_app.fill(before, now)

    def complete_again(self) -> None:
        """Complete what Tab found nothing for: more is known."""
        self._prompt_app.complete_again()

    def _settle(self, line: SettledLine) -> None:
        """Move a held line up to the others, with its mark."""
        held = self._held.take(line.typed)
        if held is not None:
            shown = self._held.marked([("", held.shown)], line.mark)
            self._add(shown, hang=held.hang, at=held.at)

    def _held_rows(self) -> list[Fragments]:
        rows = self._held.rows(self._output.get_size().columns)
        return rows if self._is_coloured else [[("", text) for _, text in row] for row in rows]

    def _add(self, line: Fragments, *, hang: int, at: float | None = None) -> None:
        """Show a line soon. `at`: when it was said, if not now."""
        width = self._output.get_size().columns
        line = linked(line) if self._has_links else line
        for row in self._pages.said(
            line, at=time.time() if at is None else at, hang=hang, width=width
        ):
            self._unshown.append([part for piece in row for part in self._drawn(*piece)])
        if self._showing is None or self._showing.done():
            self._showing = asyncio.ensure_future(self._show_all())

    def _drawn(self, style: str, text: str) -> Fragments:
        """Return a piece of a line as it is written to the terminal."""
        style, is_link, address = style.partition(LINK)
        shown = [(style if self._is_coloured else "", text)]
        if not is_link:
            return shown
        return [(_RAW, opened(address)), *shown, (_RAW, opened(""))]

    async def _show_all(self) -> None:
        while self._unshown:
            with set_app(self._app):
                async with in_terminal():
                    lines, self._unshown = self._unshown, []
                    text = FormattedText([piece for line in lines for piece in (*line, ("", "\n"))])
                    if self._alarm:
                        self._output.write_raw(self._alarm)
                        self._alarm = ""
                    self._retitle()
                    print_formatted_text(  # this writes what stands above, too
                        self._output, text, self._app.style or STYLE, color_depth=self._depth
                    )

    def _handle(self, line: str, me: str) -> None:
        """Draw attention to a message to the user, or with the user's name in it, unless many
        messages come."""
        if self._is_quiet:
            return
        if isinstance(line, CallingLine):
            self._called, self._caller = self._called + 1, line.by
            self._alarm = notice(line, os.environ) + "\a"
        if not isinstance(line, MessageLine) or line.at is not None:
            return
        now = asyncio.get_running_loop().time()
        is_busy = len(self._heard) == BUSY_LINES and self._heard[0] > now - BUSY_SPAN
        self._heard.append(now)
        if calls(line, me, self._prompt_app.status.muted):
            self._called, self._caller = self._called + 1, line.sender
            if not is_busy:
                self._alarm = notice(line, os.environ) + "\a"

    def _retitle(self) -> None:
        """Have the window's title say how many messages are for the user."""
        if self._is_quiet:
            return
        wanted = title(self._prompt_app.status.me, self._called, self._caller)
        if wanted != self._title:
            sent = titled(wanted, os.environ)
            self._output.write_raw(sent if self._title or not sent else KEEP_TITLE + sent)
            self._title = wanted if sent else ""

    # --- what is typed

    async def begin(self, stop: Callable[[int], None]) -> None:
        """Show the prompt. Returns when it stands on the terminal; what is typed from now on waits
        for `typed`. `stop`: called with the exit status at Ctrl-C or Ctrl-D until then. Ctrl-D lets
        lines that wait be carried out first."""
        self._stop = stop
        self._draw()
        await self._is_drawn.wait()

    async def end(self) -> None:
        """Take the prompt away, and read no more keys."""
        self._stop = None
        drawing, self._drawing = self._drawing, None
        if drawing is None:
            return
        if self._title:
            self._output.write_raw(RESTORE_TITLE)
        if self._app.is_running:
            self._app.exit()
        with contextlib.suppress(EOFError, OSError):
            await drawing

    async def typed(self) -> AsyncGenerator[TypedLine, None]:
        """Yield lines until Ctrl-D. Ctrl-C raises KeyboardInterrupt."""
        self._stop = None
        self._draw()
        try:
            while True:
                typed = await self._typed.get()
                if isinstance(typed, EOFError):
                    return
                if isinstance(typed, BaseException):
                    raise typed
                yield typed
        finally:
            await self.end()

    def _draw(self) -> None:
        if self._drawing is None:
            self._drawing = asyncio.ensure_future(self._app.run_async(handle_sigint=False))
            self._drawing.add_done_callback(self._drawing_ended)

    async def drafts(self) -> AsyncGenerator[str, None]:
        """Yield what is typed so far whenever it has changed; of several changes, the last."""
        while True:
            await self._has_drafted.wait()
            self._has_drafted.clear()
            yield self._draft

    def unread(self) -> list[str]:
        """Take the lines that were entered and not yielded yet."""
        unread: list[str] = []
        while not self._typed.empty():
            typed = self._typed.get_nowait()
            if isinstance(typed, TypedLine):
                self._settle(SettledLine(typed))
                unread.append(typed)
        return unread

    def _draft_changed(self, draft: str) -> None:
        self._draft = draft
        self._has_drafted.set()

    def _line_entered(self, line: str) -> None:
        self._called = 0
        self._retitle()
        typed = TypedLine(line, asyncio.get_running_loop().time())
        if line.strip():
            prompt = self._prompt_app.prompt
            shown, hang = f"{prompt}{sanitize(line)}", sum(map(cells_of, prompt))
            self._held.add(Held(typed=typed, shown=shown, hang=hang, at=time.time()))
            if not self._holds_typed:
                self._settle(SettledLine(typed))
        self._typed.put_nowait(typed)

    def _end(self, why: BaseException) -> None:
        is_interrupt = isinstance(why, KeyboardInterrupt)
        if self._stop is not None and (is_interrupt or self._typed.empty()):
            self._stop(INTERRUPTED if is_interrupt else DONE)
        else:
            self._typed.put_nowait(why)

    def _drawing_ended(self, drawing: "asyncio.Future[None]") -> None:
        self._is_drawn.set()
        error = None if drawing.cancelled() else drawing.exception()
        self._typed.put_nowait(error or EOFError())

    def _suspend(self) -> None:
        self._suspension = asyncio.ensure_future(run_in_terminal(self._raw.suspend))


class _ResizedApplication(Application[None]):
    """An application that finds its rows again when the terminal has broken them to fit a narrower
    window."""

    def _on_resize(self) -> None:
        screen = self.renderer.last_rendered_screen
        if screen is not None and breaks_rows(os.environ):
            cursor = screen.get_cursor_position(self.layout.current_window)
            above = [_cells_in(screen, row) for row in range(cursor.y)]
            width = self.output.get_size().columns
            self.output.cursor_up(rows_more(above, cursor.x, width=width))
            # From the first column of a broken row, a backspace would go on at the end of the row
            # above.
            self.output.write_raw("\r")
            self.output.cursor_forward(min(cursor.x, width - 1))
        super()._on_resize()


def _cells_in(screen: Screen, row: int) -> int:
    """Return how many cells of a row are drawn, without blanks at its end."""
    drawn = (
        column + max(cell.width, 1)
        for column, cell in screen.data_buffer[row].items()
        if cell.char != " "
    )
    return max(drawn, default=0)


class _HeldInput(Vt100Input):
    """The keys of a terminal that stays in raw mode. prompt_toolkit would leave and enter raw mode
    for each line that it draws, and a key pressed in between would be echoed or lost."""

    def raw_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def cooked_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


def _speaks_utf8() -> bool:
    """Whether the terminal is written to in UTF-8."""
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"


def _depth(output: Output) -> ColorDepth:
    """Return the colours that the terminal's description promises; none if the user wants none
    (no-color.org)."""
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
