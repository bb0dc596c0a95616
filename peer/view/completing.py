"""Completion with Tab: first what all candidates share, then each of them in turn."""

from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.commands.completion import common_start
from chatapp.peer.words.formatting import Candidate


class Replacement(msgspec.Struct, frozen=True):
    """The last `replaces` characters before the cursor become `text`."""

    text: str
    replaces: int


class Completing:
    """One completion, from the first Tab on until another key is pressed."""

    def __init__(self, offered: Callable[[str], list[Candidate]]) -> None:
        """`offered`: returns the ways to complete a text, the likeliest first."""
        self._offered: Final = offered
        self.candidates: list[Candidate] = []
        self.chosen: int | None = None
        """Which candidate stands in the input; None: what they share."""
        self._length = 0
        """Characters before the cursor that the completion has put there."""

    @property
    def is_on(self) -> bool:
        """Whether candidates are offered."""
        return bool(self.candidates)

    def end(self) -> None:
        """Offer nothing any more."""
        self.candidates, self.chosen = [], None

    def step(self, typed: str, direction: int) -> Replacement | None:
        """Return what Tab (`direction` 1) or Shift-Tab (-1) puts before the cursor; None for
        nothing."""
        if self.candidates:
            count = len(self.candidates)
            first = 0 if direction > 0 else count - 1
            self.chosen = first if self.chosen is None else (self.chosen + direction) % count
            return self._put(self.candidates[self.chosen].text, self._length)
        found = self._offered(typed)
        if not found:
            return None
        if len(found) > 1:
            self.candidates = found
        return self._put(common_start([one.text for one in found]), found[0].replaces)

    def _put(self, text: str, replaces: int) -> Replacement:
        self._length = len(text)
        return Replacement(text, replaces)
