"""This file is about what the desk's rules share: who is who, where each visitor is, how somebody is told something.

It knows links by number; it decides nothing.
"""

from collections import Counter
from typing import Final

from registry.clock import WallClock
from registry.desk.estimate import Estimates
from registry.desk.figures import Figures, Session
from registry.desk.guests import Guests
from registry.desk.queue import DeskQueue
from registry.desk.settings import DeskSettings
from registry.desk.transcript import VISITOR, Party, Said, Transcript
from registry.desk.visit import CONSOLE, NOBODY, OperatorId, Visit
from registry.directory import Directory
from registry.effects import Caller, ConsoleTold, Doubt, Effect, Push, Reply, Resume
from registry.operators import Operators
from registry.roster import Roster
from wire.limits import DESK_SESSIONS_MAX, DESK_UNTOLD_MAX
from wire.messages.desk import DeskNotice
from wire.messages.desk.operating import ClientTold
from wire.messages.desk.talking import DeskLine
from wire.messages.desk.visiting import TurnTold, VisitOver
from wire.names import name_key

CONSOLE_NAME: Final = "desk"
"""By which the registry's own terminal is known to visitors and to `.handover`, unless an operator has this name."""

CONSOLE_CALLER: Final = Caller(identity=CONSOLE)
"""Who asks when something is typed at the registry's own terminal."""


_AWAITED: Final = (TurnTold, ClientTold, DeskLine)
"""Notices behind which the other side waits for an answer, so whoever gets one must not be gone unnoticed."""


class Parts:
    """What there is."""

    def __init__(
        self,
        settings: DeskSettings,
        operators: Operators,
        directory: Directory,
        roster: Roster,
        guests: Guests,
        clock: WallClock,
    ) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self.guests: Final = guests
        self.queue: Final = DeskQueue(settings)
        self.transcripts: Final[dict[int, Transcript]] = {}
        self.estimates: Final = {queue: Estimates() for queue in settings.queues}
        self.figures: Final = {queue: Figures(utc_offset=settings.utc_offset) for queue in settings.queues}
        self.by_ticket: Final[dict[bytes, Visit]] = {}
        self.ends: Final[dict[bytes, VisitOver]] = {}
        """How visits ended by an operator's word, by ticket: the newest last."""
        self.at_guest: Final[dict[bytes, Visit]] = {}
        """Who is here, by the guest's key under which they came."""
        self.guest_of: Final[dict[int, bytes]] = {}
        """The same the other way round, by the visit's number."""
        self.of_host: Final[Counter[str]] = Counter()
        self._directory = directory
        self._roster = roster
        self.operators: Final = operators

    # --- who is who

    def is_operator(self, identity: OperatorId) -> bool:
        """Whether they may serve visitors."""
        return identity == CONSOLE or self.operators.is_one(identity)

    def operator_named(self, name: str) -> OperatorId | None:
        """Whose name it is, if it is an operator's. Raises NameRefused."""
        key = name_key(name)
        holder = self.operators.named(key)
        return CONSOLE if holder is None and key == CONSOLE_NAME else holder

    def name_of(self, identity: OperatorId) -> str:
        """As it is shown to others."""
        if identity == CONSOLE:
            return CONSOLE_NAME
        person = self._directory.person(identity)
        return "" if person is None else person.card.name

    # --- visits

    def add(self, visit: Visit) -> None:
        """A new one, or one of an earlier life."""
        self.by_ticket[visit.ticket] = visit
        self.of_host[visit.host] += 1

    def seat(self, visit: Visit, guest: bytes) -> None:
        """The visitor is at this guest's link."""
        self.at_guest[guest] = visit
        self.guest_of[visit.number] = guest

    def unseat(self, visit: Visit) -> None:
        """They are at no link."""
        self.at_guest.pop(self.guest_of.pop(visit.number, b""), None)

    def note_end(self, ticket: bytes, over: VisitOver) -> None:
        """Whoever shows this ticket from now on is to be told."""
        self.ends[ticket] = over
        if len(self.ends) > DESK_SESSIONS_MAX + DESK_UNTOLD_MAX:
            del self.ends[next(iter(self.ends))]

    def forget(self, visit: Visit) -> None:
        """It is over."""
        self.unseat(visit)
        self.transcripts.pop(visit.number, None)
        self.by_ticket.pop(visit.ticket, None)
        self.of_host[visit.host] -= 1
        if not self.of_host[visit.host]:
            del self.of_host[visit.host]

    # --- telling

    def tell_visitor(self, visit: Visit, notice: DeskNotice) -> list[Effect]:
        """By their link, if they have one."""
        guest = self.guest_of.get(visit.number, b"")
        return _pushed(guest, self.guests.link_of(guest), notice)

    def tell_operator(self, who: OperatorId, notice: DeskNotice) -> list[Effect]:
        """By their link, or on the registry's own terminal."""
        if who == NOBODY:
            return []
        if who == CONSOLE:
            return [Resume(request=ConsoleTold(notice=notice), to=CONSOLE_CALLER)]
        return _pushed(who, self._roster.link_of(who), notice)

    def answer(self, caller: Caller, answer: DeskNotice) -> list[Effect]:
        """By the way they asked."""
        if caller.identity == CONSOLE:
            return self.tell_operator(CONSOLE, answer)
        return [Reply(to=caller, message=answer)]

    def deliver(self, visit: Visit, reader: Party) -> list[Effect]:
        """The lines that they are to be sent now."""
        effects: list[Effect] = []
        transcript = self.transcripts.get(visit.number)
        while transcript is not None and (due := transcript.due(reader)):
            effects += self._tell_lines(visit, reader, due)
            if reader != CONSOLE:
                break
            transcript.confirm(CONSOLE, due[-1].position)  # what is shown there is read
        return effects

    def deliver_rest(self, visit: Visit, reader: Party) -> list[Effect]:
        """The last lines of a visit that is over, also those that are still on their way to the disk."""
        transcript = self.transcripts.get(visit.number)
        return [] if transcript is None else self._tell_lines(visit, reader, transcript.rest(reader))

    def _tell_lines(self, visit: Visit, reader: Party, lines: list[Said]) -> list[Effect]:
        effects: list[Effect] = []
        for said in lines:
            name = "" if said.author == VISITOR else said.author_name
            line = DeskLine(visit.number, said.position, name, said.at, said.text)
            if reader == VISITOR:
                effects += self.tell_visitor(visit, line)
            else:
                effects += self.tell_operator(reader, line)
        return effects

    def transcript(self, visit: Visit) -> Transcript:
        """Of what is said in it; made when something is."""
        return self.transcripts.setdefault(visit.number, Transcript())

    # --- figures

    def under_way(self, queue: str) -> list[Session]:
        """Sessions that go on, or are interrupted."""
        visits = (visit for visit in self.queue.visits.values() if visit.queue == queue and visit.called_at)
        return [Session(visit.joined_at, visit.called_at, 0) for visit in visits]


def _pushed(whom: bytes, link: int | None, notice: DeskNotice) -> list[Effect]:
    if link is None:
        return []
    told = Push(link=link, message=notice)
    return [told, Doubt(identity=whom)] if isinstance(notice, _AWAITED) else [told]
