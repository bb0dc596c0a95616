"""A peer as a program: which face, which signals, which exit status.

It knows processes; lines are `wording`'s, commands `grammar`'s, and what happens is the SDK's.
"""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from chatapp.peer.client import Peer
from chatapp.peer.keystore import FolderInUse
from chatapp.peer.ui.completion import CompletionIndex
from chatapp.peer.ui.shell import LineFace, Terminal
from chatapp.peer.ui.terminal import DONE, FAILED, INTERRUPTED
from chatapp.peer.ui.terminals.pipe import PipeTerminal
from chatapp.peer.ui.terminals.raw import RawTerminal
from chatapp.wire.address import Address
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
    code: str | None = None,
) -> int:
    """Be a peer until the user ends it. Returns the exit status."""
    start_logging(log_level)
    is_terminal = not plain and sys.stdin.isatty() and sys.stdout.isatty()
    with RawTerminal(sys.stdin.fileno()) if is_terminal else contextlib.nullcontext() as held:
        try:
            peer = Peer(
                name,
                server,
                port=port,
                home=data,
                room=room,
                code=code,
                registry_key=registry_key,
            )
            return asyncio.run(_chat(peer, held, stay=stay))
        except KeyboardInterrupt:
            return INTERRUPTED


def start_logging(level: str) -> None:
    """On standard error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


async def _chat(peer: Peer, held: RawTerminal | None, *, stay: bool) -> int:
    known = CompletionIndex() if held is not None else None
    terminal = _terminal(held, known)
    complaint = await open_peer(peer)
    if complaint is not None and complaint.startswith("["):
        terminal.show([complaint])
        with contextlib.suppress(OSError):
            await terminal.shown()
    elif complaint is not None:
        print(complaint, file=sys.stderr)
    if complaint is not None:
        return FAILED
    face = LineFace(peer, terminal, stay=stay, known=known)
    loop = asyncio.get_running_loop()
    for number, status in ((signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    try:
        return await face.run()
    finally:
        await peer.close(within=0.3)


async def open_peer(peer: Peer) -> str | None:
    """Open the peer. Returns why it cannot be: a line as others in `[ ]`, or a complaint of the program."""
    try:
        await peer.open()
    except PortInUse as error:
        return f"[{error}]"
    except FolderInUse:
        return f"[Name {peer.name} is taken.]"
    except sqlite3.Error as error:
        # Of its kinds only this one, and none below it, speaks of damage.
        advice = "; restore it from a copy, or move it away to begin a new one"
        is_damaged = type(error) is sqlite3.DatabaseError
        return f"ChatApp: {peer.folder / 'history.db'}: {error}{advice if is_damaged else ''}"
    except OSError as error:
        # Of a file that takes another's place, the latter.
        where = error.filename2 or error.filename or peer.folder
        return f"ChatApp: {where}: {error.strerror or error}"
    except ChatAppError as error:
        return f"ChatApp: {error}"
    return None


def _terminal(held: RawTerminal | None, known: CompletionIndex | None) -> Terminal:
    if held is None or known is None:
        return PipeTerminal()
    # prompt_toolkit takes 120 ms to import, which a pipe need not pay
    from chatapp.peer.ui.terminals.tty import ScreenTerminal

    return ScreenTerminal(held, known)
