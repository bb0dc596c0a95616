"""The soak's verdict: whether each promise was kept, and whether anything grows.

It knows what bots noted, and rows of figures.

A text is `<author> <to> <number>`, and an author's numbers rise: a bot's are its clock when it
wrote that, in microseconds. `to` is one bot, or `#<room>`: then each bot that was in the room from
the start must see it, and others may.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean, median
from typing import Final

from chatapp.wire.delivery.policy import Policy
from tests.faults.ledger import Entry, What

UNMARKED_FOR: Final = 2.0
"""Seconds before a `kill -9` in which a message may have been shown but not marked as shown: it is
shown again."""
HOLD_SPAN: Final = Policy().hold_span
GROWTH: Final = 0.03
"""Share by which a figure may grow between the two times that are compared."""


@dataclass(slots=True)
class Findings:
    """The verdict on the ledgers."""

    promised: int = 0
    shown: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    overtaken: int = 0
    """Shown after a later message that had waited for it as long as messages wait (clause 6.7)."""
    again: int = 0
    """Shown again after a restart, because the program was killed right after the first time: not
    promised otherwise."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def by_promise(self) -> dict[str, list[str]]:
        """For each promise, what broke it: viewer and text."""
        return {
            "nothing is lost": self.lost,
            "nothing is shown twice": self.doubled,
            "each author's words in order": self.late,
            "nothing else went wrong": self.broken,
        }

    @property
    def is_well(self) -> bool:
        """Whether all promises were kept."""
        return not any(self.by_promise().values())


def due_to(text: str, steady: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the bots that must see this. `steady`: for each room, the bots in it from the
    start."""
    author, to, _ = text.split(" ")
    if to.startswith("#"):
        return [member for member in steady[to[1:]] if member != author]
    return [to]


def judge(
    entries: Iterable[Entry],
    *,
    steady: Mapping[str, Sequence[str]],
    kills: Mapping[str, Sequence[float]],
) -> Findings:
    """Judge the entries. `kills`: when each person's program was killed. Entries of one viewer are
    in order."""
    found = Findings()
    promised: list[str] = []
    seen: dict[str, dict[str, float]] = defaultdict(dict)
    streams: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for at, what, who, text in entries:
        match what:
            case What.FATE:
                found.fates[text] += 1
            case What.BROKEN:
                found.broken.append(f"{who}: {text}")
            case What.PROMISED:
                promised.append(text)
            case What.LINK:
                pass
            case What.SHOWN if (before := seen[who].get(text)) is not None:
                is_excused = any(
                    before < kill < at and kill < before + UNMARKED_FOR
                    for kill in kills.get(who, ())
                )
                found.again += is_excused
                if not is_excused:
                    found.doubled.append(f"{who}: {text}")
                seen[who][text] = at
            case What.SHOWN:
                seen[who][text] = at
                found.shown += 1
                author, to, number = text.split(" ")
                stream = streams[who, author, to]
                later = min((other for other in stream if other > int(number)), default=0)
                if later and stream[later] < later / 1_000_000 + HOLD_SPAN:
                    found.late.append(f"{who}: {text}")
                elif later:
                    found.overtaken += 1
                stream[int(number)] = at
    found.promised = len(promised)
    found.lost = [
        f"{who}: {text}"
        for text in promised
        for who in due_to(text, steady)
        if text not in seen[who]
    ]
    return found


@dataclass(frozen=True, slots=True)
class Trend:
    """How a figure changed in a run."""

    name: str
    begin: float
    end: float
    allowed: float
    """The growth between start and end that counts as noise."""

    @property
    def is_flat(self) -> bool:
        """Whether the growth is below that."""
        return self.end - self.begin <= self.allowed


def trend(name: str, points: Sequence[tuple[float, float]], *, noise: float) -> Trend:
    """Return the trend over the last two thirds of a run: the median slope between any two points
    (Theil and Sen), so that what lasts for a moment does not count: a process that was stopped is
    short of links. `points`: (seconds, figure) since the start. `noise`: growth allowed in any
    case."""
    late = points[len(points) // 3 :]
    slope = (
        median((b - a) / (t - s) for (s, a), (t, b) in combinations(late, 2))
        if len(late) > 1
        else 0.0
    )
    begin, end = late[0][0], late[-1][0]
    base = median(figure - slope * (at - begin) for at, figure in late)
    return Trend(
        name,
        base,
        base + slope * (end - begin),
        max(GROWTH * fmean(figure for _, figure in late), noise),
    )


def compared(
    name: str,
    points: Sequence[tuple[float, float]],
    ends: tuple[float, float],
    *,
    span: float,
    noise: float,
) -> Trend:
    """Return the change between two times: the medians of the points in the `span` seconds before
    each of `ends`. `points` and `noise`: as of `trend`."""
    begin, end = (
        median(figure for at, figure in points if last - span <= at <= last) for last in ends
    )
    return Trend(name, begin, end, max(GROWTH * begin, noise))
