"""Datagrams to and from other peers: sealed and sent, directly or relayed; opened, and matched to
their sender."""

import contextlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from chatapp.peer.api.events import PersonTyping
from chatapp.peer.core.contacts import RELAY_STICKS_FOR, Contact, Contacts
from chatapp.peer.core.context import Context
from chatapp.peer.core.records import OpeningTaken
from chatapp.wire.address import Address
from chatapp.wire.codec import SEALED_HEAD_SIZE, Kind, encode, join_frames
from chatapp.wire.errors import SealError, UnknownAuthor
from chatapp.wire.messages.direct import LastOpening, RelayDatagram, RelayFile, Typing, encode_frame
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.session import OldOpening, SessionTable

HAILED_AT_ONCE: Final = 64
"""How many people are hailed at a time. A larger burst would lose datagrams."""
HAIL_SPAN: Final = 0.1
"""Seconds until the next ones, when we start without a registry: nobody knows yet that we are
here."""
HAIL_AFTER_LOSS: Final = 15.0
"""Seconds from the loss of a registry that had let us in to the first hails: everybody has our row,
and a crowd that hails all at once spends more than on registering again."""
HAIL_SPAN_AFTER_LOSS: Final = 4.0
"""Seconds until the next ones in that case."""
HAIL_AGAIN_AFTER: Final = (1.0, 3.0, 10.0, 30.0)
"""Seconds between rounds of hails while the registry is away; the last value repeats."""


TYPING_SPAN: Final = 3.0
"""Seconds in which at most one Typing is sent to a person."""
TYPING_TAKEN_SPAN: Final = 1.0
"""Seconds in which at most one Typing of a person is reported."""


SYNC_TOLD_WITHIN: Final = 10.0
"""Seconds in which what is on our disk is told with something else that is sent, and then by
itself: until then the other program would only give us again what we know."""


TOLD_AGAIN_AFTER: Final = 3.0
"""Seconds in which a person is told at most once above which number we take their openings, by
either way: anybody can send us one that they recorded."""


class OpenedDatagrams(NamedTuple):
    """Opened datagrams and their sender."""

    contact: Contact
    payloads: list[bytes]
    """One is empty if its datagram only begins a session."""
    problems: list[Exception]
    """Why other datagrams of the run did not open."""
    is_return: bool
    """Whether the sender begins a new session: their program was restarted, or has missed what we
    sent."""


def runs_of(batch: Sequence[tuple[bytes, Address]]) -> list[tuple[list[bytes], Address]]:
    """Divide a batch of datagrams into runs: consecutive ones from one address that were sealed in
    one session, as their headers say. Any other datagram is a run of its own."""
    runs: list[tuple[list[bytes], Address]] = []
    datagrams: list[bytes] = []
    head, source = b"", None
    for data, sender in batch:
        if head and data.startswith(head) and sender == source:
            datagrams.append(data)
            continue
        is_sealed = len(data) >= SEALED_HEAD_SIZE and data[0] == Kind.SEALED
        head, source, datagrams = data[:SEALED_HEAD_SIZE] if is_sealed else b"", sender, [data]
        runs.append((datagrams, sender))
    return runs


class PeerTransport:
    """Sends and receives the datagrams of direct messages."""

    def __init__(self, ctx: Context, contacts: Contacts) -> None:
        self._me = ctx.me.identity.public
        self._contacts = contacts
        self._out = ctx.out
        self.datagrams: list[tuple[bytes, Address]] = []
        """To be sent, in order; whoever sends them takes the list."""
        self._typing_sent: dict[bytes, float] = {}
        self._typing_taken: dict[bytes, float] = {}
        """When the last Typing was sent to each person, and the last one of each person was
        reported."""
        self._told: dict[tuple[bytes, bool], float] = {}
        """When each person was last told the number of their last opening, directly or through the
        registry."""
        self._to_hail: list[Contact] = []
        self._hail: Final = ctx.alarms.add(self._hail_some)
        self._hail_span = HAIL_SPAN
        self._round = 0
        self.sessions: Final = SessionTable(
            ctx.me.identity,
            rng=ctx.rng,
            context_of=lambda identity: None if contacts.by_identity(identity) is None else b"",
            first_number=ctx.me.first_opening,
            opening_taken=self._opening_taken,
        )
        self.active: dict[bytes, Contact] = {}
        """Contacts whose delivery stream may have something to send or to wait for."""
        self._awaiting_sync: dict[bytes, Contact] = {}
        """Contacts, besides the active ones, who are to be told when what we acknowledged to them
        is on our disk."""
        self._to_tell: dict[bytes, Contact] = {}
        """Those who are to be told now, unless that has gone with something else."""
        self._tell: Final = ctx.alarms.add(self._syncs_due)

    def _opening_taken(self, identity: bytes, number: int) -> None:
        self._out.records.append(OpeningTaken(identity, number))

    def let_go(self, contact: Contact) -> None:
        """Forget a contact whose key was replaced."""
        self.active.pop(contact.identity, None)
        self._awaiting_sync.pop(contact.identity, None)
        self._to_tell.pop(contact.identity, None)
        self._typing_sent.pop(contact.identity, None)
        self._typing_taken.pop(contact.identity, None)
        for is_relayed in (False, True):
            self._told.pop((contact.identity, is_relayed), None)
        self.sessions.forget(contact.identity)

    # --- links, on which files are fetched

    def open_link(self, contact: Contact, *, now: float) -> tuple[bytes, LinkOpening]:
        """Return the first frame of a link to somebody, and what takes the answer. Raises
        SealError."""
        return self.sessions.open_link(contact.identity, b"", now=now)

    def take_link(
        self, first: bytes, source: Address, *, now: float
    ) -> tuple[Contact, bytes, LinkSession]:
        """Take the first frame of a link that somebody opens: return who, the frame that answers,
        and the session. Raises SealError, also for somebody with whom we do not talk, DecodeError."""
        identity, _, session, answer = self.sessions.take_link(first, source=source, now=now)
        contact = self._contacts.by_identity(identity)
        if (
            contact is None
            or contact.is_banned
            or contact.is_blocked
            or identity in self._contacts.ignored
        ):
            raise SealError("of somebody with whom we do not talk")
        return contact, answer, session

    # --- out

    def flush(self, *, now: float, can_relay: bool) -> None:
        """Seal what the active streams have to send."""
        for contact in list(self.active.values()):
            conversation = contact.conversation
            if conversation is None:
                continue
            payloads = conversation.delivery.payloads_to_send(
                now=now, limit=self.sessions.room(contact.identity, now=now)
            )
            if payloads:
                self._send(
                    contact,
                    payloads,
                    through_registry=can_relay and now < contact.relay_until,
                    now=now,
                )
            if conversation.delivery.is_at_rest:
                del self.active[contact.identity]
                if conversation.delivery.awaits_sync:
                    self._awaiting_sync[contact.identity] = contact

    def synced(self, *, now: float) -> None:
        """Tell those who wait for it what is on our disk by now, with what is sent to them next;
        those whose messages wait for earlier ones at once, as their floor may rise by it."""
        for identity, contact in {**self._awaiting_sync, **self.active}.items():
            if contact.conversation is None or not contact.conversation.delivery.awaits_sync:
                continue
            delivery = contact.conversation.delivery
            if delivery.inbox.held_count:
                delivery.report_syncs()
                self.active[identity] = contact
            else:
                delivery.note_sync()
                self._to_tell[identity] = contact
        self._awaiting_sync.clear()
        if self._to_tell:
            self._tell.no_later_than(now + SYNC_TOLD_WITHIN)

    def report_syncs(self) -> None:
        """Tell those who were sent nothing since, too."""
        for identity, contact in self._to_tell.items():
            if contact.conversation is not None and contact.conversation.delivery.has_sync_news:
                contact.conversation.delivery.report_syncs()
                self.active[identity] = contact
        self._to_tell.clear()
        self._tell.deadline = None

    def _syncs_due(self, *, now: float) -> None:
        self.report_syncs()

    def send_typing(self, to: str, *, now: float) -> None:
        """Tell a person that the user is writing to them. This begins no session and is not
        repeated: whoever is not there need not know."""
        contact = self._contacts.by_name(to)
        if contact is None or contact.conversation is None or contact.is_blocked:
            return
        identity = contact.identity
        if identity in self._contacts.ignored or not self.sessions.is_in_use(identity):
            return
        if now >= self._typing_sent.get(identity, -TYPING_SPAN) + TYPING_SPAN:
            self._typing_sent[identity] = now
            contact.conversation.delivery.queue_frame(encode_frame(Typing()))
            self.active[identity] = contact

    def send_frame(
        self, contact: Contact, frame: Ping | Pong, *, through_registry: bool, now: float
    ) -> None:
        """Send one frame to a person at once: through the registry only, or directly only. Nothing
        repeats it."""
        payload = join_frames([encode(frame)])
        with contextlib.suppress(SealError):  # the key is invalid, so nobody can answer
            for datagram in self.sessions.seal(contact.identity, payload, now=now):
                if through_registry:
                    self._out.requests.append(
                        RelayDatagram(recipient=contact.identity, datagram=datagram)
                    )
                else:
                    self.datagrams.append((datagram, contact.address))

    def send_encoded(
        self,
        contact: Contact,
        frames: Sequence[bytes],
        *,
        through_registry: bool = False,
        now: float,
    ) -> None:
        """Send encoded frames that are for files to a person at once, in one datagram: through the
        registry only, or directly only. Nothing repeats them."""
        with contextlib.suppress(SealError):  # the key is invalid, so nobody can answer
            datagrams = self.sessions.seal(contact.identity, join_frames(frames), now=now)
            if through_registry:
                self._out.requests += [RelayFile(contact.identity, one) for one in datagrams]
            else:
                self.datagrams += [(datagram, contact.address) for datagram in datagrams]

    def hail_all(self, *, was_registered: bool, now: float) -> None:
        """Hail everybody who was not heard yet, in rounds: without a registry nobody else tells
        them that we are here, or where. `was_registered`: whether it has told them once; then hails
        begin later, and are fewer a second."""
        self._round = 0
        self._hail.deadline = now + HAIL_AFTER_LOSS if was_registered else now
        self._hail_span = HAIL_SPAN_AFTER_LOSS if was_registered else HAIL_SPAN

    def stop_hailing(self) -> None:
        """Stop hailing: the registry's table tells everybody about us from here on."""
        self._hail.deadline = None
        self._to_hail.clear()

    def _hail_some(self, *, now: float) -> None:
        """Send the next hails of a round, or begin the next round."""
        if not self._to_hail:
            ours = self._me
            self._to_hail = [
                one
                for one in self._contacts
                if not (one.is_heard or one.is_banned or one.is_released or one.identity == ours)
            ]
        for contact in self._to_hail[:HAILED_AT_ONCE]:
            with contextlib.suppress(SealError):  # the key is invalid, so there is nobody to hail
                hails = self.sessions.hail(contact.identity, now=now)
                self.datagrams += [(hail, contact.address) for hail in hails]
        del self._to_hail[:HAILED_AT_ONCE]
        if self._to_hail:
            self._hail.deadline = now + self._hail_span
        else:
            pause = HAIL_AGAIN_AFTER[min(self._round, len(HAIL_AGAIN_AFTER) - 1)]
            self._hail.deadline = now + pause
            self._round += 1

    # --- in

    def open_run(
        self,
        datagrams: Sequence[bytes],
        *,
        source: Address | None,
        now: float,
        relayed_by: bytes | None = None,
    ) -> OpenedDatagrams:
        """Open a run of datagrams from one address (see `runs_of`). `source` is None if they came
        through the registry, from `relayed_by`.

        The newest datagram that opens shows the sender's present address. Raises DecodeError or
        SealError for a problem that all of them have."""
        author = self.sessions.author_of(datagrams[0])
        contact = None if author is None else self._contacts.by_identity(author)
        if contact is None:
            raise UnknownAuthor(author or b"")
        if contact.is_banned:
            raise SealError("of somebody whom the registry keeps out")
        if relayed_by is not None and contact.identity != relayed_by:
            raise SealError("relayed for somebody else than its author")
        try:
            opened = self.sessions.open_run(datagrams, source=source or contact.address, now=now)
        except OldOpening as old:
            self._tell_opening(contact, old.number, is_relayed=source is None, now=now)
            raise
        if opened.payloads:
            contact.is_heard = True
            contact.was_heard()
            if source is None:
                contact.relay_until = now + RELAY_STICKS_FOR
            elif opened.is_newest and source != contact.address:
                # an older one, delayed or replayed, would show an address of the past
                contact.address = source
                self._contacts.changed()
        if opened.answer is not None:
            self._send_back(contact, source, opened.answer)
        return OpenedDatagrams(contact, opened.payloads, opened.problems, opened.is_return)

    def typing_arrived(self, contact: Contact, *, now: float) -> None:
        """Report that a person is writing to the user, unless that person is ignored."""
        identity = contact.identity
        is_early = now < self._typing_taken.get(identity, -TYPING_TAKEN_SPAN) + TYPING_TAKEN_SPAN
        if not is_early and identity not in self._contacts.ignored:
            self._typing_taken[identity] = now
            self._out.events.append(PersonTyping(name=contact.name))

    # --- inside

    def _tell_opening(self, contact: Contact, number: int, *, is_relayed: bool, now: float) -> None:
        """Tell somebody above which number we take their openings, by an opening of ours: they may
        know of no session. It goes to where they are known to be, so that a stranger who replays
        their openings gets nothing that is new."""
        way = (contact.identity, is_relayed)
        if now < self._told.get(way, -TOLD_AGAIN_AFTER) + TOLD_AGAIN_AFTER:
            return
        self._told[way] = now
        payload = join_frames([encode_frame(LastOpening(number))])
        datagram = self.sessions.seal_opening(contact.identity, payload, now=now)
        self._send_back(contact, None if is_relayed else contact.address, datagram)

    def _send_back(self, contact: Contact, to: Address | None, datagram: bytes) -> None:
        """Send a datagram by the way by which one came: to an address, or through the registry if
        it is None."""
        if to is None:
            self._out.requests.append(RelayDatagram(recipient=contact.identity, datagram=datagram))
        else:
            self.datagrams.append((datagram, to))

    def _send(
        self, contact: Contact, payloads: list[bytes], *, through_registry: bool, now: float
    ) -> None:
        address, identity = contact.address, contact.identity
        # The two copies of a payload have counters side by side, since both are on their way at the
        # same time.
        runs = [[payload] for payload in payloads] if through_registry else [payloads]
        try:
            for run in runs:
                datagrams = self.sessions.seal_all(identity, run, now=now)
                self.datagrams += [(datagram, address) for datagram in datagrams]
                if through_registry:
                    datagrams = self.sessions.seal_all(identity, run, now=now)
                    self._out.requests += [
                        RelayDatagram(recipient=identity, datagram=datagram)
                        for datagram in datagrams
                    ]
        except SealError:
            return  # the key is invalid, so the message is kept
