"""What the desk's rules share: who is who, where each visitor is, how somebody is told something.

It knows links by number; it decides nothing.
"""

from collections import Counter
from typing import Final

from chatapp.registry.access import Operators
from chatapp.registry.desk.queue import DeskQueue
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.desk.statistics import Estimates, Figures, ServedSession
from chatapp.registry.desk.transcript import VISITOR, Party, Transcript, TranscriptLine
from chatapp.registry.desk.visit import BY_OPERATOR, CONSOLE, NOBODY, OperatorId, Visit, visit_of
from chatapp.registry.directory.directory import Directory
from chatapp.registry.directory.presence import Liveness
from chatapp.registry.effects import (
    Admit,
    Caller,
    CheckAlive,
    ConsoleNotice,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    LinkEndReason,
    Push,
    Refuse,
    Reply,
    Resume,
)
from chatapp.registry.limits import Leases, WallClock
from chatapp.registry.store.entries import DeskLineKept
from chatapp.registry.store.protocol import LoadedDesk
from chatapp.registry.transport.sessions import Connections
from chatapp.wire.address import Address
from chatapp.wire.limits import (
    DESK_SESSIONS_MAX,
    DESK_UNTOLD_MAX,
    GUEST_KEPT_FOR,
    GUESTS_MAX,
    GUESTS_PER_ADDRESS,
)
from chatapp.wire.messages.desk import ClientTold, DeskLine, DeskNotice, OverCause, TurnTold, VisitOver
from chatapp.wire.messages.registration import RefusalReason, Register
from chatapp.wire.messages.table import Card
from chatapp.wire.names import name_key


class Guest:
    """One of them."""

    __slots__ = ("address", "card", "host", "link", "nonce")

    def __init__(self, card: Card, address: Address) -> None:
        self.card = card
        self.host = address.host
        """Where they came in from first: what counts for quotas."""
        self.address = address
        self.link: int | None = None
        self.nonce = b""
        """Of the last REGISTER: the same once more is a repeated datagram."""


class Guests:
    """Everybody who is in without a name."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness
        self._guests: dict[bytes, Guest] = {}
        self._of_host: Counter[str] = Counter()
        self._leases: Leases[bytes] = Leases(GUEST_KEPT_FOR)

    def __len__(self) -> int:
        return len(self._guests)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._guests

    def host_of(self, identity: bytes) -> str:
        """Where they came in from."""
        return self._guests[identity].host

    def card_of(self, identity: bytes) -> Card:
        """Theirs."""
        return self._guests[identity].card

    def linked(self) -> list[bytes]:
        """Those with a link."""
        return [identity for identity, guest in self._guests.items() if guest.link is not None]

    def register(self, register: Register, caller: Caller, *, now: float) -> list[Effect]:
        """A card without a name, whose author is proved. Whoever is in as a guest gets no name under the same key."""
        card, nonce = register.card, register.nonce
        if card.name:
            return [Refuse(to=caller, nonce=nonce, name=card.name, reason=RefusalReason.BAD_NAME)]
        guest = self._guests.get(card.identity)
        if guest is not None and guest.nonce == nonce:
            return [Admit(to=caller, card=guest.card, nonce=nonce, is_new=False)]
        refusal = self._refusal_of(card, guest, caller)
        if refusal is not None:
            return [Refuse(to=caller, nonce=nonce, name="", reason=refusal)]
        if guest is None:
            assert caller.address is not None
            guest = self._guests[card.identity] = Guest(card, caller.address)
            self._of_host[guest.host] += 1
        guest.card, guest.nonce = card, nonce
        self.sign_of_life(caller, now=now)
        if guest.link is None:
            self._leases.renew(card.identity, now=now)
        return [Admit(to=caller, card=card, nonce=nonce, is_new=True)]

    def sign_of_life(self, caller: Caller, *, now: float) -> None:
        """A REGISTER or a Ping of theirs: they are alive, and where the newest of them came from."""
        if caller.is_newest:
            self._liveness.note(caller.identity, now=now)
            if caller.address is not None:
                self._guests[caller.identity].address = caller.address

    def silent(self, identity: bytes) -> list[Effect]:
        """They have shown no sign of life for too long: the end of their link says what becomes of a visit."""
        link = self.link_of(identity)
        return [] if link is None else [Disconnect(link=link, reason=LinkEndReason.SILENT)]

    def place_of(self, identity: bytes) -> tuple[int | None, Address | None]:
        """The link and the address of a guest."""
        guest = self._guests.get(identity)
        return (None, None) if guest is None else (guest.link, guest.address)

    def attach(self, caller: Caller, link: int, *, now: float) -> list[Effect]:
        """They have a link; a former one goes."""
        guest = self._guests[caller.identity]
        if guest.link == link:
            return [Drop(reason=DropReason.MISPLACED_ATTACH)]
        former, guest.link = guest.link, link
        self._liveness.note(caller.identity, now=now)
        self._leases.end(caller.identity)
        return [] if former is None else [Disconnect(link=former, reason=LinkEndReason.REPLACED)]

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """A link is over."""
        guest = self._guests.get(identity)
        if guest is not None and guest.link == link:
            guest.link = None
            self._liveness.end(identity)
            self._leases.renew(identity, now=now)

    def link_of(self, identity: bytes) -> int | None:
        """Their link, if they have one."""
        guest = self._guests.get(identity)
        return None if guest is None else guest.link

    def expire(self, *, now: float) -> None:
        """Forget those who are gone for long enough."""
        for identity in self._leases.expired(now=now):
            guest = self._guests.pop(identity)
            self._of_host[guest.host] -= 1
            if not self._of_host[guest.host]:
                del self._of_host[guest.host]

    def next_timer(self) -> float | None:
        """When the first of them is forgotten."""
        return self._leases.next_deadline()

    def _refusal_of(self, card: Card, guest: Guest | None, caller: Caller) -> RefusalReason | None:
        if guest is not None:
            is_other = card.counter == guest.card.counter and card != guest.card
            return RefusalReason.OLD_CARD if card.counter < guest.card.counter or is_other else None
        assert caller.address is not None
        is_full = len(self) >= GUESTS_MAX or self._of_host[caller.address.host] >= GUESTS_PER_ADDRESS
        return RefusalReason.FULL if is_full else None


CONSOLE_NAME: Final = "desk"
"""By which the registry's own terminal is known to visitors and to `.handover`, unless an operator has this name."""

CONSOLE_CALLER: Final = Caller(identity=CONSOLE)
"""Who asks when something is typed at the registry's own terminal."""


_AWAITED: Final = (TurnTold, ClientTold, DeskLine)
"""Notices behind which the other side waits for an answer, so whoever gets one must not be gone unnoticed."""


class DeskParts:
    """What there is."""

    def __init__(
        self,
        settings: DeskSettings,
        operators: Operators,
        directory: Directory,
        connections: Connections,
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
        self._connections = connections
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

    def attach_guest(self, visit: Visit, guest: bytes) -> None:
        """The visitor is at this guest's link."""
        self.at_guest[guest] = visit
        self.guest_of[visit.number] = guest

    def detach_guest(self, visit: Visit) -> None:
        """They are at no link."""
        self.at_guest.pop(self.guest_of.pop(visit.number, b""), None)

    def note_end(self, ticket: bytes, over: VisitOver) -> None:
        """Whoever shows this ticket from now on is to be told."""
        self.ends[ticket] = over
        if len(self.ends) > DESK_SESSIONS_MAX + DESK_UNTOLD_MAX:
            del self.ends[next(iter(self.ends))]

    def forget(self, visit: Visit) -> None:
        """It is over."""
        self.detach_guest(visit)
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
            return [Resume(request=ConsoleNotice(notice=notice), to=CONSOLE_CALLER)]
        return _pushed(who, self._connections.link_of(who), notice)

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

    def _tell_lines(self, visit: Visit, reader: Party, lines: list[TranscriptLine]) -> list[Effect]:
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

    def under_way(self, queue: str) -> list[ServedSession]:
        """Sessions that go on, or are interrupted."""
        visits = (visit for visit in self.queue.visits.values() if visit.queue == queue and visit.called_at)
        return [ServedSession(visit.joined_at, visit.called_at, 0) for visit in visits]


def _pushed(whom: bytes, link: int | None, notice: DeskNotice) -> list[Effect]:
    if link is None:
        return []
    told = Push(link=link, message=notice)
    return [told, CheckAlive(identity=whom)] if isinstance(notice, _AWAITED) else [told]


def restore(parts: DeskParts, loaded: LoadedDesk, *, now: float) -> None:
    """Visits in their order, what was said in them, and the sessions that make figures and estimates."""
    visits = [visit_of(record, _queue_of(parts, record.queue)) for record in loaded.visits]
    for visit in visits:
        parts.add(visit)
        if visit.number in loaded.lines:
            parts.transcript(visit).load(_said(line) for line in loaded.lines[visit.number])
    for over in loaded.served:
        queue = _queue_of(parts, over.queue)
        parts.estimates[queue].note(over.served_for / 1_000)
        session = ServedSession(over.joined_at, over.called_at, over.ended_at)
        parts.figures[queue].load(session, of_day=over.of_day)
    for over in sorted((*loaded.served, *loaded.untold), key=lambda over: over.ended_at):
        if over.ticket and over.cause in BY_OPERATOR:
            parts.note_end(over.ticket, VisitOver(over.visit, OverCause(over.cause)))
    parts.queue.load(visits, now=now)


def _queue_of(parts: DeskParts, name: str) -> str:
    """A queue that the settings name no longer: its visitors and its past are the first one's."""
    return parts.settings.queue_named(name) or parts.settings.queues[0]


def _said(line: DeskLineKept) -> TranscriptLine:
    return TranscriptLine(line.position, line.author, line.author_name, line.number, line.at, line.text)
