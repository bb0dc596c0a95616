"""The parameters of every measure: the number of rounds, the size of each, and the output."""

from typing import Final

from bench.figures import Run, short


class Side:
    """A process of a measure: how much of a core it took."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self._cpu = self._seconds = 0.0

    def add(self, cpu: float, seconds: float) -> None:
        """Add the figures of one round."""
        self._cpu += cpu
        self._seconds += seconds

    @property
    def share(self) -> float:
        """The share of one core; above 1 for programs of several threads."""
        return self._cpu / self._seconds if self._seconds else 0.0


class Plan:
    """The size of a measure, and notes beside the figures."""

    def __init__(self, run: Run, *, quick: bool) -> None:
        self._run = run
        self.rounds_wanted: Final = run.rounds
        self.is_quick: Final = quick

    def rounds(self, most: int | None = None) -> range:
        """Yield the rounds; at most `most` if a round is expensive."""
        return range(self.rounds_wanted if most is None else min(self.rounds_wanted, most))

    def count(self, full: int) -> int:
        """Return `full`, or a tenth of it in a quick run."""
        return max(full // 10, 1) if self.is_quick else full

    def skip(self, why: str) -> None:
        """Record that something could not be measured here."""
        self._run.skipped.append(why)

    def side(self, case: str, *sides: Side, **facts: float | str) -> None:
        """Record each side's share of a core, and other facts."""
        told: dict[str, float | str] = {"case": case}
        told |= {f"{side.name} (cores)": round(side.share, 2) for side in sides}
        told |= {
            key: short(value) if isinstance(value, float) else value for key, value in facts.items()
        }
        self._run.sides.append(told)
