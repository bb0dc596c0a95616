"""Direct messages to us: each is taken once, whether it comes directly, relayed or as mail.

`Streams` stores it, acknowledges it, then shows it. The author of a letter is the key that signed
it. A letter of an author who is not in the table, or whose key is not the one we hold for the name,
is shown with a remark.
"""

from collections.abc import Sequence
from typing import Final

from chatapp.peer.api.events import SOMEBODY, AuthorDoubt, MailHeldBack, MailUnreadable
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import Context, Passenger
from chatapp.peer.core.conversation import Conversation
from chatapp.peer.core.inbox import Stream, Streams, restored
from chatapp.peer.core.records import Named, StoredStream
from chatapp.wire.address import network_of
from chatapp.wire.codec import decode_direct_bodies, decode_message_body
from chatapp.wire.delivery.parts import Arrived, PartBuffer
from chatapp.wire.delivery.stream import Shared
from chatapp.wire.errors import NameRefused, WireError
from chatapp.wire.messages.direct import DirectBody
from chatapp.wire.messages.mail import Letter, MailBatch
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
            self._streams.add(
                restored(identity, contact, inbox, texts, stored, conversation=conversation)
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
