"""This file is about who is on duty at the desk, and who of them is free for longest.

It knows operators and whom each serves; it must not know lines, or who is called.
"""

from collections.abc import Iterator

from registry.desk.visit import NOBODY, Operator, OperatorId, Visit


class Staff:
    """Operators who are on duty, or still serve somebody; whoever became free last stands last."""

    def __init__(self) -> None:
        self._operators: dict[OperatorId, Operator] = {}

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._operators.values())

    def __contains__(self, who: OperatorId) -> bool:
        return who in self._operators

    def __getitem__(self, who: OperatorId) -> Operator:
        return self._operators[who]

    def get(self, who: OperatorId) -> Operator | None:
        """Nobody, when they are not on duty and serve nobody."""
        return self._operators.get(who)

    def on_duty(self, queue: str) -> int:
        """How many take visitors of this queue."""
        return sum(one.is_on and one.queue == queue for one in self)

    def free(self, queue: str) -> list[Operator]:
        """For whom a visitor of this queue may be called; the one who is free longest comes first."""
        return [one for one in self if one.is_free and one.queue == queue]

    def restore(self, visit: Visit) -> None:
        """Whom an earlier life left serving this visit: on duty, and out of reach until they show themselves."""
        operator = self._operators[visit.operator] = Operator(visit.operator, queue=visit.queue)
        operator.is_on, operator.is_here, operator.visit = True, False, visit

    def admit(self, who: OperatorId, queue: str) -> Operator:
        """Them, known from now on."""
        operator = self._operators.get(who)
        if operator is None:
            operator = self._operators[who] = Operator(who, queue=queue)
        return operator

    def release(self, visit: Visit) -> OperatorId:
        """Nobody serves this visit any more; who did until now."""
        who, visit.operator = visit.operator, NOBODY
        operator = self._operators.pop(who, None)
        if operator is not None:
            operator.visit = None
            self._operators[who] = operator  # behind those who are free already
            self.forget_idle(operator)
        return who

    def forget_idle(self, operator: Operator) -> None:
        """Unless they are on duty or serve somebody."""
        if not operator.is_on and operator.visit is None:
            self._operators.pop(operator.id, None)
