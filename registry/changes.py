"""This file is about the order in which things last changed: "what changed after version n" costs only its answer.

Theory: a log of (version, thing) in rising order. A thing that changes again is blanked at its old place and appended;
when blanks outnumber things, the log is written anew. So a search is a bisection, a page is a walk, and the upkeep of a
change is constant on average. It must not know what the things are.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

Thing = TypeVar("Thing")

_BLANKS_ALLOWED = 64


class ChangeLog(Generic[Thing]):
    """Things by the version of their last change. Whoever appends keeps the place that `append` returns."""

    __slots__ = ("_blanks", "_things", "_versions")

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._things: list[Thing | None] = []
        self._blanks = 0

    def __len__(self) -> int:
        return len(self._things) - self._blanks

    def append(self, version: int, thing: Thing) -> int:
        """`version` is above all before it. The place is good until `wants_rewriting`."""
        self._versions.append(version)
        self._things.append(thing)
        return len(self._things) - 1

    def blank(self, place: int) -> None:
        """The thing at this place changes again."""
        self._things[place] = None
        self._blanks += 1

    def after(self, version: int) -> Iterator[tuple[int, Thing]]:
        """What changed after `version`, oldest change first."""
        versions, things, begin = self.walk(version)
        for place in range(begin, len(things)):
            thing = things[place]
            if thing is not None:
                yield versions[place], thing

    def walk(self, version: int) -> tuple[Sequence[int], Sequence[Thing | None], int]:
        """The versions, the things with blanks (None) among them, and where those after `version` begin.

        For whoever walks a million of them: to be read at once, and not to be changed."""
        return self._versions, self._things, bisect_right(self._versions, version)

    @property
    def wants_rewriting(self) -> bool:
        """Whether blanks outnumber things."""
        return self._blanks > len(self) + _BLANKS_ALLOWED

    def rewrite(self) -> Iterator[tuple[int, Thing]]:
        """Drop the blanks; each thing with its new place."""
        kept = list(self.after(-1))
        self._versions = [version for version, _ in kept]
        self._things = [thing for _, thing in kept]
        self._blanks = 0
        return enumerate(thing for _, thing in kept)
