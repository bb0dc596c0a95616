"""A visit, an operator, and the events of the queue, as values."""

import enum
import hashlib
from typing import Final, TypeAlias

import msgspec

from chatapp.registry.store.entries import DeskVisitKept, DeskVisitOver
from chatapp.wire.messages.desk import OverCause, PositionCause

GATEWAY: Final = "gateway "
"""How the source of a gateway's visitors begins, as no address does."""


def is_gateway(source: str) -> bool:
    """Return whether this source of visits is a gateway, and not an address."""
    return source.startswith(GATEWAY)


class VisitState(enum.Enum):
    """The state of a visit."""

    JOINING = enum.auto()
    """In line, and in reach; its record is on its way to the disk. Not announced yet."""
    UNREACHED = enum.auto()
    """In line, out of reach; its record is on its way to the disk. Not announced yet; nobody behind
    is called first."""
    WAITING = enum.auto()
    """In line, and in reach."""
    MISSED = enum.auto()
    """In line, out of reach for a moment: nobody behind is called first."""
    AWAY = enum.auto()
    """In line, out of reach for longer: others are called first, the position is kept."""
    SERVED = enum.auto()
    """With an operator, and in reach."""
    ABSENT = enum.auto()
    """With an operator, and out of reach."""
    OVER = enum.auto()


class VisitEvent(enum.Enum):
    """The events of a visit."""

    KEPT = enum.auto()
    """Its record is on the disk."""
    LOST = enum.auto()
    """The link is lost."""
    RETURNED = enum.auto()
    """A new link shows the ticket."""
    PASSED_OVER = enum.auto()
    """Out of reach for too long to keep others waiting."""
    CALLED = enum.auto()
    """An operator is free."""
    UNANSWERED = enum.auto()
    """Back in line where it was: the link was lost after the call, before the visitor showed a sign
    of life."""
    PUT_BACK = enum.auto()
    """In line again: the operator has vanished, hands over to a busy one, puts on hold, or sends to
    another queue; or the visitor was out of reach for too long."""
    HANDED_OVER = enum.auto()
    """Another operator serves."""
    PAUSED = enum.auto()
    """The visitor lets others go first."""
    RESUMED = enum.auto()
    """The visitor is to be called in turn again."""
    ENDED = enum.auto()


UNRECORDED: Final = (VisitState.JOINING, VisitState.UNREACHED)
"""The states of a visit whose record is on its way to the disk."""
_LINE: Final = (*UNRECORDED, VisitState.WAITING, VisitState.MISSED, VisitState.AWAY)

TRANSITIONS: Final[dict[tuple[VisitState, VisitEvent], VisitState]] = {
    (VisitState.JOINING, VisitEvent.KEPT): VisitState.WAITING,
    (VisitState.JOINING, VisitEvent.LOST): VisitState.UNREACHED,
    (VisitState.JOINING, VisitEvent.RETURNED): VisitState.JOINING,
    (VisitState.UNREACHED, VisitEvent.KEPT): VisitState.MISSED,
    (VisitState.UNREACHED, VisitEvent.RETURNED): VisitState.JOINING,
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
    (VisitState.WAITING, VisitEvent.PAUSED): VisitState.WAITING,
    (VisitState.WAITING, VisitEvent.RESUMED): VisitState.WAITING,
    **{
        (state, VisitEvent.ENDED): VisitState.OVER
        for state in VisitState
        if state is not VisitState.OVER
    },
}


def is_in_line(state: VisitState) -> bool:
    """Return whether a visit in this state has a position."""
    return state in _LINE


OperatorId: TypeAlias = bytes
"""The identity of a peer, or `CONSOLE`."""

CONSOLE: Final[OperatorId] = bytes(32)
"""The registry's console: no key is all zeros."""

NOBODY: Final[OperatorId] = b""


class Pause(enum.IntEnum):
    """Whether others are called before a visit in line, and who wants it."""

    NONE = 0
    OWN = 1
    """The visitor does, until `RESUMED`."""
    HELD = 2
    """An operator does, mostly because the visitor does not answer. Any sign that the visitor is
    there ends it."""


class Form(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answers of a visitor to the form."""

    name: str
    number: str
    issue: str
    """The chosen entry of the menu."""


class Visit:
    """One visit. Times are milliseconds of the wall clock, since they go to the disk; spans are
    milliseconds too."""

    __slots__ = (
        "called_at",
        "description",
        "form",
        "given_by",
        "has_answered",
        "is_fresh",
        "is_put_back",
        "is_silent",
        "joined_at",
        "missed",
        "note",
        "number",
        "operator",
        "pause",
        "queue",
        "rank",
        "served_for",
        "since",
        "source",
        "state",
        "ticket",
        "wanted",
    )

    def __init__(
        self, number: int, *, queue: str, ticket: bytes, form: Form, source: str, joined_at: int
    ) -> None:
        self.number: Final = number
        self.queue = queue
        self.ticket: Final = ticket
        """The digest of the ticket. The ticket itself is known to the visitor alone."""
        self.form: Final = form
        self.source: Final = source
        """The address or the gateway with which the visit is counted."""
        self.joined_at: Final = joined_at
        self.rank = 0
        """Orders the line. A visit that is moved gets a rank between two others."""
        self.state = VisitState.JOINING
        self.operator = NOBODY
        self.wanted = NOBODY
        """The only operator who may call the visitor, to whom they were handed over; NOBODY if
        every operator may."""
        self.given_by = NOBODY
        """The operator who handed them over, while they wait for the one in `wanted`."""
        self.called_at = 0
        """Time of the first call; 0 for none."""
        self.since = 0
        """Time of the current call."""
        self.served_for = 0
        """Milliseconds with operators before the current one."""
        self.note = ""
        self.description = ""
        """What the visitor wrote about the issue while waiting."""
        self.pause = Pause.NONE
        self.is_silent = False
        """Whether the visitor is served, in reach, and has said nothing for a while."""
        self.has_answered = False
        """Whether the visitor has shown a sign of life since the current call."""
        self.missed: PositionCause | None = None
        """Why the visitor is in line again, if that happened while they were away: they are told on
        return."""
        self.is_put_back = False
        """Whether it is in line again, at the head, after a call; not if an operator has moved it
        since."""
        self.is_fresh = False
        """Whether it was handed over and the current operator has not spoken yet, so another may
        take over without loss."""

    @property
    def is_here(self) -> bool:
        """Whether the visitor is in reach."""
        return self.state in (VisitState.JOINING, VisitState.WAITING, VisitState.SERVED)


class Operator:
    """An operator who is on duty or still serves somebody."""

    __slots__ = ("id", "is_here", "is_on", "queue", "visit")

    def __init__(self, who: OperatorId, *, queue: str) -> None:
        self.id: Final = who
        self.queue = queue
        self.is_on = False
        self.is_here = True
        self.visit: Visit | None = None

    @property
    def is_free(self) -> bool:
        """Whether a visitor may be called for this operator."""
        return self.is_on and self.is_here and self.visit is None


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A visit has changed its state."""

    visit: Visit
    event: VisitEvent
    before: VisitState
    operator: OperatorId = NOBODY
    """The operator whom it concerns: the one who serves now, or did until now."""
    former: OperatorId = NOBODY
    """The operator who handed the visitor over."""
    cause: OverCause | PositionCause | None = None


class VisitUpdated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored field of a visit has changed: its rank, its wanted operator, its note, its
    description, its operator's duty."""

    visit: Visit


class HandoverReleased(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The operator to whom a visitor was handed over has vanished: any free operator may call the
    visitor."""

    visit: Visit


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An operator came on duty, went off, or changed queues."""

    operator: OperatorId
    queue: str
    is_on: bool


QueueEvent: TypeAlias = Change | VisitUpdated | HandoverReleased | DutyChanged


_DIGEST_SIZE: Final = 16


def digest(ticket: bytes) -> bytes:
    """Return the digest that stands for a ticket in memory and on disk."""
    return hashlib.blake2s(ticket, digest_size=_DIGEST_SIZE, person=b"chat-tkt").digest()


BY_OPERATOR: Final = frozenset({OverCause.ENDED, OverCause.DROPPED})
"""Ends that a visitor who was away at the time is told on return."""


def record_of(visit: Visit, *, is_off_duty: bool = False) -> DeskVisitKept:
    """Return the record of a visit. `is_off_duty`: whether its operator is."""
    form = visit.form
    return DeskVisitKept(
        visit=visit.number,
        queue=visit.queue,
        ticket=visit.ticket,
        source=visit.source,
        name=form.name,
        number=form.number,
        issue=form.issue,
        joined_at=visit.joined_at,
        rank=visit.rank,
        operator=visit.operator,
        wanted=visit.wanted,
        called_at=visit.called_at,
        since=visit.since,
        served_for=visit.served_for,
        note=visit.note,
        given_by=visit.given_by,
        is_put_back=visit.is_put_back,
        pause=int(visit.pause),
        description=visit.description,
        is_off_duty=is_off_duty,
    )


_PAUSES: Final = frozenset(Pause)
"""A record may hold any number."""


def visit_of(record: DeskVisitKept, queue: str) -> Visit:
    """Return the visit of a record, in this queue: the settings may no longer have the record's
    own."""
    visit = Visit(
        record.visit,
        queue=queue,
        ticket=record.ticket,
        form=Form(name=record.name, number=record.number, issue=record.issue),
        source=record.source,
        joined_at=record.joined_at,
    )
    visit.rank, visit.operator, visit.wanted = record.rank, record.operator, record.wanted
    visit.called_at, visit.since, visit.served_for = (
        record.called_at,
        record.since,
        record.served_for,
    )
    visit.note, visit.given_by, visit.is_put_back = record.note, record.given_by, record.is_put_back
    visit.pause = Pause(record.pause) if record.pause in _PAUSES else Pause.NONE
    visit.description = record.description
    return visit


def end_record_of(
    visit: Visit, *, cause: OverCause, ended_at: int, of_day: int, left: int, left_after: int
) -> DeskVisitOver:
    """Return the record of a visit that is over. What the last three are: `DeskVisitOver`."""
    return DeskVisitOver(
        visit=visit.number,
        queue=visit.queue,
        joined_at=visit.joined_at,
        called_at=visit.called_at,
        ended_at=ended_at,
        served_for=visit.served_for,
        of_day=of_day,
        ticket=visit.ticket if cause in BY_OPERATOR else b"",
        cause=int(cause),
        left=left,
        left_after=left_after,
    )
