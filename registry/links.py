"""This file is about links as the registry keeps them: from a connection that has proved nothing to an attached peer.

    WAITING --first frame opens--> ATTACHED          either of them --> gone

It knows ciphers, deadlines and queues of bytes (clauses 9.1 and 9.2); it must not know what frames say, or sockets.
"""

import enum
from collections.abc import Iterable, Iterator
from typing import Final

from registry.crowd import Crowd
from registry.pace import Pace
from registry.relaylog import RelayLog
from wire.address import Address, network_of
from wire.framing import frame
from wire.limits import LINK_FRAME_MAX, LINK_QUEUE_MAX, REQUESTS_PER_SECOND
from wire.sealing import LinkCipher

QUEUED_MAX: Final = 8 * LINK_FRAME_MAX
"""Bytes of answers made for one link in one turn: who asks for more than that at once does not read it."""


class LinkState(enum.Enum):
    """Where a link stands."""

    WAITING = "connected, nothing said"
    ATTACHED = "its first frame opened: it is who it says"


class Link:
    """One connection. `number` is the shell's name for it."""

    __slots__ = (
        "backlog",
        "cipher",
        "identity",
        "is_over",
        "number",
        "pieces",
        "place",
        "queued",
        "remote",
        "state",
    )

    def __init__(self, number: int, remote: Address) -> None:
        self.number: Final = number
        self.remote: Final = remote
        self.state = LinkState.WAITING
        self.identity = b""
        self.cipher: LinkCipher | None = None
        self.is_over = False
        self.pieces: list[bytes] | None = None
        """What is queued, beside what it has not taken from the log of relayed frames; None while it is nothing."""
        self.place = 0
        """Up to where it has taken (or is not to have) what was relayed."""
        self.queued = 0
        """Bytes of answers among the pieces (relayed frames are shared, and do not count)."""
        self.backlog = 0
        """Bytes of earlier turns that its reader had left unread when it was last written to."""

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for its reader that more of others' would bring it near its end."""
        return self.queued + 2 * self.backlog > LINK_QUEUE_MAX


class Links:
    """All connections, and what is to be done with them."""

    def __init__(self, *, most: int, requests_per_second: float = REQUESTS_PER_SECOND) -> None:
        self._most: Final = most
        self._links: dict[int, Link] = {}
        self._attached: dict[int, Link] = {}
        self._guests: dict[int, Link] = {}
        """Attached too, of those without a name: nothing is relayed to them."""
        self.crowd: Final = Crowd()
        self.pace: Final = Pace(requests_per_second=requests_per_second)
        self._relayed: Final = RelayLog()
        self._dirty: list[Link] = []
        self._ended: list[tuple[Link, str]] = []
        self._to_close: list[tuple[int, str]] = []
        self._to_widen: list[int] = []

    def __len__(self) -> int:
        return len(self._links)

    def attached(self) -> list[Link]:
        """Those that have proved themselves."""
        return [*self._attached.values(), *self._guests.values()]

    def find(self, number: int) -> Link | None:
        """The link, unless it is over."""
        return self._links.get(number)

    # --- coming and going

    def open(self, number: int, remote: Address, *, now: float) -> None:
        """A connection. Where there are too many, older ones go that have proved nothing."""
        if len(self._links) >= self._most:
            oldest = self.crowd.oldest()
            if oldest is None:
                self._to_close.append((number, "too many links"))
                return
            self.end(oldest, "too many links")
        self._links[number] = Link(number, remote)
        self.crowd.join(number, remote.host, now=now)
        while (gone := self.crowd.one_too_many(remote.host, now=now)) is not None:
            self.end(gone, "too many connections without a first frame")

    def attach(
        self, link: Link, cipher: LinkCipher, identity: bytes, answer: bytes, *, is_guest: bool = False
    ) -> None:
        """Its first frame opened, and `answer` goes before all else: its frames may be longer, and it lives as long as its
        peer shows signs of life."""
        link.state, link.cipher, link.identity = LinkState.ATTACHED, cipher, identity
        self.crowd.leave(link.number, link.remote.host)
        link.place = self._relayed.end
        (self._guests if is_guest else self._attached)[link.number] = link
        self._to_widen.append(link.number)
        self._queue(link, frame(answer))

    def end(self, number: int, reason: str) -> None:
        """Close it, from our side, once what is queued has gone."""
        link = self.forget(number)
        if link is not None:
            self._to_close.append((number, reason))
            self._ended.append((link, reason))

    def forget(self, number: int) -> Link | None:
        """It is over. Its queue is kept until it is drained."""
        link = self._links.pop(number, None)
        if link is not None:
            link.is_over = True
            if link.cipher is not None:
                link.cipher.erase()
            self.crowd.leave(number, link.remote.host)
            self.pace.forget(number)
            self._guests.pop(number, None)
            if self._attached.pop(number, None) is not None:
                self._take_relayed(link)
        return link

    # --- bytes

    def send(self, link: Link, payload: bytes) -> None:
        """Seal and queue a message; one too many ends the link."""
        assert link.cipher is not None
        link.queued += len(payload)
        if link.queued > QUEUED_MAX:
            if link.pieces is not None:
                link.pieces.clear()
            link.place = self._relayed.end
            self.end(link.number, "asks for more than it reads")
            return
        if link.place < self._relayed.end and link.number in self._attached:
            self._take_relayed(link)
        self._queue(link, frame(link.cipher.seal(payload)))

    def relay(self, body: bytes, *, sender: int) -> None:
        """Queue the same bytes, one object, for all attached links but the sender's."""
        self._relayed.append(frame(body), sender=sender)

    def relay_to(self, body: bytes, numbers: Iterable[int], *, sender: int) -> None:
        """Queue the same bytes, one object, for those of these links that are there, but not for the sender's."""
        piece = frame(body)
        for number in numbers:
            link = self._attached.get(number)
            if link is not None and number != sender:
                self._queue(link, piece)

    def _take_relayed(self, link: Link) -> None:
        """What was relayed up to now goes before what is queued next."""
        if link.place < self._relayed.end:
            relayed = self._relayed.after_of_others(link.place, link.number)
            link.place = self._relayed.end
            if relayed:
                self._queue(link, relayed)

    def _queue(self, link: Link, piece: bytes) -> None:
        if link.pieces is None:
            self._dirty.append(link)
            link.pieces = []
        link.pieces.append(piece)

    def note_backlog(self, number: int, size: int) -> None:
        """So many bytes wait for the reader of a link."""
        link = self._links.get(number)
        if link is not None:
            link.backlog = size

    # --- time

    def note_frames(self, link: Link, cost: int, *, now: float) -> None:
        """Frames came that count as so many requests: how fast it asks decides how fast it is read."""
        self.pace.note(link.number, network_of(link.remote.host), cost, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Reads on where a pause is over; ends what has proved nothing for too long."""
        self.pace.handle_timer(now=now)
        for number in self.crowd.expired(now=now):
            self.end(number, "no first frame")

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        deadlines = (self.crowd.next_deadline(), self.pace.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # --- drained by the core

    def ended(self) -> list[tuple[Link, str]]:
        """Links that we ended, and why."""
        ended, self._ended = self._ended, []
        return ended

    # --- drained by the shell

    def writes(self) -> list[tuple[int, list[bytes]]]:
        """What each link is to be sent."""
        log = self._relayed
        if log.begin != log.end:
            for link in self._dirty:
                if link.number in self._attached:
                    self._take_relayed(link)
            for number in log.senders:
                if (speaker := self._attached.get(number)) is not None:
                    self._take_relayed(speaker)
        dirty, self._dirty = self._dirty, []
        drained: list[tuple[int, list[bytes]]] = []
        for link in dirty:
            drained.append((link.number, link.pieces or []))
            link.pieces, link.queued = None, 0
        if log.begin != log.end:
            drained += self._shared_writes()
            log.clear()
        return drained

    def _shared_writes(self) -> Iterator[tuple[int, list[bytes]]]:
        """For those who have not taken what was relayed: they have nothing else to get, and most share one list."""
        log = self._relayed
        begin, end = log.begin, log.end
        shared = [log.after(begin)]
        for number, link in self._attached.items():
            if link.place <= begin:
                yield number, shared
            elif link.place < end:
                yield number, [log.after(link.place)]

    def to_close(self) -> list[tuple[int, str]]:
        """Links that are over, and why."""
        closing, self._to_close = self._to_close, []
        return closing

    def to_widen(self) -> list[int]:
        """Links whose frames may be as long as frames get from now on."""
        widening, self._to_widen = self._to_widen, []
        return widening
