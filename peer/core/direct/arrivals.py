"""Direct messages to us, whether they come by datagrams or as mail.

What comes by datagrams is opened and given to the delivery streams, and what was in it to the part
that handles it. Each message is taken once: `Streams` stores it, acknowledges it, then shows it. The
author of a letter is the key that signed it. A letter of an author who is not in the table, or whose
key is not the one we hold for the name, is shown with a remark.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from chatapp.peer.api.events import SOMEBODY, AuthorDoubt, MailHeldBack, MailUnreadable
from chatapp.peer.core.contacts import Change, Contact, Contacts
from chatapp.peer.core.context import Context, FileFrameCame, Passenger, People, RegistryReach
from chatapp.peer.core.conversation import SKIPPED_MAX, Conversation
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.path_test import PathTests
from chatapp.peer.core.direct.seen import SeenMarks
from chatapp.peer.core.direct.transport import OpenedDatagrams, PeerTransport
from chatapp.peer.core.inbox import Stream, Streams, restored
from chatapp.peer.core.records import Named, StoredStream
from chatapp.wire.address import Address, network_of
from chatapp.wire.codec import (
    DatagramFrame,
    decode_direct_bodies,
    decode_message_body,
    decode_payloads,
)
from chatapp.wire.delivery.parts import (
    Acknowledged,
    Arrived,
    GaveUp,
    NumbersReported,
    NumbersRequested,
    PartBuffer,
    SyncReported,
    Unanswered,
)
from chatapp.wire.delivery.stream import Shared
from chatapp.wire.errors import NameRefused, UnknownAuthor, WireError
from chatapp.wire.messages.direct import (
    FILE_FRAMES,
    KNOWN_MAX,
    DatagramRelayed,
    DirectBody,
    Known,
    LastOpening,
    Part,
    SeenUpTo,
    Typing,
    encode_frame,
)
from chatapp.wire.messages.mail import Letter, MailBatch
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.names import name_key
from chatapp.wire.sealing import open_letter

UNKNOWN_AUTHORS_MAX: Final = 1_024
"""Authors outside the table who are remembered at a time. Letters of further ones stay with the
registry."""


class DirectReceiver:
    """Receives the messages to us alone, from everybody."""

    def __init__(
        self,
        ctx: Context,
        contacts: Contacts,
        streams: Streams,
        *,
        unknown_authors: dict[bytes, str],
    ) -> None:
        """`unknown_authors`: of letters that an earlier run stored and did not show, with their
        names."""
        self._ctx: Final = ctx
        self._out = ctx.out
        self._contacts: Final = contacts
        self._streams: Final = streams
        self._catch_up: Final = streams.catch_up
        self._stored: Final = streams.unused
        self.buffer: Final = PartBuffer(ctx.policy)
        self.passenger: Passenger
        self._left_over = dict(unknown_authors)
        self._unknown_authors: set[bytes] = set()
        """Authors of letters of this run who are not in the table."""
        self.reader: Final = ctx.me.identity.public
        self.mail_keys = ctx.me.mail_keys

    # --- streams

    def conversation(self, contact: Contact) -> Conversation:
        """Return the conversation with somebody, restoring it from disk when it is first needed."""
        if contact.conversation is not None:
            return contact.conversation
        identity = contact.identity
        if identity not in self._streams:
            stored = self._stored.pop(identity, StoredStream())
            conversation = Conversation(
                stored,
                self._ctx.policy,
                self._ctx.rng,
                network=lambda: network_of(self._streams[identity].contact.row.host),
                shared=Shared(self.buffer, self._out.syncs),
            )
            inbox, texts = conversation.delivery.inbox, conversation.texts
            self._streams[identity] = restored(
                identity, contact, inbox, texts, stored, conversation=conversation
            )
        stream = self._streams[identity]
        # Their letters may have come before their row: the stream goes on, now with a known author.
        self._unknown_authors.discard(identity)
        stream.contact, stream.doubt = contact, None
        assert stream.conversation is not None
        contact.conversation = stream.conversation
        return stream.conversation

    def adopt(self, contact: Contact, *, now: float) -> bool:
        """Make ready to show what is stored of a contact and was not shown. Return whether there
        was anything stored."""
        is_awaited = contact.identity in self._stored
        if is_awaited:
            self.conversation(contact)
            self._streams.release(self._streams[contact.identity], now)
        return is_awaited

    # --- what comes

    def messages_arrived(self, contact: Contact, arrived: Sequence[Arrived]) -> int:
        """Take whole messages that came by datagrams, in their order. Return how many were
        malformed: those are never acknowledged."""
        conversation = contact.conversation or self.conversation(contact)
        self._contacts.touch(contact)
        stream = self._streams[contact.identity]
        bodies = decode_direct_bodies([event.body for event in arrived])
        if bodies is not None:  # mostly
            numbers = [event.number for event in arrived]
            self._streams.take_direct(stream, list(zip(numbers, bodies, strict=True)))
            return 0
        malformed = 0
        texts: list[tuple[int, DirectBody]] = []
        for event in arrived:
            try:
                said = decode_message_body(event.body)
            except WireError:
                conversation.delivery.reject(event.number)
                malformed += 1
                continue
            if isinstance(said, DirectBody):
                texts.append((event.number, said))
            elif self._streams.take_silently(stream, event.number):
                self.passenger.line_came(contact, said)
        self._streams.take_direct(stream, texts)
        return malformed

    def batch_arrived(self, batch: MailBatch) -> None:
        """Take a batch of mail. A letter that does not open leaves the registry as well, since it
        never will open; the user is told, unless the sender is ignored."""
        for letter in batch.letters:
            is_taken = True
            try:
                is_taken = self._letter_arrived(letter)
            except WireError as error:
                if letter.sender not in self._contacts.ignored:
                    name = self._name(letter.sender)
                    self._out.events.append(MailUnreadable(sender=name, detail=str(error)))
            if is_taken:
                self._catch_up.take_later(letter.serial)
        if not batch.more:
            self._catch_up.is_mail_drained = True

    def frames_read(self, contact: Contact, *, now: float) -> None:
        """Show messages that waited for numbers which, as the sender has just said, will not
        come."""
        stream = self._streams[contact.identity]
        if stream.inbox.has_ready:
            self._streams.release(stream, now)
            self._catch_up.release()
        elif stream.inbox.floor > stream.floor:  # mostly that is all
            self._streams.remember_floor(stream, stream.inbox.floor)

    def table_known(self, *, now: float) -> None:
        """The whole table is here: show the letters of an earlier run whose authors are not in
        it."""
        if self._left_over:
            left_over, self._left_over = self._left_over, {}
            for identity, name in left_over.items():
                if identity in self._stored:
                    self._streams.release(self._stranger(identity, name), now)
            self._catch_up.release()

    def beyond(self, contact: Contact) -> int:
        """The lowest number above all that we know of somebody as a sender to us."""
        return self.conversation(contact).delivery.inbox.beyond

    # --- inside

    def _letter_arrived(self, letter: Letter) -> bool:
        """Take a letter. Return whether it may leave the registry once it is stored. Raises
        WireError."""
        identity = letter.sender
        contact = self._contacts.by_identity(identity)
        body = open_letter(
            letter.letter, reader=self.reader, mail_keys=self.mail_keys, sender=identity
        )
        if contact is not None:
            self.conversation(contact)
            self._contacts.touch(contact)
            stream = self._streams[identity]
        elif len(self._unknown_authors) < UNKNOWN_AUTHORS_MAX or identity in self._unknown_authors:
            stream = self._stranger(identity, body.sender_name)
        else:
            self._out.events.append(MailHeldBack())
            return False
        stream.inbox.raise_floor(body.floor)
        stream.inbox.add_gap(body.since, body.number)
        self._streams.take(stream, body.number, body, late=True)
        return True

    def _stranger(self, identity: bytes, claimed: str) -> Stream:
        """Return the stream of an author outside the table, under the name that the letter
        claims."""
        try:
            key, name = name_key(claimed), claimed
        except NameRefused:
            key, name = "", SOMEBODY
        contact = Contact(identity, _unseen(identity, name))
        self.conversation(contact)
        stream = self._streams[identity]
        is_other = self._contacts.by_name(key) is not None
        stream.doubt = AuthorDoubt.OTHER_KEY if is_other else AuthorDoubt.NOT_IN_TABLE
        self._unknown_authors.add(identity)
        if key:
            self._out.records.append(Named(identity, name, stream.doubt))
        return stream

    def _name(self, identity: bytes) -> str:
        contact = self._contacts.by_identity(identity)
        return contact.name if contact is not None else SOMEBODY


def _unseen(identity: bytes, name: str) -> Row:
    """Return a stand-in for the row of an unknown author, with nothing but the claimed name."""
    nothing = Card(name, identity, mail=bytes(32), counter=0, signature=bytes(64))
    return Row(nothing, "", 0, Presence.AWAY, 0, 0, 0)


_FREQUENT: Final = frozenset({Arrived, Acknowledged})
"""The events that nearly all are, and that are handled many at a time."""


class DirectHub(Protocol):
    """Who is told of changes that people have shown themselves."""

    def rows_changed(
        self, changes: Sequence[tuple[Contact, Change]], *, is_heard: bool = False, now: float
    ) -> None:
        """Apply changes. `is_heard`: it is noted what the contacts may have lost."""


class Arrivals:
    """Handles the datagrams of other peers."""

    def __init__(
        self,
        ctx: Context,
        hub: DirectHub,
        people: People,
        *,
        transport: PeerTransport,
        receiver: DirectReceiver,
        ladder: Ladder,
    ) -> None:
        self._ctx: Final = ctx
        self._hub: Final = hub
        self._people: Final = people
        self._transport: Final = transport
        self.path_tests: Final = PathTests(ctx, transport)
        self.marks: Final = SeenMarks(ctx, people.contacts, transport)
        self._receiver: Final = receiver
        self._ladder: Final = ladder
        self._settlement: Final = ladder.settlement
        self.passenger: Passenger
        self._unread: dict[bytes, Contact] = {}
        """Contacts of whom the present batch of datagrams has frames that are not fully handled
        yet."""
        self.takes_messages = True
        """Whether messages of other people are accepted now; those that are not are not
        acknowledged either."""

    def run_arrived(
        self, datagrams: Sequence[bytes], sender: Address, *, now: float
    ) -> list[Exception]:
        """Handle a run of datagrams that are `is_of_peer` (see `runs_of`), each as if it came
        alone. Return what is wrong with single ones: a WireError if they are invalid, any other
        exception for a fault of ours."""
        if self._ctx.status.reach is RegistryReach.NONE:
            return []
        try:
            came = self._transport.open_run(datagrams, source=sender, now=now)
        except UnknownAuthor as stranger:
            self._people.stranger_wrote(stranger.author, now=now)
            return [stranger] * len(datagrams)
        except Exception as problem:  # noqa: BLE001 - any fault at all
            return [problem] * len(datagrams)
        try:
            self._opened(came, through_server=False, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            came.problems.append(fault)
        return came.problems

    def datagram_relayed(self, notice: DatagramRelayed, now: float) -> None:
        """Handle a datagram that came through the registry. Raises WireError."""
        try:
            came = self._transport.open_run(
                [notice.datagram], source=None, now=now, relayed_by=notice.sender
            )
        except UnknownAuthor:
            self._people.stranger_wrote(notice.sender, now=now)
            raise
        self._opened(came, through_server=True, now=now)
        if came.problems:
            raise came.problems[0]

    def _opened(self, came: OpenedDatagrams, *, through_server: bool, now: float) -> None:
        """Handle opened datagrams. What is wrong with single ones is added to `came.problems`."""
        if self.marks.is_on:  # before the marks that came with this
            self._receiver.conversation(came.contact)
            self.marks.heard(came.contact, is_return=came.is_return, now=now)
        if came.is_return and came.contact.conversation is not None:
            # not what the new life acknowledges right now
            came.contact.conversation.outgoing.unsynced.lose()
        try:
            if payloads := [*filter(None, came.payloads)]:
                self._payloads_arrived(came, payloads, through_server=through_server, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            came.problems.append(fault)
        if came.is_return or through_server:
            came.problems.extend(self.read_all(through_server=through_server, now=now))
        if came.is_return:
            self._hub.rows_changed([(came.contact, Change.RESTARTED)], is_heard=True, now=now)

    def _payloads_arrived(
        self, came: OpenedDatagrams, payloads: Sequence[bytes], *, through_server: bool, now: float
    ) -> None:
        contact, problems = came.contact, came.problems
        if not contact.is_current:
            self._people.awaits_card(
                contact
            )  # an answer may have to find them without the registry
        datagrams, errors = decode_payloads(payloads)
        problems += errors
        if not datagrams:
            return
        if not self.takes_messages:  # not acknowledged: as if we were away
            before = sum(map(len, datagrams))
            datagrams = [
                [frame for frame in frames if type(frame) is not Part] for frames in datagrams
            ]
            self._ctx.dropped["no room"] += before - sum(map(len, datagrams))
        conversation = contact.conversation or self._receiver.conversation(contact)
        self._unread[contact.identity] = contact
        for frames in self._delivered(conversation, datagrams, problems, now):
            try:
                self._others_arrived(contact, frames, through_server=through_server, now=now)
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)

    def _delivered(
        self,
        conversation: Conversation,
        datagrams: Sequence[list[DatagramFrame]],
        problems: list[Exception],
        now: float,
    ) -> list[list[DatagramFrame]]:
        """Give the frames of datagrams to the delivery stream. Return those of other kinds, for
        each datagram with any."""
        try:
            return conversation.delivery.receive_all(datagrams, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            if len(datagrams) == 1:
                problems.append(fault)
                return []
        # A repeated frame does no harm. So all go there again, one by one, and only what has the
        # fault is lost.
        return [
            frames
            for one in datagrams
            for frames in self._delivered(conversation, [one], problems, now)
        ]

    def _others_arrived(
        self, contact: Contact, frames: Sequence[DatagramFrame], *, through_server: bool, now: float
    ) -> None:
        """Handle the frames of a datagram that are not of its delivery stream."""
        ping: Ping | None = None
        for frame in frames:
            if isinstance(frame, LastOpening):
                self._transport.sessions.open_above(contact.identity, frame.number)
            elif isinstance(frame, Typing):
                self._transport.typing_arrived(contact, now=now)
            elif isinstance(frame, SeenUpTo):
                self.marks.arrived(contact, frame.number, now=now)
            elif isinstance(frame, FILE_FRAMES):
                came = FileFrameCame(contact.identity, frame, through_server)
                self._ctx.out.file_frames.append(came)
            elif isinstance(frame, Ping):
                ping = frame
            elif isinstance(frame, Pong):
                self.path_tests.ponged(contact, frame, through_server=through_server, now=now)
        if ping is not None:  # the last one: nobody can make us send more than they send
            pong = Pong(reference=ping.reference, table_version=0)
            self._transport.send_frame(contact, pong, through_registry=through_server, now=now)

    def read_all(self, *, through_server: bool = False, now: float) -> list[Exception]:
        """Handle what the datagrams of a batch contained: all messages and acknowledgements of a
        contact at once. Return our own faults: the one in a contact costs no other."""
        faults: list[Exception] = []
        while self._unread:
            _, contact = self._unread.popitem()
            self._transport.active[contact.identity] = contact
            try:
                self.take_delivered(contact, through_server=through_server, now=now)
                self._receiver.frames_read(contact, now=now)
                self._ladder.climb(contact, now=now)
            except Exception as fault:  # noqa: BLE001 - any fault at all
                faults.append(fault)
        return faults

    def take_delivered(self, contact: Contact, *, through_server: bool, now: float) -> None:
        """Handle the events of a contact's delivery stream."""
        assert contact.conversation is not None
        events = contact.conversation.delivery.events()
        if not events:
            return
        kinds = set(map(type, events))
        arrived = [event for event in events if type(event) is Arrived] if Arrived in kinds else []
        acknowledged = (
            [event for event in events if type(event) is Acknowledged]
            if Acknowledged in kinds
            else []
        )
        if self.passenger.carried:
            acknowledged = [
                event
                for event in acknowledged
                if not self.passenger.line_acknowledged(contact, event.number, now=now)
            ]
        is_asked = is_silent = False
        for event in () if kinds <= _FREQUENT else events:
            match event:
                case GaveUp(number):
                    if not self.passenger.line_given_up(contact, number):
                        self._ladder.gave_up(contact, number, now=now)
                case Unanswered(number, tries):
                    self._ladder.tried_again(contact, number, tries + 1, now=now)
                    is_silent = True
                case NumbersRequested():
                    is_asked = True
                case SyncReported(mark):
                    self._settlement.synced(contact, mark)
                case NumbersReported(number):
                    self._numbers_reported(contact, number, now)
        if is_silent:
            self._look_for(contact, now)
        if arrived:
            malformed = self._receiver.messages_arrived(contact, arrived)
            if malformed:
                self._ctx.dropped["DecodeError"] += malformed
        if is_asked:
            self._tell_numbers(contact, now)
        if acknowledged:
            self._settlement.acknowledged(
                contact, acknowledged, through_server=through_server, now=now
            )

    def handle_timer(self, *, now: float) -> None:
        """Let each delivery stream retry what is due, or give up. Raises an ExceptionGroup of
        faults of ours in what had come."""
        faults = self.read_all(now=now)
        for contact in list(self._transport.active.values()):
            if contact.conversation is not None:
                contact.conversation.delivery.handle_timer(now=now)
                self.take_delivered(contact, through_server=False, now=now)
        if faults:
            raise ExceptionGroup("faults while reading", faults)

    def next_timer(self) -> float | None:
        """Return the earliest deadline of a delivery stream."""
        dues = [
            contact.conversation.delivery.next_timer()
            for contact in self._transport.active.values()
            if contact.conversation is not None
        ]
        return min((due for due in dues if due is not None), default=None)

    def _tell_numbers(self, contact: Contact, now: float) -> None:
        """Tell somebody which of their numbers we know, and our time: they may have lost the
        numbers that they used, and their clock may be behind."""
        clock = int((self._ctx.wall(now)) * 1_000_000)
        beyond = max(self._receiver.beyond(contact), self.passenger.beyond(contact))
        known = min(max(clock, beyond), KNOWN_MAX)
        assert contact.conversation is not None
        contact.conversation.delivery.queue_frame(encode_frame(Known(known)))

    def _numbers_reported(self, contact: Contact, number: int, now: float) -> None:
        """Let our numbers begin above those that this reader knows."""
        assert contact.conversation is not None
        skip = self._ctx.rng.randrange(SKIPPED_MAX)
        contact.conversation.outgoing.learn(number, skip=skip)
        self.passenger.numbers_reported(contact, number, skip=skip, now=now)

    def _look_for(self, contact: Contact, now: float) -> None:
        """Find out why somebody does not answer: they may have another address, or a new session
        after a restart."""
        if self._ctx.status.reach is RegistryReach.UP:
            self._people.fetch(now=now)
        contact.try_elsewhere()
        self._transport.sessions.doubt(contact.identity, now=now)
