"""Messages of ours that are on no ladder: notes to ourselves, and messages to names that are not in
our table, kept while the registry cannot be asked whose names they are.

Each such name has a stream of its own until its owner is known; then the messages move to the stream
of that identity. The key of the stream covers the registry's identity, so the messages never go to a
namesake at another registry.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import (
    Addressed,
    MessageChanged,
    MessageReason,
    MessageState,
    Said,
)
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context, LookUp, People, RegistryReach
from chatapp.peer.core.conversation import Conversation, Message, OutgoingStream
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.records import (
    Named,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Record,
    Related,
    StoredStream,
    name_stream,
)
from chatapp.peer.core.relations import moved, told
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.names import name_key


class NotesToSelf:
    """Messages to ourselves: nothing is sent, but they are stored, delivered and shown like any
    message."""

    def __init__(self, ctx: Context, stored: StoredStream) -> None:
        self._ctx: Final = ctx
        self._outgoing = OutgoingStream(stored)
        self._outgoing.messages.clear()
        self._out = ctx.out
        self._numbered = False
        self.written: list[Message] = []

    def write(self, text: str, related: Related | None = None, *, wall: float) -> Message:
        """Write a note. It is delivered when it is stored."""
        message = self._outgoing.add(text, wall=wall, id_=self._out.new_id(), related=related)
        key = self._ctx.me.identity.public
        self._write(
            message, OutgoingAdded(key, message.number, message.at_ms, text, message.id, related)
        )
        return message

    def take(self, stream: bytes, kept: Iterable[Message], *, wall: float) -> None:
        """Take messages of another stream: they were kept for a name that has become ours."""
        key, numbers = self._ctx.me.identity.public, dict[int, int]()
        for one in kept:
            related = moved(one.related, numbers, stream=key)
            message = self._outgoing.add(one.text, wall=wall, id_=one.id, related=related)
            message.at_ms, numbers[one.number] = one.at_ms, message.number
            self._write(
                message,
                OutgoingMoved(stream, one.number, key, message.number),
            )

    def _write(self, message: Message, record: Record) -> None:
        key = self._ctx.me.identity.public
        if not self._numbered:
            self._out.records.append(Named(key, self._ctx.me.name))
        self._numbered = True
        self._out.records += [
            record,
            OutgoingChanged(key, message.number, MessageState.DELIVERED, message.at_ms),
        ]
        self.written.append(message)

    def stored(self) -> None:
        """Deliver the notes that are on disk now."""
        written, self.written = self.written, []
        for message in written:
            name, key, at = self._ctx.me.name, self._ctx.me.identity.public, message.at_ms / 1_000
            self._outgoing.settle(message, MessageState.DELIVERED)
            said = Said(
                conversation=person(name),
                id=message.id,
                sender=name,
                identity=key,
                number=message.number,
                text=message.text,
                at=at,
            )
            self._out.events += [
                said if message.related is None else told(said, message.related),
                MessageChanged(
                    conversation=person(name), id=message.id, state=MessageState.DELIVERED
                ),
            ]


class UnresolvedOutbox:
    """The messages to unresolved names, by the key of the name."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        *,
        notes: NotesToSelf,
        ladder: Ladder,
        receiver: DirectReceiver,
    ) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._people: Final = people
        self._contacts: Final = people.contacts
        self._notes: Final = notes
        self._ladder: Final = ladder
        self._settlement: Final = ladder.settlement
        self._receiver: Final = receiver
        self.waiting: dict[str, Contact] = {}
        """Stand-ins for the people whose identities are not known yet."""

    def restore(
        self, registry: bytes, unknown: Mapping[bytes, str], stored: dict[bytes, StoredStream]
    ) -> None:
        """Restore what an earlier run kept for names at this registry. `unknown`: names by streams
        that lead to no row."""
        for stream, name in unknown.items():
            key = _key_of(name)
            if key is not None and name_stream(registry, key) == stream:
                self._add(stream, key, name, stored.pop(stream, StoredStream()))

    def keep(
        self,
        registry: bytes,
        name: str,
        text: str,
        related: Related | None = None,
        *,
        wall: float,
        now: float,
    ) -> Message:
        """Keep a new message. Raises NameRefused."""
        key = name_key(name)
        contact = self.waiting.get(key)
        if contact is None:
            contact = self._add(name_stream(registry, key), key, name, StoredStream())
            self._out.records.append(Named(contact.identity, name))
        assert contact.conversation is not None
        ahead = self._ctx.status.clock_ahead
        id_ = self._out.new_id()
        message = contact.conversation.outgoing.add(
            text, wall=wall, ahead=ahead, id_=id_, related=related
        )
        self._out.records.append(
            OutgoingAdded(
                contact.identity, message.number, message.at_ms, text, id_, message.related
            )
        )
        self._settlement.kept(contact, message, now=now)
        return message

    def look(self, *, wall: float, now: float) -> None:
        """Send on the messages whose names are resolved now, and refuse those to names that nobody
        has."""
        for key, stand_in in list(self.waiting.items()):
            contact = self._contacts.by_name(key)
            if contact is not None:
                self._people.forget(key)
                if not self._contacts.is_blocked(key):
                    self._address(key, stand_in, contact, wall, now)
            elif self._is_nobodys(key, now):
                self._give_up(key, stand_in, now)

    def _is_nobodys(self, key: str, now: float) -> bool:
        """Return whether the registry says that nobody has this name. Asks it if it can be
        reached."""
        if self._ctx.status.reach is not RegistryReach.UP:
            return False
        return self._people.find(key, can_ask=True, now=now) is LookUp.UNKNOWN

    def _add(self, stream: bytes, key: str, name: str, stored: StoredStream) -> Contact:
        card = Card(name=name, identity=stream, mail=bytes(32), counter=0, signature=bytes(64))
        contact = self.waiting[key] = Contact(stream, Row(card, "", 0, Presence.AWAY, 0, 0, 0))
        contact.conversation = Conversation(stored, self._ctx.policy, self._ctx.rng)
        return contact

    def _address(
        self, key: str, stand_in: Contact, contact: Contact, wall: float, now: float
    ) -> None:
        del self.waiting[key]
        self._out.events.append(Addressed(name=stand_in.name, conversation=person(contact.name)))
        if contact.identity == self._ctx.me.identity.public:
            assert stand_in.conversation is not None
            self._notes.take(stand_in.identity, stand_in.conversation.outgoing, wall=wall)
            return
        conversation = self._receiver.conversation(contact)
        self._ladder.redirect(stand_in, contact, conversation, wall=wall, now=now)

    def _give_up(self, key: str, stand_in: Contact, now: float) -> None:
        del self.waiting[key]
        assert stand_in.conversation is not None
        for message in stand_in.conversation.outgoing:
            self._settlement.refused(stand_in, message, MessageReason.NOBODY, now=now)


def _key_of(name: str) -> str | None:
    try:
        return name_key(name)
    except NameRefused:
        return None
