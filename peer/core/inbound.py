"""This file is about direct messages to us: taken once whichever way they come, straight, relayed or as a letter.

What is taken goes to `streams`, where it is stored, then acknowledged, then shown. It must not know how datagrams are
opened, nor our own messages.
"""

import random
from typing import Final

from peer.core.contact import Contact
from peer.core.contacts import Contacts
from peer.core.conversation import Conversation
from peer.core.events import Trouble
from peer.core.hearing import Hearing
from peer.core.mail import Homecoming
from peer.core.outputs import Outputs
from peer.core.stored import StoredStream
from peer.core.streams import Streams, restored
from wire.address import network_of
from wire.codec import decode_message_body
from wire.delivery.fragments import PartBuffer
from wire.delivery.policy import Policy
from wire.errors import WireError
from wire.identity import AgreementKey
from wire.letters import open_letter
from wire.messages.direct import StraightLine
from wire.messages.mail import Letter, MailBatch


class Inbound:
    """All messages to us alone, from everybody."""

    def __init__(
        self,
        *,
        contacts: Contacts,
        streams: Streams,
        hearing: Hearing,
        home: Homecoming,
        outputs: Outputs,
        stored: dict[bytes, StoredStream],
        reader: bytes,
        mail_keys: list[AgreementKey],
        buffer: PartBuffer,
        policy: Policy,
        rng: random.Random,
    ) -> None:
        self._contacts = contacts
        self._streams = streams
        self._hearing = hearing
        self._home = home
        self._out = outputs
        self._stored = stored
        self._buffer = buffer
        self._policy: Final = policy
        self._rng = rng
        self.reader: Final = reader
        self.mail_keys = mail_keys

    # --- streams

    def conversation(self, contact: Contact) -> Conversation:
        """The conversation with somebody, made when it is first needed."""
        if contact.conversation is None:
            stored = self._stored.pop(contact.identity, StoredStream())
            talk = contact.conversation = Conversation(
                stored,
                self._policy,
                self._rng,
                buffer=self._buffer,
                network=lambda: network_of(contact.row.host),
            )
            stream = restored(contact.identity, contact, talk.courier.inbox, talk.texts, stored, talk=talk)
            self._streams.add(stream)
        return contact.conversation

    def adopt(self, contact: Contact, *, now: float) -> bool:
        """A contact of whom records may be stored: what was stored and not shown is shown now. False: there is none."""
        is_awaited = contact.identity in self._stored
        if is_awaited:
            self.conversation(contact)
            self._streams.release(self._streams[contact.identity], now)
        is_awaited = self._hearing.adopt(contact, now=now) or is_awaited
        if is_awaited:
            self._home.release()
        return is_awaited

    # --- what comes

    def message_arrived(self, contact: Contact, number: int, body: bytes) -> None:
        """A whole message by datagrams. One that its sender has garbled is never acknowledged. Raises DecodeError."""
        talk = contact.conversation or self.conversation(contact)
        stream = self._streams[contact.identity]
        try:
            said = decode_message_body(body)
        except WireError:
            talk.courier.reject(number)
            raise
        if not isinstance(said, StraightLine):
            self._streams.take(stream, number, said.at, said.text, late=False, by_courier=True)
        elif self._streams.take_silently(stream, number):
            self._hearing.line_straight(contact, said)

    def batch_arrived(self, batch: MailBatch) -> None:
        """Letters. One that does not open is taken all the same, and the user is told: it never will."""
        for letter in batch.letters:
            self._home.take_later(letter.serial)
            try:
                self._letter_arrived(letter)
            except WireError as error:
                name = self._name(letter.sender)
                self._out.events.append(Trouble(text=f"A letter from {name} could not be opened: {error}"))
        if not batch.more:
            self._home.is_mail_drained = True

    def stored(self, *, now: float) -> bool:
        """All records handed out so far are on disk: acknowledge, order, show; False when there was nothing to."""
        touched = self._streams.stored(now=now)
        has_stored = bool(touched)
        touched.update(self._hearing.raise_floors())
        self._home.stored()
        for stream in touched.values():
            self._streams.release(stream, now)
        self._home.release()
        return has_stored

    def frames_read(self, contact: Contact, *, now: float) -> None:
        """The sender may have told what need not be waited for: show what waited, and remember the floor."""
        stream = self._streams[contact.identity]
        if stream.inbox.floor > stream.floor or stream.inbox.has_ready:
            self._streams.release(stream, now)
            self._home.release()

    # --- inside

    def _letter_arrived(self, letter: Letter) -> None:
        contact = self._contacts.by_identity(letter.sender)
        body = open_letter(letter.letter, reader=self.reader, mail_keys=self.mail_keys, sender=letter.sender)
        if contact is None:
            self._out.events.append(
                Trouble(text=f"A letter from {body.sender_name}, who is not in the table")
            )
            return
        self.conversation(contact)
        stream = self._streams[contact.identity]
        stream.inbox.raise_floor(body.floor)
        stream.inbox.pass_over(body.since, body.number)
        self._streams.take(stream, body.number, body.at, body.text, late=True)

    def _name(self, identity: bytes) -> str:
        contact = self._contacts.by_identity(identity)
        return contact.name if contact is not None else "somebody unknown"
