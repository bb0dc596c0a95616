"""State that the rules of the desk share: the visits, the operators, and how to send both
something."""

from collections import Counter
from typing import Final

from chatapp.registry.rules.desk.figures.statistics import DeskStatistics
from chatapp.registry.rules.desk.guests import Guests
from chatapp.registry.rules.desk.past import Past
from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import (
    BY_OPERATOR,
    CONSOLE,
    NOBODY,
    OperatorId,
    Visit,
    visit_of,
)
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.desk.transcript import VISITOR, Party, Transcript, TranscriptLine
from chatapp.registry.rules.effects import (
    Caller,
    CheckAlive,
    Effect,
    Push,
    Reply,
    TellConsole,
)
from chatapp.registry.rules.people.access import Operators
from chatapp.registry.rules.people.connections import Connections
from chatapp.registry.rules.people.directory import Directory
from chatapp.registry.store.entries import DeskLineKept
from chatapp.registry.store.protocol import LoadedDesk
from chatapp.wire.limits import DESK_SESSIONS_MAX, DESK_UNTOLD_MAX
from chatapp.wire.messages.desk import (
    ClientAssigned,
    DeskLine,
    DeskNotice,
    OperatorAssigned,
    OverCause,
    VisitOver,
)
from chatapp.wire.names import name_key

CONSOLE_NAME: Final = "desk"
"""The console's name for visitors and for `.handover`, unless an operator has it."""

CONSOLE_CALLER: Final = Caller(identity=CONSOLE)
"""The caller of whatever is typed at the console."""


_AWAITED: Final = (OperatorAssigned, ClientAssigned, DeskLine)
"""Notices after which the other side waits for an answer: their recipient is probed, so that nobody
waits for one who has vanished."""


class VisitIndex:
    """The visits that are not over, by ticket and by guest, with their transcripts."""

    def __init__(self) -> None:
        self.by_ticket: Final[dict[bytes, Visit]] = {}
        self.by_guest: Final[dict[bytes, Visit]] = {}
        """The visits whose visitor is connected, by the guest's key."""
        self.guest_of: Final[dict[int, bytes]] = {}
        """The guest at each of these visits, by the visit's number."""
        self.per_source: Final[Counter[str]] = Counter()
        """How many visits are counted with each address and gateway."""
        self.transcripts: Final[dict[int, Transcript]] = {}
        """By the visit's number; made when something is said."""
        self.ends: Final[dict[bytes, VisitOver]] = {}
        """How visits were ended by an operator, by ticket, the newest last."""
        self.queue_of_end: Final[dict[bytes, str]] = {}
        """The queue of each of them that was served, and can be rated."""

    def add(self, visit: Visit) -> None:
        """Add a visit."""
        self.by_ticket[visit.ticket] = visit
        self.per_source[visit.source] += 1

    def attach_guest(self, visit: Visit, guest: bytes) -> None:
        """Note that a visitor is connected as this guest."""
        self.by_guest[guest] = visit
        self.guest_of[visit.number] = guest

    def detach_guest(self, visit: Visit) -> None:
        """Note that a visitor is not connected."""
        self.by_guest.pop(self.guest_of.pop(visit.number, b""), None)

    def note_end(self, ticket: bytes, over: VisitOver, *, served_at: str) -> None:
        """Remember how a visit ended, for a visitor who shows its ticket later. `served_at`: the
        queue; empty if it was not served."""
        self.ends[ticket] = over
        if served_at:
            self.queue_of_end[ticket] = served_at
        if len(self.ends) > DESK_SESSIONS_MAX + DESK_UNTOLD_MAX:
            oldest = next(iter(self.ends))
            del self.ends[oldest]
            self.queue_of_end.pop(oldest, None)

    def forget(self, visit: Visit) -> None:
        """Remove a visit that is over."""
        self.detach_guest(visit)
        self.transcripts.pop(visit.number, None)
        self.by_ticket.pop(visit.ticket, None)
        self.per_source[visit.source] -= 1
        if not self.per_source[visit.source]:
            del self.per_source[visit.source]

    def transcript(self, visit: Visit) -> Transcript:
        """Return the transcript of a visit, making it if needed."""
        return self.transcripts.setdefault(visit.number, Transcript())


class DeskOperators:
    """The names of operators, the registry's console among them."""

    def __init__(self, operators: Operators, directory: Directory) -> None:
        self._operators = operators
        self._directory = directory

    def __bool__(self) -> bool:
        """Whether any peer is listed as an operator."""
        return bool(self._operators)

    def is_operator(self, identity: OperatorId) -> bool:
        """Return whether this identity may serve visitors."""
        return identity == CONSOLE or self._operators.includes(identity)

    def named(self, name: str) -> OperatorId | None:
        """Return the operator with this name. Raises NameRefused."""
        key = name_key(name)
        holder = self._operators.named(key)
        return CONSOLE if holder is None and key == CONSOLE_NAME else holder

    def name_of(self, identity: OperatorId) -> str:
        """Return an operator's name as others see it."""
        if identity == CONSOLE:
            return CONSOLE_NAME
        person = self._directory.person(identity)
        return "" if person is None else person.card.name


class DeskSender:
    """Turns notices and lines into effects for the visitor or operator they are for."""

    def __init__(self, visits: VisitIndex, guests: Guests, connections: Connections) -> None:
        self._visits = visits
        self._guests = guests
        self._connections = connections

    def tell_visitor(self, visit: Visit, notice: DeskNotice) -> list[Effect]:
        """Send a notice to a visitor who is connected."""
        guest = self._visits.guest_of.get(visit.number, b"")
        return _pushed(guest, self._guests.link_of(guest), notice)

    def tell_operator(self, who: OperatorId, notice: DeskNotice) -> list[Effect]:
        """Send a notice to an operator's link, or to the console."""
        if who == NOBODY:
            return []
        if who == CONSOLE:
            return [TellConsole(notice=notice)]
        return _pushed(who, self._connections.link_of(who), notice)

    def answer(self, caller: Caller, answer: DeskNotice) -> list[Effect]:
        """Answer a request."""
        if caller.identity == CONSOLE:
            return self.tell_operator(CONSOLE, answer)
        return [Reply(to=caller, message=answer)]

    def deliver(self, visit: Visit, reader: Party) -> list[Effect]:
        """Send a reader the lines that are due."""
        effects: list[Effect] = []
        transcript = self._visits.transcripts.get(visit.number)
        while transcript is not None and (due := transcript.due(reader)):
            effects += self._tell_lines(visit, reader, due)
            if reader != CONSOLE:
                break
            transcript.confirm(
                CONSOLE, due[-1].position
            )  # whatever is shown on the console counts as read
        return effects

    def deliver_rest(self, visit: Visit, reader: Party) -> list[Effect]:
        """Send a reader the remaining lines of a visit that is over, also those on their way to the
        disk."""
        transcript = self._visits.transcripts.get(visit.number)
        return (
            [] if transcript is None else self._tell_lines(visit, reader, transcript.rest(reader))
        )

    def _tell_lines(self, visit: Visit, reader: Party, lines: list[TranscriptLine]) -> list[Effect]:
        effects: list[Effect] = []
        for said in lines:
            name = "" if said.author == VISITOR else said.author_name
            number = said.number if said.author == reader else 0
            line = DeskLine(visit.number, said.position, name, said.at, said.text, number)
            if reader == VISITOR:
                effects += self.tell_visitor(visit, line)
            else:
                effects += self.tell_operator(reader, line)
        return effects


def _pushed(whom: bytes, link: int | None, notice: DeskNotice) -> list[Effect]:
    if link is None:
        return []
    told = Push(link=link, message=notice)
    return [told, CheckAlive(identity=whom)] if isinstance(notice, _AWAITED) else [told]


def restore(
    loaded: LoadedDesk,
    settings: DeskSettings,
    queue: DeskQueue,
    visits: VisitIndex,
    statistics: DeskStatistics,
    past: Past,
    *,
    now: float,
) -> None:
    """Restore the visits of earlier lives in their order, what was said in them, and the sessions
    that were served."""
    restored = [visit_of(record, settings.queue_kept(record.queue)) for record in loaded.visits]
    for visit in restored:
        visits.add(visit)
        if visit.number in loaded.lines:
            visits.transcript(visit).load(_said(line) for line in loaded.lines[visit.number])
    for over in loaded.served:
        statistics.load(settings.queue_kept(over.queue), over)
    for over in sorted((*loaded.served, *loaded.untold), key=lambda over: over.ended_at):
        if over.ticket and over.cause in BY_OPERATOR:
            served_at = settings.queue_kept(over.queue) if over.called_at else ""
            visits.note_end(
                over.ticket, VisitOver(over.visit, OverCause(over.cause)), served_at=served_at
            )
    past.load(loaded.sessions, loaded.transcripts, now=now)
    merged = {
        settings.queue_kept(one.queue)
        for one in loaded.visits
        if not settings.queue_named(one.queue)
    }
    off_duty = {record.visit for record in loaded.visits if record.is_off_duty}
    queue.load(restored, off_duty=off_duty, merged=merged, now=now)


def _said(line: DeskLineKept) -> TranscriptLine:
    return TranscriptLine(
        line.position, line.author, line.author_name, line.number, line.at, line.text
    )
