"""State that the rules of the desk share: the visits, the operators, and how to send both
something."""

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from typing import Final

from chatapp.registry.rules.desk.guests import Guests
from chatapp.registry.rules.desk.opening import Openings
from chatapp.registry.rules.desk.queue.queue import DeskQueue, SilenceWatch
from chatapp.registry.rules.desk.queue.visit import (
    BY_OPERATOR,
    CONSOLE,
    NOBODY,
    OperatorId,
    Visit,
    visit_of,
)
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.desk.statistics import DeskStatistics, Ratings
from chatapp.registry.rules.desk.talk.files import DeskFiles
from chatapp.registry.rules.desk.talk.past import Past
from chatapp.registry.rules.desk.talk.transcript import VISITOR, Party, Transcript, TranscriptLine
from chatapp.registry.rules.directory.connections import Connections, Liveness
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import (
    Caller,
    CheckAlive,
    Effect,
    Push,
    Reply,
    Settled,
    TellConsole,
)
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.store.entries import DeskLineKept, PastLineKept
from chatapp.registry.store.protocol import LoadedDesk
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.identity import fingerprint_digits, fingerprint_from
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
from chatapp.wire.sessions.opening import Randomness

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


class Operators:
    """The operators, listed by name or key, and the registry's console, which is one of them."""

    def __init__(self, texts: Iterable[str], directory: Directory) -> None:
        """`texts`: names, and fingerprints of keys."""
        texts = tuple(texts)
        self._directory = directory
        self._keys: Final = frozenset(
            digits for text in texts if (digits := fingerprint_from(text)) is not None
        )
        self.names: Final = {
            name_key(text): text for text in texts if fingerprint_from(text) is None
        }
        """The listed names as typed, by key."""
        self.codes: Mapping[str, JoinCode] = {}
        """The codes of listed names that nobody has, by key."""
        for text in self.names.values():
            directory.names.keep_for_operator(text)

    def __bool__(self) -> bool:
        """Whether any peer is listed as an operator."""
        return bool(self.names or self._keys)

    def draw_codes(self, registry: bytes, rng: Randomness) -> None:
        """Draw a join code for each listed name that nobody has. Call it when the names of earlier
        runs are known. A name that looks like somebody else's gets none, since nobody can have
        it."""
        names = self._directory.names
        free = {key: text for key, text in self.names.items() if not names.is_held_or_alike(text)}
        self.codes = {
            key: JoinCode.generate(rng.randbytes(CODE_BYTES), registry=registry) for key in free
        }
        for key, code in self.codes.items():
            names.keep_for_operator(free[key], code.public)

    def bearer(self, key: str) -> bytes | None:
        """Return the identity that the listed name with this key stands for."""
        return self._directory.names.bearer_of_kept(key)

    def includes(self, identity: bytes) -> bool:
        """Return whether the member with this identity is an operator."""
        if self._directory.person(identity) is None:
            return False
        if self._keys and fingerprint_digits(identity) in self._keys:
            return True
        return any(self.bearer(key) == identity for key in self.names)

    def is_operator(self, identity: OperatorId) -> bool:
        """Return whether this identity may serve visitors."""
        return identity == CONSOLE or self.includes(identity)

    def named(self, name: str) -> OperatorId | None:
        """Return the operator who has this name, or whom it stands for in the list. Raises
        NameRefused."""
        key = name_key(name)
        holder = self._directory.names.holder(key) or self.bearer(key)
        if holder is not None and self.includes(holder):
            return holder
        return CONSOLE if key == CONSOLE_NAME else None

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
        """Send a reader the lines that are due when this is carried out, which may be when the disk
        has answered: lines that are due later must not overtake them. The console is told whom it
        serves in the same turn."""
        lines = self._deliver(visit, reader)
        return list(lines) if reader == CONSOLE else [lines]

    def _deliver(self, visit: Visit, reader: Party) -> Generator[Effect, Settled, None]:
        transcript = self._visits.transcripts.get(visit.number)
        while transcript is not None and (due := transcript.due(reader)):
            yield from self._tell_lines(visit, reader, due)
            if reader != CONSOLE:
                break
            transcript.confirm(
                CONSOLE, due[-1].position
            )  # whatever is shown on the console counts as read

    def deliver_rest(self, visit: Visit, reader: Party) -> list[Effect]:
        """Send a reader the remaining lines of a visit that is over, also those on their way to the
        disk."""
        transcript = self._visits.transcripts.get(visit.number)
        return (
            [] if transcript is None else self._tell_lines(visit, reader, transcript.rest(reader))
        )

    def unread(self, visit: Visit, operator: OperatorId) -> list[DeskLine]:
        """Return the lines of a visit that is over that an operator out of reach has not shown, as
        many of the newest as are sent at once."""
        transcript = self._visits.transcripts.get(visit.number)
        lines = [] if transcript is None else transcript.unconfirmed(operator)
        return [_line(visit, operator, line) for line in lines]

    def reaches(self, operator: OperatorId) -> bool:
        """Return whether an operator has a link, or sits at the console."""
        return operator == CONSOLE or self._connections.link_of(operator) is not None

    def _tell_lines(self, visit: Visit, reader: Party, lines: list[TranscriptLine]) -> list[Effect]:
        effects: list[Effect] = []
        for line in lines:
            notice = _line(visit, reader, line)
            if reader == VISITOR:
                effects += self.tell_visitor(visit, notice)
            else:
                effects += self.tell_operator(reader, notice)
        return effects


def _line(visit: Visit, reader: Party, line: TranscriptLine) -> DeskLine:
    name = "" if line.author == VISITOR else line.author_name
    number = line.number if line.author == reader else 0
    said = visit.number, line.position, name, line.at, line.text, number
    return DeskLine(*said, line.mark, line.target, line.file_size)


def _pushed(whom: bytes, link: int | None, notice: DeskNotice) -> list[Effect]:
    if link is None:
        return []
    push = Push(link=link, message=notice)
    return [push, CheckAlive(identity=whom)] if isinstance(notice, _AWAITED) else [push]


class DeskState:
    """What all rules of the desk work on."""

    def __init__(
        self,
        settings: DeskSettings,
        directory: Directory,
        connections: Connections,
        liveness: Liveness,
        clock: WallClock,
    ) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self.guests: Final = Guests(liveness)
        self.queue: Final = DeskQueue(settings)
        self.operators: Final = Operators(settings.operators, directory)
        self.visits: Final = VisitIndex()
        self.openings: Final = Openings(settings)
        self.ratings: Final = Ratings(utc_offset=settings.utc_offset)
        self.statistics: Final = DeskStatistics(settings.queues, utc_offset=settings.utc_offset)
        self.silences: Final = SilenceWatch(settings.no_show_after)
        self.files: Final = DeskFiles(settings)
        self.past: Final = Past(settings, clock, self.files)
        self.sender: Final = DeskSender(self.visits, self.guests, connections)

    def load(self, loaded: LoadedDesk, *, now: float) -> None:
        """Restore the visits of earlier runs in their order, what was said in them, the sessions
        that were served, their ratings, and which queues are closed."""
        settings, visits = self.settings, self.visits
        restored = [visit_of(record, settings.queue_kept(record.queue)) for record in loaded.visits]
        for visit in restored:
            visits.add(visit)
            if visit.number in loaded.lines:
                visits.transcript(visit).load(_said(line) for line in loaded.lines[visit.number])
        for over in loaded.served:
            self.statistics.load(settings.queue_kept(over.queue), over)
        for over in sorted((*loaded.served, *loaded.untold), key=lambda over: over.ended_at):
            if over.ticket and over.cause in BY_OPERATOR:
                served_at = settings.queue_kept(over.queue) if over.called_at else ""
                visits.note_end(
                    over.ticket, VisitOver(over.visit, OverCause(over.cause)), served_at=served_at
                )
        self.past.load(loaded.sessions, loaded.transcripts, now=now)
        self.files.load(
            loaded.pieces,
            live={
                visit.number: (visit, _files_of(loaded.lines.get(visit.number, ())))
                for visit in restored
            },
            over={
                transcript.visit: _files_of(transcript.lines) for transcript in loaded.transcripts
            },
        )
        merged = {
            settings.queue_kept(record.queue)
            for record in loaded.visits
            if not settings.queue_named(record.queue)
        }
        off_duty = {record.visit for record in loaded.visits if record.is_off_duty}
        self.queue.load(restored, off_duty=off_duty, merged=merged, now=now)
        self.openings.load(loaded.openings)
        self.ratings.load(loaded.ratings)


def _said(line: DeskLineKept) -> TranscriptLine:
    said = line.position, line.author, line.author_name, line.number, line.at, line.text
    return TranscriptLine(*said, line.mark, line.target, line.file_size)


def _files_of(lines: Iterable[DeskLineKept | PastLineKept]) -> dict[int, tuple[str, int]]:
    """Return the names and sizes of the files of these lines, by their positions."""
    return {line.position: (line.text, line.file_size) for line in lines if line.file_size}
