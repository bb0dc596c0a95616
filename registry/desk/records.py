"""Visits as the disk keeps them: a record of one as it stands, the visit made of it again, its end."""

from typing import Final

from registry.desk.visit import Form, Visit
from registry.store.entries import DeskVisitKept, DeskVisitOver
from wire.messages.desk.visiting import OverCause

BY_OPERATOR: Final = frozenset({OverCause.ENDED, OverCause.DROPPED})
"""Ends that a visitor is told of who was away at the time and comes back."""


def kept_record(visit: Visit) -> DeskVisitKept:
    """A visit as it stands."""
    form = visit.form
    return DeskVisitKept(
        visit=visit.number,
        queue=visit.queue,
        ticket=visit.ticket,
        host=visit.host,
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
    )


def visit_of(record: DeskVisitKept, queue: str) -> Visit:
    """The visit of a record, in this queue: the settings may name the record's own no longer."""
    visit = Visit(
        record.visit,
        queue=queue,
        ticket=record.ticket,
        form=Form(name=record.name, number=record.number, issue=record.issue),
        host=record.host,
        joined_at=record.joined_at,
    )
    visit.rank, visit.operator, visit.wanted = record.rank, record.operator, record.wanted
    visit.called_at, visit.since, visit.served_for = record.called_at, record.since, record.served_for
    visit.note, visit.given_by, visit.is_put_back = record.note, record.given_by, record.is_put_back
    return visit


def over_record(visit: Visit, *, cause: OverCause, ended_at: int, of_day: int) -> DeskVisitOver:
    """A visit that is over."""
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
    )
