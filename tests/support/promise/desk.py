"""The help desk's order (I6): first come, first served; a place moves back only on an operator's
command; nobody is lost, skipped or served twice, whatever crashes; and an operator's lines affect
only the visitor whom the operator was shown.

Checked in the registry's queue after every step, against a record of what operators were shown and
asked for.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatapp.peer.api.events import ClientCame, ClientMove, ClientMoved
from chatapp.peer.api.visit_events import Edited, Rated, Said
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import (
    NOBODY,
    Change,
    HandoverReleased,
    Pause,
    QueueEvent,
    Visit,
    VisitEvent,
    VisitState,
    VisitUpdated,
)
from chatapp.wire.messages.desk import (
    CallNext,
    CloseQueue,
    DropVisitor,
    EndSession,
    HandOver,
    HoldVisitor,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OverCause,
    PositionCause,
    SendDeskLine,
    TransferVisitor,
)
from chatapp.wire.messages.link import PeerRequest
from tests.support.people import Person

if TYPE_CHECKING:
    from tests.support.world import World

Line = dict[str, list[int]]
"""The visits in line, by queue."""
Opening = tuple[bool, str]
"""Whether an operator has said that a queue is open, and what else."""
_STILL_SERVED: Final = (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)
_BY_WORD: Final = (OverCause.ENDED, OverCause.DROPPED)
_GONE: Final = (VisitEvent.LOST, VisitEvent.UNANSWERED)
"""The events of a visitor's link that ends: until then they were here, perhaps within one step."""


class DeskPromise:
    """Checks the line against its state at the previous step."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._queue: DeskQueue | None = None
        self._tapped: list[QueueEvent] = []
        self._line: Line = {}
        self._lines: deque[tuple[float, Line]] = deque(maxlen=200)
        """Recent states of the lines and when they came about: what was not synced may be undone by
        a crash."""
        self._highest = 0
        self._put_back: set[int] = set()
        """Visits in line that were put back there."""
        self._moved: set[int] = set()
        """Visits whose place an operator may have changed."""
        self._undone: set[int] = set()
        """Visits that ended while the disk accepted no writes, and are back after a restart."""
        self._began_at = 0.0
        """When this run of the registry began."""
        self._came_at: dict[int, float] = {}
        """When each visit was first in the queue, in this run of the registry."""
        self._here_at: dict[int, float] = {}
        self._told: set[int] = set()
        """Visits of which the visitor was told."""
        self._over: set[int] = set()
        self._asked: Counter[tuple[type, int]] = Counter()
        """The requests of operators: their kind, and the visit named in each."""
        self._texts: dict[str, int] = {}
        """The visit for which an operator typed a text."""
        self._screens: dict[str, tuple[int, int, int]] = {}
        """For each operator: the run of the program, how many events were seen, and the visit on
        the screen (0: none)."""
        self._written: dict[str, bytes] = {}
        """The ticket of the visitor who wrote a text, as the registry keeps it."""
        self._openings: dict[str, Opening] = {}
        """What an operator has said about each queue, as it is in force."""
        self._openings_asked: list[Opening] = []
        """What operators have said and was not in force since."""
        self._ratings: dict[int, int] = {}
        """The ratings that count, by visit."""
        self._rated: dict[int, list[int]] = {}
        """The ratings that visitors have asked for, by visit."""
        self._read: dict[str, int] = {}
        """For each visitor: how many of their events were checked."""

    def look(self) -> None:
        """After every step."""
        registry = self._world.registry
        if registry.is_running:
            queue = registry.engine.hub.desk._queue
            if queue is not self._queue:
                self._begin(queue)
            changes, self._tapped = self._tapped, []
            if changes:
                self._follow(queue, changes)
            for visit in queue.visits.values():
                self._came_at.setdefault(visit.number, self._world.network.now)
                for line in filter(None, visit.description.split("\n")):
                    assert self._written.get(line) == visit.ticket, (
                        f"I6: {line!r} is of another visitor"
                    )
                if visit.is_here:
                    self._here_at[visit.number] = self._world.network.now
            self._look_at_openings()
            self._look_at_ratings()
        for guest in self._world.guests:
            if guest.visit and guest.is_placed:
                self._told.add(guest.visit)
            for number, told in guest.told[self._read.get(guest.name, 0) :]:
                if (
                    isinstance(told, Said | Edited)
                    and not told.is_late
                    and told.text in self._texts
                ):
                    assert self._texts[told.text] == number, (
                        f"I6: {told.text!r} was for another visitor"
                    )
                if isinstance(told, Rated) and told.is_kept and registry.is_running:
                    assert guest.rated & self._ratings.keys(), (
                        f"a rating of {guest.name} was confirmed and does not count"
                    )
            self._read[guest.name] = len(guest.told)

    # --- what operators type

    def typed(self, one: Person, requests: list[PeerRequest]) -> None:
        """Record the requests that an operator's program made of a typed line: they may affect only
        the visitor on the screen."""
        shown = self._shown_to(one)
        for request in requests:
            match request:
                case (
                    EndSession()
                    | CallNext()
                    | HandOver()
                    | HoldVisitor()
                    | TransferVisitor()
                    | NoteVisitor()
                    | SendDeskLine()
                ):
                    assert request.visit in (0, shown), (
                        f"I6: {request} while {shown} is shown to {one.name}"
                    )
                    if isinstance(request, NoteVisitor | SendDeskLine) and request.text:
                        self._texts[request.text] = request.visit
                    self._asked[type(request), request.visit] += 1
                case DropVisitor() | MoveVisitor():
                    self._asked[type(request), request.visit] += 1
                case CloseQueue(text=text):
                    self._openings_asked.append((False, text))
                case OpenQueue():
                    self._openings_asked.append((True, ""))
                case _:
                    pass

    def wrote(self, ticket: bytes, text: str) -> None:
        """Record what a visitor wrote, which may become the description. `ticket`: its digest."""
        self._written[text] = ticket

    def rated(self, visit: int, rating: int) -> None:
        """Record what a visitor asked for."""
        self._rated.setdefault(visit, []).append(rating)

    # --- openings and ratings: what is in force was asked for, and outlives the registry

    def _look_at_openings(self) -> None:
        said = self._world.registry.engine.hub.desk.state.openings._said
        for queue, one in said.items():
            now = (one.is_open, one.text)
            if now != self._openings.get(queue):
                assert now in self._openings_asked, f"{queue} is {now}, and nobody has said so"
                self._openings_asked.remove(now)
                self._openings[queue] = now
        assert self._openings.keys() <= said.keys(), "what was said about a queue was lost"

    def _look_at_ratings(self) -> None:
        counted = self._world.registry.engine.hub.desk.state.ratings._kept
        assert self._ratings.keys() <= counted.keys(), "a rating was lost"
        for visit, one in counted.items():
            if self._ratings.get(visit) != one.rating:
                assert one.rating in self._rated.get(visit, []), (
                    f"nobody has rated {visit} as {one.rating}"
                )
                self._rated[visit].remove(one.rating)
                self._ratings[visit] = one.rating

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
        line = self._lines_of(queue)
        if self._queue is not None:
            assert self._told - self._over <= queue.visits.keys(), (
                "I6: the place of a visitor was lost"
            )
            lines = [self._line] + [old for at, old in self._lines if self._is_late(at)]
            if self._world.registry.refused_at >= self._began_at:
                # A move that was not stored is undone; nobody was told that it was done.
                lines += [
                    {name: _without(one, self._moved) for name, one in old.items()} for old in lines
                ]
            assert any(
                all(_is_same_order(old[name], line[name]) for name in line) for old in lines
            ), f"I6: {self._line} was in line, now {line}"
            ended = {one for guest in self._world.guests for one in guest.over}
            if self._world.registry.refused_at >= self._began_at:  # the disk did not take every end
                self._undone |= ended & queue.visits.keys()
            assert not (ended - self._undone) & queue.visits.keys(), (
                "I6: a visit that was over is back"
            )
        self._over = {one for one in self._over if one <= self._highest} - queue.visits.keys()
        now = self._world.network.now
        self._began_at = now
        self._here_at = dict.fromkeys(queue.visits, self._world.registry.started_at)
        self._came_at.clear()
        self._put_back = {visit.number for visit in queue.visits.values() if visit.is_put_back}
        self._moved = set().union(*line.values()) - self._put_back
        self._queue, self._line = queue, line
        self._lines.clear()
        self._lines.append((now, line))

    def _lines_of(self, queue: DeskQueue) -> Line:
        return {
            name: [visit.number for visit in queue.line(name)]
            for name in self._world.registry.desk.queues
        }

    def _is_late(self, at: float) -> bool:
        """Whether a state that held until then may be all that was synced at the crash."""
        later = [when for when, _ in self._lines if when > at]
        return bool(later) and later[0] >= self._world.registry.kept_until

    def _tap(self, queue: DeskQueue) -> None:
        drain = queue.take_events

        def tapped() -> list[QueueEvent]:
            found = drain()
            if (
                queue is self._queue
            ):  # an engine that another one has succeeded may decide what it likes
                self._tapped += found
            return found

        queue.take_events = tapped  # type: ignore[method-assign]

    # --- within one

    def _follow(self, queue: DeskQueue, changes: list[QueueEvent]) -> None:
        before, now = self._line, self._lines_of(queue)
        for name, line in now.items():
            own = [change for change in changes if _queue_of(change) == name]
            # By rank: a visit that was moved may have left the line in the same step.
            those = {*before[name], *line} & queue.visits.keys()
            known = (queue.visits[one] for one in those)
            ranked = sorted((one for one in known if one.queue == name), key=lambda one: one.rank)
            self._follow_line(queue, own, before[name], line, [one.number for one in ranked])
        self._check_whole(queue, now)
        self._line = now
        self._lines.append((self._world.network.now, now))

    def _follow_line(
        self,
        queue: DeskQueue,
        changes: list[QueueEvent],
        before: list[int],
        line: list[int],
        ranked: list[int],
    ) -> None:
        """Check one line. `ranked`: those who were in it `before` or are now, and are still here, by
        the places that they have now."""
        moves = [change for change in changes if isinstance(change, Change)]
        transferred = {
            move.visit.number for move in moves if move.cause is PositionCause.TRANSFERRED
        }
        unanswered = {one.visit.number for one in moves if one.event is VisitEvent.UNANSWERED}
        put_back = {
            one.visit.number for one in moves if one.event is VisitEvent.PUT_BACK
        } | unanswered
        # Those who have come since stand behind all others, until an operator moves them.
        new = sorted({*line} - {*before} - put_back)
        in_order = [*_without(before, put_back), *new]
        altered = {one.visit.number for one in changes if isinstance(one, VisitUpdated)}
        is_moved = not _is_same_order(in_order, ranked)
        if is_moved:
            moved = [one for one in altered if _is_same_order(_without(in_order, {one}), ranked)]
            assert moved, f"I6: {in_order} was in line, now {ranked}"
            self._take("a place was changed", *((MoveVisitor, one) for one in (*moved, 0)))
            self._moved.update(moved)
        for at, one in enumerate(moves, 1):
            is_first = is_moved or one.visit.number in put_back
            if one.event is VisitEvent.CALLED and not is_first:
                self._check_turn(queue, one, before, altered, moves[at:])
            self._check_change(one)
            if one.cause is PositionCause.TRANSFERRED:
                self._take(
                    f"{one.visit.number} was transferred", (TransferVisitor, one.visit.number)
                )
                self._moved.discard(one.visit.number)
                self._check_admitted(queue, one.visit.number, line)
            elif one.event is VisitEvent.PUT_BACK:
                self._put_back.add(one.visit.number)
                self._moved.discard(one.visit.number)
            elif one.event in (VisitEvent.CALLED, VisitEvent.ENDED):
                self._put_back.discard(one.visit.number)
        waiting_again = [one for one in line if one in self._put_back - self._moved]
        assert waiting_again == sorted(waiting_again), (
            "I6: put back in another order than they came"
        )
        for number in (put_back - unanswered - transferred) & set(waiting_again):
            moves_asked = ((MoveVisitor, number), (MoveVisitor, 0))
            if number in altered and any(self._asked[one] > 0 for one in moves_asked):
                self._take("a place was changed", *moves_asked)
                self._moved.add(number)
                continue
            others = self._put_back | self._moved | unanswered
            for ahead in _without(line[: line.index(number)], others):
                assert ahead in altered, "I6: put back, and not at the head"
                self._take("a place was changed", (MoveVisitor, ahead), (MoveVisitor, 0))
                self._moved.add(ahead)
        arrived, rest = _without(new, self._moved), _without(line, self._moved)
        assert rest[len(rest) - len(arrived) :] == arrived, "I6: somebody came in before others"

    def _check_admitted(self, queue: DeskQueue, number: int, line: list[int]) -> None:
        """Check that a visitor of another queue is among those who joined before and after."""
        if number in line:
            at = line.index(number)
            assert all(one < number or queue.visits[one].is_put_back for one in line[:at]), (
                f"I6: {number} is too far back in {line}"
            )
            assert all(one > number for one in line[at + 1 : at + 2]), (
                f"I6: {number} is too far ahead in {line}"
            )

    def _check_turn(
        self,
        queue: DeskQueue,
        one: Change,
        before: list[int],
        altered: set[int],
        later: Sequence[Change],
    ) -> None:
        """Check that a visitor who was called passed nobody. `before`: the line before this step.
        `altered`: the visits that an operator may have moved in this step, there and back again.
        `later`: the changes that came after this one in the same step."""
        visit, number = one.visit, one.visit.number
        for first in before[: before.index(number)] if number in before else before:
            passed = queue.visits.get(first)
            if (
                passed is None
                or passed.operator != NOBODY
                or _was_out_of_turn(passed, later)
                or passed.wanted not in (NOBODY, visit.operator)
            ):
                continue
            assert first in altered, f"I6: {number} was called, and {first} was before them"
            self._take(f"{first} was passed", (MoveVisitor, first), (MoveVisitor, 0))

    def _check_change(self, one: Change) -> None:
        visit, number = one.visit, one.visit.number
        if one.event in _GONE:
            self._here_at[number] = self._world.network.now
        if one.event is VisitEvent.KEPT:
            assert number > self._highest, "I6: a number was given twice"
            self._highest = number
        elif one.event is VisitEvent.CALLED:
            assert number not in self._over, "I6: served twice"
            assert visit.pause is Pause.NONE, "I6: called, and wants others to go first"
        elif one.cause is PositionCause.HELD:
            self._take(f"{number} was put on hold", (HoldVisitor, number))
        elif one.event is VisitEvent.HANDED_OVER or one.cause is PositionCause.HANDED_OVER:
            self._take(f"{number} was handed over", (HandOver, number))
        elif one.event is VisitEvent.ENDED:
            self._over.add(number)
            self._check_cause(one)
        assert self._texts.get(visit.note, number) == number, (
            f"I6: {visit.note!r} was noted about {number}"
        )

    def _check_cause(self, one: Change) -> None:
        visit, now = one.visit, self._world.network.now
        settings = self._world.registry.desk
        if one.cause is OverCause.NOT_KEPT:  # told behind what older entries wait for
            came_at = self._came_at.get(visit.number, now)
            assert came_at <= self._world.registry.refused_at, (
                "I6: not kept, though the disk took it"
            )
            return
        assert one.cause in (*_BY_WORD, OverCause.LEFT, OverCause.LOST), f"I6: over by {one.cause}"
        if one.cause is OverCause.DROPPED:
            self._take(f"{visit.number} is over", (DropVisitor, visit.number), (DropVisitor, 0))
        elif one.cause is OverCause.ENDED:
            self._take(
                f"{visit.number} is over", (EndSession, visit.number), (CallNext, visit.number)
            )
        elif one.cause is OverCause.LEFT:
            assert any(visit.ticket in guest.given_up for guest in self._world.guests), (
                f"I6: {visit.number} is over, as if they had left"
            )
        else:
            away_for = now - self._here_at.get(visit.number, now)
            assert away_for >= settings.keep_place - 0.01, (
                f"I6: {visit.number} is over after {away_for:.1f} s away"
            )

    def _check_whole(self, queue: DeskQueue, lines: Line) -> None:
        line = [number for value in lines.values() for number in value]
        served = [one.visit.number for one in queue.operators if one.visit is not None]
        everybody = sorted(line + served)
        assert everybody == sorted(queue.visits), (
            f"I6: {line} in line, {served} served, {[*queue.visits]} there"
        )
        for operator in queue.operators:
            assert operator.visit is None or operator.visit.operator == operator.id


def _queue_of(one: QueueEvent) -> str:
    return one.visit.queue if isinstance(one, Change | VisitUpdated | HandoverReleased) else ""


def _was_out_of_turn(visit: Visit, later: Sequence[Change]) -> bool:
    """Whether others were to be called before a visit, before these changes."""
    own = [one for one in later if one.visit is visit]
    state = own[0].before if own else visit.state
    pauses = [one.event for one in own if one.event in (VisitEvent.PAUSED, VisitEvent.RESUMED)]
    is_paused = pauses[0] is VisitEvent.RESUMED if pauses else visit.pause is not Pause.NONE
    return state is VisitState.AWAY or is_paused


def _without(line: list[int], those: set[int]) -> list[int]:
    return [one for one in line if one not in those]


def _is_same_order(before: list[int], after: list[int]) -> bool:
    """Whether the visits in both lines are in the same order."""
    return _without(before, set(before) - set(after)) == _without(after, set(after) - set(before))
