"""The help desk's order (I6): first come, first served; a place moves back only on an operator's command; nobody is lost,
skipped or served twice, whatever crashes; and an operator's lines affect only the visitor whom the operator was shown.

Checked in the registry's queue after every step, against a record of what operators were shown and asked for.
"""

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from chatapp.peer.core.events import ClientCame, ClientMove, ClientMoved
from chatapp.peer.visitor.events import LineReceived
from chatapp.registry.desk.queue.queue import DeskQueue
from chatapp.registry.desk.queue.visit import (
    NOBODY,
    Change,
    Pause,
    QueueEvent,
    VisitEvent,
    VisitState,
    VisitUpdated,
)
from chatapp.registry.desk.settings import DEFAULT_QUEUE
from chatapp.wire.messages.desk import (
    CallNext,
    DropVisitor,
    EndSession,
    HandOver,
    HoldVisitor,
    MoveVisitor,
    NoteVisitor,
    OverCause,
    PositionCause,
    SendDeskLine,
)
from chatapp.wire.messages.link import PeerRequest
from tests.support.people import Person

if TYPE_CHECKING:
    from tests.support.world import World

_STILL_SERVED: Final = (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)
_BY_WORD: Final = (OverCause.ENDED, OverCause.DROPPED)


class DeskPromise:
    """Checks the line against its state at the previous step."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._queue: DeskQueue | None = None
        self._tapped: list[QueueEvent] = []
        self._line: list[int] = []
        self._lines: deque[tuple[float, list[int]]] = deque(maxlen=200)
        """Recent states of the line and when they came about: what was not synced may be undone by a crash."""
        self._highest = 0
        self._put_back: set[int] = set()
        """Visits in line that were put back there."""
        self._moved: set[int] = set()
        """Visits whose place an operator may have changed."""
        self._undone: set[int] = set()
        """Visits that ended while the disk accepted no writes, and are back after a restart."""
        self._began_at = 0.0
        """When this run of the registry began."""
        self._here_at: dict[int, float] = {}
        self._told: set[int] = set()
        """Visits of which the visitor was told."""
        self._over: set[int] = set()
        self._asked: Counter[tuple[type, int]] = Counter()
        """The requests of operators: their kind, and the visit named in each."""
        self._texts: dict[str, int] = {}
        """The visit for which an operator typed a text."""
        self._screens: dict[str, tuple[int, int, int]] = {}
        """For each operator: the run of the program, how many events were seen, and the visit on the screen (0: none)."""
        self._written: dict[str, bytes] = {}
        """The ticket of the visitor who wrote a text while not being served, as the registry keeps it."""
        self._read: dict[str, int] = {}
        """For each visitor: how many of their events were checked."""

    def look(self) -> None:
        """After every step."""
        house = self._world.house
        if house.is_running:
            queue = house.core._service.desk._queue
            if queue is not self._queue:
                self._begin(queue)
            changes, self._tapped = self._tapped, []
            if changes:
                self._follow(queue, changes)
            for visit in queue.visits.values():
                for line in filter(None, visit.description.split("\n")):
                    assert self._written.get(line) == visit.ticket, f"I6: {line!r} is of another visitor"
                if visit.is_here:
                    self._here_at[visit.number] = self._world.network.now
        for guest in self._world.guests:
            if guest.visit and guest.is_placed:
                self._told.add(guest.visit)
            for number, told in guest.told[self._read.get(guest.name, 0) :]:
                if isinstance(told, LineReceived) and told.text in self._texts:
                    assert self._texts[told.text] == number, f"I6: {told.text!r} was for another visitor"
            self._read[guest.name] = len(guest.told)

    # --- what operators type

    def typed(self, one: Person, requests: list[PeerRequest]) -> None:
        """Record the requests that an operator's program made of a typed line: they may affect only the visitor on the
        screen."""
        shown = self._shown_to(one)
        for request in requests:
            match request:
                case EndSession() | CallNext() | HandOver() | HoldVisitor() | NoteVisitor() | SendDeskLine():
                    assert request.visit in (0, shown), f"I6: {request} while {shown} is shown to {one.name}"
                    if isinstance(request, NoteVisitor | SendDeskLine):
                        self._texts[request.text] = request.visit
                    self._asked[type(request), request.visit] += 1
                case DropVisitor() | MoveVisitor():
                    self._asked[type(request), request.visit] += 1
                case _:
                    pass

    def wrote(self, ticket: bytes, text: str) -> None:
        """Record what a visitor wrote while not being served. `ticket`: its digest."""
        self._written[text] = ticket

    def _shown_to(self, one: Person) -> int:
        lives, seen, visit = self._screens.get(one.name, (one.lives, 0, 0))
        if lives != one.lives:
            visit = 0
        for event in one.screen.events[seen:]:
            if isinstance(event, ClientCame):
                visit = event.visit
            elif isinstance(event, ClientMoved) and event.move not in _STILL_SERVED:
                visit = 0
        self._screens[one.name] = (one.lives, len(one.screen.events), visit)
        return visit

    def _take(self, what: str, *kinds: tuple[type, int]) -> None:
        """Take one matching request; each request counts once."""
        kind = next((one for one in kinds if self._asked[one] > 0), None)
        assert kind is not None, f"I6: {what}, and nobody has asked for it"
        self._asked[kind] -= 1

    # --- another life of the registry

    def _begin(self, queue: DeskQueue) -> None:
        self._tap(queue)
        line = [visit.number for visit in queue.line(DEFAULT_QUEUE)]
        if self._queue is not None:
            assert self._told - self._over <= queue.visits.keys(), "I6: the place of a visitor was lost"
            lines = [self._line] + [old for at, old in self._lines if self._is_late(at)]
            if self._world.house.refused_at >= self._began_at:
                # A move that was not stored is undone; nobody was told that it was done.
                lines += [_without(old, self._moved) for old in lines]
            assert any(_is_same_order(old, line) for old in lines), (
                f"I6: {self._line} was in line, now {line}"
            )
            ended = {one for guest in self._world.guests for one in guest.over}
            if self._world.house.refused_at >= self._began_at:  # the disk did not take every end
                self._undone |= ended & queue.visits.keys()
            assert not (ended - self._undone) & queue.visits.keys(), "I6: a visit that was over is back"
        self._over = {one for one in self._over if one <= self._highest} - queue.visits.keys()
        now = self._world.network.now
        self._began_at = now
        self._here_at = dict.fromkeys(queue.visits, self._world.house.started_at)
        self._put_back = {visit.number for visit in queue.line(DEFAULT_QUEUE) if visit.is_put_back}
        self._moved = set(line) - self._put_back
        self._queue, self._line = queue, line
        self._lines.clear()
        self._lines.append((now, line))

    def _is_late(self, at: float) -> bool:
        """Whether a state that held until then may be all that was synced at the crash."""
        later = [when for when, _ in self._lines if when > at]
        return bool(later) and later[0] >= self._world.house.kept_until

    def _tap(self, queue: DeskQueue) -> None:
        drain = queue.take_events

        def tapped() -> list[QueueEvent]:
            found = drain()
            self._tapped += found
            return found

        queue.take_events = tapped  # type: ignore[method-assign]

    # --- within one

    def _follow(self, queue: DeskQueue, changes: list[QueueEvent]) -> None:
        before, line = self._line, [visit.number for visit in queue.line(DEFAULT_QUEUE)]
        moves = [one for one in changes if isinstance(one, Change)]
        unanswered = {one.visit.number for one in moves if one.event is VisitEvent.UNANSWERED}
        put_back = {one.visit.number for one in moves if one.event is VisitEvent.PUT_BACK} | unanswered
        is_moved = not _is_same_order([one for one in before if one not in put_back], line)
        if is_moved:
            altered = {one.visit.number for one in changes if isinstance(one, VisitUpdated)}
            assert any(_is_same_order(_without(before, {one} | put_back), line) for one in altered), (
                f"I6: {before} was in line, now {line}"
            )
            moved = [one for one in altered if _is_same_order(_without(before, {one} | put_back), line)]
            self._take("a place was changed", *((MoveVisitor, one) for one in (*moved, 0)))
            self._moved.update(moved)
        for one in moves:
            is_first = is_moved or one.visit.number in put_back
            self._check_change(queue, one, [] if is_first else before)
            if one.event is VisitEvent.PUT_BACK:
                self._put_back.add(one.visit.number)
                self._moved.discard(one.visit.number)
            elif one.event in (VisitEvent.CALLED, VisitEvent.ENDED):
                self._put_back.discard(one.visit.number)
        new = [one for one in line if one not in before and one not in put_back]
        assert is_moved or line[len(line) - len(new) :] == new, "I6: somebody came in before others"
        assert new == sorted(new)
        waiting_again = [one for one in line if one in self._put_back - self._moved]
        assert waiting_again == sorted(waiting_again), "I6: put back in another order than they came"
        for number in (put_back - unanswered) & set(waiting_again):
            ahead = set(line[: line.index(number)])
            assert ahead <= self._put_back | self._moved, "I6: put back, and not at the head"
        self._check_whole(queue, line)
        self._line = line
        self._lines.append((self._world.network.now, line))

    def _check_change(self, queue: DeskQueue, one: Change, before: list[int]) -> None:
        visit, number = one.visit, one.visit.number
        if one.event is VisitEvent.KEPT:
            assert number > self._highest, "I6: a number was given twice"
            self._highest = number
        elif one.event is VisitEvent.CALLED:
            assert number not in self._over, "I6: served twice"
            assert visit.pause is Pause.NONE, "I6: called, and wants others to go first"
            for first in before[: before.index(number)] if number in before else before:
                passed = queue.visits.get(first)
                assert (
                    passed is None
                    or passed.operator != NOBODY
                    or passed.state is VisitState.AWAY
                    or passed.pause is not Pause.NONE
                    or passed.wanted not in (NOBODY, visit.operator)
                ), f"I6: {number} was called, and {first} was before them"
        elif one.cause is PositionCause.HELD:
            self._take(f"{number} was put on hold", (HoldVisitor, number))
        elif one.event is VisitEvent.HANDED_OVER or one.cause is PositionCause.HANDED_OVER:
            self._take(f"{number} was handed over", (HandOver, number))
        elif one.event is VisitEvent.ENDED:
            self._over.add(number)
            self._check_cause(one)
        assert self._texts.get(visit.note, number) == number, f"I6: {visit.note!r} was noted about {number}"

    def _check_cause(self, one: Change) -> None:
        visit, now = one.visit, self._world.network.now
        settings = self._world.house.desk
        if one.cause is OverCause.NOT_KEPT:
            assert now == self._world.house.refused_at, "I6: not kept, though the disk took it"
            return
        assert one.cause in (*_BY_WORD, OverCause.LEFT, OverCause.LOST), f"I6: over by {one.cause}"
        if one.cause is OverCause.DROPPED:
            self._take(f"{visit.number} is over", (DropVisitor, visit.number), (DropVisitor, 0))
        elif one.cause is OverCause.ENDED:
            self._take(f"{visit.number} is over", (EndSession, visit.number), (CallNext, visit.number))
        elif one.cause is OverCause.LEFT:
            assert any(visit.ticket in guest.given_up for guest in self._world.guests), (
                f"I6: {visit.number} is over, as if they had left"
            )
        else:
            away_for = now - self._here_at.get(visit.number, now)
            assert away_for >= settings.keep_place - 0.01, (
                f"I6: {visit.number} is over after {away_for:.1f} s away"
            )

    def _check_whole(self, queue: DeskQueue, line: list[int]) -> None:
        served = [one.visit.number for one in queue.operators if one.visit is not None]
        everybody = sorted(line + served)
        assert everybody == sorted(queue.visits), (
            f"I6: {line} in line, {served} served, {[*queue.visits]} there"
        )
        for operator in queue.operators:
            assert operator.visit is None or operator.visit.operator == operator.id


def _without(line: list[int], those: set[int]) -> list[int]:
    return [one for one in line if one not in those]


def _is_same_order(before: list[int], after: list[int]) -> bool:
    """Whether the visits in both lines are in the same order."""
    return _without(before, set(before) - set(after)) == _without(after, set(after) - set(before))
