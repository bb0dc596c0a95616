"""This file is about what a visitor of the help desk says and is told: getting in line, waiting, being served, leaving.

It knows shapes only; what a visitor and an operator say to each other stands in `talking`.
"""

import enum
from typing import Annotated

import msgspec

from wire.limits import DESK_MENU_MAX, DESK_QUEUES_MAX
from wire.messages.desk.fields import (
    FullName,
    Issue,
    MenuText,
    OfVisit,
    PhoneNumber,
    Place,
    QueueName,
    Referring,
    Ticket,
)
from wire.messages.table import Count, Name


class JoinDesk(Referring, frozen=True, tag=90):
    """Guest to registry: let me in line. Answered by `PlaceTold` or `TurnTold` once it is on disk, or `DeskRefused`.

    With a ticket that has a place already it is a `ReturnToDesk` with `heard` = 0: form and queue are not looked at.
    """

    ticket: Ticket
    queue: QueueName
    name: FullName
    """As `wire.forms.full_name` makes it."""
    number: PhoneNumber
    issue: Issue


class ReturnToDesk(Referring, frozen=True, tag=91):
    """Guest to registry, on a new link: I am back. Answered as `JoinDesk`; `NO_SUCH_TICKET` when the place is gone."""

    ticket: Ticket
    heard: Count
    """The highest position of the visit that I have shown; 0 for none, or not known any more."""


class LeaveDesk(Referring, frozen=True, tag=92):
    """Guest to registry: I leave for good. Answered by `VisitOver`. A Leave says the same, and ends the link."""


class AskPlace(Referring, frozen=True, tag=93):
    """Guest to registry: where am I (`.queue`)? Answered by `PlaceTold` or `TurnTold` with cause `ASKED`."""


# --- what a visitor is told


class DeskShown(msgspec.Struct, frozen=True, array_like=True, tag=106):
    """Registry to guest: the first notice on its link; what to ask a visitor for."""

    queues: Annotated[list[QueueName], msgspec.Meta(min_length=1, max_length=DESK_QUEUES_MAX)]
    menu: Annotated[list[MenuText], msgspec.Meta(min_length=1, max_length=DESK_MENU_MAX)]
    region: Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
    """Whose numbers are taken without a country code: `IN`."""
    keep_place: Count
    """Seconds for which a place is kept when the link is lost."""


class PlaceCause(enum.IntEnum):
    """Why a place is told."""

    JOINED = 0
    """You have joined the line: `[Waiting room, position <n>.]`."""
    RETURNED = 1
    """You are back, on a new link or by your ticket."""
    ASKED = 2
    """By `AskPlace`."""
    CHANGED = 3
    """The line before you has changed."""
    OPERATOR_LOST = 4
    """You were being served; the operator has vanished, and you are at the head of the line again."""
    HANDED_OVER = 5
    """You were being served; you wait at the head of the line for the operator to whom you were handed."""
    MISSED_CALL = 6
    """You are back; you were called while you were away, and are in line where you were."""


class PlaceTold(Referring, frozen=True, tag=107):
    """Registry to visitor: you wait. Also pushed whenever the position changes."""

    visit: Count
    cause: PlaceCause
    position: Place
    """From 1; so position - 1 are ahead."""
    operators: Count
    """How many operators are on duty for this queue; 0: nobody serves just now."""
    least: Count
    """The estimate in seconds: from `least` to `most` until it is your turn."""
    most: Count
    """0 for no estimate yet: fewer than three sessions served, or nobody on duty."""


class TurnCause(enum.IntEnum):
    """Why a turn is told."""

    CONNECTED = 0
    """An operator was free when you joined: `[You are connected.]`."""
    CALLED = 1
    """After waiting: `[It's your turn.]`."""
    RETURNED = 2
    """You are back, and still being served."""
    ASKED = 3
    """By `AskPlace`: `[You are active.]`."""
    HANDED_OVER = 4
    """Another operator serves you now, without a wait."""


class TurnTold(Referring, frozen=True, tag=108):
    """Registry to visitor: you are being served, by this operator."""

    visit: Count
    cause: TurnCause
    operator: Name


class OverCause(enum.IntEnum):
    """How a visit came to its end."""

    ENDED = 0
    """The operator ended the session."""
    LEFT = 1
    """The visitor left."""
    DROPPED = 2
    """An operator took them out of the line."""
    LOST = 3
    """Their link was lost, and the time for which a place is kept is over."""
    NOT_KEPT = 4
    """The disk did not take it: the visit never began."""
    ELSEWHERE = 5
    """Only for whoever is told: the visit goes on at another link, where its ticket was shown."""


class VisitOver(OfVisit, frozen=True, tag=109):
    """Registry to visitor: your visit is over; the ticket is worth nothing any more."""

    cause: OverCause


class DeskRefusal(enum.IntEnum):
    """Why somebody is not let in line."""

    BAD_FORM = 1
    """Name, number or issue is not as it must be."""
    NO_SUCH_QUEUE = 2
    NO_SUCH_TICKET = 3
    """The visit of this ticket is over, or never was: join anew, with a new ticket."""
    LINE_FULL = 4
    """Too many wait in this queue."""
    ADDRESS_FULL = 5
    """Too many visitors of your address are here."""
    NOT_SERVING = 6
    """The registry's disk takes nothing more."""
    ONE_VISIT = 7
    """This link has a visit already, by another ticket."""


class DeskRefused(Referring, frozen=True, tag=110):
    """Registry to guest: you are not in line, and why. Also the answer to `AskPlace` and `LeaveDesk` of one who has no
    visit (`NO_SUCH_TICKET`)."""

    reason: DeskRefusal


VisitorRequest = JoinDesk | ReturnToDesk | LeaveDesk | AskPlace
VisitorNotice = DeskShown | PlaceTold | TurnTold | VisitOver | DeskRefused
