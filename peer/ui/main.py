"""The peer as a program: it chooses the terminal, shows the prompt, handles signals and returns the exit status.

A terminal shows its prompt before the peer is loaded (`peer.ui.start`), which takes as long as all that comes before."""

import asyncio
import contextlib
import gc
import importlib
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from chatapp.peer.ui.formatting import View
from chatapp.peer.ui.grammar.completion import CandidateSource, CompletionIndex
from chatapp.peer.ui.terminal import DONE, FAILED, INTERRUPTED
from chatapp.peer.ui.terminals.raw import RawTerminal
from chatapp.peer.ui.texts import full as words
from chatapp.wire.address import Address
from chatapp.wire.folders import default_home

if TYPE_CHECKING:
    from chatapp.peer.ui.shell import Terminal
    from chatapp.peer.ui.terminals.tty import ScreenTerminal

_ENDING: Final = ((signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED))
"""The signals that end a program, and with which exit status."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for when starting a peer at a terminal."""

    name: str
    servers: Sequence[Address]
    registry_key: str | None
    port: int
    home: Path
    room: str | None
    ack_timeout: float | None
    code: str | None
    stay: bool
    quiet: bool
    is_full: bool


def run(
    *,
    name: str,
    servers: Sequence[Address],
    registry_key: str | None,
    port: int,
    data: Path | None,
    plain: bool,
    stay: bool,
    log_level: str,
    quiet: bool = False,
    room: str | None = None,
    ack_timeout: float | None = None,
    code: str | None = None,
    ask_name: Callable[[], str] | None = None,
    is_full: bool = False,
    may_show_lines: bool = False,
) -> int:
    """Run a peer until the user ends it. `quiet`: draw no attention on a terminal. `ack_timeout`: None for the usual
    one. `ask_name`: asks for another name if this one is taken; None where nobody can be asked. `is_full`: as a full
    screen. `may_show_lines`: where that cannot be shown, show lines. Returns the exit status."""
    if is_full and (why := no_full_screen()) is not None:
        print(words.cannot_be_full(why, shows_lines=may_show_lines), file=sys.stderr)
        if not may_show_lines:
            return FAILED
        is_full = False
    while True:
        program = PeerProgram(
            Wanted(
                name=name,
                servers=servers,
                registry_key=registry_key,
                port=port,
                home=data or default_home(),
                room=room,
                ack_timeout=ack_timeout,
                code=code,
                stay=stay,
                quiet=quiet,
                is_full=is_full,
            )
        )
        status = run_program(program.chat, plain=plain or is_full, log_level=log_level)
        if program.complaints:
            print(*program.complaints, sep="\n", file=sys.stderr)
        if not program.is_name_taken or ask_name is None:
            return status
        name = ask_name()


class PeerProgram:
    """One run of a peer at a terminal or a pipe."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted: Final = wanted
        self.is_name_taken = False
        """Whether the name was refused at the start because it is taken."""
        self.complaints: Sequence[str] = ()
        """Why the peer could not start, where that is for standard error."""

    async def chat(self, raw: RawTerminal | None) -> int:
        """Run the peer until the user ends it. Returns the exit status."""
        if raw is None:
            return await self._talk(make_terminal(None, None, quiet=self._wanted.quiet), None)
        return await _until_signalled(self._talk_on(raw))

    async def _talk_on(self, raw: RawTerminal) -> int:
        """Show the prompt, then load the peer."""
        completions = CompletionIndex()
        screen = _new_screen(raw, completions, quiet=self._wanted.quiet, holds_typed=True)
        screen.set_view(View(me=self._wanted.name))
        try:
            await screen.begin()
            # A thread loads, so that keys are echoed meanwhile.
            await asyncio.to_thread(importlib.import_module, "chatapp.peer.ui.start")
            return await self._talk(screen, completions)
        finally:
            await screen.end()

    async def _talk(self, terminal: "Terminal", completions: CompletionIndex | None) -> int:
        from chatapp.peer.ui.start import PeerStart

        start = PeerStart(self._wanted, terminal, completions)
        try:
            return await start.chat()
        finally:
            self.is_name_taken, self.complaints = start.is_name_taken, start.complaints


async def _until_signalled(work: Coroutine[None, None, int]) -> int:
    """Run `work`, and cancel it at a signal, unless it handles signals itself by then. Returns the exit status."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    signalled: list[int] = []

    def stop(status: int) -> None:
        signalled.append(status)
        task.cancel()

    for number, status in _ENDING:
        loop.add_signal_handler(number, stop, status)
    try:
        return await task
    except asyncio.CancelledError:
        if not signalled:
            raise
        return signalled[0]


def no_full_screen() -> str | None:
    """Return why the full screen cannot be shown; None if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return words.NO_TERMINAL
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return words.dumb_terminal(term)
    return None if importlib.util.find_spec("textual") is not None else words.NOT_INSTALLED


def run_program(
    begin: Callable[[RawTerminal | None], Coroutine[None, None, int]], *, plain: bool, log_level: str
) -> int:
    """Run a program at the terminal, if there is one that can draw. `begin` gets the terminal, in raw mode, or None for a
    pipe. Returns the exit status."""
    start_logging(log_level)
    is_dumb = os.environ.get("TERM") == "dumb"
    is_terminal = not (plain or is_dumb) and sys.stdin.isatty() and sys.stdout.isatty()
    with RawTerminal(sys.stdin.fileno()) if is_terminal else contextlib.nullcontext() as raw:
        try:
            return asyncio.run(begin(raw))
        except KeyboardInterrupt:
            return INTERRUPTED


class Face(Protocol):
    """What a user sees of a program."""

    def stop(self, status: int) -> None:
        """End with this exit status."""

    async def run(self) -> int:
        """Run until the user, the input or `stop` ends it. Returns the exit status."""


async def run_until_signal(face: Face) -> int:
    """Run a face until it ends, or a signal ends it. Returns the exit status."""
    loop = asyncio.get_running_loop()
    for number, status in _ENDING:
        loop.add_signal_handler(number, face.stop, status)
    return await face.run()


def start_logging(level: str) -> None:
    """Log to standard error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def make_terminal(raw: RawTerminal | None, completions: CandidateSource | None, *, quiet: bool) -> "Terminal":
    """Return the terminal for a program: a screen with completions, or a pipe if `raw` is None. `quiet`: draw no
    attention."""
    if raw is None or completions is None:
        from chatapp.peer.ui.terminals.pipe import PipeTerminal

        return PipeTerminal()
    return _new_screen(raw, completions, quiet=quiet)


def _new_screen(
    raw: RawTerminal, completions: CandidateSource, *, quiet: bool, holds_typed: bool = False
) -> "ScreenTerminal":
    # Importing prompt_toolkit takes a third of a start, which a pipe need not pay.
    from chatapp.peer.ui.terminals.tty import ScreenTerminal

    return ScreenTerminal(raw, completions, is_quiet=quiet, holds_typed=holds_typed)


def end_loading() -> None:
    """Turn the garbage collector on, once all modules are loaded."""
    gc.freeze()  # what was loaded stays, so the collector need not walk it
    gc.enable()
