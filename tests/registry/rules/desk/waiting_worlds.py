"""Simulated days of a first-come desk, in which each visitor is told a range as at a real one.

    python -m tests.registry.rules.desk.waiting_worlds [days]

prints how the ranges that were told compare with the waits that followed.
"""

import random
import sys
from collections.abc import Callable, Iterator
from heapq import heapify, heapreplace
from itertools import product
from math import log
from statistics import median
from typing import Final, NamedTuple

from chatapp.registry.rules.desk.estimate import Busy, Now, Range, Session, WaitEstimates

MEAN: Final = 300.0
"""Seconds of a session on average."""

VISITORS: Final = 80
"""Visitors of a day, beyond a crowd at the opening."""

LENGTHS: Final[dict[str, Callable[[random.Random], float]]] = {
    "even": lambda chance: chance.uniform(0.8 * MEAN, 1.2 * MEAN),
    "exponential": lambda chance: chance.expovariate(1 / MEAN),
    "lognormal": lambda chance: chance.lognormvariate(log(MEAN) - 0.5, 1.0),
    "bimodal": lambda chance: (
        chance.uniform(60, 120) if chance.random() < 0.75 else chance.uniform(900, 960)
    ),
}


class World(NamedTuple):
    """What a desk is like."""

    operators: int
    lengths: str
    leaving: float
    """The share of those waiting who leave unserved."""
    by_patience: bool = False
    """Whether those leave whose wait exceeds their patience; otherwise a share of those who wait
    leaves, at any moment of what would have been their wait."""


class Told(NamedTuple):
    """A range that a visitor was told, and how long it took from there until the call."""

    range: Range
    wait: float


class _Visit(NamedTuple):
    came: float
    called: float
    over: float
    """The end of the session, or when the visitor left unserved."""
    is_served: bool


def visits_of(world: World, chance: random.Random) -> Iterator[_Visit]:
    """Yield the visits of a day in the order in which visitors come: a crowd at the opening, then
    almost as many as can be served."""
    came = sorted(chance.uniform(0, 200) for _ in range(3 * world.operators + 5))
    while len(came) < VISITORS + 3 * world.operators:
        came.append(
            came[-1] + chance.expovariate(0.97 * world.operators / MEAN / (1 - world.leaving))
        )
    free_at = [0.0] * world.operators
    heapify(free_at)
    for at in came:
        called = max(at, free_at[0])
        stays = _stays_for(world, called - at, chance)
        if stays is not None:
            yield _Visit(at, called, at + stays, is_served=False)
            continue
        over = called + LENGTHS[world.lengths](chance)
        heapreplace(free_at, over)
        yield _Visit(at, called, over, is_served=True)


def _stays_for(world: World, wait: float, chance: random.Random) -> float | None:
    """Return after how long a visitor leaves; None for one who is served."""
    if not wait or not world.leaving:
        return None
    if world.by_patience:
        patience = chance.expovariate(world.leaving / MEAN)
        return patience if patience < wait else None
    return chance.random() * wait if chance.random() < world.leaving else None


def day(world: World, seed: int) -> list[Told]:
    """Play a day from an empty desk. Every visitor is told a range on coming, and every fifth time
    that somebody is called or leaves, all who wait are told theirs again."""
    visits = list(visits_of(world, random.Random(seed)))
    events = sorted(
        (at, kind, number)
        for number, visit in enumerate(visits)
        for at, kind in (
            *([(visit.over, 0), (visit.called, 3)] if visit.is_served else [(visit.over, 1)]),
            (visit.came, 2),
        )
    )
    estimates = WaitEstimates()
    waiting: list[int] = []
    serving: list[int] = []
    told: list[Told] = []

    def look(at: float) -> list[Range]:
        busy: list[Busy | None] = [
            Busy(at - visits[one].called, visits[one].called - visits[one].came) for one in serving
        ]
        busy += [None] * (world.operators - len(busy))
        return estimates.ranges(
            len(waiting), Now(busy, sum(at - visits[one].came for one in waiting))
        )

    def tell(number: int, found: Range, at: float) -> None:
        if visits[number].is_served:
            told.append(Told(found, visits[number].called - at))

    for turn, (at, kind, number) in enumerate(events):
        visit = visits[number]
        if kind == 0:
            serving.remove(number)
            session = Session(
                visit.over - visit.called, visit.called - visit.came, *estimates.take_left()
            )
            estimates.note(session)
        elif kind == 1:
            waiting.remove(number)
            estimates.note_left(at - visit.came)
        elif kind == 2:
            waiting.append(number)
            if visit.called > at and (ranges := look(at)):
                tell(number, ranges[-1], at)
        else:
            waiting.remove(number)
            serving.append(number)
        if kind in (1, 3) and not turn % 5:
            for one, found in zip(waiting, look(at), strict=False):
                tell(one, found, at)
    return told


class Score(NamedTuple):
    """How well the ranges held."""

    told: int
    within: float
    early: float
    """The share that was called before the range."""
    width: float
    """The median width as a ratio of the median wait."""


def score(told: list[Told]) -> Score:
    """Judge ranges by what came."""
    within = sum(one.range.least <= one.wait <= one.range.most for one in told)
    early = sum(one.wait < one.range.least for one in told)
    width = median(one.range.most - one.range.least for one in told) / median(
        one.wait for one in told
    )
    return Score(len(told), within / len(told), early / len(told), width)


def main(days: int) -> None:
    """Print the score of each world over so many days."""
    print(
        f"{'operators':>9} {'lengths':<12} {'leaving':<14} {'told':>6} {'within':>7} {'early':>6} {'width':>6}"
    )
    for operators, lengths, (leaving, by_patience) in product(
        range(1, 9), LENGTHS, ((0.0, False), (0.2, False), (0.4, False), (0.4, True))
    ):
        world = World(operators, lengths, leaving, by_patience)
        found = score([one for seed in range(days) for one in day(world, seed)])
        how = "by patience" if by_patience else f"{leaving:.0%}"
        print(
            f"{operators:>9} {lengths:<12} {how:<14} {found.told:>6} {found.within:>7.1%} {found.early:>6.1%} "
            f"{found.width:>6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
