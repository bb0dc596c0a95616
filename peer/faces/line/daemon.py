"""`ChatApp daemon`: a peer without a face. Other programs attach to it; it runs until a signal ends
it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.faces.opening import (
    CLOSES_WITHIN,
    NotOpened,
    close_offered,
    note_start,
    open_or_attach,
    peer_for,
    runs_as_service,
    tell_registry,
    tell_search,
)
from chatapp.peer.faces.program import (
    DONE,
    FAILED,
    INTERRUPTED,
    Running,
    StartOptions,
    resume_gc,
    run_until_signal,
    start_logging,
)
from chatapp.peer.node.starts import why_taken
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words import answers
from chatapp.peer.words.events import lines_of
from chatapp.wire.folders import known_homes


def run(wanted: StartOptions, *, log_level: str) -> int:
    """Run a peer for others to attach to, until a signal ends it. Returns the exit status."""
    start_logging(log_level)
    resume_gc()
    try:
        return asyncio.run(_serve(peer_for(wanted), wanted.home))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _serve(peer: Peer, home: Path) -> int:
    try:
        running = await open_or_attach(peer, shows=False, is_service=True)
    except NotOpened as error:
        return _failed(error.lines)
    if running is not None:
        return await _stand_by(running, home)
    try:
        offer = Offer(peer, is_service=True)
    except OSError as error:
        await peer.close(within=CLOSES_WITHIN)
        return _failed([f"ChatApp: {peer.folder / 'socket'}: {error.strerror or error}"])
    try:
        return await run_until_signal(Daemon(peer, home))
    finally:
        await close_offered(peer, offer)


async def _stand_by(running: Peer, home: Path) -> int:
    """Run the peer once the window that runs it now has ended."""
    try:
        if runs_as_service(running):
            line = answers.runs_already_line(running.name, running.process, running.port)
            return _failed([line])
        return await run_until_signal(Daemon(running, home))
    finally:
        await running.close(within=CLOSES_WITHIN)


class Daemon:
    """A peer that nobody looks at."""

    def __init__(self, peer: Peer, home: Path) -> None:
        self._peer: Final = peer
        self._home: Final = home
        self._running: Final = Running()
        self._has_started = False
        peer.listen(self._note)

    def stop(self, status: int) -> None:
        """End the program with this exit status."""
        self._running.stop(status)

    async def run(self) -> int:
        """Run until a signal, or a refusal at the start, ends the program. Returns the exit
        status."""
        return await self._running.until_over(self._start())

    async def _start(self) -> None:
        peer = self._peer
        with contextlib.suppress(NotLetIn):  # an event says the same, and has ended the program
            await peer.ready()
        if not self._running.is_over:
            print(answers.ready_line(peer.name, os.getpid(), peer.port), flush=True)

    def _note(self, batch: Sequence[events.Event]) -> None:
        """Note the start, and what ends the program. Messages are left to the programs that show
        them."""
        peer = self._peer
        note_start(peer, batch)
        tell_registry(batch)
        tell_search(batch)
        for event in batch:
            match event:
                case events.Registered():
                    self._has_started = True
                case events.NameReleased():
                    self.stop(DONE)
                case events.ProgramEnded() | events.NoServerAtStart(table_time=None):
                    _say(lines_of(event))
                    self.stop(FAILED)
                case events.NameUnavailable(name=name) if peer.is_offline:
                    taken = why_taken(self._home, name, others=known_homes())
                    _say([*lines_of(event), answers.taken_line(taken)])
                    self.stop(FAILED)
                case events.AdmissionRefused(seconds=seconds) if seconds and self._has_started:
                    _say(lines_of(event), to_error=True)  # the peer comes back by itself
                case events.AdmissionRefused() | events.RegistryKeyChanged() if peer.is_offline:
                    _say(lines_of(event))
                    self.stop(FAILED)
                case _:
                    pass


def _failed(lines: Iterable[str]) -> int:
    for line in lines:
        _say([line], to_error=not line.startswith("["))
    return FAILED


def _say(lines: Iterable[str], *, to_error: bool = False) -> None:
    print(*lines, sep="\n", file=sys.stderr if to_error else sys.stdout, flush=True)
