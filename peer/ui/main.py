"""This file is about a peer as a program: which face, which signals, which exit status.

It knows processes; lines are `wording`'s, commands `grammar`'s, and what happens is the SDK's.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Final

from peer.keys import FolderInUse
from peer.node import Peer
from peer.ui.line import LineFace, Terminal
from peer.ui.pipe import PipeTerminal
from wire.address import Address
from wire.errors import ChatAppError, PortInUse

INTERRUPTED: Final = 130
FAILED: Final = 1


def run(
    *, name: str, server: Address, port: int, data: Path | None, plain: bool, stay: bool, log_level: str
) -> int:
    """Be a peer until the user ends it. Returns the exit status."""
    _open_closed_streams()
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    is_terminal = not plain and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        return asyncio.run(
            _chat(Peer(name, server, port=port, home=data), is_terminal=is_terminal, stay=stay)
        )
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_closed_streams() -> None:
    """Standard streams that were closed for us become empty ones: else a socket takes their number, and is written to."""
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, which is this one; it stays open as long as the program runs.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


async def _chat(peer: Peer, *, is_terminal: bool, stay: bool) -> int:
    terminal = await _terminal(is_terminal)
    try:
        await peer.open()
    except PortInUse as error:
        return await _fail(terminal, f"[{error}]")
    except FolderInUse:
        return await _fail(terminal, f"[Name {peer.name} is taken.]")
    except sqlite3.Error as error:
        return _refuse(f"{peer.folder / 'history.db'}: {error}")
    except OSError as error:
        return _refuse(f"{error.filename or peer.folder}: {error.strerror or error}")
    except ChatAppError as error:
        return _refuse(str(error))
    face = LineFace(peer, terminal, stay=stay)
    loop = asyncio.get_running_loop()
    for number, status in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    try:
        return await face.run()
    finally:
        await peer.close(within=0.3)


async def _fail(terminal: Terminal, line: str) -> int:
    terminal.show([line])
    with contextlib.suppress(OSError):
        await terminal.shown()
    return FAILED


def _refuse(why: str) -> int:
    print(f"ChatApp: {why}", file=sys.stderr)
    return FAILED


async def _terminal(is_terminal: bool) -> Terminal:
    if not is_terminal:
        return PipeTerminal()
    from peer.ui.screen import (
        ScreenTerminal,
    )  # prompt_toolkit takes 120 ms to import, which a pipe need not pay

    return ScreenTerminal()
