"""The peer as a program: it chooses the terminal, handles signals and returns the exit status."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol

from chatapp.peer.client import Peer
from chatapp.peer.keystore import FolderInUse
from chatapp.peer.starts import remember
from chatapp.peer.ui.completion import CandidateSource, CompletionIndex
from chatapp.peer.ui.shell import LineFace, Terminal
from chatapp.peer.ui.terminal import DONE, FAILED, INTERRUPTED
from chatapp.peer.ui.terminals.pipe import PipeTerminal
from chatapp.peer.ui.terminals.raw import RawTerminal
from chatapp.peer.ui.texts import answers
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import ChatAppError, PortInUse


def run(
    *,
    name: str,
    server: Address,
    registry_key: str | None,
    port: int,
    data: Path | None,
    plain: bool,
    stay: bool,
    log_level: str,
    room: str | None = None,
    ack_timeout: float | None = None,
    code: str | None = None,
) -> int:
    """Run a peer until the user ends it. `ack_timeout`: None for the usual one. Returns the exit status."""

    def chat(raw: RawTerminal | None) -> Coroutine[None, None, int]:
        peer = Peer(
            name,
            server,
            port=port,
            home=data,
            policy=None if ack_timeout is None else Policy(ack_timeout=ack_timeout),
            room=room,
            code=code,
            registry_key=registry_key,
        )
        return _chat(peer, server, raw, stay=stay)

    return run_program(chat, plain=plain, log_level=log_level)


def run_program(
    begin: Callable[[RawTerminal | None], Coroutine[None, None, int]], *, plain: bool, log_level: str
) -> int:
    """Run a program at the terminal, if there is one. `begin` gets the terminal, in raw mode, or None for a pipe. Returns
    the exit status."""
    start_logging(log_level)
    is_terminal = not plain and sys.stdin.isatty() and sys.stdout.isatty()
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
    for number, status in ((signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    return await face.run()


def start_logging(level: str) -> None:
    """Log to standard error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


async def _chat(peer: Peer, server: Address, raw: RawTerminal | None, *, stay: bool) -> int:
    completions = CompletionIndex() if raw is not None else None
    terminal = make_terminal(raw, completions)
    complaint = await open_peer(peer)
    if complaint is not None and complaint.startswith("["):
        terminal.show([complaint])
        with contextlib.suppress(OSError):
            await terminal.shown()
    elif complaint is not None:
        print(complaint, file=sys.stderr)
    if complaint is not None:
        return FAILED
    face = LineFace(
        peer,
        terminal,
        stay=stay,
        completions=completions,
        note_start=lambda: remember(peer.folder, peer.name, server),
    )
    try:
        return await run_until_signal(face)
    finally:
        await peer.close(within=0.3)


async def open_peer(peer: Peer) -> str | None:
    """Open the peer. Returns None, or why that failed: a line in `[ ]`, or one that begins with `ChatApp:`."""
    try:
        await peer.open()
    except PortInUse as error:
        return f"[{error}]"
    except FolderInUse:
        return answers.name_taken(peer.name)
    except sqlite3.Error as error:
        # SQLite reports damage as this very class; its subclasses mean something else, such as a full disk.
        is_damaged = type(error) is sqlite3.DatabaseError
        return answers.history_failed(str(peer.folder / "history.db"), error, is_damaged=is_damaged)
    except OSError as error:
        # When a new file cannot take an old one's place, filename2 is the old one, which is the one that the user knows.
        where = error.filename2 or error.filename or peer.folder
        return f"ChatApp: {where}: {error.strerror or error}"
    except ChatAppError as error:
        return f"ChatApp: {error}"
    return None


def make_terminal(raw: RawTerminal | None, completions: CandidateSource | None) -> Terminal:
    """Return the terminal for a program: a screen with completions, or a pipe if `raw` is None."""
    if raw is None or completions is None:
        return PipeTerminal()
    # Importing prompt_toolkit takes 120 ms, which a pipe need not pay.
    from chatapp.peer.ui.terminals.tty import ScreenTerminal

    return ScreenTerminal(raw, completions)
