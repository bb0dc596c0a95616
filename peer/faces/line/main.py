"""The programs at a terminal, of a peer and of a visitor: they choose the terminal, show the prompt,
handle signals and return the exit status.

A terminal shows its prompt before the peer is loaded (`peer.faces.line.start`), which takes as long
as all that comes before."""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from chatapp.peer.commands.completion import CandidateSource, CompletionIndex
from chatapp.peer.faces.line.raw import RawTerminal
from chatapp.peer.faces.paths import list_paths
from chatapp.peer.faces.program import (
    ENDING_SIGNALS,
    FAILED,
    INTERRUPTED,
    Beside,
    StartOptions,
    VisitOptions,
    start_logging,
)
from chatapp.peer.words import full as words
from chatapp.peer.words.answers import not_sent_lines
from chatapp.peer.words.formatting import Status

if TYPE_CHECKING:
    from chatapp.peer.faces.line.shell import Terminal
    from chatapp.peer.faces.line.tty import ScreenTerminal


def run(
    wanted: StartOptions,
    *,
    plain: bool,
    log_level: str,
    ask_name: Callable[[], str] | None = None,
    may_show_lines: bool = False,
    beside: Beside | None = None,
) -> int:
    """Run a peer until the user ends it. `ask_name`: asks for another name if this one is taken;
    None where nobody can be asked. `may_show_lines`: where a full screen cannot be shown, show
    lines. `beside`: what is served beside the terminal. Returns the exit status."""
    if wanted.is_full and (why := no_full_screen()) is not None:
        print(words.cannot_be_full(why, shows_lines=may_show_lines), file=sys.stderr)
        if not may_show_lines:
            return FAILED
        wanted = msgspec.structs.replace(wanted, is_full=False)
    while True:
        program = PeerProgram(wanted, beside=beside)
        status = run_program(program.chat, plain=plain or wanted.is_full, log_level=log_level)
        if program.complaints:
            print(*program.complaints, sep="\n", file=sys.stderr)
        if not program.is_name_taken or ask_name is None:
            return status
        wanted = msgspec.structs.replace(wanted, name=ask_name())


def run_visit(wanted: VisitOptions, *, plain: bool, log_level: str) -> int:
    """Visit a help desk until the visit or the user ends it. Returns the exit status."""
    from chatapp.peer.faces.line.visitor import VisitStart

    async def visit(raw: RawTerminal | None) -> int:
        start = VisitStart(wanted, is_screen=raw is not None)
        return await start.visit(make_terminal(raw, start.completions, quiet=wanted.quiet))

    return run_program(visit, plain=plain, log_level=log_level)


class PeerProgram:
    """One run of a peer at a terminal or a pipe."""

    def __init__(self, wanted: StartOptions, *, beside: Beside | None = None) -> None:
        """`beside`: as in `run`."""
        self._wanted: Final = wanted
        self._beside: Final = beside
        self.is_name_taken = False
        """Whether the name was refused at the start because it is taken."""
        self.complaints: Sequence[str] = ()
        """Why the peer could not start, where that is for standard error."""

    async def chat(self, raw: RawTerminal | None) -> int:
        """Run the peer until the user ends it. Returns the exit status."""
        if raw is None:
            return await self._talk(make_terminal(None, None, quiet=self._wanted.quiet), None)
        return await _until_stopped(lambda stop: self._talk_on(raw, stop))

    async def _talk_on(self, raw: RawTerminal, stop: Callable[[int], None]) -> int:
        """Show the prompt, then load the peer. `stop`: called when the user ends the program before
        a face reads."""
        completions = CompletionIndex()
        completions.list_paths = list_paths
        screen = _new_screen(raw, completions, quiet=self._wanted.quiet, holds_typed=True)
        completions.came = screen.complete_again
        screen.set_status(Status(me=self._wanted.name))
        try:
            await screen.begin(stop)
            # A thread loads, so that keys are echoed meanwhile.
            await asyncio.to_thread(importlib.import_module, "chatapp.peer.faces.line.start")
            return await self._talk(screen, completions)
        except asyncio.CancelledError:
            screen.show(not_sent_lines([line for line in screen.unread() if line.strip()]))
            with contextlib.suppress(OSError):
                await screen.shown()
            raise
        finally:
            await screen.end()

    async def _talk(self, terminal: "Terminal", completions: CompletionIndex | None) -> int:
        from chatapp.peer.faces.line.start import PeerStart

        start = PeerStart(self._wanted, terminal, completions, beside=self._beside)
        try:
            return await start.chat()
        finally:
            self.is_name_taken, self.complaints = start.is_name_taken, start.complaints


async def _until_stopped(
    begin: Callable[[Callable[[int], None]], Coroutine[None, None, int]],
) -> int:
    """Run the work that `begin` returns, which gets what stops it with an exit status. A signal
    stops it too, unless the work handles signals itself by then. Returns the exit status."""
    loop = asyncio.get_running_loop()
    stopped: list[int] = []

    def stop(status: int) -> None:
        stopped.append(status)
        task.cancel()

    task = asyncio.ensure_future(begin(stop))
    for number, status in ENDING_SIGNALS:
        loop.add_signal_handler(number, stop, status)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return stopped[0]


def no_full_screen() -> str | None:
    """Return why the full screen cannot be shown; None if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return words.NO_TERMINAL
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return words.dumb_terminal(term)
    return None if importlib.util.find_spec("textual") is not None else words.NOT_INSTALLED


def run_program(
    begin: Callable[[RawTerminal | None], Coroutine[None, None, int]],
    *,
    plain: bool,
    log_level: str,
) -> int:
    """Run a program at the terminal, if there is one that can draw. `begin` gets the terminal, in
    raw mode, or None for a pipe. Returns the exit status."""
    start_logging(log_level)
    is_dumb = os.environ.get("TERM") == "dumb"
    is_terminal = not (plain or is_dumb) and sys.stdin.isatty() and sys.stdout.isatty()
    with RawTerminal(sys.stdin.fileno()) if is_terminal else contextlib.nullcontext() as raw:
        try:
            return asyncio.run(begin(raw))
        except KeyboardInterrupt:
            return INTERRUPTED


def make_terminal(
    raw: RawTerminal | None, completions: CandidateSource | None, *, quiet: bool
) -> "Terminal":
    """Return the terminal for a program: a screen with completions, or a pipe if `raw` is None.
    `quiet`: draw no attention."""
    if raw is None or completions is None:
        from chatapp.peer.faces.line.pipe import PipeTerminal

        return PipeTerminal()
    return _new_screen(raw, completions, quiet=quiet)


def _new_screen(
    raw: RawTerminal, completions: CandidateSource, *, quiet: bool, holds_typed: bool = False
) -> "ScreenTerminal":
    # Importing prompt_toolkit takes a third of a start, which a pipe need not pay.
    from chatapp.peer.faces.line.tty import ScreenTerminal

    return ScreenTerminal(raw, completions, is_quiet=quiet, holds_typed=holds_typed)
