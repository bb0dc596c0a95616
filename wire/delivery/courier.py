"""This file is about one remote party: numbered messages to and from it, over datagrams that may get lost.

It knows how its two halves share payloads: acknowledgements ride along with parts. It must not know sockets, clocks,
keys, names or paths; its owner seals each payload into one datagram, and opens those that come.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from wire.codec import join_frames
from wire.delivery.events import DeliveryEvent
from wire.delivery.fragments import Assemblies, PartBuffer
from wire.delivery.intake import Intake
from wire.delivery.outbox import Outbox
from wire.delivery.policy import Policy
from wire.delivery.runs import covers, is_bounded
from wire.delivery.seen import Inbox
from wire.header import OPENING_OVERHEAD
from wire.limits import DATAGRAM_MAX
from wire.messages.delivery import LAST_NUMBER, Ack, DeliveryFrame, Floor, Part, PartAck, Void, encode_frame

PAYLOAD_LIMIT: Final = DATAGRAM_MAX - OPENING_OVERHEAD
"""Bytes of a payload that fits a datagram in any case: one that opens a session has the longest header."""

PAYLOAD_LEAST: Final = 640
"""The smallest limit: the longest acknowledgement (600 bytes) must fit."""

VOIDS_SAID_MAX: Final = 4
"""Spans said at once; they are rare, and what is behind a span that is not said only waits a little."""

_ARRAY_HEADER: Final = 3
_FLOOR_BYTES: Final = 11
_PART_BYTES: Final = 20
_ACK_ROOM: Final = 32
"""Left free beside a part of full size, so that a usual acknowledgement needs no datagram of its own."""


class Courier:
    """Tries messages until they are acknowledged, and takes in those of the other end, each once.

    After any call ask `payloads_to_send`, `events`, `inbox.ready` and `next_timer`, which are what it has to say.
    """

    __slots__ = (
        "_acked",
        "_events",
        "_floor",
        "_floor_frame",
        "_floor_said",
        "_frames",
        "_intake",
        "_message_limit",
        "_outbox",
        "_payload_limit",
        "_void_frames",
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
        buffer: PartBuffer | None = None,
        network: Callable[[], str] = lambda: "",
    ) -> None:
        """`inbox` is the one restored from the owner's store; a new one knows no number. `buffer` is what all couriers of
        one owner share, who asks it for its deadlines; `network` tells with which network the other end is counted."""
        if payload_limit < PAYLOAD_LEAST:
            raise ValueError(f"payload_limit {payload_limit} is below {PAYLOAD_LEAST}")
        self.inbox = Inbox(policy) if inbox is None else inbox
        self.ignored = 0
        self._payload_limit = payload_limit
        self._message_limit = policy.message_limit
        self._events: list[DeliveryEvent] = []
        buffer = PartBuffer(policy) if buffer is None else buffer
        assemblies = Assemblies(policy, buffer, network)
        self._intake = Intake(policy, self.inbox, self._events, assemblies)
        room = payload_limit - _ARRAY_HEADER - _FLOOR_BYTES
        self._outbox = Outbox(policy, rng, self._events, piece_size=room - _PART_BYTES - _ACK_ROOM, room=room)
        self._frames: list[bytes] = []
        self._floor = self._floor_said = 0
        self._floor_frame = encode_frame(Floor(0))
        self._void_frames: list[bytes] = []
        self._acked: Ack | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being tried or owed: the courier can be let go without a loss."""
        intake = self._intake
        return not (self._outbox.count or intake.owes or intake.unconfirmed_count or self._frames)

    def send(self, number: int, body: bytes, *, now: float) -> None:
        """Begins to try a message; a number that is being tried is left alone. ValueError: too long, or no number."""
        if not 0 <= number <= LAST_NUMBER or len(body) > self._message_limit:
            raise ValueError(f"message {number} of {len(body)} bytes cannot be sent")
        self._outbox.send(number, body, now)

    def withdraw(self, number: int) -> None:
        """Stops trying a message, without an event."""
        self._outbox.withdraw(number)

    def restart_tries(self, *, now: float) -> None:
        """The other end restarted, or the path changed: everything unacknowledged is tried afresh, at once."""
        self._outbox.restart_tries(now)

    def set_floor(self, number: int) -> None:
        """Every number of ours below this one is settled for ever. It only rises."""
        if number > self._floor:
            self._floor = number
            self._floor_frame = b""

    def set_voids(self, spans: Sequence[tuple[int, int]]) -> None:
        """Spans [start, end) above the floor that were skipped or refused; said whenever parts are sent."""
        if spans or self._void_frames:
            self._void_frames = [
                encode_frame(Void(start, end - start)) for start, end in spans[:VOIDS_SAID_MAX]
            ]

    def queue_frame(self, encoded: bytes) -> None:
        """Lets a frame of another kind ride along once. ValueError: longer than a payload."""
        if len(encoded) > self._payload_limit - _ARRAY_HEADER:
            raise ValueError(f"a frame of {len(encoded)} bytes does not fit a payload")
        self._frames.append(encoded)

    def receive(self, frame: DeliveryFrame, *, now: float) -> None:
        """Takes in one frame of an opened datagram. `ignored` counts nonsense, and what there is no room for."""
        match frame:
            case Part():
                is_taken = self._intake.receive_part(frame, now)
            case Ack(first=first, runs=lengths):
                is_taken = is_bounded(first, lengths, LAST_NUMBER)
                if is_taken:
                    self._acked = frame
                    self._outbox.acknowledge(first, lengths, now)
            case PartAck(number=number, first=first, runs=lengths):
                is_taken = is_bounded(first, lengths, LAST_NUMBER)
                is_taken = is_taken and self._outbox.acknowledge_parts(number, first, lengths, now)
            case Floor(number=number):
                is_taken = True
                self._intake.raise_floor(number)
            case Void(first=first, count=count):
                is_taken = first + count <= LAST_NUMBER
                if is_taken:
                    self._intake.pass_over(first, first + count)
            case _:
                assert_never(frame)
        if not is_taken:
            self.ignored += 1

    def confirm(self, number: int, *, now: float) -> None:
        """The owner has committed the message to its store: it is acknowledged next, and takes its place in order."""
        self._intake.confirm(number, now)

    def reject(self, number: int) -> None:
        """The owner could not store an arrived message: the next copy of it arrives anew."""
        self._intake.reject(number)

    def handle_timer(self, *, now: float) -> None:
        """Does what is due; too early a call does nothing, a late one does it once."""
        self._outbox.handle_timer(now)
        self.inbox.handle_timer(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` is to be called, None for never."""
        own, held = self._outbox.next_timer(), self.inbox.next_timer()
        if own is None or held is None:
            return held if own is None else own
        return min(own, held)

    def payloads_to_send(self, *, now: float, limit: int = 0) -> list[bytes]:
        """Drains payloads, each one msgpack array of frames of at most `limit` bytes; 0 for the limit that always holds."""
        limit = max(limit, self._payload_limit)
        lead = self._frames
        if self._intake.owes:
            lead = self._intake.frames() + lead
        if lead:
            self._frames = []
        payloads: list[bytes] = []
        outbox = self._outbox
        has_room = outbox.has_room
        if self._void_frames and has_room:
            lead = self._void_frames + lead
        while lead or has_room:
            frames, room = _lead_of(lead, limit - _ARRAY_HEADER)
            lead = lead[len(frames) :]
            if has_room:
                floor = self._say_floor()
                parts = outbox.take(room - len(floor), now)
                if parts:
                    frames.append(floor)
                    frames += parts
                has_room = outbox.has_room
            if frames:
                payloads.append(join_frames(frames))
        if not payloads and self._owes_floor():
            payloads.append(join_frames([self._say_floor()]))
        return payloads

    def events(self) -> list[DeliveryEvent]:
        """Drains what has happened, in order."""
        events = self._events[:]
        self._events.clear()
        return events

    def _say_floor(self) -> bytes:
        if not self._floor_frame:
            self._floor_frame = encode_frame(Floor(self._floor))
        self._floor_said = self._floor
        return self._floor_frame

    def _owes_floor(self) -> bool:
        """Whether the other end may be holding messages back for one that the floor has passed."""
        said = self._floor_said
        if self._floor <= said or self._outbox.highest_sent <= said:
            return False
        acked = self._acked
        return acked is None or not covers(acked.first, acked.runs, said, self._floor)


def _lead_of(frames: list[bytes], room: int) -> tuple[list[bytes], int]:
    """The first frames that fit, and the room left."""
    for count, frame in enumerate(frames):
        if len(frame) > room:
            return frames[:count], room
        room -= len(frame)
    return frames[:], room
