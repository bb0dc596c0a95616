"""One start of a peer at its terminal: open the peer, or attach to one that runs, and show it until
the user ends it."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.faces.line.shell import LineFace, Terminal
from chatapp.peer.faces.opening import (
    CLOSES_WITHIN,
    NotOpened,
    close_offered,
    elsewhere_line,
    is_same_server,
    note_start,
    offered,
    open_or_attach,
    peer_for,
)
from chatapp.peer.faces.program import (
    FAILED,
    Beside,
    PeerFace,
    StartOptions,
    resume_gc,
    run_until_signal,
)
from chatapp.peer.node.starts import latest_name, why_taken
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.view import Start
from chatapp.peer.words import answers
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import known_homes

_OF_ANOTHER: Final = Start(is_over=True)
"""Of a peer that another program runs."""


class PeerStart:
    """One start of a peer at its terminal."""

    def __init__(
        self,
        wanted: StartOptions,
        terminal: Terminal,
        completions: CompletionIndex | None,
        *,
        beside: Beside | None = None,
    ) -> None:
        """`completions`: where to note names for a terminal that offers them; None for a pipe.
        `beside`: what is served beside the terminal."""
        self._beside: Final = beside
        self._wanted: Final = wanted
        self._terminal: Final = terminal
        self._completions: Final = completions
        self.is_name_taken = False
        """Whether the name was refused at the start because it is taken."""
        self.complaints: Sequence[str] = ()
        """Why the peer could not start, where that is for standard error."""

    async def chat(self) -> int:
        """Run the peer until the user ends it. Returns the exit status."""
        wanted = self._wanted
        if wanted.is_full:
            import chatapp.peer.faces.full.face  # noqa: F401 - before the collector is turned on
        resume_gc()
        peer = peer_for(wanted)
        try:
            running = await open_or_attach(peer)
        except NotOpened as error:
            self.is_name_taken = error.is_taken
            return await self._cannot_start(error.lines)
        if running is not None:
            return await self._attach(running)
        start = Start(
            explain_taken=lambda: self._explain(peer.name),
            is_first=latest_name(wanted.home) is None,
        )
        face = self._face(peer, start)
        offer = offered(peer)
        try:
            return await self._run(peer, face)
        finally:
            await close_offered(peer, offer)

    async def _run(self, peer: Peer, face: PeerFace) -> int:
        """Run a face, and what is served beside it, until the user ends it. Returns the exit
        status."""
        async with contextlib.AsyncExitStack() as undo:
            if self._beside is not None:
                try:
                    await undo.enter_async_context(self._beside(peer, face.tell))
                except ChatAppError as error:
                    face.tell([f"[{error}]"])
            return await run_until_signal(face)

    def _face(self, peer: Peer, start: Start) -> PeerFace:
        """Return the face of a peer."""
        note = partial(note_start, peer)
        if self._wanted.is_full:
            from chatapp.peer.faces.full.face import (
                FullFace,  # deferred: Textual takes as long as all else
            )

            return FullFace(peer.node, is_quiet=self._wanted.quiet, note=note, start=start)
        return LineFace(
            peer.node,
            self._terminal,
            stay=self._wanted.stay,
            completions=self._completions,
            is_screen=self._completions is not None,
            note=note,
            start=start,
        )

    async def _attach(self, peer: "Peer") -> int:
        """Show a peer that another program runs, and maybe this one later, until the user ends this
        window. Returns the exit status."""
        try:
            if not await is_same_server(peer, self._wanted.servers, self._wanted.registry_key):
                return await self._cannot_start([elsewhere_line(peer)])
            face = self._face(peer, _OF_ANOTHER)
            face.tell([answers.attached_line(peer.name)])
            for room in self._wanted.rooms:
                peer.enter_room(room)
            if self._wanted.rooms:
                await peer.rooms_settled()
            return await self._run(peer, face)
        except NotOpen:
            return await self._cannot_start(
                answers.attachment_lines(events.ProgramEnded(name=peer.name))
            )
        finally:
            await peer.close(within=CLOSES_WITHIN)

    def _explain(self, name: str) -> list[str]:
        self.is_name_taken = True
        return [answers.taken_line(why_taken(self._wanted.home, name, others=known_homes()))]

    async def _cannot_start(self, complaints: Sequence[str]) -> int:
        """Show why the peer cannot start, and quote what was typed meanwhile. Returns the exit
        status."""
        is_shown = complaints[0].startswith("[")
        if not is_shown:
            self.complaints = complaints
        unread = [line for line in self._terminal.unread() if line.strip()]
        self._terminal.show([*(complaints if is_shown else ()), *answers.not_sent_lines(unread)])
        with contextlib.suppress(OSError):
            await self._terminal.shown()
        return FAILED
