"""This file is about one message of ours that is being tried, and its parts as they travel.

It knows what a part and a message remember; it must not know when anything is sent: the flight and the outbox
decide that, and write it down here.
"""

import msgspec

from wire.delivery.fragments import cut
from wire.messages.delivery import Part, encode_frame


class Piece(msgspec.Struct, eq=False, gc=False):
    """One part of a message. It is encoded once: a retry sends the same bytes."""

    number: int
    index: int
    encoded: bytes
    is_queued: bool = True
    """It waits for a datagram, for the first time or again."""
    is_settled: bool = False
    """Acknowledged or withdrawn: a queue that still holds it passes over it."""
    flight: int = 0
    """The datagram in which it is on the way; 0: it is not, or counts as lost."""
    sends: int = 0
    first_sent_at: float = 0.0
    sent_at: float = 0.0
    extra: int = 0
    """Fast retries and probes so far."""


class Outgoing(msgspec.Struct, eq=False, gc=False):
    """A message that is being tried. It leads to its pieces and they lead nowhere, so no cycle needs the gc."""

    number: int
    pieces: list[Piece]
    asked_at: float
    first_sent_at: float = 0.0
    deadline: float = 0.0
    tries: int = 0
    """Timed tries since the last progress; 0: nothing of it has left yet."""
    ever_held: int = 0
    """A bit for each part that a PartAck has named. Only a new bit is progress, or one could be led on for ever."""
    had_last_chance: bool = False

    @property
    def sends(self) -> int:
        """How often its most repeated part was sent."""
        pieces = self.pieces
        return pieces[0].sends if len(pieces) == 1 else max(piece.sends for piece in pieces)

    def sent_for(self, now: float) -> float:
        """Seconds since the first of these tries."""
        return now - self.first_sent_at if self.tries else 0.0

    def restart(self, now: float) -> None:
        """As new: no try has been made, and nothing is known to be held at the other end."""
        self.asked_at = now
        self.tries = self.ever_held = 0
        self.had_last_chance = False
        for piece in self.pieces:
            piece.flight = piece.extra = 0
            piece.is_settled = False
            piece.is_queued = True


def make_outgoing(number: int, body: bytes, piece_size: int, now: float) -> Outgoing:
    """A message cut into parts of at most `piece_size` bytes of body. ValueError: too many."""
    if len(body) <= piece_size:
        return Outgoing(number, [Piece(number, 0, encode_frame(Part(number, 0, 1, body)))], now)
    bodies = cut(body, piece_size)
    parts = [Part(number, index, len(bodies), piece) for index, piece in enumerate(bodies)]
    return Outgoing(number, [Piece(number, part.index, encode_frame(part)) for part in parts], now)
