"""This file is about names that are not in our table: the registry is asked, and somebody waits for what it says.

It knows questions and their deadlines. Whoever waits asks again after each turn, or loses interest without a word.
"""

import enum
from typing import Final

from peer.core.table import Table
from wire.delivery.policy import Policy

NOBODY: Final = "nobody of that name is known here"
"""Why a message to an unknown name is refused."""


class Search:
    """One name that is being looked for."""

    __slots__ = ("deadline", "has_rung", "question")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.has_rung = False
        self.question = 0
        """The question for rows whose answer settles it; 0 while there is no link to ask on."""


class LookUp(enum.Enum):
    """What is known of a name."""

    KNOWN = "it is in the table"
    BLOCKED = "its key is not the one that we hold"
    UNKNOWN = "nobody has it: the registry says so, or we are not to ask it"
    UNANSWERED = "it is not in the table, and the registry does not say whose it is"
    ASKING = "the registry is being asked"


class LookUps:
    """All names that are being looked for."""

    def __init__(self, table: Table, policy: Policy) -> None:
        self._table = table
        self._span = policy.give_up_after
        self._open: dict[str, Search] = {}

    def find(self, name: str, *, can_ask: bool, now: float) -> LookUp:
        """What is known of a name that is not in the table: the registry is asked as long as it is ASKING."""
        one = self._open.get(name)
        # One that is long over was asked by somebody who has gone since.
        if one is None or now >= one.deadline + self._span:
            one = self._open[name] = Search(now + self._span)
        if not one.question and can_ask:
            self._table.fetch_anew(now=now)
            one.question = self._table.asked
            return LookUp.ASKING
        is_answered = 0 < one.question <= self._table.answered
        if now < one.deadline and not is_answered:
            return LookUp.ASKING
        self.forget(name)
        return LookUp.UNKNOWN if is_answered else LookUp.UNANSWERED

    def forget(self, name: str) -> None:
        """It is found, or not looked for any more."""
        self._open.pop(name, None)

    def handle_timer(self, *, now: float) -> None:
        """Ring once for each deadline; what nobody asks about after that is forgotten."""
        for name, one in list(self._open.items()):
            one.has_rung = now >= one.deadline
            if now >= one.deadline + self._span:
                del self._open[name]

    def next_timer(self) -> float | None:
        """The earliest deadline that has not rung."""
        return min((one.deadline for one in self._open.values() if not one.has_rung), default=None)
