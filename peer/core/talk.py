"""This file is about what is said in one visit of the help desk, from one end of it (clause 13).

Lines of ours have rising numbers and are kept until the registry has taken or refused them; lines of the other end have
positions, and one is shown once. It must not know which end it is, nor when a link is up.
"""

from typing import Final

from wire.messages.desk.talking import DeskLine, SayAtDesk


class Talk:
    """One end. `heard`: the highest position that was shown, in an earlier life of the program too."""

    def __init__(self, visit: int, *, heard: int = 0) -> None:
        self.visit: Final = visit
        self.heard = heard
        self._came = heard
        self._last = 0
        self._lines: dict[int, str] = {}

    def say(self, text: str, *, wall: float) -> SayAtDesk:
        """A line of ours; its number is above every earlier one, of an earlier life too (the clock in microseconds)."""
        self._last = max(self._last + 1, int(wall * 1_000_000))
        self._lines[self._last] = text
        return SayAtDesk(self.visit, self._last, text)

    def unanswered(self) -> list[SayAtDesk]:
        """Lines of ours that are to be sent (again) on a new link, in order."""
        return [SayAtDesk(self.visit, number, text) for number, text in self._lines.items()]

    @property
    def is_settled(self) -> bool:
        """Whether every line of ours was taken or refused."""
        return not self._lines

    def taken(self, number: int) -> list[SayAtDesk]:
        """The registry has all lines up to this number. One above all of ours was given in an earlier life, by a clock that
        has been set back since: ours were taken for repeats, and are to be said again under higher numbers."""
        if number > self._last:
            texts, self._lines, self._last = list(self._lines.values()), {}, number
            for text in texts:
                self._last += 1
                self._lines[self._last] = text
            return self.unanswered()
        for one in [one for one in self._lines if one <= number]:
            del self._lines[one]
        return []

    def refused(self, number: int) -> bool:
        """This line will not arrive; false when it was none of ours, or answered before."""
        return self._lines.pop(number, None) is not None

    def take(self, line: DeskLine) -> bool:
        """A line of the other end; false for one that came before."""
        is_new = line.position > self._came
        self._came = max(self._came, line.position)
        return is_new

    def shown(self, position: int) -> None:
        """All lines up to this one have been shown."""
        self.heard = max(self.heard, position)
