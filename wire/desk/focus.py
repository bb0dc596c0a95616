"""For which visitor an operator means a typed line or a number, in both faces of an operator: the
peer and the registry's console.

A person goes on typing for a moment after the visitor has changed, so what is entered within
`HOLD_BACK_FOR` of a change that the operator did not ask for is held back.
"""

import enum
from typing import Final, NamedTuple

from msgspec.structs import replace

from chatapp.wire.messages.desk import (
    AboutVisit,
    CallNext,
    ClientAssigned,
    ClientChange,
    ClientChanged,
    DropVisitor,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    OperatorRequest,
    RoomShown,
    RoomVisitor,
    TransferVisitor,
)

HOLD_BACK_FOR: Final = 2.0
"""Seconds that a person needs to notice a new visitor and to stop typing for the previous one."""

STILL_SERVED: Final = frozenset({ClientChange.AWAY, ClientChange.BACK, ClientChange.SILENT})
"""Changes after which the operator still serves the visitor."""
_ASKED: Final = frozenset(
    {ClientChange.ENDED, ClientChange.GIVEN, ClientChange.HELD, ClientChange.TRANSFERRED}
)
"""Ends of a session that the operator asked for."""
_NEVER: Final = float("-inf")


class Client(NamedTuple):
    """A visitor whom the operator serves or served."""

    visit: int
    name: str


class Typed(enum.Enum):
    """The kind of line that an operator typed."""

    LINE = "text for the visitor"
    MAYBE_LINE = "text for the visitor that would mean something else if nobody were served: a command, a line for a room"
    COMMAND = "a command about the visitor"


class Held(NamedTuple):
    """A typed line that is not carried out, because it may have been meant for another visitor."""

    former: Client | None
    """The visitor for whom it may have been meant; None if nobody was served."""
    change: ClientChange | None
    """What happened to that visitor, if known."""
    client: Client | None
    """The visitor who is served now."""


class HeldInput(enum.Enum):
    """What was not carried out."""

    LINE = "line"
    """A line for the visitor."""
    END = "end"
    """The end of the session, or the call for the next visitor."""
    HAND_OVER = "hand_over"
    """Handing the visitor over."""
    NOTE = "note"
    """A note about the visitor."""


def held_input(request: OperatorRequest) -> HeldInput:
    """Return what it is that was not carried out, of a command about the visitor."""
    match request:
        case HandOver() | TransferVisitor():
            return HeldInput.HAND_OVER
        case NoteVisitor():
            return HeldInput.NOTE
        case _:
            return HeldInput.END


class Focus:
    """The visitor whom an operator serves, as far as the operator has been shown.

    Each notice is passed in when the operator is shown it.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self._came_at = _NEVER
        """When the operator was shown that visitor, unless a command of the operator brought the
        visitor."""
        self._gone: tuple[Client, ClientChange | None] | None = None
        """The visitor served last, and how that session ended."""
        self._gone_until = _NEVER
        """Lines entered before this time may be meant for that visitor."""
        self._is_end_clear = False
        """Whether the session may be ended without a question: the visitor has spoken, or the
        operator was asked once."""

    # --- what the operator is shown

    def came(self, told: ClientAssigned, *, now: float) -> None:
        """Note that the operator is shown whom they serve now."""
        if self.client is not None and self.client.visit == told.visit:
            return
        self.lost(ClientChange.TAKEN_BACK, now=now)
        self.client, self._is_end_clear = Client(told.visit, told.name), False
        if told.is_asked:
            self._settle()
            return
        self._came_at = now
        if now < self._gone_until:
            self._gone_until = now + HOLD_BACK_FOR

    def changed(self, changed: ClientChanged, *, now: float) -> None:
        """Note that the operator is shown what happened to a visitor."""
        is_served = self.client is not None and self.client.visit == changed.visit
        if is_served and changed.change not in STILL_SERVED:
            self.lost(changed.change, now=now)

    def heard(self, visit: int) -> None:
        """Note that the operator is shown a line of this visit's visitor."""
        if self.client is not None and self.client.visit == visit:
            self._is_end_clear = True

    def lost(self, change: ClientChange | None, *, now: float) -> None:
        """Note that the operator is shown that they no longer serve the visitor; `change` says why,
        if known."""
        if self.client is None:
            return
        self._gone, self.client = (self.client, change), None
        if change in _ASKED:
            self._settle()
        else:
            self._gone_until = now + HOLD_BACK_FOR

    def _settle(self) -> None:
        """Hold nothing back: the operator knows whom they serve."""
        self._came_at = self._gone_until = _NEVER

    # --- what the operator types

    def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text that is not a command is for a visitor: the present one, or one who left a
        moment ago."""
        return self.client is not None or entered_at < self._gone_until

    def meant(self, typed: Typed, *, entered_at: float) -> Client | Held | None:
        """Return the visitor meant by a line that was entered at this time; None when nobody is
        served."""
        # A command about nobody does no harm, and has its own answer.
        is_about = self.client is not None or typed is not Typed.COMMAND
        if is_about and self._gone is not None and entered_at < self._gone_until:
            return Held(*self._gone, self.client)
        if self.client is None:
            return None
        noticed_at = self._came_at + (HOLD_BACK_FOR if typed is Typed.MAYBE_LINE else 0.0)
        if entered_at < noticed_at:
            return Held(None, None, self.client)
        self._settle()  # the operator addresses this visitor, so has noticed who it is
        return self.client

    def doubts_end(self) -> Client | None:
        """Return the visitor who is served and has said nothing, once: the operator is asked before
        the session ends."""
        if self._is_end_clear:
            return None
        self._is_end_clear = True
        return self.client

    def missed(self, visit: int) -> Held:
        """Return what to report of a request that was refused because the operator no longer served
        this visit."""
        if self._gone is not None and self._gone[0].visit == visit:
            return Held(*self._gone, self.client)
        return Held(None, None, self.client)


class StaleNumber(NamedTuple):
    """A number that meant one visitor in the list that was shown, and means another one after the
    operator's own commands. Both fields are names."""

    was: str
    is_now: str


NOT_SHOWN: Final = Client(0, "")
"""The visitor who has a number at the registry, if the operator was not shown who that is."""


class ShownRoom:
    """The waiting room as it was last shown to an operator, whose numbers refer to it."""

    def __init__(self) -> None:
        self._shown: list[RoomVisitor] = []
        self._moved: list[RoomVisitor] = []
        """The same line after the operator's own `.drop` and `.move`."""
        self._total: int | None = None
        """How many waited; None until a room is shown."""

    def shown(self, room: RoomShown) -> None:
        """Note the waiting room that the operator is shown."""
        self._shown, self._moved, self._total = list(room.waiting), list(room.waiting), room.total

    def at(self, position: int) -> Client | StaleNumber | None:
        """Return the visitor who has this number, from 1: `NOT_SHOWN` if the operator has not seen
        that part of the line; None if nobody has it."""
        if self._total is None or len(self._shown) < position <= self._total:
            return NOT_SHOWN
        if not 1 <= position <= len(self._shown):
            return None
        was = self._shown[position - 1]
        now = self._moved[position - 1] if position <= len(self._moved) else was
        return (
            Client(was.visit, was.name)
            if now.visit == was.visit
            else StaleNumber(was.name, now.name)
        )

    def dropped(self, visit: int) -> None:
        """Note that the operator has dropped this visitor from the line."""
        self._moved = [visitor for visitor in self._moved if visitor.visit != visit]

    def moved(self, visit: int, to: int) -> None:
        """Note that the operator has moved this visitor to another number."""
        moved = [visitor for visitor in self._moved if visitor.visit == visit]
        self.dropped(visit)
        self._moved[to - 1 : to - 1] = moved

    def done(self, request: OperatorRequest) -> None:
        """Note that a command of the operator is done."""
        match request:
            case DropVisitor(visit=visit):
                self.dropped(visit)
            case MoveVisitor(visit=visit, to=to):
                self.moved(visit, to)
            case _:
                pass


class Addressed(NamedTuple):
    """A request with the visit that it concerns."""

    request: OperatorRequest
    subject: str = ""
    """The visitor whom a number of the waiting room meant; else empty."""


class SaidNothing(NamedTuple):
    """The visitor whose session a request would end has said nothing: the operator is asked
    first."""

    name: str


def addressed(
    request: OperatorRequest,
    focus: Focus,
    room: ShownRoom,
    *,
    entered_at: float,
    visit: int | None = None,
    asks_first: bool = False,
) -> Addressed | Held | SaidNothing | StaleNumber | None:
    """Return a request with the visit that it concerns, or what is told instead; None if nobody has
    the number that it names. `visit`: what it names, if it was not typed; 0 for nobody.
    `asks_first`: whether the operator can be asked."""
    if isinstance(request, DropVisitor | MoveVisitor):
        meant = Client(request.visit, "") if request.visit else room.at(request.position)
        if not isinstance(meant, Client):
            return meant
        return Addressed(replace(request, visit=meant.visit), meant.name)
    if not isinstance(request, AboutVisit | CallNext):
        return Addressed(request)
    if visit is None:
        client = focus.meant(Typed.COMMAND, entered_at=entered_at)
        if isinstance(client, Held):
            return client
        visit = 0 if client is None else client.visit
    if visit and asks_first and isinstance(request, CallNext) and (silent := focus.doubts_end()):
        return SaidNothing(silent.name)
    return Addressed(replace(request, visit=visit))
