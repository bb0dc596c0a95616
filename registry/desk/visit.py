"""This file is about one visit and one operator as the desk holds them, and what is said of them when they change.

It knows no rules: those are the queue's.
"""

from typing import Final, TypeAlias

import msgspec

from registry.desk.states import VisitEvent, VisitState
from wire.messages.desk.visiting import OverCause, PlaceCause

OperatorId: TypeAlias = bytes
"""The identity of a peer, or the registry's own terminal."""

CONSOLE: Final[OperatorId] = bytes(32)
"""The registry's own terminal or standard input: no key is all zeros."""

NOBODY: Final[OperatorId] = b""


class Form(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a visitor wrote."""

    name: str
    number: str
    issue: str
    """The entry of the menu."""


class Visit:
    """One stay of one visitor. Times of day in milliseconds (they go to the disk), spans in milliseconds too."""

    __slots__ = (
        "called_at",
        "form",
        "given_by",
        "has_answered",
        "has_missed_call",
        "host",
        "is_fresh",
        "is_put_back",
        "joined_at",
        "note",
        "number",
        "operator",
        "queue",
        "rank",
        "served_for",
        "since",
        "state",
        "ticket",
        "wanted",
    )

    def __init__(
        self, number: int, *, queue: str, ticket: bytes, form: Form, host: str, joined_at: int
    ) -> None:
        self.number: Final = number
        self.queue: Final = queue
        self.ticket: Final = ticket
        """The digest of the ticket; the ticket itself is the visitor's alone."""
        self.form: Final = form
        self.host: Final = host
        self.joined_at: Final = joined_at
        self.rank = 0
        """Orders the line; places beside it are given away by halving."""
        self.state = VisitState.JOINING
        self.operator = NOBODY
        self.wanted = NOBODY
        """Only this operator calls them: they were handed over."""
        self.given_by = NOBODY
        """Who handed them over, while they wait for it."""
        self.called_at = 0
        """Of the first call; 0 for none."""
        self.since = 0
        """Of the present call."""
        self.served_for = 0
        """By operators before the present one."""
        self.note = ""
        self.has_answered = False
        """Whether the visitor has shown a sign of life since the present call."""
        self.has_missed_call = False
        """Whether the visitor was called while away, and is to be told on return."""
        self.is_put_back = False
        """In line again, at its head, after a call; not since an operator has moved them."""
        self.is_fresh = False
        """Handed over, and not spoken to by the present operator: nobody loses anything if another takes over."""

    @property
    def is_here(self) -> bool:
        """Whether the visitor is in reach."""
        return self.state in (VisitState.JOINING, VisitState.WAITING, VisitState.SERVED)


class Operator:
    """One who is on duty, or still serves somebody."""

    __slots__ = ("id", "is_here", "is_on", "queue", "visit")

    def __init__(self, who: OperatorId, *, queue: str) -> None:
        self.id: Final = who
        self.queue = queue
        self.is_on = False
        self.is_here = True
        self.visit: Visit | None = None

    @property
    def is_free(self) -> bool:
        """Whether a visitor may be called for them."""
        return self.is_on and self.is_here and self.visit is None


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a visit."""

    visit: Visit
    event: VisitEvent
    before: VisitState
    operator: OperatorId = NOBODY
    """Whom it concerns beside the visitor: who serves now, or did until now."""
    former: OperatorId = NOBODY
    """Who handed over."""
    cause: OverCause | PlaceCause | None = None


class Altered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that goes to the disk is another one: its rank, whom it waits for, the note about it."""

    visit: Visit


class Freed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whom they were handed to has vanished: whoever is free may call them."""

    visit: Visit


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An operator came on duty, went off, or changed queues."""

    operator: OperatorId
    queue: str
    is_on: bool


Happening: TypeAlias = Change | Altered | Freed | DutyChanged
