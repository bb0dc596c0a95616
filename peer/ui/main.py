"""The peer as a program: it chooses the terminal, handles signals and returns the exit status."""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chatapp.peer.client import Peer
from chatapp.peer.core.events import ProgramEnded
from chatapp.peer.errors import NotOpen, NotResponding, NotRunning
from chatapp.peer.keystore import FolderInUse
from chatapp.peer.rpc.attached.running import is_same_server, running_program
from chatapp.peer.starts import Taken, TakenBy, note_release, remember, why_taken
from chatapp.peer.ui.grammar.completion import CandidateSource, CompletionIndex
from chatapp.peer.ui.shell import LineFace, Terminal
from chatapp.peer.ui.terminal import DONE, FAILED, INTERRUPTED
from chatapp.peer.ui.terminals.pipe import PipeTerminal
from chatapp.peer.ui.terminals.raw import RawTerminal
from chatapp.peer.ui.texts import answers
from chatapp.peer.ui.texts import full as words
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import ChatAppError, PortInUse
from chatapp.wire.folders import default_home, known_homes

if TYPE_CHECKING:
    from chatapp.peer.rpc.attached.remote import RemotePeer
    from chatapp.peer.rpc.offer import Offer

_log = logging.getLogger("chatapp.peer")


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
    home = data or default_home()
    while True:
        peer = partial(
            Peer,
            name,
            servers,
            port=port,
            home=home,
            policy=None if ack_timeout is None else Policy(ack_timeout=ack_timeout),
            room=room,
            code=code,
            registry_key=registry_key,
        )
        start = PeerStart(
            peer,
            home,
            servers,
            registry_key=registry_key,
            room=room,
            stay=stay,
            quiet=quiet,
            is_full=is_full,
        )
        status = run_program(start.chat, plain=plain or is_full, log_level=log_level)
        if not start.is_name_taken or ask_name is None:
            return status
        name = ask_name()


class PeerStart:
    """One start of a peer at its terminal."""

    def __init__(
        self,
        make_peer: Callable[[], Peer],
        home: Path,
        servers: Sequence[Address],
        *,
        registry_key: str | None,
        room: str | None,
        stay: bool,
        quiet: bool,
        is_full: bool = False,
    ) -> None:
        self._is_full: Final = is_full
        self._make_peer: Final = make_peer
        self._registry_key: Final = registry_key
        self._room: Final = room
        self._home: Final = home
        self._servers: Final = servers
        self._stay: Final = stay
        self._quiet: Final = quiet
        self.is_name_taken = False
        """Whether the name was refused at the start because it is taken."""

    async def chat(self, raw: RawTerminal | None) -> int:
        """Run the peer until the user ends it. Returns the exit status."""
        peer = self._make_peer()
        if self._is_full:
            import chatapp.peer.ui.full.face  # noqa: F401 - before the collector is turned on

        completions = CompletionIndex() if raw is not None else None
        terminal = make_terminal(raw, completions, quiet=self._quiet, holds_typed=True)
        try:
            running = await running_program(peer.name, self._home)
        except (NotRunning, NotResponding) as error:
            return await _cannot_start(terminal, [answers.not_attached_line(str(error))])
        if running is not None:
            return await self._attach(running, terminal, completions)
        complaints = await open_peer(peer)
        if complaints is not None:
            self.is_name_taken = complaints[0] == answers.name_taken(peer.name)
            return await _cannot_start(terminal, complaints)
        face = self._new_face(peer, terminal, completions)
        offer = offered(peer)
        try:
            return await run_until_signal(face)
        finally:
            if offer is not None:
                offer.close()
            await peer.close(within=0.3)

    def _new_face(self, peer: Peer, terminal: Terminal, completions: CompletionIndex | None) -> "Face":
        """Return the face of a peer that this program runs."""
        note_start = partial(_remember, peer, self._servers)
        note_release = partial(_note_release, peer)
        if self._is_full:
            from chatapp.peer.ui.full.face import FullFace  # deferred: Textual takes as long as all else

            return FullFace(
                peer,
                is_quiet=self._quiet,
                note_start=note_start,
                note_release=note_release,
                explain_taken=lambda: self._explain(peer.name),
            )
        return LineFace(
            peer,
            terminal,
            stay=self._stay,
            completions=completions,
            is_screen=completions is not None,
            note_start=note_start,
            note_release=note_release,
            explain_taken=lambda: self._explain(peer.name),
        )

    async def _attach(
        self, peer: "RemotePeer", terminal: Terminal, completions: CompletionIndex | None
    ) -> int:
        """Show a peer that another program runs, until the user ends this one. Returns the exit status."""
        try:
            if not await is_same_server(peer, self._servers, self._registry_key):
                return await _cannot_start(terminal, [elsewhere_line(peer)])
            face = self._face_beside(peer, terminal, completions)
            if self._room is not None:
                peer.enter_room(self._room)
                await peer.room_settled()
            return await run_until_signal(face)
        except NotOpen:
            return await _cannot_start(terminal, [answers.attachment_line(ProgramEnded(name=peer.name))])
        finally:
            await peer.close()

    def _face_beside(
        self, peer: "RemotePeer", terminal: Terminal, completions: CompletionIndex | None
    ) -> "Face":
        """Return the face of a peer that another program runs."""
        greeting = answers.attached_line(peer.process, peer.port)
        if self._is_full:
            from chatapp.peer.ui.full.face import FullFace  # deferred, as above

            return FullFace(peer, is_quiet=self._quiet, has_started=True, greeting=[greeting])
        face = LineFace(
            peer,
            terminal,
            stay=self._stay,
            completions=completions,
            is_screen=completions is not None,
            has_started=True,
        )
        terminal.show([greeting])
        return face

    def _explain(self, name: str) -> list[str]:
        self.is_name_taken = True
        return [answers.taken_line(why_taken(self._home, name, others=known_homes()))]


def _remember(peer: Peer, servers: Sequence[Address]) -> None:
    remember(peer.folder, peer.name, servers, key=peer.server_key)


def _note_release(peer: Peer) -> None:
    note_release(peer.folder)


def no_full_screen() -> str | None:
    """Return why the full screen cannot be shown; None if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return words.NO_TERMINAL
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return words.dumb_terminal(term)
    return None if importlib.util.find_spec("textual") is not None else words.NOT_INSTALLED


async def _cannot_start(terminal: Terminal, complaints: Sequence[str]) -> int:
    if complaints[0].startswith("["):
        terminal.show(complaints)
        with contextlib.suppress(OSError):
            await terminal.shown()
    else:
        print(*complaints, sep="\n", file=sys.stderr)
    return FAILED


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
    for number, status in ((signal.SIGTERM, DONE), (signal.SIGHUP, DONE), (signal.SIGINT, INTERRUPTED)):
        loop.add_signal_handler(number, face.stop, status)
    return await face.run()


def start_logging(level: str) -> None:
    """Log to standard error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def elsewhere_line(peer: "RemotePeer") -> str:
    """Say that a running peer is at another server than the user asked for."""
    return answers.runs_elsewhere_line(peer.name, peer.server, peer.process, peer.port)


def offered(peer: Peer) -> "Offer | None":
    """Offer an open peer to other programs; None if the disk prevents that, which only they notice."""
    try:
        return peer.offer()
    except OSError as error:
        _log.warning("other programs cannot attach to this one: %s", error)
        return None


async def open_peer(peer: Peer) -> list[str] | None:
    """Open the peer. Returns None, or why that failed: lines in `[ ]`, or one that begins with `ChatApp:`."""
    try:
        await peer.open()
    except PortInUse as error:
        return [f"[{error}]"]
    except FolderInUse as error:
        taken = Taken(name=peer.name, by=TakenBy.OWN_PROGRAM, process=error.process, port=error.port)
        return [answers.name_taken(peer.name), answers.taken_line(taken)]
    except sqlite3.Error as error:
        # SQLite reports damage as this very class; its subclasses mean something else, such as a full disk.
        is_damaged = type(error) is sqlite3.DatabaseError
        return [answers.history_failed(str(peer.folder / "history.db"), error, is_damaged=is_damaged)]
    except OSError as error:
        # When a new file cannot take an old one's place, filename2 is the old one, which is the one that the user knows.
        where = error.filename2 or error.filename or peer.folder
        return [f"ChatApp: {where}: {error.strerror or error}"]
    except ChatAppError as error:
        return [f"ChatApp: {error}"]
    return None


def make_terminal(
    raw: RawTerminal | None,
    completions: CandidateSource | None,
    *,
    quiet: bool,
    holds_typed: bool = False,
) -> Terminal:
    """Return the terminal for a program: a screen with completions, or a pipe if `raw` is None. This ends the loading of
    modules. `quiet`: draw no attention. `holds_typed`: the face says by a `SettledLine` what became of each typed line."""
    try:
        if raw is None or completions is None:
            return PipeTerminal()
        # Importing prompt_toolkit takes a third of a start, which a pipe need not pay.
        from chatapp.peer.ui.terminals.tty import ScreenTerminal

        return ScreenTerminal(raw, completions, is_quiet=quiet, holds_typed=holds_typed)
    finally:
        gc.freeze()  # what was loaded stays, so the collector need not walk it
        gc.enable()
