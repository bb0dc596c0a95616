"""`ChatApp stats`: ask the registry for the figures of a help desk, show them, and leave."""

import asyncio
import contextlib
import json
import sys
from typing import Final

import msgspec

from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.api.events import CommandFailed, Event, Figures, Registered
from chatapp.peer.faces.opening import NotOpened, open_peer, peer_for
from chatapp.peer.faces.program import FAILED, INTERRUPTED, StartOptions, start_logging
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.reasons import SERVER_SILENT
from chatapp.wire.messages.desk import ShowFigures

SHOWN: Final = 0

ANSWER_WITHIN: Final = 10.0
"""Seconds; a script must not hang."""


def run(wanted: StartOptions, *, queue: str, as_json: bool, log_level: str) -> int:
    """Ask for the figures of a queue as an operator, and show them. An empty `queue` means the
    first one. Returns the exit status."""
    start_logging(log_level)
    try:
        return asyncio.run(_ask(peer_for(wanted), queue, as_json=as_json))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _ask(peer: Peer, queue: str, *, as_json: bool) -> int:
    try:
        await open_peer(peer)
    except NotOpened as error:
        return _failed(*error.lines)
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            with contextlib.suppress(NotLetIn):  # an event says the same
                await peer.ready()
            before = peer.take_events()
            if not any(isinstance(event, Registered) for event in before):
                return _failed(*(line for event in before for line in lines_of(event)))
            peer.desk.ask(ShowFigures(0, queue))
            await peer.desk.answered()
        return _report(peer.take_events(), as_json=as_json)
    except TimeoutError:
        return _failed(SERVER_SILENT)
    finally:
        await peer.close(within=0.3)


def _report(events: list[Event], *, as_json: bool) -> int:
    for event in events:
        if isinstance(event, CommandFailed):
            return _failed(*lines_of(event))
        if isinstance(event, Figures):
            figures = msgspec.structs.asdict(event)
            del figures["is_quiet"]  # this concerns programs that share a peer
            lines = [json.dumps(figures)] if as_json else lines_of(event)
            print(*lines, sep="\n", flush=True)
            return SHOWN
    return _failed(SERVER_SILENT)


def _failed(*lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr, flush=True)
    return FAILED
