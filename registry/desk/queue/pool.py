"""The operators who are on duty or still serve somebody."""

from collections.abc import Iterator

from chatapp.registry.desk.queue.visit import NOBODY, Operator, OperatorId, Visit


class OperatorPool:
    """Operators who are on duty or still serve somebody, the longest free first."""

    def __init__(self) -> None:
        self._operators: dict[OperatorId, Operator] = {}

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._operators.values())

    def __contains__(self, who: OperatorId) -> bool:
        return who in self._operators

    def __getitem__(self, who: OperatorId) -> Operator:
        return self._operators[who]

    def get(self, who: OperatorId) -> Operator | None:
        """Return the operator, None if they are neither on duty nor serving."""
        return self._operators.get(who)

    def on_duty(self, queue: str) -> int:
        """Return how many operators of this queue are on duty."""
        return sum(one.is_on and one.queue == queue for one in self)

    def free(self, queue: str) -> list[Operator]:
        """Return the free operators of this queue, the longest free first."""
        return [one for one in self if one.is_free and one.queue == queue]

    def restore(self, visit: Visit, *, is_on: bool) -> None:
        """Restore the operator of a visit: out of reach until their next link. `is_on`: whether they are on duty."""
        operator = self._operators[visit.operator] = Operator(visit.operator, queue=visit.queue)
        operator.is_on, operator.is_here, operator.visit = is_on, False, visit

    def is_off_duty(self, visit: Visit) -> bool:
        """Return whether a visit is served by an operator who is off duty."""
        operator = self._operators.get(visit.operator)
        return operator is not None and not operator.is_on

    def admit(self, who: OperatorId, queue: str) -> Operator:
        """Return the operator, creating it if needed."""
        operator = self._operators.get(who)
        if operator is None:
            operator = self._operators[who] = Operator(who, queue=queue)
        return operator

    def release(self, visit: Visit) -> OperatorId:
        """Free the operator who serves a visit. Return who it was."""
        who, visit.operator, visit.is_fresh = visit.operator, NOBODY, False
        operator = self._operators.pop(who, None)
        if operator is not None:
            operator.visit = None
            self._operators[who] = operator  # behind operators who are free already
            self.forget_idle(operator)
        return who

    def forget_idle(self, operator: Operator) -> None:
        """Forget an operator who is neither on duty nor serving."""
        if not operator.is_on and operator.visit is None:
            self._operators.pop(operator.id, None)
