"""This file is about what follows from what happened in the queue: records for the disk, then notices for those concerned.

Nothing is told before the disk has it. Positions that change are told at once after a quiet while, else gathered for a
moment, so that a hall full of people that empties is no storm. It decides nothing about the queue.
"""

from collections.abc import Iterable
from typing import Final

from registry.desk.figures import Session
from registry.desk.notices import Batch, Notices
from registry.desk.parts import Parts
from registry.desk.records import kept_record, over_record
from registry.desk.states import VisitEvent, VisitState
from registry.desk.visit import NOBODY, Altered, Change, Freed, Happening, OperatorId, Visit
from registry.effects import Effect, Store
from registry.store.entries import Entry
from wire.messages.desk.visiting import OverCause

MOVES_SPAN: Final = 0.1
"""Seconds between two tellings of changed positions."""

_UNRECORDED: Final = (VisitEvent.KEPT, VisitEvent.LOST, VisitEvent.RETURNED, VisitEvent.PASSED_OVER)


class Telling:
    """Turns happenings into effects."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.notices: Final = Notices(parts)
        self._told_at = float("-inf")

    def conclude(
        self,
        first: Iterable[Effect] = (),
        *,
        now: float,
        answer: Iterable[Effect] = (),
        asker: OperatorId = NOBODY,
    ) -> list[Effect]:
        """`first`, what follows from all that happened, and `answer`, when all records are on the disk. `asker`: the
        operator who has asked for a change of visitor by this.

        On a disk that takes nothing more the desk goes on all the same: only a restart would know less.
        """
        wall_ms = self._parts.clock.millis(now)
        effects = list(first)
        happened = self._parts.queue.happened()
        batch = Batch.of(happened, asker)
        for one in happened:
            self._stamp(one, wall_ms)
        entries: list[Entry] = [kept_record(visit) for visit in _changed(happened)]
        for one in happened:
            entries += self._end_record(one, wall_ms)
            effects += self.notices.of(one, batch)
        effects += self._tell_moves(now)
        effects += answer
        if not entries and not effects:
            return []
        return [Store(entries=tuple(entries), then=tuple(effects), otherwise=tuple(effects))]

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Positions that were gathered."""
        return self.conclude(now=now)

    def next_timer(self) -> float | None:
        """When gathered positions are to be told."""
        return self._told_at + MOVES_SPAN if self.notices.moved else None

    def _tell_moves(self, now: float) -> list[Effect]:
        queues = self.notices.moved
        if not queues or now < self._told_at + MOVES_SPAN:
            return []
        self.notices.moved = {}
        self._told_at = now
        return [effect for queue in queues for effect in self.notices.moves(queue)]

    # --- stamps and records

    def _stamp(self, one: Happening, wall_ms: int) -> None:
        """Times that the machine, which knows none, leaves to us."""
        if not isinstance(one, Change):
            return
        visit = one.visit
        match one.event:
            case VisitEvent.CALLED:
                visit.called_at = visit.called_at or wall_ms
                visit.since = wall_ms
            case VisitEvent.HANDED_OVER:
                visit.served_for += max(wall_ms - visit.since, 0)
                visit.since = wall_ms
            case VisitEvent.UNANSWERED if visit.called_at == visit.since:
                visit.called_at = 0  # it was the first call
            case VisitEvent.PUT_BACK:
                visit.served_for += max(wall_ms - visit.since, 0)
            case VisitEvent.ENDED if one.before in (VisitState.SERVED, VisitState.ABSENT):
                visit.served_for += max(wall_ms - visit.since, 0)
            case _:
                pass

    def _end_record(self, one: Happening, wall_ms: int) -> list[Entry]:
        if (
            not isinstance(one, Change)
            or one.event is not VisitEvent.ENDED
            or one.cause is OverCause.NOT_KEPT
        ):
            return []
        assert isinstance(one.cause, OverCause)
        visit, of_day = one.visit, 0
        if visit.called_at:
            self._parts.estimates[visit.queue].note(visit.served_for / 1_000)
            session = Session(visit.joined_at, visit.called_at, wall_ms)
            of_day = self._parts.figures[visit.queue].note(session)
        return [over_record(visit, cause=one.cause, ended_at=wall_ms, of_day=of_day)]


def _changed(happened: list[Happening]) -> list[Visit]:
    """The visits whose record is another one, in order, each once; not those that are over."""
    visits: dict[int, Visit] = {}
    for one in happened:
        if isinstance(one, Altered | Freed) or (isinstance(one, Change) and one.event not in _UNRECORDED):
            visits[one.visit.number] = one.visit
    return [visit for visit in visits.values() if visit.state is not VisitState.OVER]
