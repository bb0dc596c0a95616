"""The full screen as the face of a program: it takes the terminal, runs the view, and gives the
terminal back."""

import asyncio
import contextlib
import io
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.drivers.linux_driver import LinuxDriver

from chatapp.peer.api import events
from chatapp.peer.faces.full.app import FullApp
from chatapp.peer.faces.full.theme import ASCII, UNICODE, theme_for
from chatapp.peer.faces.program import FAILED
from chatapp.peer.view.layout import KEEP_TITLE, RESTORE_TITLE
from chatapp.peer.view.view import USUAL_START, Start

if TYPE_CHECKING:
    from textual.app import App

    from chatapp.peer.sdk.client import Peer

for _digit in "0123456789":
    # One terminal on one system sends these for signs. All others send them for Alt and a digit,
    # which open conversations.
    cast("dict[str, object]", ANSI_SEQUENCES_KEYS).pop(f"\x1b{_digit}", None)

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


class _ScreenDriver(LinuxDriver):
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

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal, whatever the environment says."""
        try:
            columns, rows = os.get_terminal_size(sys.stdin.fileno())
            return columns, rows
        except OSError:
            return super()._get_terminal_size()


class FullFace:
    """One user at the full screen."""

    def __init__(
        self,
        peer: "Peer",
        *,
        is_quiet: bool = False,
        note: Callable[[Sequence[events.Event]], None] = lambda _: None,
        start: Start = USUAL_START,
        greeting: Iterable[str] = (),
    ) -> None:
        """`greeting`: lines to show first. The others are those of `FullApp`."""
        self._app: Final = FullApp(
            peer,
            UNICODE if _speaks_utf8() else ASCII,
            theme=theme_for(os.environ, colours=_colours()),
            is_quiet=is_quiet,
            note=note,
            start=start,
            driver_class=_ScreenDriver,
        )
        self._app.runner.show_here(greeting)

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
