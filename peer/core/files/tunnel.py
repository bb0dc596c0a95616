"""One end of a link that goes through a tunnel: bytes in order, in pieces that datagrams of a session carry
(clause 6.20)."""

import itertools
import random
from typing import Final

from chatapp.wire.delivery.congestion import CongestionControl
from chatapp.wire.delivery.parts import Piece
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import RangeSet, is_bounded, spans
from chatapp.wire.delivery.sender import SendQueue
from chatapp.wire.limits import PIECE_SIZE, TUNNEL_SPAN_MAX
from chatapp.wire.messages.direct import (
    RANGES_LIMIT,
    TunnelAck,
    TunnelFrame,
    TunnelPiece,
    encode_frame,
)

_PAYLOAD: Final = PIECE_SIZE + 32
"""Bytes of a payload that has a piece of full length."""

_LAST_INDEX: Final = 2**32 - 1

_DOUBLED_MOST: Final = 5
"""How often the time until another try is doubled while nothing is acknowledged."""


class Tunnel:
    """One end of a tunnel. It has no end of its own: who uses it gives up when nothing comes."""

    def __init__(self, number: int, *, is_opener: bool, policy: Policy, rng: random.Random) -> None:
        """`number`: chosen by the one who opens it. `is_opener`: whether that are we."""
        self.number: Final = number
        self.is_opener: Final = is_opener
        self._timeout: Final = policy.ack_timeout
        self._control: Final = CongestionControl(policy, rng)
        self._queue: Final = SendQueue()
        self._unsent: Final = bytearray()
        self._next_index = 0
        self._in_flight: Final[dict[int, Piece]] = {}
        """Pieces that are not acknowledged, the oldest first."""
        self._doubled = 0
        self._next_wanted = 0
        """All pieces before this one have come."""
        self._held: Final[dict[int, bytes]] = {}
        self._held_ranges: Final = RangeSet()
        self._received: Final = bytearray()
        self._is_ack_due = False

    # --- out

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send these bytes behind all before."""
        self._unsent.extend(data)

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not taken yet, about."""
        return len(self._unsent) + len(self._in_flight) * PIECE_SIZE

    def payloads_to_send(self, most: int, *, now: float) -> list[list[bytes]]:
        """Return the encoded frames of up to `most` datagrams."""
        self._cut()
        space, limit = self._control.space()
        datagrams = self._queue.take(itertools.repeat(_PAYLOAD), space, min(limit, most))
        self._control.on_sent(datagrams, now)
        payloads = [[piece.encoded for piece in pieces] for pieces in datagrams]
        return [*self._acks(), *payloads]

    def _cut(self) -> None:
        """Cut what is not sent yet into pieces, as many as may be under way."""
        oldest = next(iter(self._in_flight), self._next_index)
        space, _ = self._control.space()
        most = min(oldest + TUNNEL_SPAN_MAX, self._next_index + space, _LAST_INDEX)
        at = 0
        while at < len(self._unsent) and self._next_index < most:
            data = bytes(self._unsent[at : at + PIECE_SIZE])
            index, self._next_index = self._next_index, self._next_index + 1
            encoded = encode_frame(TunnelPiece(self.number, self.is_opener, index, data))
            piece = self._in_flight[index] = Piece(index, 0, encoded)
            self._queue.first.append(piece)
            at += len(data)
        del self._unsent[:at]

    def _acks(self) -> list[list[bytes]]:
        if not self._is_ack_due:
            return []
        self._is_ack_due = False
        first, lengths = self._held_ranges.newest(RANGES_LIMIT) or (self._next_wanted, [])
        ack = TunnelAck(self.number, self.is_opener, self._next_wanted, first, lengths)
        return [[encode_frame(ack)]]

    def next_timer(self) -> float | None:
        """Return when something is to be sent again. Of what waits for its answer, the oldest piece
        counts: to look at each would cost more than it is late."""
        pieces = self._in_flight.values()
        oldest = next((piece for piece in pieces if piece.sends and not piece.is_queued), None)
        due = None if oldest is None else self._due(oldest)
        probe = self._control.next_probe()
        return min((one for one in (due, probe) if one is not None), default=None)

    def _due(self, piece: Piece) -> float:
        sent_at = piece.sent_again_at if piece.sends > 1 else piece.first_sent_at
        return sent_at + self._timeout * float(1 << self._doubled)

    def handle_timer(self, *, now: float) -> None:
        """Queue what is to be sent again."""
        probe = self._control.next_probe()
        if probe is not None and now >= probe:
            for piece in self._control.probe(2 * _PAYLOAD, now):
                piece.extra += 1
                self._queue.retry(piece)
        overdue = [
            piece
            for piece in self._in_flight.values()
            if piece.sends and not piece.is_queued and now >= self._due(piece)
        ]
        for piece in reversed(overdue):
            self._control.on_timeout(piece, now)
            self._queue.first.appendleft(piece)
            piece.is_queued = True
        if overdue:
            self._doubled = min(self._doubled + 1, _DOUBLED_MOST)

    # --- in

    def receive(self, frame: TunnelFrame, *, now: float) -> None:
        """Take a frame of the other end; what makes no sense is ignored."""
        match frame:
            case TunnelPiece():
                self._piece_came(frame)
            case TunnelAck():
                self._acked(frame, now)
            case _:
                pass  # the end is for who uses it

    def take_received(self) -> bytes:
        """Return the bytes that have come in order, once."""
        received = bytes(self._received)
        self._received.clear()
        return received

    def _piece_came(self, piece: TunnelPiece) -> None:
        index = piece.index
        self._is_ack_due = True
        if not self._next_wanted <= index < self._next_wanted + TUNNEL_SPAN_MAX:
            return
        self._held[index] = piece.data
        self._held_ranges.add(index)
        while (data := self._held.pop(self._next_wanted, None)) is not None:
            self._received.extend(data)
            self._next_wanted += 1
        self._held_ranges.drop_below(self._next_wanted)

    def _acked(self, ack: TunnelAck, now: float) -> None:
        in_flight, oldest = self._in_flight, next(iter(self._in_flight), self._next_index)
        acked = [(oldest, ack.upto)]
        if ack.ranges and is_bounded(ack.first, ack.ranges, self._next_index - 1):
            acked += spans(ack.first, ack.ranges)
        landed: list[Piece] = []
        for start, end in acked:  # of which no piece is in two
            indexes = range(max(start, oldest), min(end, self._next_index))
            found = [in_flight[index] for index in indexes if index in in_flight]
            landed += [piece for piece in found if piece.sends]
            oldest = max(oldest, indexes.stop)
        for piece in landed:
            del in_flight[piece.number]
        if landed:
            self._doubled = 0
            self._control.on_acked(landed, now)
        for piece in self._control.take_lost():
            self._queue.retry(piece)
