"""What the registry's administrator sees of the help desk: each queue with its figures, and who is
served or waits."""

from chatapp.registry.rules.admin.messages import QueueFigures, VisitorFigures
from chatapp.registry.rules.desk.figures.statistics import DeskStatistics, ServedSession
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import Visit
from chatapp.registry.rules.desk.state import DeskOperators


def overview(
    queue: DeskQueue, operators: DeskOperators, statistics: DeskStatistics, *, wall_ms: int
) -> list[QueueFigures]:
    """Return all queues, in the order of the settings."""
    return [_queue(name, queue, operators, statistics, wall_ms) for name in statistics.figures]


def _queue(
    name: str, queue: DeskQueue, operators: DeskOperators, statistics: DeskStatistics, wall_ms: int
) -> QueueFigures:
    served = [one.visit for one in queue.operators if one.visit and one.visit.queue == name]
    under_way = [
        ServedSession(visit.joined_at, visit.called_at, 0)
        for visit in queue.visits.values()
        if visit.queue == name and visit.called_at
    ]
    waits = statistics.figures[name].waits(under_way, wall_ms)
    visitors = [_visitor(visit, 0, operators.name_of(visit.operator)) for visit in served]
    visitors += [
        _visitor(visit, position, "") for position, visit in enumerate(queue.line(name), 1)
    ]
    return QueueFigures(
        queue=name,
        operators=queue.operators.on_duty(name),
        served_today=statistics.figures[name].served_today(wall_ms),
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
