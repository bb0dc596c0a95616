"""The parts on the way: how many may be, which are lost, and how long a round trip takes.

It knows when each part last left, in which datagram, and what has been acknowledged since (RFC 9002 in small).
"""

import random
from collections import deque

from chatapp.wire.delivery.parts import Piece
from chatapp.wire.delivery.policy import Policy


class CongestionControl:
    """The window, the datagrams on the way in the order in which they left, and the estimate of a round trip."""

    __slots__ = (
        "_credit",
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
        "heard_at",
    )

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self._sent = 0
        self._quiet_since = 0.0
        self.heard_at = float("-inf")
        self._stretch = 1.0
        self.restart()

    def restart(self) -> None:
        """A new path or a new remote: what is on the way counts no more, nor what was measured."""
        self._window = self._policy.window
        self.count = 0
        self._credit = 0
        self._loss = 0.0
        self._records: deque[tuple[int, list[Piece]]] = deque()
        self._newest_landed = self._recovery = self._sent
        self._srtt: float | None = None
        self._least_rtt = 0.0
        self._recent_rtts: deque[float] = deque(maxlen=self._policy.loss_memory)
        self._probes = 0

    @property
    def space(self) -> int:
        """How many more parts the window lets go."""
        window = self._window
        if len(self._records) < self._policy.window_floor:
            # Small parts share a datagram, and a fast retry takes later datagrams.
            window = max(window, self._policy.window)
        return window - self.count

    @property
    def window(self) -> int:
        """How many parts may be on the way."""
        return self._window

    def depart(self, pieces: list[Piece], now: float) -> None:
        """These leave together in one datagram."""
        self._sent = flight = self._sent + 1
        for piece in pieces:
            if not piece.flight:
                self.count += 1
            if not piece.sends:
                piece.first_sent_at = now
            piece.flight = flight
            piece.sent_at = now
            piece.sends += 1
        self._records.append((flight, pieces))
        self._quiet_since = now

    def land(self, pieces: list[Piece], now: float) -> None:
        """One frame acknowledged these."""
        newest = self._newest_landed
        latest = None
        for piece in pieces:
            flight = piece.flight
            if flight:
                piece.flight = 0
                self.count -= 1
                # A repeat acknowledged faster than any round trip: that was the answer to an earlier copy.
                if flight > newest and (piece.sends == 1 or now - piece.sent_at >= self._least_rtt):
                    newest = flight
                    latest = piece
        self._newest_landed = newest
        self._quiet_since = self.heard_at = now
        self._probes = 0
        if latest is not None:
            self._measure(latest, now)
        self._widen(len(pieces))

    def lost(self) -> list[Piece]:
        """Drains the parts that left so much before an acknowledged datagram that they count as lost."""
        records = self._records
        # Nothing in flight: drop all records, so that a path at rest keeps no datagrams in memory.
        limit = self._newest_landed - self._policy.fast_retry_after if self.count else self._sent
        lost: list[Piece] = []
        while records and records[0][0] <= limit:
            flight, pieces = records.popleft()
            missing = [piece for piece in pieces if piece.flight == flight]
            self._loss += (bool(missing) - self._loss) / self._policy.loss_memory
            lost += missing
        if lost and self._loss > self._policy.loss_tolerated and self._is_congested():
            self._narrow(lost[-1])
        for piece in lost:
            self.forget(piece)
        return lost

    def time_out(self, piece: Piece, now: float) -> None:
        """A timed try of this one went unanswered: it is on the way no more."""
        if piece.flight:
            # While others are answered, it is they that tell how full the path is; a slow one is not a full one.
            if now - self.heard_at >= self._policy.silence:
                self._narrow(piece)
            self.forget(piece)

    def forget(self, piece: Piece) -> None:
        """This one is on the way no more, for no fault of the path."""
        if piece.flight:
            piece.flight = 0
            self.count -= 1

    def tidy(self) -> None:
        """Lets go of the oldest datagrams of which nothing is on the way any more."""
        records = self._records
        while records and all(piece.flight != records[0][0] for piece in records[0][1]):
            records.popleft()

    def next_probe(self) -> float | None:
        """When silence has lasted so long that the oldest parts on the way are worth another datagram."""
        if not self.count or self._srtt is None or self._probes >= self._policy.extra_sends:
            return None
        silence = max(self._policy.probe_rtts * self._srtt, self._policy.probe_least)
        silence *= self._stretch * 2**self._probes
        return self._quiet_since + silence if silence < self._policy.ack_timeout else None

    def probe(self, room: int, now: float) -> list[Piece]:
        """The oldest parts on the way that have an extra send left, up to `room` bytes. They stay on the way."""
        self._probes += 1
        self._quiet_since = now
        # Stretched by chance: streams that one event has silenced do not all probe at one moment.
        self._stretch = 1.0 + self._rng.random() / 4
        self.tidy()
        oldest: list[Piece] = []
        for flight, pieces in self._records:
            for piece in pieces:
                if piece.flight == flight and piece.extra < self._policy.extra_sends and not piece.is_queued:
                    room -= len(piece.encoded)
                    if room < 0:
                        return oldest
                    oldest.append(piece)
        return oldest

    def _measure(self, piece: Piece, now: float) -> None:
        sample = now - piece.first_sent_at
        if piece.sends == 1:
            self._recent_rtts.append(sample)
            self._least_rtt = min(self._least_rtt, sample) if self._least_rtt else sample
            self._srtt = sample if self._srtt is None else self._srtt + (sample - self._srtt) / 8
        elif self._srtt is not None:
            # The answer to a part that was sent twice may be to either copy (Karn's problem). Taken from the first,
            # and with little weight: it never shortens the estimate, yet a path that became slower is found out.
            self._srtt += (min(sample, self._policy.ack_timeout) - self._srtt) / 64

    def _is_congested(self) -> bool:
        """Whether loss comes from a full path: even the quickest recent round trip was long, or too much is lost to tell.

        A radio link loses datagrams at random and answers as quickly as ever; a narrower window would only slow it down.
        """
        if self._loss > self._policy.loss_unexplained:
            return True
        queueing = min(self._recent_rtts, default=0.0) - self._least_rtt
        return queueing > max(self._least_rtt, self._policy.queueing_least)

    def _narrow(self, lost: Piece) -> None:
        # Once for all that was on the way at this moment (RFC 9002, 7.3.1).
        if lost.flight > self._recovery:
            self._recovery = self._sent
            self._window = min(self._window, max(self._policy.window_floor, self._window // 2))

    def _widen(self, landed: int) -> None:
        self._credit += landed
        if self._credit >= self._window:
            self._credit = 0
            self._window = min(self._window + 1, self._policy.window_limit)
