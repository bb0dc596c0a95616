"""This file is about what comes in on links: whole frames, the first of which begins their session, and their end.

It opens frames and asks the service what to do. It must not know datagrams, or who may come in.
"""

from collections.abc import Sequence
from typing import Final

from registry.effects import Caller
from registry.execution import Execution
from registry.links import Link, LinkState
from registry.pace import cost_of_answers, cost_of_line
from wire.address import Address
from wire.codec import decode_request
from wire.errors import DecodeError, SealError, WireError
from wire.header import Kind, unpack_group
from wire.messages.link import Attach

_OPENING: Final = bytes((Kind.OPENING,))
_GROUP: Final = bytes((Kind.GROUP,))


class LinkInputs(Execution):
    """Hears links."""

    def link_opened(self, link: int, remote: Address, *, now: float) -> None:
        """A connection. `link` is a number that the shell never uses again."""
        self._links.open(link, remote, now=now)
        self._settle(now)

    def receive_frames(self, link: int, frames: Sequence[bytes], *, now: float) -> None:
        """Whole frames of a link, in order. Never raises for what a stranger sent."""
        opened = self._links.find(link)
        if opened is None:
            return
        queued, cost = opened.queued, len(frames)
        for frame in frames:
            if opened.is_over:
                break
            if frame[:1] == _GROUP:
                cost += cost_of_line(len(frame))
            try:
                self._receive_frame(opened, frame, now)
            except DecodeError:
                self._drop("malformed frame")
            except SealError:
                self._links.end(link, "a frame does not open")
        if not opened.is_over:
            if opened.state is LinkState.ATTACHED:
                self._service.heard_on_link(opened.identity, now=now)
            cost += cost_of_answers(opened.queued - queued, len(frames))
            self._links.note_frames(opened, cost, now=now)
        self._settle(now)

    def _receive_frame(self, link: Link, frame: bytes, now: float) -> None:
        if link.state is LinkState.WAITING:
            self._attach(link, frame, now)
            return
        caller = Caller(identity=link.identity, link=link.number)
        if frame[:1] == _GROUP:
            effects = self._service.speak(frame, unpack_group(frame), caller, now=now)
            self._carry_out(effects, now)
            return
        assert link.cipher is not None
        payload = link.cipher.open(frame)
        self._carry_out(self._service.handle(decode_request(payload), caller, now=now), now)

    def _attach(self, link: Link, frame: bytes, now: float) -> None:
        """The first frame begins the link's session, and must carry an Attach (clause 9.1)."""
        try:
            if frame[:1] != _OPENING:
                raise SealError("no opening")
            identity, payload, cipher, answer = self._sessions.table.take_link(frame, now=now)
            request = decode_request(payload)
        except WireError:
            self._links.end(link.number, "first frame opens no session")
            return
        if not isinstance(request, Attach):
            self._links.end(link.number, "first frame is no attach")
            return
        is_guest = identity in self._service.desk.guests
        self._links.attach(link, cipher, identity, answer, is_guest=is_guest)
        caller = Caller(identity=identity, link=link.number)
        self._carry_out(self._service.handle(request, caller, now=now), now)

    def link_backlog(self, link: int, size: int) -> None:
        """So many bytes that were written to it wait for its reader. Said after each write that leaves some, then until none
        do."""
        self._links.note_backlog(link, size)

    def link_closed(self, link: int, *, now: float) -> None:
        """The connection is over, whoever ended it."""
        opened = self._links.forget(link)
        if opened is not None and opened.state is LinkState.ATTACHED:
            self._carry_out(self._service.link_lost(opened.identity, link, now=now), now)
            self._settle(now)
