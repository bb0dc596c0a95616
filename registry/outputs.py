"""What goes out of the registry: sealed answers and signed ones, in queues that the shell drains.

It knows links, sessions and how an answer becomes bytes.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatapp.registry.directory.directory import Directory
from chatapp.registry.effects import (
    AdminAnswer,
    Admit,
    Caller,
    Effect,
    Event,
    Offer,
    PeerRegistered,
    Persist,
    Refuse,
    RegistrationRefused,
    Resume,
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
from chatapp.wire.limits import DATAGRAM_MAX, PROMISES_BYTES_MAX, PROMISES_MAX, REQUESTS_QUEUED_MAX
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.registration import Rename
from chatapp.wire.messages.rooms import EnterRoom, LeaveRoom
from chatapp.wire.messages.table import TableBatch


class Outputs:
    """The queues."""

    def __init__(
        self,
        identity: Identity,
        sessions: Sessions,
        policy: RegistryPolicy,
        *,
        link_port: int,
        links_max: int,
    ) -> None:
        self._identity = identity
        self._sessions = sessions
        self._policy = policy
        self._link_port = link_port
        self._datagrams: list[tuple[bytes, Address]] = []
        self._broadcasts: list[tuple[bytes, list[Address]]] = []
        self._events: list[Event] = []
        self._console_lines: list[str] = []
        self._answers: list[tuple[str, AdminAnswer]] = []
        self._links = Links(most=links_max, requests_per_second=policy.requests_per_second)
        self.dropped: Counter[str] = Counter()
        """What was not served, by reason."""

    # --- drained by the shell

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def broadcasts_to_send(self) -> list[tuple[bytes, list[Address]]]:
        """Drained: one datagram each for many. Long lists are the shell's to slice."""
        broadcasts, self._broadcasts = self._broadcasts, []
        return broadcasts

    def link_writes(self) -> list[tuple[int, list[bytes]]]:
        """Drained: pieces for each link, framed already; write them before links are closed."""
        return self._links.writes()

    def links_to_widen(self) -> list[int]:
        """Drained: links that have proved themselves, whose frames may be long from now on."""
        return self._links.to_widen()

    def links_to_pause(self) -> list[int]:
        """Drained: links that ask too much. Pause before you resume."""
        return self._links.throttle.to_pause()

    def links_to_resume(self) -> list[int]:
        """Drained: links to read on from."""
        return self._links.throttle.to_resume()

    def links_to_close(self) -> list[tuple[int, str]]:
        """Drained: links that are over, and why; what was written to them still goes."""
        return self._links.to_close()

    def events(self) -> list[Event]:
        """Drained: what happened, for a log."""
        events, self._events = self._events, []
        return events

    def answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drained: answers to errands, by ticket."""
        answers, self._answers = self._answers, []
        return answers

    def console_lines(self) -> list[str]:
        """Drained: lines for the registry's own terminal."""
        lines, self._console_lines = self._console_lines, []
        return lines

    # --- filled by the core

    def _reply(self, to: Caller, message: RegistryNotice | msgspec.Raw) -> None:
        if to.link is not None:
            self._push(to.link, message)
            return
        if to.address is not None:
            datagram = self._sessions.table.seal_back(to.session, join_frames([encode(message)]))
            if datagram is not None:
                self._datagrams.append((datagram, to.address))

    def _tell(self, identity: bytes, address: Address, message: RegistryNotice, now: float) -> None:
        with contextlib.suppress(SealError):  # they were let in too long ago
            datagrams = self._sessions.table.seal(identity, join_frames([encode(message)]), now=now)
            self._datagrams += [(datagram, address) for datagram in datagrams]

    def _push(self, number: int, message: RegistryNotice | msgspec.Raw) -> None:
        link = self._links.find(number)
        if link is not None:
            self._links.send(link, encode(message))

    def _offer(self, offer: Offer) -> None:
        link = self._links.find(offer.link)
        if link is not None and not link.is_behind:
            self._links.send(link, encode(offer.message))
        else:
            self._drop("no room on the recipient's link")

    def _welcome(self, welcomed: Admit, *, table_version: int, clock: int, now: float) -> None:
        address = welcomed.to.address
        assert address is not None
        self._sessions.admit(welcomed.card.identity, welcomed.nonce, now=now)
        welcome = make_welcome(
            self._identity,
            card=welcomed.card,
            nonce=welcomed.nonce,
            host=address.host,
            port=address.port,
            table_version=table_version,
            lease=self._policy.lease_span,
            link_port=self._link_port,
            clock=clock,
        )
        self._datagrams.append((bytes((Kind.WELCOME,)) + encode(welcome), address))
        if welcomed.is_new:
            self._note(PeerRegistered(name=welcomed.card.name or "a guest", address=address))

    def _deny(self, denied: Refuse) -> None:
        address = denied.to.address
        assert address is not None
        refused = make_refused(
            self._identity,
            nonce=denied.nonce,
            reason=denied.reason,
            name=denied.name,
            counter=denied.counter,
        )
        self._datagrams.append((bytes((Kind.REFUSED,)) + encode(refused), address))
        self._note(RegistrationRefused(name=denied.name, address=address, reason=denied.reason))

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1

    def _note(self, event: Event) -> None:
        if len(self._events) < self._policy.events_max:
            self._events.append(event)


class DiskState:
    """Why the disk took nothing when it last did not: the rules that tell somebody of it read it."""

    def __init__(self) -> None:
        self.is_full = False
        """Whether there was no room. Otherwise the disk fails, or does not answer."""


class _Promise(NamedTuple):
    upto: int
    """The count of entries that must be on the disk."""
    then: Sequence[Effect]
    otherwise: Sequence[Effect]
    held: int
    """Bytes that `then` keeps in memory."""


class CommitBarrier:
    """Entries on their way to the disk, and what waits for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._waiting: deque[_Promise] = deque()
        self._held = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is new and nothing waits."""
        return not self._new and self._stored == self._handed

    def add(self, store: Persist) -> Sequence[Effect]:
        """Keep the entries; effects that need not wait, because nothing is on its way, or too much."""
        if not store.then and not store.otherwise:
            self._new.extend(store.entries)
            return ()
        is_full = len(self._waiting) >= PROMISES_MAX or (store.held and self._held >= PROMISES_BYTES_MAX)
        if store.entries and is_full:
            return store.otherwise
        if len(self._waiting) >= 2 * PROMISES_MAX:
            return ()  # mostly repeats of what is on its way, whose first asking is answered
        self._new.extend(store.entries)
        if self.is_idle:
            return store.then
        self._held += store.held
        upto = self._handed + len(self._new)
        self._waiting.append(_Promise(upto, store.then, store.otherwise, store.held))
        return ()

    def entries_to_store(self) -> list[Entry]:
        """Drained: entries in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Effect]:
        """The oldest `count` entries on their way are on the disk: what may now be said."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Effect] = []
        while self._waiting and self._waiting[0].upto <= self._stored:
            promise = self._waiting.popleft()
            self._held -= promise.held
            released.extend(promise.then)
        return released

    def failed(self, newest: int | None) -> list[Effect]:
        """The newest `newest` entries on their way (all, for None) will never be: what must be said instead."""
        way = self._handed - self._stored
        lost = way if newest is None else min(newest, way)
        kept_upto = self._handed - lost
        kept: deque[_Promise] = deque()
        released: list[Effect] = []
        for promise in self._waiting:
            if promise.upto <= kept_upto:
                kept.append(promise)
            elif promise.upto <= self._handed:
                self._held -= promise.held
                released.extend(promise.otherwise)
            else:  # made since: waits for its own entries
                kept.append(promise._replace(upto=promise.upto - lost))
        self._waiting, self._handed = kept, kept_upto
        return released


_SIGNATURE_SIZE = 64
_BATCH_OVERHEAD = 1 + 9 + 9 + 3
"""Bytes of an encoded `TableBatch` beside its rows: the array, two versions, the rows' array."""
_ROWS_SIZE = DATAGRAM_MAX - GROUP_OVERHEAD - _SIGNATURE_SIZE - _BATCH_OVERHEAD
_ROWS_MAX = 64


class TableBroadcaster:
    """What of the table has been told, and when the next is due."""

    def __init__(self, directory: Directory, identity: Identity, policy: RegistryPolicy) -> None:
        self._directory = directory
        self._identity = identity
        self._policy = policy
        self._noticed = self._told = directory.version
        self._due_at: float | None = None
        self._repeat_at: float | None = None
        self._quiet_until = self._last_storm = float("-inf")

    def notice(self, *, now: float) -> None:
        """Look whether the table has changed since the last look."""
        if self._directory.version != self._noticed:
            self._noticed = self._directory.version
            self._repeat_at = now + self._policy.announce_span
            if self._due_at is None:
                self._due_at = max(now + self._policy.coalesce_span, self._quiet_until)

    def handle_timer(self, *, audience: int, now: float) -> list[bytes]:
        """Signed payloads that are due, in order, for an audience of so many: what many are told, they are told less
        often, so that a crowd that comes in is not drowned in news of itself."""
        payloads: list[bytes] = []
        if self._due_at is not None and now >= self._due_at:
            payloads = self._tell(now)
            takes = len(payloads) * audience / self._policy.broadcasts_per_second
            self._quiet_until = now + max(self._policy.busy_span, takes)
        if self._repeat_at is not None and now >= self._repeat_at:
            self._repeat_at = None
            payloads.append(self._announcement())
        return payloads

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        if self._due_at is None or self._repeat_at is None:
            return self._repeat_at if self._due_at is None else self._due_at
        return min(self._due_at, self._repeat_at)

    def _tell(self, now: float) -> list[bytes]:
        batches: list[TableBatch] = []
        since = self._told
        while since < self._directory.version:
            delta = self._directory.delta(since, bytes_max=_ROWS_SIZE, rows_max=_ROWS_MAX)
            if len(batches) == self._policy.broadcast_datagrams:
                return self._storm(now)
            batches.append(TableBatch(since, delta.version, delta.rows))
            since = delta.version
        self._told, self._due_at = since, None
        return [self._signed(batch) for batch in batches]

    def _storm(self, now: float) -> list[bytes]:
        """Too much for datagrams: say that there is something, not too often, and let everybody fetch it."""
        at = self._last_storm + self._policy.storm_span
        if now < at:
            self._due_at = at
            return []
        self._last_storm, self._due_at = now, None
        return [self._announcement()]

    def _announcement(self) -> bytes:
        self._told = self._directory.version
        return self._signed(TableBatch(self._told, self._told, []))

    def _signed(self, batch: TableBatch) -> bytes:
        return sign_table(self._identity, encode(batch))


class PendingRequests:
    """The identities with a request at the disk, each with a queue of what it asked since.

    A queue is released by the answer to the very request for which it waits, never by another one: what is released can
    therefore always go on.
    """

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Resume]] = {}

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._queues

    def begin(self, identity: bytes) -> None:
        """A request of this identity is on its way to the disk."""
        assert identity not in self._queues
        self._queues[identity] = deque()

    def wait(self, request: EnterRoom | LeaveRoom | Rename, caller: Caller) -> bool:
        """Queue a request behind the one at the disk; False when too many wait."""
        queue = self._queues[caller.identity]
        if len(queue) >= REQUESTS_QUEUED_MAX:
            return False
        queue.append(Resume(request=request, to=caller))
        return True

    def end(self, identity: bytes) -> list[Resume]:
        """The disk has answered: what waited, in order. The first that goes to the disk makes the others wait again."""
        return list(self._queues.pop(identity, ()))
