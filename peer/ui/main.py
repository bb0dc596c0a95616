"""This file is about a peer as a program: which face, which signals, which exit status.

It knows processes; lines are `wording`'s, commands `grammar`'s, and what happens is the SDK's.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Final

from peer.keys import FolderInUse
from peer.node import Peer
from peer.ui.line import LineFace, PipeTerminal, Terminal
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
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)


async def _chat(peer: Peer, *, is_terminal: bool, stay: bool) -> int:
    terminal = await _terminal(is_terminal)
    try:
        await peer.open()
    except PortInUse as error:
        terminal.show([f"[{error}]"])
        return FAILED
    except FolderInUse:
        terminal.show([f"[Name {peer.name} is taken.]"])
        return FAILED
    except (ChatAppError, OSError, sqlite3.Error) as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return FAILED
    face = LineFace(peer, terminal, stay=stay)
    loop = asyncio.get_running_loop()
    for number, status in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    try:
        return await face.run()
    finally:
        await peer.close(within=0.3)


async def _terminal(is_terminal: bool) -> Terminal:
    if not is_terminal:
        return PipeTerminal()
    from peer.ui.screen import (
        ScreenTerminal,
    )  # prompt_toolkit takes 120 ms to import, which a pipe need not pay

    return ScreenTerminal()
