"""This file is about what happens to an operator of the help desk, as values for whoever shows it.

It knows no lines and no messages of the wire.
"""

import enum

import msgspec


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """We are on duty for a queue now, or not any more."""

    is_on: bool
    queue: str


class ClientCame(msgspec.Struct, frozen=True, kw_only=True):
    """We serve this visitor from now on: their form, and what an earlier operator says."""

    visit: int
    """The number by which requests name this visitor."""
    name: str
    number: str
    issue: str
    queue: str
    waited: int
    """Seconds in the waiting room."""
    is_here: bool
    note: str
    handed_over_by: str
    """Empty: nobody."""
    is_back: bool
    """Whether it is we who are back, and this is whom we served."""


class ClientMove(enum.Enum):
    """What became of our visitor."""

    AWAY = "their link is lost; their place is kept for a while"
    BACK = "they are back"
    LEFT = "they have left"
    LOST = "they did not come back"
    ENDED = "we ended the session"
    GIVEN = "we handed them over"
    TAKEN_BACK = "we were away for too long"
    UNANSWERED = "they were away when they were called"


class ClientChanged(msgspec.Struct, frozen=True, kw_only=True):
    """This became of our visitor."""

    name: str
    move: ClientMove


class ClientSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the visit, by the visitor or an earlier operator. Say `duty.lines_shown` when it was shown."""

    sender: str
    text: str
    visit: int
    position: int


class CommandDone(msgspec.Struct, frozen=True, kw_only=True):
    """What we asked of the desk is done, where nothing else tells of it."""

    text: str


class CommandFailed(msgspec.Struct, frozen=True, kw_only=True):
    """What we asked or said at the desk came to nothing, and why."""

    reason: str


class HeldWhat(enum.Enum):
    """What was not carried out."""

    LINE = "a line for the visitor"
    END = "the end of the session, or the call for the next visitor"
    HAND_OVER = "handing the visitor over"
    NOTE = "a note about the visitor"


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What we typed was not carried out: it may have been meant for another visitor than the one we serve now."""

    what: HeldWhat
    former: str
    """The visitor for whom it may have been meant; empty: it was typed while we served nobody."""
    move: ClientMove | None
    """What became of that visitor, if it is known."""
    client: str
    """The visitor whom we serve now; empty: nobody."""


class NumberMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the waiting room was not clear: by our own commands it is another visitor's than the one we saw there."""

    place: int
    was: str
    is_now: str


class RoomVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor, as operators see them. `since`: Unix time."""

    name: str
    issue: str
    since: float
    is_here: bool
    operator: str
    """Who serves them, or for whom they wait; empty: nobody."""


class WaitingRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `.room`. `total`: how many wait, more than are listed where there are very many."""

    queue: str
    operators: int
    served: tuple[RoomVisitor, ...]
    waiting: tuple[RoomVisitor, ...]
    total: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `.stats`. Spans in seconds; `today` is the registry's day."""

    queue: str
    served_today: int
    median_wait: int
    ninetieth_wait: int
    longest_waiting: int
    waiting: int
    operators: int


DutyEvent = (
    DutyChanged
    | ClientCame
    | ClientChanged
    | ClientSaid
    | CommandDone
    | CommandFailed
    | HeldBack
    | NumberMoved
    | WaitingRoom
    | Figures
)
"""All that can happen to an operator."""
