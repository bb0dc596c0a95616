"""This file is about the parts that wait for a datagram: those to be sent again, and those never sent.

It knows two queues and the order in which they empty; it must not know why a part is in one.
"""

from collections import deque

from wire.delivery.outgoing import Piece


class Departures:
    """Retries leave at once: each replaces a datagram that has left the network. First sends wait for the window."""

    __slots__ = ("_first", "_retries")

    def __init__(self) -> None:
        self._first: deque[Piece] = deque()
        self._retries: deque[Piece] = deque()

    def has_any(self, space: int) -> bool:
        """Whether something waits that may leave while the window has so much space."""
        return bool(self._retries) or (bool(self._first) and space > 0)

    def add(self, pieces: list[Piece], *, is_urgent: bool) -> None:
        """Parts for the first time; urgent ones go before those that wait already."""
        if is_urgent:
            self._first.extendleft(reversed(pieces))
        else:
            self._first += pieces

    def retry(self, piece: Piece) -> None:
        """Once more, unless it waits already."""
        if not piece.is_queued:
            piece.is_queued = True
            self._retries.append(piece)

    def clear(self) -> None:
        """Nothing waits any more."""
        self._first.clear()
        self._retries.clear()

    def take(self, room: int, space: int) -> list[Piece]:
        """The parts for one datagram: up to `room` bytes, and up to `space` first sends behind the retries."""
        taken: list[Piece] = []
        room = _move(self._retries, taken, room, len(self._retries))
        if not self._retries and self._first:
            space -= sum(1 for piece in taken if not piece.flight)
            _move(self._first, taken, room, len(taken) + space)
        return taken


def _move(queue: deque[Piece], taken: list[Piece], room: int, limit: int) -> int:
    """Moves what fits into `room`, until `taken` holds `limit`. Returns the room left, below 0 when it ran out."""
    while queue and len(taken) < limit:
        piece = queue[0]
        if not piece.is_settled:
            room -= len(piece.encoded)
            if room < 0:
                break
            taken.append(piece)
        piece.is_queued = False
        queue.popleft()
    return room
