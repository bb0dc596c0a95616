"""The line face on a real terminal: lines appear above the one being typed, which nothing ever breaks.

prompt_toolkit draws.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final

from prompt_toolkit.application import Application, in_terminal, run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VerticalAlign,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput, HighlightIncrementalSearchProcessor
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from chatapp.peer.ui.completion import Candidate, CandidateSource, common_start
from chatapp.peer.ui.formatting import (
    CallingLine,
    Fragments,
    MessageLine,
    TypedLine,
    View,
    calls,
    fragments,
    prompt_of,
    shown_clock,
    status_pieces,
)
from chatapp.peer.ui.terminals.layout import Pages, cells_of, hang_of
from chatapp.peer.ui.terminals.notices import KEEP_TITLE, RESTORE_TITLE, notice, title, titled
from chatapp.peer.ui.terminals.raw import RawTerminal
from chatapp.peer.ui.texts.answers import ASK_TO, LEAVE_AGAIN, paste_question
from chatapp.wire.text import sanitize

OFFERED_AT_ONCE: Final = 8
"""Lines of the completion menu; in a small window it gets what is left."""

STYLE: Final = Style.from_dict(
    {
        "notice": "dim",
        "time": "dim",
        "date": "dim",
        "calling": "bold",
        "private": "ansimagenta",
        "room": "ansicyan",
        "status": "dim",
        "status.me": "nodim bold",
        "status.alarm": "nodim bold ansired",
        "status.news": "nodim bold",
        "question": "bold",
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


class PromptApp:
    """The prompt, the line being typed, the completion menu and the status line, and the keys that work there."""

    def __init__(
        self,
        offering: CandidateSource,
        *,
        entered: Callable[[str], None],
        drafted: Callable[[str], None],
        ended: Callable[[BaseException], None],
        warned: Callable[[], None],
        suspend: Callable[[], None],
    ) -> None:
        """`entered` takes each whole line, and `drafted` what is typed so far whenever that changes. `ended` takes EOFError
        for Ctrl-D and KeyboardInterrupt for Ctrl-C. `warned` is called when Ctrl-C must be pressed again to leave."""
        self.view = View()
        self.question = ""
        """Shown instead of the prompt, if not empty."""
        self._offering = offering
        self._entered = entered
        self._ended = ended
        self._warned = warned
        self._interrupted_at = float("-inf")
        """When Ctrl-C was last pressed at an empty line, by the loop's clock."""
        self._suspend = suspend
        self._pasted: str | None = None
        self._buffer = Buffer(
            completer=_Offers(self),
            history=InMemoryHistory(),
            multiline=False,
            accept_handler=self._accept,
            on_text_changed=lambda buffer: drafted("" if self.question else buffer.text),
        )
        self.layout: Final = self._layout()
        self.keys: Final = self._keys()

    @property
    def prompt(self) -> str:
        """The text before the line being typed."""
        return self.question or prompt_of(self.view)

    def offered(self) -> list[Candidate]:
        """Return the ways to complete what is typed."""
        typed = self._buffer.document.text_before_cursor
        if self.question:
            return self._offering.after(f"/dm {typed}", is_in_room=False) if self.question == ASK_TO else []
        return self._offering.after(typed, is_in_room=self.view.room is not None)

    # --- what is drawn

    def _layout(self) -> Layout:
        search = SearchToolbar(ignore_case=True)
        typing = BufferControl(
            self._buffer,
            search_buffer_control=search.control,
            preview_search=True,
            input_processors=[
                HighlightIncrementalSearchProcessor(),
                BeforeInput(lambda: [(self._prompt_style(), self.prompt)]),
            ],
        )
        asking = ConditionalContainer(
            Window(FormattedTextControl(self._paste_question), height=1), Condition(self._is_asking)
        )
        body = HSplit(
            [
                Window(typing, wrap_lines=True, dont_extend_height=True, height=Dimension(min=1)),
                asking,
                ConditionalContainer(
                    CompletionsMenu(max_height=OFFERED_AT_ONCE, scroll_offset=1), filter=has_completions
                ),
                search,
                Window(FormattedTextControl(self._status_line), height=1),
            ],
            align=VerticalAlign.TOP,  # rows that a closed menu frees stay blank below the status line
        )
        return Layout(body, focused_element=typing)

    def _prompt_style(self) -> str:
        if self.question:
            return "class:question"
        return "class:room" if self.view.room is not None else ""

    def _status_line(self) -> StyleAndTextTuples:
        pieces: StyleAndTextTuples = []
        for style, text in status_pieces(self.view):
            pieces += [("class:status", " · " if pieces else ""), (style, text)]
        return pieces

    def _paste_question(self) -> StyleAndTextTuples:
        count = (self._pasted or "").count("\n") + 1
        return [("class:question", paste_question(count))]

    # --- keys

    def _is_asking(self) -> bool:
        return self._pasted is not None

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        asking = Condition(self._is_asking)
        typing = has_focus(self._buffer)
        self._is_typing = typing
        keys.add("enter", filter=typing & ~asking)(lambda event: self._buffer.validate_and_handle())
        keys.add("tab", filter=typing & ~asking & ~has_completions)(self._complete)
        keys.add("escape", "enter", filter=typing & ~asking)(lambda event: self._buffer.insert_text("\n"))
        keys.add("c-c", eager=True)(self._interrupt)
        at_the_start = Condition(lambda: not self._buffer.text)
        keys.add("c-d", filter=at_the_start & typing & ~asking)(lambda event: self._ended(EOFError()))
        keys.add("c-z")(lambda event: self._suspend())
        keys.add(Keys.BracketedPaste, filter=typing & ~asking)(self._paste)
        keys.add(Keys.Any, filter=asking, eager=True)(self._answer_paste)
        keys.add("enter", filter=asking, eager=True)(self._answer_paste)
        return keys

    def _interrupt(self, event: KeyPressEvent) -> None:
        """Clear what is half typed, or give up the question; with neither, leave. While a message is under way, Ctrl-C must
        be pressed twice to leave."""
        if self._pasted is not None:
            self._pasted = None
        elif self._buffer.text or not self._is_typing():
            event.app.layout.focus(self._buffer)
            self._buffer.reset()
        elif self.question:
            self._entered("")
        else:
            now = asyncio.get_running_loop().time()
            is_second = now - self._interrupted_at <= TWICE_WITHIN
            self._interrupted_at = now
            if is_second or not self.view.is_sending:
                self._ended(KeyboardInterrupt())
            else:
                self._warned()

    def _accept(self, buffer: Buffer) -> bool:
        self._entered(buffer.text)
        return False

    def _complete(self, event: KeyPressEvent) -> None:
        """Insert what all candidates share at once, before the next key is read; the menu may appear later."""
        found = self.offered()
        if not found:
            return
        self._buffer.delete_before_cursor(found[0].replaces)
        self._buffer.insert_text(common_start([offer.text for offer in found]))
        if len(found) > 1:
            self._buffer.start_completion()

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        if "\n" in text:
            self._pasted = text
        else:
            self._buffer.insert_text(text)

    def _answer_paste(self, event: KeyPressEvent) -> None:
        pasted, self._pasted = self._pasted, None
        if pasted is not None and event.data in ("y", "Y"):
            self._buffer.insert_text(pasted)
            self._buffer.validate_and_handle()


class _Offers(Completer):
    """Our candidates, for the menu of prompt_toolkit."""

    def __init__(self, prompt_app: PromptApp) -> None:
        self._prompt_app = prompt_app

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for offer in self._prompt_app.offered():
            yield Completion(offer.text, start_position=-offer.replaces, display_meta=offer.about)


TWICE_WITHIN: Final = 1.0
"""Seconds within which Ctrl-C must be pressed twice to leave while a message is under way."""

BUSY_LINES: Final = 10
BUSY_SPAN: Final = 60.0
"""More than BUSY_LINES messages in BUSY_SPAN seconds, and the user's name rings no bell."""


class ScreenTerminal:
    """A real terminal that is in raw mode already."""

    def __init__(self, raw: RawTerminal, offering: CandidateSource, *, is_quiet: bool) -> None:
        """`is_quiet`: draw no attention: no bell, no title, no notices."""
        self._is_quiet = is_quiet
        # Do not ask the terminal for the cursor's position: prompt_toolkit warns when a terminal does not answer.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._raw = raw
        self._prompt_app = PromptApp(
            offering,
            entered=self._line_entered,
            drafted=self._draft_changed,
            ended=self._end,
            warned=lambda: self.show([LEAVE_AGAIN]),
            suspend=self._suspend,
        )
        self._output = create_output(stdout=sys.stdout)
        self._depth = _depth(self._output)
        self._app: Application[None] = Application(
            layout=self._prompt_app.layout,
            key_bindings=self._prompt_app.keys,
            style=STYLE if self._is_coloured else GREY,
            include_default_pygments_style=False,
            input=_HeldInput(sys.stdin),
            output=self._output,
            color_depth=self._depth,
            erase_when_done=True,
        )
        self._pages = Pages(today=shown_clock(time.time())[0], is_utf8=_speaks_utf8())
        self._unshown: list[Fragments] = []
        self._showing: asyncio.Task[None] | None = None
        self._typed: asyncio.Queue[TypedLine | BaseException] = asyncio.Queue()
        self._draft = ""
        self._has_drafted = asyncio.Event()
        self._heard: deque[float] = deque(maxlen=BUSY_LINES)
        self._alarm = ""
        """What makes the terminal draw attention to the lines that are shown next: a bell, and a notice on the desktop."""
        self._called = 0
        """Messages for the user since they last typed a line."""
        self._caller = ""
        self._title = ""
        self._suspension: asyncio.Future[None] | None = None

    @property
    def _is_coloured(self) -> bool:
        return self._depth is not ColorDepth.DEPTH_1_BIT

    # --- what is shown

    def show(self, lines: Iterable[str]) -> None:
        """Show lines above the one being typed."""
        me = self._prompt_app.view.me
        for line in lines:
            self._handle(line, me)
            at = line.at if isinstance(line, MessageLine) else None
            self._add(
                fragments(line, me, is_16=self._depth is ColorDepth.DEPTH_4_BIT), hang=hang_of(line), at=at
            )

    async def shown(self) -> None:
        """Wait until all lines are drawn. Raises OSError when the terminal is gone."""
        while self._showing is not None and not self._showing.done():
            await asyncio.shield(self._showing)
        if self._showing is not None:
            self._showing.result()

    def set_view(self, view: View) -> None:
        """Redraw the prompt and the status line if the state has changed."""
        if view != self._prompt_app.view:
            self._prompt_app.view = view
            self._app.invalidate()

    def ask(self, question: str) -> None:
        """Show a question instead of the prompt; an empty one brings the prompt back."""
        self._prompt_app.question = question
        self._app.invalidate()

    def _add(self, line: Fragments, *, hang: int, at: float | None = None) -> None:
        """Show a line soon. `at`: when it was said, if not now."""
        width = self._output.get_size().columns
        for row in self._pages.said(line, at=time.time() if at is None else at, hang=hang, width=width):
            self._unshown.append(row if self._is_coloured else [("", text) for _, text in row])
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
                    if self._alarm:
                        self._output.write_raw(self._alarm)
                        self._alarm = ""
                    self._retitle()
                    self._output.flush()

    def _handle(self, line: str, me: str) -> None:
        """Draw attention to a message to the user, or with the user's name in it, unless many messages come."""
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
        if calls(line, me):
            self._called, self._caller = self._called + 1, line.sender
            if not is_busy:
                self._alarm = notice(line, os.environ) + "\a"

    def _retitle(self) -> None:
        """Have the window's title say how many messages are for the user."""
        if self._is_quiet:
            return
        wanted = title(self._prompt_app.view.me, self._called, self._caller)
        if wanted != self._title:
            sent = titled(wanted, os.environ)
            self._output.write_raw(sent if self._title or not sent else KEEP_TITLE + sent)
            self._title = wanted if sent else ""

    # --- what is typed

    async def typed(self) -> AsyncGenerator[TypedLine, None]:
        """Yield lines until Ctrl-D. Ctrl-C raises KeyboardInterrupt."""
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
            if self._title:
                self._output.write_raw(RESTORE_TITLE)
            if self._app.is_running:
                self._app.exit()
            with contextlib.suppress(EOFError, OSError):
                await drawing

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
            if isinstance(typed, str):
                unread.append(typed)
        return unread

    def _draft_changed(self, draft: str) -> None:
        self._draft = draft
        self._has_drafted.set()

    def _line_entered(self, line: str) -> None:
        self._called = 0
        if line.strip():
            prompt = self._prompt_app.prompt
            self._add([("", f"{prompt}{sanitize(line)}")], hang=sum(map(cells_of, prompt)))
        self._typed.put_nowait(TypedLine(line, asyncio.get_running_loop().time()))

    def _end(self, why: BaseException) -> None:
        self._typed.put_nowait(why)

    def _drawing_ended(self, drawing: "asyncio.Future[None]") -> None:
        error = None if drawing.cancelled() else drawing.exception()
        self._typed.put_nowait(error or EOFError())

    def _suspend(self) -> None:
        self._suspension = asyncio.ensure_future(run_in_terminal(self._raw.suspend))


class _HeldInput(Vt100Input):
    """The keys of a terminal that stays in raw mode. prompt_toolkit would leave and enter raw mode for each line that it
    draws, and a key pressed in between would be echoed or lost."""

    def raw_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def cooked_mode(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


def _speaks_utf8() -> bool:
    """Whether the terminal is written to in UTF-8."""
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"


def _depth(output: Output) -> ColorDepth:
    """Return the colours that the terminal's description promises; none if the user wants none (no-color.org)."""
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
