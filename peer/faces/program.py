"""What all faces share as programs: what was asked for, signals, logging."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from chatapp.peer.faces.running import DONE, INTERRUPTED
from chatapp.wire.address import Address

ENDING_SIGNALS: Final = (
    (signal.SIGTERM, DONE),
    (signal.SIGHUP, DONE),
    (signal.SIGINT, INTERRUPTED),
)
"""The signals that end a program, and with which exit status."""


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for when starting a peer."""

    name: str
    servers: Sequence[Address]
    registry_key: str | None
    announced_key: str | None = None
    """The fingerprint with which the chosen server was announced on the local network; None for no
    announcement."""
    port: int = 0
    """Our UDP port, 0 for any."""
    home: Path
    rooms: tuple[str, ...] = ()
    ack_timeout: float | None = None
    """None for the usual one."""
    code: str | None = None
    stay: bool = False
    quiet: bool = False
    """Whether to draw no attention on a terminal."""
    is_full: bool = False
    """Whether to show a full screen."""


class VisitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor of a help desk asked for at the start."""

    servers: Sequence[Address]
    registry_key: str | None
    queue: str
    data: Path | None
    stay: bool
    quiet: bool
    """Whether to draw no attention on a terminal."""
    language: str | None
    """One of `catalog.LANGUAGES`; None: on a terminal that of the environment, else English, which
    scripts match."""


class Face(Protocol):
    """What a user sees of a program."""

    def stop(self, status: int) -> None:
        """End with this exit status."""

    async def run(self) -> int:
        """Run until the user, the input or `stop` ends it. Returns the exit status."""


async def run_until_signal(face: Face) -> int:
    """Run a face until it ends, or a signal ends it. Returns the exit status."""
    loop = asyncio.get_running_loop()
    for number, status in ENDING_SIGNALS:
        loop.add_signal_handler(number, face.stop, status)
    return await face.run()


def resume_gc() -> None:
    """Turn the garbage collector on, once all modules are loaded."""
    gc.freeze()  # what was loaded stays, so the collector need not walk it
    gc.enable()


def start_logging(level: str) -> None:
    """Log to standard error."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
