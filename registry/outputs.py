"""What leaves the registry: queues of answers, the broadcasts of the table, and the barrier behind which effects wait for
the disk.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chatapp.registry.admin.messages import AdminAnswer
from chatapp.registry.directory.directory import Directory
from chatapp.registry.effects import (
    Admit,
    Caller,
    DropReason,
    Effect,
    Event,
    LettersOutcome,
    LinkEndReason,
    Offer,
    PeerRegistered,
    Persist,
    Refuse,
    RegistrationRefused,
    Resume,
    SendDatagram,
    StoreLetter,
)
from chatapp.registry.limits import RegistryPolicy
from chatapp.registry.store.entries import Entry
from chatapp.registry.transport.links import Links
from chatapp.registry.transport.sessions import Sessions
from chatapp.wire.address import Address
from chatapp.wire.admission import make_refused, make_welcome, sign_table
from chatapp.wire.codec import encode, join_frames
from chatapp.wire.errors import SealError
from chatapp.wire.framing import GROUP_OVERHEAD, Kind
from chatapp.wire.identity import Identity
from chatapp.wire.limits import DATAGRAM_MAX, PROMISES_BYTES_MAX, PROMISES_MAX
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.table import TableBatch


class Output(NamedTuple):
    """Everything that one turn produced, for the driver to carry out in this order."""

    link_writes: list[tuple[int, list[bytes]]]
    """The pieces for each link, framed already."""
    links_to_pause: list[int]
    """Links that ask for too much. A link may be in the next list too."""
    links_to_resume: list[int]
    links_to_close: list[tuple[int, LinkEndReason]]
    """What was written to them still goes out."""
    datagrams: list[tuple[bytes, Address]]
    broadcasts: list[tuple[bytes, list[Address]]]
    """One datagram for many addresses. The driver slices long lists."""
    console_lines: list[str]
    events: list[Event]
    """What happened, for the log."""


class Outputs:
    """The queues that the core fills and the driver drains."""

    def __init__(
        self, identity: Identity, sessions: Sessions, links: Links, policy: RegistryPolicy, *, link_port: int
    ) -> None:
        self._identity = identity
        self._sessions = sessions
        self._links = links
        self._policy = policy
        self._link_port = link_port
        self.datagrams: list[tuple[bytes, Address]] = []
        self.broadcasts: list[tuple[bytes, list[Address]]] = []
        self.console_lines: list[str] = []
        self.admin_answers: list[tuple[str, AdminAnswer]] = []
        """Answers to admin requests, by ticket."""
        self._events: list[Event] = []
        self.dropped: Counter[DropReason] = Counter()
        """How much was not served, by reason."""

    def drain(self) -> Output:
        """Return and forget everything that is queued."""
        links, throttle = self._links, self._links.throttle
        output = Output(
            links.writes(),
            throttle.to_pause,
            throttle.to_resume,
            links.to_close,
            self.datagrams,
            self.broadcasts,
            self.console_lines,
            self._events,
        )
        throttle.to_pause, throttle.to_resume, links.to_close = [], [], []
        self.datagrams, self.broadcasts, self.console_lines = [], [], []
        self._events = []
        return output

    # --- filled by the core

    def reply(self, to: Caller, message: RegistryNotice | msgspec.Raw) -> None:
        """Answer a caller on the link or in the session by which the request came."""
        if to.link is not None:
            link = self._links.find(to.link)
            if link is not None:
                self._links.send(link, encode(message))
        elif to.address is not None:
            datagram = self._sessions.table.seal_back(to.session, join_frames([encode(message)]))
            if datagram is not None:
                self.datagrams.append((datagram, to.address))

    def send_datagram(self, effect: SendDatagram, *, now: float) -> None:
        """Send an unasked notice in a sealed datagram."""
        with contextlib.suppress(SealError):  # the session has expired
            payload = join_frames([encode(effect.message)])
            datagrams = self._sessions.table.seal(effect.identity, payload, now=now)
            self.datagrams += [(datagram, effect.address) for datagram in datagrams]

    def push(self, number: int, message: RegistryNotice | msgspec.Raw) -> None:
        """Queue a notice on a link, if the link is still there."""
        link = self._links.find(number)
        if link is not None:
            self._links.send(link, encode(message))

    def tell_everybody(self, message: RegistryNotice) -> None:
        """Queue a notice on every attached link."""
        encoded = encode(message)
        for link in self._links.attached():
            self._links.send(link, encoded)

    def offer(self, offer: Offer) -> None:
        """Queue a notice on a link, unless its reader is behind."""
        link = self._links.find(offer.link)
        if link is not None and not link.is_behind:
            self._links.send(link, encode(offer.message))
        else:
            self.dropped[DropReason.RECIPIENT_LINK_BUSY] += 1

    def admit(self, admitted: Admit, *, table_version: int, clock: int, now: float) -> None:
        """Send the signed WELCOME and allow sessions with the peer."""
        address = admitted.to.address
        assert address is not None
        self._sessions.admit(admitted.card.identity, admitted.nonce, now=now)
        welcome = make_welcome(
            self._identity,
            card=admitted.card,
            nonce=admitted.nonce,
            host=address.host,
            port=address.port,
            table_version=table_version,
            lease=self._policy.lease_span,
            link_port=self._link_port,
            clock=clock,
            servers=self._policy.servers,
        )
        self.datagrams.append((bytes((Kind.WELCOME,)) + encode(welcome), address))
        if admitted.is_new:
            self.note(PeerRegistered(name=admitted.card.name, address=address))

    def refuse(self, refused: Refuse) -> None:
        """Send the signed REFUSED."""
        address = refused.to.address
        assert address is not None
        message = make_refused(
            self._identity,
            nonce=refused.nonce,
            reason=refused.reason,
            name=refused.name,
            counter=refused.counter,
        )
        self.datagrams.append((bytes((Kind.REFUSED,)) + encode(message), address))
        self.note(RegistrationRefused(name=refused.name, address=address, reason=refused.reason))

    def note(self, event: Event) -> None:
        """Queue an event for the log; past the cap events are lost."""
        if len(self._events) < self._policy.events_max:
            self._events.append(event)


class _Promise(msgspec.Struct):
    """What follows when some entries are on the disk, or are not."""

    upto: int
    """How many entries must be on the disk."""
    then: Sequence[Effect] = ()
    otherwise: Sequence[Effect] = ()
    held: int = 0
    """Bytes that `then` keeps in memory."""
    letters: list[StoreLetter] = []
    """Instead of the effects: a run of letters, which are settled together."""


_NOBODY: Final = Caller(identity=b"")


class CommitBarrier:
    """Entries on their way to the disk, and the effects that wait for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._waiting: deque[_Promise] = deque()
        self._count = 0
        """How many requests wait."""
        self._held = 0

    @property
    def is_idle(self) -> bool:
        """Whether every entry is on the disk."""
        return not self._new and self._stored == self._handed

    @property
    def stored_in_all(self) -> int:
        """How many entries are on the disk, since the start."""
        return self._stored

    def add(self, persist: Persist) -> Sequence[Effect]:
        """Queue the entries. Return the effects that need not wait: nothing is on its way, or too much is."""
        if not persist.then and not persist.otherwise:
            self._new.extend(persist.entries)
            return ()
        is_full = self._count >= PROMISES_MAX or (persist.held and self._held >= PROMISES_BYTES_MAX)
        if persist.entries and is_full:
            return persist.otherwise
        if self._count >= 2 * PROMISES_MAX:
            return ()  # mostly repeated requests, whose first copy gets the answer
        self._new.extend(persist.entries)
        if self.is_idle:
            return persist.then
        self._held += persist.held
        self._count += 1
        upto = self._handed + len(self._new)
        self._waiting.append(_Promise(upto, persist.then, persist.otherwise, persist.held))
        return ()

    def add_letter(self, letter: StoreLetter) -> bool:
        """Queue a letter's entry. Return False if too much is on its way."""
        if self._count >= PROMISES_MAX:
            return False
        self._new.append(letter.entry)
        self._count += 1
        before = self._handed + len(self._new) - 1
        run = self._waiting[-1] if self._waiting else None
        if run is None or not run.letters or run.upto != before or before == self._handed:
            # The first entry of a turn begins a run, too: what is handed over together is stored together or not at all.
            run = _Promise(before)
            self._waiting.append(run)
        run.letters.append(letter)
        run.upto = before + 1
        return True

    def entries_to_store(self) -> list[Entry]:
        """Drain the new entries, in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Effect]:
        """Note that the oldest `count` entries on their way are on the disk. Return the effects that waited for them."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Effect] = []
        while self._waiting and self._waiting[0].upto <= self._stored:
            released += self._settled(self._waiting.popleft(), is_stored=True)
        return released

    def failed(self, newest: int | None) -> list[Effect]:
        """Note that the newest `newest` entries on their way (all, for None) were not stored. Return the effects for that
        case."""
        pending = self._handed - self._stored
        lost = pending if newest is None else min(newest, pending)
        kept_upto = self._handed - lost
        kept: deque[_Promise] = deque()
        released: list[Effect] = []
        for promise in self._waiting:
            if promise.upto <= kept_upto:
                kept.append(promise)
            elif promise.upto <= self._handed:
                released += self._settled(promise, is_stored=False)
            else:  # made since, for entries that are not handed over yet
                promise.upto -= lost
                kept.append(promise)
        self._waiting, self._handed = kept, kept_upto
        return released

    def _settled(self, promise: _Promise, *, is_stored: bool) -> Sequence[Effect]:
        self._held -= promise.held
        self._count -= len(promise.letters) or 1
        if promise.letters:
            return (Resume(request=LettersOutcome(letters=promise.letters, is_stored=is_stored), to=_NOBODY),)
        return promise.then if is_stored else promise.otherwise


_SIGNATURE_SIZE = 64
_BATCH_OVERHEAD = 1 + 9 + 9 + 3
"""Bytes of an encoded `TableBatch` beside its rows: the array, two versions, the rows' array."""
_ROWS_SIZE = DATAGRAM_MAX - GROUP_OVERHEAD - _SIGNATURE_SIZE - _BATCH_OVERHEAD
_ROWS_MAX = 64


class TableBroadcaster:
    """Decides when changes of the table are broadcast, and signs the batches."""

    def __init__(self, directory: Directory, identity: Identity, policy: RegistryPolicy) -> None:
        self._directory = directory
        self._identity = identity
        self._policy = policy
        self._seen = self._sent = directory.version
        self._due_at: float | None = None
        self._repeat_at: float | None = None
        self._quiet_until = self._last_storm = float("-inf")

    def check(self, *, now: float) -> None:
        """Schedule a broadcast if the table has changed since the last check."""
        if self._directory.version != self._seen:
            self._seen = self._directory.version
            self._repeat_at = now + self._policy.announce_span
            if self._due_at is None:
                self._due_at = max(now + self._policy.coalesce_span, self._quiet_until)

    def handle_timer(self, *, audience: int, now: float) -> list[bytes]:
        """Return the signed payloads that are due, in order. The larger the audience, the rarer the broadcasts: a crowd that
        comes in must not drown in the news of its own arrival."""
        payloads: list[bytes] = []
        if self._due_at is not None and now >= self._due_at:
            payloads = self._changes(now)
            takes = len(payloads) * audience / self._policy.broadcasts_per_second
            self._quiet_until = now + max(self._policy.busy_span, takes)
        if self._repeat_at is not None and now >= self._repeat_at:
            self._repeat_at = None
            payloads.append(self._announcement())
        return payloads

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        if self._due_at is None or self._repeat_at is None:
            return self._repeat_at if self._due_at is None else self._due_at
        return min(self._due_at, self._repeat_at)

    def _changes(self, now: float) -> list[bytes]:
        batches: list[TableBatch] = []
        since = self._sent
        while since < self._directory.version:
            delta = self._directory.delta(since, bytes_max=_ROWS_SIZE, rows_max=_ROWS_MAX)
            if len(batches) == self._policy.broadcast_datagrams:
                return self._storm(now)
            batches.append(TableBatch(since, delta.version, delta.rows))
            since = delta.version
        self._sent, self._due_at = since, None
        return [self._signed(batch) for batch in batches]

    def _storm(self, now: float) -> list[bytes]:
        """Announce the version alone, not too often: the changes are too many for datagrams, so peers fetch them."""
        at = self._last_storm + self._policy.storm_span
        if now < at:
            self._due_at = at
            return []
        self._last_storm, self._due_at = now, None
        return [self._announcement()]

    def _announcement(self) -> bytes:
        self._sent = self._directory.version
        return self._signed(TableBatch(self._sent, self._sent, []))

    def _signed(self, batch: TableBatch) -> bytes:
        return sign_table(self._identity, encode(batch))
