"""This file is about a visitor as a program: which terminal, which signals, which exit status.

It knows processes; lines are `wording`'s, and what happens is the node's.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Final

from peer.desk.face import VisitorFace
from peer.desk.node import Visitor
from peer.desk.offering import VisitorOffers
from peer.ui.held import HeldTerminal
from peer.ui.line import Terminal
from peer.ui.main import begin_log
from peer.ui.pipe import PipeTerminal
from peer.ui.running import DONE, FAILED, INTERRUPTED
from wire.address import Address
from wire.errors import ChatAppError
from wire.text import clean

_LEAVES_WITHIN: Final = 0.5
"""Seconds that the registry has to hear that we leave."""


def run(
    *,
    server: Address,
    registry_key: str | None,
    queue: str,
    data: Path | None,
    plain: bool,
    stay: bool,
    log_level: str,
) -> int:
    """Visit a help desk until the visit or the user ends it. Returns the exit status."""
    begin_log(log_level)
    is_terminal = not plain and sys.stdin.isatty() and sys.stdout.isatty()
    with HeldTerminal(sys.stdin.fileno()) if is_terminal else contextlib.nullcontext() as held:
        try:
            visitor = Visitor(server, registry_key=registry_key, queue=queue, home=data)
            return asyncio.run(_visit(visitor, held, stay=stay))
        except KeyboardInterrupt:
            return INTERRUPTED


async def _visit(visitor: Visitor, held: HeldTerminal | None, *, stay: bool) -> int:
    terminal = _terminal(held)
    try:
        visitor.open()
    except OSError as error:
        return _refuse(f"{error.filename or ''}: {error.strerror or error}")
    except ChatAppError as error:
        return _refuse(str(error))
    terminal.show(f"[{clean(line)}]" for line in visitor.damage)
    face = VisitorFace(visitor, terminal, stay=stay)
    loop = asyncio.get_running_loop()
    for number, status in ((signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    try:
        return await face.run()
    finally:
        await visitor.close(within=_LEAVES_WITHIN)


def _refuse(why: str) -> int:
    print(f"ChatApp: {why}", file=sys.stderr)
    return FAILED


def _terminal(held: HeldTerminal | None) -> Terminal:
    if held is None:
        return PipeTerminal()
    # prompt_toolkit takes 120 ms to import, which a pipe need not pay
    from peer.ui.screen import ScreenTerminal

    return ScreenTerminal(held, VisitorOffers())
