"""The sending half of a stream: messages that are being tried, and when each is tried again."""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatapp.wire.delivery.congestion import CongestionControl
from chatapp.wire.delivery.parts import (
    NO_SYNC,
    Acknowledged,
    DeliveryEvent,
    GaveUp,
    OutgoingMessage,
    Piece,
    SyncMark,
    Unanswered,
    make_outgoing_message,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import spans
from chatapp.wire.messages.direct import Part, encode_frame

_NO_SPACE_NEEDED: Final = float("-inf")


class SendQueue:
    """Parts that wait to be sent.

    Retries leave at once, since each replaces a datagram that has left the network. First sends
    wait for the window.
    """

    __slots__ = ("first", "retries")

    def __init__(self) -> None:
        self.first: deque[Piece] = deque()
        """Parts that were never sent."""
        self.retries: deque[Piece] = deque()

    def retry(self, piece: Piece) -> None:
        """Queue a part again, unless it is queued already."""
        if not piece.is_queued:
            piece.is_queued = True
            self.retries.append(piece)

    def clear(self) -> None:
        """Remove all parts."""
        self.first.clear()
        self.retries.clear()

    def take(self, sizes: Iterator[int], space: int, limit: int) -> list[list[Piece]]:
        """Take the parts for up to `limit` datagrams: all retries, then first sends while there is
        space.

        `sizes` are the bytes that each datagram has for parts; a datagram too small for the next
        part stays empty. `space` is how many parts may come into flight; a retry may be in flight
        already."""
        datagrams: list[list[Piece]] = []
        pieces: list[Piece] = []
        left = 0
        for queue, least in ((self.retries, _NO_SPACE_NEEDED), (self.first, 0)):
            while queue and space > least:
                piece = queue.popleft()
                if not piece.is_settled:
                    length = len(piece.encoded)
                    while length > left:
                        if not limit:
                            queue.appendleft(piece)
                            return datagrams
                        limit -= 1
                        left = next(sizes)
                        pieces = []
                        datagrams.append(pieces)
                    left -= length
                    pieces.append(piece)
                    if not piece.datagram:
                        space -= 1
                piece.is_queued = False
        return datagrams


class Schedule:
    """Messages in flight by number, the earliest deadline first."""

    __slots__ = ("_by_number", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._by_number: dict[int, OutgoingMessage] = {}

    def get(self, number: int) -> OutgoingMessage | None:
        """Return the message, if any part of it has been sent."""
        return self._by_number.get(number)

    def begin(self, messages: Iterable[OutgoingMessage], now: float) -> None:
        """Record that the first try of these messages is sent now."""
        deadline, by_number = now + self._timeout, self._by_number
        for message in messages:
            message.tries = 1
            message.first_sent_at = now
            message.deadline = deadline
            by_number[message.number] = message

    def postpone(self, message: OutgoingMessage, now: float) -> None:
        """Set the next try to a whole timeout from now."""
        message.deadline = now + self._timeout
        del self._by_number[message.number]
        self._by_number[message.number] = message

    def forget(self, number: int) -> None:
        """Remove a message: there is no further try."""
        self._by_number.pop(number, None)

    def clear(self) -> None:
        """Remove all messages."""
        self._by_number.clear()

    def take(self, ranges: Iterator[tuple[int, int]]) -> list[OutgoingMessage]:
        """Take out the messages whose numbers lie in the ranges [start, end). The time is bounded
        by the messages here, however long a range is."""
        by_number = self._by_number
        taken: list[int] = []
        for start, end in ranges:
            if end - start <= len(by_number):
                taken += [number for number in range(start, end) if number in by_number]
            else:
                taken += [number for number in by_number if start <= number < end]
        return [by_number.pop(number) for number in taken]

    def overdue(self, now: float) -> list[OutgoingMessage]:
        """Return the messages whose deadline has passed; they stay here."""
        overdue: list[OutgoingMessage] = []
        for message in self._by_number.values():
            if message.deadline > now:
                break
            overdue.append(message)
        return overdue

    def next_deadline(self) -> float | None:
        """Return the earliest deadline."""
        for message in self._by_number.values():
            return message.deadline
        return None


class StreamSender:
    """The sending half: tries messages until they are acknowledged, withdrawn or given up."""

    __slots__ = (
        "_send_queue",
        "_events",
        "_congestion",
        "_given_up",
        "_piece_size",
        "_policy",
        "_room",
        "_schedule",
        "highest_sent",
        "messages",
    )

    def __init__(
        self,
        policy: Policy,
        rng: random.Random,
        events: list[DeliveryEvent],
        *,
        piece_size: int,
        room: int,
    ) -> None:
        """`piece_size`: bytes of body in a part; `room`: bytes of parts in a datagram that carries
        nothing else."""
        self._policy = policy
        self._events = events
        self._piece_size = piece_size
        self._room = room
        self._congestion = CongestionControl(policy, rng)
        self._send_queue = SendQueue()
        self.messages: dict[int, OutgoingMessage] = {}
        """The messages that are being tried, by number."""
        self._schedule = Schedule(policy.ack_timeout)
        # Messages given up lately: a late acknowledgement may still name them.
        self._given_up: dict[int, OutgoingMessage] = {}
        self.highest_sent = -1

    @property
    def has_room(self) -> bool:
        """Whether `take` may return parts."""
        queue = self._send_queue
        return bool(queue.retries or (queue.first and self._congestion.space()[0] > 0))

    def send(self, number: int, body: bytes, now: float) -> None:
        """Begin to try a message; one that is being tried already goes on undisturbed."""
        self.send_all([(number, body)], now)

    def send_all(self, new: Iterable[tuple[int, bytes]], now: float) -> None:
        """Begin to try messages, by number. As `send`, for each."""
        messages, piece_size = self.messages, self._piece_size
        pieces: list[Piece] = []
        for number, body in new:
            if number in messages:
                continue
            if self._given_up:
                self._given_up.pop(number, None)
            if len(body) <= piece_size:  # mostly
                encoded = encode_frame(Part(number, 0, 1, body))
                message = OutgoingMessage(number, [Piece(number, 0, encoded)], now)
            else:
                message = make_outgoing_message(number, body, piece_size, now)
            messages[number] = message
            if number < self.highest_sent:
                # Later messages have overtaken it, and the other end holds those back until it
                # arrives: it goes first.
                self._send_queue.first.extendleft(reversed(message.pieces))
            else:
                pieces += message.pieces
        self._send_queue.first += pieces

    def withdraw(self, number: int) -> None:
        """Stop trying a message, without an event."""
        self._given_up.pop(number, None)
        message = self.messages.pop(number, None)
        if message is not None:
            self._drop(message)
            self._congestion.drop_finished()

    def restart_tries(self, now: float) -> None:
        """Try every message afresh, in the order of the numbers."""
        self._congestion.restart()
        self._send_queue.clear()
        self._schedule.clear()
        for number in sorted(self.messages):
            message = self.messages[number]
            message.restart(now)
            self._send_queue.first += message.pieces

    def take(self, sizes: Iterator[int], now: float, *, floor: bytes) -> list[list[bytes]]:
        """Return the encoded parts of each datagram that may leave now, behind the floor.

        `sizes` are the bytes that each datagram has for parts; where no part fits, there is no
        floor either."""
        queue, congestion = self._send_queue, self._congestion
        taken: list[list[Piece]] = []
        is_narrower = True
        while is_narrower:
            space, limit = congestion.space()
            run = queue.take(sizes, space, limit)
            if run:  # else all parts that waited were settled meanwhile
                congestion.on_sent(filter(None, run), now)
                taken += run
            is_narrower = len(run) == limit
        messages = self.messages
        begun = [
            message
            for pieces in taken
            for piece in pieces
            if not piece.index and not (message := messages[piece.number]).tries
        ]
        if begun:
            self._schedule.begin(begun, now)
            for message in begun:
                if message.number > self.highest_sent:
                    self.highest_sent = message.number
        return [[floor, *[piece.encoded for piece in pieces]] if pieces else [] for pieces in taken]

    def acknowledge(
        self, first: int, lengths: Sequence[int], now: float, mark: SyncMark = NO_SYNC
    ) -> None:
        """Handle an Ack: the other end has stored these numbers, and they survive a power cut there
        after the sync `mark`. Most of them it has acknowledged before."""
        if self._given_up:
            self._acknowledge_late(first, lengths, now, mark)
        stored = self._schedule.take(spans(first, lengths))
        if not stored:
            return
        landed: list[Piece] = []
        messages = self.messages
        for message in stored:
            del messages[message.number]
            landed += message.pieces
        self._events += [
            Acknowledged(
                message.number,
                message.pieces[0].sends
                if message.pieces[0] is message.pieces[-1]
                else message.sends,
                now - message.first_sent_at,
                mark,
            )
            for message in stored
        ]
        self._land(landed, now)

    def acknowledge_parts(
        self, number: int, first: int, lengths: Sequence[int], now: float
    ) -> bool:
        """Handle a PartAck: the other end holds these parts in memory. False when the frame is
        invalid."""
        message = self._schedule.get(number)
        if message is None:
            return True
        pieces = message.pieces
        if first + sum(lengths) > len(pieces):
            return False
        held = 0
        landed: list[Piece] = []
        for start, end in spans(first, lengths):
            held |= (1 << end) - (1 << start)
            landed += [piece for piece in pieces[start:end] if not piece.is_settled]
        if message.tries > 1:
            # After a silence, a part that a PartAck no longer names was lost at the other end: by a
            # restart, or because its memory was full.
            self._retry(
                [piece for piece in pieces if piece.is_settled and not held >> piece.index & 1], now
            )
        if held & ~message.ever_held:
            # The other end answers, so the count of tries begins again.
            message.ever_held |= held
            message.tries = 1
            message.had_last_chance = False
            self._schedule.postpone(message, now)
        if landed:
            self._land(landed, now)
        return True

    def handle_timer(self, now: float) -> None:
        """Make the timed tries that are due, or a probe. A late call makes one try each, not all
        those missed."""
        overdue, tried = self._schedule.overdue(now), len(self.messages)
        for message in overdue:
            if message.tries < self._policy.tries:
                self._try_again(message, now)
                message.tries += 1
            elif now - message.deadline > self._policy.last_chance and not message.had_last_chance:
                message.had_last_chance = True
                self._try_again(message, now)
            else:
                self._give_up(message)
        if len(self.messages) < tried:
            self._give_up_waiting(now)
        probe_at = self._congestion.next_probe()
        if overdue:
            self._congestion.drop_finished()
        elif probe_at is not None and probe_at <= now:
            self._retry_early(self._congestion.probe(self._room, now))

    def next_timer(self) -> float | None:
        """Return when the next timed try or probe is due."""
        try_at, probe_at = self._schedule.next_deadline(), self._congestion.next_probe()
        if try_at is None or probe_at is None:
            return probe_at if try_at is None else try_at
        return min(try_at, probe_at)

    def _land(self, pieces: list[Piece], now: float) -> None:
        self._congestion.on_acked(pieces, now)
        self._retry_early(self._congestion.take_lost())

    def _retry_early(self, pieces: list[Piece]) -> None:
        """Queue a fast retry or a probe: it comes on top of the timed tries, and is limited for
        each part."""
        for piece in pieces:
            if piece.extra < self._policy.extra_sends:
                piece.extra += 1
                self._send_queue.retry(piece)

    def _try_again(self, message: OutgoingMessage, now: float) -> None:
        if message.tries > 1:
            self._events.append(Unanswered(message.number, message.tries))
        self._schedule.postpone(message, now)
        missing = [piece for piece in message.pieces if not piece.is_settled]
        # All parts are held at the other end, and yet the message is not stored: its last part asks
        # again.
        self._retry(missing or message.pieces[-1:], now)

    def _retry(self, pieces: list[Piece], now: float) -> None:
        for piece in pieces:
            piece.is_settled = False
            self._congestion.on_timeout(piece, now)
            self._send_queue.retry(piece)

    def _give_up(self, message: OutgoingMessage) -> None:
        del self.messages[message.number]
        self._drop(message)
        self._events.append(GaveUp(message.number, message.tries))
        self._given_up[message.number] = message
        if len(self._given_up) > self._policy.remembered:
            del self._given_up[next(iter(self._given_up))]

    def _give_up_waiting(self, now: float) -> None:
        """Give up the messages that were never sent: the path has been silent for as long as they
        have waited."""
        since = now - self._policy.give_up_after
        if self._congestion.last_ack_at > since:
            return
        for message in list(self.messages.values()):
            if not message.tries and message.asked_at <= since:
                self._give_up(message)

    def _acknowledge_late(
        self, first: int, lengths: Sequence[int], now: float, mark: SyncMark
    ) -> None:
        for start, end in spans(first, lengths):
            for number in [number for number in self._given_up if start <= number < end]:
                message = self._given_up.pop(number)
                self._events.append(
                    Acknowledged(number, message.sends, message.sent_for(now), mark)
                )

    def _drop(self, message: OutgoingMessage) -> None:
        self._schedule.forget(message.number)
        for piece in message.pieces:
            self._congestion.forget(piece)
            piece.is_settled = True
            piece.encoded = b""
