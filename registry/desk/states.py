"""This file is about where a visit stands: the states, what can happen, and the one table of what follows from what.

An absent entry is a mistake of ours, never a stranger's: whoever hears a stranger looks first whether the event fits.
"""

import enum
from typing import Final


class VisitState(enum.Enum):
    """Where a visit stands."""

    JOINING = "in line; its record is on its way to the disk, and nobody is told of it"
    WAITING = "in line, in reach"
    MISSED = "in line, out of reach for a moment: nobody behind is called before"
    AWAY = "in line, out of reach for longer: others are called first, the place is kept"
    SERVED = "with an operator, in reach"
    ABSENT = "with an operator, out of reach"
    OVER = "over"


class VisitEvent(enum.Enum):
    """What can happen to a visit."""

    KEPT = "its record is on the disk"
    LOST = "the link is lost"
    RETURNED = "a new link shows the ticket"
    PASSED_OVER = "out of reach for too long to keep others waiting"
    CALLED = "an operator is free"
    UNANSWERED = (
        "back in line where it was: called, and the link was lost before the visitor showed a sign of life"
    )
    PUT_BACK = "to the head of the line: the operator has vanished, or hands over to one who is busy"
    HANDED_OVER = "another operator serves"
    ENDED = "over, for whatever cause"


_LINE: Final = (VisitState.JOINING, VisitState.WAITING, VisitState.MISSED, VisitState.AWAY)

TRANSITIONS: Final[dict[tuple[VisitState, VisitEvent], VisitState]] = {
    (VisitState.JOINING, VisitEvent.KEPT): VisitState.WAITING,
    (VisitState.JOINING, VisitEvent.LOST): VisitState.MISSED,
    (VisitState.JOINING, VisitEvent.RETURNED): VisitState.JOINING,
    (VisitState.WAITING, VisitEvent.LOST): VisitState.MISSED,
    (VisitState.WAITING, VisitEvent.RETURNED): VisitState.WAITING,
    (VisitState.WAITING, VisitEvent.CALLED): VisitState.SERVED,
    (VisitState.MISSED, VisitEvent.RETURNED): VisitState.WAITING,
    (VisitState.MISSED, VisitEvent.PASSED_OVER): VisitState.AWAY,
    (VisitState.AWAY, VisitEvent.RETURNED): VisitState.WAITING,
    (VisitState.SERVED, VisitEvent.LOST): VisitState.ABSENT,
    (VisitState.SERVED, VisitEvent.UNANSWERED): VisitState.MISSED,
    (VisitState.SERVED, VisitEvent.RETURNED): VisitState.SERVED,
    (VisitState.SERVED, VisitEvent.HANDED_OVER): VisitState.SERVED,
    (VisitState.SERVED, VisitEvent.PUT_BACK): VisitState.WAITING,
    (VisitState.ABSENT, VisitEvent.RETURNED): VisitState.SERVED,
    (VisitState.ABSENT, VisitEvent.HANDED_OVER): VisitState.ABSENT,
    (VisitState.ABSENT, VisitEvent.PUT_BACK): VisitState.MISSED,
    **{(state, VisitEvent.ENDED): VisitState.OVER for state in VisitState if state is not VisitState.OVER},
}


def is_in_line(state: VisitState) -> bool:
    """Whether a visit in this state has a position."""
    return state in _LINE
