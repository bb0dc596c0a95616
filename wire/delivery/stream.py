"""A reliable stream: numbered messages to and from one other party, over datagrams that may get
lost.

Acknowledgements travel in the same payloads as parts.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, repeat
from operator import attrgetter
from typing import Final, NamedTuple, assert_never

from chatapp.wire.codec import OPENING_OVERHEAD, DatagramFrame, join_frames
from chatapp.wire.delivery.dedup import BEYOND, REPEAT, Inbox
from chatapp.wire.delivery.parts import (
    NO_SYNC,
    Arrived,
    Assemblies,
    DeliveryEvent,
    NumbersReported,
    NumbersRequested,
    PartBuffer,
    SyncMark,
    SyncReported,
    Syncs,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import RangeSet, covers, is_bounded
from chatapp.wire.delivery.sender import StreamSender
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.direct import (
    LAST_NUMBER,
    PROVISIONAL,
    RANGES_LIMIT,
    Ack,
    DeliveryFrame,
    Floor,
    Gap,
    Known,
    OnDisk,
    Part,
    PartAck,
    encode_frame,
)

_message_of: Final = attrgetter("number", "count")


class StreamReceiver:
    """The receiving half: takes parts of one sender, acknowledges stored messages (Ack) and parts
    held in memory (PartAck)."""

    __slots__ = (
        "_assemblies",
        "_events",
        "_inbox",
        "_message_limit",
        "_owed",
        "_owed_limit",
        "_parts_owed",
        "_syncs",
        "_unconfirmed_limit",
        "_unconfirmed_parts",
        "unconfirmed",
        "untold",
    )

    def __init__(
        self,
        policy: Policy,
        inbox: Inbox,
        events: list[DeliveryEvent],
        assemblies: Assemblies,
        syncs: Syncs,
    ) -> None:
        self._inbox = inbox
        self._syncs = syncs
        self.untold = 0
        """The sync that the other end waits for, if what was acknowledged is not on the disk yet;
        else 0."""
        self._events = events
        self._message_limit = policy.message_limit
        self._assemblies = assemblies
        self.unconfirmed: dict[int, int] = {}
        """The whole messages that wait for the owner's disk: message number to count of parts."""
        inbox.storing = self.unconfirmed
        self._unconfirmed_parts = 0
        self._unconfirmed_limit = policy.unconfirmed_parts
        self._owed: list[int] = []
        self._owed_limit = policy.hold_numbers
        self._parts_owed: dict[int, None] = {}

    @property
    def owes(self) -> bool:
        """Whether an acknowledgement of any kind is due."""
        return bool(self._owed or self._parts_owed)

    @property
    def bytes_held(self) -> int:
        """The charge of the parts of incomplete messages."""
        return self._assemblies.bytes_held

    def receive_part(self, part: Part, now: float) -> bool:
        """Take a part. Return False if it was dropped, because it is invalid or too much is held
        already."""
        if part.count != 1:
            return not self._receive_pieces(part.number, part.count, [part], now)
        number = part.number
        admission = self._inbox.admit(number)
        if admission is REPEAT:
            self._assemblies.drop(number)
            self._owe(number)
            return True
        if number in self.unconfirmed:
            return True
        if admission is BEYOND or self._unconfirmed_parts >= self._unconfirmed_limit:
            return False
        if part.index or len(part.body) > self._message_limit:
            return False
        self._arrive(number, 1, part.body)
        return True

    def receive_parts(self, parts: Sequence[Part], now: float) -> int:
        """Take parts in their order. Return how many were dropped."""
        bodies = [part.body for part in parts if part.count == 1 and not part.index]
        if len(bodies) == len(parts):  # mostly the texts are short
            numbers = [part.number for part in parts]
            if self._are_new(numbers) and max(map(len, bodies)) <= self._message_limit:
                self.unconfirmed.update(dict.fromkeys(numbers, 1))
                self._unconfirmed_parts += len(numbers)
                self._events += map(Arrived, numbers, bodies)
                return 0
        dropped = 0
        for (number, count), run in groupby(parts, _message_of):
            if number >= PROVISIONAL:
                self._events += [NumbersRequested() for _ in run]
            elif count == 1:
                dropped += sum(not self.receive_part(part, now) for part in run)
            else:
                dropped += self._receive_pieces(number, count, list(run), now)
        return dropped

    def _are_new(self, numbers: list[int]) -> bool:
        """Whether no whole message with one of these numbers has come, and all of them may wait for
        the disk."""
        return (
            min(numbers) >= self._inbox.fresh_from
            and max(numbers) < PROVISIONAL
            and len(set(numbers)) == len(numbers)
            and self.unconfirmed.keys().isdisjoint(numbers)
            and self._unconfirmed_parts + len(numbers) <= self._unconfirmed_limit
        )

    def confirm(self, numbers: Sequence[int], now: float) -> None:
        """Record that the owner has stored these messages: they take their places in order and are
        acknowledged in the next payload."""
        unconfirmed, parts_owed = self.unconfirmed, self._parts_owed
        self._inbox.store_all(
            numbers, now
        )  # first: it spares what is unconfirmed when it closes old holes
        self._unconfirmed_parts -= sum(map(unconfirmed.pop, numbers, repeat(0)))
        if parts_owed:
            for number in numbers:
                parts_owed.pop(number, None)
        self._owed += numbers[: self._owed_limit - len(self._owed)]

    def reject(self, number: int) -> None:
        """Record that the owner could not store a message: the next copy is new again."""
        self._unconfirmed_parts -= self.unconfirmed.pop(number, 0)
        self._parts_owed.pop(number, None)

    def raise_floor(self, number: int) -> None:
        """Raise the floor: the sender has settled everything below `number`. Nearly every datagram
        repeats the last one."""
        if number > self._inbox.floor:
            self._inbox.raise_floor(number)
            self._assemblies.drop_below(number)

    def add_gap(self, start: int, end: int) -> None:
        """Record a gap: the sender never sends any of [start, end)."""
        self._inbox.add_gap(start, end)

    def frames(self) -> list[bytes]:
        """Drain the acknowledgements that are due, encoded."""
        frames: list[bytes] = []
        if self._owed:
            owed, self._owed = self._owed, []
            newest = self._inbox.newest(RANGES_LIMIT)
            life, sync = self._syncs.life, self._syncs.covering
            if sync:
                self.untold = sync
            if newest is not None:
                frames.append(encode_frame(Ack(*newest, life, sync)))
                owed = (
                    [number for number in owed if number < newest[0]]
                    if min(owed) < newest[0]
                    else []
                )
            # Repeats from below the floor, or older than the newest ranges: the sender may never
            # have seen their acknowledgement.
            strays = RangeSet(owed)
            while (chunk := strays.newest(RANGES_LIMIT)) is not None:
                frames.append(encode_frame(Ack(*chunk, life, sync)))
                strays = RangeSet(number for number in strays if number < chunk[0])
        if self._parts_owed:
            frames += self._part_frames()
        return frames

    def _owe(self, number: int) -> None:
        if self._owed and self._owed[-1] == number:
            return  # each part of one repeated message asks for the same
        if len(self._owed) < self._owed_limit:
            self._owed.append(number)

    def _receive_pieces(self, number: int, count: int, pieces: Sequence[Part], now: float) -> int:
        """Take parts of a message of `count` parts in their order. Return how many were dropped."""
        admission = self._inbox.admit(number)
        if admission is REPEAT:
            self._assemblies.drop(number)
            self._owe(number)
            return 0
        if number in self.unconfirmed:
            self._parts_owed[number] = None
            return 0
        if admission is BEYOND or self._unconfirmed_parts >= self._unconfirmed_limit:
            return len(pieces)
        dropped, body = self._assemblies.add_all(pieces, now)
        if dropped < len(pieces):
            self._parts_owed[number] = None
        if body is not None:  # the rest of the pieces are repeats
            self._arrive(number, count, body)
        return dropped

    def _arrive(self, number: int, count: int, body: bytes) -> None:
        self.unconfirmed[number] = count
        self._unconfirmed_parts += count
        self._events.append(Arrived(number, body))

    def _part_frames(self) -> list[bytes]:
        owed, self._parts_owed = self._parts_owed, {}
        frames = []
        for number in owed:
            count = self.unconfirmed.get(number)
            held = RangeSet(range(count) if count else self._assemblies.indexes(number))
            newest = held.newest(RANGES_LIMIT)
            if newest is not None:
                frames.append(encode_frame(PartAck(number, *newest)))
        return frames


PAYLOAD_LIMIT: Final = DATAGRAM_MAX - OPENING_OVERHEAD
"""Bytes of a payload that fits every datagram: one that opens a session has the longest header."""

PAYLOAD_LEAST: Final = 640
"""The smallest limit: the longest acknowledgement (600 bytes) must fit."""

GAPS_SENT_MAX: Final = 4
"""Gaps sent at once. They are rare, and a message behind a gap that is not sent only waits a
little."""

_ARRAY_HEADER: Final = 3
_FLOOR_BYTES: Final = 11
_PART_BYTES: Final = 20
_ACK_ROOM: Final = 32
"""Bytes left free beside a part of full size, so that a usual acknowledgement needs no datagram of
its own."""


class Shared(NamedTuple):
    """What all streams of one owner share."""

    buffer: PartBuffer
    """Its deadlines are the owner's to watch."""
    syncs: Syncs


class ReliableStream:
    """Tries messages until they are acknowledged, and receives those of the other end, each once.

    After any call, ask `payloads_to_send`, `events`, `inbox.ready` and `next_timer` for what
    follows from it.
    """

    __slots__ = (
        "_acked",
        "_events",
        "_floor",
        "_floor_frame",
        "_floor_said",
        "_frames",
        "_receiver",
        "_message_limit",
        "_sender",
        "_payload_limit",
        "_gap_frames",
        "_has_sync_news",
        "_mark",
        "_syncs",
        "ignored",
        "inbox",
    )

    def __init__(
        self,
        policy: Policy,
        *,
        rng: random.Random,
        payload_limit: int = PAYLOAD_LIMIT,
        inbox: Inbox | None = None,
        network: Callable[[], str] = lambda: "",
        shared: Shared | None = None,
    ) -> None:
        """`inbox` is the one restored from the owner's store; a new one knows no number. `network`
        returns the network under which the other end is counted. `shared`: with the owner's other
        streams."""
        if payload_limit < PAYLOAD_LEAST:
            raise ValueError(f"payload_limit {payload_limit} is below {PAYLOAD_LEAST}")
        self.inbox = Inbox(policy) if inbox is None else inbox
        self.ignored = 0
        self._payload_limit = payload_limit
        self._message_limit = policy.message_limit
        self._events: list[DeliveryEvent] = []
        buffer, self._syncs = shared or Shared(PartBuffer(policy), Syncs())
        assemblies = Assemblies(policy, buffer, network)
        self._receiver = StreamReceiver(policy, self.inbox, self._events, assemblies, self._syncs)
        room = payload_limit - _ARRAY_HEADER - _FLOOR_BYTES
        self._sender = StreamSender(
            policy, rng, self._events, piece_size=room - _PART_BYTES - _ACK_ROOM, room=room
        )
        self._frames: list[bytes] = []
        self._floor = self._floor_said = 0
        self._floor_frame = encode_frame(Floor(0))
        self._gap_frames: list[bytes] = []
        self._has_sync_news = False
        self._acked: Ack | None = None
        self._mark = NO_SYNC
        """What the last Ack has named. Acks in a row that name the same share it, so that they are
        told apart by `is`."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being tried or owed, so that the stream can be dropped without a
        loss."""
        receiver = self._receiver
        return not (self._sender.messages or receiver.owes or receiver.unconfirmed or self._frames)

    @property
    def is_at_rest(self) -> bool:
        """Whether it is idle, and has no deadline either."""
        # While a message of ours is under way, as mostly, that is all there is to ask; without one
        # only the inbox has deadlines.
        return not self._sender.messages and self.is_idle and not self.inbox.held_count

    @property
    def tries_of_oldest(self) -> int:
        """How often the oldest of our messages that are under way was sent, early retries apart; 0
        if none is."""
        return next((message.tries for message in self._sender.messages.values()), 0)

    def send(self, number: int, body: bytes, *, now: float) -> None:
        """Begin to try a message; a number that is being tried is left alone. ValueError: the body
        is too long, or the number invalid."""
        self.send_all([(number, body)], now=now)

    def send_all(self, messages: Sequence[tuple[int, bytes]], *, now: float) -> None:
        """Begin to try messages, by number. As `send`, for each; after a ValueError none is
        tried."""
        limit = self._message_limit
        for number, body in messages:
            if not 0 <= number < 2 * PROVISIONAL or len(body) > limit:
                raise ValueError(f"message {number} of {len(body)} bytes cannot be sent")
        self._sender.send_all(messages, now)

    def withdraw(self, number: int) -> None:
        """Stop trying a message, without an event."""
        self._sender.withdraw(number)

    def restart_tries(self, *, now: float) -> None:
        """Try everything unacknowledged afresh and at once: the other end restarted, or the path
        changed."""
        self._sender.restart_tries(now)

    def set_floor(self, number: int) -> None:
        """Raise our floor: every number below it is settled. A lower value is ignored."""
        if number > self._floor:
            self._floor = number
            self._floor_frame = b""

    def set_gaps(self, spans: Sequence[tuple[int, int]]) -> None:
        """Set the gaps [start, end) above the floor: numbers that were skipped or refused. They are
        sent whenever parts are sent."""
        if spans or self._gap_frames:
            self._gap_frames = [
                encode_frame(Gap(start, end - start)) for start, end in spans[:GAPS_SENT_MAX]
            ]

    def receive_all(
        self, datagrams: Sequence[Sequence[DatagramFrame]], *, now: float
    ) -> list[list[DatagramFrame]]:
        """Handle the frames of opened datagrams in their order. Return those of other kinds, apart
        for each datagram."""
        others: list[list[DatagramFrame]] = []
        parts: list[Part] = []
        floor = self.inbox.floor
        for frames in datagrams:
            rest: list[DatagramFrame] = []
            for kind, run in groupby(frames, type):
                if kind is Part:
                    parts += run  # type: ignore[arg-type]
                    continue
                for frame in run:
                    if type(frame) is Floor and frame.number <= floor:
                        continue  # nearly every datagram repeats the last one
                    if not isinstance(frame, DeliveryFrame):
                        rest.append(frame)
                        continue
                    if parts:
                        self.ignored += self._receiver.receive_parts(parts, now)
                        parts = []
                    self.receive(frame, now=now)
                    floor = self.inbox.floor
            if rest:
                others.append(rest)
        if parts:
            self.ignored += self._receiver.receive_parts(parts, now)
        return others

    @property
    def awaits_sync(self) -> bool:
        """Whether the other end is to be told when what was acknowledged is on our disk."""
        return self._receiver.untold > 0

    @property
    def has_sync_news(self) -> bool:
        """Whether syncs that are done are still to be told."""
        return self._has_sync_news

    def note_sync(self) -> None:
        """Tell the other end which syncs are done, with whatever is sent next."""
        self._has_sync_news = True

    def report_syncs(self) -> None:
        """Tell the other end now which syncs are done."""
        done = self._syncs.done
        if self._receiver.untold <= done:
            self._receiver.untold = 0
        self._has_sync_news = False
        self.queue_frame(encode_frame(OnDisk(self._syncs.life, done)))

    def queue_frame(self, encoded: bytes) -> None:
        """Send a frame of another kind in the next payload, once. ValueError: it is longer than a
        payload."""
        if len(encoded) > self._payload_limit - _ARRAY_HEADER:
            raise ValueError(f"a frame of {len(encoded)} bytes does not fit a payload")
        self._frames.append(encoded)

    def receive(self, frame: DeliveryFrame, *, now: float) -> None:
        """Handle one frame of an opened datagram. `ignored` counts invalid frames, and those that
        are dropped because too much is held already."""
        match frame:
            case Part():
                is_taken = not self._receiver.receive_parts([frame], now)
            case Ack(first=first, ranges=lengths, life=life, sync=sync):
                is_taken = is_bounded(first, lengths, LAST_NUMBER)
                if is_taken:
                    self._acked, mark = frame, self._mark
                    if (life, sync) != mark:
                        mark = self._mark = SyncMark(life, sync)
                    self._sender.acknowledge(first, lengths, now, mark)
            case PartAck(number=number, first=first, ranges=lengths):
                is_taken = is_bounded(first, lengths, LAST_NUMBER)
                is_taken = is_taken and self._sender.acknowledge_parts(number, first, lengths, now)
            case Floor(number=number):
                is_taken = True
                self._receiver.raise_floor(number)
            case Gap(first=first, count=count):
                is_taken = first + count <= LAST_NUMBER
                if is_taken:
                    self._receiver.add_gap(first, first + count)
            case OnDisk(life=life, sync=sync):
                is_taken = True
                self._events.append(SyncReported(SyncMark(life, sync)))
            case Known(number=number):
                is_taken = True
                self._events.append(NumbersReported(number))
            case _:
                assert_never(frame)
        if not is_taken:
            self.ignored += 1

    def confirm(self, numbers: Sequence[int], *, now: float) -> None:
        """Record that the owner has committed these messages: they are acknowledged next, and take
        their places in order."""
        self._receiver.confirm(numbers, now)

    def reject(self, number: int) -> None:
        """Record that the owner could not store an arrived message: the next copy of it arrives
        anew."""
        self._receiver.reject(number)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. A call that is too early does nothing, a late one does it once."""
        self._sender.handle_timer(now)
        self.inbox.handle_timer(now)

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is to be called, None for never."""
        own, held = self._sender.next_timer(), self.inbox.next_timer()
        if own is None or held is None:
            return held if own is None else own
        return min(own, held)

    def payloads_to_send(self, *, now: float, limit: int = 0) -> list[bytes]:
        """Drain payloads, each one msgpack array of frames of at most `limit` bytes; 0 stands for
        the limit that always holds."""
        limit = max(limit, self._payload_limit) - _ARRAY_HEADER
        has_parts = self._sender.has_room
        if self._has_sync_news and (has_parts or self._frames or self._receiver.owes):
            self.report_syncs()
        others = self._frames
        if self._receiver.owes:
            others = self._receiver.frames() + others
        if others:
            self._frames = []
        if has_parts and self._gap_frames:
            others = self._gap_frames + others
        payloads = _packed(others, limit) if others else []
        if has_parts:
            self._add_parts(payloads, limit, now)
        if self._owes_floor():
            self._add_floor(payloads, limit)
        return [join_frames(frames) for frames in payloads]

    def events(self) -> list[DeliveryEvent]:
        """Drain what has happened, in order."""
        events = self._events[:]
        self._events.clear()
        return events

    def _add_parts(self, payloads: list[list[bytes]], limit: int, now: float) -> None:
        """Add the parts that may leave now, behind a floor in each payload: to these payloads as
        far as they have room, then to new ones."""
        floor = self._encoded_floor()
        limit -= len(floor)
        sizes: Iterator[int] = repeat(limit)
        if payloads:
            sizes = chain([limit - sum(map(len, frames)) for frames in payloads], sizes)
        datagrams = self._sender.take(sizes, now, floor=floor)
        if datagrams:
            self._floor_said = self._floor
        for frames, parts in zip(payloads, datagrams, strict=False):
            frames.extend(parts)
        payloads += datagrams[len(payloads) :]

    def _add_floor(self, payloads: list[list[bytes]], limit: int) -> None:
        """Add the floor to the last payload, if that has room for it."""
        floor, self._floor_said = self._encoded_floor(), self._floor
        if payloads and sum(map(len, payloads[-1])) + len(floor) <= limit:
            payloads[-1].append(floor)
        else:
            payloads.append([floor])

    def _encoded_floor(self) -> bytes:
        if not self._floor_frame:
            self._floor_frame = encode_frame(Floor(self._floor))
        return self._floor_frame

    def _owes_floor(self) -> bool:
        """Whether the other end may hold messages back for a number that the floor has passed."""
        said = self._floor_said
        if self._floor <= said or self._sender.highest_sent <= said:
            return False
        acked = self._acked
        return acked is None or not covers(acked.first, acked.ranges, said, self._floor)


def _packed(frames: list[bytes], limit: int) -> list[list[bytes]]:
    """Return the frames in lists of up to `limit` bytes each, in their order."""
    packed: list[list[bytes]] = []
    left = 0
    for frame in frames:
        if not packed or len(frame) > left:
            packed.append([])
            left = limit
        packed[-1].append(frame)
        left -= len(frame)
    return packed
