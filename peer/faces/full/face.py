"""The full screen as the face of a program: it takes the terminal, runs the view, and gives the
terminal back."""

import asyncio
import contextlib
import io
import logging
import os
import selectors
import sys
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.constants import ESCAPE_DELAY
from textual.drivers.linux_driver import LinuxDriver

from chatapp.peer.api import events
from chatapp.peer.api.requests import Node
from chatapp.peer.faces.full.app import FullApp
from chatapp.peer.faces.full.theme import ASCII, UNICODE, theme_for
from chatapp.peer.faces.program import FAILED
from chatapp.peer.view.layout import KEEP_TITLE, RESTORE_TITLE
from chatapp.peer.view.view import USUAL_START, Start

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

for _digit in "0123456789":
    # One terminal on one system sends these for signs. All others send them for Alt and a digit,
    # which open conversations.
    cast("dict[str, object]", ANSI_SEQUENCES_KEYS).pop(f"\x1b{_digit}", None)

_KEYS_AT_ONCE: Final = 4_096
_LATER: Final = 0.01
"""Seconds after which an escape sequence that did not go on is surely over."""
HELD_MAX: Final = 1_000
"""Log records that are held back until the screen is gone."""


class _Output:
    """Standard output, of which it does not matter whether anybody still reads it. An error would
    end the thread in which Textual writes, and Textual would wait for that thread for ever. A
    closed window must end the program (SIGHUP)."""

    def __init__(self, file: TextIO) -> None:
        self._file: Final = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)

    def fileno(self) -> int:
        return self._file.fileno()

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()


class ScreenDriver(LinuxDriver):
    """Draws on standard output. Textual draws on standard error, which people send to a file."""

    def __init__(
        self,
        app: "App[None]",
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        assert isinstance(sys.__stdout__, io.TextIOWrapper)
        sys.__stdout__.reconfigure(errors="replace")  # what the terminal has no letters for
        self._file = cast("io.TextIOWrapper", _Output(sys.__stdout__))
        self._stops, self._stop = os.pipe()
        """What is written to the second one wakes the thread that reads keys."""

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal, whatever the environment says."""
        try:
            columns, rows = os.get_terminal_size(sys.stdin.fileno())
            return columns, rows
        except OSError:
            return super()._get_terminal_size()

    def run_input_thread(self) -> None:
        """Read keys until the input is disabled. Textual looks ten times a second whether it is, and
        whether an escape sequence goes on; here nothing wakes up while nobody types."""
        parser, decode = XTermParser(), getincrementaldecoder("utf-8")("replace").decode
        within: float | None = None
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._stops, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(within)}
                within = None
                if self.fileno in ready:
                    typed = os.read(self.fileno, _KEYS_AT_ONCE)
                    if not typed:
                        return
                    if keys := decode(typed):  # else a part of a character
                        self._take(parser.feed(keys))
                    within = ESCAPE_DELAY + _LATER
                self._take(parser.tick())

    def _take(self, messages: "Iterable[Message]") -> None:
        for message in messages:
            self.process_message(message)

    def disable_input(self) -> None:
        """Read no more keys."""
        os.write(self._stop, b".")
        super().disable_input()
        os.read(self._stops, 1)


class FullFace:
    """One user at the full screen."""

    def __init__(
        self,
        node: Node,
        *,
        is_quiet: bool = False,
        note: Callable[[Sequence[events.Event]], None] = lambda _: None,
        start: Start = USUAL_START,
    ) -> None:
        """As `FullApp`."""
        self._app: Final = FullApp(
            node,
            UNICODE if _speaks_utf8() else ASCII,
            theme=theme_for(os.environ, colours=_colours()),
            is_quiet=is_quiet,
            note=note,
            start=start,
            driver_class=ScreenDriver,
        )

    def tell(self, lines: Iterable[str]) -> None:
        """Show lines of the program."""
        self._app.runner.show_here(lines)

    def stop(self, status: int) -> None:
        """End the program now with this exit status."""
        self._app.runner.stop(status)

    async def run(self) -> int:
        """Run until the user or a signal ends the program. Returns the exit status."""
        view, runner = self._app.view, self._app.runner
        with _logs_held():
            print(KEEP_TITLE, end="", flush=True)
            drawing = asyncio.create_task(self._app.run_async())
            drawing.add_done_callback(lambda _: runner.stop(FAILED))
            try:
                return await runner.run_all()
            finally:
                self._app.keep_draft()
                unsent = view.unsent([entered.line for entered in view.lines])
                self._app.exit()
                await drawing
                with contextlib.suppress(OSError):  # the terminal may be gone
                    last = "".join(f"{line}\n" for line in (*view.last_words, *unsent))
                    print(f"{RESTORE_TITLE}{last}", end="", flush=True)


class _HeldLog(logging.Handler):
    """Keeps log records until the screen is gone: they would be written across it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=HELD_MAX)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def _logs_held() -> Iterator[None]:
    """Hold log records back until the screen is gone, if they go to the terminal; a file gets them
    at once."""
    if not sys.stderr.isatty():
        yield
        return
    root = logging.getLogger()
    before, held = root.handlers, _HeldLog()
    root.handlers = [held]
    try:
        yield
    finally:
        root.handlers = before
        for record in held.records:
            root.handle(record)


def _speaks_utf8() -> bool:
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"


def _colours() -> int:
    """Return how many colours the terminal has, as its description promises."""
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return 1 << 24
    import curses

    try:
        curses.setupterm()
        return max(curses.tigetnum("colors"), 2)
    except (curses.error, OSError):
        return 16
