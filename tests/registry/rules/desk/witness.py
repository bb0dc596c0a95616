"""A second, simple model of the queue: a list of numbers for each line, and who serves whom.

It gets each event in order and fails at once when an event breaks the rules. It has no ranks,
deadlines or records.
"""

from chatapp.registry.rules.desk.queue import visit
from chatapp.wire.messages.desk import OverCause, PositionCause


class Witness:
    """The state that follows from the events so far."""

    def __init__(self, queues: tuple[str, ...]) -> None:
        self.lines: dict[str, list[int]] = {queue: [] for queue in queues}
        self.over: dict[int, OverCause] = {}
        self._stands: dict[int, str] = {}
        self._wanted: dict[int, visit.OperatorId] = {}
        self._served_by: dict[int, visit.OperatorId] = {}
        self._put_back: set[int] = set()
        """Visits in line that were put back, and not moved since."""
        self._paused: set[int] = set()
        """Visits in line before which others are called."""
        self._order: dict[str, list[int]] = {queue: [] for queue in queues}
        """All visits in line or served, in the order they would have if nobody had been called."""

    def joined(self, one: visit.Visit) -> None:
        self.lines[one.queue].append(one.number)
        self._order[one.queue].append(one.number)
        self._stands[one.number] = "joining"

    def moved(self, one: visit.Visit, to: int) -> None:
        self.lines[one.queue].remove(one.number)
        self.lines[one.queue].insert(to - 1, one.number)
        self._put_back.discard(one.number)
        self._reorder(one)

    def _reorder(self, one: visit.Visit) -> None:
        """Put a visit into the order right behind its predecessor in line; at the head, before
        those served as well."""
        line, order = self.lines[one.queue], self._order[one.queue]
        order.remove(one.number)
        at = line.index(one.number)
        order.insert(order.index(line[at - 1]) + 1 if at else 0, one.number)

    def _restore(self, one: visit.Visit) -> None:
        """Restore a position: behind visits that were before it, and visits put back that came
        earlier."""
        line, order = self.lines[one.queue], self._order[one.queue]
        position = order.index(one.number)
        before = [
            at
            for at, number in enumerate(line)
            if (number < one.number if number in self._put_back else order.index(number) < position)
        ]
        line.insert(before[-1] + 1 if before else 0, one.number)
        if [number for number in order if number in line] != line:
            self._reorder(one)

    def _lift(self, one: visit.Visit) -> None:
        """Put a visit at the head: behind visits put back that came earlier, before those that came
        later."""
        line = self.lines[one.queue]
        others = [number for number in line if number in self._put_back]
        earlier = [number for number in others if number < one.number]
        position = (
            line.index(earlier[-1]) + 1 if earlier else line.index(others[0]) if others else 0
        )
        line.insert(position, one.number)
        self._put_back.add(one.number)
        self._reorder(one)

    def _admit(self, one: visit.Visit) -> None:
        """Take a visit from another line: before the first one that joined later and was not put
        back."""
        number, line = one.number, self.lines[one.queue]
        for order in self._order.values():
            if number in order:
                order.remove(number)
        later = [
            at for at, other in enumerate(line) if other > number and other not in self._put_back
        ]
        line.insert(later[0] if later else len(line), number)
        self._order[one.queue].append(number)
        self._put_back.discard(number)
        self._reorder(one)

    def waits_for(self, one: visit.Visit, who: visit.OperatorId) -> None:
        """The visit was handed over to a busy operator."""
        self._wanted[one.number] = who

    def starts_anew(self, promised: set[int], served: dict[int, visit.OperatorId]) -> None:
        """The registry restarted and remembers these visits: everybody is away."""
        self.lines = {
            queue: [number for number in line if number in promised]
            for queue, line in self.lines.items()
        }
        self._order = {
            queue: [number for number in order if number in promised]
            for queue, order in self._order.items()
        }
        self._stands = dict.fromkeys(self._stands, "missed")
        # Only whoever serves somebody is known to be on duty: who waited for another one waits for
        # nobody in particular.
        self._wanted = {
            number: who for number, who in self._wanted.items() if who in served.values()
        }

    def hear(self, one: visit.QueueEvent) -> None:
        if isinstance(one, visit.Change):
            self._check(one)
            self._follow(one)
        elif (
            isinstance(one, visit.VisitUpdated | visit.HandoverReleased)
            and one.visit.wanted == visit.NOBODY
        ):
            self._wanted.pop(one.visit.number, None)

    def _follow(self, one: visit.Change) -> None:
        """Check that a called visit is the first here too."""
        number, line = one.visit.number, self.lines[one.visit.queue]
        match one.event:
            case visit.VisitEvent.CALLED:
                ahead = line[: line.index(number)]
                assert number not in self._paused, "called, and wants others to go first"
                passed = [
                    other
                    for other in ahead
                    if self._wanted.get(other, one.operator) == one.operator
                    and other not in self._paused
                ]
                assert all(self._stands[other] == "away" for other in passed), (
                    "somebody was skipped"
                )
                assert self._stands[number] == "here"
                assert self._wanted.pop(number, one.operator) == one.operator
                line.remove(number)
                self._put_back.discard(number)
            case visit.VisitEvent.UNANSWERED:
                self._restore(one.visit)
                self._stands[number] = "missed"
            case visit.VisitEvent.PAUSED:
                self._paused.add(number)
            case visit.VisitEvent.RESUMED:
                self._paused.remove(number)
            case visit.VisitEvent.PUT_BACK:
                if one.cause is PositionCause.TRANSFERRED:
                    self._admit(one.visit)
                else:
                    self._lift(one.visit)
                if one.cause is PositionCause.HELD:
                    self._paused.add(number)
                self._stands[number] = "here" if one.before is visit.VisitState.SERVED else "missed"
            case visit.VisitEvent.ENDED:
                self._put_back.discard(number)
                self._paused.discard(number)
                self._order[one.visit.queue].remove(number)
                if number in line:
                    line.remove(number)
            case visit.VisitEvent.LOST if one.before is not visit.VisitState.JOINING:
                self._stands[number] = "missed"
            case visit.VisitEvent.PASSED_OVER:
                self._stands[number] = "away"
            case visit.VisitEvent.KEPT:
                self._stands[number] = (
                    "here" if one.before is visit.VisitState.JOINING else "missed"
                )
            case visit.VisitEvent.RETURNED if one.before not in visit.UNRECORDED:
                self._stands[number] = "here"
            case _:
                pass

    def _check(self, one: visit.Change) -> None:
        number = one.visit.number
        assert number not in self.over, "something happens to a visit that is over"
        assert (one.before, one.event) in visit.TRANSITIONS
        match one.event:
            case visit.VisitEvent.CALLED:
                assert number not in self._served_by, "served twice"
                assert one.operator not in self._served_by.values(), "one operator, two visitors"
                self._served_by[number] = one.operator
            case visit.VisitEvent.HANDED_OVER:
                assert self._served_by.pop(number) == one.former
                assert one.operator not in self._served_by.values()
                self._served_by[number] = one.operator
            case visit.VisitEvent.PUT_BACK | visit.VisitEvent.UNANSWERED:
                assert self._served_by.pop(number) == one.operator
            case visit.VisitEvent.ENDED:
                assert isinstance(one.cause, OverCause)
                self.over[number] = one.cause
                assert self._served_by.pop(number, visit.NOBODY) == one.operator
            case _:
                pass
