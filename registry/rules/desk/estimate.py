"""How long visitors may still wait: the line is played forward many times from what is known now.

Known are the lengths of the last sessions, since when each operator has been serving, and how many
visitors left the line unserved. Nothing is drawn at random: the numbers that stand for chance are
the same in each play, so the same desk has the same estimate. Times are seconds.
"""

import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from functools import cache
from heapq import heapify, heapreplace
from statistics import NormalDist, fmean, pvariance
from typing import Final, NamedTuple

SESSIONS_NEEDED: Final = 3
"""With fewer sessions there is no estimate."""

SESSIONS_COUNTED: Final = 60
"""How many of the last sessions count: a desk in the afternoon is not the desk of the morning."""

EARLY_SHARE: Final = 0.03
LATE_SHARE: Final = 0.05
"""The shares of the plays that may end before and after the range. The promise is 0.1 and 0.2 for
both together: the rest is for what the plays do not know."""

PLAYS: Final = 64
"""How often the line is played; an even number."""

PLAYED_AHEAD_MAX: Final = 128
"""How many positions are played. The ranges behind them grow in proportion to the position."""

_WAITED: Final = 1.0
"""Seconds after which a visitor counts as one who waited, and might have left."""
_CELLS: Final = 256
"""Quantiles of a table of lengths."""
_DRAWS: Final = 61
"""Numbers of one play, used in a circle; a prime, so that no number of operators meets the same
ones each time."""
_TAIL: Final = 0.3
_TAIL_OF_FEW: Final = 1.5
"""Beyond the longest session: the mean logarithm of how many times longer a session may be, and
what few sessions add."""
_TAIL_MAX: Final = 2.1
"""Its highest value: eight times as long."""
_DOUBT: Final = 1.2
_DOUBT_SESSIONS: Final = 3
"""The relative spread of lengths to assume before any is known, and how many sessions that
assumption weighs."""


class Session(NamedTuple):
    """A session that is over."""

    took: float
    waited: float
    """How long its visitor waited."""
    left: int = 0
    """How many visitors left the line unserved since the session before it."""
    left_after: float = 0.0
    """How long these had waited, together."""


class Busy(NamedTuple):
    """An operator's session that is under way."""

    took: float
    """Until now."""
    waited: float


class Now(NamedTuple):
    """What a queue is like at this moment."""

    operators: Sequence[Busy | None]
    """Each operator on duty; None for one who serves nobody."""
    waited: float = 0.0
    """How long those in the line have waited until now, together."""


class Range(NamedTuple):
    """The shortest and the longest wait to expect, in whole seconds."""

    least: int
    most: int
    """At least 1."""


class Leaving(NamedTuple):
    """How visitors leave the line unserved, in two ways to see it: half of the plays believe in
    each."""

    share: float
    """Each visitor leaves before their turn with probability 1 - exp(-share), however long they
    wait."""
    rate: float
    """Each visitor leaves with this probability a second."""


class WaitEstimates:
    """The sessions of one queue that count, and the ranges that follow from them."""

    def __init__(self) -> None:
        self._sessions: deque[Session] = deque(maxlen=SESSIONS_COUNTED)
        self._left, self._left_after = 0, 0.0
        self.version = 0
        """Rises with each session that is over. Who leaves the line changes the ranges too, but
        only a little, and anybody can join and leave many times a second."""

    def note(self, session: Session) -> None:
        """Add a session that is over; those who left before it come with it."""
        self.version += 1
        self._sessions.append(
            session._replace(took=max(session.took, 1.0), waited=max(session.waited, 0.0))
        )

    def note_left(self, waited: float) -> None:
        """Note that a visitor left the line unserved. One who left at once has not waited, and does
        not count."""
        if waited < _WAITED:
            return
        self._left += 1
        self._left_after += waited

    def take_left(self) -> tuple[int, float]:
        """Return how many visitors left since the last call, and how long they had waited together:
        for the session that has just ended."""
        left = self._left, self._left_after
        self._left, self._left_after = 0, 0.0
        return left

    def ranges(self, positions: int, now: Now) -> list[Range]:
        """Return the range of each position from 1 to `positions`; empty if there is no
        estimate."""
        if len(self._sessions) < SESSIONS_NEEDED or not now.operators or positions < 1:
            return []
        played = min(positions, PLAYED_AHEAD_MAX)
        lengths = _Lengths([session.took for session in self._sessions], now)
        leaving = self._leaving(now)
        plays = [_play(played, which, lengths, now, leaving) for which in range(PLAYS)]
        weights = [0.0 if which % 2 else leaving.rate for which in range(PLAYS)]
        ranges = [_range(waits, weights) for waits in zip(*plays, strict=True)]
        last, behind = ranges[-1], range(played + 1, positions + 1)
        return ranges + [
            Range(last.least * at // played, -(-last.most * at // played)) for at in behind
        ]

    def _leaving(self, now: Now) -> Leaving:
        busy = [operator for operator in now.operators if operator is not None]
        left = self._left + sum(session.left for session in self._sessions)
        waits = [session.waited for session in self._sessions] + [
            operator.waited for operator in busy
        ]
        called = sum(wait >= _WAITED for wait in waits)
        waited = (
            now.waited
            + sum(waits)
            + self._left_after
            + sum(session.left_after for session in self._sessions)
        )
        return Leaving(-math.log(1 - left / (left + called + 1)), left / waited if waited else 0.0)


class _Lengths:
    """The lengths that a session may have: a table of quantiles of equal weight.

    Sessions that are under way count as at least as long as they are (as Kaplan and Meier do).
    Otherwise a desk that has just opened would know the short ones only.
    """

    def __init__(self, took: list[float], now: Now) -> None:
        under_way = [max(operator.took, 1.0) for operator in now.operators if operator is not None]
        self.tail: Final = _TAIL + _TAIL_OF_FEW / len(took)
        self.table: Final = self._quantiles(took, under_way)
        count, spread = len(took), pvariance(self.table) / fmean(self.table) ** 2
        spread = (spread * count + _DOUBT**2 * _DOUBT_SESSIONS) / (count + _DOUBT_SESSIONS)
        self.doubt: Final = math.sqrt(spread / count)
        """The relative error of the mean length."""

    def _quantiles(self, took: list[float], under_way: list[float]) -> list[float]:
        ended = [(span, True) for span in took] + [(span, False) for span in under_way]
        logs, shares = [0.0], [0.0]
        for rank, (span, is_over) in enumerate(sorted(ended)):
            if is_over:
                rest = 1 - shares[-1]
                shares.append(shares[-1] + rest / (len(ended) + 1 - rank))
                logs.append(math.log(span))
        logs[0] = logs[1] - self.tail
        starts = [logs[-1], *(log for log in map(math.log, under_way) if log > logs[-1])]
        beyond = sorted(start + min(self.tail * far, _TAIL_MAX) for start in starts for far in _FAR)
        spans: list[float] = []
        for cell in range(_CELLS):
            share = (cell + 0.5) / _CELLS
            at = bisect_right(shares, share)
            if at == len(shares):
                log = beyond[int((share - shares[-1]) / (1 - shares[-1]) * len(beyond))]
            else:
                part = (share - shares[at - 1]) / (shares[at] - shares[at - 1])
                log = logs[at - 1] + part * (logs[at] - logs[at - 1])
            spans.append(math.exp(log))
        return spans

    def left_of(self, took: float, cell: int, far: float) -> float:
        """Return how long a session goes on that has taken so long. `cell`, of the table, and
        `far`, from 0 on, stand for chance."""
        past = bisect_right(self.table, took)
        if past == _CELLS:
            return took * self.tail * far
        return max(self.table[past + cell * (_CELLS - past) // _CELLS] - took, 0.0)


def _play(positions: int, which: int, lengths: _Lengths, now: Now, leaving: Leaving) -> list[float]:
    """Return when each position is called in one play."""
    cells, patience, error = _chances()[which]
    scale = math.exp(lengths.doubt * error - lengths.doubt**2 / 2)
    free_at = [
        0.0
        if one is None
        else scale * lengths.left_of(one.took / scale, cells[at % _DRAWS], patience[at % _DRAWS])
        for at, one in enumerate(now.operators)
    ]
    heapify(free_at)
    table = lengths.table
    share, rate = (leaving.share, 0.0) if which % 2 else (0.0, leaving.rate)
    waits: list[float] = []
    for at in range(len(free_at), len(free_at) + positions):
        wait, draw = free_at[0], at % _DRAWS
        waits.append(wait)
        if patience[draw] >= share + rate * wait:
            heapreplace(free_at, wait + scale * table[cells[draw]])
    return waits


def _range(waits: Sequence[float], rates: Sequence[float]) -> Range:
    """Return the range of one position. A play in which its visitor would rather leave counts less:
    a range is kept for those who are called. `rates`: how fast the visitor leaves, in each play."""
    weighed = sorted(
        (wait, math.exp(-rate * wait)) for wait, rate in zip(waits, rates, strict=True)
    )
    total, past = sum(weight for _, weight in weighed), 0.0
    least, most = None, weighed[-1][0]
    for wait, weight in weighed:
        past += weight
        if least is None and past >= EARLY_SHARE * total:
            least = wait
        if past >= (1 - LATE_SHARE) * total:
            most = wait
            break
    return Range(int(least or 0.0), max(math.ceil(most), 1))


_FAR: Final = [-math.log(1 - (at + 0.5) / 16) for at in range(16)]
"""Quantiles of the exponential distribution."""


class _Chances(NamedTuple):
    """The numbers that stand for chance in one play."""

    cells: list[int]
    """Of the table of lengths, evenly."""
    patience: list[float]
    """Exponentially, with mean 1."""
    error: float
    """Of the mean length, normally."""


@cache
def _chances() -> list[_Chances]:
    """Return the numbers of all plays. Each number is spread evenly over the plays, which needs far
    fewer of them."""
    shuffler = random.Random(1)

    def spread() -> list[float]:
        values = [(at + 0.5) / PLAYS for at in range(PLAYS)]
        shuffler.shuffle(values)
        return values

    cells = zip(*([int(_CELLS * draw) for draw in spread()] for _ in range(_DRAWS)), strict=True)
    patience = zip(
        *([-math.log(1 - draw) for draw in spread()] for _ in range(_DRAWS)), strict=True
    )
    errors = map(NormalDist().inv_cdf, spread())
    return [
        _Chances(list(drawn), list(patient), error)
        for drawn, patient, error in zip(cells, patience, errors, strict=True)
    ]
