"""This file is about the start: the desk as an earlier life of the registry left it, from what the disk kept.

It knows records; everybody in them is out of reach, and has time to come back.
"""

from registry.desk.figures import Session
from registry.desk.parts import Parts
from registry.desk.records import BY_OPERATOR, visit_of
from registry.desk.transcript import Said
from registry.store.entries import DeskLineKept
from registry.store.protocol import LoadedDesk
from wire.messages.desk.visiting import OverCause, VisitOver


def restore(parts: Parts, loaded: LoadedDesk, *, now: float) -> None:
    """Visits in their order, what was said in them, and the sessions that make figures and estimates."""
    visits = [visit_of(record, _queue_of(parts, record.queue)) for record in loaded.visits]
    for visit in visits:
        parts.add(visit)
        if visit.number in loaded.lines:
            parts.transcript(visit).load(_said(line) for line in loaded.lines[visit.number])
    for over in loaded.served:
        queue = _queue_of(parts, over.queue)
        parts.estimates[queue].note(over.served_for / 1_000)
        session = Session(over.joined_at, over.called_at, over.ended_at)
        parts.figures[queue].load(session, of_day=over.of_day)
    for over in sorted((*loaded.served, *loaded.untold), key=lambda over: over.ended_at):
        if over.ticket and over.cause in BY_OPERATOR:
            parts.note_end(over.ticket, VisitOver(over.visit, OverCause(over.cause)))
    parts.queue.load(visits, now=now)


def _queue_of(parts: Parts, name: str) -> str:
    """A queue that the settings name no longer: its visitors and its past are the first one's."""
    return parts.settings.queue_named(name) or parts.settings.queues[0]


def _said(line: DeskLineKept) -> Said:
    return Said(line.position, line.author, line.author_name, line.number, line.at, line.text)
