"""A visit as its visitor sees it, gathered from its events: the page and the terminal show it. It
does no I/O."""

import enum
from collections import deque
from typing import Final

import msgspec

from chatapp.peer.api import visit_events
from chatapp.peer.api.events import OfferedFile
from chatapp.peer.view.talk import LINES_MAX, NOTES_MAX, Mark, Talk, TalkLine, name_of, text_after


class VisitStage(enum.Enum):
    """Which page is shown."""

    ARRIVING = "arriving"
    """It is not known yet where the visitor is: the form or the ticket is on its way to the
    registry."""
    WAITING = "waiting"
    TALKING = "talking"
    OVER = "over"


class VisitView(Talk):
    """The state of one visit."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = VisitStage.ARRIVING
        self.stage_version = 0
        """The version in which the stage changed last."""
        self.position = 0
        """The place in the line, from 1; 0 while it is not known."""
        self.operators = 0
        """How many operators are on duty, as far as known."""
        self.estimate: visit_events.Estimate | None = None
        self.estimate_known = False
        """Whether the registry has answered at this position."""
        self.visit = 0
        """Its number, once a line of it has come."""
        self.is_paused = False
        self.is_away = False
        """Whether the registry does not answer."""
        self.keep_place: int | None = None
        """For how many seconds the registry keeps the place; None if that is not known."""
        self.operator = ""
        """Who serves, or served last."""
        self.size = 0
        """Bytes of the lines."""
        self.unsent = 0
        """Bytes of the visitor's lines that the registry has not stored yet."""
        self.notes: deque[visit_events.VisitEvent] = deque(maxlen=NOTES_MAX)
        """What the visitor is told about this moment."""
        self.is_closed = False
        """Whether the queue takes no newcomers any more, while we wait."""
        self.end: visit_events.VisitEvent | None = None
        """Why the visit is over."""
        self.may_rate = False
        self.rating = 0
        """What the visitor has chosen; 0 for nothing."""
        self.is_rating_kept: bool | None = None
        """The registry's answer; None before it."""
        self.was_served = False
        self.is_leaving = False
        """Whether the visitor has left, and the registry does not know it yet."""

    # --- what the visitor does

    def said(
        self,
        text: str,
        line: int,
        *,
        at: float,
        key: str = "",
        file: OfferedFile | None = None,
        visit: int = 0,
    ) -> None:
        """Show a line that the visitor says. `line`: as `Visitor.talk` returned it. `key`: under
        which the page has sent it, if that is another one. `file`: that it brings, in this
        `visit`."""
        self.visit = visit or self.visit
        shown = self._add_parts("", text, at, Mark.SENDING, key=key or str(line), said=line)
        for one in shown:
            one.file = file
        self._own[line] = shown
        self.unsent += sum(map(size_of, shown))

    def changing(self, change: int, target: int, text: str | None) -> None:
        super().changing(change, target, text)
        self.unsent += LINE_COST + len((text or "").encode())

    def rated(self, rating: int) -> None:
        """Note what the visitor has chosen."""
        self.rating, self.is_rating_kept = rating, None
        self._change()

    def leaves(self) -> None:
        """Note that the visitor has left, and the registry is still to be told."""
        self.is_leaving = True
        self._change()

    # --- what happens

    def handle(self, event: visit_events.VisitEvent) -> None:
        """Take an event in."""
        match event:
            case visit_events.PositionKnown(position=position, operators=operators):
                self._enter(VisitStage.WAITING)
                if position != self.position:
                    self.estimate, self.estimate_known = None, False
                self.position, self.operators = position, operators
            case visit_events.PositionAnswered(position=position, estimate=estimate):
                self._enter(VisitStage.WAITING)
                self.position, self.estimate, self.estimate_known = position, estimate, True
            case visit_events.SentBack(why=why):
                self._enter(VisitStage.WAITING)
                self.is_paused = self.is_paused or why is visit_events.SentBackReason.ON_HOLD
                self._note(event)
            case visit_events.PauseChanged(is_paused=is_paused):
                self.is_paused = is_paused
            case visit_events.Served(operator=operator):
                self.operator = operator
                self._begin_talk()
            case visit_events.ServedAnswered():
                self._begin_talk()
            case visit_events.Said(sender=operator, text=text, at=said_at):
                self.operator = operator or self.operator
                mark, key = (None, "") if operator else (Mark.SAVED, str(event.id))
                self._add_parts(operator, text, said_at, mark, key=key, said=event.id)
                for line in self.lines_of(event.id):
                    line.is_edited, line.is_retracted = event.is_edited, event.is_retracted
                    line.file = event.file
                self.visit = event.visit
            case visit_events.Edited() | visit_events.Retracted():
                self._rewrite(event.target.number, text_after(event))
            case visit_events.MessageChanged(id=line, state=state):
                if (pending := self._pending.get(line)) is not None:
                    self.unsent -= LINE_COST + len((pending.text or "").encode())
                settled = self._settle(line, state, file=event.file)
                self.unsent -= sum(map(size_of, settled))
            case visit_events.DeskClosed(is_waiting=True):
                self.is_closed = True
                self._note(event)
            case visit_events.Rated(is_kept=is_kept):
                self.is_rating_kept = is_kept
            case _:
                self._handle_rest(event)
        self._change()

    def _handle_rest(self, event: visit_events.VisitEvent) -> None:
        match event:
            case visit_events.VisitorServerLost(keep_place=keep_place):
                self.is_away, self.keep_place = True, keep_place
            case visit_events.NoServer() | visit_events.RegistryKeyChanged():
                self.is_away = True
            case visit_events.ServerBack() | visit_events.FormWanted() | visit_events.Resumed():
                self.is_away = False
            case visit_events.VisitEnded(may_rate=may_rate):
                self.may_rate = may_rate
                self._end(event)
            case (
                visit_events.VisitRefused()
                | visit_events.VisitorNotAdmitted()
                | visit_events.QueueUnknown()
                | visit_events.DeskClosed()
                | visit_events.EndedUnseen()
                | visit_events.FolderFull()
            ):
                self._end(event)
            case visit_events.PositionGone(is_joining=False):
                self._end(event)
            case visit_events.PositionGone():
                self.position = 0
                self._note(event)
            case (
                visit_events.Announced()
                | visit_events.ServerAnnounced()
                | visit_events.ServerStopPlanned()
                | visit_events.ServerStopCancelled()
                | visit_events.ServerStopping()
                | visit_events.VisitorLineRefused()
                | visit_events.NotYourTurn()
                | visit_events.DescriptionRefused()
                | visit_events.TicketNotStored()
            ):
                self._note(event)
            case _:
                pass

    def _begin_talk(self) -> None:
        self._enter(VisitStage.TALKING)
        self.position, self.estimate, self.estimate_known = 0, None, False
        self.is_paused = False
        self.was_served = True
        self.notes.clear()

    def _end(self, event: visit_events.VisitEvent) -> None:
        if self.stage is not VisitStage.OVER:
            self.end = event
            self._enter(VisitStage.OVER)

    def _add_parts(
        self, who: str, text: str, at: float, mark: Mark | None, *, key: str, said: int
    ) -> list[TalkLine]:
        """Show a text, as several lines if it is long. The oldest lines go when there are too
        many."""
        added = [self._add(who, part, at, mark, key, said=said) for part in self._parts(text)]
        self.size += sum(map(size_of, added))
        self._make_room()
        return added

    def _make_room(self) -> None:
        while len(self.lines) > LINES_MAX or self.size > TEXT_PER_SESSION:
            self.size -= size_of(self.lines.popleft())

    def _rewrite(self, said: int, text: str | None) -> None:
        before = sum(map(size_of, self.lines_of(said)))
        super()._rewrite(said, text)
        self.size += sum(map(size_of, self.lines_of(said))) - before
        self._make_room()

    def _exchange(self, lines: list[TalkLine], parts: list[str]) -> list[TalkLine]:
        former, self.lines = list(self.lines), deque()
        place = next(at for at, line in enumerate(former) if line is lines[0])
        now = [msgspec.structs.replace(lines[0], text=part) for part in parts]
        others = [line for line in former if all(line is not one for one in lines)]
        for line in (*others[:place], *now, *others[place:]):
            self._count += 1
            line.id = name_of(self._count)
            self.lines.append(line)
        self._own = {
            id_: now if id_ == lines[0].said else owned for id_, owned in self._own.items()
        }
        self.stage_version = self.version
        return now

    @staticmethod
    def _parts(text: str) -> list[str]:
        return [text[at : at + PART_MAX] for at in range(0, len(text), PART_MAX)] or [text]

    def _note(self, event: visit_events.VisitEvent) -> None:
        if not self.notes or self.notes[-1] != event:
            self.notes.append(event)

    def _enter(self, stage: VisitStage) -> None:
        self.is_away = False
        if stage is not self.stage:
            self.stage = stage
            self.stage_version = self.version + 1


def size_of(line: TalkLine) -> int:
    """Return the bytes that a line takes."""
    return len(line.text.encode()) + LINE_COST


TEXT_PER_SESSION: Final = 1024 * 1024
"""Bytes of lines that are kept to be shown of one visit; the oldest go first. The registry keeps a
quarter of it."""


LINE_COST: Final = 512
"""Bytes that a line costs beside its text: a thousand empty lines are not free."""


PART_MAX: Final = 16 * 1024
"""Characters of a text that are shown as one line; a longer text is shown as several. Escaped, each
has at most ten bytes, so every line fits in a page."""
