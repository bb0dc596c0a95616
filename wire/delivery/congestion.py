"""Congestion control: how many parts may be in flight, which count as lost, and how long a round
trip takes.

A small version of RFC 9002. Datagrams are numbered as they are sent. The records hold the parts of
each, and a part has the number of the datagram that carried it last.
"""

import random
import sys
from collections import deque
from collections.abc import Iterable

from chatapp.wire.delivery.parts import Piece
from chatapp.wire.delivery.policy import Policy


class CongestionControl:
    """The congestion window, the datagrams in flight in the order in which they were sent, and the
    round-trip estimate."""

    __slots__ = (
        "_credit",
        "_is_opening",
        "_least_rtt",
        "_loss",
        "_newest_landed",
        "_policy",
        "_probes",
        "_quiet_since",
        "_records",
        "_recent_rtts",
        "_recovery",
        "_rng",
        "_sent",
        "_srtt",
        "_stretch",
        "_window",
        "count",
        "last_ack_at",
    )

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self._sent = 0
        self._quiet_since = 0.0
        self.last_ack_at = float("-inf")
        self._stretch = 1.0
        self.restart()

    def restart(self) -> None:
        """Forget what is in flight and all measurements: the path or the other end is a new one."""
        self._window = self._policy.window
        self._is_opening = True
        self.count = 0
        self._credit = 0
        self._loss = 0.0
        # The parts of the newest datagrams, without a gap: the last record is that of number
        # `_sent`.
        self._records: deque[list[Piece]] = deque()
        self._newest_landed = self._recovery = self._sent
        self._srtt: float | None = None
        self._least_rtt = 0.0
        self._recent_rtts: deque[float] = deque(maxlen=self._policy.loss_memory)
        self._probes = 0

    def space(self) -> tuple[int, int]:
        """Return how many more parts the window allows in flight, and for how many datagrams that
        holds."""
        window, initial = self._window, self._policy.window
        if window < initial and (left := self._policy.window_floor - len(self._records)) > 0:
            # Small parts share a datagram, so few datagrams may be in flight although many parts
            # are; a fast retry needs later datagrams.
            return initial - self.count, left
        return window - self.count, sys.maxsize

    @property
    def window(self) -> int:
        """The limit of parts in flight."""
        return self._window

    @property
    def round_trip(self) -> float:
        """The estimate of a round trip, in seconds; 0 while there is none."""
        return self._srtt or 0.0

    def on_sent(self, datagrams: Iterable[list[Piece]], now: float) -> None:
        """Record that these parts were sent, those of a list together in one datagram."""
        sent, count = list(datagrams), self.count
        for datagram, pieces in enumerate(sent, self._sent + 1):
            for piece in pieces:
                if piece.sends:
                    count += not piece.datagram
                    piece.sends += 1
                    piece.sent_again_at = now
                else:
                    count += 1
                    piece.sends = 1
                    piece.first_sent_at = now
                piece.datagram = datagram
        self._records += sent
        self._sent += len(sent)
        self.count = count
        self._quiet_since = now

    def on_acked(self, pieces: list[Piece], now: float) -> None:
        """Settle these parts, which one frame has acknowledged."""
        newest, count = self._newest_landed, self.count
        latest = None
        is_in_use = 2 * count >= self._window
        for piece in pieces:
            piece.is_settled = True
            datagram = piece.datagram
            if datagram:
                piece.datagram = 0
                count -= 1
                # A repeat that is acknowledged faster than any round trip: the acknowledgement
                # answers an earlier copy.
                if datagram > newest and (
                    piece.sends == 1 or now - piece.sent_again_at >= self._least_rtt
                ):
                    newest = datagram
                    latest = piece
        self._newest_landed, self.count = newest, count
        self._quiet_since = self.last_ack_at = now
        self._probes = 0
        if latest is not None:
            self._measure(latest, now)
        self._widen(len(pieces), is_in_use=is_in_use)

    def take_lost(self) -> list[Piece]:
        """Drain the parts that count as lost, because datagrams sent well after theirs were
        acknowledged."""
        records = self._records
        # Nothing in flight: drop all records, so that a path at rest keeps no datagrams in memory.
        limit = self._newest_landed - self._policy.fast_retry_after if self.count else self._sent
        lost: list[Piece] = []
        loss, memory = self._loss, self._policy.loss_memory
        for datagram in range(self._oldest, limit + 1):
            is_lost = 0
            for piece in records.popleft():
                if piece.datagram == datagram:
                    is_lost = 1
                    lost.append(piece)
            loss += (is_lost - loss) / memory
        self._loss = loss
        if lost:
            self._is_opening = False
            if loss > self._policy.loss_tolerated and self._is_congested():
                self._narrow(lost[-1])
            for piece in lost:
                self.forget(piece)
        return lost

    def on_timeout(self, piece: Piece, now: float) -> None:
        """Record that a timed try of this part went unanswered; it is no longer in flight."""
        if piece.datagram:
            # While other parts are acknowledged, they show whether the path is full; a slow part
            # alone does not.
            if now - self.last_ack_at >= self._policy.silence:
                self._narrow(piece)
            self.forget(piece)

    def forget(self, piece: Piece) -> None:
        """Take this part out of flight for a reason that says nothing about the path."""
        if piece.datagram:
            piece.datagram = 0
            self.count -= 1

    def drop_finished(self) -> None:
        """Drop the oldest records of which no part is in flight any more."""
        records = self._records
        for datagram in range(self._oldest, self._sent + 1):
            if any(piece.datagram == datagram for piece in records[0]):
                return
            records.popleft()

    def next_probe(self) -> float | None:
        """Return when the oldest parts in flight are worth another datagram, if nothing is
        acknowledged until then."""
        if not self.count or self._srtt is None or self._probes >= self._policy.extra_sends:
            return None
        silence = max(self._policy.probe_rtts * self._srtt, self._policy.probe_least)
        silence *= self._stretch * 2**self._probes
        return self._quiet_since + silence if silence < self._policy.ack_timeout else None

    def probe(self, room: int, now: float) -> list[Piece]:
        """Return the oldest parts in flight that have an extra send left, up to `room` bytes. They
        stay in flight."""
        self._probes += 1
        self._quiet_since = now
        # Randomised, so that streams that one event has silenced do not all probe at one moment.
        self._stretch = 1.0 + self._rng.random() / 4
        self.drop_finished()
        oldest: list[Piece] = []
        for datagram, pieces in enumerate(self._records, self._oldest):
            for piece in pieces:
                if (
                    piece.datagram == datagram
                    and piece.extra < self._policy.extra_sends
                    and not piece.is_queued
                ):
                    room -= len(piece.encoded)
                    if room < 0:
                        return oldest
                    oldest.append(piece)
        return oldest

    @property
    def _oldest(self) -> int:
        """The number of the oldest datagram in the records; the next one to be sent if they are
        empty."""
        return self._sent + 1 - len(self._records)

    def _measure(self, piece: Piece, now: float) -> None:
        sample = now - piece.first_sent_at
        if piece.sends == 1:
            self._recent_rtts.append(sample)
            self._least_rtt = min(self._least_rtt, sample) if self._least_rtt else sample
            self._srtt = sample if self._srtt is None else self._srtt + (sample - self._srtt) / 8
        elif self._srtt is not None:
            # The acknowledgement of a part that was sent twice may answer either copy (Karn's
            # problem). Measured from the first copy, with little weight: it never shortens the
            # estimate, yet a path that became slower is noticed.
            self._srtt += (min(sample, self._policy.ack_timeout) - self._srtt) / 64

    def _is_congested(self) -> bool:
        """Whether loss comes from a full path: even the shortest recent round trip was long, or too
        much is lost to tell.

        A radio link loses datagrams at random and answers as quickly as ever; a narrower window
        would only slow it down.
        """
        if self._loss > self._policy.loss_unexplained:
            return True
        return self._is_slow()

    def _is_slow(self) -> bool:
        """Whether even the shortest recent round trip shows that datagrams wait in queues."""
        queueing = min(self._recent_rtts, default=0.0) - self._least_rtt
        return queueing > max(self._least_rtt, self._policy.queueing_least)

    def _narrow(self, lost: Piece) -> None:
        # Once for everything that was in flight at this moment (RFC 9002, 7.3.1).
        self._is_opening = False
        if lost.datagram > self._recovery:
            self._recovery = self._sent
            self._window = min(self._window, max(self._policy.window_floor, self._window // 2))

    def _widen(self, landed: int, *, is_in_use: bool) -> None:
        """Widen the window by one part for each round trip, or double it while the path is being
        found out.

        It doubles while at least half of it is used (RFC 9002, 7.3.1 and 7.8): by one part a round
        trip it would take 20 s to fill a path of 0.1 s. The first loss ends that, and so do
        datagrams that wait in queues."""
        if self._is_opening and is_in_use:
            self._is_opening = not self._is_slow()
            self._window = min(self._window + landed, self._policy.window_limit)
            return
        self._credit += landed
        if self._credit >= self._window:
            self._credit = 0
            self._window = min(self._window + 1, self._policy.window_limit)
