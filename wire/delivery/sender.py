"""The sending half of a stream: messages that are being tried, and when each is tried again.

It knows tries and acknowledgements.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence

from chatapp.wire.delivery.congestion import CongestionControl
from chatapp.wire.delivery.parts import (
    Acknowledged,
    DeliveryEvent,
    GaveUp,
    Outgoing,
    Piece,
    Unanswered,
    make_outgoing,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import spans


class SendQueue:
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


class Schedule:
    """Messages on the way, by number, the earliest deadline first."""

    __slots__ = ("_by_number", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._by_number: dict[int, Outgoing] = {}

    def get(self, number: int) -> Outgoing | None:
        """The message, if something of it has left."""
        return self._by_number.get(number)

    def begin(self, message: Outgoing, now: float) -> None:
        """The first try of this message leaves now."""
        message.tries = 1
        message.first_sent_at = now
        message.deadline = now + self._timeout
        self._by_number[message.number] = message

    def postpone(self, message: Outgoing, now: float) -> None:
        """The next try is a whole timeout from now."""
        message.deadline = now + self._timeout
        del self._by_number[message.number]
        self._by_number[message.number] = message

    def forget(self, number: int) -> None:
        """There will be no further try."""
        self._by_number.pop(number, None)

    def clear(self) -> None:
        """Nothing has left."""
        self._by_number.clear()

    def take(self, runs: Iterator[tuple[int, int]]) -> list[Outgoing]:
        """Takes out the messages whose numbers lie in the runs [start, end): in time limited by what is here."""
        by_number = self._by_number
        taken: list[int] = []
        for start, end in runs:
            if end - start <= len(by_number):
                taken += [number for number in range(start, end) if number in by_number]
            else:
                taken += [number for number in by_number if start <= number < end]
        return [by_number.pop(number) for number in taken]

    def overdue(self, now: float) -> list[Outgoing]:
        """The messages whose deadline has come; they stay here."""
        overdue: list[Outgoing] = []
        for message in self._by_number.values():
            if message.deadline > now:
                break
            overdue.append(message)
        return overdue

    def next_deadline(self) -> float | None:
        """The earliest deadline."""
        for message in self._by_number.values():
            return message.deadline
        return None


class Outbox:
    """Tries messages until they are acknowledged, withdrawn or given up."""

    __slots__ = (
        "_send_queue",
        "_events",
        "_flight",
        "_given_up",
        "_messages",
        "_piece_size",
        "_policy",
        "_room",
        "_schedule",
        "highest_sent",
    )

    def __init__(
        self, policy: Policy, rng: random.Random, events: list[DeliveryEvent], *, piece_size: int, room: int
    ) -> None:
        """`piece_size`: bytes of body in a part; `room`: bytes of parts in a datagram that carries nothing else."""
        self._policy = policy
        self._events = events
        self._piece_size = piece_size
        self._room = room
        self._flight = CongestionControl(policy, rng)
        self._send_queue = SendQueue()
        self._messages: dict[int, Outgoing] = {}
        self._schedule = Schedule(policy.ack_timeout)
        # The last ones given up, since a late acknowledgement may still name them.
        self._given_up: dict[int, Outgoing] = {}
        self.highest_sent = -1

    @property
    def count(self) -> int:
        """How many messages are being tried."""
        return len(self._messages)

    @property
    def has_room(self) -> bool:
        """Whether `take` may have something."""
        return self._send_queue.has_any(self._flight.space)

    def send(self, number: int, body: bytes, now: float) -> None:
        """Begins to try a message; one that is being tried goes on undisturbed."""
        if number in self._messages:
            return
        if self._given_up:
            self._given_up.pop(number, None)
        message = self._messages[number] = make_outgoing(number, body, self._piece_size, now)
        # What later ones have overtaken goes first: the other end holds those back until it comes.
        self._send_queue.add(message.pieces, is_urgent=number < self.highest_sent)

    def withdraw(self, number: int) -> None:
        """Stops trying, without a word."""
        self._given_up.pop(number, None)
        message = self._messages.pop(number, None)
        if message is not None:
            self._drop(message)
            self._flight.tidy()

    def restart_tries(self, now: float) -> None:
        """Every message as if it had just been asked for, in the order of their numbers."""
        self._flight.restart()
        self._send_queue.clear()
        self._schedule.clear()
        for number in sorted(self._messages):
            message = self._messages[number]
            message.restart(now)
            self._send_queue.add(message.pieces, is_urgent=False)

    def take(self, room: int, now: float) -> list[bytes]:
        """The encoded parts of one datagram, up to `room` bytes."""
        taken = self._send_queue.take(room, self._flight.space)
        if not taken:
            return []
        for piece in taken:
            message = self._messages[piece.number]
            if not message.tries:
                self._schedule.begin(message, now)
                if message.number > self.highest_sent:
                    self.highest_sent = message.number
        self._flight.depart(taken, now)
        return [piece.encoded for piece in taken]

    def acknowledge(self, first: int, lengths: Sequence[int], now: float) -> None:
        """The other end has stored these numbers, most of which it has said before."""
        if self._given_up:
            self._learn_late(first, lengths, now)
        stored = self._schedule.take(spans(first, lengths))
        if not stored:
            return
        landed: list[Piece] = []
        for message in stored:
            number = message.number
            del self._messages[number]
            landed += message.pieces
            self._events.append(Acknowledged(number, message.sends, now - message.first_sent_at))
        self._land(landed, now)

    def acknowledge_parts(self, number: int, first: int, lengths: Sequence[int], now: float) -> bool:
        """The other end holds these parts of a message in memory; False for nonsense."""
        message = self._schedule.get(number)
        if message is None:
            return True
        pieces = message.pieces
        if first + sum(lengths) > len(pieces):
            return False
        held = {index for start, end in spans(first, lengths) for index in range(start, end)}
        landed = [pieces[index] for index in held if not pieces[index].is_settled]
        if message.tries > 1:
            # After a silence, what a PartAck no longer names was lost there: by a restart, or for want of room.
            self._retry([piece for piece in pieces if piece.is_settled and piece.index not in held], now)
        bits = sum(1 << index for index in held)
        if bits & ~message.ever_held:
            # An answer: the tries count from here.
            message.ever_held |= bits
            message.tries = 1
            message.had_last_chance = False
            self._schedule.postpone(message, now)
        if landed:
            self._land(landed, now)
        return True

    def handle_timer(self, now: float) -> None:
        """Makes the timed tries that are due, or a probe. A late call makes one try each, not all those missed."""
        overdue, tried = self._schedule.overdue(now), len(self._messages)
        for message in overdue:
            if message.tries < self._policy.tries:
                self._try_again(message, now)
                message.tries += 1
            elif now - message.deadline > self._policy.last_chance and not message.had_last_chance:
                message.had_last_chance = True
                self._try_again(message, now)
            else:
                self._let_go(message)
        if len(self._messages) < tried:
            self._let_go_of_waiting(now)
        probe_at = self._flight.next_probe()
        if overdue:
            self._flight.tidy()
        elif probe_at is not None and probe_at <= now:
            self._retry_early(self._flight.probe(self._room, now))

    def next_timer(self) -> float | None:
        """The next timed try or probe."""
        try_at, probe_at = self._schedule.next_deadline(), self._flight.next_probe()
        if try_at is None or probe_at is None:
            return probe_at if try_at is None else try_at
        return min(try_at, probe_at)

    def _land(self, pieces: list[Piece], now: float) -> None:
        for piece in pieces:
            piece.is_settled = True
        self._flight.land(pieces, now)
        self._retry_early(self._flight.lost())

    def _retry_early(self, pieces: list[Piece]) -> None:
        """A fast retry or a probe: beside the timed tries, and limited for each part."""
        for piece in pieces:
            if piece.extra < self._policy.extra_sends:
                piece.extra += 1
                self._send_queue.retry(piece)

    def _try_again(self, message: Outgoing, now: float) -> None:
        if message.tries > 1:
            self._events.append(Unanswered(message.number, message.tries))
        self._schedule.postpone(message, now)
        missing = [piece for piece in message.pieces if not piece.is_settled]
        # All parts are held there, and yet the message is not stored: its last part asks again.
        self._retry(missing or message.pieces[-1:], now)

    def _retry(self, pieces: list[Piece], now: float) -> None:
        for piece in pieces:
            piece.is_settled = False
            self._flight.time_out(piece, now)
            self._send_queue.retry(piece)

    def _let_go(self, message: Outgoing) -> None:
        del self._messages[message.number]
        self._drop(message)
        self._events.append(GaveUp(message.number, message.tries))
        self._given_up[message.number] = message
        if len(self._given_up) > self._policy.remembered:
            del self._given_up[next(iter(self._given_up))]

    def _let_go_of_waiting(self, now: float) -> None:
        """Whoever has waited so long behind a path that was silent all the time learns nothing from waiting on."""
        since = now - self._policy.give_up_after
        if self._flight.heard_at > since:
            return
        for message in list(self._messages.values()):
            if not message.tries and message.asked_at <= since:
                self._let_go(message)

    def _learn_late(self, first: int, lengths: Sequence[int], now: float) -> None:
        for start, end in spans(first, lengths):
            for number in [number for number in self._given_up if start <= number < end]:
                message = self._given_up.pop(number)
                self._events.append(Acknowledged(number, message.sends, message.sent_for(now)))

    def _drop(self, message: Outgoing) -> None:
        self._schedule.forget(message.number)
        for piece in message.pieces:
            self._flight.forget(piece)
            piece.is_settled = True
            piece.encoded = b""
