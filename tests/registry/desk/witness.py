"""This file is about a witness of the queue: a list of numbers a line, and who serves whom, by what was heard alone.

It is told each thing that happens, in order, and says at once when something may not be. It knows no ranks, deadlines
or records.
"""

from registry.desk.states import TRANSITIONS, VisitEvent, VisitState
from registry.desk.visit import NOBODY, Altered, Change, Happening, OperatorId, Visit
from wire.messages.desk.visiting import OverCause


class Witness:
    """What must be so if all that was heard is true."""

    def __init__(self, queues: tuple[str, ...]) -> None:
        self.lines: dict[str, list[int]] = {queue: [] for queue in queues}
        self.over: dict[int, OverCause] = {}
        self._stands: dict[int, str] = {}
        self._wanted: dict[int, OperatorId] = {}
        self._served_by: dict[int, OperatorId] = {}

    def joined(self, one: Visit) -> None:
        self.lines[one.queue].append(one.number)
        self._stands[one.number] = "joining"

    def moved(self, one: Visit, to: int) -> None:
        self.lines[one.queue].remove(one.number)
        self.lines[one.queue].insert(to - 1, one.number)

    def waits_for(self, one: Visit, who: OperatorId) -> None:
        """Handed over to somebody who is busy."""
        self._wanted[one.number] = who

    def starts_anew(self, promised: set[int], served: dict[int, OperatorId]) -> None:
        """Another life of the registry, which remembers these: everybody is out of reach."""
        self.lines = {
            queue: [number for number in line if number in promised] for queue, line in self.lines.items()
        }
        self._stands = dict.fromkeys(self._stands, "missed")
        # Only whoever serves somebody is known to be on duty: who waited for another one waits for nobody in particular.
        self._wanted = {number: who for number, who in self._wanted.items() if who in served.values()}

    def hear(self, one: Happening) -> None:
        if isinstance(one, Change):
            self._check(one)
            self._follow(one)
        elif isinstance(one, Altered) and one.visit.wanted == NOBODY:
            self._wanted.pop(one.visit.number, None)

    def _follow(self, one: Change) -> None:
        """Whoever is called must be the first here too."""
        number, line = one.visit.number, self.lines[one.visit.queue]
        match one.event:
            case VisitEvent.CALLED:
                ahead = line[: line.index(number)]
                passed = [other for other in ahead if self._wanted.get(other, one.operator) == one.operator]
                assert all(self._stands[other] == "away" for other in passed), "somebody was skipped"
                assert self._stands[number] == "here"
                assert self._wanted.pop(number, one.operator) == one.operator
                line.remove(number)
            case VisitEvent.PUT_BACK:
                line.insert(0, number)
                self._stands[number] = "here" if one.before is VisitState.SERVED else "missed"
            case VisitEvent.ENDED:
                if number in line:
                    line.remove(number)
            case VisitEvent.LOST:
                self._stands[number] = "missed"
            case VisitEvent.PASSED_OVER:
                self._stands[number] = "away"
            case VisitEvent.KEPT:
                self._stands[number] = "here"
            case VisitEvent.RETURNED if one.before is not VisitState.JOINING:
                self._stands[number] = "here"
            case _:
                pass

    def _check(self, one: Change) -> None:
        number = one.visit.number
        assert number not in self.over, "something happens to a visit that is over"
        assert (one.before, one.event) in TRANSITIONS
        match one.event:
            case VisitEvent.CALLED:
                assert number not in self._served_by, "served twice"
                assert one.operator not in self._served_by.values(), "one operator, two visitors"
                self._served_by[number] = one.operator
            case VisitEvent.HANDED_OVER:
                assert self._served_by.pop(number) == one.former
                assert one.operator not in self._served_by.values()
                self._served_by[number] = one.operator
            case VisitEvent.PUT_BACK:
                assert self._served_by.pop(number) == one.operator
            case VisitEvent.ENDED:
                assert isinstance(one.cause, OverCause)
                self.over[number] = one.cause
                assert self._served_by.pop(number, NOBODY) == one.operator
            case _:
                pass
