"""Typed lines of which it is not known yet what became of them: they stand right above the prompt.

When a line is settled, it moves up to the lines that were shown, with a mark behind it. So the mark stands beside its line,
and lines that have moved up never change.
"""

from typing import Final

import msgspec

from chatapp.peer.ui.terminals.layout import MARGIN, TIME, wrapped
from chatapp.peer.words.formatting import Fragments, Mark, TypedLine, shown_clock

HELD_SHOWN: Final = 5
"""Held lines that are drawn; the others are counted."""

_MARK: Final = "class:mark"
MARKS: Final = {
    Mark.RECEIVED: ("class:mark.received", "\u2713", "ok"),
    Mark.SAVED: (_MARK, "\u25a3", "saved"),
    Mark.KEPT: ("class:mark.kept", "\u29d6", "kept"),
    Mark.REFUSED: ("class:mark.refused", "\u2717", "refused"),
}
"""The style, the sign, and the word where the terminal is not written to in UTF-8."""


class Held(msgspec.Struct, frozen=True):
    """A typed line as it is shown."""

    typed: TypedLine
    shown: str
    hang: int
    """The cells by which all rows but the first are indented."""
    at: float
    """When it was typed, in Unix seconds."""


class HeldLines:
    """The held lines of one terminal, the oldest first."""

    def __init__(self, *, is_utf8: bool) -> None:
        self._held: list[Held] = []
        self._sign = 1 if is_utf8 else 2
        self._waits = "\u2026" if is_utf8 else "..."

    def add(self, held: Held) -> None:
        """Hold a line."""
        self._held.append(held)

    def take(self, typed: TypedLine) -> Held | None:
        """Let go of a line; None if it is not held."""
        for at, held in enumerate(self._held):
            if held.typed is typed:  # the same text may be typed twice
                return self._held.pop(at)
        return None

    def marked(self, held: Held, mark: Mark | None) -> Fragments:
        """Return a line that is settled."""
        if mark is None:
            return [("", held.shown)]
        return [("", f"{held.shown}  "), (MARKS[mark][0], MARKS[mark][self._sign])]

    def rows(self, width: int) -> list[Fragments]:
        """Return the rows that stand above the prompt."""
        rows: list[Fragments] = []
        for held in self._held[-HELD_SHOWN:]:
            line = [(TIME, f"{shown_clock(held.at)[1]} "), ("", f"{held.shown}  "), (_MARK, self._waits)]
            rows += wrapped(line, indent=MARGIN + held.hang, width=width)
        more = len(self._held) - HELD_SHOWN
        return [[(_MARK, f"{self._waits} {more}"[:width])], *rows] if more > 0 else rows
