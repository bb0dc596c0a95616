"""What all faces share as programs: what was asked for, the tasks of a run and the exit status that
ends them all, signals, logging."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.files import AutoAccept
from chatapp.wire.address import Address

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer

DONE: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130


class Running:
    """The tasks of a face, until one of them or a signal ends the run."""

    def __init__(self) -> None:
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(self, status: int) -> None:
        """End the run with this exit status. The first call counts."""
        if not self.is_over:
            self._status.set_result(status)

    @property
    def is_over(self) -> bool:
        """Whether the run has been ended."""
        return self._status.done()

    async def until_over(self, *work: Coroutine[Any, Any, None]) -> int:
        """Run these coroutines side by side until the run is ended. Returns the exit status; raises
        what a task raised."""
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        for task in tasks:
            task.add_done_callback(self.note_end)
        try:
            return await self._status
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def note_end(self, task: asyncio.Task[None]) -> None:
        """End the run if a task has ended with an error."""
        if task.cancelled() or self.is_over:
            return
        error = task.exception()
        if isinstance(error, OSError):
            self.stop(DONE)  # the terminal is gone: nobody would read an error
        elif isinstance(error, NotOpen):
            self.stop(FAILED)  # the program that runs the peer is gone; an event tells of it
        elif isinstance(error, KeyboardInterrupt):
            self.stop(INTERRUPTED)
        elif error is not None:
            self._status.set_exception(error)


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
    slow_link: bool = False
    """Whether to spare the link, whatever is measured."""
    downloads: Path | None = None
    """Where to put files that others give us; None for the usual place."""
    auto_accept: AutoAccept | None = None
    """Whose files are fetched without a question; None: nobody's."""
    gives_marks: bool = False
    """Whether people who do the same are told what the user has seen of theirs."""


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


class PeerFace(Face, Protocol):
    """The same of a peer."""

    def tell(self, lines: Iterable[str]) -> None:
        """Show lines of the program, also before the face runs."""


Beside = Callable[["Peer", Callable[[Iterable[str]], None]], AbstractAsyncContextManager[None]]
"""What is served beside a face while its peer is open; it gets the peer, and the face's `tell`. Raises
ChatAppError."""


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
