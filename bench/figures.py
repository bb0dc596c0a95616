"""Figures: the results of a run by round, what they are compared with, and whether the goal is met.

Rounds are paired: a ratio is computed within one round, so other load on the machine affects both
sides alike.
"""

import statistics
from collections.abc import Sequence
from typing import Any, Final

import msgspec

LOWER: Final = "<="
HIGHER: Final = ">="


class Figure(msgspec.Struct, kw_only=True):
    """One line of the table. `theirs` is empty where the bound is a number of its own and no
    ratio."""

    goal: str
    what: str
    unit: str
    ours: list[float]
    against: str = ""
    theirs: list[float] = []
    sense: str
    bound: float
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours against theirs, round by round; ours itself where there is no theirs."""
        if not self.theirs:
            return self.ours
        return [
            ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True) if theirs
        ]

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def margin(self) -> float:
        """1 is exactly the goal; 2 is twice as good, 0.5 half as good."""
        ratio = max(self.ratio, 1e-12)
        return self.bound / ratio if self.sense == LOWER else ratio / self.bound

    @property
    def holds(self) -> bool:
        """Whether the goal is met by the median."""
        return self.margin >= 1.0


def middle(values: Sequence[float]) -> float:
    """The median, 0 for none."""
    return statistics.median(values) if values else 0.0


def short(value: float) -> str:
    """Format with three significant digits."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1_000_000:
        return f"{value / 1_000_000:.3g} M"
    if size >= 10_000:
        return f"{value / 1_000:.3g} k"
    return f"{value:.0f}" if size >= 100 else f"{value:.3g}"


class Run(msgspec.Struct, kw_only=True):
    """All results of one run."""

    machine: dict[str, Any]
    rounds: int
    began: str
    seconds: float = 0.0
    figures: list[Figure] = msgspec.field(default_factory=list)
    sides: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """Beside the figures: each side's processor share and whatever else tells whether the load was
    in the way."""
    skipped: list[str] = msgspec.field(default_factory=list)


def load(text: bytes) -> Run:
    """Return a run from the JSON that `save` wrote."""
    return msgspec.json.decode(text, type=Run)


def save(run: Run) -> bytes:
    """Write JSON, with ratios and verdicts for readers other than the bench."""
    plain = msgspec.to_builtins(run)
    for figure, told in zip(run.figures, plain["figures"], strict=True):
        told["ratio"], told["margin"], told["holds"] = figure.ratio, figure.margin, figure.holds
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"
