"""Links as the registry sees them: from a connection that has proved nothing to an attached peer (clauses 9.1, 9.2 and
9.6).

A link is WAITING until its first frame opens, then ATTACHED until either side ends it. In a cluster
it may become ORPHANED and be ATTACHED again (`registry.edge.orphans`).
"""

import enum
from collections.abc import Container, Iterator, Sequence
from typing import Final

from chatapp.registry.rules.effects import Caller, LinkEndReason
from chatapp.registry.rules.limits import Leases
from chatapp.wire.address import Address, network_of
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import frame
from chatapp.wire.limits import (
    ANSWER_UNIT,
    BUCKETS_MAX,
    LINE_COST,
    LINE_UNIT,
    LINK_FIRST_FRAME_TIMEOUT,
    LINK_FRAME_MAX,
    LINK_QUEUE_MAX,
    LINKS_WAITING_IN_ALL,
    LINKS_WAITING_PER_ADDRESS,
    REQUESTS_BURST,
    REQUESTS_NETWORK_FACTOR,
    REQUESTS_PER_SECOND,
)
from chatapp.wire.sessions.link import LinkSession

TIME_TO_SPEAK: Final = 2.0
"""Seconds that a connection has to speak before a flood may push it out. A class of pupils behind
one address that connects at once must not push itself out; a silent connection lives no longer than
this while others want its place."""

WAITING_AT_ONCE: Final = 8 * LINKS_WAITING_IN_ALL
"""Connections without a first frame, however young, past which the oldest is ended at once."""


IDLE_QUEUE_MAX: Final = LINK_QUEUE_MAX // 2
"""Bytes that may wait for a reader before pieces of files are dropped: words find the other half."""


class PendingConnections:
    """Connections without a first frame, the oldest first."""

    def __init__(self) -> None:
        self._waiting: Leases[int] = Leases(LINK_FIRST_FRAME_TIMEOUT)
        self._since: dict[int, float] = {}
        self._by_network: dict[str, dict[int, None]] = {}
        """In order of arrival; the inner dicts serve as ordered sets."""

    def __len__(self) -> int:
        return len(self._since)

    def join(self, number: int, network: str, *, now: float) -> None:
        """Add a new connection."""
        self._waiting.renew(number, now=now)
        self._since[number] = now
        self._by_network.setdefault(network, {})[number] = None

    def leave(self, number: int, network: str) -> None:
        """Remove a connection that has sent its first frame, or is over."""
        self._waiting.end(number)
        self._since.pop(number, None)
        of_network = self._by_network.get(network)
        if of_network is not None:
            of_network.pop(number, None)
            if not of_network:
                del self._by_network[network]

    def oldest(self) -> int | None:
        """Return the connection that has waited longest."""
        return self._waiting.oldest()

    def excess(self, network: str, *, now: float) -> int | None:
        """Return a connection to end because there are too many, after one of this network has
        joined; ask until None."""
        of_network = self._by_network.get(network, {})
        if len(of_network) > LINKS_WAITING_PER_ADDRESS:
            first = next(iter(of_network))
            if self._had_time(first, now):
                return first
        if len(self._since) <= LINKS_WAITING_IN_ALL:
            return None
        oldest = self._waiting.oldest()
        is_flood = len(self._since) > WAITING_AT_ONCE
        return oldest if oldest is not None and (is_flood or self._had_time(oldest, now)) else None

    def expired(self, *, now: float) -> list[int]:
        """Drain the connections whose first frame is late."""
        return self._waiting.expired(now=now)

    def next_deadline(self) -> float | None:
        """Return when the first of them is late."""
        return self._waiting.next_deadline()

    def _had_time(self, number: int, now: float) -> bool:
        """Return whether a connection could have spoken: a crowd that connects at one moment is
        accepted before any of it is read."""
        return now >= self._since[number] + TIME_TO_SPEAK


def cost_of_line(size: int) -> int:
    """Return how many extra requests a group frame of `size` bytes counts as."""
    return LINE_COST - 1 + size // LINE_UNIT


def cost_of_answers(size: int, requests: int) -> int:
    """Return how many extra requests `size` bytes of answers count as, beyond the `requests` they
    answer."""
    return max(size // ANSWER_UNIT - requests, 0)


class LinkThrottle:
    """Pauses links that ask for more than their rate, or whose network does."""

    def __init__(self, *, requests_per_second: float = REQUESTS_PER_SECOND) -> None:
        burst = requests_per_second * REQUESTS_BURST / REQUESTS_PER_SECOND
        self._links: Final[Buckets[int]] = Buckets(rate=requests_per_second, burst=burst)
        self._networks: Final[Buckets[str]] = Buckets(
            rate=REQUESTS_NETWORK_FACTOR * requests_per_second,
            burst=REQUESTS_NETWORK_FACTOR * burst,
            most=BUCKETS_MAX,
        )
        self._paused: dict[int, float] = {}
        self._held: dict[int, None] = {}
        """Links from which nothing is to be read until they are released."""
        self.changed: dict[int, None] = {}
        """Links that were paused or resumed, and not drained yet."""

    def note(self, number: int, network: str, count: int, *, now: float) -> None:
        """Count requests of a link, and pause it when there are too many."""
        wait = max(
            self._links.overdraw(number, count, now=now),
            self._networks.overdraw(network, count, now=now),
        )
        if wait:
            self._paused[number] = now + wait
            self.changed[number] = None

    def hold(self, number: int) -> None:
        """Pause a link until it is released."""
        self._held[number] = None
        self.changed[number] = None

    @property
    def held(self) -> int:
        """How many links wait to be released."""
        return len(self._held)

    def release(self, number: int) -> None:
        """Release a link. It is read again unless it has asked for more than its rate."""
        if number in self._held:
            del self._held[number]
            self.changed[number] = None

    def note_of_ended(self, network: str, count: int, *, now: float) -> None:
        """Count requests of a link that is over: they are its network's."""
        self._networks.overdraw(network, count, now=now)

    def forget(self, number: int) -> None:
        """Drop what is known of a link that is over."""
        self._links.forget(number)
        self._paused.pop(number, None)
        self._held.pop(number, None)
        self.changed.pop(number, None)

    def handle_timer(self, *, now: float) -> None:
        """Resume the links whose pause is over."""
        for number, until in list(self._paused.items()):
            if until <= now:
                del self._paused[number]
                self.changed[number] = None

    def take_changes(self) -> tuple[list[int], list[int]]:
        """Drain the links that have changed: those from which nothing is to be read for now, and
        those to read again."""
        changed, self.changed = self.changed, {}
        silent = self._paused.keys() | self._held.keys()
        return [link for link in changed if link in silent], [
            link for link in changed if link not in silent
        ]

    def next_deadline(self) -> float | None:
        """Return when the first pause is over."""
        return min(self._paused.values(), default=None)


class FanoutBuffer:
    """The relayed frames of this turn, with the link that sent each."""

    __slots__ = ("_frames", "_joined", "_senders", "begin", "end")

    def __init__(self) -> None:
        self.begin = 0
        """The index of the first frame of this turn."""
        self.end = 0
        """The index of the next frame."""
        self._frames: list[bytes] = []
        self._senders: list[int] = []
        self._joined: dict[int, bytes] = {}

    @property
    def senders(self) -> set[int]:
        """The links that sent something in this turn."""
        return set(self._senders)

    def append(self, frame: bytes, *, sender: int) -> None:
        """Add the newest frame."""
        self._frames.append(frame)
        self._senders.append(sender)
        self.end += 1
        self._joined.clear()

    def after(self, place: int) -> bytes:
        """Return all frames of this turn from an index on: one object for all who ask for the
        same."""
        start = max(place - self.begin, 0)
        joined = self._joined.get(start)
        if joined is None:
            joined = self._joined[start] = b"".join(self._frames[start:])
        return joined

    def after_of_others(self, place: int, number: int) -> bytes:
        """Return the same without the frames that link `number` sent."""
        if number not in self._senders:
            return self.after(place)
        start = max(place - self.begin, 0)
        pairs = zip(self._frames[start:], self._senders[start:], strict=True)
        return b"".join([frame for frame, sender in pairs if sender != number])

    def clear(self) -> None:
        """Forget the frames: the turn is over."""
        self.begin = self.end
        self._frames, self._senders = [], []
        self._joined.clear()


QUEUED_MAX: Final = 8 * LINK_FRAME_MAX
"""Bytes of answers for one link in one turn: a peer that asks for more at once does not read it."""


ENDED_REMEMBERED: Final = 4_096
"""Links that are over whose network is still known, for answers that cross a bus."""


class LinkState(enum.Enum):
    """How far a link has got."""

    WAITING = enum.auto()
    """Connected; its first frame has not come."""
    ATTACHED = enum.auto()
    """Its first frame opened, which proves who the peer is."""
    ORPHANED = enum.auto()
    """It was attached to an engine that has gone, and its peer has not attached again."""


class PeerLink:
    """One connection. `number` is the driver's name for it."""

    __slots__ = (
        "attaches_owed",
        "backlog",
        "caller",
        "identity",
        "is_over",
        "network",
        "number",
        "pieces",
        "place",
        "queued",
        "remote",
        "session",
        "state",
    )

    def __init__(self, number: int, remote: Address) -> None:
        self.number: Final = number
        self.remote: Final = remote
        self.network: Final = network_of(remote.host)
        self.state = LinkState.WAITING
        self.identity = b""
        self.caller = Caller(identity=b"", link=number)
        """The author of all that comes on it."""
        self.session: LinkSession | None = None
        self.is_over = False
        self.pieces: list[bytes] | None = None
        """Queued pieces, without the relayed frames that it has not taken yet; None for none."""
        self.place = 0
        """The index in the relay log of the next frame to send."""
        self.queued = 0
        """Bytes of answers among the pieces. Relayed frames are shared and do not count."""
        self.attaches_owed = 0
        """How often its peer was asked to attach again, and has not."""
        self.backlog = 0
        """Bytes of earlier turns that its reader had not read when the link was last written to."""

    @property
    def is_busy(self) -> bool:
        """Whether more waits for its reader than what is sent at leisure may wait behind."""
        return self.queued + 2 * self.backlog > IDLE_QUEUE_MAX

    @property
    def is_behind(self) -> bool:
        """Whether so many bytes wait for its reader that others' messages could fill the queue."""
        return self.queued + 2 * self.backlog > LINK_QUEUE_MAX


class Links:
    """All connections and their queues."""

    def __init__(self, *, most: int, requests_per_second: float = REQUESTS_PER_SECOND) -> None:
        self._most: Final = most
        self._links: dict[int, PeerLink] = {}
        self._attached: dict[int, PeerLink] = {}
        self.guests: Final[dict[int, PeerLink]] = {}
        """By number, the attached links of guests: nothing is relayed to them."""
        self._ended_networks: dict[int, str] = {}
        """The networks of the attached links that ended last, the oldest first."""
        self.pending: Final = PendingConnections()
        self.throttle: Final = LinkThrottle(requests_per_second=requests_per_second)
        self._relayed: Final = FanoutBuffer()
        self._dirty: list[PeerLink] = []
        self.copies_relayed = 0
        """Copies of relayed frames, since the start."""
        self.ended: list[tuple[PeerLink, LinkEndReason]] = []
        """For the core to drain: attached links that we ended."""
        self.to_close: list[tuple[int, LinkEndReason]] = []
        """For the driver: connections to close."""
        self.to_widen: list[int] = []
        """For the driver: links whose frames may have full length from now on."""

    def __len__(self) -> int:
        return len(self._links)

    def attached(self) -> list[PeerLink]:
        """Return all attached links."""
        return [*self._attached.values(), *self.guests.values()]

    def members(self) -> list[PeerLink]:
        """Return the attached links of people with names."""
        return list(self._attached.values())

    def find(self, number: int) -> PeerLink | None:
        """Return the link, unless it is over."""
        return self._links.get(number)

    # --- coming and going

    def open(self, number: int, remote: Address, *, now: float) -> None:
        """Add a connection. If there are too many, end older ones that are still waiting."""
        if len(self._links) >= self._most:
            oldest = self.pending.oldest()
            if oldest is None:
                self.to_close.append((number, LinkEndReason.TOO_MANY_LINKS))
                return
            self.end(oldest, LinkEndReason.TOO_MANY_LINKS)
        link = self._links[number] = PeerLink(number, remote)
        self.pending.join(number, link.network, now=now)
        while (gone := self.pending.excess(link.network, now=now)) is not None:
            self.end(gone, LinkEndReason.TOO_MANY_PENDING)

    def attach(
        self,
        link: PeerLink,
        session: LinkSession,
        identity: bytes,
        answer: bytes,
        *,
        is_guest: bool = False,
    ) -> None:
        """Attach a link whose first frame opened. `answer` goes before all else."""
        link.session, link.identity = session, identity
        link.caller = Caller(identity=identity, link=link.number)
        self.pending.leave(link.number, link.network)
        self._join(link, is_guest=is_guest)
        self.to_widen.append(link.number)
        self._queue(link, frame(answer))

    def _join(self, link: PeerLink, *, is_guest: bool) -> None:
        link.state, link.place = LinkState.ATTACHED, self._relayed.end
        (self.guests if is_guest else self._attached)[link.number] = link

    def orphan(self, link: PeerLink) -> None:
        """Detach a member's link, which stays: nothing is relayed to it, and nothing holds it."""
        self._take_relayed(link)
        del self._attached[link.number]
        link.state = LinkState.ORPHANED
        self.throttle.release(link.number)

    def attach_again(self, link: PeerLink) -> None:
        """Attach an orphaned link."""
        self._join(link, is_guest=False)

    def end(self, number: int, reason: LinkEndReason) -> None:
        """End a link from our side; what is queued still goes out."""
        link = self.forget(number)
        if link is not None:
            self.to_close.append((number, reason))
            self.ended.append((link, reason))

    def end_all(self, reason: LinkEndReason, *, but: Container[int] = ()) -> None:
        """End all links but some from our side, for the same reason, of which nobody else has to be
        told."""
        for number in [one for one in self._links if one not in but]:
            self.forget(number)
            self.to_close.append((number, reason))

    def forget(self, number: int) -> PeerLink | None:
        """Remove a link that is over. Its queue is kept until it is drained."""
        link = self._links.pop(number, None)
        if link is not None:
            link.is_over = True
            if link.session is not None:
                link.session.erase()
                self._ended_networks[number] = link.network
                if len(self._ended_networks) > ENDED_REMEMBERED:
                    del self._ended_networks[next(iter(self._ended_networks))]
            self.pending.leave(number, link.network)
            self.throttle.forget(number)
            self.guests.pop(number, None)
            if self._attached.pop(number, None) is not None:
                self._take_relayed(link)
        return link

    def charge(self, number: int, count: int, *, now: float) -> None:
        """Count requests against the rates of a link and its network, or of the network alone if
        the link is over."""
        link = self._links.get(number)
        if link is not None:
            self.throttle.note(number, link.network, count, now=now)
        elif (network := self._ended_networks.get(number)) is not None:
            self.throttle.note_of_ended(network, count, now=now)

    # --- bytes

    def send(self, link: PeerLink, payload: bytes) -> None:
        """Seal and queue a message; one too many ends the link."""
        assert link.session is not None
        link.queued += len(payload)
        if link.queued > QUEUED_MAX:
            if link.pieces is not None:
                link.pieces.clear()
            link.place = self._relayed.end
            self.end(link.number, LinkEndReason.OUTPUT_UNREAD)
            return
        if link.place < self._relayed.end and link.number in self._attached:
            self._take_relayed(link)
        self._queue(link, frame(link.session.seal(payload)))

    def renewal_came(self, link: PeerLink, data: bytes) -> bool:
        """Handle a frame that renews the link's keys (clause 9.6). Return whether that was the last
        one. Raises SealError."""
        assert link.session is not None
        answer = link.session.renewal_came(data)
        if answer:
            self._queue(link, frame(answer))
        return not answer

    def relay(self, body: bytes, *, sender: int) -> None:
        """Queue the same bytes, one object, for all attached links but the sender's."""
        self.copies_relayed += len(self._attached) - (sender in self._attached)
        self._relayed.append(frame(body), sender=sender)

    def relay_to(self, body: bytes, numbers: Sequence[int], *, sender: int) -> None:
        """Queue the same bytes, one object, for those of these links that exist, but not for the
        sender's."""
        piece = frame(body)
        for number in numbers:
            link = self._attached.get(number)
            if link is not None and number != sender:
                self.copies_relayed += 1
                self._queue(link, piece)

    def _take_relayed(self, link: PeerLink) -> None:
        """Queue what was relayed up to now, before what is queued next."""
        if link.place < self._relayed.end:
            relayed = self._relayed.after_of_others(link.place, link.number)
            link.place = self._relayed.end
            if relayed:
                self._queue(link, relayed)

    def _queue(self, link: PeerLink, piece: bytes) -> None:
        if link.pieces is None:
            self._dirty.append(link)
            link.pieces = []
        link.pieces.append(piece)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Resume links whose pause is over; end those whose first frame is late."""
        self.throttle.handle_timer(now=now)
        for number in self.pending.expired(now=now):
            self.end(number, LinkEndReason.FIRST_FRAME_LATE)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = (self.pending.next_deadline(), self.throttle.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # --- out

    def writes(self) -> list[tuple[int, list[bytes]]]:
        """Drain the pieces for each link."""
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
        """Yield the relayed frames for links that have not taken them. These have nothing else
        queued, and most share one list."""
        log = self._relayed
        begin, end = log.begin, log.end
        shared = [log.after(begin)]
        for number, link in self._attached.items():
            if link.place <= begin:
                yield number, shared
            elif link.place < end:
                yield number, [log.after(link.place)]
