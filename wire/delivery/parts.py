"""Messages in parts: cutting them, putting them together again, the states of outgoing messages, and
which acknowledged ones survive a power cut.

A message is always cut the same way, since the size of a part is fixed by the protocol and not by
the path. So parts of two tries of one message fit together. The receiver counts the syncs of its
disk, and says so (clause 6.13).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.direct import PARTS_LIMIT, Part, encode_frame


class SyncMark(NamedTuple):
    """A sync of the disk at the other end, in one life of its program. Number 0 was done before
    anything was stored."""

    life: int
    number: int


NO_SYNC: Final = SyncMark(0, 0)


class Syncs:
    """The syncs of our own disk in this life: which one covers what is stored now, and which are
    done."""

    __slots__ = ("_begun", "covering", "done", "life")

    def __init__(self, life: int = 0) -> None:
        """`life`: differs from those of earlier lives. All that they stored is on the disk."""
        self.life: Final = life
        self.done = 0
        self._begun = 0
        self.covering = 0
        """The number of the sync that covers all that is stored by now; 0 if all is on the disk."""

    def note_stored(self) -> None:
        """Note that something was stored: a sync that has begun already does not cover it."""
        self.covering = self._begun + 1

    def begin(self) -> int:
        """Return the number of a sync that begins now."""
        self._begun += 1
        return self._begun

    def end(self, number: int) -> None:
        """Note that this sync is done."""
        self.done = max(self.done, number)
        if self.covering <= self.done:
            self.covering = 0


PART_COST: Final = 64
"""Bytes charged for keeping a part besides its body, so that a swarm of tiny parts is bounded as
well."""


def cut(body: bytes, size: int) -> list[bytes]:
    """Return pieces of `size` bytes, the last one shorter; an empty body is one empty piece.
    ValueError: too many pieces."""
    if len(body) <= size:
        return [body]
    if len(body) > size * PARTS_LIMIT:
        raise ValueError(f"{len(body)} bytes do not fit {PARTS_LIMIT} parts of {size}")
    return [body[at : at + size] for at in range(0, len(body), size)]


class _Assembly(msgspec.Struct, eq=False):
    owner: "Assemblies"
    number: int
    network: str
    count: int
    pieces: dict[int, bytes]
    size: int = 0
    fed_at: float = 0.0
    """When a part of it last arrived."""

    @property
    def charge(self) -> int:
        return self.size + PART_COST * len(self.pieces)


class PartBuffer:
    """The memory that the incomplete messages of all senders share.

    When it is full, the network that holds most loses the message that has waited longest for a
    part. So a message that is arriving right now survives, and a flooder gains nothing from having
    many identities. A message for which no part arrives any more is dropped after a while.
    """

    __slots__ = ("_by_age", "_limit", "_networks", "_span", "bytes_held")

    def __init__(self, policy: Policy) -> None:
        self._limit = policy.assembly_bytes_in_all
        self._span = policy.assembly_span
        self._by_age: OrderedDict[_Assembly, None] = OrderedDict()
        """All incomplete messages, the one that has waited longest first."""
        self._networks: dict[str, _Share] = {}
        self.bytes_held = 0
        """The charge of all parts together."""

    def __len__(self) -> int:
        return len(self._by_age)

    def feed(self, assembly: _Assembly, cost: int, now: float) -> None:
        """Record that a part of this cost was added."""
        share = self._networks.get(assembly.network)
        if share is None:
            share = self._networks[assembly.network] = _Share()
        share.bytes_held += cost
        share.by_age[assembly] = self._by_age[assembly] = None
        share.by_age.move_to_end(assembly)
        self._by_age.move_to_end(assembly)
        self.bytes_held += cost
        assembly.fed_at = now

    def release(self, assembly: _Assembly) -> None:
        """Stop counting a message that is complete or dropped."""
        share = self._networks[assembly.network]
        del share.by_age[assembly], self._by_age[assembly]
        share.bytes_held -= assembly.charge
        self.bytes_held -= assembly.charge
        if not share.by_age:
            del self._networks[assembly.network]

    def has_room(self, cost: int) -> bool:
        """Whether parts of this cost fit without dropping anything."""
        return self.bytes_held + cost <= self._limit

    def make_room(self) -> None:
        """Drop messages until the rest fits."""
        while self.bytes_held > self._limit:
            heaviest = max(self._networks.values(), key=lambda share: share.bytes_held)
            _drop(next(iter(heaviest.by_age)))

    def handle_timer(self, now: float) -> None:
        """Drop the messages that have waited too long for their next part."""
        while self._by_age:
            oldest = next(iter(self._by_age))
            if now < oldest.fed_at + self._span:
                return
            _drop(oldest)

    def next_timer(self) -> float | None:
        """Return when the next message has waited too long."""
        return next(iter(self._by_age)).fed_at + self._span if self._by_age else None


class _Share:
    """The incomplete messages of one network."""

    __slots__ = ("by_age", "bytes_held")

    def __init__(self) -> None:
        self.bytes_held = 0
        self.by_age: OrderedDict[_Assembly, None] = OrderedDict()


def _drop(assembly: _Assembly) -> None:
    assembly.owner.drop(assembly.number)


class Assemblies:
    """The incomplete messages of one sender: parts in any order, with repeats, bounded in number
    and bytes.

    The bound in number is the widest window, since each message in flight may lack a part. Past a
    bound the oldest other message is dropped; its sender learns so from the next PartAck.
    """

    __slots__ = (
        "_buffer",
        "_by_number",
        "_bytes",
        "_bytes_limit",
        "_count_limit",
        "_message_limit",
        "_network",
    )

    def __init__(
        self, policy: Policy, buffer: PartBuffer, network: Callable[[], str] = lambda: ""
    ) -> None:
        """`network`: returns the network under which the sender is counted now."""
        self._message_limit = policy.message_limit
        self._bytes_limit = policy.assembly_bytes
        self._count_limit = policy.window_limit
        self._buffer = buffer
        self._network = network
        self._by_number: dict[int, _Assembly] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def bytes_held(self) -> int:
        """The charge of all parts together."""
        return self._bytes

    def add_all(self, parts: Sequence[Part], now: float) -> tuple[int, bytes | None]:
        """Add parts of one number and count, in their order, up to the last missing one. Return how
        many of them can belong to no message, and the whole body once no part is missing."""
        if len(parts) > 1 and not self._has_room(parts):
            return self._add_singly(parts, now)  # so no bound is passed for a moment
        number, count = parts[0].number, parts[0].count
        assembly = self._by_number.get(number) or _Assembly(self, number, "", count, {})
        pieces, size, limit = assembly.pieces, assembly.size, self._message_limit
        held, dropped = len(pieces), 0
        if count != assembly.count or not 0 < count <= PARTS_LIMIT:
            return len(parts), None
        for part in parts:
            index, body = part.index, part.body
            if not (body and 0 <= index < count):
                dropped += 1
            elif index in pieces:
                continue
            elif size + len(body) > limit:
                dropped += 1
            else:
                pieces[index] = body
                size += len(body)
                if len(pieces) == count:
                    break
        if len(pieces) > held:
            self._feed(assembly, size - assembly.size, len(pieces) - held, now)
        if len(pieces) < count:
            return dropped, None
        self.drop(number)
        return dropped, b"".join(map(pieces.__getitem__, range(count)))

    def _has_room(self, parts: Sequence[Part]) -> bool:
        """Whether these parts fit without dropping anything."""
        cost = sum(map(len, [part.body for part in parts])) + PART_COST * len(parts)
        return (
            len(self._by_number) < self._count_limit
            and self._bytes + cost <= self._bytes_limit
            and self._buffer.has_room(cost)
        )

    def _add_singly(self, parts: Sequence[Part], now: float) -> tuple[int, bytes | None]:
        dropped = 0
        for part in parts:
            is_dropped, body = self.add_all([part], now)
            dropped += is_dropped
            if body is not None:
                return dropped, body
        return dropped, None

    def _feed(self, assembly: _Assembly, size: int, count: int, now: float) -> None:
        """Count parts that were added to a message, and make room for them unless it is
        complete."""
        number = assembly.number
        if number not in self._by_number:
            assembly.network = self._network()
            self._by_number[number] = assembly
        assembly.size += size
        cost = size + PART_COST * count
        self._bytes += cost
        self._buffer.feed(assembly, cost, now)
        if len(assembly.pieces) < assembly.count:
            self._make_room(keep=number)
            self._buffer.make_room()

    def indexes(self, number: int) -> list[int]:
        """Return the indexes of the parts held of a message, in order; none when it is unknown."""
        assembly = self._by_number.get(number)
        return sorted(assembly.pieces) if assembly else []

    def drop(self, number: int) -> None:
        """Forget a message, if it is here."""
        assembly = self._by_number.pop(number, None)
        if assembly is not None:
            self._bytes -= assembly.charge
            self._buffer.release(assembly)

    def drop_below(self, floor: int) -> None:
        """Forget the messages that the sender has settled."""
        for number in [number for number in self._by_number if number < floor]:
            self.drop(number)

    def _make_room(self, keep: int) -> None:
        by_number = self._by_number
        while len(by_number) > 1 and (
            self._bytes > self._bytes_limit or len(by_number) > self._count_limit
        ):
            self.drop(next(number for number in by_number if number != keep))


class Piece(msgspec.Struct, eq=False, gc=False):
    """One part of an outgoing message. It is encoded once: a retry sends the same bytes."""

    number: int
    index: int
    encoded: bytes
    is_queued: bool = True
    """It waits to be sent, for the first time or again."""
    is_settled: bool = False
    """Acknowledged or withdrawn: a queue that still holds it skips it."""
    datagram: int = 0
    """The number of the datagram that carries it; 0 when it is not in flight or counts as lost."""
    sends: int = 0
    first_sent_at: float = 0.0
    sent_again_at: float = 0.0
    """When it was last sent, if that was not the first time."""
    extra: int = 0
    """Fast retries and probes so far."""


class OutgoingMessage(msgspec.Struct, eq=False, gc=False):
    """A message that is being tried. It refers to its pieces and they do not refer back, so no
    cycle needs the garbage collector."""

    number: int
    pieces: list[Piece]
    asked_at: float
    first_sent_at: float = 0.0
    deadline: float = 0.0
    tries: int = 0
    """Timed tries since the last progress; 0 while nothing of it has been sent."""
    ever_held: int = 0
    """A bit for each part that any PartAck has named. Only a new bit counts as progress: otherwise
    a hostile receiver could keep us trying for ever."""
    had_last_chance: bool = False

    @property
    def sends(self) -> int:
        """How often its most repeated part was sent."""
        return max([piece.sends for piece in self.pieces])

    def sent_for(self, now: float) -> float:
        """Return the seconds since the first of these tries."""
        return now - self.first_sent_at if self.tries else 0.0

    def restart(self, now: float) -> None:
        """Start afresh: no try has been made, and the other end is not known to hold anything."""
        self.asked_at = now
        self.tries = self.ever_held = 0
        self.had_last_chance = False
        for piece in self.pieces:
            piece.datagram = piece.extra = 0
            piece.is_settled = False
            piece.is_queued = True


def make_outgoing_message(number: int, body: bytes, piece_size: int, now: float) -> OutgoingMessage:
    """Cut a message into parts of at most `piece_size` bytes of body. ValueError: too many
    parts."""
    bodies = cut(body, piece_size)
    count = len(bodies)
    pieces = [
        Piece(number, index, encode_frame(Part(number, index, count, piece)))
        for index, piece in enumerate(bodies)
    ]
    return OutgoingMessage(number, pieces, now)


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A whole new message arrived: store it, then `confirm` it. After `reject` a repeat counts as
    new."""

    number: int
    body: bytes


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The other end has stored the message.

    `sends`: how often its most repeated part was sent; `after`: seconds from the first of these
    tries; `mark`: the sync after which it survives a power cut there. The event may follow a
    `GaveUp`, since an acknowledgement also covers the recent past.
    """

    number: int
    sends: int
    after: float
    mark: SyncMark = NO_SYNC


class SyncReported(msgspec.Struct, frozen=True, gc=False):
    """The other end's disk has done all syncs of this life up to this one."""

    mark: SyncMark


class Unanswered(msgspec.Struct, frozen=True, gc=False):
    """The second or a later timed try went unanswered: the owner may look for a newer card of the
    other end."""

    number: int
    tries: int


class GaveUp(msgspec.Struct, frozen=True, gc=False):
    """All timed tries went unanswered; `tries` is 0 for a message that only waited behind such
    messages."""

    number: int
    tries: int


class NumbersRequested(msgspec.Struct, frozen=True, gc=False):
    """The other end asks which of its numbers are known here: answer with a `Known` frame."""


class NumbersReported(msgspec.Struct, frozen=True, gc=False):
    """The other end knows of no number of ours from this one on."""

    number: int


DeliveryEvent: TypeAlias = (
    Arrived | Acknowledged | SyncReported | Unanswered | GaveUp | NumbersRequested | NumbersReported
)
