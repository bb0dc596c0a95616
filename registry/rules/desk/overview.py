"""What the registry's administrator sees of the help desk: each queue with its figures, and who is
served or waits."""

from chatapp.registry.rules.admin_requests import QueueFigures, VisitorFigures
from chatapp.registry.rules.desk.figures.statistics import ServedSession
from chatapp.registry.rules.desk.queue.visit import Visit
from chatapp.registry.rules.desk.state import DeskState


def overview(state: DeskState, *, wall_ms: int) -> list[QueueFigures]:
    """Return all queues, in the order of the settings."""
    return [_queue(name, state, wall_ms) for name in state.statistics.figures]


def _queue(name: str, state: DeskState, wall_ms: int) -> QueueFigures:
    queue, figures = state.queue, state.statistics.figures[name]
    under_way = [
        ServedSession(visit.joined_at, visit.called_at, 0)
        for visit in queue.visits.values()
        if visit.queue == name and visit.called_at
    ]
    waits = figures.waits(under_way, wall_ms)
    visitors = [
        _visitor(operator.visit, 0, state.operators.name_of(operator.visit.operator))
        for operator in queue.operators
        if operator.visit and operator.visit.queue == name
    ]
    visitors += [
        _visitor(visit, position, "") for position, visit in enumerate(queue.line(name), 1)
    ]
    return QueueFigures(
        queue=name,
        operators=queue.operators.on_duty(name),
        served_today=figures.served_today(wall_ms),
        median_wait=waits.median,
        ninetieth_wait=waits.ninetieth,
        visitors=visitors,
    )


def _visitor(visit: Visit, position: int, operator: str) -> VisitorFigures:
    return VisitorFigures(
        visit=visit.number,
        position=position,
        name=visit.form.name,
        issue=visit.form.issue,
        since=visit.joined_at // 1_000,
        is_here=visit.is_here,
        operator=operator,
    )
