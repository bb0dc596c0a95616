"""This file is about what is said in a visit: lines, and how far each side has taken or shown them.

It knows shapes only, and not which side is which: a visitor and an operator say and are told the same.
"""

import enum

from wire.messages.desk.fields import OfVisit, Text
from wire.messages.table import Count, Name


class SayAtDesk(OfVisit, frozen=True, tag=94):
    """Visitor or operator to registry: a line for the other one. Answered by `LinesTaken` or `LineRefused`."""

    number: Count
    text: Text


class HeardAtDesk(OfVisit, frozen=True, tag=95):
    """Visitor or operator to registry: I have shown all lines of this visit that you sent me up to this position."""

    position: Count


class ReadAtDesk(OfVisit, frozen=True, tag=120):
    """Operator to registry, after `ClientTold`: send me the lines of this visit, and go on with those that are said.

    A visitor's `ReturnToDesk` says the same.
    """

    heard: Count
    """The highest position of the visit that I have shown; 0 for none, or not known any more."""
    with_own: bool
    """Whether I want my own lines too, so far: my program does not know them."""


# --- what both sides are told


class DeskLine(OfVisit, frozen=True, tag=111):
    """Registry to visitor or operator: a line of the visit that the reader did not say themself."""

    position: Count
    operator: Name
    """Who said it; empty: the visitor did."""
    at: Count
    """The registry's Unix time in milliseconds when it took the line."""
    text: Text


class LinesTaken(OfVisit, frozen=True, tag=112):
    """Registry to visitor or operator: your lines up to this number are on disk, and reach the other one."""

    number: Count


class LineRefusal(enum.IntEnum):
    """Why a line was not taken."""

    NOT_YOUR_TURN = 1
    """The visitor waits: `[Please wait for your turn.]`."""
    NO_CLIENT = 2
    """The operator serves nobody, or this visit is not theirs (any more): `[No active client.]`."""
    FULL = 3
    """The other one is away, and no more is kept for them; say it again later under a new number."""
    TOO_FAST = 4
    """Too many lines a second."""
    NOT_SERVING = 5
    """The registry's disk takes nothing more."""


class LineRefused(OfVisit, frozen=True, tag=113):
    """Registry to visitor or operator: this line was not taken, and will not be under this number."""

    number: Count
    reason: LineRefusal


ConversationRequest = SayAtDesk | HeardAtDesk | ReadAtDesk
ConversationNotice = DeskLine | LinesTaken | LineRefused
