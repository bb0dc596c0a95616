"""This file is about what comes in on links: greetings, whole frames, their end.

It opens frames and asks the service what to do. It must not know datagrams, or who may come in.
"""

from collections.abc import Sequence
from typing import Final

from registry.effects import Caller
from registry.execution import Execution
from registry.links import Link, LinkState
from registry.pace import cost_of_answers, cost_of_line
from registry.policy import Policy
from registry.service import Service
from registry.sessions import Randomness, Sessions
from wire.address import Address
from wire.codec import decode_request
from wire.errors import DecodeError, SealError
from wire.header import TAG_SIZE, Kind, unpack_group
from wire.identity import Identity
from wire.messages.link import Attach

_RANDOM_SIZE: Final = 16
_GROUP: Final = bytes((Kind.GROUP,))


class LinkInputs(Execution):
    """Hears links."""

    def __init__(
        self,
        identity: Identity,
        sessions: Sessions,
        service: Service,
        policy: Policy,
        *,
        rng: Randomness,
        link_port: int,
        links_max: int,
    ) -> None:
        super().__init__(identity, sessions, service, policy, link_port=link_port, links_max=links_max)
        self._rng = rng

    def link_opened(self, link: int, remote: Address, *, now: float) -> None:
        """A connection. `link` is a number that the shell never uses again."""
        self._links.open(link, remote, now=now)
        self._settle(now)

    def link_greeted(self, link: int, greeting: bytes, *, now: float) -> None:
        """Its first `GREETING_SIZE` bytes: a session's tag and the peer's random bytes (clause 9.1)."""
        opened = self._links.find(link)
        if opened is None or opened.state is not LinkState.WAITING:
            return
        channel = self._sessions.find(greeting[:TAG_SIZE])
        if channel is None:
            self._links.end(link, "greeting of no session")
            self._settle(now)
            return
        ours = self._rng.randbytes(_RANDOM_SIZE)
        try:
            cipher = channel.session().link_cipher(ours, greeting[TAG_SIZE:], is_peer=False)
        except SealError:
            self._links.end(link, "live key is no good")
            self._settle(now)
            return
        self._links.greet(opened, cipher, channel.identity, ours)

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
        caller = Caller(identity=link.identity, link=link.number)
        if link.state is LinkState.ATTACHED and frame[:1] == _GROUP:
            effects = self._service.speak(frame, unpack_group(frame), caller, now=now)
            self._carry_out(effects, now)
            return
        if link.cipher is None:
            raise SealError("a frame before the greeting")
        payload = link.cipher.open(frame)
        if link.state is LinkState.GREETED:
            self._attach(link, payload, caller, now)
            return
        self._carry_out(self._service.handle(decode_request(payload), caller, now=now), now)

    def _attach(self, link: Link, payload: bytes, caller: Caller, now: float) -> None:
        """The first frame opened. What else it may be, it must be an Attach."""
        try:
            request = decode_request(payload)
        except DecodeError:
            request = None
        if not isinstance(request, Attach):
            self._links.end(link.number, "first frame is no attach")
            return
        is_guest = link.identity in self._service.desk.guests
        self._links.attach(link, is_guest=is_guest)
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
