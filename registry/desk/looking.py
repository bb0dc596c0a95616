"""This file is about what an operator sees of a queue: who is served, who waits, and its figures.

It changes nothing; it must not know who may look.
"""

from registry.desk.parts import Parts
from registry.desk.visit import NOBODY, Visit
from wire.limits import DESK_SHOWN_MAX
from wire.messages.desk.operating import FiguresShown, RoomShown, RoomVisitor


def room_shown(parts: Parts, queue: str, *, reference: int) -> RoomShown:
    """Who is served and who waits, as far as one notice holds."""
    line = parts.queue.line(queue)
    served = [one.visit for one in parts.queue.operators if one.visit and one.visit.queue == queue]
    waiting = [visit for visit, _ in zip(line, range(DESK_SHOWN_MAX), strict=False)]
    return RoomShown(
        reference=reference,
        queue=queue,
        operators=parts.queue.operators.on_duty(queue),
        served=[_visitor(parts, visit) for visit in served[:DESK_SHOWN_MAX]],
        waiting=[_visitor(parts, visit) for visit in waiting],
        total=len(line),
    )


def _visitor(parts: Parts, visit: Visit) -> RoomVisitor:
    is_served = visit.operator != NOBODY
    return RoomVisitor(
        visit=visit.number,
        name=visit.form.name,
        issue=visit.form.issue,
        since=(visit.since if is_served else visit.joined_at) // 1_000,
        is_here=visit.is_here,
        operator=parts.name_of(visit.operator if is_served else visit.wanted),
    )


def figures_shown(parts: Parts, queue: str, *, reference: int, now: float) -> FiguresShown:
    """The figures of one queue as they are now."""
    wall_ms = parts.clock.millis(now)
    figures, line = parts.figures[queue], parts.queue.line(queue)
    waits = figures.waits(parts.under_way(queue), wall_ms)
    since = min((visit.joined_at for visit in line), default=wall_ms)
    return FiguresShown(
        reference=reference,
        queue=queue,
        served_today=figures.served_today(wall_ms),
        median_wait=waits.median,
        ninetieth_wait=waits.ninetieth,
        longest_waiting=max(wall_ms - since, 0) // 1_000,
        waiting=len(line),
        operators=parts.queue.operators.on_duty(queue),
    )
